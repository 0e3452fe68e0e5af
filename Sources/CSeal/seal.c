// A container can reach the file of whatever process enters it through /proc/PID/exe, and one that makes the runtime
// execute itself (an entry point of `/proc/self/exe`) could then open the host's file for writing (CVE-2019-5736).
// So a command that starts something in a container runs from a read-only detached copy of its own mount, or where
// that is not allowed from a sealed copy in memory. This costs the start of the program twice; so it is done in the very
// first instructions, before libc looks at the processor (0.2 ms in a virtual machine). There is no libc here yet: no
// errno, no functions of its own, no thread-local storage. The linker makes seal_entry the program's entry point.
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
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#if defined(__x86_64__)
// The stack as the kernel left it: argc, argv, NULL, envp, NULL, auxv. rdx is libc's.
__asm__(".globl seal_entry\n"
        "seal_entry: xor %ebp, %ebp\n push %rdx\n sub $8, %rsp\n lea 16(%rsp), %rdi\n call seal_early\n"
        "add $8, %rsp\n pop %rdx\n jmp _start\n");

static long call(long number, long a, long b, long c, long d, long e) {
    long result = number;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    __asm__ volatile("syscall" : "+a"(result) : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
__asm__(".globl seal_entry\n"
        "seal_entry: stp x0, x30, [sp, #-16]!\n add x0, sp, #16\n bl seal_early\n ldp x0, x30, [sp], #16\n"
        "b _start\n");

static long call(long number, long a, long b, long c, long d, long e) {
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
    return x0;
}
#endif

static const char self[] = "/proc/self/exe";
static const char empty[] = "";

static int is_same(const char *a, const char *b) {
    while (*a && *a == *b) a++, b++;
    return *a == *b;
}

static int starts_something(long argc, char **argv) {
    for (long i = 1; i < argc; i++)
        if (is_same(argv[i], "create") || is_same(argv[i], "run") || is_same(argv[i], "exec")) return 1;
    return 0;
}

static int open_self(void) { return (int)call(SYS_openat, AT_FDCWD, (long)self, O_RDONLY | O_CLOEXEC, 0, 0); }

static int is_on_read_only_mount(void) {
    struct statfs s;
    return call(SYS_statfs, (long)self, (long)&s, 0, 0, 0) == 0 && (s.f_flags & ST_RDONLY);
}

/// Whether our file is the root of a mount that is attached nowhere: it has no path then. Somebody could make one that
/// is attached writable later, as hosts do with a read-only /usr for an update.
static int is_detached(void) {
    char path[2];
    return call(SYS_readlinkat, AT_FDCWD, (long)self, (long)path, sizeof path, 0) == 1 && path[0] == '/';
}

/// Whether nobody can write to our file through our process: it is such a copy as we make, or a sealed memfd.
static int is_sealed(void) {
    if (is_on_read_only_mount() && is_detached()) return 1;
    int fd = open_self();
    if (fd < 0) return 0;
    long seals = call(SYS_fcntl, fd, F_GET_SEALS, 0, 0, 0);
    call(SYS_close, fd, 0, 0, 0, 0);
    return seals >= 0 && (seals & F_SEAL_WRITE);
}

/// A descriptor, or what went wrong as -errno; so are the other two's answers.
static int detached_copy(void) {
    int fd = (int)call(SYS_open_tree, AT_FDCWD, (long)self, 1 /* OPEN_TREE_CLONE */ | O_CLOEXEC, 0, 0);
    if (fd < 0) return fd;
    struct mount_attr a = {.attr_set = MOUNT_ATTR_RDONLY, .propagation = 1 << 18 /* MS_PRIVATE */};
    int result = (int)call(SYS_mount_setattr, fd, (long)empty, AT_EMPTY_PATH, (long)&a, sizeof a);
    if (result == 0) return fd;
    call(SYS_close, fd, 0, 0, 0, 0);
    return result;
}

static int copy_in_memory(void) {
    static const char name[] = "apus-runtime";
    // MFD_EXEC is of Linux 6.3; before it every memfd can be executed and the flag is refused.
    int fd = (int)call(SYS_memfd_create, (long)name, MFD_CLOEXEC | MFD_ALLOW_SEALING | 0x10, 0, 0, 0);
    if (fd < 0) fd = (int)call(SYS_memfd_create, (long)name, MFD_CLOEXEC | MFD_ALLOW_SEALING, 0, 0, 0);
    int file = open_self();
    if (fd < 0 || file < 0) return fd < 0 ? fd : file;
    long n;
    while ((n = call(SYS_sendfile, fd, file, 0, 1 << 30, 0)) > 0) {}
    call(SYS_close, file, 0, 0, 0, 0);
    if (n < 0) return (int)n;
    const long seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
    int result = (int)call(SYS_fcntl, fd, F_ADD_SEALS, seals, 0, 0);
    return result < 0 ? result : fd;
}

static int execute(int fd, char **argv, char **envp) {
    return fd < 0 ? fd : (int)call(SYS_execveat, fd, (long)empty, (long)argv, (long)envp, AT_EMPTY_PATH);
}

/// The name that the program was executed by.
static const char *executed_name(char **envp) {
    while (*envp) envp++;
    const unsigned long *entry = (const unsigned long *)(envp + 1);
    for (; entry[0] != AT_NULL; entry += 2)
        if (entry[0] == AT_EXECFN) return (const char *)entry[1];
    return empty;
}

static int failure;

__attribute__((used, no_stack_protector)) void seal_early(long *stack) {
    long argc = stack[0];
    char **argv = (char **)(stack + 1), **envp = argv + argc + 1;
    if (!starts_something(argc, argv) || is_sealed()) return;
    // A copy that is not known again would be copied for ever.
    static const char prefix[] = "/dev/fd/";
    const char *name = executed_name(envp);
    int same = 0;
    while (prefix[same] && prefix[same] == name[same]) same++;
    if (prefix[same] || !is_on_read_only_mount()) execute(detached_copy(), argv, envp);
    failure = -execute(copy_in_memory(), argv, envp);
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

__attribute__((constructor(101))) static void after_libc(int argc, char **argv) {
    if (failure) {
        fprintf(stderr, "cannot run from a read-only copy of %s: %s; needed so that no container can change it\n", self,
                strerror(failure));
        _exit(1);
    }
    take_notes(argc, argv);
}
