/* Schedules in use: by a trainer, and in experiment files. */
#include "numbers.h"

#include "lab_files.h"

/* ---- In a trainer ---- */

enum { FEATURES = 5, CLASSES = 3, BATCH = 8, STEPS = 12 };

static weft_model *model_make(void)
{
    err = (weft_error){0};
    weft_model *m = weft_model_create("linear 16, tanh, linear 3", &err);
    if (!m || weft_model_init(m, FEATURES, 1, &err) != WEFT_OK)
        fail_msg("%s", err.message);
    return m;
}

static weft_trainer *trainer_make(weft_model *m, const char *optimizer, const char *schedule)
{
    weft_trainer *t = weft_trainer_create(m, NULL, &(weft_options){.optimizer = optimizer, .schedule = schedule, .threads = 1}, &err);
    if (!t)
        fail_msg("%s", err.message);
    return t;
}

static double step_loss(weft_trainer *t, uint64_t step)
{
    float x[BATCH * FEATURES];
    int32_t y[BATCH];
    double loss;
    for (size_t i = 0; i < COUNT(x); i++)
        x[i] = (float)noise(70 + step, i);
    for (size_t b = 0; b < BATCH; b++)
        y[b] = (int32_t)((x[b * FEATURES] + 1) * 1.4999f);
    if (weft_trainer_step(t, &(weft_batch){.x = x, .y = y, .n = BATCH}, &loss, &err) != WEFT_OK)
        fail_msg("%s", err.message);
    return loss;
}

static void a_rate_that_falls_is_another_rate_from_there_on(void **state)
{
    (void)state;
    weft_model *one = model_make(), *other = model_make();
    weft_trainer *whole = trainer_make(one, "sgd lr=0.5", "multi_step_lr [7] gamma=0.25 by=step");
    weft_trainer *before = trainer_make(other, "sgd lr=0.5", NULL), *behind = trainer_make(other, "sgd lr=0.125", "none");
    for (uint64_t step = 0; step < STEPS; step++)
        assert_true(step_loss(whole, step) == step_loss(step < 7 ? before : behind, step));
    weft_trainer_free(whole);
    weft_trainer_free(before);
    weft_trainer_free(behind);
    weft_model_free(one);
    weft_model_free(other);
}

/* A momentum that a schedule moves is that of the optimizer, also of one that had none and kept no state. */
static void a_momentum_that_is_moved_is_the_optimizers(void **state)
{
    (void)state;
    static const char *const table[][3] = {
        {"sgd lr=3", "cyclic_lr 0.1 0.1 base_momentum=0.75 max_momentum=0.75", "sgd lr=0.1 momentum=0.75"},
        {"adam lr=3", "cyclic_lr 0.01 0.01 base_momentum=0.75 max_momentum=0.75", "adam lr=0.01 betas=(0.75, 0.999)"},
        {"sgd lr=3 momentum=0.5", "cyclic_lr 0.1 0.1 cycle_momentum=false", "sgd lr=0.1 momentum=0.5"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        weft_model *one = model_make(), *other = model_make();
        weft_trainer *moved = trainer_make(one, table[i][0], table[i][1]), *plain = trainer_make(other, table[i][2], NULL);
        for (uint64_t step = 0; step < STEPS; step++)
            assert_true(step_loss(moved, step) == step_loss(plain, step));
        weft_trainer_free(moved);
        weft_trainer_free(plain);
        weft_model_free(one);
        weft_model_free(other);
    }
}

static double momentum_of(const optimizer *o)
{
    const field *f = o->kind->fields;
    while (strcmp(f->name, "momentum") != 0)
        f++;
    return *(const double *)((const char *)o->fields + f->offset);
}

static void every_step_has_its_own_rate_and_momentum(void **state)
{
    (void)state;
    weft_model *m = model_make();
    weft_trainer *t = trainer_make(m, "sgd lr=0.1", "one_cycle_lr 0.2 total_steps=12");
    for (uint64_t step = 0; step < STEPS; step++) {
        step_loss(t, step);
        const double momentum = scheduler_momentum(&t->scheduler, step, 0);
        assert_true(t->optimizer.lr == scheduler_rate(&t->scheduler, step, 0));
        assert_true(momentum_of(&t->optimizer) == momentum);
        assert_true(step == 0 || momentum != scheduler_momentum(&t->scheduler, step - 1, 0));
    }
    weft_trainer_free(t);
    weft_model_free(m);
}

static void a_trainer_refuses_what_it_cannot_follow(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        {"stap_lr 3", "schedule: unknown schedule \"stap_lr\""},
        {"step_lr 3", "schedule: without a data set there are no epochs for step_lr to go by; write by=step"},
        {"one_cycle_lr 0.1", "schedule: total_steps of schedule one_cycle_lr is missing"},
    };
    weft_model *m = model_make();
    for (size_t i = 0; i < COUNT(table); i++) {
        err = (weft_error){0};
        assert_null(weft_trainer_create(m, NULL, &(weft_options){.schedule = table[i][0]}, &err));
        assert_int_equal(err.status, WEFT_BAD_INPUT);
        assert_says(table[i][1]);
    }
    weft_trainer *t = weft_trainer_create(m, NULL, &(weft_options){.schedule = "one_cycle_lr 0.1", .total_steps = 12}, &err);
    assert_non_null(t);
    weft_trainer_free(t);
    weft_model_free(m);
}

static void an_optimizer_without_momentum_is_told_so(void **state)
{
    (void)state;
    static const field only_lr[] = {{"lr", FIELD_REAL, 0, 0, .help = "learning rate"}, {0}};
    static const optim plain = {.name = "plain", .fields = only_lr};
    arena a = {0};
    scheduler s;
    err = (weft_error){0};
    optimizer o = {.kind = &plain};
    for (int moves = 0; moves < 2; moves++) {
        const char *spec = moves ? "one_cycle_lr 0.1" : "one_cycle_lr 0.1 cycle_momentum=false";
        const where at = {"e.yaml", 4, 11};
        assert_int_equal(scheduler_read(&s, setting_from_spec(&a, spec, at, &err), &a, &err), WEFT_OK);
        assert_int_equal(schedule_begin(&s, &o, 10, 5, at, &err), moves ? WEFT_BAD_INPUT : WEFT_OK);
    }
    assert_says("e.yaml:4:11: optimizer plain has no momentum for one_cycle_lr to move; turn cycle_momentum off: false");
    arena_deinit(&a);
}

/* ---- In experiment files ---- */

static void a_schedule_is_written_in_many_ways(void **state)
{
    (void)state;
    static const char *const same[] = {
        "schedule: step_lr 10 gamma=0.5\n",
        "schedule: {name: step_lr, step_size: 10, gamma: 0.5}\n",
        "schedule:\n  name: step_lr\n  step_size: 10\n  gamma: 0.5\n",
        "schedule: step_lr step_size=10 gamma=0.5 by=epoch warmup=0\n",
    };
    for (size_t i = 0; i < COUNT(same); i++) {
        char yaml[256];
        snprintf(yaml, sizeof yaml, DATA MODEL "%s", same[i]);
        experiment *e = GOOD(yaml);
        assert_string_equal(e->variants[0].settings.schedule_text, "step_lr 10 gamma=0.5");
        assert_non_null(strstr(e->variants[0].settings.config, "\nschedule: {name: step_lr, step_size: 10, gamma: 0.5, by: epoch, warmup: 0, "
                                                               "warmup_start: 0.3333333333333333}\n"));
        experiment_close(e);
    }
}

static void a_sequence_is_resolved_with_every_default_and_reads_back(void **state)
{
    (void)state;
    experiment *e = GOOD(DATA MODEL "schedule: {name: sequential_lr, schedules: [{name: linear_lr, total_iters: 3}, cosine_annealing_lr 20], "
                                    "milestones: [5]}\n");
    const char *line = "\nschedule: {name: sequential_lr, schedules: [\"linear_lr start_factor=0.3333333333333333 end_factor=1 total_iters=3\", "
                       "\"cosine_annealing_lr T_max=20 eta_min=0\"], milestones: [5], by: epoch, warmup: 0, warmup_start: 0.3333333333333333}\n";
    assert_non_null(strstr(e->variants[0].settings.config, line));
    experiment *again = GOOD(e->variants[0].settings.config);
    assert_string_equal(again->variants[0].settings.config, e->variants[0].settings.config);
    assert_string_equal(again->variants[0].settings.schedule_text, e->variants[0].settings.schedule_text);
    experiment_close(e);
    experiment_close(again);
}

static void variants_and_overrides_change_a_schedule(void **state)
{
    (void)state;
    const char *yaml = DATA MODEL "schedule: {name: one_cycle_lr}\n"
                                  "variants:\n"
                                  "  a: {schedule: {max_lr: 0.1}}\n"
                                  "  b: {schedule: step_lr 3}\n"
                                  "  c: {schedule: {name: none}}\n";
    experiment *e = GOOD(yaml);
    assert_string_equal(settings_of(e, "a")->schedule_text, "one_cycle_lr 0.1");
    assert_string_equal(settings_of(e, "b")->schedule_text, "step_lr 3");
    assert_string_equal(settings_of(e, "c")->schedule_text, "none");
    experiment_close(e);
    e = GOOD(yaml, "schedule.warmup=4", "variants.b.schedule.gamma=0.5");
    assert_string_equal(settings_of(e, "a")->schedule_text, "one_cycle_lr 0.1 warmup=4");
    assert_string_equal(settings_of(e, "b")->schedule_text, "step_lr 3 gamma=0.5 warmup=4");
    assert_string_equal(settings_of(e, "c")->schedule_text, "none warmup=4");
    experiment_close(e);
}

static void a_mistake_in_a_schedule_has_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        size_t column;
        const char *words;
    } table[] = {
        {"schedule: [step_lr]\n", 11, "schedule: {name: step_lr, step_size: 10}"},
        {"schedule: {step_size: 3}\n", 12, "unknown key \"step_size\" of schedule none"},
        {"schedule: {name: stap_lr}\n", 18, "did you mean \"step_lr\"?"},
        {"schedule: {name: step_lr}\n", 11, "step_size of schedule step_lr is missing"},
        {"schedule: step_lr 3 gamma=x\n", 27, "gamma must be a number"},
        {"schedule: {name: cyclic_lr, base_lr: 0, max_lr: 1, mode: round}\n", 58, "unknown mode \"round\"; there are: triangular, "},
        {"schedule: {name: multi_step_lr, milestones: [3, -1]}\n", 49, "milestones must be a whole number"},
        {"schedule: {name: sequential_lr, schedules: [linear_lr, linear_lr], milestones: [3, 4]}\n", 80, "1 milestones between them, not 2"},
        {"schedule: {name: sequential_lr, schedules: [{name: linear_lr, total: 3}], milestones: []}\n", 63, "unknown key \"total\""},
        {"schedule: {name: reduce_lr_on_plateau, by: step}\n", 44, "cannot go by step"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        char yaml[256];
        snprintf(yaml, sizeof yaml, DATA MODEL "%s", table[i].yaml);
        assert_null(OPEN(yaml));
        assert_says(table[i].words);
        if (err.line != 3 || err.column != table[i].column || err.count != 1)
            fail_msg("%s\nwanted column %zu, got: %s", yaml, table[i].column, err.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_rate_that_falls_is_another_rate_from_there_on),
        TEST(a_momentum_that_is_moved_is_the_optimizers),
        TEST(every_step_has_its_own_rate_and_momentum),
        TEST(a_trainer_refuses_what_it_cannot_follow),
        TEST(an_optimizer_without_momentum_is_told_so),
        TEST(a_schedule_is_written_in_many_ways),
        TEST(a_sequence_is_resolved_with_every_default_and_reads_back),
        TEST(variants_and_overrides_change_a_schedule),
        TEST(a_mistake_in_a_schedule_has_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
