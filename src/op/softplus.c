/* y = log(1 + exp(beta x)) / beta; x itself where beta x > threshold */
#include "op/op.h"

typedef struct softplus_fields {
    double beta, threshold;
} softplus_fields;

static const field fields[] = {
    {"beta", FIELD_REAL, offsetof(softplus_fields, beta), FIELD_BARE | FIELD_ABOVE_MIN, .min = 0, .max = 1e9, .value = {1},
     .help = "how sharp the corner is"},
    {"threshold", FIELD_REAL, offsetof(softplus_fields, threshold), FIELD_BARE, .min = -1e9, .max = 1e9, .value = {20},
     .help = "above this, beta x is large enough for a straight line"},
    {0},
};

static const op_case cases[] = {{"softplus", 1}, {"softplus 0.7", 7}, {"softplus beta=3 threshold=4", 48}, {"softplus 2 100", 100}, {0}};

static const softplus_fields *of(const void *fields_in) { return fields_in; }

static inline dvec values(dvec x, const void *fields_in)
{
    const softplus_fields *f = of(fields_in);
    return d_greater(f->beta * x, d_set(f->threshold), x, d_softplus(f->beta * x) / f->beta);
}

static inline dvec slopes(dvec x, const void *fields_in)
{
    const softplus_fields *f = of(fields_in);
    return d_greater(f->beta * x, d_set(f->threshold), d_set(1), d_sigmoid(f->beta * x));
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
    const softplus_fields *f = of(fields_in);
    const double z = f->beta * x;
    return z > f->threshold ? x : (fmax(z, 0) + log1p(exp(-fabs(z)))) / f->beta;
}

static double slope_of(double x, const void *fields_in)
{
    const softplus_fields *f = of(fields_in);
    const double z = f->beta * x;
    return z > f->threshold ? 1 : 1 / (1 + exp(-z));
}

const op ISA_SYMBOL(op_softplus) = {
    .name = "softplus",
    .kind = OP_MAP,
    .help = "relu with a round corner",
    .formula = "y = log(1 + exp(beta x)) / beta; x itself where beta x > threshold",
    .fields = fields,
    .fields_bytes = sizeof(softplus_fields),
    .cases = cases,
    .map = map,
    .map_grad = map_grad,
    .gradient_needs_input = true,
    .value = value_of,
    .slope = slope_of,
};
