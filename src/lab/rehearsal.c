/* Training that leaves nothing behind: to look for a rate, to measure a step. */
#include "lab/parts.h"

weft_status rehearsal_open(rehearsal *r, const run_settings *s, const weft_dataset *data, int threads, weft_error *err)
{
    *r = (rehearsal){.model = weft_model_create(s->model_text, err)};
    weft_status status = r->model ? WEFT_OK : WEFT_BAD_INPUT;
    if (status == WEFT_OK && s->train.init)
        status = weft_model_load(r->model, s->train.init, err);
    if (status == WEFT_OK && !(r->trainer = run_create_trainer(r->model, s, data, threads, err)))
        status = err && err->status ? err->status : WEFT_BAD_INPUT;
    if (status != WEFT_OK)
        rehearsal_close(r);
    return status;
}

void rehearsal_close(rehearsal *r)
{
    weft_trainer_free(r->trainer);
    weft_model_free(r->model);
    *r = (rehearsal){0};
}

weft_status rehearsal_step(rehearsal *r, double *loss, weft_error *err)
{
    weft_trainer *t = r->trainer;
    if (t->step_of_epoch == trainer_steps_per_epoch(t)) {
        t->epoch++;
        t->step_of_epoch = 0;
    }
    return trainer_next_step(t, loss, err);
}
