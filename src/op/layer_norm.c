/* y = (x - mean) / sqrt(var + eps) weight + bias, mean and variance over a sample's numbers: Ba, Kiros and Hinton, "Layer Normalization"
 * (2016), as torch.nn.LayerNorm has it. */
#include "op/op.h"

typedef struct layer_norm_fields {
    double eps;
    bool elementwise_affine;
} layer_norm_fields;

static const field fields[] = {
    {"eps", FIELD_REAL, offsetof(layer_norm_fields, eps), FIELD_ABOVE_MIN, .min = 0, .max = 1, .value = {1e-5},
     .help = "added to the variance, against division by zero"},
    {"elementwise_affine", FIELD_BOOL, offsetof(layer_norm_fields, elementwise_affine), 0, .value = {1},
     .help = "whether each number has a learned weight and bias"},
    {0},
};

static const op_case cases[] = {{"layer_norm", 7}, {"layer_norm", 1}, {"layer_norm eps=0.1", 48}, {"layer_norm elementwise_affine=false", 65},
                                {0}};

static const layer_norm_fields *of(const node *n) { return n->fields; }

enum { WEIGHT, BIAS, N_ROWS };          /* of the parameters */
enum { MEAN, SCALE, N_STATISTICS };     /* of a sample; SCALE: 1 / sqrt(variance + eps) */

static weft_status infer(node *n, weft_error *err)
{
    (void)err;
    const shape all = {1, {n->in}};
    n->out = n->in;
    if (!of(n)->elementwise_affine)
        return WEFT_OK;
    n->params[n->n_params++] = (param){"weight", all, 1, 1};
    n->params[n->n_params++] = (param){"bias", all, 0, 0};
    n->block = (operand){NULL, N_ROWS, n->in, panel_width(n->in)};
    n->block_numbers = operand_numbers(&n->block);
    return WEFT_OK;
}

/* ---- Kernels ---- */

/* A row is summed in MIN_WIDTH parts, each of every MIN_WIDTH-th number, and the parts one after the other: on every instruction set. */
typedef struct parts {
    real of[MIN_WIDTH];
} parts;

static real total(const parts *p)
{
    real sum = 0;
    for (size_t i = 0; i < MIN_WIDTH; i++)
        sum += p->of[i];
    return sum;
}

/* A group of a row's columns; zeros in the place of padding. */
static void load_group(const operand *o, size_t row, size_t group, real *to)
{
    const real *from = column_group(o, group) + row * o->width;
    for (size_t i = 0; i < MIN_WIDTH; i++)
        to[i] = from[i];
    for (size_t i = MIN(group_cols(o, group), (size_t)MIN_WIDTH); i < MIN_WIDTH; i++)
        to[i] = 0;
}

static size_t full_groups(const operand *o) { return (o->cols + MIN_WIDTH - 1) / MIN_WIDTH; }

static void statistics(const call *c, size_t row, real *mean, real *scale)
{
    const layer_norm_fields *f = c->fields;
    const operand *x = &c->in[0];
    parts sum = {0}, squares = {0};
    real v[MIN_WIDTH];
    for (size_t g = 0; g < full_groups(x); g++) {
        load_group(x, row, g, v);
        for (size_t i = 0; i < MIN_WIDTH; i++)
            sum.of[i] += v[i];
    }
    *mean = total(&sum) / (real)x->cols;
    for (size_t g = 0; g < full_groups(x); g++) {
        load_group(x, row, g, v);
        for (size_t i = 0; i < MIN(group_cols(x, g), (size_t)MIN_WIDTH); i++)
            squares.of[i] = s_fma(v[i] - *mean, v[i] - *mean, squares.of[i]);
    }
    *scale = 1 / s_sqrt(total(&squares) / (real)x->cols + (real)f->eps);
}

/* The weights or biases of a group of columns. */
static void load_weights(const operand *w, size_t which, size_t group, real usual, real *to)
{
    if (w->data)
        load_group(w, which, group, to);
    else
        for (size_t i = 0; i < MIN_WIDTH; i++)
            to[i] = usual;
}

static size_t rows(const call *c) { return c->in[0].rows; }

/* in: x, weights; out: y, statistics */
static void forward_run(const call *c, size_t begin, size_t end)
{
    const operand *x = &c->in[0], *y = &c->out[0];
    real v[MIN_WIDTH], weight[MIN_WIDTH], bias[MIN_WIDTH];
    for (size_t r = begin; r < end; r++) {
        real mean, scale;
        statistics(c, r, &mean, &scale);
        if (c->out[1].data) {
            *element(&c->out[1], r, MEAN) = mean;
            *element(&c->out[1], r, SCALE) = scale;
        }
        for (size_t g = 0; g < full_groups(x); g++) {
            load_group(x, r, g, v);
            load_weights(&c->in[1], WEIGHT, g, 1, weight);
            load_weights(&c->in[1], BIAS, g, 0, bias);
            for (size_t i = 0; i < MIN_WIDTH; i++)
                column_group(y, g)[r * y->width + i] = s_fma((v[i] - mean) * scale, weight[i], bias[i]);
        }
    }
}

/* Of a group: dy times the weight, and the normalised x; both 0 in the padding. */
static void load_gradient(const call *c, size_t row, size_t group, real *dy, real *xhat)
{
    const operand *x = &c->in[1], *s = &c->in[3];
    const real mean = *element(s, row, MEAN), scale = *element(s, row, SCALE);
    real weight[MIN_WIDTH];
    load_group(&c->in[0], row, group, dy);
    load_group(x, row, group, xhat);
    load_weights(&c->in[2], WEIGHT, group, 1, weight);
    for (size_t i = 0; i < MIN_WIDTH; i++) {
        dy[i] *= weight[i];
        xhat[i] = (xhat[i] - mean) * scale;
    }
}

/* in: dy, x, weights, statistics; out: dx = scale (g - mean of g - xhat mean of (g xhat)), where g = dy weight */
static void backward_run(const call *c, size_t begin, size_t end)
{
    const operand *dx = &c->out[0], *s = &c->in[3];
    const real n = (real)dx->cols;
    real g[MIN_WIDTH], xhat[MIN_WIDTH];
    for (size_t r = begin; r < end; r++) {
        parts sum = {0}, product = {0};
        for (size_t group = 0; group < full_groups(dx); group++) {
            load_gradient(c, r, group, g, xhat);
            for (size_t i = 0; i < MIN_WIDTH; i++) {
                sum.of[i] += g[i];
                product.of[i] = s_fma(g[i], xhat[i], product.of[i]);
            }
        }
        const real mean = total(&sum) / n, slope = total(&product) / n, scale = *element(s, r, SCALE);
        for (size_t group = 0; group < column_groups(dx); group++) {
            load_gradient(c, r, group, g, xhat);
            for (size_t i = 0; i < MIN_WIDTH; i++)
                column_group(dx, group)[r * dx->width + i] = i < group_cols(dx, group) ? scale * s_fma(-xhat[i], slope, g[i] - mean) : 0;
        }
    }
}

static size_t groups(const call *c) { return column_groups(&c->in[0]); }

/* in: dy, x, none, statistics; out: the gradient of the parameters, the sums over the batch of dy xhat and of dy */
static void weights_run(const call *c, size_t begin, size_t end)
{
    const operand *dw = &c->out[0];
    real dy[MIN_WIDTH], xhat[MIN_WIDTH];
    for (size_t group = begin; group < end; group++) {
        parts weight = {0}, bias = {0};
        for (size_t r = 0; r < c->in[0].rows; r++) {
            load_gradient(c, r, group, dy, xhat);
            for (size_t i = 0; i < MIN_WIDTH; i++) {
                weight.of[i] = s_fma(dy[i], xhat[i], weight.of[i]);
                bias.of[i] += dy[i];
            }
        }
        for (size_t i = 0; i < MIN_WIDTH; i++) {
            column_group(dw, group)[WEIGHT * dw->width + i] = weight.of[i];
            column_group(dw, group)[BIAS * dw->width + i] = bias.of[i];
        }
    }
}

static const kernel forward_kernel = {"layer_norm", rows, forward_run, NULL}, backward_kernel = {"layer_norm_dx", rows, backward_run, NULL},
                    weights_kernel = {"layer_norm_dw", groups, weights_run, NULL};

/* ---- Steps ---- */

static value *forward(builder *b, const node *n, value *x)
{
    step *s = builder_step(b, "layer_norm", &forward_kernel, n);
    s->in[0] = x;
    s->in[1] = n->block_numbers ? builder_weights(b, n) : NULL;
    s->out[0] = builder_value(b, VALUE_FORWARD, "y", n, n->out);
    if (b->training)
        s->out[1] = builder_keep(b, n, builder_value(b, VALUE_FORWARD, "statistics", n, N_STATISTICS));
    return s->out[0];
}

static value *backward(builder *b, const node *n, value *x, value *dy, bool wanted)
{
    value *dx = NULL;
    for (int weights = 0; weights < 2; weights++) {
        if (weights ? !n->block_numbers : !wanted)
            continue;
        step *s = builder_step(b, weights ? "layer_norm dw" : "layer_norm dx", weights ? &weights_kernel : &backward_kernel, n);
        s->in[0] = dy;
        s->in[1] = x;
        s->in[2] = !weights && n->block_numbers ? builder_weights(b, n) : NULL;
        s->in[3] = builder_kept(b, n);
        s->out[0] = weights ? builder_gradient(b, n) : (dx = builder_value(b, VALUE_GRADIENT, "dx", n, n->in));
    }
    return dx;
}

/* ---- In double ---- */

static void row_of(const node *n, const double *x, double *mean, double *scale)
{
    double variance = 0;
    *mean = 0;
    for (size_t i = 0; i < n->in; i++)
        *mean += x[i] / (double)n->in;
    for (size_t i = 0; i < n->in; i++)
        variance += (x[i] - *mean) * (x[i] - *mean) / (double)n->in;
    *scale = 1 / sqrt(variance + of(n)->eps);
}

static void reference(const node *n, size_t B, const double *x, const double *const params[], double *y)
{
    for (size_t b = 0; b < B; b++, x += n->in, y += n->in) {
        double mean, scale;
        row_of(n, x, &mean, &scale);
        for (size_t i = 0; i < n->in; i++)
            y[i] = (x[i] - mean) * scale * (n->n_params ? params[0][i] : 1) + (n->n_params ? params[1][i] : 0);
    }
}

static void reference_grad(const node *n, size_t B, const double *x, const double *const params[], const double *dy,
                           double *dx, double *const dparams[])
{
    for (size_t b = 0; b < B; b++, x += n->in, dy += n->in, dx += n->in) {
        double mean, scale, sum = 0, product = 0;
        row_of(n, x, &mean, &scale);
        for (size_t i = 0; i < n->in; i++) {
            const double g = dy[i] * (n->n_params ? params[0][i] : 1), xhat = (x[i] - mean) * scale;
            sum += g / (double)n->in;
            product += g * xhat / (double)n->in;
            if (n->n_params) {
                dparams[0][i] += dy[i] * xhat;
                dparams[1][i] += dy[i];
            }
        }
        for (size_t i = 0; i < n->in; i++)
            dx[i] += scale * (dy[i] * (n->n_params ? params[0][i] : 1) - sum - (x[i] - mean) * scale * product);
    }
}

const op ISA_SYMBOL(op_layer_norm) = {
    .name = "layer_norm",
    .kind = OP_LAYER,
    .help = "brings every sample's numbers to mean 0 and variance 1, then to learned scales and offsets",
    .formula = "y = (x - mean) / sqrt(var + eps) weight + bias, over a sample's numbers",
    .fields = fields,
    .fields_bytes = sizeof(layer_norm_fields),
    .cases = cases,
    .infer = infer,
    .pack = pack_rows,
    .unpack = unpack_rows,
    .forward = forward,
    .backward = backward,
    .reference = reference,
    .reference_grad = reference_grad,
};
