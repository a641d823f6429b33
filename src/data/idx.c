/* IDX, the format of MNIST: two zero bytes, a type, the number of dimensions, each dimension as a 32-bit number, then
 * the array, row by row; all of it big-endian. http://yann.lecun.com/exdb/mnist/ */
#include "data/data.h"

#include <endian.h>
#include <string.h>

static const dtype no_type = N_DTYPES;

static dtype type_of(unsigned char code)
{
    switch (code) {
    case 0x08: return DTYPE_U8;
    case 0x09: return DTYPE_I8;
    case 0x0B: return DTYPE_I16;
    case 0x0C: return DTYPE_I32;
    case 0x0D: return DTYPE_F32;
    case 0x0E: return DTYPE_F64;
    default: return no_type;
    }
}

static weft_status check_magic(const unpacked *file, weft_error *err)
{
    where at = {.file = file->name};
    const unsigned char *h = file->head;
    if (file->size < 4)
        return fail(err, WEFT_BAD_INPUT, at,
                    "truncated: an IDX file begins with 4 bytes, and here %s %zu; fetch the file again",
                    file->size == 1 ? "is" : "are", file->size);
    if (h[0] == 0x1F && h[1] == 0x8B)
        return fail(err, WEFT_BAD_INPUT, at, "gzip inside gzip, of which one layer is unpacked; gunzip the file once");
    if (h[0] && type_of(h[1]) != no_type && !h[2] && !h[3])
        return fail(err, WEFT_BAD_INPUT, at,
                    "byte 0: the header is byte-swapped (%02x %02x 00 00); IDX is big-endian: 00 00 %02x %02x", h[0],
                    h[1], h[1], h[0]);
    if (h[0] || h[1])
        return fail(err, WEFT_BAD_INPUT, at,
                    "byte 0: not an IDX file: it begins with %02x %02x %02x %02x, where IDX has 00 00, a type and the "
                    "number of dimensions",
                    h[0], h[1], h[2], h[3]);
    if (type_of(h[2]) == no_type)
        return fail(err, WEFT_BAD_INPUT, at,
                    "byte 2: unknown type 0x%02x; IDX knows 0x08 uint8, 0x09 int8, 0x0b int16, 0x0c int32, "
                    "0x0d float32, 0x0e float64",
                    h[2]);
    if (h[3] == 0)
        return fail(err, WEFT_BAD_INPUT, at, "byte 3: 0 dimensions; labels have 1, images 2 or more");
    return WEFT_OK;
}

/* Fills type, shape and data_offset; `need` is what the whole file takes. */
static weft_status read_header(const unpacked *file, array_file *out, size_t *need, weft_error *err)
{
    where at = {.file = file->name};
    TRY(check_magic(file, err));
    out->type = type_of(file->head[2]);
    size_t n_dims = file->head[3];
    out->data_offset = 4 + 4 * n_dims;
    if (file->size < out->data_offset)
        return fail(err, WEFT_BAD_INPUT, at,
                    "truncated: a header of %zu dimensions needs %zu bytes, and here are %zu; fetch the file again",
                    n_dims, out->data_offset, file->size);
    if (n_dims > MAX_DIMS)
        return fail(err, WEFT_BAD_INPUT, at, "byte 3: %zu dimensions; up to %d are read", n_dims, MAX_DIMS);

    out->shape.n_dims = n_dims;
    bool fits = true;
    *need = dtype_bytes(out->type);
    for (size_t i = 0; i < n_dims; i++) {
        uint32_t big_endian;
        memcpy(&big_endian, file->head + 4 + 4 * i, 4);
        out->shape.dims[i] = be32toh(big_endian);
        if (out->shape.dims[i] == 0)
            return fail(err, WEFT_BAD_INPUT, at, "byte %zu: dimension %zu is 0: the data set is empty", 4 + 4 * i,
                        i + 1);
        fits = fits && checked_mul(*need, out->shape.dims[i], need);
    }
    if (!fits || !checked_add(*need, out->data_offset, need)) {
        char dims[128];
        return fail(err, WEFT_BAD_INPUT, at, "byte 4: %s numbers are more than memory can address (overflow)",
                    shape_print(&out->shape, dims));
    }
    return WEFT_OK;
}

/* What a file's header promises must be what follows, to the byte. */
static weft_status check(const unpacked *file, array_file *out, weft_error *err)
{
    size_t need = 0;
    TRY(read_header(file, out, &need, err));
    return data_check_size(file, out, need, err);
}

static weft_status check_unpacked(const unpacked *content, weft_error *err)
{
    array_file header = {0};
    return content->more && content->size < GZIP_HEAD_BYTES ? WEFT_OK : check(content, &header, err);
}

/* memcpy, since a header of 4 + 4 n bytes leaves 64-bit numbers unaligned. */
static void to_host_order(unsigned char *data, size_t n, size_t width)
{
    uint16_t h;
    uint32_t w;
    uint64_t d;
    for (size_t i = 0; width == 2 && i < n; i++) {
        memcpy(&h, data + 2 * i, 2);
        h = be16toh(h);
        memcpy(data + 2 * i, &h, 2);
    }
    for (size_t i = 0; width == 4 && i < n; i++) {
        memcpy(&w, data + 4 * i, 4);
        w = be32toh(w);
        memcpy(data + 4 * i, &w, 4);
    }
    for (size_t i = 0; width == 8 && i < n; i++) {
        memcpy(&d, data + 8 * i, 8);
        d = be64toh(d);
        memcpy(data + 8 * i, &d, 8);
    }
}

weft_status idx_parse(const char *name, const bytes *file, const file_rules *rules, array_file *out, weft_error *err)
{
    *out = (array_file){0};
    TRY(check(&(unpacked){.name = name, .head = file->data, .size = file->size, .rules = rules}, out, err));
    out->data = file->data + out->data_offset;
    to_host_order(file->data + out->data_offset, shape_numbers(&out->shape), dtype_bytes(out->type));
    return WEFT_OK;
}

weft_status idx_read(const char *path, const file_rules *rules, array_file *out, weft_error *err)
{
    bytes file = {0};
    *out = (array_file){0};
    TRY(data_read_file(path, rules->limit_bytes, &file, err));
    weft_status status = WEFT_OK;
    if (gzip_recognise(&file)) {
        bytes packed = file;
        file = (bytes){0};
        status = gzip_unpack(path, &packed, rules, check_unpacked, &file, err);
        bytes_free(&packed);
    }
    if (status == WEFT_OK)
        status = idx_parse(path, &file, rules, out, err);
    if (status == WEFT_OK)
        out->block = file;
    else
        bytes_free(&file);
    return status;
}
