/* y = min(max(x, min_val), max_val) */
#include "op/op.h"

typedef struct hardtanh_fields {
    double min_val, max_val;
} hardtanh_fields;

static const field fields[] = {
    {"min_val", FIELD_REAL, offsetof(hardtanh_fields, min_val), FIELD_BARE, .min = -1e9, .max = 1e9, .value = {-1},
     .help = "the least that comes out"},
    {"max_val", FIELD_REAL, offsetof(hardtanh_fields, max_val), FIELD_BARE, .min = -1e9, .max = 1e9, .value = {1},
     .help = "the most that comes out"},
    {0},
};

static const op_case cases[] = {{"hardtanh", 1}, {"hardtanh -0.5 2", 7}, {"hardtanh max_val=7", 48}, {"hardtanh 1 3", 100}, {0}};

static const hardtanh_fields *of(const void *fields_in) { return fields_in; }

static void map(real *y, size_t n, const void *fields_in)
{
    const real low = (real)of(fields_in)->min_val, high = (real)of(fields_in)->max_val;
    for (size_t i = 0; i < n; i++)
        y[i] = y[i] < low ? low : y[i] > high ? high : y[i]; /* so that NaN passes */
}

static void map_grad(real *dx, const real *y, size_t n, const void *fields_in)
{
    const real low = (real)of(fields_in)->min_val, high = (real)of(fields_in)->max_val;
    for (size_t i = 0; i < n; i++)
        dx[i] = y[i] > low && y[i] < high ? dx[i] : 0;
}

static double value_of(double x, const void *fields_in)
{
    const hardtanh_fields *f = of(fields_in);
    return x < f->min_val ? f->min_val : x > f->max_val ? f->max_val : x;
}

static double slope_of(double x, const void *fields_in)
{
    return x > of(fields_in)->min_val && x < of(fields_in)->max_val ? 1 : 0;
}

static weft_status infer(node *n, weft_error *err)
{
    const hardtanh_fields *f = of(n->fields);
    if (f->min_val >= f->max_val)
        return fail(err, WEFT_BAD_INPUT, n->at, "min_val of hardtanh is %g, but must be below max_val, %g", f->min_val, f->max_val);
    n->out = n->in;
    return WEFT_OK;
}

const op ISA_SYMBOL(op_hardtanh) = {
    .name = "hardtanh",
    .kind = OP_MAP,
    .help = "keeps every number between two bounds",
    .formula = "y = min(max(x, min_val), max_val)",
    .fields = fields,
    .fields_bytes = sizeof(hardtanh_fields),
    .cases = cases,
    .infer = infer,
    .map = map,
    .map_grad = map_grad,
    .value = value_of,
    .slope = slope_of,
};
