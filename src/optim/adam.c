/* torch.optim.Adam: Kingma and Ba, "Adam: A Method for Stochastic Optimization" (2015), Algorithm 1; amsgrad: Reddi, Kale and Kumar, "On the
 * Convergence of Adam and Beyond" (2018), in PyTorch's form: the largest is that of uncorrected averages. */
#include "optim/moments.h"

static const field fields[] = {
    FIELD_LR(0.001), FIELD_BETAS(adam_fields), FIELD_EPS(adam_fields, 1e-8), FIELD_WEIGHT_DECAY(0), FIELD_AMSGRAD, FIELD_MAXIMIZE, {0},
};

static const char *const cases[] = {
    "adam", "adam 0.01", "adam betas=(0.8,0.99)", "adam lr=0.002 weight_decay=0.01", "adam eps=0.0001", "adam lr=0.003 betas=[0,0.9] eps=1e-6",
    "adam amsgrad=true", "adam 0.002 betas=(0.8,0.9) amsgrad=true weight_decay=0.01", "adam weight_decay=0.1 maximize=true", NULL};

static void begin(const void *fields_in, double lr, uint64_t t, real *hyper)
{
    const adam_fields *f = fields_in;
    begin_moments(&f->all, f->betas, f->eps, t, hyper);
    hyper[STEP] = (real)(lr / (1 - power(f->betas[0], t)));
}

static void update(real *w, const real *g, real *const state[MAX_STATES], size_t n, const real *hyper)
{
    const movement m = {w, g, state, hyper};
    if (state[2])
        MOVE(n, move_by_moments, LARGEST, &m);
    else
        MOVE(n, move_by_moments, 0, &m);
}

static void reference(const void *fields_in, double lr, uint64_t t, size_t n, double *w, const double *g, double *const state[MAX_STATES])
{
    const adam_fields *f = fields_in;
    for (size_t i = 0; i < n; i++)
        adam_reference(f, lr, t, decayed(&f->all, g[i], w[i]), i, w, state);
}

const optim ISA_SYMBOL(optim_adam) = {
    .name = "adam",
    .help = "steps scaled by running averages of the gradient and of its square",
    .formula = "g += weight_decay w; m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; "
               "w -= lr / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + eps) (amsgrad: the largest v so far)",
    .fields = fields,
    .fields_bytes = sizeof(adam_fields),
    .cases = cases,
    .state_names = ADAM_STATES,
    .keeps = adam_keeps,
    .begin = begin,
    .update = update,
    .reference = reference,
};
