#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* base.h has a `fail` of its own. */
#undef fail
#undef fail_msg
#define fail_msg(...) (print_error(__VA_ARGS__), print_error("\n"), _fail(__FILE__, __LINE__))
#include "tensor/tensor.h"

static char folder[64], path[128];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/weft-test-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

/* fsync of file_write would make a thousand small files slow. */
static void put(const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    fclose(f);
}

/* A file of `header` and `n` bytes of data, as other programs write it: without a checksum. */
static void put_header(const char *header, size_t n)
{
    uint64_t length = strlen(header);
    unsigned char *all = calloc(1, 8 + length + n);
    memcpy(all, &length, 8);
    memcpy(all + 8, header, length);
    put(all, 8 + length + n);
    free(all);
}

static void expect_refused(const char *case_name, const char *why)
{
    tensor_file file;
    weft_error err = {0};
    weft_status status = tensor_file_read(path, &file, &err);
    if (status != WEFT_BAD_INPUT)
        fail_msg("%.60s: was read", case_name);
    if (strstr(err.message, why) == NULL)
        fail_msg("%.60s: %s", case_name, err.message);
    assert_int_equal(err.count, 1);
    assert_string_equal(err.file, path);
    assert_null(file.tensors);
}

static const float weight[2][3] = {{1, 2, 3}, {-4, 5e-40f, 6}};
static const uint8_t odd[3] = {7, 8, 9};
static const double scalar = 0.1;

static const tensor some[] = {
    {"odd", DTYPE_U8, {1, {3}}, odd},
    {"0.weight", DTYPE_F32, {2, {2, 3}}, weight},
    {"empty", DTYPE_I64, {2, {0, 5}}, NULL},
    {"scalar \u00e9 \"x\"", DTYPE_F64, {0, {0}}, &scalar},
};

static const char *const notes[][2] = {{"weft.layers", "linear 2"}, {"odd", "\"sha256\":\"0000\" and \"sha256\": 1"}};

static const tensor_file whole = {.n_tensors = COUNT(some), .tensors = some, .n_notes = COUNT(notes), .notes = notes};

/* ---- Shapes ---- */

static void shapes_are_compared_counted_and_printed(void **state)
{
    (void)state;
    char buffer[128];
    shape images = {4, {60000, 1, 28, 28}}, none = {0}, other = {4, {60000, 1, 28, 27}}, huge = {8, {0}};
    for (int i = 0; i < 8; i++)
        huge.dims[i] = SIZE_MAX;
    assert_string_equal(shape_print(&images, buffer), "[60000, 1, 28, 28]");
    assert_string_equal(shape_print(&none, buffer), "[]");
    assert_non_null(strstr(shape_print(&huge, buffer), ", …]"));
    assert_int_equal(shape_numbers(&images), 47040000);
    assert_int_equal(shape_numbers(&none), 1);
    assert_true(shape_equal(&images, &images));
    assert_false(shape_equal(&images, &other));
    assert_false(shape_equal(&images, &none));
    for (dtype type = 0; type < N_DTYPES; type++)
        assert_int_equal(atoi(strpbrk(dtype_name(type), "123468")), 8 * dtype_bytes(type));
}

/* ---- Files ---- */

static void what_was_written_is_read(void **state)
{
    (void)state;
    tensor_file file;
    weft_error err = {0};
    assert_int_equal(tensor_file_write(path, &whole, &err), WEFT_OK);
    if (tensor_file_read(path, &file, &err) != WEFT_OK)
        fail_msg("%s", err.message);
    assert_int_equal(file.n_tensors, COUNT(some));
    for (size_t i = 0; i < COUNT(some); i++) {
        const tensor *t = tensor_file_find(&file, some[i].name);
        assert_non_null(t);
        assert_int_equal(t->type, some[i].type);
        assert_true(shape_equal(&t->shape, &some[i].shape));
        assert_int_equal((uintptr_t)t->data % dtype_bytes(t->type), 0);
        size_t n = dtype_bytes(t->type) * shape_numbers(&t->shape);
        if (n > 0)
            assert_memory_equal(t->data, some[i].data, n);
    }
    assert_null(tensor_file_find(&file, "1.weight"));
    assert_string_equal(tensor_file_note(&file, "weft.layers"), "linear 2");
    assert_string_equal(tensor_file_note(&file, "odd"), notes[1][1]);
    assert_null(tensor_file_note(&file, "missing"));

    /* What was read can be written again, to the same bytes. */
    bytes first, second;
    assert_int_equal(file_read(path, 1 << 20, &first, NULL), WEFT_OK);
    assert_int_equal(tensor_file_write(path, &file, &err), WEFT_OK);
    assert_int_equal(file_read(path, 1 << 20, &second, NULL), WEFT_OK);
    assert_int_equal(first.size, second.size);
    assert_memory_equal(first.data, second.data, first.size);
    bytes_free(&first);
    bytes_free(&second);
    tensor_file_close(&file);
    tensor_file_close(&file);
}

static void the_layout_is_that_of_safetensors(void **state)
{
    (void)state;
    bytes b;
    uint64_t length;
    assert_int_equal(tensor_file_write(path, &whole, NULL), WEFT_OK);
    assert_int_equal(file_read(path, 1 << 20, &b, NULL), WEFT_OK);
    memcpy(&length, b.data, 8);
    assert_int_equal(length % 8, 0);
    assert_int_equal(b.size, 8 + length + sizeof odd + sizeof weight + sizeof scalar);
    assert_int_equal(b.data[8], '{');
    assert_non_null(
        strstr((char *)b.data + 8, "\"0.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[3,27]}"));
    assert_memory_equal(b.data + 8 + length, odd, sizeof odd);

    /* The checksum is that of the file with its own digits zeroed. */
    char *digits = strstr((char *)b.data + 8, "\"sha256\":\"") + 10, written[65] = {0}, actual[65];
    memcpy(written, digits, 64);
    memset(digits, '0', 64);
    sha256_hex(b.data, b.size, actual);
    assert_string_equal(actual, written);
    bytes_free(&b);
}

static void files_of_other_programs_are_read(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "{\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]},\"a\":{\"dtype\":\"I32\",\"shape\":[],\"data_"
        "offsets\":[0,4]}}",
        "{ \"a\" : {\"shape\":[1],\"data_offsets\":[0, 4],\"dtype\":\"F32\"},\n\"__metadata__\":{},"
        "\"\\u0062\":{\"dtype\":\"U8\",\"shape\":[2,2,2],\"data_offsets\":[4,12]}}   ",
        "{\"e\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_"
        "offsets\":[0,4]},"
        "\"b\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[4,12]},\"z\":{\"dtype\":\"U8\",\"shape\":[3,0],"
        "\"data_offsets\":[12,12]}}",
    };
    for (size_t i = 0; i < COUNT(headers); i++) {
        tensor_file file;
        weft_error err = {0};
        put_header(headers[i], 12);
        if (tensor_file_read(path, &file, &err) != WEFT_OK)
            fail_msg("%s: %s", headers[i], err.message);
        assert_non_null(tensor_file_find(&file, "a"));
        const tensor *b = tensor_file_find(&file, "b");
        assert_int_equal(shape_numbers(&b->shape) * dtype_bytes(b->type), 8);
        assert_int_equal((uintptr_t)b->data % 8, 0);
        tensor_file_close(&file);
    }
    put_header("{}", 0);
    tensor_file file;
    assert_int_equal(tensor_file_read(path, &file, NULL), WEFT_OK);
    assert_int_equal(file.n_tensors, 0);
    tensor_file_close(&file);
}

#define T(type, dims, offsets) "{\"dtype\":\"" type "\",\"shape\":" dims ",\"data_offsets\":" offsets "}"
#define GOOD "\"a\":" T("F32", "[1]", "[0,4]")
#define LAST "\"b\":" T("F32", "[2]", "[4,12]")

static void wrong_headers_are_refused_with_the_reason(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"[" GOOD "]", "not a JSON object"},
        {"\xef\xbb\xbf{" GOOD "," LAST "}", "not a JSON object"},
        {"{" GOOD "," LAST "}x", "not a JSON object"},
        {"{" GOOD "," LAST "}\n", "not a JSON object"},
        {"{" GOOD "," LAST "}}", "wrong at byte"},
        {"{" GOOD "," LAST ",}", "wrong at byte"},
        {"{\"a\\u0000\":1}", "wrong at byte"},
        {"{\"\xff\":1}", "wrong at byte"},
        {"{" GOOD "," GOOD "," LAST "}", "duplicate"},
        {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]}}", "duplicate"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12],\"x\":1}}", "nothing else"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3]}}", "must have dtype"},
        {"{\"a\":7}", "must have dtype"},
        {"{" GOOD "}", "8 bytes follow the last tensor"},
        {"{" LAST "}", "begins at byte 4"},
        {"{" GOOD ",\"b\":" T("F32", "[1]", "[8,12]") "}", "begins at byte 8"},
        {"{" GOOD ",\"b\":" T("F32", "[3]", "[0,12]") "}", "begins at byte 0"},
        {"{\"a\":" T("F32", "[3]", "[12,0]") "}", "not two places"},
        {"{\"a\":" T("F32", "[4]", "[0,16]") "}", "not two places"},
        {"{\"a\":" T("F32", "[3]", "[0,12,12]") "}", "not two places"},
        {"{\"a\":" T("F32", "[3]", "[0,12.0]") "}", "not two places"},
        {"{\"a\":" T("F32", "[3]", "[-1,12]") "}", "not two places"},
        {"{\"a\":" T("F32", "[3]", "{}") "}", "not two places"},
        {"{\"a\":" T("F32", "[2]", "[0,12]") "}", "not what [2] of F32 take"},
        {"{\"a\":" T("F32", "[4611686018427387905,4,4]", "[0,12]") "}", "not what"},
        {"{\"a\":" T("U8", "[4294967296,4294967296,12]", "[0,12]") "}", "not what"},
        {"{\"a\":" T("U8", "[99999999999999999999]", "[0,12]") "}", "wrong at byte"},
        {"{\"a\":" T("U8", "[-12]", "[0,12]") "}", "dimension 0"},
        {"{\"a\":" T("U8", "[12.0]", "[0,12]") "}", "dimension 0"},
        {"{\"a\":" T("U8", "12", "[0,12]") "}", "shape is not a list"},
        {"{\"a\":" T("U8", "[12,1,1,1,1,1,1,1,1]", "[0,12]") "}", "9 dimensions"},
        {"{\"a\":" T("BF16", "[6]", "[0,12]") "}", "dtype \"BF16\""},
        {"{\"a\":" T("f32", "[3]", "[0,12]") "}", "dtype \"f32\""},
        {"{\"a\":" T("F4", "[3]", "[0,12]") "}", "dtype \"F4\""},
        {"{\"a\":{\"dtype\":1,\"shape\":[3],\"data_offsets\":[0,12]}}", "dtype is not a text"},
        {"{\"__metadata__\":[]," GOOD "," LAST "}", "not a JSON object"},
        {"{\"__metadata__\":{\"x\":1}," GOOD "," LAST "}", "not a text"},
        {"{\"__metadata__\":{\"checksum\":\"sha256\"}," GOOD "," LAST "}", "checksum is missing"},
        {"{\"__metadata__\":{\"checksum\":\"md5\"}," GOOD "," LAST "}", "unknown kind"},
        {"{\"__metadata__\":{\"sha256\":\"00\"}," GOOD "," LAST "}", "plain digits"},
        {"{\"__metadata__\":{\"sha256\":\"0000000000000000000000000000000000000000000000000000000000000000\"}," GOOD
         "," LAST "}",
         "do not match"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        put_header(cases[i][0], 12);
        expect_refused(cases[i][0], cases[i][1]);
    }
}

static void every_cut_file_is_refused(void **state)
{
    (void)state;
    bytes b;
    assert_int_equal(tensor_file_write(path, &whole, NULL), WEFT_OK);
    assert_int_equal(file_read(path, 1 << 20, &b, NULL), WEFT_OK);
    for (size_t n = 0; n < b.size; n++) {
        char name[32];
        snprintf(name, sizeof name, "%zu bytes", n);
        put(b.data, n);
        expect_refused(name, path);
    }
    put(b.data, b.size + 1); /* with the 0 that follows */
    expect_refused("one byte too many", "damaged");
    bytes_free(&b);
}

static void every_flipped_bit_is_refused(void **state)
{
    (void)state;
    bytes b;
    assert_int_equal(tensor_file_write(path, &whole, NULL), WEFT_OK);
    assert_int_equal(file_read(path, 1 << 20, &b, NULL), WEFT_OK);
    for (size_t bit = 0; bit < 8 * b.size; bit++) {
        char name[32];
        snprintf(name, sizeof name, "bit %zu", bit);
        b.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        put(b.data, b.size);
        expect_refused(name, path);
        b.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    put(b.data, b.size);
    tensor_file file;
    assert_int_equal(tensor_file_read(path, &file, NULL), WEFT_OK);
    tensor_file_close(&file);
    bytes_free(&b);
}

static void a_header_length_beyond_the_file_is_refused(void **state)
{
    (void)state;
    static const uint64_t lengths[] = {3, 100, UINT32_MAX, (uint64_t)INT64_MAX, UINT64_MAX - 7, UINT64_MAX};
    for (size_t i = 0; i < COUNT(lengths); i++) {
        unsigned char all[10] = {[8] = '{', [9] = '}'};
        memcpy(all, &lengths[i], 8);
        put(all, sizeof all);
        expect_refused("length", "cut short");
    }
}

/* Repeats `piece` n times between `head` and `tail`. */
static void put_repeated(const char *head, const char *piece, size_t n, const char *tail)
{
    text t = {0};
    text_add(&t, head);
    for (size_t i = 0; i < n; i++)
        text_add(&t, piece);
    text_add(&t, tail);
    assert_false(t.failed);
    put_header(t.data, 0);
    text_free(&t);
}

static void excess_is_refused(void **state)
{
    (void)state;
    put_repeated("{\"a\":", "[", 100000, "}");
    expect_refused("deep", "nested");
    put_repeated("{\"a\":[0", ",0", 1000000, "]}");
    expect_refused("wide", "far more");
    put_repeated("{\"a\":0", ",\"b\":{}", 200000, "}");
    expect_refused("many", "more than 20000 tensors");
    put_repeated("{\"", "x", 5000, "\":" T("U8", "[0]", "[0,0]") "}");
    expect_refused("long name", "longer than");
    put_repeated("{\"", "x", 4096, "\":" T("U8", "[0]", "[0,0]") "}");
    tensor_file file;
    assert_int_equal(tensor_file_read(path, &file, NULL), WEFT_OK);
    tensor_file_close(&file);
}

static void names_that_cannot_be_read_back_are_not_written(void **state)
{
    (void)state;
    static const tensor bad[][2] = {
        {{"a", DTYPE_U8, {1, {3}}, odd}, {"a", DTYPE_U8, {1, {3}}, odd}},
        {{"__metadata__", DTYPE_U8, {1, {3}}, odd}, {"a", DTYPE_U8, {1, {3}}, odd}},
        {{"\xff", DTYPE_U8, {1, {3}}, odd}, {"a", DTYPE_U8, {1, {3}}, odd}},
        {{"a", DTYPE_U8, {2, {SIZE_MAX, 2}}, odd}, {"b", DTYPE_U8, {1, {3}}, odd}},
    };
    put("old", 3);
    for (size_t i = 0; i < COUNT(bad); i++) {
        tensor_file file = {.n_tensors = 2, .tensors = bad[i]};
        assert_int_equal(tensor_file_write(path, &file, NULL), WEFT_BAD_INPUT);
    }
    static const char *const bad_notes[][2] = {{"x", "1"}, {"x", "2"}, {"y", "\xff"}};
    tensor_file twice = {.n_notes = 2, .notes = bad_notes}, broken = {.n_notes = 1, .notes = bad_notes + 2};
    assert_int_equal(tensor_file_write(path, &twice, NULL), WEFT_BAD_INPUT);
    assert_int_equal(tensor_file_write(path, &broken, NULL), WEFT_BAD_INPUT);
    bytes b;
    assert_int_equal(file_read(path, 10, &b, NULL), WEFT_OK);
    assert_string_equal((char *)b.data, "old");
    bytes_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_are_compared_counted_and_printed),
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(the_layout_is_that_of_safetensors),
        cmocka_unit_test(files_of_other_programs_are_read),
        cmocka_unit_test(wrong_headers_are_refused_with_the_reason),
        cmocka_unit_test(every_cut_file_is_refused),
        cmocka_unit_test(every_flipped_bit_is_refused),
        cmocka_unit_test(a_header_length_beyond_the_file_is_refused),
        cmocka_unit_test(excess_is_refused),
        cmocka_unit_test(names_that_cannot_be_read_back_are_not_written),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
