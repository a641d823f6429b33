/* What kernels do to gradients before weights move: factors, penalties, limits, norms, a bias with numbers of its own. */
#include "numbers.h"

static const size_t shapes[][2] = {{1, 1}, {2, 5}, {49, 7}, {97, 48}, {100, 130}, {513, 16}}; /* rows, cols */

static const real rate[MAX_HYPER] = {0.5f}, bias_rate[MAX_HYPER] = {2};

static void descend(real *w, const real *g, real *const state[MAX_STATES], size_t n, const real *hyper)
{
    (void)state;
    for (size_t i = 0; i < n; i++)
        w[i] = fmaf(-hyper[0], g[i], w[i]);
}

/* With zeros in its padding, as plans have it; some numbers are zero. */
static matrix padded(size_t rows, size_t cols, uint64_t stream)
{
    matrix m = matrix_make(rows, cols);
    for (size_t i = 0; i < m.memory.n; i++)
        m.memory.data[i] = 0;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++)
            *element(&m.at, r, c) = (r + c) % 7 ? (float)noise(stream, r * cols + c) : 0;
    return m;
}

static void run(const kernel *k, const call *c)
{
    const size_t n = k->tiles(c);
    k->run(c, n / 3, n); /* in any order, in any shares */
    k->run(c, 0, n / 3);
}

/* What becomes of a number, in double. */
static double treated(const treatment *t, size_t row, double w, double g)
{
    g *= t->factor ? (double)*t->factor : 1;
    if (row < t->weight_rows)
        g += 2 * (double)t->l2 * w + (double)t->l1 * ((w > 0) - (w < 0));
    return t->largest > 0 ? fmin(fmax(g, -(double)t->largest), (double)t->largest) : g;
}

static const real third = 1.0f / 3;

/* Of a block of so many rows, the last of which is a bias. */
static size_t list_treatments(size_t rows, treatment out[6])
{
    const treatment list[] = {
        {.factor = &third}, {.l2 = 0.1f}, {.l1 = 0.2f}, {.largest = 0.25f}, {.bias_hyper = bias_rate, .spends = true},
        {.factor = &third, .l1 = 0.01f, .l2 = 0.1f, .largest = 0.3f, .bias_hyper = bias_rate, .spends = true},
    };
    for (size_t i = 0; i < COUNT(list); i++) {
        out[i] = list[i];
        out[i].weight_rows = rows - 1;
    }
    return COUNT(list);
}

static void check_update(const kernels *k, const treatment *t, size_t rows, size_t cols)
{
    matrix w = padded(rows, cols, 1), g = padded(rows, cols, 2);
    run(&k->update, &(call){.in = {g.at}, .out = {w.at}, .update = descend, .hyper = rate, .treatment = t});
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++) {
            const double before = (r + c) % 7 ? (double)(float)noise(1, r * cols + c) : 0;
            const double gradient = (r + c) % 7 ? (double)(float)noise(2, r * cols + c) : 0;
            const double by = (double)(r + 1 == rows && t->bias_hyper ? bias_rate : rate)[0];
            const double right = before - by * treated(t, r, before, gradient);
            if (!(fabs((double)at(&w.at, r, c) - right) <= 8 * UNIT)) /* a handful of roundings of numbers up to 3 */
                fail_msg("%s: [%zu, %zu] of [%zu, %zu] moved to %.9g, not %.9g", k->isa, r, c, rows, cols, (double)at(&w.at, r, c), right);
            if (t->spends)
                assert_true(at(&g.at, r, c) == 0);
        }
    matrix_free(&w);
    matrix_free(&g);
}

static void gradients_are_treated_as_in_double(void **unused)
{
    (void)unused;
    treatment all[6];
    FOR_ISAS(level)
        for (size_t i = 0; i < COUNT(shapes); i++)
            for (size_t t = list_treatments(shapes[i][0], all); t-- > 0;)
                check_update(kernels_of(level), &all[t], shapes[i][0], shapes[i][1]);
}

static void averages_follow_the_weights(void **unused)
{
    (void)unused;
    static const real shares[2] = {0.75f, 0.25f}, copies[2] = {0, 1};
    FOR_ISAS(level)
        for (size_t i = 0; i < COUNT(shapes); i++) {
            matrix w = padded(shapes[i][0], shapes[i][1], 1), g = padded(shapes[i][0], shapes[i][1], 2), mean = padded(shapes[i][0], shapes[i][1], 3);
            treatment t = {.weight_rows = shapes[i][0], .average = mean.at.data, .shares = shares};
            const call c = {.in = {g.at}, .out = {w.at}, .update = descend, .hyper = rate, .treatment = &t};
            run(&kernels_of(level)->update, &c);
            for (size_t r = 0; r < shapes[i][0]; r++)
                for (size_t col = 0; col < shapes[i][1]; col++) {
                    const double before = (r + col) % 7 ? (double)(float)noise(3, r * shapes[i][1] + col) : 0;
                    assert_true(fabs((double)at(&mean.at, r, col) - 0.75 * before - 0.25 * (double)at(&w.at, r, col)) <= 2 * UNIT);
                }
            t.shares = copies;
            run(&kernels_of(level)->update, &c);
            assert_memory_equal(mean.memory.data, w.memory.data, w.memory.n * sizeof(real));
            matrix_free(&w);
            matrix_free(&g);
            matrix_free(&mean);
        }
}

/* Fused into the weight gradient or not, the same bits; also where plain descents begin at the weight. */
static void a_fused_update_is_an_update(void **unused)
{
    (void)unused;
    enum { B = 33, I = 70, N = 50 };
    treatment all[6];
    FOR_ISAS(level)
        for (size_t t = list_treatments(I + 1, all); t-- > 0;) {
            const kernels *k = kernels_of(level);
            matrix x = matrix_noise(B, I, 3), dy = padded(B, N, 4), dw = padded(I + 1, N, 5), one = padded(I + 1, N, 6), other = padded(I + 1, N, 6);
            run(&k->product_dw, &(call){.in = {x.at, dy.at}, .out = {dw.at}});
            run(&k->update, &(call){.in = {dw.at}, .out = {one.at}, .update = descend, .hyper = rate, .treatment = &all[t]});
            run(&k->product_dw, &(call){.in = {x.at, dy.at}, .out = {other.at}, .update = descend, .hyper = rate, .treatment = &all[t]});
            assert_memory_equal(one.memory.data, other.memory.data, one.memory.n * sizeof(real));
            matrix_free(&x);
            matrix_free(&dy);
            matrix_free(&dw);
            matrix_free(&one);
            matrix_free(&other);
        }
}

/* ---- Norms ---- */

/* The norm of one block; its padding is NaN. */
static double norm_of(const kernels *k, const matrix *g, double largest, real *factor, bool *halt)
{
    call c = {.in = {g->at}, .out = {{0}, g->at}, .fields = &largest, .halt = halt};
    matrix parts = matrix_make(k->squares.tiles(&c), 1), norm = matrix_make(2, 1);
    c.out[0] = parts.at;
    run(&k->squares, &c);
    c.in[0] = parts.at;
    c.out[0] = norm.at;
    run(&k->norm, &c);
    const double found = *(const double *)norm.memory.data;
    *factor = at(&norm.at, 1, 0);
    matrix_free(&parts);
    matrix_free(&norm);
    return found;
}

static void norms_are_those_of_double_and_padding_does_not_count(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < COUNT(shapes); i++) {
        matrix g = matrix_noise(shapes[i][0], shapes[i][1], 7);
        double right = 0, first = 0;
        real factor;
        bool halt = true;
        for (size_t n = 0; n < shapes[i][0] * shapes[i][1]; n++)
            right += (double)(float)noise(7, n) * (double)(float)noise(7, n);
        right = sqrt(right);
        FOR_ISAS(level)
        {
            const double found = norm_of(kernels_of(level), &g, 0.75 * right, &factor, &halt);
            assert_false(halt);
            assert_true(fabs(found - right) <= 1e-12 * right);
            assert_true(fabs((double)factor - 0.75 * right / (right + 1e-6)) <= UNIT);
            first = level == ANY_ISA ? found : first;
            assert_true(found == first); /* the same bits everywhere */
            norm_of(kernels_of(level), &g, 2 * right, &factor, &halt);
            assert_true(factor == 1);
        }
        matrix_free(&g);
    }
}

static void a_norm_that_is_not_finite_halts(void **unused)
{
    (void)unused;
    const float bad[] = {INFINITY, -INFINITY, NAN};
    FOR_ISAS(level)
        for (size_t i = 0; i < COUNT(bad); i++) {
            matrix g = matrix_noise(100, 60, 8);
            real factor;
            bool halt = false;
            *element(&g.at, 99, 59) = bad[i];
            norm_of(kernels_of(level), &g, 1, &factor, &halt);
            assert_true(halt);
            matrix_free(&g);
        }
}

/* What a norm is of is what the update takes. */
static void norms_see_treated_gradients(void **unused)
{
    (void)unused;
    enum { ROWS = 100, COLS = 60 };
    treatment all[6];
    FOR_ISAS(level)
        for (size_t t = list_treatments(ROWS, all); t-- > 0;) {
            matrix w = padded(ROWS, COLS, 1), g = padded(ROWS, COLS, 2);
            call c = {.in = {g.at, w.at}, .out = {{0}, g.at}, .treatment = &all[t]};
            matrix parts = matrix_make(kernels_of(level)->squares.tiles(&c), 1);
            c.out[0] = parts.at;
            run(&kernels_of(level)->squares, &c);
            double sum = 0, right = 0;
            for (size_t i = 0; i < parts.at.rows; i++)
                sum += *(const double *)panel_row(&parts.at, 0, i);
            for (size_t r = 0; r < ROWS; r++)
                for (size_t i = 0; i < COLS; i++) {
                    const double before = (r + i) % 7 ? (double)(float)noise(2, r * COLS + i) : 0;
                    const double one = treated(&all[t], r, (double)at(&w.at, r, i), before);
                    assert_true(fabs((double)at(&g.at, r, i) - one) <= 4 * UNIT);
                    right += one * one;
                }
            assert_true(fabs(sum - right) <= 16 * UNIT * right);
            matrix_free(&w);
            matrix_free(&g);
            matrix_free(&parts);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_treated_as_in_double),
        cmocka_unit_test(averages_follow_the_weights),
        cmocka_unit_test(a_fused_update_is_an_update),
        cmocka_unit_test(norms_are_those_of_double_and_padding_does_not_count),
        cmocka_unit_test(a_norm_that_is_not_finite_halts),
        cmocka_unit_test(norms_see_treated_gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
