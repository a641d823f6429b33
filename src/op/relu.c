/* y = max(x, 0) */
#include "op/op.h"

static const op_case cases[] = {{"relu", 1}, {"relu", 7}, {"relu", 48}, {"relu", 100}, {0}};

static void map(real *y, size_t n, const void *fields)
{
    (void)fields;
    for (size_t i = 0; i < n; i++)
        y[i] = y[i] < 0 ? 0 : y[i]; /* so that NaN passes */
}

static void map_grad(real *dx, const real *y, size_t n, const void *fields)
{
    (void)fields;
    for (size_t i = 0; i < n; i++)
        dx[i] = y[i] > 0 ? dx[i] : 0;
}

static double value_of(double x, const void *fields)
{
    (void)fields;
    return x < 0 ? 0 : x;
}

static double slope_of(double x, const void *fields)
{
    (void)fields;
    return x > 0 ? 1 : 0;
}

const op ISA_SYMBOL(op_relu) = {
    .name = "relu",
    .kind = OP_MAP,
    .help = "what is below zero becomes zero",
    .formula = "y = max(x, 0)",
    .cases = cases,
    .map = map,
    .map_grad = map_grad,
    .value = value_of,
    .slope = slope_of,
};
