/* y = scale (x > 0 ? x : alpha (exp(x) - 1)): Klambauer, Unterthiner, Mayr and Hochreiter, "Self-normalizing neural networks" (2017) */
#include "op/op.h"

static const op_case cases[] = {{"selu", 1}, {"selu", 7}, {"selu", 48}, {"selu", 100}, {0}};

static const double alpha = 1.6732632423543772848, scale = 1.0507009873554804934;

static inline dvec values(dvec x, const void *fields)
{
    (void)fields;
    return d_greater(x, d_set(0), scale * x, scale * alpha * d_expm1(x));
}

static inline dvec slopes(dvec x, const void *fields)
{
    (void)fields;
    return d_greater(x, d_set(0), d_set(scale), scale * alpha * d_exp(x));
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
    return scale * (x > 0 ? x : alpha * expm1(x));
}

static double slope_of(double x, const void *fields)
{
    (void)fields;
    return scale * (x > 0 ? 1 : alpha * exp(x));
}

const op ISA_SYMBOL(op_selu) = {
    .name = "selu",
    .kind = OP_MAP,
    .help = "keeps the mean and the spread of its numbers through many layers",
    .formula = "y = scale (x > 0 ? x : alpha (exp(x) - 1))",
    .cases = cases,
    .map = map,
    .map_grad = map_grad,
    .gradient_needs_input = true,
    .value = value_of,
    .slope = slope_of,
};
