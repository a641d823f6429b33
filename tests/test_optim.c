/* Every optimizer and every of its cases: the update against the reference, the reference against PyTorch's trajectories. */
#include "numbers.h"

#include "optim/optim.h"

enum { STEPS = 300, MAX_N = 384 };

/* ---- An optimizer of one case, ready to run ---- */

typedef struct rig {
    optimizer o;
    arena memory;
} rig;

static rig rig_make(isa level, const char *spec)
{
    rig r = {0};
    weft_error err = {0};
    const setting *map = setting_from_spec(&r.memory, spec, (where){"case", 0, 0}, &err);
    if (!map || optimizer_read(&r.o, map, level, &r.memory, &err) != WEFT_OK)
        fail_msg("%s", err.message);
    return r;
}

/* Of optimizers that have an update; those that minimise have tests of their own. */
static const char *const *cases_of(const optim *o)
{
    static const char *const none[] = {NULL};
    return o->update ? o->cases : none;
}

typedef void checker(isa level, const char *spec);

static void for_cases(checker *check)
{
    FOR_ISAS(level)
        for (const optim *const *o = optim_table(level); *o; o++)
            for (const char *const *spec = cases_of(*o); *spec; spec++)
                check(level, *spec);
}

static void every_optimizer_has_cases_and_names_for_its_states(void **unused)
{
    (void)unused;
    FOR_ISAS(level)
        for (const optim *const *o = optim_table(level); *o; o++) {
            assert_true((*o)->name && (*o)->help && (*o)->formula && (*o)->cases[0]);
            assert_string_equal((*o)->fields[0].name, "lr");
            assert_ptr_equal(optim_find(level, (*o)->name), *o);
            for (const char *const *spec = (*o)->cases; *spec; spec++) {
                rig r = rig_make(level, *spec);
                assert_ptr_equal(r.o.kind, *o);
                size_t kept = 0;
                for (size_t s = 0; s < MAX_STATES; s++)
                    kept += optimizer_keeps(&r.o, s);
                assert_int_equal(kept, r.o.n_states);
                arena_deinit(&r.memory);
            }
        }
}

/* ---- Weights, gradients and states, in double and in real ---- */

typedef struct walk {
    size_t n;
    double w[MAX_N], states[MAX_STATES][MAX_N];
    double longest[MAX_N]; /* of the steps that were taken */
    guarded in_real, g, state[MAX_STATES];
} walk;

static double start(size_t i) { return sin(1 + (double)i); }

/* The same formula as in make_fixtures.py: some are large and some tiny, so that every eps counts somewhere. */
static double gradient(uint64_t t, size_t i, double w)
{
    static const double sizes[] = {1, 1e-2, 1e-4, 1e-6};
    return (sin(0.7 * (double)i + 0.11 * (double)t) + 0.3 * w) * sizes[i % 4];
}

/* n: a multiple of MIN_WIDTH where step_in_real is called, as kernels have it. */
static walk *walk_make(const optimizer *o, size_t n)
{
    walk *k = calloc(1, sizeof *k);
    assert_non_null(k);
    k->n = n;
    k->in_real = guarded_make(n);
    k->g = guarded_make(n);
    for (size_t s = 0; s < MAX_STATES; s++) {
        const double before = o->kind->start ? o->kind->start(o->fields, s) : 0;
        if (optimizer_keeps(o, s))
            k->state[s] = guarded_make(n);
        for (size_t i = 0; i < n; i++)
            k->states[s][i] = before;
        for (size_t i = 0; i < k->state[s].n; i++)
            k->state[s].data[i] = (real)before;
    }
    for (size_t i = 0; i < n; i++) {
        k->in_real.data[i] = (real)start(i);
        k->w[i] = (double)k->in_real.data[i];
    }
    return k;
}

static void walk_free(walk *k)
{
    guarded_free(&k->in_real);
    guarded_free(&k->g);
    for (size_t s = 0; s < MAX_STATES; s++)
        guarded_free(&k->state[s]);
    free(k);
}

static void step_in_double(const optimizer *o, walk *k, uint64_t t, const double *g)
{
    double *const state[MAX_STATES] = {k->states[0], k->states[1], k->states[2]};
    double before[MAX_N];
    memcpy(before, k->w, sizeof before);
    o->kind->reference(o->fields, o->lr, t, k->n, k->w, g, state);
    for (size_t i = 0; i < k->n; i++)
        k->longest[i] = fmax(k->longest[i], fabs(k->w[i] - before[i]));
}

static void step_in_real(optimizer *o, walk *k)
{
    real *const state[MAX_STATES] = {k->state[0].data, k->state[1].data, k->state[2].data};
    optimizer_begin(o);
    o->kind->update(k->in_real.data, k->g.data, state, k->n, o->hyper);
}

/* ---- The update against the reference ---- */

/* The slowest average that the optimizer keeps, by its fields that stay below 1. */
static double slowest(const optimizer *o)
{
    double most = 0;
    for (const field *f = o->kind->fields; f->name; f++) {
        const double *values = (const double *)((const char *)o->fields + f->offset);
        if (f->flags & FIELD_BELOW_MAX && f->max == 1)
            for (int i = 0; i < (f->type == FIELD_PAIR ? 2 : 1); i++)
                most = fmax(most, values[i]);
    }
    return most;
}

static void check_update_of(isa level, const char *spec, size_t n)
{
    rig r = rig_make(level, spec);
    walk *k = walk_make(&r.o, n);
    double g[MAX_N] = {0};
    /* An average that keeps q of itself carries its own rounding, that of q, and that of 1 - q: 3 units / (1 - q). The step
     * made of it adds some 8. A weight is rounded once a step, to a unit of where it is. */
    const double step_units = 3 / (1 - slowest(&r.o)) + 8;
    for (uint64_t t = 1; t <= STEPS; t++) {
        for (size_t i = 0; i < n; i++) {
            k->g.data[i] = (real)gradient(t, i, k->w[i]);
            g[i] = (double)k->g.data[i];
        }
        step_in_double(&r.o, k, t, g);
        step_in_real(&r.o, k);
        for (size_t i = 0; i < n; i++) {
            const double tolerance = (UNIT + DOUBLE_UNIT) * (double)t * (step_units * k->longest[i] + 1.5 * fmax(fabs(k->w[i]), 1));
            if (!(fabs((double)k->in_real.data[i] - k->w[i]) <= tolerance))
                fail_msg("%s: weight %zu of %zu is %.9g after step %u, not %.9g within %g", spec, i, n,
                         (double)k->in_real.data[i], (unsigned)t, k->w[i], tolerance);
        }
    }
    walk_free(k);
    arena_deinit(&r.memory);
}

static void check_update(isa level, const char *spec)
{
    static const size_t lengths[] = {MIN_WIDTH, PANEL, MAX_N};
    for (size_t i = 0; i < COUNT(lengths); i++)
        check_update_of(level, spec, lengths[i]);
}

static void updates_follow_their_references_for_300_steps(void **unused)
{
    (void)unused;
    for_cases(check_update);
}

/* The first step is so short a way that rounding hides nothing: a few units of the step itself and one of the weight. */
static void check_first_step(isa level, const char *spec)
{
    rig r = rig_make(level, spec);
    walk *k = walk_make(&r.o, 48);
    double g[48];
    for (size_t i = 0; i < 48; i++) {
        k->in_real.data[i] = 0; /* so that the step is all there is */
        k->w[i] = 0;
        k->g.data[i] = (real)gradient(1, i, 0);
        g[i] = (double)k->g.data[i];
    }
    step_in_double(&r.o, k, 1, g);
    step_in_real(&r.o, k);
    for (size_t i = 0; i < 48; i++)
        if (!(fabs((double)k->in_real.data[i] - k->w[i]) <= 16 * UNIT * fabs(k->w[i])))
            fail_msg("%s: the first step of weight %zu is %.9g, not %.9g", spec, i, (double)k->in_real.data[i], k->w[i]);
    walk_free(k);
    arena_deinit(&r.memory);
}

static void first_steps_are_right_to_the_last_digits(void **unused)
{
    (void)unused;
    for_cases(check_first_step);
}

/* A decay that is below all normal numbers would make every step many times as long. */
static void weights_that_are_almost_nothing_decay_no_further(void **unused)
{
    (void)unused;
    static const char *const specs[] = {"adam", "nadam", "radam", "adagrad", "adadelta", "adamax", "rmsprop", "sgd momentum=0.9"};
    FOR_ISAS(level)
        for (size_t s = 0; s < COUNT(specs); s++) {
            char spec[64];
            snprintf(spec, sizeof spec, "%s weight_decay=0.0006", specs[s]);
            rig r = rig_make(level, spec);
            walk *k = walk_make(&r.o, MIN_WIDTH);
            for (size_t i = 0; i < MIN_WIDTH; i++) {
                k->in_real.data[i] = (real)1e-33;
                k->g.data[i] = 0;
            }
            for (int t = 0; t < 3; t++)
                step_in_real(&r.o, k);
            for (size_t i = 0; i < MIN_WIDTH; i++)
                if (k->in_real.data[i] != (real)1e-33)
                    fail_msg("%s: 1e-33 becomes %g", spec, (double)k->in_real.data[i]);
            walk_free(k);
            arena_deinit(&r.memory);
        }
}

/* ---- The reference against PyTorch ---- */

static void check_torch(const json_t *entry)
{
    rig r = rig_make(ANY_ISA, json_string_value(json_object_get(entry, "spec")));
    const json_t *steps = json_object_get(entry, "steps"), *expected = json_object_get(entry, "w");
    const size_t n = json_array_size(json_array_get(expected, 0));
    walk *k = walk_make(&r.o, n);
    double g[MAX_N];
    size_t at_step = 0;
    for (size_t i = 0; i < n; i++)
        k->w[i] = start(i);
    for (uint64_t t = 1; at_step < json_array_size(steps); t++) {
        for (size_t i = 0; i < n; i++)
            g[i] = gradient(t, i, k->w[i]);
        step_in_double(&r.o, k, t, g);
        if ((json_int_t)t != json_integer_value(json_array_get(steps, at_step)))
            continue;
        double *want = numbers_of_json(json_array_get(expected, at_step++), n);
        for (size_t i = 0; i < n; i++)
            if (!(fabs(k->w[i] - want[i]) <= 1e-12 * fmax(fabs(want[i]), 1)))
                fail_msg("%s: weight %zu is %.17g after step %u, and torch has %.17g", r.o.kind->name, i, k->w[i], (unsigned)t,
                         want[i]);
        free(want);
    }
    walk_free(k);
    arena_deinit(&r.memory);
}

static void references_walk_as_torch_does(void **unused)
{
    (void)unused;
    json_t *cases, *root = fixture_open("optimizers.json", &cases), *entry;
    size_t i;
    json_array_foreach(cases, i, entry)
        check_torch(entry);
    json_decref(root);
}

static void every_case_has_a_trajectory_of_torch(void **unused)
{
    (void)unused;
    json_t *cases, *root = fixture_open("optimizers.json", &cases), *entry;
    for (const optim *const *o = optim_table(ANY_ISA); *o; o++)
        for (const char *const *spec = cases_of(*o); *spec; spec++) {
            size_t i, found = 0;
            json_array_foreach(cases, i, entry)
                found += strcmp(json_string_value(json_object_get(entry, "spec")), *spec) == 0;
            if (found != 1)
                fail_msg("tests/fixtures/optimizers.json has %zu cases \"%s\"; add it to make_fixtures.py", found, *spec);
        }
    json_decref(root);
}

/* ---- Rules ---- */

/* dampening 0.3: the first step takes all of the gradient, the second 0.7 of it. */
static void the_first_step_of_momentum_is_not_dampened(void **unused)
{
    (void)unused;
    FOR_ISAS(level)
    {
        rig r = rig_make(level, "sgd lr=1 momentum=0.5 dampening=0.75");
        walk *k = walk_make(&r.o, MIN_WIDTH);
        for (size_t i = 0; i < MIN_WIDTH; i++) {
            k->in_real.data[i] = 0;
            k->g.data[i] = 1;
        }
        step_in_real(&r.o, k);
        assert_true(k->in_real.data[3] == -1);
        step_in_real(&r.o, k);
        assert_true(k->in_real.data[3] == -1.75f); /* 0.5 * 1 + 0.25 * 1 */
        walk_free(k);
        arena_deinit(&r.memory);
    }
}

/* An optimizer that says so moves weights by hyper[0] g and nothing else, and has no state. */
static void check_descent(isa level, const char *spec)
{
    rig r = rig_make(level, spec);
    walk *k = walk_make(&r.o, PANEL);
    for (size_t i = 0; i < PANEL; i++)
        k->g.data[i] = (real)gradient(1, i, 1);
    step_in_real(&r.o, k);
    step_in_real(&r.o, k); /* the first step may be a special one */
    real before[PANEL];
    memcpy(before, k->in_real.data, sizeof before);
    step_in_real(&r.o, k);
    for (size_t i = 0; r.o.kind->descends && r.o.kind->descends(r.o.fields) && i < PANEL; i++) {
        const double want = (double)before[i] + (double)r.o.hyper[0] * (double)k->g.data[i];
        assert_int_equal(r.o.n_states, 0);
        assert_true(fabs((double)k->in_real.data[i] - want) <= 2 * UNIT * fmax(fabs(want), fabs((double)before[i])));
    }
    walk_free(k);
    arena_deinit(&r.memory);
}

static void descents_are_what_they_say(void **unused)
{
    (void)unused;
    for_cases(check_descent);
}

static void check_padding(isa level, const char *spec)
{
    rig r = rig_make(level, spec);
    walk *k = walk_make(&r.o, 48);
    for (size_t i = 0; i < 48; i++)
        k->in_real.data[i] = k->g.data[i] = 0;
    for (int t = 0; t < 100; t++)
        step_in_real(&r.o, k);
    for (size_t i = 0; i < 48; i++) {
        assert_true(k->in_real.data[i] == 0);
        for (size_t s = 0; s < MAX_STATES; s++)
            assert_true(!k->state[s].data || isfinite(k->state[s].data[i]));
    }
    walk_free(k);
    arena_deinit(&r.memory);
}

static void padding_stays_zero(void **unused)
{
    (void)unused;
    for_cases(check_padding);
}

/* Gradients that come once and never again: what the states shrink into is zero, or a normal number. */
static void check_no_denormals(isa level, const char *spec)
{
    rig r = rig_make(level, spec);
    walk *k = walk_make(&r.o, MIN_WIDTH);
    for (size_t i = 0; i < MIN_WIDTH; i++) {
        k->in_real.data[i] = 0;
        k->g.data[i] = 1e-18f;
    }
    for (int t = 0; t < 2000; t++) {
        step_in_real(&r.o, k);
        for (size_t i = 0; i < MIN_WIDTH; i++) {
            k->g.data[i] = 0;
            for (size_t s = 0; s < MAX_STATES; s++)
                assert_true(!k->state[s].data || fpclassify(k->state[s].data[i]) != FP_SUBNORMAL);
        }
    }
    walk_free(k);
    arena_deinit(&r.memory);
}

static void states_never_are_denormal(void **unused)
{
    (void)unused;
    for_cases(check_no_denormals);
}

static void instruction_sets_and_pieces_make_the_same_bits(void **unused)
{
    (void)unused;
    for (const optim *const *o = optim_table(ANY_ISA); *o; o++)
        for (const char *const *spec = cases_of(*o); *spec; spec++) {
            real first[N_ISAS][MAX_N];
            FOR_ISAS(level)
                for (size_t piece = MIN_WIDTH; piece <= MAX_N; piece = piece == MIN_WIDTH ? PANEL : piece * 8) {
                    rig r = rig_make(level, *spec);
                    walk *k = walk_make(&r.o, MAX_N);
                    for (uint64_t t = 1; t <= 20; t++) {
                        optimizer_begin(&r.o);
                        for (size_t i = 0; i < MAX_N; i++)
                            k->g.data[i] = (real)gradient(t, i, start(i));
                        for (size_t i = 0; i < MAX_N; i += piece) {
                            real *state[MAX_STATES] = {0};
                            for (size_t s = 0; s < MAX_STATES; s++)
                                state[s] = k->state[s].data ? k->state[s].data + i : NULL;
                            r.o.kind->update(k->in_real.data + i, k->g.data + i, state, MIN(piece, MAX_N - i), r.o.hyper);
                        }
                    }
                    if (first_like(level) == level && piece == MIN_WIDTH)
                        memcpy(first[level], k->in_real.data, sizeof first[level]);
                    assert_memory_equal(k->in_real.data, first[first_like(level)], sizeof first[level]);
                    walk_free(k);
                    arena_deinit(&r.memory);
                }
        }
}

static void state_is_made_for_every_block_that_has_numbers(void **unused)
{
    (void)unused;
    static const size_t blocks[] = {48, 0, 5};
    rig r = rig_make(ANY_ISA, "adam");
    weft_error err = {0};
    assert_int_equal(optimizer_prepare(&r.o, COUNT(blocks), blocks, &r.memory, &err), WEFT_OK);
    for (size_t b = 0; b < COUNT(blocks); b++)
        for (size_t s = 0; s < MAX_STATES; s++) {
            assert_int_equal(r.o.state[b][s] != NULL, blocks[b] > 0 && s < 2);
            for (size_t i = 0; r.o.state[b][s] && i < blocks[b]; i++)
                assert_true(r.o.state[b][s][i] == 0);
        }
    assert_int_equal(r.o.t, 0);
    arena_deinit(&r.memory);
}

static void check_start(const char *spec, const char *name, float expected)
{
    static const size_t block = 5;
    rig r = rig_make(ANY_ISA, spec);
    weft_error err = {0};
    assert_int_equal(optimizer_prepare(&r.o, 1, &block, &r.memory, &err), WEFT_OK);
    for (size_t s = 0; s < MAX_STATES; s++) {
        assert_int_equal(r.o.state[0][s] != NULL, optimizer_keeps(&r.o, s));
        if (r.o.kind->state_names[s] && strcmp(r.o.kind->state_names[s], name) == 0)
            for (size_t i = 0; i < block; i++)
                assert_true(r.o.state[0][s][i] == expected);
    }
    arena_deinit(&r.memory);
}

static void states_begin_where_torch_has_them_begin(void **unused)
{
    (void)unused;
    check_start("adagrad", "sum", 0);
    check_start("adagrad initial_accumulator_value=0.5", "sum", 0.5f);
    check_start("rprop 0.25", "step_size", 0.25f);
    check_start("rprop 0.25", "prev", 0);
    check_start("rmsprop centered=true", "grad_avg", 0);
}

/* torch's: a copy of the weights up to step t0 + 1, and from then on their mean. */
static void asgd_averages_the_weights_behind_step_t0(void **unused)
{
    (void)unused;
    FOR_ISAS(level)
    {
        rig r = rig_make(level, "asgd lr=0.25 lambd=0 t0=2");
        walk *k = walk_make(&r.o, MIN_WIDTH);
        for (size_t i = 0; i < MIN_WIDTH; i++) {
            k->in_real.data[i] = 1;
            k->g.data[i] = 1;
        }
        static const real weights[] = {0.75, 0.5, 0.25, 0, -0.25, -0.5}, averages[] = {0.75, 0.5, 0.25, 0, -0.125, -0.25};
        for (size_t t = 0; t < COUNT(weights); t++) {
            step_in_real(&r.o, k);
            assert_true(k->in_real.data[5] == weights[t]);
            assert_true(fabs((double)(k->state[0].data[5] - averages[t])) <= 2 * UNIT);
        }
        walk_free(k);
        arena_deinit(&r.memory);
    }
}

/* ---- What users write ---- */

static void assert_refused(const char *spec, const char *word)
{
    arena memory = {0};
    optimizer o;
    weft_error err = {0};
    const setting *map = setting_from_spec(&memory, spec, (where){"file", 3, 1}, &err);
    assert_non_null(map);
    if (optimizer_read(&o, map, ANY_ISA, &memory, &err) != WEFT_BAD_INPUT || !strstr(err.message, word) || err.line != 3)
        fail_msg("\"%s\" should have been refused with \"%s\": %s", spec, word, err.message);
    arena_deinit(&memory);
}

static void settings_that_make_no_sense_are_refused(void **unused)
{
    (void)unused;
    assert_refused("sgd momentum=1", "momentum");
    assert_refused("sgd momentum=-0.1", "momentum");
    assert_refused("sgd nesterov=true", "nesterov");
    assert_refused("sgd momentum=0.9 dampening=0.1 nesterov=true", "nesterov");
    assert_refused("sgd lr=-1", "lr");
    assert_refused("sgd lr=nan", "lr");
    assert_refused("sgd lr=inf", "lr");
    assert_refused("sgd weight_decay=-1", "weight_decay");
    assert_refused("sgd nesterov=yes", "nesterov");
    assert_refused("adam betas=(1.0,0.9)", "betas");
    assert_refused("adam betas=(0.9,1.0)", "betas");
    assert_refused("adam betas=0.9", "betas");
    assert_refused("adam eps=0", "eps");
    assert_refused("adam lr=-1", "lr");
    assert_refused("adam momentum=0.9", "momentum");
    assert_refused("adam amsgrad=1", "amsgrad");
    assert_refused("adamw betas=(-0.1,0.9)", "betas");
    assert_refused("adagrad initial_accumulator_value=-1", "initial_accumulator_value");
    assert_refused("adagrad lr_decay=-1", "lr_decay");
    assert_refused("adadelta rho=1", "rho");
    assert_refused("adadelta eps=0", "eps");
    assert_refused("rmsprop alpha=1", "alpha");
    assert_refused("rmsprop momentum=1", "momentum");
    assert_refused("rmsprop centered=0.5", "centered");
    assert_refused("adamax eps=0", "eps");
    assert_refused("nadam momentum_decay=-1", "momentum_decay");
    assert_refused("radam betas=(0.9,1)", "betas");
    assert_refused("rprop etas=(1,1.2)", "etas");
    assert_refused("rprop etas=(0.5,1)", "etas");
    assert_refused("rprop etas=(0,1.2)", "etas");
    assert_refused("rprop step_sizes=(1,0.5)", "step_sizes");
    assert_refused("rprop weight_decay=0.1", "weight_decay");
    assert_refused("asgd t0=-1", "t0");
    assert_refused("sgd mometum=0.9", "\"momentum\"");
    assert_refused("sdg", "\"sgd\"");
    assert_refused("sgd 0.1 lr=0.2", "lr");
}

static void defaults_are_those_of_torch(void **unused)
{
    (void)unused;
    static const char *const expected[][2] = {
        {"sgd", "lr=0.01 momentum=0 dampening=0 weight_decay=0 nesterov=false maximize=false"},
        {"adam", "lr=0.001 betas=[0.9, 0.999] eps=1e-08 weight_decay=0 amsgrad=false maximize=false"},
        {"adamw", "lr=0.001 betas=[0.9, 0.999] eps=1e-08 weight_decay=0.01 amsgrad=false maximize=false"},
        {"adagrad", "lr=0.01 lr_decay=0 weight_decay=0 initial_accumulator_value=0 eps=1e-10 maximize=false"},
        {"adadelta", "lr=1 rho=0.9 eps=1e-06 weight_decay=0 maximize=false"},
        {"rmsprop", "lr=0.01 alpha=0.99 eps=1e-08 weight_decay=0 momentum=0 centered=false maximize=false"},
        {"adamax", "lr=0.002 betas=[0.9, 0.999] eps=1e-08 weight_decay=0 maximize=false"},
        {"nadam", "lr=0.002 betas=[0.9, 0.999] eps=1e-08 weight_decay=0 momentum_decay=0.004 maximize=false"},
        {"radam", "lr=0.001 betas=[0.9, 0.999] eps=1e-08 weight_decay=0 maximize=false"},
        {"rprop", "lr=0.01 etas=[0.5, 1.2] step_sizes=[1e-06, 50] maximize=false"},
        {"asgd", "lr=0.01 lambd=0.0001 alpha=0.75 t0=1000000 weight_decay=0 maximize=false"},
        {"lbfgs", "lr=1 max_iter=20 max_eval=none tolerance_grad=1e-07 tolerance_change=1e-09 history_size=100 line_search_fn=none"},
    };
    size_t n = 0;
    while (optim_table(ANY_ISA)[n])
        n++;
    assert_int_equal(n, COUNT(expected));
    for (size_t i = 0; i < COUNT(expected); i++) {
        rig r = rig_make(ANY_ISA, expected[i][0]);
        text t = {0};
        fields_print(r.o.kind->fields, r.o.fields, "%s=%s", " ", &t);
        assert_string_equal(t.data, expected[i][1]);
        text_free(&t);
        arena_deinit(&r.memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_optimizer_has_cases_and_names_for_its_states),
        cmocka_unit_test(updates_follow_their_references_for_300_steps),
        cmocka_unit_test(weights_that_are_almost_nothing_decay_no_further),
        cmocka_unit_test(first_steps_are_right_to_the_last_digits),
        cmocka_unit_test(references_walk_as_torch_does),
        cmocka_unit_test(every_case_has_a_trajectory_of_torch),
        cmocka_unit_test(the_first_step_of_momentum_is_not_dampened),
        cmocka_unit_test(padding_stays_zero),
        cmocka_unit_test(descents_are_what_they_say),
        cmocka_unit_test(states_never_are_denormal),
        cmocka_unit_test(instruction_sets_and_pieces_make_the_same_bits),
        cmocka_unit_test(state_is_made_for_every_block_that_has_numbers),
        cmocka_unit_test(states_begin_where_torch_has_them_begin),
        cmocka_unit_test(asgd_averages_the_weights_behind_step_t0),
        cmocka_unit_test(settings_that_make_no_sense_are_refused),
        cmocka_unit_test(defaults_are_those_of_torch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
