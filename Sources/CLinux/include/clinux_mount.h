/// The mount API of Linux 5.2 and later: man 2 fsopen, fsconfig, fsmount, open_tree, move_mount, mount_setattr.
#ifndef CLINUX_MOUNT_H
#define CLINUX_MOUNT_H
#include <stdint.h>
#include <stddef.h>

int cl_fsopen(const char *type, unsigned flags);
int cl_fsconfig(int fs, unsigned command, const char *key, const void *value, int aux);
int cl_fsmount(int fs, unsigned flags, unsigned attributes);
int cl_open_tree(int dir, const char *path, unsigned flags);
int cl_move_mount(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int cl_mount_setattr(int dir, const char *path, unsigned flags, uint64_t set, uint64_t clear, uint64_t propagation, int userns);
int64_t cl_mount_flags(int fd);
int cl_fspick(int dir, const char *path, unsigned flags);
int cl_umount2(const char *target, int flags);
int cl_pivot_root(const char *new_root, const char *put_old);
#endif
