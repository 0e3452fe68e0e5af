#define _GNU_SOURCE
#include "clinux.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <linux/openat2.h>
#include <linux/stat.h>

#define R(call) ({ __auto_type r_ = (call); r_ < 0 ? (__typeof__(r_))-errno : r_; })
#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000U
#endif

int cl_close(int fd) { return R(close(fd)); }
int cl_openat(int dir, const char *path, int flags, uint32_t mode) { return R(openat(dir, path, flags | O_CLOEXEC, mode)); }
int cl_openat2(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
    struct open_how how = {.flags = flags | O_CLOEXEC, .mode = mode, .resolve = resolve};
    int result;
    // Any rename or mount on the machine in the meantime makes the kernel unsure of a `..`: to be tried again.
    for (int tries = 0; tries < 128; tries++) {
        result = (int)R(syscall(SYS_openat2, dir, path, &how, sizeof how));
        if (result != -EAGAIN || !resolve) break;
    }
    return result;
}
ssize_t cl_read(int fd, void *b, size_t n) { return R(read(fd, b, n)); }
ssize_t cl_write(int fd, const void *b, size_t n) { return R(write(fd, b, n)); }
ssize_t cl_pread(int fd, void *b, size_t n, int64_t o) { return R(pread(fd, b, n, o)); }
ssize_t cl_pwrite(int fd, const void *b, size_t n, int64_t o) { return R(pwrite(fd, b, n, o)); }
int64_t cl_lseek(int fd, int64_t o, int w) { return R(lseek(fd, o, w)); }
int cl_fallocate(int fd, int mode, int64_t at, int64_t n) { return R(fallocate(fd, mode, at, n)); }
int cl_ftruncate(int fd, int64_t n) { return R(ftruncate(fd, n)); }
int cl_fsync(int fd) { return R(fsync(fd)); }
int cl_syncfs(int fd) { return R(syncfs(fd)); }
int cl_dup(int fd, int minimum) { return R(fcntl(fd, F_DUPFD_CLOEXEC, minimum)); }
int cl_dup3(int from, int to, int flags) { return R(dup3(from, to, flags)); }
int cl_fcntl(int fd, int command, long argument) { return R(fcntl(fd, command, argument)); }
int cl_ioctl(int fd, unsigned long request, void *argument) { return R(ioctl(fd, request, argument)); }
int cl_pipe2(int *ends, int flags) { return R(pipe2(ends, flags | O_CLOEXEC)); }
int cl_flock(int fd, int operation) { return R(flock(fd, operation)); }

int cl_stat(int dir, const char *path, int flags, struct cl_stat *out) {
    struct statx s;
    int r = (int)R(syscall(SYS_statx, dir, path, flags | AT_NO_AUTOMOUNT, STATX_BASIC_STATS | STATX_MNT_ID_UNIQUE, &s));
    if (r < 0) return r;
    *out = (struct cl_stat){
        .device = makedev(s.stx_dev_major, s.stx_dev_minor), .inode = s.stx_ino, .size = s.stx_size,
        .blocks = s.stx_blocks, .links = s.stx_nlink,
        .mount_id = (s.stx_mask & STATX_MNT_ID_UNIQUE) ? s.stx_mnt_id : 0,
        .mode = s.stx_mode, .uid = s.stx_uid, .gid = s.stx_gid,
        .rdev_major = s.stx_rdev_major, .rdev_minor = s.stx_rdev_minor,
        .dev_major = s.stx_dev_major, .dev_minor = s.stx_dev_minor,
        .mtime_sec = s.stx_mtime.tv_sec, .ctime_sec = s.stx_ctime.tv_sec,
        .mtime_nsec = s.stx_mtime.tv_nsec, .ctime_nsec = s.stx_ctime.tv_nsec};
    return 0;
}
int cl_mkdirat(int dir, const char *path, uint32_t mode) { return R(mkdirat(dir, path, mode)); }
int cl_mknodat(int dir, const char *path, uint32_t mode, uint32_t major, uint32_t minor) { return R(mknodat(dir, path, mode, makedev(major, minor))); }
int cl_symlinkat(const char *target, int dir, const char *path) { return R(symlinkat(target, dir, path)); }
ssize_t cl_readlinkat(int dir, const char *path, char *b, size_t n) { return R(readlinkat(dir, path, b, n)); }
int cl_linkat(int fd, const char *from, int td, const char *to, int flags) { return R(linkat(fd, from, td, to, flags)); }
int cl_unlinkat(int dir, const char *path, int flags) { return R(unlinkat(dir, path, flags)); }
int cl_renameat2(int fd, const char *from, int td, const char *to, unsigned flags) { return R(renameat2(fd, from, td, to, flags)); }
int cl_fchownat(int dir, const char *path, uint32_t uid, uint32_t gid, int flags) { return R(fchownat(dir, path, uid, gid, flags)); }
int cl_fchmod(int fd, uint32_t mode) { return R(fchmod(fd, mode)); }
int cl_fchmodat(int dir, const char *path, uint32_t mode) { return R(fchmodat(dir, path, mode, 0)); }
int cl_utimensat(int dir, const char *path, int64_t as, long an, int64_t ms, long mn, int flags) {
    struct timespec t[2] = {{.tv_sec = as, .tv_nsec = an}, {.tv_sec = ms, .tv_nsec = mn}};
    return (int)R(syscall(SYS_utimensat, dir, path, t, flags));
}
int cl_fsetxattr(int fd, const char *name, const void *v, size_t n, int flags) { return R(fsetxattr(fd, name, v, n, flags)); }
ssize_t cl_fgetxattr(int fd, const char *name, void *v, size_t n) { return R(fgetxattr(fd, name, v, n)); }
ssize_t cl_flistxattr(int fd, char *names, size_t n) { return R(flistxattr(fd, names, n)); }
int cl_fremovexattr(int fd, const char *name) { return R(fremovexattr(fd, name)); }

struct linux_dirent64 { uint64_t d_ino; int64_t d_off; unsigned short d_reclen; unsigned char d_type; char d_name[]; };
ssize_t cl_getdents(int fd, void *b, size_t n) { return (ssize_t)R(syscall(SYS_getdents64, fd, b, n)); }
size_t cl_dirent_at(const void *buffer, size_t at, struct cl_dirent *out) {
    const struct linux_dirent64 *e = (const void *)((const char *)buffer + at);
    *out = (struct cl_dirent){.inode = e->d_ino, .length = (uint16_t)strlen(e->d_name), .type = e->d_type, .name = e->d_name};
    return at + e->d_reclen;
}
ssize_t cl_copy_file_range(int from, int64_t *fo, int to, int64_t *t, size_t n) { return R(copy_file_range(from, fo, to, t, n, 0)); }
int64_t cl_statfs_type(int fd) { struct statfs s; int r = R(fstatfs(fd, &s)); return r < 0 ? r : (int64_t)(uint32_t)s.f_type; }
int cl_statfs_free(int fd, uint64_t *bytes, uint64_t *inodes) {
    struct statfs s;
    int r = R(fstatfs(fd, &s));
    if (r == 0) { *bytes = (uint64_t)s.f_bavail * (uint64_t)s.f_bsize; *inodes = s.f_ffree; }
    return r;
}
int cl_memfd_create(const char *name, unsigned flags) { return R(memfd_create(name, flags | MFD_CLOEXEC)); }
uint32_t cl_umask(uint32_t mask) { return umask(mask); }
int cl_fchdir(int fd) { return R(fchdir(fd)); }
int cl_fchroot_dot(void) { return R(chroot(".")); }
ssize_t cl_getcwd(char *b, size_t n) { return (ssize_t)R(syscall(SYS_getcwd, b, n)); }
ssize_t cl_getrandom(void *b, size_t n) { return R(getrandom(b, n, 0)); }
int cl_clock(int clock, int64_t *sec, long *nsec) {
    struct timespec t;
    int r = R(clock_gettime(clock, &t));
    *sec = t.tv_sec; *nsec = t.tv_nsec;
    return r;
}

int cl_check_executable(const char *path) {
    int r = (int)R(syscall(439 /* faccessat2 */, AT_FDCWD, path, X_OK, AT_EACCESS));
    // A filter that does not know faccessat2: the call from before it, by the real ids.
    if (r == -ENOSYS || r == -EPERM) r = (int)R(syscall(SYS_faccessat, AT_FDCWD, path, X_OK));
    return r == -ENOSYS || r == -EPERM ? 0 : r;  // neither: the exec will say
}
