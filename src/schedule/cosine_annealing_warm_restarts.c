/* torch.optim.lr_scheduler.CosineAnnealingWarmRestarts: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2017). */
#include "schedule/schedule.h"

typedef struct cosine_annealing_warm_restarts_fields {
    size_t T_0, T_mult;
    double eta_min;
} cosine_annealing_warm_restarts_fields;

/* T_0 and T_mult: at their largest, the second round ends behind every t, and its length is still a uint64_t */
static const field fields[] = {
    {"T_0", FIELD_SIZE, offsetof(cosine_annealing_warm_restarts_fields, T_0), FIELD_BARE | FIELD_REQUIRED, .min = 1, .max = 1e12,
     .help = "how long the first round takes"},
    {"T_mult", FIELD_SIZE, offsetof(cosine_annealing_warm_restarts_fields, T_mult), 0, .min = 1, .max = 1e6, .value = {1},
     .help = "how many times as long as the one before each round is"},
    {"eta_min", FIELD_REAL, offsetof(cosine_annealing_warm_restarts_fields, eta_min), 0, .min = 0, .max = 1e9, .help = "the lowest rate"},
    {0},
};

static const char *const cases[] = {"cosine_annealing_warm_restarts 10", "cosine_annealing_warm_restarts 7 T_mult=2",
                                    "cosine_annealing_warm_restarts T_0=100 T_mult=3 eta_min=0.002", NULL};

static double rate(const void *fields_in, double base_lr, uint64_t t)
{
    const cosine_annealing_warm_restarts_fields *f = fields_in;
    uint64_t round = f->T_0;
    if (f->T_mult == 1)
        t %= round;
    for (; t >= round; round *= f->T_mult)
        t -= round;
    return (double)glide_cosine(base_lr, f->eta_min, (wide)t / round);
}

const schedule schedule_cosine_annealing_warm_restarts = {
    .name = "cosine_annealing_warm_restarts",
    .help = "down along half a cosine, again and again",
    .formula = "u = t, T = T_0; while u >= T: u -= T, T *= T_mult; eta_min + (lr - eta_min) (1 + cos(pi u / T)) / 2",
    .fields = fields,
    .fields_bytes = sizeof(cosine_annealing_warm_restarts_fields),
    .cases = cases,
    .rate = rate,
};
