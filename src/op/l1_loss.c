/* loss = |x - y| */
#include "op/loss.h"

static const field fields[] = {FIELD_REDUCTION, {0}};

static const op_case cases[] = {{"l1_loss", 1}, {"l1_loss", 7}, {"l1_loss", 48}, {"l1_loss", 100}, {"l1_loss reduction=sum", 7}, {0}};

static void elements(const real *x, const real *y, size_t width, size_t first, const void *fields_in, real *loss, real *slope)
{
    (void)first, (void)fields_in;
    for (size_t i = 0; i < width; i += LANES) {
        const vec d = v_load(x + i) - v_load(y + i);
        v_store(loss + i, v_abs(d));
        v_store(slope + i, v_sign(d));
    }
}

static void run(const call *c, size_t begin, size_t end) { number_losses(c, begin, end, elements); }

static double reference_loss(const double *x, size_t C, const target *t, const void *fields_in, double *dx)
{
    const double parts = loss_parts(fields_in, C);
    double sum = 0;
    for (size_t i = 0; i < C; i++) {
        const double d = x[i] - t->numbers[i];
        sum += fabs(d);
        dx[i] = ((d > 0) - (d < 0)) / parts;
    }
    return sum / parts;
}

const op ISA_SYMBOL(op_l1_loss) = {
    .name = "l1_loss",
    .kind = OP_LOSS,
    .help = "how far numbers are off; outliers count no more than others",
    .formula = "loss = |x - y|, the mean over outputs and batch",
    .fields = fields,
    .fields_bytes = sizeof(any_loss_fields),
    .cases = cases,
    .targets = TARGET_NUMBERS,
    .loss = {"l1_loss", loss_tiles, run, NULL},
    .reference_loss = reference_loss,
};
