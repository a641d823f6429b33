/* The confusion matrix. */
#include "report/evaluation.h"
#include "report/tiles.h"

#include <math.h>

#define MARGIN 16.0
#define NAMES_WIDTH 130.0
#define MANY_NAMES 40   /* from here on there is no room for them, */
#define MANY_NUMBERS 20 /* nor for numbers in cells: they are pixels of an image */

static const ink head_ink = {11.5, true, 0x1a1a1a}, name_ink = {10.5, false, 0x1a1a1a};

const char *evaluation_class_name(const evaluation_record *e, size_t i, arena *a)
{
    return i < e->n_classes && e->classes[i].name ? e->classes[i].name : arena_printf(a, "%zu", i);
}

size_t confusion_row(const evaluation_record *e, size_t label)
{
    size_t sum = 0;
    for (size_t i = 0; i < e->n_classes; i++)
        sum += e->confusion[label * e->n_classes + i];
    return sum;
}

size_t confusion_column(const evaluation_record *e, size_t prediction)
{
    size_t sum = 0;
    for (size_t i = 0; i < e->n_classes; i++)
        sum += e->confusion[i * e->n_classes + prediction];
    return sum;
}

double confusion_strength(const evaluation_record *e, size_t label, size_t prediction)
{
    const size_t all = confusion_row(e, label);
    const double share = all ? (double)e->confusion[label * e->n_classes + prediction] / (double)all : 0;
    return 0.85 * (label == prediction ? share : sqrt(share));
}

static double cell(const evaluation_record *m) { return m->n_classes <= 12 ? 46 : fmax(8, 600 / (double)m->n_classes); }

/* What the longest name takes, up to a limit. */
static double names_width(const evaluation_record *m)
{
    arena a = {0};
    cairo_t *ruler = ink_ruler();
    double width = 20;
    for (size_t i = 0; m->n_classes < MANY_NAMES && i < m->n_classes; i++) {
        const char *name = evaluation_class_name(m, i, &a);
        width = fmax(width, name ? fmin(NAMES_WIDTH - 24, ink_width(ruler, name_ink, name)) + 24 : 0);
    }
    cairo_destroy(ruler);
    arena_deinit(&a);
    return width;
}

static void draw_name(cairo_t *cr, const evaluation_record *m, size_t i, double x, double y)
{
    arena a = {0};
    const double middle = cell(m) * ((double)i + 0.5);
    const char *whole = evaluation_class_name(m, i, &a), *name = whole ? ink_fit(cr, name_ink, NAMES_WIDTH - 24, whole, &a) : NULL;
    ink_text(cr, name_ink, x - 8, y + middle + 3.5, 1, name ? name : "");
    cairo_save(cr);
    cairo_translate(cr, x + middle + 3.5, y - 8);
    cairo_rotate(cr, -M_PI / 2);
    ink_text(cr, name_ink, 0, 0, 0, name ? name : "");
    cairo_restore(cr);
    arena_deinit(&a);
}

static void draw_cell(cairo_t *cr, const evaluation_record *m, size_t label, size_t prediction, box at)
{
    const double strength = confusion_strength(m, label, prediction);
    const size_t count = m->confusion[label * m->n_classes + prediction];
    if (count == 0)
        return;
    ink_color(cr, look_color(label == prediction ? 0 : 1, false), strength);
    cairo_rectangle(cr, at.x + 0.5, at.y + 0.5, at.width - 1, at.height - 1);
    cairo_fill(cr);
    char buffer[32];
    snprintf(buffer, sizeof buffer, "%zu", count);
    const ink style = {at.width > 40 ? 11 : 8, label == prediction, strength > 0.6 ? 0xffffff : 0x1a1a1a};
    ink_text(cr, style, at.x + at.width / 2, at.y + at.height / 2 + 4, 0.5, buffer);
}

static void draw_many(cairo_t *cr, const evaluation_record *m, box at)
{
    arena a = {0};
    const size_t n = m->n_classes;
    uint32_t *pixels = arena_array(&a, n * n, sizeof *pixels);
    for (size_t i = 0; pixels && i < n * n; i++)
        pixels[i] = diverging_color((i / n == i % n ? -1 : 1) * confusion_strength(m, i / n, i % n));
    if (pixels)
        pixels_draw(cr, pixels, n, n, at);
    arena_deinit(&a);
}

static void draw_matrix(cairo_t *cr, const void *of)
{
    const evaluation_record *m = of;
    const double names = names_width(m), x = MARGIN + 20 + names, y = MARGIN + names, side = cell(m);
    ink_text(cr, head_ink, MARGIN, y - 8, 0, "label");
    ink_text(cr, head_ink, x, MARGIN + 4, 0, "prediction");
    for (size_t i = 0; i < m->n_classes; i++) {
        if (m->n_classes < MANY_NAMES)
            draw_name(cr, m, i, x, y);
        for (size_t k = 0; m->n_classes < MANY_NUMBERS && k < m->n_classes; k++)
            draw_cell(cr, m, i, k, (box){x + side * (double)k, y + side * (double)i, side, side});
    }
    if (m->n_classes >= MANY_NUMBERS)
        draw_many(cr, m, (box){x, y, side * (double)m->n_classes, side * (double)m->n_classes});
    cairo_set_line_width(cr, 1);
    ink_color(cr, 0xb0b0b0, 1);
    cairo_rectangle(cr, x, y, side * (double)m->n_classes, side * (double)m->n_classes);
    cairo_stroke(cr);
}

weft_status confusion_picture(const evaluation_record *e, picture *out, arena *a, weft_error *err)
{
    (void)a;
    (void)err;
    *out = (picture){0};
    if (!e->confusion || !e->n_classes)
        return WEFT_OK;
    const double side = 2 * MARGIN + names_width(e) + cell(e) * (double)e->n_classes;
    *out = (picture){.width = side + 20, .height = side, .draw = draw_matrix, .of = e};
    return WEFT_OK;
}
