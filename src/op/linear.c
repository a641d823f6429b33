/* y = x W^T + b */
#include <math.h>

#include "op/op.h"

typedef struct linear_fields {
    size_t out_features;
    bool bias;
} linear_fields;

static const field fields[] = {
    {"out_features", FIELD_SIZE, offsetof(linear_fields, out_features), FIELD_REQUIRED | FIELD_BARE, .min = 1, .max = 1 << 24,
     .help = "numbers that come out"},
    {"bias", FIELD_BOOL, offsetof(linear_fields, bias), 0, .value = {1}, .help = "whether a learned number is added to each output"},
    {0},
};

static const op_case cases[] = {
    {"linear 10", 784}, {"linear 1", 1},   {"linear 5", 3},           {"linear 16", 16},
    {"linear 49", 17},  {"linear 97", 65}, {"linear 40 bias=false", 7}, {0},
};

static const linear_fields *of(const node *n) { return n->fields; }

static weft_status infer(node *n, weft_error *err)
{
    const linear_fields *f = of(n);
    size_t numbers;
    if (!checked_mul(n->in, f->out_features, &numbers) || numbers > (size_t)1 << 40)
        return fail(err, WEFT_BAD_INPUT, n->at, "a linear layer from %zu to %zu numbers has too many weights", n->in, f->out_features);
    /* kaiming_uniform(a = sqrt 5) is this bound; the bias has the same (torch.nn.Linear.reset_parameters) */
    const float bound = (float)(1 / sqrt((double)n->in));
    n->out = f->out_features;
    n->params[n->n_params++] = (param){"weight", {2, {n->out, n->in}}, -bound, bound};
    if (f->bias)
        n->params[n->n_params++] = (param){"bias", {1, {n->out}}, -bound, bound};
    n->block = (operand){NULL, n->in + f->bias, n->out, panel_width(n->out)};
    n->block_numbers = panel_numbers(n->in + f->bias, n->out);
    n->weight_rows = n->in;
    return WEFT_OK;
}

static void pack_params(const node *n, const float *const params[], real *block)
{
    pack(n->in, n->out, params[0], of(n)->bias ? params[1] : NULL, block);
}

static void unpack_params(const node *n, const real *block, float *const params[])
{
    unpack(n->in, n->out, block, params[0], of(n)->bias ? params[1] : NULL);
}

static value *forward(builder *b, const node *n, value *x)
{
    value *left = builder_in_form(b, x, b->k->takes.x);
    step *s = builder_step(b, "linear", &b->k->product, n);
    s->in[0] = left;
    s->in[1] = builder_weights(b, n);
    return s->out[0] = builder_value(b, VALUE_FORWARD, "y", n, n->out);
}

static value *backward(builder *b, const node *n, value *x, value *dy, bool wanted)
{
    value *dx = NULL, *dx_dy = wanted ? builder_in_form(b, dy, b->k->takes.dx_dy) : NULL;
    value *dw_x = builder_in_form(b, x, b->k->takes.dw_x), *dw_dy = builder_in_form(b, dy, b->k->takes.dw_dy);
    if (wanted) { /* before the weights move */
        step *s = builder_step(b, "linear dx", &b->k->product_dx, n);
        s->in[0] = dx_dy;
        s->in[1] = builder_weights(b, n);
        dx = s->out[0] = builder_value(b, VALUE_GRADIENT, "dx", n, n->in);
    }
    step *s = builder_step(b, "linear dw", &b->k->product_dw, n);
    s->in[0] = dw_x;
    s->in[1] = dw_dy;
    s->out[0] = builder_gradient(b, n);
    return dx;
}

static void reference(const node *n, size_t B, const double *x, const double *const params[], double *y)
{
    for (size_t b = 0; b < B; b++)
        for (size_t o = 0; o < n->out; o++) {
            double sum = of(n)->bias ? params[1][o] : 0;
            for (size_t i = 0; i < n->in; i++)
                sum += x[b * n->in + i] * params[0][o * n->in + i];
            y[b * n->out + o] = sum;
        }
}

static void reference_grad(const node *n, size_t B, const double *x, const double *const params[], const double *dy,
                           double *dx, double *const dparams[])
{
    for (size_t b = 0; b < B; b++)
        for (size_t o = 0; o < n->out; o++) {
            const double d = dy[b * n->out + o];
            for (size_t i = 0; i < n->in; i++) {
                dx[b * n->in + i] += d * params[0][o * n->in + i];
                dparams[0][o * n->in + i] += d * x[b * n->in + i];
            }
            if (of(n)->bias)
                dparams[1][o] += d;
        }
}

const op ISA_SYMBOL(op_linear) = {
    .name = "linear",
    .kind = OP_LAYER,
    .help = "every output is a weighted sum of all inputs",
    .formula = "y = x W^T + b",
    .fields = fields,
    .fields_bytes = sizeof(linear_fields),
    .cases = cases,
    .infer = infer,
    .pack = pack_params,
    .unpack = unpack_params,
    .forward = forward,
    .backward = backward,
    .reference = reference,
    .reference_grad = reference_grad,
};
