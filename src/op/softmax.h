/* What softmax and log_softmax share: rows of a matrix in panels, and exponentials of one. Sums are chains in double, in ascending order. */
#ifndef SOFTMAX_H
#define SOFTMAX_H

#include "op/op.h"

static inline size_t row_tiles(const call *c) { return c->out[0].rows; }

static inline dvec exp_below(dvec x, const void *max) { return d_exp(x - (double)*(const real *)max); }

/* p = exp(x - max of the row), and their sum, for one row; what is below a float's normal numbers becomes 0, and so does padding. */
static inline double row_exponentials(const operand *x, size_t row, const operand *p)
{
    const real max = *element(x, row, largest_in_row(x, row));
    double sum = 0;
    for (size_t panel = 0; panel < n_panels(x); panel++) {
        const size_t n = panel_cols(x, panel);
        real *to = panel_row(p, panel, row);
        for (size_t i = 0; i < x->width; i++)
            to[i] = i < n ? panel_row(x, panel, row)[i] : -INFINITY;
        FOR_VECTORS(to, x->width, a = v_flush(v_in_double(exp_below, a, &max)));
        for (size_t i = 0; i < n; i++)
            sum += (double)to[i];
    }
    return sum;
}

/* log(sum of exp(x)), in the reference's way. */
static inline double log_sum_exp(const double *x, size_t n)
{
    double max = x[0], sum = 0;
    for (size_t i = 1; i < n; i++)
        max = MAX(max, x[i]);
    for (size_t i = 0; i < n; i++)
        sum += exp(x[i] - max);
    return max + log(sum);
}

static inline value *row_forward(builder *b, const kernel *k, const node *n, value *x)
{
    step *s = builder_step(b, k->name, k, n);
    s->in[0] = x;
    return s->out[0] = builder_value(b, VALUE_FORWARD, "y", n, n->out);
}

/* The kernel takes dy and x. */
static inline value *row_backward(builder *b, const kernel *k, const node *n, value *x, value *dy, bool wanted)
{
    if (!wanted)
        return NULL;
    step *s = builder_step(b, k->name, k, n);
    s->in[0] = dy;
    s->in[1] = x;
    return s->out[0] = builder_value(b, VALUE_GRADIENT, "dx", n, n->in);
}

#endif
