/* What this machine can do, and how much of it kernels, training steps and optimizers use. Every time is the best of many short rounds,
 * so that a machine that does something else now and then still shows what it can. */
#ifndef MEASURE_H
#define MEASURE_H

#include "train/train.h"

/* Everything is measured with a team of one thread, and with one of all that are wanted. */
enum { MAX_TEAMS = 2, MAX_LEVELS = 4 };

/* ---- The machine (machine.c) ---- */

/* Where data can live: a cache, or memory. */
typedef struct level {
    const char *name;       /* "L1" … "memory" */
    double bytes;           /* what it holds, for a thread of its own or, `shared`, for all; INFINITY: memory */
    bool shared;
    double swept_bytes;     /* how much was swept, by all threads together */
    double read[MAX_TEAMS]; /* bytes a second */
    double update[MAX_TEAMS]; /* the same where every number is read and written: bytes both ways */
} level;

typedef struct machine {
    const char *isa;
    size_t n_teams;
    int threads[MAX_TEAMS];
    double peak[MAX_TEAMS]; /* FLOPs a second; a multiply-add is two */
    size_t n_levels;
    level levels[MAX_LEVELS]; /* from the nearest to memory */
} machine;

typedef struct measure {
    machine machine;
    isa level;
    bool quick;
    pool *pools[MAX_TEAMS];
    arena memory;
} measure;

/* Measures the machine. threads: 0: as many as the process may use. quick: less of everything, for a first look and for tests. */
measure *measure_create(int threads, bool quick, weft_error *err);
void measure_free(measure *m);

/* ---- Kernels (kernels.c) ---- */

/* How long one thing took with one team, and the least that its arithmetic and its bytes allow: the longer of the two. What went faster
 * than the machine's own measurement has shown that more is possible: the limit is then its time. */
typedef struct figure {
    double seconds, limit_seconds;
    const char *limit; /* "FMA", or the level that its data lives in */
} figure;

typedef struct kernel_figure {
    const char *kernel, *with; /* "product", "relu": what is fused into it or what it applies, "" for nothing */
    const char *shapes;        /* "32x784 785x1000 -> 32x1000" */
    step_cost cost;
    figure teams[MAX_TEAMS];
} kernel_figure;

/* Every kernel in the shapes that some networks, the tutorial's first, give it; run again and again on the same data, so that the data
 * lies as near as it can. */
weft_status measure_kernels(measure *m, void (*hear)(void *self, const measure *m, const kernel_figure *f), void *self, weft_error *err);

/* ---- Whole steps (steps.c) ---- */

enum { PASS_SAMPLES = 60000 };

typedef struct step_part {
    const char *name; /* as the plan is printed */
    double seconds, flops;
} step_part;

typedef struct step_figure {
    const char *network, *optimizer; /* optimizer: NULL: the forward pass alone */
    const char *precision;
    size_t batch;
    size_t team;
    double seconds, flops;
    size_t n_parts;
    const step_part *parts; /* each at its best: together a little less than the best step */
} step_figure;

/* The tutorial's networks on made-up samples. */
weft_status measure_steps(measure *m, void (*hear)(void *self, const measure *m, const step_figure *f), void *self, weft_error *err);

/* ---- Optimizers (optimizers.c) ---- */

/* An update should cost what its bytes cost: this much more than the longer of its arithmetic and its traffic, and no more. */
#define OPTIMIZER_BAR 1.3

typedef struct optimizer_figure {
    const char *optimizer;
    size_t weights;
    const char *lives; /* the level that weights and state fit into */
    size_t team;
    double fused_seconds;      /* the weight gradient with the update in it */
    double bare_seconds;       /* the same with an update that does nothing */
    double arithmetic_seconds; /* the update over as many numbers, all of them in the nearest cache */
    double memory_seconds;     /* weights and state, read and written, where they live */
    double ratio;              /* of what the update adds to the longer of these two */
} optimizer_figure;

weft_status measure_optimizers(measure *m, void (*hear)(void *self, const measure *m, const optimizer_figure *f), void *self,
                               weft_error *err);

#endif
