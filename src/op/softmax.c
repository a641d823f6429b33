/* y = exp(x) / sum exp(x), over a sample's numbers. */
#include "op/softmax.h"

static const op_case cases[] = {{"softmax", 1}, {"softmax", 10}, {"softmax", 48}, {"softmax", 101}, {0}};

/* A row of nothing but -inf, or with inf, becomes NaN. */
static void run(const call *c, size_t begin, size_t end)
{
    const operand *x = &c->in[0], *y = &c->out[0];
    for (size_t row = begin; row < end; row++) {
        const double scale = 1 / row_exponentials(x, row, y);
        for (size_t panel = 0; panel < n_panels(y); panel++) {
            real *p = panel_row(y, panel, row);
            for (size_t i = 0; i < y->width; i++)
                p[i] = (real)((double)p[i] * scale);
        }
    }
}

/* dx = y (dy - sum of y dy); y is made once more, in the place of dx. */
static void run_dx(const call *c, size_t begin, size_t end)
{
    const operand *dy = &c->in[0], *x = &c->in[1], *dx = &c->out[0];
    for (size_t row = begin; row < end; row++) {
        const double scale = 1 / row_exponentials(x, row, dx);
        double sum = 0;
        for (size_t panel = 0; panel < n_panels(dx); panel++)
            for (size_t i = 0; i < panel_cols(dx, panel); i++)
                sum += (double)panel_row(dx, panel, row)[i] * scale * (double)panel_row(dy, panel, row)[i];
        for (size_t panel = 0; panel < n_panels(dx); panel++) {
            const real *d = panel_row(dy, panel, row);
            real *p = panel_row(dx, panel, row);
            for (size_t i = 0; i < panel_cols(dx, panel); i++)
                p[i] = (real)((double)p[i] * scale * ((double)d[i] - sum));
        }
    }
}

static const kernel softmax = {"softmax", row_tiles, run, NULL}, softmax_dx = {"softmax_dx", row_tiles, run_dx, NULL};

static value *forward(builder *b, const node *n, value *x) { return row_forward(b, &softmax, n, x); }

static value *backward(builder *b, const node *n, value *x, value *dy, bool wanted)
{
    return row_backward(b, &softmax_dx, n, x, dy, wanted);
}

static void reference(const node *n, size_t B, const double *x, const double *const params[], double *y)
{
    (void)params;
    for (size_t b = 0; b < B; b++, x += n->in, y += n->in) {
        const double log_sum = log_sum_exp(x, n->in);
        for (size_t i = 0; i < n->in; i++)
            y[i] = exp(x[i] - log_sum);
    }
}

static void reference_grad(const node *n, size_t B, const double *x, const double *const params[], const double *dy,
                           double *dx, double *const dparams[])
{
    (void)params;
    (void)dparams;
    for (size_t b = 0; b < B; b++, x += n->in, dy += n->in, dx += n->in) {
        const double log_sum = log_sum_exp(x, n->in);
        double sum = 0;
        for (size_t i = 0; i < n->in; i++)
            sum += exp(x[i] - log_sum) * dy[i];
        for (size_t i = 0; i < n->in; i++)
            dx[i] += exp(x[i] - log_sum) * (dy[i] - sum);
    }
}

const op ISA_SYMBOL(op_softmax) = {
    .name = "softmax",
    .kind = OP_LAYER,
    .help = "a sample's numbers become probabilities, which add up to 1",
    .formula = "y = exp(x) / sum exp(x)",
    .cases = cases,
    .forward = forward,
    .backward = backward,
    .reference = reference,
    .reference_grad = reference_grad,
};
