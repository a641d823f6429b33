/* loss = d <= delta ? d^2 / 2 : delta (d - delta / 2), d = |x - y|. P. Huber, "Robust estimation of a location parameter" (1964). */
#include "op/loss.h"

typedef struct huber_fields {
    any_loss_fields all;
    double delta;
} huber_fields;

static const field fields[] = {
    FIELD_REDUCTION,
    {"delta", FIELD_REAL, offsetof(huber_fields, delta), FIELD_ABOVE_MIN, .min = 0, .max = 1e9, .value = {1},
     .help = "up to it a difference counts squared, beyond it in proportion"},
    {0},
};

static const op_case cases[] = {{"huber_loss", 1}, {"huber_loss", 48}, {"huber_loss delta=0.25", 7}, {"huber_loss delta=3", 100},
                                {"huber_loss delta=0.25 reduction=sum", 17}, {0}};

static void elements(const real *x, const real *y, size_t width, size_t first, const void *fields_in, real *loss, real *slope)
{
    (void)first;
    const vec delta = v_set((real)((const huber_fields *)fields_in)->delta), half = v_set(0.5f);
    for (size_t i = 0; i < width; i += LANES) {
        const vec d = v_load(x + i) - v_load(y + i), size = v_abs(d);
        v_store(loss + i, v_greater(size, delta, delta * (size - half * delta), half * d * d));
        v_store(slope + i, v_greater(size, delta, delta * v_sign(d), d));
    }
}

static void run(const call *c, size_t begin, size_t end) { number_losses(c, begin, end, elements); }

static double reference_loss(const double *x, size_t C, const target *t, const void *fields_in, double *dx)
{
    const double delta = ((const huber_fields *)fields_in)->delta;
    const double parts = loss_parts(fields_in, C);
    double sum = 0;
    for (size_t i = 0; i < C; i++) {
        const double d = x[i] - t->numbers[i];
        sum += fabs(d) <= delta ? d * d / 2 : delta * (fabs(d) - delta / 2);
        dx[i] = (fabs(d) <= delta ? d : delta * ((d > 0) - (d < 0))) / parts;
    }
    return sum / parts;
}

const op ISA_SYMBOL(op_huber_loss) = {
    .name = "huber_loss",
    .kind = OP_LOSS,
    .help = "mse_loss for small differences, l1_loss for large ones",
    .formula = "loss = d <= delta ? d^2 / 2 : delta (d - delta / 2) with d = |x - y|, the mean over outputs and batch",
    .fields = fields,
    .fields_bytes = sizeof(huber_fields),
    .cases = cases,
    .targets = TARGET_NUMBERS,
    .loss = {"huber_loss", loss_tiles, run, NULL},
    .reference_loss = reference_loss,
};
