#include "clinux_sha256.h"
#include <nettle/sha2.h>

_Static_assert(sizeof(struct sha256_ctx) <= sizeof(struct cl_sha256), "the context fits");
void cl_sha256_init(struct cl_sha256 *s) { sha256_init((struct sha256_ctx *)s); }
void cl_sha256_update(struct cl_sha256 *s, const void *b, size_t n) { sha256_update((struct sha256_ctx *)s, n, b); }
void cl_sha256_final(struct cl_sha256 *s, uint8_t d[32]) { sha256_digest((struct sha256_ctx *)s, 32, d); }
