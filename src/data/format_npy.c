/* A folder with four arrays of numpy: x and y, for training and for testing. */
#include "data/data.h"

static const char *const names[WEFT_N_SPLITS][2] = {{"x_train.npy", "y_train.npy"}, {"x_test.npy", "y_test.npy"}};

static bool recognise(const char *folder)
{
    arena a = {0};
    bool found = false;
    for (size_t i = 0; i < 2 * WEFT_N_SPLITS && !found; i++) {
        const char *path = path_join(&a, folder, names[i / 2][i % 2]);
        found = path && file_exists(path);
    }
    arena_deinit(&a);
    return found;
}

static weft_status open_folder(const char *folder, weft_dataset *data, weft_error *err)
{
    weft_status status = WEFT_OK;
    for (size_t i = 0; i < 2 * WEFT_N_SPLITS; i++) {
        data_split *split = &data->split[i / 2];
        data_file *file = i % 2 ? &split->labels_file : &split->samples_file;
        if (!(file->path = path_join(&data->memory, folder, names[i / 2][i % 2])))
            return fail_memory(err);
        if (!file_exists(file->path))
            status = fail(err, WEFT_BAD_INPUT, (where){.file = folder}, "%s is missing; x and y are needed, of train and of test",
                          names[i / 2][i % 2]);
    }
    if (status != WEFT_OK)
        return status;
    TRY(data_read_split(data, WEFT_TRAIN, npy_read, err));
    return data_read_split(data, WEFT_TEST, npy_read, err);
}

const data_format format_npy = {
    .name = "npy",
    .help = "four arrays of numpy (x_train.npy, y_train.npy, x_test.npy, y_test.npy)",
    .recognise = recognise,
    .open = open_folder,
};
