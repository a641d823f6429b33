/* What the numbers say, and how variants differ. */
#include "test.h"

#include "report/families.h"
#include "run_files.h"

/* The sentences without their line breaks. */
static const char *sentences_of(const run_record *runs, size_t n)
{
    text t = {0};
    size_t n_variants = 0;
    const variant *variants = variants_group(runs, n, &n_variants, &memory);
    assert_non_null(variants);
    prose_add(variants, n_variants, WORDS_PLAIN, &t);
    assert_false(t.failed);
    char *whole = arena_text(&memory, t.data ? t.data : ""), *to = whole;
    text_free(&t);
    for (const char *c = whole; *c; c++) {
        const bool broken = strncmp(c, "\n  ", 3) == 0;
        *to++ = broken ? ' ' : *c;
        c += broken ? 2 : 0;
    }
    *to = '\0';
    return whole;
}

/* A run of four epochs that ends at these accuracies. */
static run_record run_at_score(const char *name, uint64_t seed, double train, double val)
{
    return make_run(name, seed, (course){4, {0.8, 0.3}, {80, train}, {79, val}});
}

/* ---- Differences ---- */

/* 60 to 66, and 1 to 1.3 points above: seed by seed a clear difference, which the spread of the seeds would hide. */
static void variants_differ_seed_by_seed(void **state)
{
    (void)state;
    static const double base[] = {60, 66, 63}, above[] = {61, 67.2, 64.3};
    run_record runs[7];
    for (size_t i = 0; i < 3; i++) {
        runs[i] = run_at_score("a", i + 1, 70, base[i]);
        runs[5 - i] = run_at_score("b", i + 1, 70, above[i]); /* in another order */
    }
    size_t n;
    variant *v = variants_group(runs, 6, &n, &memory);
    difference d = variants_differ(&v[1], &v[0], VAL_SCORE, 4);
    assert_int_equal(d.n_pairs, 3);
    assert_true(fabs(d.mean - 3.5 / 3) < 1e-9);
    /* scipy: stats.t.interval(0.95, 2, mean([1, 1.2, 1.3]), sem([1, 1.2, 1.3])) */
    assert_true(fabs(d.interval.low - 0.7872) < 1e-4 && fabs(d.interval.high - 1.5461) < 1e-4);
    assert_true(difference_known(&d) && !within_noise(&d));
    d = variants_differ(&v[0], &v[1], VAL_SCORE, LAST_EPOCH);
    assert_true(fabs(d.mean + 3.5 / 3) < 1e-9 && d.interval.high < 0);

    for (size_t i = 3; i < 6; i++)
        runs[i].seed += 10; /* no seed in common: two samples (scipy: stats.ttest_ind(above, base, equal_var=False)) */
    v = variants_group(runs, 6, &n, &memory);
    d = variants_differ(&v[1], &v[0], VAL_SCORE, 4);
    assert_int_equal(d.n_pairs, 0);
    assert_true(fabs(d.interval.low + 5.7540) < 1e-4 && fabs(d.interval.high - 8.0874) < 1e-4 && within_noise(&d));
}

static void one_seed_and_diverged_ones_have_no_interval(void **state)
{
    (void)state;
    run_record runs[] = {run_at_score("a", 1, 70, 60), run_at_score("a", 2, 70, 61), run_at_score("b", 1, 70, 64), run_at_score("b", 2, 70, 10)};
    size_t n;
    runs[3].status = "diverged";
    const variant *v = variants_group(runs, 4, &n, &memory);
    difference d = variants_differ(&v[1], &v[0], VAL_SCORE, 4);
    assert_int_equal(d.n_pairs, 1);
    assert_true(fabs(d.mean - 3.5) < 1e-9); /* 64 less 60.5: all that there is of either */
    assert_false(difference_known(&d) || within_noise(&d));
    d = variants_differ(&v[1], &v[0], VAL_SCORE, 9);
    assert_true(isnan(d.mean));
}

/* ---- What was changed ---- */

static const char *change_of(const char *before, const char *after)
{
    run_record runs[] = {run_at_score("a", 1, 70, 60), run_at_score("b", 1, 70, 61)};
    size_t n;
    lineup l;
    text t = {0};
    runs[0].model = before;
    runs[1].model = after;
    const variant *v = variants_group(runs, 2, &n, &memory);
    assert_true(lineup_make(&l, v, n, &memory));
    size_t group = 0;
    while (strcmp(l.groups[group], "model") != 0)
        group++;
    change_add(&l, group, &v[0], &v[1], WORDS_PLAIN, &t);
    const char *copy = arena_text(&memory, t.data ? t.data : "");
    text_free(&t);
    return copy;
}

static void layers_that_changed_are_named(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"linear 8, relu, linear 2", "linear 8, relu, dropout 0.2, linear 2", "with dropout 0.2"},
        {"linear 8, dropout, relu, linear 8, dropout, linear 2", "linear 8, relu, linear 8, linear 2", "without 2 x dropout"},
        {"linear 8, relu, linear 8, relu, linear 2", "linear 8, tanh, linear 8, tanh, linear 2", "2 x tanh instead of 2 x relu"},
        {"linear 8, relu, linear 2", "linear 8 l2=0.1, relu, linear 2 l2=0.1",
         "linear 8 l2=0.1 and linear 2 l2=0.1 instead of linear 8 and linear 2"},
        {"linear 8, relu, linear 2", "linear 8, relu, residual [linear 8, relu], linear 2", "with residual [linear 8, relu]"},
        {"linear 8 init=\"uniform a, b\", linear 2", "linear 8, linear 2", "linear 8 instead of linear 8 init=\"uniform a, b\""},
        {"linear 8, relu, batch_norm, linear 2", "linear 8, batch_norm, relu, linear 2", "the same layers in another order"},
        {"linear 2", "linear 8, relu, batch_norm, linear 2", "with linear 8, relu and batch_norm"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_string_equal(change_of(cases[i][0], cases[i][1]), cases[i][2]);
}

static void plain_models_are_linear_layers_and_one_activation(void **state)
{
    (void)state;
    static const struct {
        const char *model;
        bool is_plain;
        size_t n_hidden;
        const char *activation;
    } cases[] = {
        {"linear 10", true, 0, ""},
        {"linear 8, relu, linear 10", true, 1, "relu"},
        {"linear 8, relu, linear 8, relu, linear 10", true, 2, "relu"},
        {"linear 8, relu, linear 8, tanh, linear 10", false, 0, ""},
        {"linear 8, relu, dropout, linear 10", false, 0, ""},
        {"linear 8, batch_norm, linear 10", false, 0, ""},
        {"linear 8, dropout 0.3, linear 10", false, 0, ""},
        {"linear 8 l2=0.1, relu, linear 10", false, 0, ""},
        {"linear 8, relu", false, 0, ""},
        {"relu, linear 10", false, 0, ""},
        {"linear 8, relu, residual [linear 8, relu], linear 10", false, 0, ""},
        {"", false, 0, ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const plain_model p = plain_model_of(cases[i].model);
        if (p.is_plain != cases[i].is_plain || p.n_hidden != cases[i].n_hidden)
            fail_msg("%s", cases[i].model);
        assert_string_equal(p.activation, cases[i].activation);
    }
}

/* ---- Sentences ---- */

static void scaling_is_told_from_the_numbers(void **state)
{
    (void)state;
    run_record runs[] = {make_run("unscaled", 1, (course){10, {31.2, 2.3}, {15, 10}, {15, 10}}),
                         make_run("scaled", 1, (course){10, {0.837, 0.4}, {80, 86}, {79, 84.9}})};
    runs[0].scale = 1;
    assert_has(sentences_of(runs, 2),
               "Input scale: scaled against unscaled (inputs / 255 instead of as they are): after 10 epochs validation accuracy is 84.90 % "
               "instead of 10.00 %, +74.90 points; the first epoch's training loss was 0.837 instead of 31.2.");
    runs[0].scale = 255;
    runs[1].scale = 1;
    assert_has(sentences_of(runs, 2), "scaled against unscaled (inputs as they are instead of / 255)");
}

static void the_run_of_the_same_length_is_compared(void **state)
{
    (void)state;
    run_record runs[] = {make_run("long", 1, (course){20, {0.8, 0.3}, {80, 88}, {79, 87}}),
                         make_run("short", 1, (course){10, {0.8, 0.4}, {80, 86}, {79, 84}}),
                         make_run("unscaled", 1, (course){10, {31, 2}, {10, 10}, {10, 10}}),
                         make_run("adam", 1, (course){20, {0.4, 0.1}, {85, 95}, {84, 89}})};
    runs[2].scale = 1;
    runs[3].optimizer = "adam lr=0.001";
    const char *told = sentences_of(runs, COUNT(runs));
    assert_has(told, "unscaled against short (inputs as they are instead of / 255): after 10 epochs");
    assert_has(told, "adam reached the training loss that long ended with (0.300)");
    assert_lacks(told, "Depth");
}

static void optimizers_are_compared_under_one_schedule(void **state)
{
    (void)state;
    run_record runs[] = {make_run("sgd", 1, (course){20, {0.8, 0.3}, {80, 88}, {79, 87}}),
                         make_run("adam", 1, (course){20, {0.49, 0.11}, {85, 95}, {84, 89}}),
                         make_run("adam that slows down", 1, (course){20, {0.49, 0.09}, {85, 95}, {84, 90}})};
    runs[1].optimizer = runs[2].optimizer = "adam lr=0.001";
    runs[2].schedule = "step_lr 5";
    const char *told = sentences_of(runs, 3);
    assert_has(told, "Optimizer: adam against sgd (adam lr=0.001 instead of sgd lr=0.01): after 20 epochs validation accuracy is 89.00 % instead of "
                     "87.00 %, +2.00 points; adam reached");
    assert_has(told, "Schedule: adam that slows down against adam (step_lr 5 instead of none)");
    assert_lacks(told, "differs from");
    runs[1].schedule = "step_lr 4";
    told = sentences_of(runs, 3);
    assert_lacks(told, "Optimizer:");
    assert_has(told, "adam differs from sgd in optimizer and schedule together, and which of them makes a difference cannot be told: after 20 epochs "
                     "validation accuracy is 89.00 % instead of 87.00 %");
    assert_has(told, "Schedule: adam that slows down against adam (step_lr 5 instead of step_lr 4)");
}

static void the_quicker_optimizer_is_the_one_that_took_fewer_epochs(void **state)
{
    (void)state;
    run_record runs[] = {make_run("sgd", 1, (course){21, {0.8, 0.3}, {80, 88}, {79, 87}}),
                         make_run("adam", 1, (course){20, {0.49, 0.11}, {85, 95}, {84, 89}})};
    runs[1].optimizer = "adam lr=0.001";
    /* adam falls by 0.02 an epoch, sgd by 0.025 to 0.325 after the 20 epochs that both have */
    assert_has(sentences_of(runs, 2),
               "adam reached the training loss that sgd ended with (0.325) after 10 epochs (15.0 s of "
               "training), sgd after 20 (30.0 s of training)");
    run_record swapped[] = {runs[1], runs[0]};
    swapped[0].variant = "sgd";
    swapped[1].variant = "adam";
    assert_has(sentences_of(swapped, 2), "sgd reached the training loss that adam ended with (0.325) after 10 epochs");
    ((weft_metrics *)runs[0].metrics)[4].train_loss = 0.2; /* its best is in the middle */
    assert_has(sentences_of(runs, 2), "that sgd had at its best (0.200) after");
    runs[0] = make_run("sgd", 1, (course){1, {0.8, 0.8}, {80, 80}, {79, 79}});
    assert_lacks(sentences_of(runs, 2), "reached"); /* one epoch is no race */
}

/* Decay pulls at the weights to another end than a low training loss. */
static void decay_is_no_race(void **state)
{
    (void)state;
    static setting with[] = {{SETTING_SCALAR, .key = "optimizer", .text = "adamw", .next = with + 1},
                             {SETTING_SCALAR, .key = "optimizer.lr", .text = "0.001", .next = with + 2},
                             {SETTING_SCALAR, .key = "optimizer.weight_decay", .text = "0.3"}},
                   without[] = {{SETTING_SCALAR, .key = "optimizer", .text = "adam", .next = without + 1},
                                {SETTING_SCALAR, .key = "optimizer.lr", .text = "0.001", .next = without + 2},
                                {SETTING_SCALAR, .key = "optimizer.weight_decay", .text = "0"}};
    static const setting maps[] = {{SETTING_MAP, .first = without}, {SETTING_MAP, .first = with}};
    run_record runs[] = {make_run("none", 1, (course){20, {0.8, 0.1}, {80, 98}, {79, 87}}),
                         make_run("decay", 1, (course){20, {0.8, 0.3}, {80, 92}, {79, 87.5}})};
    for (size_t i = 0; i < 2; i++)
        runs[i].settings = &maps[i];
    const char *told = sentences_of(runs, 2);
    assert_has(told, "decay against none (adamw lr=0.001 weight_decay=0.3 instead of adam lr=0.001): after 20 epochs validation accuracy is 87.50 % "
                     "instead of 87.00 %, +0.50 points; the gap between training and validation accuracy is 4.50 instead of 11.00 points.");
    assert_lacks(told, "reached");
    with[0].text = "adam";
    with[2].text = "0";
    with[1].text = "0.01"; /* the rate alone */
    assert_has(sentences_of(runs, 2), "(optimizer.lr 0.01 instead of 0.001)");
    assert_has(sentences_of(runs, 2), "reached");
}

static void the_gap_over_depth_follows_the_numbers(void **state)
{
    (void)state;
    static const char *const models[] = {"linear 1000, relu, linear 512, relu, linear 10", "linear 10",
                                         "linear 1000, relu, linear 10"};
    static const char *const names[] = {"two", "none", "one"};
    static const struct {
        double gaps[3];
        const char *told;
    } cases[] = {
        {{6, 1.2, 5.5},
         "grows with depth: 1.20 points (none, 0 hidden layers), 5.50 (one, 1 hidden layer) and 6.00 (two, 2 hidden layers); validation "
         "accuracy is 88.00 % with none; 88.00 % with one, +0.00 points against the one before"},
        {{1, 6, 5}, "shrinks with depth: 6.00 points (none, 0 hidden layers), 5.00 (one"},
        {{4, 1, 5}, "does not go steadily with depth: 1.00 points (none, 0 hidden layers), 5.00 (one, 1 hidden layer) and 4.00 (two"},
    };
    run_record runs[3];
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (size_t k = 0; k < 3; k++) {
            runs[k] = run_at_score(names[k], 1, 88 + cases[i].gaps[k], 88);
            runs[k].model = models[k];
        }
        assert_has(sentences_of(runs, 3), cases[i].told);
        assert_lacks(sentences_of(runs, 3), "Optimizer");
    }
    runs[0].model = "linear 2000, relu, linear 10";
    runs[0].n_parameters = 1590010;
    assert_has(sentences_of((run_record[]){runs[0], runs[2]}, 2),
               "Model size: after 4 epochs the gap between training and validation accuracy shrinks with the number of parameters: 5.00 points (one, "
               "795010 parameters) and 4.00 (two, 1590010 parameters)");
}

/* What else was changed in a model is held against the one that is nearest to it, and the number of parameters says nothing. */
static void what_is_not_depth_is_not_told_as_depth(void **state)
{
    (void)state;
    run_record runs[] = {run_at_score("none", 1, 93, 89), run_at_score("some", 1, 92, 89), run_at_score("sigmoid", 1, 88, 87),
                         run_at_score("deep", 1, 95, 90), run_at_score("deep sigmoid", 1, 80, 80)};
    runs[1].model = "linear 1000, relu, dropout 0.2, linear 10";
    runs[2].model = "linear 1000, sigmoid, linear 10";
    runs[3].model = "linear 1000, relu, linear 1000, relu, linear 10";
    runs[4].model = "linear 1000, sigmoid, linear 1000, sigmoid, linear 10";
    runs[3].n_parameters = runs[4].n_parameters = 1796010;
    const char *told = sentences_of(runs, 2);
    assert_has(told, "Model: some against none (with dropout 0.2): after 4 epochs validation accuracy is 89.00 % in both; the gap "
                     "between training and validation accuracy is 3.00 instead of 4.00 points.");
    assert_lacks(told, "parameters");
    told = sentences_of(runs, COUNT(runs));
    assert_has(told, "Depth: after 4 epochs the gap between training and validation accuracy grows with depth: 4.00 points (none, "
                     "1 hidden layer) and 5.00 (deep, 2 hidden layers)");
    assert_has(told, "Model: deep sigmoid against deep (2 x sigmoid instead of 2 x relu)");
    assert_has(told, "Model: sigmoid against none (sigmoid instead of relu)");
}

static void of_many_the_best_is_told_and_who_is_near(void **state)
{
    (void)state;
    run_record runs[14];
    for (size_t i = 0; i < 14; i++) { /* seven variants of two seeds; "c" and "d" lie together */
        static const double scores[] = {80, 81, 89.05, 89, 83, 84, 85};
        static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g"};
        const double wobble = i % 2 ? i / 2 == 2 ? 0.1 : 0.02 : 0;
        runs[i] = run_at_score(names[i / 2], i % 2, 90, scores[i / 2] + wobble);
        runs[i].batch = 8 + i / 2;
    }
    assert_has(sentences_of(runs, 14), "Batch size: of 7 variants, c has the best validation accuracy after 4 epochs, 89.10 +- 0.07 %; within "
                                       "noise of it: d.");
}

/* Ten draws of two settings: nothing can be said of either, and ten sentences would say nothing. */
static void of_a_crowd_the_best_is_told(void **state)
{
    (void)state;
    run_record runs[40];
    for (size_t i = 0; i < 40; i++) {
        runs[i] = run_at_score(arena_printf(&memory, "%zu", i), 1, 90, 80 + (double)(i % 7));
        runs[i].optimizer = arena_printf(&memory, "sgd lr=%zu", i);
        runs[i].batch = 8 + i;
    }
    static const size_t crowds[] = {10, 40};
    for (size_t k = 0; k < COUNT(crowds); k++) {
        const char *told = sentences_of(runs, crowds[k]);
        assert_has(told, arena_printf(&memory, "Of %zu variants that differ in train.batch and optimizer, 6 has the best validation accuracy after 4 "
                                               "epochs, 86.00 %%.", crowds[k]));
        assert_lacks(told, "differs from");
    }
    assert_has(sentences_of(runs, 3), "2 differs from 0 in train.batch and optimizer together");
}

/* Most were stopped after two epochs, and are not held against each other there. */
static void of_a_search_those_that_went_furthest_are_told(void **state)
{
    (void)state;
    run_record runs[8];
    for (size_t i = 0; i < 8; i++) {
        runs[i] = run_at_score(arena_printf(&memory, "%zu", i), 1, 90, 80 + (double)i);
        runs[i].batch = 8 + i;
        runs[i].status = i < 6 ? "stopped" : "done";
        runs[i].n_epochs = i < 6 ? 2 : 4;
    }
    assert_has(sentences_of(runs, 8), "- 2 of 8 variants went on to 4 epochs: 7 has the best validation accuracy after 4 epochs, 87.00 %.\n");
    assert_lacks(sentences_of(runs, 8), "Batch size");
    assert_has(sentences_of(runs + 5, 3), "Batch size: 6 against 5");
}

static void differences_within_noise_are_called_so(void **state)
{
    (void)state;
    run_record runs[6];
    for (size_t i = 0; i < 6; i++) {
        const double wobble = (double)(i % 3) - 1;
        runs[i] = run_at_score(i < 3 ? "scaled" : "raw", i % 3, 90, i < 3 ? 88.5 + wobble : 88 - wobble); /* seeds go against each other */
        runs[i].scale = i < 3 ? 255 : 1;
    }
    assert_has(sentences_of(runs, 6), "is 88.00 +- 1.00 % instead of 88.50 +- 1.00 %, within noise: -0.50 points (95 % interval -5.47 to +4.47)");
    assert_lacks(sentences_of(runs, 6), "one seed only");
    for (size_t i = 0; i < 3; i++)
        ((weft_metrics *)runs[i].metrics)[3].val_acc += 0.06;
    assert_lacks(sentences_of(runs, 6), "within noise");
    assert_has(sentences_of(runs, 6), "-6.50 points (95 % interval -11.47 to -1.53)");
    assert_has(sentences_of((run_record[]){runs[0], runs[3]}, 2), "one seed cannot tell a difference from chance");
    assert_has(sentences_of((run_record[]){runs[0], runs[1], runs[3], runs[4]}, 4), "Two seeds give wide intervals");
}

static void seeds_alone_are_told_as_such(void **state)
{
    (void)state;
    run_record runs[] = {run_at_score("", 1, 90, 88), run_at_score("", 2, 90, 89), run_at_score("", 3, 90, 90)};
    assert_has(sentences_of(runs, 3), "The runs differ in their seed alone: after 4 epochs validation accuracy is 89.00 +- 1.00 %, from 88.00 to "
                                      "90.00; the 95 % interval of its mean is 86.52 to 91.48.");
    assert_string_equal(sentences_of(runs, 1), "");
}

static void diverged_runs_are_told_and_never_dropped(void **state)
{
    (void)state;
    run_record runs[] = {make_run("sgd", 1, (course){4, {0.8, 0.3}, {80, 88}, {79, 87}}),
                         make_run("fast", 1, (course){2, {9, 99}, {10, 10}, {10, 10}}),
                         make_run("sgd", 2, (course){0})};
    runs[1].optimizer = "sgd lr=10";
    runs[1].status = runs[2].status = "diverged";
    runs[1].message = "the loss of step 812 is not finite; layer 2";
    const char *told = sentences_of(runs, 3);
    assert_has(told, "Diverged: fast after 2 epochs: the loss of step 812 is not finite; layer 2.");
    assert_has(told, "Diverged: sgd, 1 of 2 seeds; seed 2 after 0 epochs; what is said of it is over its other seeds.");
    assert_lacks(told, "Optimizer");
}

static void nothing_is_said_where_nothing_can_be_compared(void **state)
{
    (void)state;
    run_record runs[] = {make_run("a", 1, (course){4, {0.8, 0.3}, {80, 88}, {79, 87}}),
                         make_run("b", 1, (course){4, {0.7, 0.2}, {80, 88}, {79, 87}})};
    assert_has(sentences_of(runs, 2), "b has the settings of a: with one seed and as many epochs they are the same run.");
    runs[1].n_epochs = 0;
    runs[1].optimizer = "adam";
    assert_string_equal(sentences_of(runs, 2), "");
    assert_string_equal(sentences_of(runs, 0), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variants_differ_seed_by_seed),
        cmocka_unit_test(one_seed_and_diverged_ones_have_no_interval),
        cmocka_unit_test(layers_that_changed_are_named),
        cmocka_unit_test(plain_models_are_linear_layers_and_one_activation),
        cmocka_unit_test(scaling_is_told_from_the_numbers),
        cmocka_unit_test(the_run_of_the_same_length_is_compared),
        cmocka_unit_test(optimizers_are_compared_under_one_schedule),
        cmocka_unit_test(the_quicker_optimizer_is_the_one_that_took_fewer_epochs),
        cmocka_unit_test(decay_is_no_race),
        cmocka_unit_test(the_gap_over_depth_follows_the_numbers),
        cmocka_unit_test(what_is_not_depth_is_not_told_as_depth),
        cmocka_unit_test(of_many_the_best_is_told_and_who_is_near),
        cmocka_unit_test(of_a_crowd_the_best_is_told),
        cmocka_unit_test(of_a_search_those_that_went_furthest_are_told),
        cmocka_unit_test(differences_within_noise_are_called_so),
        cmocka_unit_test(seeds_alone_are_told_as_such),
        cmocka_unit_test(diverged_runs_are_told_and_never_dropped),
        cmocka_unit_test(nothing_is_said_where_nothing_can_be_compared),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
