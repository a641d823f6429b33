/* Averages of parameters over steps or epochs, which the model holds in their place. torch.optim.swa_utils.AveragedModel: Polyak and Juditsky,
 * "Acceleration of stochastic approximation by averaging" (1992); Izmailov et al., "Averaging weights leads to wider optima and better
 * generalization" (2018). */
#include <string.h>

#include "train/within.h"

static const char *const names[] = {"none", "ema", "swa", NULL};

const field average_fields[] = {
    {"name", FIELD_TEXT, offsetof(averaging, name), FIELD_BARE, .text = "none", .words = names,
     .help = "none; ema, an average over steps that forgets; swa, the mean over the ends of epochs"},
    {"decay", FIELD_REAL, offsetof(averaging, decay), FIELD_BELOW_MAX, .min = 0, .max = 1, .value = {0.999},
     .help = "of ema: the share of the average that a step leaves"},
    {"start", FIELD_SIZE, offsetof(averaging, start), 0, .min = 1, .max = 1e18, .value = {1}, .help = "of swa: the first epoch of the mean"},
    {0},
};

static bool is(const averaging *a, const char *name) { return strcmp(a->name, name) == 0; }

weft_status average_check(const averaging *a, where at, weft_error *err)
{
    averaging usual;
    fields_default(average_fields, &usual);
    if (!is(a, "ema") && a->decay != usual.decay)
        return fail(err, WEFT_BAD_INPUT, at, "decay is of ema, but average's name is %s", a->name);
    if (!is(a, "swa") && a->start != usual.start)
        return fail(err, WEFT_BAD_INPUT, at, "start is of swa, but average's name is %s", a->name);
    return WEFT_OK;
}

weft_status average_read(averaging *a, const char *spec, arena *memory, weft_error *err)
{
    const where at = {"average", 0, 0};
    const setting *map = setting_from_spec(memory, spec ? spec : "none", at, err);
    if (!map)
        return WEFT_BAD_INPUT;
    TRY(fields_read(average_fields, map, "average", NULL, a, memory, err));
    return average_check(a, at, err);
}

weft_status average_prepare(weft_trainer *t, weft_error *err)
{
    if (is(&t->average, "none"))
        return WEFT_OK;
    if (is(&t->average, "swa") && !t->data)
        return fail(err, WEFT_BAD_INPUT, (where){"average", 0, 0}, "swa is a mean over epochs, and without a data set there are none; use ema");
    t->raw = model_blocks(t->model, BLOCKS_PARAMS, &t->memory);
    t->taken = t->model->version - 1;
    return t->raw ? WEFT_OK : fail_memory(err);
}

/* The model's parameters are new, but not to this trainer. */
static void own_change(weft_trainer *t) { t->copied = t->taken = ++t->model->version; }

void average_begin_step(weft_trainer *t)
{
    const bool first = t->optimizer.t == 1; /* a copy */
    t->shares[0] = first ? 0 : (real)t->average.decay;
    t->shares[1] = first ? 1 : (real)(1 - t->average.decay);
}

/* mean += (raw - mean) / n */
static void add_epoch(const weft_trainer *t, size_t n)
{
    const graph *g = &t->model->graph;
    for (size_t i = 0; i < g->n_nodes; i++)
        for (size_t j = 0; j < g->nodes[i].block_numbers; j++)
            t->model->weights[i][j] += (t->raw[i][j] - t->model->weights[i][j]) / (real)n;
}

void average_end_epoch(weft_trainer *t)
{
    if (!t->raw || !is(&t->average, "swa"))
        return;
    if (t->epoch + 1 >= t->average.start && ++t->n_averaged > 1)
        add_epoch(t, t->n_averaged);
    else
        model_copy_blocks(t->model, BLOCKS_PARAMS, t->raw, t->model->weights);
    own_change(t);
}

void average_settle(weft_trainer *t)
{
    if (!t->raw || !is(&t->average, "swa") || t->n_averaged || !t->step_of_epoch)
        return;
    model_copy_blocks(t->model, BLOCKS_PARAMS, t->raw, t->model->weights);
    own_change(t);
}
