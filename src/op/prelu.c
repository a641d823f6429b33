/* y = x > 0 ? x : weight x: He et al., "Delving Deep into Rectifiers" (2015), as torch.nn.PReLU has it. */
#include "op/op.h"

typedef struct prelu_fields {
    size_t num_parameters;
    double init;
} prelu_fields;

static const field fields[] = {
    {"num_parameters", FIELD_SIZE, offsetof(prelu_fields, num_parameters), FIELD_BARE, .min = 1, .max = 1 << 24, .value = {1},
     .help = "1: one slope for all numbers; or one for each, as many as there are"},
    {"init", FIELD_REAL, offsetof(prelu_fields, init), 0, .min = -1e9, .max = 1e9, .value = {0.25}, .help = "what the slopes begin with"},
    {0},
};

static const op_case cases[] = {{"prelu", 1}, {"prelu", 7}, {"prelu 7", 7}, {"prelu init=0.1", 48}, {"prelu 65", 65}, {0}};

static weft_status infer(node *n, weft_error *err)
{
    const prelu_fields *f = n->fields;
    if (f->num_parameters != 1 && f->num_parameters != n->in)
        return fail(err, WEFT_BAD_INPUT, n->at, "prelu has %zu slopes for %zu numbers; num_parameters is 1 or %zu", f->num_parameters, n->in, n->in);
    n->out = n->in;
    n->params[n->n_params++] = (param){"weight", {1, {f->num_parameters}}, (float)f->init, (float)f->init};
    n->block = (operand){NULL, 1, f->num_parameters, panel_width(f->num_parameters)};
    n->block_numbers = operand_numbers(&n->block);
    return WEFT_OK;
}

/* ---- Kernels: a tile is a group of columns ---- */

static size_t tiles(const call *c) { return column_groups(&c->in[0]); }

static bool shared(const operand *w) { return w->cols == 1; }

static vec slopes(const operand *w, size_t group, size_t lane) { return shared(w) ? v_set(*w->data) : v_load(column_group(w, group) + lane); }

/* in: x, slopes; out: y */
static void forward_run(const call *c, size_t begin, size_t end)
{
    const operand *x = &c->in[0], *y = &c->out[0];
    for (size_t g = begin; g < end; g++)
        for (size_t lane = 0; lane < MIN_WIDTH; lane += LANES) {
            const vec slope = slopes(&c->in[1], g, lane);
            for (size_t r = 0; r < x->rows; r++) {
                const vec a = v_load(column_group(x, g) + r * x->width + lane);
                v_store(column_group(y, g) + r * y->width + lane, v_greater(a, v_set(0), a, slope * a));
            }
        }
}

/* in: dy, x, slopes; out: dx, where it is wanted; of every column the sum of x dy where x is not above 0 */
static void backward_run(const call *c, size_t begin, size_t end)
{
    const operand *dy = &c->in[0], *x = &c->in[1], *dx = &c->out[0], *sums = &c->out[1];
    for (size_t g = begin; g < end; g++)
        for (size_t lane = 0; lane < MIN_WIDTH; lane += LANES) {
            const vec slope = slopes(&c->in[2], g, lane);
            vec sum = v_set(0);
            for (size_t r = 0; r < x->rows; r++) {
                const vec a = v_load(column_group(x, g) + r * x->width + lane), d = v_load(column_group(dy, g) + r * dy->width + lane);
                sum += v_greater(a, v_set(0), v_set(0), a * d);
                if (dx->data)
                    v_store(column_group(dx, g) + r * dx->width + lane, v_greater(a, v_set(0), d, slope * d));
            }
            v_store(column_group(sums, g) + lane, sum);
        }
    for (size_t g = begin; g < end; g++)
        clear_padding(dx, g);
    for (size_t g = begin; g < end; g++)
        clear_padding(sums, g);
}

/* in: the columns' sums; out: their sum, the gradient of the one slope */
static void sum_run(const call *c, size_t begin, size_t end)
{
    const operand *sums = &c->in[0], *dw = &c->out[0];
    double sum = 0;
    if (begin == end)
        return;
    for (size_t i = 0; i < sums->cols; i++)
        sum += (double)*element(sums, 0, i);
    *dw->data = (real)sum;
    clear_padding(dw, 0);
}

static const kernel forward_kernel = {"prelu", tiles, forward_run, NULL}, backward_kernel = {"prelu_dx", tiles, backward_run, NULL},
                    sum_kernel = {"prelu_dw", one_tile, sum_run, NULL};

/* ---- Steps ---- */

static value *forward(builder *b, const node *n, value *x)
{
    step *s = builder_step(b, "prelu", &forward_kernel, n);
    s->in[0] = x;
    s->in[1] = builder_weights(b, n);
    return s->out[0] = builder_value(b, VALUE_FORWARD, "y", n, n->out);
}

static value *backward(builder *b, const node *n, value *x, value *dy, bool wanted)
{
    step *s = builder_step(b, "prelu dx", &backward_kernel, n);
    s->in[0] = dy;
    s->in[1] = x;
    s->in[2] = builder_weights(b, n);
    value *dx = s->out[0] = wanted ? builder_value(b, VALUE_GRADIENT, "dx", n, n->in) : NULL;
    s->out[1] = n->in == n->block.cols ? builder_gradient(b, n) : builder_matrix(b, VALUE_GRADIENT, "sums", n, 1, n->in);
    if (n->in != n->block.cols) {
        step *sum = builder_step(b, "prelu dw", &sum_kernel, n);
        sum->in[0] = s->out[1];
        sum->out[0] = builder_gradient(b, n);
    }
    return dx;
}

/* ---- In double ---- */

static double slope_of(const node *n, const double *const params[], size_t i) { return params[0][n->block.cols == 1 ? 0 : i]; }

static void reference(const node *n, size_t B, const double *x, const double *const params[], double *y)
{
    for (size_t i = 0; i < B * n->in; i++)
        y[i] = x[i] > 0 ? x[i] : slope_of(n, params, i % n->in) * x[i];
}

static void reference_grad(const node *n, size_t B, const double *x, const double *const params[], const double *dy,
                           double *dx, double *const dparams[])
{
    for (size_t i = 0; i < B * n->in; i++) {
        dx[i] += x[i] > 0 ? dy[i] : slope_of(n, params, i % n->in) * dy[i];
        dparams[0][n->block.cols == 1 ? 0 : i % n->in] += x[i] > 0 ? 0 : x[i] * dy[i];
    }
}

const op ISA_SYMBOL(op_prelu) = {
    .name = "prelu",
    .kind = OP_LAYER,
    .help = "lets what is below zero through with a slope that is learned",
    .formula = "y = x > 0 ? x : weight x",
    .fields = fields,
    .fields_bytes = sizeof(prelu_fields),
    .cases = cases,
    .infer = infer,
    .pack = pack_rows,
    .unpack = unpack_rows,
    .forward = forward,
    .backward = backward,
    .reference = reference,
    .reference_grad = reference_grad,
};
