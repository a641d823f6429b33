/* torch.optim.lr_scheduler.ExponentialLR */
#include "schedule/schedule.h"

typedef struct exponential_lr_fields {
    double gamma;
} exponential_lr_fields;

static const field fields[] = {
    {"gamma", FIELD_REAL, offsetof(exponential_lr_fields, gamma), FIELD_BARE | FIELD_REQUIRED | FIELD_ABOVE_MIN, .min = 0, .max = 1e9,
     .help = "what the rate is multiplied by every time"},
    {0},
};

static const char *const cases[] = {"exponential_lr 0.999", "exponential_lr gamma=0.95", "exponential_lr 1.001", NULL};

static double rate(const void *fields_in, double base_lr, uint64_t t)
{
    const exponential_lr_fields *f = fields_in;
    return (double)(base_lr * schedule_power(f->gamma, (double)t));
}

const schedule schedule_exponential_lr = {
    .name = "exponential_lr",
    .help = "falls by the same factor every time",
    .formula = "lr gamma^t",
    .fields = fields,
    .fields_bytes = sizeof(exponential_lr_fields),
    .cases = cases,
    .rate = rate,
};
