/* y = min(max(x + 3, 0), 6) / 6 */
#include "op/op.h"

static const op_case cases[] = {{"hardsigmoid", 1}, {"hardsigmoid", 7}, {"hardsigmoid", 48}, {"hardsigmoid", 100}, {0}};

static void map(real *y, size_t n, const void *fields)
{
    (void)fields;
    for (size_t i = 0; i < n; i++) {
        const real above = y[i] + 3;
        y[i] = (above < 0 ? 0 : above > 6 ? 6 : above) / 6; /* so that NaN passes */
    }
}

static void map_grad(real *dx, const real *x, size_t n, const void *fields)
{
    (void)fields;
    for (size_t i = 0; i < n; i++)
        dx[i] = x[i] > -3 && x[i] < 3 ? dx[i] / 6 : 0; /* y reaches 1 a little before x reaches 3 */
}

static double value_of(double x, const void *fields)
{
    (void)fields;
    return x <= -3 ? 0 : x >= 3 ? 1 : (x + 3) / 6;
}

static double slope_of(double x, const void *fields)
{
    (void)fields;
    return x > -3 && x < 3 ? 1.0 / 6 : 0;
}

const op ISA_SYMBOL(op_hardsigmoid) = {
    .name = "hardsigmoid",
    .kind = OP_MAP,
    .help = "sigmoid in three straight pieces",
    .formula = "y = min(max(x + 3, 0), 6) / 6",
    .cases = cases,
    .map = map,
    .map_grad = map_grad,
    .gradient_needs_input = true,
    .value = value_of,
    .slope = slope_of,
};
