/* loss = d < beta ? d^2 / (2 beta) : d - beta / 2, d = |x - y|. R. Girshick, "Fast R-CNN" (2015). */
#include "op/loss.h"

typedef struct smooth_l1_fields {
    any_loss_fields all;
    double beta;
} smooth_l1_fields;

static const field fields[] = {
    FIELD_REDUCTION,
    {"beta", FIELD_REAL, offsetof(smooth_l1_fields, beta), 0, .min = 0, .max = 1e9, .value = {1},
     .help = "below it a difference counts squared; 0 is l1_loss"},
    {0},
};

static const op_case cases[] = {{"smooth_l1_loss", 1}, {"smooth_l1_loss", 48}, {"smooth_l1_loss beta=0.25", 7}, {"smooth_l1_loss beta=0", 100},
                                {"smooth_l1_loss beta=0.25 reduction=sum", 17},
                                {0}};

static void elements(const real *x, const real *y, size_t width, size_t first, const void *fields_in, real *loss, real *slope)
{
    (void)first;
    const vec beta = v_set((real)((const smooth_l1_fields *)fields_in)->beta), half = v_set(0.5f);
    for (size_t i = 0; i < width; i += LANES) {
        const vec d = v_load(x + i) - v_load(y + i), size = v_abs(d), share = d / beta;
        v_store(loss + i, v_greater(beta, size, half * d * share, size - half * beta));
        v_store(slope + i, v_greater(beta, size, share, v_sign(d)));
    }
}

static void run(const call *c, size_t begin, size_t end) { number_losses(c, begin, end, elements); }

static double reference_loss(const double *x, size_t C, const target *t, const void *fields_in, double *dx)
{
    const double beta = ((const smooth_l1_fields *)fields_in)->beta;
    const double parts = loss_parts(fields_in, C);
    double sum = 0;
    for (size_t i = 0; i < C; i++) {
        const double d = x[i] - t->numbers[i];
        sum += fabs(d) < beta ? d * d / (2 * beta) : fabs(d) - beta / 2;
        dx[i] = (fabs(d) < beta ? d / beta : (d > 0) - (d < 0)) / parts;
    }
    return sum / parts;
}

const op ISA_SYMBOL(op_smooth_l1_loss) = {
    .name = "smooth_l1_loss",
    .kind = OP_LOSS,
    .help = "l1_loss, but round at 0",
    .formula = "loss = d < beta ? d^2 / (2 beta) : d - beta / 2 with d = |x - y|, the mean over outputs and batch",
    .fields = fields,
    .fields_bytes = sizeof(smooth_l1_fields),
    .cases = cases,
    .targets = TARGET_NUMBERS,
    .loss = {"smooth_l1_loss", loss_tiles, run, NULL},
    .reference_loss = reference_loss,
};
