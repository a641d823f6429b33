/* What samples should give that is no class: numbers, and labels that are 0 or 1. */
#include "data_files.h"

/* An array of float32 (width 4) or float64 (width 8), [n] or [n, n_targets]; number i is i / 4 - 1. */
static blob numbers(uint32_t n, uint32_t n_targets, size_t n_dims, size_t width)
{
    blob b = header(width == 4 ? 0x0D : 0x0E, n_dims, (uint32_t[]){n, n_targets});
    for (uint32_t i = 0; i < n * n_targets; i++) {
        const double number = i / 4.0 - 1;
        const float single = (float)number;
        uint64_t bits;
        uint32_t single_bits;
        memcpy(&bits, &number, 8);
        memcpy(&single_bits, &single, 4);
        add(&b, width == 4 ? single_bits : bits, width);
    }
    return b;
}

/* Label l of sample i is whether i % (l + 2) is 0. */
static blob several_labels(uint32_t n, uint32_t n_targets)
{
    blob b = header(0x08, 2, (uint32_t[]){n, n_targets});
    for (uint32_t i = 0; i < n * n_targets; i++)
        add(&b, i / n_targets % (i % n_targets + 2) == 0, 1);
    return b;
}

static void floats_are_numbers_to_learn(void **state)
{
    (void)state;
    for (size_t width = 4; width <= 8; width *= 2)
        for (uint32_t n_targets = 1; n_targets <= 3; n_targets++)
            for (size_t n_dims = n_targets == 1 ? 1 : 2; n_dims <= 2; n_dims++) {
                put_small_set();
                put("train-labels-idx1-ubyte", numbers(7, n_targets, n_dims, width));
                put("t10k-labels-idx1-ubyte", numbers(3, n_targets, n_dims, width));
                weft_dataset *data = opened(folder);
                assert_int_equal(weft_dataset_task(data), WEFT_REGRESSION);
                assert_int_equal(weft_dataset_classes(data), 0);
                assert_int_equal(weft_dataset_n_targets(data), n_targets);
                assert_null(weft_dataset_labels(data, WEFT_TRAIN));
                for (uint32_t i = 0; i < 3 * n_targets; i++)
                    assert_true(weft_dataset_targets(data, WEFT_TEST)[i] == (float)i / 4 - 1);
                double min, max, mean;
                data_target_range(data, WEFT_TRAIN, n_targets - 1, &min, &max, &mean);
                assert_true(min == (n_targets - 1) / 4.0 - 1 && max == (7 * n_targets - 1) / 4.0 - 1);
                assert_true(fabs(mean - (min + max) / 2) <= 1e-15);
                weft_dataset_close(data);
            }
}

static void bytes_in_two_dimensions_are_labels(void **state)
{
    (void)state;
    put("train-images-idx3-ubyte", images(7, 2, 3));
    put("t10k-images-idx3-ubyte", images(3, 2, 3));
    put("train-labels-idx2-ubyte", several_labels(7, 3));
    put_gzipped("t10k-labels-idx2-ubyte.gz", several_labels(3, 3));
    weft_dataset *data = opened(folder);
    assert_int_equal(weft_dataset_task(data), WEFT_MULTI_LABEL);
    assert_int_equal(weft_dataset_n_targets(data), 3);
    assert_null(weft_dataset_labels(data, WEFT_TRAIN));
    for (size_t i = 0; i < 21; i++)
        assert_true(weft_dataset_targets(data, WEFT_TRAIN)[i] == (float)(i / 3 % (i % 3 + 2) == 0));
    weft_dataset_close(data);
}

static void batches_bring_their_targets(void **state)
{
    (void)state;
    put_small_set();
    put("train-labels-idx1-ubyte", numbers(7, 2, 2, 4));
    put("t10k-labels-idx1-ubyte", numbers(3, 2, 2, 4));
    weft_dataset *data = opened(folder);
    weft_error err = {0};
    weft_loader *loader = weft_loader_create(data, WEFT_TRAIN, &(weft_loader_options){.batch = 3, .seed = 5}, &err);
    assert_non_null(loader);
    weft_batch batch;
    size_t n = 0;
    for (; weft_loader_next(loader, &batch); n += batch.n) {
        assert_null(batch.y);
        for (size_t i = 0; i < batch.n; i++) { /* pixel 0 of sample s is 42 s, number t of it (2 s + t) / 4 - 1 */
            const float sample = batch.x[6 * i] / 42;
            for (size_t t = 0; t < 2; t++)
                assert_true(batch.targets[2 * i + t] == (2 * sample + (float)t) / 4 - 1);
        }
    }
    assert_int_equal(n, 7);
    weft_loader_free(loader);
    weft_dataset_close(data);
}

static void what_cannot_be_learned_is_refused(void **state)
{
    (void)state;
    put_small_set();
    put("train-labels-idx1-ubyte", numbers(7, 1, 1, 4));
    refused(folder, "t10k-labels", "holds one class a sample", "train-labels", "holds numbers; they must agree");
    put("t10k-labels-idx1-ubyte", numbers(3, 2, 2, 4));
    refused(folder, "t10k-labels", "holds 2 numbers a sample", "holds 1; they must agree");
    put("t10k-labels-idx1-ubyte", numbers(4, 1, 1, 4));
    refused(folder, "has 4 labels", "has 3 images");
    put("train-labels-idx1-ubyte", images(7, 2, 3));
    refused(folder, "has 3 dimensions, expected 1 or 2");
    put("train-labels-idx1-ubyte", images(7, 3, 1));
    refused(folder, "has 3 dimensions, expected 1 or 2");
    blob b = several_labels(7, 3);
    b.data[12 + 5] = 2;
    put("train-labels-idx1-ubyte", b);
    refused(folder, "label 2 of sample 1 is 2; a label of several is 0 or 1");
    b = header(0x0C, 2, (uint32_t[]){7, 1});
    for (int i = 0; i < 7; i++)
        add(&b, 0, 4);
    put("train-labels-idx1-ubyte", b);
    refused(folder, "labels are int32 in 2 dimensions", "uint8", "float32");
    b = numbers(7, 1, 1, 4);
    b.data[8] = 0x7f; /* the first is 0x7f80... */
    b.data[9] = 0x80;
    put("train-labels-idx1-ubyte", b);
    refused(folder, "number 0 of sample 0 is inf", "finite");
}

static void samples_without_classes_are_not_chosen_by_class(void **state)
{
    (void)state;
    put_small_set();
    put("train-labels-idx1-ubyte", numbers(7, 1, 1, 4));
    put("t10k-labels-idx1-ubyte", numbers(3, 1, 1, 4));
    weft_dataset *data = opened(folder);
    weft_error err = {0};
    size_t index[10];
    assert_int_equal(data_pick(data, WEFT_TRAIN, 10, 1, index, &err), WEFT_BAD_INPUT);
    assert_non_null(strstr(err.message, "no classes"));
    weft_dataset_close(data);
}

/* Numbers are a part of what a data set is, as labels are. */
static void fingerprints_see_targets(void **state)
{
    (void)state;
    char first[33], second[33];
    put_small_set();
    put("t10k-labels-idx1-ubyte", numbers(3, 1, 1, 4));
    for (int changed = 0; changed < 2; changed++) {
        blob b = numbers(7, 1, 1, 4);
        b.data[b.size - 1] ^= (unsigned char)changed;
        put("train-labels-idx1-ubyte", b);
        weft_dataset *data = opened(folder);
        data_fingerprint(data, changed ? second : first);
        weft_dataset_close(data);
    }
    assert_string_not_equal(first, second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(floats_are_numbers_to_learn),
        TEST(bytes_in_two_dimensions_are_labels),
        TEST(batches_bring_their_targets),
        TEST(what_cannot_be_learned_is_refused),
        TEST(samples_without_classes_are_not_chosen_by_class),
        TEST(fingerprints_see_targets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
