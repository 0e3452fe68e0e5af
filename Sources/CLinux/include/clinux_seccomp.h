/// Seccomp: compiling with libseccomp, loading compiled BPF (man 2 seccomp).
#ifndef CLINUX_SECCOMP_H
#define CLINUX_SECCOMP_H
#include <stdint.h>
#include <stddef.h>
/// seccomp(SECCOMP_SET_MODE_FILTER): `instructions` of 8 bytes each; 0 or -errno (the notify descriptor with
/// SECCOMP_FILTER_FLAG_NEW_LISTENER).
int cl_seccomp_load(const void *bpf, size_t instructions, unsigned flags);
#endif
