/* No schedule, or a warm-up alone. */
#include "schedule/schedule.h"

static const field fields[] = {{0}};

static const char *const cases[] = {"none", NULL};

static double rate(const void *fields_in, double base_lr, uint64_t t)
{
    (void)fields_in, (void)t;
    return base_lr;
}

const schedule schedule_none = {
    .name = "none",
    .help = "the optimizer's own rate from beginning to end",
    .formula = "lr",
    .fields = fields,
    .cases = cases,
    .by_step = true, /* what a warm-up alone is wanted by */
    .rate = rate,
};
