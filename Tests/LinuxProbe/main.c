/// Loads a compiled filter and tries system calls under it: `linux-probe FILTER [PROBE...]` prints, for
/// each probe, its name and what came of it: 0, an errno, or the negative number of the signal that ended
/// it. `linux-probe exchange SECONDS A B` swaps two names all that time. `linux-probe peak FILE COMMAND...` runs a
/// command, ends as it does, and writes the most memory that it or a child of it had into the file, in KiB. Written in C because a probe may meet a filter under which no Swift program would get to its main
/// function, and for `int 0x80`.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define CALL(...) (syscall(__VA_ARGS__) < 0 ? errno : 0)
static const char nowhere[] = "/nonexistent/for/linux-probe";

static int int80(long number) {
#ifdef __x86_64__
    long result = number;
    __asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
    return result < 0 ? (int)-result : 0;
#else
    return ENOSYS;
#endif
}
static int clone_with(unsigned long flags) {
    long pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) _exit(0);
    if (pid < 0) return errno;
    waitpid((pid_t)pid, NULL, 0);
    return 0;
}
static int exec_self(void) {
    execl("/proc/self/exe", "linux-probe", (char *)0);  // ends with 64: usage
    return errno;
}

static int run(const char *p) {
#define PROBE(name, ...) if (!strcmp(p, name)) return __VA_ARGS__
    PROBE("getpid", CALL(SYS_getpid));
    PROBE("openat", CALL(SYS_openat, AT_FDCWD, "/", O_RDONLY));
    PROBE("clone", clone_with(CLONE_FILES));
    PROBE("execve", exec_self());
    PROBE("cachestat", CALL(451, -1, 0, 0, 0));
    PROBE("fchmodat2", CALL(452, AT_FDCWD, nowhere, 0, 0));
    PROBE("mseal", CALL(462, 1, 1, 1));
    PROBE("statmount", CALL(457, 0, 0, 0, 0));
    PROBE("file_getattr", CALL(468, AT_FDCWD, nowhere, 0, 0, 0));
    PROBE("inet", CALL(SYS_socket, 2, 2, 0));
    PROBE("netlink", CALL(SYS_socket, 16, 3, 0));
    PROBE("packet", CALL(SYS_socket, 17, 3, 0));
    PROBE("alg", CALL(SYS_socket, 38, 5, 0));
    PROBE("alg with a high bit", CALL(SYS_socket, 1UL << 32 | 38, 5, 0));
    PROBE("vsock", CALL(SYS_socket, 40, 1, 0));
    PROBE("family 39", CALL(SYS_socket, 39, 1, 0));
    PROBE("family 45", CALL(SYS_socket, 45, 1, 0));
    PROBE("family 63", CALL(SYS_socket, 63, 1, 0));
    PROBE("unshare user", CALL(SYS_unshare, CLONE_NEWUSER));
    PROBE("unshare mount", CALL(SYS_unshare, CLONE_NEWNS));
    PROBE("clone user", clone_with(CLONE_NEWUSER));
    PROBE("clone cgroup", clone_with(CLONE_NEWCGROUP));
    PROBE("clone3", CALL(SYS_clone3, 0, 0));
    PROBE("setns", CALL(SYS_setns, -1, 0));
    PROBE("personality 0", CALL(SYS_personality, 0UL));
    PROBE("personality asked", CALL(SYS_personality, 0xffffffffUL));
    PROBE("personality no randomize", CALL(SYS_personality, 0x40000UL));
    PROBE("keyctl", CALL(SYS_keyctl, 0, -3, 0));
    PROBE("add_key", CALL(SYS_add_key, "user", "a", "b", 1, -3));
    PROBE("bpf", CALL(SYS_bpf, -1, 0, 0));
    PROBE("perf_event_open", CALL(SYS_perf_event_open, 0, 0, -1, -1, 0));
    PROBE("mount", CALL(SYS_mount, 0, nowhere, 0, 0, 0));
    PROBE("umount2", CALL(SYS_umount2, nowhere, 0));
    PROBE("fsopen", CALL(SYS_fsopen, nowhere, 0));
    PROBE("open_tree", CALL(SYS_open_tree, AT_FDCWD, nowhere, 0));
    PROBE("pivot_root", CALL(SYS_pivot_root, nowhere, nowhere));
    PROBE("chroot", CALL(SYS_chroot, nowhere));
    PROBE("io_uring_setup", CALL(SYS_io_uring_setup, 0, 0));
    PROBE("userfaultfd", CALL(SYS_userfaultfd, -1));
    PROBE("kexec_load", CALL(SYS_kexec_load, 0, 99, 0, -1));
    PROBE("init_module", CALL(SYS_init_module, 0, 0, 0));
    PROBE("open_by_handle_at", CALL(SYS_open_by_handle_at, -1, 0, 0));
    PROBE("reboot", CALL(SYS_reboot, 0, 0, 0, 0));
    PROBE("syslog", CALL(SYS_syslog, 99, 0, 0));
    PROBE("swapon", CALL(SYS_swapon, nowhere, 0));
    PROBE("acct", CALL(SYS_acct, nowhere));
    PROBE("kcmp", CALL(SYS_kcmp, getpid(), getpid(), 99, 0, 0));
    PROBE("ptrace", CALL(SYS_ptrace, 0, 0, 0, 0));
    PROBE("mbind", CALL(SYS_mbind, 0, 0, 99, 0, 0, 0));
    PROBE("clock_settime", CALL(SYS_clock_settime, 99, 0));
    PROBE("number 400", CALL(400));
    PROBE("number 600", CALL(600));
    PROBE("number -1", CALL(-1));
    PROBE("x32 getpid", CALL(0x40000000 | 39));
    PROBE("x32 mseal", CALL(0x40000000 | 462, 1, 1, 1));
    PROBE("int 0x80", int80(20));  // getpid of 32-bit x86
    PROBE("int 0x80 mseal", int80(462));
    return 255;
}

static int load(const char *path) {
    static struct sock_filter program[BPF_MAXINSNS];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, program, sizeof program);
    if (size <= 0) return -1;
    struct sock_fprog filter = {.len = (unsigned short)(size / 8), .filter = program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -1;
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter);
}

/// What is looked at twice by its path is then two things.
static int exchange(unsigned seconds, const char *a, const char *b) {
    alarm(seconds);
    for (;;) syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 2 /* RENAME_EXCHANGE */);
}

static int peak(const char *file, char **command) {
    pid_t pid = fork();
    if (pid == 0) {
        execvp(command[0], command);
        _exit(127);
    }
    struct rusage used;
    int status = 0;
    FILE *out = fopen(file, "w");
    if (pid < 0 || !out || wait4(pid, &status, 0, &used) < 0) return 125;
    fprintf(out, "%ld\n", used.ru_maxrss);
    fclose(out);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int main(int argc, char **argv) {
    if (argc == 5 && !strcmp(argv[1], "exchange")) return exchange((unsigned)atoi(argv[2]), argv[3], argv[4]);
    if (argc > 3 && !strcmp(argv[1], "peak")) return peak(argv[2], argv + 3);
    if (argc < 2) return 64;
    for (int i = 2; i < argc; i++) {
        pid_t pid = fork();
        if (pid == 0) _exit(load(argv[1]) < 0 ? 254 : run(argv[i]));
        int status = 0;
        if (pid < 0 || waitpid(pid, &status, 0) < 0) return 1;
        printf("%s=%d\n", argv[i], WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status));
    }
    return 0;
}
