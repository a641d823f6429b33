/* torch.optim.lr_scheduler.ConstantLR */
#include "schedule/schedule.h"

typedef struct constant_lr_fields {
    double factor;
    size_t total_iters;
} constant_lr_fields;

static const field fields[] = {
    {"factor", FIELD_REAL, offsetof(constant_lr_fields, factor), FIELD_BARE | FIELD_ABOVE_MIN, .min = 0, .max = 1, .value = {1.0 / 3},
     .help = "the share of the rate at first"},
    {"total_iters", FIELD_SIZE, offsetof(constant_lr_fields, total_iters), 0, .min = 0, .max = 1e18, .value = {5}, .help = "how long that lasts"},
    {0},
};

static const char *const cases[] = {"constant_lr", "constant_lr 0.5 total_iters=40", "constant_lr factor=0.25 total_iters=1", NULL};

static double rate(const void *fields_in, double base_lr, uint64_t t)
{
    const constant_lr_fields *f = fields_in;
    return t < f->total_iters ? base_lr * f->factor : base_lr;
}

const schedule schedule_constant_lr = {
    .name = "constant_lr",
    .help = "a share of the rate at first, then all of it",
    .formula = "t < total_iters: lr factor; then lr",
    .fields = fields,
    .fields_bytes = sizeof(constant_lr_fields),
    .cases = cases,
    .rate = rate,
};
