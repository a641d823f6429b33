/* y = x / (1 + exp(-x)) */
#include "op/op.h"

static const op_case cases[] = {{"silu", 1}, {"silu", 7}, {"silu", 48}, {"silu", 100}, {0}};

static inline dvec values(dvec x, const void *fields)
{
    (void)fields;
    return x / (1 + d_exp(-x));
}

static inline dvec slopes(dvec x, const void *fields)
{
    (void)fields;
    const dvec near = d_clamp(x, -200, 200), s = d_sigmoid(near); /* beyond, a float cannot tell the slope from 0 and 1 */
    return s * (1 + near * (1 - s));
}

static void map(real *y, size_t n, const void *fields)
{
    FOR_VECTORS(y, n, a = v_in_double(values, a, fields));
}

static void map_grad(real *dx, const real *x, size_t n, const void *fields)
{
    FOR_PAIRS(dx, x, n, a *= v_in_double(slopes, b, fields));
}

static double value_of(double x, const void *fields)
{
    (void)fields;
    return x / (1 + exp(-x));
}

static double slope_of(double x, const void *fields)
{
    (void)fields;
    const double near = fmin(fmax(x, -200), 200);
    return 1 / (1 + exp(-near)) * (1 + near / (1 + exp(near)));
}

const op ISA_SYMBOL(op_silu) = {
    .name = "silu",
    .kind = OP_MAP,
    .help = "x sigmoid(x), also called swish: smooth, and dips a little below zero",
    .formula = "y = x / (1 + exp(-x))",
    .cases = cases,
    .map = map,
    .map_grad = map_grad,
    .gradient_needs_input = true,
    .value = value_of,
    .slope = slope_of,
};
