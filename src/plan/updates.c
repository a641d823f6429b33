/* From gradients to weights that move: the optimizer's steps, what clips the gradients before them, and sums over several batches. */
#include <float.h>

#include "plan/passes.h"

/* A treatment for a step; NULL where there is none to do. */
static const treatment *keep(plan *p, treatment t, const node *n)
{
    if (!t.factor && t.l1 == 0 && t.l2 == 0 && t.largest == 0 && !t.bias_hyper && !t.average && !t.spends)
        return NULL;
    t.weight_rows = n->weight_rows;
    treatment *kept = arena_alloc(&p->memory, sizeof *kept);
    if (kept)
        *kept = t;
    p->build.failed |= !kept;
    return kept;
}

/* What becomes of a whole gradient before anybody looks at its norm, or, where nobody does, before the weights move. */
static treatment before_norm(const plan *p, const node *n)
{
    const plan_rules *r = &p->spec.rules;
    return (treatment){.factor = r->sums ? &r->share : NULL,
                       .largest = r->clip_value > 0 ? MAX((real)r->clip_value, FLT_MIN) : 0, .l1 = (real)n->training.l1,
                       .l2 = (real)n->training.l2};
}

/* The gradient of a node's parameters: of this batch, or of several. */
static value *whole_gradient(plan *p, const node *n)
{
    if (p->spec.mode != PLAN_UPDATE)
        return builder_gradient(&p->build, n);
    operand at = n->block;
    at.data = p->spec.rules.sums[n->index];
    return builder_placed(&p->build, "sum dw", n, at);
}

/* The gradient of this batch is added to the sum. */
static void sum_step(plan *p, const node *n)
{
    operand at = n->block;
    at.data = p->spec.rules.sums[n->index];
    step *s = builder_step(&p->build, "sum", &p->build.k->sum, n);
    s->in[0] = s->out[0] = builder_placed(&p->build, "sum dw", n, at);
    s->in[1] = builder_gradient(&p->build, n);
}

static void update_step(plan *p, const node *n, value *gradient)
{
    treatment t = p->norm ? (treatment){.factor = panel_row(&p->norm->at, 0, 1)} : before_norm(p, n);
    const optimizer *o = p->spec.optimizer;
    const real *bias_hyper = optimizer_hyper(o, n->index, GROUP_BIAS);
    if (n->weight_rows < n->block.rows && bias_hyper != optimizer_hyper(o, n->index, GROUP_WEIGHTS))
        t.bias_hyper = bias_hyper;
    if (p->spec.rules.averages) {
        t.average = p->spec.rules.averages[n->index];
        t.shares = p->spec.rules.shares;
    }
    t.spends = p->spec.mode == PLAN_UPDATE;
    step *s = builder_step(&p->build, o->kind->name, &p->build.k->update, n);
    s->in[0] = gradient;
    s->in[1] = p->norm;
    s->out[0] = builder_weights(&p->build, n);
    s->updates = s->lasts = true;
    s->treatment = keep(p, t, n);
}

static size_t squares_tiles(const plan *p, const node *n)
{
    return node_trains(n) ? p->build.k->squares.tiles(&(call){.in = {n->block}}) : 0;
}

/* A column of numbers that stand alone, each in a cache line of its own. */
static operand column_of(plan *p, size_t rows)
{
    const operand o = {arena_array(&p->memory, rows * MIN_WIDTH, sizeof(real)), rows, 1, MIN_WIDTH};
    p->build.failed |= !o.data;
    return o;
}

/* The norm of all gradients, each tile's squares first. gradients: [n_nodes] */
static void norm_steps(plan *p, value *const *gradients)
{
    const graph *g = p->spec.graph;
    size_t tiles = 0;
    for (size_t i = 0; i < g->n_nodes; i++)
        tiles += squares_tiles(p, &g->nodes[i]);
    operand part = column_of(p, MAX(tiles, 1));
    value *all = builder_placed(&p->build, "squares", NULL, part), *norm = builder_placed(&p->build, "norm", NULL, column_of(p, 2));
    for (size_t i = g->n_nodes; i-- > 0 && !p->build.failed;) {
        const node *n = &g->nodes[i];
        if (!node_trains(n))
            continue;
        step *s = builder_step(&p->build, "squares", &p->build.k->squares, n);
        part.rows = squares_tiles(p, n);
        s->in[0] = s->out[1] = gradients[i];
        s->in[1] = builder_weights(&p->build, n);
        s->out[0] = builder_placed(&p->build, "squares", n, part);
        s->treatment = keep(p, before_norm(p, n), n);
        part.data += part.rows * part.width;
    }
    step *s = builder_step(&p->build, "norm", &p->build.k->norm, NULL);
    s->fields = &p->spec.rules.clip_norm;
    s->in[0] = all;
    s->out[0] = p->norm = norm;
}

void pass_updates(plan *p)
{
    const graph *g = p->spec.graph;
    const bool adds = p->spec.mode == PLAN_TRAIN && p->spec.rules.sums;
    value **gradients = arena_array(&p->memory, g->n_nodes, sizeof *gradients);
    p->build.failed |= !gradients;
    if (p->build.failed || !p->spec.optimizer)
        return;
    for (size_t i = 0; i < g->n_nodes; i++)
        gradients[i] = node_trains(&g->nodes[i]) ? whole_gradient(p, &g->nodes[i]) : NULL;
    if (p->spec.rules.clip_norm > 0 && !adds)
        norm_steps(p, gradients);
    if (p->build.failed)
        return;
    for (size_t i = g->n_nodes; i-- > 0;)
        if (gradients[i] && adds)
            sum_step(p, &g->nodes[i]);
        else if (gradients[i])
            update_step(p, &g->nodes[i], gradients[i]);
}
