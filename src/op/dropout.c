/* y = x / (1 - p) or 0, with probability p, in training; x in evaluation: Srivastava et al., "Dropout" (2014), as torch.nn.Dropout has it.
 * Which numbers fall out is a function of (seed, layer, batch, place), never of a state. */
#include "op/op.h"

typedef struct dropout_fields {
    double p;
} dropout_fields;

static const field fields[] = {
    {"p", FIELD_REAL, offsetof(dropout_fields, p), FIELD_BARE, .min = 0, .max = 1, .value = {0.5}, .help = "how likely a number becomes 0"},
    {0},
};

static const op_case cases[] = {{"dropout", 7}, {"dropout 0.3", 48}, {"dropout 1", 16}, {"dropout 0", 65}, {0}};

/* ---- Philox4x32-10 (Salmon et al., 2011), many blocks side by side ---- */

enum { BLOCKS = 16, DRAWN = 4 * BLOCKS };

/* Of a batch and a layer. */
typedef struct drawing {
    uint32_t key[2];
} drawing;

/* Block i becomes words[0..3][i], of counter first + i. */
static void philox(drawing d, uint64_t first, uint32_t words[4][BLOCKS])
{
    uint32_t key0 = d.key[0], key1 = d.key[1];
    for (size_t i = 0; i < BLOCKS; i++) {
        words[0][i] = (uint32_t)(first + i);
        words[1][i] = (uint32_t)((first + i) >> 32);
        words[2][i] = words[3][i] = 0;
    }
    for (int round = 0; round < 10; round++, key0 += 0x9E3779B9u, key1 += 0xBB67AE85u)
        for (size_t i = 0; i < BLOCKS; i++) {
            const uint64_t a = (uint64_t)0xD2511F53u * words[0][i], b = (uint64_t)0xCD9E8D57u * words[2][i];
            words[0][i] = (uint32_t)(b >> 32) ^ words[1][i] ^ key0;
            words[1][i] = (uint32_t)b;
            words[2][i] = (uint32_t)(a >> 32) ^ words[3][i] ^ key1;
            words[3][i] = (uint32_t)a;
        }
}

static drawing drawing_of(const batch *b, size_t layer)
{
    uint32_t words[4];
    rng_u32x4(b->seed, RNG_DROPOUT, (uint32_t)layer, b->number, words);
    return (drawing){{words[0], words[1]}};
}

/* ---- Kernels: a tile is a row ---- */

static size_t rows(const call *c) { return c->in[0].rows; }

/* What a row's numbers are multiplied with: 0 or 1 / (1 - p). */
static void draw_row(const call *c, drawing d, size_t row)
{
    const dropout_fields *f = c->fields;
    const operand *mask = &c->out[1];
    const uint64_t least = (uint64_t)(f->p * 0x1p32), per_row = (mask->cols + DRAWN - 1) / DRAWN * BLOCKS;
    const real kept = f->p < 1 ? (real)(1 / (1 - f->p)) : 0;
    for (size_t col = 0; col < mask->cols; col += DRAWN) {
        uint32_t words[4][BLOCKS];
        philox(d, row * per_row + col / 4, words);
        for (size_t i = 0; i < MIN((size_t)DRAWN, mask->cols - col); i++)
            *element(mask, row, col + i) = words[i % 4][i / 4] >= least ? kept : 0;
    }
}

/* to <- from * mask, padding becomes 0. */
static void multiply_row(const operand *from, const operand *mask, const operand *to, size_t row)
{
    for (size_t p = 0; p < n_panels(to); p++) {
        const real *a = panel_row(from, p, row), *m = panel_row(mask, p, row);
        real *y = panel_row(to, p, row);
        const size_t n = panel_cols(to, p);
        for (size_t i = 0; i < n; i++)
            y[i] = m[i] > 0 ? a[i] * m[i] : 0; /* whatever a is */
        for (size_t i = n; i < to->width; i++)
            y[i] = 0;
    }
}

/* in: x; out: y, mask */
static void forward_run(const call *c, size_t begin, size_t end)
{
    const drawing d = drawing_of(*c->source, c->layer);
    for (size_t r = begin; r < end; r++) {
        draw_row(c, d, r);
        multiply_row(&c->in[0], &c->out[1], &c->out[0], r);
    }
}

/* in: dy, mask; out: dx */
static void backward_run(const call *c, size_t begin, size_t end)
{
    for (size_t r = begin; r < end; r++)
        multiply_row(&c->in[0], &c->in[1], &c->out[0], r);
}

static const kernel forward_kernel = {"dropout", rows, forward_run, NULL}, backward_kernel = {"dropout_dx", rows, backward_run, NULL};

/* ---- Steps ---- */

static value *forward(builder *b, const node *n, value *x)
{
    if (!b->training)
        return x;
    step *s = builder_step(b, "dropout", &forward_kernel, n);
    s->in[0] = x;
    s->out[0] = builder_value(b, VALUE_FORWARD, "y", n, n->out);
    s->out[1] = builder_keep(b, n, builder_value(b, VALUE_FORWARD, "mask", n, n->out));
    return s->out[0];
}

static value *backward(builder *b, const node *n, value *x, value *dy, bool wanted)
{
    (void)x;
    if (!wanted)
        return NULL;
    step *s = builder_step(b, "dropout dx", &backward_kernel, n);
    s->in[0] = dy;
    s->in[1] = builder_kept(b, n);
    return s->out[0] = builder_value(b, VALUE_GRADIENT, "dx", n, n->in);
}

/* ---- In double: the same numbers drawn one by one, as for the first batch of seed 0 ---- */

static double multiplier(const node *n, size_t row, size_t col)
{
    const double p = ((const dropout_fields *)n->fields)->p;
    const size_t per_row = (n->in + DRAWN - 1) / DRAWN * BLOCKS;
    uint32_t key[4], words[4];
    rng_u32x4(0, RNG_DROPOUT, (uint32_t)n->index, 0, key);
    rng_u32x4(key[0] | (uint64_t)key[1] << 32, 0, 0, row * per_row + col / 4, words);
    return words[col % 4] >= p * 0x1p32 ? 1 / (1 - p) : 0;
}

static void reference(const node *n, size_t B, const double *x, const double *const params[], double *y)
{
    (void)params;
    for (size_t i = 0; i < B * n->in; i++)
        y[i] = x[i] * multiplier(n, i / n->in, i % n->in);
}

static void reference_grad(const node *n, size_t B, const double *x, const double *const params[], const double *dy,
                           double *dx, double *const dparams[])
{
    (void)x;
    (void)params;
    (void)dparams;
    for (size_t i = 0; i < B * n->in; i++)
        dx[i] += dy[i] * multiplier(n, i / n->in, i % n->in);
}

const op ISA_SYMBOL(op_dropout) = {
    .name = "dropout",
    .kind = OP_LAYER,
    .help = "in training a random part of the numbers becomes 0, and the rest makes up for it",
    .formula = "y = x / (1 - p), or 0 with probability p; in evaluation y = x",
    .fields = fields,
    .fields_bytes = sizeof(dropout_fields),
    .cases = cases,
    .forward = forward,
    .backward = backward,
    .reference = reference,
    .reference_grad = reference_grad,
};
