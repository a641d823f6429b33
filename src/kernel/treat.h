/* How kernels treat a gradient on its way to the weights: see treatment in kernel.h. */
#ifndef TREAT_H
#define TREAT_H

#include "kernel/kernel.h"

/* n numbers of a gradient and the weights that they are of. */
static inline void treat_numbers(const treatment *t, bool penalty, const real *w, real *g, size_t n)
{
    const vec factor = v_set(t->factor ? *t->factor : 1), l1 = v_set(t->l1), l2 = v_set(2 * t->l2), largest = v_set(t->largest), zero = v_set(0);
    for (size_t i = 0; i < n; i += LANES) {
        const vec at = v_load(w + i);
        vec a = factor * v_load(g + i);
        if (penalty && t->l2 != 0)
            a = v_fma(l2, at, a);
        if (penalty && t->l1 != 0)
            a += v_greater(at, zero, l1, v_greater(zero, at, -l1, zero));
        if (penalty)
            a = v_flush_small(a); /* of weights that are almost nothing */
        if (t->largest != 0) /* NaN passes */
            a = -v_least(largest, -v_least(largest, a));
        v_store(g + i, a);
    }
}

/* How many of `rows` rows from `first` on are weights. */
static inline size_t weights_among(const treatment *t, size_t first, size_t rows)
{
    return t->weight_rows > first ? MIN(t->weight_rows - first, rows) : 0;
}

/* Rows [first, first + rows) of a panel, [rows][width]. */
static inline void treat_rows(const treatment *t, size_t first, size_t rows, size_t width, const real *w, real *g)
{
    const size_t n = weights_among(t, first, rows) * width;
    treat_numbers(t, true, w, g, n);
    treat_numbers(t, false, w + n, g + n, rows * width - n);
}

/* n weights move; w is where they lie in out[0]. */
static inline void update_numbers(const call *c, real *w, const real *g, size_t n, const real *hyper)
{
    real *state[MAX_STATES];
    for (size_t i = 0; i < MAX_STATES; i++)
        state[i] = c->state[i] ? c->state[i] + (w - c->out[0].data) : NULL;
    c->update(w, g, state, n, hyper);
}

static inline void follow(const treatment *t, const real *w, real *average, size_t n)
{
    const vec was = v_set(t->shares[0]), comes = v_set(t->shares[1]);
    for (size_t i = 0; i < n; i += LANES)
        v_store(average + i, v_fma(comes, v_load(w + i), was * v_load(average + i)));
}

/* Rows [first, first + rows) of a panel of out[0] move by their gradient, which is in the cache. */
static inline void move_rows(const call *c, size_t panel, size_t first, size_t rows, real *g)
{
    const treatment *t = c->treatment;
    const size_t width = c->out[0].width;
    real *w = panel_row(&c->out[0], panel, first);
    if (!t) {
        update_numbers(c, w, g, rows * width, c->hyper);
        return;
    }
    const size_t n = weights_among(t, first, rows) * width;
    treat_rows(t, first, rows, width, w, g);
    if (n)
        update_numbers(c, w, g, n, c->hyper);
    if (n < rows * width)
        update_numbers(c, w + n, g + n, rows * width - n, t->bias_hyper ? t->bias_hyper : c->hyper);
    if (t->average)
        follow(t, w, t->average + (w - c->out[0].data), rows * width);
    if (t->spends)
        __builtin_memset(g, 0, rows * width * sizeof *g);
}

#endif
