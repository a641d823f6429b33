/* From forward steps to backward steps, last layer first. */
#include "plan/passes.h"

static value *map_gradient(plan *p, const node *n, value *dy, bool wanted)
{
    if (!wanted)
        return NULL;
    if (!n->op->map)
        return dy;
    char name[64];
    snprintf(name, sizeof name, "%s dx", n->op->name);
    step *s = builder_step(&p->build, name, &p->build.k->map_grad, n);
    s->in[0] = dy;
    s->in[1] = n->op->gradient_needs_input ? p->x[n->layer] : p->y[n->layer];
    s->map_grad = n->op->map_grad;
    s->map_fields = n->fields;
    return s->out[0] = builder_value(&p->build, VALUE_GRADIENT, "dx", n, n->in);
}

static void update_step(plan *p, const node *n)
{
    step *s = builder_step(&p->build, p->spec.optimizer->kind->name, &p->build.k->update, n);
    s->in[0] = builder_gradient(&p->build, n);
    s->out[0] = builder_weights(&p->build, n);
    s->updates = true;
}

void pass_gradients(plan *p)
{
    const graph *g = p->spec.graph;
    value *dy = p->dlogits;
    const size_t first = first_trained(g);
    for (size_t i = g->n_nodes; i-- > first;) {
        const node *n = &g->nodes[i];
        const bool wanted = i > first;
        dy = n->op->kind == OP_MAP ? map_gradient(p, n, dy, wanted) : n->op->backward(&p->build, n, p->x[i], dy, wanted);
        if (n->block_numbers && p->spec.optimizer)
            update_step(p, n);
    }
}
