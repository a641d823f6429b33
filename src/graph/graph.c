/* How sizes flow through the layers. */
#include "graph/graph.h"

static weft_status infer_node(node *n, weft_error *err)
{
    n->n_params = 0; /* shapes may have been inferred before, for other inputs */
    n->block = (operand){0};
    n->block_numbers = 0;
    if (n->op->infer)
        return n->op->infer(n, err);
    n->out = n->in;
    return WEFT_OK;
}

weft_status graph_infer(graph *g, size_t features, weft_error *err)
{
    g->in = g->out = features;
    g->n_parameters = 0;
    for (size_t i = 0; i < g->n_nodes; i++) {
        node *n = &g->nodes[i];
        n->in = g->out;
        TRY(infer_node(n, err));
        for (size_t p = 0; p < n->n_params; p++)
            g->n_parameters += shape_numbers(&n->params[p].shape);
        g->out = n->out;
    }
    return WEFT_OK;
}
