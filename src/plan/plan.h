/* The graph compiled for one batch size and one mode: a flat list of steps over one arena. Compiled once, run thousands of times: no
 * allocation, no shape logic, no string and no branch on op kinds while it runs. */
#ifndef PLAN_H
#define PLAN_H

#include "op/op.h"
#include "optim/optim.h"

typedef enum plan_mode { PLAN_TRAIN, PLAN_EVALUATE, PLAN_FORWARD, PLAN_UPDATE } plan_mode;

typedef struct plan plan;

/* What happens to gradients before the optimizer takes them; all zero: nothing. */
typedef struct plan_rules {
    double clip_norm, clip_value; /* the largest norm of all gradients together, the largest number in them; 0: any */
    real *const *sums; /* [n_nodes]: where PLAN_TRAIN adds up the gradients of several batches, and PLAN_UPDATE takes them from to move the
                          weights; NULL: every batch moves them */
    real share;        /* what such a sum is multiplied by */
    real *const *averages; /* [n_nodes]: follow the weights after every step; NULL: none */
    const real *shares;    /* see treatment */
} plan_rules;

/* What a plan is made from. Everything here outlives it. */
typedef struct plan_spec {
    const graph *graph;
    const kernels *kernels;
    plan_mode mode;
    size_t batch;
    real *const *weights; /* [n_nodes]: packed blocks, NULL where a node has none */
    real *const *buffers; /* [n_nodes]: the same of what training keeps beside the parameters */
    operand (*copies)[N_COPIES]; /* [n_nodes]: of the weights, in the kernels' forms, see plan_copy_shapes; NULL: the kernels want none */
    const op *loss;       /* PLAN_TRAIN, PLAN_EVALUATE */
    const void *loss_fields;
    bool all_threads; /* share the work however little it is; else the caller's thread does that which is not worth the waiting */
    const optimizer *optimizer; /* PLAN_TRAIN, PLAN_UPDATE; NULL: gradients stay in memory, see plan_gradient */
    bool keep_all; /* every step stays by itself, and what it makes is there to the end: see plan_output */
    plan_rules rules;
} plan_spec;

/* Which copies of a node's weights a training plan needs, without their data; rows 0: not this one. */
void plan_copy_shapes(const graph *g, const kernels *k, const node *n, operand copies[N_COPIES]);
/* Makes a node's copies anew from its weights. */
void plan_copy_weights(const plan_spec *spec, const node *n);

/* Whether no_decay names kinds of parameters that there are; `map` is where the optimizer's settings stand. */
weft_status plan_check_groups(const optimizer *o, isa level, const setting *map, weft_error *err);
/* Tells the optimizer which parameters of the graph move alike; after optimizer_prepare, and before a plan is compiled. */
weft_status plan_group(const graph *g, optimizer *o, arena *a, weft_error *err);

plan *plan_compile(const plan_spec *spec, weft_error *err);
void plan_free(plan *p);

/* Runs every step on the pool's threads, on batch->n samples, which must be the plan's batch. PLAN_TRAIN: the optimizer has begun its
 * step. Returns false when the loss, or the norm of the gradients where it is clipped, was not finite; then no parameter was moved. */
bool plan_run(plan *p, const batch *source, pool *threads);
/* The same, and begins[i] is when the calling thread began step i, for i = the number of steps when all was done; where a plan stops
 * early, later ones stay as they were. */
bool plan_run_timed(plan *p, const batch *source, pool *threads, double *begins);

/* What the last run left: logits [batch, C]; losses [batch, 1]; their mean, or sum, as the loss's reduction says (PLAN_TRAIN); 1 or 0 for a right or wrong answer, [batch, 1]
 * (PLAN_EVALUATE, where the loss takes classes). */
operand plan_logits(const plan *p);
operand plan_losses(const plan *p);
double plan_mean_loss(const plan *p);
/* The norm of all gradients, where it is clipped. */
double plan_norm(const plan *p);
operand plan_hits(const plan *p);
/* The gradient of a node's parameters, packed; only in plans without an optimizer, and of layers whose parameters move. */
const real *plan_gradient(const plan *p, const node *n);
/* In plans that keep all: the samples as the first layer takes them [batch, in]; what a node gives [batch, out], and the loss's gradient by
 * that, without data where nothing before the node has parameters. */
operand plan_samples(const plan *p);
operand plan_output(const plan *p, const node *n);
operand plan_output_gradient(const plan *p, const node *n);
/* After plan_run said false: the first layer whose output is not finite (NULL: the loss alone). */
const node *plan_first_broken(const plan *p);

/* The steps, for those who measure them; of a plan that has run, a step's kernel can be run on its call alone. */
size_t plan_n_steps(const plan *p);
const step *plan_step(const plan *p, size_t index);

/* What a step must at least do. */
typedef struct step_cost {
    double flops;
    double read_bytes;     /* of what it only reads */
    double moved_bytes;    /* of what it writes; twice where it reads it, too: weights that it updates, with the optimizer's state */
    double resident_bytes; /* of all that it touches */
} step_cost;

step_cost plan_step_cost(const step *s);

/* The steps with their buffers, tiles, FLOPs and bytes, a line each. */
void plan_print(const plan *p, text *t);
double plan_flops(const plan *p);
size_t plan_arena_bytes(const plan *p);

#endif
