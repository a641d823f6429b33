/* Small pictures of pixels: rows of them with captions, heat maps, and one by itself as a PNG. Private to this room. */
#ifndef TILES_H
#define TILES_H

#include "report/chart.h"

/* Images of one size, a row after the other. */
typedef struct tiles {
    size_t n, columns, height, width;
    const uint32_t *pixels;            /* [n, height, width], 0xRRGGBB */
    double side;                       /* of a tile, drawn */
    const char *const (*captions)[2];  /* [n], two lines below each; NULL: none */
} tiles;

void tiles_size(const tiles *t, picture *p);
void tiles_draw(cairo_t *cr, const void *of);

/* One image, at x and y, enlarged to a width and height; its pixels stay sharp. */
void pixels_draw(cairo_t *cr, const uint32_t *pixels, size_t height, size_t width, box at);
weft_status pixels_add_png(const uint32_t *pixels, size_t height, size_t width, text *out, weft_error *err);

/* From -1 over 0, which is the paper's white, to 1: blue, white, vermillion. */
uint32_t diverging_color(double value);
/* From 0, white, to 1, a dark blue. */
uint32_t sequential_color(double value);
uint32_t grey_color(double value); /* from 0, black, to 1, white */

#endif
