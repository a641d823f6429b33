/* y = tanh(x) */
#include "op/op.h"

static const op_case cases[] = {{"tanh", 1}, {"tanh", 7}, {"tanh", 48}, {"tanh", 100}, {0}};

static void map(real *y, size_t n, const void *fields)
{
    (void)fields;
    FOR_VECTORS(y, n, a = v_tanh(a));
}

static void map_grad(real *dx, const real *y, size_t n, const void *fields)
{
    (void)fields;
    for (size_t i = 0; i < n; i++)
        dx[i] = dx[i] * s_fma(-y[i], y[i], 1);
}

static double value_of(double x, const void *fields)
{
    (void)fields;
    return tanh(x);
}

static double slope_of(double x, const void *fields)
{
    (void)fields;
    return 1 - tanh(x) * tanh(x);
}

const op ISA_SYMBOL(op_tanh) = {
    .name = "tanh",
    .kind = OP_MAP,
    .help = "squeezes every number between -1 and 1",
    .formula = "y = tanh(x)",
    .cases = cases,
    .map = map,
    .map_grad = map_grad,
    .value = value_of,
    .slope = slope_of,
};
