/* Lines over epochs, drawn once and saved as SVG and PNG. Private to this room. */
#ifndef CHART_H
#define CHART_H

#include <cairo.h>

#include "report/report.h"

/* ---- A drawing and its text (picture.c) ---- */

/* Lengths are CSS pixels; a PNG has twice as many. */
typedef struct box {
    double x, y, width, height;
} box;

typedef struct picture {
    double width, height;
    void (*draw)(cairo_t *cr, const void *of);
    const void *of;
} picture;

/* By the path's ending, in any case. */
weft_status picture_check_path(const char *path, weft_error *err);
weft_status picture_save(const picture *p, const char *path, weft_error *err);
/* NAME.svg and NAME.png in `folder`. */
weft_status picture_save_as(const picture *p, const char *folder, const char *name, weft_error *err);
cairo_status_t picture_collect(void *text, const unsigned char *data, unsigned int n); /* a writer of cairo's, into a text */
/* Appends the same to a text, as SVG. `path` is for messages. */
weft_status picture_add_svg(const picture *p, const char *path, text *out, weft_error *err);

typedef struct ink {
    double size;
    bool bold;
    unsigned rgb; /* 0xRRGGBB */
} ink;

cairo_t *ink_ruler(void); /* measures text without a picture; cairo_destroy */
void ink_color(cairo_t *cr, unsigned rgb, double alpha);
double ink_width(cairo_t *cr, ink style, const char *string);
/* `align`: which part of the text stands at x, from 0 (its left end) to 1. y is the base line. */
void ink_text(cairo_t *cr, ink style, double x, double y, double align, const char *string);
/* A user's text: escaped, and shortened with an ellipsis to at most `width`. In the arena; NULL: no memory. */
const char *ink_fit(cairo_t *cr, ink style, double width, const char *string, arena *a);

/* ---- Axes (axis.c) ---- */

#define MAX_TICKS 16

typedef struct axis {
    double min, max;
    bool log, percent;
    size_t n_ticks;
    double ticks[MAX_TICKS];
    int decimals; /* of the ticks' labels; -1: as short as they go */
} axis;

axis axis_linear(double min, double max);
axis axis_percent(double min, double max); /* stays within 0..100 */
axis axis_log(double min, double max);     /* min > 0 */
axis axis_epochs(double first, double last); /* ticks are whole numbers */
/* Where a value lies: 0 at min, 1 at max. Not finite for what is not finite. */
double axis_place(const axis *x, double value);
const char *axis_label(const axis *x, double tick, char buffer[32]);

/* ---- Looks (chart.c): the same for a variant in every figure ---- */

enum { N_COLORS = 7 };

unsigned look_color(unsigned look, bool on_black); /* 0xRRGGBB */
/* Lengths of a dash and its gap, where lines of one colour must be told apart, or one that lies on another; NULL: an unbroken line. */
const double *look_dash(unsigned look, bool dashed);

/* ---- Figures (chart.c) ---- */

typedef struct series {
    const char *label, *remark; /* the remark follows the label in the legend and is never shortened; may be NULL */
    unsigned look;              /* which colour and marker */
    bool dashed, hollow;
    bool cut; /* it ended because its run diverged */
    size_t n;
    const double *epoch, *y; /* [n]; what is not finite interrupts the line */
    const double *low, *high; /* [n], a band around y; NULL: none */
    const double *ring;       /* the epoch of a point to single out, or NULL */
} series;

typedef struct panel {
    const char *title;
    const char *note; /* a line under the title; may be NULL */
    const char *x_label; /* NULL: "epoch" */
    axis x, y;
    const series *series; /* the first lies lowest */
    size_t n_series;
    box plot; /* where data can be; from figure_layout, like everything below this line in both structs */
} panel;

#define MAX_PANELS 4

typedef struct figure {
    const char *title, *subtitle; /* a subtitle may be NULL */
    series *legend;
    size_t n_legend;
    panel panels[MAX_PANELS]; /* two in a row; one alone takes all of it */
    size_t n_panels;
    double width, height;
    box legend_box;
    size_t legend_columns;
    double note_height[MAX_PANELS / 2]; /* of each row */
} figure;

/* Places everything; texts are shortened to what fits. */
weft_status figure_layout(figure *f, arena *a, weft_error *err);
void figure_draw(cairo_t *cr, const void *f);
/* NAME.svg and NAME.png in `folder`. */
weft_status figure_save(const figure *f, const char *folder, const char *name, weft_error *err);
/* The smallest and the largest finite value among n series and their bands. False: there is none. */
bool series_range(const series *s, size_t n, double *min, double *max);

#endif
