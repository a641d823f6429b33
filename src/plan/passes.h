/* What the passes of the compiler share. In the order in which they run: lower, gradients, updates, fuse, layout. */
#ifndef PASSES_H
#define PASSES_H

#include "plan/plan.h"

struct plan {
    plan_spec spec;
    builder build;
    arena memory;
    value *x;       /* the samples */
    value **y;      /* [n_nodes]: what comes out of a layer */
    value **dy;     /* [n_nodes]: the gradient of that, the sum of what is known so far; NULL: nothing yet */
    value *logits, *losses, *dlogits, *mean, *hits, *norm;
    size_t arena_bytes;
    double flops;
    size_t n_waits; /* of threads for each other */
    const batch *source; /* of the run that is under way */
    bool halt;
};

/* What a node takes. */
static inline value *plan_input(const plan *p, const node *n, size_t i) { return n->from[i] == MODEL_INPUT ? p->x : p->y[n->from[i]]; }

/* Forward steps, loss and metrics. */
void pass_lower(plan *p);
/* Backward steps, and what pass_updates does. */
void pass_gradients(plan *p);
/* Steps that move each block of parameters, or add up its gradients for those that will; and what must come before them. Nothing where there
 * is no optimizer. */
void pass_updates(plan *p);
/* Whether a step may end the run. */
static inline bool may_call_halt(const plan *p, const step *s)
{
    return s->kernel == &p->spec.kernels->mean || s->kernel == &p->spec.kernels->norm;
}
/* Joins steps that can run as one: activations into products, derivatives into products, updates into weight gradients. */
void pass_fuse(plan *p);
/* Lifetimes, places in the arena, calls, tiles, and where threads must wait for each other. */
weft_status pass_layout(plan *p, weft_error *err);

#endif
