/* y = |x| > lambd ? x : 0 */
#include "op/op.h"

typedef struct hardshrink_fields {
    double lambd;
} hardshrink_fields;

static const field fields[] = {
    {"lambd", FIELD_REAL, offsetof(hardshrink_fields, lambd), FIELD_BARE, .min = 0, .max = 1e9, .value = {0.5},
     .help = "how near"},
    {0},
};

static const op_case cases[] = {{"hardshrink", 1}, {"hardshrink 0.75", 7}, {"hardshrink lambd=0.25", 48}, {"hardshrink lambd=0.25", 100}, {0}};

static const hardshrink_fields *of(const void *fields_in) { return fields_in; }

static void map(real *y, size_t n, const void *fields_in)
{
    const real near = (real)of(fields_in)->lambd;
    for (size_t i = 0; i < n; i++)
        y[i] = y[i] >= -near && y[i] <= near ? 0 : y[i]; /* so that NaN passes */
}

static void map_grad(real *dx, const real *y, size_t n, const void *fields_in)
{
    (void)fields_in;
    for (size_t i = 0; i < n; i++)
        dx[i] = y[i] != 0 ? dx[i] : 0;
}

static double value_of(double x, const void *fields_in)
{
    return fabs(x) <= of(fields_in)->lambd ? 0 : x;
}

static double slope_of(double x, const void *fields_in)
{
    return fabs(x) > of(fields_in)->lambd ? 1 : 0;
}

const op ISA_SYMBOL(op_hardshrink) = {
    .name = "hardshrink",
    .kind = OP_MAP,
    .help = "makes zero of what is nearer to it than lambd",
    .formula = "y = |x| > lambd ? x : 0",
    .fields = fields,
    .fields_bytes = sizeof(hardshrink_fields),
    .cases = cases,
    .map = map,
    .map_grad = map_grad,
    .value = value_of,
    .slope = slope_of,
};
