/* The kernels that every model needs. Compiled once for each instruction set. */
#include "kernel/kernel.h"

#define INLINE static inline __attribute__((always_inline))

/* A register tile: ROWS x (VECTORS * LANES) sums. Chosen so that the sums fill most of the registers: 24 of 32, or 12 of 16. */
enum { ROWS = REGISTERS / 4, VECTORS = 3 };
enum { PANEL = VECTORS * LANES, MAX_PANEL = 48 };

/* ---- The one micro-kernel that all products share ---- */

/* c[m][n] = init[m][n] + sum over k of a[m, k] * b[k, n], one chain of fused multiply-adds in ascending k for every (m, n). */
typedef struct strip {
    const real *a;
    size_t a_row, a_k; /* distances between rows, between ks */
    const real *b;     /* vectors along n */
    size_t b_k;
    size_t k;
    const real *init;
    size_t init_row; /* 0: the same for all rows */
    real *c;
    size_t c_row;
} strip;

static const real zeros[MAX_PANEL];

INLINE void chain(const int rows, const int vectors, const size_t a_row, const strip *s)
{
    vec sum[ROWS][VECTORS];
    for (int m = 0; m < rows; m++)
        for (int v = 0; v < vectors; v++)
            sum[m][v] = v_load(s->init + (size_t)m * s->init_row + (size_t)v * LANES);
    const real *a = s->a, *b = s->b;
    for (size_t k = s->k; k > 0; k--, a += s->a_k, b += s->b_k) {
        vec bs[VECTORS];
        for (int v = 0; v < vectors; v++)
            bs[v] = v_load(b + (size_t)v * LANES);
        for (int m = 0; m < rows; m++) {
            const vec am = v_set(a[(size_t)m * a_row]);
            for (int v = 0; v < vectors; v++)
                sum[m][v] = v_fma(am, bs[v], sum[m][v]);
        }
    }
    for (int m = 0; m < rows; m++)
        for (int v = 0; v < vectors; v++)
            v_store(s->c + (size_t)m * s->c_row + (size_t)v * LANES, sum[m][v]);
}

/* The compiler unrolls a chain for each number of rows and vectors; rows that lie side by side (a_row 1) get their own. */
#define CHAIN_CASE(rows, vectors)              \
    case (rows)*8 + (vectors):                 \
        if (s->a_row == 1)                     \
            chain(rows, vectors, 1, s);        \
        else                                   \
            chain(rows, vectors, s->a_row, s); \
        break;
#define CHAIN_CASES(rows) CHAIN_CASE(rows, 1) CHAIN_CASE(rows, 2) CHAIN_CASE(rows, 3)

static void run_chain(size_t rows, size_t vectors, const strip *s)
{
    switch (rows * 8 + vectors) {
        CHAIN_CASES(1)
        CHAIN_CASES(2)
        CHAIN_CASES(3)
        CHAIN_CASES(4)
#if REGISTERS == 32
        CHAIN_CASES(5)
        CHAIN_CASES(6)
        CHAIN_CASES(7)
        CHAIN_CASES(8)
#endif
    }
}

static size_t vectors_of(size_t cols) { return (cols + LANES - 1) / LANES; }
static size_t panels_of(const operand *w) { return (w->cols + w->ld - 1) / w->ld; }

/* ---- y = x W^T + b ---- */

enum { ROW_GROUP = 16 }; /* rows of a tile: a panel is read once for each group */

static size_t product_tiles(const call *c) { return panels_of(&c->in[1]) * ((c->in[0].rows + ROW_GROUP - 1) / ROW_GROUP); }

static double product_flops(const call *c) { return 2.0 * (double)c->in[0].rows * (double)c->in[1].cols * (double)c->in[1].rows; }

static void product_tile(const call *c, size_t panel, size_t first, size_t last)
{
    const operand *x = &c->in[0], *w = &c->in[1], *y = &c->out[0];
    const size_t column = panel * w->ld, vectors = vectors_of(MIN(w->ld, w->cols - column));
    const real *panel_data = w->data + panel * w->rows * w->ld;
    const bool bias = w->rows > x->cols;
    for (size_t m = first; m < last; m += ROWS) {
        const size_t rows = MIN((size_t)ROWS, last - m);
        real *out = y->data + m * y->ld + column;
        run_chain(rows, vectors,
                  &(strip){.a = x->data + m * x->ld, .a_row = x->ld, .a_k = 1,
                           .b = panel_data, .b_k = w->ld, .k = x->cols,
                           .init = bias ? panel_data + x->cols * w->ld : zeros,
                           .c = out, .c_row = y->ld});
        for (size_t r = 0; c->map && r < rows; r++)
            c->map(out + r * y->ld, vectors * LANES, c->map_fields);
    }
}

static void product_run(const call *c, size_t begin, size_t end)
{
    const size_t groups = (c->in[0].rows + ROW_GROUP - 1) / ROW_GROUP;
    for (size_t tile = begin; tile < end; tile++) {
        const size_t first = tile % groups * ROW_GROUP;
        product_tile(c, tile / groups, first, MIN(first + ROW_GROUP, c->in[0].rows));
    }
}

/* ---- dx = dy W ---- */

/* Here the lanes run along the batch: W is read as it is packed, and dy transposed. A tile is some columns of dx. */
enum { DX_COLUMNS = 16, DX_SPAN = 48 };

static size_t product_dx_tiles(const call *c) { return (c->out[0].cols + DX_COLUMNS - 1) / DX_COLUMNS; }

/* sums: [n][PANEL], transposed, of columns [column, column + n) and `vectors` vectors of samples from `sample` on. */
static void product_dx_sums(const call *c, size_t column, size_t n, size_t sample, size_t vectors, real *sums)
{
    const operand *dy = &c->in[0], *w = &c->in[1];
    for (size_t i = 0; i < n; i += ROWS) {
        strip s = {.a_row = w->ld, .a_k = 1, .b_k = dy->ld, .init = zeros, .c = sums + i * PANEL, .c_row = PANEL};
        for (size_t panel = 0; panel < panels_of(w); panel++) {
            s.a = w->data + (panel * w->rows + column + i) * w->ld;
            s.b = dy->data + panel * w->ld * dy->ld + sample;
            s.k = MIN(w->ld, w->cols - panel * w->ld);
            run_chain(MIN((size_t)ROWS, n - i), vectors, &s);
            s.init = s.c;
            s.init_row = PANEL;
        }
    }
}

static void product_dx_span(const call *c, size_t column, size_t n)
{
    const operand *dx = &c->out[0];
    real sums[DX_SPAN * PANEL];
    /* the last columns bring the padding behind them along: the weight gradient reads it, and it must be zero */
    const size_t padded = column + n == dx->cols ? dx->ld - column : n;
    for (size_t sample = 0; sample < dx->rows; sample += PANEL) {
        const size_t samples = MIN((size_t)PANEL, dx->rows - sample);
        product_dx_sums(c, column, n, sample, vectors_of(samples), sums);
        for (size_t r = 0; r < samples; r++) {
            real *out = dx->data + (sample + r) * dx->ld + column;
            for (size_t i = 0; i < n; i++)
                out[i] = sums[i * PANEL + r];
            for (size_t i = n; i < padded; i++)
                out[i] = 0;
            if (c->map_grad)
                c->map_grad(out, c->map_y.data + (sample + r) * c->map_y.ld + column, n, c->map_fields);
        }
    }
}

static void product_dx_run(const call *c, size_t begin, size_t end)
{
    const size_t stop = MIN(end * DX_COLUMNS, c->out[0].cols);
    for (size_t column = begin * DX_COLUMNS; column < stop; column += DX_SPAN)
        product_dx_span(c, column, MIN((size_t)DX_SPAN, stop - column));
}

static double product_dx_flops(const call *c) { return 2.0 * (double)c->out[0].rows * (double)c->out[0].cols * (double)c->in[1].cols; }

/* ---- dW = dy^T x, db = sum of dy ---- */

enum { DW_ROWS = 64 }; /* inputs of a tile; the bias is the last of them */

static size_t dw_chunks(const operand *w) { return (w->rows + DW_ROWS - 1) / DW_ROWS; }

static size_t product_dw_tiles(const call *c) { return panels_of(&c->out[0]) * dw_chunks(&c->out[0]); }

static double product_dw_flops(const call *c) { return 2.0 * (double)c->in[0].rows * (double)c->out[0].cols * (double)c->out[0].rows; }

/* The gradient of `rows` inputs of a panel from `input` on, handed to the update while it is in the cache. */
static void dw_block(const call *c, size_t panel, size_t input, size_t rows, strip *s)
{
    const operand *w = &c->out[0];
    const size_t column = panel * w->ld, at = (panel * w->rows + input) * w->ld, n = rows * w->ld;
    const size_t vectors = vectors_of(MIN(w->ld, w->cols - column));
    real gradient[ROWS * MAX_PANEL];
    s->c = c->update ? gradient : w->data + at;
    if (vectors * LANES < w->ld)
        for (size_t i = 0; i < n; i++)
            s->c[i] = 0;
    run_chain(rows, vectors, s);
    if (!c->update)
        return;
    real *state[MAX_STATES];
    for (size_t i = 0; i < MAX_STATES; i++)
        state[i] = c->state[i] ? c->state[i] + at : NULL;
    c->update(w->data + at, gradient, state, n, c->hyper);
}

static void product_dw_run(const call *c, size_t begin, size_t end)
{
    static const real one = 1;
    const operand *x = &c->in[0], *dy = &c->in[1], *w = &c->out[0];
    const size_t chunks = dw_chunks(w);
    for (size_t tile = begin; tile < end; tile++) {
        const size_t panel = tile / chunks, first = tile % chunks * DW_ROWS, last = MIN(first + DW_ROWS, w->rows);
        strip s = {.b = dy->data + panel * w->ld, .b_k = dy->ld, .k = x->rows, .init = zeros, .c_row = w->ld};
        for (size_t i = first; i < MIN(last, x->cols); i += ROWS) {
            s.a = x->data + i;
            s.a_row = 1;
            s.a_k = x->ld;
            dw_block(c, panel, i, MIN((size_t)ROWS, MIN(last, x->cols) - i), &s);
        }
        if (last > x->cols) { /* the bias: as if one more input were always 1 */
            s.a = &one;
            s.a_row = s.a_k = 0;
            dw_block(c, panel, x->cols, 1, &s);
        }
    }
}

/* ---- Element by element ---- */

static size_t row_tiles(const call *c) { return c->out[0].rows; }

static real *row_of(const operand *o, size_t r) { return o->data + r * o->ld; }

static void copy_row(const call *c, size_t r)
{
    if (c->out[0].data != c->in[0].data)
        __builtin_memcpy(row_of(&c->out[0], r), row_of(&c->in[0], r), c->out[0].ld * sizeof(real));
}

static void map_run(const call *c, size_t begin, size_t end)
{
    for (size_t r = begin; r < end; r++) {
        copy_row(c, r);
        if (c->map)
            c->map(row_of(&c->out[0], r), c->out[0].cols, c->map_fields);
    }
}

static void map_grad_run(const call *c, size_t begin, size_t end)
{
    for (size_t r = begin; r < end; r++) {
        copy_row(c, r);
        if (c->map_grad)
            c->map_grad(row_of(&c->out[0], r), row_of(&c->in[1], r), c->out[0].cols, c->map_fields);
    }
}

static void gather_row(const call *c, size_t r)
{
    const batch *source = *c->source;
    const size_t n = c->out[0].cols, from = (source->index ? source->index[r] : r) * n;
    const real scale = (real)source->scale;
    real *x = row_of(&c->out[0], r);
    if (source->bytes)
        for (size_t i = 0; i < n; i++)
            x[i] = (real)((const uint8_t *)source->samples + from)[i] / scale;
    else
        for (size_t i = 0; i < n; i++)
            x[i] = (real)((const float *)source->samples + from)[i] / scale;
    for (size_t i = n; i < c->out[0].ld; i++)
        x[i] = 0;
}

static void gather_run(const call *c, size_t begin, size_t end)
{
    for (size_t r = begin; r < end; r++)
        gather_row(c, r);
}

static size_t transpose_tiles(const call *c) { return (c->out[0].rows + LANES - 1) / LANES; }

static void transpose_run(const call *c, size_t begin, size_t end)
{
    const operand *from = &c->in[0], *to = &c->out[0];
    for (size_t n = begin * LANES; n < MIN(end * LANES, to->rows); n++) {
        real *row = row_of(to, n);
        for (size_t b = 0; b < to->cols; b++)
            row[b] = from->data[b * from->ld + n];
        for (size_t b = to->cols; b < to->ld; b++)
            row[b] = 0;
    }
}

/* ---- Over a batch ---- */

static size_t one_tile(const call *c)
{
    (void)c;
    return 1;
}

static void mean_run(const call *c, size_t begin, size_t end)
{
    double sum = 0;
    if (begin == end)
        return;
    for (size_t r = 0; r < c->in[0].rows; r++)
        sum += (double)*row_of(&c->in[0], r);
    c->out[0].data[0] = (real)(sum / (double)c->in[0].rows);
    *c->halt = !isfinite(c->out[0].data[0]);
}

static void hits_run(const call *c, size_t begin, size_t end)
{
    const batch *source = *c->source;
    for (size_t r = begin; r < end; r++) {
        const real *logits = row_of(&c->in[0], r);
        size_t best = 0;
        for (size_t i = 1; i < c->in[0].cols; i++)
            if (logits[i] > logits[best])
                best = i;
        *row_of(&c->out[0], r) = (int32_t)best == source->labels[source->index ? source->index[r] : r];
    }
}

/* ---- Weights ---- */

enum { UPDATE_TILE = 4096 };

static size_t numbers_of(const operand *w) { return round_up(w->cols, w->ld) * w->rows; }

static size_t update_tiles(const call *c) { return (numbers_of(&c->out[0]) + UPDATE_TILE - 1) / UPDATE_TILE; }

static void update_run(const call *c, size_t begin, size_t end)
{
    const size_t first = begin * UPDATE_TILE, last = MIN(end * UPDATE_TILE, numbers_of(&c->out[0]));
    if (first >= last)
        return;
    real *state[MAX_STATES];
    for (size_t i = 0; i < MAX_STATES; i++)
        state[i] = c->state[i] ? c->state[i] + first : NULL;
    c->update(c->out[0].data + first, c->in[0].data + first, state, last - first, c->hyper);
}

#define STRING2(x) #x
#define STRING(x) STRING2(x)

const kernels ISA_SYMBOL(kernels) = {
    .isa = STRING(WEFT_ISA_NAME),
    .lanes = LANES,
    .panel = PANEL,
    .fused = FUSED,
    .gather = {"gather", row_tiles, gather_run, NULL},
    .product = {"product", product_tiles, product_run, product_flops},
    .product_dx = {"product_dx", product_dx_tiles, product_dx_run, product_dx_flops},
    .product_dw = {"product_dw", product_dw_tiles, product_dw_run, product_dw_flops},
    .map = {"map", row_tiles, map_run, NULL},
    .map_grad = {"map_grad", row_tiles, map_grad_run, NULL},
    .transpose = {"transpose", transpose_tiles, transpose_run, NULL},
    .mean = {"mean", one_tile, mean_run, NULL},
    .hits = {"hits", row_tiles, hits_run, NULL},
    .update = {"update", update_tiles, update_run, NULL},
};
