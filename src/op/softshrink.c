/* y = x - min(max(x, -lambd), lambd) */
#include "op/op.h"

typedef struct softshrink_fields {
    double lambd;
} softshrink_fields;

static const field fields[] = {
    {"lambd", FIELD_REAL, offsetof(softshrink_fields, lambd), FIELD_BARE, .min = 0, .max = 1e9, .value = {0.5},
     .help = "how far"},
    {0},
};

static const op_case cases[] = {{"softshrink", 1}, {"softshrink 0.75", 7}, {"softshrink lambd=0.25", 48}, {"softshrink lambd=0.25", 100}, {0}};

static const softshrink_fields *of(const void *fields_in) { return fields_in; }

static void map(real *y, size_t n, const void *fields_in)
{
    const real far = (real)of(fields_in)->lambd;
    for (size_t i = 0; i < n; i++)
        y[i] -= y[i] < -far ? -far : y[i] > far ? far : y[i]; /* so that NaN passes */
}

static void map_grad(real *dx, const real *y, size_t n, const void *fields_in)
{
    (void)fields_in;
    for (size_t i = 0; i < n; i++)
        dx[i] = y[i] != 0 ? dx[i] : 0;
}

static double value_of(double x, const void *fields_in)
{
    const double far = of(fields_in)->lambd;
    return fabs(x) <= far ? 0 : x - copysign(far, x);
}

static double slope_of(double x, const void *fields_in)
{
    return fabs(x) > of(fields_in)->lambd ? 1 : 0;
}

const op ISA_SYMBOL(op_softshrink) = {
    .name = "softshrink",
    .kind = OP_MAP,
    .help = "moves every number towards zero by lambd, and to zero what is nearer",
    .formula = "y = x - min(max(x, -lambd), lambd)",
    .fields = fields,
    .fields_bytes = sizeof(softshrink_fields),
    .cases = cases,
    .map = map,
    .map_grad = map_grad,
    .value = value_of,
    .slope = slope_of,
};
