/* Parameters that are a row each, with as many numbers as the block has columns. */
#include "graph/graph.h"

static real *row_of(const node *n, const real *block, size_t p, size_t i)
{
    operand rows = n->block;
    rows.data = (real *)block;
    return element(&rows, p, i);
}

void pack_rows(const node *n, const float *const params[], real *block)
{
    for (size_t p = 0; p < n->n_params; p++)
        for (size_t i = 0; i < round_up(n->block.cols, n->block.width); i++)
            *row_of(n, block, p, i) = i < n->block.cols ? (real)params[p][i] : 0;
}

void unpack_rows(const node *n, const real *block, float *const params[])
{
    for (size_t p = 0; p < n->n_params; p++)
        for (size_t i = 0; i < n->block.cols; i++)
            params[p][i] = (float)*row_of(n, block, p, i);
}
