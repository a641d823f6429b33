/* A folder with the four files of MNIST: images and labels, for training and for testing. */
#include "data/data.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
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
        /* where the system cannot tell, opening it will */
        if (length < PATH_MAX && (lstat(path, &info) == 0 || (errno != ENOENT && errno != ENOTDIR)))
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

static weft_status open_folder(const char *folder, weft_dataset *data, weft_error *err)
{
    TRY(find_files(folder, data, err));
    TRY(data_read_split(data, WEFT_TRAIN, idx_read, err));
    return data_read_split(data, WEFT_TEST, idx_read, err);
}

const data_format format_idx = {
    .name = "idx",
    .help = "the four files of MNIST (train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-…), gzipped or plain",
    .recognise = recognise,
    .open = open_folder,
};
