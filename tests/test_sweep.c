/* Sweeps: which points a file's `sweep:` makes, and what is wrong with one and where. */
#include "test.h"

#include <math.h>

#include "lab_files.h"

#define TRAIN "train: {epochs: 9, batch: 64}\n"
#define OPTIMIZER "optimizer: {name: sgd, lr: 0.01}\n"
#define HEAD DATA MODEL OPTIMIZER TRAIN

static void assert_names(const experiment *e, const char *const *names, size_t n)
{
    for (size_t i = 0; i < MIN(n, e->n_variants); i++)
        assert_string_equal(e->variants[i].name, names[i]);
    assert_int_equal(e->n_variants, n);
}

#define NAMES(e, ...) assert_names(e, (const char *const[]){__VA_ARGS__}, COUNT(((const char *const[]){__VA_ARGS__})))

static const char *flat(const experiment *e, size_t variant, const char *key)
{
    const setting *found = setting_find(e->variants[variant].settings.flat, key);
    return found ? found->text : "(none)";
}

/* ---- Grids ---- */

static void a_grid_is_every_combination_the_last_key_fastest(void **state)
{
    (void)state;
    experiment *e = GOOD(HEAD "sweep: {over: {optimizer.lr: [0.1, 0.5], train.batch: {integer: [31, 33]}}}\n");
    NAMES(e, "lr=0.1, batch=31", "lr=0.1, batch=32", "lr=0.1, batch=33", "lr=0.5, batch=31", "lr=0.5, batch=32", "lr=0.5, batch=33");
    assert_string_equal(e->variants[4].settings.optimizer_text, "sgd lr=0.5");
    assert_int_equal(e->variants[4].settings.train.batch, 32);
    assert_int_equal(e->variants[4].settings.train.epochs, 9);
    assert_string_equal(e->variants[4].slug, "lr-0-5-batch-32");
    assert_int_equal(e->n_groups, 1);
    assert_int_equal(e->variants[4].group, 0);
    experiment_close(e);
}

static void whole_sections_and_models_can_be_swept(void **state)
{
    (void)state;
    experiment *e = GOOD(HEAD "sweep: {over: {model: [[linear 10], [linear 5, relu, linear 10]], optimizer: [sgd lr=0.5, {name: adam, lr: 0.25}, adamw]}}\n");
    NAMES(e, "model=[linear 10], optimizer=sgd lr=0.5", "model=[linear 10], optimizer={name: adam, lr: 0.25}", "model=[linear 10], optimizer=adamw",
          "model=[linear 5, relu, linear 10], optimizer=sgd lr=0.5", "model=[linear 5, relu, linear 10], optimizer={name: adam, lr: 0.25}",
          "model=[linear 5, relu, linear 10], optimizer=adamw");
    assert_string_equal(e->variants[3].settings.model_text, "linear 5, relu, linear 10");
    assert_string_equal(e->variants[0].settings.optimizer_text, "sgd lr=0.5");
    assert_string_equal(e->variants[1].settings.optimizer_text, "adam lr=0.25");
    experiment_close(e);
}

/* Whatever order they stand in: a map that says its name takes nothing over from what was there. */
static void a_name_goes_before_what_belongs_to_it(void **state)
{
    (void)state;
    experiment *e = GOOD(HEAD "sweep: {over: {optimizer.lr: [0.25], optimizer.name: [sgd, adam], optimizer.weight_decay: [0.125]}}\n");
    NAMES(e, "lr=0.25, optimizer=sgd, weight_decay=0.125", "lr=0.25, optimizer=adam, weight_decay=0.125");
    assert_string_equal(flat(e, 1, "optimizer"), "adam");
    assert_string_equal(flat(e, 1, "optimizer.lr"), "0.25");
    assert_string_equal(flat(e, 1, "optimizer.weight_decay"), "0.125");
    experiment_close(e);
    e = GOOD(HEAD "sweep: {over: {optimizer.lr: [0.25], optimizer: [adam, sgd momentum=0.5]}}\n");
    assert_string_equal(e->variants[1].settings.optimizer_text, "sgd lr=0.25 momentum=0.5");
    experiment_close(e);
}

static void a_label_is_as_short_as_it_is_clear(void **state)
{
    (void)state;
    experiment *e = GOOD(HEAD "sweep: {over: {optimizer.lr: [1], train.average.name: [ema], train.average.decay: [0.5], optimizer.name: [sgd]}}\n");
    NAMES(e, "lr=1, average=ema, decay=0.5, optimizer=sgd");
    experiment_close(e);
    e = GOOD(HEAD "schedule: one_cycle_lr 1\nsweep: {over: {loss: [cross_entropy], train.clip_grad_norm: [1], loss.label_smoothing: [0.5]}}\n");
    NAMES(e, "loss=cross_entropy, clip_grad_norm=1, label_smoothing=0.5");
    assert_string_equal(e->variants[0].settings.loss_text, "cross_entropy label_smoothing=0.5");
    experiment_close(e);
    e = GOOD(DATA MODEL "optimizer: adam\nschedule: {name: cyclic_lr, base_lr: 1, max_lr: 2, cycle_momentum: false}\n"
             "sweep: {over: {schedule.gamma: [1], optimizer.eps: [1], schedule.mode: [exp_range]}}\n");
    NAMES(e, "gamma=1, eps=1, mode=exp_range");
    experiment_close(e);
    e = GOOD(DATA "model: [linear 10]\noptimizer: rmsprop\nschedule: step_lr 1\nsweep: {over: {optimizer.momentum: [0.5], schedule.gamma: [0.5], schedule.by: [step, epoch]}}\n");
    NAMES(e, "momentum=0.5, gamma=0.5, by=step", "momentum=0.5, gamma=0.5, by=epoch");
    experiment_close(e);
}

static void keys_that_end_alike_are_written_out(void **state)
{
    (void)state;
    experiment *e = GOOD(HEAD "schedule: {name: reduce_lr_on_plateau, threshold: 0.1, eps: 0}\n"
                         "sweep: {over: {optimizer: [adam], optimizer.eps: [1e-6], train.batch: [8], schedule.eps: [0]}}\n");
    NAMES(e, "optimizer=adam, optimizer.eps=1e-6, batch=8, schedule.eps=0");
    experiment_close(e);
}

static void conditions_leave_keys_out_and_equal_points_are_one(void **state)
{
    (void)state;
    experiment *e = GOOD(HEAD "sweep: {over: {optimizer.name: [sgd, adam], optimizer.lr: [0.5], "
                         "optimizer.momentum: {choice: [0, 0.9], when: {optimizer.name: sgd}}, "
                         "optimizer.nesterov: {choice: [true, false], when: {optimizer.momentum: 0.90}}}}\n", "optimizer.weight_decay=0.5");
    NAMES(e, "optimizer=sgd, lr=0.5, momentum=0", "optimizer=sgd, lr=0.5, momentum=0.9, nesterov=true",
          "optimizer=sgd, lr=0.5, momentum=0.9, nesterov=false", "optimizer=adam, lr=0.5");
    assert_string_equal(flat(e, 1, "optimizer.nesterov"), "true");
    assert_string_equal(flat(e, 3, "optimizer.weight_decay"), "0.5");
    assert_int_equal(e->warnings.length, 0);
    experiment_close(e);
}

static void a_condition_may_look_at_what_the_file_says(void **state)
{
    (void)state;
    experiment *e = GOOD(DATA MODEL TRAIN "variants: {a: {optimizer: sgd}, b: {optimizer: adam}}\n"
                         "sweep: {over: {optimizer.lr: [1, 2], optimizer.momentum: {choice: [0.5], when: {optimizer.name: sgd, train.batch: 64}}}}\n");
    NAMES(e, "a: lr=1, momentum=0.5", "a: lr=2, momentum=0.5", "b: lr=1", "b: lr=2");
    assert_int_equal(e->n_groups, 2);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(e->variants[i].group, i / 2);
    assert_string_equal(e->variants[3].settings.optimizer_text, "adam lr=2");
    experiment_close(e);
}

/* ---- Draws ---- */

#define DRAWS(trials, seed, over) HEAD "sweep: {method: random, trials: " #trials ", seed: " #seed ", over: {" over "}}\n"
#define LR "optimizer.lr: {log_uniform: [1e-4, 1]}"

/* What Philox, XXH32 and a power give elsewhere: tests/command/test_sweep.py computes them anew. */
static void draws_are_the_same_everywhere(void **state)
{
    (void)state;
    experiment *e = GOOD(DRAWS(6, 1, LR ", optimizer.momentum: [0, 0.9], train.batch: {integer: [32, 256]}"));
    NAMES(e, "lr=0.00918, momentum=0.9, batch=210", "lr=0.000573, momentum=0, batch=94", "lr=0.819, momentum=0.9, batch=254",
          "lr=0.02, momentum=0.9, batch=108", "lr=0.0122, momentum=0, batch=64", "lr=0.163, momentum=0, batch=104");
    experiment_close(e);
}

/* Draws of a file, by name; every name of `fewer` is the beginning of the same draw of `more`. */
static void a_draw_does_not_know_of_the_others(void **state)
{
    (void)state;
    experiment *few = GOOD(DRAWS(5, 7, LR)), *many = GOOD(DRAWS(50, 7, LR)), *wide = GOOD(DRAWS(50, 7, LR ", data.scale: {uniform: [1, 2]}"));
    experiment *other = GOOD(DRAWS(5, 8, LR)), *moved = GOOD(DRAWS(50, 7, "data.scale: {uniform: [1, 2]}, " LR));
    assert_int_equal(few->n_variants, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(few->variants[i].name, many->variants[i].name);
        assert_true(strcmp(few->variants[i].name, other->variants[i].name) != 0);
    }
    for (size_t i = 0; i < 50; i++) {
        assert_string_equal(flat(many, i, "optimizer.lr"), flat(wide, i, "optimizer.lr"));
        assert_string_equal(flat(moved, i, "data.scale"), flat(wide, i, "data.scale"));
    }
    experiment *all[] = {few, many, wide, other, moved};
    for (size_t i = 0; i < COUNT(all); i++)
        experiment_close(all[i]);
}

/* 3000 draws: each quarter of a range, by its logarithm where that is drawn from, gets a quarter of them; 5 standard deviations are 119. */
static void ranges_are_filled_evenly(void **state)
{
    (void)state;
    enum { N = 3000, OFF = 119 };
    static const char *const keys[] = {"optimizer.lr", "data.scale", "train.batch", "optimizer.momentum"};
    static const double low[] = {1e-4, 0.5, 11, 0}, high[] = {1, 3.5, 14, 0.75};
    experiment *e = GOOD(DRAWS(3000, 3, LR ", data.scale: {uniform: [0.5, 3.5]}, train.batch: {integer: [11, 14]}, optimizer.momentum: [0, 0.25, 0.5, 0.75]"));
    size_t parts[COUNT(keys)][4] = {0};
    assert_int_equal(e->n_variants, N);
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < COUNT(keys); k++) {
            const double x = strtod(flat(e, i, keys[k]), NULL), way = k == 0 ? log(x / low[0]) / log(high[0] / low[0]) : (x - low[k]) / (high[k] - low[k]);
            assert_true(x >= low[k] && x <= high[k]);
            parts[k][MIN((size_t)(way * 4), 3)]++;
        }
    for (size_t k = 0; k < COUNT(keys); k++)
        for (size_t q = 0; q < 4; q++)
            assert_true(parts[k][q] > N / 4 - OFF && parts[k][q] < N / 4 + OFF);
    experiment_close(e);
}

static void a_number_is_short_and_never_outside_its_range(void **state)
{
    (void)state;
    experiment *e = GOOD(DRAWS(200, 1, "optimizer.lr: {log_uniform: [0.12345, 0.12346]}, data.scale: {uniform: [1000.5, 1001]}"));
    for (size_t i = 0; i < e->n_variants; i++) {
        const double lr = strtod(flat(e, i, "optimizer.lr"), NULL), scale = strtod(flat(e, i, "data.scale"), NULL);
        assert_true(lr >= 0.12345 && lr <= 0.12346);
        assert_true(scale >= 1000.5 && scale <= 1001);
        assert_true(strlen(flat(e, i, "data.scale")) <= strlen("1000.1234"));
    }
    assert_true(e->n_variants > 150);
    experiment_close(e);
}

static void a_draw_that_was_there_is_left_out_with_a_word(void **state)
{
    (void)state;
    experiment *e = GOOD(DRAWS(50, 1, "optimizer.lr: [1, 2]"));
    assert_int_equal(e->n_variants, 2);
    assert_non_null(strstr(e->warnings.data, "e.yaml:5:1: 48 of 50 draws repeat earlier ones and are left out"));
    experiment_close(e);
}

/* ---- Together with variants, seeds and what the command line says ---- */

static void every_variant_meets_every_point(void **state)
{
    (void)state;
    experiment *e = GOOD(DATA MODEL "variants:\n  sgd: {optimizer: sgd momentum=0.5}\n  adam: {optimizer: adam}\nseeds: [1, 2]\n"
                         "sweep: {method: random, trials: 3, over: {" LR "}}\n");
    assert_int_equal(e->n_variants, 6);
    assert_int_equal(e->n_seeds, 2);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(flat(e, i, "optimizer.lr"), flat(e, 3 + i, "optimizer.lr"));
        assert_string_equal(flat(e, i, "optimizer.momentum"), "0.5");
        assert_string_equal(flat(e, 3 + i, "optimizer"), "adam");
        assert_true(strncmp(e->variants[3 + i].name, "adam: lr=", 9) == 0);
    }
    experiment_close(e);
}

static void an_override_wins_over_the_sweep(void **state)
{
    (void)state;
#define SWEPT HEAD "sweep: {over: {optimizer.lr: [1, 2], train.batch: [3, 4]}}\n"
    experiment *e = GOOD(SWEPT, "optimizer.lr=5");
    NAMES(e, "batch=3", "batch=4");
    assert_string_equal(flat(e, 1, "optimizer.lr"), "5");
    experiment_close(e);
    e = GOOD(SWEPT, "optimizer={name: adam}", "train.batch=7");
    NAMES(e, "");
    assert_null(e->sweep);
    assert_string_equal(e->variants[0].settings.optimizer_text, "adam lr=0.001");
    experiment_close(e);
    e = GOOD(HEAD "sweep: {over: {optimizer: [sgd lr=1, adam lr=2]}}\n", "optimizer.lr=5");
    NAMES(e, "optimizer=sgd lr=1", "optimizer=adam lr=2");
    assert_string_equal(flat(e, 1, "optimizer.lr"), "5");
    experiment_close(e);
    e = GOOD(SWEPT, "sweep.over={train.batch: [8], optimizer.momentum: [0.5]}", "sweep.halving=2");
    NAMES(e, "lr=1, batch=8, momentum=0.5", "lr=2, batch=8, momentum=0.5");
    assert_int_equal(e->sweep->halving.eta, 2);
    assert_int_equal(e->sweep->halving.min_epochs, 1);
    assert_string_equal(e->sweep->halving.monitor, "val_loss");
    experiment_close(e);
}

/* ---- Mistakes ---- */

typedef struct bad {
    const char *sweep;
    size_t column;
    const char *words;
} bad;

static void a_mistake_has_its_line_and_column(void **state)
{
    (void)state;
    static const bad table[] = {
        {"sweep: {}", 1, "a sweep needs keys to go over"},
        {"sweep: {over: 3}", 15, "a sweep needs keys to go over"},
        {"sweep: 3", 8, "sweep has another form"},
        {"sweep: {ever: {}}", 9, "unknown key \"ever\""},
        {"sweep: {method: gird, over: {train.batch: [1]}}", 17, "did you mean \"grid\""},
        {"sweep: {trials: 3, over: {train.batch: [1]}}", 9, "a grid has as many trials as points"},
        {"sweep: {method: random, trials: 0, over: {train.batch: [1]}}", 33, "at least 1"},
        {"sweep: {over: {optimiser.lr: [1]}}", 16, "not over optimiser.lr"},
        {"sweep: {over: {seeds: [1]}}", 16, "not over seeds"},
        {"sweep: {over: {train.seed: [1]}}", 16, "a seed is nothing to search for"},
        {"sweep: {over: {train.bach: [1]}}", 16, "did you mean \"batch\""},
        {"sweep: {over: {optimizer.lr: 1}}", 30, "write the values of optimizer.lr as a list"},
        {"sweep: {over: {optimizer.lr: []}}", 30, "a list of values is wanted"},
        {"sweep: {over: {optimizer.lr: [1, 2, 1.0]}}", 37, "1.0 is there twice"},
        {"sweep: {over: {optimizer.lr: [1, -2]}}", 34, "at least 0"},
        {"sweep: {over: {optimizer.lr: [1, [2]]}}", 34, "lr must be a number"},
        {"sweep: {over: {optimizer.lr: {log_uniform: [1, 2]}}}", 31, "a grid has no place for a range"},
        {"sweep: {over: {optimizer.lr: {uniform: [1, 2]}}}", 31, "a grid has no place for a range"},
        {"sweep: {method: random, over: {optimizer.lr: {log_unifrom: [1, 2]}}}", 47, "did you mean \"log_uniform\""},
        {"sweep: {method: random, over: {optimizer.lr: {log_uniform: [0, 2]}}}", 61, "begins above 0"},
        {"sweep: {method: random, over: {optimizer.lr: {log_uniform: [1, 1]}}}", 64, "1 is not above 1"},
        {"sweep: {method: random, over: {optimizer.lr: {uniform: [2, 1]}}}", 60, "1 is not above 2"},
        {"sweep: {method: random, over: {optimizer.lr: {uniform: [2]}}}", 56, "its two ends"},
        {"sweep: {method: random, over: {optimizer.lr: {uniform: [2, x]}}}", 60, "is a number"},
        {"sweep: {method: random, over: {optimizer.lr: {uniform: [1, 1e10]}}}", 60, "at most 1000000000"},
        {"sweep: {method: random, over: {optimizer.lr: {uniform: [1, 2], choice: [3]}}}", 64, "chosen by uniform already"},
        {"sweep: {over: {train.batch: {integer: [1, 2.5]}}}", 43, "a whole number, not 2.5"},
        {"sweep: {over: {train.batch: {integer: [0, 2]}}}", 40, "at least 1"},
        {"sweep: {over: {train.batch: {integer: [1, 10001]}}}", 9, "more than 10000 points"},
        {"sweep: {over: {train.batch: {integer: [1, 5000]}, optimizer.lr: [1, 2, 3]}}", 9, "more than 10000 points"},
        {"sweep: {over: {train.batch: {choice: [1], when: {optimizer.name: adam}}}}", 50, "never the case"},
        {"sweep: {over: {train.batch: {choice: [1], when: {optimizer.nmae: sgd}}}}", 50, "never the case"},
        {"sweep: {over: {train.batch: {choice: [1], when: sgd}}}", 49, "a condition is a map"},
        {"sweep: {over: {train.batch: {choice: [1], when: {optimizer.name: {a: b}}}}}", 66, "a condition is a value"},
        {"sweep: {over: {optimizer.momentum: [0, 0.5], optimizer.nesterov: {choice: [true], when: {optimizer.momentum: 0.9}}}}", 110, "never is 0.9"},
        {"sweep: {method: random, over: {optimizer.momentum: {uniform: [0, 0.5]}, optimizer.nesterov: {choice: [true], when: {optimizer.momentum: 0.9}}}}", 137,
         "drawn from a range"},
        {"sweep: {over: {optimizer.momentum: [0, 0.5], optimizer.nesterov: [true, false]}}", 46, "nesterov needs"},
        {"sweep: {over: {optimizer.name: [sgd, adam], optimizer.momentum: [0.5]}}", 45, "unknown key \"momentum\""},
        {"sweep: {halving: 1, over: {train.batch: [1]}}", 18, "at least 2"},
        {"sweep: {halving: {monitor: loss}, over: {train.batch: [1]}}", 28, "unknown monitor \"loss\""},
        {"sweep: {halving: 3, over: {train.epochs: [1, 3]}}", 28, "halving decides how long"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        char yaml[1024];
        snprintf(yaml, sizeof yaml, HEAD "%s\n", table[i].sweep);
        experiment *e = OPEN(yaml);
        if (e || err.status != WEFT_BAD_INPUT || err.line != 5 || err.column != table[i].column || err.count != 1 || !strstr(err.message, table[i].words))
            print_error("%s\nwanted: 5:%zu %s\ngot %d: %s\n", table[i].sweep, table[i].column, table[i].words, err.count, err.message);
        assert_null(e);
        assert_int_equal(err.count, 1);
        assert_int_equal(err.line, 5);
        assert_int_equal(err.column, table[i].column);
        assert_says(table[i].words);
    }
}

static void mistakes_of_several_keys_are_said_at_once(void **state)
{
    (void)state;
    assert_null(OPEN(HEAD "sweep:\n  trials: 3\n  over:\n    train.seed: [1]\n    optimizer.lr: {uniform: [1, 2]}\n    train.batch: 7\n"));
    assert_int_equal(err.count, 4);
    assert_says("e.yaml:6:3: ");
    assert_says("e.yaml:8:5: ");
    assert_says("e.yaml:9:20: ");
    assert_says("e.yaml:10:18: ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_grid_is_every_combination_the_last_key_fastest),
        TEST(whole_sections_and_models_can_be_swept),
        TEST(a_name_goes_before_what_belongs_to_it),
        TEST(a_label_is_as_short_as_it_is_clear),
        TEST(keys_that_end_alike_are_written_out),
        TEST(conditions_leave_keys_out_and_equal_points_are_one),
        TEST(a_condition_may_look_at_what_the_file_says),
        TEST(draws_are_the_same_everywhere),
        TEST(a_draw_does_not_know_of_the_others),
        TEST(ranges_are_filled_evenly),
        TEST(a_number_is_short_and_never_outside_its_range),
        TEST(a_draw_that_was_there_is_left_out_with_a_word),
        TEST(every_variant_meets_every_point),
        TEST(an_override_wins_over_the_sweep),
        TEST(a_mistake_has_its_line_and_column),
        TEST(mistakes_of_several_keys_are_said_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
