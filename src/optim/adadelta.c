/* torch.optim.Adadelta: Zeiler, "ADADELTA: An Adaptive Learning Rate Method" (2012). */
#include "optim/update.h"

typedef struct adadelta_fields {
    optim_fields all;
    double rho, eps;
} adadelta_fields;

static const field fields[] = {
    FIELD_LR(1),
    {"rho", FIELD_REAL, offsetof(adadelta_fields, rho), FIELD_BELOW_MAX, .min = 0, .max = 1, .value = {0.9},
     .help = "how slowly the averages of squared gradients and steps forget"},
    FIELD_EPS(adadelta_fields, 1e-6), FIELD_WEIGHT_DECAY(0), FIELD_MAXIMIZE, {0},
};

static const char *const cases[] = {"adadelta",
                                    "adadelta 0.5",
                                    "adadelta rho=0.95",
                                    "adadelta eps=0.0001",
                                    "adadelta weight_decay=0.01",
                                    "adadelta 2 rho=0.5 eps=1e-8",
                                    "adadelta 0.5 weight_decay=0.1 maximize=true",
                                    NULL};

enum { RHO = OWN, REST, EPS };

static void begin(const void *fields_in, double lr, uint64_t t, real *hyper)
{
    const adadelta_fields *f = fields_in;
    (void)t;
    hyper[STEP] = (real)lr;
    hyper[DECAY] = (real)f->all.weight_decay;
    hyper[RHO] = (real)f->rho;
    hyper[REST] = (real)(1 - f->rho);
    hyper[EPS] = (real)f->eps;
}

/* The quotient of two roots is the root of a quotient. */
MOVES move(const int n, size_t i, const movement *to)
{
    const vec step = v_set(to->hyper[STEP]), decay = v_set(to->hyper[DECAY]), rho = v_set(to->hyper[RHO]), rest = v_set(to->hyper[REST]);
    const vec eps = v_set(to->hyper[EPS]), least = v_set((real)LEAST), largest = v_set((real)0x1p125);
    real *w = to->w + i, *squares = to->state[0] + i, *moved = to->state[1] + i;
    vec d[ABREAST], v[ABREAST], u[ABREAST];
    EACH(k, n) d[k] = v_decayed(decay, v_load(w + k * LANES), v_load(to->g + i + k * LANES));
    EACH(k, n) v[k] = v_fma(rho, v_load(squares + k * LANES), v_fma(rest * d[k], d[k], least));
    EACH(k, n) v_store(squares + k * LANES, v[k]);
    EACH(k, n) v[k] = v_least(largest, v[k] + eps);
    EACH(k, n) u[k] = v_load(moved + k * LANES) + eps;
    v_quotients(n, u, v);
    v_roots(n, u);
    EACH(k, n) d[k] *= u[k];
    EACH(k, n) v_store(moved + k * LANES, v_fma(rho, v_load(moved + k * LANES), v_fma(rest * d[k], d[k], least)));
    EACH(k, n) v_store(w + k * LANES, v_fma(-step, d[k], v_load(w + k * LANES)));
}

static void update(real *w, const real *g, real *const state[MAX_STATES], size_t n, const real *hyper)
{
    const movement m = {w, g, state, hyper};
    MOVE(n, move, &m);
}

static void reference(const void *fields_in, double lr, uint64_t t, size_t n, double *w, const double *g, double *const state[MAX_STATES])
{
    const adadelta_fields *f = fields_in;
    (void)t;
    for (size_t i = 0; i < n; i++) {
        const double d = decayed(&f->all, g[i], w[i]);
        double *v = &state[0][i], *u = &state[1][i];
        *v = f->rho * *v + (1 - f->rho) * d * d;
        const double moved = sqrt(*u + f->eps) / sqrt(*v + f->eps) * d;
        *u = f->rho * *u + (1 - f->rho) * moved * moved;
        w[i] -= lr * moved;
    }
}

const optim ISA_SYMBOL(optim_adadelta) = {
    .name = "adadelta",
    .help = "steps as long as those before, scaled by running averages of squares",
    .formula = "g += weight_decay w; v = rho v + (1 - rho) g^2; d = sqrt(u + eps) / sqrt(v + eps) g; u = rho u + (1 - rho) d^2; w -= lr d",
    .fields = fields,
    .fields_bytes = sizeof(adadelta_fields),
    .cases = cases,
    .state_names = {"square_avg", "acc_delta"},
    .begin = begin,
    .update = update,
    .reference = reference,
};
