#define _GNU_SOURCE
#include "clinux.h"
#include <errno.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include <net/if.h>
#include <netinet/in.h>
#include <linux/netlink.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#define R(call) ({ __auto_type r_ = (call); r_ < 0 ? (__typeof__(r_))-errno : r_; })

int cl_socket(int domain, int type, int protocol) { return R(socket(domain, type | SOCK_CLOEXEC, protocol)); }
int cl_socketpair(int type, int *ends) { return R(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends)); }
static int unix_address(const char *path, struct sockaddr_un *a) {
    memset(a, 0, sizeof *a);
    a->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof a->sun_path) return -ENAMETOOLONG;
    strcpy(a->sun_path, path);
    return 0;
}
int cl_bind_unix(int fd, const char *path) {
    struct sockaddr_un a;
    int r = unix_address(path, &a);
    return r < 0 ? r : R(bind(fd, (struct sockaddr *)&a, sizeof a));
}
int cl_connect_unix(int fd, const char *path) {
    struct sockaddr_un a;
    int r = unix_address(path, &a);
    return r < 0 ? r : R(connect(fd, (struct sockaddr *)&a, sizeof a));
}
int cl_listen(int fd, int backlog) { return R(listen(fd, backlog)); }
int cl_accept(int fd) { return R(accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)); }
int cl_shutdown(int fd, int how) { return R(shutdown(fd, how)); }
int cl_peer_credentials(int fd, int *pid, uint32_t *uid, uint32_t *gid) {
    struct ucred c;
    socklen_t n = sizeof c;
    int r = R(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &n));
    if (r == 0) { *pid = c.pid; *uid = c.uid; *gid = c.gid; }
    return r;
}
ssize_t cl_send(int fd, const void *b, size_t n, int flags) { return R(send(fd, b, n, flags | MSG_NOSIGNAL)); }
ssize_t cl_recv(int fd, void *b, size_t n, int flags) { return R(recv(fd, b, n, flags)); }
ssize_t cl_send2(int fd, const void *head, size_t hn, const void *body, size_t n, int flags) {
    struct iovec v[2] = {{(void *)head, hn}, {(void *)body, n}};
    struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
    return R(sendmsg(fd, &m, flags | MSG_NOSIGNAL));
}
ssize_t cl_send_fds(int fd, const void *b, size_t n, const int *fds, size_t count) {
    if (count > 8) return -EINVAL;
    char control[CMSG_SPACE(8 * sizeof(int))] = {0};
    struct iovec v = {(void *)b, n};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    if (count) {
        m.msg_control = control;
        m.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET; c->cmsg_type = SCM_RIGHTS; c->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(c), fds, count * sizeof(int));
    }
    return R(sendmsg(fd, &m, MSG_NOSIGNAL));
}
ssize_t cl_recv_fds(int fd, void *b, size_t n, int *fds, size_t *count, int flags) {
    char control[CMSG_SPACE(8 * sizeof(int))] = {0};
    struct iovec v = {b, n};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    *count = 0;
    ssize_t r = R(recvmsg(fd, &m, flags | MSG_CMSG_CLOEXEC));
    if (r < 0) return r;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            *count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            memcpy(fds, CMSG_DATA(c), *count * sizeof(int));
        }
    return r;
}
int cl_setsockopt_int(int fd, int level, int option, int value) { return R(setsockopt(fd, level, option, &value, sizeof value)); }
int cl_bind_netlink(int fd, uint32_t *port) {
    struct sockaddr_nl a = {.nl_family = AF_NETLINK};
    socklen_t n = sizeof a;
    int r = R(bind(fd, (struct sockaddr *)&a, sizeof a));
    if (r == 0) r = R(getsockname(fd, (struct sockaddr *)&a, &n));
    *port = a.nl_pid;
    return r;
}
static socklen_t inet_address(struct sockaddr_storage *s, int family, const uint8_t *address, uint16_t port) {
    memset(s, 0, sizeof *s);
    if (family == AF_INET6) {
        struct sockaddr_in6 *a = (void *)s;
        a->sin6_family = AF_INET6; a->sin6_port = htons(port); memcpy(&a->sin6_addr, address, 16);
        return sizeof *a;
    }
    struct sockaddr_in *a = (void *)s;
    a->sin_family = AF_INET; a->sin_port = htons(port); memcpy(&a->sin_addr, address, 4);
    return sizeof *a;
}
int cl_bind_inet(int fd, int family, const uint8_t *address, uint16_t port) {
    struct sockaddr_storage s;
    socklen_t n = inet_address(&s, family, address, port);
    return R(bind(fd, (struct sockaddr *)&s, n));
}
int cl_connect_inet(int fd, int family, const uint8_t *address, uint16_t port) {
    struct sockaddr_storage s;
    socklen_t n = inet_address(&s, family, address, port);
    return R(connect(fd, (struct sockaddr *)&s, n));
}
int cl_local_port(int fd) {
    struct sockaddr_storage s;
    socklen_t n = sizeof s;
    int r = R(getsockname(fd, (struct sockaddr *)&s, &n));
    if (r < 0) return r;
    return s.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&s)->sin6_port) : ntohs(((struct sockaddr_in *)&s)->sin_port);
}
ssize_t cl_recvfrom_inet4(int fd, void *b, size_t n, uint8_t *address, uint16_t *port) {
    struct sockaddr_in a = {0};
    socklen_t size = sizeof a;
    ssize_t r = R(recvfrom(fd, b, n, MSG_DONTWAIT, (struct sockaddr *)&a, &size));
    memcpy(address, &a.sin_addr, 4);
    *port = ntohs(a.sin_port);
    return r;
}
ssize_t cl_sendto_inet4(int fd, const void *b, size_t n, const uint8_t *address, uint16_t port) {
    struct sockaddr_storage s;
    socklen_t size = inet_address(&s, AF_INET, address, port);
    return R(sendto(fd, b, n, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&s, size));
}
unsigned cl_if_nametoindex(const char *name) { return if_nametoindex(name); }

_Static_assert(sizeof(struct termios) <= sizeof(struct cl_termios), "termios fits");
int cl_tcgetattr(int fd, struct cl_termios *saved) { return R(tcgetattr(fd, (struct termios *)saved)); }
int cl_tcsetattr(int fd, const struct cl_termios *saved) { return R(tcsetattr(fd, TCSADRAIN, (const struct termios *)saved)); }
int cl_make_raw(int fd, const struct cl_termios *saved, int keep_output) {
    struct termios t = *(const struct termios *)saved;
    cfmakeraw(&t);
    if (keep_output) t.c_oflag |= OPOST;
    return R(tcsetattr(fd, TCSADRAIN, &t));
}
int cl_get_window_size(int fd, uint16_t *rows, uint16_t *columns) {
    struct winsize w;
    int r = R(ioctl(fd, TIOCGWINSZ, &w));
    if (r == 0) { *rows = w.ws_row; *columns = w.ws_col; }
    return r;
}
int cl_set_window_size(int fd, uint16_t rows, uint16_t columns) {
    struct winsize w = {.ws_row = rows, .ws_col = columns};
    return R(ioctl(fd, TIOCSWINSZ, &w));
}
int cl_isatty(int fd) { return isatty(fd); }
int cl_unlock_pt(int master) { int zero = 0; return R(ioctl(master, TIOCSPTLCK, &zero)); }
int cl_open_pt_peer(int master, int flags) { return R(ioctl(master, TIOCGPTPEER, flags | O_CLOEXEC)); }
int cl_set_controlling_terminal(int fd) { return R(ioctl(fd, TIOCSCTTY, 0)); }
int cl_clear_onlcr(int fd) {
    struct termios settings;
    if (tcgetattr(fd, &settings)) return -errno;
    settings.c_oflag &= ~(tcflag_t)ONLCR;
    return R(tcsetattr(fd, TCSANOW, &settings));
}
