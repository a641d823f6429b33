/* What is said of a model over a split, held against the definitions, sample by sample. */
#include "numbers.h"

#include "train/train.h"

enum { N = 400, C = 4, H = 2, W = 3, FEATURES = H * W };

typedef struct world {
    weft_dataset data;
    weft_model *model;
    weft_trainer *trainer;
    float samples[N * FEATURES], targets[N * C], said[N * C]; /* said: probabilities */
    int32_t labels[N];
    evaluation_record e;
    arena memory;
    weft_error err;
} world;

/* Both splits are the same samples. Labels are often what the model says, so that some answers are right. */
static world *make(weft_task task, const char *loss, size_t n_worst)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    for (size_t i = 0; i < N * FEATURES; i++)
        w->samples[i] = (float)(8 * noise(1, i));
    w->model = weft_model_create("linear 4", &w->err);
    assert_int_equal(weft_model_init(w->model, FEATURES, 5, &w->err), WEFT_OK);
    w->model->task = task;
    assert_int_equal(weft_model_predict(w->model, w->samples, N, w->said, &w->err), WEFT_OK);
    for (size_t i = 0; i < N; i++) {
        size_t best = 0;
        for (size_t c = 0; c < C; c++) {
            best = w->said[i * C + c] > w->said[i * C + best] ? c : best;
            w->targets[i * C + c] = noise(2, i * C + c) * 0.7 + 0.5 < (double)w->said[i * C + c];
        }
        w->labels[i] = noise(3, i) > 0 ? (int32_t)best : (int32_t)(i % C);
    }
    const bool classes = task == WEFT_CLASSIFICATION;
    w->data = (weft_dataset){.name = "drawn", .sample = {3, {1, H, W}}, .disk_type = DTYPE_F32, .type = DTYPE_F32, .task = task, .features = FEATURES,
                             .n_classes = classes ? C : 0, .n_targets = classes ? 0 : C, .class_names = names};
    for (size_t s = 0; s < WEFT_N_SPLITS; s++)
        w->data.split[s] = (data_split){.n = N, .samples = w->samples, .labels = classes ? w->labels : NULL, .targets = classes ? NULL : w->targets};
    w->trainer = weft_trainer_create(w->model, &w->data, &(weft_options){.loss = loss, .threads = 1}, &w->err);
    if (!w->trainer || trainer_assess(w->trainer, WEFT_TEST, n_worst, &w->e, &w->memory, &w->err) != WEFT_OK)
        fail_msg("%s", w->err.message);
    return w;
}

static void finish(world *w)
{
    weft_trainer_free(w->trainer);
    weft_model_free(w->model);
    arena_deinit(&w->memory);
    free(w);
}

static size_t said_of(const world *w, size_t i)
{
    size_t best = 0;
    for (size_t c = 1; c < C; c++)
        best = w->said[i * C + c] > w->said[i * C + best] ? c : best;
    return best;
}

/* Counts an answer as the definition has it: above i / 15 and up to (i + 1) / 15. */
static void count(double sums[CALIBRATION_BINS][3], double p, double right)
{
    for (int i = 0; i < CALIBRATION_BINS; i++)
        if (p * CALIBRATION_BINS > i && p * CALIBRATION_BINS <= i + 1) {
            sums[i][0]++;
            sums[i][1] += p;
            sums[i][2] += right;
        }
}

/* Probabilities are floats that may differ by a few units: sums of up to 1600 of them, near to 1600 * 4 * 2^-24. */
#define NEAR 1e-4

static void assert_calibration(const calibration *c, double sums[CALIBRATION_BINS][3], double n)
{
    double ece = 0, excess = 0;
    size_t used = 0;
    for (size_t i = 0; i < CALIBRATION_BINS; i++) {
        const double all = sums[i][0];
        assert_int_equal(c->bins[i].n, (size_t)all);
        used += all > 0;
        if (all == 0)
            continue;
        assert_true(fabs(c->bins[i].confidence - sums[i][1] / all) < NEAR && fabs(c->bins[i].accuracy - sums[i][2] / all) < 1e-12);
        ece += all / n * fabs(sums[i][1] / all - sums[i][2] / all);
        excess += (sums[i][1] - sums[i][2]) / n;
    }
    assert_true(used >= 5 && ece > 0.01);
    assert_true(fabs(c->ece - ece) < NEAR && fabs(calibration_excess(c) - excess) < NEAR);
}

static void of_classes_calibration_is_over_the_answers(void **state)
{
    (void)state;
    world *w = make(WEFT_CLASSIFICATION, "cross_entropy", 9);
    double sums[CALIBRATION_BINS][3] = {0};
    size_t right = 0;
    for (size_t i = 0; i < N; i++) {
        const size_t said = said_of(w, i);
        count(sums, (double)w->said[i * C + said], said == (size_t)w->labels[i]);
        right += said == (size_t)w->labels[i];
    }
    assert_calibration(&w->e.calibration, sums, N);
    assert_true(w->e.accuracy == (double)right / N);
    const interval wanted = share_interval(right, N);
    assert_true(w->e.interval[0] == wanted.low && w->e.interval[1] == wanted.high);
    for (size_t c = 0; c < C; c++)
        assert_string_equal(w->e.classes[c].name, w->data.class_names[c]);
    finish(w);
}

static void of_labels_calibration_is_over_all_of_them(void **state)
{
    (void)state;
    world *w = make(WEFT_MULTI_LABEL, "binary_cross_entropy_with_logits", 9);
    double sums[CALIBRATION_BINS][3] = {0};
    for (size_t i = 0; i < N * C; i++)
        count(sums, (double)w->said[i], (double)w->targets[i]);
    assert_calibration(&w->e.calibration, sums, N * C);
    assert_int_equal(w->e.n_worst, 0);
    finish(w);
}

static void the_worst_samples_have_the_least_probable_labels(void **state)
{
    (void)state;
    world *w = make(WEFT_CLASSIFICATION, "cross_entropy", 9);
    assert_int_equal(w->e.n_worst, 9);
    for (size_t k = 0; k < 9; k++) {
        const worst_sample *one = &w->e.worst[k];
        const double p = (double)w->said[one->index * C + one->label];
        size_t worse = 0;
        for (size_t i = 0; i < N; i++)
            worse += (double)w->said[i * C + (size_t)w->labels[i]] < p;
        assert_int_equal(worse, k);
        assert_int_equal(one->label, w->labels[one->index]);
        assert_int_equal(one->prediction, said_of(w, one->index));
        assert_true(fabs(one->loss + log(p)) < 1e-4);
        assert_true(fabs(one->probability - (double)w->said[one->index * C + one->prediction]) < 1e-6);
    }
    finish(w);
}

static void numbers_become_pixels_over_the_range_of_the_split(void **state)
{
    (void)state;
    world *w = make(WEFT_CLASSIFICATION, "cross_entropy", N);
    double min = INFINITY, max = -INFINITY;
    size_t darkest = 0, brightest = 0;
    for (size_t i = 0; i < N * FEATURES; i++) {
        min = MIN(min, (double)w->samples[i]);
        max = MAX(max, (double)w->samples[i]);
    }
    assert_int_equal(w->e.n_worst, N);
    assert_true(w->e.image.channels == 1 && w->e.image.height == H && w->e.image.width == W);
    for (size_t k = 0; k < N; k++)
        for (size_t i = 0; i < FEATURES; i++) {
            const double wanted = 255 * ((double)w->samples[w->e.worst[k].index * FEATURES + i] - min) / (max - min);
            const unsigned char got = w->e.worst[k].pixels[i];
            assert_true(fabs(got - wanted) <= 0.5001);
            darkest += got == 0;
            brightest += got == 255;
        }
    assert_true(darkest && brightest);
    finish(w);
}

static void samples_that_the_loss_passes_over_are_left_out(void **state)
{
    (void)state;
    world *w = make(WEFT_CLASSIFICATION, "cross_entropy ignore_index=2", N);
    double sums[CALIBRATION_BINS][3] = {0};
    size_t n = 0;
    for (size_t i = 0; i < N; i++) {
        if (w->labels[i] == 2)
            continue;
        count(sums, (double)w->said[i * C + said_of(w, i)], said_of(w, i) == (size_t)w->labels[i]);
        n++;
    }
    assert_true(n < N);
    assert_calibration(&w->e.calibration, sums, (double)n);
    assert_int_equal(w->e.n_worst, n);
    for (size_t k = 0; k < n; k++)
        assert_int_not_equal(w->e.worst[k].label, 2);
    finish(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_classes_calibration_is_over_the_answers),
        cmocka_unit_test(of_labels_calibration_is_over_all_of_them),
        cmocka_unit_test(the_worst_samples_have_the_least_probable_labels),
        cmocka_unit_test(numbers_become_pixels_over_the_range_of_the_split),
        cmocka_unit_test(samples_that_the_loss_passes_over_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
