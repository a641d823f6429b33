/* Parallel coordinates, and main effects. */
#include "report/effects.h"

#include <math.h>
#include <string.h>

#define WIDTH 920.0
#define MARGIN 24.0
#define HEIGHT 300.0      /* of parallel axes */
#define HEAD 44.0         /* above them */
#define NAMES 150.0       /* at the right of the last one */
#define LABELS 86.0       /* at the left of the first one */
#define COLUMNS 3
#define PANEL_HEIGHT 170.0
#define PANEL_LEFT 52.0   /* for the score's labels */
#define PANEL_GAP 26.0
#define ROW_HEIGHT (PANEL_HEIGHT + 66)
#define LINE_HEIGHT 13.0

enum { MOST_LINES = 3 }; /* of a label */

static const ink title_ink = {11.5, true, 0x1a1a1a}, tick_ink = {10.5, false, 0x4d4d4d};

static void fitted(cairo_t *cr, ink style, double x, double y, double align, double width, const char *string)
{
    arena a = {0};
    const char *text = ink_fit(cr, style, width, string, &a);
    if (text)
        ink_text(cr, style, x, y, align, text);
    arena_deinit(&a);
}

/* The longest part of a text, up to a blank, that fits. */
static size_t line_length(cairo_t *cr, const char *string, double width, arena *a)
{
    size_t fits = 0;
    for (size_t n = strcspn(string, " ");; n += 1 + strcspn(string + n + 1, " ")) {
        const char *part = arena_printf(a, "%.*s", (int)n, string);
        if (fits && (!part || ink_width(cr, tick_ink, part) > width))
            return fits;
        fits = n;
        if (!string[n])
            return n;
    }
}

/* A label on up to three lines. Returns how many there are. */
static size_t wrap(cairo_t *cr, double width, const char *string, const char *lines[MOST_LINES], arena *a)
{
    text clean = {0};
    text_add_escaped(&clean, string);
    const char *rest = clean.data ? arena_text(a, clean.data) : "";
    size_t n = 0;
    text_free(&clean);
    for (; rest && *rest && n < MOST_LINES; n++) {
        const size_t length = n + 1 < MOST_LINES ? line_length(cr, rest, width, a) : strlen(rest);
        const char *line = arena_printf(a, "%.*s", (int)length, rest);
        lines[n] = line ? ink_fit(cr, tick_ink, width, line, a) : NULL;
        if (!lines[n])
            return n;
        rest += length + strspn(rest + length, " ");
    }
    return n;
}

/* ---- Parallel coordinates ---- */

void parallel_size(const effects *e, picture *p)
{
    (void)e;
    p->width = WIDTH;
    p->height = MARGIN + HEAD + HEIGHT + 20 + MARGIN;
}

static double axis_x(const effects *e, size_t i)
{
    const double room = WIDTH - 2 * MARGIN - LABELS - NAMES;
    return MARGIN + LABELS + room * (double)i / (double)(e->n_axes - 1);
}

static double place_y(double at) { return MARGIN + HEAD + (1 - at) * HEIGHT; }

/* Lines bend, so that one can be followed through a value that many share. */
static void draw_line(cairo_t *cr, const effects *e, size_t line)
{
    const bool strong = line < e->n_strong;
    const double *dash = look_dash(e->looks[line], false);
    bool pen_down = false;
    cairo_new_path(cr);
    for (size_t i = 0; i < e->n_axes; i++) {
        const double at = e->axes[i].at[line], x = axis_x(e, i), y = place_y(at);
        if (!isfinite(at)) {
            pen_down = false;
            continue;
        }
        double x0, y0;
        cairo_get_current_point(cr, &x0, &y0);
        if (pen_down)
            cairo_curve_to(cr, x0 + (x - x0) * 0.4, y0, x - (x - x0) * 0.4, y, x, y);
        else
            cairo_move_to(cr, x, y);
        pen_down = true;
    }
    cairo_save(cr);
    ink_color(cr, look_color(e->looks[line], false), strong ? 1 : 0.35);
    cairo_set_line_width(cr, strong ? 2 : 1);
    if (dash)
        cairo_set_dash(cr, dash, 2, 0);
    cairo_stroke(cr);
    cairo_restore(cr);
}

static void draw_coordinate(cairo_t *cr, const effects *e, size_t i)
{
    const coordinate *c = &e->axes[i];
    const bool last = i + 1 == e->n_axes;
    const double x = axis_x(e, i), room = i ? x - axis_x(e, i - 1) - 12 : LABELS + MARGIN - 14;
    cairo_set_line_width(cr, 1);
    ink_color(cr, 0x808080, 1);
    cairo_move_to(cr, x, place_y(1));
    cairo_line_to(cr, x, place_y(0));
    cairo_stroke(cr);
    fitted(cr, title_ink, x, MARGIN + 12, i ? 0.5 : 0.4, last ? room : fmin(room + 12, 150), c->title);
    for (size_t k = 0; k < c->n_ticks; k++) {
        const double y = place_y(c->ticks[k]);
        ink_color(cr, 0x808080, 1);
        cairo_move_to(cr, x - 3, y);
        cairo_line_to(cr, x + 3, y);
        cairo_stroke(cr);
        arena a = {0};
        const char *lines[MOST_LINES];
        const size_t n = wrap(cr, fmin(room, 120), c->labels[k], lines, &a);
        for (size_t line = 0; line < n; line++) {
            const double width = ink_width(cr, tick_ink, lines[line]), at = y + LINE_HEIGHT * ((double)line - (double)(n - 1) / 2);
            ink_color(cr, 0xffffff, 0.82); /* lines that pass below stay paler than the words */
            cairo_rectangle(cr, x - 8 - width, at - 7, width + 3, 14);
            cairo_fill(cr);
            ink_text(cr, tick_ink, x - 7, at + 4, 1, lines[line]);
        }
        arena_deinit(&a);
    }
}

static void draw_names(cairo_t *cr, const effects *e)
{
    const coordinate *score = &e->axes[e->n_axes - 1];
    double y = -INFINITY;
    for (size_t i = 0; i < e->n_strong; i++) { /* from the best, which is at the top, downwards */
        if (!isfinite(score->at[i]))
            continue;
        y = fmax(place_y(score->at[i]) + 4, y + LINE_HEIGHT);
        const ink style = {10.5, false, look_color(e->looks[i], false)};
        if (y < place_y(0) + 2 * LINE_HEIGHT)
            fitted(cr, style, axis_x(e, e->n_axes - 1) + 8, y, 0, NAMES - 10 + MARGIN / 2, e->names[i]);
    }
}

void parallel_draw(cairo_t *cr, const void *of)
{
    const effects *e = of;
    for (size_t i = e->n_lines; i > 0; i--)
        draw_line(cr, e, i - 1);
    for (size_t i = 0; i < e->n_axes; i++)
        draw_coordinate(cr, e, i);
    draw_names(cr, e);
}

/* ---- Main effects ---- */

void main_effects_size(const effects *e, picture *p)
{
    const size_t rows = (e->n_axes - 1 + COLUMNS - 1) / COLUMNS;
    p->width = WIDTH;
    p->height = 2 * MARGIN + ROW_HEIGHT * (double)rows;
}

static box panel_box(size_t i)
{
    const double width = (WIDTH - 2 * MARGIN - (COLUMNS - 1) * PANEL_GAP) / COLUMNS;
    const size_t row = i / COLUMNS, column = i % COLUMNS;
    const double left = MARGIN + (double)column * (width + PANEL_GAP), top = MARGIN + (double)row * ROW_HEIGHT;
    return (box){left + PANEL_LEFT, top + 24, width - PANEL_LEFT, PANEL_HEIGHT};
}

static void draw_scale(cairo_t *cr, const effects *e, const coordinate *c, const box *b)
{
    const coordinate *score = &e->axes[e->n_axes - 1];
    fitted(cr, title_ink, b->x - PANEL_LEFT, b->y - 10, 0, b->width + PANEL_LEFT, c->title);
    cairo_set_line_width(cr, 1);
    for (size_t k = 0; k < score->n_ticks; k++) {
        const double y = b->y + (1 - score->ticks[k]) * b->height;
        ink_color(cr, 0xe4e4e4, 1);
        cairo_move_to(cr, b->x, y);
        cairo_line_to(cr, b->x + b->width, y);
        cairo_stroke(cr);
        ink_text(cr, tick_ink, b->x - 7, y + 4, 1, score->labels[k]);
    }
}

static double tick_x(const coordinate *c, const box *b, double at) { return b->x + (c->n_ticks > 1 ? 0.08 + 0.84 * at : 0.5) * b->width; }

static void draw_points(cairo_t *cr, const effects *e, const coordinate *c, const box *b)
{
    const coordinate *score = &e->axes[e->n_axes - 1];
    for (size_t i = 0; i < e->n_lines; i++) {
        if (!isfinite(c->at[i]) || !isfinite(score->at[i]))
            continue;
        ink_color(cr, look_color(e->looks[i], false), 0.75);
        cairo_arc(cr, tick_x(c, b, c->at[i]), b->y + (1 - score->at[i]) * b->height, 2.6, 0, 2 * M_PI);
        cairo_fill(cr);
    }
}

/* The mean score of the variants that have one value; NaN: none has. */
static double mean_at(const effects *e, const coordinate *c, double tick)
{
    const coordinate *score = &e->axes[e->n_axes - 1];
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < e->n_lines; i++)
        if (c->at[i] == tick && isfinite(score->at[i])) {
            sum += score->at[i];
            n++;
        }
    return n ? sum / (double)n : NAN;
}

static void draw_means(cairo_t *cr, const effects *e, const coordinate *c, const box *b)
{
    double last_x = NAN, last_y = NAN;
    ink_color(cr, 0x1a1a1a, 1);
    for (size_t k = 0; k < c->n_ticks; k++) {
        const double mean = mean_at(e, c, c->ticks[k]), x = tick_x(c, b, c->ticks[k]), y = b->y + (1 - mean) * b->height;
        if (!isfinite(mean))
            continue;
        cairo_set_line_width(cr, 2.4);
        cairo_move_to(cr, x - 7, y);
        cairo_line_to(cr, x + 7, y);
        cairo_stroke(cr);
        if (c->ordered && isfinite(last_x)) {
            cairo_set_line_width(cr, 1);
            cairo_move_to(cr, last_x, last_y);
            cairo_line_to(cr, x, y);
            cairo_stroke(cr);
        }
        last_x = x;
        last_y = y;
    }
}

/* Below each other by turns, where they are many. */
static void draw_values(cairo_t *cr, const coordinate *c, const box *b)
{
    const double room = b->width / (double)MAX(c->n_ticks, 1);
    const bool narrow = room < 60;
    for (size_t k = 0; k < c->n_ticks; k++) {
        arena a = {0};
        const char *lines[MOST_LINES];
        const size_t n = wrap(cr, fmax(narrow ? 2 * room - 6 : room - 6, 24), c->labels[k], lines, &a), first = narrow && k % 2;
        for (size_t i = 0; i < (narrow ? MIN(n, 1) : n); i++)
            ink_text(cr, tick_ink, tick_x(c, b, c->ticks[k]), b->y + b->height + 4 + LINE_HEIGHT * (double)(first + i + 1), 0.5, lines[i]);
        arena_deinit(&a);
    }
}

void main_effects_draw(cairo_t *cr, const void *of)
{
    const effects *e = of;
    for (size_t i = 0; i + 1 < e->n_axes; i++) {
        const coordinate *c = &e->axes[i];
        const box b = panel_box(i);
        draw_scale(cr, e, c, &b);
        draw_points(cr, e, c, &b);
        draw_means(cr, e, c, &b);
        draw_values(cr, c, &b);
    }
}
