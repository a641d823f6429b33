/* The page without a browser: what is escaped, which settings differ, which runs are one variant. */
#include "test.h"

#include "report/page.h"
#include "run_files.h"

static const course usual = {3, {0.9, 0.4}, {70, 88}, {69, 85}};

/* Its baseline is the variant "plain", where there is one. */
static const char *page_of(const run_record *runs, size_t n)
{
    weft_error err = {0};
    report_view view = {0};
    for (size_t i = 0; i < n; i++)
        view.baseline = runs[i].variant && strcmp(runs[i].variant, "plain") == 0 ? runs[i].variant : view.baseline;
    must(report_page(in_folder("page.html"), runs, n, &view, NULL, &err), &err);
    return content_of(in_folder("page.html"), NULL);
}

static size_t count_of(const char *whole, const char *part)
{
    size_t n = 0;
    for (const char *c = strstr(whole, part); c; c = strstr(c + 1, part))
        n++;
    return n;
}

/* A map of settings from key, value, key, value, …, NULL. */
static const setting *settings_of(const char *const *pairs)
{
    setting *map = arena_alloc(&memory, sizeof *map), **end = &map->first;
    map->kind = SETTING_MAP;
    for (; *pairs; pairs += 2) {
        setting *one = arena_alloc(&memory, sizeof *one);
        *one = (setting){SETTING_SCALAR, .key = pairs[0], .text = pairs[1]};
        *end = one;
        end = &one->next;
    }
    return map;
}

#define SETTINGS(...) settings_of((const char *const[]){__VA_ARGS__, NULL})

/* ---- Escaping ---- */

static void nothing_in_a_text_of_json_can_end_a_script(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"plain \xc3\xa4", "\"plain \xc3\xa4\""},
        {"</script><!--", "\"\\u003c/script\\u003e\\u003c!--\""},
        {"a&b\"c\\d", "\"a\\u0026b\\u0022c\\u005cd\""},
        {"\xe2\x80\xa7", "\"\xe2\x80\xa7\""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        text t = {0};
        page_string(&t, cases[i][0]);
        assert_string_equal(t.data, cases[i][1]);
        text_free(&t);
    }
    static const char *const line_ends[] = {"\xe2\x80\xa8", "\xe2\x80\xa9", "\n"};
    for (size_t i = 0; i < COUNT(line_ends); i++) {
        text t = {0};
        page_string(&t, line_ends[i]);
        assert_null(strstr(t.data, line_ends[i]));
        text_free(&t);
    }
}

static void what_is_no_number_is_null(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *wanted;
    } cases[] = {{0.5, "0.5"}, {NAN, "null"}, {-INFINITY, "null"}, {1e300, "1e+300"}, {-0.123456789, "-0.12346"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        text t = {0};
        page_number(&t, cases[i].value);
        assert_string_equal(t.data, cases[i].wanted);
        text_free(&t);
    }
}

static void names_are_escaped_wherever_they_stand(void **state)
{
    (void)state;
    static const char hostile[] = "<b id=bad>&\"'";
    run_record runs[] = {make_run(hostile, 1, usual), make_run("plain", 1, usual)};
    runs[0].title = runs[1].title = hostile;
    runs[0].data = runs[0].model = runs[0].version = runs[0].command = runs[0].message = hostile;
    runs[0].status = "stopped";
    runs[0].settings = SETTINGS(hostile, "1", "optimizer.lr", hostile);
    runs[1].settings = SETTINGS(hostile, "2", "optimizer.lr", "0.1");
    const char *page = page_of(runs, 2);
    assert_lacks(page, "<b id");
    assert_has(page, "<title>&lt;b id=bad&gt;&amp;&quot;&#39;</title>");
    assert_has(page, "{\"name\":\"\\u003cb id=bad\\u003e\\u0026\\u0022'\"");
    assert_int_equal(count_of(page, "<script"), 2); /* the data and the program, which has none in it */
    assert_int_equal(count_of(page, "</script"), 2);
    assert_lacks(page, "sourceMappingURL");
    assert_has(page, "Permission is hereby granted, free of charge"); /* dygraphs' licence */
}

/* ---- Which runs are one variant ---- */

static void runs_that_differ_in_their_seed_only_are_one_variant(void **state)
{
    (void)state;
    run_record runs[] = {make_run("a", 1, usual), make_run("a", 2, usual), make_run("a", 3, usual), make_run("a", 1, usual), make_run("", 1, usual)};
    runs[0].settings = SETTINGS("train.seed", "1", "optimizer.lr", "0.1");
    runs[1].settings = SETTINGS("train.seed", "2", "optimizer.lr", "0.1");
    runs[2].settings = SETTINGS("train.seed", "3", "optimizer.lr", "0.2"); /* other settings */
    runs[3].settings = SETTINGS("train.seed", "1", "optimizer.lr", "0.1"); /* the first run once more */
    for (size_t i = 0; i < COUNT(runs); i++)
        runs[i].folder = "runs/x";
    runs[2].title = "Another";
    runs[4].folder = "runs/adam/seed-7/";
    const run_record *named = page_names(runs, COUNT(runs), &memory);
    static const char *const wanted[] = {"a", "a", "a (Another)", "a (runs/x)", "adam"};
    for (size_t i = 0; i < COUNT(runs); i++)
        assert_string_equal(named[i].variant, wanted[i]);
    runs[4].folder = ".";
    assert_string_equal(page_names(runs, COUNT(runs), &memory)[4].variant, "this run");
}

static void seeds_of_one_folder_are_one_variant_where_two_folders_have_the_same(void **state)
{
    (void)state;
    static const char *const folders[] = {"one/a/seed-1", "one/a/seed-2", "two/a/seed-1", "two/a/seed-2", "two/a/seed-3"};
    static const char *const wanted[] = {"a", "a", "a (two/a)", "a (two/a)", "a (two/a)"};
    run_record runs[COUNT(folders)];
    for (size_t i = 0; i < COUNT(folders); i++) {
        runs[i] = make_run("a", i < 2 ? i + 1 : i - 1, usual);
        runs[i].settings = SETTINGS("optimizer.lr", "0.1");
        runs[i].folder = folders[i];
    }
    const run_record *named = page_names(runs, COUNT(runs), &memory);
    for (size_t i = 0; i < COUNT(runs); i++)
        assert_string_equal(named[i].variant, wanted[i]);
}

/* ---- Settings that differ ---- */

static void settings_that_only_another_kind_has_do_not_differ(void **state)
{
    (void)state;
    run_record runs[] = {make_run("a", 1, usual), make_run("b", 1, usual), make_run("c", 1, usual)};
    runs[0].settings = SETTINGS("train.seed", "1", "train.batch", "32", "optimizer", "sgd", "optimizer.lr", "0.1", "optimizer.momentum", "0");
    runs[1].settings = SETTINGS("train.seed", "2", "train.batch", "32", "optimizer", "adam", "optimizer.lr", "0.1", "optimizer.betas", "[0.9, 1]");
    runs[2].settings = SETTINGS("train.seed", "3", "train.batch", "32", "train.init", "x", "optimizer", "sgd", "optimizer.lr", "0.1",
                                "optimizer.momentum", "0");
    weft_error err = {0};
    page p = {.runs = runs, .n_runs = 3, .memory = &memory};
    p.variants = variants_group(runs, 3, &p.n_variants, &memory);
    must(page_settings_find(&p, &err), &err);
    assert_int_equal(p.n_settings, 2);
    assert_string_equal(p.settings[0].key, "optimizer");
    assert_false(p.settings[0].numbers);
    assert_string_equal(p.settings[1].key, "train.init"); /* which all could have */
    assert_null(p.settings[1].values[0]);
    assert_string_equal(p.settings[1].values[2], "x");
    runs[2].settings = SETTINGS("train.batch", "64", "optimizer", "sgd", "optimizer.lr", "0.1", "optimizer.momentum", "0.9");
    p.n_settings = 0;
    must(page_settings_find(&p, &err), &err);
    assert_int_equal(p.n_settings, 3);
    assert_string_equal(p.settings[0].key, "train.batch");
    assert_true(p.settings[0].numbers);
    assert_string_equal(p.settings[2].key, "optimizer.momentum");
}

/* ---- Whatever the runs hold ---- */

static void a_page_can_be_made_of_any_runs(void **state)
{
    (void)state;
    run_record runs[] = {make_run("empty", 1, (course){0}), make_run("one epoch", 1, (course){1, {1, 1}, {50, 50}, {50, 50}}),
                         make_run("diverged", 1, usual), make_run("negative", 1, (course){4, {-1, -2}, {0, 100}, {100, 0}})};
    runs[2].status = "diverged";
    weft_metrics *m = (weft_metrics *)runs[2].metrics;
    for (size_t i = 0; i < runs[2].n_epochs; i++)
        m[i].train_loss = m[i].val_loss = m[i].val_acc = i ? NAN : INFINITY;
    for (size_t n = 1; n <= COUNT(runs); n++) {
        const char *page = page_of(runs, n);
        assert_has(page, "</html>");
        assert_int_equal(count_of(page, "<th scope=\"row\">"), n);
    }
    assert_has(page_of(runs + 2, 1), "\"y\":[null,null,null]");
    for (weft_task task = 0; task < WEFT_N_TASKS; task++) {
        runs[1].task = task;
        assert_has(page_of(runs, COUNT(runs)), "</html>");
    }
}

static void better_runs_stand_before_worse_ones(void **state)
{
    (void)state;
    run_record runs[] = {make_run("none", 1, (course){0}), make_run("worse", 1, (course){2, {1, 1}, {50, 50}, {50, 60}}),
                         make_run("better", 1, (course){2, {1, 1}, {50, 50}, {80, 40}})};
    const char *table = strstr(page_of(runs, 3), "class=\"ranked\"");
    const char *better = strstr(table, "better"), *worse = strstr(table, "worse"), *none = strstr(table, "none</th>");
    assert_true(better && worse && none);
    assert_true(better < worse && worse < none);
}

/* By seed "better" is 3 points ahead each time, "same" 1, -1 and 0: the half of its interval is 4.302653 (Student's quantile) / sqrt(3). */
static void the_table_holds_every_variant_against_the_baseline(void **state)
{
    (void)state;
    static const double ends[3][4] = {{90, 91, 92, 99}, {87, 88, 89, 99}, {88, 87, 89, 99}};
    static const char *const names[] = {"better", "plain", "same"};
    run_record runs[3 * 4];
    for (size_t i = 0; i < COUNT(runs); i++)
        runs[i] = make_run(names[i / 4], i % 4 + 1, (course){2, {1, 1}, {50, 50}, {80, ends[i / 4][i % 4]}});
    for (size_t i = 3; i < COUNT(runs); i += 4)
        runs[i].status = "diverged"; /* counts for nothing */
    const char *page = page_of(runs, COUNT(runs));
    assert_has(page, "<th class=\"number\">last against plain (points), 95&nbsp;% interval</th>");
    assert_has(page, "<td class=\"number\">91.00 <small>\xc2\xb1 1.00</small> %</td>"
                     "<td class=\"number\">+3.00<br><small>+3.00 to +3.00</small></td>");
    assert_has(page, "<td class=\"number\"><small>baseline</small></td>");
    assert_has(page, "<td class=\"number\">+0.00<br><small>-2.48 to +2.48<br>within noise</small></td>");
    assert_lacks(page_of(runs, 1), "last against");
}

static void what_is_no_page_is_refused(void **state)
{
    (void)state;
    weft_error err = {0};
    run_record run = make_run("a", 1, usual);
    assert_int_equal(report_page(in_folder("page.pdf"), &run, 1, &(report_view){0}, NULL, &err), WEFT_BAD_INPUT);
    assert_has(err.message, "ends in .html");
    err = (weft_error){0};
    assert_int_equal(report_page(".html", &run, 1, &(report_view){0}, NULL, &err), WEFT_BAD_INPUT);
    err = (weft_error){0};
    assert_int_equal(report_page(in_folder("page.html"), &run, 0, &(report_view){0}, NULL, &err), WEFT_BAD_INPUT);
    assert_has(err.message, "no run");
}

/* ---- Runs below a folder ---- */

static void runs_are_found_below_their_folders(void **state)
{
    (void)state;
    static const char *const names[] = {"found/b/seed-10", "found/b/seed-2", "found/a", "found/a/checkpoint/x", "found/.hidden"};
    weft_error err = {0};
    for (size_t i = 0; i < COUNT(names); i++) {
        run_record run = make_run("", i, (course){0});
        run.folder = in_folder(names[i]);
        must(folder_make(run.folder, &err), &err);
        must(run_record_write(&run, &err), &err);
    }
    const char *const twice[] = {in_folder("found"), in_folder("found/a")};
    run_record *runs;
    size_t n;
    must(run_records_find(twice, 2, &runs, &n, &memory, &err), &err);
    assert_int_equal(n, 3); /* none inside of a run, none that is hidden, none twice */
    static const uint64_t order[] = {2, 1, 0};
    for (size_t i = 0; i < n; i++)
        assert_true(runs[i].seed == order[i]);
    must(folder_make(in_folder("nothing/here"), &err), &err);
    const char *const nothing[] = {in_folder("nothing")};
    assert_int_equal(run_records_find(nothing, 1, &runs, &n, &memory, &err), WEFT_BAD_INPUT);
    assert_has(err.message, "there is no run in this folder");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_in_a_text_of_json_can_end_a_script),
        cmocka_unit_test(what_is_no_number_is_null),
        cmocka_unit_test(names_are_escaped_wherever_they_stand),
        cmocka_unit_test(runs_that_differ_in_their_seed_only_are_one_variant),
        cmocka_unit_test(seeds_of_one_folder_are_one_variant_where_two_folders_have_the_same),
        cmocka_unit_test(settings_that_only_another_kind_has_do_not_differ),
        cmocka_unit_test(a_page_can_be_made_of_any_runs),
        cmocka_unit_test(better_runs_stand_before_worse_ones),
        cmocka_unit_test(the_table_holds_every_variant_against_the_baseline),
        cmocka_unit_test(what_is_no_page_is_refused),
        cmocka_unit_test(runs_are_found_below_their_folders),
    };
    const int failed = cmocka_run_group_tests(tests, make_folder, remove_folder);
    report_end();
    return failed;
}
