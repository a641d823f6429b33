/* y = (x - mean) / sqrt(var + eps) weight + bias, mean and variance over the batch: Ioffe and Szegedy, "Batch Normalization" (2015), as
 * torch.nn.BatchNorm1d has it. */
#include "op/op.h"

typedef struct batch_norm_fields {
    double eps, momentum;
    bool affine, cumulative;
} batch_norm_fields;

static const field fields[] = {
    {"eps", FIELD_REAL, offsetof(batch_norm_fields, eps), FIELD_ABOVE_MIN, .min = 0, .max = 1, .value = {1e-5},
     .help = "added to the variance, against division by zero"},
    {"momentum", FIELD_REAL, offsetof(batch_norm_fields, momentum), 0, .min = 0, .max = 1, .value = {0.1},
     .help = "share of a batch in the running statistics that evaluation uses"},
    {"affine", FIELD_BOOL, offsetof(batch_norm_fields, affine), 0, .value = {1}, .help = "whether each column has a learned weight and bias"},
    {"cumulative", FIELD_BOOL, offsetof(batch_norm_fields, cumulative), 0,
     .help = "running statistics are the mean over all batches, whatever the momentum (PyTorch's momentum=None)"},
    {0},
};

static const op_case cases[] = {{"batch_norm", 7}, {"batch_norm", 1}, {"batch_norm eps=0.1", 48}, {"batch_norm affine=false", 65}, {0}};

static const batch_norm_fields *of(const node *n) { return n->fields; }

enum { WEIGHT, BIAS, N_ROWS };                 /* of the parameters */
enum { MEAN, SCALE, VARIANCE, N_STATISTICS };  /* of a batch; SCALE: 1 / sqrt(variance + eps) */
enum { RUNNING_MEAN, RUNNING_VAR, TRACKED, N_RUNNING };

static weft_status infer(node *n, weft_error *err)
{
    (void)err;
    const shape columns = {1, {n->in}};
    n->out = n->in;
    if (of(n)->affine) {
        n->params[n->n_params++] = (param){"weight", columns, 1, 1};
        n->params[n->n_params++] = (param){"bias", columns, 0, 0};
        n->block = (operand){NULL, N_ROWS, n->in, panel_width(n->in)};
        n->block_numbers = operand_numbers(&n->block);
    }
    n->buffers[n->n_buffers++] = (param){"running_mean", columns, 0, 0};
    n->buffers[n->n_buffers++] = (param){"running_var", columns, 1, 1};
    n->buffers[n->n_buffers++] = (param){"num_batches_tracked", {0}, 0, 0};
    n->buffer_block = (operand){NULL, N_RUNNING, n->in, panel_width(n->in)};
    n->buffer_numbers = operand_numbers(&n->buffer_block);
    return WEFT_OK;
}

/* ---- Kernels: a tile is a group of columns ---- */

static size_t tiles(const call *c) { return column_groups(&c->in[0]); }

enum { PART = 64 }; /* rows that are summed up by themselves: so a sum over many rows loses no digits */

/* A vector of columns of a matrix: row r lies at data + r * width. */
typedef struct columns {
    const real *data;
    size_t width;
} columns;

static columns columns_of(const operand *o, size_t group, size_t lane) { return (columns){column_group(o, group) + lane, o->width}; }

static vec at(columns c, size_t row) { return v_load(c.data + row * c.width); }

/* The means of x and of (x - its mean)^2 over B rows. */
static void moments(columns x, size_t B, vec *mean, vec *variance)
{
    vec sum = v_set(0), squares = v_set(0);
    for (size_t first = 0; first < B; first += PART) {
        vec part = v_set(0);
        for (size_t r = first; r < MIN(B, first + PART); r++)
            part += at(x, r);
        sum += part;
    }
    *mean = sum / v_set((real)B);
    for (size_t first = 0; first < B; first += PART) {
        vec part = v_set(0);
        for (size_t r = first; r < MIN(B, first + PART); r++) {
            const vec d = at(x, r) - *mean;
            part = v_fma(d, d, part);
        }
        squares += part;
    }
    *variance = squares / v_set((real)B);
}

static real *lane_of(const operand *o, size_t row, size_t group, size_t lane) { return column_group(o, group) + row * o->width + lane; }

/* The weight and bias of a vector of columns; 1 and 0 where there are none. */
static void affine(const operand *w, size_t group, size_t lane, vec *weight, vec *bias)
{
    *weight = w->data ? v_load(lane_of(w, WEIGHT, group, lane)) : v_set(1);
    *bias = w->data ? v_load(lane_of(w, BIAS, group, lane)) : v_set(0);
}

static void normalise(const call *c, size_t group, size_t lane, vec mean, vec scale)
{
    const columns x = columns_of(&c->in[0], group, lane);
    vec weight, bias;
    affine(&c->in[1], group, lane, &weight, &bias);
    for (size_t r = 0; r < c->in[0].rows; r++)
        v_store(lane_of(&c->out[0], r, group, lane), v_fma((at(x, r) - mean) * scale, weight, bias));
}

static vec scale_of(const call *c, vec variance)
{
    const batch_norm_fields *f = c->fields;
    return v_set(1) / v_sqrt(variance + v_set((real)f->eps));
}

/* in: x, weights; out: y, statistics */
static void forward_run(const call *c, size_t begin, size_t end)
{
    for (size_t g = begin; g < end; g++)
        for (size_t lane = 0; lane < MIN_WIDTH; lane += LANES) {
            vec mean, variance;
            moments(columns_of(&c->in[0], g, lane), c->in[0].rows, &mean, &variance);
            const vec scale = scale_of(c, variance);
            v_store(lane_of(&c->out[1], MEAN, g, lane), mean);
            v_store(lane_of(&c->out[1], SCALE, g, lane), scale);
            v_store(lane_of(&c->out[1], VARIANCE, g, lane), variance);
            normalise(c, g, lane, mean, scale);
        }
}

/* in: x, weights, running statistics; out: y */
static void evaluate_run(const call *c, size_t begin, size_t end)
{
    for (size_t g = begin; g < end; g++)
        for (size_t lane = 0; lane < MIN_WIDTH; lane += LANES)
            normalise(c, g, lane, v_load(lane_of(&c->in[2], RUNNING_MEAN, g, lane)),
                      scale_of(c, v_load(lane_of(&c->in[2], RUNNING_VAR, g, lane))));
}

/* The sums of dy and of dy times the normalised x. */
static void gradient_sums(columns dy, columns x, size_t B, vec mean, vec scale, vec *sum, vec *product)
{
    *sum = *product = v_set(0);
    for (size_t first = 0; first < B; first += PART) {
        vec s = v_set(0), p = v_set(0);
        for (size_t r = first; r < MIN(B, first + PART); r++) {
            s += at(dy, r);
            p = v_fma(at(dy, r), (at(x, r) - mean) * scale, p);
        }
        *sum += s;
        *product += p;
    }
}

/* in: dy, x, weights, statistics; out: dx, where it is wanted, and the gradient of the parameters, where there are any.
 * dx = weight scale (dy - mean of dy - xhat mean of (dy xhat)) */
static void backward_run(const call *c, size_t begin, size_t end)
{
    const operand *dx = &c->out[0], *dw = &c->out[1], *statistics = &c->in[3];
    const size_t B = c->in[0].rows;
    for (size_t g = begin; g < end; g++) {
        for (size_t lane = 0; lane < MIN_WIDTH; lane += LANES) {
            const columns dy = columns_of(&c->in[0], g, lane), x = columns_of(&c->in[1], g, lane);
            const vec mean = v_load(lane_of(statistics, MEAN, g, lane)), scale = v_load(lane_of(statistics, SCALE, g, lane));
            vec sum, product, weight, bias;
            gradient_sums(dy, x, B, mean, scale, &sum, &product);
            affine(&c->in[2], g, lane, &weight, &bias);
            if (dw->data) {
                v_store(lane_of(dw, WEIGHT, g, lane), product);
                v_store(lane_of(dw, BIAS, g, lane), sum);
            }
            sum /= v_set((real)B);
            product /= v_set((real)B);
            for (size_t r = 0; dx->data && r < B; r++) {
                const vec rest = v_fma(v_set(0) - (at(x, r) - mean) * scale, product, at(dy, r) - sum);
                v_store(lane_of(dx, r, g, lane), weight * scale * rest);
            }
        }
        clear_padding(dx, g);
        clear_padding(dw, g);
    }
}

/* in: statistics; out: running statistics. The running variance is that of a sample: B / (B - 1) times the batch's. One thread does all
 * of it: every group needs the count of before. */
static void settle_run(const call *c, size_t begin, size_t end)
{
    const batch_norm_fields *f = c->fields;
    const operand *running = &c->out[0];
    const size_t B = (*c->source)->n;
    real *tracked = panel_row(running, 0, TRACKED);
    *tracked += (real)(end - begin);
    const vec share = v_set(f->cumulative ? 1 / *tracked : (real)f->momentum), unbiased = v_set((real)((double)B / (double)(B - 1)));
    for (size_t g = 0; g < column_groups(running) && begin < end; g++)
        for (size_t lane = 0; lane < MIN_WIDTH; lane += LANES) {
            real *mean = lane_of(running, RUNNING_MEAN, g, lane), *variance = lane_of(running, RUNNING_VAR, g, lane);
            const vec keep = v_set(1) - share;
            v_store(mean, v_fma(share, v_load(lane_of(&c->in[0], MEAN, g, lane)), keep * v_load(mean)));
            v_store(variance, v_fma(share, unbiased * v_load(lane_of(&c->in[0], VARIANCE, g, lane)), keep * v_load(variance)));
        }
}

static const kernel forward_kernel = {"batch_norm", tiles, forward_run, NULL}, evaluate_kernel = {"batch_norm", tiles, evaluate_run, NULL},
                    backward_kernel = {"batch_norm_dx", tiles, backward_run, NULL},
                    settle_kernel = {"running", one_tile, settle_run, NULL};

/* ---- Steps ---- */

static value *weights_of(builder *b, const node *n) { return n->block_numbers ? builder_weights(b, n) : NULL; }

static value *forward(builder *b, const node *n, value *x)
{
    step *s = builder_step(b, "batch_norm", b->training ? &forward_kernel : &evaluate_kernel, n);
    s->in[0] = x;
    s->in[1] = weights_of(b, n);
    s->out[0] = builder_value(b, VALUE_FORWARD, "y", n, n->out);
    if (b->training)
        s->out[1] = builder_keep(b, n, builder_matrix(b, VALUE_FORWARD, "statistics", n, N_STATISTICS, n->in));
    else
        s->in[2] = builder_buffers(b, n);
    return s->out[0];
}

static value *backward(builder *b, const node *n, value *x, value *dy, bool wanted)
{
    step *s = builder_step(b, "batch_norm dx", &backward_kernel, n);
    s->in[0] = dy;
    s->in[1] = x;
    s->in[2] = weights_of(b, n);
    s->in[3] = builder_kept(b, n);
    s->out[0] = wanted ? builder_value(b, VALUE_GRADIENT, "dx", n, n->in) : NULL;
    s->out[1] = n->block_numbers ? builder_gradient(b, n) : NULL;
    return s->out[0];
}

static void settle(builder *b, const node *n)
{
    step *s = builder_step(b, "running statistics", &settle_kernel, n);
    s->in[0] = builder_kept(b, n);
    s->out[0] = builder_buffers(b, n);
    s->lasts = true;
}

/* ---- In double ---- */

typedef struct column_reference {
    double mean, scale, weight, bias;
} column_reference;

static column_reference column_of(const node *n, size_t B, const double *x, const double *const params[], size_t i)
{
    double mean = 0, variance = 0;
    for (size_t b = 0; b < B; b++)
        mean += x[b * n->in + i] / (double)B;
    for (size_t b = 0; b < B; b++)
        variance += (x[b * n->in + i] - mean) * (x[b * n->in + i] - mean) / (double)B;
    return (column_reference){mean, 1 / sqrt(variance + of(n)->eps), of(n)->affine ? params[0][i] : 1, of(n)->affine ? params[1][i] : 0};
}

static void reference(const node *n, size_t B, const double *x, const double *const params[], double *y)
{
    for (size_t i = 0; i < n->in; i++) {
        const column_reference c = column_of(n, B, x, params, i);
        for (size_t b = 0; b < B; b++)
            y[b * n->in + i] = (x[b * n->in + i] - c.mean) * c.scale * c.weight + c.bias;
    }
}

static void reference_grad(const node *n, size_t B, const double *x, const double *const params[], const double *dy,
                           double *dx, double *const dparams[])
{
    for (size_t i = 0; i < n->in; i++) {
        const column_reference c = column_of(n, B, x, params, i);
        double sum = 0, product = 0;
        for (size_t b = 0; b < B; b++) {
            sum += dy[b * n->in + i];
            product += dy[b * n->in + i] * (x[b * n->in + i] - c.mean) * c.scale;
        }
        for (size_t b = 0; b < B; b++)
            dx[b * n->in + i] += c.weight * c.scale * (dy[b * n->in + i] - sum / (double)B -
                                                       (x[b * n->in + i] - c.mean) * c.scale * product / (double)B);
        if (of(n)->affine) {
            dparams[0][i] += product;
            dparams[1][i] += sum;
        }
    }
}

const op ISA_SYMBOL(op_batch_norm) = {
    .name = "batch_norm",
    .kind = OP_LAYER,
    .help = "brings every column of a batch to mean 0 and variance 1, then to a learned scale and offset",
    .formula = "y = (x - mean) / sqrt(var + eps) weight + bias, over the batch; in evaluation with the running mean and var",
    .fields = fields,
    .fields_bytes = sizeof(batch_norm_fields),
    .cases = cases,
    .infer = infer,
    .pack = pack_rows,
    .unpack = unpack_rows,
    .forward = forward,
    .backward = backward,
    .settle = settle,
    .least_batch = 2,
    .reference = reference,
    .reference_grad = reference_grad,
};
