/* What the layers hold: the first one's weights as pictures, and how numbers are spread in each over epochs. */
#include "report/page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/layers.h"
#include "tensor/tensor.h"

enum { TILE_COLUMNS = 12, MOST_TILES = 36, MOST_LAYERS = 40 };

/* Begins what is folded away of all but the best. */
static void begin_variant(const page *p, size_t rank, const run_record *run, text *t)
{
    const variant *v = p->ranked[rank];
    text_printf(t, "<details%s><summary>", rank ? "" : " open");
    page_swatch(p, v, t);
    page_words(t, v->name);
    if (v->n_runs > 1)
        text_printf(t, ", seed %llu", (unsigned long long)run->seed);
    text_add(t, "</summary>\n");
}

static const char *figure_name(const page *p, const char *part, size_t rank) { return arena_printf(p->memory, "%s-%zu", part, rank + 1); }

/* ---- The first layer ---- */

/* The matrix of the layer that comes first; NULL: there is none. */
static const tensor *first_matrix(const tensor_file *file)
{
    const tensor *found = NULL;
    for (size_t i = 0; i < file->n_tensors; i++) {
        const tensor *one = &file->tensors[i];
        const size_t length = strlen(one->name);
        if (one->shape.n_dims == 2 && one->type == DTYPE_F32 && length > 7 && strcmp(one->name + length - 7, ".weight") == 0 &&
            (!found || strverscmp(one->name, found->name) < 0))
            found = one;
    }
    return found;
}

/* Images that nothing says the form of are taken to be square. 0: they cannot be. */
static size_t side_of(size_t inputs)
{
    const size_t side = (size_t)lround(sqrt((double)inputs));
    return side >= 4 && side * side == inputs ? side : 0;
}

typedef struct unit {
    size_t index;
    double norm;
} unit;

static int compare_units(const void *a, const void *b)
{
    const unit *x = a, *y = b;
    if (x->norm != y->norm)
        return x->norm > y->norm ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

/* All units, those with the largest weights first. */
static unit *sort_units(const tensor *m, arena *a)
{
    unit *units = arena_array(a, m->shape.dims[0] + 1, sizeof *units);
    const float *w = m->data;
    for (size_t i = 0; units && i < m->shape.dims[0]; i++) {
        units[i].index = i;
        for (size_t k = 0; k < m->shape.dims[1]; k++)
            units[i].norm += (double)w[i * m->shape.dims[1] + k] * w[i * m->shape.dims[1] + k];
    }
    if (units)
        qsort(units, m->shape.dims[0], sizeof *units, compare_units);
    return units;
}

/* Each unit against its own largest weight, so that its pattern is seen. */
static void paint_unit(const float *w, size_t n, uint32_t *pixels)
{
    double largest = 1e-30;
    for (size_t k = 0; k < n; k++)
        if (isfinite(w[k]) && fabs((double)w[k]) > largest)
            largest = fabs((double)w[k]);
    for (size_t k = 0; k < n; k++)
        pixels[k] = diverging_color(w[k] / largest);
}

static weft_status add_weights(page *p, size_t rank, const tensor *m, text *t, weft_error *err)
{
    const size_t inputs = m->shape.dims[1], side = side_of(inputs), n = MIN(m->shape.dims[0], MOST_TILES);
    const unit *units = sort_units(m, p->memory);
    uint32_t *pixels = arena_array(p->memory, n * inputs, sizeof *pixels);
    const char *name = figure_name(p, "weights", rank);
    if (!units || !pixels || !name)
        return fail_memory(err);
    for (size_t i = 0; i < n; i++)
        paint_unit((const float *)m->data + units[i].index * inputs, inputs, pixels + i * inputs);
    const tiles shown = {.n = n, .columns = TILE_COLUMNS, .height = side, .width = side, .pixels = pixels, .side = 70};
    picture drawn = {.draw = tiles_draw, .of = &shown};
    tiles_size(&shown, &drawn);
    return page_figure(p, &drawn, name, "weights of the first layer as pictures, a tile a unit", FIGURE_SHOWN, t, err);
}

weft_status page_weights(page *p, text *t, weft_error *err)
{
    text figures = {0};
    weft_status status = WEFT_OK;
    for (size_t rank = 0; rank < MIN(p->n_variants, PAGE_SHOWN) && status == WEFT_OK; rank++) {
        const run_record *run = page_best_run(p->ranked[rank]);
        const char *path = path_join(p->memory, run->folder, "model.safetensors");
        tensor_file file = {0};
        if (!path || !file_exists(path))
            continue;
        status = tensor_file_read(path, &file, err);
        const tensor *m = status == WEFT_OK ? first_matrix(&file) : NULL;
        if (m && side_of(m->shape.dims[1])) {
            begin_variant(p, rank, run, &figures);
            status = add_weights(p, rank, m, &figures, err);
            text_add(&figures, "</details>\n");
        }
        tensor_file_close(&file);
    }
    if (status == WEFT_OK && figures.length) {
        text_printf(t, "<p class=\"note\">What each unit of the first layer adds up, pixel by pixel: blue below zero, orange above. The %d "
                       "units with the largest weights, each against its own largest one.</p>\n", MOST_TILES);
        text_add(t, figures.data);
    }
    t->failed = t->failed || figures.failed;
    text_free(&figures);
    return status;
}

/* ---- Layers over epochs ---- */

static weft_status add_histograms(page *p, size_t rank, const probe_log *log, text *t, weft_error *err)
{
    picture drawn = {.draw = layers_draw, .of = log};
    const char *name = figure_name(p, "histograms", rank);
    layers_size(log, &drawn);
    return name ? page_figure(p, &drawn, name, "histograms of weights, gradients and outputs of each layer, an epoch a column", FIGURE_SHOWN, t, err)
                : fail_memory(err);
}

weft_status page_histograms(page *p, text *t, weft_error *err)
{
    text figures = {0};
    weft_status status = WEFT_OK;
    for (size_t rank = 0; rank < MIN(p->n_variants, PAGE_SHOWN) && status == WEFT_OK; rank++) {
        const run_record *run = page_best_run(p->ranked[rank]);
        probe_log log;
        status = probes_read(run->folder, &log, p->memory, err);
        const size_t n = status == WEFT_OK && log.n_epochs ? layers_count(&log) : 0;
        if (n == 0)
            continue;
        begin_variant(p, rank, run, &figures);
        if (n > MOST_LAYERS)
            text_printf(&figures, "<p class=\"note\">It has %zu layers, too many for a figure.</p>\n", n);
        else
            status = add_histograms(p, rank, &log, &figures, err);
        text_add(&figures, "</details>\n");
    }
    if (status == WEFT_OK && figures.length) {
        text_add(t, "<p class=\"note\">An epoch a column; the darker, the more numbers lie there. Outputs and gradients are those of one batch of "
                    "training samples at the end of the epoch.</p>\n");
        text_add(t, figures.data);
    }
    t->failed = t->failed || figures.failed;
    text_free(&figures);
    return status;
}
