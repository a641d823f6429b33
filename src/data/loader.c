/* Batches: which samples they hold, and their numbers as a model wants them. */
#include "data/data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

size_t loader_indices(size_t n_samples, size_t batch, bool shuffle, uint64_t seed, size_t epoch, size_t k,
                      uint32_t *index)
{
    size_t first = k * batch;
    if (first >= n_samples)
        return 0;
    size_t n = MIN(batch, n_samples - first);
    if (!shuffle) {
        for (size_t i = 0; i < n; i++)
            index[i] = (uint32_t)(first + i);
        return n;
    }
    /* The order comes back after 2^32 epochs, which nobody will see. */
    permutation order = permutation_make(n_samples, seed, RNG_SHUFFLE, (uint32_t)epoch);
    for (size_t i = 0; i < n; i++)
        index[i] = (uint32_t)permutation_at(&order, first + i);
    return n;
}

struct weft_loader {
    const weft_dataset *data;
    weft_split split;
    weft_loader_options options;
    size_t epoch, k, n_batches;
    float *x;
    int32_t *y;
    float *targets;
    uint32_t *index;
    arena memory;
};

weft_loader *weft_loader_create(const weft_dataset *data, weft_split split, const weft_loader_options *options,
                                weft_error *err)
{
    weft_loader_options o = options ? *options : (weft_loader_options){0};
    size_t n = weft_dataset_size(data, split);
    if (!isfinite((float)o.scale) || o.scale < 0 || (o.scale > 0 && (float)o.scale == 0)) {
        fail(err, WEFT_BAD_INPUT, (where){0}, "scale %g: samples can be divided by a positive float32", o.scale);
        return NULL;
    }
    o.batch = MIN(o.batch ? o.batch : 32, n);
    weft_loader *loader = calloc(1, sizeof *loader);
    if (!loader) {
        fail_memory(err);
        return NULL;
    }
    *loader = (weft_loader){.data = data, .split = split, .options = o, .n_batches = (n + o.batch - 1) / o.batch};
    /* Cannot overflow: a split has no more numbers than that. */
    loader->x = arena_array(&loader->memory, o.batch * data->features, sizeof *loader->x);
    loader->y = arena_array(&loader->memory, o.batch, sizeof *loader->y);
    loader->targets = arena_array(&loader->memory, o.batch * MAX(data->n_targets, 1), sizeof *loader->targets);
    loader->index = arena_array(&loader->memory, o.batch, sizeof *loader->index);
    if (loader->x && loader->y && loader->targets && loader->index)
        return loader;
    fail_memory(err);
    weft_loader_free(loader);
    return NULL;
}

void weft_loader_free(weft_loader *loader)
{
    if (!loader)
        return;
    arena_deinit(&loader->memory);
    free(loader);
}

size_t weft_loader_batches(const weft_loader *loader)
{
    return loader->n_batches;
}

bool weft_loader_next(weft_loader *loader, weft_batch *batch)
{
    const weft_dataset *data = loader->data;
    const weft_loader_options *o = &loader->options;
    size_t n = loader_indices(data->split[loader->split].n, o->batch, !o->keep_order, o->seed, loader->epoch, loader->k,
                              loader->index);
    const data_split *from = &data->split[loader->split];
    *batch = (weft_batch){.x = loader->x, .y = from->labels ? loader->y : NULL, .n = n, .targets = from->targets ? loader->targets : NULL};
    if (n == 0) {
        loader->epoch++;
        loader->k = 0;
        return false;
    }
    loader->k++;
    for (size_t i = 0; i < n; i++) {
        weft_dataset_read(data, loader->split, loader->index[i], 1, o->scale, loader->x + i * data->features);
        if (from->labels)
            loader->y[i] = from->labels[loader->index[i]];
        if (from->targets)
            memcpy(loader->targets + i * data->n_targets, from->targets + loader->index[i] * data->n_targets,
                   data->n_targets * sizeof *from->targets);
    }
    return true;
}
