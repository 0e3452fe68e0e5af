/// Host names to addresses. Apart from CLinux, because the resolver would come into apus-runtime with it.
#ifndef CNAMES_H
#define CNAMES_H
#include <stdint.h>

/// One address: 4 or 16 bytes in network order.
struct cn_address { uint32_t length; uint32_t scope; uint8_t bytes[16]; };
/// The addresses of a name, the one to try first first; answers how many, or getaddrinfo's negative code.
int cn_resolve(const char *host, struct cn_address *out, int capacity);
/// What a code of cn_resolve means.
const char *cn_resolve_error(int code);
/// 4 or 16 bytes of an address as text; answers its length, 0 when the text is none.
int cn_parse_address(const char *text, uint8_t *out);
#endif
