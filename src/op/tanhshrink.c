/* y = x - tanh(x) */
#include "op/op.h"

static const op_case cases[] = {{"tanhshrink", 1}, {"tanhshrink", 7}, {"tanhshrink", 48}, {"tanhshrink", 100}, {0}};

static inline dvec values(dvec x, const void *fields)
{
    (void)fields;
    /* near 0, where the difference would lose digits, the first terms of its series */
    const dvec square = x * x, series = x * square * (1.0 / 3 - square * (2.0 / 15 - square * (17.0 / 315 - square * (62.0 / 2835))));
    return d_greater(d_set(0.05), d_abs(x), series, x - d_tanh(x));
}

static inline dvec slopes(dvec x, const void *fields)
{
    (void)fields;
    const dvec t = d_tanh(x);
    return t * t;
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
    if (fabs(x) > 0.01)
        return x - tanh(x);
    return x * x * x * (1.0 / 3 - x * x * (2.0 / 15 - x * x * 17 / 315)); /* the difference would lose digits */
}

static double slope_of(double x, const void *fields)
{
    (void)fields;
    return tanh(x) * tanh(x);
}

const op ISA_SYMBOL(op_tanhshrink) = {
    .name = "tanhshrink",
    .kind = OP_MAP,
    .help = "takes tanh away: what is near zero all but vanishes",
    .formula = "y = x - tanh(x)",
    .cases = cases,
    .map = map,
    .map_grad = map_grad,
    .gradient_needs_input = true,
    .value = value_of,
    .slope = slope_of,
};
