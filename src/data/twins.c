/* Samples that are there more than once. */
#include <stdlib.h>

#include "data/data.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static int compare_hashes(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The hashes of a split's samples, in order. NULL: no memory. */
static uint64_t *hash_split(const weft_dataset *data, weft_split split, arena *a)
{
    const data_split *s = &data->split[split];
    const size_t sample_bytes = data->features * dtype_bytes(data->type);
    uint64_t *hashes = arena_array(a, MAX(s->n, 1), sizeof *hashes);
    for (size_t i = 0; hashes && i < s->n; i++)
        hashes[i] = XXH3_64bits((const char *)s->samples + i * sample_bytes, sample_bytes);
    if (hashes)
        qsort(hashes, s->n, sizeof *hashes, compare_hashes);
    return hashes;
}

weft_status data_count_twins(const weft_dataset *data, data_twins *out, weft_error *err)
{
    arena a = {0};
    const size_t n_train = data->split[WEFT_TRAIN].n, n_test = data->split[WEFT_TEST].n;
    const uint64_t *train = hash_split(data, WEFT_TRAIN, &a), *test = hash_split(data, WEFT_TEST, &a);
    *out = (data_twins){0};
    for (size_t i = 0; train && i < n_train; i++)
        out->repeated += (i > 0 && train[i - 1] == train[i]) || (i + 1 < n_train && train[i + 1] == train[i]);
    for (size_t i = 0, j = 0; train && test && i < n_test; i++) {
        while (j < n_train && train[j] < test[i])
            j++;
        out->shared += j < n_train && train[j] == test[i];
    }
    const weft_status status = train && test ? WEFT_OK : fail_memory(err);
    arena_deinit(&a);
    return status;
}
