/* y = 1 / (1 + exp(-x)) */
#include "op/op.h"

static const op_case cases[] = {{"sigmoid", 1}, {"sigmoid", 7}, {"sigmoid", 48}, {"sigmoid", 100}, {0}};

static inline dvec values(dvec x, const void *fields)
{
    (void)fields;
    return d_sigmoid(x);
}

/* Of x: from y, the slope near 1 would lose the digits of 1 - y. */
static inline dvec slopes(dvec x, const void *fields)
{
    (void)fields;
    return d_sigmoid_slope(x);
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
    return 1 / (1 + exp(-x));
}

static double slope_of(double x, const void *fields)
{
    (void)fields;
    return value_of(x, fields) * value_of(-x, fields);
}

const op ISA_SYMBOL(op_sigmoid) = {
    .name = "sigmoid",
    .kind = OP_MAP,
    .help = "squeezes every number between 0 and 1",
    .formula = "y = 1 / (1 + exp(-x))",
    .cases = cases,
    .map = map,
    .map_grad = map_grad,
    .gradient_needs_input = true,
    .value = value_of,
    .slope = slope_of,
};
