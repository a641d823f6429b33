/* IDX files, plain or with gzip around: what is read is the file's own numbers. */
#include "fuzz/fuzz.h"
#include "data/data.h"

#include <string.h>

/* Big-endian, as the file has them. */
static void check_numbers(const array_file *array, const uint8_t *file)
{
    const size_t width = dtype_bytes(array->type), n = shape_numbers(&array->shape) * width;
    const unsigned char *numbers = array->data;
    for (size_t i = 0; i < n; i++)
        CHECK(numbers[i / width * width + width - 1 - i % width] == file[array->data_offset + i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    text warnings = {0};
    weft_error err = {0};
    array_file array;
    const file_rules rules = {.limit_bytes = 1 << 26, .allow_trailing = size % 2, .warnings = &warnings};
    memory_file_put("file", data, size);
    refusal_begin();
    const weft_status status = idx_read("file", &rules, &array, &err);
    refusal_end(status, &err, size);
    if (status == WEFT_OK && data[0] == 0)
        check_numbers(&array, data);
    if (status == WEFT_OK)
        CHECK(array.data_offset + shape_numbers(&array.shape) * dtype_bytes(array.type) <= array.block.size);
    bytes_free(&array.block);
    text_free(&warnings);
    return 0;
}
