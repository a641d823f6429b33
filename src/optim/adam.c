/* torch.optim.Adam: Kingma and Ba, "Adam: A Method for Stochastic Optimization" (2015), Algorithm 1. */
#include <float.h>

#include "optim/optim.h"

typedef struct adam_fields {
    double lr, betas[2], eps, weight_decay;
} adam_fields;

static const field fields[] = {
    {"lr", FIELD_REAL, offsetof(adam_fields, lr), FIELD_BARE, .min = 0, .max = 1e9, .value = {0.001}, .help = "learning rate"},
    {"betas", FIELD_PAIR, offsetof(adam_fields, betas), FIELD_BELOW_MAX, .min = 0, .max = 1, .value = {0.9, 0.999},
     .help = "how slowly the averages of gradient and squared gradient forget"},
    {"eps", FIELD_REAL, offsetof(adam_fields, eps), FIELD_ABOVE_MIN, .min = 0, .max = 1, .value = {1e-8},
     .help = "added to the root, against division by zero"},
    {"weight_decay", FIELD_REAL, offsetof(adam_fields, weight_decay), 0, .min = 0, .max = 1e9, .help = "pull of every weight towards zero"},
    {0},
};

static const char *const cases[] = {"adam", "adam 0.01", "adam betas=(0.8,0.99)", "adam lr=0.002 weight_decay=0.01",
                                    "adam eps=0.0001", "adam lr=0.003 betas=[0,0.9] eps=1e-6", NULL};

static size_t n_states(const void *fields_in)
{
    (void)fields_in;
    return 2;
}

enum { STEP, BETA1, BETA2, REST1, REST2, ROOT, EPS, DECAY };

static double power(double base, uint64_t t)
{
    double result = 1;
    for (; t; t >>= 1, base *= base)
        if (t & 1)
            result *= base;
    return result;
}

static void begin(const void *fields_in, double lr, uint64_t t, real *hyper)
{
    const adam_fields *f = fields_in;
    hyper[STEP] = (real)(lr / (1 - power(f->betas[0], t)));
    hyper[BETA1] = (real)f->betas[0];
    hyper[BETA2] = (real)f->betas[1];
    hyper[REST1] = (real)(1 - f->betas[0]);
    hyper[REST2] = (real)(1 - f->betas[1]);
    hyper[ROOT] = (real)(1 / __builtin_sqrt(1 - power(f->betas[1], t)));
    hyper[EPS] = (real)f->eps;
    hyper[DECAY] = (real)f->weight_decay;
}

/* Added to every squared gradient, so that their average stays clear of denormals, and its root of zero: far below what eps, or a squared
 * gradient that counts, would notice. */
#define LEAST 0x1p-120f

/* n vectors, side by side. */
static inline __attribute__((always_inline)) void move(const int n, real *w, const real *g, real *first, real *second, const real *hyper)
{
    const vec step = v_set(hyper[STEP]), beta1 = v_set(hyper[BETA1]), beta2 = v_set(hyper[BETA2]), rest1 = v_set(hyper[REST1]);
    const vec rest2 = v_set(hyper[REST2]), root = v_set(hyper[ROOT]), eps = v_set(hyper[EPS]), decay = v_set(hyper[DECAY]);
    const vec least = v_set(LEAST), largest = v_set(FLT_MAX);
    vec d[ABREAST], m[ABREAST], v[ABREAST];
    EACH(i, n) d[i] = v_fma(decay, v_load(w + i * LANES), v_load(g + i * LANES));
    EACH(i, n) m[i] = v_flush(v_fma(rest1, d[i], beta1 * v_load(first + i * LANES)));
    EACH(i, n) v[i] = v_fma(beta2, v_load(second + i * LANES), v_fma(rest2 * d[i], d[i], least));
    EACH(i, n) v_store(first + i * LANES, m[i]);
    EACH(i, n) v_store(second + i * LANES, v[i]);
    EACH(i, n) v[i] = v_least(largest, v[i]);
    v_roots(n, v);
    EACH(i, n) v[i] = v_fma(v[i], root, eps);
    v_quotients(n, m, v);
    EACH(i, n) v_store(w + i * LANES, v_fma(-step, m[i], v_load(w + i * LANES)));
}

static void update(real *w, const real *g, real *const state[MAX_STATES], size_t n, const real *hyper)
{
    size_t i = 0;
    for (; i + ABREAST * LANES <= n; i += ABREAST * LANES)
        move(ABREAST, w + i, g + i, state[0] + i, state[1] + i, hyper);
    for (; i < n; i += LANES)
        move(1, w + i, g + i, state[0] + i, state[1] + i, hyper);
}

static void reference(const void *fields_in, double lr, uint64_t t, size_t n, double *w, const double *g, double *const state[MAX_STATES])
{
    const adam_fields *f = fields_in;
    const double b1 = f->betas[0], b2 = f->betas[1], correct1 = 1 - pow(b1, (double)t), correct2 = 1 - pow(b2, (double)t);
    for (size_t i = 0; i < n; i++) {
        const double d = g[i] + f->weight_decay * w[i];
        double *m = &state[0][i], *v = &state[1][i];
        *m = b1 * *m + (1 - b1) * d;
        *v = b2 * *v + (1 - b2) * d * d;
        w[i] -= lr / correct1 * *m / (sqrt(*v) / sqrt(correct2) + f->eps);
    }
}

const optim ISA_SYMBOL(optim_adam) = {
    .name = "adam",
    .help = "steps scaled by running averages of the gradient and of its square",
    .formula = "g += weight_decay w; m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; "
               "w -= lr / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + eps)",
    .fields = fields,
    .fields_bytes = sizeof(adam_fields),
    .cases = cases,
    .state_names = {"exp_avg", "exp_avg_sq"},
    .n_states = n_states,
    .begin = begin,
    .update = update,
    .reference = reference,
};
