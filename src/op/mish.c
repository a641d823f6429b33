/* y = x tanh(log(1 + exp(x))): Misra, "Mish: a self regularized non-monotonic activation function" (2019) */
#include "op/op.h"

static const op_case cases[] = {{"mish", 1}, {"mish", 7}, {"mish", 48}, {"mish", 100}, {0}};

static inline dvec values(dvec x, const void *fields)
{
    (void)fields;
    /* tanh(log(1 + e)) = ((1 + e)^2 - 1) / ((1 + e)^2 + 1); it is 1 long before e would overflow */
    const dvec e = d_exp(d_greater(x, d_set(100), d_set(100), x)), m = e * (e + 2);
    return x * (m / (m + 2));
}

static inline dvec slopes(dvec x, const void *fields)
{
    (void)fields;
    const dvec near = d_clamp(x, -200, 100); /* beyond, a float cannot tell the slope from 0 and 1 */
    const dvec e = d_exp(near), m = e * (e + 2), t = m / (m + 2);
    return t + near * (4 * e * (1 + e)) / ((m + 2) * (m + 2));
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
    return x * tanh(log1p(exp(x)));
}

static double slope_of(double x, const void *fields)
{
    (void)fields;
    const double near = fmin(fmax(x, -200), 100), t = tanh(log1p(exp(near)));
    return t + near * (1 - t * t) / (1 + exp(-near));
}

const op ISA_SYMBOL(op_mish) = {
    .name = "mish",
    .kind = OP_MAP,
    .help = "smooth, and dips a little below zero",
    .formula = "y = x tanh(log(1 + exp(x)))",
    .cases = cases,
    .map = map,
    .map_grad = map_grad,
    .gradient_needs_input = true,
    .value = value_of,
    .slope = slope_of,
};
