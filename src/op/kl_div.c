/* loss = y (log y - x), where x are log-probabilities; 0 where y is 0 */
#include "op/loss.h"

typedef struct kl_fields {
    any_loss_fields all;
    bool log_target;
} kl_fields;

static const char *const all_reductions[] = {"mean", "batchmean", "sum", NULL};

static const field fields[] = {
    {"reduction", FIELD_TEXT, offsetof(any_loss_fields, reduction), 0, .text = "mean", .words = all_reductions,
     .help = "mean: over outputs and batch; batchmean: over the batch, as mathematics has it; sum: over neither"},
    {"log_target", FIELD_BOOL, offsetof(kl_fields, log_target), 0, .help = "whether targets are logarithms of probabilities, too"},
    {0},
};

static const op_case cases[] = {{"kl_div", 1}, {"kl_div", 48}, {"kl_div reduction=batchmean", 7}, {"kl_div log_target=true", 100},
                                {"kl_div log_target=true reduction=batchmean", 10}, {"kl_div reduction=sum", 17}, {0}};

static void elements(const real *x, const real *y, size_t width, size_t first, const void *fields_in, real *loss, real *slope)
{
    (void)first;
    const bool log_target = ((const kl_fields *)fields_in)->log_target;
    const vec zero = v_set(0);
    for (size_t i = 0; i < width; i += LANES) {
        const vec a = v_load(y + i), p = log_target ? v_exp(a) : a, log_p = log_target ? a : v_log(a);
        v_store(loss + i, v_greater(p, zero, p * (log_p - v_load(x + i)), zero));
        v_store(slope + i, zero - p);
    }
}

static void run(const call *c, size_t begin, size_t end) { number_losses(c, begin, end, elements); }

static void target_range(const void *fields_in, double *low, double *high)
{
    *low = ((const kl_fields *)fields_in)->log_target ? -INFINITY : 0;
    *high = INFINITY;
}

static double reference_loss(const double *x, size_t C, const target *t, const void *fields_in, double *dx)
{
    const kl_fields *f = fields_in;
    const double parts = loss_parts(f, C);
    double sum = 0;
    for (size_t i = 0; i < C; i++) {
        const double y = t->numbers[i], p = f->log_target ? exp(y) : y;
        sum += p > 0 ? p * ((f->log_target ? y : log(y)) - x[i]) : 0;
        dx[i] = -p / parts;
    }
    return sum / parts;
}

const op ISA_SYMBOL(op_kl_div) = {
    .name = "kl_div",
    .kind = OP_LOSS,
    .help = "how much a distribution differs from the target's; takes log-probabilities, as log_softmax gives them",
    .formula = "loss = y (log y - x), the mean over outputs and batch",
    .fields = fields,
    .fields_bytes = sizeof(kl_fields),
    .cases = cases,
    .targets = TARGET_NUMBERS,
    .target_range = target_range,
    .loss = {"kl_div", loss_tiles, run, NULL},
    .reference_loss = reference_loss,
};
