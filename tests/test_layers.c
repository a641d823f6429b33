/* Layers that are one thing in training and another in evaluation: batch_norm and dropout. */
#include "nets.h"

enum { FEATURES = 20, CLASSES = 5, B = 6 };

/* ---- batch_norm ---- */

enum { RUNNING_MEAN, RUNNING_VAR, TRACKED };

static double buffer(const net *n, size_t layer, size_t row, size_t col)
{
    operand rows = n->graph.nodes[layer].buffer_block;
    rows.data = n->buffers[layer];
    return (double)*element(&rows, row, col);
}

static void begin_buffers(net *n, size_t layer)
{
    operand rows = n->graph.nodes[layer].buffer_block;
    rows.data = n->buffers[layer];
    for (size_t b = 0; b < n->graph.nodes[layer].n_buffers; b++)
        for (size_t i = 0; i < rows.cols; i++)
            *element(&rows, b, i) = (real)n->graph.nodes[layer].buffers[b].init_low;
}

/* Mean and unbiased variance of a column of the samples. */
static void column_moments(const samples *s, size_t col, double *mean, double *variance)
{
    *mean = *variance = 0;
    for (size_t b = 0; b < s->batch.n; b++)
        *mean += (double)s->x[b * FEATURES + col] / (double)s->batch.n;
    for (size_t b = 0; b < s->batch.n; b++)
        *variance += pow((double)s->x[b * FEATURES + col] - *mean, 2) / (double)(s->batch.n - 1);
}

static void check_running(const char *layers, double momentum)
{
    FOR_ISAS(level)
    {
        net n = net_make(level, layers, FEATURES, "sgd lr=0.1");
        samples s = {0};
        pool *threads = pool_of(2);
        plan *p = compile(&n, PLAN_TRAIN, B);
        double means[FEATURES] = {0}, variances[FEATURES];
        begin_buffers(&n, 0);
        for (size_t i = 0; i < FEATURES; i++)
            variances[i] = 1;
        for (uint64_t step = 1; step <= 20; step++) {
            const double share = momentum > 0 ? momentum : 1 / (double)step;
            samples_draw(&s, FEATURES, CLASSES, B, step);
            assert_true(train_step(&n, p, &s, threads));
            assert_true(buffer(&n, 0, TRACKED, 0) == (double)step);
            for (size_t i = 0; i < FEATURES; i++) {
                double mean, variance;
                column_moments(&s, i, &mean, &variance);
                means[i] += share * (mean - means[i]);
                variances[i] += share * (variance - variances[i]);
                assert_true(fabs(buffer(&n, 0, RUNNING_MEAN, i) - means[i]) <= 32 * UNIT);
                assert_true(fabs(buffer(&n, 0, RUNNING_VAR, i) - variances[i]) <= 32 * UNIT);
            }
        }
        plan_free(p);
        pool_free(threads);
        free(s.x);
        net_free(&n);
    }
}

static void running_statistics_are_those_of_torch(void **unused)
{
    (void)unused;
    check_running("batch_norm, linear 5", 0.1);
    check_running("batch_norm momentum=0.3 affine=false, linear 5", 0.3);
    check_running("batch_norm cumulative=true, linear 5", 0);
}

static void evaluation_normalises_with_the_running_statistics(void **unused)
{
    (void)unused;
    net n = net_make(ANY_ISA, "batch_norm eps=0.5 affine=false", FEATURES, NULL);
    samples s = {0};
    pool *threads = pool_of(1);
    operand rows = n.graph.nodes[0].buffer_block;
    rows.data = n.buffers[0];
    for (size_t i = 0; i < FEATURES; i++) {
        *element(&rows, RUNNING_MEAN, i) = (real)i / 8;
        *element(&rows, RUNNING_VAR, i) = 1 + (real)i;
    }
    plan *p = compile(&n, PLAN_EVALUATE, 1); /* one sample will do */
    samples_draw(&s, FEATURES, CLASSES, 1, 1);
    plan_run(p, &s.batch, threads);
    const operand y = plan_logits(p);
    for (size_t i = 0; i < FEATURES; i++) {
        const double want = ((double)s.x[i] - (double)i / 8) / sqrt(1.5 + (double)i);
        assert_true(fabs((double)at(&y, 0, i) - want) <= 4 * UNIT * (1 + fabs(want)));
    }
    assert_true(buffer(&n, 0, RUNNING_MEAN, 8) == 1);
    plan_free(p);
    pool_free(threads);
    free(s.x);
    net_free(&n);
}

static void check_divergence(const char *layers, size_t layer)
{
    net n = net_make(ANY_ISA, layers, FEATURES, "sgd lr=0.1");
    samples s = {0};
    pool *threads = pool_of(2);
    plan *p = compile(&n, PLAN_TRAIN, B);
    begin_buffers(&n, layer);
    samples_draw(&s, FEATURES, CLASSES, B, 1);
    s.x[3] = INFINITY;
    assert_false(train_step(&n, p, &s, threads));
    assert_true(buffer(&n, layer, TRACKED, 0) == 0 && buffer(&n, layer, RUNNING_MEAN, 3) == 0 && buffer(&n, layer, RUNNING_VAR, 3) == 1);
    plan_free(p);
    pool_free(threads);
    free(s.x);
    net_free(&n);
}

static void a_step_that_diverges_leaves_the_running_statistics(void **unused)
{
    (void)unused;
    check_divergence("linear 20, batch_norm, linear 5", 1);
    check_divergence("batch_norm affine=false", 0); /* with no update that would have to wait */
}

/* ---- dropout ---- */

/* What a dropout of rate p lets through of 64 x 64 ones: 0, or what they become. */
static void drop(const char *layers, plan_mode mode, uint64_t seed, uint64_t number, float *y)
{
    net n = net_make(ANY_ISA, layers, MAX_SAMPLES, NULL);
    samples s = {0};
    pool *threads = pool_of(2);
    plan *p = compile(&n, mode, MAX_SAMPLES);
    samples_draw(&s, MAX_SAMPLES, CLASSES, MAX_SAMPLES, 1);
    for (size_t i = 0; i < MAX_SAMPLES * MAX_SAMPLES; i++)
        s.x[i] = 1;
    s.batch.seed = seed;
    s.batch.number = number;
    plan_run(p, &s.batch, threads);
    const operand out = plan_logits(p);
    for (size_t i = 0; i < MAX_SAMPLES * MAX_SAMPLES; i++)
        y[i] = at(&out, i / MAX_SAMPLES, i % MAX_SAMPLES);
    plan_free(p);
    pool_free(threads);
    free(s.x);
    net_free(&n);
}

enum { ALL = MAX_SAMPLES * MAX_SAMPLES };

static size_t count_zeros(const float *y)
{
    size_t n = 0;
    for (size_t i = 0; i < ALL; i++)
        n += y[i] == 0;
    return n;
}

static void dropout_drops_the_share_that_it_should_and_makes_up_for_it(void **unused)
{
    (void)unused;
    static const double rates[] = {0, 0.1, 0.5, 0.8, 1};
    static float y[ALL];
    for (size_t r = 0; r < COUNT(rates); r++) {
        char spec[32];
        const double p = rates[r], sigma = sqrt(ALL * p * (1 - p));
        snprintf(spec, sizeof spec, "dropout %g", p);
        drop(spec, PLAN_TRAIN, 7, 3, y);
        assert_true(fabs((double)count_zeros(y) - p * ALL) <= 4 * sigma);
        for (size_t i = 0; i < ALL; i++)
            assert_true(y[i] == 0 || y[i] == (float)(1 / (1 - p)));
        drop(spec, PLAN_EVALUATE, 7, 3, y);
        for (size_t i = 0; i < ALL; i++)
            assert_true(y[i] == 1);
    }
}

/* Two masks that have nothing to do with each other agree in half of all places. */
static void assert_unlike(const float *a, const float *b)
{
    size_t same = 0;
    for (size_t i = 0; i < ALL; i++)
        same += (a[i] == 0) == (b[i] == 0);
    assert_true(fabs((double)same - ALL / 2) <= 4 * sqrt(ALL) / 2);
}

static void masks_differ_between_seeds_batches_layers_and_rows(void **unused)
{
    (void)unused;
    static float y[ALL], other[ALL], again[ALL];
    drop("dropout", PLAN_TRAIN, 7, 3, y);
    drop("dropout", PLAN_TRAIN, 7, 3, again);
    assert_memory_equal(y, again, sizeof y);
    drop("dropout", PLAN_TRAIN, 8, 3, other);
    assert_unlike(y, other);
    drop("dropout", PLAN_TRAIN, 7, 4, other);
    assert_unlike(y, other);
    drop("flatten, dropout", PLAN_TRAIN, 7, 3, other);
    assert_unlike(y, other);
    for (size_t i = 0; i < ALL; i++)
        other[i] = y[(i + MAX_SAMPLES) % ALL];
    assert_unlike(y, other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(running_statistics_are_those_of_torch),
        cmocka_unit_test(evaluation_normalises_with_the_running_statistics),
        cmocka_unit_test(a_step_that_diverges_leaves_the_running_statistics),
        cmocka_unit_test(dropout_drops_the_share_that_it_should_and_makes_up_for_it),
        cmocka_unit_test(masks_differ_between_seeds_batches_layers_and_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
