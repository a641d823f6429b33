/* y = x: samples are rows of numbers already; written for the model's numbering and for those who expect it */
#include "op/op.h"

static const op_case cases[] = {{"flatten", 1}, {"flatten", 48}, {0}};

static double value_of(double x, const void *fields)
{
    (void)fields;
    return x;
}

static double slope_of(double x, const void *fields)
{
    (void)x;
    (void)fields;
    return 1;
}

/* Without a map and a map_grad: the plan leaves the step out. */
const op ISA_SYMBOL(op_flatten) = {
    .name = "flatten",
    .kind = OP_MAP,
    .help = "a sample's numbers in one row",
    .formula = "y = x",
    .cases = cases,
    .value = value_of,
    .slope = slope_of,
};
