/* Experiment files, their variants and seeds, and running many of them. */
#ifndef LAB_H
#define LAB_H

#include "train/train.h"

/* A YAML text as settings, with their places. Scalars stay text; duplicate keys, anchors, tags and several documents are refused.
 * `name` is for messages. */
setting *yaml_parse(arena *a, const char *name, const char *data, size_t size, weft_error *err);
/* Settings as YAML in flow style, on one line; what needs quotes gets them. */
void yaml_print(const setting *s, text *t);

typedef struct variant {
    const char *name; /* "" where the file has no variants */
    const char *slug; /* unique, fit for a folder */
    run_settings settings; /* its seed is the first */
} variant;

/* An experiment file, read and checked. */
typedef struct experiment {
    const char *path, *title;
    size_t n_variants;
    variant *variants; /* at least one */
    size_t n_seeds;
    const uint64_t *seeds; /* at least one */
    arena memory;
} experiment;

/* `overrides`: texts "dotted.key=value", the value in YAML; they change the base, which variants change in turn. Every mistake of the file is
 * in `err`. */
experiment *experiment_open(const char *path, const char *const *overrides, size_t n_overrides, weft_error *err);
void experiment_close(experiment *e);
/* The settings of one variant with one seed; lives in the experiment. */
weft_status experiment_settings(experiment *e, size_t variant, size_t seed, run_settings *out, weft_error *err);

/* ---- Comparing (compare.c) ---- */

typedef struct trial {
    size_t variant, seed; /* indices */
    const char *folder;   /* FOLDER/SLUG or FOLDER/SLUG/seed-N */
    run_settings settings;
    enum { TRIAL_WAITING, TRIAL_RUNNING, TRIAL_DONE, TRIAL_FAILED } state;
    run_status status;
    weft_error error; /* of a failed or diverged one */
} trial;

typedef struct comparison {
    experiment *experiment;
    size_t n_trials;
    trial *trials;
    arena memory;
} comparison;

typedef struct compare_options {
    const char *folder;
    int jobs; /* trials at a time, a thread each; 0: as many as there are cores to use */
    bool force;
    const volatile sig_atomic_t *stop;
    /* Called for every event of every trial, from one thread at a time. */
    void (*hear)(void *self, const comparison *c, const trial *t, const run *r, event_kind event);
    void *self;
} compare_options;

/* Runs every variant with every seed; a trial that fails or diverges does not keep the others from running. The folders are checked
 * first: nothing runs over what is there, without force. */
weft_status compare_run(experiment *e, const compare_options *options, comparison **result, weft_error *err);
void comparison_free(comparison *c);

#endif
