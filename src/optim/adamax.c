/* torch.optim.Adamax: Kingma and Ba, "Adam: A Method for Stochastic Optimization" (2015), Algorithm 2. */
#include "optim/update.h"

typedef struct adamax_fields {
    optim_fields all;
    double betas[2], eps;
} adamax_fields;

static const field fields[] = {
    FIELD_LR(0.002), FIELD_BETAS(adamax_fields), FIELD_EPS(adamax_fields, 1e-8), FIELD_WEIGHT_DECAY(0), FIELD_MAXIMIZE, {0},
};

static const char *const cases[] = {"adamax",
                                    "adamax 0.01",
                                    "adamax betas=(0.8,0.99)",
                                    "adamax weight_decay=0.01",
                                    "adamax eps=0.001",
                                    "adamax 0.001 betas=(0,0.9) eps=1e-6",
                                    "adamax weight_decay=0.1 maximize=true",
                                    NULL};

enum { BETA1 = OWN, BETA2, REST1, EPS };

static void begin(const void *fields_in, double lr, uint64_t t, real *hyper)
{
    const adamax_fields *f = fields_in;
    hyper[STEP] = (real)(lr / (1 - power(f->betas[0], t)));
    hyper[DECAY] = (real)f->all.weight_decay;
    hyper[BETA1] = (real)f->betas[0];
    hyper[BETA2] = (real)f->betas[1];
    hyper[REST1] = (real)(1 - f->betas[0]);
    hyper[EPS] = (real)MAX(f->eps, LEAST);
}

MOVES move(const int n, size_t i, const movement *to)
{
    const vec step = v_set(to->hyper[STEP]), decay = v_set(to->hyper[DECAY]), beta1 = v_set(to->hyper[BETA1]), beta2 = v_set(to->hyper[BETA2]);
    const vec rest1 = v_set(to->hyper[REST1]), eps = v_set(to->hyper[EPS]), zero = v_set(0);
    real *w = to->w + i, *first = to->state[0] + i, *largest = to->state[1] + i;
    vec d[ABREAST], m[ABREAST], u[ABREAST];
    EACH(k, n) d[k] = v_decayed(decay, v_load(w + k * LANES), v_load(to->g + i + k * LANES));
    EACH(k, n) m[k] = v_flush(v_fma(rest1, d[k], beta1 * v_load(first + k * LANES)));
    EACH(k, n) v_store(first + k * LANES, m[k]);
    EACH(k, n) d[k] = v_greater(d[k], zero, d[k], -d[k]) + eps;
    EACH(k, n) u[k] = beta2 * v_load(largest + k * LANES);
    EACH(k, n) u[k] = v_greater(u[k], d[k], u[k], d[k]);
    EACH(k, n) v_store(largest + k * LANES, u[k]);
    v_quotients(n, m, u);
    EACH(k, n) v_store(w + k * LANES, v_fma(-step, m[k], v_load(w + k * LANES)));
}

static void update(real *w, const real *g, real *const state[MAX_STATES], size_t n, const real *hyper)
{
    const movement m = {w, g, state, hyper};
    MOVE(n, move, &m);
}

static void reference(const void *fields_in, double lr, uint64_t t, size_t n, double *w, const double *g, double *const state[MAX_STATES])
{
    const adamax_fields *f = fields_in;
    const double b1 = f->betas[0], b2 = f->betas[1];
    for (size_t i = 0; i < n; i++) {
        const double d = decayed(&f->all, g[i], w[i]);
        double *m = &state[0][i], *u = &state[1][i];
        *m = b1 * *m + (1 - b1) * d;
        *u = fmax(b2 * *u, fabs(d) + f->eps);
        w[i] -= lr / (1 - pow(b1, (double)t)) * *m / *u;
    }
}

const optim ISA_SYMBOL(optim_adamax) = {
    .name = "adamax",
    .help = "steps scaled by a running average of the gradient and its largest size of late",
    .formula = "g += weight_decay w; m = b1 m + (1 - b1) g; u = max(b2 u, abs(g) + eps); w -= lr / (1 - b1^t) m / u",
    .fields = fields,
    .fields_bytes = sizeof(adamax_fields),
    .cases = cases,
    .state_names = {"exp_avg", "exp_inf"},
    .begin = begin,
    .update = update,
    .reference = reference,
};
