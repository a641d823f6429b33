/* Products in bf16: operands are rounded to 8 bits, products are exact, sums are fp32. Compiled once for each unit that multiplies pairs
 * of such numbers: AMX multiplies tiles of 16 rows, AVX-512 vectors of 16 columns. The two add up in other orders, so that each has its
 * own bits; for either, an element is one chain over groups of DEPTH numbers, whatever the tiles. Both flush numbers too small to be
 * normal to zero. Biases are not rounded; their gradients are sums of rounded dy. */
#include "kernel/treat.h"

#define INLINE static inline __attribute__((always_inline))

/* A tile of a result has so many rows at most, and a row so many vectors. */
enum { ROWS = 16, MAX_ROWS = 2 * ROWS, VECTORS = PANEL / LANES, PAIRS = DEPTH / 2 };

/* c[m][n] = init[n] + sum over k of a[m, k] * b[k, n]. Distances are in pairs, which are as large as reals. */
typedef struct dot {
    const real *a;
    size_t a_row, a_k; /* between rows, between groups */
    const real *b;
    size_t b_row; /* between pairs of ks */
    size_t groups;
    const real *init;
    real *c;
    size_t c_row;
    size_t shaped; /* for how many rows the unit is set up */
} dot;

static const real zeros[PANEL];

#if defined(__AMX_BF16__)

/* ---- AMX: tiles 0 to 2 are the sums of the upper rows, 3 to 5 those of the lower ones, 6 is of a, 7 of b ---- */

enum { PAIR_BYTES = sizeof(real) };

/* For so many rows of a and c; what tiles held is lost. */
static void shape_tiles(dot *d, size_t rows)
{
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } shape = {.palette = 1};
    if (d->shaped == rows)
        return;
    for (int i = 0; i < 8; i++) {
        shape.row_bytes[i] = LANES * PAIR_BYTES;
        shape.rows[i] = (uint8_t)(i < 7 ? rows : PAIRS);
    }
    __asm__ volatile("" : : "r"(&shape) : "memory"); /* all of it is read, which the compiler does not know */
    _tile_loadconfig(&shape);
    d->shaped = rows;
}

static void release(void) { _tile_release(); }

#define INIT(v, upper, lower)                                     \
    if (vectors > v) {                                            \
        _tile_loadd(upper, d->init + v * LANES, 0);               \
        if (tall)                                                 \
            _tile_loadd(lower, d->init + v * LANES, 0);           \
    }
#define SUM(v, upper, lower)                                      \
    if (vectors > v) {                                            \
        _tile_loadd(7, b + v * LANES, d->b_row * PAIR_BYTES);     \
        _tile_loadd(6, a, d->a_row * PAIR_BYTES);                 \
        _tile_dpbf16ps(upper, 6, 7);                              \
        if (tall) {                                               \
            _tile_loadd(6, a_lower, d->a_row * PAIR_BYTES);       \
            _tile_dpbf16ps(lower, 6, 7);                          \
        }                                                         \
    }
#define STORE(v, upper, lower)                                    \
    if (vectors > v) {                                            \
        _tile_stored(upper, d->c + v * LANES, d->c_row * PAIR_BYTES);       \
        if (tall)                                                 \
            _tile_stored(lower, d->c + ROWS * d->c_row + v * LANES, d->c_row * PAIR_BYTES); \
    }
#define ALL_COLUMNS(X) X(0, 0, 3) X(1, 1, 4) X(2, 2, 5)

INLINE void sum_tiles(const bool tall, const int vectors, const dot *d)
{
    const real *a = d->a, *a_lower = a + ROWS * d->a_row, *b = d->b;
    ALL_COLUMNS(INIT)
    for (size_t k = d->groups; k > 0; k--, a += d->a_k, a_lower += d->a_k, b += PAIRS * d->b_row) {
        ALL_COLUMNS(SUM)
    }
    ALL_COLUMNS(STORE)
}

/* At most MAX_ROWS rows of at most VECTORS vectors. */
static void sum(dot *d, size_t rows, size_t vectors)
{
    const dot before = *d;
    for (size_t done = 0, n; done < rows; done += n) {
        const bool tall = rows - done == MAX_ROWS;
        n = MIN(rows - done, (size_t)(tall ? MAX_ROWS : ROWS));
        d->a = before.a + done * d->a_row;
        d->c = before.c + done * d->c_row;
        shape_tiles(d, tall ? ROWS : n);
        if (vectors == 3)
            tall ? sum_tiles(true, 3, d) : sum_tiles(false, 3, d);
        else if (vectors == 2)
            tall ? sum_tiles(true, 2, d) : sum_tiles(false, 2, d);
        else
            tall ? sum_tiles(true, 1, d) : sum_tiles(false, 1, d);
    }
    d->a = before.a;
    d->c = before.c;
}

#else

/* ---- AVX-512: a register tile has 8 rows, or what is left one by one ---- */

enum { REGISTER_ROWS = 8, PART = 8 }; /* so many groups of b stay in the nearest cache for all rows */

static void release(void) {}

INLINE void sum_registers(const int rows, const int vectors, const dot *d, const real *init, size_t init_row)
{
    __m512 sums[REGISTER_ROWS][VECTORS];
    const real *a = d->a, *b = d->b;
    for (int m = 0; m < rows; m++)
        for (int v = 0; v < vectors; v++)
            sums[m][v] = v_load(init + (size_t)m * init_row + v * LANES);
    for (size_t k = d->groups; k > 0; k--, a += d->a_k)
        for (size_t pair = 0; pair < PAIRS; pair++, b += d->b_row) {
            __m512bh bs[VECTORS];
            for (int v = 0; v < vectors; v++)
                bs[v] = (__m512bh)v_load(b + v * LANES);
            for (int m = 0; m < rows; m++) {
                const __m512bh am = (__m512bh)v_set(a[(size_t)m * d->a_row + pair]);
                for (int v = 0; v < vectors; v++)
                    sums[m][v] = _mm512_dpbf16_ps(sums[m][v], am, bs[v]);
            }
        }
    for (int m = 0; m < rows; m++)
        for (int v = 0; v < vectors; v++)
            v_store(d->c + (size_t)m * d->c_row + v * LANES, sums[m][v]);
}

static void sum_rows(const dot *d, size_t rows, size_t vectors, const real *init, size_t init_row)
{
    const bool many = rows == REGISTER_ROWS;
    if (vectors == 3)
        many ? sum_registers(REGISTER_ROWS, 3, d, init, init_row) : sum_registers(1, 3, d, init, init_row);
    else if (vectors == 2)
        many ? sum_registers(REGISTER_ROWS, 2, d, init, init_row) : sum_registers(1, 2, d, init, init_row);
    else
        many ? sum_registers(REGISTER_ROWS, 1, d, init, init_row) : sum_registers(1, 1, d, init, init_row);
}

/* At most MAX_ROWS rows of at most VECTORS vectors. */
static void sum(dot *d, size_t rows, size_t vectors)
{
    for (size_t k = 0; k < d->groups; k += PART) {
        dot part = *d;
        part.groups = MIN((size_t)PART, d->groups - k);
        part.b += k * PAIRS * d->b_row;
        for (size_t done = 0, n; done < rows; done += n) {
            n = rows - done >= REGISTER_ROWS ? REGISTER_ROWS : 1;
            part.a = d->a + k * d->a_k + done * d->a_row;
            part.c = d->c + done * d->c_row;
            sum_rows(&part, n, vectors, k ? part.c : d->init, k ? d->c_row : 0);
        }
    }
}

#endif

/* ---- Numbers into pairs ---- */

/* 16 columns of a matrix, from one on. */
typedef struct stripe {
    const real *at; /* in row 0 */
    size_t rows, width;
    __mmask16 mask; /* of those that the matrix has */
} stripe;

static inline stripe stripe_of(const operand *m, size_t col)
{
    const size_t n = col < m->cols ? MIN(m->cols - col, (size_t)LANES) : 0;
    return (stripe){n ? column(m, col) : m->data, n ? m->rows : 0, m->width, (__mmask16)((1u << n) - 1)};
}

/* A row of it; zeros where there is none. */
static inline __m512 row_of(const stripe *s, size_t row)
{
    return row < s->rows ? _mm512_maskz_loadu_ps(s->mask, s->at + row * s->width) : _mm512_setzero_ps();
}

/* 16 pairs of the left form: what stands from column `col` on in 16 rows from `row` on. */
static void pairs_along(const operand *m, size_t row, size_t col, vec pairs[LANES])
{
    const stripe first = stripe_of(m, col), second = stripe_of(m, col + LANES);
    for (size_t i = 0; i < LANES; i++)
        pairs[i] = (vec)_mm512_cvtne2ps_pbh(row_of(&second, row + i), row_of(&first, row + i));
}

/* Of the right form: from column `col` on, rows `row` and row + 1, row + 2 and row + 3, and so on. */
static void pairs_across(const operand *m, size_t row, size_t col, vec pairs[LANES])
{
    static const uint16_t alternate[2 * LANES] = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23,
                                                  8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    const __m512i order = _mm512_loadu_si512(alternate);
    const stripe s = stripe_of(m, col);
    for (size_t i = 0; i < LANES; i++) {
        const __m512bh both = _mm512_cvtne2ps_pbh(row_of(&s, row + 2 * i + 1), row_of(&s, row + 2 * i));
        pairs[i] = (vec)_mm512_permutexvar_epi16(order, (__m512i)both);
    }
}

static void put_square(const vec pairs[LANES], const operand *to, size_t row, size_t col, size_t n_rows)
{
    real *at = element(to, row, col);
    for (size_t i = 0; i < n_rows; i++)
        v_store(at + i * to->width, pairs[i]);
}

/* A tile is a square of 16 rows and 16 columns of the form. */
static size_t squares_down(const operand *o) { return (o->rows + LANES - 1) / LANES; }

static size_t form_tiles(const call *c)
{
    return squares_down(&c->out[0]) * n_panels(&c->out[0]) * c->out[0].width / LANES;
}

INLINE void convert(const form f, const call *c, size_t begin, size_t end)
{
    const operand *from = &c->in[0], *to = &c->out[0];
    for (size_t tile = begin; tile < end; tile++) {
        const size_t row = tile % squares_down(to) * LANES, col = tile / squares_down(to) * LANES;
        vec pairs[LANES];
        if (f == FORM_LEFT)
            pairs_along(from, row, 2 * col, pairs);
        else if (f == FORM_RIGHT)
            pairs_across(from, 2 * row, col, pairs);
        else
            pairs_across(from, 2 * col, row, pairs);
        if (f == FORM_LEFT_TRANSPOSED)
            v_transpose(pairs);
        put_square(pairs, to, row, col, MIN((size_t)LANES, to->rows - row));
    }
}

static void left_run(const call *c, size_t begin, size_t end) { convert(FORM_LEFT, c, begin, end); }
static void right_run(const call *c, size_t begin, size_t end) { convert(FORM_RIGHT, c, begin, end); }
static void left_transposed_run(const call *c, size_t begin, size_t end) { convert(FORM_LEFT_TRANSPOSED, c, begin, end); }

/* ---- y = x W^T + b, and dx = dy W ---- */

static size_t row_groups(size_t rows) { return (rows + ROWS - 1) / ROWS; }

static size_t product_tiles(const call *c) { return n_panels(&c->out[0]) * row_groups(c->out[0].rows); }

/* Rows [first, last) of a panel of the result. What maps make of padding, nobody reads. */
static void product_rows(const call *c, size_t panel, size_t first, size_t last, dot *d)
{
    const operand *y = &c->out[0];
    const size_t numbers = (last - first) * y->width;
    d->a = panel_row(&c->in[0], 0, first);
    d->c = panel_row(y, panel, first);
    sum(d, last - first, y->width / LANES);
    if (c->map)
        c->map(d->c, numbers, c->map_fields);
    if (c->map_grad)
        c->map_grad(d->c, panel_row(&c->map_y, panel, first), numbers, c->map_fields);
}

/* The rows of all tiles of a panel follow each other, so that weights are read once for many. */
static void product(const call *c, const operand *w, const operand *bias, size_t begin, size_t end)
{
    const operand *x = &c->in[0], *y = &c->out[0];
    const size_t row_tiles = row_groups(y->rows);
    dot d = {.a_row = x->width, .a_k = x->rows * x->width, .b_row = w->width, .groups = n_panels(x), .init = zeros, .c_row = y->width};
    for (size_t tile = begin, n; tile < end; tile += n) {
        const size_t panel = tile / row_tiles, first = tile % row_tiles;
        n = MIN(MIN(end - tile, row_tiles - first), (size_t)MAX_ROWS / ROWS);
        d.b = panel_row(w, panel, 0);
        if (bias)
            d.init = panel_row(bias, panel, c->features);
        product_rows(c, panel, first * ROWS, MIN((first + n) * ROWS, y->rows), &d);
    }
    release();
}

static void product_run(const call *c, size_t begin, size_t end)
{
    const operand *w = &c->in[1];
    product(c, &c->copies[COPY_FORWARD], w->rows > c->features ? w : NULL, begin, end);
}

static void product_dx_run(const call *c, size_t begin, size_t end) { product(c, &c->copies[COPY_BACKWARD], NULL, begin, end); }

static double product_flops(const call *c) { return 2.0 * (double)c->out[0].rows * (double)c->in[1].cols * (double)c->in[1].rows; }

static double product_dx_flops(const call *c) { return 2.0 * (double)c->out[0].rows * (double)c->out[0].cols * (double)c->in[1].cols; }

/* ---- Weights and their copies ---- */

/* A tile is DEPTH rows of a panel of weights: its rows are pairs of the forward copy, and two squares of the backward one. */
static size_t weight_chunks(const operand *w) { return (w->rows + DEPTH - 1) / DEPTH; }

static size_t weight_tiles(const call *c) { return n_panels(&c->out[0]) * weight_chunks(&c->out[0]); }

typedef struct chunk {
    size_t panel, first, rows;
} chunk;

static chunk chunk_of(const operand *w, size_t tile)
{
    const size_t first = tile % weight_chunks(w) * DEPTH;
    return (chunk){tile / weight_chunks(w), first, MIN((size_t)DEPTH, w->rows - first)};
}

static void copy_forward(const operand *panel, const operand *to, const chunk *at)
{
    vec pairs[LANES];
    for (size_t col = 0; col < panel->width; col += LANES) {
        pairs_across(panel, at->first, col, pairs);
        put_square(pairs, to, at->first / 2, at->panel * panel->width + col, LANES);
    }
}

static void copy_backward(const operand *panel, const operand *to, const chunk *at)
{
    vec pairs[LANES];
    for (size_t col = 0; col < panel->cols; col += 2 * LANES) {
        const size_t pair = (at->panel * panel->width + col) / 2, n = MIN(MIN((panel->width - col) / 2, (size_t)LANES), to->rows - pair);
        for (size_t row = at->first; row < at->first + at->rows; row += LANES) {
            pairs_along(panel, row, col, pairs);
            v_transpose(pairs);
            put_square(pairs, to, pair, row, n);
        }
    }
}

/* Only of the chunk's panel: the next one may be another thread's. */
static void copy_chunk(const call *c, const chunk *at)
{
    const operand *w = &c->out[0];
    const operand panel = {panel_row(w, at->panel, 0), w->rows, panel_cols(w, at->panel), w->width};
    if (c->copies[COPY_FORWARD].data)
        copy_forward(&panel, &c->copies[COPY_FORWARD], at);
    if (c->copies[COPY_BACKWARD].data)
        copy_backward(&panel, &c->copies[COPY_BACKWARD], at);
}

static void copy(const call *c)
{
    for (size_t tile = 0; tile < weight_tiles(c); tile++) {
        const chunk at = chunk_of(&c->out[0], tile);
        copy_chunk(c, &at);
    }
}

/* A chunk of W moves by a gradient that is in the cache, and so do its copies. */
static void move(const call *c, const chunk *at, real *gradient)
{
    move_rows(c, at->panel, at->first, at->rows, gradient);
    copy_chunk(c, at);
}

static void update_run(const call *c, size_t begin, size_t end)
{
    for (size_t tile = begin; tile < end; tile++) {
        const chunk at = chunk_of(&c->out[0], tile);
        move(c, &at, panel_row(&c->in[0], at.panel, at.first));
    }
}

/* ---- dW = dy^T x, db = sum of dy ---- */

static double product_dw_flops(const call *c) { return 4.0 * (double)c->in[0].cols * (double)c->out[0].cols * (double)c->out[0].rows; }

/* The gradient of a chunk; the bias is as if one more input were always 1. */
static void dw_chunk(const call *c, const chunk *at, real *gradient, dot *d)
{
    static const uint16_t ones[DEPTH] = {
#define EIGHT 0x3f80, 0x3f80, 0x3f80, 0x3f80, 0x3f80, 0x3f80, 0x3f80, 0x3f80
        EIGHT, EIGHT, EIGHT, EIGHT,
    };
    const operand *x = &c->in[0], *dy = &c->in[1];
    const size_t last = at->first + at->rows, inputs = MIN(last, x->rows) - MIN(at->first, x->rows), vectors = d->c_row / LANES;
    d->b = panel_row(dy, at->panel, 0);
    d->a = panel_row(x, 0, at->first);
    d->a_row = x->width;
    d->a_k = x->rows * x->width;
    d->c = gradient;
    if (inputs)
        sum(d, inputs, vectors);
    d->a = (const real *)ones;
    d->a_row = d->a_k = 0;
    d->c = gradient + inputs * d->c_row;
    if (last > x->rows)
        sum(d, 1, vectors);
}

/* Gradients of so many chunks are made before the first of them moves: streams of weights and state that are seldom interrupted come
 * faster. Without state they are so short that it is better to keep the gradient near. Both were measured. */
enum { CHUNKS_WITH_STATE = 8, CHUNKS_WITHOUT = 1 };

static void product_dw_run(const call *c, size_t begin, size_t end)
{
    const operand *dy = &c->in[1], *w = &c->out[0];
    const size_t chunks = weight_chunks(w), most = c->state[0] ? CHUNKS_WITH_STATE : CHUNKS_WITHOUT;
    _Alignas(64) real gradients[CHUNKS_WITH_STATE][DEPTH * PANEL];
    dot d = {.b_row = dy->width, .groups = n_panels(&c->in[0]), .init = zeros, .c_row = w->width};
    for (size_t tile = begin, n; tile < end; tile += n) {
        chunk at[CHUNKS_WITH_STATE];
        n = MIN(MIN(end - tile, chunks - tile % chunks), most);
        for (size_t i = 0; i < n; i++) {
            at[i] = chunk_of(w, tile + i);
            dw_chunk(c, &at[i], c->update ? gradients[i] : panel_row(w, at[i].panel, at[i].first), &d);
        }
        for (size_t i = 0; c->update && i < n; i++)
            move(c, &at[i], gradients[i]);
    }
    release();
}

#define STRING2(x) #x
#define STRING(x) STRING2(x)

const kernels ISA_SYMBOL(bf16) = {
    .isa = STRING(WEFT_ISA_NAME),
    .takes = {.x = FORM_LEFT, .dx_dy = FORM_LEFT, .dw_x = FORM_LEFT_TRANSPOSED, .dw_dy = FORM_RIGHT},
    .copies = {[COPY_FORWARD] = FORM_RIGHT, [COPY_BACKWARD] = FORM_RIGHT_TRANSPOSED},
    .forms = {[FORM_LEFT] = {"left", form_tiles, left_run, NULL},
              [FORM_RIGHT] = {"right", form_tiles, right_run, NULL},
              [FORM_LEFT_TRANSPOSED] = {"left^T", form_tiles, left_transposed_run, NULL}},
    .product = {"product", product_tiles, product_run, product_flops},
    .product_dx = {"product_dx", product_tiles, product_dx_run, product_dx_flops},
    .product_dw = {"product_dw", weight_tiles, product_dw_run, product_dw_flops},
    .update = {"update", weight_tiles, update_run, NULL},
    .copy = copy,
};
