/* Figures: panels of lines side by side under one legend, which has its own place outside of all data. */
#include "report/chart.h"

#include <math.h>

#define FIGURE_WIDTH 920.0
#define MARGIN 24.0
#define GAP 28.0         /* between two panels */
#define PLOT_HEIGHT 248.0
#define LEGEND_ROW 20.0
#define SWATCH 30.0      /* a legend's piece of line */
#define LEGEND_GAP 26.0   /* between two columns */
#define LABEL_WIDTH 210.0
#define MANY_POINTS 40   /* from here on a line has no markers */
#define MANY_LINES 12    /* neither have so many lines */
#define TOO_LARGE 1e300  /* values from here on are treated as infinite: nothing overflows while an axis is made */

static const ink title_ink = {15, true, 0x1a1a1a}, subtitle_ink = {11, false, 0x595959};
static const ink panel_ink = {12.5, true, 0x1a1a1a}, note_ink = {11, false, 0x595959};
static const ink legend_ink = {12, false, 0x1a1a1a}, tick_ink = {11, false, 0x4d4d4d};

/* Okabe and Ito's colours, which people with any kind of colour vision tell apart, without the yellow, which white
 * swallows. Blue and vermillion come first: they are the pair of the curves of one run. On black they are lighter. */
static const unsigned colors[N_COLORS][2] = {{0x0072b2, 0x4ea3dc}, {0xd55e00, 0xf0793a}, {0x009e73, 0x2fbf96}, {0xb5579a, 0xd884bd},
                                             {0xe69f00, 0xe9ad2c}, {0x4aa8de, 0x8fd0f5}, {0x333333, 0xd0d0d0}};
enum { N_MARKERS = 5 };

unsigned look_color(unsigned look, bool on_black) { return colors[look % N_COLORS][on_black]; }

const double *look_dash(unsigned look, bool dashed)
{
    static const double patterns[][2] = {{5, 3}, {2, 2.4}, {9, 3}};
    const unsigned beyond = look / N_COLORS;
    if (dashed)
        return patterns[0];
    return beyond ? patterns[(beyond - 1) % COUNT(patterns)] : NULL;
}

bool series_range(const series *s, size_t n, double *min, double *max)
{
    *min = INFINITY;
    *max = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        const double *const values[] = {s[i].y, s[i].low, s[i].high};
        for (size_t k = 0; k < s[i].n * COUNT(values); k++) {
            const double *one = values[k % COUNT(values)];
            double value = one ? one[k / COUNT(values)] : NAN;
            if (!(fabs(value) < TOO_LARGE))
                continue;
            *min = fmin(*min, value);
            *max = fmax(*max, value);
        }
    }
    return *min <= *max;
}

/* ---- Layout ---- */

static size_t figure_rows(const figure *f) { return (f->n_panels + 1) / 2; }

static double tick_width(cairo_t *ruler, const panel *p)
{
    double width = 0;
    char buffer[32];
    for (size_t i = 0; i < p->y.n_ticks; i++)
        width = fmax(width, ink_width(ruler, tick_ink, axis_label(&p->y, p->y.ticks[i], buffer)));
    return width;
}

static bool legend_layout(figure *f, cairo_t *ruler, double y, arena *a)
{
    double widest = 0, room = FIGURE_WIDTH - 2 * MARGIN;
    bool kept = true;
    for (size_t i = 0; i < f->n_legend; i++) {
        series *s = &f->legend[i];
        s->label = ink_fit(ruler, legend_ink, LABEL_WIDTH, s->label, a);
        kept = kept && s->label;
        double label = s->label ? ink_width(ruler, legend_ink, s->label) : 0;
        double remark = s->remark ? ink_width(ruler, note_ink, s->remark) : 0;
        widest = fmax(widest, label + remark);
    }
    double column = SWATCH + 8 + widest + LEGEND_GAP;
    size_t n = MAX(f->n_legend, 1), fit = MAX(1, (size_t)((room + LEGEND_GAP) / column)), rows = (n + fit - 1) / fit;
    f->legend_columns = (n + rows - 1) / rows; /* rows are about equally full */
    double width = fmin(room, column * (double)f->legend_columns - LEGEND_GAP);
    f->legend_box = (box){MARGIN, y, width, (double)rows * LEGEND_ROW};
    return kept;
}

static bool panels_layout(figure *f, cairo_t *ruler, double y, arena *a)
{
    double left[2] = {0};
    for (size_t i = 0; i < f->n_panels; i++)
        left[i % 2] = fmax(left[i % 2], tick_width(ruler, &f->panels[i]) + 8);
    double width = (FIGURE_WIDTH - 2 * MARGIN - GAP - left[0] - left[1]) / 2; /* all plots are equally wide */
    if (f->n_panels == 1)
        width = FIGURE_WIDTH - 2 * MARGIN - left[0];
    bool kept = true;
    for (size_t row = 0; row < figure_rows(f); row++) {
        panel *pair = &f->panels[2 * row];
        size_t n = MIN(2, f->n_panels - 2 * row);
        for (size_t i = 0; i < n; i++)
            if (pair[i].note)
                f->note_height[row] = 16;
        double top = y + 26 + f->note_height[row];
        for (size_t i = 0; i < n; i++) {
            double x = MARGIN + left[0] + (double)i * (width + GAP + left[1]);
            pair[i].plot = (box){x, top, width, PLOT_HEIGHT};
            if (!pair[i].note)
                continue;
            pair[i].note = ink_fit(ruler, note_ink, width + left[i], pair[i].note, a);
            kept = kept && pair[i].note;
        }
        y = top + PLOT_HEIGHT + 38 + (row + 1 < figure_rows(f) ? 18 : 0);
    }
    f->height = ceil(y + 12);
    return kept;
}

weft_status figure_layout(figure *f, arena *a, weft_error *err)
{
    cairo_t *ruler = ink_ruler();
    double room = FIGURE_WIDTH - 2 * MARGIN, y = MARGIN + 16;
    f->width = FIGURE_WIDTH;
    f->title = ink_fit(ruler, title_ink, room, f->title, a);
    bool kept = f->title;
    if (f->subtitle) {
        f->subtitle = ink_fit(ruler, subtitle_ink, room, f->subtitle, a);
        kept = kept && f->subtitle;
        y += 18;
    }
    kept = legend_layout(f, ruler, y + 12, a) && kept;
    y = f->legend_box.y + f->legend_box.height + 12;
    kept = panels_layout(f, ruler, y, a) && kept;
    kept = cairo_status(ruler) == CAIRO_STATUS_SUCCESS && kept;
    cairo_destroy(ruler);
    return kept ? WEFT_OK : fail_memory(err);
}

/* ---- Drawing ---- */

static void marker_path(cairo_t *cr, unsigned kind, double x, double y, double r)
{
    static const double corners[N_MARKERS][4][2] = {
        [1] = {{-.9, -.9}, {.9, -.9}, {.9, .9}, {-.9, .9}},
        [2] = {{0, -1.25}, {1.1, .8}, {-1.1, .8}, {0, -1.25}},
        [3] = {{0, -1.3}, {1.3, 0}, {0, 1.3}, {-1.3, 0}},
        [4] = {{0, 1.25}, {1.1, -.8}, {-1.1, -.8}, {0, 1.25}},
    };
    cairo_new_path(cr);
    if (kind == 0) {
        cairo_arc(cr, x, y, r, 0, 2 * M_PI);
    } else {
        for (size_t i = 0; i < 4; i++)
            cairo_line_to(cr, x + r * corners[kind][i][0], y + r * corners[kind][i][1]);
    }
    cairo_close_path(cr);
}

static void draw_marker(cairo_t *cr, const series *s, double x, double y)
{
    bool hollow = s->hollow || s->look / N_MARKERS % 2;
    ink_color(cr, hollow ? 0xffffff : look_color(s->look, false), 1);
    marker_path(cr, s->look % N_MARKERS, x, y, 2.6);
    cairo_fill_preserve(cr);
    ink_color(cr, look_color(s->look, false), 1);
    cairo_set_line_width(cr, hollow ? 1.3 : 0.6);
    cairo_stroke(cr);
}

static void set_up_line(cairo_t *cr, const series *s)
{
    const double *dash = look_dash(s->look, s->dashed);
    cairo_set_line_width(cr, 1.8);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
    if (dash)
        cairo_set_dash(cr, dash, 2, 0);
    ink_color(cr, look_color(s->look, false), 1);
}

static double place_x(const panel *p, double epoch) { return p->plot.x + axis_place(&p->x, epoch) * p->plot.width; }

/* Far outside is far enough: cairo's coordinates are 24 bits wide. */
static double place_y(const panel *p, double value)
{
    double at = axis_place(&p->y, value);
    return isnan(at) ? NAN : p->plot.y + (1 - fmax(-20, fmin(20, at))) * p->plot.height;
}

static bool alone(const panel *p, const series *s, size_t i)
{
    bool before = i > 0 && isfinite(place_y(p, s->y[i - 1]));
    bool after = i + 1 < s->n && isfinite(place_y(p, s->y[i + 1]));
    return !before && !after;
}

static void draw_band(cairo_t *cr, const panel *p, const series *s)
{
    ink_color(cr, look_color(s->look, false), 0.18);
    for (size_t start = 0, end; start < s->n; start = end + 1) {
        for (end = start; end < s->n && isfinite(place_y(p, s->low[end])) && isfinite(place_y(p, s->high[end])); end++)
            cairo_line_to(cr, place_x(p, s->epoch[end]), place_y(p, s->high[end]));
        for (size_t i = end; i > start; i--)
            cairo_line_to(cr, place_x(p, s->epoch[i - 1]), place_y(p, s->low[i - 1]));
        cairo_close_path(cr);
        cairo_fill(cr);
    }
    cairo_set_line_width(cr, 1);
    ink_color(cr, look_color(s->look, false), 0.6);
    for (size_t i = 0; i < s->n; i++) {
        if (!alone(p, s, i) || !isfinite(place_y(p, s->low[i])) || !isfinite(place_y(p, s->high[i])))
            continue; /* a single epoch has a bar instead */
        cairo_move_to(cr, place_x(p, s->epoch[i]), place_y(p, s->low[i]));
        cairo_line_to(cr, place_x(p, s->epoch[i]), place_y(p, s->high[i]));
        cairo_stroke(cr);
    }
}

static void draw_line(cairo_t *cr, const panel *p, const series *s)
{
    bool pen_down = false;
    cairo_new_path(cr);
    for (size_t i = 0; i < s->n; i++) {
        double x = place_x(p, s->epoch[i]), y = place_y(p, s->y[i]);
        if (!isfinite(y)) {
            pen_down = false;
            continue;
        }
        if (pen_down)
            cairo_line_to(cr, x, y);
        else
            cairo_move_to(cr, x, y);
        pen_down = true;
    }
    cairo_save(cr);
    set_up_line(cr, s);
    cairo_stroke(cr);
    cairo_restore(cr);
}

/* A small arrowhead at the edge behind which a point lies. */
static void draw_off_scale(cairo_t *cr, const panel *p, const series *s, double x, bool above)
{
    double y = above ? p->plot.y + 5 : p->plot.y + p->plot.height - 5;
    ink_color(cr, look_color(s->look, false), 1);
    marker_path(cr, above ? 2 : 4, x, y, 3.4);
    cairo_fill(cr);
}

static void draw_cross(cairo_t *cr, const series *s, double x, double y)
{
    cairo_set_line_width(cr, 2);
    ink_color(cr, look_color(s->look, false), 1);
    for (int side = -1; side <= 1; side += 2) {
        cairo_move_to(cr, x - 5, y - 5 * side);
        cairo_line_to(cr, x + 5, y + 5 * side);
    }
    cairo_stroke(cr);
}

static void draw_points(cairo_t *cr, const panel *p, const series *s)
{
    double last_x = NAN, last_y = NAN, bottom = p->plot.y + p->plot.height;
    for (size_t i = 0; i < s->n; i++) {
        double x = place_x(p, s->epoch[i]), y = place_y(p, s->y[i]);
        if (!isfinite(y))
            continue;
        bool inside = y > p->plot.y - 1 && y < bottom + 1, marked = (s->n < MANY_POINTS && p->n_series <= MANY_LINES) || alone(p, s, i);
        last_x = x;
        last_y = inside ? y : NAN; /* behind the edge an arrowhead is enough */
        if (marked && inside)
            draw_marker(cr, s, x, y);
        else if (!inside && (marked || i % (s->n / MANY_POINTS + 1) == 0))
            draw_off_scale(cr, p, s, x, y < p->plot.y);
        if (inside && s->ring && s->epoch[i] == *s->ring) {
            cairo_set_line_width(cr, 1.3);
            ink_color(cr, 0x1a1a1a, 1);
            marker_path(cr, 0, x, y, 6);
            cairo_stroke(cr);
        }
    }
    if (s->cut && isfinite(last_y))
        draw_cross(cr, s, last_x, last_y);
}

static void draw_axes(cairo_t *cr, const panel *p)
{
    char buffer[32];
    double bottom = p->plot.y + p->plot.height;
    cairo_set_line_width(cr, 1);
    for (size_t i = 0; i < p->y.n_ticks; i++) {
        double y = place_y(p, p->y.ticks[i]);
        ink_color(cr, 0xe4e4e4, 1);
        cairo_move_to(cr, p->plot.x, y);
        cairo_line_to(cr, p->plot.x + p->plot.width, y);
        cairo_stroke(cr);
        ink_text(cr, tick_ink, p->plot.x - 8, y + 4, 1, axis_label(&p->y, p->y.ticks[i], buffer));
    }
    ink_color(cr, 0x808080, 1);
    cairo_move_to(cr, p->plot.x, bottom);
    cairo_line_to(cr, p->plot.x + p->plot.width, bottom);
    cairo_stroke(cr);
    for (size_t i = 0; i < p->x.n_ticks; i++) {
        double x = place_x(p, p->x.ticks[i]);
        ink_color(cr, 0x808080, 1);
        cairo_move_to(cr, x, bottom);
        cairo_line_to(cr, x, bottom + 4);
        cairo_stroke(cr);
        ink_text(cr, tick_ink, x, bottom + 17, 0.5, axis_label(&p->x, p->x.ticks[i], buffer));
    }
    ink_text(cr, tick_ink, p->plot.x + p->plot.width / 2, bottom + 33, 0.5, p->x_label ? p->x_label : "epoch");
}

static void draw_empty(cairo_t *cr, const panel *p)
{
    bool epochs = false;
    for (size_t i = 0; i < p->n_series; i++)
        epochs = epochs || p->series[i].n > 0;
    cairo_set_line_width(cr, 1);
    ink_color(cr, 0xe4e4e4, 1);
    cairo_rectangle(cr, p->plot.x + 0.5, p->plot.y + 0.5, p->plot.width - 1, p->plot.height - 1);
    cairo_stroke(cr);
    ink_text(cr, legend_ink, p->plot.x + p->plot.width / 2, p->plot.y + p->plot.height / 2, 0.5,
             epochs ? "no finite value yet" : "no epochs yet");
}

static void draw_panel(cairo_t *cr, const panel *p, double label_x, double note_height)
{
    const double title_y = p->plot.y - note_height - 13;
    ink_text(cr, panel_ink, label_x, title_y, 0, p->title);
    if (p->y.log)
        ink_text(cr, note_ink, label_x + ink_width(cr, panel_ink, p->title), title_y, 0, "  (logarithmic axis)");
    if (p->note)
        ink_text(cr, note_ink, label_x, p->plot.y - 13, 0, p->note);
    if (p->y.n_ticks == 0) {
        draw_empty(cr, p);
        return;
    }
    draw_axes(cr, p);
    cairo_save(cr);
    cairo_rectangle(cr, p->plot.x, p->plot.y - 1.5, p->plot.width, p->plot.height + 2.5);
    cairo_clip(cr);
    for (size_t i = 0; i < p->n_series; i++)
        if (p->series[i].low)
            draw_band(cr, p, &p->series[i]);
    for (size_t i = 0; i < p->n_series; i++)
        draw_line(cr, p, &p->series[i]);
    cairo_restore(cr);
    for (size_t i = 0; i < p->n_series; i++)
        draw_points(cr, p, &p->series[i]);
}

static void draw_legend(cairo_t *cr, const figure *f)
{
    double column = (f->legend_box.width + LEGEND_GAP) / (double)f->legend_columns;
    for (size_t i = 0; i < f->n_legend; i++) {
        const series *s = &f->legend[i];
        double x = f->legend_box.x + (double)(i % f->legend_columns) * column;
        const size_t row = i / f->legend_columns;
        double y = f->legend_box.y + ((double)row + 0.5) * LEGEND_ROW;
        if (s->low) {
            ink_color(cr, look_color(s->look, false), 0.18);
            cairo_rectangle(cr, x, y - 6, SWATCH, 12);
            cairo_fill(cr);
        }
        cairo_save(cr);
        set_up_line(cr, s);
        cairo_move_to(cr, x, y);
        cairo_line_to(cr, x + SWATCH, y);
        cairo_stroke(cr);
        cairo_restore(cr);
        draw_marker(cr, s, x + SWATCH / 2, y);
        ink_text(cr, legend_ink, x + SWATCH + 8, y + 4.3, 0, s->label);
        if (s->remark)
            ink_text(cr, note_ink, x + SWATCH + 8 + ink_width(cr, legend_ink, s->label), y + 4.3, 0, s->remark);
    }
}

void figure_draw(cairo_t *cr, const void *of)
{
    const figure *f = of;
    double y = MARGIN + 12;
    ink_text(cr, title_ink, MARGIN, y, 0, f->title);
    if (f->subtitle)
        ink_text(cr, subtitle_ink, MARGIN, y + 20, 0, f->subtitle);
    draw_legend(cr, f);
    double label_x[2] = {MARGIN, f->n_panels > 1 ? f->panels[0].plot.x + f->panels[0].plot.width + GAP : MARGIN};
    for (size_t i = 0; i < f->n_panels; i++)
        draw_panel(cr, &f->panels[i], label_x[i % 2], f->note_height[i / 2]);
}

weft_status figure_save(const figure *f, const char *folder, const char *name, weft_error *err)
{
    return picture_save_as(&(picture){.width = f->width, .height = f->height, .draw = figure_draw, .of = f}, folder, name, err);
}
