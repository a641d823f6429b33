/* What the passes of the compiler share. In the order in which they run: lower, gradients, fuse, layout. */
#ifndef PASSES_H
#define PASSES_H

#include "plan/plan.h"

struct plan {
    plan_spec spec;
    builder build;
    arena memory;
    value **x, **y; /* [n_nodes]: what goes into a layer, what comes out */
    value *logits, *losses, *dlogits, *mean, *hits;
    size_t arena_bytes;
    double flops;
    size_t n_waits; /* of threads for each other */
    const batch *source; /* of the run that is under way */
    bool halt;
};

/* The first layer that has parameters: no gradient is needed before it. */
static inline size_t first_trained(const graph *g)
{
    size_t first = 0;
    while (first < g->n_nodes && !g->nodes[first].block_numbers)
        first++;
    return first;
}

/* Forward steps, loss and metrics. */
void pass_lower(plan *p);
/* Backward steps, and one that updates each block of parameters. */
void pass_gradients(plan *p);
/* Joins steps that can run as one: activations into products, derivatives into products, updates into weight gradients. */
void pass_fuse(plan *p);
/* Lifetimes, places in the arena, calls, tiles, and where threads must wait for each other. */
weft_status pass_layout(plan *p, weft_error *err);

#endif
