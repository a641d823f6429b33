/* The texts of a run folder: what the trainer writes of a run, and all that a report reads of it. */
#ifndef RECORD_H
#define RECORD_H

#include "base/base.h"

/* What a run folder says of itself: run.json and metrics.jsonl. */
typedef struct run_record {
    const char *folder;
    const char *title, *variant; /* variant: "" for a single run */
    uint64_t seed;
    const char *status;  /* "running", "done", "diverged", "stopped" */
    const char *message; /* of a diverged run: the step, the layer; otherwise "" */
    /* The settings, as texts: "fashion-mnist", "linear 1000, relu, linear 10", "sgd lr=0.01 …" */
    const char *data, *model, *optimizer, *schedule, *loss;
    double scale;
    size_t batch;
    size_t n_epochs_asked;
    size_t n_parameters, n_steps;
    const char *precision;     /* of training: "fp32", "bf16" */
    const char *isa, *version; /* of the kernels that ran, of weft */
    size_t n_epochs; /* lines of metrics.jsonl */
    const weft_metrics *metrics;
} run_record;

/* Reads a run folder; everything lives in `a`. */
weft_status run_record_read(const char *folder, run_record *run, arena *a, weft_error *err);
/* Writes run.json (atomically), everything but the metrics. */
weft_status run_record_write(const run_record *run, weft_error *err);
/* One line of metrics.jsonl, with its newline; its numbers read back to the same bits. */
void metrics_print(const weft_metrics *m, text *t);

#endif
