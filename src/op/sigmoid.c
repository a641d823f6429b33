/* y = 1 / (1 + exp(-x)) */
#include "op/op.h"

static const op_case cases[] = {{"sigmoid", 1}, {"sigmoid", 7}, {"sigmoid", 48}, {"sigmoid", 100}, {0}};

static void map(real *y, size_t n, const void *fields)
{
    (void)fields;
    /* exp(-|x|) never overflows; the two branches are 1 / (1 + e) and e / (1 + e) */
    FOR_VECTORS(y, n, {
        const vec zero = v_set(0), one = v_set(1), negative = zero - a;
        const vec e = v_exp(v_greater(a, zero, negative, a));
        a = v_greater(zero, a, e, one) / (one + e);
    });
}

static void map_grad(real *dx, const real *y, size_t n, const void *fields)
{
    (void)fields;
    for (size_t i = 0; i < n; i++)
        dx[i] = dx[i] * (y[i] * (1 - y[i]));
}

static double value_of(double x, const void *fields)
{
    (void)fields;
    return 1 / (1 + exp(-x));
}

static double slope_of(double x, const void *fields)
{
    (void)fields;
    return value_of(x, fields) * (1 - value_of(x, fields));
}

const op ISA_SYMBOL(op_sigmoid) = {
    .name = "sigmoid",
    .kind = OP_MAP,
    .help = "squeezes every number between 0 and 1",
    .formula = "y = 1 / (1 + exp(-x))",
    .cases = cases,
    .map = map,
    .map_grad = map_grad,
    .value = value_of,
    .slope = slope_of,
};
