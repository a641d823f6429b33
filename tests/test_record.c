/* run.json and metrics.jsonl: what is written is what is read, and what is broken is refused. */
#include "test.h"

#include "run_files.h"

static void metrics_read_back_to_the_same_bits(void **state)
{
    (void)state;
    const double numbers[] = {1.0 / 3, -0.0, 5e-324, 1e300, 0.1, 123456789012345680.0, 0x1.fffffffffffffp1023};
    weft_error err = {0};
    text t = {0};
    for (size_t i = 0; i < COUNT(numbers); i++)
        metrics_print(
            &(weft_metrics){.epoch = i + 1, .train_loss = numbers[i], .train_acc = numbers[(i + 1) % COUNT(numbers)], .val_loss = -numbers[i],
                            .val_acc = INFINITY, .lr = NAN, .train_seconds = 2, .eval_seconds = -1,
                            .penalty = (double)(i / 2)},
            &t);
    run_record run = make_run("", 1, (course){0}), back;
    must(run_record_write(&run, &err), &err);
    must(file_write(in_folder("metrics.jsonl"), t.data, t.length, &err), &err);
    must(run_record_read(folder, &back, &memory, &err), &err);
    text_free(&t);
    assert_int_equal(back.n_epochs, COUNT(numbers));
    for (size_t i = 0; i < COUNT(numbers); i++) {
        const weft_metrics *m = &back.metrics[i];
        const double expected[] = {numbers[i], numbers[(i + 1) % COUNT(numbers)], -numbers[i]};
        const double got[] = {m->train_loss, m->train_acc, m->val_loss};
        assert_int_equal(m->epoch, i + 1);
        assert_memory_equal(got, expected, sizeof got);
        assert_true(isnan(m->val_acc) && isnan(m->lr));
        assert_true(m->train_seconds == 2 && m->eval_seconds == -1 && m->penalty == (double)(i / 2));
    }
}

static void a_record_reads_back_as_it_was_written(void **state)
{
    (void)state;
    const uint64_t seeds[] = {0, 7, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX};
    weft_error err = {0};
    unlink(in_folder("metrics.jsonl"));
    for (size_t i = 0; i < COUNT(seeds); i++) {
        run_record run = make_run("Gr\xc3\xb6\xc3\x9f"
                                  "e \"1\\2\"\n\x1b",
                                  seeds[i], (course){0}),
                   back;
        run.scale = 1.0 / 3;
        run.message = "step 3; layer 2";
        must(run_record_write(&run, &err), &err);
        must(run_record_read(folder, &back, &memory, &err), &err);
        assert_string_equal(back.variant, run.variant);
        assert_string_equal(back.message, run.message);
        assert_string_equal(back.model, run.model);
        assert_string_equal(back.optimizer, run.optimizer);
        assert_string_equal(back.schedule, run.schedule);
        assert_true(back.seed == seeds[i] && back.scale == run.scale);
        assert_int_equal(back.batch, 32);
        assert_int_equal(back.n_parameters, 795010);
        assert_int_equal(back.n_epochs, 0);
    }
}

static void bytes_that_are_no_text_are_escaped_in_a_record(void **state)
{
    (void)state;
    weft_error err = {0};
    run_record run = make_run("a\xff", 1, (course){0}), back;
    must(run_record_write(&run, &err), &err);
    must(run_record_read(folder, &back, &memory, &err), &err);
    assert_true(back.variant[0] == 'a' && strlen(back.variant) > 2);
}

#define GOOD_LINE(epoch)                                                                                               \
    "{\"epoch\": " epoch                                                                                               \
    ", \"train_loss\": 1, \"train_acc\": 0.5, \"val_loss\": null, \"val_acc\": 0.5, \"lr\": 1e-3,"                     \
    " \"train_seconds\": 1, \"eval_seconds\": 1, \"new\": [1, {}]}"

static void broken_metrics_are_refused_with_their_line(void **state)
{
    (void)state;
    static const struct {
        const char *content, *message;
        size_t line;
    } cases[] = {
        {GOOD_LINE("1") "\n{\"epoch\": 2,\n", "", 2},
        {GOOD_LINE("1") "\n" GOOD_LINE("2") "\n" GOOD_LINE("4") "\n", "epoch 4 where epoch 3", 3},
        {GOOD_LINE("1") "\n" GOOD_LINE("1") "\n", "epoch 1 where epoch 2", 2},
        {"\n" GOOD_LINE("1") "\n", "", 1},
        {"[1]\n", "a list", 1},
        {GOOD_LINE("1.5") "\n", "'epoch'", 1},
        {GOOD_LINE("-1") "\n", "'epoch'", 1},
        {GOOD_LINE("1") "\n{\"epoch\": 2}\n", "'train_loss' is missing", 2},
        {GOOD_LINE("1, \"lr\": 2") "\n", "lr", 1},
        {GOOD_LINE("1") GOOD_LINE("2") "\n", "", 1},
        {GOOD_LINE("1") "\n\xff\xfe\n", "", 2},
        {GOOD_LINE("1e999") "\n", "", 1},
    };
    weft_error err = {0};
    run_record run = make_run("", 1, (course){0}), back;
    must(run_record_write(&run, &err), &err);
    for (size_t i = 0; i < COUNT(cases); i++) {
        err = (weft_error){0};
        must(file_write(in_folder("metrics.jsonl"), cases[i].content, strlen(cases[i].content), &err), &err);
        assert_int_equal(run_record_read(folder, &back, &memory, &err), WEFT_BAD_INPUT);
        assert_has(err.file, "metrics.jsonl");
        assert_int_equal(err.line, cases[i].line);
        assert_has(err.message, cases[i].message);
    }
}

static void unknown_keys_and_a_missing_last_newline_do_not_matter(void **state)
{
    (void)state;
    static const char content[] = GOOD_LINE("1") "\n" GOOD_LINE("2");
    weft_error err = {0};
    run_record back;
    must(file_write(in_folder("metrics.jsonl"), content, strlen(content), &err), &err);
    must(run_record_read(folder, &back, &memory, &err), &err);
    assert_int_equal(back.n_epochs, 2);
    assert_true(isnan(back.metrics[1].val_loss) && back.metrics[1].lr == 1e-3);
}

static void all_mistakes_of_a_record_are_told(void **state)
{
    (void)state;
    static const char content[] =
        "{\"title\": 1, \"variant\": \"\", \"seed\": -1, \"status\": \"done\", \"message\": \"\","
        "\"data\": \"\", \"model\": \"\", \"optimizer\": \"\", \"loss\": \"\", \"scale\": \"x\","
        "\"batch\": 32, \"epochs\": 2.5, \"steps\": 1, \"isa\": \"v3\", \"weft\": \"\"}";
    weft_error err = {0};
    run_record back;
    must(file_write(in_folder("run.json"), content, strlen(content), &err), &err);
    assert_int_equal(run_record_read(folder, &back, &memory, &err), WEFT_BAD_INPUT);
    assert_int_equal(err.count, 5);
    assert_has(err.message, "'title' is a whole number; it must be a text");
    assert_has(err.message, "'seed'");
    assert_has(err.message, "'scale'");
    assert_has(err.message, "'epochs'");
    assert_has(err.message, "no 'parameters'");
    err = (weft_error){0};
    must(file_write(in_folder("run.json"), "{\n\"a\": 1,\n\"a\": 2}", 17, &err), &err);
    assert_int_equal(run_record_read(folder, &back, &memory, &err), WEFT_BAD_INPUT);
    assert_int_equal(err.line, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_read_back_to_the_same_bits),
        cmocka_unit_test(a_record_reads_back_as_it_was_written),
        cmocka_unit_test(bytes_that_are_no_text_are_escaped_in_a_record),
        cmocka_unit_test(broken_metrics_are_refused_with_their_line),
        cmocka_unit_test(unknown_keys_and_a_missing_last_newline_do_not_matter),
        cmocka_unit_test(all_mistakes_of_a_record_are_told),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
