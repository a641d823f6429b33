/* torch.optim.lr_scheduler.LinearLR */
#include "schedule/schedule.h"

typedef struct linear_lr_fields {
    double start_factor, end_factor;
    size_t total_iters;
} linear_lr_fields;

static const field fields[] = {
    {"start_factor", FIELD_REAL, offsetof(linear_lr_fields, start_factor), FIELD_BARE | FIELD_ABOVE_MIN, .min = 0, .max = 1, .value = {1.0 / 3},
     .help = "the share of the rate at first"},
    {"end_factor", FIELD_REAL, offsetof(linear_lr_fields, end_factor), 0, .min = 0, .max = 1, .value = {1}, .help = "and in the end"},
    {"total_iters", FIELD_SIZE, offsetof(linear_lr_fields, total_iters), 0, .min = 1, .max = 1e18, .value = {5}, .help = "how long the way takes"},
    {0},
};

static const char *const cases[] = {"linear_lr", "linear_lr 1 end_factor=0 total_iters=10000", "linear_lr 0.001 total_iters=500",
                                    "linear_lr start_factor=0.9 end_factor=0.1 total_iters=37", NULL};

static double rate(const void *fields_in, double base_lr, uint64_t t)
{
    const linear_lr_fields *f = fields_in;
    return (double)(base_lr * glide_line(f->start_factor, f->end_factor, (wide)MIN(t, f->total_iters) / f->total_iters));
}

const schedule schedule_linear_lr = {
    .name = "linear_lr",
    .help = "in a line from one share of the rate to another",
    .formula = "lr (start_factor + (end_factor - start_factor) min(t, total_iters) / total_iters)",
    .fields = fields,
    .fields_bytes = sizeof(linear_lr_fields),
    .cases = cases,
    .rate = rate,
};
