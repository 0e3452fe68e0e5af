#define _GNU_SOURCE
#include "clinux.h"
#include <errno.h>
#include <unistd.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#define R(call) ({ __auto_type r_ = (call); r_ < 0 ? (int)-errno : (int)r_; })

struct cl_mount_attr { uint64_t attr_set, attr_clr, propagation, userns_fd; };

int cl_fsopen(const char *type, unsigned flags) { return R(syscall(SYS_fsopen, type, flags | 1 /* FSOPEN_CLOEXEC */)); }
int cl_fspick(int dir, const char *path, unsigned flags) { return R(syscall(SYS_fspick, dir, path, flags | 1 /* FSPICK_CLOEXEC */)); }
int cl_fsconfig(int fs, unsigned command, const char *key, const void *value, int aux) { return R(syscall(SYS_fsconfig, fs, command, key, value, aux)); }
int cl_fsmount(int fs, unsigned flags, unsigned attributes) { return R(syscall(SYS_fsmount, fs, flags | 1 /* FSMOUNT_CLOEXEC */, attributes)); }
int cl_open_tree(int dir, const char *path, unsigned flags) { return R(syscall(SYS_open_tree, dir, path, flags | O_CLOEXEC)); }
int cl_move_mount(int fd, const char *from, int td, const char *to, unsigned flags) { return R(syscall(SYS_move_mount, fd, from, td, to, flags)); }
int cl_mount_setattr(int dir, const char *path, unsigned flags, uint64_t set, uint64_t clear, uint64_t propagation, int userns) {
    struct cl_mount_attr a = {set, clear, propagation, userns < 0 ? 0 : (uint64_t)userns};
    return R(syscall(SYS_mount_setattr, dir, path, flags, &a, sizeof a));
}
int cl_umount2(const char *target, int flags) { return R(umount2(target, flags)); }
int cl_pivot_root(const char *new_root, const char *put_old) { return R(syscall(SYS_pivot_root, new_root, put_old)); }

int64_t cl_mount_flags(int fd) {
    struct statfs s;
    int r = (int)R(fstatfs(fd, &s));
    return r < 0 ? r : (int64_t)s.f_flags;
}
