/* torch.optim.ASGD: Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging" (1992), with the falling rate of Bottou,
 * "Large-Scale Machine Learning with Stochastic Gradient Descent" (2010). */
#include "optim/update.h"

typedef struct asgd_fields {
    optim_fields all;
    double lambd, alpha, t0;
} asgd_fields;

static const field fields[] = {
    FIELD_LR(0.01),
    {"lambd", FIELD_REAL, offsetof(asgd_fields, lambd), 0, .min = 0, .max = 1e9, .value = {1e-4},
     .help = "pull of every weight towards zero, and how fast the rate falls"},
    {"alpha", FIELD_REAL, offsetof(asgd_fields, alpha), 0, .min = 0, .max = 1e3, .value = {0.75}, .help = "the power of the rate's fall"},
    {"t0", FIELD_REAL, offsetof(asgd_fields, t0), 0, .min = 0, .max = 1e18, .value = {1e6}, .help = "the step behind which averaging begins"},
    FIELD_WEIGHT_DECAY(0), FIELD_MAXIMIZE, {0},
};

static const char *const cases[] = {"asgd",
                                    "asgd 0.1 lambd=0.01",
                                    "asgd alpha=0.5 lambd=1",
                                    "asgd 0.05 t0=0",
                                    "asgd t0=20 weight_decay=0.01",
                                    "asgd 0.02 alpha=0 t0=50.5",
                                    "asgd 0.005 lambd=0.1 t0=10 weight_decay=0.1 maximize=true",
                                    NULL};

enum { SHARE = OWN };

/* Of the weights in their average: all, as long as it has not begun. */
static double share(const asgd_fields *f, uint64_t t) { return 1 / MAX(1, (double)(t - 1) - f->t0); }

/* The rate is that of this step's lr; PyTorch takes the lr of the step before, which differs only where a schedule changes it.
 *
 * w (1 - lambd rate) - rate (g + weight_decay w) is w - rate (g + (weight_decay + lambd) w). */
static void begin(const void *fields_in, double lr, uint64_t t, real *hyper)
{
    const asgd_fields *f = fields_in;
    hyper[STEP] = (real)(lr / Sleef_cinz_powd1_u10purec(1 + f->lambd * lr * (double)(t - 1), f->alpha));
    hyper[DECAY] = (real)(f->all.weight_decay + f->lambd);
    hyper[SHARE] = (real)share(f, t);
}

static void update(real *w, const real *g, real *const state[MAX_STATES], size_t n, const real *hyper)
{
    const vec step = v_set(hyper[STEP]), decay = v_set(hyper[DECAY]), share = v_set(hyper[SHARE]), one = v_set(1);
#pragma GCC unroll 4
    for (size_t i = 0; i < n; i += LANES) {
        const vec before = v_load(w + i), after = v_fma(-step, v_fma(decay, before, v_load(g + i)), before), ax = v_load(state[0] + i);
        v_store(w + i, after);
        v_store(state[0] + i, v_greater(one, share, v_fma(share, after - ax, ax), after)); /* ax is read either way: what only stores waits */
    }
}

static void reference(const void *fields_in, double lr, uint64_t t, size_t n, double *w, const double *g, double *const state[MAX_STATES])
{
    const asgd_fields *f = fields_in;
    const double rate = lr / pow(1 + f->lambd * lr * (double)(t - 1), f->alpha);
    for (size_t i = 0; i < n; i++) {
        const double d = decayed(&f->all, g[i], w[i]);
        w[i] = w[i] * (1 - f->lambd * rate) - rate * d;
        state[0][i] += share(f, t) * (w[i] - state[0][i]);
    }
}

const optim ISA_SYMBOL(optim_asgd) = {
    .name = "asgd",
    .help = "gradient descent with a falling rate, which keeps the average of the weights as well",
    .formula = "g += weight_decay w; r = lr / (1 + lambd lr (t - 1))^alpha; w = (1 - lambd r) w - r g; ax += (w - ax) / max(1, t - 1 - t0)",
    .fields = fields,
    .fields_bytes = sizeof(asgd_fields),
    .cases = cases,
    .state_names = {"ax"},
    .begin = begin,
    .update = update,
    .reference = reference,
};
