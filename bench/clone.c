/* The floor under every container start: clone3 with a container's namespaces, an overlay root, pivot_root, execve.
 * No cgroup, no seccomp, no capabilities, no records. Usage: clone LOWER SCRATCH PROGRAM [ARGUMENTS...] */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(int result, const char *what) {
    if (result >= 0) return;
    fprintf(stderr, "clone: %s: %s\n", what, strerror(errno));
    _exit(125);
}

static void child(const char *lower, const char *scratch, char **arguments) {
    char options[4096];
    snprintf(options, sizeof options, "lowerdir=%s,upperdir=%s/upper,workdir=%s/work", lower, scratch, scratch);
    must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "make / private");
    char root[4096];
    snprintf(root, sizeof root, "%s/root", scratch);
    must(mount("overlay", root, "overlay", MS_NODEV, options), "mount the overlay");
    must(chdir(root), "chdir");
    must(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), "mount /proc");
    must(mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755,size=64m"), "mount /dev");
    must(mkdir("dev/pts", 0755), "mkdir /dev/pts");
    must(mkdir("dev/shm", 0755), "mkdir /dev/shm");
    must(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"), "mount /dev/pts");
    must(mount("shm", "dev/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777,size=64m"), "mount /dev/shm");
    must(mount("sysfs", "sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL), "mount /sys");
    must((int)syscall(SYS_pivot_root, ".", "."), "pivot_root");
    must(umount2(".", MNT_DETACH), "leave the old root");
    must(chdir("/"), "chdir /");
    char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    execvpe(arguments[0], arguments, environment);
    must(-1, arguments[0]);
}

int main(int count, char **arguments) {
    if (count < 4) return 125;
    static const char *const directories[] = {"upper", "work", "root"};
    char path[4096];
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", arguments[2], directories[i]);
        mkdir(path, 0755);
    }
    struct clone_args args = {
        .flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP,
        .exit_signal = SIGCHLD,
    };
    long pid = syscall(SYS_clone3, &args, sizeof args);
    must((int)pid, "clone3");
    if (pid == 0) child(arguments[1], arguments[2], arguments + 3);
    int status;
    must(waitpid((pid_t)pid, &status, 0), "wait");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
