/* torch.optim.lr_scheduler.OneCycleLR: Smith and Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning
 * Rates" (2019). The optimizer's own rate does not matter. */
#include <string.h>

#include "schedule/schedule.h"

typedef struct one_cycle_lr_fields {
    double max_lr;
    size_t total_steps;
    double pct_start, base_momentum, max_momentum, div_factor, final_div_factor;
    const char *anneal_strategy;
    bool cycle_momentum, three_phase;
} one_cycle_lr_fields;

static const char *const strategies[] = {"cos", "linear", NULL};

static const field fields[] = {
    {"max_lr", FIELD_REAL, offsetof(one_cycle_lr_fields, max_lr), FIELD_BARE | FIELD_REQUIRED | FIELD_ABOVE_MIN, .min = 0, .max = 1e9,
     .help = "the highest rate"},
    {"total_steps", FIELD_SIZE, offsetof(one_cycle_lr_fields, total_steps), 0, .min = 0, .max = 1e15,
     .help = "how long the cycle takes; 0: as long as the run"},
    {"pct_start", FIELD_REAL, offsetof(one_cycle_lr_fields, pct_start), 0, .min = 0, .max = 1, .value = {0.3},
     .help = "the share of the cycle in which the rate rises"},
    {"anneal_strategy", FIELD_TEXT, offsetof(one_cycle_lr_fields, anneal_strategy), 0, .text = "cos", .words = strategies,
     .help = "along half a cosine (cos) or in a line (linear)"},
    {"cycle_momentum", FIELD_BOOL, offsetof(one_cycle_lr_fields, cycle_momentum), 0, .value = {1},
     .help = "whether momentum, or the first of betas, goes the other way"},
    {"base_momentum", FIELD_REAL, offsetof(one_cycle_lr_fields, base_momentum), FIELD_ABOVE_MIN | FIELD_BELOW_MAX, .min = 0, .max = 1,
     .value = {0.85}, .help = "the momentum at the highest rate"},
    {"max_momentum", FIELD_REAL, offsetof(one_cycle_lr_fields, max_momentum), FIELD_ABOVE_MIN | FIELD_BELOW_MAX, .min = 0, .max = 1,
     .value = {0.95}, .help = "the momentum at both ends"},
    {"div_factor", FIELD_REAL, offsetof(one_cycle_lr_fields, div_factor), FIELD_ABOVE_MIN, .min = 0, .max = 1e15, .value = {25},
     .help = "the first rate is max_lr / div_factor"},
    {"final_div_factor", FIELD_REAL, offsetof(one_cycle_lr_fields, final_div_factor), FIELD_ABOVE_MIN, .min = 0, .max = 1e15, .value = {1e4},
     .help = "the last rate is the first one / final_div_factor"},
    {"three_phase", FIELD_BOOL, offsetof(one_cycle_lr_fields, three_phase), 0,
     .help = "up, down to the first rate in as many steps, and then to the last one"},
    {0},
};

static const char *const cases[] = {"one_cycle_lr 0.1 total_steps=10001",
                                    "one_cycle_lr max_lr=0.5 total_steps=10001 anneal_strategy=linear pct_start=0.25",
                                    "one_cycle_lr 0.1 total_steps=40 three_phase=true",
                                    "one_cycle_lr 0.1 total_steps=12000 three_phase=true anneal_strategy=linear pct_start=0.4",
                                    "one_cycle_lr 0.2 total_steps=11000 div_factor=10 final_div_factor=100 base_momentum=0.7 max_momentum=0.99",
                                    "one_cycle_lr 0.1 total_steps=10001 cycle_momentum=false pct_start=0.00005", NULL};

static weft_status fit(void *fields_in, uint64_t length, where at, weft_error *err)
{
    one_cycle_lr_fields *f = fields_in;
    if (!f->total_steps)
        f->total_steps = (size_t)length;
    if (!f->total_steps)
        return fail(err, WEFT_BAD_INPUT, at, "total_steps of schedule one_cycle_lr is missing, and how long it lasts is not known otherwise");
    if (length > f->total_steps)
        return fail(err, WEFT_BAD_INPUT, at, "total_steps of schedule one_cycle_lr is %zu, but it has to last for %llu; leave total_steps out",
                    f->total_steps, (unsigned long long)length);
    return WEFT_OK;
}

/* From first to peak, back to first, and to last; where there are no three phases, the second one is all the way. A phase of no length is
 * over at once; behind its end the cycle stays where it is. */
static double cycle(const one_cycle_lr_fields *f, wide first, wide peak, wide last, uint64_t t)
{
    const wide end = (wide)f->total_steps - 1, at = MIN((wide)t, end);
    const wide top = (wide)f->pct_start * f->total_steps - 1, valley = 2 * top;
    wide (*glide)(wide, wide, wide) = strcmp(f->anneal_strategy, "cos") == 0 ? glide_cosine : glide_line;
    if (at <= top)
        return (double)glide(first, peak, top > 0 ? at / top : 1);
    if (!f->three_phase)
        return (double)glide(peak, last, (at - top) / (end - top));
    if (at <= valley)
        return (double)glide(peak, first, (at - top) / (valley - top));
    return (double)glide(first, last, (at - valley) / (end - valley));
}

static double rate(const void *fields_in, double base_lr, uint64_t t)
{
    const one_cycle_lr_fields *f = fields_in;
    const wide first = (wide)f->max_lr / f->div_factor;
    (void)base_lr;
    return cycle(f, first, f->max_lr, first / f->final_div_factor, t);
}

static double momentum(const void *fields_in, uint64_t t)
{
    const one_cycle_lr_fields *f = fields_in;
    return f->cycle_momentum ? cycle(f, f->max_momentum, f->base_momentum, f->max_momentum, t) : -1;
}

const schedule schedule_one_cycle_lr = {
    .name = "one_cycle_lr",
    .help = "up to a high rate, and then down to a very low one",
    .formula = "first = max_lr / div_factor, last = first / final_div_factor, top = pct_start total_steps - 1; t <= top: from first to max_lr "
               "at t / top; then from max_lr to last at (t - top) / (total_steps - 1 - top); from a to b at x: b + (a - b) (1 + cos(pi x)) / 2",
    .fields = fields,
    .fields_bytes = sizeof(one_cycle_lr_fields),
    .cases = cases,
    .by_step = true,
    .fit = fit,
    .rate = rate,
    .momentum = momentum,
};
