/* How sizes flow through the layers. */
#include "graph/graph.h"

/* Of parameters that are a row each: those before the bias. */
static size_t weights_of(const node *n)
{
    size_t rows = 0;
    while (rows < n->n_params && strcmp(n->params[rows].name, "bias") != 0)
        rows++;
    return rows;
}

/* The rules by which a node's parameters begin: its own, if they are rules for such parameters; or those of the whole model, which scales,
 * offsets and slopes do not take. */
static weft_status settle_rules(const graph *g, node *n, weft_error *err)
{
    bool has_matrix = false, has_bias = false;
    for (size_t p = 0; p < n->n_params; p++) {
        if (node_init(n, p)->kind)
            TRY(init_fits(node_init(n, p), &n->params[p], n->at, err));
        has_matrix |= n->params[p].shape.n_dims > 1;
        has_bias |= node_init(n, p) == &n->bias_init;
    }
    if (has_matrix && !n->init.kind)
        n->init = g->init;
    if (has_matrix && has_bias && !n->bias_init.kind)
        n->bias_init = g->bias_init;
    if (n->bias_init.kind && !has_bias)
        return fail(err, WEFT_BAD_INPUT, n->at, "%s has no bias; leave bias_init out", n->spec);
    return WEFT_OK;
}

static weft_status infer_node(const graph *g, node *n, weft_error *err)
{
    n->n_params = 0; /* shapes may have been inferred before, for other inputs */
    n->block = (operand){0};
    n->block_numbers = n->n_buffers = n->buffer_numbers = n->weight_rows = 0;
    n->buffer_block = (operand){0};
    n->out = n->in;
    if (n->op->infer)
        TRY(n->op->infer(n, err));
    if (!n->weight_rows)
        n->weight_rows = n->op->pack == pack_rows ? weights_of(n) : n->block.rows;
    return settle_rules(g, n, err);
}

static size_t numbers_from(const graph *g, const node *n, size_t i) { return n->from[i] == MODEL_INPUT ? g->in : g->nodes[n->from[i]].out; }

weft_status graph_infer(graph *g, size_t features, weft_error *err)
{
    if (!features)
        return fail(err, WEFT_BAD_INPUT, (where){"model", 0, 0}, "a sample has 0 numbers, but a model takes 1 at least");
    g->in = g->out = features;
    g->n_parameters = 0;
    for (size_t i = 0; i < g->n_nodes; i++) {
        node *n = &g->nodes[i];
        n->in = numbers_from(g, n, 0);
        if (n->op->kind == OP_JOIN && n->in != numbers_from(g, n, 1))
            return fail(err, WEFT_BAD_INPUT, n->at, "%s adds up what goes into its layers and what comes out, but these are %zu and %zu numbers",
                        n->op->name, numbers_from(g, n, 1), n->in);
        TRY(infer_node(g, n, err));
        n->trained = node_trains(n) || node_wants_dx(g, n) || (n->n_from > 1 && n->from[1] != MODEL_INPUT && g->nodes[n->from[1]].trained);
        for (size_t p = 0; p < n->n_params; p++)
            g->n_parameters += shape_numbers(&n->params[p].shape);
        g->out = n->out;
    }
    return WEFT_OK;
}
