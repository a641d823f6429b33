#include "tensor/tensor.h"

#include <assert.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
} types[N_DTYPES] = {
    [DTYPE_U8] = {"uint8", 1},  [DTYPE_I8] = {"int8", 1},     [DTYPE_I16] = {"int16", 2},   [DTYPE_I32] = {"int32", 4},
    [DTYPE_I64] = {"int64", 8}, [DTYPE_F32] = {"float32", 4}, [DTYPE_F64] = {"float64", 8},
};

size_t dtype_bytes(dtype type)
{
    assert(type < N_DTYPES);
    return types[type].size;
}

const char *dtype_name(dtype type)
{
    assert(type < N_DTYPES);
    return types[type].name;
}

size_t shape_numbers(const shape *s)
{
    size_t n = 1;
    for (size_t i = 0; i < s->n_dims; i++)
        n *= s->dims[i];
    return n;
}

bool shape_equal(const shape *a, const shape *b)
{
    return a->n_dims == b->n_dims && memcmp(a->dims, b->dims, a->n_dims * sizeof a->dims[0]) == 0;
}

const char *shape_print(const shape *s, char buffer[128])
{
    static const char cut[] = ", …]";
    int used = snprintf(buffer, 128, "[");
    for (size_t i = 0; i < s->n_dims; i++) {
        char number[32];
        int length = snprintf(number, sizeof number, "%s%zu", i > 0 ? ", " : "", s->dims[i]);
        if (used + length + (int)sizeof cut > 128)
            return strcpy(buffer + used, cut), buffer;
        memcpy(buffer + used, number, (size_t)length);
        used += length;
    }
    strcpy(buffer + used, "]");
    return buffer;
}
