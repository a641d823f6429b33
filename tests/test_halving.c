/* Successive halving: who goes on, whatever comes in first. */
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lab/parts.h"

static const halving_settings by_three = {.eta = 3, .min_epochs = 1, .monitor = "val_loss"};

static void rungs_grow_by_eta_and_end_with_a_whole_run(void **state)
{
    (void)state;
    rungs r;
    rungs_make(&r, &by_three, 20, 10);
    static const size_t epochs[] = {1, 3, 9, 10}, places[] = {20, 6, 2, 1};
    assert_int_equal(r.n, 4);
    assert_memory_equal(r.epochs, epochs, sizeof epochs);
    assert_memory_equal(r.places, places, sizeof places);
    rungs_make(&r, &by_three, 9, 9);
    assert_int_equal(r.n, 3);
    assert_int_equal(r.places[2], 1);
    rungs_make(&r, &(halving_settings){.eta = 2, .min_epochs = 5}, 3, 5);
    assert_int_equal(r.n, 1); /* nothing to stop at */
    assert_int_equal(r.places[0], 3);
    rungs_make(&r, &(halving_settings){.eta = 1000, .min_epochs = 1}, 2, SIZE_MAX);
    assert_true(r.n > 5 && r.epochs[r.n - 1] == SIZE_MAX && r.places[r.n - 1] == 1);
}

/* What waiting for every rung gives, without a word about who is still to come. */
static void plainly(const rungs *r, size_t n, double (*values)[3], size_t *last)
{
    bool in[32] = {0};
    for (size_t i = 0; i < n; i++)
        in[i] = true;
    for (size_t rung = 0; rung + 1 < r->n; rung++) {
        bool up[32] = {0};
        for (size_t place = 0; place < r->places[rung + 1]; place++) {
            size_t best = n;
            for (size_t i = 0; i < n; i++)
                if (in[i] && !up[i] && isfinite(values[i][rung]) && (best == n || values[i][rung] < values[best][rung]))
                    best = i;
            if (best < n)
                up[best] = true;
        }
        for (size_t i = 0; i < n; i++)
            if (in[i])
                last[i] = rung + up[i];
        memcpy(in, up, sizeof in);
    }
}

static size_t random_below(uint64_t *counter, size_t n)
{
    uint32_t block[4];
    rng_u32x4(5, RNG_SHOW, 0, (*counter)++, block);
    return block[0] % n;
}

/* Results come in in any order, as they can: of trials that may run as far. In the end all is as if every rung had been waited for; what was
 * decided once is never taken back; and somebody can always run until all is decided. */
static void who_goes_on_does_not_depend_on_what_comes_in_first(void **state)
{
    (void)state;
    uint64_t counter = 0;
    size_t n_ahead = 0;
    for (size_t round = 0; round < 2000; round++) {
        const size_t n = 1 + random_below(&counter, 20);
        static contender all[32];
        double values[32][3];
        size_t last[32] = {0}, was[32] = {0};
        rungs r;
        rungs_make(&r, &by_three, n, 9);
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < 3; k++) { /* few values, so that some are equal; some trials are lost, and stay so */
                const bool lost = random_below(&counter, 8) == 0 || (k && isinf(values[i][k - 1]));
                values[i][k] = lost ? INFINITY : (double)random_below(&counter, 6);
                all[i].results[k] = NAN;
            }
        plainly(&r, n, values, last);
        halving_decide(&r, all, n);
        for (;;) {
            size_t can[32], n_can = 0;
            for (size_t i = 0; i < n; i++)
                if (isnan(all[i].results[all[i].rung]))
                    can[n_can++] = i;
            if (!n_can)
                break;
            contender *c = &all[can[random_below(&counter, n_can)]];
            bool waiting = false;
            for (size_t i = 0; i < n; i++)
                waiting |= all[i].rung == 0 && isnan(all[i].results[0]);
            n_ahead += c->rung > 0 && waiting;
            c->results[c->rung] = values[c - all][c->rung];
            halving_decide(&r, all, n);
            for (size_t i = 0; i < n; i++) {
                assert_true(all[i].rung >= was[i]);
                was[i] = all[i].rung;
            }
        }
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(all[i].rung, last[i]);
            assert_int_equal(all[i].out, last[i] < 2);
        }
    }
    assert_true(n_ahead > 0); /* some went on before the rung was full */
}

static void a_trial_goes_on_as_soon_as_nothing_can_change_that(void **state)
{
    (void)state;
    static contender all[6];
    rungs r;
    rungs_make(&r, &by_three, 6, 3); /* two of six go on */
    for (size_t i = 0; i < 6; i++)
        all[i].results[0] = NAN;
    const double values[] = {0.5, 0.1, 0.4, 0.3};
    for (size_t i = 0; i < 4; i++)
        all[i].results[0] = values[i];
    halving_decide(&r, all, 6);
    assert_int_equal(all[1].rung, 0); /* the last two might be better */
    assert_true(all[0].out && all[2].out && !all[3].out && !all[1].out);
    all[4].results[0] = 0.2;
    halving_decide(&r, all, 6);
    assert_int_equal(all[1].rung, 1);
    assert_int_equal(all[4].rung, 0);
    assert_true(all[3].out);
    all[5].results[0] = INFINITY;
    halving_decide(&r, all, 6);
    assert_int_equal(all[4].rung, 1);
    assert_true(all[5].out);
    size_t of;
    assert_int_equal(contender_rank(all, 6, 0, &of), 5);
    assert_int_equal(of, 6);
    assert_int_equal(contender_rank(all, 6, 5, &of), 6);
}

static double epochs_of_all(const rungs *r, const contender *all, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += contender_epochs(r, &all[i]);
    return sum;
}

/* Nine trials of 1 epoch, three of 2 more, one of 6 more: 21 epochs, before anything is known as when all is. */
static void what_trials_are_likely_to_run_is_what_they_run_in_the_end(void **state)
{
    (void)state;
    static contender all[9];
    rungs r;
    rungs_make(&r, &by_three, 9, 9);
    for (size_t i = 0; i < 9; i++)
        all[i].results[0] = all[i].results[1] = NAN;
    halving_decide(&r, all, 9);
    assert_true(fabs(contender_epochs(&r, &all[0]) - 21. / 9) < 1e-12);
    assert_true(fabs(epochs_of_all(&r, all, 9) - 21) < 1e-12);
    for (size_t i = 0; i < 9; i++)
        all[i].results[0] = (double)i;
    halving_decide(&r, all, 9);
    assert_true(contender_epochs(&r, &all[0]) == 5); /* 3, and a third of 6 more */
    assert_true(contender_epochs(&r, &all[8]) == 1);
    assert_true(epochs_of_all(&r, all, 9) == 21);
    for (size_t i = 0; i < 3; i++)
        all[i].results[1] = -(double)i;
    halving_decide(&r, all, 9);
    assert_true(contender_epochs(&r, &all[2]) == 9);
    assert_true(contender_epochs(&r, &all[0]) == 3);
    assert_true(epochs_of_all(&r, all, 9) == 21);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rungs_grow_by_eta_and_end_with_a_whole_run),
        cmocka_unit_test(who_goes_on_does_not_depend_on_what_comes_in_first),
        cmocka_unit_test(a_trial_goes_on_as_soon_as_nothing_can_change_that),
        cmocka_unit_test(what_trials_are_likely_to_run_is_what_they_run_in_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
