/* torch.optim.Adagrad: Duchi, Hazan and Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization" (2011). */
#include "optim/update.h"

typedef struct adagrad_fields {
    optim_fields all;
    double lr_decay, initial_accumulator_value, eps;
} adagrad_fields;

static const field fields[] = {
    FIELD_LR(0.01),
    {"lr_decay", FIELD_REAL, offsetof(adagrad_fields, lr_decay), 0, .min = 0, .max = 1e9, .help = "how fast the rate falls"},
    FIELD_WEIGHT_DECAY(0),
    {"initial_accumulator_value", FIELD_REAL, offsetof(adagrad_fields, initial_accumulator_value), 0, .min = 0, .max = 1e9,
     .help = "what the sums of squared gradients begin with"},
    FIELD_EPS(adagrad_fields, 1e-10), FIELD_MAXIMIZE, {0},
};

static const char *const cases[] = {"adagrad",
                                    "adagrad 0.1 lr_decay=0.01",
                                    "adagrad weight_decay=0.01",
                                    "adagrad 0.05 initial_accumulator_value=0.1",
                                    "adagrad eps=0.001",
                                    "adagrad 0.02 lr_decay=0.001 initial_accumulator_value=1 weight_decay=0.001",
                                    "adagrad weight_decay=0.1 maximize=true",
                                    NULL};

static double start(const void *fields_in, size_t state)
{
    (void)state;
    return ((const adagrad_fields *)fields_in)->initial_accumulator_value;
}

static double rate(const adagrad_fields *f, double lr, uint64_t t) { return lr / (1 + (double)(t - 1) * f->lr_decay); }

enum { EPS = OWN };

static void begin(const void *fields_in, double lr, uint64_t t, real *hyper)
{
    const adagrad_fields *f = fields_in;
    hyper[STEP] = (real)rate(f, lr, t);
    hyper[DECAY] = (real)f->all.weight_decay;
    hyper[EPS] = (real)f->eps;
}

MOVES move(const int n, size_t i, const movement *to)
{
    const vec step = v_set(to->hyper[STEP]), decay = v_set(to->hyper[DECAY]), eps = v_set(to->hyper[EPS]), largest = v_set(FLT_MAX);
    real *w = to->w + i, *sum = to->state[0] + i;
    vec d[ABREAST], s[ABREAST];
    EACH(k, n) d[k] = v_decayed(decay, v_load(w + k * LANES), v_load(to->g + i + k * LANES));
    EACH(k, n) s[k] = v_flush(v_fma(d[k], d[k], v_load(sum + k * LANES)));
    EACH(k, n) v_store(sum + k * LANES, s[k]);
    EACH(k, n) s[k] = v_least(largest, s[k]);
    v_roots(n, s);
    EACH(k, n) s[k] += eps;
    v_quotients(n, d, s);
    EACH(k, n) v_store(w + k * LANES, v_fma(-step, d[k], v_load(w + k * LANES)));
}

static void update(real *w, const real *g, real *const state[MAX_STATES], size_t n, const real *hyper)
{
    const movement m = {w, g, state, hyper};
    MOVE(n, move, &m);
}

static void reference(const void *fields_in, double lr, uint64_t t, size_t n, double *w, const double *g, double *const state[MAX_STATES])
{
    const adagrad_fields *f = fields_in;
    for (size_t i = 0; i < n; i++) {
        const double d = decayed(&f->all, g[i], w[i]);
        state[0][i] += d * d;
        w[i] -= rate(f, lr, t) * d / (sqrt(state[0][i]) + f->eps);
    }
}

const optim ISA_SYMBOL(optim_adagrad) = {
    .name = "adagrad",
    .help = "steps that shrink as squared gradients add up",
    .formula = "g += weight_decay w; s += g^2; w -= lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps)",
    .fields = fields,
    .fields_bytes = sizeof(adagrad_fields),
    .cases = cases,
    .state_names = {"sum"},
    .start = start,
    .begin = begin,
    .update = update,
    .reference = reference,
};
