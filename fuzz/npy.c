/* numpy's arrays: the same array written by the book reads back to the same. */
#include "fuzz/fuzz.h"
#include "data/data.h"

#include <stdlib.h>
#include <string.h>

static void add_header(const array_file *array, text *t)
{
    static const char *const types[] = {[DTYPE_U8] = "|u1", [DTYPE_I8] = "|i1", [DTYPE_I16] = "<i2", [DTYPE_I32] = "<i4",
                                        [DTYPE_I64] = "<i8", [DTYPE_F32] = "<f4", [DTYPE_F64] = "<f8"};
    text words = {0};
    text_printf(&words, "{'descr': '%s', 'fortran_order': False, 'shape': (", types[array->type]);
    for (size_t i = 0; i < array->shape.n_dims; i++)
        text_printf(&words, "%zu, ", array->shape.dims[i]);
    text_add(&words, "), }\n");
    text_add_bytes(t, "\x93NUMPY\1\0", 8);
    text_add_bytes(t, (const char[]){(char)(words.length & 255), (char)(words.length >> 8)}, 2);
    text_add(t, words.data);
    text_free(&words);
}

static void check_again(const array_file *array, const file_rules *rules)
{
    const size_t n = shape_numbers(&array->shape) * dtype_bytes(array->type);
    text t = {0};
    array_file again;
    weft_error err = {0};
    add_header(array, &t);
    text_add_bytes(&t, array->data, n);
    CHECK(npy_parse("again", &(bytes){(unsigned char *)t.data, t.length}, rules, &again, &err) == WEFT_OK);
    CHECK(again.type == array->type && shape_equal(&again.shape, &array->shape) && memcmp(again.data, array->data, n) == 0);
    text_free(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    text warnings = {0};
    weft_error err = {0};
    array_file array;
    const file_rules rules = {.limit_bytes = 1 << 26, .allow_trailing = size % 2, .warnings = &warnings};
    memory_file_put("file", data, size);
    refusal_begin();
    const weft_status status = npy_read("file", &rules, &array, &err);
    refusal_end(status, &err, size);
    if (status == WEFT_OK)
        check_again(&array, &rules);
    bytes_free(&array.block);
    text_free(&warnings);
    return 0;
}
