/* Opening data sets, and what can be asked of them. */
#include "data/data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define X(name) extern const data_format format_##name;
#include "gen/format.inc"
#undef X
#define X(name) &format_##name,
static const data_format *const formats[] = {
#include "gen/format.inc"
};
#undef X

/* More classes than any labelled set of samples has: a file that claims more is damaged. */
enum { MAX_CLASSES = 1 << 16 };

weft_status data_limit(size_t *limit_bytes, weft_error *err)
{
    const char *given = getenv("WEFT_MAX_BYTES");
    const uint64_t half = (uint64_t)sysconf(_SC_PHYS_PAGES) / 2 * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t limit = MIN(half, (uint64_t)8 << 30);
    if (given && given[0] && (!parse_u64(given, &limit) || limit == 0 || limit > SIZE_MAX / 2))
        return fail(err, WEFT_BAD_INPUT, (where){.file = "WEFT_MAX_BYTES"},
                    "is \"%s\"; it takes the bytes that a file of a data set may hold, a whole number from 1 to %zu", given, SIZE_MAX / 2);
    *limit_bytes = (size_t)limit;
    return WEFT_OK;
}

weft_status data_fail_limit(weft_error *err, const char *file, size_t limit_bytes)
{
    return fail(err, WEFT_BAD_INPUT, (where){.file = file},
                "holds more than %zu bytes, the limit of a file: 8 GiB, or half of this machine's memory, where the environment's "
                "WEFT_MAX_BYTES sets no other", limit_bytes);
}

weft_status data_read_file(const char *path, size_t limit_bytes, bytes *out, weft_error *err)
{
    struct stat info;
    *out = (bytes){0};
    if (stat(path, &info) == 0 && S_ISREG(info.st_mode) && (uint64_t)info.st_size > limit_bytes)
        return data_fail_limit(err, path, limit_bytes);
    return file_read(path, limit_bytes, out, err);
}

file_rules data_rules(weft_dataset *data)
{
    return (file_rules){data->limit_bytes, data->options.allow_trailing, &data->warnings};
}

/* Data after the end is refused, or passed over with a warning when its size is known. */
static weft_status check_trailing(const unpacked *file, const array_file *array, size_t need, weft_error *err)
{
    where at = {.file = file->name};
    char dims[128];
    shape_print(&array->shape, dims);
    if (!file->rules->allow_trailing)
        return fail(err, WEFT_BAD_INPUT, at,
                    "byte %zu: data after the end: %s of %s takes %zu bytes, and here are %s%zu; fetch the file again, "
                    "mend its header, or have it read up to there with --allow-trailing",
                    need, dims, dtype_name(array->type), need, file->more ? "at least " : "", file->size);
    if (!file->more)
        warn(file->rules->warnings, at,
             "byte %zu: data after the end is passed over: %s of %s takes %zu bytes, and here are %zu", need, dims,
             dtype_name(array->type), need, file->size);
    return WEFT_OK;
}

weft_status data_check_size(const unpacked *file, const array_file *array, size_t need, weft_error *err)
{
    char dims[128];
    if (file->more && need > file->rules->limit_bytes)
        return data_fail_limit(err, file->name, file->rules->limit_bytes);
    if (file->size > need)
        return check_trailing(file, array, need, err);
    if (file->size < need && !file->more)
        return fail(err, WEFT_BAD_INPUT, (where){.file = file->name},
                    "truncated: %s of %s needs %zu bytes, and here are %zu; fetch the file again",
                    shape_print(&array->shape, dims), dtype_name(array->type), need, file->size);
    return WEFT_OK;
}

/* ---- Opening ---- */

static weft_status find_folder(const char *asked, weft_dataset *data, const catalogue_entry **known,
                               const char **folder, weft_error *err)
{
    where at = {.file = asked};
    *known = strchr(asked, '/') ? NULL : catalogue_find(asked);
    if (*known)
        return catalogue_locate(*known, &data->memory, folder, err);
    *folder = asked;
    if (folder_exists(asked))
        return WEFT_OK;
    if (file_exists(asked))
        return fail(err, WEFT_BAD_INPUT, at, "is a file; give the folder that holds the data set's files");
    if (strchr(asked, '/'))
        return fail(err, WEFT_BAD_INPUT, at, "there is no such folder");

    size_t n;
    const catalogue_entry *entries = catalogue(&n);
    return fail_unknown(err, (where){0}, "data set", asked, &entries[0].name, n, sizeof *entries);
}

static weft_status read_folder(const char *folder, weft_dataset *data, weft_error *err)
{
    text known = {0};
    for (size_t i = 0; i < COUNT(formats); i++) {
        if (formats[i]->recognise(folder)) {
            text_free(&known);
            return formats[i]->open(folder, data, err);
        }
        text_printf(&known, "%s%s", i ? "; " : "", formats[i]->help);
    }
    weft_status status = known.failed ? fail_memory(err)
                                      : fail(err, WEFT_BAD_INPUT, (where){.file = folder},
                                             "holds no data set; what is looked for: %s", known.data);
    text_free(&known);
    return status;
}

static weft_status check_labels(const data_split *split, size_t *n_classes, weft_error *err)
{
    for (size_t i = 0; split->labels && i < split->n; i++) {
        int32_t label = split->labels[i];
        if (label < 0 || label >= MAX_CLASSES)
            return fail(err, WEFT_BAD_INPUT, (where){.file = split->labels_file.path},
                        "label %zu is %d; labels count from 0, up to %d", i, (int)label, MAX_CLASSES - 1);
        *n_classes = MAX(*n_classes, (size_t)label + 1);
    }
    return WEFT_OK;
}

/* The names that the catalogue has, then numbers. */
static weft_status name_classes(weft_dataset *data, const catalogue_entry *known, weft_error *err)
{
    const char **names = arena_array(&data->memory, MAX(data->n_classes, 1), sizeof *names);
    char(*numbers)[24] = arena_array(&data->memory, MAX(data->n_classes, 1), sizeof *numbers);
    if (!names || !numbers)
        return fail_memory(err);
    for (size_t i = 0; i < data->n_classes; i++) {
        snprintf(numbers[i], sizeof numbers[i], "%zu", i);
        names[i] = known && i < known->n_classes ? known->class_names[i] : numbers[i];
    }
    data->class_names = names;
    return WEFT_OK;
}

/* A class that only the test has could never be answered right. */
static weft_status check_unseen(weft_dataset *data, weft_error *err)
{
    size_t *train = arena_array(&data->memory, MAX(data->n_classes, 1), sizeof *train);
    size_t *test = arena_array(&data->memory, MAX(data->n_classes, 1), sizeof *test);
    if (!train || !test)
        return fail_memory(err);
    data_class_counts(data, WEFT_TRAIN, train);
    data_class_counts(data, WEFT_TEST, test);
    for (size_t i = 0; i < data->n_classes; i++)
        if (test[i] && !train[i])
            return fail(err, WEFT_BAD_INPUT, (where){.file = data->split[WEFT_TEST].labels_file.path},
                        "class %zu occurs %zu times in the test labels, and never in training's, %s", i, test[i],
                        data->split[WEFT_TRAIN].labels_file.path);
    return WEFT_OK;
}

static data_file *file_of(data_split *split, size_t which)
{
    return which ? &split->labels_file : &split->samples_file;
}

/* The published sums are those of the gzipped files. */
static const char *published_of(const catalogue_entry *known, weft_split split, size_t which, const char *path)
{
    size_t length = path ? strlen(path) : 0;
    bool gzipped = length > 3 && strcmp(path + length - 3, ".gz") == 0;
    return known && gzipped ? known->sha256[split][which] : NULL;
}

static weft_status open_dataset(const char *asked, weft_dataset *data, weft_error *err)
{
    const catalogue_entry *known;
    const char *folder;
    if (!asked || !asked[0])
        return fail(err, WEFT_BAD_INPUT, (where){0}, "a data set needs a name or a folder");
    TRY(data_limit(&data->limit_bytes, err));
    TRY(find_folder(asked, data, &known, &folder, err));
    TRY(read_folder(folder, data, err));
    data->name = arena_text(&data->memory, asked);
    if (!data->name)
        return fail_memory(err);
    data->title = known ? known->title : NULL;
    data->n_classes = known && data->task == WEFT_CLASSIFICATION ? known->n_classes : 0;
    for (weft_split i = WEFT_TRAIN; i < WEFT_N_SPLITS; i++) {
        TRY(check_labels(&data->split[i], &data->n_classes, err));
        for (size_t j = 0; j < 2; j++)
            file_of(&data->split[i], j)->published = published_of(known, i, j, file_of(&data->split[i], j)->path);
    }
    TRY(name_classes(data, known, err));
    TRY(check_unseen(data, err));
    return data->warnings.failed ? fail_memory(err) : WEFT_OK;
}

weft_dataset *weft_dataset_open(const char *name_or_path, weft_error *err)
{
    return weft_dataset_open_with(name_or_path, NULL, err);
}

weft_dataset *weft_dataset_open_with(const char *name_or_path, const weft_dataset_options *options, weft_error *err)
{
    weft_dataset *data = calloc(1, sizeof *data);
    if (!data) {
        fail_memory(err);
        return NULL;
    }
    if (options)
        data->options = *options;
    if (open_dataset(name_or_path, data, err) == WEFT_OK)
        return data;
    weft_dataset_close(data);
    return NULL;
}

void weft_dataset_close(weft_dataset *data)
{
    if (!data)
        return;
    for (size_t i = 0; i < COUNT(data->blocks); i++)
        bytes_free(&data->blocks[i]);
    text_free(&data->warnings);
    arena_deinit(&data->memory);
    free(data);
}

/* ---- Asking ---- */

const char *weft_dataset_warnings(const weft_dataset *data)
{
    return data->warnings.length ? data->warnings.data : "";
}

size_t weft_dataset_size(const weft_dataset *data, weft_split split)
{
    return data->split[split].n;
}

size_t weft_dataset_features(const weft_dataset *data)
{
    return data->features;
}

size_t weft_dataset_classes(const weft_dataset *data)
{
    return data->n_classes;
}

const char *weft_dataset_class_name(const weft_dataset *data, size_t class_index)
{
    return class_index < data->n_classes ? data->class_names[class_index] : NULL;
}

const int32_t *weft_dataset_labels(const weft_dataset *data, weft_split split)
{
    return data->split[split].labels;
}

weft_task weft_dataset_task(const weft_dataset *data)
{
    return data->task;
}

size_t weft_dataset_n_targets(const weft_dataset *data)
{
    return data->n_targets;
}

const float *weft_dataset_targets(const weft_dataset *data, weft_split split)
{
    return data->split[split].targets;
}

void weft_dataset_read(const weft_dataset *data, weft_split split, size_t first, size_t n, double scale, float *x)
{
    float divisor = scale == 0 ? 1 : (float)scale;
    size_t begin = first * data->features, n_numbers = n * data->features;
    if (data->type == DTYPE_U8) {
        const uint8_t *from = (const uint8_t *)data->split[split].samples + begin;
        for (size_t i = 0; i < n_numbers; i++)
            x[i] = (float)from[i] / divisor;
    } else {
        const float *from = (const float *)data->split[split].samples + begin;
        for (size_t i = 0; i < n_numbers; i++)
            x[i] = from[i] / divisor;
    }
}

void data_range(const weft_dataset *data, weft_split split, double *min, double *max)
{
    size_t n = data->split[split].n * data->features;
    if (data->type == DTYPE_U8) {
        const uint8_t *x = data->split[split].samples;
        uint8_t low = x[0], high = x[0];
        for (size_t i = 1; i < n; i++) {
            low = MIN(low, x[i]);
            high = MAX(high, x[i]);
        }
        *min = low;
        *max = high;
    } else {
        const float *x = data->split[split].samples;
        float low = x[0], high = x[0];
        for (size_t i = 1; i < n; i++) {
            low = MIN(low, x[i]);
            high = MAX(high, x[i]);
        }
        *min = (double)low;
        *max = (double)high;
    }
}

void data_target_range(const weft_dataset *data, weft_split split, size_t t, double *min, double *max, double *mean)
{
    const data_split *s = &data->split[split];
    *min = INFINITY;
    *max = -INFINITY;
    *mean = 0;
    for (size_t i = 0; i < s->n; i++) {
        const double number = (double)s->targets[i * data->n_targets + t];
        *min = MIN(*min, number);
        *max = MAX(*max, number);
        *mean += number / (double)s->n;
    }
}

void data_class_counts(const weft_dataset *data, weft_split split, size_t *counts)
{
    memset(counts, 0, data->n_classes * sizeof *counts);
    for (size_t i = 0; data->split[split].labels && i < data->split[split].n; i++)
        counts[data->split[split].labels[i]]++;
}

void data_fingerprint(const weft_dataset *data, char hex[33])
{
    XXH128_canonical_t parts[1 + 2 * WEFT_N_SPLITS], whole;
    uint64_t form[3 + MAX_DIMS] = {data->type, data->sample.n_dims, data->split[WEFT_TRAIN].n};
    for (size_t i = 0; i < data->sample.n_dims; i++)
        form[3 + i] = data->sample.dims[i];
    XXH128_canonicalFromHash(&parts[0], XXH3_128bits(form, sizeof form));
    for (size_t i = 0; i < WEFT_N_SPLITS; i++) {
        const data_split *split = &data->split[i];
        size_t n_bytes = split->n * data->features * dtype_bytes(data->type);
        XXH128_canonicalFromHash(&parts[1 + 2 * i], XXH3_128bits(split->samples, n_bytes));
        const void *targets = split->labels ? (const void *)split->labels : split->targets;
        const size_t n_target_bytes = split->labels ? split->n * sizeof *split->labels : split->n * data->n_targets * sizeof *split->targets;
        XXH128_canonicalFromHash(&parts[2 + 2 * i], XXH3_128bits(targets, n_target_bytes));
    }
    XXH128_canonicalFromHash(&whole, XXH3_128bits(parts, sizeof parts));
    for (size_t i = 0; i < sizeof whole.digest; i++)
        snprintf(hex + 2 * i, 3, "%02x", whole.digest[i]);
}

weft_status data_checksums(weft_dataset *data, weft_error *err)
{
    for (size_t i = 0; i < 2 * WEFT_N_SPLITS; i++) {
        data_file *file = file_of(&data->split[i / 2], i % 2);
        bytes content;
        TRY(data_read_file(file->path, data->limit_bytes, &content, err));
        sha256_hex(content.data, content.size, file->sha256);
        bytes_free(&content);
    }
    return WEFT_OK;
}

/* Walks the split in a random order and takes what is still wanted. */
weft_status data_pick(const weft_dataset *data, weft_split split, size_t per_class, uint64_t seed, size_t *index,
                      weft_error *err)
{
    if (data->task != WEFT_CLASSIFICATION)
        return fail(err, WEFT_BAD_INPUT, (where){.file = data->name}, "its samples have no classes to choose them by");
    size_t *taken = calloc(data->n_classes, sizeof *taken);
    if (!taken)
        return fail_memory(err);
    for (size_t i = 0; i < data->n_classes * per_class; i++)
        index[i] = SIZE_MAX;
    const data_split *from = &data->split[split];
    permutation order = permutation_make(from->n, seed, RNG_SHOW, (uint32_t)split);
    for (size_t i = 0, n_left = data->n_classes * per_class; i < from->n && n_left > 0; i++) {
        size_t sample = permutation_at(&order, i);
        size_t class = (size_t)from->labels[sample];
        if (taken[class] < per_class) {
            index[class * per_class + taken[class]++] = sample;
            n_left--;
        }
    }
    free(taken);
    return WEFT_OK;
}
