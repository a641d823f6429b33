/* loss = (1 - y) softplus(x) + pos_weight y softplus(-x), softplus(x) = log(1 + exp(x)) */
#include "op/loss.h"

typedef struct binary_fields {
    any_loss_fields all;
    number_list pos_weight;
} binary_fields;

static const field fields[] = {
    FIELD_REDUCTION,
    {"pos_weight", FIELD_REALS, offsetof(binary_fields, pos_weight), 0, .min = 0, .max = 1e9,
     .help = "how much a 1 counts against a 0: a number for all outputs, or one for each"},
    {0},
};

static const op_case cases[] = {
    {"binary_cross_entropy_with_logits", 1},
    {"binary_cross_entropy_with_logits", 48},
    {"binary_cross_entropy_with_logits", 100},
    {"binary_cross_entropy_with_logits pos_weight=2.5", 7},
    {"binary_cross_entropy_with_logits pos_weight=[0.5, 3, 1]", 3},
    {"binary_cross_entropy_with_logits pos_weight=[0.5, 3, 1] reduction=sum", 3},
    {0},
};

static double weight_of(const binary_fields *f, size_t output)
{
    return f->pos_weight.n == 0 ? 1 : f->pos_weight.at[f->pos_weight.n == 1 ? 0 : output];
}

static void elements(const real *x, const real *y, size_t width, size_t first, const void *fields_in, real *loss, real *slope)
{
    const binary_fields *f = fields_in;
    const vec zero = v_set(0), one = v_set(1);
    real weights[PANEL];
    for (size_t i = 0; i < width; i++)
        weights[i] = (real)(f->pos_weight.n <= 1 || first + i < f->pos_weight.n ? weight_of(f, first + i) : 1);
    for (size_t i = 0; i < width; i += LANES) {
        const vec a = v_load(x + i), yes = v_load(weights + i) * v_load(y + i), no = one - v_load(y + i);
        /* exp(-|x|); what is below the normal numbers becomes 0: denormals are slow */
        const vec size = v_abs(a), e = v_exp(v_greater(size, v_set(87), v_set(-INFINITY), zero - size)), sum = one + e;
        /* log(1 + e), right to the last digits of small ones, too (Kahan) */
        const vec rest = v_greater(sum, one, v_log(sum) * (e / (sum - one)), e);
        const vec above = v_greater(a, zero, a, zero), below = v_greater(a, zero, zero, zero - a);
        v_store(loss + i, v_fma(no, above + rest, yes * (below + rest)));
        /* the sigmoids of x and of -x */
        const vec larger = one / sum, smaller = e / sum;
        v_store(slope + i, no * v_greater(a, zero, larger, smaller) - yes * v_greater(a, zero, smaller, larger));
    }
}

static void run(const call *c, size_t begin, size_t end) { number_losses(c, begin, end, elements); }

static void target_range(const void *fields_in, double *low, double *high)
{
    (void)fields_in;
    *low = 0;
    *high = 1;
}

static weft_status fits(const void *fields_in, size_t outputs, weft_error *err)
{
    const size_t n = ((const binary_fields *)fields_in)->pos_weight.n;
    if (n > 1 && n != outputs)
        return fail(err, WEFT_BAD_INPUT, (where){"loss", 0, 0}, "pos_weight has %zu numbers, and the model gives %zu; it must have one for each, "
                    "or one for all", n, outputs);
    return WEFT_OK;
}

static double softplus(double x) { return fmax(x, 0) + log1p(exp(-fabs(x))); }

static double reference_loss(const double *x, size_t C, const target *t, const void *fields_in, double *dx)
{
    const double parts = loss_parts(fields_in, C);
    double sum = 0;
    for (size_t i = 0; i < C; i++) {
        const double y = t->numbers[i], yes = weight_of(fields_in, i) * y;
        sum += (1 - y) * softplus(x[i]) + yes * softplus(-x[i]);
        dx[i] = ((1 - y) / (1 + exp(-x[i])) - yes / (1 + exp(x[i]))) / parts;
    }
    return sum / parts;
}

const op ISA_SYMBOL(op_binary_cross_entropy_with_logits) = {
    .name = "binary_cross_entropy_with_logits",
    .kind = OP_LOSS,
    .help = "for each output by itself, how surprised the model is by yes (1) or no (0); takes raw logits",
    .formula = "loss = (1 - y) log(1 + exp(x)) + pos_weight y log(1 + exp(-x)), the mean over outputs and batch",
    .fields = fields,
    .fields_bytes = sizeof(binary_fields),
    .cases = cases,
    .targets = TARGET_NUMBERS,
    .target_range = target_range,
    .fits = fits,
    .loss = {"binary_cross_entropy_with_logits", loss_tiles, run, NULL},
    .reference_loss = reference_loss,
};
