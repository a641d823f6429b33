/* Joins steps that can run as one, so that what the first makes is used while it is in the cache, and never reaches memory. */
#include "plan/passes.h"

/* Whether a step has v among what it reads. */
static bool reads(const step *s, const value *v)
{
    bool found = s->map_y == v;
    for (size_t i = 0; i < MAX_IN; i++)
        found |= s->in[i] == v;
    return found;
}

/* The step that makes what s takes first, if it runs `k` and nothing but s reads it. */
static step *sole_maker(const plan *p, const step *s, const kernel *k)
{
    step *maker = NULL;
    for (size_t i = 0; i < p->build.n_steps; i++) {
        step *other = p->build.steps[i];
        if (other->kernel && other->out[0] == s->in[0])
            maker = other;
        if (other->kernel && other != s && reads(other, s->in[0]))
            return NULL;
    }
    return maker && maker->kernel == k ? maker : NULL;
}

/* s becomes a part of `maker`, and is left without a kernel. */
static void join(step *maker, step *s)
{
    maker->out[0] = s->out[0];
    maker->fused = s->name;
    s->kernel = NULL;
}

static void fuse_step(plan *p, step *s)
{
    const kernels *k = p->spec.kernels;
    step *maker;
    if (s->kernel == &k->map && (maker = sole_maker(p, s, &k->product)) && !maker->map) {
        maker->map = s->map;
        maker->map_fields = s->map_fields;
        join(maker, s);
    } else if (s->kernel == &k->map_grad && (maker = sole_maker(p, s, &k->product_dx)) && !maker->map_grad) {
        maker->map_grad = s->map_grad;
        maker->map_fields = s->map_fields;
        maker->map_y = s->in[1];
        join(maker, s);
    } else if (s->kernel == &k->update && (maker = sole_maker(p, s, &k->product_dw))) {
        maker->updates = maker->lasts = true;
        maker->treatment = s->treatment;
        join(maker, s);
    }
}

void pass_fuse(plan *p)
{
    builder *b = &p->build;
    for (size_t i = 0; i < b->n_steps && !p->spec.keep_all; i++)
        fuse_step(p, b->steps[i]);
    size_t kept = 0;
    for (size_t i = 0; i < b->n_steps; i++)
        if (b->steps[i]->kernel)
            b->steps[kept++] = b->steps[i];
    b->n_steps = kept;
}
