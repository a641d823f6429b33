/* .npy, the format of numpy: magic, version, the length of a header, the header as a dictionary of Python, then the array.
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
#include "data/data.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

enum { PREFIX = 8, MAX_HEADER = 1 << 16 };

/* ---- The header's few words of Python ---- */

typedef struct cursor {
    const char *at, *end;
} cursor;

static void skip_blanks(cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n'))
        c->at++;
}

static bool comes(cursor *c, char wanted)
{
    skip_blanks(c);
    const bool there = c->at < c->end && *c->at == wanted;
    c->at += there;
    return there;
}

static bool comes_word(cursor *c, const char *word)
{
    const size_t n = strlen(word);
    skip_blanks(c);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0)
        return false;
    c->at += n;
    return true;
}

/* A string in quotes, without escapes. */
static bool read_quoted(cursor *c, char *out, size_t size)
{
    const int quote = comes(c, '\'') ? '\'' : comes(c, '"') ? '"' : '\0';
    size_t n = 0;
    while (quote && c->at < c->end && *c->at != quote && n + 1 < size)
        out[n++] = *c->at++;
    out[n] = '\0';
    return quote && c->at < c->end && *c->at++ == quote;
}

/* Python 2 wrote an L behind some numbers. */
static bool read_size(cursor *c, size_t *size)
{
    skip_blanks(c);
    const char *begin = c->at;
    *size = 0;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++)
        if (!checked_mul(*size, 10u, size) || !checked_add(*size, (size_t)(*c->at - '0'), size))
            return false;
    const bool any = c->at > begin;
    comes(c, 'L');
    return any;
}

/* (3, 4), (3,) or () */
static bool read_shape(cursor *c, shape *s)
{
    *s = (shape){0};
    if (!comes(c, '('))
        return false;
    while (!comes(c, ')')) {
        if (s->n_dims == MAX_DIMS || !read_size(c, &s->dims[s->n_dims++]))
            return false;
        if (!comes(c, ',') && (c->at >= c->end || *c->at != ')'))
            return false;
    }
    return true;
}

/* ---- The header ---- */

typedef struct npy_header {
    char descr[16];
    bool big_endian;
    bool fortran_order;
    shape shape;
    bool has_descr, has_order, has_shape;
} npy_header;

static bool read_entry(cursor *c, npy_header *h)
{
    char key[32];
    if (!read_quoted(c, key, sizeof key) || !comes(c, ':'))
        return false;
    if (strcmp(key, "descr") == 0)
        return !h->has_descr && (h->has_descr = read_quoted(c, h->descr, sizeof h->descr));
    if (strcmp(key, "shape") == 0)
        return !h->has_shape && (h->has_shape = read_shape(c, &h->shape));
    if (h->has_order)
        return false;
    h->fortran_order = comes_word(c, "True");
    h->has_order = h->fortran_order || comes_word(c, "False");
    return strcmp(key, "fortran_order") == 0 && h->has_order;
}

/* Nothing stands behind it but blanks, and a newline at the very end. */
static bool read_dictionary(cursor c, npy_header *h)
{
    const bool ended = c.end > c.at && c.end[-1] == '\n';
    *h = (npy_header){0};
    if (!comes(&c, '{'))
        return false;
    while (!comes(&c, '}'))
        if (!read_entry(&c, h) || (!comes(&c, ',') && (c.at >= c.end || *c.at != '}')))
            return false;
    skip_blanks(&c);
    return ended && c.at == c.end && h->has_descr && h->has_order && h->has_shape;
}

/* The order of bytes, <, > or =, that of the machine; numbers of one byte have none, |. */
static bool find_type(npy_header *h, dtype *type)
{
    static const struct {
        const char *name;
        dtype type;
    } types[] = {{"u1", DTYPE_U8}, {"b1", DTYPE_U8}, {"i1", DTYPE_I8}, {"i2", DTYPE_I16}, {"i4", DTYPE_I32},
                 {"i8", DTYPE_I64}, {"f4", DTYPE_F32}, {"f8", DTYPE_F64}};
    const char order = h->descr[0];
    h->big_endian = order == '>';
    for (size_t i = 0; order && i < COUNT(types); i++)
        if (strcmp(h->descr + 1, types[i].name) == 0 && strchr(dtype_bytes(types[i].type) == 1 ? "|<>=" : "<>=", order)) {
            *type = types[i].type;
            return true;
        }
    return false;
}

static weft_status check_type(const char *name, npy_header *h, dtype *type, weft_error *err)
{
    const where at = {.file = name};
    if (strchr(h->descr, 'O'))
        return fail(err, WEFT_BAD_INPUT, at, "holds Python objects, which are programs and never loaded; save an array of numbers: array.astype('float32')");
    if (!find_type(h, type))
        return fail(err, WEFT_BAD_INPUT, at, "its numbers are \"%s\"; read are bool, uint8, int8, int16, int32, int64, float32, float64: "
                    "array.astype('<f4')", h->descr);
    return WEFT_OK;
}

/* Fills type, shape and data_offset; `need` is what the whole file takes. */
static weft_status read_header(const unpacked *file, array_file *out, npy_header *h, size_t *need, weft_error *err)
{
    const where at = {.file = file->name};
    const unsigned char *b = file->head;
    if (file->size < PREFIX + 4 || memcmp(b, "\x93NUMPY", 6) != 0)
        return fail(err, WEFT_BAD_INPUT, at, "byte 0: not a .npy file: it does not begin with \\x93NUMPY, a version and a length");
    if (b[6] != 1 && b[6] != 2)
        return fail(err, WEFT_BAD_INPUT, at, "byte 6: version %d.%d; read are 1.0 and 2.0, which numpy writes for numbers", b[6], b[7]);
    const size_t begin = PREFIX + (b[6] == 1 ? 2 : 4);
    size_t length = b[8] + 256u * b[9];
    length += b[6] == 1 ? 0 : ((size_t)b[10] << 16) + ((size_t)b[11] << 24);
    if (length > MAX_HEADER)
        return fail(err, WEFT_BAD_INPUT, at, "byte 8: a header of %zu bytes; up to %d are read", length, MAX_HEADER);
    if (file->size < begin + length)
        return fail(err, WEFT_BAD_INPUT, at, "truncated: a header of %zu bytes needs %zu, and here are %zu; save it again", length, begin + length,
                    file->size);
    const char *words = (const char *)b + begin;
    if (!read_dictionary((cursor){words, words + length}, h))
        return fail(err, WEFT_BAD_INPUT, at, "byte %zu: the header is no dictionary of 'descr' (one type), 'fortran_order' and 'shape' (up to %d "
                    "dimensions), once each, and a newline", begin, MAX_DIMS);
    TRY(check_type(file->name, h, &out->type, err));
    out->shape = h->shape;
    out->data_offset = begin + length;
    bool fits = true;
    *need = dtype_bytes(out->type);
    for (size_t i = 0; i < out->shape.n_dims; i++) {
        if (out->shape.dims[i] == 0)
            return fail(err, WEFT_BAD_INPUT, at, "byte %zu: dimension %zu is 0: the data set is empty", begin, i + 1);
        fits = fits && checked_mul(*need, out->shape.dims[i], need);
    }
    if (!fits || !checked_add(*need, out->data_offset, need))
        return fail(err, WEFT_BAD_INPUT, at, "byte %zu: its shape is of more numbers than memory can address (overflow)", begin);
    return WEFT_OK;
}

/* ---- The file ---- */

#if BYTE_ORDER == BIG_ENDIAN
#error "little-endian numbers of .npy files are read as they lie there"
#endif

static void swap_bytes(unsigned char *data, size_t n, size_t width)
{
    for (unsigned char *number = data; number < data + n * width; number += width)
        for (size_t i = 0; i < width / 2; i++) {
            const unsigned char byte = number[i];
            number[i] = number[width - 1 - i];
            number[width - 1 - i] = byte;
        }
}

/* Fortran order, in which the first index runs fastest, becomes C order, in which the last one does. */
static weft_status transpose(unsigned char *data, const shape *s, size_t width, weft_error *err)
{
    const size_t n = shape_numbers(s);
    unsigned char *turned = malloc(n * width);
    size_t strides[MAX_DIMS] = {1}, index[MAX_DIMS] = {0};
    if (!turned)
        return fail_memory(err);
    for (size_t d = 1; d < s->n_dims; d++)
        strides[d] = strides[d - 1] * s->dims[d - 1];
    for (size_t i = 0, from = 0; i < n; i++) {
        memcpy(turned + i * width, data + from * width, width);
        for (size_t d = s->n_dims; d > 0; d--) {
            const size_t last = d - 1;
            from += strides[last];
            if (++index[last] < s->dims[last])
                break;
            from -= strides[last] * s->dims[last];
            index[last] = 0;
        }
    }
    memcpy(data, turned, n * width);
    free(turned);
    return WEFT_OK;
}

weft_status npy_parse(const char *name, const bytes *file, const file_rules *rules, array_file *out, weft_error *err)
{
    const unpacked whole = {.name = name, .head = file->data, .size = file->size, .rules = rules};
    size_t need = 0;
    npy_header h;
    *out = (array_file){0};
    TRY(read_header(&whole, out, &h, &need, err));
    TRY(data_check_size(&whole, out, need, err));
    unsigned char *data = file->data + out->data_offset;
    out->data = data;
    if (h.big_endian)
        swap_bytes(data, shape_numbers(&out->shape), dtype_bytes(out->type));
    return h.fortran_order ? transpose(data, &out->shape, dtype_bytes(out->type), err) : WEFT_OK;
}

weft_status npy_read(const char *path, const file_rules *rules, array_file *out, weft_error *err)
{
    bytes file = {0};
    *out = (array_file){0};
    TRY(data_read_file(path, rules->limit_bytes, &file, err));
    const weft_status status = npy_parse(path, &file, rules, out, err);
    if (status == WEFT_OK)
        out->block = file;
    else
        bytes_free(&file);
    return status;
}
