/* Arrays of numpy: read as numpy writes them, and refused with a reason where something is odd. */
#include "data_files.h"

static const file_rules strict = {.limit_bytes = 1 << 20};

/* A file of a version's form with this header and `size` bytes of array. */
static blob npy(int version, const char *header_text, const void *array, size_t size)
{
    const size_t length = strlen(header_text);
    blob b = {.data = {0x93, 'N', 'U', 'M', 'P', 'Y', (unsigned char)version, 0, (unsigned char)length, (unsigned char)(length >> 8)},
              .size = version == 1 ? 10 : 12};
    memcpy(b.data + b.size, header_text, length);
    memcpy(b.data + b.size + length, array, size);
    b.size += length + size;
    return b;
}

#define FORM(descr, shape) "{'descr': '" descr "', 'fortran_order': False, 'shape': " shape ", }   \n"

static const float six[6] = {0, 0.25f, -1, 3, 4, 5};

/* On a copy of the very size, so that a sanitizer sees a byte too many. */
static weft_status parse(const blob *b, array_file *out, unsigned char **copy, weft_error *err)
{
    *copy = malloc(b->size ? b->size : 1);
    memcpy(*copy, b->data, b->size);
    *err = (weft_error){0};
    return npy_parse("x.npy", &(bytes){*copy, b->size}, &strict, out, err);
}

static void arrays_are_read_as_numpy_writes_them(void **state)
{
    (void)state;
    static const char *const headers[] = {
        FORM("<f4", "(2, 3)"),
        "{'shape': (2L, 3L), 'fortran_order': False, 'descr': '<f4'}\n",
        "{\"descr\": \"<f4\",\"fortran_order\":False,\"shape\":(2,3)}\n",
        "  {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3,), } \n",
    };
    for (size_t i = 0; i < 2 * COUNT(headers); i++) {
        weft_error err;
        array_file array;
        unsigned char *copy;
        const blob b = npy(1 + (int)i % 2, headers[i / 2], six, sizeof six);
        if (parse(&b, &array, &copy, &err) != WEFT_OK)
            assert_string_equal(err.message, headers[i / 2]);
        assert_int_equal(array.type, DTYPE_F32);
        assert_int_equal(array.shape.n_dims, 2);
        assert_true(array.shape.dims[0] == 2 && array.shape.dims[1] == 3);
        assert_memory_equal(array.data, six, sizeof six);
        free(copy);
    }
}

static void other_orders_are_turned_into_ours(void **state)
{
    (void)state;
    static const float turned[6] = {0, -1, 4, 0.25f, 3, 5}; /* [2, 3]: the rows of `six` as columns */
    static const uint8_t big[4] = {0x12, 0x34, 0xFF, 0xFE};
    weft_error err;
    array_file array;
    unsigned char *copy;
    blob b = npy(1, "{'descr': '=f4', 'fortran_order': True, 'shape': (2, 3)}\n", six, sizeof six);
    assert_int_equal(parse(&b, &array, &copy, &err), WEFT_OK);
    assert_memory_equal(array.data, turned, sizeof turned);
    free(copy);
    b = npy(1, FORM(">i2", "(2,)"), big, sizeof big);
    assert_int_equal(parse(&b, &array, &copy, &err), WEFT_OK);
    assert_memory_equal(array.data, ((const int16_t[]){0x1234, -2}), 4);
    free(copy);
}

static void refused_npy(const blob *b, const char *words)
{
    weft_error err;
    array_file array;
    unsigned char *copy;
    assert_int_equal(parse(b, &array, &copy, &err), WEFT_BAD_INPUT);
    if (!strstr(err.message, words))
        assert_string_equal(err.message, words); /* shows both */
    free(copy);
}

static void odd_arrays_are_refused_with_a_reason(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {FORM("|O", "(2, 3)"), "Python objects"},
        {FORM(">c8", "(2, 3)"), "its numbers are \">c8\""},
        {FORM("|f4", "(2, 3)"), "its numbers are \"|f4\""},
        {FORM("<c8", "(2, 3)"), "astype('<f4')"},
        {FORM("<f4", "(0, 3)"), "dimension 1 is 0"},
        {FORM("<f4", "(2, 4)"), "truncated: [2, 4] of float32 needs"},
        {FORM("<f4", "(5,)"), "data after the end: [5] of float32 takes"},
        {FORM("<f4", "(18446744073709551615, 18446744073709551615)"), "overflow"},
        {FORM("<f4", "(4611686018427387904, 1)"), "overflow"},
        {FORM("<f4", "(99999999999999999999, 1)"), "is no dictionary"},
        {FORM("<f4", "(1, 1, 1, 1, 1, 1, 1, 1, 6)"), "up to 8 dimensions"},
        {FORM("<f4", "(-2, 3)"), "is no dictionary"},
        {FORM("<f4", "(2 3)"), "is no dictionary"},
        {FORM("<f4", "(2, 3"), "is no dictionary"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 3)}\n", "is no dictionary"},
        {"{'descr': '<f4', 'fortran_order': 0, 'shape': (2, 3)}\n", "is no dictionary"},
        {"{'descr': '<f4', 'fortran_order': False}\n", "is no dictionary"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)\n", "is no dictionary"},
        {"{'descr': '<f4', 'size': False, 'shape': (2, 3)}\n", "is no dictionary"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}", "and a newline"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)} or __import__('os')\n", "is no dictionary"},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}\n", "once each"},
        {"{'descr': '<f4', 'fortran_order': False, 'fortran_order': False, 'shape': (2, 3)}\n", "once each"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'shape': (2, 3)}\n", "once each"},
        {"", "is no dictionary"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const blob b = npy(1, cases[i][0], six, sizeof six);
        refused_npy(&b, cases[i][1]);
    }
    blob b = npy(3, FORM("<f4", "(2, 3)"), six, sizeof six);
    refused_npy(&b, "byte 6: version 3.0");
    b = npy(2, FORM("<f4", "(2, 3)"), six, sizeof six);
    b.data[10] = 1; /* 65,536 bytes more */
    refused_npy(&b, "byte 8: a header of");
    b.data[1] = 'n';
    refused_npy(&b, "byte 0: not a .npy file");
}

static void what_is_cut_off_is_refused_wherever(void **state)
{
    (void)state;
    for (int version = 1; version <= 2; version++) {
        blob b = npy(version, FORM("<f4", "(2, 3)"), six, sizeof six);
        while (b.size-- > 0)
            refused_npy(&b, b.size < 12 ? "not a .npy file" : "truncated");
    }
}

/* Any byte of the header may be anything: the file is refused, or read within its bounds. */
static void a_wrong_byte_does_no_harm(void **state)
{
    (void)state;
    static const char strange[] = {0, '\'', '(', ')', '{', '}', ',', ':', '9', 'L', 'O', ' ', (char)0xff};
    const blob good = npy(1, FORM("<f4", "(2, 3)"), six, sizeof six);
    size_t n_refused = 0;
    for (size_t i = 0; i < good.size - sizeof six; i++)
        for (size_t k = 0; k < sizeof strange; k++) {
            blob b = good;
            b.data[i] = (unsigned char)strange[k];
            weft_error err;
            array_file array;
            unsigned char *copy;
            const weft_status status = parse(&b, &array, &copy, &err);
            assert_true(status == WEFT_OK || status == WEFT_BAD_INPUT);
            if (status == WEFT_OK)
                assert_true(array.data_offset + shape_numbers(&array.shape) * dtype_bytes(array.type) == b.size);
            n_refused += status != WEFT_OK;
            free(copy);
        }
    assert_true(n_refused > 600);
}

/* ---- Folders ---- */

static void put_set(const char *labels_form, const void *train, const void *test, size_t bytes_each)
{
    const uint8_t x[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255};
    char form[128];
    put("x_train.npy", npy(1, FORM("|u1", "(3, 2, 2)"), x, 12));
    put("x_test.npy", npy(1, FORM("|u1", "(2, 2, 2)"), x, 8));
    snprintf(form, sizeof form, labels_form, 3);
    put("y_train.npy", npy(1, form, train, 3 * bytes_each));
    snprintf(form, sizeof form, labels_form, 2);
    put("y_test.npy", npy(1, form, test, 2 * bytes_each));
}

static void four_arrays_are_a_data_set(void **state)
{
    (void)state;
    put_set(FORM("<i8", "(%d,)"), (int64_t[]){2, 0, 1}, (int64_t[]){1, 2}, 8);
    weft_dataset *data = opened(folder);
    assert_int_equal(weft_dataset_task(data), WEFT_CLASSIFICATION);
    assert_int_equal(weft_dataset_classes(data), 3);
    assert_int_equal(weft_dataset_features(data), 4);
    assert_int_equal(weft_dataset_labels(data, WEFT_TRAIN)[0], 2);
    assert_int_equal(((const uint8_t *)data->split[WEFT_TRAIN].samples)[11], 255);
    weft_dataset_close(data);
    put_set(FORM("<f8", "(%d, 2)"), (double[]){1.5, -2, 0, 3, 0.1, 1e-3}, (double[]){1, 2, 3, 4}, 16);
    data = opened(folder);
    assert_int_equal(weft_dataset_task(data), WEFT_REGRESSION);
    assert_true(weft_dataset_targets(data, WEFT_TRAIN)[4] == 0.1f);
    weft_dataset_close(data);
    put_set(FORM("|b1", "(%d, 2)"), (uint8_t[]){1, 0, 0, 0, 1, 1}, (uint8_t[]){0, 1, 1, 1}, 2);
    data = opened(folder);
    assert_int_equal(weft_dataset_task(data), WEFT_MULTI_LABEL);
    weft_dataset_close(data);
}

static void a_set_that_is_not_whole_is_refused(void **state)
{
    (void)state;
    put_set(FORM("<i8", "(%d,)"), (int64_t[]){2, 0, (int64_t)1 << 40}, (int64_t[]){1, 2}, 8);
    refused(folder, "y_train.npy", "label 2 is 1099511627776");
    put_set(FORM("<i8", "(%d, 1)"), (int64_t[]){2, 0, 1}, (int64_t[]){1, 2}, 8);
    refused(folder, "y_train.npy", "int64 in 2 dimensions", "uint8");
    put("x_train.npy", npy(1, FORM("<f4", "()"), six, 4));
    refused(folder, "x_train.npy", "has 0 dimensions");
    char path[256];
    snprintf(path, sizeof path, "%s/x_test.npy", folder);
    assert_int_equal(unlink(path), 0);
    refused(folder, "x_test.npy is missing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_are_read_as_numpy_writes_them),
        cmocka_unit_test(other_orders_are_turned_into_ours),
        cmocka_unit_test(odd_arrays_are_refused_with_a_reason),
        cmocka_unit_test(what_is_cut_off_is_refused_wherever),
        cmocka_unit_test(a_wrong_byte_does_no_harm),
        TEST(four_arrays_are_a_data_set),
        TEST(a_set_that_is_not_whole_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
