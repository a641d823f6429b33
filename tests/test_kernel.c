/* Every kernel, on every instruction set that this CPU has, against plain loops, bit for bit. */
#include "numbers.h"

#include <sys/wait.h>
#include <unistd.h>

static const size_t sizes[] = {1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 47, 48, 49, 96, 97, 100};
static const size_t batches[] = {1, 2, 8, 31, 32, 50, 97};

/* ---- Running a kernel in different pieces ---- */

enum { WHOLE, BACKWARDS, ONE_BY_ONE, HALVES, ALL_SPLITS };

/* Sanitizers and emulators make kernels a hundred times slower: they see fewer combinations of the same shapes. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(EMULATED)
enum { SPARSE = 1, N_SPLITS = ONE_BY_ONE };
#else
enum { SPARSE = 0, N_SPLITS = ALL_SPLITS };
#endif

static void run(const kernel *k, const call *c, int split)
{
    const size_t n = k->tiles(c);
    if (split == WHOLE)
        k->run(c, 0, n);
    if (split == HALVES) {
        k->run(c, 0, n / 2);
        k->run(c, n / 2, n);
    }
    for (size_t i = 0; i < n; i++) {
        if (split == ONE_BY_ONE)
            k->run(c, i, i + 1);
        if (split == BACKWARDS)
            k->run(c, n - 1 - i, n - i);
    }
}

static void assert_same(const operand *o, const float *expected, const char *what, const kernels *k, int split)
{
    for (size_t r = 0; r < o->rows; r++)
        for (size_t c = 0; c < o->cols; c++)
            if (bits_of(at(o, r, c)) != bits_of(expected[r * o->cols + c]))
                fail_msg("%s %s split %d: [%zu, %zu] of [%zu, %zu] is %a, not %a", k->isa, what, split, r, c, o->rows,
                         o->cols, (double)at(o, r, c), (double)expected[r * o->cols + c]);
}

static void assert_zero_padding(const operand *o, const char *what, const kernels *k)
{
    for (size_t r = 0; r < o->rows; r++)
        for (size_t c = o->cols; c < round_up(o->cols, o->width); c++)
            if (at(o, r, c) != 0)
                fail_msg("%s %s: padding [%zu, %zu] of [%zu, %zu] is %a", k->isa, what, r, c, o->rows, o->cols,
                         (double)at(o, r, c));
}

/* ---- A linear layer's three products ---- */

/* x: [B, I], w: [N, I], bias: [N] or none, dy: [B, N], and what the plain loops make of them. */
typedef struct problem {
    size_t B, I, N;
    bool has_bias, fused;
    float *w, *bias;
    matrix x, dy;
    float *y, *dx, *dw, *db;
} problem;

static float *floats(size_t n)
{
    float *p = calloc(n + 1, sizeof *p);
    assert_non_null(p);
    return p;
}

/* The promise: one chain of multiply-adds an element, in ascending order; the bias first, gradients from zero. */
static void solve_y(problem *p)
{
    for (size_t b = 0; b < p->B; b++)
        for (size_t n = 0; n < p->N; n++) {
            float sum = p->has_bias ? p->bias[n] : 0;
            for (size_t i = 0; i < p->I; i++)
                sum = multiply_add(p->fused, at(&p->x.at, b, i), p->w[n * p->I + i], sum);
            p->y[b * p->N + n] = sum;
        }
}

static void solve_dx(problem *p)
{
    for (size_t b = 0; b < p->B; b++)
        for (size_t i = 0; i < p->I; i++) {
            float sum = 0;
            for (size_t n = 0; n < p->N; n++)
                sum = multiply_add(p->fused, at(&p->dy.at, b, n), p->w[n * p->I + i], sum);
            p->dx[b * p->I + i] = sum;
        }
}

static void solve_dw(problem *p)
{
    for (size_t n = 0; n < p->N; n++) {
        for (size_t i = 0; i < p->I; i++) {
            float sum = 0;
            for (size_t b = 0; b < p->B; b++)
                sum = multiply_add(p->fused, at(&p->x.at, b, i), at(&p->dy.at, b, n), sum);
            p->dw[n * p->I + i] = sum;
        }
        for (size_t b = 0; b < p->B; b++)
            p->db[n] += at(&p->dy.at, b, n);
    }
}

static problem problem_make(size_t B, size_t I, size_t N, bool bias)
{
    problem p = {.B = B, .I = I, .N = N, .has_bias = bias, .x = matrix_noise(B, I, 1), .dy = matrix_noise(B, N, 2)};
    p.w = floats(N * I);
    p.bias = floats(N);
    p.y = floats(B * N);
    p.dx = floats(B * I);
    p.dw = floats(N * I);
    p.db = floats(N);
    for (size_t i = 0; i < N * I; i++)
        p.w[i] = (float)noise(3, i);
    for (size_t n = 0; n < N; n++)
        p.bias[n] = (float)noise(4, n);
    return p;
}

static void problem_free(problem *p)
{
    float *const all[] = {p->w, p->bias, p->y, p->dx, p->dw, p->db};
    for (size_t i = 0; i < COUNT(all); i++)
        free(all[i]);
    matrix_free(&p->x);
    matrix_free(&p->dy);
}

typedef void solver(problem *p);
typedef void checker(const kernels *k, const problem *p);

static void check_shape(size_t B, size_t I, size_t N, bool bias, solver *solve, checker *check)
{
    FOR_ISAS(first)
    {
        if (first_like(first) != first)
            continue;
        problem p = problem_make(B, I, N, bias);
        p.fused = kernels_of(first)->fused;
        solve(&p);
        FOR_ISAS(level)
            if (first_like(level) == first)
                check(kernels_of(level), &p);
        problem_free(&p);
    }
}

static void for_shapes(solver *solve, checker *check)
{
    for (size_t b = 0; b < COUNT(batches); b++)
        for (size_t i = 0; i < COUNT(sizes); i++)
            for (size_t n = 0; n < COUNT(sizes); n++)
                if (!SPARSE || (i + n) % COUNT(batches) == b)
                    check_shape(batches[b], sizes[i], sizes[n], (b + i + n) % 4 != 0, solve, check);
    check_shape(7, 1000, 10, true, solve, check);
    check_shape(SPARSE ? 130 : 289, 250, 97, true, solve, check);
    check_shape(SPARSE ? 3 : 32, 784, SPARSE ? 100 : 1000, true, solve, check);
}

static matrix packed_block(const problem *p, const float *w, const float *bias)
{
    matrix m = matrix_make(p->I + p->has_bias, p->N);
    if (w)
        pack(p->I, p->N, w, p->has_bias ? bias : NULL, m.at.data);
    return m;
}

/* Compares a packed block with a weight and a bias; its padding must be zero. */
static void assert_block(const kernels *k, const problem *p, const matrix *block, const float *w, const float *bias,
                         const char *what)
{
    const size_t width = block->at.width, rows = block->at.rows;
    for (size_t o = 0; o < round_up(p->N, width); o++)
        for (size_t i = 0; i < rows; i++) {
            const float is = block->at.data[(o / width * rows + i) * width + o % width];
            const float want = o >= p->N ? 0 : i < p->I ? w[o * p->I + i] : bias[o];
            if (o < p->N ? bits_of(is) != bits_of(want) : is != 0)
                fail_msg("%s %s: output %zu input %zu of [%zu, %zu, %zu] is %a, not %a", k ? k->isa : "", what, o, i, p->B, p->I,
                         p->N, (double)is, (double)want);
        }
}

/* Not a function of zero alone: what is applied twice, or not at all, shows. */
static void twice_plus(real *y, size_t n, const void *fields)
{
    for (size_t i = 0; i < n; i++)
        y[i] = 2 * y[i] + *(const real *)fields;
}

static void check_product(const kernels *k, const problem *p)
{
    static const real seven = 7;
    matrix w = packed_block(p, p->w, p->bias);
    float *mapped = floats(p->B * p->N);
    memcpy(mapped, p->y, p->B * p->N * sizeof *mapped);
    twice_plus(mapped, p->B * p->N, &seven);
    for (int split = 0; split < N_SPLITS; split++) {
        matrix y = matrix_make(p->B, p->N);
        call c = {.in = {p->x.at, w.at}, .out = {y.at}};
        run(&k->product, &c, split);
        assert_same(&y.at, p->y, "product", k, split);
        c.rows_first = true;
        c.map = twice_plus;
        c.map_fields = &seven;
        run(&k->product, &c, split);
        assert_same(&y.at, mapped, "product with a map, rows first", k, split);
        matrix_free(&y);
    }
    free(mapped);
    assert_block(k, p, &w, p->w, p->bias, "weights that were only read");
    matrix_free(&w);
}

/* dx <- 3 dx + fields y: which y belongs to which dx shows. */
static void thrice_plus(real *dx, const real *y, size_t n, const void *fields)
{
    for (size_t i = 0; i < n; i++)
        dx[i] = 3 * dx[i] + *(const real *)fields * y[i];
}

static void check_product_dx(const kernels *k, const problem *p)
{
    static const real half = 0.5f;
    matrix w = packed_block(p, p->w, p->bias), dy = matrix_make(p->N, p->B), y = matrix_noise(p->B, p->I, 5);
    for (size_t n = 0; n < p->N; n++)
        for (size_t b = 0; b < p->B; b++)
            *element(&dy.at, n, b) = at(&p->dy.at, b, n);
    float *mapped = floats(p->B * p->I);
    memcpy(mapped, p->dx, p->B * p->I * sizeof *mapped);
    for (size_t i = 0; i < p->B * p->I; i++)
        thrice_plus(mapped + i, element(&y.at, i / p->I, i % p->I), 1, &half);
    for (int split = 0; split < N_SPLITS; split++) {
        matrix dx = matrix_make(p->B, p->I);
        call c = {.in = {dy.at, w.at}, .out = {dx.at}};
        run(&k->product_dx, &c, split);
        assert_same(&dx.at, p->dx, "product_dx", k, split);
        assert_zero_padding(&dx.at, "product_dx", k);
        c.map_grad = thrice_plus;
        c.map_fields = &half;
        c.map_y = y.at;
        run(&k->product_dx, &c, split);
        assert_same(&dx.at, mapped, "product_dx with a map_grad", k, split);
        assert_zero_padding(&dx.at, "product_dx with a map_grad", k);
        matrix_free(&dx);
    }
    free(mapped);
    matrix_free(&w);
    matrix_free(&dy);
    matrix_free(&y);
}

/* w <- w - hyper g; one state counts the visits, the other keeps the gradient. */
static void descend_and_count(real *w, const real *g, real *const state[MAX_STATES], size_t n, const real *hyper)
{
    for (size_t i = 0; i < n; i++) {
        w[i] = fmaf(-hyper[0], g[i], w[i]);
        state[0][i] += 1;
        state[1][i] = g[i];
    }
}

/* dy with zeros in its padding, as the plan has it: then the gradient's padding is zero too. */
static matrix padded_dy(const problem *p)
{
    matrix dy = matrix_make(p->B, p->N);
    for (size_t b = 0; b < p->B; b++)
        for (size_t n = 0; n < round_up(p->N, dy.at.width); n++)
            *element(&dy.at, b, n) = n < p->N ? at(&p->dy.at, b, n) : 0;
    return dy;
}

static void check_product_dw(const kernels *k, const problem *p)
{
    matrix dy = padded_dy(p);
    for (int split = 0; split < N_SPLITS; split++) {
        matrix dw = packed_block(p, NULL, NULL);
        const call c = {.in = {p->x.at, dy.at}, .out = {dw.at}};
        run(&k->product_dw, &c, split);
        assert_block(k, p, &dw, p->dw, p->db, "product_dw");
        matrix_free(&dw);
    }
    matrix_free(&dy);
}

static void check_product_dw_update(const kernels *k, const problem *p)
{
    static const real rate[MAX_HYPER] = {0.25f};
    matrix dy = padded_dy(p);
    float *w = floats(p->N * p->I), *bias = floats(p->N);
    for (size_t i = 0; i < p->N * p->I; i++)
        w[i] = fmaf(-rate[0], p->dw[i], p->w[i]);
    for (size_t n = 0; n < p->N; n++)
        bias[n] = fmaf(-rate[0], p->db[n], p->bias[n]);
    for (int split = 0; split < N_SPLITS; split++) {
        matrix moved = packed_block(p, p->w, p->bias);
        guarded visits = guarded_make(moved.memory.n), gradient = guarded_make(moved.memory.n);
        for (size_t i = 0; i < visits.n; i++)
            visits.data[i] = 0;
        const call c = {.in = {p->x.at, dy.at}, .out = {moved.at}, .update = descend_and_count, .hyper = rate,
                        .state = {visits.data, gradient.data}};
        run(&k->product_dw, &c, split);
        assert_block(k, p, &moved, w, bias, "weights that product_dw moved");
        for (size_t i = 0; i < visits.n; i++)
            if (visits.data[i] != 1)
                fail_msg("%s: number %zu of %zu was updated %g times", k->isa, i, visits.n, (double)visits.data[i]);
        matrix kept = {.at = moved.at, .memory = gradient};
        kept.at.data = gradient.data;
        assert_block(k, p, &kept, p->dw, p->db, "gradient that the update got");
        guarded_free(&visits);
        guarded_free(&gradient);
        matrix_free(&moved);
    }
    free(w);
    free(bias);
    matrix_free(&dy);
}

/* Where the update is a descent, a weight's chain begins at the weight; beyond the longest part of a sum, the gradient stands alone. */
static void check_descent(const kernels *k, const problem *p)
{
    enum { LONGEST = 128 };
    static const real rate[MAX_HYPER] = {-0.25f};
    matrix dy = padded_dy(p);
    float *w = floats(p->N * p->I), *bias = floats(p->N);
    for (size_t n = 0; n < p->N; n++)
        for (size_t i = 0; i <= p->I; i++) {
            float *moved = i < p->I ? &w[n * p->I + i] : &bias[n];
            *moved = i < p->I ? p->w[n * p->I + i] : p->bias[n];
            for (size_t b = 0; b < p->B; b++)
                *moved = multiply_add(p->fused, i < p->I ? at(&p->x.at, b, i) : 1, rate[0] * at(&p->dy.at, b, n), *moved);
        }
    for (int split = 0; split < N_SPLITS && p->B <= LONGEST; split++) {
        matrix moved = packed_block(p, p->w, p->bias);
        const call c = {.in = {p->x.at, dy.at}, .out = {moved.at}, .update = descend_and_count, .hyper = rate, .descends = true};
        run(&k->product_dw, &c, split);
        assert_block(k, p, &moved, w, bias, "weights that descended");
        matrix_free(&moved);
    }
    free(w);
    free(bias);
    matrix_free(&dy);
}

static void product_is_the_chain_from_the_bias_on(void **unused)
{
    (void)unused;
    for_shapes(solve_y, check_product);
}

static void product_dx_is_the_chain_over_the_outputs(void **unused)
{
    (void)unused;
    for_shapes(solve_dx, check_product_dx);
}

static void product_dw_is_the_chain_over_the_batch(void **unused)
{
    (void)unused;
    for_shapes(solve_dw, check_product_dw);
}

static void product_dw_updates_every_weight_once(void **unused)
{
    (void)unused;
    for_shapes(solve_dw, check_product_dw_update);
}

static void a_descent_goes_on_from_the_weights(void **unused)
{
    (void)unused;
    for_shapes(solve_dw, check_descent);
}

/* ---- Packing ---- */

static void check_pack(const problem *p)
{
    matrix block = packed_block(p, p->w, p->bias);
    guarded w = guarded_make(p->N * p->I), bias = guarded_make(p->N);
    assert_block(NULL, p, &block, p->w, p->bias, "pack");
    unpack(p->I, p->N, block.at.data, w.data, p->has_bias ? bias.data : NULL);
    assert_memory_equal(w.data, p->w, w.n * sizeof *w.data);
    if (p->has_bias)
        assert_memory_equal(bias.data, p->bias, bias.n * sizeof *bias.data);
    matrix_free(&block);
    guarded_free(&w);
    guarded_free(&bias);
}

static void pack_and_unpack_are_inverse(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < COUNT(sizes); i++)
        for (size_t n = 0; n < COUNT(sizes); n++) {
            problem p = problem_make(1, sizes[i], sizes[n], (i + n) % 2);
            check_pack(&p);
            problem_free(&p);
        }
}

/* ---- Element by element ---- */

static void for_matrices(void (*check)(const kernels *k, size_t rows, size_t cols))
{
    for (size_t b = 0; b < COUNT(batches); b++)
        for (size_t i = 0; i < COUNT(sizes); i++)
            FOR_ISAS(level)
                check(kernels_of(level), batches[b], sizes[i]);
}

static void check_transpose(const kernels *k, size_t rows, size_t cols)
{
    matrix x = matrix_noise(rows, cols, 6);
    float *expected = floats(rows * cols);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++)
            expected[c * rows + r] = at(&x.at, r, c);
    for (int split = 0; split < N_SPLITS; split++) {
        matrix t = matrix_make(cols, rows);
        const call c = {.in = {x.at}, .out = {t.at}};
        run(&k->forms[FORM_TRANSPOSED], &c, split);
        assert_same(&t.at, expected, "transpose", k, split);
        assert_zero_padding(&t.at, "transpose", k);
        matrix_free(&t);
    }
    free(expected);
    matrix_free(&x);
}

static void transpose_exchanges_rows_and_columns(void **unused)
{
    (void)unused;
    for_matrices(check_transpose);
}

static void check_maps(const kernels *k, size_t rows, size_t cols)
{
    static const real seven = 7;
    matrix x = matrix_noise(rows, cols, 7), y = matrix_noise(rows, cols, 8);
    float *mapped = floats(rows * cols), *graded = floats(rows * cols);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++)
            mapped[r * cols + c] = graded[r * cols + c] = at(&x.at, r, c);
    twice_plus(mapped, rows * cols, &seven);
    for (size_t i = 0; i < rows * cols; i++)
        thrice_plus(graded + i, element(&y.at, i / cols, i % cols), 1, &seven);
    for (int split = 0; split < N_SPLITS; split++) {
        matrix out = matrix_make(rows, cols);
        call c = {.in = {x.at}, .out = {out.at}, .map = twice_plus, .map_fields = &seven};
        run(&k->map, &c, split);
        assert_same(&out.at, mapped, "map", k, split);
        c = (call){.in = {x.at, y.at}, .out = {out.at}, .map_grad = thrice_plus, .map_fields = &seven};
        run(&k->map_grad, &c, split);
        assert_same(&out.at, graded, "map_grad", k, split);
        matrix_free(&out);
    }
    free(mapped);
    free(graded);
    matrix_free(&x);
    matrix_free(&y);
}

static void map_and_map_grad_go_over_every_element_once(void **unused)
{
    (void)unused;
    for_matrices(check_maps);
}

/* Samples as bytes or floats, in order or by an index that repeats and skips some. */
static void check_gather_of(const kernels *k, size_t rows, size_t cols, bool as_bytes, bool indexed)
{
    const size_t n_samples = rows + 3;
    uint8_t *pixels = malloc(n_samples * cols);
    float *numbers = floats(n_samples * cols), *expected = floats(rows * cols);
    uint32_t *index = calloc(rows, sizeof *index);
    assert_true(pixels && index);
    for (size_t i = 0; i < n_samples * cols; i++) {
        pixels[i] = (uint8_t)(noise(9, i) * 128 + 128);
        numbers[i] = (float)noise(10, i);
    }
    for (size_t r = 0; r < rows; r++) {
        index[r] = (uint32_t)((r * 7 + 2) % n_samples);
        const size_t from = (indexed ? index[r] : r) * cols;
        for (size_t c = 0; c < cols; c++)
            expected[r * cols + c] = as_bytes ? (float)pixels[from + c] / 255.0f : numbers[from + c] / 255.0f;
    }
    const batch source = {.samples = as_bytes ? (const void *)pixels : numbers, .bytes = as_bytes, .scale = 255,
                          .index = indexed ? index : NULL, .n = rows};
    const batch *running = &source;
    for (int split = 0; split < N_SPLITS; split++) {
        matrix x = matrix_make(rows, cols);
        const call c = {.out = {x.at}, .source = &running};
        run(&k->gather, &c, split);
        assert_same(&x.at, expected, "gather", k, split);
        assert_zero_padding(&x.at, "gather", k);
        matrix_free(&x);
    }
    free(pixels);
    free(numbers);
    free(expected);
    free(index);
}

static void check_gather(const kernels *k, size_t rows, size_t cols)
{
    for (int kind = 0; kind < 4; kind++)
        check_gather_of(k, rows, cols, kind & 1, kind & 2);
}

static void gather_divides_the_samples_that_the_index_names(void **unused)
{
    (void)unused;
    for_matrices(check_gather);
    FOR_ISAS(level)
        check_gather(kernels_of(level), 3, 784);
}

/* The kernel does not divide, but its result is the division's: every byte by scales of all kinds. */
static void bytes_are_divided_as_if_by_a_division(void **unused)
{
    (void)unused;
    static const float some[] = {1, 2, 3, 255, 254.99998f, 256, 0.1f, 1e-9f, 1e9f, 16777215};
    uint8_t bytes[256];
    float expected[256];
    for (size_t i = 0; i < 256; i++)
        bytes[i] = (uint8_t)i;
    for (size_t s = 0; s < 2000; s++) {
        const float scale = s < COUNT(some) ? some[s] : (float)exp(20 * noise(16, s));
        for (size_t i = 0; i < 256; i++)
            expected[i] = (float)i / scale;
        const batch source = {.samples = bytes, .bytes = true, .scale = (double)scale, .n = 1}, *running = &source;
        FOR_ISAS(level)
        {
            matrix x = matrix_make(1, 256);
            run(&kernels_of(level)->gather, &(call){.out = {x.at}, .source = &running}, WHOLE);
            assert_same(&x.at, expected, "gather", kernels_of(level), WHOLE);
            matrix_free(&x);
        }
    }
}

/* ---- Over a batch ---- */

/* weight: what the mean divides by; 0: the number of losses. */
static float mean_of(const kernels *k, const matrix *losses, double weight, bool *halt)
{
    const batch source = {.n = losses->at.rows, .weight = weight}, *running = &source;
    matrix mean = matrix_make(1, 1);
    const call c = {.in = {losses->at}, .out = {mean.at}, .source = &running, .halt = halt};
    run(&k->mean, &c, ONE_BY_ONE);
    const float result = mean.at.data[0];
    matrix_free(&mean);
    return result;
}

static void mean_is_the_sum_in_double_rounded_once(void **unused)
{
    (void)unused;
    for (size_t b = 0; b < COUNT(batches); b++)
        FOR_ISAS(level)
        {
            matrix losses = matrix_noise(batches[b], 1, 11);
            double sum = 0;
            bool halt = true;
            for (size_t r = 0; r < batches[b]; r++)
                sum += (double)at(&losses.at, r, 0);
            assert_int_equal(bits_of(mean_of(kernels_of(level), &losses, 0, &halt)),
                             bits_of((float)(sum / (double)batches[b])));
            assert_int_equal(bits_of(mean_of(kernels_of(level), &losses, 0.75, &halt)), bits_of((float)(sum / 0.75)));
            assert_false(halt);
            matrix_free(&losses);
        }
}

static void mean_calls_a_halt_where_it_is_not_finite(void **unused)
{
    (void)unused;
    static const float broken[] = {INFINITY, -INFINITY, NAN};
    for (size_t i = 0; i < COUNT(broken); i++)
        FOR_ISAS(level)
        {
            matrix losses = matrix_noise(33, 1, 12);
            bool halt = false;
            *element(&losses.at, i * 16, 0) = broken[i];
            assert_false(isfinite(mean_of(kernels_of(level), &losses, 0, &halt)));
            assert_true(halt);
            matrix_free(&losses);
        }
}

/* Logits with equals, of which the first one counts, and with rows that are all negative. */
static matrix logits_make(size_t rows, size_t cols)
{
    matrix logits = matrix_noise(rows, cols, 13);
    for (size_t r = 0; r < rows; r++) {
        if (r % 3 == 0)
            *element(&logits.at, r, cols - 1) = *element(&logits.at, r, cols / 2) = 5;
        for (size_t c = 0; c < cols && r % 5 == 4; c++)
            *element(&logits.at, r, c) = -at(&logits.at, r, c) - 10;
    }
    return logits;
}

static void check_hits_of(const kernels *k, size_t rows, size_t cols, bool indexed)
{
    matrix logits = logits_make(rows, cols);
    float *expected = floats(rows);
    int32_t *labels = calloc(rows + 1, sizeof *labels);
    uint32_t *index = calloc(rows, sizeof *index);
    assert_true(labels && index);
    for (size_t r = 0; r < rows; r++) {
        size_t best = 0;
        for (size_t c = 1; c < cols; c++)
            best = at(&logits.at, r, c) > at(&logits.at, r, best) ? c : best;
        index[r] = (uint32_t)(rows - r);
        const size_t label = r % 2 ? best : r % cols;
        labels[indexed ? index[r] : r] = (int32_t)label;
        expected[r] = label == best;
    }
    const batch source = {.labels = labels, .index = indexed ? index : NULL, .n = rows};
    const batch *running = &source;
    for (int split = 0; split < N_SPLITS; split++) {
        matrix hits = matrix_make(rows, 1);
        const call c = {.in = {logits.at}, .out = {hits.at}, .source = &running};
        run(&k->hits, &c, split);
        assert_same(&hits.at, expected, "hits", k, split);
        matrix_free(&hits);
    }
    matrix_free(&logits);
    free(expected);
    free(labels);
    free(index);
}

static void check_hits(const kernels *k, size_t rows, size_t cols)
{
    check_hits_of(k, rows, cols, false);
    check_hits_of(k, rows, cols, true);
}

static void hits_are_the_rows_whose_first_largest_logit_is_the_labels(void **unused)
{
    (void)unused;
    for_matrices(check_hits);
}

/* ---- Updates of whole blocks ---- */

static void update_goes_over_every_number_once(void **unused)
{
    (void)unused;
    static const size_t shapes[][2] = {{1, 1}, {7, 7}, {64, 48}, {86, 48}, {128, 97}, {513, 16}, {4096, 1}}; /* rows, cols */
    static const real rate[MAX_HYPER] = {0.5f};
    for (size_t i = 0; i < COUNT(shapes); i++)
        FOR_ISAS(level)
            for (int split = 0; split < N_SPLITS; split++) {
                const kernels *k = kernels_of(level);
                const size_t rows = shapes[i][0], cols = shapes[i][1], n = panel_numbers(rows, cols);
                guarded w = guarded_make(n), g = guarded_make(n), visits = guarded_make(n), seen = guarded_make(n);
                for (size_t j = 0; j < n; j++) {
                    w.data[j] = (float)noise(14, j);
                    g.data[j] = (float)noise(15, j);
                    visits.data[j] = 0;
                }
                const size_t width = panel_width(cols);
                const call c = {.in = {{g.data, rows, cols, width}}, .out = {{w.data, rows, cols, width}},
                                .update = descend_and_count, .hyper = rate, .state = {visits.data, seen.data}};
                run(&k->update, &c, split);
                for (size_t j = 0; j < n; j++) {
                    assert_true(visits.data[j] == 1);
                    assert_true(bits_of(seen.data[j]) == bits_of(g.data[j]));
                    assert_true(bits_of(w.data[j]) == bits_of(fmaf(-0.5f, g.data[j], (float)noise(14, j))));
                }
                guarded_free(&w);
                guarded_free(&g);
                guarded_free(&visits);
                guarded_free(&seen);
            }
}

/* ---- The chooser ---- */

static bool names_all(const char *message)
{
    for (isa level = ANY_ISA; level < N_ISAS; level++)
        if (!strstr(message, isa_name(level)))
            return false;
    return true;
}

/* In a process of its own, for the choice is made once. 1: chosen as `expected`; 2: this CPU lacks it; 3: unknown, and all are named. */
static int choice(const char *wanted, const char *expected)
{
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        isa level;
        weft_error err = {0};
        if (wanted)
            setenv("WEFT_ISA", wanted, 1);
        else
            unsetenv("WEFT_ISA");
        if (isa_choose(&level, &err))
            _exit(strcmp(isa_name(level), expected) == 0 && kernels_of(level)->isa &&
                          strcmp(kernels_of(level)->isa, expected) == 0
                      ? 1
                      : 4);
        if (err.status != WEFT_BAD_INPUT || !strstr(err.message, wanted))
            _exit(5);
        _exit(strstr(err.message, "which this CPU does not have") ? 2 : names_all(err.message) ? 3 : 6);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void the_best_instruction_set_is_chosen_unless_another_is_asked_for(void **unused)
{
    (void)unused;
    const char *best = NULL;
    FOR_ISAS(level)
        best = isa_name(level);
    assert_int_equal(choice(NULL, best), 1);
    assert_int_equal(choice("", best), 1);
    for (isa level = ANY_ISA; level < N_ISAS; level++)
        assert_int_equal(choice(isa_name(level), isa_name(level)), isa_runs_here(level) ? 1 : 2);
    assert_int_equal(choice("v5", ""), 3);
    assert_int_equal(choice("V3", ""), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(product_is_the_chain_from_the_bias_on),
        cmocka_unit_test(product_dx_is_the_chain_over_the_outputs),
        cmocka_unit_test(product_dw_is_the_chain_over_the_batch),
        cmocka_unit_test(product_dw_updates_every_weight_once),
        cmocka_unit_test(a_descent_goes_on_from_the_weights),
        cmocka_unit_test(pack_and_unpack_are_inverse),
        cmocka_unit_test(transpose_exchanges_rows_and_columns),
        cmocka_unit_test(map_and_map_grad_go_over_every_element_once),
        cmocka_unit_test(gather_divides_the_samples_that_the_index_names),
        cmocka_unit_test(bytes_are_divided_as_if_by_a_division),
        cmocka_unit_test(mean_is_the_sum_in_double_rounded_once),
        cmocka_unit_test(mean_calls_a_halt_where_it_is_not_finite),
        cmocka_unit_test(hits_are_the_rows_whose_first_largest_logit_is_the_labels),
        cmocka_unit_test(update_goes_over_every_number_once),
        cmocka_unit_test(the_best_instruction_set_is_chosen_unless_another_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
