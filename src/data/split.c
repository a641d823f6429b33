/* A split of a data set from its two files: samples, and what they should give: classes, numbers, or labels that are 0 or 1. */
#include "data/data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_EXACT 0x1p53 /* from here on, a whole number may have no double of its own */

/* ---- Samples ---- */

double number_at(dtype type, const void *numbers, size_t i)
{
    const unsigned char *at = (const unsigned char *)numbers + i * dtype_bytes(type);
    double f64;
    float f32;
    int64_t i64;
    int32_t i32;
    int16_t i16;
    switch (type) {
    case DTYPE_U8: return *at;
    case DTYPE_I8: return (int8_t)*at;
    case DTYPE_I16: return memcpy(&i16, at, 2), i16;
    case DTYPE_I32: return memcpy(&i32, at, 4), i32;
    case DTYPE_I64: return memcpy(&i64, at, 8), (double)i64;
    case DTYPE_F32: return memcpy(&f32, at, 4), f32;
    default: return memcpy(&f64, at, 8), f64;
    }
}

/* Everything but uint8 becomes float32, in a block of its own. */
static weft_status to_float(const char *path, array_file *array, size_t features, weft_error *err)
{
    size_t n = shape_numbers(&array->shape), width = dtype_bytes(array->type);
    bytes block = array->block;
    const bool in_place = array->type == DTYPE_F32 && array->data_offset % sizeof(float) == 0;
    float *to = member_of(block.data, array->data_offset);
    if (!in_place) {
        block = (bytes){malloc(n * sizeof *to), n * sizeof *to};
        if (!block.data)
            return fail_memory(err);
        to = member_of(block.data, 0);
    }
    weft_status status = WEFT_OK;
    for (size_t i = 0; i < n && status == WEFT_OK; i++) {
        double number = number_at(array->type, array->data, i);
        if (array->type == DTYPE_I64 && fabs(number) >= MAX_EXACT)
            status = fail(err, WEFT_BAD_INPUT, (where){.file = path},
                          "byte %zu: number %zu of sample %zu is %.0f; whole numbers from 2^53 on may lose digits: save them as float64",
                          array->data_offset + i * width, i % features, i / features, number);
        to[i] = (float)number;
        if (!isfinite(to[i]))
            status = fail(err, WEFT_BAD_INPUT, (where){.file = path},
                          "byte %zu: number %zu of sample %zu is %g; samples must be finite as float32",
                          array->data_offset + i * width, i % features, i / features, number);
    }
    if (!in_place) {
        bytes_free(status == WEFT_OK ? &array->block : &block);
        if (status == WEFT_OK)
            array->block = block;
    }
    array->data = to;
    return status;
}

/* [n, 28, 28] holds images of one channel: samples of [1, 28, 28]. */
static shape sample_shape(const shape *images)
{
    shape sample = {0};
    if (images->n_dims == 3)
        sample.dims[sample.n_dims++] = 1;
    for (size_t i = 1; i < images->n_dims; i++)
        sample.dims[sample.n_dims++] = images->dims[i];
    return sample;
}

/* Takes the array over. */
static weft_status take_samples(weft_dataset *data, weft_split which, array_file *array, weft_error *err)
{
    data_split *split = &data->split[which];
    const where at = {.file = split->samples_file.path};
    data->blocks[which] = array->block;
    if (array->shape.n_dims < 2)
        return fail(err, WEFT_BAD_INPUT, at,
                    "has %zu dimension%s, images have 2 or more; this looks like a label file: swap it with %s",
                    array->shape.n_dims, array->shape.n_dims == 1 ? "" : "s", split->labels_file.path);

    shape sample = sample_shape(&array->shape);
    char here[128], there[128];
    if (which != WEFT_TRAIN && !shape_equal(&sample, &data->sample))
        return fail(err, WEFT_BAD_INPUT, at, "shape mismatch: samples are %s, and those of %s are %s; they must agree",
                    shape_print(&sample, here), data->split[WEFT_TRAIN].samples_file.path,
                    shape_print(&data->sample, there));
    if (which != WEFT_TRAIN && array->type != data->disk_type)
        return fail(err, WEFT_BAD_INPUT, at, "type mismatch: samples are %s, and those of %s are %s; they must agree",
                    dtype_name(array->type), data->split[WEFT_TRAIN].samples_file.path, dtype_name(data->disk_type));
    data->sample = sample;
    data->features = shape_numbers(&sample);
    data->disk_type = array->type;
    data->type = array->type == DTYPE_U8 ? DTYPE_U8 : DTYPE_F32;
    split->n = array->shape.dims[0];

    weft_status status = array->type == DTYPE_U8 ? WEFT_OK : to_float(split->samples_file.path, array, data->features, err);
    data->blocks[which] = array->block;
    split->samples = array->data;
    return status;
}

/* ---- What they should give ---- */

static bool is_real(dtype type) { return type == DTYPE_F32 || type == DTYPE_F64; }

static weft_status take_classes(weft_dataset *data, data_split *split, dtype type, const void *numbers, weft_error *err)
{
    int32_t *labels = arena_array(&data->memory, split->n, sizeof *labels);
    if (!labels)
        return fail_memory(err);
    for (size_t i = 0; i < split->n; i++) {
        const double label = number_at(type, numbers, i);
        if (fabs(label) > INT32_MAX)
            return fail(err, WEFT_BAD_INPUT, (where){.file = split->labels_file.path}, "label %zu is %.0f; classes are numbered from 0", i, label);
        labels[i] = (int32_t)label;
    }
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

/* The task of the data set and the number of targets are those of the training split. */
static weft_status take_targets(weft_dataset *data, weft_split which, const array_file *file, weft_error *err)
{
    const shape *array = &file->shape;
    const dtype type = file->type;
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
    return (task == WEFT_CLASSIFICATION ? take_classes : take_numbers)(data, split, type, file->data, err);
}

weft_status data_read_split(weft_dataset *data, weft_split which, array_reader *read, weft_error *err)
{
    data_split *split = &data->split[which];
    const file_rules rules = data_rules(data);
    array_file array;
    TRY(read(split->samples_file.path, &rules, &array, err));
    TRY(take_samples(data, which, &array, err));
    TRY(read(split->labels_file.path, &rules, &array, err));
    weft_status status = take_targets(data, which, &array, err);
    bytes_free(&array.block);
    return status;
}
