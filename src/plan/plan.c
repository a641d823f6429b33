/* Compiling a plan and reading its results. */
#include <math.h>
#include <stdlib.h>

#include "plan/passes.h"

static weft_status compile(plan *p, weft_error *err)
{
    const size_t n = p->spec.graph->n_nodes;
    builder *b = &p->build;
    *b = (builder){.k = p->spec.kernels, .memory = &p->memory, .batch = p->spec.batch, .training = p->spec.mode == PLAN_TRAIN};
    value ***const lists[] = {&p->y, &p->dy, &b->weights, &b->gradients, &b->buffers, &b->kept};
    for (size_t i = 0; i < COUNT(lists); i++)
        if (!(*lists[i] = arena_array(&p->memory, n, sizeof **lists[i])))
            return fail_memory(err);
    if (p->spec.mode != PLAN_UPDATE)
        pass_lower(p);
    if (p->spec.mode == PLAN_TRAIN)
        pass_gradients(p);
    if (p->spec.mode == PLAN_UPDATE)
        pass_updates(p);
    if (b->failed)
        return fail_memory(err);
    pass_fuse(p);
    return pass_layout(p, err);
}

plan *plan_compile(const plan_spec *spec, weft_error *err)
{
    plan *p = calloc(1, sizeof *p);
    if (!p) {
        fail_memory(err);
        return NULL;
    }
    p->spec = *spec;
    if (compile(p, err) == WEFT_OK)
        return p;
    plan_free(p);
    return NULL;
}

void plan_free(plan *p)
{
    if (!p)
        return;
    arena_deinit(&p->memory);
    free(p);
}

operand plan_logits(const plan *p) { return p->logits->at; }

operand plan_losses(const plan *p) { return p->losses->at; }

double plan_mean_loss(const plan *p) { return (double)p->mean->at.data[0]; }

double plan_norm(const plan *p) { return *(const double *)p->norm->at.data; }

operand plan_hits(const plan *p) { return p->hits->at; }

const real *plan_gradient(const plan *p, const node *n) { return p->build.gradients[n->index]->at.data; }

operand plan_samples(const plan *p) { return p->x->at; }

operand plan_output(const plan *p, const node *n) { return p->y[n->index]->at; }

operand plan_output_gradient(const plan *p, const node *n) { return p->dy[n->index] ? p->dy[n->index]->at : (operand){0}; }

static bool all_finite(const operand *o)
{
    for (size_t r = 0; r < o->rows; r++)
        for (size_t i = 0; i < o->cols; i++)
            if (!isfinite(*element(o, r, i)))
                return false;
    return true;
}

const node *plan_first_broken(const plan *p)
{
    for (size_t i = 0; i < p->spec.graph->n_nodes; i++)
        /* a layer whose activation is fused into it has no place of its own: the activation speaks for both */
        if (p->y[i]->at.data && !all_finite(&p->y[i]->at))
            return &p->spec.graph->nodes[i];
    return NULL;
}

size_t plan_arena_bytes(const plan *p) { return p->arena_bytes; }
