/* y = x - log(sum exp(x)), over a sample's numbers. */
#include "op/softmax.h"

static const op_case cases[] = {{"log_softmax", 1}, {"log_softmax", 10}, {"log_softmax", 48}, {"log_softmax", 101}, {0}};

/* A row of nothing but -inf, or with inf, becomes NaN. */
static void run(const call *c, size_t begin, size_t end)
{
    const operand *x = &c->in[0], *y = &c->out[0];
    for (size_t row = begin; row < end; row++) {
        const double max = (double)*element(x, row, largest_in_row(x, row)), log_sum = d_log(d_set(row_exponentials(x, row, y)))[0];
        for (size_t panel = 0; panel < n_panels(y); panel++) {
            const real *from = panel_row(x, panel, row);
            real *to = panel_row(y, panel, row);
            for (size_t i = 0; i < y->width; i++)
                to[i] = i < panel_cols(y, panel) ? (real)((double)from[i] - max - log_sum) : 0;
        }
    }
}

/* dx = dy - softmax(x) (sum of dy); softmax is made in the place of dx. */
static void run_dx(const call *c, size_t begin, size_t end)
{
    const operand *dy = &c->in[0], *x = &c->in[1], *dx = &c->out[0];
    for (size_t row = begin; row < end; row++) {
        double sum = 0;
        for (size_t panel = 0; panel < n_panels(dy); panel++)
            for (size_t i = 0; i < panel_cols(dy, panel); i++)
                sum += (double)panel_row(dy, panel, row)[i];
        const double scale = sum / row_exponentials(x, row, dx);
        for (size_t panel = 0; panel < n_panels(dx); panel++) {
            const real *d = panel_row(dy, panel, row);
            real *p = panel_row(dx, panel, row);
            for (size_t i = 0; i < panel_cols(dx, panel); i++)
                p[i] = (real)((double)d[i] - (double)p[i] * scale);
        }
    }
}

static const kernel log_softmax = {"log_softmax", row_tiles, run, NULL}, log_softmax_dx = {"log_softmax_dx", row_tiles, run_dx, NULL};

static value *forward(builder *b, const node *n, value *x) { return row_forward(b, &log_softmax, n, x); }

static value *backward(builder *b, const node *n, value *x, value *dy, bool wanted)
{
    return row_backward(b, &log_softmax_dx, n, x, dy, wanted);
}

static void reference(const node *n, size_t B, const double *x, const double *const params[], double *y)
{
    (void)params;
    for (size_t b = 0; b < B; b++, x += n->in, y += n->in) {
        const double log_sum = log_sum_exp(x, n->in);
        for (size_t i = 0; i < n->in; i++)
            y[i] = x[i] - log_sum;
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
            sum += dy[i];
        for (size_t i = 0; i < n->in; i++)
            dx[i] += dy[i] - exp(x[i] - log_sum) * sum;
    }
}

const op ISA_SYMBOL(op_log_softmax) = {
    .name = "log_softmax",
    .kind = OP_LAYER,
    .help = "the logarithms of softmax",
    .formula = "y = x - log(sum exp(x))",
    .cases = cases,
    .forward = forward,
    .backward = backward,
    .reference = reference,
    .reference_grad = reference_grad,
};
