/* config.yaml, and run.json: what the report and other programs want to know of a run. */
#include <string.h>

#include "train/train.h"

static run_record record_of(const run *r, const char *status)
{
    const run_settings *s = r->settings;
    return (run_record){
        .folder = r->folder,
        .title = s->title,
        .variant = s->variant,
        .seed = s->train.seed,
        .status = status,
        .message = r->message,
        .data = s->data.set,
        .model = s->model_text,
        .optimizer = s->optimizer_text,
        .schedule = s->schedule_text,
        .loss = s->loss_text,
        .task = r->trainer->task,
        .scale = s->data.scale,
        .batch = train_batch(&s->train, r->trainer->data),
        .n_epochs_asked = s->train.epochs,
        .n_parameters = r->trainer->model->graph.n_parameters,
        .n_steps = r->step,
        .early_stop_epoch = stopping_over(r) ? r->metrics.epoch : 0,
        .restored_epoch = r->stopping.restored ? r->stopping.epoch : 0,
        .precision = s->train.precision,
        .isa = r->trainer->kernels.isa,
        .version = weft_version(),
        .settings = s->flat,
    };
}

static weft_status hear(void *self, const run *r, event_kind event, weft_error *err)
{
    static const char *const names[] = {[RUN_DONE] = "done", [RUN_DIVERGED] = "diverged", [RUN_STOPPED] = "stopped"};
    (void)self;
    if (event != EVENT_BEGIN && event != EVENT_END)
        return WEFT_OK;
    const char *config = path_join(r->memory, r->folder, "config.yaml");
    if (!config)
        return fail_memory(err);
    if (event == EVENT_BEGIN)
        TRY(file_write(config, r->settings->config, strlen(r->settings->config), err));
    const run_record record = record_of(r, event == EVENT_BEGIN ? "running" : names[r->status]);
    return run_record_write(&record, err);
}

const listener listen_record = {.name = "record", .hear = hear};
