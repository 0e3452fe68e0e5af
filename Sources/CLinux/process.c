#define _GNU_SOURCE
#include "clinux.h"
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#define R(call) ({ __auto_type r_ = (call); r_ < 0 ? (__typeof__(r_))-errno : r_; })

int64_t cl_clone3(uint64_t flags, int *pidfd, int cgroup, int exit_signal) {
    struct clone_args a = {.flags = flags, .exit_signal = (uint64_t)exit_signal};
    if (pidfd) { a.flags |= CLONE_PIDFD; a.pidfd = (uint64_t)(uintptr_t)pidfd; }
    if (cgroup >= 0) { a.flags |= CLONE_INTO_CGROUP; a.cgroup = (uint64_t)cgroup; }
    return R(syscall(SYS_clone3, &a, sizeof a));
}

static void end(int s) { _exit(128 + s); }
void cl_end_on_signals(void) {
    static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGTERM};
    struct sigaction act = {.sa_handler = end};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &act, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}
void cl_reset_signals(void) {
    // The raw call: glibc keeps 32 and 33 to itself and would leave them as they were inherited.
    struct { void *handler; unsigned long flags; void *restorer; unsigned long mask; } act = {0};
    for (int s = 1; s <= 64; s++) if (s != SIGKILL && s != SIGSTOP) syscall(SYS_rt_sigaction, s, &act, NULL, 8);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/// close_range(2) with CLOSE_RANGE_CLOEXEC; one by one under a seccomp filter that does not know it.
static int close_on_exec_from(int first) {
    if (syscall(SYS_close_range, (unsigned)first, ~0U, 4) == 0) return 0;
    if (errno != ENOSYS && errno != EPERM) return -1;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return -1;
    int last = limit.rlim_cur > 1 << 20 ? 1 << 20 : (int)limit.rlim_cur;
    for (int fd = first; fd < last; fd++) fcntl(fd, F_SETFD, FD_CLOEXEC);
    return 0;
}

/// The child's side of cl_spawn; only async-signal-safe calls, no return.
static void spawn_child(int fd, const char *path, char *const argv[], char *const envp[], const int *fds, size_t count,
                        const int stdio[3], int new_session, volatile int *failure) {
    // First all sources are moved above the targets, so that no dup3 overwrites a source still needed.
    int moved[16], std[3], file = fd, above = 3 + (int)count;
    for (int i = 0; i < 3; i++) std[i] = stdio && stdio[i] >= 0 ? fcntl(stdio[i], F_DUPFD_CLOEXEC, above) : -1;
    for (size_t i = 0; i < count; i++) moved[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, above);
    if (file >= 0) file = fcntl(fd, F_DUPFD_CLOEXEC, above);
    for (int i = 0; i < 3; i++) if (stdio && stdio[i] >= 0 && (std[i] < 0 || dup2(std[i], i) < 0)) goto fail;
    for (size_t i = 0; i < count; i++) if (moved[i] < 0 || dup2(moved[i], 3 + (int)i) < 0) goto fail;
    if (close_on_exec_from(above) < 0) goto fail;
    if (new_session && setsid() < 0) goto fail;
    cl_reset_signals();
    if (path) execve(path, argv, envp);
    else syscall(SYS_execveat, file, "", argv, envp, AT_EMPTY_PATH);
fail:
    *failure = errno ? errno : EINVAL;
    _exit(127);
}

int64_t cl_spawn(int fd, const char *path, char *const argv[], char *const envp[], const int *fds, size_t count,
                 const int stdio[3], int new_session) {
    if (count > 16) return -EINVAL;
    volatile int failure = 0;
    pid_t pid = vfork();
    if (pid == 0) spawn_child(fd, path, argv, envp, fds, count, stdio, new_session, &failure);
    if (pid < 0) return -errno;
    if (failure) { int e = failure; waitpid(pid, NULL, 0); return -e; }
    return pid;
}

int cl_execve(const char *path, char *const argv[], char *const envp[]) { execve(path, argv, envp); return -errno; }
void cl_exit_now(int code) { _exit(code); }
int cl_pidfd_open(int pid, unsigned flags) { return (int)R(syscall(SYS_pidfd_open, pid, flags)); }
int cl_pidfd_send_signal(int pidfd, int signal) { return (int)R(syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0)); }
int cl_pidfd_getfd(int pidfd, int fd) { return (int)R(syscall(SYS_pidfd_getfd, pidfd, fd, 0)); }
int cl_kill(int pid, int signal) { return R(kill(pid, signal)); }

struct cl_pidfd_info { uint64_t mask, cgroupid; uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid; int32_t exit_code; };
int cl_pidfd_exit_status(int pidfd, int *status) {
    struct cl_pidfd_info info = {.mask = 1 << 3 /* PIDFD_INFO_EXIT */};
    int r = R(ioctl(pidfd, _IOWR(0xFF, 11, struct cl_pidfd_info), &info));
    if (r < 0) return r;
    if (!(info.mask & (1 << 3))) return 0;
    *status = info.exit_code;
    return 1;
}
int cl_wait_pidfd(int pidfd, int *status, int nohang) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    int r = R(waitid(3 /* P_PIDFD */, (id_t)pidfd, &info, WEXITED | (nohang ? WNOHANG : 0)));
    if (r < 0) return r;
    if (info.si_pid == 0) return 0;
    *status = info.si_code == CLD_EXITED ? (info.si_status & 0xff) << 8 : info.si_status & 0x7f;
    return 1;
}
int cl_waitpid(int pid, int *status) { return R(waitpid(pid, status, 0)); }
int cl_wifexited(int s) { return WIFEXITED(s); }
int cl_wexitstatus(int s) { return WEXITSTATUS(s); }
int cl_wtermsig(int s) { return WTERMSIG(s); }
int cl_unshare(uint64_t flags) { return R(unshare((int)flags)); }
int cl_setns(int fd, uint64_t flags) { return R(setns(fd, (int)flags)); }
int cl_namespace_kind(int fd) { return R(ioctl(fd, _IO(0xb7, 3) /* NS_GET_NSTYPE */)); }
int cl_setsid(void) { return R(setsid()); }
int cl_setgroups(size_t count, const uint32_t *groups) { return (int)R(syscall(SYS_setgroups, count, groups)); }
int cl_setresuid(uint32_t uid) { return (int)R(syscall(SYS_setresuid, uid, uid, uid)); }
int cl_setresgid(uint32_t gid) { return (int)R(syscall(SYS_setresgid, gid, gid, gid)); }
uint32_t cl_getuid(void) { return getuid(); }
int cl_getpid(void) { return (int)syscall(SYS_getpid); }
int cl_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d) { return R(prctl(option, a, b, c, d)); }
int cl_close_range(unsigned first, unsigned last, unsigned flags) { return (int)R(syscall(SYS_close_range, first, last, flags)); }
int cl_sethostname(const char *name, size_t length) { return R(sethostname(name, length)); }
int cl_setdomainname(const char *name, size_t length) { return R(setdomainname(name, length)); }
int cl_prlimit(int pid, int resource, const uint64_t *set, uint64_t *old) { return (int)R(syscall(SYS_prlimit64, pid, resource, set, old)); }

int cl_capset(uint64_t e, uint64_t p, uint64_t i) {
    struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct d[2] = {{(uint32_t)e, (uint32_t)p, (uint32_t)i},
                                          {(uint32_t)(e >> 32), (uint32_t)(p >> 32), (uint32_t)(i >> 32)}};
    return (int)R(syscall(SYS_capset, &h, d));
}
int cl_capget(uint64_t *e, uint64_t *p, uint64_t *i) {
    struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct d[2];
    int r = (int)R(syscall(SYS_capget, &h, d));
    if (r < 0) return r;
    *e = d[0].effective | (uint64_t)d[1].effective << 32;
    *p = d[0].permitted | (uint64_t)d[1].permitted << 32;
    *i = d[0].inheritable | (uint64_t)d[1].inheritable << 32;
    return 0;
}
int cl_cap_number(const char *name) { cap_value_t v; return cap_from_name(name, &v) < 0 ? -1 : (int)v; }
int cl_cap_last(void) {
    int n = 63;
    while (n >= 0 && prctl(PR_CAPBSET_READ, n, 0, 0, 0) < 0) n--;
    return n;
}
int cl_signal_ignore(int s) { struct sigaction act = {.sa_handler = SIG_IGN}; return R(sigaction(s, &act, NULL)); }
static void fill(sigset_t *set, uint64_t mask) {
    sigemptyset(set);
    for (int s = 1; s <= 64; s++) if (mask & (1ULL << (s - 1))) sigaddset(set, s);
}
int cl_signalfd(uint64_t mask) {
    sigset_t set;
    fill(&set, mask);
    int r = R(sigprocmask(SIG_BLOCK, &set, NULL));
    return r < 0 ? r : R(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}
int64_t cl_read_signal(int fd) {
    struct signalfd_siginfo info;
    ssize_t n = read(fd, &info, sizeof info);
    return n < 0 ? -errno : (int64_t)info.ssi_signo | (int64_t)info.ssi_pid << 32;
}
int cl_poll(int *fds, short *events, short *revents, size_t count, int timeout_ms) {
    if (count > 256) return -EINVAL;
    struct pollfd p[256];
    for (size_t i = 0; i < count; i++) p[i] = (struct pollfd){.fd = fds[i], .events = events[i]};
    int r = R(poll(p, count, timeout_ms));
    for (size_t i = 0; i < count; i++) revents[i] = p[i].revents;
    return r;
}
int cl_keyctl_join_session(const char *name) { return (int)R(syscall(SYS_keyctl, 1 /* KEYCTL_JOIN_SESSION_KEYRING */, name)); }
int cl_keyctl_setperm(int key, uint32_t permissions) { return (int)R(syscall(SYS_keyctl, 5 /* KEYCTL_SETPERM */, key, permissions)); }
int cl_keyctl_describe(int key, void *buffer, size_t size) { return (int)R(syscall(SYS_keyctl, 6 /* KEYCTL_DESCRIBE */, key, buffer, size)); }
int cl_uname(char *sysname, char *release, char *machine, size_t size) {
    struct utsname u;
    int r = R(uname(&u));
    if (r < 0) return r;
    snprintf(sysname, size, "%s", u.sysname);
    snprintf(release, size, "%s", u.release);
    snprintf(machine, size, "%s", u.machine);
    return 0;
}
int cl_personality(unsigned long persona) { return R(personality(persona)); }
const char *cl_signal_description(int signal) { return sigdescr_np(signal); }
char **cl_environ(void) { return environ; }

struct cl_sched_attr { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority; uint64_t runtime, deadline, period; };
int cl_sched_setattr(uint32_t policy, uint64_t flags, int32_t nice, uint32_t priority, uint64_t runtime, uint64_t deadline, uint64_t period) {
    struct cl_sched_attr a = {sizeof a, policy, flags, nice, priority, runtime, deadline, period};
    return (int)R(syscall(SYS_sched_setattr, 0, &a, 0));
}
int cl_sched_setaffinity(const uint8_t *mask, size_t size) { return (int)R(syscall(SYS_sched_setaffinity, 0, size, mask)); }
int cl_set_mempolicy(int mode, const uint64_t *nodes, unsigned long bits) { return (int)R(syscall(SYS_set_mempolicy, mode, nodes, bits)); }
int cl_ioprio_set(uint32_t value) { return (int)R(syscall(SYS_ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, 0, value)); }
