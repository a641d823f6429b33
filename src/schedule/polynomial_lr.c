/* torch.optim.lr_scheduler.PolynomialLR */
#include "schedule/schedule.h"

typedef struct polynomial_lr_fields {
    size_t total_iters;
    double power;
} polynomial_lr_fields;

static const field fields[] = {
    {"total_iters", FIELD_SIZE, offsetof(polynomial_lr_fields, total_iters), FIELD_BARE, .min = 1, .max = 1e18, .value = {5},
     .help = "when the rate reaches 0"},
    {"power", FIELD_REAL, offsetof(polynomial_lr_fields, power), 0, .min = 0, .max = 1e9, .value = {1},
     .help = "1: in a line; more: sooner; less: later"},
    {0},
};

static const char *const cases[] = {"polynomial_lr", "polynomial_lr 10000 power=2", "polynomial_lr total_iters=4000 power=0.9", NULL};

static double rate(const void *fields_in, double base_lr, uint64_t t)
{
    const polynomial_lr_fields *f = fields_in;
    return (double)(base_lr * schedule_power((wide)(f->total_iters - MIN(t, f->total_iters)) / f->total_iters, f->power));
}

const schedule schedule_polynomial_lr = {
    .name = "polynomial_lr",
    .help = "to 0, along a power of the time that is left",
    .formula = "lr (1 - min(t, total_iters) / total_iters)^power",
    .fields = fields,
    .fields_bytes = sizeof(polynomial_lr_fields),
    .cases = cases,
    .rate = rate,
};
