/* Looks at the layers of a network: a forward and a backward pass over a fixed batch, in a plan of its own that moves nothing. */
#include "train/probing.h"
#include "train/within.h"

#include <math.h>

/* A part of the largest slope below which an activation is flat: at 5 %, sigmoid from about 0.013 to its end, tanh from 0.975. */
static const double FLAT = 0.05;
/* As far out as an activation is looked at. */
static const double FAR = 30;
/* Of so many samples at most the slopes are asked for: those of sigmoid take long. */
enum { SLOPE_SAMPLES = 32 };

/* The numbers of a row of a panel, without padding. */
#define FOR_ROWS(o, numbers, n)                                                     \
    for (size_t panel_ = 0; (o)->data && panel_ < n_panels(o); panel_++)            \
        for (size_t row_ = 0, n = panel_cols((o), panel_); row_ < (o)->rows; row_++) \
            for (const real *numbers = panel_row((o), panel_, row_); numbers; numbers = NULL)

static probe_range range_of(const operand *o)
{
    double min = INFINITY, max = -INFINITY, sum = 0, squares = 0;
    const double count = (double)o->rows * (double)o->cols;
    FOR_ROWS(o, at, n)
    {
        for (size_t i = 0; i < n; i++) {
            const double x = (double)at[i];
            min = MIN(min, x);
            max = MAX(max, x);
            sum += x;
            squares += x * x;
        }
    }
    const double mean = sum / count;
    return (probe_range){min, max, mean, sqrt(MAX(squares / count - mean * mean, 0))};
}

static double norm_of(const operand *o)
{
    double squares = 0;
    FOR_ROWS(o, at, n)
    {
        for (size_t i = 0; i < n; i++)
            squares += (double)at[i] * (double)at[i];
    }
    return sqrt(squares);
}

/* Of the difference of two matrices of one shape. */
static double distance(const operand *o, const real *other)
{
    double squares = 0;
    FOR_ROWS(o, at, n)
    {
        const real *then = other + (at - o->data);
        for (size_t i = 0; i < n; i++)
            squares += ((double)at[i] - (double)then[i]) * ((double)at[i] - (double)then[i]);
    }
    return sqrt(squares);
}

static probe_histogram histogram_of(const operand *o, double from, double to)
{
    probe_histogram h = {.from = from, .to = to};
    const double bins_each = to > from ? PROBE_BINS / (to - from) : 0;
    if (!isfinite(from) || !isfinite(to))
        return h;
    FOR_ROWS(o, at, n)
    {
        for (size_t i = 0; i < n; i++) {
            const size_t bin = (size_t)(((double)at[i] - from) * bins_each);
            h.counts[MIN(bin, (size_t)PROBE_BINS - 1)]++;
        }
    }
    return h;
}

/* ---- Activations that have gone flat ---- */

static double slope_at(const node *n, double x) { return fabs(n->op->slope(x, n->fields)); }

static double largest_slope(const node *n)
{
    double largest = 0;
    for (int quarters = -32; quarters <= 32; quarters++)
        largest = MAX(largest, slope_at(n, quarters / 4.0));
    return largest;
}

/* The share of units that no sample gives a slope: NaN for activations that have one everywhere. */
static double dead_share(const node *n, const operand *x)
{
    size_t dead = 0;
    if (slope_at(n, -FAR) != 0 && slope_at(n, 0) != 0 && slope_at(n, FAR) != 0)
        return NAN;
    for (size_t c = 0; c < x->cols; c++) {
        size_t r = 0;
        while (r < x->rows && slope_at(n, (double)*element(x, r, c)) == 0)
            r++;
        dead += r == x->rows;
    }
    return (double)dead / (double)x->cols;
}

/* The share of (unit, sample) on the flat parts: NaN for activations that are not flat at both ends. */
static double saturated_share(const node *n, const operand *x)
{
    const double flat = FLAT * largest_slope(n);
    const size_t stride = MAX(x->rows / SLOPE_SAMPLES, 1);
    size_t found = 0, asked = 0;
    if (!(slope_at(n, -FAR) < flat && slope_at(n, FAR) < flat))
        return NAN;
    for (size_t r = 0; r < x->rows; r += stride, asked += x->cols)
        for (size_t c = 0; c < x->cols; c++)
            found += slope_at(n, (double)*element(x, r, c)) < flat;
    return (double)found / (double)asked;
}

/* ---- Layers ---- */

static void look_at_activation(const plan *p, const graph *g, const node *n, layer_probe *l)
{
    const operand x = n->from[0] == MODEL_INPUT ? plan_samples(p) : plan_output(p, &g->nodes[n->from[0]]);
    l->dead = dead_share(n, &x);
    l->saturated = saturated_share(n, &x);
}

static void look_at_parameters(const plan *p, const node *n, real *weights, const real *before, layer_probe *l)
{
    operand w = n->block;
    w.data = weights;
    const probe_range range = range_of(&w);
    l->weights = norm_of(&w);
    l->weights_histogram = histogram_of(&w, range.min, range.max);
    if (before && l->weights > 0)
        l->update = distance(&w, before) / l->weights;
    if (!node_trains(n))
        return;
    operand gradient = n->block;
    gradient.data = (real *)plan_gradient(p, n);
    const probe_range slopes = range_of(&gradient);
    l->weight_gradient = norm_of(&gradient);
    l->gradients = histogram_of(&gradient, slopes.min, slopes.max);
}

static size_t n_numbers(const node *n)
{
    size_t numbers = 0;
    for (size_t i = 0; i < n->n_params; i++)
        numbers += shape_numbers(&n->params[i].shape);
    return numbers;
}

static void look_at(const plan *p, const plan_spec *spec, const node *n, const real *before, layer_probe *l)
{
    const operand y = plan_output(p, n), dy = plan_output_gradient(p, n);
    *l = (layer_probe){.path = n->path, .name = n->spec, .units = n->out, .parameters = n_numbers(n), .output = range_of(&y), .dead = NAN,
                       .saturated = NAN, .weights = NAN, .weight_gradient = NAN, .update = NAN,
                       .output_gradient = dy.data ? norm_of(&dy) : NAN};
    l->outputs = histogram_of(&y, l->output.min, l->output.max);
    if (n->op->kind == OP_MAP && n->op->slope)
        look_at_activation(p, spec->graph, n, l);
    if (spec->weights[n->index])
        look_at_parameters(p, n, spec->weights[n->index], before, l);
}

/* In fp32, with buffers of its own: running statistics belong to the training. */
static plan *compile(weft_trainer *t, size_t n, plan_spec *spec, arena *a, weft_error *err)
{
    real **buffers = model_blocks(t->model, BLOCKS_BUFFERS, a);
    if (!buffers) {
        fail_memory(err);
        return NULL;
    }
    model_copy_blocks(t->model, BLOCKS_BUFFERS, t->model->buffers, buffers);
    *spec = trainer_spec(t, PLAN_TRAIN, n);
    spec->kernels = t->model->kernels;
    spec->copies = NULL;
    spec->buffers = buffers;
    spec->optimizer = NULL;
    spec->rules = (plan_rules){0};
    spec->keep_all = true;
    return plan_compile(spec, err);
}

weft_status probe_layers(weft_trainer *t, real *const *before, epoch_probe *p, arena *a, weft_error *err)
{
    const data_split *s = &t->data->split[WEFT_TRAIN];
    const graph *g = &t->model->graph;
    uint32_t index[PROBE_SAMPLES];
    plan_spec spec;
    const size_t n = loader_indices(s->n, MIN(s->n, (size_t)PROBE_SAMPLES), true, t->options.seed, 0, 0, index);
    batch b = {.samples = s->samples, .bytes = t->data->type == DTYPE_U8, .scale = t->options.scale, .labels = s->labels, .targets = s->targets,
               .index = index, .n = n, .seed = t->options.seed};
    layer_probe *layers = arena_array(a, g->n_nodes, sizeof *layers);
    plan *probe = layers ? compile(t, n, &spec, a, err) : NULL;
    if (!probe)
        return layers ? WEFT_NO_MEMORY : fail_memory(err);
    b.weight = trainer_weight(t, &b);
    plan_run(probe, &b, t->threads);
    const operand x = plan_samples(probe);
    p->samples = n;
    p->input = range_of(&x);
    p->n_layers = g->n_nodes;
    p->layers = layers;
    for (size_t i = 0; i < g->n_nodes; i++)
        look_at(probe, &spec, &g->nodes[i], before ? before[i] : NULL, &layers[i]);
    plan_free(probe);
    return WEFT_OK;
}
