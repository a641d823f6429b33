/* JPEG, by libjpeg-turbo. */
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

#include "data/image.h"

static bool recognise(const bytes *file) { return file->size >= 3 && memcmp(file->data, "\xFF\xD8\xFF", 3) == 0; }

/* ---- How the camera was held: EXIF (CIPA DC-008), a TIFF of which one number is read ---- */

enum { ORIENTATION = 0x0112, APP1 = 0xE1, START_OF_SCAN = 0xDA };

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

/* 1: upright, as where nothing is said. */
static size_t orientation_of(const bytes *file)
{
    const tiff whole = {file->data, file->size, true};
    for (size_t at = 2; number(&whole, at, 1) == 0xFF && number(&whole, at + 1, 1) != START_OF_SCAN;) {
        const size_t length = number(&whole, at + 2, 2);
        if (length < 2 || length > file->size - at - 2)
            return 1;
        if (number(&whole, at + 1, 1) == APP1 && length >= 16 && memcmp(file->data + at + 4, "Exif\0", 6) == 0)
            return orientation_in(&(tiff){file->data + at + 10, length - 8, file->data[at + 10] == 'M'});
        at += 2 + length;
    }
    return 1;
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

static weft_status run(tjhandle h, const char *name, const bytes *file, size_t channels, image *out, weft_error *err)
{
    int width, height, subsampling, colours;
    if (tjDecompressHeader3(h, file->data, file->size, &width, &height, &subsampling, &colours) != 0)
        return damaged(h, name, err);
    if (colours == TJCS_CMYK || colours == TJCS_YCCK)
        return fail(err, WEFT_BAD_INPUT, (where){.file = name}, "its colours are inks (CMYK); save it in RGB or grey");
    const size_t orientation = orientation_of(file);
    const bool across = orientation >= 5;
    TRY(image_create(name, channels, (size_t)(across ? width : height), (size_t)(across ? height : width), out, err));
    unsigned char *samples = malloc((size_t)width * (size_t)height * channels);
    if (!samples)
        return fail_memory(err);
    /* A file whose scans would take for ever, or whose data end early, is refused. */
    const int flags = TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS | TJFLAG_STOPONWARNING;
    weft_status status = WEFT_OK;
    if (tjDecompress2(h, file->data, file->size, samples, width, 0, height, channels == 1 ? TJPF_GRAY : TJPF_RGB, flags) != 0)
        status = damaged(h, name, err);
    else
        turn(samples, (size_t)height, (size_t)width, orientation, out);
    free(samples);
    return status;
}

static weft_status decode(const char *name, const bytes *file, size_t channels, image *out, text *warnings, weft_error *err)
{
    (void)warnings;
    const tjhandle h = tjInitDecompress();
    if (!h)
        return fail_memory(err);
    const weft_status status = run(h, name, file, channels, out, err);
    tjDestroy(h);
    return status;
}

const image_format image_jpeg = {.name = "jpeg", .help = "JPEG", .recognise = recognise, .decode = decode};
