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
    } else {
        s = builder_step(b, "hits", &b->k->hits, NULL);
        s->in[0] = p->logits;
        s->out[0] = p->hits = builder_value(b, VALUE_FORWARD, "hits", NULL, 1);
    }
}

void pass_lower(plan *p)
{
    builder *b = &p->build;
    value *x = builder_value(b, VALUE_BATCH, "x", NULL, p->spec.graph->in);
    builder_step(b, "gather", &b->k->gather, NULL)->out[0] = x;
    for (size_t i = 0; i < p->spec.graph->n_nodes; i++) {
        const node *n = &p->spec.graph->nodes[i];
        p->x[i] = x;
        x = p->y[i] = n->op->kind == OP_MAP ? lower_map(p, n, x) : n->op->forward(b, n, x);
    }
    p->logits = x;
    if (p->spec.mode != PLAN_FORWARD)
        lower_loss(p);
}
