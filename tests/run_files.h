/* What tests of records and reports share: a folder of their own, and runs to write about. */
#ifndef RUN_FILES_H
#define RUN_FILES_H

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "record/record.h"

static char folder[] = "/tmp/weft-report-XXXXXX";
static arena memory; /* of all tests */

static inline const char *in_folder(const char *name)
{
    return path_join(&memory, folder, name);
}

static inline char *content_of(const char *path, size_t *size)
{
    bytes b = {0};
    weft_error err = {0};
    if (file_read(path, SIZE_MAX / 4, &b, &err) != WEFT_OK)
        fail_msg("%s", err.message);
    char *copy = arena_alloc(&memory, b.size + 1);
    memcpy(copy, b.data, b.size);
    if (size)
        *size = b.size;
    bytes_free(&b);
    return copy;
}

static inline void must(weft_status status, const weft_error *err)
{
    if (status != WEFT_OK)
        fail_msg("status %d: %s", (int)status, err->message);
}

static inline void assert_has(const char *whole, const char *part)
{
    if (!strstr(whole, part))
        fail_msg("'%s' is not in:\n%s", part, whole);
}

static inline void assert_lacks(const char *whole, const char *part)
{
    if (strstr(whole, part))
        fail_msg("'%s' is in:\n%s", part, whole);
}

/* ---- Runs to write about ---- */

/* Lines between the first and the last epoch's values; accuracies in per cent. */
typedef struct course {
    size_t n;
    double train_loss[2], train_acc[2], val_acc[2];
} course;

static inline run_record make_run(const char *name, uint64_t seed, course c)
{
    weft_metrics *m = arena_array(&memory, c.n + 1, sizeof *m);
    for (size_t i = 0; i < c.n; i++) {
        double at = c.n > 1 ? (double)i / (double)(c.n - 1) : 0;
        m[i] = (weft_metrics){.epoch = i + 1,
                              .train_loss = c.train_loss[0] + at * (c.train_loss[1] - c.train_loss[0]),
                              .train_acc = (c.train_acc[0] + at * (c.train_acc[1] - c.train_acc[0])) / 100,
                              .val_loss = 0.4 + 0.1 * at,
                              .val_acc = (c.val_acc[0] + at * (c.val_acc[1] - c.val_acc[0])) / 100,
                              .lr = 0.01,
                              .train_seconds = 1.5,
                              .eval_seconds = 0.5};
    }
    return (run_record){.folder = folder,
                        .title = "A title",
                        .variant = name,
                        .seed = seed,
                        .status = "done",
                        .message = "",
                        .data = "fashion-mnist",
                        .model = "linear 1000, relu, linear 10",
                        .optimizer = "sgd lr=0.01",
                        .schedule = "none",
                        .loss = "cross_entropy",
                        .scale = 255,
                        .batch = 32,
                        .n_epochs_asked = c.n,
                        .n_parameters = 795010,
                        .n_epochs = c.n,
                        .metrics = m};
}

static inline int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static inline int remove_folder(void **state)
{
    (void)state;
    char *command = arena_printf(&memory, "rm -rf '%s'", folder);
    int failed = command ? system(command) : -1;
    arena_deinit(&memory);
    return failed;
}

#endif
