/* Experiment files, their variants and seeds, and running many of them. */
#ifndef LAB_H
#define LAB_H

#include "train/train.h"

/* A YAML text as settings, with their places. Scalars stay text, and an empty text is an empty scalar. Duplicate keys,
 * anchors, aliases, tags and several documents are refused. `name` is for messages. NULL: it cannot be read on; where
 * it can, what is returned is only to find more mistakes in when `err` has some. */
setting *yaml_parse(arena *a, const char *name, const char *data, size_t size, weft_error *err);
/* The same for a value on a command line: its mistakes have no line. */
setting *yaml_parse_argument(arena *a, const char *name, const char *argument, weft_error *err);
/* Settings as YAML in flow style, on one line; what needs quotes gets them. */
void yaml_print(const setting *s, text *t);

/* Successive halving: how many epochs trials are given before the better part of them goes on. */
typedef struct halving_settings {
    size_t eta, min_epochs;
    const char *monitor;
} halving_settings;

/* What `sweep:` says beside its dimensions. */
typedef struct sweep_settings {
    const char *method;
    size_t trials;
    uint64_t seed;
    halving_settings halving; /* eta 0: every trial goes all the way */
} sweep_settings;

extern const field sweep_fields[];

typedef struct variant {
    const char *name;        /* "" where the file has no variants */
    const char *slug;        /* unique, fit for a folder */
    run_settings settings;   /* its seed is the first */
    const char *config_head; /* settings.config up to the section with the seed */
    setting *flat_rest;      /* settings.flat without that section */
    size_t group;            /* of a point of a sweep: which of the file's variants it belongs to */
} variant;

/* An experiment file, read and checked. */
typedef struct experiment {
    const char *path, *title;
    size_t n_variants;
    variant *variants; /* at least one; a file with a sweep has one for every point of it with each variant that it lists */
    size_t n_groups;   /* how many the file lists; 1 where it lists none */
    const sweep_settings *sweep; /* NULL: none */
    text warnings;
    size_t n_seeds;
    const uint64_t *seeds; /* at least one */
    bool own_seeds;        /* the file has no `seeds`: each variant runs with its own train.seed */
    const char *baseline;  /* the name of the variant that the others are held against */
    arena memory;
} experiment;

/* `overrides`: texts "dotted.key=value", the value in YAML. They change the file in their order, at its top and in every variant, so that
 * they always win; "variants.NAME.key=value" changes one variant. Every mistake of the file is in `err`. */
experiment *experiment_open(const char *path, const char *const *overrides, size_t n_overrides, weft_error *err);
void experiment_close(experiment *e);
/* The variant of that name; NULL: there is none, and err names the nearest one. */
const variant *experiment_variant(const experiment *e, const char *name, where at, weft_error *err);
/* The settings of one variant with one seed; lives in the experiment. */
weft_status experiment_settings(experiment *e, size_t variant, size_t seed, run_settings *out, weft_error *err);

/* ---- Comparing (compare.c) ---- */

/* What stood in a trial's folder before the comparison ran. */
typedef enum trial_found {
    FOUND_NOTHING,
    FOUND_PART,  /* it goes on from its checkpoint, where there is one */
    FOUND_ALL,   /* the same settings and data, nothing left to do: it is not run */
    FOUND_OTHER, /* other settings, or nothing that can be read: it is run anew, with force */
} trial_found;

typedef struct trial {
    size_t variant, seed; /* indices */
    const char *folder;   /* FOLDER/SLUG/seed-N */
    run_settings settings;
    trial_found found;
    size_t n_epochs; /* that were done before, or when it last paused */
    size_t until;    /* where it pauses, or goes no further: successive halving; SIZE_MAX: nowhere */
    double whole;    /* epochs of its whole run, the last maybe a part of one */
    double likely;   /* epochs that those which are as far as it come to in the mean: successive halving; INFINITY: all of them */
    double work;     /* of an epoch, as an estimate, in a unit that all trials share */
    enum { TRIAL_WAITING, TRIAL_RUNNING, TRIAL_DONE, TRIAL_FAILED, TRIAL_OUT } state; /* out: not among the better ones at some rung */
    run_status status;
    weft_error error; /* of a failed or diverged one */
} trial;

typedef struct comparison {
    experiment *experiment;
    size_t n_trials;
    trial *trials;
    size_t n_found[FOUND_OTHER + 1]; /* how many of each kind */
    size_t n_others;
    const char **others; /* folders with runs that are none of the trials; nobody touches them */
    int held;            /* keeps other processes out of the folder; -1: nothing is held */
    arena memory;
} comparison;

typedef struct compare_options {
    const char *folder;
    const char *command; /* for the runs' records; may be NULL */
    int jobs; /* trials at a time, a thread each; 0: as many as there are cores to use */
    bool force; /* run anew what was run with other settings */
    const volatile sig_atomic_t *stop;
    /* Called before anything runs with the warnings of all data sets, each line once, if there are any; may be NULL. */
    void (*warn)(void *self, const char *warnings);
    /* Called once everything is known to be right, before anything runs; may be NULL. */
    void (*begin)(void *self, const comparison *c);
    /* Called for every event of every trial, from one thread at a time; may be NULL. */
    void (*hear)(void *self, const comparison *c, const trial *t, const run *r, event_kind event);
    void *self;
} compare_options;

/* Runs every variant with every seed; a trial that fails or diverges does not keep the others from running. What the folder holds of them
 * already is kept, or goes on to the same bits; a run with other settings is a mistake, without force, and then nothing runs. */
weft_status compare_run(experiment *e, const compare_options *options, comparison **result, weft_error *err);
void comparison_free(comparison *c);

/* ---- What it will cost (estimate.c) ---- */

/* Of a run, measured: a few steps are taken, and samples evaluated, by a model that is gone afterwards. */
typedef struct run_cost {
    double step_seconds, eval_seconds; /* of a training step, of the evaluation after an epoch */
    size_t steps_per_epoch;
    double bytes; /* of its folder, about */
} run_cost;

/* With as many runs at a time, each of so many threads. */
weft_status run_cost_measure(const run_settings *s, const weft_dataset *data, int jobs, int threads, run_cost *out, weft_error *err);
double run_cost_seconds(const run_cost *c, double epochs);
/* How long a run is, whatever ends it. */
double run_cost_epochs(const run_cost *c, const train_settings *s);

enum { MAX_RUNGS = 64 };

/* Where successive halving looks at its trials: those that are still in run for so many epochs, and so many of them have a place there. */
typedef struct rungs {
    size_t n; /* the last is a whole run */
    size_t epochs[MAX_RUNGS], places[MAX_RUNGS];
} rungs;

typedef struct estimate {
    int jobs;
    size_t n_trials, n_done; /* done: there already */
    size_t n_measured;       /* kinds of network that were measured */
    double epochs, all_epochs; /* to be run; if every trial went all the way */
    double seconds, longest; /* of all, at so many a time; of the longest trial */
    double bytes;            /* in the folder at the end, about */
    rungs rungs;             /* n is 0: nothing is halved */
    double rung_epochs[MAX_RUNGS];
} estimate;

/* What compare_run would do now, and what it costs; nothing is written. */
weft_status compare_estimate(experiment *e, const compare_options *options, estimate *out, weft_error *err);

/* ---- Looking for a learning rate (range_test.c) ---- */

/* What became of one seed. */
typedef struct range_seed {
    uint64_t seed;
    size_t n; /* rates until its loss left for good, or all of them */
} range_seed;

typedef struct range_test {
    size_t n;   /* rates until most seeds' loss left for good, or all of them */
    double *lr; /* all rates */
    double *loss, *low, *high; /* [n]: of the seeds' smoothed losses the median, the lowest and the highest */
    size_t n_seeds;
    range_seed *seeds;
    size_t lowest;   /* where the loss is lowest */
    bool found;      /* whether it fell at all */
    size_t steepest; /* where it fell fastest, by the logarithm of the rate */
} range_test;

typedef struct range_options {
    double from, to; /* the lowest rate and the highest */
    size_t n_steps;  /* how many rates, each so many times the last; at least 2 */
    size_t n_seeds;  /* the run's seed, and those behind it */
    int threads;     /* 0: as many as the process may use */
    const volatile sig_atomic_t *stop;
    void (*hear)(void *self, const range_test *t, const range_seed *done); /* after every seed; may be NULL */
    void *self;
} range_options;

/* What a file's settings must be for a test: a list of overrides, which ends with NULL. NULL: no memory. */
const char *const *range_overrides(const range_options *o, arena *a);
/* Trains models of its own, which are gone afterwards; a loss that leaves for good ends its seed and is no mistake. Everything lives in `a`.
 * WEFT_STOPPED: it was asked to stop. */
weft_status range_test_run(const run_settings *settings, const weft_dataset *data, const range_options *o, range_test *t, arena *a, weft_error *err);

#endif
