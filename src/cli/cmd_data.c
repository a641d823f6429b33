/* weft data: what a data set is, and what it looks like. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static const char *const split_names[WEFT_N_SPLITS] = {[WEFT_TRAIN] = "train", [WEFT_TEST] = "test"};

/* ---- data info ---- */

static const option_spec info_options[] = {OPTION_ALLOW_TRAILING, OPTION_JSON, OPTION_HELP, {0}};

static const char *verdict(const data_file *f)
{
    if (!f->published)
        return "no published sum is known";
    return strcmp(f->sha256, f->published) == 0 ? "as published" : "NOT the published file";
}

static void print_file(const data_file *f) { printf("  %s  %s\n      %s\n", f->sha256, verdict(f), f->path); }

static void print_classes(const weft_dataset *d, size_t *counts[WEFT_N_SPLITS])
{
    printf("\n%5s  %-14s  %8s  %8s\n", "class", "name", "train", "test");
    for (size_t c = 0; c < d->n_classes; c++)
        printf("%5zu  %-14s  %8zu  %8zu\n", c, d->class_names[c], counts[WEFT_TRAIN][c], counts[WEFT_TEST][c]);
}

/* Ranges of numbers; of labels, how many samples have them. */
static void print_targets(const weft_dataset *d)
{
    const bool labels = d->task == WEFT_MULTI_LABEL;
    printf("\n%6s  %-29s  test\n", labels ? "label" : "number", labels ? "train: samples that have it" : "train: range, mean");
    for (size_t t = 0; t < d->n_targets; t++) {
        text line = {0};
        for (int s = 0; s < WEFT_N_SPLITS; s++) {
            double min, max, mean;
            char cell[80];
            data_target_range(d, (weft_split)s, t, &min, &max, &mean);
            if (labels)
                snprintf(cell, sizeof cell, "%.0f (%.1f %%)", mean * (double)d->split[s].n, 100 * mean);
            else
                snprintf(cell, sizeof cell, "%g to %g, %g", min, max, mean);
            text_printf(&line, s + 1 < WEFT_N_SPLITS ? "  %-29s" : "  %s", cell);
        }
        printf("%6zu", t);
        text_add(&line, "\n");
        show_text(&line);
    }
}

static int print_info(const weft_dataset *d, size_t *counts[WEFT_N_SPLITS])
{
    char dims[128];
    printf("%s%s%s%s\n", d->name, d->title ? " (" : "", d->title ? d->title : "", d->title ? ")" : "");
    for (int s = 0; s < WEFT_N_SPLITS; s++) {
        double min, max;
        shape all = d->sample;
        memmove(all.dims + 1, all.dims, all.n_dims * sizeof *all.dims);
        all.dims[0] = d->split[s].n;
        all.n_dims++;
        data_range(d, (weft_split)s, &min, &max);
        printf("  %-5s  %s %s, values %g to %g\n", split_names[s], shape_print(&all, dims), dtype_name(d->disk_type), min, max);
    }
    if (d->task == WEFT_CLASSIFICATION)
        print_classes(d, counts);
    else
        print_targets(d);
    printf("\nfiles, SHA-256\n");
    for (int s = 0; s < WEFT_N_SPLITS; s++) {
        print_file(&d->split[s].samples_file);
        print_file(&d->split[s].labels_file);
    }
    if (d->task == WEFT_CLASSIFICATION)
        printf("\nnext: weft data show %s%s -o grid.png\n", d->name, trailing_option(d->options.allow_trailing));
    return EXIT_DONE;
}

static json_t *file_json(const data_file *f)
{
    return json_pack("{s:s, s:s, s:b}", "path", f->path, "sha256", f->sha256, "published",
                     f->published && strcmp(f->published, f->sha256) == 0);
}

/* [{min, max, mean}] of a split's targets. */
static json_t *targets_json(const weft_dataset *d, weft_split split)
{
    json_t *list = json_array();
    for (size_t t = 0; t < d->n_targets; t++) {
        double min, max, mean;
        data_target_range(d, split, t, &min, &max, &mean);
        json_array_append_new(list, json_pack("{s:f, s:f, s:f}", "min", min, "max", max, "mean", mean));
    }
    return list;
}

static int print_info_json(const weft_dataset *d, size_t *counts[WEFT_N_SPLITS])
{
    json_begin();
    json_t *all = json_object(), *names = json_array(), *sample = json_array();
    for (size_t i = 0; i < d->sample.n_dims; i++)
        json_array_append_new(sample, json_integer((json_int_t)d->sample.dims[i]));
    for (size_t c = 0; c < d->n_classes; c++)
        json_array_append_new(names, json_string(d->class_names[c]));
    json_object_set_new(all, "name", json_string(d->name));
    json_object_set_new(all, "dtype", json_string(dtype_name(d->disk_type)));
    json_object_set_new(all, "sample", sample);
    json_object_set_new(all, "task", json_string(known_tasks[d->task].name));
    json_object_set_new(all, "classes", names);
    for (int s = 0; s < WEFT_N_SPLITS; s++) {
        double min, max;
        json_t *per_class = json_array();
        for (size_t c = 0; c < d->n_classes; c++)
            json_array_append_new(per_class, json_integer((json_int_t)counts[s][c]));
        data_range(d, (weft_split)s, &min, &max);
        json_object_set_new(all, split_names[s],
                            json_pack("{s:I, s:f, s:f, s:o, s:o, s:[o,o]}", "n", (json_int_t)d->split[s].n, "min", min, "max", max, "counts",
                                      per_class, "targets", targets_json(d, (weft_split)s), "files", file_json(&d->split[s].samples_file),
                                      file_json(&d->split[s].labels_file)));
    }
    return print_built(all, JSON_INDENT(1));
}

static int info(args *a)
{
    weft_error err = {0};
    weft_dataset *d = open_data(a->words[0], a->allow_trailing, &err);
    if (!d)
        return complain(&err);
    int code = EXIT_DONE;
    size_t *counts[WEFT_N_SPLITS];
    for (int s = 0; s < WEFT_N_SPLITS; s++)
        if ((counts[s] = arena_array(&a->memory, MAX(d->n_classes, 1), sizeof *counts[s])))
            data_class_counts(d, (weft_split)s, counts[s]);
    if (!counts[WEFT_TRAIN] || !counts[WEFT_TEST])
        fail_memory(&err);
    else
        data_checksums(d, &err);
    if (err.count)
        code = complain(&err);
    else
        code = (a->json ? print_info_json : print_info)(d, counts);
    weft_dataset_close(d);
    return code;
}

static const command data_info = {
    .name = "info",
    .words = "NAME|PATH",
    .help = "shapes, dtype, range, classes and counts (or ranges of what is to be learned), checksums",
    .examples = "  weft data info fashion-mnist\n  weft data info ./my-images --json\n",
    .min_words = 1,
    .max_words = 1,
    .options = info_options,
    .run = info,
};

/* ---- data show ---- */

static const option_spec show_options[] = {
    {'o', "output", "FILE", "the picture, .png or .svg; default: grid.png", OPTION_PATH, offsetof(args, output), 0, 0},
    {0, "per-class", "N", "samples of each class; default: 10", OPTION_NUMBER, offsetof(args, per_class), 1, 100},
    {0, "split", "train|test", "from which part; default: train", OPTION_TEXT, offsetof(args, split), 0, 0},
    OPTION_SEED,
    OPTION_ALLOW_TRAILING,
    OPTION_HELP,
    {0},
};

/* Pixels of the picked samples between 0 and 1, over the range that the split has. */
static void fill_pixels(const weft_dataset *d, weft_split split, const size_t *index, size_t n, float *pixels)
{
    double min, max;
    data_range(d, split, &min, &max);
    const float low = (float)MIN(min, 0.0), range = (float)(max > low ? max - low : 1);
    for (size_t i = 0; i < n; i++) {
        float *p = pixels + i * d->features;
        if (index[i] == SIZE_MAX) {
            p[0] = NAN;
            continue;
        }
        weft_dataset_read(d, split, index[i], 1, 1, p);
        for (size_t k = 0; k < d->features; k++)
            p[k] = (p[k] - low) / range;
    }
}

static weft_status show_grid(args *a, const weft_dataset *d, weft_split split, const char *path, weft_error *err)
{
    const size_t per_class = a->per_class ? (size_t)a->per_class : 10, n = per_class * d->n_classes;
    const bool image = d->sample.n_dims == 3 && d->sample.dims[0] == 1;
    if (!image)
        return fail(err, WEFT_BAD_INPUT, (where){d->name, 0, 0}, "its samples are not grey images of two dimensions");
    size_t *index = arena_array(&a->memory, n, sizeof *index);
    float *pixels = arena_array(&a->memory, n * d->features, sizeof *pixels);
    char *title = arena_printf(&a->memory, "%s, %s", d->title ? d->title : d->name, split_names[split]);
    if (!index || !pixels || !title)
        return fail_memory(err);
    TRY(data_pick(d, split, per_class, a->seed, index, err));
    fill_pixels(d, split, index, n, pixels);
    return report_grid(&(image_grid){d->n_classes, per_class, d->sample.dims[1], d->sample.dims[2], pixels, d->class_names, title}, path, err);
}

static int show(args *a)
{
    weft_error err = {0};
    weft_split split;
    if (!choose_split(a, WEFT_TRAIN, &split))
        return EXIT_USAGE;
    const char *path = a->output ? a->output : "grid.png";
    weft_dataset *d = open_data(a->words[0], a->allow_trailing, &err);
    const bool good = d && show_grid(a, d, split, path, &err) == WEFT_OK;
    weft_dataset_close(d);
    if (!good)
        return complain(&err);
    printf("wrote %s\n", path);
    return EXIT_DONE;
}

static const command data_show = {
    .name = "show",
    .words = "NAME|PATH",
    .help = "draw samples in a grid, a row a class",
    .examples = "  weft data show fashion-mnist -o grid.png\n  weft data show fashion-mnist --split test --per-class 20 --seed 7 -o grid.svg\n",
    .min_words = 1,
    .max_words = 1,
    .options = show_options,
    .run = show,
};

static const command *const data_commands[] = {&data_info, &data_show, NULL};

const command cmd_data = {
    .name = "data",
    .help = "what a data set is, and what it looks like",
    .examples = "  weft data info fashion-mnist\n  weft data show fashion-mnist -o grid.png\n",
    .commands = data_commands,
};
