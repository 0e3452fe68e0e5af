// A container can reach the file of whatever process enters it through /proc/PID/exe, and one that makes the runtime
// execute itself (an entry point of `/proc/self/exe`) could then open the host's file for writing (CVE-2019-5736).
// So a command that starts something in a container runs from a read-only detached copy of its own mount, or where
// that is not allowed from a sealed copy in memory. This is done in C before main, because it costs the start of the
// program twice, and Swift's would be the larger part.
#define _GNU_SOURCE
#include "seal.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char self[] = "/proc/self/exe";

static int starts_something(int argc, char **argv) {
    static const char *const commands[] = {"create", "run", "exec"};
    for (int i = 1; i < argc; i++)
        for (size_t c = 0; c < sizeof commands / sizeof *commands; c++)
            if (!strcmp(argv[i], commands[c])) return 1;
    return 0;
}

static int is_on_read_only_mount(void) {
    struct statvfs s;
    return statvfs(self, &s) == 0 && (s.f_flag & ST_RDONLY);
}

/// Whether our file is the root of a mount that is attached nowhere: it has no path then. Somebody could make one that
/// is attached writable later, as hosts do with a read-only /usr for an update.
static int is_detached(void) {
    char path[2];
    return readlink(self, path, sizeof path) == 1 && path[0] == '/';
}

/// Whether nobody can write to our file through our process: it is such a copy as we make, or a sealed memfd.
static int is_sealed(void) {
    if (is_on_read_only_mount() && is_detached()) return 1;
    int fd = open(self, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    int seals = fcntl(fd, F_GET_SEALS);
    close(fd);
    return seals >= 0 && (seals & F_SEAL_WRITE);
}

static int detached_copy(void) {
    int fd = (int)syscall(SYS_open_tree, AT_FDCWD, self, 1 /* OPEN_TREE_CLONE */ | O_CLOEXEC);
    if (fd < 0) return -1;
    struct mount_attr a = {.attr_set = MOUNT_ATTR_RDONLY, .propagation = 1 << 18 /* MS_PRIVATE */};
    if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &a, sizeof a) == 0) return fd;
    close(fd);
    return -1;
}

static int copy_in_memory(void) {
    // MFD_EXEC is of Linux 6.3; before it every memfd can be executed and the flag is refused.
    int fd = memfd_create("apus-runtime", MFD_CLOEXEC | MFD_ALLOW_SEALING | 0x10);
    if (fd < 0) fd = memfd_create("apus-runtime", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int file = open(self, O_RDONLY | O_CLOEXEC);
    struct stat s;
    if (fd < 0 || file < 0 || fstat(file, &s) < 0) return -1;
    while (s.st_size > 0) {
        ssize_t n = sendfile(fd, file, NULL, (size_t)s.st_size);
        if (n <= 0) return -1;
        s.st_size -= n;
    }
    close(file);
    return fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0 ? -1 : fd;
}

static void execute(int fd, char **argv, char **envp) {
    if (fd >= 0) syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH);
}

static struct {
    unsigned descriptors;
    char *arguments, *copy;
    size_t size;
} start;

static void take_notes(int argc, char **argv) {
    while (fcntl(3 + (int)start.descriptors, F_GETFD) >= 0) start.descriptors++;
    if (argc < 1) return;
    // The kernel puts them one after the other.
    start.arguments = argv[0];
    start.size = (size_t)(argv[argc - 1] + strlen(argv[argc - 1]) + 1 - argv[0]);
}

unsigned seal_open_descriptors(void) { return start.descriptors; }

void seal_hide_arguments(int hidden) {
    static const char name[] = "apus-runtime init";
    if (!hidden) {
        if (start.copy) memcpy(start.arguments, start.copy, start.size);
        return;
    }
    if (start.copy || !start.size || !(start.copy = malloc(start.size))) return;
    memcpy(start.copy, start.arguments, start.size);
    memset(start.arguments, 0, start.size);
    memcpy(start.arguments, name, start.size < sizeof name ? start.size - 1 : sizeof name);
}

__attribute__((constructor(101))) static void seal(int argc, char **argv, char **envp) {
    take_notes(argc, argv);
    if (!starts_something(argc, argv) || is_sealed()) return;
    // A copy that is not known again would be copied for ever.
    const char *name = (const char *)getauxval(AT_EXECFN);
    int is_copy = name && !strncmp(name, "/dev/fd/", 8) && is_on_read_only_mount();
    if (!is_copy) execute(detached_copy(), argv, envp);
    execute(copy_in_memory(), argv, envp);
    fprintf(stderr, "cannot run from a read-only copy of %s: %s; needed so that no container can change it\n", self,
            strerror(errno));
    _exit(1);
}
