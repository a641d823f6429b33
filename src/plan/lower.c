/* From nodes to forward steps. */
#include "plan/passes.h"

static value *lower_map(plan *p, const node *n, value *x)
{
    if (!n->op->map) /* the identity */
        return x;
    step *s = builder_step(&p->build, n->op->name, &p->build.k->map, n);
    s->in[0] = x;
    s->map = n->op->map;
    s->map_fields = n->fields;
    return s->out[0] = builder_value(&p->build, VALUE_FORWARD, "y", n, n->out);
}

/* The sum of what goes into a block and what comes out of it. */
static value *lower_join(plan *p, const node *n)
{
    step *s = builder_step(&p->build, n->op->name, &p->build.k->sum, n);
    for (size_t i = 0; i < n->n_from; i++)
        s->in[i] = plan_input(p, n, i);
    return s->out[0] = builder_value(&p->build, VALUE_FORWARD, "y", n, n->out);
}

static value *lower_node(plan *p, const node *n)
{
    if (n->op->kind == OP_JOIN)
        return lower_join(p, n);
    value *x = plan_input(p, n, 0);
    return n->op->kind == OP_MAP ? lower_map(p, n, x) : n->op->forward(&p->build, n, x);
}

static void lower_loss(plan *p)
{
    builder *b = &p->build;
    step *s = builder_step(b, p->spec.loss->name, &p->spec.loss->loss, NULL);
    s->fields = p->spec.loss_fields;
    s->in[0] = p->logits;
    s->out[0] = p->losses = builder_value(b, VALUE_FORWARD, "losses", NULL, 1);
    s->out[1] = p->dlogits = builder_value(b, VALUE_GRADIENT, "dlogits", NULL, p->logits->at.cols);
    if (p->spec.mode == PLAN_TRAIN) {
        s = builder_step(b, "mean", &b->k->mean, NULL);
        s->in[0] = p->losses;
        s->out[0] = p->mean = builder_value(b, VALUE_FORWARD, "loss", NULL, 1);
        p->mean->at.rows = 1;
    } else if (p->spec.loss->targets == TARGET_CLASS) {
        s = builder_step(b, "hits", &b->k->hits, NULL);
        s->in[0] = p->logits;
        s->out[0] = p->hits = builder_value(b, VALUE_FORWARD, "hits", NULL, 1);
    }
}

void pass_lower(plan *p)
{
    builder *b = &p->build;
    const graph *g = p->spec.graph;
    p->x = builder_value(b, VALUE_BATCH, "x", NULL, g->in);
    builder_step(b, "gather", &b->k->gather, NULL)->out[0] = p->x;
    for (size_t i = 0; i < g->n_nodes; i++)
        p->y[i] = lower_node(p, &g->nodes[i]);
    p->logits = p->y[g->n_nodes - 1];
    if (p->spec.mode != PLAN_FORWARD)
        lower_loss(p);
}
