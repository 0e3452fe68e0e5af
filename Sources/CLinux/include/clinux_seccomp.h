/// Seccomp: compiling with libseccomp (man 3 seccomp_init and following), loading compiled BPF (man 2
/// seccomp).
#ifndef CLINUX_SECCOMP_H
#define CLINUX_SECCOMP_H
#include <stdint.h>
#include <stddef.h>

/// seccomp(SECCOMP_SET_MODE_FILTER): `instructions` of 8 bytes each; 0 or -errno (the notify descriptor with
/// SECCOMP_FILTER_FLAG_NEW_LISTENER).
int cl_seccomp_load(const void *bpf, size_t instructions, unsigned flags);

/// Loads with SECCOMP_FILTER_FLAG_NEW_LISTENER, writes `message` and the notify descriptor's number (int) to `socket`
/// and reads one byte of the answer: 1, 0 at the end of the file, -errno. No other call is made after loading.
int cl_seccomp_load_listener(const void *bpf, size_t instructions, unsigned flags, int socket, uint8_t message);

/// One comparison of argument `index` (0 to 5); `op` is libseccomp's enum scmp_compare.
struct cl_seccomp_argument { uint32_t index, op; uint64_t value, value_two; };
/// An empty filter for one architecture (0: the native one); NULL when an action or the architecture is not
/// known. `optimize`: as a binary tree, which halves the load time of a long one.
void *cl_seccomp_new(uint32_t default_action, uint32_t bad_architecture_action, uint32_t architecture, int optimize);
void cl_seccomp_free(void *filter);
int cl_seccomp_rule(void *filter, uint32_t action, int number, const struct cl_seccomp_argument *arguments,
                    size_t count);
/// Adds the rules of `other`, which is used up, for its architecture.
int cl_seccomp_merge(void *filter, void *other);
/// Writes the program to `fd` as instructions of 8 bytes.
int cl_seccomp_export(void *filter, int fd);
/// The native number of a name, below -1 for a call that only other architectures have, -1 when unknown.
int cl_seccomp_number(const char *name);
/// libseccomp's token of an architecture name such as `x86_64` (AUDIT_ARCH but for x32); 0 when unknown.
uint32_t cl_seccomp_architecture(const char *name);
uint32_t cl_seccomp_native(void);
/// major * 10000 + minor * 100 + micro.
int cl_seccomp_version(void);
#endif
