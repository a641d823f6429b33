/* gzip, RFC 1952. A file as files usually are, of one member that says how large it is, goes through libdeflate,
 * several times as fast as zlib. Every other one goes through zlib first, into a small window, which proves the file
 * sound, and its content worth having, before it gets memory of the right size. */
#include "data/data.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
    HEADER_BYTES = 10,
    TRAILER_BYTES = 8,
    FLAGS_AT = 3,
    FLAG_HEADER_CRC = 2,
    WINDOW_BYTES = 64 * 1024,
    ZLIB_STEP = 1 << 30, /* zlib counts in 32 bits */
};

/* Of one member; deflate makes at most 1032 bytes of one. */
static size_t unproven_bytes(const bytes *packed) { return MIN(data_unproven_bytes(packed->size), 1032 * packed->size); }

bool gzip_recognise(const bytes *file)
{
    return file->size >= 2 && file->data[0] == 0x1F && file->data[1] == 0x8B;
}

/* The whole file as one member of at most `most_bytes`; false where it is anything else. */
static bool unpack_usual(const bytes *packed, size_t most_bytes, bytes *out)
{
    if (packed->size < HEADER_BYTES + TRAILER_BYTES)
        return false;
    const unsigned char *last = packed->data + packed->size - 4;
    size_t size = last[0] | last[1] << 8 | last[2] << 16 | (size_t)last[3] << 24;
    if (size > most_bytes)
        return false;
    struct libdeflate_decompressor *inflater = libdeflate_alloc_decompressor();
    *out = (bytes){malloc(size + 1), size};
    size_t used = 0;
    bool good = inflater && out->data &&
                libdeflate_gzip_decompress_ex(inflater, packed->data, packed->size, out->data, size, &used, NULL) ==
                    LIBDEFLATE_SUCCESS &&
                used == packed->size;
    libdeflate_free_decompressor(inflater);
    if (good)
        out->data[size] = 0;
    else
        bytes_free(out);
    return good;
}

/* One pass of zlib over a file. */
typedef struct pass {
    const bytes *packed;
    gzip_check *check;
    unpacked content;
    size_t used, n_padding; /* of the packed bytes: read; zeros after the last member */
    bytes out; /* without memory: into the window */
    unsigned char head[GZIP_HEAD_BYTES];
    unsigned char window[WINDOW_BYTES];
} pass;

static weft_status take(pass *p, const unsigned char *from, size_t n, bool more, weft_error *err)
{
    unpacked *content = &p->content;
    if (content->size < GZIP_HEAD_BYTES)
        memcpy(p->head + content->size, from, MIN(n, GZIP_HEAD_BYTES - content->size));
    content->size += n;
    content->more = more;
    if (p->check)
        TRY(p->check(content, err));
    if (content->size > content->rules->limit_bytes)
        return data_fail_limit(err, content->name, content->rules->limit_bytes);
    return WEFT_OK;
}

/* What follows a member: another one, or zero bytes up to the end, as tapes have them. */
static weft_status after_member(pass *p, z_stream *z, bool *ended, weft_error *err)
{
    const unsigned char *rest = p->packed->data + p->used;
    size_t n = p->packed->size - p->used, n_zeros = 0;
    while (n_zeros < n && rest[n_zeros] == 0)
        n_zeros++;
    *ended = n_zeros == n;
    p->n_padding = n_zeros;
    if (*ended)
        return WEFT_OK;
    if (rest[0] != 0x1F)
        return fail(err, WEFT_BAD_INPUT, (where){.file = p->content.name},
                    "byte %zu: what follows the gzip data is not gzip; cut it off", p->used + n_zeros);
    return inflateReset(z) == Z_OK ? WEFT_OK : fail_memory(err);
}

static weft_status explain(const pass *p, const z_stream *z, int result, weft_error *err)
{
    where at = {.file = p->content.name};
    if (result == Z_MEM_ERROR)
        return fail_memory(err);
    if (result == Z_BUF_ERROR || result == Z_OK)
        return fail(err, WEFT_BAD_INPUT, at,
                    "truncated: the gzip data goes on past the end, %zu bytes; fetch the file again", p->packed->size);
    return fail(err, WEFT_BAD_INPUT, at, "byte %zu: damaged gzip data: %s; fetch the file again", p->used,
                z->msg ? z->msg : "no valid stream");
}

static weft_status walk(pass *p, z_stream *z, weft_error *err)
{
    for (bool ended = false; !ended;) {
        size_t n_in = MIN(p->packed->size - p->used, ZLIB_STEP);
        size_t room = p->out.data ? p->out.size + 1 - p->content.size : WINDOW_BYTES;
        unsigned char *to = p->out.data ? p->out.data + p->content.size : p->window;
        z->next_in = p->packed->data + p->used;
        z->avail_in = (uInt)n_in;
        z->next_out = to;
        z->avail_out = (uInt)MIN(room, ZLIB_STEP);
        int result = inflate(z, Z_NO_FLUSH);
        size_t n = (size_t)(z->next_out - to);
        p->used += n_in - z->avail_in;
        if (result != Z_STREAM_END && (result != Z_OK || (p->used == p->packed->size && z->avail_out > 0)))
            return explain(p, z, result, err);
        if (result == Z_STREAM_END)
            TRY(after_member(p, z, &ended, err));
        TRY(take(p, to, n, !ended, err));
    }
    return WEFT_OK;
}

static weft_status run(pass *p, weft_error *err)
{
    p->used = p->content.size = 0;
    z_stream z = {0};
    if (inflateInit2(&z, MAX_WBITS + 16) != Z_OK) /* + 16: gzip, and nothing else */
        return fail_memory(err);
    weft_status status = walk(p, &z, err);
    inflateEnd(&z);
    return status;
}

static weft_status unpack_any(pass *p, bytes *out, weft_error *err)
{
    TRY(run(p, err));
    if (p->n_padding > 0)
        warn(p->content.rules->warnings, (where){.file = p->content.name},
             "byte %zu: %zu zero byte%s after the gzip data, as padding of tapes, %s passed over", p->used, p->n_padding,
             p->n_padding == 1 ? "" : "s", p->n_padding == 1 ? "is" : "are");
    if (unpack_usual(p->packed, p->content.size, out))
        return WEFT_OK;
    p->out = (bytes){malloc(p->content.size + 1), p->content.size};
    if (!p->out.data)
        return fail_memory(err);
    weft_status status = run(p, err);
    if (status == WEFT_OK) {
        *out = p->out;
        out->data[out->size] = 0;
    } else {
        bytes_free(&p->out);
    }
    return status;
}

weft_status gzip_unpack(const char *name, const bytes *packed, const file_rules *rules, gzip_check *check,
                        bytes *out, weft_error *err)
{
    *out = (bytes){0};
    /* libdeflate passes over the header's checksum, which is not usual. */
    bool summed = packed->size > FLAGS_AT && (packed->data[FLAGS_AT] & FLAG_HEADER_CRC);
    if (!summed && unpack_usual(packed, MIN(rules->limit_bytes, unproven_bytes(packed)), out))
        return WEFT_OK;
    pass *p = calloc(1, sizeof *p);
    if (!p)
        return fail_memory(err);
    p->packed = packed;
    p->check = check;
    p->content = (unpacked){.name = name, .head = p->head, .rules = rules};
    weft_status status = unpack_any(p, out, err);
    free(p);
    return status;
}
