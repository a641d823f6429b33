/* y = min(max(x, 0), 6) */
#include "op/op.h"

static const op_case cases[] = {{"relu6", 1}, {"relu6", 7}, {"relu6", 48}, {"relu6", 100}, {0}};

static void map(real *y, size_t n, const void *fields)
{
    (void)fields;
    for (size_t i = 0; i < n; i++)
        y[i] = y[i] < 0 ? 0 : y[i] > 6 ? 6 : y[i]; /* so that NaN passes */
}

static void map_grad(real *dx, const real *y, size_t n, const void *fields)
{
    (void)fields;
    for (size_t i = 0; i < n; i++)
        dx[i] = y[i] > 0 && y[i] < 6 ? dx[i] : 0;
}

static double value_of(double x, const void *fields)
{
    (void)fields;
    return x < 0 ? 0 : x > 6 ? 6 : x;
}

static double slope_of(double x, const void *fields)
{
    (void)fields;
    return x > 0 && x < 6 ? 1 : 0;
}

const op ISA_SYMBOL(op_relu6) = {
    .name = "relu6",
    .kind = OP_MAP,
    .help = "keeps every number between 0 and 6",
    .formula = "y = min(max(x, 0), 6)",
    .cases = cases,
    .map = map,
    .map_grad = map_grad,
    .value = value_of,
    .slope = slope_of,
};
