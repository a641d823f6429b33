/* What the decoders of pictures share. */
#ifndef IMAGE_H
#define IMAGE_H

#include "data/data.h"

/* A kind of picture files. One file each, found by the build: data/image_NAME.c defines image_NAME. */
typedef struct image_format {
    const char *name; /* "png" */
    const char *help; /* "PNG" */
    bool (*recognise)(const bytes *file); /* by its first bytes */
    /* As image_decode; what it leaves in `out` when it fails is given back by the caller. */
    weft_status (*decode)(const char *name, const bytes *file, size_t channels, image *out, text *warnings, weft_error *err);
} image_format;

/* One of more than 2^26 pixels is refused. */
weft_status image_check_size(const char *name, size_t height, size_t width, weft_error *err);
/* Gives a picture of the size that a header claims its memory, zeroed. */
weft_status image_create(const char *name, size_t channels, size_t height, size_t width, image *out, weft_error *err);
/* Fills a row from red, green, blue and opacity of each pixel, 0 to 65535: laid upon white, and made grey where there is one channel. */
void image_fill_row(image *out, size_t y, const uint16_t (*rgba)[4]);
/* ITU-R BT.601. */
static inline uint16_t luma(uint32_t red, uint32_t green, uint32_t blue) { return (uint16_t)((299 * red + 587 * green + 114 * blue + 500) / 1000); }

#endif
