/// bpf(2), as far as a cgroup's device filter needs it.
#ifndef CLINUX_BPF_H
#define CLINUX_BPF_H
#include <stddef.h>
#include <stdint.h>

/// BPF_PROG_LOAD of type BPF_PROG_TYPE_CGROUP_DEVICE: `count` instructions of 8 bytes; a descriptor.
int cl_bpf_load_device(const uint64_t *instructions, size_t count, const char *name);
/// BPF_PROG_ATTACH with BPF_F_ALLOW_MULTI; `replaced` is the program whose place it takes, or -1.
int cl_bpf_attach_device(int cgroup, int program, int replaced);
int cl_bpf_detach_device(int cgroup, int program);
/// BPF_PROG_QUERY: the ids of the programs of this very cgroup; how many there are.
int cl_bpf_query_device(int cgroup, uint32_t *ids, uint32_t capacity);
/// BPF_PROG_GET_FD_BY_ID.
int cl_bpf_program(uint32_t id);
#endif
