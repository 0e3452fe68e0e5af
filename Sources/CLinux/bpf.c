#define _GNU_SOURCE
#include "clinux.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <sys/syscall.h>

#define R(call) ({ __auto_type r_ = (call); r_ < 0 ? (__typeof__(r_))-errno : r_; })
#define BPF(command, ...) ({ \
    union bpf_attr a_; \
    memset(&a_, 0, sizeof a_); \
    __VA_ARGS__; \
    (int)R(syscall(SYS_bpf, command, &a_, sizeof a_)); \
})
#define POINTER(p) ((uint64_t)(uintptr_t)(p))

int cl_bpf_load_device(const uint64_t *instructions, size_t count, const char *name) {
    return BPF(BPF_PROG_LOAD, a_.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE, a_.insns = POINTER(instructions),
               a_.insn_cnt = (uint32_t)count, a_.license = POINTER("Apache-2.0"),
               strncpy(a_.prog_name, name, sizeof a_.prog_name - 1));
}
int cl_bpf_attach_device(int cgroup, int program, int replaced) {
    return BPF(BPF_PROG_ATTACH, a_.target_fd = (uint32_t)cgroup, a_.attach_bpf_fd = (uint32_t)program,
               a_.attach_type = BPF_CGROUP_DEVICE,
               a_.attach_flags = BPF_F_ALLOW_MULTI | (replaced < 0 ? 0 : BPF_F_REPLACE),
               a_.replace_bpf_fd = replaced < 0 ? 0 : (uint32_t)replaced);
}
int cl_bpf_detach_device(int cgroup, int program) {
    return BPF(BPF_PROG_DETACH, a_.target_fd = (uint32_t)cgroup, a_.attach_bpf_fd = (uint32_t)program,
               a_.attach_type = BPF_CGROUP_DEVICE);
}
int cl_bpf_query_device(int cgroup, uint32_t *ids, uint32_t capacity) {
    union bpf_attr a = {.query = {.target_fd = (uint32_t)cgroup, .attach_type = BPF_CGROUP_DEVICE,
                                  .prog_ids = POINTER(ids), .prog_cnt = capacity}};
    int r = (int)R(syscall(SYS_bpf, BPF_PROG_QUERY, &a, sizeof a));
    return r < 0 ? r : (int)a.query.prog_cnt;
}
int cl_bpf_program(uint32_t id) { return BPF(BPF_PROG_GET_FD_BY_ID, a_.prog_id = id); }
