/* loss = log(sum of exp(logits)) - logit of the label */
#include <string.h>

#include "op/loss.h"

typedef struct cross_entropy_fields {
    class_fields of;
    double label_smoothing;
} cross_entropy_fields;

static const field fields[] = {
    CLASS_FIELDS(cross_entropy_fields),
    {"label_smoothing", FIELD_REAL, offsetof(cross_entropy_fields, label_smoothing), 0, .min = 0, .max = 1,
     .help = "share of a target that is spread evenly over all classes"},
    {0},
};

static const op_case cases[] = {
    {"cross_entropy", 2},
    {"cross_entropy", 10},
    {"cross_entropy", 17},
    {"cross_entropy", 1000},
    {"cross_entropy label_smoothing=0.1", 100},
    {"cross_entropy weight=[0.5, 2, 0, 1, 1.5, 0.25, 3]", 7},
    {"cross_entropy weight=[0.5, 2, 1] label_smoothing=0.25 ignore_index=0", 3},
    {"cross_entropy ignore_index=1", 10},
    {"cross_entropy reduction=sum", 10},
    {"cross_entropy weight=[0.5, 2, 1] label_smoothing=0.25 ignore_index=0 reduction=sum", 3},
    {0},
};

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

/* Fills a row of the gradient with the exponentials of the differences to the largest logit; returns their sum. */
static real exponentials_of_row(const operand *logits, size_t row, const operand *gradient, real *max)
{
    real sum = 0;
    *max = *element(logits, row, largest_in_row(logits, row));
    for (size_t panel = 0; panel < n_panels(logits); panel++) {
        const size_t n = panel_cols(logits, panel);
        real *p = panel_row(gradient, panel, row);
        exponentials(panel_row(logits, panel, row), n, *max, p);
        for (size_t i = 0; i < n; i++)
            sum += p[i];
    }
    return sum;
}

static void clear_behind(real *p, size_t n, size_t width)
{
    for (size_t i = n; i < width; i++)
        p[i] = 0;
}

/* One sample; its row of the gradient holds the exponentials on the way, and its padding becomes zero. */
static real sample_loss(const operand *logits, size_t row, size_t label, real divisor, const operand *gradient)
{
    real max;
    const real sum = exponentials_of_row(logits, row, gradient, &max);
    for (size_t panel = 0; panel < n_panels(logits); panel++) {
        const size_t n = panel_cols(logits, panel), first = panel * logits->width;
        real *p = panel_row(gradient, panel, row);
        for (size_t i = 0; i < n; i++)
            p[i] = (p[i] / sum - (real)(first + i == label)) / divisor;
        clear_behind(p, n, gradient->width);
    }
    return logarithm(sum) - (*element(logits, row, label) - max);
}

/* The same where classes count differently, or a share of the target is spread: class k's part of it is
 * (k is the label ? own : 0) + spread weight[k]. */
typedef struct shares {
    const class_fields *of;
    double own, spread, all; /* all: the sum of the parts */
} shares;

static shares shares_of(const cross_entropy_fields *f, size_t C, int32_t label)
{
    shares s = {.of = &f->of, .own = (1 - f->label_smoothing) * class_weight_of(f, label), .spread = f->label_smoothing / (double)C};
    for (size_t k = 0; k < C && s.spread > 0; k++)
        s.all += class_weight(s.of, k);
    s.all = s.own + s.spread * s.all;
    return s;
}

static double share(const shares *s, size_t k, size_t label) { return (k == label ? s->own : 0) + s->spread * class_weight(s->of, k); }

static real shared_loss(const operand *logits, size_t row, size_t label, real divisor, const operand *gradient, const shares *s)
{
    real max;
    const real sum = exponentials_of_row(logits, row, gradient, &max);
    const real log_sum = logarithm(sum), all = (real)s->all;
    real loss = 0;
    for (size_t panel = 0; panel < n_panels(logits); panel++) {
        const size_t n = panel_cols(logits, panel), first = panel * logits->width;
        const real *x = panel_row(logits, panel, row);
        real *p = panel_row(gradient, panel, row);
        for (size_t i = 0; i < n; i++) {
            const real part = (real)share(s, first + i, label);
            loss = part > 0 ? s_fma(part, log_sum - (x[i] - max), loss) : loss;
            p[i] = (p[i] / sum * all - part) / divisor;
        }
        clear_behind(p, n, gradient->width);
    }
    return loss;
}

static void run(const call *c, size_t begin, size_t end)
{
    const cross_entropy_fields *f = c->fields;
    const real divisor = (real)loss_weight(c);
    const bool shared = f->of.weight.n || f->label_smoothing > 0;
    for (size_t r = begin; r < end; r++) {
        const int32_t label = (*c->source)->labels[loss_sample(*c->source, r)];
        real *loss = panel_row(&c->out[0], 0, r);
        if (label == f->of.ignore_index) {
            clear_row(&c->out[1], r);
            *loss = 0;
        } else if (shared) {
            const shares s = shares_of(f, c->in[0].cols, label);
            *loss = shared_loss(&c->in[0], r, (size_t)label, divisor, &c->out[1], &s);
        } else
            *loss = sample_loss(&c->in[0], r, (size_t)label, divisor, &c->out[1]);
    }
}

static double reference_loss(const double *logits, size_t C, const target *t, const void *fields_in, double *dlogits)
{
    const cross_entropy_fields *f = fields_in;
    const double s = f->label_smoothing, own = class_weight_of(f, t->label);
    double max = logits[0], sum = 0;
    for (size_t i = 1; i < C; i++)
        max = MAX(max, logits[i]);
    for (size_t i = 0; i < C; i++)
        sum += exp(logits[i] - max);
    double loss = 0;
    memset(dlogits, 0, C * sizeof *dlogits);
    for (size_t k = 0; k < C && t->label != f->of.ignore_index; k++) {
        const double part = ((int32_t)k == t->label ? (1 - s) * own : 0) + s / (double)C * class_weight(&f->of, k);
        loss += part * (log(sum) + max - logits[k]);
        for (size_t i = 0; i < C; i++)
            dlogits[i] += part * (exp(logits[i] - max) / sum - (i == k));
    }
    return loss;
}

const op ISA_SYMBOL(op_cross_entropy) = {
    .name = "cross_entropy",
    .kind = OP_LOSS,
    .help = "how surprised the model is by the right class; takes raw logits",
    .formula = "loss = log(sum exp(x)) - x[label], the mean over the batch",
    .fields = fields,
    .fields_bytes = sizeof(cross_entropy_fields),
    .cases = cases,
    .targets = TARGET_CLASS,
    .weight_of = class_weight_of,
    .ignored = class_ignored,
    .fits = class_fits,
    .loss = {"cross_entropy", loss_tiles, run, NULL},
    .reference_loss = reference_loss,
};
