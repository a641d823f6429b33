/* Histograms over epochs: every epoch is a column, from white, where no number lies, to dark. */
#include "report/layers.h"

#include <math.h>

#define WIDTH 920.0
#define MARGIN 20.0
#define LEFT 58.0  /* for a panel's labels */
#define GAP 16.0
#define HEIGHT 84.0
#define TITLE 20.0 /* a layer's name */
#define HEAD 22.0  /* names of the columns */
#define ROW (TITLE + HEIGHT + 24)
#define LINES 96   /* of an image */
#define TAIL 0.001 /* the share of numbers at either end that need not be seen */

enum { N_PARTS = 3 };

static const char *const part_names[N_PARTS] = {"weights", "gradients", "outputs"};
static const ink head_ink = {11.5, true, 0x1a1a1a}, name_ink = {11.5, true, 0x1a1a1a}, tick_ink = {10, false, 0x4d4d4d};

static const probe_histogram *part_of(const layer_probe *l, size_t part)
{
    const probe_histogram *const parts[N_PARTS] = {&l->weights_histogram, &l->gradients, &l->outputs};
    return parts[part];
}

static size_t total(const probe_histogram *h)
{
    size_t sum = 0;
    for (size_t i = 0; i < PROBE_BINS; i++)
        sum += h->counts[i];
    return sum;
}

static bool has_layer(const probe_log *log, size_t layer)
{
    for (size_t e = 0; e < log->n_epochs; e++)
        for (size_t part = 0; layer < log->epochs[e].n_layers && part < N_PARTS; part++)
            if (total(part_of(&log->epochs[e].layers[layer], part)) > 0)
                return true;
    return false;
}

static size_t most_layers(const probe_log *log)
{
    size_t most = 0;
    for (size_t e = 0; e < log->n_epochs; e++)
        most = MAX(most, log->epochs[e].n_layers);
    return most;
}

size_t layers_count(const probe_log *log)
{
    size_t n = 0;
    for (size_t i = 0; i < most_layers(log); i++)
        n += has_layer(log, i);
    return n;
}

void layers_size(const probe_log *log, picture *p)
{
    p->width = WIDTH;
    p->height = MARGIN + HEAD + (double)layers_count(log) * ROW + MARGIN / 2;
}

static double edge(const probe_histogram *h, size_t bin) { return h->from + (h->to - h->from) * (double)bin / PROBE_BINS; }

/* Widens the range to what a histogram holds between its tails. */
static void widen(const probe_histogram *h, double *low, double *high)
{
    const double all = (double)total(h);
    double below = 0;
    bool begun = false;
    for (size_t i = 0; i < PROBE_BINS && all > 0; i++) {
        const double with = below + (double)h->counts[i];
        if (!begun && with > TAIL * all) {
            *low = fmin(*low, edge(h, i));
            begun = true;
        }
        if (below < (1 - TAIL) * all && with >= (1 - TAIL) * all)
            *high = fmax(*high, edge(h, i + 1));
        below = with;
    }
}

/* How densely numbers lie at a value, against where they lie most densely. */
static double density(const probe_histogram *h, double value)
{
    size_t most = 1;
    for (size_t i = 0; i < PROBE_BINS; i++)
        most = MAX(most, h->counts[i]);
    const double bin = h->to > h->from ? (value - h->from) / (h->to - h->from) * PROBE_BINS : value == h->from ? 0 : -1;
    return bin >= 0 && bin < PROBE_BINS ? sqrt((double)h->counts[(size_t)bin] / (double)most) : 0;
}

static void draw_axes(cairo_t *cr, const probe_log *log, double low, double high, box b)
{
    char buffer[32];
    const axis y = axis_linear(low, high);
    const double ends[2] = {low, high};
    for (size_t i = 0; i < y.n_ticks; i++) {
        const double at = b.y + b.height * (1 - (y.ticks[i] - ends[0]) / (ends[1] - ends[0]));
        if (at > b.y - 1 && at < b.y + b.height + 1 && (y.n_ticks < 6 || i % 2 == 0))
            ink_text(cr, tick_ink, b.x - 6, at + 3.5, 1, axis_label(&y, y.ticks[i], buffer));
    }
    snprintf(buffer, sizeof buffer, "%zu", log->epochs[0].epoch);
    ink_text(cr, tick_ink, b.x, b.y + b.height + 13, 0, buffer);
    if (log->n_epochs == 1)
        return;
    snprintf(buffer, sizeof buffer, "epoch %zu", log->epochs[log->n_epochs - 1].epoch);
    ink_text(cr, tick_ink, b.x + b.width, b.y + b.height + 13, 1, buffer);
}

static void draw_part(cairo_t *cr, const probe_log *log, size_t layer, size_t part, box b)
{
    arena a = {0};
    double low = INFINITY, high = -INFINITY;
    for (size_t e = 0; e < log->n_epochs; e++)
        if (layer < log->epochs[e].n_layers)
            widen(part_of(&log->epochs[e].layers[layer], part), &low, &high);
    uint32_t *pixels = low < high ? arena_array(&a, LINES * log->n_epochs, sizeof *pixels) : NULL;
    for (size_t e = 0; pixels && e < log->n_epochs; e++)
        for (size_t line = 0; line < LINES; line++) {
            const double value = high - (high - low) * ((double)line + 0.5) / LINES;
            const bool there = layer < log->epochs[e].n_layers;
            pixels[line * log->n_epochs + e] = sequential_color(there ? density(part_of(&log->epochs[e].layers[layer], part), value) : 0);
        }
    if (pixels) {
        pixels_draw(cr, pixels, LINES, log->n_epochs, b);
        draw_axes(cr, log, low, high, b);
        cairo_set_line_width(cr, 0.6);
        ink_color(cr, 0xb0b0b0, 1);
        cairo_rectangle(cr, b.x, b.y, b.width, b.height);
        cairo_stroke(cr);
    }
    arena_deinit(&a);
}

void layers_draw(cairo_t *cr, const void *of)
{
    const probe_log *log = of;
    const double width = (WIDTH - 2 * MARGIN - 2 * GAP - N_PARTS * LEFT) / N_PARTS;
    const epoch_probe *last = &log->epochs[log->n_epochs - 1];
    double y = MARGIN + HEAD;
    for (size_t part = 0; part < N_PARTS; part++)
        ink_text(cr, head_ink, MARGIN + LEFT + (double)part * (width + GAP + LEFT), MARGIN + 8, 0, part_names[part]);
    for (size_t layer = 0; layer < last->n_layers; layer++) {
        if (!has_layer(log, layer))
            continue;
        arena a = {0};
        const char *name = arena_printf(&a, "%s  %s", last->layers[layer].path, last->layers[layer].name);
        name = name ? ink_fit(cr, name_ink, WIDTH - 2 * MARGIN, name, &a) : NULL;
        ink_text(cr, name_ink, MARGIN, y + 11, 0, name ? name : "");
        arena_deinit(&a);
        for (size_t part = 0; part < N_PARTS; part++)
            draw_part(cr, log, layer, part, (box){MARGIN + LEFT + (double)part * (width + GAP + LEFT), y + TITLE, width, HEIGHT});
        y += ROW;
    }
}
