/* Pictures from files. */
#include "data/image.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_LIMIT ((size_t)1 << 28)
#define MAX_PIXELS ((size_t)1 << 26)

#define X(name) extern const image_format image_##name;
#include "gen/image.inc"
#undef X
#define X(name) &image_##name,
static const image_format *const formats[] = {
#include "gen/image.inc"
};
#undef X

weft_status image_check_size(const char *name, size_t height, size_t width, weft_error *err)
{
    size_t n;
    if (!checked_mul(height, width, &n) || n > MAX_PIXELS)
        return fail(err, WEFT_BAD_INPUT, (where){.file = name}, "it is %zu x %zu pixels; up to %zu in all are read: make it smaller", width, height,
                    MAX_PIXELS);
    return WEFT_OK;
}

weft_status image_create(const char *name, size_t channels, size_t height, size_t width, image *out, weft_error *err)
{
    TRY(image_check_size(name, height, width, err));
    *out = (image){channels, height, width, calloc(channels * height * width, sizeof *out->pixels)};
    return out->pixels ? WEFT_OK : fail_memory(err);
}

void image_free(image *i)
{
    free(i->pixels);
    *i = (image){0};
}

static uint32_t upon_white(uint32_t colour, uint32_t opacity)
{
    return (uint32_t)(((uint64_t)colour * opacity + (uint64_t)65535 * (65535 - opacity) + 32767) / 65535);
}

void image_fill_row(image *out, size_t y, const uint16_t (*rgba)[4])
{
    const size_t n = out->height * out->width;
    uint16_t *row = out->pixels + y * out->width;
    for (size_t x = 0; x < out->width; x++) {
        uint32_t c[3];
        for (size_t i = 0; i < 3; i++)
            c[i] = upon_white(rgba[x][i], rgba[x][3]);
        if (out->channels == 1)
            row[x] = luma(c[0], c[1], c[2]);
        for (size_t i = 0; i < 3 && out->channels == 3; i++)
            row[i * n + x] = (uint16_t)c[i];
    }
}

weft_status image_decode(const char *name, const bytes *file, size_t channels, image *out, text *warnings, weft_error *err)
{
    const where at = {.file = name};
    text known = {0};
    *out = (image){0};
    for (size_t i = 0; i < COUNT(formats); i++) {
        if (formats[i]->recognise(file)) {
            text_free(&known);
            const weft_status status = formats[i]->decode(name, file, channels, out, warnings, err);
            if (status != WEFT_OK)
                image_free(out);
            return status;
        }
        text_printf(&known, "%s%s", i ? ", " : "", formats[i]->help);
    }
    const char *what = file->size ? "is no picture that can be read; its content would tell" : "is empty; wanted is a picture";
    const weft_status status = known.failed ? fail_memory(err) : fail(err, WEFT_BAD_INPUT, at, "%s: %s", what, known.data);
    text_free(&known);
    return status;
}

weft_status image_read(const char *path, size_t channels, image *out, text *warnings, weft_error *err)
{
    bytes file;
    const bool standard = strcmp(path, "-") == 0;
    const char *name = standard ? "standard input" : path;
    *out = (image){0};
    TRY(standard ? stream_read(STDIN_FILENO, name, FILE_LIMIT, &file, err) : file_read(path, FILE_LIMIT, &file, err));
    const weft_status status = image_decode(name, &file, channels, out, warnings, err);
    bytes_free(&file);
    return status;
}
