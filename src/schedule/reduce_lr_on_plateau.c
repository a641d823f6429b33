/* torch.optim.lr_scheduler.ReduceLROnPlateau */
#include <string.h>

#include "schedule/schedule.h"

typedef struct reduce_lr_on_plateau_fields {
    const char *metric, *mode, *threshold_mode;
    double factor, threshold, min_lr, eps;
    size_t patience, cooldown;
} reduce_lr_on_plateau_fields;

static const char *const modes[] = {"min", "max", NULL};
static const char *const threshold_modes[] = {"rel", "abs", NULL};

static const field fields[] = {
    {"mode", FIELD_TEXT, offsetof(reduce_lr_on_plateau_fields, mode), FIELD_BARE, .text = "min", .words = modes,
     .help = "min: the metric should fall; max: it should rise"},
    {"factor", FIELD_REAL, offsetof(reduce_lr_on_plateau_fields, factor), FIELD_ABOVE_MIN | FIELD_BELOW_MAX, .min = 0, .max = 1, .value = {0.1},
     .help = "what the rate is multiplied by when it does not any more"},
    {"patience", FIELD_SIZE, offsetof(reduce_lr_on_plateau_fields, patience), 0, .min = 0, .max = 1e18, .value = {10},
     .help = "how many epochs without an improvement are borne"},
    {"threshold", FIELD_REAL, offsetof(reduce_lr_on_plateau_fields, threshold), 0, .min = 0, .max = 1e9, .value = {1e-4},
     .help = "what is less is no improvement"},
    {"threshold_mode", FIELD_TEXT, offsetof(reduce_lr_on_plateau_fields, threshold_mode), 0, .text = "rel", .words = threshold_modes,
     .help = "whether the threshold is a share of the best value (rel), or a difference (abs)"},
    {"cooldown", FIELD_SIZE, offsetof(reduce_lr_on_plateau_fields, cooldown), 0, .min = 0, .max = 1e18,
     .help = "how many epochs after a reduction do not count"},
    {"min_lr", FIELD_REAL, offsetof(reduce_lr_on_plateau_fields, min_lr), 0, .min = 0, .max = 1e9, .help = "the lowest rate"},
    {"eps", FIELD_REAL, offsetof(reduce_lr_on_plateau_fields, eps), 0, .min = 0, .max = 1e9, .value = {1e-8},
     .help = "a reduction by no more than this is left out"},
    {"metric", FIELD_TEXT, offsetof(reduce_lr_on_plateau_fields, metric), 0, .text = "val_loss", .words = watched_metrics, .help = "what it looks at"},
    {0},
};

static const char *const cases[] = {"reduce_lr_on_plateau", "reduce_lr_on_plateau max metric=val_acc factor=0.5 patience=2",
                                    "reduce_lr_on_plateau factor=0.3 patience=0 cooldown=3 threshold_mode=abs threshold=0.01",
                                    "reduce_lr_on_plateau max factor=0.5 patience=1 threshold_mode=abs threshold=0.02 min_lr=0.001 eps=0.001", NULL};

static const char *watches(const void *fields_in) { return ((const reduce_lr_on_plateau_fields *)fields_in)->metric; }

/* NaN is never better. */
static bool is_better(const reduce_lr_on_plateau_fields *f, double value, const plateau *p)
{
    const bool relative = strcmp(f->threshold_mode, "rel") == 0;
    if (strcmp(f->mode, "min") == 0)
        return p->improvements ? value < (relative ? p->best * (1 - f->threshold) : p->best - f->threshold) : value == value;
    return p->improvements ? value > (relative ? p->best * (1 + f->threshold) : p->best + f->threshold) : value == value;
}

static void learn(const void *fields_in, plateau *p, const weft_metrics *m)
{
    const reduce_lr_on_plateau_fields *f = fields_in;
    const double value = metrics_value(watched_find(f->metric), m);
    if (is_better(f, value, p)) {
        p->best = value;
        p->improvements++;
        p->bad = 0;
    } else
        p->bad++;
    if (p->cooldown) {
        p->cooldown--;
        p->bad = 0;
    }
    if (p->bad <= f->patience)
        return;
    const double lower = MAX(p->lr * f->factor, f->min_lr);
    if (p->lr - lower > f->eps)
        p->lr = lower;
    p->cooldown = f->cooldown;
    p->bad = 0;
}

static double rate(const void *fields_in, double base_lr, uint64_t t)
{
    (void)fields_in, (void)t;
    return base_lr;
}

const schedule schedule_reduce_lr_on_plateau = {
    .name = "reduce_lr_on_plateau",
    .help = "falls by a factor when a metric has not improved for some epochs",
    .formula = "more than patience epochs without metric < best (1 - threshold): lr = max(lr factor, min_lr)",
    .fields = fields,
    .fields_bytes = sizeof(reduce_lr_on_plateau_fields),
    .cases = cases,
    .rate = rate,
    .watches = watches,
    .learn = learn,
};
