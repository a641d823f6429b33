/* loss = log(sum of exp(logits)) - logit of the label */
#include "op/op.h"

static const op_case cases[] = {{"cross_entropy", 2}, {"cross_entropy", 10}, {"cross_entropy", 17}, {"cross_entropy", 1000}, {0}};

static size_t tiles(const call *c) { return c->in[0].rows; }

static real largest(const real *x, size_t n)
{
    real max = x[0];
    for (size_t i = 1; i < n; i++)
        max = x[i] > max ? x[i] : max;
    return max;
}

static real logarithm(real x)
{
    real lanes[LANES];
    v_store(lanes, v_log(v_set(x)));
    return lanes[0];
}

/* One sample; `p` is the row of the gradient, and holds exp(x - max) on the way. Its padding becomes zero. */
static real sample_loss(const real *x, size_t n, size_t label, size_t n_samples, operand *gradient, size_t row)
{
    real *p = gradient->data + row * gradient->ld;
    const real max = largest(x, n);
    for (size_t i = 0; i < n; i++)
        p[i] = x[i] - max;
    /* what is below the normal numbers becomes 0: the sum, at least 1, does not see it, and denormals are slow */
    FOR_VECTORS(p, n, a = v_exp(v_greater(v_set(-87), a, v_set(-INFINITY), a)));
    real sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += p[i];
    for (size_t i = 0; i < n; i++)
        p[i] = (p[i] / sum - (i == label)) / (real)n_samples;
    for (size_t i = n; i < gradient->ld; i++)
        p[i] = 0;
    return logarithm(sum) - (x[label] - max);
}

static void run(const call *c, size_t begin, size_t end)
{
    const batch *source = *c->source;
    const operand *logits = &c->in[0], *loss = &c->out[0];
    operand gradient = c->out[1];
    for (size_t r = begin; r < end; r++) {
        const int32_t label = source->labels[source->index ? source->index[r] : r];
        loss->data[r * loss->ld] = sample_loss(logits->data + r * logits->ld, logits->cols, (size_t)label, logits->rows, &gradient, r);
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
