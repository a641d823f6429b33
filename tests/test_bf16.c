/* Products in bf16, on every unit that this CPU has, against plain loops; that copies of weights keep in step with them. Where the CPU has no
 * unit, the tests that need one are skipped. */
#include "numbers.h"

#include <weft.h>

static const char *const units[] = {"amx", "avx512"};
static const size_t sizes[] = {1, 2, 15, 16, 17, 31, 32, 33, 47, 48, 49, 64, 97, 100};
static const size_t batches[] = {1, 2, 7, 16, 31, 32, 33, 70};

static bool kernels_on(const char *unit, kernels *k)
{
    isa level;
    assert_true(isa_choose(&level, NULL));
    assert_int_equal(setenv("WEFT_BF16", unit, 1), 0);
    const bool runs = precision_kernels("bf16", level, (where){"test", 0, 0}, k, NULL);
    unsetenv("WEFT_BF16");
    return runs;
}

/* For each unit that runs here; the test is skipped where there is none. */
static void on_units(void (*check)(const kernels *k))
{
    size_t n = 0;
    for (size_t i = 0; i < COUNT(units); i++) {
        kernels k;
        if (!kernels_on(units[i], &k))
            continue;
        check(&k);
        n++;
    }
    if (!n) {
        print_message("this CPU has no unit for bf16\n");
        skip();
    }
}

/* ---- Numbers ---- */

static float rounded(float x)
{
    uint32_t bits = bits_of(x);
    if (isnan(x))
        bits |= 0x400000;
    else
        bits += 0x7fff + (bits >> 16 & 1);
    bits &= 0xffff0000;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* One of the two numbers of a pair. */
static float half_of(float pair, size_t which)
{
    const uint32_t bits = which ? bits_of(pair) & 0xffff0000 : bits_of(pair) << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Number [row, col] of a matrix, looked up in one of its forms. */
static float in_form(const operand *o, form f, size_t row, size_t col)
{
    switch (f) {
    case FORM_LEFT:
        return half_of(at(o, row, col / 2), col % 2);
    case FORM_RIGHT:
        return half_of(at(o, row / 2, col), row % 2);
    case FORM_LEFT_TRANSPOSED:
        return half_of(at(o, col, row / 2), row % 2);
    default:
        return half_of(at(o, col / 2, row), col % 2);
    }
}

static matrix matrix_like(operand shape)
{
    matrix m = {.at = shape, .memory = guarded_make(operand_numbers(&shape))};
    m.at.data = m.memory.data;
    return m;
}

static void run_all(const kernel *k, const call *c, bool one_by_one)
{
    const size_t n = k->tiles(c);
    if (!one_by_one)
        k->run(c, 0, n);
    for (size_t i = n; one_by_one && i-- > 0;)
        k->run(c, i, i + 1);
}

static matrix converted(const kernels *k, const operand *o, form f, bool one_by_one)
{
    matrix m = matrix_like(operand_in_form(o, f));
    call c = {.in = {*o}, .out = {m.at}};
    run_all(&k->forms[f], &c, one_by_one);
    return m;
}

/* ---- Forms ---- */

/* How many numbers a form has room for, with its padding. */
static void room_of(const operand *o, form f, size_t *rows, size_t *cols)
{
    const size_t along = n_panels(o) * o->width;
    const bool pairs_in_rows = f == FORM_LEFT || f == FORM_LEFT_TRANSPOSED;
    *rows = pairs_in_rows ? o->rows : 2 * o->rows;
    *cols = pairs_in_rows ? 2 * along : along;
    if (f == FORM_LEFT_TRANSPOSED || f == FORM_RIGHT_TRANSPOSED) {
        const size_t swap = *rows;
        *rows = *cols;
        *cols = swap;
    }
}

static void check_form(const operand *m, const operand *o, form f)
{
    size_t rows, cols;
    room_of(o, f, &rows, &cols);
    assert_true(rows >= m->rows && cols >= m->cols);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++) {
            const float is = in_form(o, f, r, c), want = r < m->rows && c < m->cols ? rounded(at(m, r, c)) : 0;
            if (bits_of(is) != bits_of(want))
                fail_msg("form %d of [%zu, %zu]: [%zu, %zu] is %a, not %a", (int)f, m->rows, m->cols, r, c, (double)is, (double)want);
        }
}

static void check_forms(const kernels *k)
{
    static const form made[] = {FORM_LEFT, FORM_RIGHT, FORM_LEFT_TRANSPOSED};
    for (size_t b = 0; b < COUNT(batches); b++)
        for (size_t s = 0; s < COUNT(sizes); s++)
            for (size_t f = 0; f < 2 * COUNT(made); f++) {
                matrix m = matrix_noise(batches[b], sizes[s], 1), o = converted(k, &m.at, made[f / 2], f % 2);
                check_form(&m.at, &o.at, made[f / 2]);
                matrix_free(&m);
                matrix_free(&o);
            }
}

static void numbers_are_paired_where_the_forms_say(void **unused)
{
    (void)unused;
    on_units(check_forms);
}

static void check_rounding(const kernels *k)
{
    static const uint32_t special[] = {0x3f800000, 0x3f808000, 0x3f818000, 0x3f808001, 0x3f807fff, 0xbf818000, 0x7f7fffff, 0x7f800000,
                                       0xff800000, 0x7fc00000, 0x7f800001, 0x00000000, 0x80000000, 0x00800000, 0x477fffff};
    matrix m = matrix_make(1, COUNT(special));
    memcpy(m.at.data, special, sizeof special);
    matrix o = converted(k, &m.at, FORM_LEFT, false);
    for (size_t i = 0; i < COUNT(special); i++) {
        const float is = in_form(&o.at, FORM_LEFT, 0, i), want = rounded(at(&m.at, 0, i));
        if (isnan(want) ? !isnan(is) : bits_of(is) != bits_of(want))
            fail_msg("%08x becomes %a, not %a", special[i], (double)is, (double)want);
    }
    matrix_free(&m);
    matrix_free(&o);
}

static void numbers_round_to_the_nearest_even_and_nan_stays_nan(void **unused)
{
    (void)unused;
    on_units(check_rounding);
}

/* ---- A layer ---- */

/* x: [B, I], w: [I (+ 1), N], dy: [B, N]. */
typedef struct layer {
    size_t B, I, N;
    bool bias;
    matrix x, dy, w, copies[N_COPIES];
} layer;

/* Whole numbers so small that every sum of products is exact; or noise. */
static void fill(matrix *m, uint64_t stream, bool whole)
{
    for (size_t r = 0; r < m->at.rows; r++)
        for (size_t c = 0; c < n_panels(&m->at) * m->at.width; c++) {
            const double x = c < m->at.cols ? noise(stream, r * m->at.cols + c) : 0;
            *element(&m->at, r, c) = (float)(whole ? floor(8 * x) : x);
        }
}

static call call_of(layer *l)
{
    return (call){.features = l->I, .copies = {l->copies[0].at, l->copies[1].at}};
}

static layer layer_make(const kernels *k, size_t B, size_t I, size_t N, bool bias, bool whole)
{
    layer l = {.B = B, .I = I, .N = N, .bias = bias, .x = matrix_make(B, I), .dy = matrix_make(B, N), .w = matrix_make(I + bias, N)};
    fill(&l.x, 1, whole);
    fill(&l.dy, 2, whole);
    fill(&l.w, 3, whole);
    for (size_t i = 0; i < N_COPIES; i++) {
        l.copies[i] = matrix_like(operand_in_form(&l.w.at, k->copies[i]));
        memset(l.copies[i].at.data, 0, operand_numbers(&l.copies[i].at) * sizeof(real));
    }
    call c = call_of(&l);
    c.out[0] = l.w.at;
    k->copy(&c);
    return l;
}

static void layer_free(layer *l)
{
    matrix *const all[] = {&l->x, &l->dy, &l->w, &l->copies[0], &l->copies[1]};
    for (size_t i = 0; i < COUNT(all); i++)
        matrix_free(all[i]);
}

/* A sum of n exact products in any order is off by at most n roundings of at most the sum of their magnitudes, and a little for results
 * that are flushed. */
static void check_sum(float is, double exact, double magnitudes, size_t n, bool whole, const char *what)
{
    const double tolerance = whole ? 0 : (double)(n + 2) * UNIT * magnitudes + 0x1p-120;
    if (!(fabs((double)is - exact) <= tolerance))
        fail_msg("%s is %.9g, but exactly %.9g, of %zu terms that are %.9g together", what, (double)is, exact, n, magnitudes);
}

static void check_y(const kernels *k, layer *l, bool whole, bool one_by_one)
{
    matrix left = converted(k, &l->x.at, k->takes.x, false), y = matrix_make(l->B, l->N);
    call c = call_of(l);
    c.in[0] = left.at;
    c.in[1] = l->w.at;
    c.out[0] = y.at;
    run_all(&k->product, &c, one_by_one);
    for (size_t b = 0; b < l->B; b++)
        for (size_t n = 0; n < l->N; n++) {
            double sum = l->bias ? (double)at(&l->w.at, l->I, n) : 0, size = fabs(sum);
            for (size_t i = 0; i < l->I; i++) {
                const double term = (double)rounded(at(&l->x.at, b, i)) * (double)rounded(at(&l->w.at, i, n));
                sum += term;
                size += fabs(term);
            }
            check_sum(at(&y.at, b, n), sum, size, l->I + 1, whole, "y");
        }
    matrix_free(&left);
    matrix_free(&y);
}

static void check_dx(const kernels *k, layer *l, bool whole, bool one_by_one)
{
    matrix left = converted(k, &l->dy.at, k->takes.dx_dy, false), dx = matrix_make(l->B, l->I);
    call c = call_of(l);
    c.in[0] = left.at;
    c.in[1] = l->w.at;
    c.out[0] = dx.at;
    run_all(&k->product_dx, &c, one_by_one);
    for (size_t b = 0; b < l->B; b++)
        for (size_t i = 0; i < l->I; i++) {
            double sum = 0, size = 0;
            for (size_t n = 0; n < l->N; n++) {
                const double term = (double)rounded(at(&l->dy.at, b, n)) * (double)rounded(at(&l->w.at, i, n));
                sum += term;
                size += fabs(term);
            }
            check_sum(at(&dx.at, b, i), sum, size, l->N, whole, "dx");
        }
    matrix_free(&left);
    matrix_free(&dx);
}

/* w <- w - g / 4, which is exact for small numbers; what it has of state counts how often. */
static void quarter(real *w, const real *g, real *const state[MAX_STATES], size_t n, const real *hyper)
{
    (void)hyper;
    for (size_t i = 0; i < n; i++) {
        w[i] -= g[i] / 4;
        if (state[0])
            state[0][i] += 1;
    }
}

static void check_dw(const kernels *k, layer *l, bool whole, bool one_by_one, bool with_state)
{
    matrix x = converted(k, &l->x.at, k->takes.dw_x, false), dy = converted(k, &l->dy.at, k->takes.dw_dy, false);
    matrix dw = matrix_make(l->I + l->bias, l->N), state = matrix_make(l->I + l->bias, l->N);
    fill(&state, 9, true);
    call c = call_of(l);
    c.in[0] = x.at;
    c.in[1] = dy.at;
    c.out[0] = dw.at;
    run_all(&k->product_dw, &c, one_by_one);
    matrix moved = matrix_make(l->I + l->bias, l->N);
    memcpy(moved.at.data, l->w.at.data, operand_numbers(&moved.at) * sizeof(real));
    c.out[0] = l->w.at;
    c.update = quarter;
    c.state[0] = with_state ? state.at.data : NULL;
    run_all(&k->product_dw, &c, one_by_one);
    for (size_t i = 0; i < l->I + l->bias; i++)
        for (size_t n = 0; n < n_panels(&dw.at) * dw.at.width; n++) {
            double sum = 0, size = 0;
            for (size_t b = 0; b < l->B && n < l->N; b++) {
                const double term = (i < l->I ? (double)rounded(at(&l->x.at, b, i)) : 1) * (double)rounded(at(&l->dy.at, b, n));
                sum += term;
                size += fabs(term);
            }
            check_sum(at(&dw.at, i, n), sum, size, l->B, whole, "dw");
            const float want = at(&moved.at, i, n) - at(&dw.at, i, n) / 4;
            if (bits_of(at(&l->w.at, i, n)) != bits_of(want))
                fail_msg("weight [%zu, %zu] moved to %a, not %a", i, n, (double)at(&l->w.at, i, n), (double)want);
            const float count = (float)(n < l->N ? floor(8 * noise(9, i * l->N + n)) : 0) + (float)with_state;
            assert_true(at(&state.at, i, n) == count);
        }
    for (size_t i = 0; i < N_COPIES; i++)
        check_form(&l->w.at, &l->copies[i].at, k->copies[i]);
    matrix *const all[] = {&x, &dy, &dw, &state, &moved};
    for (size_t i = 0; i < COUNT(all); i++)
        matrix_free(all[i]);
}

static void check_layer(const kernels *k, size_t B, size_t I, size_t N, unsigned kind)
{
    const bool whole = kind & 1, one_by_one = kind & 2;
    layer l = layer_make(k, B, I, N, kind % 3 != 0, whole);
    for (size_t i = 0; i < N_COPIES; i++)
        check_form(&l.w.at, &l.copies[i].at, k->copies[i]);
    check_y(k, &l, whole, one_by_one);
    check_dx(k, &l, whole, one_by_one);
    check_dw(k, &l, whole, one_by_one, kind & 4);
    layer_free(&l);
}

static void check_layers(const kernels *k)
{
    unsigned kind = 0;
    for (size_t i = 0; i < COUNT(sizes); i++)
        for (size_t n = 0; n < COUNT(sizes); n++, kind++)
            check_layer(k, batches[kind % COUNT(batches)], sizes[i], sizes[n], kind * 5 + i);
    for (unsigned i = 0; i < 8; i++) {
        check_layer(k, 32, 300, 100, i);
        check_layer(k, 7, 100, 300, i);
    }
}

static void products_are_those_of_plain_loops(void **unused)
{
    (void)unused;
    on_units(check_layers);
}

/* y <- 2 y + 7, dx <- 3 dx + y / 2. */
static void twice_plus(real *y, size_t n, const void *fields)
{
    for (size_t i = 0; i < n; i++)
        y[i] = 2 * y[i] + *(const real *)fields;
}

static void thrice_plus(real *dx, const real *y, size_t n, const void *fields)
{
    for (size_t i = 0; i < n; i++)
        dx[i] = 3 * dx[i] + *(const real *)fields * y[i];
}

static void check_maps(const kernels *k)
{
    static const real number = 0.5f;
    layer l = layer_make(k, 50, 33, 100, true, true);
    matrix x = converted(k, &l.x.at, k->takes.x, false), dy = converted(k, &l.dy.at, k->takes.dx_dy, false);
    matrix y[2] = {matrix_make(50, 100), matrix_make(50, 100)}, dx[2] = {matrix_make(50, 33), matrix_make(50, 33)};
    for (int mapped = 0; mapped < 2; mapped++) {
        call c = call_of(&l);
        c.in[0] = x.at;
        c.in[1] = l.w.at;
        c.out[0] = y[mapped].at;
        c.map = mapped ? twice_plus : NULL;
        c.map_fields = &number;
        run_all(&k->product, &c, false);
        c.in[0] = dy.at;
        c.out[0] = dx[mapped].at;
        c.map = NULL;
        c.map_grad = mapped ? thrice_plus : NULL;
        c.map_y = l.x.at;
        run_all(&k->product_dx, &c, false);
    }
    for (size_t b = 0; b < 50; b++) {
        for (size_t n = 0; n < 100; n++)
            assert_true(at(&y[1].at, b, n) == 2 * at(&y[0].at, b, n) + number);
        for (size_t i = 0; i < 33; i++)
            assert_true(at(&dx[1].at, b, i) == 3 * at(&dx[0].at, b, i) + number * at(&l.x.at, b, i));
    }
    matrix *const all[] = {&x, &dy, &y[0], &y[1], &dx[0], &dx[1]};
    for (size_t i = 0; i < COUNT(all); i++)
        matrix_free(all[i]);
    layer_free(&l);
}

static void activations_are_applied_once(void **unused)
{
    (void)unused;
    on_units(check_maps);
}

static void check_update(const kernels *k)
{
    layer l = layer_make(k, 1, 97, 100, true, true);
    matrix g = matrix_make(98, 100), before = matrix_make(98, 100);
    fill(&g, 7, true);
    memcpy(before.at.data, l.w.at.data, operand_numbers(&before.at) * sizeof(real));
    call c = call_of(&l);
    c.in[0] = g.at;
    c.out[0] = l.w.at;
    c.update = quarter;
    run_all(&k->update, &c, false);
    for (size_t i = 0; i < 98; i++)
        for (size_t n = 0; n < 100; n++)
            assert_true(at(&l.w.at, i, n) == at(&before.at, i, n) - at(&g.at, i, n) / 4);
    for (size_t i = 0; i < N_COPIES; i++)
        check_form(&l.w.at, &l.copies[i].at, k->copies[i]);
    matrix_free(&g);
    matrix_free(&before);
    layer_free(&l);
}

static void an_update_alone_brings_the_copies_along(void **unused)
{
    (void)unused;
    on_units(check_update);
}

/* ---- Training ---- */

enum { FEATURES = 21, CLASSES = 5, BATCH = 33, STEPS = 50 };
static const char layers[] = "linear 50, relu, linear 33, tanh, linear 5";

typedef struct rig {
    weft_model *model;
    weft_trainer *trainer;
} rig;

static rig rig_make(const char *precision, const char *optimizer, int threads)
{
    weft_error err = {0};
    rig r = {.model = weft_model_create(layers, &err)};
    if (!r.model || weft_model_init(r.model, FEATURES, 1, &err) != WEFT_OK)
        fail_msg("%s", err.message);
    r.trainer = weft_trainer_create(r.model, NULL, &(weft_options){.precision = precision, .optimizer = optimizer, .threads = threads}, &err);
    if (!r.trainer)
        fail_msg("%s", err.message);
    return r;
}

static void rig_free(rig *r)
{
    weft_trainer_free(r->trainer);
    weft_model_free(r->model);
}

static double step_loss(rig *r, uint64_t step)
{
    float x[BATCH * FEATURES];
    int32_t y[BATCH];
    double loss;
    weft_error err = {0};
    for (size_t i = 0; i < COUNT(x); i++)
        x[i] = (float)noise(40 + step, i);
    for (size_t b = 0; b < BATCH; b++)
        y[b] = (int32_t)((x[b * FEATURES] + 1) * 2.4999f);
    if (weft_trainer_step(r->trainer, &(weft_batch){.x = x, .y = y, .n = step % 5 == 4 ? 7 : BATCH}, &loss, &err) != WEFT_OK)
        fail_msg("%s", err.message);
    return loss;
}

/* Calls check with WEFT_BF16 set to each unit that runs here. */
static void with_units(void (*check)(void))
{
    size_t n = 0;
    for (size_t i = 0; i < COUNT(units); i++) {
        kernels unused;
        if (!kernels_on(units[i], &unused))
            continue;
        setenv("WEFT_BF16", units[i], 1);
        check();
        unsetenv("WEFT_BF16");
        n++;
    }
    if (!n)
        skip();
}

static void check_threads(void)
{
    static const char *const optimizers[] = {"sgd lr=0.1", "sgd lr=0.1 momentum=0.9", "adam lr=0.01"};
    for (size_t o = 0; o < COUNT(optimizers); o++) {
        rig rigs[] = {rig_make("bf16", optimizers[o], 1), rig_make("bf16", optimizers[o], 2), rig_make("bf16", optimizers[o], 3),
                      rig_make("bf16", optimizers[o], 8)};
        for (uint64_t step = 0; step < STEPS; step++) {
            const double first = step_loss(&rigs[0], step);
            for (size_t i = 1; i < COUNT(rigs); i++)
                assert_true(step_loss(&rigs[i], step) == first);
        }
        for (size_t i = 0; i < COUNT(rigs); i++)
            rig_free(&rigs[i]);
    }
}

static void threads_change_no_bit(void **unused)
{
    (void)unused;
    with_units(check_threads);
}

/* Operands are off by at most 2^-8 of themselves (half of the last of 8 bits, twice), at random: a loss near log 5 by a fraction of 2^-8.
 * That every step starts from weights that the one before left, adds up the less the smaller the steps are. */
static void check_near_fp32(void)
{
    rig exact = rig_make("fp32", "sgd lr=0.05", 1), fast = rig_make("bf16", "sgd lr=0.05", 1);
    double differences = 0;
    for (uint64_t step = 0; step < STEPS; step++) {
        const double a = step_loss(&exact, step), b = step_loss(&fast, step);
        differences += fabs(a - b);
        if (!(fabs(a - b) <= 0x1p-8 * a))
            fail_msg("step %d: loss %.6f in fp32, %.6f in bf16", (int)step, a, b);
    }
    assert_true(differences > 0); /* it is another arithmetic */
    rig_free(&exact);
    rig_free(&fast);
}

static void losses_stay_near_those_of_fp32(void **unused)
{
    (void)unused;
    with_units(check_near_fp32);
}

/* The parameters are the model's: whoever sets them, the next step starts from them. */
static void check_others_changes(void)
{
    weft_error err = {0};
    rig first = rig_make("bf16", "sgd lr=0.1", 1), second = rig_make("bf16", "sgd lr=0.1", 1);
    const double begin = step_loss(&first, 0);
    for (uint64_t step = 1; step < 5; step++)
        step_loss(&first, step);
    assert_int_equal(weft_model_init(first.model, FEATURES, 1, &err), WEFT_OK);
    assert_true(step_loss(&first, 0) == begin);
    assert_true(step_loss(&second, 0) == begin);
    weft_trainer *other = weft_trainer_create(first.model, NULL, &(weft_options){.optimizer = "sgd lr=0.1", .precision = "fp32", .threads = 1}, &err);
    assert_non_null(other);
    rig shared = {first.model, other};
    step_loss(&shared, 1); /* moves the weights behind the first trainer's back */
    weft_trainer *fresh = weft_trainer_create(first.model, NULL, &(weft_options){.optimizer = "sgd lr=0", .precision = "bf16", .threads = 1}, &err);
    assert_non_null(fresh);
    rig still = {first.model, fresh};
    assert_true(step_loss(&still, 2) == step_loss(&first, 2));
    weft_trainer_free(fresh);
    weft_trainer_free(other);
    rig_free(&first);
    rig_free(&second);
}

static void parameters_that_others_set_are_trained_on(void **unused)
{
    (void)unused;
    with_units(check_others_changes);
}

static void a_precision_that_cannot_be_is_refused(void **unused)
{
    (void)unused;
    static const struct {
        const char *unit, *precision, *says;
    } cases[] = {{"none", "bf16", "precision: precision bf16 needs a CPU with AMX-BF16 or AVX512-BF16; leave precision out"},
                 {"sse", "bf16", "\"sse\""},
                 {"", "fp16", "unknown precision \"fp16\""}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_error err = {0};
        weft_model *model = weft_model_create(layers, &err);
        assert_int_equal(weft_model_init(model, FEATURES, 1, &err), WEFT_OK);
        setenv("WEFT_BF16", cases[i].unit, 1);
        weft_trainer *t = weft_trainer_create(model, NULL, &(weft_options){.precision = cases[i].precision}, &err);
        unsetenv("WEFT_BF16");
        assert_null(t);
        assert_int_equal(err.status, WEFT_BAD_INPUT);
        if (!strstr(err.message, cases[i].says))
            fail_msg("\"%s\" does not say \"%s\"", err.message, cases[i].says);
        weft_model_free(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_paired_where_the_forms_say),
        cmocka_unit_test(numbers_round_to_the_nearest_even_and_nan_stays_nan),
        cmocka_unit_test(products_are_those_of_plain_loops),
        cmocka_unit_test(activations_are_applied_once),
        cmocka_unit_test(an_update_alone_brings_the_copies_along),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(losses_stay_near_those_of_fp32),
        cmocka_unit_test(parameters_that_others_set_are_trained_on),
        cmocka_unit_test(a_precision_that_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
