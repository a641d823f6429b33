/* loss = log(sum of exp(logits)) - logit of the label */
#include "op/op.h"

static const op_case cases[] = {{"cross_entropy", 2}, {"cross_entropy", 10}, {"cross_entropy", 17}, {"cross_entropy", 1000}, {0}};

static size_t tiles(const call *c) { return c->in[0].rows; }

static real logarithm(real x)
{
    real lanes[LANES];
    v_store(lanes, v_log(v_set(x)));
    return lanes[0];
}

/* p = exp(x - max). What is below the normal numbers becomes 0: the sum, at least 1, does not see it, and denormals are slow. */
static void exponentials(const real *x, size_t n, real max, real *p)
{
    for (size_t i = 0; i < n; i++)
        p[i] = x[i] - max;
    FOR_VECTORS(p, n, a = v_exp(v_greater(v_set(-87), a, v_set(-INFINITY), a)));
}

/* One sample; its row of the gradient holds the exponentials on the way, and its padding becomes zero. */
static real sample_loss(const operand *logits, size_t row, size_t label, const operand *gradient)
{
    const real max = *element(logits, row, largest_in_row(logits, row));
    real sum = 0;
    for (size_t panel = 0; panel < n_panels(logits); panel++) {
        const size_t n = panel_cols(logits, panel);
        real *p = panel_row(gradient, panel, row);
        exponentials(panel_row(logits, panel, row), n, max, p);
        for (size_t i = 0; i < n; i++)
            sum += p[i];
    }
    for (size_t panel = 0; panel < n_panels(logits); panel++) {
        const size_t n = panel_cols(logits, panel), first = panel * logits->width;
        real *p = panel_row(gradient, panel, row);
        for (size_t i = 0; i < n; i++)
            p[i] = (p[i] / sum - (first + i == label)) / (real)logits->rows;
        for (size_t i = n; i < gradient->width; i++)
            p[i] = 0;
    }
    return logarithm(sum) - (*element(logits, row, label) - max);
}

static void run(const call *c, size_t begin, size_t end)
{
    const batch *source = *c->source;
    for (size_t r = begin; r < end; r++) {
        const int32_t label = source->labels[source->index ? source->index[r] : r];
        *panel_row(&c->out[0], 0, r) = sample_loss(&c->in[0], r, (size_t)label, &c->out[1]);
    }
}

static double reference_loss(const double *logits, size_t C, int32_t label, const void *fields, double *dlogits)
{
    (void)fields;
    double max = logits[0], sum = 0;
    for (size_t i = 1; i < C; i++)
        max = MAX(max, logits[i]);
    for (size_t i = 0; i < C; i++)
        sum += exp(logits[i] - max);
    for (size_t i = 0; i < C; i++)
        dlogits[i] = exp(logits[i] - max) / sum - ((int32_t)i == label);
    return log(sum) + max - logits[label];
}

const op ISA_SYMBOL(op_cross_entropy) = {
    .name = "cross_entropy",
    .kind = OP_LOSS,
    .help = "how surprised the model is by the right class; takes raw logits",
    .formula = "loss = log(sum exp(x)) - x[label], the mean over the batch",
    .cases = cases,
    .loss = {"cross_entropy", tiles, run, NULL},
    .reference_loss = reference_loss,
};
