/* Checkpoints that are damaged: every length that a file can be cut to, and every bit of it that can be another. */
#include "data_files.h"

#include "lab/lab.h"

static const char EXPERIMENT[] = "model: [linear 3]\noptimizer: {name: sgd, momentum: 0.9}\ntrain: {epochs: 2, batch: 4, seed: 1}\n";

/* Two epochs of training: the newest checkpoint is of the second one, the previous of the first. */
typedef struct trained {
    experiment *e;
    weft_dataset *data;
    run_settings settings;
    char run[96], newest[160], previous[160];
    bytes whole; /* of the newest */
} trained;

static void train(trained *t)
{
    weft_error err = {0};
    char path[128], set[128];
    snprintf(path, sizeof path, "%s/e.yaml", folder);
    snprintf(set, sizeof set, "data.set=%s", folder);
    snprintf(t->run, sizeof t->run, "%s/run", folder);
    snprintf(t->newest, sizeof t->newest, "%s/checkpoint/state.safetensors", t->run);
    snprintf(t->previous, sizeof t->previous, "%s/checkpoint/previous.safetensors", t->run);
    put_small_set();
    put_in(folder, "e.yaml", EXPERIMENT, sizeof EXPERIMENT - 1);
    t->data = opened(folder);
    t->e = experiment_open(path, (const char *const[]){set}, 1, &err);
    if (!t->e || experiment_settings(t->e, 0, 0, &t->settings, &err) != WEFT_OK ||
        run_train(&t->settings, t->data, &(run_options){.folder = t->run, .threads = 1, .force = true}, NULL, &err) != WEFT_OK)
        fail_msg("%s", err.message);
    assert_int_equal(file_read(t->newest, 1 << 20, &t->whole, NULL), WEFT_OK);
}

static void forget(trained *t)
{
    bytes_free(&t->whole);
    experiment_close(t->e);
    weft_dataset_close(t->data);
}

static void write_newest(const trained *t, const void *data, size_t size)
{
    FILE *file = fopen(t->newest, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static weft_status check(const trained *t)
{
    weft_error err = {0};
    return run_check(&t->settings, t->data, t->run, &err);
}

/* The i-th way to damage a copy of the newest checkpoint; false: there are no more of the kind. */
typedef bool damage(bytes *copy, size_t i);

static bool cut(bytes *copy, size_t i)
{
    const bool any = i < copy->size;
    copy->size = i;
    return any;
}

static bool flip(bytes *copy, size_t i)
{
    const bool any = i / 8 < copy->size;
    if (any)
        copy->data[i / 8] ^= (unsigned char)(1 << i % 8);
    return any;
}

/* One after the other, with what becomes of a run that would go on from it. Returns how many there were. */
static size_t try_all(const trained *t, damage *spoil, weft_status expected)
{
    unsigned char *room = malloc(t->whole.size);
    size_t n = 0;
    for (;; n++) {
        bytes copy = {room, t->whole.size};
        memcpy(room, t->whole.data, t->whole.size);
        if (!spoil(&copy, n))
            break;
        write_newest(t, copy.data, copy.size);
        if (check(t) != expected)
            fail_msg("number %zu: %d, not %d", n, (int)check(t), (int)expected);
    }
    free(room);
    write_newest(t, t->whole.data, t->whole.size);
    assert_int_equal(check(t), WEFT_OK);
    return n;
}

static void every_damaged_checkpoint_is_refused(void **state)
{
    (void)state;
    trained t = {0};
    train(&t);
    assert_int_equal(remove(t.previous), 0);
    assert_int_equal(try_all(&t, cut, WEFT_BAD_INPUT), t.whole.size);
    assert_int_equal(try_all(&t, flip, WEFT_BAD_INPUT), 8 * t.whole.size);
    print_message("# %zu cuts, %zu flipped bits\n", t.whole.size, 8 * t.whole.size);
    forget(&t);
}

static void the_checkpoint_before_a_damaged_one_is_used(void **state)
{
    (void)state;
    trained t = {0};
    train(&t);
    try_all(&t, cut, WEFT_OK);
    try_all(&t, flip, WEFT_OK);
    forget(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_damaged_checkpoint_is_refused, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(the_checkpoint_before_a_damaged_one_is_used, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
