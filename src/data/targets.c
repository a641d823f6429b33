/* What samples should give, as a file has it: classes, numbers, or labels that are 0 or 1. */
#include "data/data.h"

#include <math.h>
#include <string.h>

double number_at(dtype type, const void *numbers, size_t i)
{
    const unsigned char *at = (const unsigned char *)numbers + i * dtype_bytes(type);
    double f64;
    float f32;
    int32_t i32;
    int16_t i16;
    switch (type) {
    case DTYPE_U8: return *at;
    case DTYPE_I8: return (int8_t)*at;
    case DTYPE_I16: return memcpy(&i16, at, 2), i16;
    case DTYPE_I32: return memcpy(&i32, at, 4), i32;
    case DTYPE_F32: return memcpy(&f32, at, 4), f32;
    default: return memcpy(&f64, at, 8), f64;
    }
}

static bool is_real(dtype type) { return type == DTYPE_F32 || type == DTYPE_F64; }

static weft_status take_classes(weft_dataset *data, data_split *split, dtype type, const void *numbers, weft_error *err)
{
    int32_t *labels = arena_array(&data->memory, split->n, sizeof *labels);
    if (!labels)
        return fail_memory(err);
    for (size_t i = 0; i < split->n; i++)
        labels[i] = (int32_t)number_at(type, numbers, i);
    split->labels = labels;
    return WEFT_OK;
}

static weft_status take_numbers(weft_dataset *data, data_split *split, dtype type, const void *numbers, weft_error *err)
{
    const size_t n = split->n * data->n_targets;
    float *targets = arena_array(&data->memory, n, sizeof *targets);
    if (!targets)
        return fail_memory(err);
    for (size_t i = 0; i < n; i++) {
        const double number = number_at(type, numbers, i);
        targets[i] = (float)number;
        if (data->task == WEFT_MULTI_LABEL && number > 1)
            return fail(err, WEFT_BAD_INPUT, (where){.file = split->labels_file.path},
                        "label %zu of sample %zu is %g; a label of several is 0 or 1: write a class as one number a sample, and other numbers "
                        "as float32", i % data->n_targets, i / data->n_targets, number);
        if (!isfinite(targets[i]))
            return fail(err, WEFT_BAD_INPUT, (where){.file = split->labels_file.path},
                        "number %zu of sample %zu is %g; what is to be learned must be finite as float32", i % data->n_targets,
                        i / data->n_targets, number);
    }
    split->targets = targets;
    return WEFT_OK;
}

static const char *const task_words[WEFT_N_TASKS] = {"one class a sample", "numbers", "labels that are 0 or 1"};

weft_status data_take_targets(weft_dataset *data, weft_split which, dtype type, const shape *array, const void *numbers, weft_error *err)
{
    data_split *split = &data->split[which];
    const where at = {.file = split->labels_file.path};
    const weft_task task = is_real(type) ? WEFT_REGRESSION : array->n_dims == 1 ? WEFT_CLASSIFICATION : WEFT_MULTI_LABEL;
    const size_t n_targets = task == WEFT_CLASSIFICATION ? 0 : array->n_dims == 1 ? 1 : array->dims[1];
    if (array->n_dims > 2)
        return fail(err, WEFT_BAD_INPUT, at, "has %zu dimensions, expected 1 or 2; this looks like an image file: swap it with %s",
                    array->n_dims, split->samples_file.path);
    if (task == WEFT_MULTI_LABEL && type != DTYPE_U8)
        return fail(err, WEFT_BAD_INPUT, at, "labels are %s in 2 dimensions; several labels a sample are uint8, each 0 or 1, and numbers are "
                    "float32 or float64", dtype_name(type));
    if (array->dims[0] != split->n)
        return fail(err, WEFT_BAD_INPUT, at, "has %zu labels, and %s has %zu images; each image needs one label", array->dims[0],
                    split->samples_file.path, split->n);
    if (which != WEFT_TRAIN && task != data->task)
        return fail(err, WEFT_BAD_INPUT, at, "holds %s, and %s holds %s; they must agree", task_words[task],
                    data->split[WEFT_TRAIN].labels_file.path, task_words[data->task]);
    if (which != WEFT_TRAIN && n_targets != data->n_targets)
        return fail(err, WEFT_BAD_INPUT, at, "holds %zu numbers a sample, and %s holds %zu; they must agree", n_targets,
                    data->split[WEFT_TRAIN].labels_file.path, data->n_targets);
    data->task = task;
    data->n_targets = n_targets;
    return (task == WEFT_CLASSIFICATION ? take_classes : take_numbers)(data, split, type, numbers, err);
}
