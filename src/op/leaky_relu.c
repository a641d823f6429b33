/* y = x > 0 ? x : negative_slope x */
#include "op/op.h"

typedef struct leaky_relu_fields {
    double negative_slope;
} leaky_relu_fields;

static const field fields[] = {
    {"negative_slope", FIELD_REAL, offsetof(leaky_relu_fields, negative_slope), FIELD_BARE, .min = 0, .max = 1e9, .value = {0.01},
     .help = "the slope below zero"},
    {0},
};

static const op_case cases[] = {
    {"leaky_relu", 1}, {"leaky_relu 0.3", 7}, {"leaky_relu negative_slope=0", 48}, {"leaky_relu 1.7", 100}, {0},
};

static const leaky_relu_fields *of(const void *fields_in) { return fields_in; }

static void map(real *y, size_t n, const void *fields_in)
{
    const real slope = (real)of(fields_in)->negative_slope;
    for (size_t i = 0; i < n; i++)
        y[i] = y[i] > 0 ? y[i] : slope * y[i];
}

static void map_grad(real *dx, const real *y, size_t n, const void *fields_in)
{
    const real slope = (real)of(fields_in)->negative_slope;
    for (size_t i = 0; i < n; i++)
        dx[i] = y[i] > 0 ? dx[i] : slope * dx[i]; /* y has the sign of x */
}

static double value_of(double x, const void *fields_in)
{
    return x > 0 ? x : of(fields_in)->negative_slope * x;
}

static double slope_of(double x, const void *fields_in)
{
    return x > 0 ? 1 : of(fields_in)->negative_slope;
}

const op ISA_SYMBOL(op_leaky_relu) = {
    .name = "leaky_relu",
    .kind = OP_MAP,
    .help = "lets a little of what is below zero through",
    .formula = "y = x > 0 ? x : negative_slope x",
    .fields = fields,
    .fields_bytes = sizeof(leaky_relu_fields),
    .cases = cases,
    .map = map,
    .map_grad = map_grad,
    .value = value_of,
    .slope = slope_of,
};
