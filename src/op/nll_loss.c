/* loss = -weight[label] x[label], where x are log-probabilities */
#include "op/loss.h"

typedef struct nll_fields {
    class_fields of;
} nll_fields;

static const field fields[] = {CLASS_FIELDS(nll_fields), {0}};

static const op_case cases[] = {{"nll_loss", 2}, {"nll_loss", 100}, {"nll_loss weight=[0.5, 2, 0, 1, 1.5, 0.25, 3]", 7},
                                {"nll_loss ignore_index=1", 10},
                                {"nll_loss weight=[0.5, 2, 0, 1, 1.5, 0.25, 3] ignore_index=1 reduction=sum", 7}, {0}};

static void run(const call *c, size_t begin, size_t end)
{
    const operand *x = &c->in[0], *dx = &c->out[1];
    const real divisor = (real)loss_weight(c);
    for (size_t r = begin; r < end; r++) {
        const int32_t label = (*c->source)->labels[loss_sample(*c->source, r)];
        const real weight = (real)class_weight_of(c->fields, label);
        clear_row(dx, r);
        *panel_row(&c->out[0], 0, r) = 0;
        if (weight == 0)
            continue;
        *element(dx, r, (size_t)label) = -weight / divisor;
        *panel_row(&c->out[0], 0, r) = -weight * *element(x, r, (size_t)label);
    }
}

static double reference_loss(const double *x, size_t C, const target *t, const void *fields_in, double *dx)
{
    const double weight = class_weight_of(fields_in, t->label);
    for (size_t i = 0; i < C; i++)
        dx[i] = (int32_t)i == t->label ? -weight : 0;
    return weight > 0 ? -weight * x[t->label] : 0;
}

const op ISA_SYMBOL(op_nll_loss) = {
    .name = "nll_loss",
    .kind = OP_LOSS,
    .help = "how surprised the model is by the right class; takes log-probabilities, as log_softmax gives them",
    .formula = "loss = -weight[label] x[label], the sum over the batch divided by that of weight[label]",
    .fields = fields,
    .fields_bytes = sizeof(nll_fields),
    .cases = cases,
    .targets = TARGET_CLASS,
    .weight_of = class_weight_of,
    .ignored = class_ignored,
    .fits = class_fits,
    .loss = {"nll_loss", loss_tiles, run, NULL},
    .reference_loss = reference_loss,
};
