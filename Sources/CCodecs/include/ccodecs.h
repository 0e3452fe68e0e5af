/// Streaming glue for zlib and libzstd: one opaque decoder, fed and drained in caller's buffers.
#ifndef CCODECS_H
#define CCODECS_H
#include <stdint.h>
#include <stddef.h>
#endif
