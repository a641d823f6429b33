/* Checkpoints of a run: what may be resumed and what not, also where only the one before the newest is whole. The first byte says which run it
 * is, of a few, and whether the newest one's digest is put right; behind it the file begins. */
#include "fuzz/fuzz.h"
#include "lab/lab.h"

#include <string.h>

enum { SAMPLES = 6, FEATURES = 3, CLASSES = 2, MEND_NEWEST = 0x80 };

static const char *const experiments[] = {
    "data: {set: fashion-mnist}\nmodel: [linear 2]\ntrain: {batch: 2}\n",
    "data: {set: fashion-mnist}\nmodel: [linear 2, batch_norm, prelu, linear 2]\noptimizer: adam\nschedule: reduce_lr_on_plateau\n"
    "train: {batch: 2, average: ema, early_stopping: {patience: 2}}\n",
    "data: {set: fashion-mnist}\nmodel: [linear 2, tanh, linear 2]\noptimizer: lbfgs history_size=2\ntrain: {batch: full}\n",
};

static const weft_dataset *points(void)
{
    static const float samples[SAMPLES][FEATURES] = {{0, 1, 2}, {1, 0, 1}, {2, 2, 0}, {0, 0, 1}, {1, 2, 1}, {2, 1, 0}};
    static const int32_t labels[SAMPLES] = {0, 1, 1, 0, 1, 0};
    static const char *const names[CLASSES] = {"even", "odd"};
    static const weft_dataset data = {
        .name = "points", .sample = {1, {FEATURES}}, .disk_type = DTYPE_F32, .type = DTYPE_F32, .task = WEFT_CLASSIFICATION, .features = FEATURES,
        .n_classes = CLASSES, .class_names = names,
        .split = {{.n = SAMPLES, .samples = samples, .labels = labels}, {.n = SAMPLES, .samples = samples, .labels = labels}}};
    return &data;
}

static const run_settings *settings_of(size_t which)
{
    static run_settings all[COUNT(experiments)];
    static experiment *open[COUNT(experiments)];
    weft_error err = {0};
    if (!open[which]) {
        memory_file_put("points.yaml", experiments[which], strlen(experiments[which]));
        CHECK((open[which] = experiment_open("points.yaml", NULL, 0, &err)));
        CHECK(experiment_settings(open[which], 0, 0, &all[which], &err) == WEFT_OK);
    }
    return &all[which];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char newest[] = "points/checkpoint/state.safetensors", previous[] = "points/checkpoint/previous.safetensors";
    weft_error err = {0};
    if (size == 0)
        return 0;
    const run_settings *settings = settings_of(data[0] % COUNT(experiments));
    memory_file_put(newest, data + 1, size - 1);
    memory_file_put(previous, data + 1, size - 1);
    mend_digest(memory_file(previous)->data, size - 1);
    if (data[0] & MEND_NEWEST)
        mend_digest(memory_file(newest)->data, size - 1);
    refusal_begin();
    const weft_status status = run_check(settings, points(), "points", &err);
    refusal_end(status, &err, size);
    return 0;
}
