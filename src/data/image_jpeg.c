/* JPEG, by libjpeg-turbo. */
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

#include "data/image.h"

static bool recognise(const bytes *file) { return file->size >= 3 && memcmp(file->data, "\xFF\xD8\xFF", 3) == 0; }

/* ---- How the camera was held: EXIF (CIPA DC-008), a TIFF of which one number is read ---- */

enum { ORIENTATION = 0x0112 };

typedef struct tiff {
    const unsigned char *data;
    size_t size;
    bool big_endian;
} tiff;

/* 0 past the end. */
static size_t number(const tiff *t, size_t at, size_t n_bytes)
{
    size_t value = 0;
    for (size_t i = 0; i < n_bytes && at < t->size && n_bytes <= t->size - at; i++)
        value |= (size_t)t->data[at + i] << 8 * (t->big_endian ? n_bytes - 1 - i : i);
    return value;
}

static size_t orientation_in(const tiff *t)
{
    const size_t folder = number(t, 4, 4), n = number(t, folder, 2);
    for (size_t i = 0; i < n; i++) {
        const size_t entry = folder + 2 + 12 * i, value = number(t, entry + 8, 2);
        if (number(t, entry, 2) == ORIENTATION)
            return value >= 1 && value <= 8 ? value : 1;
    }
    return 1;
}

/* ---- What stands before the pixels ---- */

enum { PADDING = 0xFF, APP1 = 0xE1, START_OF_FRAME = 0xC0, HUFFMAN_TABLE = 0xC4, EXTENSION = 0xC8, ARITHMETIC_TABLE = 0xCC, START_OF_SCAN = 0xDA };

typedef struct layout {
    size_t orientation; /* 1: upright, as where nothing is said */
    bool in_passes;     /* a pixel is known when all was read: the library keeps the whole picture until then; also where it is not clear */
    size_t n_components;
} layout;

static bool begins_frame(size_t marker)
{
    return (marker & 0xF0) == START_OF_FRAME && marker != HUFFMAN_TABLE && marker != EXTENSION && marker != ARITHMETIC_TABLE;
}

static layout layout_of(const bytes *file)
{
    const tiff whole = {file->data, file->size, true};
    layout found = {.orientation = 1, .in_passes = true};
    bool progressive = true, oriented = false;
    for (size_t at = 2; number(&whole, at, 1) == 0xFF;) {
        const size_t marker = number(&whole, at + 1, 1), length = number(&whole, at + 2, 2);
        if (marker == PADDING) {
            at++;
            continue;
        }
        if (length < 2 || length > file->size - at - 2)
            break;
        if (marker == START_OF_SCAN) {
            found.in_passes = progressive || number(&whole, at + 4, 1) < found.n_components;
            break;
        }
        if (begins_frame(marker)) {
            progressive = (marker & 3) == 2;
            found.n_components = number(&whole, at + 9, 1);
        }
        if (marker == APP1 && !oriented && length >= 16 && memcmp(file->data + at + 4, "Exif\0", 6) == 0) {
            found.orientation = orientation_in(&(tiff){file->data + at + 10, length - 8, file->data[at + 10] == 'M'});
            oriented = true;
        }
        at += 2 + length;
    }
    return found;
}

/* ---- Pixels ---- */

/* Takes over samples [height, width, channels] of a file, turned upright. */
static void turn(const unsigned char *samples, size_t height, size_t width, size_t orientation, image *out)
{
    const bool across = orientation >= 5; /* rows of the file are columns */
    const bool rows_back = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    const bool columns_back = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    for (size_t y = 0; y < out->height; y++)
        for (size_t x = 0; x < out->width; x++) {
            const size_t row = across ? x : y, column = across ? y : x;
            const size_t from_row = rows_back ? height - 1 - row : row, from_column = columns_back ? width - 1 - column : column;
            const unsigned char *from = samples + (from_row * width + from_column) * out->channels;
            for (size_t c = 0; c < out->channels; c++)
                out->pixels[(c * out->height + y) * out->width + x] = (uint16_t)(257 * from[c]);
        }
}

static weft_status damaged(tjhandle h, const char *name, weft_error *err)
{
    return fail(err, WEFT_BAD_INPUT, (where){.file = name}, "damaged JPEG: %s; fetch or save it again", tjGetErrorStr2(h));
}

/* A file that is being read, and what its header says. */
typedef struct reader {
    tjhandle library;
    const char *name;
    const bytes *file;
    size_t height, width; /* as it lies in the file */
    layout layout;
    weft_error *err;
} reader;

static weft_status unpack(const reader *r, unsigned char *samples, size_t height, size_t width, size_t channels)
{
    /* A file whose scans would take for ever, or whose data end early, is refused. */
    const int flags = TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS | TJFLAG_STOPONWARNING;
    const int result = tjDecompress2(r->library, r->file->data, r->file->size, samples, (int)width, 0, (int)height,
                                     channels == 1 ? TJPF_GRAY : TJPF_RGB, flags);
    return result == 0 ? WEFT_OK : damaged(r->library, r->name, r->err);
}

/* A picture of much memory proves the file sound before it gets that: all is read for one of an eighth of its height and width. */
static weft_status prove(const reader *r, size_t channels)
{
    enum { EDGE = 64, COEFFICIENT_BYTES = 2 }; /* EDGE: no block reaches further over the picture's */
    const size_t most = data_unproven_bytes(r->file->size);
    const size_t kept = r->layout.in_passes ? (r->height + EDGE) * (r->width + EDGE) * COEFFICIENT_BYTES * r->layout.n_components : 0;
    if (kept > most)
        return fail(r->err, WEFT_BAD_INPUT, (where){.file = r->name}, "is %zu x %zu pixels in passes, as progressive JPEG has them, for which %zu bytes are "
                    "not enough to be worth their memory; save it as baseline JPEG, or smaller", r->width, r->height, r->file->size);
    if (r->height * r->width * channels * (sizeof(uint16_t) + 1) <= most - kept)
        return WEFT_OK;
    const tjscalingfactor eighth = {1, 8};
    const size_t height = (size_t)TJSCALED((int)r->height, eighth), width = (size_t)TJSCALED((int)r->width, eighth);
    unsigned char *samples = malloc(height * width * channels);
    const weft_status status = samples ? unpack(r, samples, height, width, channels) : fail_memory(r->err);
    free(samples);
    return status;
}

static weft_status run(reader *r, size_t channels, image *out)
{
    int width = 0, height = 0, subsampling = 0, colours = 0;
    if (tjDecompressHeader3(r->library, r->file->data, r->file->size, &width, &height, &subsampling, &colours) != 0)
        return damaged(r->library, r->name, r->err);
    if (width <= 0 || height <= 0) /* what has tables alone is no error to the library */
        return fail(r->err, WEFT_BAD_INPUT, (where){.file = r->name}, "damaged JPEG: there is no picture in it; fetch or save it again");
    if (colours == TJCS_CMYK || colours == TJCS_YCCK)
        return fail(r->err, WEFT_BAD_INPUT, (where){.file = r->name}, "its colours are inks (CMYK); save it in RGB or grey");
    r->height = (size_t)height;
    r->width = (size_t)width;
    r->layout = layout_of(r->file);
    const bool across = r->layout.orientation >= 5;
    TRY(image_check_size(r->name, r->height, r->width, r->err));
    TRY(prove(r, channels));
    TRY(image_create(r->name, channels, across ? r->width : r->height, across ? r->height : r->width, out, r->err));
    unsigned char *samples = malloc(r->width * r->height * channels);
    const weft_status status = samples ? unpack(r, samples, r->height, r->width, channels) : fail_memory(r->err);
    if (status == WEFT_OK)
        turn(samples, r->height, r->width, r->layout.orientation, out);
    free(samples);
    return status;
}

static weft_status decode(const char *name, const bytes *file, size_t channels, image *out, text *warnings, weft_error *err)
{
    (void)warnings;
    const tjhandle h = tjInitDecompress();
    if (!h)
        return fail_memory(err);
    const weft_status status = run(&(reader){.library = h, .name = name, .file = file, .err = err}, channels, out);
    tjDestroy(h);
    return status;
}

const image_format image_jpeg = {.name = "jpeg", .help = "JPEG", .recognise = recognise, .decode = decode};
