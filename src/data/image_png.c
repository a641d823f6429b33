/* PNG, by libpng. */
#include <errno.h>
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "data/image.h"

enum { SIGNATURE = 8, RGBA_BYTES = 4 * sizeof(uint16_t) };

/* A file that is being read. libpng reports mistakes by a jump back to run(), so that everything that must be given back is here. */
typedef struct reader {
    const char *name;
    const bytes *file;
    size_t used; /* of its bytes */
    png_structp png;
    png_infop info;
    void *rows; /* a row of RGBA, or all of an interlaced picture */
    bool proving; /* rows are read and forgotten: the picture gets its memory when the file has proven sound */
    image *out;
    char mistake[160];
    weft_error *err;
} reader;

static void hear_mistake(png_structp png, png_const_charp message)
{
    reader *r = png_get_error_ptr(png);
    snprintf(r->mistake, sizeof r->mistake, "%s", message);
    png_longjmp(png, 1);
}

/* Of what is beside the pixels. */
static void hear_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void give_bytes(png_structp png, png_bytep to, size_t n)
{
    reader *r = png_get_io_ptr(png);
    if (n > r->file->size - r->used)
        png_error(png, "truncated: it goes on past the end");
    memcpy(to, r->file->data + r->used, n);
    r->used += n;
}

/* Also one that lost its first bit, or whose line ends were changed on the way. */
static bool recognise(const bytes *file) { return file->size >= 4 && (file->data[0] & 0x7F) == 0x09 && memcmp(file->data + 1, "PNG", 3) == 0; }

/* Memory is for what the file can hold: deflate makes at most 1032 bytes of one. A little may be had before all of it was read. */
static weft_status claim(reader *r, size_t channels)
{
    const size_t height = png_get_image_height(r->png, r->info), width = png_get_image_width(r->png, r->info);
    const size_t need = height * png_get_rowbytes(r->png, r->info); /* both are 31 bits or a little more */
    if (need / 1032 > r->file->size)
        return fail(r->err, WEFT_BAD_INPUT, (where){.file = r->name}, "truncated: %zu x %zu pixels cannot be in %zu bytes; fetch the file again",
                    width, height, r->file->size);
    TRY(image_check_size(r->name, height, width, r->err));
    const size_t pixel_bytes = 2 * channels + (png_get_interlace_type(r->png, r->info) == PNG_INTERLACE_NONE ? 0 : RGBA_BYTES);
    r->proving = r->proving && height * width > data_unproven_bytes(r->file->size) / pixel_bytes;
    return r->proving ? WEFT_OK : image_create(r->name, channels, height, width, r->out, r->err);
}

/* Whatever the file has becomes RGBA of 16 bits. */
static void ask_for_rgba(png_structp png)
{
    png_set_expand_16(png);
    png_set_gray_to_rgb(png);
    png_set_add_alpha(png, 0xFFFF, PNG_FILLER_AFTER);
#if BYTE_ORDER == LITTLE_ENDIAN
    png_set_swap(png);
#endif
}

static weft_status read_rows(reader *r)
{
    const int n_passes = png_set_interlace_handling(r->png);
    const size_t height = png_get_image_height(r->png, r->info), row_bytes = png_get_image_width(r->png, r->info) * RGBA_BYTES;
    const bool all = n_passes > 1 && !r->proving;
    png_read_update_info(r->png, r->info);
    if (!(r->rows = calloc(all ? height : 1, row_bytes)))
        return fail_memory(r->err);
    for (int pass = 0; pass < n_passes; pass++)
        for (size_t y = 0; y < height; y++) {
            void *row = (char *)r->rows + (all ? y * row_bytes : 0);
            png_read_row(r->png, row, NULL);
            if (pass + 1 == n_passes && !r->proving)
                image_fill_row(r->out, y, row);
        }
    png_read_end(r->png, NULL);
    return WEFT_OK;
}

static weft_status run(reader *r, size_t channels)
{
    if (setjmp(png_jmpbuf(r->png))) {
        if (errno == ENOMEM) /* libpng and zlib have many words for it */
            return fail_memory(r->err);
        return fail(r->err, WEFT_BAD_INPUT, (where){.file = r->name}, "byte %zu: damaged PNG: %s; fetch or save it again", r->used, r->mistake);
    }
    errno = 0;
    png_set_benign_errors(r->png, 0);
    png_set_keep_unknown_chunks(r->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1); /* what is beside the pixels is not even unpacked */
    png_set_read_fn(r->png, r, give_bytes);
    png_read_info(r->png, r->info);
    TRY(claim(r, channels));
    ask_for_rgba(r->png);
    return read_rows(r);
}

/* Reads the file from its beginning. */
static weft_status read_file(reader *r, size_t channels)
{
    r->used = 0;
    r->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, r, hear_mistake, hear_warning);
    r->info = r->png ? png_create_info_struct(r->png) : NULL;
    const weft_status status = r->info ? run(r, channels) : fail_memory(r->err);
    png_destroy_read_struct(&r->png, &r->info, NULL);
    free(r->rows);
    r->rows = NULL;
    return status;
}

static weft_status decode(const char *name, const bytes *file, size_t channels, image *out, text *warnings, weft_error *err)
{
    reader r = {.name = name, .file = file, .proving = true, .out = out, .err = err};
    if (file->size < SIGNATURE || png_sig_cmp(file->data, 0, SIGNATURE) != 0)
        return fail(err, WEFT_BAD_INPUT, (where){.file = name}, "byte 0: its signature is damaged, as by a transfer as text; fetch the file "
                    "again as it is");
    weft_status status = read_file(&r, channels);
    if (status == WEFT_OK && r.proving) {
        r.proving = false;
        status = read_file(&r, channels);
    }
    if (status == WEFT_OK && r.used < file->size)
        warn(warnings, (where){.file = name}, "byte %zu: %zu bytes after the end of the PNG are passed over", r.used, file->size - r.used);
    return status;
}

const image_format image_png = {.name = "png", .help = "PNG", .recognise = recognise, .decode = decode};
