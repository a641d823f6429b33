/* How well numbers and labels are met, and how that is called wherever it is shown. */
#include "numbers.h"


#include "run_files.h"

#include "report/variants.h"
#include "train/train.h"

/* ---- Scores ---- */

enum { N = 60, T = 3 };

typedef struct samples {
    float outputs[N * T], targets[N * T];
    evaluation e;
} samples;

/* Outputs of few different values, so that there are ties; targets 0 or 1, or any number. */
static samples *draw(bool labels)
{
    samples *s = arena_alloc(&memory, sizeof *s);
    for (size_t i = 0; i < N * T; i++) {
        s->outputs[i] = (float)(round(8 * noise(1, i)) / 4);
        s->targets[i] = labels ? (float)(noise(2, i) > 0.3) : (float)noise(3, i);
    }
    s->e = (evaluation){.n = N, .n_outputs = T, .outputs = s->outputs, .targets = s->targets};
    return s;
}

static double pairs_in_order(const samples *s, size_t t)
{
    double right = 0, all = 0;
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < N; k++) {
            const float with = s->outputs[i * T + t], without = s->outputs[k * T + t];
            if (s->targets[i * T + t] != 1 || s->targets[k * T + t] != 0)
                continue;
            all++;
            right += with > without ? 1 : with == without ? 0.5 : 0;
        }
    return right / all;
}

static void areas_are_the_share_of_pairs_in_order(void **unused)
{
    (void)unused;
    samples *s = draw(true);
    weft_error err = {0};
    double mean = 0;
    for (size_t t = 0; t < T; t++) {
        label_score one;
        assert_int_equal(evaluation_label(&s->e, t, &one), WEFT_OK);
        assert_true(fabs(one.of.auroc - pairs_in_order(s, t)) <= 1e-15);
        mean += one.of.auroc / T;
    }
    assert_int_equal(evaluation_score(&s->e, WEFT_MULTI_LABEL, &err), WEFT_OK);
    assert_true(fabs(s->e.score.auroc - mean) <= 1e-15);
}

/* A label that all samples have has no area, and leaves the mean alone. */
static void a_label_without_pairs_has_no_area(void **unused)
{
    (void)unused;
    samples *s = draw(true);
    weft_error err = {0};
    label_score one;
    for (size_t i = 0; i < N; i++)
        s->targets[i * T + 1] = 1;
    assert_int_equal(evaluation_label(&s->e, 1, &one), WEFT_OK);
    assert_true(isnan(one.of.auroc));
    assert_int_equal(evaluation_score(&s->e, WEFT_MULTI_LABEL, &err), WEFT_OK);
    assert_true(fabs(s->e.score.auroc - (pairs_in_order(s, 0) + pairs_in_order(s, 2)) / 2) <= 1e-15);
}

static void f1_is_over_all_labels_or_the_mean_over_them(void **unused)
{
    (void)unused;
    samples *s = draw(true);
    weft_error err = {0};
    double right = 0, others = 0, macro = 0;
    for (size_t t = 0; t < T; t++) {
        double r = 0, o = 0;
        for (size_t i = 0; i < N; i++) {
            const bool given = s->outputs[i * T + t] > 0, has = s->targets[i * T + t] == 1; /* an output of 0 gives no label */
            r += given && has;
            o += given != has;
        }
        macro += 2 * r / (2 * r + o) / T;
        right += r;
        others += o;
    }
    assert_int_equal(evaluation_score(&s->e, WEFT_MULTI_LABEL, &err), WEFT_OK);
    assert_true(fabs(s->e.score.f1 - 2 * right / (2 * right + others)) <= 1e-15);
    assert_true(fabs(s->e.score.f1_macro - macro) <= 1e-15);
}

static void r2_is_the_share_of_variance_that_is_explained(void **unused)
{
    (void)unused;
    samples *s = draw(false);
    weft_error err = {0};
    double r2 = 0, mae = 0, mse = 0;
    for (size_t t = 0; t < T; t++) {
        double mean = 0, left = 0, all = 0;
        for (size_t i = 0; i < N; i++)
            mean += (double)s->targets[i * T + t] / N;
        for (size_t i = 0; i < N; i++) {
            const double y = (double)s->targets[i * T + t], d = (double)s->outputs[i * T + t] - y;
            left += d * d;
            all += pow(y - mean, 2);
            mae += fabs(d) / (N * T);
            mse += d * d / (N * T);
        }
        r2 += (1 - left / all) / T;
    }
    assert_int_equal(evaluation_score(&s->e, WEFT_REGRESSION, &err), WEFT_OK);
    assert_true(fabs(s->e.score.r2 - r2) <= 1e-13);
    assert_true(fabs(s->e.score.mae - mae) <= 1e-14);
    assert_true(fabs(s->e.score.rmse - sqrt(mse)) <= 1e-14);
}

static void numbers_that_are_all_the_same_are_met_or_not(void **unused)
{
    (void)unused;
    samples *s = draw(false);
    for (size_t i = 0; i < N; i++) {
        s->targets[i * T] = s->outputs[i * T] = 4;
        s->targets[i * T + 1] = 4;
        s->outputs[i * T + 1] = 5;
    }
    assert_true(evaluation_number(&s->e, 0).r2 == 1);
    assert_true(evaluation_number(&s->e, 1).r2 == 0);
}

/* ---- Names ---- */

/* A run of another task, whose scores are those of `c` divided by 100. */
static run_record make_task_run(weft_task task, const char *name, course c)
{
    run_record r = make_run(name, 1, c);
    weft_metrics *m = (weft_metrics *)r.metrics;
    r.task = task;
    for (size_t i = 0; i < c.n; i++) {
        m[i].task = task;
        m[i].train_r2 = m[i].train_f1 = m[i].train_acc;
        m[i].val_r2 = m[i].val_f1 = m[i].val_acc;
        m[i].val_auroc = NAN;
        m[i].train_acc = m[i].val_acc = -7; /* nobody may look at it */
    }
    return r;
}

static void records_keep_what_the_task_has(void **unused)
{
    (void)unused;
    static const char *const has[WEFT_N_TASKS] = {"val_acc", "val_r2", "val_auroc"};
    for (weft_task task = WEFT_CLASSIFICATION; task < WEFT_N_TASKS; task++) {
        weft_error err = {0};
        run_record run = make_task_run(task, "", (course){1, {0.5, 0.5}, {75, 75}, {50, 50}}), back;
        text t = {0};
        metrics_print(run.metrics, &t);
        for (weft_task other = WEFT_CLASSIFICATION; other < WEFT_N_TASKS; other++)
            assert_true(!strstr(t.data, has[other]) == (other != task));
        must(run_record_write(&run, &err), &err);
        must(file_write(in_folder("metrics.jsonl"), t.data, t.length, &err), &err);
        must(run_record_read(folder, &back, &memory, &err), &err);
        assert_int_equal(back.task, task);
        assert_true(metrics_score(back.metrics, WEFT_TEST) == metrics_score(run.metrics, WEFT_TEST));
        assert_true(metrics_score(back.metrics, WEFT_TRAIN) == metrics_score(run.metrics, WEFT_TRAIN));
        assert_true(task != WEFT_MULTI_LABEL || isnan(back.metrics->val_auroc));
        text_free(&t);
    }
}

static void a_task_that_nobody_knows_is_refused(void **unused)
{
    (void)unused;
    weft_error err = {0};
    run_record run = make_run("", 1, (course){0}), back;
    must(run_record_write(&run, &err), &err);
    char *written = content_of(in_folder("run.json"), NULL), *place = strstr(written, "classification");
    assert_non_null(place);
    memcpy(place, "clossification", 14);
    must(file_write(in_folder("run.json"), written, strlen(written), &err), &err);
    assert_int_equal(run_record_read(folder, &back, &memory, &err), WEFT_BAD_INPUT);
    assert_has(err.message, "it must be classification, regression or multi-label");
}

static const char *summary_of(const run_record *runs, size_t n, bool markdown)
{
    text t = {0};
    report_summary(runs, n, &(report_view){0}, markdown ? REPORT_MARKDOWN : REPORT_TEXT, &t);
    assert_false(t.failed);
    char *copy = arena_text(&memory, t.data);
    text_free(&t);
    for (char *c = copy; *c; c++)
        *c = *c == '\n' ? ' ' : *c;
    return copy;
}

static void summaries_call_scores_by_their_names(void **unused)
{
    (void)unused;
    run_record runs[] = {make_task_run(WEFT_REGRESSION, "slow", (course){4, {2, 1}, {20, 60}, {10, 51.25}}),
                         make_task_run(WEFT_REGRESSION, "fast", (course){4, {2, 0.5}, {20, 90}, {10, 80}})};
    runs[1].optimizer = "adam lr=0.001";
    const char *plain = summary_of(runs, 2, false), *page = summary_of(runs, 2, true);
    assert_has(plain, "val. R2");
    assert_has(plain, "fast      0.8000  0.8000      4  0.9000  0.1000");
    assert_has(plain, "R2 is 0.8000 instead of 0.5125, +0.2875");
    assert_has(page, "validation R2");
    assert_lacks(plain, "acc");
    assert_lacks(page, "acc");
    assert_lacks(page, "%");
    assert_lacks(page, "points");
}

static void figures_call_scores_by_their_names(void **unused)
{
    (void)unused;
    weft_error err = {0};
    run_record runs[] = {make_task_run(WEFT_MULTI_LABEL, "one", (course){4, {2, 1}, {20, 60}, {10, 51.25}}),
                         make_task_run(WEFT_MULTI_LABEL, "two", (course){4, {2, 0.5}, {20, 90}, {10, 80}}),
                         make_run("three", 1, (course){4, {2, 0.5}, {20, 90}, {10, 80}})};
    size_t n;
    figure f;
    variant *variants = variants_group(runs, 3, &n, &memory);
    assert_int_equal(n, 3);
    must(curves_figure(&variants[0], &f, &memory, &err), &err);
    assert_string_equal(f.panels[1].title, "F1");
    assert_string_equal(f.panels[1].note, "best validation F1 0.5125 after epoch 4");
    assert_false(f.panels[1].y.percent);
    must(compare_figure(variants, 2, OVERLAY_CURVES, &f, &memory, &err), &err);
    assert_string_equal(f.panels[1].title, "Validation F1");
    assert_string_equal(f.panels[3].title, "Training F1");
    must(compare_figure(variants, 3, OVERLAY_CURVES, &f, &memory, &err), &err);
    assert_string_equal(f.panels[1].title, "Validation score"); /* accuracy and F1 */
    must(curves_figure(&variants[2], &f, &memory, &err), &err);
    assert_string_equal(f.panels[1].title, "Accuracy");
    assert_true(f.panels[1].y.percent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(areas_are_the_share_of_pairs_in_order),
        cmocka_unit_test(a_label_without_pairs_has_no_area),
        cmocka_unit_test(f1_is_over_all_labels_or_the_mean_over_them),
        cmocka_unit_test(r2_is_the_share_of_variance_that_is_explained),
        cmocka_unit_test(numbers_that_are_all_the_same_are_met_or_not),
        cmocka_unit_test(records_keep_what_the_task_has),
        cmocka_unit_test(a_task_that_nobody_knows_is_refused),
        cmocka_unit_test(summaries_call_scores_by_their_names),
        cmocka_unit_test(figures_call_scores_by_their_names),
    };
    const int failed = cmocka_run_group_tests(tests, make_folder, remove_folder);
    report_end();
    return failed;
}
