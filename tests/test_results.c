/* What a comparison comes to, and how it is told to programs. */
#include "test.h"

#include <jansson.h>

#include "report/variants.h"
#include "run_files.h"

/* Three seeds each: the baseline ends at 86, 87, 88 %, "better" at 89.2, 90.2, 91.2 %, "same" at 87.5, 88.5, 86.5 %; "wild" diverged but for one. */
enum { N_RUNS = 12 };

static void make_runs(run_record runs[N_RUNS])
{
    static const char *const names[] = {"plain", "better", "same", "wild"};
    static const double ends[] = {87, 90.2, 87.5, 80};
    for (size_t i = 0; i < N_RUNS; i++) {
        const double off = (double)((i / 3 == 2 ? i + 1 : i) % 3) - 1;
        runs[i] = make_run(names[i / 3], i % 3 + 1, (course){11, {0.5, 0.1}, {85, 95}, {80, ends[i / 3] + off}});
    }
    for (size_t i = 9; i < 11; i++) {
        runs[i].status = "diverged";
        runs[i].message = "training: step 7: the loss is \"nan\"";
        runs[i].n_epochs = 2;
        runs[i].n_steps = 6;
    }
}

static results results_of(const run_record *runs, size_t n, const report_view *view)
{
    results all;
    size_t n_variants;
    const variant *variants = variants_group(runs, n, &n_variants, &memory);
    assert_true(results_make(&all, variants, n_variants, view, &memory));
    return all;
}

static void assert_spread(const spread *s, size_t n, double mean, double std)
{
    assert_int_equal(s->n, n);
    assert_true(fabs(s->mean - mean) < 1e-9);
    assert_true(fabs(s->std - std) < 1e-9);
}

static void numbers_are_over_the_runs_that_did_not_diverge(void **state)
{
    (void)state;
    run_record runs[N_RUNS];
    make_runs(runs);
    const results all = results_of(runs, N_RUNS, &(report_view){0});
    assert_int_equal(all.n, 4);
    assert_int_equal(all.baseline, 0);
    assert_spread(&all.rows[0].last, 3, 87, 1);
    assert_spread(&all.rows[1].gap, 3, 4.8, 1);
    assert_spread(&all.rows[1].best_epoch, 3, 11, 0);
    assert_spread(&all.rows[1].seconds, 3, 22, 0);
    assert_spread(&all.rows[3].last, 1, 81, 0);
    assert_int_equal(all.rows[3].variant->n_diverged, 2);
}

static void assert_interval(interval is, double low, double high)
{
    assert_true(fabs(is.low - low) < 1e-9);
    assert_true(fabs(is.high - high) < 1e-9);
}

/* Student's 97.5 % quantile is 4.302653 at 2 degrees of freedom, 2.776445 at 4. By seed "better" is 3.2 points ahead each time, "same" 1.5, 1.5
 * and -1.5, with a deviation of sqrt(3); without pairs the standard error of a difference is sqrt(1/3 + 1/3). */
static void differences_are_held_seed_by_seed_where_seeds_are_shared(void **state)
{
    (void)state;
    run_record runs[N_RUNS];
    make_runs(runs);
    const results all = results_of(runs, N_RUNS, &(report_view){0});
    const double half = 2.7764451051977987 * sqrt(2. / 3), same = 4.302652729749464;
    assert_int_equal(all.rows[0].verdict, VERDICT_BASELINE);
    assert_int_equal(all.rows[1].verdict, VERDICT_DIFFERS);
    assert_true(fabs(all.rows[1].difference - 3.2) < 1e-9);
    assert_interval(all.rows[1].interval, 3.2, 3.2);
    assert_int_equal(all.rows[2].verdict, VERDICT_NOISE);
    assert_interval(all.rows[2].interval, 0.5 - same, 0.5 + same);
    assert_int_equal(all.rows[3].verdict, VERDICT_ONE_SEED); /* of three, one is left */
    assert_true(isnan(all.rows[3].interval.low));
    const results other = results_of(runs, N_RUNS, &(report_view){.baseline = "better"});
    assert_int_equal(other.baseline, 1);
    assert_true(fabs(other.rows[0].difference + 3.2) < 1e-9);
    for (size_t i = 3; i < 6; i++)
        runs[i].seed += 10;
    assert_interval(results_of(runs, N_RUNS, &(report_view){0}).rows[1].interval, 3.2 - half, 3.2 + half);
    runs[11].status = "diverged";
    assert_int_equal(results_of(runs, N_RUNS, &(report_view){0}).rows[3].verdict, VERDICT_UNKNOWN);
    assert_int_equal(results_of(runs, N_RUNS, &(report_view){.baseline = "wild"}).rows[0].verdict, VERDICT_UNKNOWN);
}

/* From 80 % in 10 steps: the seeds of "better" gain 0.92, 1.02 and 1.12 points an epoch, 2 seconds each. */
static void the_time_to_a_score_is_counted_in_epochs_and_seconds(void **state)
{
    (void)state;
    const double target = 0.8449;
    run_record runs[N_RUNS];
    make_runs(runs);
    results all = results_of(runs, N_RUNS, &(report_view){.target = &target});
    assert_true(all.target == 84.49);
    assert_spread(&all.rows[1].epochs_to_target, 3, 6, 0); /* 84.6, 85.1 and 85.6 after the sixth; at most 84.48 after the fifth */
    assert_spread(&all.rows[1].seconds_to_target, 3, 12, 0);
    assert_int_equal(all.rows[3].epochs_to_target.n, 0); /* never */
    all = results_of(runs, N_RUNS, &(report_view){0});
    assert_true(fabs(all.target - 87) < 1e-9);
    assert_spread(&all.rows[1].epochs_to_target, 3, 25. / 3, sqrt(1. / 3)); /* 7.6, 6.9 and 6.3 gains: epochs 9, 8, 8 */
}

static const char *exported(const run_record *runs, size_t n, report_form form)
{
    text t = {0};
    report_summary(runs, n, &(report_view){0}, form, &t);
    assert_false(t.failed);
    const char *copy = arena_text(&memory, t.data);
    text_free(&t);
    return copy;
}

static void csv_has_a_line_a_variant_and_a_value_a_column(void **state)
{
    (void)state;
    run_record runs[N_RUNS];
    make_runs(runs);
    for (size_t i = 3; i < 6; i++)
        runs[i].variant = "say \"better\", so";
    const char *csv = exported(runs, N_RUNS, REPORT_CSV);
    assert_has(csv, "variant,runs,diverged,last_mean,last_std,last_n,");
    assert_has(csv, "\r\n\"say \"\"better\"\", so\",3,0,0.902,0.01,3,");
    assert_has(csv, "\r\n\"wild\",3,2,0.81,,1,");
    size_t commas = 0, lines = 0;
    for (const char *c = csv; *c; c++) {
        lines += *c == '\n';
        commas += *c == ',' && lines == 0;
    }
    assert_int_equal(lines, 5);
    const char *last = strstr(csv, "\r\n\"wild\"");
    for (const char *c = last; *c; c++)
        commas -= *c == ',';
    assert_int_equal(commas, 0);
    assert_has(last, ",one seed cannot tell\r\n");
}

static void json_says_all_that_the_tables_say(void **state)
{
    (void)state;
    run_record runs[N_RUNS];
    make_runs(runs);
    json_t *all = json_loads(exported(runs, N_RUNS, REPORT_JSON), 0, NULL);
    assert_non_null(all);
    assert_string_equal(json_string_value(json_object_get(all, "baseline")), "plain");
    assert_true(json_real_value(json_object_get(all, "target")) == 0.87);
    const json_t *rows = json_object_get(all, "variants"), *better = json_array_get(rows, 1), *wild = json_array_get(rows, 3);
    assert_int_equal(json_array_size(rows), 4);
    assert_true(json_real_value(json_object_get(json_object_get(better, "last"), "mean")) == 0.902);
    assert_true(json_real_value(json_object_get(json_object_get(better, "difference"), "mean")) == 0.032);
    assert_string_equal(json_string_value(json_object_get(json_object_get(better, "difference"), "verdict")), "beyond noise");
    assert_true(json_is_null(json_object_get(json_object_get(wild, "difference"), "low")));
    const json_t *diverged = json_object_get(wild, "diverged");
    assert_int_equal(json_array_size(diverged), 2);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(diverged, 1), "seed")), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(diverged, 0), "message")), runs[9].message);
    json_decref(all);
}

static void the_second_table_tells_what_is_noise(void **state)
{
    (void)state;
    run_record runs[N_RUNS];
    make_runs(runs);
    const char *table = exported(runs, N_RUNS, REPORT_TEXT);
    assert_has(table, "\nagainst plain  difference   95 % interval  ");
    assert_has(table, "  epochs to 87.00 %   seconds\n");
    assert_has(table, "\nbetter              +3.20  +3.20 to +3.20  ");
    assert_has(table, " 8.3      16.7\n");
    assert_has(table, "\nsame                +0.50  -3.80 to +4.80  within noise ");
    assert_has(table, "\nwild                -6.00                  one seed cannot tell  ");
    assert_has(table, " 2 of 3 diverged\n");
    runs[0] = runs[3]; /* alone, with one seed */
    assert_has(exported(runs, 1, REPORT_TEXT), "89.20 %");
    assert_lacks(exported(runs, 1, REPORT_TEXT), "against");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_over_the_runs_that_did_not_diverge),
        cmocka_unit_test(differences_are_held_seed_by_seed_where_seeds_are_shared),
        cmocka_unit_test(the_time_to_a_score_is_counted_in_epochs_and_seconds),
        cmocka_unit_test(csv_has_a_line_a_variant_and_a_value_a_column),
        cmocka_unit_test(json_says_all_that_the_tables_say),
        cmocka_unit_test(the_second_table_tells_what_is_noise),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
