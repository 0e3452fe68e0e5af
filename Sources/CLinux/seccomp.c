#define _GNU_SOURCE
#include "clinux.h"
#include <errno.h>
#include <unistd.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#define R(call) ({ __auto_type r_ = (call); r_ < 0 ? (__typeof__(r_))-errno : r_; })

int cl_seccomp_load(const void *bpf, size_t instructions, unsigned flags) {
    struct sock_fprog program = {.len = (unsigned short)instructions, .filter = (struct sock_filter *)bpf};
    return (int)R(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program));
}
