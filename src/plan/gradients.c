/* From forward steps to backward steps, last layer first. */
#include "plan/passes.h"

/* One more part of the gradient of what node `from` gives. */
static void add_gradient(plan *p, size_t from, value *dy)
{
    value **sum = from == MODEL_INPUT ? NULL : &p->dy[from];
    if (!sum || !*sum) {
        if (sum)
            *sum = dy;
        return;
    }
    const node *n = &p->spec.graph->nodes[from];
    step *s = builder_step(&p->build, "sum dy", &p->build.k->sum, n);
    s->in[0] = *sum;
    s->in[1] = dy;
    *sum = s->out[0] = builder_value(&p->build, VALUE_GRADIENT, "dy", n, n->out);
}

static value *map_gradient(plan *p, const node *n, value *dy)
{
    if (!n->op->map)
        return dy;
    char name[64];
    snprintf(name, sizeof name, "%s dx", n->op->name);
    step *s = builder_step(&p->build, name, &p->build.k->map_grad, n);
    s->in[0] = dy;
    s->in[1] = n->op->gradient_needs_input ? plan_input(p, n, 0) : p->y[n->index];
    s->map_grad = n->op->map_grad;
    s->map_fields = n->fields;
    return s->out[0] = builder_value(&p->build, VALUE_GRADIENT, "dx", n, n->in);
}

/* A step whose only result it is is left without a kernel. */
static void drop_output(step *s, const value *v)
{
    if (s->out[0] == v)
        s->kernel = NULL;
    for (size_t i = 1; i < MAX_OUT; i++)
        if (s->out[i] == v)
            s->out[i] = NULL;
}

/* Nobody wants the gradient of parameters that stay as they are. */
static void drop_gradient(plan *p, const node *n)
{
    value **gradient = &p->build.gradients[n->index];
    for (size_t i = 0; i < p->build.n_steps && *gradient; i++)
        drop_output(p->build.steps[i], *gradient);
    *gradient = NULL;
}

/* From the gradient of what a node gives to that of what it takes. */
static void node_gradient(plan *p, const node *n)
{
    const bool wanted = node_wants_dx(p->spec.graph, n);
    value *dx = p->dy[n->index];
    if (n->op->kind == OP_LAYER)
        dx = n->op->backward(&p->build, n, plan_input(p, n, 0), dx, wanted);
    else if (n->op->kind == OP_MAP && wanted)
        dx = map_gradient(p, n, dx);
    for (size_t i = 0; i < n->n_from && dx; i++)
        add_gradient(p, n->from[i], dx);
}

void pass_gradients(plan *p)
{
    const graph *g = p->spec.graph;
    p->dy[g->n_nodes - 1] = p->dlogits;
    for (size_t i = g->n_nodes; i-- > 0;) {
        const node *n = &g->nodes[i];
        if (n->trained)
            node_gradient(p, n);
        if (!node_trains(n))
            drop_gradient(p, n);
        if (n->op->settle)
            n->op->settle(&p->build, n);
    }
    pass_updates(p);
}
