/// Files and directories: man 2 open, openat2, statx, renameat2, getdents64, flock.
#ifndef CLINUX_FILES_H
#define CLINUX_FILES_H
#include <stdint.h>
#include <sys/types.h>
#include <sys/stat.h>

/// What statx(2) says, in fixed-width fields; `mount_id` is 0 where the kernel does not tell it.
struct cl_stat {
    uint64_t device, inode, size, blocks, links, mount_id;
    uint32_t mode, uid, gid, rdev_major, rdev_minor, dev_major, dev_minor;
    int64_t mtime_sec, ctime_sec;
    uint32_t mtime_nsec, ctime_nsec;
};
/// One entry of a getdents64(2) buffer: offset of the next one, and the name inside the buffer.
struct cl_dirent { uint64_t inode; uint16_t length; uint8_t type; const char *name; };

int cl_close(int fd);
int cl_openat(int dir, const char *path, int flags, uint32_t mode);
int cl_openat2(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);
ssize_t cl_read(int fd, void *buffer, size_t count);
ssize_t cl_write(int fd, const void *buffer, size_t count);
ssize_t cl_pread(int fd, void *buffer, size_t count, int64_t offset);
ssize_t cl_pwrite(int fd, const void *buffer, size_t count, int64_t offset);
int64_t cl_lseek(int fd, int64_t offset, int whence);
int cl_fallocate(int fd, int mode, int64_t offset, int64_t length);
int cl_ftruncate(int fd, int64_t length);
int cl_fsync(int fd);
int cl_syncfs(int fd);
int cl_dup(int fd, int minimum);
int cl_dup3(int from, int to, int flags);
int cl_fcntl(int fd, int command, long argument);
int cl_ioctl(int fd, unsigned long request, void *argument);
int cl_pipe2(int *ends, int flags);
int cl_flock(int fd, int operation);
int cl_stat(int dir, const char *path, int flags, struct cl_stat *out);
int cl_mkdirat(int dir, const char *path, uint32_t mode);
int cl_check_executable(const char *path);
int cl_mknodat(int dir, const char *path, uint32_t mode, uint32_t major, uint32_t minor);
int cl_symlinkat(const char *target, int dir, const char *path);
ssize_t cl_readlinkat(int dir, const char *path, char *buffer, size_t size);
int cl_linkat(int from_dir, const char *from, int to_dir, const char *to, int flags);
int cl_unlinkat(int dir, const char *path, int flags);
int cl_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int cl_fchownat(int dir, const char *path, uint32_t uid, uint32_t gid, int flags);
int cl_fchmod(int fd, uint32_t mode);
/// chmod through /proc/self/fd would need a path; fchmodat2(2) with AT_EMPTY_PATH where the kernel has it (6.6).
int cl_fchmodat(int dir, const char *path, uint32_t mode);
int cl_utimensat(int dir, const char *path, int64_t atime_sec, long atime_nsec, int64_t mtime_sec, long mtime_nsec, int flags);
int cl_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags);
ssize_t cl_fgetxattr(int fd, const char *name, void *value, size_t size);
ssize_t cl_flistxattr(int fd, char *names, size_t size);
int cl_fremovexattr(int fd, const char *name);
ssize_t cl_getdents(int fd, void *buffer, size_t size);
/// Reads the entry at `at`; answers the offset of the next one.
size_t cl_dirent_at(const void *buffer, size_t at, struct cl_dirent *out);
ssize_t cl_copy_file_range(int from, int64_t *from_offset, int to, int64_t *to_offset, size_t count);
int64_t cl_statfs_type(int fd);
/// Free bytes (for unprivileged users) and free inodes of the file system.
int cl_statfs_free(int fd, uint64_t *bytes, uint64_t *inodes);
int cl_memfd_create(const char *name, unsigned flags);
uint32_t cl_umask(uint32_t mask);
int cl_fchdir(int fd);
int cl_fchroot_dot(void);
ssize_t cl_getcwd(char *buffer, size_t size);
ssize_t cl_getrandom(void *buffer, size_t size);
int cl_clock(int clock, int64_t *sec, long *nsec);
#endif
