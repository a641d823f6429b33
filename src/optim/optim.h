/* Optimizers: how a gradient moves a weight. One file each: optim/NAME.c defines optim_NAME. */
#ifndef OPTIM_H
#define OPTIM_H

#include "kernel/kernel.h"

/* How the settings of every optimizer begin. */
typedef struct optim_fields {
    double lr, weight_decay;
    bool maximize;
} optim_fields;

/* The loss of a batch as a function of the weights. */
typedef struct objective {
    /* The loss, and the gradients, at the weights as they are. False: the loss is not finite. */
    bool (*evaluate)(void *self, double *loss);
    void *self;
    real *const *weights, *const *gradients; /* [n_blocks], packed alike, padding zero; a gradient NULL: the block stays as it is */
} objective;

typedef struct optimizer optimizer;

/* `fields` below is what the optimizer's table describes. */
typedef struct optim {
    const char *name;
    const char *help, *formula; /* one line each */
    const field *fields; /* the first is lr, the last of those with an update maximize */
    size_t fields_bytes;
    const char *const *cases; /* specs that every test of an optimizer runs; ends with NULL */
    const char *state_names[MAX_STATES]; /* as in torch's state dict; an array as large as the weights each */
    /* Whether it keeps this state. NULL: all that have a name. */
    bool (*keeps)(const void *fields, size_t state);
    /* What the numbers of this state are before the first step. NULL: 0. */
    double (*start)(const void *fields, size_t state);
    /* What the ranges of single fields cannot say; adds to err. NULL: nothing. */
    weft_status (*check)(const void *fields, where at, weft_error *err);
    /* Whether the update is w <- w + hyper[0] g. NULL: never. */
    bool (*descends)(const void *fields);
    /* The numbers of step t (from 1), made in double and rounded once: hyper[MAX_HYPER]. The step down the gradient, that is: optimizer_begin
     * turns it round where it is to be maximized. */
    void (*begin)(const void *fields, double lr, uint64_t t, real *hyper);
    update_fn *update;
    /* The same in double, as plainly as it can be written. */
    void (*reference)(const void *fields, double lr, uint64_t t, size_t n, double *w, const double *g,
                      double *const state[MAX_STATES]);

    /* Optimizers that look at the loss again within a step have these instead of everything from state_names on, but for check. A step: *loss
     * is that of before. False: it was not finite, at the weights as they then are. */
    bool (*minimise)(optimizer *o, const objective *f, double *loss);
    /* How many vectors, as long as all weights together, and numbers it needs. */
    void (*room)(const void *fields, size_t *n_vectors, size_t *n_scalars);
    /* How many of the vectors, the first ones, the next step wants to find again; all numbers are. */
    size_t (*n_kept)(const optimizer *o);
} optim;

const optim *const *optim_table(isa level);
const optim *optim_find(isa level, const char *name);

extern const field decay_fields[]; /* what all that have a weight_decay take beside their own */

/* Parameters that move alike. */
typedef struct optim_group {
    double lr;   /* what the rate is multiplied by */
    bool decays; /* whether weight_decay is for them */
    struct optim_group *next;
    real hyper[MAX_HYPER]; /* of the step that is running */
} optim_group;

enum { GROUP_WEIGHTS, GROUP_BIAS, N_GROUPS }; /* the parts of a block */

/* An optimizer with its settings and the state that it keeps for every block of weights. */
struct optimizer {
    const optim *kind;
    const field *table; /* what can be set: the kind's fields, and what all that decay have */
    void *fields;
    const char *const *no_decay; /* kinds of parameters; ends with NULL; NULL: none */
    double lr;
    bool maximize;
    uint64_t t; /* steps done */
    size_t n_states; /* that it keeps */
    size_t n_blocks;
    const size_t *block_numbers; /* [n_blocks] */
    real *(*state)[MAX_STATES];  /* [n_blocks]; NULL: not kept */
    size_t n_vectors, n_scalars;
    real ***vectors;             /* [n_vectors][n_blocks] */
    double *scalars;             /* [n_scalars] */
    real hyper[MAX_HYPER];       /* of the step that is running */
    const real *(*numbers)[N_GROUPS]; /* [n_blocks]: those of their groups; NULL: `hyper` */
    optim_group *groups;         /* beside the one that `hyper` is of */
    void *no_decay_fields;       /* room for fields without weight_decay */
};

/* Reads {name: sgd, lr: 0.01} into kind, fields and lr. Every mistake is added to `err`. */
weft_status optimizer_read(optimizer *o, const setting *map, isa level, arena *a, weft_error *err);
/* What can be set of a kind, and room for it. NULL: no memory. */
const field *optimizer_table(const optim *kind, void **values, arena *a);
/* Changes its momentum, or the first of its betas, before optimizer_prepare or between steps. False: it has neither. */
bool optimizer_set_momentum(optimizer *o, double momentum);
/* Whether it keeps the state that kind->state_names[state] names. */
bool optimizer_keeps(const optimizer *o, size_t state);
/* Gives it state for blocks of these many numbers, as it is before the first step. */
weft_status optimizer_prepare(optimizer *o, size_t n_blocks, const size_t *block_numbers, arena *a, weft_error *err);
/* Puts a part of a block into the group of such parameters; after optimizer_prepare. */
weft_status optimizer_group(optimizer *o, size_t block, int part, double lr, bool decays, arena *a, weft_error *err);
/* The numbers of a part of a block. */
const real *optimizer_hyper(const optimizer *o, size_t block, int part);
/* Begins the next step: counts it and, where an update will want them, makes its numbers. */
void optimizer_begin(optimizer *o);

#endif
