/* evaluation.json: what is written is what is read, what is broken is refused, and its numbers are those of the definitions. */
#include "test.h"

#include "run_files.h"

#include "report/report.h"

enum { C = 3, PIXELS = 2 * 5 };

static const unsigned char pixels[2][PIXELS] = {{0, 1, 2, 3, 4, 250, 251, 252, 253, 255}, {9, 8, 7, 6, 5, 4, 3, 2, 1, 0}};

static evaluation_record classes_record(void)
{
    static const class_score classes[C] = {{"T-shirt/\"top\"", 5, 1.0 / 3, 0.2, 0.1, NAN}, {"\xc3\xa4", 2, 2.0 / 7, 1, 0.5, NAN}, {NULL, 0, 0, 0, 0, NAN}};
    static const uint32_t confusion[C * C] = {1, 4, 0, 0, 2, 0, 0, 0, 0};
    static const worst_sample worst[] = {{6, 0, 1, 0.99, 7.0 / 3, pixels[0]}, {0, 1, 1, 1.0 / 3, -0.0, pixels[1]}};
    evaluation_record e = {.data = "a \"set\"", .split = "test", .task = WEFT_CLASSIFICATION, .n = 7, .loss = 1.0 / 7, .accuracy = 3.0 / 7,
                           .interval = {0.1, 0.9}, .confusion = confusion, .calibration.ece = 0.1 + 0.2, .n_worst = 2, .worst = worst,
                           .image = {1, 2, 5}, .n_classes = C, .classes = classes};
    for (size_t i = 0; i < CALIBRATION_BINS; i++)
        e.calibration.bins[i] = (calibration_bin){i, (double)i / 15, 1.0 / (double)(i + 1)};
    return e;
}

static evaluation_record read_back(const evaluation_record *e)
{
    weft_error err = {0};
    evaluation_record back;
    bool found;
    must(evaluation_write(folder, e, &err), &err);
    must(evaluation_read(folder, &back, &found, &memory, &err), &err);
    assert_true(found);
    assert_string_equal(back.data, e->data);
    assert_string_equal(back.split, e->split);
    assert_int_equal(back.task, e->task);
    assert_int_equal(back.n, e->n);
    assert_true(back.loss == e->loss);
    return back;
}

static void of_classes_all_reads_back(void **state)
{
    (void)state;
    const evaluation_record e = classes_record(), back = read_back(&e);
    assert_true(back.accuracy == e.accuracy);
    assert_memory_equal(back.interval, e.interval, sizeof e.interval);
    assert_int_equal(back.n_classes, C);
    assert_memory_equal(back.confusion, e.confusion, C * C * sizeof *e.confusion);
    assert_memory_equal(&back.calibration, &e.calibration, sizeof e.calibration);
    for (size_t i = 0; i < C; i++) {
        const class_score *got = &back.classes[i], *wanted = &e.classes[i];
        assert_true(got->n == wanted->n && got->precision == wanted->precision && got->recall == wanted->recall && got->f1 == wanted->f1);
        assert_true(isnan(got->auroc));
        assert_true(wanted->name ? strcmp(got->name, wanted->name) == 0 : got->name == NULL);
    }
    assert_memory_equal(&back.image, &e.image, sizeof e.image);
    assert_int_equal(back.n_worst, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_memory_equal(&back.worst[i], &e.worst[i], offsetof(worst_sample, pixels));
        assert_memory_equal(back.worst[i].pixels, pixels[i], PIXELS);
    }
}

static void of_numbers_and_labels_all_reads_back(void **state)
{
    (void)state;
    const number_score numbers[] = {{1.0 / 3, 2, 5e-324}, {-7, 0.1, 3}};
    const class_score labels[] = {{NULL, 3, 0.1, 0.2, 0.3, 0.7}, {"b", 0, 0, 0, 0, NAN}};
    evaluation_record e = {.data = "x", .split = "train", .task = WEFT_REGRESSION, .n = 4, .loss = 2, .all_numbers = {0.1, 0.2, 1.0 / 3},
                           .n_numbers = 2, .numbers = numbers, .calibration.ece = NAN};
    evaluation_record back = read_back(&e);
    assert_int_equal(back.n_numbers, 2);
    assert_memory_equal(back.numbers, numbers, sizeof numbers);
    assert_memory_equal(&back.all_numbers, &e.all_numbers, sizeof e.all_numbers);
    assert_true(isnan(back.calibration.ece) && back.n_worst == 0);
    e = (evaluation_record){.data = "x", .split = "train", .task = WEFT_MULTI_LABEL, .n = 4, .loss = 2, .f1 = 1.0 / 3, .f1_macro = 0.1, .auroc = 0.7,
                            .n_classes = 2, .classes = labels, .calibration.ece = 0.25};
    back = read_back(&e);
    assert_int_equal(back.n_classes, 2);
    assert_true(back.f1 == e.f1 && back.f1_macro == e.f1_macro && back.auroc == e.auroc && back.calibration.ece == 0.25);
    assert_true(back.classes[0].auroc == 0.7 && isnan(back.classes[1].auroc));
    assert_string_equal(back.classes[1].name, "b");
}

static void a_folder_without_an_evaluation_has_none(void **state)
{
    (void)state;
    weft_error err = {0};
    evaluation_record back;
    bool found = true;
    unlink(in_folder("evaluation.json"));
    must(evaluation_read(folder, &back, &found, &memory, &err), &err);
    assert_false(found);
}

/* The first `from` in the file becomes `to`. */
static const char *changed(const char *content, const char *from, const char *to)
{
    const char *at = strstr(content, from);
    assert_non_null(at);
    return arena_printf(&memory, "%.*s%s%s", (int)(at - content), content, to, at + strlen(from));
}

static void broken_evaluations_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *message;
    } cases[] = {
        {"{", "[", ""},
        {"\"n\": 7", "\"n\": -7", "'n' is a whole number; it must be a whole number of 0 or more"},
        {"classification", "guessing", "'task' is \"guessing\""},
        {"\"accuracy\"", "\"other\"", "'accuracy' is missing"},
        {"[0.1, 0.9]", "[0.1]", "'interval'"},
        {"[1, 4, 0]", "[1, 4]", "'confusion'"},
        {"[1, 4, 0]", "[1, 4.5, 0]", "'confusion'"},
        {"[1, 4, 0]", "[1, 4294967296, 0]", "'confusion'"},
        {"[1, 4, 0],", "", "'confusion'"},
        {"\"ece\": ", "\"bins\": [], \"x\": ", ""},
        {"{\"n\": 14, ", "7, {", "bins are a list of 15"},
        {"\"n\": 14, ", "", "'n' is missing"},
        {"\"prediction\": 1", "\"prediction\": 3", "'prediction' is 3, and there are 3 classes"},
        {"\"height\": 2", "\"height\": 3", "'pixels'"},
        {"\"height\": 2", "\"height\": 4611686018427387904", "'image'"},
        {"\"AAEC", "\"AA!C", "'pixels'"},
        {"\"pixels\"", "\"no_pixels\"", "'pixels' is missing"},
    };
    weft_error err = {0};
    const evaluation_record e = classes_record();
    evaluation_record back;
    bool found;
    must(evaluation_write(folder, &e, &err), &err);
    const char *good = content_of(in_folder("evaluation.json"), NULL);
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *bad = changed(good, cases[i].from, cases[i].to);
        err = (weft_error){0};
        must(file_write(in_folder("evaluation.json"), bad, strlen(bad), &err), &err);
        assert_int_equal(evaluation_read(folder, &back, &found, &memory, &err), WEFT_BAD_INPUT);
        assert_has(err.file, "evaluation.json");
        assert_has(err.message, cases[i].message);
    }
}

static void macro_means_are_over_classes_that_occur(void **state)
{
    (void)state;
    const evaluation_record e = classes_record();
    const class_score macro = evaluation_macro(&e);
    assert_int_equal(macro.n, 2); /* the third has no sample, and none was taken for it */
    assert_true(fabs(macro.precision - (1.0 / 3 + 2.0 / 7) / 2) < 1e-15);
    assert_true(macro.recall == 0.6 && fabs(macro.f1 - 0.3) < 1e-15);
}

static void pairs_are_in_the_order_of_their_samples(void **state)
{
    (void)state;
    static const uint32_t confusion[16] = {90, 3, 5, 0, 7, 1, 0, 5, 5, 2, 80, 0, 0, 0, 7, 3};
    static const confused_pair wanted[] = {{1, 0, 7}, {3, 2, 7}, {0, 2, 5}, {1, 3, 5}, {2, 0, 5}, {0, 1, 3}, {2, 1, 2}};
    const evaluation_record e = {.n_classes = 4, .confusion = confusion};
    for (size_t most = 0; most < 10; most++) {
        confused_pair pairs[10];
        assert_int_equal(evaluation_confused(&e, pairs, most), MIN(most, COUNT(wanted)));
        assert_memory_equal(pairs, wanted, MIN(most, COUNT(wanted)) * sizeof *wanted);
    }
}

/* C classes with a name of 20 characters; each is taken for the next one once. */
static const char *scores_of(size_t n_classes, uint32_t right)
{
    evaluation_record e = {.data = "x\x1b", .split = "test", .n = 100, .n_classes = n_classes, .calibration = {1, {{100, 1, 0}}}};
    class_score *classes = arena_array(&memory, n_classes, sizeof *classes);
    uint32_t *confusion = arena_array(&memory, n_classes * n_classes, sizeof *confusion);
    text t = {0};
    for (size_t i = 0; i < n_classes; i++) {
        classes[i] = (class_score){.name = "\xc3\xa4 long name\x1b[2J of 20", .n = right + 1};
        confusion[i * n_classes + i] = right;
        confusion[i * n_classes + (i + 1) % n_classes] += 1;
    }
    e.classes = classes;
    e.confusion = confusion;
    report_scores(&e, &t);
    assert_false(t.failed);
    const char *copy = arena_text(&memory, t.data);
    text_free(&t);
    return copy;
}

static void scores_fit_into_a_terminal(void **state)
{
    (void)state;
    for (size_t n = 2; n < 40; n++)
        for (uint32_t right = 1; right < 100000000; right *= 10) {
            const char *said = scores_of(n, right), *line = said;
            assert_null(strchr(said, 0x1b));
            for (size_t length = 0; *line; line++) {
                length = *line == '\n' ? 0 : length + (((unsigned char)*line & 0xc0) != 0x80);
                assert_true(length <= 100);
            }
            if (n <= 10 && right < 100000)
                assert_has(said, "\n 0 \xc3\xa4 long name\\x.");
            if (n == 39)
                assert_has(said, right < 10 ? "\n38 " : "the confusion matrix of 39 classes is too wide");
        }
    assert_has(scores_of(10, 7), "\xc3\xa4 long. \xc3\xa4 long.");
    assert_has(scores_of(3, 7), "expected calibration error 100.00 % (15 equal bins; Guo et al., 2017):\nin the mean, probabilities are 100.00 % too high\n");
    assert_has(scores_of(12, 7), "     0     1     2");
}

static void base64_takes_back_what_it_gave_and_nothing_else(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "AAEC", "AAECAw=", "AAECAw===", "AAE=Aw==", "AAECA===", "AAECAw=A", "AA-CAw==", "AAECAwQ="};
    unsigned char back[4];
    assert_true(base64_read("AAECAw==", back, 4));
    assert_memory_equal(back, pixels[0], 4);
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(base64_read(bad[i], back, 4));
    assert_true(base64_read("AAEC", back, 3) && base64_read("AAE=", back, 2) && base64_read("", back, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_classes_all_reads_back),
        cmocka_unit_test(of_numbers_and_labels_all_reads_back),
        cmocka_unit_test(a_folder_without_an_evaluation_has_none),
        cmocka_unit_test(broken_evaluations_are_refused),
        cmocka_unit_test(macro_means_are_over_classes_that_occur),
        cmocka_unit_test(pairs_are_in_the_order_of_their_samples),
        cmocka_unit_test(scores_fit_into_a_terminal),
        cmocka_unit_test(base64_takes_back_what_it_gave_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
