/* y = max(x, 0) + min(alpha (exp(x / alpha) - 1), 0) */
#include "op/op.h"

typedef struct celu_fields {
    double alpha;
} celu_fields;

static const field fields[] = {
    {"alpha", FIELD_REAL, offsetof(celu_fields, alpha), FIELD_BARE | FIELD_ABOVE_MIN, .min = 0, .max = 1e9, .value = {1},
     .help = "where it bends to, far below zero, is -alpha"},
    {0},
};

static const op_case cases[] = {{"celu", 1}, {"celu 0.3", 7}, {"celu alpha=2.7", 48}, {"celu alpha=2.7", 100}, {0}};

static const celu_fields *of(const void *fields_in) { return fields_in; }

static inline dvec values(dvec x, const void *fields_in)
{
    const double alpha = of(fields_in)->alpha;
    return d_greater(x, d_set(0), x, alpha * d_expm1(x / alpha));
}

static inline dvec slopes(dvec x, const void *fields_in)
{
    return d_greater(x, d_set(0), d_set(1), d_exp(x / of(fields_in)->alpha));
}

static void map(real *y, size_t n, const void *fields_in)
{
    FOR_VECTORS(y, n, a = v_in_double(values, a, fields_in));
}

static void map_grad(real *dx, const real *x, size_t n, const void *fields_in)
{
    FOR_PAIRS(dx, x, n, a *= v_in_double(slopes, b, fields_in));
}

static double value_of(double x, const void *fields_in)
{
    return x > 0 ? x : of(fields_in)->alpha * expm1(x / of(fields_in)->alpha);
}

static double slope_of(double x, const void *fields_in)
{
    return x > 0 ? 1 : exp(x / of(fields_in)->alpha);
}

const op ISA_SYMBOL(op_celu) = {
    .name = "celu",
    .kind = OP_MAP,
    .help = "elu without a kink at zero, whatever alpha is",
    .formula = "y = max(x, 0) + min(alpha (exp(x / alpha) - 1), 0)",
    .fields = fields,
    .fields_bytes = sizeof(celu_fields),
    .cases = cases,
    .map = map,
    .map_grad = map_grad,
    .gradient_needs_input = true,
    .value = value_of,
    .slope = slope_of,
};
