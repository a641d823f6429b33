/* torch.optim.SGD: Sutskever et al., "On the importance of initialization and momentum in deep learning" (2013), in PyTorch's form. */
#include "optim/update.h"

typedef struct sgd_fields {
    optim_fields all;
    double momentum, dampening;
    bool nesterov;
} sgd_fields;

static const field fields[] = {
    FIELD_LR(0.01),
    {"momentum", FIELD_REAL, offsetof(sgd_fields, momentum), FIELD_BELOW_MAX, .min = 0, .max = 1,
     .help = "share of the last step's direction that is kept"},
    {"dampening", FIELD_REAL, offsetof(sgd_fields, dampening), 0, .min = 0, .max = 1, .help = "share of the gradient that momentum leaves out"},
    FIELD_WEIGHT_DECAY(0),
    {"nesterov", FIELD_BOOL, offsetof(sgd_fields, nesterov), 0, .help = "look ahead along the momentum"},
    FIELD_MAXIMIZE, {0},
};

static const char *const cases[] = {"sgd",
                                    "sgd lr=0.1 momentum=0.9",
                                    "sgd 0.05 momentum=0.9 dampening=0.3",
                                    "sgd lr=0.1 weight_decay=0.01",
                                    "sgd lr=0.02 momentum=0.8 nesterov=true",
                                    "sgd lr=0.02 momentum=0.9 nesterov=true weight_decay=0.001",
                                    "sgd lr=0.001 maximize=true",
                                    "sgd lr=0.001 momentum=0.5 weight_decay=0.1 maximize=true",
                                    NULL};

static bool keeps(const void *fields_in, size_t state)
{
    (void)state;
    return ((const sgd_fields *)fields_in)->momentum != 0;
}

static weft_status check(const void *fields_in, where at, weft_error *err)
{
    const sgd_fields *f = fields_in;
    if (f->nesterov && (f->momentum == 0 || f->dampening != 0))
        return fail(err, WEFT_BAD_INPUT, at, "nesterov needs a momentum above 0 and no dampening");
    return WEFT_OK;
}

static bool descends(const void *fields_in)
{
    const sgd_fields *f = fields_in;
    return f->momentum == 0 && f->all.weight_decay == 0;
}

enum { MOMENTUM = OWN, KEEP, TAKE, NESTEROV };

static void begin(const void *fields_in, double lr, uint64_t t, real *hyper)
{
    const sgd_fields *f = fields_in;
    hyper[STEP] = (real)-lr;
    hyper[DECAY] = (real)f->all.weight_decay;
    hyper[MOMENTUM] = (real)f->momentum;
    /* the first step takes the gradient as it is, without dampening */
    hyper[KEEP] = t == 1 ? 0 : (real)f->momentum;
    hyper[TAKE] = t == 1 ? 1 : (real)(1 - f->dampening);
    hyper[NESTEROV] = f->nesterov;
}

static void update(real *w, const real *g, real *const state[MAX_STATES], size_t n, const real *hyper)
{
    const vec step = v_set(hyper[STEP]), decay = v_set(hyper[DECAY]);
    if (!state[0]) {
#pragma GCC unroll 4
        for (size_t i = 0; i < n; i += LANES) {
            const vec before = v_load(w + i);
            v_store(w + i, v_fma(step, v_fma(decay, before, v_load(g + i)), before));
        }
        return;
    }
    const vec momentum = v_set(hyper[MOMENTUM]), keep = v_set(hyper[KEEP]), take = v_set(hyper[TAKE]);
    const bool nesterov = hyper[NESTEROV] != 0;
    for (size_t i = 0; i < n; i += LANES) {
        const vec before = v_load(w + i), d = v_decayed(decay, before, v_load(g + i));
        const vec b = v_flush(v_fma(keep, v_load(state[0] + i), take * d));
        v_store(state[0] + i, b);
        v_store(w + i, v_fma(step, nesterov ? v_fma(momentum, b, d) : b, before));
    }
}

static void reference(const void *fields_in, double lr, uint64_t t, size_t n, double *w, const double *g, double *const state[MAX_STATES])
{
    const sgd_fields *f = fields_in;
    for (size_t i = 0; i < n; i++) {
        double d = decayed(&f->all, g[i], w[i]);
        if (f->momentum != 0) {
            double *b = &state[0][i];
            *b = t == 1 ? d : f->momentum * *b + (1 - f->dampening) * d;
            d = f->nesterov ? d + f->momentum * *b : *b;
        }
        w[i] -= lr * d;
    }
}

const optim ISA_SYMBOL(optim_sgd) = {
    .name = "sgd",
    .help = "stochastic gradient descent",
    .formula = "g += weight_decay w; b = momentum b + (1 - dampening) g (first step: b = g); w -= lr b (nesterov: lr (g + momentum b))",
    .fields = fields,
    .fields_bytes = sizeof(sgd_fields),
    .cases = cases,
    .state_names = {"momentum_buffer"},
    .keeps = keeps,
    .check = check,
    .descends = descends,
    .begin = begin,
    .update = update,
    .reference = reference,
};
