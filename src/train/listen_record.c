/* config.yaml, and run.json: what the report and other programs want to know of a run. */
#include <string.h>

#include "train/probing.h"
#include "train/within.h"

/* Into the record, what is known of the data set. */
static weft_status describe_data(const run *r, run_record *record, weft_error *err)
{
    const weft_dataset *d = r->trainer->data;
    size_t *samples = arena_array(r->memory, WEFT_N_SPLITS, sizeof *samples);
    size_t *counts = arena_array(r->memory, MAX(d->n_classes, 1), sizeof *counts);
    if (!samples || !counts)
        return fail_memory(err);
    for (size_t i = 0; i < WEFT_N_SPLITS; i++)
        samples[i] = d->split[i].n;
    data_class_counts(d, WEFT_TRAIN, counts);
    record->samples = (size_list){WEFT_N_SPLITS, samples};
    record->class_counts = (size_list){d->n_classes, counts};
    record->shared_samples = r->probing->twins.shared;
    record->repeated_samples = r->probing->twins.repeated;
    return WEFT_OK;
}

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
        .command = r->command,
        .threads = (size_t)pool_threads(r->trainer->threads),
        .settings = s->flat,
    };
}

static weft_status hash_model(const run *r, char hex[65], weft_error *err)
{
    bytes content;
    const char *model = path_join(r->memory, r->folder, "model.safetensors");
    if (!model)
        return fail_memory(err);
    TRY(file_read(model, SIZE_MAX, &content, err));
    sha256_hex(content.data, content.size, hex);
    bytes_free(&content);
    return WEFT_OK;
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
    char fingerprint[33], result[65] = "";
    data_fingerprint(r->trainer->data, fingerprint);
    if (event == EVENT_END) {
        TRY(keeping_settle(r, err)); /* a run that says it is done has everything on the disk */
        TRY(hash_model(r, result, err));
    }
    run_record record = record_of(r, event == EVENT_BEGIN ? "running" : names[r->status]);
    record.fingerprint = fingerprint;
    record.result = result;
    record.cpu = cpu_name(r->memory);
    TRY(describe_data(r, &record, err));
    return record.cpu ? run_record_write(&record, err) : fail_memory(err);
}

const listener listen_record = {.name = "record", .hear = hear, .late = true}; /* it hashes what another listener wrote */
