/* Data sets from small folders of our own and from Debian's Fashion-MNIST. */
#include "data_files.h"

/* ---- Opening a folder ---- */

static void check_small_set(const weft_dataset *data)
{
    char dims[128];
    assert_string_equal(shape_print(&data->sample, dims), "[1, 2, 3]");
    assert_int_equal(weft_dataset_size(data, WEFT_TRAIN), 7);
    assert_int_equal(weft_dataset_size(data, WEFT_TEST), 3);
    assert_int_equal(weft_dataset_features(data), 6);
    assert_int_equal(weft_dataset_classes(data), 3);
    assert_string_equal(weft_dataset_class_name(data, 2), "2");
    assert_null(weft_dataset_class_name(data, 3));
    assert_int_equal(weft_dataset_labels(data, WEFT_TRAIN)[5], 2);
    assert_int_equal(((const uint8_t *)data->split[WEFT_TRAIN].samples)[41], 41 * 7 % 256);
    assert_int_equal(data->type, DTYPE_U8);
}

static void a_folder_with_the_four_files_is_a_data_set(void **state)
{
    (void)state;
    put_small_set();
    weft_dataset *data = opened(folder);
    check_small_set(data);
    assert_null(data->title);
    assert_null(data->split[WEFT_TRAIN].samples_file.published);
    weft_dataset_close(data);
}

static void both_spellings_gzipped_or_not_are_found(void **state)
{
    (void)state;
    put_gzipped("train-images-idx3-ubyte.gz", images(7, 2, 3));
    put("train-labels.idx1-ubyte", labels(7, 3));
    put_gzipped("t10k-images.idx3-ubyte.gz", images(3, 2, 3));
    put("t10k-labels-idx1-ubyte", labels(3, 3));
    weft_dataset *data = opened(folder);
    check_small_set(data);
    weft_dataset_close(data);
}

static void the_content_says_what_is_gzipped_and_not_the_name(void **state)
{
    (void)state;
    put("train-images-idx3-ubyte.gz", images(7, 2, 3));
    put_gzipped("train-labels-idx1-ubyte", labels(7, 3));
    put("t10k-images-idx3-ubyte.gz", images(3, 2, 3));
    put_gzipped("t10k-labels-idx1-ubyte", labels(3, 3));
    weft_dataset *data = opened(folder);
    check_small_set(data);
    weft_dataset_close(data);
}

static void a_path_may_be_a_dot_or_a_bare_name(void **state)
{
    (void)state;
    put_small_set();
    assert_int_equal(chdir(folder), 0);
    weft_dataset_close(opened("."));
    weft_dataset_close(opened("./"));
    assert_int_equal(chdir("/tmp"), 0);
    weft_dataset *data = opened(folder + strlen("/tmp/"));
    assert_string_equal(data->name, folder + strlen("/tmp/"));
    weft_dataset_close(data);
}

static void closing_nothing_is_fine(void **state)
{
    (void)state;
    weft_dataset_close(NULL);
    weft_loader_free(NULL);
    assert_null(weft_dataset_open(NULL, NULL));
}

static void what_is_no_folder_is_said_to_be_none(void **state)
{
    (void)state;
    char path[128];
    refused("", "needs a name or a folder");
    refused("/no/such/folder", "/no/such/folder: there is no such folder");
    refused(folder, "holds no data set", "train-images-idx3-ubyte");
    put("train-images-idx3-ubyte", images(7, 2, 3));
    snprintf(path, sizeof path, "%s/train-images-idx3-ubyte", folder);
    refused(path, "is a file; give the folder");
}

static void missing_files_are_all_named(void **state)
{
    (void)state;
    put("train-images-idx3-ubyte", images(7, 2, 3));
    put("t10k-labels-idx1-ubyte", labels(3, 3));
    refused(folder, "train-labels-idx1-ubyte is missing", "t10k-images-idx3-ubyte is missing");
}

/* ---- Warnings ---- */

static void a_file_that_is_too_long_is_read_where_that_is_allowed(void **state)
{
    (void)state;
    char expected[512];
    blob samples = images(7, 2, 3), more_labels = labels(3, 3);
    put_small_set();
    weft_dataset *data = opened(folder);
    char fingerprint[33], same[33];
    data_fingerprint(data, fingerprint);
    assert_string_equal(weft_dataset_warnings(data), "");
    weft_dataset_close(data);
    add(&samples, 1, 1);
    add(&more_labels, 1, 2);
    put("train-images-idx3-ubyte", samples);
    put_gzipped("t10k-labels-idx1-ubyte", more_labels);
    refused(folder, "train-images-idx3-ubyte: byte 58: data after the end", "--allow-trailing");
    assert_null(weft_dataset_open_with(folder, &(weft_dataset_options){0}, NULL));
    assert_null(weft_dataset_open_with(folder, NULL, NULL));

    weft_error err = {0};
    data = weft_dataset_open_with(folder, &(weft_dataset_options){.allow_trailing = true}, &err);
    assert_string_equal(err.message, "");
    assert_non_null(data);
    check_small_set(data);
    data_fingerprint(data, same);
    assert_string_equal(same, fingerprint);
    snprintf(expected, sizeof expected,
             "%s/train-images-idx3-ubyte: byte 58: data after the end is passed over: [7, 2, 3] of uint8 takes 58 "
             "bytes, and here are 59\n"
             "%s/t10k-labels-idx1-ubyte: byte 11: data after the end is passed over: [3] of uint8 takes 11 bytes, and "
             "here are 13",
             folder, folder);
    assert_string_equal(weft_dataset_warnings(data), expected);
    weft_dataset_close(data);
}

/* ---- What does not fit together ---- */

static void train_and_test_samples_of_different_shape_are_refused(void **state)
{
    (void)state;
    put_small_set();
    put("t10k-images-idx3-ubyte", images(3, 3, 2));
    refused(folder, "shape mismatch", "[1, 3, 2]", "[1, 2, 3]", "t10k-images", "train-images");
}

static void train_and_test_samples_of_different_type_are_refused(void **state)
{
    (void)state;
    put_small_set();
    blob b = images(3, 2, 3);
    b.data[2] = 0x09;
    put("t10k-images-idx3-ubyte", b);
    refused(folder, "type mismatch", "int8", "uint8");
}

static void every_image_needs_a_label(void **state)
{
    (void)state;
    put_small_set();
    put("train-labels-idx1-ubyte", labels(6, 3));
    refused(folder, "has 6 labels", "has 7 images", "train-labels-idx1-ubyte", "train-images-idx3-ubyte");
    put("train-labels-idx1-ubyte", labels(8, 3));
    refused(folder, "has 8 labels", "has 7 images");
}

static void images_in_the_place_of_labels_are_told(void **state)
{
    (void)state;
    put_small_set();
    put("train-labels-idx1-ubyte", images(7, 2, 3));
    refused(folder, "has 3 dimensions, expected 1", "swap it with", "train-images-idx3-ubyte");
}

static void labels_in_the_place_of_images_are_told(void **state)
{
    (void)state;
    put_small_set();
    put("t10k-images-idx3-ubyte", labels(3, 3));
    refused(folder, "has 1 dimension", "swap it with", "t10k-labels-idx1-ubyte");
}

static void a_class_that_training_never_saw_is_refused(void **state)
{
    (void)state;
    put_small_set();
    put("t10k-labels-idx1-ubyte", labels(3, 3));
    put("train-labels-idx1-ubyte", labels(7, 2));
    refused(folder, "class 2 occurs 1 times in the test labels", "never in training's");
    blob gap = header(0x08, 1, (uint32_t[]){7}); /* also one below the largest */
    for (int i = 0; i < 7; i++)
        add(&gap, i % 2 ? 0 : 2, 1);
    put("train-labels-idx1-ubyte", gap);
    refused(folder, "class 1 occurs");
}

/* ---- Types and shapes ---- */

static void put_typed_labels(unsigned char type, size_t width, int64_t first)
{
    blob b = header(type, 1, (uint32_t[]){7});
    for (int64_t i = 0; i < 7; i++)
        add(&b, (uint64_t)(i == 0 ? first : i % 3), width);
    put("train-labels-idx1-ubyte", b);
}

static void labels_may_be_of_any_integer_type(void **state)
{
    (void)state;
    const unsigned char types[] = {0x09, 0x0B, 0x0C};
    put_small_set();
    for (size_t i = 0; i < COUNT(types); i++) {
        put_typed_labels(types[i], (size_t)1 << i, 0);
        weft_dataset *data = opened(folder);
        check_small_set(data);
        weft_dataset_close(data);
    }
}

static void labels_that_are_no_classes_are_refused(void **state)
{
    (void)state;
    put_small_set();
    put_typed_labels(0x09, 1, -1);
    refused(folder, "train-labels-idx1-ubyte", "label 0 is -1");
    put_typed_labels(0x0C, 4, INT32_MIN);
    refused(folder, "label 0 is -2147483648");
    put_typed_labels(0x0C, 4, INT32_MAX);
    refused(folder, "label 0 is 2147483647", "65535");
}

/* Train and test images of 2 numbers each, from bits of `width` bytes. */
static void put_typed_images(unsigned char type, size_t width, uint64_t first, uint64_t second)
{
    const char *const names[] = {"train-images-idx3-ubyte", "t10k-images-idx3-ubyte"};
    const uint32_t n[] = {7, 3};
    for (size_t i = 0; i < 2; i++) {
        blob b = header(type, 2, (uint32_t[]){n[i], 2});
        for (uint32_t k = 0; k < n[i]; k++) {
            add(&b, first, width);
            add(&b, second, width);
        }
        put(names[i], b);
    }
}

static uint64_t bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static void samples_of_other_types_become_float32(void **state)
{
    (void)state;
    const struct {
        unsigned char code;
        dtype type;
        size_t width;
        uint64_t bits[2];
        float numbers[2];
    } cases[] = {
        {0x09, DTYPE_I8, 1, {0xFF, 0x7F}, {-1, 127}},
        {0x0B, DTYPE_I16, 2, {0xFFFE, 0x7FFF}, {-2, 32767}},
        {0x0C, DTYPE_I32, 4, {0x80000000, 0x01000001}, {-2147483648.0f, 16777216}},
        {0x0D, DTYPE_F32, 4, {0x3FC00000, 0xBF800000}, {1.5f, -1}},
        {0x0E, DTYPE_F64, 8, {bits_of(0.1), bits_of(-1e-300)}, {0.1f, 0}},
    };
    put_small_set();
    for (size_t i = 0; i < COUNT(cases); i++) {
        put_typed_images(cases[i].code, cases[i].width, cases[i].bits[0], cases[i].bits[1]);
        weft_dataset *data = opened(folder);
        const float *x = data->split[WEFT_TEST].samples;
        assert_int_equal(data->disk_type, cases[i].type);
        assert_int_equal(data->type, DTYPE_F32);
        for (size_t k = 0; k < 6; k++)
            assert_true(x[k] == cases[i].numbers[k % 2]);
        weft_dataset_close(data);
    }
}

static void samples_that_are_not_finite_are_refused_with_their_place(void **state)
{
    (void)state;
    put_small_set();
    put_typed_images(0x0D, 4, 0x3F800000, 0x7FC00000);
    refused(folder, "byte 16: number 1 of sample 0 is nan", "train-images");
    put_typed_images(0x0D, 4, 0xFF800000, 0);
    refused(folder, "number 0 of sample 0 is -inf");
    put_typed_images(0x0E, 8, bits_of(1), bits_of(1e39));
    refused(folder, "byte 20: number 1 of sample 0 is 1e+39", "float32");
}

static void rows_and_colour_images_keep_their_shape(void **state)
{
    (void)state;
    char dims[128];
    put_small_set();
    put_typed_images(0x08, 1, 1, 2);
    weft_dataset *data = opened(folder);
    assert_string_equal(shape_print(&data->sample, dims), "[2]");
    weft_dataset_close(data);

    const char *const names[] = {"train-images-idx3-ubyte", "t10k-images-idx3-ubyte"};
    for (size_t i = 0; i < 2; i++) {
        blob b = header(0x08, 4, (uint32_t[]){i ? 3 : 7, 3, 2, 2});
        for (size_t k = 0; k < (i ? 3 : 7) * 12; k++)
            add(&b, k, 1);
        put(names[i], b);
    }
    data = opened(folder);
    assert_string_equal(shape_print(&data->sample, dims), "[3, 2, 2]");
    assert_int_equal(data->features, 12);
    weft_dataset_close(data);
}

/* ---- The catalogue ---- */

static void put_named_set(const char *below)
{
    char path[256], command[600];
    snprintf(path, sizeof path, "%s/%s", folder, below);
    weft_error err = {0};
    assert_int_equal(folder_make(path, &err), WEFT_OK);
    put_small_set();
    snprintf(command, sizeof command, "mv %s/*ubyte %s", folder, path);
    assert_int_equal(system(command), 0);
}

static void a_name_is_looked_for_in_the_environment_s_folders(void **state)
{
    (void)state;
    char home[128];
    put_named_set("own/mnist");
    put_named_set("home/weft/fashion-mnist");
    snprintf(home, sizeof home, "%s/own", folder);
    setenv("WEFT_DATA", home, 1);
    snprintf(home, sizeof home, "%s/home", folder);
    setenv("XDG_DATA_HOME", home, 1);
    weft_dataset *data = opened("mnist");
    assert_string_equal(data->title, "MNIST");
    assert_int_equal(data->n_classes, 10); /* the catalogue's, though these files have 3 */
    weft_dataset_close(data);
    data = opened("fashion-mnist"); /* before Debian's */
    assert_int_equal(weft_dataset_size(data, WEFT_TRAIN), 7);
    assert_string_equal(weft_dataset_class_name(data, 9), "Ankle boot");
    assert_null(data->split[WEFT_TRAIN].samples_file.published); /* which are of gzipped files */
    weft_dataset_close(data);
    unsetenv("WEFT_DATA");
    unsetenv("XDG_DATA_HOME");
}

static void the_catalogue_s_name_wins_over_a_folder_of_that_name(void **state)
{
    (void)state;
    char own[128];
    put_named_set("here/mnist");
    snprintf(own, sizeof own, "%s/here", folder);
    assert_int_equal(chdir(own), 0);
    setenv("XDG_DATA_HOME", folder, 1);
    refused("mnist", "the data set is not here", folder, "/usr/share/datasets/mnist");
    unsetenv("XDG_DATA_HOME");
    weft_dataset_close(opened("./mnist"));
}

static void a_missing_data_set_is_said_with_how_to_get_it(void **state)
{
    (void)state;
    arena memory = {0};
    weft_error err = {0};
    const char *found;
    catalogue_entry entry = *catalogue_find("fashion-mnist");
    entry.name = "fashion-mnist-elsewhere";
    setenv("WEFT_DATA", "/a/place", 1);
    setenv("XDG_DATA_HOME", "/another", 1);
    assert_int_equal(catalogue_locate(&entry, &memory, &found, &err), WEFT_BAD_INPUT);
    assert_non_null(strstr(err.message, "/a/place/fashion-mnist-elsewhere"));
    assert_non_null(strstr(err.message, "/another/weft/fashion-mnist-elsewhere"));
    assert_non_null(strstr(err.message, "/usr/share/datasets/fashion-mnist-elsewhere"));
    assert_non_null(strstr(err.message, "apt install dataset-fashion-mnist"));

    setenv("XDG_DATA_HOME", "relative", 1); /* to be ignored, says its standard */
    setenv("HOME", "/at/home", 1);
    err = (weft_error){0};
    assert_int_equal(catalogue_locate(&entry, &memory, &found, &err), WEFT_BAD_INPUT);
    assert_null(strstr(err.message, "relative"));
    assert_non_null(strstr(err.message, "/at/home/.local/share/weft/fashion-mnist-elsewhere"));
    unsetenv("WEFT_DATA");
    unsetenv("XDG_DATA_HOME");
    arena_deinit(&memory);
}

static void an_unknown_name_is_answered_with_the_nearest(void **state)
{
    (void)state;
    refused("fashion-mnst", "\"fashion-mnst\"", "did you mean \"fashion-mnist\"");
    refused("zzzzzzzz", "fashion-mnist, mnist");
}

static void fashion_mnist_is_what_was_published(void **state)
{
    (void)state;
    if (!folder_exists("/usr/share/datasets/fashion-mnist"))
        skip();
    weft_dataset *data = opened("/usr/share/datasets/fashion-mnist");
    weft_dataset_close(data);
    setenv("XDG_DATA_HOME", folder, 1);
    data = opened("fashion-mnist");
    unsetenv("XDG_DATA_HOME");
    char dims[128];
    double low, high;
    size_t counts[10];
    assert_string_equal(shape_print(&data->sample, dims), "[1, 28, 28]");
    assert_string_equal(data->title, "Fashion-MNIST");
    assert_string_equal(weft_dataset_class_name(data, 0), "T-shirt/top");
    assert_int_equal(data->n_classes, 10);
    const size_t n[] = {60000, 10000};
    weft_error err = {0};
    assert_int_equal(data_checksums(data, &err), WEFT_OK);
    for (weft_split i = WEFT_TRAIN; i < WEFT_N_SPLITS; i++) {
        assert_int_equal(weft_dataset_size(data, i), n[i]);
        data_class_counts(data, i, counts);
        for (size_t k = 0; k < 10; k++)
            assert_int_equal(counts[k], n[i] / 10);
        data_range(data, i, &low, &high);
        assert_true(low == 0 && high == 255);
        assert_string_equal(data->split[i].samples_file.sha256, data->split[i].samples_file.published);
        assert_string_equal(data->split[i].labels_file.sha256, data->split[i].labels_file.published);
    }
    assert_int_equal(weft_dataset_labels(data, WEFT_TRAIN)[0], 9);
    weft_dataset_close(data);
}

/* ---- Asking a data set ---- */

static void reading_divides_as_float32_does(void **state)
{
    (void)state;
    float x[12];
    put_small_set();
    weft_dataset *data = opened(folder);
    weft_dataset_read(data, WEFT_TRAIN, 2, 2, 255, x);
    for (size_t i = 0; i < 12; i++)
        assert_true(x[i] == (float)((12 + i) * 7 % 256) / 255.0f);
    weft_dataset_read(data, WEFT_TRAIN, 0, 1, 0, x);
    assert_true(x[5] == 35);
    weft_dataset_close(data);
}

static void range_and_counts_are_a_split_s_own(void **state)
{
    (void)state;
    double low, high;
    size_t counts[3];
    put_small_set();
    weft_dataset *data = opened(folder);
    data_range(data, WEFT_TEST, &low, &high);
    assert_true(low == 0 && high == 17 * 7);
    data_class_counts(data, WEFT_TRAIN, counts);
    assert_int_equal(counts[0], 3);
    assert_int_equal(counts[2], 2);
    weft_dataset_close(data);
    put_typed_images(0x0D, 4, 0xBF800000, 0x3FC00000);
    data = opened(folder);
    data_range(data, WEFT_TRAIN, &low, &high);
    assert_true(low == -1 && high == 1.5);
    weft_dataset_close(data);
}

static void fingerprint_of_folder(char hex[33])
{
    weft_dataset *data = opened(folder);
    data_fingerprint(data, hex);
    weft_dataset_close(data);
}

static void the_fingerprint_is_of_the_content_alone(void **state)
{
    (void)state;
    char plain[33], other[33], path[128];
    put_small_set();
    fingerprint_of_folder(plain);
    assert_int_equal(strlen(plain), 32);
    snprintf(path, sizeof path, "%s/train-images-idx3-ubyte", folder);
    assert_int_equal(remove(path), 0);
    put_gzipped("train-images-idx3-ubyte.gz", images(7, 2, 3));
    fingerprint_of_folder(other);
    assert_string_equal(plain, other);

    blob b = images(3, 2, 3);
    b.data[b.size - 1] ^= 1;
    put("t10k-images-idx3-ubyte", b);
    fingerprint_of_folder(other);
    assert_string_not_equal(plain, other);

    put("t10k-images-idx3-ubyte", images(3, 2, 3));
    b = labels(3, 3);
    b.data[b.size - 1] = 0;
    put("t10k-labels-idx1-ubyte", b);
    fingerprint_of_folder(other);
    assert_string_not_equal(plain, other);
}

static void picks_are_distinct_samples_of_their_class(void **state)
{
    (void)state;
    put_small_set();
    weft_dataset *data = opened(folder); /* 3, 2, 2 training samples */
    size_t index[9], again[9];
    weft_error err = {0};
    assert_int_equal(data_pick(data, WEFT_TRAIN, 3, 1, index, &err), WEFT_OK);
    for (size_t i = 0; i < 9; i++) {
        bool there = i < 3 || i % 3 < 2;
        assert_int_equal(index[i] < 7, there);
        assert_int_equal(index[i] == SIZE_MAX, !there);
        if (there)
            assert_int_equal(data->split[WEFT_TRAIN].labels[index[i]], i / 3);
        for (size_t k = 0; there && k < i; k++)
            assert_int_not_equal(index[i], index[k]);
    }
    assert_int_equal(data_pick(data, WEFT_TRAIN, 3, 1, again, &err), WEFT_OK);
    assert_memory_equal(index, again, sizeof index);
    bool differs = false;
    for (uint64_t seed = 2; seed < 20; seed++) {
        assert_int_equal(data_pick(data, WEFT_TRAIN, 3, seed, again, &err), WEFT_OK);
        differs = differs || memcmp(index, again, sizeof index) != 0;
    }
    assert_true(differs);
    weft_dataset_close(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_folder_with_the_four_files_is_a_data_set),
        TEST(both_spellings_gzipped_or_not_are_found),
        TEST(the_content_says_what_is_gzipped_and_not_the_name),
        TEST(a_path_may_be_a_dot_or_a_bare_name),
        TEST(closing_nothing_is_fine),
        TEST(what_is_no_folder_is_said_to_be_none),
        TEST(missing_files_are_all_named),
        TEST(a_file_that_is_too_long_is_read_where_that_is_allowed),
        TEST(train_and_test_samples_of_different_shape_are_refused),
        TEST(train_and_test_samples_of_different_type_are_refused),
        TEST(every_image_needs_a_label),
        TEST(images_in_the_place_of_labels_are_told),
        TEST(labels_in_the_place_of_images_are_told),
        TEST(a_class_that_training_never_saw_is_refused),
        TEST(labels_may_be_of_any_integer_type),
        TEST(labels_that_are_no_classes_are_refused),
        TEST(samples_of_other_types_become_float32),
        TEST(samples_that_are_not_finite_are_refused_with_their_place),
        TEST(rows_and_colour_images_keep_their_shape),
        TEST(a_name_is_looked_for_in_the_environment_s_folders),
        TEST(the_catalogue_s_name_wins_over_a_folder_of_that_name),
        TEST(a_missing_data_set_is_said_with_how_to_get_it),
        TEST(an_unknown_name_is_answered_with_the_nearest),
        TEST(fashion_mnist_is_what_was_published),
        TEST(reading_divides_as_float32_does),
        TEST(range_and_counts_are_a_split_s_own),
        TEST(the_fingerprint_is_of_the_content_alone),
        TEST(picks_are_distinct_samples_of_their_class),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
