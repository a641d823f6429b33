/* torch.optim.lr_scheduler.MultiStepLR */
#include "schedule/schedule.h"

typedef struct multi_step_lr_fields {
    size_list milestones;
    double gamma;
} multi_step_lr_fields;

static const field fields[] = {
    {"milestones", FIELD_SIZES, offsetof(multi_step_lr_fields, milestones), FIELD_BARE | FIELD_REQUIRED, .min = 0, .max = 1e18,
     .help = "when the rate falls, in any order; one that is there twice counts twice"},
    {"gamma", FIELD_REAL, offsetof(multi_step_lr_fields, gamma), FIELD_ABOVE_MIN, .min = 0, .max = 1e9, .value = {0.1},
     .help = "what the rate is multiplied by then"},
    {0},
};

static const char *const cases[] = {"multi_step_lr [30, 80]", "multi_step_lr milestones=[5, 2000, 2000, 100] gamma=0.3", "multi_step_lr []", NULL};

static double rate(const void *fields_in, double base_lr, uint64_t t)
{
    const multi_step_lr_fields *f = fields_in;
    size_t passed = 0;
    for (size_t i = 0; i < f->milestones.n; i++)
        passed += f->milestones.at[i] <= t;
    return (double)(base_lr * schedule_power(f->gamma, (double)passed));
}

const schedule schedule_multi_step_lr = {
    .name = "multi_step_lr",
    .help = "falls by a factor at each milestone",
    .formula = "lr gamma^(number of milestones <= t)",
    .fields = fields,
    .fields_bytes = sizeof(multi_step_lr_fields),
    .cases = cases,
    .rate = rate,
};
