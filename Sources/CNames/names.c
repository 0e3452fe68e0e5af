#define _GNU_SOURCE
#include "cnames.h"
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <nss.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

/* A static program must not load the host's NSS modules: they belong to another libc. */
static void configure(void) { __nss_configure_lookup("hosts", "files dns"); }

int cn_resolve(const char *host, struct cn_address *out, int capacity) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, configure);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *list = 0;
    int code = getaddrinfo(host, 0, &hints, &list);
    /* A host with loopback only has no configured address: its own names are still to be found. */
    if (code == EAI_NONAME || code == EAI_ADDRFAMILY) {
        hints.ai_flags = 0;
        code = getaddrinfo(host, 0, &hints, &list);
    }
    if (code != 0) return code < 0 ? code : -code;
    int count = 0;
    for (struct addrinfo *at = list; at && count < capacity; at = at->ai_next) {
        struct cn_address *a = &out[count];
        memset(a, 0, sizeof *a);
        if (at->ai_family == AF_INET) {
            a->length = 4;
            memcpy(a->bytes, &((struct sockaddr_in *)at->ai_addr)->sin_addr, 4);
        } else if (at->ai_family == AF_INET6) {
            struct sockaddr_in6 *six = (struct sockaddr_in6 *)at->ai_addr;
            a->length = 16;
            a->scope = six->sin6_scope_id;
            memcpy(a->bytes, &six->sin6_addr, 16);
        } else {
            continue;
        }
        count++;
    }
    freeaddrinfo(list);
    return count;
}

const char *cn_resolve_error(int code) { return gai_strerror(code); }

int cn_parse_address(const char *text, uint8_t *out) {
    if (inet_pton(AF_INET, text, out) == 1) return 4;
    if (inet_pton(AF_INET6, text, out) == 1) return 16;
    return 0;
}
