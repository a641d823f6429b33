/* Small pictures of pixels. */
#include "report/tiles.h"

#include <math.h>

#define MARGIN 8.0
#define GAP 6.0
#define CAPTION 13.0 /* a line */

static const ink caption_ink = {10, false, 0x1a1a1a};

/* ---- Colours ---- */

static uint32_t mix(uint32_t from, uint32_t to, double share)
{
    uint32_t mixed = 0;
    const double s = isfinite(share) ? fmax(0, fmin(1, share)) : 0;
    for (int shift = 0; shift <= 16; shift += 8) {
        const double a = from >> shift & 255, b = to >> shift & 255;
        mixed |= (uint32_t)lrint(a + s * (b - a)) << shift;
    }
    return mixed;
}

/* In steps, of which an eye sees little, and which make a file half as large. */
uint32_t diverging_color(double value)
{
    const double step = round(24 * value) / 24;
    return mix(0xffffff, step < 0 ? 0x0072b2 : 0xd55e00, fabs(step));
}

uint32_t sequential_color(double value) { return value < 0.6 ? mix(0xffffff, 0x4aa8de, value / 0.6) : mix(0x4aa8de, 0x003a5c, (value - 0.6) / 0.4); }

uint32_t grey_color(double value) { return mix(0, 0xffffff, value); }

/* ---- Images ---- */

static cairo_surface_t *surface_of(const uint32_t *pixels, size_t height, size_t width)
{
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)width, (int)height);
    if (cairo_surface_status(surface) != CAIRO_STATUS_SUCCESS)
        return surface;
    cairo_surface_flush(surface);
    unsigned char *data = cairo_image_surface_get_data(surface);
    const size_t stride = (size_t)cairo_image_surface_get_stride(surface);
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++)
            ((uint32_t *)(void *)(data + y * stride))[x] = pixels[y * width + x];
    cairo_surface_mark_dirty(surface);
    return surface;
}

void pixels_draw(cairo_t *cr, const uint32_t *pixels, size_t height, size_t width, box at)
{
    cairo_surface_t *surface = surface_of(pixels, height, width);
    cairo_save(cr);
    cairo_translate(cr, at.x, at.y);
    cairo_scale(cr, at.width / (double)width, at.height / (double)height);
    cairo_set_source_surface(cr, surface, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(cr), CAIRO_FILTER_NEAREST);
    cairo_paint(cr);
    cairo_restore(cr);
    cairo_surface_destroy(surface);
}

weft_status pixels_add_png(const uint32_t *pixels, size_t height, size_t width, text *out, weft_error *err)
{
    cairo_surface_t *surface = surface_of(pixels, height, width);
    const cairo_status_t status = cairo_surface_write_to_png_stream(surface, picture_collect, out);
    cairo_surface_destroy(surface);
    return status == CAIRO_STATUS_SUCCESS ? WEFT_OK : fail_memory(err);
}

/* ---- Rows of them ---- */

static double row_height(const tiles *t) { return t->side * (double)t->height / (double)t->width + GAP + (t->captions ? 2 * CAPTION + GAP : 0); }

void tiles_size(const tiles *t, picture *p)
{
    const size_t columns = MAX(1, MIN(t->columns, t->n)), rows = (t->n + columns - 1) / columns;
    p->width = 2 * MARGIN + (double)columns * (t->side + GAP) - GAP;
    p->height = 2 * MARGIN + (double)rows * row_height(t) - GAP;
}

void tiles_draw(cairo_t *cr, const void *of)
{
    const tiles *t = of;
    for (size_t i = 0; i < t->n; i++) {
        const size_t row = i / t->columns, column = i % t->columns;
        const box at = {MARGIN + (double)column * (t->side + GAP), MARGIN + (double)row * row_height(t), t->side,
                        t->side * (double)t->height / (double)t->width};
        pixels_draw(cr, t->pixels + i * t->height * t->width, t->height, t->width, at);
        cairo_set_line_width(cr, 0.5);
        ink_color(cr, 0xc8c8c8, 1);
        cairo_rectangle(cr, at.x, at.y, at.width, at.height);
        cairo_stroke(cr);
        for (size_t line = 0; t->captions && line < 2; line++) {
            arena a = {0};
            const char *caption = ink_fit(cr, caption_ink, t->side, t->captions[i][line], &a);
            ink_text(cr, caption_ink, at.x, at.y + at.height + CAPTION * (double)(line + 1), 0, caption ? caption : "");
            arena_deinit(&a);
        }
    }
}
