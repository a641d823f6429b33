/* What adam, adamw, nadam and radam share: averages m of the gradient and v of its square, and a step along m / (root sqrt(v) + eps). */
#ifndef MOMENTS_H
#define MOMENTS_H

#include "optim/update.h"

enum { BETA1 = OWN, BETA2, REST1, REST2, ROOT, EPS, AHEAD };

/* Everything but the step, as Adam has it. */
static inline void begin_moments(const optim_fields *f, const double betas[2], double eps, uint64_t t, real *hyper)
{
    hyper[DECAY] = (real)f->weight_decay;
    hyper[BETA1] = (real)betas[0];
    hyper[BETA2] = (real)betas[1];
    hyper[REST1] = (real)(1 - betas[0]);
    hyper[REST2] = (real)(1 - betas[1]);
    hyper[ROOT] = (real)(1 / __builtin_sqrt(1 - power(betas[1], t)));
    hyper[EPS] = (real)eps;
}

/* How an optimizer differs from Adam. */
enum {
    DECOUPLED = 1, /* the decay is not of the gradient, but of the direction */
    LARGEST = 2,   /* amsgrad: the largest v so far, a third state, in the place of v */
    LOOKING = 4,   /* the direction is of g + AHEAD m */
};

MOVES move_by_moments(const int n, size_t i, const unsigned traits, const movement *to)
{
    const real *hyper = to->hyper;
    const vec step = v_set(hyper[STEP]), beta1 = v_set(hyper[BETA1]), beta2 = v_set(hyper[BETA2]), rest1 = v_set(hyper[REST1]);
    const vec rest2 = v_set(hyper[REST2]), root = v_set(hyper[ROOT]), eps = v_set(hyper[EPS]), decay = v_set(hyper[DECAY]);
    const vec least = v_set((real)LEAST), largest = v_set(FLT_MAX);
    real *w = to->w + i, *first = to->state[0] + i, *second = to->state[1] + i;
    vec d[ABREAST], m[ABREAST], v[ABREAST];
    EACH(k, n) d[k] = v_load(to->g + i + k * LANES);
    if (!(traits & DECOUPLED) && hyper[DECAY] != 0)
        EACH(k, n) d[k] = v_decayed(decay, v_load(w + k * LANES), d[k]);
    EACH(k, n) m[k] = v_flush(v_fma(rest1, d[k], beta1 * v_load(first + k * LANES)));
    EACH(k, n) v[k] = v_fma(beta2, v_load(second + k * LANES), v_fma(rest2 * d[k], d[k], least));
    EACH(k, n) v_store(first + k * LANES, m[k]);
    EACH(k, n) v_store(second + k * LANES, v[k]);
    if (traits & LARGEST) {
        real *third = to->state[2] + i;
        EACH(k, n) v[k] = v_greater(v_load(third + k * LANES), v[k], v_load(third + k * LANES), v[k]);
        EACH(k, n) v_store(third + k * LANES, v[k]);
    }
    if (traits & LOOKING)
        EACH(k, n) m[k] = v_fma(v_set(hyper[AHEAD]), m[k], d[k]);
    EACH(k, n) v[k] = v_least(largest, v[k]);
    v_roots(n, v);
    EACH(k, n) v[k] = v_fma(v[k], root, eps);
    v_quotients(n, m, v);
    if (traits & DECOUPLED)
        EACH(k, n) m[k] = v_fma(decay, v_load(w + k * LANES), m[k]);
    EACH(k, n) v_store(w + k * LANES, v_fma(-step, m[k], v_load(w + k * LANES)));
}

/* ---- Adam and AdamW ---- */

typedef struct adam_fields {
    optim_fields all;
    double betas[2], eps;
    bool amsgrad;
} adam_fields;

#define ADAM_STATES {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"}
#define FIELD_AMSGRAD {"amsgrad", FIELD_BOOL, offsetof(adam_fields, amsgrad), 0, .help = "divide by the largest average so far"}

static inline bool adam_keeps(const void *fields_in, size_t state)
{
    const adam_fields *f = fields_in;
    return state < 2 || f->amsgrad;
}

/* One weight, of whose gradient d is what remains. */
static inline void adam_reference(const adam_fields *f, double lr, uint64_t t, double d, size_t i, double *w, double *const state[MAX_STATES])
{
    const double b1 = f->betas[0], b2 = f->betas[1], correct1 = 1 - pow(b1, (double)t), correct2 = 1 - pow(b2, (double)t);
    double *m = &state[0][i], *v = &state[1][i], largest;
    *m = b1 * *m + (1 - b1) * d;
    *v = b2 * *v + (1 - b2) * d * d;
    largest = f->amsgrad ? state[2][i] = fmax(state[2][i], *v) : *v;
    w[i] -= lr / correct1 * *m / (sqrt(largest) / sqrt(correct2) + f->eps);
}

#endif
