/// Sockets: AF_UNIX with descriptors, AF_NETLINK, terminals.
#ifndef CLINUX_SOCKET_H
#define CLINUX_SOCKET_H
#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>

int cl_socket(int domain, int type, int protocol);
int cl_socketpair(int type, int *ends);
/// AF_UNIX addresses by path; a path over 107 bytes is reached through /proc/self/fd by the caller.
int cl_bind_unix(int fd, const char *path);
int cl_connect_unix(int fd, const char *path);
int cl_listen(int fd, int backlog);
int cl_accept(int fd);
int cl_shutdown(int fd, int how);
int cl_peer_credentials(int fd, int *pid, uint32_t *uid, uint32_t *gid);
ssize_t cl_send(int fd, const void *buffer, size_t count, int flags);
ssize_t cl_recv(int fd, void *buffer, size_t count, int flags);
/// One message of two parts: a small head and a body, without copying them together.
ssize_t cl_send2(int fd, const void *head, size_t head_count, const void *body, size_t count, int flags);
/// One message with descriptors (SCM_RIGHTS), at most 8; `received` descriptors come close-on-exec.
ssize_t cl_send_fds(int fd, const void *buffer, size_t count, const int *fds, size_t fd_count);
ssize_t cl_recv_fds(int fd, void *buffer, size_t count, int *fds, size_t *fd_count, int flags);
int cl_setsockopt_int(int fd, int level, int option, int value);
int cl_bind_netlink(int fd, uint32_t *port);
/// Binds and (tcp) listens: `address` is 4 or 16 bytes in network order.
int cl_bind_inet(int fd, int family, const uint8_t *address, uint16_t port);
int cl_connect_inet(int fd, int family, const uint8_t *address, uint16_t port);
int cl_local_port(int fd);
/// A datagram of IPv4 and who sent it: `address` is 4 bytes in network order.
ssize_t cl_recvfrom_inet4(int fd, void *buffer, size_t count, uint8_t *address, uint16_t *port);
ssize_t cl_sendto_inet4(int fd, const void *buffer, size_t count, const uint8_t *address, uint16_t port);
unsigned cl_if_nametoindex(const char *name);

/// Terminal: raw mode keeps the old settings in `saved` (64 bytes are enough for struct termios).
struct cl_termios { uint8_t bytes[64]; };
int cl_tcgetattr(int fd, struct cl_termios *saved);
int cl_tcsetattr(int fd, const struct cl_termios *saved);
int cl_make_raw(int fd, const struct cl_termios *saved, int keep_output);
int cl_get_window_size(int fd, uint16_t *rows, uint16_t *columns);
int cl_set_window_size(int fd, uint16_t rows, uint16_t columns);
int cl_isatty(int fd);
int cl_unlock_pt(int master);
int cl_open_pt_peer(int master, int flags);
int cl_set_controlling_terminal(int fd);
int cl_clear_onlcr(int fd);
#endif
