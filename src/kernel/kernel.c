/* The kernels that every model needs. Compiled once for each instruction set. */
#include "kernel/treat.h"

#define INLINE static inline __attribute__((always_inline))
/* Early enough for arrays to become registers. */
#define UNROLL _Pragma("GCC unroll 16")

/* ---- The one micro-kernel that all products share ---- */

/* A register tile is up to VECTORS vectors wide; the narrower it is, the more rows it has, so that there are always enough sums under
 * way to hide the latency of a multiply-add, and all of them have a register. */
enum { VECTORS = 3, MAX_WIDTH = VECTORS * LANES };
#if REGISTERS == 32
enum { MAX_ROWS = 16, ROWS_1 = 16, ROWS_2 = 12, ROWS_3 = 8 };
#else
enum { MAX_ROWS = 12, ROWS_1 = 12, ROWS_2 = 6, ROWS_3 = 4 };
#endif

static size_t rows_of(size_t vectors) { return vectors == 1 ? ROWS_1 : vectors == 2 ? ROWS_2 : ROWS_3; }

/* How many vectors wide the register tile of the next of `cols` columns is. */
static size_t vectors_of(size_t cols) { return MIN((cols + LANES - 1) / LANES, (size_t)VECTORS); }

/* c[m][n] = init[m][n] + sum over k of a[m, k] * b[k, n], one chain of fused multiply-adds in ascending k for every (m, n). */
typedef struct strip {
    const real *a;
    size_t a_row, a_k;         /* distances between rows, between ks; one of them is 1 */
    size_t segment, a_jump;    /* a panel's ks; what lies between its last k and the next panel's first. Not where a_row is 1 */
    const real *b;             /* vectors along n */
    size_t b_k;
    size_t k;
    const real *init;
    size_t init_row; /* 0: the same for all rows */
    real *c;
    size_t c_row;
    const real *ahead; /* memory that is needed soon: a line of it is asked for with every k of every tile */
    size_t n_ahead;    /* so many lines, all in all; where a_row is 1, without end, and every tile begins at its own rows */
    const real *line;  /* the next of them; moves by `line_step` */
    size_t line_step;
} strip;

static const real zeros[PANEL];

enum { LINE = 64 / sizeof(real) };

INLINE void chain(const int rows, const int vectors, const size_t a_row, const strip *s)
{
    vec sum[MAX_ROWS][VECTORS];
    UNROLL for (int m = 0; m < rows; m++)
        UNROLL for (int v = 0; v < vectors; v++)
            sum[m][v] = v_load(s->init + (size_t)m * s->init_row + (size_t)v * LANES);
    const size_t a_k = a_row == 1 ? s->a_k : 1, b_k = s->b_k, line_step = a_row == 1 ? LINE : s->line_step;
    const real *a = s->a, *b = s->b, *line = s->line;
    size_t until_jump = s->segment;
    for (size_t k = s->k; k > 0; k--, a += a_k, b += b_k, line += line_step) {
        vec bs[VECTORS];
        UNROLL for (int v = 0; v < vectors; v++) {
            bs[v] = v_load(b + (size_t)v * LANES);
            V_KEEP(bs[v]);
        }
        UNROLL for (int m = 0; m < rows; m++) {
            const vec am = v_set(a[(size_t)m * a_row]);
            UNROLL for (int v = 0; v < vectors; v++)
                sum[m][v] = v_fma(am, bs[v], sum[m][v]);
        }
        if (a_row == 1) {
            __builtin_prefetch(line, 1);
            continue;
        }
        __builtin_prefetch(line);
        if (--until_jump == 0) {
            until_jump = s->segment;
            a += s->a_jump;
        }
    }
    UNROLL for (int m = 0; m < rows; m++)
        UNROLL for (int v = 0; v < vectors; v++)
            v_store(s->c + (size_t)m * s->c_row + (size_t)v * LANES, sum[m][v]);
}

/* The compiler unrolls a chain for each number of rows and vectors, and for each way in which rows may lie: side by side (a_row 1), in a
 * panel of the usual width, or otherwise. A distance that it knows costs nothing; one that it must multiply costs a tenth of the time. */
typedef void chain_fn(const strip *s);
enum { ROWS_BESIDE, ROWS_IN_PANEL, ROWS_ANYHOW, N_ROWS };

static int rows_lie(const strip *s) { return s->a_row == 1 ? ROWS_BESIDE : s->a_row == PANEL ? ROWS_IN_PANEL : ROWS_ANYHOW; }

#define TO_4(X, v) X(1, v) X(2, v) X(3, v) X(4, v)
#define TO_6(X, v) TO_4(X, v) X(5, v) X(6, v)
#define TO_8(X, v) TO_6(X, v) X(7, v) X(8, v)
#define TO_12(X, v) TO_8(X, v) X(9, v) X(10, v) X(11, v) X(12, v)
#define TO_16(X, v) TO_12(X, v) X(13, v) X(14, v) X(15, v) X(16, v)
#if REGISTERS == 32
#define ALL_TILES(X) TO_16(X, 1) TO_12(X, 2) TO_8(X, 3)
#else
#define ALL_TILES(X) TO_12(X, 1) TO_6(X, 2) TO_4(X, 3)
#endif

#define DEFINE(rows, vectors)                                                                   \
    static void chain_beside_##rows##_##vectors(const strip *s) { chain(rows, vectors, 1, s); }  \
    static void chain_panel_##rows##_##vectors(const strip *s) { chain(rows, vectors, PANEL, s); } \
    static void chain_any_##rows##_##vectors(const strip *s) { chain(rows, vectors, s->a_row, s); }
ALL_TILES(DEFINE)

#define ENTRY(rows, vectors) [vectors][rows] = {chain_beside_##rows##_##vectors, chain_panel_##rows##_##vectors, chain_any_##rows##_##vectors},
static chain_fn *const chains[VECTORS + 1][MAX_ROWS + 1][N_ROWS] = {ALL_TILES(ENTRY)};

/* All `rows` of `cols` columns of c, tile by tile, from where s stands; it is moved, never copied: a copy would wait until all sums of the
 * tile before have been written. */
static void run_strip(size_t rows, size_t cols, strip *s)
{
    const real *const a = s->a, *const b = s->b, *const init = s->init;
    real *const c = s->c;
    const int lie = rows_lie(s);
    size_t asked = 0;
    for (size_t n = 0; n < cols; n += MAX_WIDTH) {
        const size_t vectors = vectors_of(cols - n), step = rows_of(vectors);
        s->b = b + n;
        for (size_t m = 0; m < rows; m += step, asked += s->k) {
            s->a = a + m * s->a_row;
            s->c = c + m * s->c_row + n;
            s->init = init + m * s->init_row + n;
            s->line_step = asked < s->n_ahead ? LINE : 0;
            s->line = s->ahead + (lie == ROWS_BESIDE ? m * s->c_row : asked * s->line_step);
            chains[vectors][MIN(step, rows - m)][lie](s);
        }
    }
    s->a = a;
    s->b = b;
    s->c = c;
    s->init = init;
}

/* Sums over many panels are made in parts of so many panels: what a part reads of b stays in the nearest cache for all rows.
 * So does the next part, which is asked for meanwhile; but where the rows are MANY, it has time, and fewer parts are better. */
enum { PART_PANELS = 2, MANY = 64 };

/* n is cut into parts of at most `most`, all about as long: how long. */
static size_t part_of(size_t n, size_t most)
{
    const size_t parts = (n + most - 1) / most;
    return (n + parts - 1) / parts;
}

/* ---- Pieces of panels ---- */

enum { ROW_GROUP = 16 }; /* rows of a tile */

static size_t row_groups(size_t rows) { return (rows + ROW_GROUP - 1) / ROW_GROUP; }

/* Rows [first, last) of a panel of y; as one piece of memory where nothing of it is padding. */
static void map_rows(const call *c, const operand *y, size_t panel, size_t first, size_t last)
{
    const size_t cols = panel_cols(y, panel);
    if (cols == y->width)
        c->map(panel_row(y, panel, first), (last - first) * cols, c->map_fields);
    else
        for (size_t r = first; r < last; r++)
            c->map(panel_row(y, panel, r), cols, c->map_fields);
}

/* n columns of rows [first, last) of dx and y, each standing at its first. */
static void map_grad_rows(const call *c, real *dx, const real *y, size_t width, size_t n, size_t rows)
{
    if (n == width)
        c->map_grad(dx, y, rows * n, c->map_fields);
    else
        for (size_t r = 0; r < rows; r++)
            c->map_grad(dx + r * width, y + r * width, n, c->map_fields);
}

/* ---- y = x W^T + b ---- */

enum { ROW_BLOCK = 128 }; /* at most so many rows go through a panel together: their sums stay in a near cache */

static size_t product_tiles(const call *c) { return n_panels(&c->in[1]) * row_groups(c->in[0].rows); }

static double product_flops(const call *c) { return 2.0 * (double)c->in[0].rows * (double)c->in[1].cols * (double)c->in[1].rows; }

/* Rows [first, last) of a panel of y; every sum goes on where the part before left it. */
static void product_block(const call *c, size_t panel, size_t first, size_t last)
{
    const operand *x = &c->in[0], *w = &c->in[1], *y = &c->out[0];
    const size_t panels = n_panels(x), part = part_of(panels, last - first > MANY ? 2 * PART_PANELS : PART_PANELS);
    strip s = {.a_row = x->width, .a_k = 1, .segment = x->width, .a_jump = (x->rows - 1) * x->width, .b_k = w->width,
               .init = w->rows > x->cols ? panel_row(w, panel, x->cols) : zeros, .c = panel_row(y, panel, first), .c_row = y->width};
    for (size_t p = 0; p < panels; p += part) {
        s.a = panel_row(x, p, first);
        s.b = panel_row(w, panel, p * x->width);
        s.k = MIN(part * x->width, x->cols - p * x->width);
        s.ahead = s.b + s.k * s.b_k;
        s.n_ahead = s.k * s.b_k / LINE;
        run_strip(last - first, panel_cols(w, panel), &s);
        s.init = s.c;
        s.init_row = s.c_row;
    }
    if (c->map)
        map_rows(c, y, panel, first, last);
}

/* A block of rows goes through all panels before the next block does: its x stays in a near cache, and a panel is read once for many
 * rows. */
static void product_run(const call *c, size_t begin, size_t end)
{
    enum { BLOCK_GROUPS = ROW_BLOCK / ROW_GROUP };
    const size_t M = c->in[0].rows, groups = row_groups(M), panels = n_panels(&c->in[1]);
    for (size_t block = 0; block < groups; block += BLOCK_GROUPS) {
        const size_t n = MIN((size_t)BLOCK_GROUPS, groups - block);
        for (size_t panel = 0; panel < panels; panel++) {
            const size_t tile = c->rows_first ? block * panels + panel * n : panel * groups + block;
            const size_t first = MAX(begin, tile), last = MIN(end, tile + n);
            if (first < last)
                product_block(c, panel, (block + first - tile) * ROW_GROUP, MIN((block + last - tile) * ROW_GROUP, M));
        }
    }
}

/* ---- dx = dy W ---- */

/* Here the lanes run along the batch: dy is transposed, and W is read as it lies. A tile is some columns of dx. */
enum { DX_COLUMNS = 16 };

static size_t product_dx_tiles(const call *c) { return (c->out[0].cols + DX_COLUMNS - 1) / DX_COLUMNS; }

static double product_dx_flops(const call *c) { return 2.0 * (double)c->out[0].rows * (double)c->out[0].cols * (double)c->in[1].cols; }

/* sums, [n][PANEL] of which `samples` columns count, become [samples][n] of `to`, in whole squares of vectors. */
static void turn(const real *sums, size_t n, size_t samples, real *to, size_t to_row)
{
    for (size_t i = 0; i < n; i += LANES)
        for (size_t r = 0; r < samples; r += LANES) {
            vec square[LANES];
            for (size_t j = 0; j < LANES; j++)
                square[j] = v_load(sums + (i + j) * PANEL + r);
            v_transpose(square);
            for (size_t j = 0; j < MIN((size_t)LANES, samples - r); j++)
                v_store(to + (r + j) * to_row + i, square[j]);
        }
}

/* n columns of dx from `column` on, all in one panel, for one panel of samples. */
static void product_dx_block(const call *c, size_t column, size_t n, size_t sample_panel)
{
    const operand *dy = &c->in[0], *w = &c->in[1], *dx = &c->out[0];
    const size_t samples = panel_cols(dy, sample_panel), first = sample_panel * dy->width, panels = n_panels(w), part = part_of(panels, PART_PANELS);
    _Alignas(64) real sums[PANEL * PANEL];
    strip s = {.a_row = w->width, .a_k = 1, .segment = w->width, .a_jump = (w->rows - 1) * w->width, .b_k = dy->width, .init = zeros,
               .c = sums, .c_row = PANEL};
    /* the padding behind the last columns comes along: the weight gradient reads it, and it must be zero */
    const size_t padded = column + n == dx->cols ? dx->width - column % dx->width : n;
    for (size_t i = n * PANEL; i < padded * PANEL; i++)
        sums[i] = 0;
    for (size_t p = 0; p < panels; p += part) {
        s.a = panel_row(w, p, column);
        s.ahead = s.b = panel_row(dy, sample_panel, p * w->width);
        s.k = MIN(part * w->width, w->cols - p * w->width);
        run_strip(n, samples, &s);
        s.init = sums;
        s.init_row = PANEL;
    }
    real *to = element(dx, first, column);
    turn(sums, padded, samples, to, dx->width);
    if (c->map_grad)
        map_grad_rows(c, to, element(&c->map_y, first, column), dx->width, n, samples);
}

static void product_dx_run(const call *c, size_t begin, size_t end)
{
    const operand *dx = &c->out[0];
    const size_t stop = MIN(end * DX_COLUMNS, dx->cols);
    for (size_t column = begin * DX_COLUMNS, n; column < stop; column += n) {
        n = MIN(stop - column, dx->width - column % dx->width);
        for (size_t p = 0; p < n_panels(&c->in[0]); p++)
            product_dx_block(c, column, n, p);
    }
}

/* ---- dW = dy^T x, db = sum of dy ---- */

/* A tile is one panel of outputs and PANEL inputs; the bias is the last of the inputs. */
enum { DW_PART = 128 }; /* samples of a part of the sum */

static size_t dw_chunks(const operand *w) { return (w->rows + PANEL - 1) / PANEL; }

static size_t first_row(const operand *w, size_t tile) { return tile % dw_chunks(w) * PANEL; }

static size_t product_dw_tiles(const call *c) { return n_panels(&c->out[0]) * dw_chunks(&c->out[0]); }

static double product_dw_flops(const call *c) { return 2.0 * (double)c->in[0].rows * (double)c->out[0].cols * (double)c->out[0].rows; }

/* A tile of W moves by its gradient, which is in the cache. */
static void move(const call *c, size_t tile, real *gradient)
{
    const operand *w = &c->out[0];
    const size_t first = first_row(w, tile);
    move_rows(c, tile / dw_chunks(w), first, MIN(first + PANEL, w->rows) - first, gradient);
}

/* Where the update is a descent and the batch one part of a sum, a weight's chain begins at the weight itself, and goes on over gradients
 * times the rate: so dy is, a panel at a time. */
typedef struct descent {
    size_t panel; /* that is scaled; SIZE_MAX: none yet */
    _Alignas(64) real dy[DW_PART * PANEL];
} descent;

static bool descends(const call *c) { return c->update && c->descends && c->in[0].rows <= DW_PART; }

static const real *scaled_panel(const call *c, size_t panel, descent *d)
{
    const operand *dy = &c->in[1];
    const vec rate = v_set(c->hyper[0]);
    const real *from = panel_row(dy, panel, 0);
    for (size_t i = 0; d->panel != panel && i < dy->rows * dy->width; i += LANES)
        v_store(d->dy + i, rate * v_load(from + i));
    d->panel = panel;
    return d->dy;
}

/* Whether the gradient is summed beside W, which then moves by it. */
static bool stands_alone(const call *c) { return c->update && !descends(c); }

/* Goes on with a tile's sums over samples [k, k + n): in `gradient`, or in W's own place. */
static void dw_part(const call *c, size_t tile, size_t k, size_t n, real *gradient, descent *d)
{
    static const real one = 1;
    const operand *x = &c->in[0], *dy = &c->in[1], *w = &c->out[0];
    const size_t panel = tile / dw_chunks(w), first = first_row(w, tile), last = MIN(first + PANEL, w->rows);
    const size_t cols = panel_cols(w, panel), inputs = MIN(last, x->cols) - MIN(first, x->cols);
    real *const weights = panel_row(w, panel, first);
    const bool goes_on = k > 0 || descends(c);
    strip s = {.a_row = 1, .a_k = x->width, .b = descends(c) ? scaled_panel(c, panel, d) : panel_row(dy, panel, k), .b_k = dy->width,
               .k = n, .c = stands_alone(c) ? gradient : weights, .c_row = w->width};
    s.init = goes_on ? s.c : zeros;
    s.init_row = goes_on ? s.c_row : 0;
    /* what comes behind the last sum is the weights: to be moved, or, in a descent, those of the next tile */
    s.ahead = k + n < x->rows ? s.c : weights + (descends(c) ? rows_of(vectors_of(cols)) * w->width : 0);
    if (cols + LANES <= w->width && !goes_on)
        __builtin_memset(s.c, 0, (last - first) * w->width * sizeof(real)); /* what no vector reaches */
    if (inputs) {
        s.a = element(x, k, first);
        run_strip(inputs, cols, &s);
    }
    if (last > x->cols) { /* the bias: as if one more input were always 1 */
        s.a = &one;
        s.a_k = 0;
        s.c += inputs * w->width;
        s.init = goes_on ? s.c : zeros;
        run_strip(1, cols, &s);
    }
}

/* Tiles that are summed together, a part of the batch at a time, because what they read of it is the same: so many panels of W, and so many
 * chunks of each. Where the batch is one part, each tile is done at once. */
enum { TOGETHER = 4 };

static void dw_tiles(const call *c, const size_t *tiles, size_t n, descent *d)
{
    _Alignas(64) real gradients[TOGETHER * TOGETHER][PANEL * PANEL];
    const size_t B = c->in[0].rows, part = part_of(B, DW_PART);
    for (size_t k = 0; k < B; k += part)
        for (size_t i = 0; i < n; i++)
            dw_part(c, tiles[i], k, MIN(part, B - k), gradients[i], d);
    for (size_t i = 0; i < n && stands_alone(c); i++)
        move(c, tiles[i], gradients[i]);
}

/* From the last panel to the first, for the forward product went the other way: what it read last is still in a near cache. */
static void product_dw_run(const call *c, size_t begin, size_t end)
{
    const size_t chunks = dw_chunks(&c->out[0]), together = c->in[0].rows > DW_PART ? TOGETHER : 1;
    descent d;
    d.panel = SIZE_MAX;
    for (size_t last = n_panels(&c->out[0]); last > 0; last -= MIN(together, last))
        for (size_t chunk = 0; chunk < chunks; chunk += together) {
            size_t tiles[TOGETHER * TOGETHER];
            size_t n = 0;
            for (size_t p = last; p-- > last - MIN(together, last);)
                for (size_t h = chunk; h < MIN(chunk + together, chunks); h++)
                    if (p * chunks + h >= begin && p * chunks + h < end)
                        tiles[n++] = p * chunks + h;
            dw_tiles(c, tiles, n, &d);
        }
}

/* ---- Element by element ---- */

static size_t piece_tiles(const call *c) { return n_panels(&c->out[0]) * row_groups(c->out[0].rows); }

/* The rows of a panel that a tile stands for; copied from in[0] where the kernel does not work in place. */
typedef struct piece {
    size_t panel, first, last;
} piece;

static piece piece_of(const call *c, size_t tile)
{
    const operand *from = &c->in[0], *to = &c->out[0];
    const size_t groups = row_groups(to->rows), first = tile % groups * ROW_GROUP;
    const piece p = {tile / groups, first, MIN(first + ROW_GROUP, to->rows)};
    if (to->data != from->data)
        __builtin_memcpy(panel_row(to, p.panel, first), panel_row(from, p.panel, first), (p.last - first) * to->width * sizeof(real));
    return p;
}

static void map_run(const call *c, size_t begin, size_t end)
{
    for (size_t tile = begin; tile < end; tile++) {
        const piece p = piece_of(c, tile);
        if (c->map)
            map_rows(c, &c->out[0], p.panel, p.first, p.last);
    }
}

static void map_grad_run(const call *c, size_t begin, size_t end)
{
    const operand *dx = &c->out[0];
    for (size_t tile = begin; tile < end; tile++) {
        const piece p = piece_of(c, tile);
        if (c->map_grad)
            map_grad_rows(c, panel_row(dx, p.panel, p.first), panel_row(&c->in[1], p.panel, p.first), dx->width, panel_cols(dx, p.panel),
                          p.last - p.first);
    }
}

static size_t row_tiles(const call *c) { return c->out[0].rows; }

/* a / scale, rounded once, for a byte a: by multiplication with 1 / s, and two corrections by what is left (Markstein,
 * "Computation of elementary functions on the IBM RISC System/6000 processor", 1990). A division takes several times as long. */
static vec divide(vec a, vec scale, vec inverse)
{
    if (!FUSED)
        return a / scale;
    vec q = a * inverse;
    q = v_fma(v_fma(-scale, q, a), inverse, q);
    return v_fma(v_fma(-scale, q, a), inverse, q);
}

static void divide_bytes(const uint8_t *from, size_t n, real scale, real *x)
{
    const vec by = v_set(scale), inverse = v_set(1 / scale);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        v_store(x + i, divide(v_load_bytes(from + i), by, inverse));
    if (i < n) { /* the panel has room for the whole vector */
        uint8_t last[LANES] = {0};
        __builtin_memcpy(last, from + i, n - i);
        v_store(x + i, divide(v_load_bytes(last), by, inverse));
    }
}

static void gather_piece(const batch *source, size_t from, size_t n, real *x)
{
    const real scale = (real)source->scale;
    if (source->bytes)
        divide_bytes((const uint8_t *)source->samples + from, n, scale, x);
    else if (scale == 1 && sizeof *x == sizeof(float))
        __builtin_memcpy(x, (const float *)source->samples + from, n * sizeof(real));
    else
        for (size_t i = 0; i < n; i++)
            x[i] = (real)((const float *)source->samples + from)[i] / scale;
}

/* Asks for a sample of the next batch and its label: they will be near when they are wanted. */
static void expect_sample(const batch *source, size_t sample, size_t features)
{
    const size_t bytes = features * (source->bytes ? 1 : sizeof(float));
    const char *first = (const char *)source->samples + sample * bytes;
    for (size_t at = 0; at < bytes; at += LINE * sizeof(real))
        __builtin_prefetch(first + at, 0, 2);
    if (source->labels)
        __builtin_prefetch(source->labels + sample, 0, 2);
}

static void gather_run(const call *c, size_t begin, size_t end)
{
    const batch *source = *c->source;
    const operand *out = &c->out[0];
    for (size_t r = begin; r < end; r++)
        for (size_t p = 0; p < n_panels(out); p++) {
            const size_t from = (source->index ? source->index[r] : r) * out->cols + p * out->width, n = panel_cols(out, p);
            real *x = panel_row(out, p, r);
            gather_piece(source, from, n, x);
            for (size_t i = n; i < out->width; i++)
                x[i] = 0;
        }
    for (size_t r = begin; r < MIN(end, source->n_next); r++)
        expect_sample(source, source->next[r], out->cols);
}

/* Padding too: what is zero stays zero. */
static void sum_run(const call *c, size_t begin, size_t end)
{
    const operand *to = &c->out[0];
    for (size_t tile = begin; tile < end; tile++) {
        const piece p = piece_of(c, tile);
        real *y = panel_row(to, p.panel, p.first);
        const real *other = panel_row(&c->in[1], p.panel, p.first);
        for (size_t i = 0; i < (p.last - p.first) * to->width; i++)
            y[i] += other[i];
    }
}

static size_t transpose_tiles(const call *c) { return (c->out[0].rows + MIN_WIDTH - 1) / MIN_WIDTH; }

/* Columns of in[0] become rows of out[0], square by square of vectors. */
static void transpose_run(const call *c, size_t begin, size_t end)
{
    const operand *from = &c->in[0], *to = &c->out[0];
    for (size_t n = begin * MIN_WIDTH; n < MIN(end * MIN_WIDTH, to->rows); n += LANES)
        for (size_t b = 0; b < round_up(to->cols, to->width); b += LANES) {
            vec square[LANES];
            for (size_t j = 0; j < LANES; j++)
                square[j] = b + j < from->rows ? v_load(element(from, b + j, n)) : v_set(0);
            v_transpose(square);
            for (size_t j = 0; j < MIN((size_t)LANES, to->rows - n); j++)
                v_store(element(to, n + j, b), square[j]);
        }
}

/* ---- Over a batch ---- */

static void mean_run(const call *c, size_t begin, size_t end)
{
    double sum = 0;
    if (begin == end)
        return;
    for (size_t r = 0; r < c->in[0].rows; r++)
        sum += (double)*panel_row(&c->in[0], 0, r);
    c->out[0].data[0] = (real)(sum / ((*c->source)->weight > 0 ? (*c->source)->weight : (double)c->in[0].rows));
    *c->halt = !isfinite(c->out[0].data[0]);
}

static void hits_run(const call *c, size_t begin, size_t end)
{
    const batch *source = *c->source;
    for (size_t r = begin; r < end; r++) {
        *panel_row(&c->out[0], 0, r) = (int32_t)largest_in_row(&c->in[0], r) == source->labels[source->index ? source->index[r] : r] ? 1 : 0;
    }
}

/* ---- Weights ---- */

static void update_run(const call *c, size_t begin, size_t end)
{
    for (size_t tile = begin; tile < end; tile++)
        move(c, tile, panel_row(&c->in[0], tile / dw_chunks(&c->out[0]), first_row(&c->out[0], tile)));
}

static size_t squares_tiles(const call *c) { return n_panels(&c->in[0]) * dw_chunks(&c->in[0]); }

/* The squares of n rows of a panel: a sum for each of so many columns, and a tree of those. Padding does not count. */
static double sum_squares(const real *g, size_t n, size_t width, size_t cols)
{
    double sums[MIN_WIDTH] = {0};
    for (size_t r = 0; r < n; r++)
        for (size_t first = 0; first < cols; first += MIN_WIDTH)
            for (size_t i = 0; i < MIN((size_t)MIN_WIDTH, cols - first); i++)
                sums[i] += (double)g[r * width + first + i] * (double)g[r * width + first + i];
    for (size_t half = MIN_WIDTH / 2; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++)
            sums[i] += sums[i + half];
    return sums[0];
}

static void squares_run(const call *c, size_t begin, size_t end)
{
    const operand *g = &c->in[0];
    for (size_t tile = begin; tile < end; tile++) {
        const size_t panel = tile / dw_chunks(g), first = first_row(g, tile), rows = MIN(first + PANEL, g->rows) - first;
        real *numbers = panel_row(g, panel, first);
        if (c->treatment)
            treat_rows(c->treatment, first, rows, g->width, panel_row(&c->in[1], panel, first), numbers);
        *(double *)panel_row(&c->out[0], 0, tile) = sum_squares(numbers, rows, g->width, panel_cols(g, panel));
    }
}

static void norm_run(const call *c, size_t begin, size_t end)
{
    const double largest = *(const double *)c->fields;
    double sum = 0;
    if (begin == end)
        return;
    for (size_t i = 0; i < c->in[0].rows; i++)
        sum += *(const double *)panel_row(&c->in[0], 0, i);
    const double norm = __builtin_sqrt(sum);
    *(double *)panel_row(&c->out[0], 0, 0) = norm;
    *panel_row(&c->out[0], 0, 1) = (real)MIN(1, largest / (norm + 1e-6)); /* as torch.nn.utils.clip_grad_norm_ has it */
    *c->halt = !isfinite(norm);
}

#define STRING2(x) #x
#define STRING(x) STRING2(x)

const kernels ISA_SYMBOL(kernels) = {
    .isa = STRING(WEFT_ISA_NAME),
    .fused = FUSED,
    .gather = {"gather", row_tiles, gather_run, NULL},
    .product = {"product", product_tiles, product_run, product_flops},
    .product_dx = {"product_dx", product_dx_tiles, product_dx_run, product_dx_flops},
    .product_dw = {"product_dw", product_dw_tiles, product_dw_run, product_dw_flops},
    .map = {"map", piece_tiles, map_run, NULL},
    .map_grad = {"map_grad", piece_tiles, map_grad_run, NULL},
    .sum = {"sum", piece_tiles, sum_run, NULL},
    .forms = {[FORM_TRANSPOSED] = {"transpose", transpose_tiles, transpose_run, NULL}},
    .takes = {.dx_dy = FORM_TRANSPOSED},
    .mean = {"mean", one_tile, mean_run, NULL},
    .hits = {"hits", row_tiles, hits_run, NULL},
    .update = {"update", product_dw_tiles, update_run, NULL},
    .squares = {"squares", squares_tiles, squares_run, NULL},
    .norm = {"norm", one_tile, norm_run, NULL},
};
