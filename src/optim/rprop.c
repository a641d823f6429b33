/* torch.optim.Rprop: Riedmiller and Braun, "A Direct Adaptive Method for Faster Backpropagation Learning: The RPROP Algorithm" (1993); a
 * step whose gradient turned is left out, not taken back. Made for the gradient of a whole data set. */
#include "optim/update.h"

typedef struct rprop_fields {
    optim_fields all; /* without weight decay; lr: of the first step alone */
    double etas[2], step_sizes[2];
} rprop_fields;

static const field fields[] = {
    {"lr", FIELD_REAL, offsetof(optim_fields, lr), FIELD_BARE, .min = 0, .max = 1e9, .value = {0.01}, .help = "size of the first step"},
    {"etas", FIELD_PAIR, offsetof(rprop_fields, etas), FIELD_ABOVE_MIN, .min = 0, .max = 1e9, .value = {0.5, 1.2},
     .help = "what a step's size is multiplied by where the gradient turned, and where it did not"},
    {"step_sizes", FIELD_PAIR, offsetof(rprop_fields, step_sizes), 0, .min = 0, .max = 1e9, .value = {1e-6, 50},
     .help = "the smallest and the largest size of a step"},
    FIELD_MAXIMIZE, {0},
};

static const char *const cases[] = {"rprop",
                                    "rprop 0.00001 step_sizes=(0.000001,0.0001)",
                                    "rprop 0.00001 step_sizes=(0.00001,0.0003)",
                                    "rprop 0.0001 step_sizes=(0.00001,0.0002)",
                                    "rprop 0.0001 etas=(0.9,1.01)",
                                    "rprop 0.00001 etas=(0.2,1.5) step_sizes=(0.000001,0.0001)",
                                    "rprop 0.001 step_sizes=(0,0.001) maximize=true",
                                    NULL};

static weft_status check(const void *fields_in, where at, weft_error *err)
{
    const rprop_fields *f = fields_in;
    weft_status status = WEFT_OK;
    if (!(f->etas[0] < 1 && f->etas[1] > 1))
        status = fail(err, WEFT_BAD_INPUT, at, "etas are [%g, %g], but the first must be below 1 and the second above", f->etas[0], f->etas[1]);
    if (f->step_sizes[0] > f->step_sizes[1])
        status = fail(err, WEFT_BAD_INPUT, at, "step_sizes are [%g, %g], but the first must not be above the second", f->step_sizes[0],
                      f->step_sizes[1]);
    return status;
}

enum { PREVIOUS, SIZE };

static double start(const void *fields_in, size_t state) { return state == SIZE ? ((const rprop_fields *)fields_in)->all.lr : 0; }

enum { SHRINK = OWN, GROW, SMALLEST, LONGEST };

static void begin(const void *fields_in, double lr, uint64_t t, real *hyper)
{
    const rprop_fields *f = fields_in;
    (void)lr, (void)t;
    hyper[STEP] = 1;
    hyper[DECAY] = 0;
    hyper[SHRINK] = (real)f->etas[0];
    hyper[GROW] = (real)f->etas[1];
    hyper[SMALLEST] = (real)f->step_sizes[0];
    hyper[LONGEST] = (real)f->step_sizes[1];
}

/* a where `sign` is positive, its opposite where it is negative, otherwise 0 */
static inline vec with_sign(vec a, vec sign)
{
    const vec zero = v_set(0);
    return v_greater(sign, zero, a, v_greater(zero, sign, -a, zero));
}

static void update(real *w, const real *g, real *const state[MAX_STATES], size_t n, const real *hyper)
{
    const vec step = v_set(hyper[STEP]), shrink = v_set(hyper[SHRINK]), grow = v_set(hyper[GROW]), smallest = v_set(hyper[SMALLEST]);
    const vec longest = v_set(hyper[LONGEST]), zero = v_set(0), one = v_set(1);
    for (size_t i = 0; i < n; i += LANES) {
        const vec now = v_load(g + i), same = with_sign(v_load(state[PREVIOUS] + i), now); /* the sign of a product that cannot underflow */
        const vec size = v_load(state[SIZE] + i) * v_greater(same, zero, grow, v_greater(zero, same, shrink, one));
        const vec within = v_least(longest, v_greater(size, smallest, size, smallest)), d = v_greater(zero, same, zero, now);
        v_store(state[PREVIOUS] + i, d);
        v_store(state[SIZE] + i, within);
        v_store(w + i, v_fma(-step, with_sign(within, d), v_load(w + i)));
    }
}

static void reference(const void *fields_in, double lr, uint64_t t, size_t n, double *w, const double *g, double *const state[MAX_STATES])
{
    const rprop_fields *f = fields_in;
    (void)lr, (void)t;
    for (size_t i = 0; i < n; i++) {
        double *previous = &state[PREVIOUS][i], *size = &state[SIZE][i], d = downhill(&f->all, g[i]);
        const double product = d * *previous;
        *size = fmin(fmax(*size * (product > 0 ? f->etas[1] : product < 0 ? f->etas[0] : 1), f->step_sizes[0]), f->step_sizes[1]);
        d = product < 0 ? 0 : d;
        w[i] -= (double)((d > 0) - (d < 0)) * *size;
        *previous = d;
    }
}

const optim ISA_SYMBOL(optim_rprop) = {
    .name = "rprop",
    .help = "steps along the gradient's sign, whose sizes grow until it turns",
    .formula = "p = g g_before; s = clamp(s (p > 0: etas[1]; p < 0: etas[0]; else 1), step_sizes); p < 0: g = 0; w -= s sign(g); g_before = g",
    .fields = fields,
    .fields_bytes = sizeof(rprop_fields),
    .cases = cases,
    .state_names = {[PREVIOUS] = "prev", [SIZE] = "step_size"},
    .start = start,
    .check = check,
    .begin = begin,
    .update = update,
    .reference = reference,
};
