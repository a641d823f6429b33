/* torch.optim.RMSprop: Hinton, "Neural Networks for Machine Learning", lecture 6a (2012); centered: Graves, "Generating Sequences With
 * Recurrent Neural Networks" (2013); eps is outside the root, as PyTorch has it. */
#include "optim/update.h"

typedef struct rmsprop_fields {
    optim_fields all;
    double alpha, eps, momentum;
    bool centered;
} rmsprop_fields;

static const field fields[] = {
    FIELD_LR(0.01),
    {"alpha", FIELD_REAL, offsetof(rmsprop_fields, alpha), FIELD_BELOW_MAX, .min = 0, .max = 1, .value = {0.99},
     .help = "how slowly the average of squared gradients forgets"},
    FIELD_EPS(rmsprop_fields, 1e-8), FIELD_WEIGHT_DECAY(0),
    {"momentum", FIELD_REAL, offsetof(rmsprop_fields, momentum), FIELD_BELOW_MAX, .min = 0, .max = 1,
     .help = "share of the last step's direction that is kept"},
    {"centered", FIELD_BOOL, offsetof(rmsprop_fields, centered), 0, .help = "divide by the gradient's deviation instead of its size"},
    FIELD_MAXIMIZE, {0},
};

static const char *const cases[] = {"rmsprop",
                                    "rmsprop 0.0005 momentum=0.9",
                                    "rmsprop 0.002 alpha=0.9 centered=true",
                                    "rmsprop 0.001 centered=true momentum=0.8",
                                    "rmsprop 0.002 weight_decay=0.01 eps=0.001",
                                    "rmsprop alpha=0.8 eps=0.01",
                                    "rmsprop 0.001 momentum=0.5 weight_decay=0.1 eps=0.01 maximize=true",
                                    NULL};

enum { SQUARES, BUFFER, AVERAGE };

static bool keeps(const void *fields_in, size_t state)
{
    const rmsprop_fields *f = fields_in;
    return state == SQUARES || (state == BUFFER ? f->momentum != 0 : f->centered);
}

enum { ALPHA = OWN, REST, EPS, MOMENTUM };

static void begin(const void *fields_in, double lr, uint64_t t, real *hyper)
{
    const rmsprop_fields *f = fields_in;
    (void)t;
    hyper[STEP] = (real)lr;
    hyper[DECAY] = (real)f->all.weight_decay;
    hyper[ALPHA] = (real)f->alpha;
    hyper[REST] = (real)(1 - f->alpha);
    hyper[EPS] = (real)f->eps;
    hyper[MOMENTUM] = (real)f->momentum;
}

/* v becomes v - q^2, which rounding must not take below zero. */
MOVES center(const int n, real *average, const movement *to, const vec *d, vec *v)
{
    const vec alpha = v_set(to->hyper[ALPHA]), rest = v_set(to->hyper[REST]), zero = v_set(0);
    vec q[ABREAST];
    EACH(k, n) q[k] = v_flush(v_fma(rest, d[k], alpha * v_load(average + k * LANES)));
    EACH(k, n) v_store(average + k * LANES, q[k]);
    EACH(k, n) v[k] = v_fma(-q[k], q[k], v[k]);
    EACH(k, n) v[k] = v_greater(v[k], zero, v[k], zero);
}

MOVES gather(const int n, real *buffer, const movement *to, vec *d)
{
    const vec momentum = v_set(to->hyper[MOMENTUM]);
    EACH(k, n) d[k] = v_flush(v_fma(momentum, v_load(buffer + k * LANES), d[k]));
    EACH(k, n) v_store(buffer + k * LANES, d[k]);
}

MOVES move(const int n, size_t i, const bool centered, const bool gathers, const movement *to)
{
    const vec step = v_set(to->hyper[STEP]), decay = v_set(to->hyper[DECAY]), alpha = v_set(to->hyper[ALPHA]), rest = v_set(to->hyper[REST]);
    const vec eps = v_set(to->hyper[EPS]), least = v_set((real)LEAST), largest = v_set(FLT_MAX);
    real *w = to->w + i, *squares = to->state[SQUARES] + i;
    vec d[ABREAST], v[ABREAST];
    EACH(k, n) d[k] = v_decayed(decay, v_load(w + k * LANES), v_load(to->g + i + k * LANES));
    EACH(k, n) v[k] = v_fma(alpha, v_load(squares + k * LANES), v_fma(rest * d[k], d[k], least));
    EACH(k, n) v_store(squares + k * LANES, v[k]);
    if (centered)
        center(n, to->state[AVERAGE] + i, to, d, v);
    EACH(k, n) v[k] = v_least(largest, v[k]);
    v_roots(n, v);
    EACH(k, n) v[k] += eps;
    v_quotients(n, d, v);
    if (gathers)
        gather(n, to->state[BUFFER] + i, to, d);
    EACH(k, n) v_store(w + k * LANES, v_fma(-step, d[k], v_load(w + k * LANES)));
}

static void update(real *w, const real *g, real *const state[MAX_STATES], size_t n, const real *hyper)
{
    const movement m = {w, g, state, hyper};
    if (state[AVERAGE] && state[BUFFER])
        MOVE(n, move, true, true, &m);
    else if (state[AVERAGE])
        MOVE(n, move, true, false, &m);
    else if (state[BUFFER])
        MOVE(n, move, false, true, &m);
    else
        MOVE(n, move, false, false, &m);
}

static void reference(const void *fields_in, double lr, uint64_t t, size_t n, double *w, const double *g, double *const state[MAX_STATES])
{
    const rmsprop_fields *f = fields_in;
    (void)t;
    for (size_t i = 0; i < n; i++) {
        const double d = decayed(&f->all, g[i], w[i]);
        double *v = &state[SQUARES][i], *b = &state[BUFFER][i], *q = &state[AVERAGE][i];
        *v = f->alpha * *v + (1 - f->alpha) * d * d;
        *q = f->centered ? f->alpha * *q + (1 - f->alpha) * d : 0;
        const double scaled = d / (sqrt(fmax(*v - *q * *q, 0)) + f->eps);
        *b = f->momentum * *b + scaled;
        w[i] -= lr * *b;
    }
}

const optim ISA_SYMBOL(optim_rmsprop) = {
    .name = "rmsprop",
    .help = "steps scaled by a running average of the squared gradient",
    .formula = "g += weight_decay w; v = alpha v + (1 - alpha) g^2; q = alpha q + (1 - alpha) g (centered; else q = 0); "
               "b = momentum b + g / (sqrt(max(v - q^2, 0)) + eps); w -= lr b",
    .fields = fields,
    .fields_bytes = sizeof(rmsprop_fields),
    .cases = cases,
    .state_names = {[SQUARES] = "square_avg", [BUFFER] = "momentum_buffer", [AVERAGE] = "grad_avg"},
    .keeps = keeps,
    .begin = begin,
    .update = update,
    .reference = reference,
};
