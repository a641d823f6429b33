/* torch.optim.AdamW: Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019). */
#include "optim/moments.h"

static const field fields[] = {
    FIELD_LR(0.001), FIELD_BETAS(adam_fields), FIELD_EPS(adam_fields, 1e-8), FIELD_WEIGHT_DECAY(0.01), FIELD_AMSGRAD, FIELD_MAXIMIZE, {0},
};

static const char *const cases[] = {"adamw",
                                    "adamw 0.01",
                                    "adamw betas=(0.8,0.99) weight_decay=0",
                                    "adamw lr=0.002 weight_decay=0.1",
                                    "adamw eps=0.0001 weight_decay=1",
                                    "adamw 0.003 amsgrad=true",
                                    "adamw weight_decay=0.5 maximize=true",
                                    NULL};

/* w <- w - lr weight_decay w - step m / ... is w <- w - step (m / ... + lr weight_decay / step w), which rounds w once. */
static void begin(const void *fields_in, double lr, uint64_t t, real *hyper)
{
    const adam_fields *f = fields_in;
    const double correct = 1 - power(f->betas[0], t);
    begin_moments(&f->all, f->betas, f->eps, t, hyper);
    hyper[STEP] = (real)(lr / correct);
    hyper[DECAY] = (real)(f->all.weight_decay * correct);
}

static void update(real *w, const real *g, real *const state[MAX_STATES], size_t n, const real *hyper)
{
    const movement m = {w, g, state, hyper};
    if (state[2])
        MOVE(n, move_by_moments, DECOUPLED | LARGEST, &m);
    else
        MOVE(n, move_by_moments, DECOUPLED, &m);
}

static void reference(const void *fields_in, double lr, uint64_t t, size_t n, double *w, const double *g, double *const state[MAX_STATES])
{
    const adam_fields *f = fields_in;
    for (size_t i = 0; i < n; i++) {
        w[i] *= 1 - lr * f->all.weight_decay;
        adam_reference(f, lr, t, downhill(&f->all, g[i]), i, w, state);
    }
}

const optim ISA_SYMBOL(optim_adamw) = {
    .name = "adamw",
    .help = "adam, with a weight decay that its scaling leaves alone",
    .formula = "w *= 1 - lr weight_decay; m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; "
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
