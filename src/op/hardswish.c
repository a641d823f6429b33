/* y = x min(max(x + 3, 0), 6) / 6; at its kinks, -3 and 3, the slope is that of the straight pieces */
#include "op/op.h"

static const op_case cases[] = {{"hardswish", 1}, {"hardswish", 7}, {"hardswish", 48}, {"hardswish", 100}, {0}};

static void map(real *y, size_t n, const void *fields)
{
    (void)fields;
    for (size_t i = 0; i < n; i++) {
        const real above = y[i] + 3;
        y[i] *= (above < 0 ? 0 : above > 6 ? 6 : above) / 6; /* so that NaN passes, and large numbers do not overflow */
    }
}

static void map_grad(real *dx, const real *x, size_t n, const void *fields)
{
    (void)fields;
    for (size_t i = 0; i < n; i++)
        dx[i] *= x[i] <= -3 ? 0 : x[i] >= 3 ? 1 : (2 * x[i] + 3) / 6;
}

static double value_of(double x, const void *fields)
{
    (void)fields;
    return x <= -3 ? x * 0 : x >= 3 ? x : x * (x + 3) / 6;
}

static double slope_of(double x, const void *fields)
{
    (void)fields;
    return x <= -3 ? 0 : x >= 3 ? 1 : (2 * x + 3) / 6;
}

const op ISA_SYMBOL(op_hardswish) = {
    .name = "hardswish",
    .kind = OP_MAP,
    .help = "silu in three pieces, without an exponential",
    .formula = "y = x min(max(x + 3, 0), 6) / 6",
    .cases = cases,
    .map = map,
    .map_grad = map_grad,
    .gradient_needs_input = true,
    .value = value_of,
    .slope = slope_of,
};
