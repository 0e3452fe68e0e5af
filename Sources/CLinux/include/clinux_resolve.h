/// Host names to addresses.
#ifndef CLINUX_RESOLVE_H
#define CLINUX_RESOLVE_H
#include <stdint.h>

/// One address: 4 or 16 bytes in network order.
struct cl_address { uint32_t length; uint32_t scope; uint8_t bytes[16]; };
/// The addresses of a name, the one to try first first; answers how many, or getaddrinfo's negative code.
int cl_resolve(const char *host, struct cl_address *out, int capacity);
/// What a code of cl_resolve means.
const char *cl_resolve_error(int code);
/// 4 or 16 bytes of an address as text; answers its length, 0 when the text is none.
int cl_parse_address(const char *text, uint8_t *out);
#endif
