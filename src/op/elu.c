/* y = x > 0 ? x : alpha (exp(x) - 1) */
#include "op/op.h"

typedef struct elu_fields {
    double alpha;
} elu_fields;

static const field fields[] = {
    {"alpha", FIELD_REAL, offsetof(elu_fields, alpha), FIELD_BARE, .min = 0, .max = 1e9, .value = {1},
     .help = "where it bends to, far below zero"},
    {0},
};

static const op_case cases[] = {{"elu", 1}, {"elu 0.3", 7}, {"elu alpha=2.7", 48}, {"elu 0", 100}, {0}};

static const elu_fields *of(const void *fields_in) { return fields_in; }

static inline dvec values(dvec x, const void *fields_in)
{
    return d_greater(x, d_set(0), x, of(fields_in)->alpha * d_expm1(x));
}

static inline dvec slopes(dvec x, const void *fields_in)
{
    return d_greater(x, d_set(0), d_set(1), of(fields_in)->alpha * d_exp(x));
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
    return x > 0 ? x : of(fields_in)->alpha * expm1(x);
}

static double slope_of(double x, const void *fields_in)
{
    return x > 0 ? 1 : of(fields_in)->alpha * exp(x);
}

const op ISA_SYMBOL(op_elu) = {
    .name = "elu",
    .kind = OP_MAP,
    .help = "bends towards -alpha below zero",
    .formula = "y = x > 0 ? x : alpha (exp(x) - 1)",
    .fields = fields,
    .fields_bytes = sizeof(elu_fields),
    .cases = cases,
    .map = map,
    .map_grad = map_grad,
    .gradient_needs_input = true,
    .value = value_of,
    .slope = slope_of,
};
