/* Early stopping: ends a run that no longer gets better, with its best epoch's parameters (Prechelt, "Early stopping - but when?", 1998; as
 * keras.callbacks.EarlyStopping does it with restore_best_weights). */
#include "train/within.h"

static const early_stopping *settings_of(const run *r) { return &r->settings->train.early_stopping; }

weft_status stopping_prepare(run *r, weft_error *err)
{
    const weft_model *m = r->trainer->model;
    if (!settings_of(r)->patience)
        return WEFT_OK;
    r->stopping.params = model_blocks(m, BLOCKS_PARAMS, r->memory);
    r->stopping.buffers = model_blocks(m, BLOCKS_BUFFERS, r->memory);
    return r->stopping.params && r->stopping.buffers ? WEFT_OK : fail_memory(err);
}

/* What is monitored, so that less is better. */
static double monitored(const run *r)
{
    const metrics_key *key = watched_find(settings_of(r)->monitor);
    return (watched_falls(key) ? 1 : -1) * metrics_value(key, &r->metrics);
}

void stopping_look(run *r)
{
    stopping *s = &r->stopping;
    const weft_model *m = r->trainer->model;
    if (!s->params)
        return;
    s->waited++;
    if (s->epoch && !(monitored(r) < s->best - settings_of(r)->min_delta))
        return;
    s->best = monitored(r);
    s->epoch = r->metrics.epoch;
    s->waited = 0;
    model_copy_blocks(m, BLOCKS_PARAMS, m->weights, s->params);
    model_copy_blocks(m, BLOCKS_BUFFERS, m->buffers, s->buffers);
}

bool stopping_over(const run *r) { return r->stopping.params && r->stopping.waited >= settings_of(r)->patience; }

void stopping_restore(run *r)
{
    if (!r->stopping.params || !r->stopping.epoch)
        return;
    weft_model *m = r->trainer->model;
    model_copy_blocks(m, BLOCKS_PARAMS, r->stopping.params, m->weights);
    model_copy_blocks(m, BLOCKS_BUFFERS, r->stopping.buffers, m->buffers);
    m->version++;
    r->stopping.restored = true;
}
