/* torch.optim.lr_scheduler.StepLR */
#include "schedule/schedule.h"

typedef struct step_lr_fields {
    size_t step_size;
    double gamma;
} step_lr_fields;

static const field fields[] = {
    {"step_size", FIELD_SIZE, offsetof(step_lr_fields, step_size), FIELD_BARE | FIELD_REQUIRED, .min = 1, .max = 1e18,
     .help = "how long each rate lasts"},
    {"gamma", FIELD_REAL, offsetof(step_lr_fields, gamma), FIELD_ABOVE_MIN, .min = 0, .max = 1e9, .value = {0.1},
     .help = "what the rate is multiplied by then"},
    {0},
};

static const char *const cases[] = {"step_lr 10", "step_lr 7 gamma=0.5", "step_lr step_size=1000 gamma=0.9", "step_lr 3000 gamma=1.5", NULL};

static double rate(const void *fields_in, double base_lr, uint64_t t)
{
    const step_lr_fields *f = fields_in;
    const uint64_t n_steps = t / f->step_size;
    return (double)(base_lr * schedule_power(f->gamma, (double)n_steps));
}

const schedule schedule_step_lr = {
    .name = "step_lr",
    .help = "falls by a factor at equal distances",
    .formula = "lr gamma^floor(t / step_size)",
    .fields = fields,
    .fields_bytes = sizeof(step_lr_fields),
    .cases = cases,
    .rate = rate,
};
