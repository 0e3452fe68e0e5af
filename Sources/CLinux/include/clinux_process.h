/// Processes: man 2 clone3, pidfd_open, setns, execveat, prctl, wait, capset; signals; rlimits.
#ifndef CLINUX_PROCESS_H
#define CLINUX_PROCESS_H
#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>

/// clone3(2). Answers 0 in the child, the pid in the parent; `pidfd` and `cgroup` are -1 when not wanted.
/// The caller has one thread; the child goes on in a copy of its memory.
int64_t cl_clone3(uint64_t flags, int *pidfd, int cgroup, int exit_signal);
/// vfork(2) + execve: starts `path` (or, when it is NULL, the file `fd` by execveat) with descriptors
/// `fds[i]` at 3+i, a clean signal state, and every other descriptor above 2 closed on exec.
/// Answers the pid or -errno (of the exec too).
int64_t cl_spawn(int fd, const char *path, char *const argv[], char *const envp[], const int *fds, size_t count,
                 const int stdio[3], int new_session);
int cl_execve(const char *path, char *const argv[], char *const envp[]);
void cl_exit_now(int code) __attribute__((noreturn));
int cl_pidfd_open(int pid, unsigned flags);
int cl_pidfd_send_signal(int pidfd, int signal);
int cl_pidfd_getfd(int pidfd, int fd);
int cl_kill(int pid, int signal);
/// PIDFD_GET_INFO (6.13) with PIDFD_INFO_EXIT (6.15): 1 and `*status` = wait status when it has ended and is
/// known, 0 when it still runs, -errno otherwise.
int cl_pidfd_exit_status(int pidfd, int *status);
/// waitid(P_PIDFD, WEXITED): 1 and `*status` = wait status, 0 when nothing to reap yet (with WNOHANG).
int cl_wait_pidfd(int pidfd, int *status, int nohang);
/// waitpid(pid): the pid, or -errno.
int cl_waitpid(int pid, int *status);
int cl_wifexited(int status);
int cl_wexitstatus(int status);
int cl_wtermsig(int status);
int cl_unshare(uint64_t flags);
int cl_setns(int fd, uint64_t flags);
int cl_namespace_kind(int fd);
int cl_sched_setattr(uint32_t policy, uint64_t flags, int32_t nice, uint32_t priority, uint64_t runtime, uint64_t deadline, uint64_t period);
int cl_sched_setaffinity(const uint8_t *mask, size_t size);
int cl_set_mempolicy(int mode, const uint64_t *nodes, unsigned long bits);
int cl_ioprio_set(uint32_t value);
int cl_setsid(void);
int cl_setgroups(size_t count, const uint32_t *groups);
int cl_setresuid(uint32_t uid);
int cl_setresgid(uint32_t gid);
uint32_t cl_getuid(void);
int cl_getpid(void);
int cl_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
int cl_close_range(unsigned first, unsigned last, unsigned flags);
int cl_sethostname(const char *name, size_t length);
int cl_setdomainname(const char *name, size_t length);
/// setrlimit(2) / getrlimit(2) with 64-bit values; RLIM_INFINITY is UINT64_MAX.
int cl_prlimit(int pid, int resource, const uint64_t *set_soft_hard, uint64_t *old_soft_hard);
/// capset(2), version 3: the three sets as 64-bit masks.
int cl_capset(uint64_t effective, uint64_t permitted, uint64_t inheritable);
int cl_capget(uint64_t *effective, uint64_t *permitted, uint64_t *inheritable);
/// The number of a capability name such as "cap_chown" by libcap, -1 when unknown; the highest one of the kernel.
int cl_cap_number(const char *name);
int cl_cap_last(void);
/// Every signal's disposition to default, the mask empty: what execve(2) would otherwise hand on.
void cl_reset_signals(void);
void cl_end_on_signals(void);
int cl_signal_ignore(int signal);
/// Blocks the signals of the mask (bit n-1 = signal n); answers a signalfd(2) for them.
int cl_signalfd(uint64_t mask);
/// Reads one signal: number in the low 32 bits and sender's pid in the high ones; -errno.
int64_t cl_read_signal(int fd);
int cl_poll(int *fds, short *events, short *revents, size_t count, int timeout_ms);
int cl_keyctl_join_session(const char *name);
int cl_keyctl_setperm(int key, uint32_t permissions);
/// `TYPE;UID;GID;PERMISSIONS;NAME`: its length.
int cl_keyctl_describe(int key, void *buffer, size_t size);
int cl_uname(char *sysname, char *release, char *machine, size_t size);
int cl_personality(unsigned long persona);
/// `Killed` and the like; NULL when there is no such signal.
const char *cl_signal_description(int signal);
/// The environment of this process (Swift must not touch the global `environ`).
char **cl_environ(void);
/// What the program was called with, null at the end; the environment is then as it was given.
char **cl_argv(void);
#endif
