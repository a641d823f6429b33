/* y = x > threshold ? x : value */
#include "op/op.h"

typedef struct threshold_fields {
    double threshold, value;
} threshold_fields;

static const field fields[] = {
    {"threshold", FIELD_REAL, offsetof(threshold_fields, threshold), FIELD_REQUIRED | FIELD_BARE, .min = -1e9, .max = 1e9,
     .help = "what is above this stays"},
    {"value", FIELD_REAL, offsetof(threshold_fields, value), FIELD_REQUIRED | FIELD_BARE, .min = -1e9, .max = 1e9,
     .help = "what the rest becomes"},
    {0},
};

static const op_case cases[] = {
    {"threshold 0.5 2", 1}, {"threshold -1 -1.7", 7}, {"threshold -1 -1.7", 48}, {"threshold -1 -1.7", 100}, {0},
};

static const threshold_fields *of(const void *fields_in) { return fields_in; }

static void map(real *y, size_t n, const void *fields_in)
{
    const real threshold = (real)of(fields_in)->threshold, value = (real)of(fields_in)->value;
    for (size_t i = 0; i < n; i++)
        y[i] = y[i] <= threshold ? value : y[i]; /* so that NaN passes */
}

static void map_grad(real *dx, const real *x, size_t n, const void *fields_in)
{
    const real threshold = (real)of(fields_in)->threshold;
    for (size_t i = 0; i < n; i++)
        dx[i] = x[i] <= threshold ? 0 : dx[i];
}

static double value_of(double x, const void *fields_in)
{
    return x <= of(fields_in)->threshold ? of(fields_in)->value : x;
}

static double slope_of(double x, const void *fields_in)
{
    return x > of(fields_in)->threshold ? 1 : 0;
}

const op ISA_SYMBOL(op_threshold) = {
    .name = "threshold",
    .kind = OP_MAP,
    .help = "puts a value in the place of all that is not above a threshold",
    .formula = "y = x > threshold ? x : value",
    .fields = fields,
    .fields_bytes = sizeof(threshold_fields),
    .cases = cases,
    .map = map,
    .map_grad = map_grad,
    .gradient_needs_input = true,
    .value = value_of,
    .slope = slope_of,
};
