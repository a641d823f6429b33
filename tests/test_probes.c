/* probes.jsonl: what is written is what is read, and what is broken is refused. */
#include "test.h"

#include "run_files.h"

static probe_histogram histogram_of(double from, double to, size_t first)
{
    probe_histogram h = {.from = from, .to = to};
    for (size_t i = 0; i < PROBE_BINS; i++)
        h.counts[i] = first + 3 * i;
    return h;
}

/* A line's numbers are none that a decimal of a few digits holds. */
static epoch_probe epoch_of(size_t number, layer_probe *layers)
{
    layers[0] = (layer_probe){.path = "0", .name = "linear \"1000\"", .units = 1000, .parameters = 785000, .dead = NAN, .saturated = NAN,
                              .output = {-1.0 / 3, 7e30, 0.1, 5e-324}, .output_gradient = 2.0 / 3, .weights = 15.5 / 7,
                              .weight_gradient = 1e-30, .update = -0.0, .outputs = histogram_of(-1.0 / 3, 7e30, 0),
                              .weights_histogram = histogram_of(-0.1, 0.1, 1), .gradients = histogram_of(-1e-9, 1.0 / 7, 2)};
    layers[1] = (layer_probe){.path = "1.0", .name = "relu", .units = 1000, .dead = 0.98, .saturated = 1.0 / 9, .output = {0, INFINITY, NAN, 1},
                              .output_gradient = INFINITY, .weights = NAN, .weight_gradient = NAN, .update = NAN};
    return (epoch_probe){.epoch = number, .samples = 512, .input = {0, 255, 72.9403, 90.02}, .first_loss = number == 2 ? NAN : 1.0 / 11,
                         .spikes = 3, .n_layers = 2, .layers = layers};
}

static void write_lines(size_t n)
{
    layer_probe layers[2];
    weft_error err = {0};
    text t = {0};
    for (size_t i = 1; i <= n; i++) {
        const epoch_probe p = epoch_of(i, layers);
        probe_print(&p, &t);
    }
    must(file_write(in_folder("probes.jsonl"), t.data, t.length, &err), &err);
    text_free(&t);
}

static void assert_ranges(const probe_range *a, const probe_range *b)
{
    const double *x = (const double *)a, *y = (const double *)b;
    for (size_t i = 0; i < sizeof *a / sizeof *x; i++)
        assert_true(x[i] == y[i] || (isnan(x[i]) && !isfinite(y[i])));
}

static void probes_read_back_to_the_same_bits(void **state)
{
    (void)state;
    layer_probe layers[2];
    weft_error err = {0};
    probe_log back;
    write_lines(3);
    must(probes_read(folder, &back, &memory, &err), &err);
    assert_int_equal(back.n_epochs, 3);
    for (size_t e = 0; e < 3; e++) {
        const epoch_probe expected = epoch_of(e + 1, layers), *got = &back.epochs[e];
        assert_int_equal(got->epoch, e + 1);
        assert_int_equal(got->samples, 512);
        assert_int_equal(got->spikes, 3);
        assert_int_equal(got->n_layers, 2);
        assert_true(e == 1 ? isnan(got->first_loss) : got->first_loss == expected.first_loss);
        assert_ranges(&got->input, &expected.input);
        for (size_t i = 0; i < 2; i++)
            assert_ranges(&got->layers[i].output, &layers[i].output);
        const layer_probe *linear = &got->layers[0], *relu = &got->layers[1];
        assert_string_equal(linear->name, layers[0].name);
        assert_string_equal(relu->path, "1.0");
        assert_int_equal(linear->parameters, 785000);
        assert_int_equal(relu->parameters, 0);
        assert_memory_equal(&linear->output_gradient, &layers[0].output_gradient, 4 * sizeof(double));
        assert_memory_equal(&linear->outputs, &layers[0].outputs, 3 * sizeof(probe_histogram));
        assert_true(relu->dead == 0.98 && relu->saturated == 1.0 / 9);
    }
}

static void what_does_not_apply_to_a_layer_is_not_in_the_file(void **state)
{
    (void)state;
    weft_error err = {0};
    probe_log back;
    write_lines(1);
    const char *content = content_of(in_folder("probes.jsonl"), NULL), *relu = strstr(content, "\"relu\"");
    assert_non_null(relu);
    for (size_t i = 0; i < 4; i++)
        assert_lacks(relu, ((const char *[]){"parameters", "output_gradient", "update", "histograms"})[i]);
    assert_lacks(strstr(content, "1000"), "\"dead\": null");
    must(probes_read(folder, &back, &memory, &err), &err);
    assert_true(isnan(back.epochs[0].layers[0].dead) && isnan(back.epochs[0].layers[1].update));
    assert_int_equal(back.epochs[0].layers[1].outputs.counts[PROBE_BINS - 1], 0);
}

static void a_folder_without_probes_has_none(void **state)
{
    (void)state;
    weft_error err = {0};
    probe_log back = {.n_epochs = 7};
    unlink(in_folder("probes.jsonl"));
    must(probes_read(folder, &back, &memory, &err), &err);
    assert_int_equal(back.n_epochs, 0);
}

#define RANGE "{\"min\": 0, \"max\": 1, \"mean\": 0.5, \"std\": 0.1}"
#define LINE(epoch, layers) \
    "{\"epoch\": " epoch ", \"samples\": 8, \"input\": " RANGE ", \"first_loss\": 1, \"spikes\": 0, \"layers\": " layers "}\n"

static void broken_probes_are_refused_with_their_line(void **state)
{
    (void)state;
    static const struct {
        const char *content, *message;
        size_t line;
    } cases[] = {
        {LINE("3", "[]") LINE("3", "[]"), "epoch 3 where one after 3", 2},
        {LINE("1", "[]") "[]\n", "a list", 2},
        {LINE("1", "7"), "'layers'", 1},
        {LINE("1", "[7]"), "'layers' is a whole number; it must be objects", 1},
        {LINE("1", "[{\"path\": 0}]"), "'path' is a whole number", 1},
        {LINE("1", "[{\"path\": \"0\", \"name\": \"relu\", \"units\": -1}]"), "'units'", 1},
        {LINE("1", "[{\"path\": \"0\", \"name\": \"relu\", \"units\": 1}]"), "'output' is missing", 1},
        {LINE("1", "[{\"path\": \"0\", \"name\": \"relu\", \"units\": 1, \"output\": " RANGE ", \"dead\": \"x\"}]"), "'dead' is a text", 1},
        {LINE("1", "[{\"path\": \"0\", \"name\": \"relu\", \"units\": 1, \"output\": " RANGE
                   ", \"histograms\": {\"outputs\": {\"from\": 0, \"to\": 1, \"counts\": [1, 2]}}}]"), "a list of 32", 1},
        {"{\"epoch\": 1, \"samples\": 8, \"first_loss\": 1, \"spikes\": 0, \"layers\": []}", "'input' is missing", 1},
        {"{\"epoch\": 1,", "", 1},
    };
    probe_log back;
    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_error err = {0};
        must(file_write(in_folder("probes.jsonl"), cases[i].content, strlen(cases[i].content), &err), &err);
        assert_int_equal(probes_read(folder, &back, &memory, &err), WEFT_BAD_INPUT);
        assert_has(err.file, "probes.jsonl");
        assert_int_equal(err.line, cases[i].line);
        assert_has(err.message, cases[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probes_read_back_to_the_same_bits),
        cmocka_unit_test(what_does_not_apply_to_a_layer_is_not_in_the_file),
        cmocka_unit_test(a_folder_without_probes_has_none),
        cmocka_unit_test(broken_probes_are_refused_with_their_line),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
