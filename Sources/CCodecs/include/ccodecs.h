/// Streaming glue for zlib and libzstd: opaque decoders and encoders, fed and drained in the caller's buffers.
#ifndef CCODECS_H
#define CCODECS_H
#include <stdint.h>
#include <stddef.h>

typedef struct cc_decoder cc_decoder;

/// A decoder for gzip members (RFC 1952) or zstd frames (RFC 8878, window of at most 1 << window_log bytes);
/// NULL when memory is short.
cc_decoder *cc_gzip(void);
cc_decoder *cc_zstd(int window_log);
void cc_free(cc_decoder *decoder);

/// Decodes from `in` to `out`; `*in_size` and `*out_size` become what was used of each.
/// 0: go on; 1: a member or frame ended, the next call starts another; -1: the data is damaged, see cc_error.
int cc_decode(cc_decoder *decoder, const void *in, size_t *in_size, void *out, size_t *out_size);
/// Why the last call answered -1.
const char *cc_error(const cc_decoder *decoder);

typedef struct cc_encoder cc_encoder;

/// An encoder of one gzip member without a name or a time, or of one zstd frame: the same data gives the same bytes.
/// NULL when memory is short.
cc_encoder *cc_gzip_encoder(int level);
cc_encoder *cc_zstd_encoder(int level);
void cc_free_encoder(cc_encoder *encoder);

/// What follows `in`: more; more, when all of it has come out; nothing.
enum cc_end { CC_MORE, CC_FLUSH, CC_LAST };

/// Encodes from `in` to `out`; `*in_size` and `*out_size` become what was used of each.
/// 0: go on; 1: all has come out, or the member or frame is whole; -1: memory is short.
int cc_encode(cc_encoder *encoder, const void *in, size_t *in_size, void *out, size_t *out_size, enum cc_end end);
#endif
