/* Every schedule and every of its cases, 10,000 steps long: against its formula, computed here with 113 bits, and against PyTorch. */
#include "numbers.h"

#include "schedule/schedule.h"

enum { STEPS = 10000 };
#define BASE_LR 0.1
#define GOLDEN 0xcfd0c6b583c9174au /* changes with a schedule, or a case of one, and with nothing else */

#define WIDE_PI 3.14159265358979323846264338327950288419716939937510582097f128

/* ---- A schedule of one case, ready to run ---- */

typedef struct rig {
    scheduler s;
    arena memory;
} rig;

static rig rig_make(const char *spec)
{
    rig r = {0};
    weft_error err = {0};
    const setting *map = setting_from_spec(&r.memory, spec, (where){"case", 0, 0}, &err);
    if (!map || scheduler_read(&r.s, map, &r.memory, &err) != WEFT_OK ||
        scheduler_fit(&r.s, 0, 1, (where){"case", 0, 0}, &err) != WEFT_OK)
        fail_msg("%s: %s", spec, err.message);
    scheduler_begin(&r.s, BASE_LR);
    return r;
}

/* Every case counts steps and epochs alike. */
static double rate_at(const scheduler *s, uint64_t t) { return scheduler_rate(s, t, t); }

#define FOR_CASES(spec)                                              \
    for (const schedule *const *kind_ = schedule_table; *kind_; kind_++) \
        for (const char *const *spec = (*kind_)->cases; *spec; spec++)

static void every_schedule_is_described_and_has_cases(void **unused)
{
    (void)unused;
    size_t n = 0;
    for (const schedule *const *s = schedule_table; *s; s++, n++) {
        assert_true((*s)->name && (*s)->help && (*s)->formula && (*s)->cases[0]);
        assert_ptr_equal(schedule_find((*s)->name), *s);
        for (const field *f = (*s)->fields; f->name; f++)
            assert_non_null(f->help);
        for (const char *const *spec = (*s)->cases; *spec; spec++) {
            rig r = rig_make(*spec);
            assert_ptr_equal(r.s.kind, *s);
            arena_deinit(&r.memory);
        }
    }
    assert_int_equal(n, 13);
}

/* ---- The formulas, from the settings by their names ---- */

static const void *setting_at(const scheduler *s, const char *name, field_type *type)
{
    for (const field *f = s->table; f->name; f++)
        if (strcmp(f->name, name) == 0) {
            *type = f->type;
            return (const char *)s->values + f->offset;
        }
    *type = FIELD_TEXT;
    fail_msg("%s has no %s", s->kind->name, name);
    return NULL;
}

static wide number(const scheduler *s, const char *name)
{
    field_type type;
    const void *at = setting_at(s, name, &type);
    return type == FIELD_SIZE ? (wide) * (const size_t *)at : type == FIELD_BOOL ? (wide) * (const bool *)at : (wide) * (const double *)at;
}

static bool says(const scheduler *s, const char *name, const char *word)
{
    field_type type;
    return strcmp(*(const char *const *)setting_at(s, name, &type), word) == 0;
}

static size_t milestones(const scheduler *s, const size_t **at)
{
    field_type type;
    const size_list *list = setting_at(s, "milestones", &type);
    *at = list->at;
    return list->n;
}

static wide cosine(wide from, wide to, wide x) { return to + (from - to) * (1 + cosf128(WIDE_PI * x)) / 2; }

static wide line(wide from, wide to, wide x) { return from + (to - from) * x; }

static wide cosine_formula(const scheduler *s, wide t)
{
    return cosine(BASE_LR, number(s, "eta_min"), t / number(s, "T_max"));
}

static wide restarts_formula(const scheduler *s, wide t)
{
    wide round = number(s, "T_0");
    for (; t >= round; round *= number(s, "T_mult"))
        t -= round;
    return cosine(BASE_LR, number(s, "eta_min"), t / round);
}

/* Of the rate, or, from other ends, of the momentum. */
static wide cycle_formula(const scheduler *s, wide first, wide peak, wide last, wide t)
{
    const wide total = number(s, "total_steps"), top = number(s, "pct_start") * total - 1, valley = 2 * number(s, "pct_start") * total - 2;
    wide (*anneal)(wide, wide, wide) = says(s, "anneal_strategy", "cos") ? cosine : line;
    t = t < total - 1 ? t : total - 1;
    if (t <= top)
        return anneal(first, peak, t / top);
    if (number(s, "three_phase") == 0)
        return anneal(peak, last, (t - top) / (total - 1 - top));
    return t <= valley ? anneal(peak, first, (t - top) / (valley - top)) : anneal(first, last, (t - valley) / (total - 1 - valley));
}

static wide one_cycle_formula(const scheduler *s, wide t)
{
    const wide max = number(s, "max_lr"), first = max / number(s, "div_factor");
    return cycle_formula(s, first, max, first / number(s, "final_div_factor"), t);
}

static wide height_formula(const scheduler *s, wide t)
{
    const wide up = number(s, "step_size_up"), given = number(s, "step_size_down"), total = up + (given ? given : up);
    const wide cycle = floorf128(1 + t / total), x = 1 + t / total - cycle, r = up / total;
    const wide scale = says(s, "mode", "triangular2") ? powf128(2, 1 - cycle) : says(s, "mode", "exp_range") ? powf128(number(s, "gamma"), t) : 1;
    return (x <= r ? x / r : (x - 1) / (r - 1)) * scale;
}

static wide formula(const scheduler *s, uint64_t t);

static wide sequence_formula(const scheduler *s, uint64_t t)
{
    field_type type;
    const size_t *at;
    const size_t n = milestones(s, &at);
    const setting *text = (*(const setting *const *)setting_at(s, "schedules", &type))->first;
    size_t begin = 0;
    for (size_t i = 0; i < n && at[i] <= t; i++, text = text->next)
        begin = at[i];
    rig part = rig_make(text->text);
    const wide rate = formula(&part.s, t - begin);
    arena_deinit(&part.memory);
    return rate;
}

static wide passed(const scheduler *s, wide t)
{
    const size_t *at;
    size_t n = 0;
    for (size_t i = milestones(s, &at); i-- > 0;)
        n += (wide)at[i] <= t;
    return (wide)n;
}

static wide formula(const scheduler *s, uint64_t step)
{
    const char *name = s->kind->name;
    const wide t = (wide)step, L = BASE_LR;
#define IS(kind) (strcmp(name, kind) == 0)
#define AT_MOST(setting) (t < number(s, setting) ? t : number(s, setting))
    return IS("step_lr")                        ? L * powf128(number(s, "gamma"), floorf128(t / number(s, "step_size")))
           : IS("multi_step_lr")                ? L * powf128(number(s, "gamma"), passed(s, t))
           : IS("exponential_lr")               ? L * powf128(number(s, "gamma"), t)
           : IS("constant_lr")                  ? L * (t < number(s, "total_iters") ? number(s, "factor") : 1)
           : IS("linear_lr")                    ? L * line(number(s, "start_factor"), number(s, "end_factor"),
                                                           AT_MOST("total_iters") / number(s, "total_iters"))
           : IS("polynomial_lr")                ? L * powf128(1 - AT_MOST("total_iters") / number(s, "total_iters"), number(s, "power"))
           : IS("cosine_annealing_lr")          ? cosine_formula(s, t)
           : IS("cosine_annealing_warm_restarts") ? restarts_formula(s, t)
           : IS("one_cycle_lr")                 ? one_cycle_formula(s, t)
           : IS("cyclic_lr")                    ? line(number(s, "base_lr"), number(s, "max_lr"), height_formula(s, t))
           : IS("sequential_lr")                ? sequence_formula(s, step)
                                                : L; /* none, and a plateau that was never reached */
#undef IS
#undef AT_MOST
}

/* How many doubles lie between them, counted where b is. What the formula's own rounding leaves of a zero is none. */
static double double_ulps(double a, wide b)
{
    int exponent;
    frexp((double)b, &exponent);
    if (a == 0 && fabsf128(b) < 1e-33f128)
        return 0;
    return (double)fabsf128(((wide)a - b) / (wide)fmax(ldexp(1, exponent - 53), 0x1p-1074));
}

static void rates_are_those_of_their_formulas(void **unused)
{
    (void)unused;
    FOR_CASES(spec) {
        rig r = rig_make(*spec);
        double worst = 0;
        uint64_t worst_t = 0;
        for (uint64_t t = 0; t < STEPS; t++) {
            const double off = double_ulps(rate_at(&r.s, t), formula(&r.s, t));
            if (!(off <= worst)) {
                worst = off;
                worst_t = t;
            }
        }
        /* rounded once; but for a power of a fraction, which is a product of two that were rounded before */
        if (!(worst <= (strstr(*spec, "power=0.9") ? 2 : 0.501)))
            fail_msg("%s: %g ulp from the formula at %d", *spec, worst, (int)worst_t);
        arena_deinit(&r.memory);
    }
}

/* What all rates of all cases hash to, on every machine: FNV-1a of their bits. */
static void rates_have_the_same_bits_everywhere(void **unused)
{
    (void)unused;
    uint64_t hash = 0xcbf29ce484222325u;
    FOR_CASES(spec) {
        rig r = rig_make(*spec);
        for (uint64_t t = 0; t < STEPS; t++) {
            const double rate = rate_at(&r.s, t);
            unsigned char bytes[sizeof rate];
            memcpy(bytes, &rate, sizeof rate);
            for (size_t i = 0; i < sizeof rate; i++)
                hash = (hash ^ bytes[i]) * 0x100000001b3u;
        }
        arena_deinit(&r.memory);
    }
    if (hash != GOLDEN)
        fail_msg("the rates hash to 0x%llx", (unsigned long long)hash);
}

/* ---- PyTorch ---- */

/* What make_fixtures.py tells reduce_lr_on_plateau after epoch t, from 0. */
static weft_metrics metrics_after(uint64_t t)
{
    const double value = 1 / (1 + (double)t / 50) + 0.1 * sin(0.7 * (double)t);
    return (weft_metrics){.epoch = t + 1, .val_loss = value, .val_acc = value};
}

/* PyTorch goes from rate to rate, and drifts: what it says is good to 1e-12 of the largest of them; of a cosine, which it multiplies with
 * quotients of small numbers, to 1e-11. */
static void check_torch(const json_t *entry)
{
    const char *spec = json_string_value(json_object_get(entry, "spec"));
    const json_t *times = json_object_get(entry, "t");
    const size_t n = json_array_size(times);
    double *t = numbers_of_json(times, n), *lr = numbers_of_json(json_object_get(entry, "lr"), n);
    double *momentum = numbers_of_json(json_object_get(entry, "momentum"), n), largest = 0;
    rig r = rig_make(spec);
    uint64_t now = 0;
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, lr[i]);
    for (size_t i = 0; i < n; i++) {
        for (; now < (uint64_t)t[i]; now++) {
            const weft_metrics m = metrics_after(now);
            scheduler_learn(&r.s, &m);
        }
        const double rate = rate_at(&r.s, now), moved = scheduler_momentum(&r.s, now, now);
        if (!(fabs(rate - lr[i]) <= (strstr(spec, "cosine_annealing_lr") ? 1e-11 : 1e-12) * largest))
            fail_msg("%s at %d: %.17g, torch says %.17g", spec, (int)now, rate, lr[i]);
        if (!(fabs((moved < 0 ? 0.5 : moved) - momentum[i]) <= 1e-12))
            fail_msg("%s at %d: momentum %.17g, torch says %.17g", spec, (int)now, moved, momentum[i]);
    }
    free(t);
    free(lr);
    free(momentum);
    arena_deinit(&r.memory);
}

static void rates_and_momenta_are_those_of_torch(void **unused)
{
    (void)unused;
    size_t i;
    json_t *cases, *root = fixture_open("schedules.json", &cases), *entry;
    json_array_foreach(cases, i, entry)
        check_torch(entry);
    json_decref(root);
}

static void every_case_has_rates_of_torch(void **unused)
{
    (void)unused;
    json_t *cases, *root = fixture_open("schedules.json", &cases), *entry;
    FOR_CASES(spec) {
        size_t i, found = 0;
        json_array_foreach(cases, i, entry)
            found += strcmp(json_string_value(json_object_get(entry, "spec")), *spec) == 0;
        if (found != 1)
            fail_msg("tests/fixtures/schedules.json has %zu cases \"%s\"; add it to make_fixtures.py", found, *spec);
    }
    json_decref(root);
}

/* ---- Steps, epochs, a warm-up ---- */

static void a_schedule_counts_what_it_is_told_to(void **unused)
{
    (void)unused;
    static const struct {
        const char *spec;
        bool by_step;
    } table[] = {{"step_lr 3 gamma=0.5", false},          {"step_lr 3 gamma=0.5 by=step", true}, {"one_cycle_lr 0.2 total_steps=20", true},
                 {"cyclic_lr 0.1 0.2 step_size_up=5", true}, {"one_cycle_lr 0.2 total_steps=20 by=epoch", false}};
    for (size_t i = 0; i < COUNT(table); i++) {
        rig r = rig_make(table[i].spec);
        const double first = scheduler_rate(&r.s, 0, 0), seventh = rate_at(&r.s, 7);
        assert_true(first != seventh);
        assert_true(scheduler_rate(&r.s, 7, 0) == (table[i].by_step ? seventh : first));
        assert_true(scheduler_rate(&r.s, 0, 7) == (table[i].by_step ? first : seventh));
        arena_deinit(&r.memory);
    }
}

static void a_warmup_rises_in_a_line_to_the_first_rate(void **unused)
{
    (void)unused;
    static const char *const behind[] = {"none", "exponential_lr 0.9", "one_cycle_lr 0.3 total_steps=50", "linear_lr 0.5"};
    for (size_t i = 0; i < COUNT(behind); i++) {
        char spec[128];
        snprintf(spec, sizeof spec, "%s warmup=4 warmup_start=0.2", behind[i]);
        rig bare = rig_make(behind[i]), r = rig_make(spec);
        const double first = rate_at(&bare.s, 0);
        for (uint64_t t = 0; t < 40; t++) {
            const double want = t < 4 ? first * (0.2 + 0.2 * (double)t) : rate_at(&bare.s, t - 4);
            assert_true(fabs(rate_at(&r.s, t) - want) <= 1e-15 * want);
            assert_true(scheduler_momentum(&r.s, t, t) == scheduler_momentum(&bare.s, t < 4 ? 0 : t - 4, t < 4 ? 0 : t - 4));
        }
        arena_deinit(&bare.memory);
        arena_deinit(&r.memory);
    }
}

static void a_plateau_does_not_look_at_the_warmup(void **unused)
{
    (void)unused;
    rig r = rig_make("reduce_lr_on_plateau factor=0.5 patience=0 warmup=3");
    for (uint64_t t = 0; t < 6; t++) {
        assert_int_equal(r.s.state.improvements, t > 3);
        scheduler_learn(&r.s, &(weft_metrics){.epoch = t + 1, .val_loss = 1});
    }
    assert_true(rate_at(&r.s, 6) == BASE_LR / 4); /* epoch 4 was the best so far, 5 and 6 were no better */
    arena_deinit(&r.memory);
}

static void what_is_no_number_is_no_improvement(void **unused)
{
    (void)unused;
    static const char *const specs[] = {"reduce_lr_on_plateau min patience=1", "reduce_lr_on_plateau max patience=1"};
    for (size_t i = 0; i < COUNT(specs); i++) {
        rig r = rig_make(specs[i]);
        scheduler_learn(&r.s, &(weft_metrics){.epoch = 1, .val_loss = (double)NAN});
        assert_true(rate_at(&r.s, 1) == BASE_LR);
        scheduler_learn(&r.s, &(weft_metrics){.epoch = 2, .val_loss = (double)NAN});
        assert_true(rate_at(&r.s, 2) == BASE_LR * 0.1);
        arena_deinit(&r.memory);
    }
}

/* ---- How long a training is ---- */

static weft_status fit(const char *spec, uint64_t steps, uint64_t steps_per_epoch, scheduler *s, arena *a, weft_error *err)
{
    *err = (weft_error){0};
    const where at = {"here", 3, 5};
    const setting *map = setting_from_spec(a, spec, at, err);
    assert_non_null(map);
    assert_int_equal(scheduler_read(s, map, a, err), WEFT_OK);
    return scheduler_fit(s, steps, steps_per_epoch, at, err);
}

static void one_cycle_lasts_as_long_as_the_training(void **unused)
{
    (void)unused;
    static const struct {
        const char *spec, *same;
    } table[] = {{"one_cycle_lr 0.1", "one_cycle_lr 0.1 total_steps=60"},
                 {"one_cycle_lr 0.1 by=epoch", "one_cycle_lr 0.1 total_steps=6 by=epoch"}, /* 5 of 11 steps, and one of 5 */
                 {"one_cycle_lr 0.1 warmup=7", "one_cycle_lr 0.1 total_steps=53 warmup=7"}};
    arena a = {0};
    weft_error err;
    scheduler s;
    for (size_t i = 0; i < COUNT(table); i++) {
        assert_int_equal(fit(table[i].spec, 60, 11, &s, &a, &err), WEFT_OK);
        assert_string_equal(scheduler_text(&s, &a), table[i].same);
    }
    assert_int_equal(fit("sequential_lr by=step milestones=[10] schedules=[linear_lr, \"one_cycle_lr 0.2 cycle_momentum=false\"]", 60, 11, &s, &a,
                         &err), WEFT_OK);
    scheduler_begin(&s, BASE_LR);
    assert_true(scheduler_rate(&s, 10, 0) == 0.2 / 25);
    assert_true(fabs(scheduler_rate(&s, 59, 0) - 0.2 / 25 / 1e4) < 1e-20);
    arena_deinit(&a);
}

static void behind_its_end_a_cycle_stays(void **unused)
{
    (void)unused;
    rig r = rig_make("one_cycle_lr 0.1 total_steps=1"), long_one = rig_make("one_cycle_lr 0.1 total_steps=20");
    assert_true(fabs(rate_at(&r.s, 0) - 0.1 / 25 / 1e4) < 1e-20);
    assert_true(rate_at(&long_one.s, 19) < rate_at(&long_one.s, 18) && rate_at(&long_one.s, 1000) == rate_at(&long_one.s, 19));
    arena_deinit(&r.memory);
    arena_deinit(&long_one.memory);
}

static void a_length_that_does_not_go_with_the_schedule_is_refused(void **unused)
{
    (void)unused;
    static const struct {
        const char *spec;
        uint64_t steps, per_epoch;
        const char *words;
    } table[] = {
        {"one_cycle_lr 0.1 total_steps=59", 60, 11, "here:3:5: total_steps of schedule one_cycle_lr is 59, but it has to last for 60"},
        {"one_cycle_lr 0.1", 0, 11, "total_steps of schedule one_cycle_lr is missing"},
        {"one_cycle_lr 0.1 warmup=60", 60, 11, "total_steps of schedule one_cycle_lr is missing"},
        {"step_lr 3", 60, 0, "without a data set there are no epochs for step_lr to go by; write by=step"},
    };
    arena a = {0};
    weft_error err;
    scheduler s;
    for (size_t i = 0; i < COUNT(table); i++) {
        assert_int_equal(fit(table[i].spec, table[i].steps, table[i].per_epoch, &s, &a, &err), WEFT_BAD_INPUT);
        if (!strstr(err.message, table[i].words))
            fail_msg("wanted: %s\ngot: %s", table[i].words, err.message);
    }
    assert_int_equal(fit("one_cycle_lr 0.1 total_steps=60", 60, 11, &s, &a, &err), WEFT_OK);
    assert_int_equal(fit("cosine_annealing_lr 1000", 60, 11, &s, &a, &err), WEFT_OK);
    arena_deinit(&a);
}

/* ---- What users write ---- */

static void settings_that_make_no_sense_are_refused(void **unused)
{
    (void)unused;
    static const struct {
        const char *spec;
        size_t column;
        const char *words;
    } table[] = {
        {"stap_lr 3", 1, "unknown schedule \"stap_lr\"; did you mean \"step_lr\"?"},
        {"step_lr", 1, "step_size of schedule step_lr is missing"},
        {"step_lr 0", 9, "step_size is 0, but must be at least 1"},
        {"step_lr 3 gamma=0", 17, "gamma is 0, but must be above 0"},
        {"step_lr 3 by=batch", 14, "unknown by \"batch\"; there are: epoch, step"},
        {"step_lr 3 warmup_start=2", 24, "warmup_start is 2, but must be at least 0 and at most 1"},
        {"multi_step_lr 30", 15, "milestones must be a list in [], not \"30\""},
        {"multi_step_lr [30, 4.5]", 20, "milestones must be a whole number, not \"4.5\""},
        {"linear_lr 0", 11, "start_factor is 0, but must be above 0"},
        {"constant_lr 0", 13, "factor is 0, but must be above 0 and at most 1"},
        {"cosine_annealing_warm_restarts 0", 32, "T_0 is 0, but must be at least 1"},
        {"cosine_annealing_warm_restarts 5 T_mult=1.5", 41, "T_mult must be a whole number, not \"1.5\""},
        {"one_cycle_lr 0.1 pct_start=1.5", 28, "pct_start is 1.5"},
        {"one_cycle_lr 0.1 anneal_strategy=cosine", 34, "unknown anneal_strategy \"cosine\"; there are: cos, linear"},
        {"cyclic_lr 0.1", 1, "max_lr of schedule cyclic_lr is missing"},
        {"cyclic_lr 0.1 0.2 mode=triangular3", 24, "unknown mode \"triangular3\"; did you mean \"triangular\"?"},
        {"reduce_lr_on_plateau factor=0", 29, "factor is 0, but must be above 0 and below 1"},
        {"reduce_lr_on_plateau by=step", 25, "cannot go by step"},
        {"sequential_lr schedules=[] milestones=[]", 25, "there is no schedule in this list"},
        {"sequential_lr schedules=[linear_lr, linear_lr] milestones=[3, 4]", 59, "2 schedules have 1 milestones between them, not 2"},
        {"sequential_lr schedules=[linear_lr, linear_lr, linear_lr] milestones=[4, 4]", 70, "must rise, but 4 comes behind 4"},
        {"sequential_lr schedules=[linear_lr, step_lr] milestones=[3]", 37, "step_size of schedule step_lr is missing"},
        {"sequential_lr schedules=[linear_lr, \"step_lr 3 by=step\"] milestones=[3]", 47, "unknown key \"by\" of schedule step_lr"},
        {"sequential_lr schedules=[reduce_lr_on_plateau] milestones=[]", 26, "cannot be a part of sequential_lr"},
        {"sequential_lr schedules=[\"one_cycle_lr 0.1\"] milestones=[]", 26, "cannot move the momentum; write cycle_momentum: false"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        arena a = {0};
        weft_error err = {0};
        scheduler s;
        const setting *map = setting_from_spec(&a, table[i].spec, (where){"case", 1, 1}, &err);
        assert_non_null(map);
        assert_int_equal(scheduler_read(&s, map, &a, &err), WEFT_BAD_INPUT);
        if (!strstr(err.message, table[i].words) || err.column != table[i].column)
            fail_msg("%s\nwanted: %zu: %s\ngot: %s", table[i].spec, table[i].column, table[i].words, err.message);
        arena_deinit(&a);
    }
}

/* What config.yaml and checkpoints say of a schedule reads back as the same one. */
static void texts_read_back(void **unused)
{
    (void)unused;
    FOR_CASES(spec) {
        rig r = rig_make(*spec), again = rig_make(scheduler_text(&r.s, &r.memory));
        text first = {0}, second = {0};
        fields_print(r.s.table, r.s.values, "%s=%s", " ", &first);
        fields_print(again.s.table, again.s.values, "%s=%s", " ", &second);
        assert_string_equal(first.data, second.data);
        text_free(&first);
        text_free(&second);
        arena_deinit(&r.memory);
        arena_deinit(&again.memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_schedule_is_described_and_has_cases),
        cmocka_unit_test(rates_are_those_of_their_formulas),
        cmocka_unit_test(rates_have_the_same_bits_everywhere),
        cmocka_unit_test(rates_and_momenta_are_those_of_torch),
        cmocka_unit_test(every_case_has_rates_of_torch),
        cmocka_unit_test(a_schedule_counts_what_it_is_told_to),
        cmocka_unit_test(a_warmup_rises_in_a_line_to_the_first_rate),
        cmocka_unit_test(a_plateau_does_not_look_at_the_warmup),
        cmocka_unit_test(what_is_no_number_is_no_improvement),
        cmocka_unit_test(one_cycle_lasts_as_long_as_the_training),
        cmocka_unit_test(behind_its_end_a_cycle_stays),
        cmocka_unit_test(a_length_that_does_not_go_with_the_schedule_is_refused),
        cmocka_unit_test(settings_that_make_no_sense_are_refused),
        cmocka_unit_test(texts_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
