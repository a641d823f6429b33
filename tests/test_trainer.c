/* Batches that the caller brings: what samples should give is a class, or numbers; and what a model then makes of its outputs. */
#include "numbers.h"

#include <unistd.h>

#include "train/train.h"

enum { FEATURES = 3, OUTPUTS = 4, SAMPLES = 6 };

typedef struct bench {
    weft_model *model;
    weft_trainer *trainer;
    float x[SAMPLES * FEATURES], targets[SAMPLES * OUTPUTS];
    int32_t labels[SAMPLES];
    weft_error err;
} bench;

static bench make(const char *loss)
{
    bench b = {.model = weft_model_create("linear 4", &b.err)};
    assert_non_null(b.model);
    assert_int_equal(weft_model_init(b.model, FEATURES, 3, &b.err), WEFT_OK);
    b.trainer = weft_trainer_create(b.model, NULL, &(weft_options){.loss = loss, .threads = 1}, &b.err);
    if (!b.trainer)
        fail_msg("%s", b.err.message);
    for (size_t i = 0; i < SAMPLES * FEATURES; i++)
        b.x[i] = (float)noise(1, i);
    for (size_t i = 0; i < SAMPLES * OUTPUTS; i++)
        b.targets[i] = (float)fabs(noise(2, i));
    for (size_t i = 0; i < SAMPLES; i++)
        b.labels[i] = (int32_t)(i % OUTPUTS);
    return b;
}

static void close_bench(bench *b)
{
    weft_trainer_free(b->trainer);
    weft_model_free(b->model);
}

static double train_on(bench *b, const weft_batch *batch)
{
    double loss;
    if (weft_trainer_step(b->trainer, batch, &loss, &b->err) != WEFT_OK)
        fail_msg("%s", b->err.message);
    return loss;
}

static void refused(bench *b, const weft_batch *batch, const char *words)
{
    double loss;
    size_t n_correct;
    b->err = (weft_error){0};
    assert_int_equal(weft_trainer_step(b->trainer, batch, &loss, &b->err), WEFT_BAD_INPUT);
    if (!strstr(b->err.message, words))
        assert_string_equal(b->err.message, words);
    assert_int_equal(weft_trainer_evaluate(b->trainer, batch, &loss, &n_correct, NULL), WEFT_BAD_INPUT);
}

static void numbers_are_learned_from_the_callers_targets(void **unused)
{
    (void)unused;
    bench b = make("mse_loss");
    const weft_batch batch = {.x = b.x, .targets = b.targets, .n = SAMPLES};
    float out[SAMPLES * OUTPUTS];
    double want = 0, loss;
    size_t n_correct = 7;
    assert_int_equal(weft_model_forward(b.model, b.x, SAMPLES, out, &b.err), WEFT_OK);
    for (size_t i = 0; i < SAMPLES * OUTPUTS; i++)
        want += pow((double)out[i] - (double)b.targets[i], 2) / (SAMPLES * OUTPUTS);
    assert_int_equal(weft_trainer_evaluate(b.trainer, &batch, &loss, &n_correct, &b.err), WEFT_OK);
    assert_true(fabs(loss - want) <= 1e-6 * want);
    assert_int_equal(n_correct, 0);
    const double first = train_on(&b, &batch);
    assert_true(fabs(first - want) <= 1e-6 * want);
    for (int i = 0; i < 50; i++)
        loss = train_on(&b, &batch);
    assert_true(loss < 0.9 * first);
    close_bench(&b);
}

/* What a model with all that has a state says after some steps, where it is evaluated and asked in between, after every so many of them. */
static void outputs_after_steps(size_t look_every, float out[SAMPLES * OUTPUTS])
{
    enum { STEPS = 12 };
    bench b = make("cross_entropy");
    const weft_batch batch = {.x = b.x, .y = b.labels, .n = SAMPLES};
    double loss;
    size_t n_correct;
    close_bench(&b);
    b.model = weft_model_create("linear 8, batch_norm, relu, dropout 0.3, linear 4", &b.err);
    assert_int_equal(weft_model_init(b.model, FEATURES, 3, &b.err), WEFT_OK);
    b.trainer = weft_trainer_create(b.model, NULL, &(weft_options){.optimizer = "adam lr=0.01", .average = "ema decay=0.5"}, &b.err);
    for (size_t i = 0; i < STEPS; i++) {
        train_on(&b, &batch);
        if ((i + 1) % look_every == 0) {
            assert_int_equal(weft_trainer_evaluate(b.trainer, &batch, &loss, &n_correct, &b.err), WEFT_OK);
            assert_int_equal(weft_model_forward(b.model, b.x, 1, out, &b.err), WEFT_OK);
        }
    }
    assert_int_equal(weft_model_forward(b.model, b.x, SAMPLES, out, &b.err), WEFT_OK);
    close_bench(&b);
}

static void looking_at_a_model_between_steps_changes_no_bit(void **unused)
{
    (void)unused;
    float never[SAMPLES * OUTPUTS], at_times[SAMPLES * OUTPUTS], always[SAMPLES * OUTPUTS];
    outputs_after_steps(SIZE_MAX, never);
    outputs_after_steps(3, at_times);
    outputs_after_steps(1, always);
    assert_memory_equal(at_times, never, sizeof never);
    assert_memory_equal(always, never, sizeof never);
}

/* What is passed over changes nothing: neither the loss nor the weights. */
static void samples_that_are_passed_over_do_not_count(void **unused)
{
    (void)unused;
    bench some = make("cross_entropy"), all = make("cross_entropy");
    some.labels[1] = some.labels[4] = -100;
    size_t n = 0;
    for (size_t i = 0; i < SAMPLES; i++)
        if (some.labels[i] >= 0) {
            memcpy(all.x + n * FEATURES, some.x + i * FEATURES, FEATURES * sizeof(float));
            all.labels[n++] = some.labels[i];
        }
    double losses[2];
    size_t n_correct[2];
    for (int i = 0; i < 20; i++) {
        const double loss = train_on(&some, &(weft_batch){.x = some.x, .y = some.labels, .n = SAMPLES});
        assert_true(fabs(loss - train_on(&all, &(weft_batch){.x = all.x, .y = all.labels, .n = n})) <= 1e-6);
    }
    assert_int_equal(weft_trainer_evaluate(some.trainer, &(weft_batch){.x = some.x, .y = some.labels, .n = SAMPLES}, &losses[0], &n_correct[0],
                                           &some.err), WEFT_OK);
    assert_int_equal(weft_trainer_evaluate(all.trainer, &(weft_batch){.x = all.x, .y = all.labels, .n = n}, &losses[1], &n_correct[1], &all.err),
                     WEFT_OK);
    assert_true(fabs(losses[0] - losses[1]) <= 1e-6);
    assert_int_equal(n_correct[0], n_correct[1]);
    close_bench(&some);
    close_bench(&all);
}

static void answers_to_ignored_classes_are_not_counted(void **unused)
{
    (void)unused;
    size_t n_ignored = 0;
    for (int32_t ignored = 0; ignored < OUTPUTS; ignored++) {
        char spec[64];
        snprintf(spec, sizeof spec, "cross_entropy ignore_index=%d", ignored);
        bench b = make(spec);
        float out[SAMPLES * OUTPUTS];
        double loss;
        size_t n_correct, n = 0;
        assert_int_equal(weft_model_forward(b.model, b.x, SAMPLES, out, &b.err), WEFT_OK);
        for (size_t i = 0; i < SAMPLES; i++) { /* each label is the model's answer */
            b.labels[i] = 0;
            for (int32_t c = 1; c < OUTPUTS; c++)
                b.labels[i] = out[i * OUTPUTS + (size_t)c] > out[i * OUTPUTS + (size_t)b.labels[i]] ? c : b.labels[i];
            n += b.labels[i] == ignored;
        }
        const weft_batch batch = {.x = b.x, .y = b.labels, .n = SAMPLES};
        assert_int_equal(weft_trainer_evaluate(b.trainer, &batch, &loss, &n_correct, &b.err), WEFT_OK);
        assert_int_equal(n_correct, SAMPLES - n);
        n_ignored += n;
        close_bench(&b);
    }
    assert_int_equal(n_ignored, SAMPLES);
}

static void batches_that_do_not_fit_are_refused(void **unused)
{
    (void)unused;
    bench b = make("binary_cross_entropy_with_logits");
    refused(&b, &(weft_batch){.x = b.x, .y = b.labels, .n = SAMPLES}, "no targets, which binary_cross_entropy_with_logits wants");
    b.targets[5] = 1.5f;
    refused(&b, &(weft_batch){.x = b.x, .targets = b.targets, .n = SAMPLES}, "target 1 of sample 1 is 1.5");
    b.targets[5] = NAN;
    refused(&b, &(weft_batch){.x = b.x, .targets = b.targets, .n = SAMPLES}, "target 1 of sample 1 is");
    close_bench(&b);
    b = make("cross_entropy ignore_index=2");
    refused(&b, &(weft_batch){.x = b.x, .targets = b.targets, .n = SAMPLES}, "no labels (y), which cross_entropy wants");
    refused(&b, &(weft_batch){.x = b.x, .y = b.labels + 2, .n = 1}, "counts");
    b.labels[3] = -100;
    refused(&b, &(weft_batch){.x = b.x, .y = b.labels, .n = SAMPLES}, "label 3 is -100");
    close_bench(&b);
    b = make("cross_entropy weight=[0, 1, 1, 1]");
    refused(&b, &(weft_batch){.x = b.x, .y = b.labels, .n = 1}, "counts");
    close_bench(&b);
}

static void predictions_are_what_the_task_has(void **unused)
{
    (void)unused;
    bench b = make("mse_loss");
    float out[SAMPLES * OUTPUTS], said[SAMPLES * OUTPUTS];
    assert_int_equal(weft_model_forward(b.model, b.x, SAMPLES, out, &b.err), WEFT_OK);
    for (weft_task task = WEFT_CLASSIFICATION; task < WEFT_N_TASKS; task++) {
        b.model->task = task;
        assert_int_equal(weft_model_predict(b.model, b.x, SAMPLES, said, &b.err), WEFT_OK);
        for (size_t i = 0; i < SAMPLES * OUTPUTS; i++) {
            double sum = 0;
            for (size_t c = 0; c < OUTPUTS; c++)
                sum += exp((double)out[i / OUTPUTS * OUTPUTS + c]);
            const double x = (double)out[i], want[] = {exp(x) / sum, x, 1 / (1 + exp(-x))};
            assert_true(fabs((double)said[i] - want[task]) <= 2 * UNIT * fmax(1, fabs(want[task])));
        }
    }
    close_bench(&b);
}

static double loss_of(const char *spec)
{
    bench b = make(spec);
    double loss;
    size_t n_correct;
    const weft_batch all = {.x = b.x, .y = b.labels, .targets = b.targets, .n = SAMPLES};
    assert_int_equal(weft_trainer_evaluate(b.trainer, &all, &loss, &n_correct, &b.err), WEFT_OK);
    close_bench(&b);
    return loss;
}

static void a_sum_is_divided_by_nothing(void **unused)
{
    (void)unused;
    const double mean = loss_of("mse_loss"), sum = loss_of("mse_loss reduction=sum"), weighted = loss_of("nll_loss weight=[1, 2, 3, 4] reduction=sum");
    assert_true(fabs(sum - mean * SAMPLES * OUTPUTS) <= 1e-6 * sum);
    const double weights = 1 + 2 + 3 + 4 + 1 + 2; /* labels are 0 1 2 3 0 1 */
    assert_true(fabs(weighted - weights * loss_of("nll_loss weight=[1, 2, 3, 4]")) <= 1e-6 * fabs(weighted));
}

/* A file of another program says nothing of its features; these are known, or a weight of two dimensions tells them. */
static void a_model_of_known_size_takes_any_file_with_its_parameters(void **unused)
{
    (void)unused;
    static const float slopes[] = {0.5f, 0.25f, 2};
    const tensor one = {.name = "0.weight", .type = DTYPE_F32, .shape = {.n_dims = 1, .dims = {3}}, .data = slopes};
    char path[] = "/tmp/weft-test-XXXXXX";
    close(mkstemp(path));
    weft_error err = {0};
    assert_int_equal(tensor_file_write(path, &(tensor_file){.n_tensors = 1, .tensors = &one}, &err), WEFT_OK);
    weft_model *m = weft_model_create("prelu 3", &err);
    assert_int_equal(weft_model_load(m, path, &err), WEFT_BAD_INPUT);
    assert_non_null(strstr(err.message, "weft_model_init first"));
    assert_int_equal(weft_model_init(m, 3, 1, &err), WEFT_OK);
    assert_int_equal(weft_model_load(m, path, &err), WEFT_OK);
    const float x[] = {-1, -1, -1};
    float y[3];
    assert_int_equal(weft_model_forward(m, x, 1, y, &err), WEFT_OK);
    for (size_t i = 0; i < 3; i++)
        assert_true(y[i] == -slopes[i]);
    weft_model_free(m);
    remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_learned_from_the_callers_targets),
        cmocka_unit_test(looking_at_a_model_between_steps_changes_no_bit),
        cmocka_unit_test(samples_that_are_passed_over_do_not_count),
        cmocka_unit_test(answers_to_ignored_classes_are_not_counted),
        cmocka_unit_test(batches_that_do_not_fit_are_refused),
        cmocka_unit_test(predictions_are_what_the_task_has),
        cmocka_unit_test(a_sum_is_divided_by_nothing),
        cmocka_unit_test(a_model_of_known_size_takes_any_file_with_its_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
