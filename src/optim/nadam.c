/* torch.optim.NAdam: Dozat, "Incorporating Nesterov Momentum into Adam" (2016). */
#include "optim/moments.h"

typedef struct nadam_fields {
    optim_fields all;
    double betas[2], eps, momentum_decay;
} nadam_fields;

static const field fields[] = {
    FIELD_LR(0.002), FIELD_BETAS(nadam_fields), FIELD_EPS(nadam_fields, 1e-8), FIELD_WEIGHT_DECAY(0),
    {"momentum_decay", FIELD_REAL, offsetof(nadam_fields, momentum_decay), 0, .min = 0, .max = 1e9, .value = {0.004},
     .help = "how fast the momentum grows from half of the first beta to all of it"},
    FIELD_MAXIMIZE, {0},
};

static const char *const cases[] = {"nadam",
                                    "nadam 0.01",
                                    "nadam betas=(0.8,0.99)",
                                    "nadam lr=0.001 weight_decay=0.01",
                                    "nadam 0.005 momentum_decay=0.1",
                                    "nadam betas=(0,0.9) eps=0.0001 momentum_decay=0",
                                    "nadam betas=(0.99,0.999) weight_decay=0.01 maximize=true",
                                    NULL};

/* Of step t, where base is 0.96^momentum_decay. */
static double momentum(const nadam_fields *f, double base, uint64_t t) { return f->betas[0] * (1 - 0.5 * power(base, t)); }

/* Of steps 1 to t, as far as 1 minus it would notice. */
static double product(const nadam_fields *f, double base, uint64_t t)
{
    double all = 1, fallen = 1;
    for (uint64_t s = 1; s <= t && all > 0x1p-60; s++) {
        fallen *= base;
        all *= f->betas[0] * (1 - 0.5 * fallen);
    }
    return all;
}

static void begin(const void *fields_in, double lr, uint64_t t, real *hyper)
{
    const nadam_fields *f = fields_in;
    const double base = Sleef_cinz_powd1_u10purec(0.96, f->momentum_decay);
    const double now = momentum(f, base, t), next = momentum(f, base, t + 1), all = product(f, base, t);
    const double of_gradient = (1 - now) / (1 - all), of_average = next / (1 - all * next);
    begin_moments(&f->all, f->betas, f->eps, t, hyper);
    hyper[STEP] = (real)(lr * of_gradient);
    hyper[AHEAD] = (real)(of_average / of_gradient);
}

static void update(real *w, const real *g, real *const state[MAX_STATES], size_t n, const real *hyper)
{
    const movement m = {w, g, state, hyper};
    MOVE(n, move_by_moments, LOOKING, &m);
}

static void reference(const void *fields_in, double lr, uint64_t t, size_t n, double *w, const double *g, double *const state[MAX_STATES])
{
    const nadam_fields *f = fields_in;
    const double b1 = f->betas[0], b2 = f->betas[1];
    double now = 0, all = 1;
    for (uint64_t s = 1; s <= t; s++) {
        now = b1 * (1 - 0.5 * pow(0.96, (double)s * f->momentum_decay));
        all *= now;
    }
    const double next = b1 * (1 - 0.5 * pow(0.96, (double)(t + 1) * f->momentum_decay));
    for (size_t i = 0; i < n; i++) {
        const double d = decayed(&f->all, g[i], w[i]);
        double *m = &state[0][i], *v = &state[1][i];
        *m = b1 * *m + (1 - b1) * d;
        *v = b2 * *v + (1 - b2) * d * d;
        const double root = sqrt(*v / (1 - pow(b2, (double)t))) + f->eps;
        w[i] -= lr * (1 - now) / (1 - all) * d / root + lr * next / (1 - all * next) * *m / root;
    }
}

const optim ISA_SYMBOL(optim_nadam) = {
    .name = "nadam",
    .help = "adam that looks ahead along its momentum",
    .formula = "g += weight_decay w; mu_t = b1 (1 - 0.96^(t momentum_decay) / 2); P = mu_1 ... mu_t; m, v as adam; "
               "w -= lr ((1 - mu_t) / (1 - P) g + mu_(t+1) / (1 - P mu_(t+1)) m) / (sqrt(v / (1 - b2^t)) + eps)",
    .fields = fields,
    .fields_bytes = sizeof(nadam_fields),
    .cases = cases,
    .state_names = {"exp_avg", "exp_avg_sq"},
    .begin = begin,
    .update = update,
    .reference = reference,
};
