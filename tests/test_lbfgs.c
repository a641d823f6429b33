/* L-BFGS against PyTorch's walks through two small problems, and its rules. */
#include "numbers.h"

#include "optim/optim.h"

enum { N = 5, ROWS = 8, N_BLOCKS = 4, FIRST = 3, BLOCK = 16 };

static const double start[N] = {-1.2, 1.0, -0.5, 0.8, 1.2};

/* ---- The problems, in double: the same as in make_lbfgs.py ---- */

typedef double problem(const double x[N], double dx[N]);

static double rosenbrock(const double x[N], double dx[N])
{
    double sum = 0;
    memset(dx, 0, N * sizeof *dx);
    for (size_t i = 0; i + 1 < N; i++) {
        const double a = x[i + 1] - x[i] * x[i], b = 1 - x[i];
        sum += 100 * a * a + b * b;
        dx[i + 1] += 200 * a;
        dx[i] += -400 * a * x[i] - 2 * b;
    }
    return sum;
}

static double least_squares(const double x[N], double dx[N])
{
    double sum = 0;
    memset(dx, 0, N * sizeof *dx);
    for (size_t r = 0; r < ROWS; r++) {
        double off = -cos((double)r);
        for (size_t c = 0; c < N; c++)
            off += sin((double)(1 + r * N + c)) * x[c];
        for (size_t c = 0; c < N; c++)
            dx[c] += sin((double)(1 + r * N + c)) * off;
        sum += off * off / 2;
    }
    return sum;
}

/* ---- A problem that an optimizer works on: its numbers in two blocks, between one without numbers and one that does not move ---- */

typedef struct rig {
    optimizer o;
    arena memory;
    problem *problem;
    real *weights[N_BLOCKS], *gradients[N_BLOCKS];
    size_t n_evaluations, breaks_at; /* breaks_at: the evaluation whose loss is not finite; 0: none */
} rig;

static const size_t block_numbers[N_BLOCKS] = {BLOCK, 0, 2 * BLOCK, BLOCK};

static real *place(real *const *blocks, size_t i) { return i < FIRST ? &blocks[0][i] : &blocks[2][BLOCK - 1 + i]; }

static bool evaluate(void *self, double *loss)
{
    rig *r = self;
    double x[N], dx[N];
    for (size_t i = 0; i < N; i++)
        x[i] = (double)*place(r->weights, i);
    *loss = ++r->n_evaluations == r->breaks_at ? (double)NAN : r->problem(x, dx);
    for (size_t i = 0; i < N; i++)
        *place(r->gradients, i) = (real)dx[i];
    return isfinite(*loss);
}

static rig *rig_make(isa level, const char *spec, problem *of)
{
    rig *r = calloc(1, sizeof *r);
    weft_error err = {0};
    assert_non_null(r);
    r->problem = of;
    const setting *map = setting_from_spec(&r->memory, spec, (where){"case", 0, 0}, &err);
    if (!map || optimizer_read(&r->o, map, level, &r->memory, &err) != WEFT_OK ||
        optimizer_prepare(&r->o, N_BLOCKS, block_numbers, &r->memory, &err) != WEFT_OK)
        fail_msg("%s", err.message);
    for (size_t b = 0; b < N_BLOCKS; b++) {
        r->weights[b] = block_numbers[b] ? arena_array(&r->memory, block_numbers[b], sizeof(real)) : NULL;
        r->gradients[b] = block_numbers[b] && b < 3 ? arena_array(&r->memory, block_numbers[b], sizeof(real)) : NULL;
    }
    for (size_t i = 0; i < N; i++)
        *place(r->weights, i) = (real)start[i];
    r->weights[3][0] = 7;
    return r;
}

static void rig_free(rig *r)
{
    arena_deinit(&r->memory);
    free(r);
}

static bool step(rig *r, double *loss)
{
    const objective f = {.evaluate = evaluate, .self = r, .weights = r->weights, .gradients = r->gradients};
    optimizer_begin(&r->o);
    return r->o.kind->minimise(&r->o, &f, loss);
}

/* Everything that is no weight is as it was. */
static void assert_still(const rig *r)
{
    size_t n_used = 0;
    for (size_t b = 0; b < 3; b++)
        for (size_t i = 0; i < block_numbers[b]; i++)
            n_used += r->weights[b][i] != 0;
    assert_true(n_used <= N);
    assert_true(r->weights[3][0] == 7);
}

/* ---- PyTorch's walks ---- */

/* What a step may be off by. In double: sums in another order. In float, as far as PyTorch is itself off by little. */
static double tolerance(double float_error)
{
    const bool is_double = sizeof(real) == sizeof(double);
    return is_double ? 1e-8 : 8 * float_error + 8 * 0x1p-24;
}

static void check_walk(isa level, const json_t *entry)
{
    const char *spec = json_string_value(json_object_get(entry, "spec")), *name = json_string_value(json_object_get(entry, "problem"));
    rig *r = rig_make(level, spec, strcmp(name, "rosenbrock") == 0 ? rosenbrock : least_squares);
    const json_t *right = json_object_get(entry, "w");
    for (size_t t = 0; t < json_array_size(right); t++) {
        const double allowed = tolerance(json_number_value(json_array_get(json_object_get(entry, "float_error"), t)));
        if (allowed > 1e-2)
            break;
        double *want = numbers_of_json(json_array_get(right, t), N), before[N], unused[N], loss;
        for (size_t i = 0; i < N; i++)
            before[i] = (double)*place(r->weights, i);
        assert_true(step(r, &loss));
        assert_true(loss == r->problem(before, unused));
        for (size_t i = 0; i < N; i++)
            if (!(fabs((double)*place(r->weights, i) - want[i]) <= allowed))
                fail_msg("%s, %s: number %zu is %.17g after step %zu, and torch has %.17g", name, spec, i, (double)*place(r->weights, i), t + 1,
                         want[i]);
        if (sizeof(real) == sizeof(double))
            assert_int_equal(r->n_evaluations, json_integer_value(json_array_get(json_object_get(entry, "evaluations"), t)));
        assert_still(r);
        free(want);
    }
    rig_free(r);
}

static void walks_are_those_of_torch(void **unused)
{
    (void)unused;
    json_t *cases, *root = fixture_open("lbfgs.json", &cases), *entry;
    size_t i, n = 0;
    FOR_ISAS(level)
        json_array_foreach(cases, i, entry)
            if (json_object_get(entry, "w")) {
                check_walk(level, entry);
                n++;
            }
    assert_true(n >= 36);
    json_decref(root);
}

/* ---- Rules ---- */

static const char *const specs[] = {"lbfgs max_iter=3 history_size=2", "lbfgs max_iter=3 history_size=2 line_search_fn=strong_wolfe"};

static void instruction_sets_make_the_same_bits(void **unused)
{
    (void)unused;
    double loss;
    for (size_t s = 0; s < COUNT(specs); s++) {
        rig *first = rig_make(ANY_ISA, specs[s], rosenbrock);
        for (int t = 0; t < 4; t++)
            assert_true(step(first, &loss));
        FOR_ISAS(level)
        {
            rig *r = rig_make(level, specs[s], rosenbrock);
            for (int t = 0; t < 4; t++)
                assert_true(step(r, &loss));
            for (size_t i = 0; i < N; i++)
                assert_true(*place(r->weights, i) == *place(first->weights, i));
            rig_free(r);
        }
        rig_free(first);
    }
}

/* All numbers, and as many vectors as it says, are all that a step needs of those before: at any step, whether the history is full or not. */
static void what_is_kept_is_enough(void **unused)
{
    (void)unused;
    double loss;
    for (size_t s = 0; s < COUNT(specs); s++)
        for (int stop = 0; stop < 4; stop++) {
            rig *a = rig_make(ANY_ISA, specs[s], rosenbrock), *b = rig_make(ANY_ISA, specs[s], rosenbrock);
            for (int t = 0; t < stop; t++)
                assert_true(step(a, &loss));
            memcpy(b->o.scalars, a->o.scalars, a->o.n_scalars * sizeof *a->o.scalars);
            const size_t n = b->o.kind->n_kept(&b->o);
            assert_true(stop ? n > 2 && n <= 2 + 2 * 3 : n == 0);
            for (size_t k = 0; k < N_BLOCKS; k++) {
                if (block_numbers[k])
                    memcpy(b->weights[k], a->weights[k], block_numbers[k] * sizeof(real));
                for (size_t v = 0; v < b->o.n_vectors && block_numbers[k]; v++)
                    for (size_t i = 0; i < block_numbers[k]; i++)
                        b->o.vectors[v][k][i] = v < n ? a->o.vectors[v][k][i] : (real)NAN;
            }
            for (int t = 0; t < 4; t++)
                assert_true(step(a, &loss) && step(b, &loss));
            for (size_t i = 0; i < N; i++)
                assert_true(*place(a->weights, i) == *place(b->weights, i));
            rig_free(a);
            rig_free(b);
        }
}

/* Wherever in a step it happens, the step says so, with that loss. */
static void a_loss_that_is_not_finite_ends_a_step(void **unused)
{
    (void)unused;
    for (size_t s = 0; s < COUNT(specs); s++)
        for (size_t at = 1; at <= 3; at++) {
            rig *r = rig_make(ANY_ISA, specs[s], rosenbrock);
            double loss = 0;
            r->breaks_at = at;
            assert_false(step(r, &loss));
            assert_true(isnan(loss));
            assert_int_equal(r->n_evaluations, at);
            rig_free(r);
        }
}

static void a_step_ends_at_once_where_the_gradient_is_small(void **unused)
{
    (void)unused;
    rig *r = rig_make(ANY_ISA, "lbfgs tolerance_grad=1e6", rosenbrock);
    double loss;
    assert_true(step(r, &loss));
    assert_int_equal(r->n_evaluations, 1);
    for (size_t i = 0; i < N; i++)
        assert_true(*place(r->weights, i) == (real)start[i]);
    assert_int_equal(r->o.kind->n_kept(&r->o), 0);
    rig_free(r);
}

/* The rate is the optimizer's, which a schedule sets, not its field's. */
static void steps_follow_the_rate_as_it_is(void **unused)
{
    (void)unused;
    rig *half = rig_make(ANY_ISA, "lbfgs lr=0.5 max_iter=1", rosenbrock), *set = rig_make(ANY_ISA, "lbfgs max_iter=1", rosenbrock);
    double loss;
    set->o.lr = 0.5;
    assert_true(step(half, &loss) && step(set, &loss));
    for (size_t i = 0; i < N; i++)
        assert_true(*place(half->weights, i) == *place(set->weights, i));
    rig_free(half);
    rig_free(set);
}

/* ---- What users write ---- */

static void assert_refused(const char *spec, const char *words)
{
    arena memory = {0};
    optimizer o;
    weft_error err = {0};
    const setting *map = setting_from_spec(&memory, spec, (where){"file", 3, 1}, &err);
    assert_non_null(map);
    if (optimizer_read(&o, map, ANY_ISA, &memory, &err) != WEFT_BAD_INPUT || !strstr(err.message, words) || err.line != 3)
        fail_msg("\"%s\" should have been refused with \"%s\": %s", spec, words, err.message);
    arena_deinit(&memory);
}

static void settings_that_make_no_sense_are_refused(void **unused)
{
    (void)unused;
    assert_refused("lbfgs max_iter=0", "max_iter is 0, but must be at least 1");
    assert_refused("lbfgs max_eval=0", "max_eval is 0, but must be at least 1");
    assert_refused("lbfgs max_eval=no", "max_eval must be a whole number or none, not \"no\"");
    assert_refused("lbfgs history_size=1001", "history_size is 1001, but must be at least 1 and at most 1000");
    assert_refused("lbfgs line_search_fn=strong_wolf", "unknown line_search_fn \"strong_wolf\"; did you mean \"strong_wolfe\"?");
    assert_refused("lbfgs weight_decay=0.1", "weight_decay");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walks_are_those_of_torch),
        cmocka_unit_test(instruction_sets_make_the_same_bits),
        cmocka_unit_test(what_is_kept_is_enough),
        cmocka_unit_test(a_loss_that_is_not_finite_ends_a_step),
        cmocka_unit_test(a_step_ends_at_once_where_the_gradient_is_small),
        cmocka_unit_test(steps_follow_the_rate_as_it_is),
        cmocka_unit_test(settings_that_make_no_sense_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
