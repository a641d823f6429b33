/* y = tanh(x) */
#include "op/op.h"

static const op_case cases[] = {{"tanh", 1}, {"tanh", 7}, {"tanh", 48}, {"tanh", 100}, {0}};

static void map(real *y, size_t n, const void *fields)
{
    (void)fields;
    FOR_VECTORS(y, n, a = v_tanh(a));
}

/* 1 - y^2, but from x: from y, the slope near 1 would lose digits. */
static inline dvec slopes(dvec x, const void *fields)
{
    (void)fields;
    return 4 * d_sigmoid_slope(2 * x);
}

static void map_grad(real *dx, const real *x, size_t n, const void *fields)
{
    FOR_PAIRS(dx, x, n, a *= v_in_double(slopes, b, fields));
}

static double value_of(double x, const void *fields)
{
    (void)fields;
    return tanh(x);
}

static double slope_of(double x, const void *fields)
{
    (void)fields;
    return 1 / (cosh(x) * cosh(x));
}

const op ISA_SYMBOL(op_tanh) = {
    .name = "tanh",
    .kind = OP_MAP,
    .help = "squeezes every number between -1 and 1",
    .formula = "y = tanh(x)",
    .cases = cases,
    .map = map,
    .map_grad = map_grad,
    .gradient_needs_input = true,
    .value = value_of,
    .slope = slope_of,
};
