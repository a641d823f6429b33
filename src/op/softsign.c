/* y = x / (1 + |x|) */
#include "op/op.h"

static const op_case cases[] = {{"softsign", 1}, {"softsign", 7}, {"softsign", 48}, {"softsign", 100}, {0}};

static void map(real *y, size_t n, const void *fields)
{
    (void)fields;
    for (size_t i = 0; i < n; i++)
        y[i] /= 1 + (y[i] < 0 ? -y[i] : y[i]);
}

static void map_grad(real *dx, const real *x, size_t n, const void *fields)
{
    (void)fields;
    for (size_t i = 0; i < n; i++) {
        const double d = 1 + fabs((double)x[i]);
        dx[i] *= (real)(1 / (d * d));
    }
}

static double value_of(double x, const void *fields)
{
    (void)fields;
    return x / (1 + fabs(x));
}

static double slope_of(double x, const void *fields)
{
    (void)fields;
    return 1 / ((1 + fabs(x)) * (1 + fabs(x)));
}

const op ISA_SYMBOL(op_softsign) = {
    .name = "softsign",
    .kind = OP_MAP,
    .help = "squeezes every number between -1 and 1, slowly",
    .formula = "y = x / (1 + |x|)",
    .cases = cases,
    .map = map,
    .map_grad = map_grad,
    .gradient_needs_input = true,
    .value = value_of,
    .slope = slope_of,
};
