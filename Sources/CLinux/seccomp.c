#define _GNU_SOURCE
#include "clinux.h"
#include <errno.h>
#include <seccomp.h>
#include <string.h>
#include <unistd.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#define R(call) ({ __auto_type r_ = (call); r_ < 0 ? (__typeof__(r_))-errno : r_; })

int cl_seccomp_load(const void *bpf, size_t instructions, unsigned flags) {
    if (instructions == 0 || instructions > BPF_MAXINSNS) return -EINVAL;
    struct sock_fprog program = {.len = (unsigned short)instructions, .filter = (struct sock_filter *)bpf};
    return (int)R(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program));
}

int cl_seccomp_load_listener(const void *bpf, size_t instructions, unsigned flags, int socket, uint8_t message) {
    int fd = cl_seccomp_load(bpf, instructions, flags);
    if (fd < 0) return fd;
    // The raw calls: those of libc may make others.
    uint8_t text[5] = {message, 0, 0, 0, 0}, answer;
    memcpy(text + 1, &fd, sizeof fd);
    long r = syscall(SYS_write, socket, text, sizeof text);
    while (r >= 0 && (r = syscall(SYS_read, socket, &answer, 1)) < 0 && errno == EINTR);
    return (int)(r < 0 ? -errno : r);
}

void *cl_seccomp_new(uint32_t action, uint32_t bad_architecture, uint32_t architecture, int optimize) {
    scmp_filter_ctx f = seccomp_init(action);
    if (!f) return NULL;
    uint32_t native = seccomp_arch_native();
    int other = architecture && architecture != native;
    if (seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, bad_architecture) < 0
        || (optimize && seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2) < 0)
        || (other && (seccomp_arch_add(f, architecture) < 0 || seccomp_arch_remove(f, native) < 0))) {
        seccomp_release(f);
        return NULL;
    }
    return f;
}
void cl_seccomp_free(void *filter) { seccomp_release(filter); }
int cl_seccomp_rule(void *filter, uint32_t action, int number, const struct cl_seccomp_argument *a,
                    size_t count) {
    if (count > 6) return -EINVAL;
    struct scmp_arg_cmp args[6];
    for (size_t i = 0; i < count; i++)
        args[i] = (struct scmp_arg_cmp){a[i].index, (enum scmp_compare)a[i].op, a[i].value, a[i].value_two};
    return seccomp_rule_add_array(filter, action, number, (unsigned)count, args);
}
int cl_seccomp_merge(void *filter, void *other) { return seccomp_merge(filter, other); }
int cl_seccomp_export(void *filter, int fd) { return seccomp_export_bpf(filter, fd); }
int cl_seccomp_number(const char *name) { return seccomp_syscall_resolve_name(name); }
uint32_t cl_seccomp_architecture(const char *name) { return seccomp_arch_resolve_name(name); }
uint32_t cl_seccomp_native(void) { return seccomp_arch_native(); }
int cl_seccomp_version(void) {
    const struct scmp_version *v = seccomp_version();
    return v ? (int)(v->major * 10000 + v->minor * 100 + v->micro) : 0;
}
