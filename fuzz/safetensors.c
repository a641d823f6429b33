/* Safetensors: what was read, written and read again is the same. */
#include "fuzz/fuzz.h"
#include "tensor/tensor.h"

#include <string.h>

static void check_equal(const tensor_file *a, const tensor_file *b)
{
    CHECK(a->n_tensors == b->n_tensors);
    for (size_t i = 0; i < a->n_tensors; i++) {
        const tensor *x = &a->tensors[i], *y = tensor_file_find(b, x->name);
        CHECK(y && x->type == y->type && shape_equal(&x->shape, &y->shape));
        CHECK(memcmp(x->data, y->data, shape_numbers(&x->shape) * dtype_bytes(x->type)) == 0);
    }
    for (size_t i = 0; i < a->n_notes; i++) {
        const char *key = a->notes[i][0], *value = tensor_file_note(b, key);
        CHECK(value && (strcmp(key, "sha256") == 0 || strcmp(key, "checksum") == 0 || strcmp(value, a->notes[i][1]) == 0));
    }
}

static void read_once(size_t size)
{
    tensor_file file, again;
    weft_error err = {0};
    refusal_begin();
    const weft_status status = tensor_file_read("file", &file, &err);
    refusal_end(status, &err, size);
    if (status != WEFT_OK)
        return;
    CHECK(tensor_file_write("again", &file, &err) == WEFT_OK);
    CHECK(tensor_file_read("again", &again, &err) == WEFT_OK);
    check_equal(&file, &again);
    tensor_file_close(&file);
    tensor_file_close(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    memory_file_put("file", data, size);
    read_once(size);
    mend_digest(memory_file("file")->data, size);
    read_once(size);
    return 0;
}
