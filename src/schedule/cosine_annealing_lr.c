/* torch.optim.lr_scheduler.CosineAnnealingLR: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2017),
 * without the restarts. */
#include "schedule/schedule.h"

typedef struct cosine_annealing_lr_fields {
    size_t T_max;
    double eta_min;
} cosine_annealing_lr_fields;

static const field fields[] = {
    {"T_max", FIELD_SIZE, offsetof(cosine_annealing_lr_fields, T_max), FIELD_BARE | FIELD_REQUIRED, .min = 1, .max = 1e18,
     .help = "when the rate is lowest; behind it, it rises again"},
    {"eta_min", FIELD_REAL, offsetof(cosine_annealing_lr_fields, eta_min), 0, .min = 0, .max = 1e9, .help = "the lowest rate"},
    {0},
};

static const char *const cases[] = {"cosine_annealing_lr 10000", "cosine_annealing_lr T_max=37 eta_min=0.001", "cosine_annealing_lr 3000",
                                    "cosine_annealing_lr 50 eta_min=0.5", NULL};

static double rate(const void *fields_in, double base_lr, uint64_t t)
{
    const cosine_annealing_lr_fields *f = fields_in;
    const uint64_t turn = t % (2 * f->T_max); /* down and up again */
    return (double)glide_cosine(base_lr, f->eta_min, (wide)MIN(turn, 2 * f->T_max - turn) / f->T_max);
}

const schedule schedule_cosine_annealing_lr = {
    .name = "cosine_annealing_lr",
    .help = "down along half a cosine",
    .formula = "eta_min + (lr - eta_min) (1 + cos(pi t / T_max)) / 2",
    .fields = fields,
    .fields_bytes = sizeof(cosine_annealing_lr_fields),
    .cases = cases,
    .rate = rate,
};
