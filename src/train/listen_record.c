/* config.yaml, and run.json: what the report and other programs want to know of a run. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "train/train.h"

static const char *const status_names[] = {[RUN_DONE] = "done", [RUN_DIVERGED] = "diverged", [RUN_STOPPED] = "stopped"};

static json_t *record(const run *r, const char *status)
{
    const run_settings *s = r->settings;
    char seed[24];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)s->train.seed);
    return json_pack("{s:s, s:s, s:o, s:s, s:s, s:s, s:s, s:s, s:s, s:f, s:I, s:I, s:I, s:I, s:s, s:s}", "title", s->title ? s->title : "",
                     "variant", s->variant, "seed",
                     s->train.seed <= INT64_MAX ? json_integer((json_int_t)s->train.seed) : json_string(seed), "status", status,
                     "message", r->message ? r->message : "", "data", s->data.set, "model", s->model_text, "optimizer",
                     s->optimizer_text, "loss", s->loss_text, "scale", s->data.scale, "batch", (json_int_t)s->train.batch, "epochs",
                     (json_int_t)MIN(s->train.epochs, INT64_MAX), "parameters", (json_int_t)r->trainer->model->graph.n_parameters, "steps",
                     (json_int_t)r->step, "isa", r->trainer->model->kernels->isa, "weft", weft_version());
}

static weft_status write_record(const run *r, const char *path, const char *status, weft_error *err)
{
    json_t *json = record(r, status);
    char *dumped = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
    json_decref(json);
    if (!dumped)
        return fail_memory(err);
    text t = {0};
    text_add(&t, dumped);
    text_add(&t, "\n");
    free(dumped);
    const weft_status written = t.failed ? fail_memory(err) : file_write(path, t.data, t.length, err);
    text_free(&t);
    return written;
}

static weft_status hear(void *self, const run *r, event_kind event, weft_error *err)
{
    (void)self;
    if (event != EVENT_BEGIN && event != EVENT_END)
        return WEFT_OK;
    const char *record_path = path_join(r->memory, r->folder, "run.json"), *config = path_join(r->memory, r->folder, "config.yaml");
    if (!record_path || !config)
        return fail_memory(err);
    if (event == EVENT_BEGIN)
        TRY(file_write(config, r->settings->config, strlen(r->settings->config), err));
    return write_record(r, record_path, event == EVENT_BEGIN ? "running" : status_names[r->status], err);
}

const listener listen_record = {.name = "record", .hear = hear};
