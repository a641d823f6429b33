/* What a machine allows, on one that is made up, and the networks that are measured. No test here looks at a time. */
#include "test.h"

#include <math.h>
#include <string.h>

#include "measure/inside.h"

/* 10 FLOPs a second; 100 bytes at 50 a second, 1000 at 20, the rest at 5, for writing half of that; two threads have twice as much of all but
 * what they share. */
static const machine made_up = {
    .n_teams = 2,
    .threads = {1, 2},
    .peak = {10, 20},
    .n_levels = 3,
    .levels = {{"L1", 100, false, 0, {50, 100}, {25, 50}}, {"L2", 1000, true, 0, {20, 40}, {10, 20}}, {"memory", INFINITY, true, 0, {5, 5}, {2.5, 2.5}}},
};

static void assert_near(double value, double expected)
{
    if (fabs(value - expected) > 1e-9 * fabs(expected))
        fail_msg("%.12g is not %.12g", value, expected);
}

static void data_lives_in_the_nearest_level_that_holds_it(void **unused)
{
    (void)unused;
    assert_string_equal(machine_level(&made_up, 0, 100)->name, "L1");
    assert_string_equal(machine_level(&made_up, 0, 101)->name, "L2");
    assert_string_equal(machine_level(&made_up, 1, 101)->name, "L1");
    assert_string_equal(machine_level(&made_up, 1, 1001)->name, "memory");
}

static void bytes_come_from_where_they_live(void **unused)
{
    (void)unused;
    assert_near(machine_traffic_seconds(&made_up, 0, &(step_cost){.read_bytes = 100, .resident_bytes = 100}), 2);
    assert_near(machine_traffic_seconds(&made_up, 1, &(step_cost){.read_bytes = 100, .resident_bytes = 100}), 1);
    assert_near(machine_traffic_seconds(&made_up, 0, &(step_cost){.read_bytes = 50, .moved_bytes = 100, .resident_bytes = 100}), 1 + 4);
}

static void what_a_level_cannot_hold_comes_from_the_next(void **unused)
{
    (void)unused;
    const double l1 = 100 / 50., l2 = 900 / 20., memory = 1000 / 5.;
    assert_near(machine_traffic_seconds(&made_up, 0, &(step_cost){.read_bytes = 2000, .resident_bytes = 2000}), l1 + l2 + memory);
}

static void the_longer_of_arithmetic_and_traffic_is_the_limit(void **unused)
{
    (void)unused;
    figure f = machine_judge(&made_up, 0, &(step_cost){.flops = 30, .read_bytes = 100, .resident_bytes = 100}, 6);
    assert_string_equal(f.limit, "FMA");
    assert_near(f.limit_seconds, 3);
    f = machine_judge(&made_up, 1, &(step_cost){.flops = 30, .read_bytes = 300, .resident_bytes = 100}, 6);
    assert_string_equal(f.limit, "L1");
    assert_near(f.limit_seconds, 3);
}

static void what_goes_faster_than_the_limit_moves_it(void **unused)
{
    (void)unused;
    const figure f = machine_judge(&made_up, 0, &(step_cost){.flops = 30}, 2);
    assert_near(f.limit_seconds, 2);
    assert_near(f.seconds, 2);
}

/* ---- Rounds ---- */

typedef struct counted {
    size_t *calls, *next;
} counted;

static void count(const void *self, size_t first, size_t times, int thread, int n_threads)
{
    const counted *c = self;
    assert_int_equal(n_threads, 1);
    assert_int_equal(thread, 0);
    assert_int_equal(first, *c->next); /* a sweep goes on where it was */
    *c->next += times;
    ++*c->calls;
}

static void rounds_go_on_from_each_other_and_grow(void **unused)
{
    (void)unused;
    size_t calls = 0, next = 0;
    pool *alone = pool_create(1, NULL);
    assert_non_null(alone);
    const double best = best_seconds(&(timed){count, &(counted){&calls, &next}, 5}, alone, 1e-3);
    pool_free(alone);
    assert_true(best > 0 && isfinite(best));
    assert_true(calls >= 8); /* 5 to warm up, 3 that count */
    assert_true(next > calls);
}

/* ---- Networks and optimizers ---- */

static void every_optimizer_is_measured_with_each_number_of_states_once(void **unused)
{
    (void)unused;
    isa level;
    arena a = {0};
    weft_error err = {0};
    assert_true(isa_choose(&level, &err));
    const char *const *specs = optimizer_specs(level, &a, &err);
    assert_non_null(specs);
    for (const optim *const *o = optim_table(level); *o; o++) {
        size_t n = 0;
        for (size_t i = 0; specs[i]; i++) {
            const size_t length = strlen((*o)->name);
            n += strncmp(specs[i], (*o)->name, length) == 0 && (specs[i][length] == 0 || specs[i][length] == ' ');
        }
        if ((*o)->update ? n < 1 || n > MAX_STATES + 1 : n > 0)
            fail_msg("%s is measured %zu times", (*o)->name, n);
    }
    arena_deinit(&a);
}

static void a_subject_has_samples_of_all_values_and_classes(void **unused)
{
    (void)unused;
    subject s;
    weft_error err = {0};
    enum { SAMPLES = 100, FEATURES = 100, CLASSES = 7 };
    if (subject_open(&s, &(network){FEATURES, "linear 7", 32, NULL, NULL, 0}, "sgd", SAMPLES, &err) != WEFT_OK)
        fail_msg("%s", err.message);
    size_t values[256] = {0}, classes[CLASSES] = {0};
    for (size_t i = 0; i < SAMPLES * FEATURES; i++)
        values[((const uint8_t *)s.batch.samples)[i]]++;
    for (size_t i = 0; i < SAMPLES; i++) {
        assert_in_range(s.batch.labels[i], 0, CLASSES - 1);
        classes[s.batch.labels[i]]++;
    }
    for (size_t i = 0; i < 256; i++)
        assert_true(values[i] > 0);
    for (size_t i = 0; i < CLASSES; i++)
        assert_true(classes[i] > 0);
    plan *p = subject_plan(&s, PLAN_TRAIN, subject_still_optimizer(&s), &err);
    assert_non_null(p);
    assert_true(isfinite(plan_mean_loss(p)));
    plan_free(p);
    subject_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_lives_in_the_nearest_level_that_holds_it),
        cmocka_unit_test(bytes_come_from_where_they_live),
        cmocka_unit_test(what_a_level_cannot_hold_comes_from_the_next),
        cmocka_unit_test(the_longer_of_arithmetic_and_traffic_is_the_limit),
        cmocka_unit_test(what_goes_faster_than_the_limit_moves_it),
        cmocka_unit_test(rounds_go_on_from_each_other_and_grow),
        cmocka_unit_test(every_optimizer_is_measured_with_each_number_of_states_once),
        cmocka_unit_test(a_subject_has_samples_of_all_values_and_classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
