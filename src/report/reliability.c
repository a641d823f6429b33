/* The reliability diagram: whether probabilities can be taken at their word, and how many answers say so. */
#include "report/evaluation.h"

#include <math.h>

#define MARGIN 16.0
#define LEFT 54.0
#define SIDE 270.0
#define COUNTS 54.0 /* height of the bars that count */
#define TOP 26.0    /* of the line above all */
#define BELOW 68.0  /* of ticks, their name and the legend */
#define GAP 12.0

static const ink head_ink = {11.5, true, 0x1a1a1a}, tick_ink = {10, false, 0x4d4d4d};

static void fill(cairo_t *cr, unsigned rgb, double alpha, box b)
{
    ink_color(cr, rgb, alpha);
    cairo_rectangle(cr, b.x, b.y, b.width, b.height);
    cairo_fill(cr);
}

static void frame(cairo_t *cr, box b)
{
    cairo_set_line_width(cr, 1);
    ink_color(cr, 0x808080, 1);
    cairo_rectangle(cr, b.x, b.y, b.width, b.height);
    cairo_stroke(cr);
}

/* Bar i of a plot, from one height to another; 0 is its bottom and 1 its top. */
static box bar(box plot, size_t i, double low, double high)
{
    const double width = plot.width / CALIBRATION_BINS;
    return (box){plot.x + width * (double)i + 1, plot.y + (1 - high) * plot.height, width - 2, (high - low) * plot.height};
}

static void draw_interval(cairo_t *cr, box b)
{
    fill(cr, 0x1a1a1a, 1, (box){b.x + b.width / 2 - 0.5, b.y, 1, b.height});
}

/* What a probability is wrong by reaches to the diagonal: too high, or too low. */
static void draw_bin(cairo_t *cr, const calibration_bin *b, size_t i, box plot)
{
    const double low = fmin(b->accuracy, b->confidence), high = fmax(b->accuracy, b->confidence);
    if (b->n == 0)
        return;
    fill(cr, look_color(0, false), 0.75, bar(plot, i, 0, low));
    fill(cr, look_color(b->confidence > b->accuracy, false), 0.4, bar(plot, i, low, high));
    const interval held = share_interval((size_t)llround(b->accuracy * (double)b->n), b->n);
    draw_interval(cr, bar(plot, i, held.low, held.high));
}

static void draw_counts(cairo_t *cr, const calibration *c, box plot)
{
    char number[32];
    size_t most = 1;
    for (size_t i = 0; i < CALIBRATION_BINS; i++)
        most = MAX(most, c->bins[i].n);
    for (size_t i = 0; i < CALIBRATION_BINS; i++)
        fill(cr, 0x808080, 0.6, bar(plot, i, 0, (double)c->bins[i].n / (double)most));
    frame(cr, plot);
    snprintf(number, sizeof number, "%zu", most);
    ink_text(cr, tick_ink, plot.x - 6, plot.y + 4, 1, number);
    ink_text(cr, tick_ink, plot.x - 6, plot.y + plot.height + 4, 1, "0");
}

/* Upwards, centred at y. */
static void draw_upwards(cairo_t *cr, double x, double y, const char *string)
{
    cairo_save(cr);
    cairo_translate(cr, x, y);
    cairo_rotate(cr, -M_PI / 2);
    ink_text(cr, tick_ink, 0, 0, 0.5, string);
    cairo_restore(cr);
}

static void draw_axes(cairo_t *cr, box plot, const char *share)
{
    static const char *const labels[] = {"0", "0.5", "1"};
    frame(cr, plot);
    cairo_move_to(cr, plot.x, plot.y + plot.height);
    cairo_line_to(cr, plot.x + plot.width, plot.y);
    cairo_stroke(cr);
    for (size_t i = 0; i < COUNT(labels); i++) {
        const double at = (double)i / 2;
        ink_text(cr, tick_ink, plot.x - 6, plot.y + (1 - at) * plot.height + 4, 1, labels[i]);
        ink_text(cr, tick_ink, plot.x + at * plot.width, plot.y + plot.height + 15, 0.5, labels[i]);
    }
    ink_text(cr, tick_ink, plot.x + plot.width / 2, plot.y + plot.height + 31, 0.5, "probability that was given");
    draw_upwards(cr, plot.x - 34, plot.y + plot.height / 2, share);
}

static void draw_legend(cairo_t *cr, double x, double y)
{
    static const char *const words[] = {"too low", "too high", "95 % interval"};
    for (size_t i = 0; i < COUNT(words); i++) {
        const box swatch = {x + 80 * (double)i, y - 9, 12, 10};
        if (i < 2)
            fill(cr, look_color((unsigned)i, false), 0.4, swatch);
        else
            draw_interval(cr, swatch);
        ink_text(cr, tick_ink, swatch.x + 18, y, 0, words[i]);
    }
}

static void draw(cairo_t *cr, const void *of)
{
    const evaluation_record *e = of;
    const box counts = {MARGIN + LEFT, MARGIN + TOP, SIDE, COUNTS}, plot = {counts.x, counts.y + COUNTS + GAP, SIDE, SIDE};
    char head[64];
    snprintf(head, sizeof head, "expected calibration error %.2f %%", 100 * e->calibration.ece);
    ink_text(cr, head_ink, plot.x, MARGIN + 11, 0, head);
    draw_counts(cr, &e->calibration, counts);
    draw_upwards(cr, counts.x - 34, counts.y + COUNTS / 2, "answers");
    for (size_t i = 0; i < CALIBRATION_BINS; i++)
        draw_bin(cr, &e->calibration.bins[i], i, plot);
    draw_axes(cr, plot, e->task == WEFT_MULTI_LABEL ? "share that has the label" : "share that was right");
    draw_legend(cr, plot.x, plot.y + plot.height + BELOW - 16);
}

weft_status reliability_picture(const evaluation_record *e, picture *out, arena *a, weft_error *err)
{
    (void)a;
    (void)err;
    *out = (picture){0};
    if (isfinite(e->calibration.ece))
        *out = (picture){.width = 2 * MARGIN + LEFT + SIDE, .height = 2 * MARGIN + TOP + COUNTS + GAP + SIDE + BELOW, .draw = draw, .of = e};
    return WEFT_OK;
}
