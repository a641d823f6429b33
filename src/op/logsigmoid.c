/* y = -log(1 + exp(-x)) */
#include "op/op.h"

static const op_case cases[] = {{"logsigmoid", 1}, {"logsigmoid", 7}, {"logsigmoid", 48}, {"logsigmoid", 100}, {0}};

static inline dvec values(dvec x, const void *fields)
{
    (void)fields;
    return -d_softplus(-x);
}

static inline dvec slopes(dvec x, const void *fields)
{
    (void)fields;
    return d_sigmoid(-x);
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
    return fmin(x, 0) - log1p(exp(-fabs(x)));
}

static double slope_of(double x, const void *fields)
{
    (void)fields;
    return 1 / (1 + exp(x));
}

const op ISA_SYMBOL(op_logsigmoid) = {
    .name = "logsigmoid",
    .kind = OP_MAP,
    .help = "the logarithm of sigmoid",
    .formula = "y = -log(1 + exp(-x))",
    .cases = cases,
    .map = map,
    .map_grad = map_grad,
    .gradient_needs_input = true,
    .value = value_of,
    .slope = slope_of,
};
