/* torch.optim.lr_scheduler.CyclicLR: Smith, "Cyclical Learning Rates for Training Neural Networks" (2017). The optimizer's own rate does
 * not matter. */
#include <string.h>

#include "schedule/schedule.h"

typedef struct cyclic_lr_fields {
    double base_lr, max_lr;
    size_t step_size_up, step_size_down;
    const char *mode;
    double gamma, base_momentum, max_momentum;
    bool cycle_momentum;
} cyclic_lr_fields;

static const char *const modes[] = {"triangular", "triangular2", "exp_range", NULL};

static const field fields[] = {
    {"base_lr", FIELD_REAL, offsetof(cyclic_lr_fields, base_lr), FIELD_BARE | FIELD_REQUIRED, .min = 0, .max = 1e9, .help = "the lowest rate"},
    {"max_lr", FIELD_REAL, offsetof(cyclic_lr_fields, max_lr), FIELD_BARE | FIELD_REQUIRED, .min = 0, .max = 1e9, .help = "the highest rate"},
    {"step_size_up", FIELD_SIZE, offsetof(cyclic_lr_fields, step_size_up), 0, .min = 1, .max = 1e18, .value = {2000},
     .help = "how long a cycle's way up takes"},
    {"step_size_down", FIELD_SIZE, offsetof(cyclic_lr_fields, step_size_down), 0, .min = 0, .max = 1e18,
     .help = "how long its way down takes; 0: as long as the way up"},
    {"mode", FIELD_TEXT, offsetof(cyclic_lr_fields, mode), 0, .text = "triangular", .words = modes,
     .help = "triangular: every cycle as high; triangular2: half as high as the one before; exp_range: gamma^t as high"},
    {"gamma", FIELD_REAL, offsetof(cyclic_lr_fields, gamma), FIELD_ABOVE_MIN, .min = 0, .max = 1e9, .value = {1}, .help = "of mode exp_range"},
    {"cycle_momentum", FIELD_BOOL, offsetof(cyclic_lr_fields, cycle_momentum), 0, .value = {1},
     .help = "whether momentum, or the first of betas, goes the other way"},
    {"base_momentum", FIELD_REAL, offsetof(cyclic_lr_fields, base_momentum), FIELD_ABOVE_MIN | FIELD_BELOW_MAX, .min = 0, .max = 1,
     .value = {0.8}, .help = "the momentum at the highest rate"},
    {"max_momentum", FIELD_REAL, offsetof(cyclic_lr_fields, max_momentum), FIELD_ABOVE_MIN | FIELD_BELOW_MAX, .min = 0, .max = 1,
     .value = {0.9}, .help = "the momentum at the lowest rate"},
    {0},
};

static const char *const cases[] = {"cyclic_lr 0.001 0.1", "cyclic_lr base_lr=0.01 max_lr=0.2 step_size_up=30 step_size_down=70 mode=triangular2",
                                    "cyclic_lr 0.01 0.1 step_size_up=40 mode=exp_range gamma=0.999",
                                    "cyclic_lr 0 0.3 step_size_up=7 step_size_down=3 cycle_momentum=false", NULL};

/* How high at t: 0 at the foot of a cycle, 1 on top of the first. */
static wide height(const cyclic_lr_fields *f, uint64_t t)
{
    const uint64_t up = f->step_size_up, down = f->step_size_down ? f->step_size_down : up;
    const uint64_t cycle = t / (up + down), into = t % (up + down);
    const wide triangle = into <= up ? (wide)into / up : (wide)(up + down - into) / down;
    if (strcmp(f->mode, "triangular") == 0)
        return triangle;
    return triangle * (strcmp(f->mode, "triangular2") == 0 ? schedule_power(0.5, (double)cycle) : schedule_power(f->gamma, (double)t));
}

static double rate(const void *fields_in, double base_lr, uint64_t t)
{
    const cyclic_lr_fields *f = fields_in;
    (void)base_lr;
    return (double)glide_line(f->base_lr, f->max_lr, height(f, t));
}

static double momentum(const void *fields_in, uint64_t t)
{
    const cyclic_lr_fields *f = fields_in;
    return f->cycle_momentum ? (double)glide_line(f->max_momentum, f->base_momentum, height(f, t)) : -1;
}

const schedule schedule_cyclic_lr = {
    .name = "cyclic_lr",
    .help = "up and down in lines, again and again",
    .formula = "c = floor(t / (up + down)), u = t - c (up + down); s = u <= up ? u / up : (up + down - u) / down; "
               "base_lr + (max_lr - base_lr) s times 1, 2^-c or gamma^t",
    .fields = fields,
    .fields_bytes = sizeof(cyclic_lr_fields),
    .cases = cases,
    .by_step = true,
    .rate = rate,
    .momentum = momentum,
};
