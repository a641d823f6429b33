/* The backward kernels against differences of the forward kernels, which double precision makes sharp: of every op, and of whole plans. */
#include "nets.h"
#include "loss_cases.h"

/* ---- Differences of fourth order, at x + k H for k from -REACH to REACH ---- */

enum { REACH = 4, N_POINTS = 2 * REACH + 1 };
static const double H = 0x1p-11; /* exact, and small enough for H^4 / 5 of a fifth derivative of 1000, and large enough for 11 ulps / H */
#define NEAR 1e-9

typedef struct slopes {
    double left, right, middle, coarse; /* coarse: as middle, with steps twice as long */
} slopes;

/* f: from REACH steps before to REACH steps behind */
static slopes slopes_of(const double f[N_POINTS])
{
    const double *here = f + REACH;
    return (slopes){
        (25 * here[0] - 48 * here[-1] + 36 * here[-2] - 16 * here[-3] + 3 * here[-4]) / (12 * H),
        (-25 * here[0] + 48 * here[1] - 36 * here[2] + 16 * here[3] - 3 * here[4]) / (12 * H),
        (8 * (here[1] - here[-1]) - (here[2] - here[-2])) / (12 * H),
        (8 * (here[2] - here[-2]) - (here[4] - here[-4])) / (24 * H),
    };
}

/* At a kink, or so near one that the differences see it, one side's slope is right. */
static bool on_one_side(double gradient, const slopes *s, double tolerance)
{
    return fabs(gradient - s->left) <= tolerance || fabs(gradient - s->right) <= tolerance;
}

/* ---- Maps ---- */

enum { N_KINKS = 64, N_DRAWN = 200 };

/* Where maps may have kinks: at small whole numbers, and at what their own settings say. */
static size_t possible_kinks(const layer *l, double kinks[N_KINKS])
{
    static const double usual[] = {0, 0.5, 1, 2, 3, 6};
    size_t n = 0;
    for (size_t i = 0; i < COUNT(usual); i++)
        kinks[n++] = usual[i];
    for (const field *f = l->op->fields; f && f->name; f++)
        if (f->type == FIELD_REAL) {
            assert_true(2 * n + 2 <= N_KINKS);
            kinks[n++] = *(const double *)((const char *)l->fields + f->offset);
        }
    for (size_t i = 0, half = n; i < half; i++)
        kinks[n++] = -kinks[i];
    return n;
}

static void check_map(const layer *l, const char *spec)
{
    double kinks[N_KINKS], f[N_POINTS][N_KINKS + N_DRAWN], gradient[N_KINKS + N_DRAWN];
    const size_t n_kinks = possible_kinks(l, kinks), n = n_kinks + N_DRAWN;
    layer whole = *l;
    whole.in = whole.out = n;
    numbers all = numbers_make(&whole, 1);
    for (int k = -REACH; k <= REACH; k++) {
        for (size_t i = 0; i < n; i++) {
            all.x[i] = (i < n_kinks ? kinks[i] : 5 * noise(60, i)) + k * H;
            all.dy[i] = 1;
        }
        run(&whole, &all);
        memcpy(f[k + REACH], all.y, n * sizeof *all.y);
        if (k == 0)
            memcpy(gradient, all.dx, n * sizeof *all.dx);
    }
    for (size_t i = 0; i < n; i++) {
        double column[N_POINTS];
        for (int k = 0; k < N_POINTS; k++)
            column[k] = f[k][i];
        const double x = all.x[i] - REACH * H, as_defined = l->op->slope(x, l->fields), size = fmax(fabs(as_defined), 1);
        const slopes s = slopes_of(column);
        if (!on_one_side(gradient[i], &s, NEAR * size) || !(fabs(gradient[i] - as_defined) <= 32 * UNIT * size))
            fail_msg("%s: the slope at %.17g is %.17g, differences say %.17g and %.17g, and its definition %.17g", spec, x, gradient[i], s.left,
                     s.right, as_defined);
    }
    numbers_free(&all);
}

/* ---- Layers and losses ---- */

enum { MAX_PROBES = 12 };

/* What is differentiated: the sum of weight[i] f[i], where f is what `make` leaves in `out` when the inputs are in place. */
typedef struct function {
    const layer *layer;
    numbers *at;
    const double *out, *weight;
    size_t n_out;
    void (*make)(const struct function *f);
    const aims *aims; /* of a loss */
} function;

/* The sum is one of differences: what does not depend on *x stays out of it, and so does its rounding. */
static slopes slopes_by(const function *f, double *x)
{
    double sum[N_POINTS] = {0}, *first = doubles(f->n_out);
    const double here = *x;
    for (int k = 0; k < N_POINTS; k++) {
        *x = here + (k - REACH) * H;
        f->make(f);
        if (k == 0)
            memcpy(first, f->out, f->n_out * sizeof *first);
        for (size_t i = 0; i < f->n_out; i++)
            sum[k] += f->weight[i] * (f->out[i] - first[i]);
    }
    *x = here;
    free(first);
    return slopes_of(sum);
}

/* Compares gradient[i] of x with differences, at up to MAX_PROBES places. */
static void probe(const function *f, double *x, const double *gradient, size_t n, const char *spec)
{
    double *before = doubles(n);
    memcpy(before, gradient, n * sizeof *before); /* making f again may write there */
    for (size_t i = 0; i < n; i += MAX(n / MAX_PROBES, 1)) {
        const slopes s = slopes_by(f, x + i);
        const double tolerance = NEAR * fmax(fabs(before[i]), 1);
        if (!(fabs(before[i] - s.middle) <= tolerance) && !on_one_side(before[i], &s, tolerance))
            fail_msg("%s, batch %zu: gradient %zu of %zu is %.17g, differences say %.17g", spec, f->at->B, i, n, before[i], s.middle);
    }
    free(before);
}

static void run_again(const function *f) { run(f->layer, f->at); }

static void check_layer(const layer *l, size_t B, const char *spec)
{
    numbers n = numbers_make(l, B);
    numbers_draw(l, &n);
    const function f = {l, &n, n.y, n.dy, B * l->out, run_again, NULL};
    run(l, &n);
    probe(&f, n.x, n.dx, B * l->in, spec);
    for (size_t p = 0; p < MAX_PARAMS; p++) {
        run(l, &n);
        probe(&f, n.params[p], n.dparams[p], param_numbers(l, p), spec);
    }
    numbers_free(&n);
}

static void check_op(const layer *l, size_t B, const char *spec)
{
    if (l->op->kind == OP_MAP && l->op->map)
        check_map(l, spec);
    check_layer(l, B, spec);
}

static void gradients_of_ops_are_differences(void **unused)
{
    (void)unused;
    FOR_ISAS(level)
        for_cases(level, false, check_op);
}

/* y: the samples' losses; dx: the gradient of their mean */
static void run_loss_again(const function *f)
{
    const batch source = aims_batch(f->layer, f->aims, NULL, f->at->B);
    run_loss(f->layer, f->at->x, &source, f->at->y, f->at->dx);
}

static void check_loss(const layer *l, size_t B, const char *spec)
{
    numbers n = numbers_make(l, B);
    aims a = aims_draw(l);
    const function f = {l, &n, n.y, n.dy, B, run_loss_again, &a};
    fill(n.x, B * l->in, 5, 61 + B);
    for (size_t r = 0; r < B; r++)
        n.dy[r] = 1 / aims_weight(l, &a, NULL, B);
    if (aims_weight(l, &a, NULL, B) > 0) { /* else there is no mean */
        run_loss_again(&f);
        probe(&f, n.x, n.dx, B * l->in, spec);
    }
    numbers_free(&n);
    aims_free(&a);
}

static void gradients_of_losses_are_differences(void **unused)
{
    (void)unused;
    FOR_ISAS(level)
        for_cases(level, true, check_loss);
}

/* ---- Nothing at all, and one of everything ---- */

/* What maps and losses make of no samples is nothing; guards tell what is written. */
static void check_nothing(const op *o, const op_case *c)
{
    layer l = layer_make(ANY_ISA, o, c->spec, c->in);
    numbers n = numbers_make(&l, 0);
    double loss = 5, gradient = 5;
    if (o->kind == OP_MAP)
        run(&l, &n);
    else
        run_loss(&l, NULL, &(batch){.n = 0}, &loss, &gradient);
    assert_true(loss == 5 && gradient == 5);
    numbers_free(&n);
    arena_deinit(&l.memory);
}

static void maps_and_losses_of_no_samples_write_nothing(void **unused)
{
    (void)unused;
    for (const op *const *o = op_table(ANY_ISA); *o; o++)
        for (const op_case *c = (*o)->cases; c && c->spec && ((*o)->kind == OP_LOSS || (*o)->kind == OP_MAP); c++)
            check_nothing(*o, c);
}

/* One number in, one out, and as few samples as the op can do with; every value that it must be told is 1. */
static void gradients_are_differences_where_all_is_one(void **unused)
{
    (void)unused;
    FOR_ISAS(level)
        for (const op *const *o = op_table(level); *o; o++) {
            char spec[64];
            snprintf(spec, sizeof spec, "%s", (*o)->name);
            for (const field *f = (*o)->fields; f && f->name; f++)
                if (f->flags & FIELD_REQUIRED)
                    strcat(spec, " 1");
            if ((*o)->kind == OP_JOIN) /* it is among the networks */
                continue;
            layer l = layer_make(level, *o, spec, 1);
            assert_true(l.in == 1 && l.out == 1);
            ((*o)->kind == OP_LOSS ? check_loss : check_op)(&l, MAX((*o)->least_batch, 1), spec);
            arena_deinit(&l.memory);
        }
}

/* An output of no samples is PyTorch's empty tensor; a mean over them, which PyTorch says is NaN, and samples of no numbers are refused. */
static void check_refused(const char *layers, const char *loss, size_t features)
{
    weft_error err = {0};
    weft_model *m = weft_model_create(layers, &err);
    assert_non_null(m);
    assert_int_equal(weft_model_init(m, 0, 1, &err), WEFT_BAD_INPUT);
    assert_non_null(strstr(err.message, "a sample has 0 numbers"));
    assert_int_equal(weft_model_init(m, features, 1, NULL), WEFT_OK);
    const float x = 1;
    float y = 7;
    assert_int_equal(weft_model_forward(m, &x, 0, &y, NULL), WEFT_OK);
    assert_int_equal(weft_model_predict(m, &x, 0, &y, NULL), WEFT_OK);
    assert_true(y == 7);
    weft_trainer *t = weft_trainer_create(m, NULL, &(weft_options){.loss = loss, .threads = 1}, &err);
    assert_non_null(t);
    const weft_batch none = {.x = &x, .y = (int32_t[]){0}, .targets = &x};
    double mean;
    size_t n_correct;
    for (int evaluate = 0; evaluate < 2; evaluate++) {
        err = (weft_error){0};
        assert_int_equal(evaluate ? weft_trainer_evaluate(t, &none, &mean, &n_correct, &err) : weft_trainer_step(t, &none, &mean, &err), WEFT_BAD_INPUT);
        assert_non_null(strstr(err.message, "the batch is empty"));
    }
    weft_trainer_free(t);
    weft_model_free(m);
}

static void no_samples_and_no_numbers_are_refused(void **unused)
{
    (void)unused;
    for (const op *const *o = op_table(ANY_ISA); *o; o++)
        for (const op_case *c = (*o)->cases; c && c->spec; c++) {
            char model[200];
            snprintf(model, sizeof model, "linear %zu, %s", c->in, (*o)->kind == OP_LOSS ? "relu" : c->spec);
            check_refused(model, (*o)->kind == OP_LOSS ? c->spec : NULL, c->in);
        }
    assert_null(weft_model_create("linear 0", NULL));
}

/* ---- Whole plans, of random networks ---- */

enum { N_NETWORKS = 100, CLASSES = 4 };

static size_t drawn(uint64_t stream, uint64_t i, size_t most) { return 1 + (size_t)((noise(stream, i) + 1) / 2 * (double)most); }

static bool goes_anywhere(const op *o, size_t B)
{
    bool asks = false;
    for (const field *f = o->fields; f && f->name; f++)
        asks |= (f->flags & FIELD_REQUIRED) != 0;
    return (o->kind == OP_MAP || o->kind == OP_LAYER) && !asks && o->least_batch <= B;
}

/* The name of an op that takes any number of inputs and batches of B. */
static const char *drawn_op(uint64_t i, size_t B)
{
    const char *names[64];
    size_t n = 0;
    for (const op *const *o = op_table(ANY_ISA); *o; o++)
        if (goes_anywhere(*o, B) && n < COUNT(names))
            names[n++] = (*o)->name;
    return names[drawn(71, i, n) - 1];
}

static double mean_loss(plan *p, const samples *s, pool *threads)
{
    assert_true(plan_run(p, &s->batch, threads));
    return plan_mean_loss(p);
}

typedef struct tally {
    size_t compared, unsettled;
} tally;

/* Numbers of a block that are parameters, and their gradients. Where both sides have a kink nearby, or two samples are nearly the same to a
 * norm, differences have not settled yet, and there is nothing to compare. */
static void check_block(const net *n, const node *layer, plan *p, const samples *s, pool *threads, tally *count)
{
    const operand *block = &layer->block;
    real *weights = n->weights[layer->index];
    const double loss = mean_loss(p, s, threads);
    guarded gradient = guarded_make(layer->block_numbers);
    memcpy(gradient.data, plan_gradient(p, layer), layer->block_numbers * sizeof(real));
    for (size_t r = 0; r < block->rows; r++)
        for (size_t c = 0; c < block->cols; c += 1 + block->cols / 8) {
            const size_t i = (size_t)(element(block, r, c) - block->data);
            const real here = weights[i];
            double f[N_POINTS];
            for (int k = -REACH; k <= REACH; k++) {
                weights[i] = here + (real)(k * H);
                f[k + REACH] = mean_loss(p, s, threads) - loss;
            }
            weights[i] = here;
            const slopes slope = slopes_of(f);
            if (fabs((double)gradient.data[i] - slope.middle) <= NEAR || on_one_side((double)gradient.data[i], &slope, NEAR))
                count->compared++;
            else if (fabs(slope.middle - slope.coarse) > NEAR)
                count->unsettled++;
            else
                fail_msg("layer %s, row %zu, column %zu: the gradient is %.17g, differences say %.17g", layer->path, r, c,
                         (double)gradient.data[i], slope.middle);
        }
    guarded_free(&gradient);
}

typedef struct network {
    size_t features, classes, batch;
    char layers[200];
} network;

static void check_network(const network *w, uint64_t seed, pool *threads, tally *count)
{
    print_message("%s; %zu features, batch %zu\n", w->layers, w->features, w->batch);
    net n = net_make(ANY_ISA, w->layers, w->features, NULL);
    samples s = {0};
    samples_draw(&s, w->features, w->classes, w->batch, seed);
    plan *p = compile(&n, PLAN_TRAIN, w->batch);
    for (size_t l = 0; l < n.graph.n_nodes; l++)
        if (n.weights[l])
            check_block(&n, &n.graph.nodes[l], p, &s, threads, count);
    plan_free(p);
    free(s.x);
    net_free(&n);
}

static network draw_network(uint64_t i)
{
    network w = {.features = drawn(70, 8 * i, 20), .classes = CLASSES, .batch = i % 4 ? drawn(70, 8 * i + 1, 12) : 1};
    const size_t width = i % 3 ? drawn(70, 8 * i + 2, 60) : 1;
    snprintf(w.layers, sizeof w.layers, "linear %zu, %s, residual [linear %zu, %s, linear %zu], linear %d", width, drawn_op(2 * i, w.batch),
             drawn(70, 8 * i + 3, 8), drawn_op(2 * i + 1, w.batch), width, CLASSES);
    return w;
}

static void gradients_of_plans_are_differences_of_their_losses(void **unused)
{
    (void)unused;
    static const network small[] = {{1, 1, 1, "linear 1"}, {1, 2, 1, "linear 1, tanh, residual [linear 1, sigmoid], linear 2"}};
    tally count = {0};
    pool *threads = pool_of(1);
    for (uint64_t i = 0; i < COUNT(small); i++)
        check_network(&small[i], i, threads, &count);
    for (uint64_t i = 0; i < N_NETWORKS; i++) {
        const network w = draw_network(i);
        check_network(&w, i, threads, &count);
    }
    pool_free(threads);
    print_message("%zu gradients were compared, and %zu differences do not settle\n", count.compared, count.unsettled);
    assert_true(count.compared > 10000 && count.unsettled * 50 < count.compared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_of_ops_are_differences),
        cmocka_unit_test(gradients_of_losses_are_differences),
        cmocka_unit_test(maps_and_losses_of_no_samples_write_nothing),
        cmocka_unit_test(gradients_are_differences_where_all_is_one),
        cmocka_unit_test(no_samples_and_no_numbers_are_refused),
        cmocka_unit_test(gradients_of_plans_are_differences_of_their_losses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
