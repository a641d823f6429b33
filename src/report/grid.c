/* A grid of grey images, a row a class. */
#include "report/chart.h"

#include <math.h>

#define MARGIN 20.0
#define GAP 3.0         /* between images */
#define CELL 56.0       /* small images are enlarged by a whole factor to about this height */
#define LARGE 112.0     /* larger ones are made this high */
#define NAMES_WIDTH 180.0

static const ink title_ink = {15, true, 0x1a1a1a}, name_ink = {12, false, 0x1a1a1a};

typedef struct grid_drawing {
    const image_grid *grid;
    const char *title;
    const char **names;
    double scale, left, top, name_column;
} grid_drawing;

/* Any number of images becomes one, so that an SVG embeds one. What is not a cell's stays transparent. */
static void paint_cell(const image_grid *g, size_t row, size_t column, cairo_surface_t *surface)
{
    const float *pixels = g->pixels + (row * g->columns + column) * g->height * g->width;
    unsigned char *data = cairo_image_surface_get_data(surface);
    size_t stride = (size_t)cairo_image_surface_get_stride(surface);
    if (isnan(pixels[0]))
        return;
    for (size_t y = 0; y < g->height; y++) {
        uint32_t *line = (uint32_t *)(void *)(data + (row * g->height + y) * stride) + column * g->width;
        for (size_t x = 0; x < g->width; x++) {
            float value = pixels[y * g->width + x];
            uint32_t grey = value > 0 ? (uint32_t)lrintf(255 * fminf(value, 1)) : 0;
            line[x] = 0xff000000u | grey << 16 | grey << 8 | grey;
        }
    }
}

static cairo_surface_t *paint_cells(const image_grid *g)
{
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_ARGB32, (int)(g->columns * g->width),
                                                          (int)(g->rows * g->height));
    if (cairo_surface_status(surface) != CAIRO_STATUS_SUCCESS)
        return surface;
    cairo_surface_flush(surface);
    for (size_t i = 0; i < g->rows * g->columns; i++)
        paint_cell(g, i / g->columns, i % g->columns, surface);
    cairo_surface_mark_dirty(surface);
    return surface;
}

static void draw_cell(cairo_t *cr, const grid_drawing *d, size_t row, size_t column, cairo_surface_t *cells)
{
    const image_grid *g = d->grid;
    double width = d->scale * (double)g->width, height = d->scale * (double)g->height;
    double x = d->left + (double)column * (width + GAP), y = d->top + (double)row * (height + GAP);
    cairo_save(cr);
    cairo_rectangle(cr, x, y, width, height);
    cairo_clip(cr);
    cairo_translate(cr, x - (double)column * width, y - (double)row * height);
    cairo_scale(cr, d->scale, d->scale);
    cairo_set_source_surface(cr, cells, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(cr), d->scale >= 1 ? CAIRO_FILTER_NEAREST : CAIRO_FILTER_GOOD);
    cairo_paint(cr);
    cairo_restore(cr);
}

static void draw_grid(cairo_t *cr, const void *of)
{
    const grid_drawing *d = of;
    const image_grid *g = d->grid;
    double row_height = d->scale * (double)g->height + GAP;
    cairo_surface_t *cells = paint_cells(g);
    if (*d->title)
        ink_text(cr, title_ink, MARGIN, MARGIN + 12, 0, d->title);
    for (size_t row = 0; row < g->rows; row++)
        ink_text(cr, name_ink, d->left - 12, d->top + ((double)row + 0.5) * row_height - GAP / 2 + 4.3, 1,
                 d->names[row]);
    for (size_t i = 0; i < g->rows * g->columns; i++)
        draw_cell(cr, d, i / g->columns, i % g->columns, cells);
    cairo_surface_destroy(cells);
}

static double cell_scale(size_t height)
{
    double h = (double)height;
    return h > LARGE ? LARGE / h : fmax(1, round(CELL / h));
}

weft_status report_grid(const image_grid *grid, const char *path, weft_error *err)
{
    TRY(picture_check_path(path, err));
    if (!grid->rows || !grid->columns || !grid->height || !grid->width)
        return fail(err, WEFT_BAD_INPUT, (where){.file = path}, "no images to draw; ask for one a class at least");
    arena a = {0};
    weft_status status = WEFT_OK;
    cairo_t *ruler = ink_ruler();
    grid_drawing d = {.grid = grid, .scale = cell_scale(grid->height)};
    d.names = arena_array(&a, grid->rows, sizeof *d.names);
    for (size_t i = 0; d.names && i < grid->rows; i++) {
        d.names[i] = ink_fit(ruler, name_ink, NAMES_WIDTH, grid->row_names ? grid->row_names[i] : "", &a);
        if (!d.names[i])
            d.names = NULL;
        else
            d.name_column = fmax(d.name_column, ink_width(ruler, name_ink, d.names[i]) + 12);
    }
    d.left = ceil(MARGIN + d.name_column); /* on whole pixels, images stay sharp */
    d.top = MARGIN + (grid->title && *grid->title ? 28 : 0);
    picture p = {.draw = draw_grid, .of = &d};
    p.width = ceil(d.left + (double)grid->columns * (d.scale * (double)grid->width + GAP) - GAP + MARGIN);
    p.height = ceil(d.top + (double)grid->rows * (d.scale * (double)grid->height + GAP) - GAP + MARGIN);
    d.title = ink_fit(ruler, title_ink, p.width - 2 * MARGIN, grid->title ? grid->title : "", &a);
    cairo_destroy(ruler);
    status = d.names && d.title ? picture_save(&p, path, err) : fail_memory(err);
    arena_deinit(&a);
    return status;
}
