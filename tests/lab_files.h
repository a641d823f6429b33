/* What tests of experiment files share: a folder of their own, and files in it that are opened. */
#ifndef LAB_FILES_H
#define LAB_FILES_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lab/lab.h"

enum { HANGS_AFTER_S = 60, MIB = 1 << 20 };

#define DATA "data: {set: fashion-mnist}\n"
#define MODEL "model: [linear 10]\n"
#define RECIPE "recipes/tutorial.yaml"

static char folder[64], path[128];
static weft_error err;

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/weft-lab-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/e.yaml", folder);
    alarm(HANGS_AFTER_S); /* a hang is a failure */
    return 0;
}

static int remove_one(const char *name, const struct stat *info, int type, struct FTW *walk)
{
    (void)info, (void)type, (void)walk;
    return remove(name);
}

static int remove_folder(void **state)
{
    (void)state;
    alarm(0);
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void write_bytes(const char *name, const void *data, size_t size)
{
    FILE *f = fopen(name, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

/* Opens an experiment with these overrides, a NULL-ended list. */
static experiment *open_bytes(const char *yaml, size_t size, const char *const *overrides)
{
    size_t n = 0;
    while (overrides && overrides[n])
        n++;
    write_bytes(path, yaml, size);
    err = (weft_error){0};
    return experiment_open(path, overrides, n, &err);
}

#define OPEN(yaml, ...) open_bytes(yaml, strlen(yaml), (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static experiment *open_good(experiment *e)
{
    if (!e)
        print_error("%s\n", err.message);
    assert_non_null(e);
    assert_int_equal(err.count, 0);
    return e;
}

#define GOOD(...) open_good(OPEN(__VA_ARGS__))

static inline const run_settings *settings_of(const experiment *e, const char *variant)
{
    for (size_t i = 0; i < e->n_variants; i++)
        if (strcmp(e->variants[i].name, variant) == 0)
            return &e->variants[i].settings;
    assert_string_equal(variant, "one of the variants");
    return NULL;
}

static void assert_says(const char *words)
{
    if (!strstr(err.message, words))
        print_error("wanted: %s\nin:     %s\n", words, err.message);
    assert_non_null(strstr(err.message, words));
}

/* What config.yaml says is the same experiment. */
static inline void assert_reads_back(const run_settings *s)
{
    experiment *again = GOOD(s->config);
    const run_settings *t = &again->variants[0].settings;
    assert_string_equal(s->title, t->title);
    assert_string_equal(s->data.set, t->data.set);
    assert_true(s->data.scale == t->data.scale);
    assert_int_equal(s->data.allow_trailing, t->data.allow_trailing);
    assert_string_equal(s->model_text, t->model_text);
    assert_string_equal(s->loss_text, t->loss_text);
    assert_string_equal(s->optimizer_text, t->optimizer_text);
    assert_int_equal(s->train.epochs, t->train.epochs);
    assert_int_equal(s->train.batch, t->train.batch);
    assert_true(s->train.seed == t->train.seed);
    assert_int_equal(s->train.shuffle, t->train.shuffle);
    assert_int_equal(s->train.log_steps, t->train.log_steps);
    assert_int_equal(s->train.max_steps, t->train.max_steps);
    assert_string_equal(s->train.init ? s->train.init : "", t->train.init ? t->train.init : "");
    const char *settings = strncmp(s->config, "# variant", 9) == 0 ? strchr(s->config, '\n') + 1 : s->config;
    assert_string_equal(settings, t->config);
    experiment_close(again);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_folder, remove_folder)

#endif
