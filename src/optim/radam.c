/* torch.optim.RAdam: Liu et al., "On the Variance of the Adaptive Learning Rate and Beyond" (2020). */
#include "optim/moments.h"

typedef struct radam_fields {
    optim_fields all;
    double betas[2], eps;
} radam_fields;

static const field fields[] = {
    FIELD_LR(0.001), FIELD_BETAS(radam_fields), FIELD_EPS(radam_fields, 1e-8), FIELD_WEIGHT_DECAY(0), FIELD_MAXIMIZE, {0},
};

static const char *const cases[] = {"radam",
                                    "radam 0.01",
                                    "radam betas=(0.8,0.99)",
                                    "radam lr=0.002 weight_decay=0.01",
                                    "radam eps=0.0001 betas=(0.9,0.9)",
                                    "radam 0.0005 betas=(0,0.5)",
                                    "radam betas=(0.9,0.99) weight_decay=0.1 maximize=true",
                                    NULL};

/* How much of Adam's scaling the squares of t steps are good for: 0 where they are too few. kept: betas[1]^t. */
static double rectification(const radam_fields *f, uint64_t t, double kept)
{
    const double most = 2 / (1 - f->betas[1]) - 1, rho = most - 2 * (double)t * kept / (1 - kept);
    return rho > 5 ? __builtin_sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho)) : 0;
}

static void begin(const void *fields_in, double lr, uint64_t t, real *hyper)
{
    const radam_fields *f = fields_in;
    const double kept = power(f->betas[1], t), rectify = rectification(f, t, kept), correct = 1 - power(f->betas[0], t);
    begin_moments(&f->all, f->betas, f->eps, t, hyper);
    hyper[STEP] = (real)(lr / correct * (rectify > 0 ? rectify * __builtin_sqrt(1 - kept) : 1));
    hyper[ROOT] = rectify > 0 ? 1 : 0; /* eps belongs to the root before its correction; and without a root, what is divided by is 1 */
    hyper[EPS] = rectify > 0 ? (real)f->eps : 1;
}

static void update(real *w, const real *g, real *const state[MAX_STATES], size_t n, const real *hyper)
{
    const movement m = {w, g, state, hyper};
    MOVE(n, move_by_moments, 0, &m);
}

static void reference(const void *fields_in, double lr, uint64_t t, size_t n, double *w, const double *g, double *const state[MAX_STATES])
{
    const radam_fields *f = fields_in;
    const double b1 = f->betas[0], b2 = f->betas[1], correct1 = 1 - pow(b1, (double)t), correct2 = 1 - pow(b2, (double)t);
    /* of early steps it makes a thousand roundings of one of the power's: the same power as in begin, so that it is the same number */
    const double rectify = rectification(f, t, power(b2, t));
    for (size_t i = 0; i < n; i++) {
        const double d = decayed(&f->all, g[i], w[i]);
        double *m = &state[0][i], *v = &state[1][i];
        *m = b1 * *m + (1 - b1) * d;
        *v = b2 * *v + (1 - b2) * d * d;
        w[i] -= lr * *m / correct1 * (rectify > 0 ? rectify * sqrt(correct2) / (sqrt(*v) + f->eps) : 1);
    }
}

const optim ISA_SYMBOL(optim_radam) = {
    .name = "radam",
    .help = "adam that scales its steps only as far as it has seen enough of them",
    .formula = "g += weight_decay w; m, v as adam; n = 2 / (1 - b2) - 1; p = n - 2 t b2^t / (1 - b2^t); "
               "p > 5: w -= lr m / (1 - b1^t) sqrt((p - 4) (p - 2) n / ((n - 4) (n - 2) p)) sqrt(1 - b2^t) / (sqrt(v) + eps), "
               "else w -= lr m / (1 - b1^t)",
    .fields = fields,
    .fields_bytes = sizeof(radam_fields),
    .cases = cases,
    .state_names = {"exp_avg", "exp_avg_sq"},
    .begin = begin,
    .update = update,
    .reference = reference,
};
