/* A folder with the four files of MNIST: images and labels, for training and for testing. */
#include "data/data.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *const stems[WEFT_N_SPLITS][2] = {{"train-images", "train-labels"}, {"t10k-images", "t10k-labels"}};
/* The content tells what a file holds; names are those that the usual content has. */
static const char *const endings[2][6] = {{"idx3-ubyte", "idx4-ubyte", "idx2-ubyte", "idx2-float", "idx2-double"},
                                          {"idx1-ubyte", "idx2-ubyte", "idx1-float", "idx2-float", "idx1-double", "idx2-double"}};
static const char *const spellings[][2] = {{"-", ""}, {"-", ".gz"}, {".", ""}, {".", ".gz"}};

/* Writes the path of the first spelling that is there. So is a broken link, and a FIFO: reading will say what is wrong.
 */
static bool find_file(const char *folder, size_t split, size_t which, char path[PATH_MAX])
{
    for (size_t i = 0; i < COUNT(endings[which]) * COUNT(spellings); i++) {
        struct stat info;
        const char *ending = endings[which][i / COUNT(spellings)], *const *spelling = spellings[i % COUNT(spellings)];
        if (!ending)
            break;
        int length = snprintf(path, PATH_MAX, "%s/%s%s%s%s", folder, stems[split][which], spelling[0], ending, spelling[1]);
        if (length < PATH_MAX && lstat(path, &info) == 0)
            return true;
    }
    return false;
}

static bool recognise(const char *folder)
{
    char path[PATH_MAX];
    bool found = false;
    for (size_t i = 0; i < 2 * WEFT_N_SPLITS; i++)
        found = found || find_file(folder, i / 2, i % 2, path);
    return found;
}

static weft_status find_files(const char *folder, weft_dataset *data, weft_error *err)
{
    char path[PATH_MAX];
    weft_status status = WEFT_OK;
    for (size_t i = 0; i < 2 * WEFT_N_SPLITS; i++) {
        data_split *split = &data->split[i / 2];
        data_file *file = i % 2 ? &split->labels_file : &split->samples_file;
        if (!find_file(folder, i / 2, i % 2, path))
            status = fail(err, WEFT_BAD_INPUT, (where){.file = folder},
                          "%s-%s is missing, with or without .gz; images and labels are needed, of train and of t10k",
                          stems[i / 2][i % 2], endings[i % 2][0]);
        else if (!(file->path = arena_text(&data->memory, path)))
            return fail_memory(err);
    }
    return status;
}

/* Everything but uint8 becomes float32, in a block of its own. */
static weft_status to_float(const char *path, idx *array, size_t features, weft_error *err)
{
    size_t n = shape_numbers(&array->shape), width = dtype_bytes(array->type);
    bytes block = array->block;
    float *to = (float *)(block.data + array->data_offset); /* a multiple of 4 */
    if (array->type != DTYPE_F32) {
        block = (bytes){malloc(n * sizeof *to), n * sizeof *to};
        if (!block.data)
            return fail_memory(err);
        to = (float *)block.data;
    }
    weft_status status = WEFT_OK;
    for (size_t i = 0; i < n && status == WEFT_OK; i++) {
        double number = number_at(array->type, array->data, i);
        to[i] = (float)number;
        if (!isfinite(to[i]))
            status = fail(err, WEFT_BAD_INPUT, (where){.file = path},
                          "byte %zu: number %zu of sample %zu is %g; samples must be finite as float32",
                          array->data_offset + i * width, i % features, i / features, number);
    }
    if (array->type != DTYPE_F32) {
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

static weft_status read_samples(weft_dataset *data, weft_split which, weft_error *err)
{
    data_split *split = &data->split[which];
    const char *path = split->samples_file.path;
    where at = {.file = path};
    const file_rules rules = data_rules(data);
    idx array;
    TRY(idx_read(path, &rules, &array, err));
    data->blocks[which] = array.block;
    if (array.shape.n_dims < 2)
        return fail(err, WEFT_BAD_INPUT, at,
                    "has 1 dimension, images have 2 or more; this looks like a label file: swap it with %s",
                    split->labels_file.path);

    shape sample = sample_shape(&array.shape);
    char here[128], there[128];
    if (which != WEFT_TRAIN && !shape_equal(&sample, &data->sample))
        return fail(err, WEFT_BAD_INPUT, at, "shape mismatch: samples are %s, and those of %s are %s; they must agree",
                    shape_print(&sample, here), data->split[WEFT_TRAIN].samples_file.path,
                    shape_print(&data->sample, there));
    if (which != WEFT_TRAIN && array.type != data->disk_type)
        return fail(err, WEFT_BAD_INPUT, at, "type mismatch: samples are %s, and those of %s are %s; they must agree",
                    dtype_name(array.type), data->split[WEFT_TRAIN].samples_file.path, dtype_name(data->disk_type));
    data->sample = sample;
    data->features = shape_numbers(&sample);
    data->disk_type = array.type;
    data->type = array.type == DTYPE_U8 ? DTYPE_U8 : DTYPE_F32;
    split->n = array.shape.dims[0];

    weft_status status = array.type == DTYPE_U8 ? WEFT_OK : to_float(path, &array, data->features, err);
    data->blocks[which] = array.block;
    split->samples = array.data;
    return status;
}

static weft_status read_labels(weft_dataset *data, weft_split which, weft_error *err)
{
    data_split *split = &data->split[which];
    const file_rules rules = data_rules(data);
    idx array;
    TRY(idx_read(split->labels_file.path, &rules, &array, err));
    weft_status status = data_take_targets(data, which, array.type, &array.shape, array.data, err);
    bytes_free(&array.block);
    return status;
}

static weft_status open_folder(const char *folder, weft_dataset *data, weft_error *err)
{
    TRY(find_files(folder, data, err));
    for (weft_split which = WEFT_TRAIN; which < WEFT_N_SPLITS; which++) {
        TRY(read_samples(data, which, err));
        TRY(read_labels(data, which, err));
    }
    return WEFT_OK;
}

const data_format format_idx = {
    .name = "idx",
    .help = "the four files of MNIST (train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-…), gzipped or plain",
    .recognise = recognise,
    .open = open_folder,
};
