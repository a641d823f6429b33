/* Optimizers: how a gradient moves a weight. One file each: optim/NAME.c defines optim_NAME. */
#ifndef OPTIM_H
#define OPTIM_H

#include "kernel/kernel.h"

typedef struct optim {
    const char *name;
    const char *help, *formula; /* one line each */
    const field *fields; /* the first is lr */
    size_t fields_bytes;
    const char *const *cases; /* specs that every test of an optimizer runs; ends with NULL */
    const char *state_names[MAX_STATES]; /* as in torch's state dict */
    size_t (*n_states)(const void *fields);
    /* What the ranges of single fields cannot say; adds to err. NULL: nothing. */
    weft_status (*check)(const void *fields, where at, weft_error *err);
    /* Whether the update is w <- w + hyper[0] g. NULL: never. */
    bool (*descends)(const void *fields);
    /* The numbers of step t (from 1), made in double and rounded once: hyper[MAX_HYPER]. */
    void (*begin)(const void *fields, double lr, uint64_t t, real *hyper);
    update_fn *update;
    /* The same in double, as plainly as it can be written. */
    void (*reference)(const void *fields, double lr, uint64_t t, size_t n, double *w, const double *g,
                      double *const state[MAX_STATES]);
} optim;

const optim *const *optim_table(isa level);
const optim *optim_find(isa level, const char *name);

/* An optimizer with its settings and the state that it keeps for every block of weights. */
typedef struct optimizer {
    const optim *kind;
    const void *fields;
    double lr;
    uint64_t t; /* steps done */
    size_t n_states;
    size_t n_blocks;
    const size_t *block_numbers; /* [n_blocks] */
    real *(*state)[MAX_STATES];  /* [n_blocks] */
    real hyper[MAX_HYPER];       /* of the step that is running */
} optimizer;

/* Reads {name: sgd, lr: 0.01} into kind, fields and lr. Every mistake is added to `err`. */
weft_status optimizer_read(optimizer *o, const setting *map, isa level, arena *a, weft_error *err);
/* Gives it zeroed state for blocks of these many numbers. */
weft_status optimizer_prepare(optimizer *o, size_t n_blocks, const size_t *block_numbers, arena *a, weft_error *err);
/* Begins the next step: counts it and makes its numbers. */
void optimizer_begin(optimizer *o);

#endif
