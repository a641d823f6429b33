/* The diagnosis of made-up runs: what is just enough for a finding, and what is just not; how findings are kept, ordered and shown. */
#include "test.h"

#include "run_files.h"

#include "diagnose/diagnose.h"
#include "report/report.h"

/* A network of three layers that is well. */
static layer_probe layers[] = {
    {.path = "0", .name = "linear 100", .units = 100, .parameters = 78500, .dead = NAN, .saturated = NAN, .output = {-2, 2, 0, 1},
     .output_gradient = 0.03, .weights = 18, .weight_gradient = 0.5, .update = 1e-3},
    {.path = "1", .name = "relu", .units = 100, .dead = 0.1, .saturated = NAN, .output = {0, 2, 0.5, 1}, .output_gradient = 0.03, .weights = NAN,
     .weight_gradient = NAN, .update = NAN},
    {.path = "2", .name = "linear 10", .units = 10, .parameters = 1010, .dead = NAN, .saturated = NAN, .output = {-3, 3, 0, 1},
     .output_gradient = 0.03, .weights = 4, .weight_gradient = 0.5, .update = 2e-3},
};

static epoch_probe well(void)
{
    return (epoch_probe){.epoch = 1, .samples = 256, .input = {0, 1, 0.29, 0.36}, .first_loss = 2.3, .n_layers = 3, .layers = layers};
}

static const course good = {.n = 3, .train_loss = {0.8, 0.5}, .train_acc = {80, 85}, .val_acc = {79, 84}};

/* The findings of a run whose epochs all have that probe. */
static findings diagnose(const run_record *run, epoch_probe probe)
{
    weft_error err = {0};
    findings found;
    text t = {0};
    for (size_t e = 1; e <= run->n_epochs; e++) {
        probe.epoch = e;
        probe_print(&probe, &t);
    }
    must(file_write(in_folder("probes.jsonl"), t.data, t.length, &err), &err);
    text_free(&t);
    must(diagnose_run(run, &found, &memory, &err), &err);
    return found;
}

static bool has(const findings *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->all[i].name, name) == 0)
            return true;
    return false;
}

static void a_run_that_is_well_has_no_finding(void **state)
{
    (void)state;
    const run_record run = make_run("", 1, good);
    const findings f = diagnose(&run, well());
    if (f.n)
        fail_msg("%s: %s", f.all[0].name, f.all[0].sentence);
}

/* A probe on both sides of a limit: `place` gets the number. */
static void assert_limit(const char *name, double *place, double without, double with)
{
    const run_record run = make_run("", 1, good);
    const double usual = *place;
    *place = without;
    const findings silent = diagnose(&run, well());
    *place = with;
    const findings told = diagnose(&run, well());
    *place = usual;
    if (has(&silent, name) || !has(&told, name))
        fail_msg("%s: %g finds %d, %g finds %d", name, without, has(&silent, name), with, has(&told, name));
}

static void layers_are_told_beyond_their_limits(void **state)
{
    (void)state;
    assert_limit("dead_units", &layers[1].dead, 0.79, 0.81);
    layers[1].dead = NAN;
    assert_limit("saturated_units", &layers[1].saturated, 0.79, 0.81);
    layers[1].dead = 0.1; /* one with corners */
    assert_limit("saturated_units", &layers[1].saturated, 0.94, 0.96);
    assert_limit("exploding_gradients", &layers[0].output_gradient, 2.9, 3.1);
    layers[0].update = 1e-6;
    assert_limit("vanishing_gradients", &layers[0].output_gradient, 3.1e-5, 2.9e-5);
    layers[0].update = 1e-3;
}

static void inputs_are_told_beyond_their_limits_unless_they_are_normed(void **state)
{
    (void)state;
    const run_record run = make_run("", 1, good);
    epoch_probe p = well();
    p.input = (probe_range){-30, 30, 3, 9.5}; /* root of mean square 9.96 */
    findings f = diagnose(&run, p);
    assert_false(has(&f, "unscaled_inputs"));
    p.input.std = 9.6; /* 10.06 */
    f = diagnose(&run, p);
    assert_true(has(&f, "unscaled_inputs"));
    assert_string_equal(f.all[0].remedy, "--set data.scale=7650"); /* 30 times the 255 that they are divided by */
    layers[0].name = "batch_norm";
    f = diagnose(&run, p);
    layers[0].name = "linear 100";
    assert_false(has(&f, "unscaled_inputs"));
}

static void what_a_run_says_of_its_data_is_told(void **state)
{
    (void)state;
    static const size_t samples[] = {1000, 100}, even[] = {600, 61}, uneven[] = {610, 61};
    run_record run = make_run("", 1, good);
    run.samples = (size_list){2, samples};
    run.class_counts = (size_list){2, even};
    run.shared_samples = 5;
    run.repeated_samples = 45; /* as often as by nature */
    findings f = diagnose(&run, well());
    assert_false(has(&f, "shared_samples") || has(&f, "class_imbalance"));
    run.class_counts.at = uneven;
    run.repeated_samples = 30;
    f = diagnose(&run, well());
    assert_true(has(&f, "shared_samples") && has(&f, "class_imbalance"));
    run.batch = 7;
    f = diagnose(&run, well());
    assert_false(has(&f, "tiny_batch_norm"));
    layers[1].name = "batch_norm";
    f = diagnose(&run, well());
    layers[1].name = "relu";
    assert_true(has(&f, "tiny_batch_norm"));
}

static void findings_read_back_in_the_order_of_their_confidence(void **state)
{
    (void)state;
    weft_error err = {0};
    run_record run = make_run("", 1, good);
    findings f, back;
    bool known;
    unlink(in_folder("diagnosis.json"));
    must(findings_read(folder, &back, &known, &memory, &err), &err);
    assert_false(known);
    layers[1].dead = 0.9;
    epoch_probe p = well();
    p.input = (probe_range){0, 255, 73, 90};
    diagnose(&run, p);
    layers[1].dead = 0.1;
    must(diagnose_folder(&run, &f, &memory, &err), &err);
    must(findings_read(folder, &back, &known, &memory, &err), &err);
    assert_true(known && back.n == f.n && f.n >= 2);
    assert_string_equal(f.all[0].name, "unscaled_inputs");
    for (size_t i = 0; i < f.n; i++) {
        assert_string_equal(back.all[i].name, f.all[i].name);
        assert_string_equal(back.all[i].sentence, f.all[i].sentence);
        assert_string_equal(back.all[i].remedy, f.all[i].remedy);
        assert_true(back.all[i].confidence == f.all[i].confidence && (i == 0 || f.all[i].confidence <= f.all[i - 1].confidence));
        assert_has(back.all[i].evidence, "\"");
    }
}

static void a_broken_diagnosis_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *content, *message;
    } cases[] = {
        {"[]", "a list; a diagnosis is one JSON object"},
        {"{}", "'findings' is missing"},
        {"{\"findings\": [1]}", "'findings' is a whole number; it must be objects"},
        {"{\"findings\": [{\"name\": 1}]}", "'name' is a whole number"},
        {"{\"findings\": [{\"name\": \"a\", \"confidence\": 1, \"sentence\": \"\", \"remedy\": \"\", \"evidence\": 3}]}", "'evidence' is a whole number"},
    };
    findings back;
    bool known;
    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_error err = {0};
        must(file_write(in_folder("diagnosis.json"), cases[i].content, strlen(cases[i].content), &err), &err);
        assert_int_equal(findings_read(folder, &back, &known, &memory, &err), WEFT_BAD_INPUT);
        assert_has(err.message, cases[i].message);
    }
}

static void what_several_seeds_have_is_said_once(void **state)
{
    (void)state;
    const finding dead = {"dead_units", 0.9, "Most units\x1b never fire.", "{}", "--set optimizer.lr=0.1"}, low = {"plateau", 0.6, "A plateau.", "{}", ""};
    const finding both[] = {dead, low};
    const run_record runs[] = {make_run("a\x1b", 1, good), make_run("a\x1b", 2, good), make_run("a\x1b", 3, good), make_run("b", 1, good)};
    const findings of[] = {{2, both}, {0, NULL}, {1, &dead}, {0, NULL}};
    text t = {0};
    report_all_findings(runs, of, COUNT(runs), &t);
    assert_false(t.failed);
    assert_has(t.data, ", 2 of 3 seeds: Most units");
    assert_has(t.data, ", 1 of 3 seeds: A plateau.");
    assert_has(t.data, "  try: --set optimizer.lr=0.1\n");
    assert_has(t.data, "- nothing to report: b\n");
    assert_lacks(t.data, "\x1b");
    assert_lacks(strstr(t.data, "Most units") + 1, "Most units");
    text_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_that_is_well_has_no_finding),
        cmocka_unit_test(layers_are_told_beyond_their_limits),
        cmocka_unit_test(inputs_are_told_beyond_their_limits_unless_they_are_normed),
        cmocka_unit_test(what_a_run_says_of_its_data_is_told),
        cmocka_unit_test(findings_read_back_in_the_order_of_their_confidence),
        cmocka_unit_test(a_broken_diagnosis_is_refused),
        cmocka_unit_test(what_several_seeds_have_is_said_once),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
