// Runs a command and each process that it makes from the same program step by step, and prints the addresses that
// were executed, each 16 bytes once, in the order of their first use.
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIMIT = 64 << 20, GRAIN = 16 };
static unsigned char seen[LIMIT / GRAIN];

static int is_program(pid_t pid, const char *program) {
    char path[64];
    struct stat a, b;
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    return stat(path, &a) == 0 && stat(program, &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    pid_t first = fork();
    if (first == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        execv(argv[1], argv + 1);
        _exit(127);
    }
    int status, code = 0;
    waitpid(first, &status, 0);
    long options = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    ptrace(PTRACE_SETOPTIONS, first, 0, options);
    ptrace(PTRACE_CONT, first, 0, 0);
    for (pid_t pid; (pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR;) {
        if (pid < 0) continue;
        if (!WIFSTOPPED(status)) {
            if (pid == first) code = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
            continue;
        }
        int signal = WSTOPSIG(status), event = status >> 16;
        if (event == PTRACE_EVENT_EXEC && !is_program(pid, argv[1])) {
            ptrace(PTRACE_DETACH, pid, 0, 0);
            continue;
        }
        if (signal == SIGTRAP || event) {
            struct user_regs_struct registers;
            ptrace(PTRACE_GETREGS, pid, 0, &registers);
            if (registers.rip < LIMIT && !seen[registers.rip / GRAIN]) {
                seen[registers.rip / GRAIN] = 1;
                printf("%llx\n", registers.rip);
            }
            signal = 0;
        } else if (signal == SIGSTOP) {
            signal = 0;
        }
        ptrace(PTRACE_SINGLESTEP, pid, 0, signal);
    }
    return code;
}
