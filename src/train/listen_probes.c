/* probes.jsonl: a line an epoch of what the layers did in it, and of its losses; also of the epoch in which a run diverged, as far as that is
 * known. Nothing of the run changes by it. */
#include "train/probing.h"
#include "train/within.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare_numbers(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *numbers, size_t n)
{
    double sorted[LOSS_WINDOW];
    memcpy(sorted, numbers, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, compare_numbers);
    return sorted[n / 2];
}

void loss_watch_add(loss_watch *w, double loss)
{
    if (w->n_steps++ == 0)
        w->first = loss;
    w->sum += loss;
    if (++w->n_summed * w->batch < LOSS_SAMPLES)
        return;
    const double mean = w->sum / (double)w->n_summed;
    const size_t known = MIN(w->n_means, (size_t)LOSS_WINDOW);
    if (w->n_means == 0)
        w->first_mean = mean;
    else if (mean > MAX(w->first, w->first_mean) && mean > SPIKE_TIMES * median(w->means, known))
        w->spikes++;
    w->means[w->n_means++ % LOSS_WINDOW] = mean;
    w->sum = 0;
    w->n_summed = 0;
}

/* The parameters that steps move. */
static real *const *moved(const weft_trainer *t) { return t->raw ? t->raw : t->model->weights; }

/* Whether the next step is the last one of its epoch. */
static bool is_last_ahead(const run *r)
{
    const size_t limit = r->settings->train.max_steps;
    return r->trainer->step_of_epoch + 1 == trainer_steps_per_epoch(r->trainer) || r->step + 1 == limit;
}

static loss_watch new_watch(const run *r)
{
    return (loss_watch){.batch = r->trainer->options.batch * r->trainer->options.accumulate, .first = NAN};
}

static void look_ahead(const run *r, probing *p)
{
    if (!is_last_ahead(r))
        return;
    model_copy_blocks(r->trainer->model, BLOCKS_PARAMS, (real *const *)moved(r->trainer), p->before);
    p->has_before = true;
}

static weft_status write_line(const run *r, probing *p, weft_error *err)
{
    arena scratch = {0};
    text line = {0};
    const bool whole = r->status != RUN_DIVERGED;
    epoch_probe probe = {.epoch = p->epoch + 1, .first_loss = p->losses.first, .spikes = p->losses.spikes};
    weft_status status = probe_layers(r->trainer, whole && p->has_before ? p->before : NULL, &probe, &scratch, err);
    if (status == WEFT_OK) {
        probe_print(&probe, &line);
        status = line.failed ? fail_memory(err) : log_add(r, LOG_PROBES, line.data, line.length, err);
    }
    text_free(&line);
    arena_deinit(&scratch);
    return status;
}

/* Within an epoch a checkpoint knows its losses. */
static weft_status begin(const run *r, probing *p, weft_error *err)
{
    TRY(data_count_twins(r->trainer->data, &p->twins, err));
    if (!r->settings->train.probes)
        return WEFT_OK;
    p->epoch = r->trainer->epoch;
    if (!r->trainer->step_of_epoch || !p->losses.n_steps)
        p->losses = new_watch(r);
    p->losses.batch = new_watch(r).batch;
    if (!(p->before = model_blocks(r->trainer->model, BLOCKS_PARAMS, r->memory)))
        return fail_memory(err);
    look_ahead(r, p);
    return WEFT_OK;
}

static weft_status end_epoch(const run *r, probing *p, weft_error *err)
{
    TRY(write_line(r, p, err));
    p->epoch++;
    p->losses = new_watch(r);
    p->has_before = false;
    look_ahead(r, p);
    return WEFT_OK;
}

static weft_status hear(void *self, const run *r, event_kind event, weft_error *err)
{
    (void)self;
    probing *p = r->probing;
    if (event == EVENT_BEGIN)
        return begin(r, p, err);
    if (!r->settings->train.probes)
        return WEFT_OK;
    if (event == EVENT_STEP) {
        loss_watch_add(&p->losses, r->loss);
        look_ahead(r, p);
    }
    return event == EVENT_EPOCH || (event == EVENT_END && r->status == RUN_DIVERGED) ? end_epoch(r, p, err) : WEFT_OK;
}

const listener listen_probes = {.name = "probes", .hear = hear};
