/* .npy, the format of numpy: magic, version, the length of a header, the header as a dictionary of Python, then the array.
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
#include "data/data.h"

#include <endian.h>
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
    const char quote = comes(c, '\'') ? '\'' : comes(c, '"') ? '"' : '\0';
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
        return h->has_descr = read_quoted(c, h->descr, sizeof h->descr);
    if (strcmp(key, "shape") == 0)
        return h->has_shape = read_shape(c, &h->shape);
    h->fortran_order = comes_word(c, "True");
    h->has_order = h->fortran_order || comes_word(c, "False");
    return strcmp(key, "fortran_order") == 0 && h->has_order;
}

static bool read_dictionary(cursor c, npy_header *h)
{
    *h = (npy_header){0};
    if (!comes(&c, '{'))
        return false;
    while (!comes(&c, '}'))
        if (!read_entry(&c, h) || (!comes(&c, ',') && (c.at >= c.end || *c.at != '}')))
            return false;
    return h->has_descr && h->has_order && h->has_shape;
}

static bool find_type(const char *descr, dtype *type)
{
    static const struct {
        const char *descr;
        dtype type;
    } types[] = {{"|u1", DTYPE_U8}, {"|b1", DTYPE_U8}, {"|i1", DTYPE_I8},  {"<i2", DTYPE_I16}, {"<i4", DTYPE_I32},
                 {"<i8", DTYPE_I64}, {"<f4", DTYPE_F32}, {"<f8", DTYPE_F64}};
    for (size_t i = 0; i < COUNT(types); i++)
        if (strcmp(descr, types[i].descr) == 0) {
            *type = types[i].type;
            return true;
        }
    return false;
}

static weft_status check_type(const char *name, const npy_header *h, dtype *type, weft_error *err)
{
    const where at = {.file = name};
    if (strchr(h->descr, 'O'))
        return fail(err, WEFT_BAD_INPUT, at, "holds Python objects, which are programs; save an array of numbers: array.astype('float32')");
    if (!find_type(h->descr, type))
        return fail(err, WEFT_BAD_INPUT, at, "its numbers are \"%s\"; read are bool, uint8, int8 and, little-endian, int16, int32, int64, "
                    "float32, float64: array.astype('<f4')", h->descr);
    if (h->fortran_order)
        return fail(err, WEFT_BAD_INPUT, at, "lies in Fortran order, column by column; save numpy.ascontiguousarray(array)");
    return WEFT_OK;
}

/* Fills type, shape and data_offset; `need` is what the whole file takes. */
static weft_status read_header(const unpacked *file, array_file *out, size_t *need, weft_error *err)
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
    npy_header h;
    const char *words = (const char *)b + begin;
    if (!read_dictionary((cursor){words, words + length}, &h))
        return fail(err, WEFT_BAD_INPUT, at, "byte %zu: the header is no dictionary of 'descr' (one type), 'fortran_order' and 'shape' (up to %d "
                    "dimensions)", begin, MAX_DIMS);
    TRY(check_type(file->name, &h, &out->type, err));
    out->shape = h.shape;
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
#error "numbers of .npy files are little-endian, and nothing here turns them round"
#endif

weft_status npy_parse(const char *name, const bytes *file, const file_rules *rules, array_file *out, weft_error *err)
{
    const unpacked whole = {.name = name, .head = file->data, .size = file->size, .rules = rules};
    size_t need = 0;
    *out = (array_file){0};
    TRY(read_header(&whole, out, &need, err));
    TRY(data_check_size(&whole, out, need, err));
    out->data = file->data + out->data_offset;
    return WEFT_OK;
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
