#include "ccodecs.h"
#include <limits.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

struct cc_decoder {
    z_stream z;
    ZSTD_DStream *zstd; // NULL: gzip
    const char *error;
};

cc_decoder *cc_gzip(void) {
    cc_decoder *d = calloc(1, sizeof *d);
    if (d && inflateInit2(&d->z, 15 + 16) != Z_OK) { free(d); d = NULL; }
    return d;
}

cc_decoder *cc_zstd(int window_log) {
    cc_decoder *d = calloc(1, sizeof *d);
    if (!d) return NULL;
    d->zstd = ZSTD_createDStream();
    if (!d->zstd || ZSTD_isError(ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax, window_log))) {
        ZSTD_freeDStream(d->zstd);
        free(d);
        return NULL;
    }
    return d;
}

void cc_free(cc_decoder *d) {
    if (!d) return;
    if (d->zstd) ZSTD_freeDStream(d->zstd); else inflateEnd(&d->z);
    free(d);
}

static int decode_zstd(cc_decoder *d, const void *in, size_t *in_size, void *out, size_t *out_size) {
    ZSTD_inBuffer i = {in, *in_size, 0};
    ZSTD_outBuffer o = {out, *out_size, 0};
    size_t left = ZSTD_decompressStream(d->zstd, &o, &i);
    *in_size = i.pos;
    *out_size = o.pos;
    if (ZSTD_isError(left)) { d->error = ZSTD_getErrorName(left); return -1; }
    return left == 0;
}

static int decode_gzip(cc_decoder *d, const void *in, size_t *in_size, void *out, size_t *out_size) {
    // The buffers are of our own making and far smaller than UINT_MAX.
    d->z.next_in = (Bytef *)in;
    d->z.avail_in = (uInt)*in_size;
    d->z.next_out = out;
    d->z.avail_out = (uInt)*out_size;
    int r = inflate(&d->z, Z_NO_FLUSH);
    *in_size -= d->z.avail_in;
    *out_size -= d->z.avail_out;
    if (r == Z_STREAM_END) { inflateReset(&d->z); return 1; }
    if (r == Z_OK || r == Z_BUF_ERROR) return 0;
    d->error = d->z.msg ? d->z.msg : r == Z_NEED_DICT ? "needs a dictionary" : "damaged data";
    return -1;
}

int cc_decode(cc_decoder *d, const void *in, size_t *in_size, void *out, size_t *out_size) {
    return d->zstd ? decode_zstd(d, in, in_size, out, out_size) : decode_gzip(d, in, in_size, out, out_size);
}

const char *cc_error(const cc_decoder *d) { return d->error; }

struct cc_encoder {
    ZSTD_CStream *zstd;  // NULL: gzip
    z_stream z;
};

cc_encoder *cc_gzip_encoder(int level) {
    cc_encoder *e = calloc(1, sizeof *e);
    if (e && deflateInit2(&e->z, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) { free(e); e = NULL; }
    return e;
}

cc_encoder *cc_zstd_encoder(int level) {
    cc_encoder *e = calloc(1, sizeof *e);
    if (!e) return NULL;
    e->zstd = ZSTD_createCStream();
    if (e->zstd && !ZSTD_isError(ZSTD_CCtx_setParameter(e->zstd, ZSTD_c_compressionLevel, level))) return e;
    cc_free_encoder(e);
    return NULL;
}

void cc_free_encoder(cc_encoder *e) {
    if (!e) return;
    if (e->zstd) ZSTD_freeCStream(e->zstd); else deflateEnd(&e->z);
    free(e);
}

int cc_encode(cc_encoder *e, const void *in, size_t *in_size, void *out, size_t *out_size, enum cc_end end) {
    if (e->zstd) {
        static const ZSTD_EndDirective directives[] = {ZSTD_e_continue, ZSTD_e_flush, ZSTD_e_end};
        ZSTD_inBuffer from = {in, *in_size, 0};
        ZSTD_outBuffer to = {out, *out_size, 0};
        size_t left = ZSTD_compressStream2(e->zstd, &to, &from, directives[end]);
        *in_size = from.pos;
        *out_size = to.pos;
        return ZSTD_isError(left) ? -1 : end != CC_MORE && left == 0;
    }
    // The buffers are of our own making and far smaller than UINT_MAX.
    e->z.next_in = (Bytef *)in;
    e->z.avail_in = (uInt)*in_size;
    e->z.next_out = out;
    e->z.avail_out = (uInt)*out_size;
    static const int flushes[] = {Z_NO_FLUSH, Z_SYNC_FLUSH, Z_FINISH};
    int r = deflate(&e->z, flushes[end]);
    *in_size -= e->z.avail_in;
    *out_size -= e->z.avail_out;
    return r == Z_STREAM_END || (end == CC_FLUSH && e->z.avail_out > 0);
}
