/* weft verify: its exercises are all there is, the published table is theirs, and what differs is named where it is. */
#include "numbers.h"

#include <unistd.h>

#include "verify/verify.h"

/* What many tests look at. */
typedef struct fixture {
    arena memory;
    exercise_list exercises;
    bits_table table;
} fixture;

static fixture all;

static int set_up(void **unused)
{
    (void)unused;
    weft_error err = {0};
    if (exercises_list(&all.exercises, &all.memory, &err) != WEFT_OK || bits_published(&all.table, &all.memory, &err) != WEFT_OK)
        fail_msg("%s", err.message);
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    arena_deinit(&all.memory);
    return 0;
}

static const exercise *find(const char *name)
{
    for (size_t i = 0; i < all.exercises.n; i++)
        if (strcmp(all.exercises.at[i].name, name) == 0)
            return &all.exercises.at[i];
    fail_msg("there is no exercise \"%s\"", name);
    return NULL;
}

/* ---- What is exercised ---- */

/* Whether `name` stands in a list of specs as a word. */
static bool has_word(const char *specs, const char *name)
{
    const size_t length = strlen(name);
    for (const char *at = specs; at && (at = strstr(at, name)); at++)
        if ((at == specs || strchr(" [,\"=", at[-1])) && strchr(" ,]\"", at[length]))
            return true;
    return false;
}

static size_t exercises_with(const char *name, size_t offset)
{
    size_t n = 0;
    for (size_t i = 0; i < all.exercises.n; i++)
        n += has_word(*(const char *const *)((const char *)&all.exercises.at[i] + offset), name);
    return n;
}

static void assert_exercised(const char *name, size_t offset)
{
    if (!exercises_with(name, offset))
        fail_msg("no exercise has %s", name);
}

static void everything_that_has_a_name_is_exercised(void **unused)
{
    (void)unused;
    size_t n;
    for (const op *const *o = op_table(ANY_ISA); *o; o++)
        assert_exercised((*o)->name, (*o)->kind == OP_LOSS ? offsetof(exercise, options.loss) : offsetof(exercise, layers));
    for (const optim *const *o = optim_table(ANY_ISA); *o; o++)
        assert_exercised((*o)->name, offsetof(exercise, options.optimizer));
    for (const schedule *const *s = schedule_table; *s; s++)
        assert_exercised((*s)->name, offsetof(exercise, options.schedule));
    const init_kind *rules = init_kinds(&n);
    for (size_t i = 0; i < n; i++)
        assert_exercised(rules[i].name, offsetof(exercise, layers));
    assert_int_equal(exercises_with("rleu", offsetof(exercise, layers)), 0);
}

static void no_two_exercises_have_the_same_name(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < all.exercises.n; i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(all.exercises.at[i].name, all.exercises.at[k].name);
}

/* What an exercise tells. */
typedef struct telling {
    size_t n_steps, n_epochs;
    bool finite, moves;
    double sum; /* of the weights at the step before */
} telling;

static bool hear(void *self, const moment *m)
{
    telling *t = self;
    t->n_steps += m->epoch == 0;
    t->n_epochs += m->epoch > 0;
    double sum = 0;
    for (size_t i = 0; i < m->n_tensors; i++) {
        const tensor *one = &m->tensors[i];
        for (size_t k = 0; k < shape_numbers(&one->shape) && one->type != DTYPE_I64; k++) {
            const double number = one->type == DTYPE_F32 ? (double)((const float *)one->data)[k] : ((const double *)one->data)[k];
            t->finite &= isfinite(number) != 0;
            sum += strstr(one->name, "weight") ? number : 0;
        }
    }
    t->moves |= t->n_steps > 1 && sum != t->sum;
    t->sum = m->epoch ? t->sum : sum;
    return true;
}

static void every_exercise_runs_to_its_end_on_finite_numbers(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < all.exercises.n; i++) {
        const exercise *e = &all.exercises.at[i];
        weft_error err = {0};
        telling t = {.finite = true};
        if (exercise_run(e, ANY_ISA, 1, hear, &t, &err) != WEFT_OK)
            fail_msg("%s: %s", e->name, err.message);
        if (!t.finite || t.n_epochs != e->epochs || t.n_steps < e->epochs || t.moves != (t.n_steps > 1))
            fail_msg("%s: %zu steps, %zu epochs, %s, %s", e->name, t.n_steps, t.n_epochs, t.finite ? "finite" : "not finite",
                     t.moves ? "moves" : "stands still");
    }
}

/* ---- The published table ---- */

static void the_published_table_is_what_every_instruction_set_makes_with_any_number_of_threads(void **unused)
{
    (void)unused;
    static const int counts[] = {1, 2, 3, 8};
    FOR_ISAS(level)
        for (size_t i = 0; i < COUNT(counts); i++) {
            arena a = {0};
            weft_error err = {0};
            verdict v;
            assert_int_equal(verify(&all.table, &all.exercises, level, counts[i], &v, &a, &err), WEFT_OK);
            if (v.n_differences)
                fail_msg("%s, %d threads: %s, step %llu: run make published where bits are meant to change", isa_name(level), counts[i],
                         v.differences[0].exercise, (unsigned long long)v.differences[0].step);
            assert_int_equal(v.n_exercises, all.exercises.n);
            assert_int_equal(all.table.kinds[bits_kind_of(level)].n, all.exercises.n); /* nor has it any that is gone */
            arena_deinit(&a);
        }
}

/* ---- Differences ---- */

/* What becomes of a line of the table. */
typedef void spoil(text *line, size_t number);

static void another_number(text *line, size_t number)
{
    line->data[0] = line->data[0] == '0' ? '1' : '0';
    char *digit = &line->data[HASH_DIGITS + number];
    *digit = *digit == '0' ? '1' : '0';
}

static void another_hash(text *line, size_t number)
{
    (void)number;
    line->data[HASH_DIGITS - 1] = line->data[HASH_DIGITS - 1] == '0' ? '1' : '0';
}

static void one_more(text *line, size_t number)
{
    (void)number;
    line->data[0] = line->data[0] == '0' ? '1' : '0';
    text_add(line, "0");
}

/* The one difference that there is from a table with one line of an exercise spoilt. */
static difference difference_from(const exercise *e, size_t line, spoil *spoiling, size_t number, arena *a)
{
    weft_error err = {0};
    verdict v;
    text spoilt = {0};
    const bits_kind kind = bits_kind_of(ANY_ISA);
    known_exercise *known = arena_array(a, all.exercises.n, sizeof *known);
    bits_table table = all.table;
    memcpy(known, all.table.kinds[kind].exercises, all.exercises.n * sizeof *known);
    table.kinds[kind].exercises = known;
    known += e - all.exercises.at;
    assert_string_equal(known->name, e->name);
    const char **lines = arena_array(a, known->n_lines, sizeof *lines);
    memcpy(lines, known->lines, known->n_lines * sizeof *lines);
    text_add(&spoilt, lines[line]);
    spoiling(&spoilt, number);
    lines[line] = arena_text(a, spoilt.data);
    known->lines = lines;
    text_free(&spoilt);
    assert_int_equal(verify(&table, &all.exercises, ANY_ISA, 1, &v, a, &err), WEFT_OK);
    assert_int_equal(v.n_differences, 1);
    assert_string_equal(v.differences[0].exercise, e->name);
    return v.differences[0];
}

/* The moments of this exercise are two steps and an epoch; a step's numbers are the loss, 0.weight [3, 2], 0.bias [3], 1.weight [5, 3] and
 * 1.bias [5]. */
static void the_first_difference_is_named_by_step_tensor_and_element(void **unused)
{
    (void)unused;
    arena a = {0};
    const exercise *e = find("layer linear 5 of 3 numbers");
    difference d = difference_from(e, 1, another_number, 1 + 6 + 3 + 2 * 3 + 1, &a);
    assert_int_equal(d.step, 2);
    assert_int_equal(d.epoch, 0);
    assert_string_equal(d.tensor, "1.weight");
    assert_int_equal(d.shape.dims[0], 5);
    assert_int_equal(d.element, 2 * 3 + 1);
    assert_non_null(strstr(d.what, "0x"));
    d = difference_from(e, 0, another_number, 0, &a);
    assert_int_equal(d.step, 1);
    assert_string_equal(d.tensor, "loss");
    d = difference_from(e, 0, another_number, 1 + 6 + 3 + 15 + 4, &a);
    assert_string_equal(d.tensor, "1.bias");
    assert_int_equal(d.element, 4);
    d = difference_from(e, 2, another_number, 0, &a);
    assert_int_equal(d.step, 2);
    assert_int_equal(d.epoch, 1);
    assert_string_equal(d.tensor, "train_loss");
    arena_deinit(&a);
}

static void what_no_digit_tells_is_found_all_the_same(void **unused)
{
    (void)unused;
    arena a = {0};
    const exercise *e = find("layer linear 5 of 3 numbers");
    difference d = difference_from(e, 1, another_hash, 0, &a);
    assert_int_equal(d.step, 2);
    assert_null(d.tensor);
    d = difference_from(e, 1, one_more, 0, &a);
    assert_null(d.tensor);
    assert_non_null(strstr(d.what, "30 numbers, in the table 31"));
    arena_deinit(&a);
}

enum { SHOWN = 2000 };

/* How often the second number has another digit, over many first ones; in per cent. */
static double shown(dtype type, double (*change)(double x), unsigned ulps_away)
{
    size_t n = 0;
    for (size_t i = 0; i < SHOWN; i++) {
        double both[2] = {noise(1, i) * exp(20 * noise(2, i)), 0};
        float halves[2] = {(float)both[0], 0};
        uint64_t word;
        uint32_t half;
        memcpy(&word, &both[0], sizeof word);
        memcpy(&half, &halves[0], sizeof half);
        word += ulps_away;
        half += ulps_away;
        memcpy(&both[1], &word, sizeof word);
        memcpy(&halves[1], &half, sizeof half);
        if (change) {
            both[1] = change(both[0]);
            halves[1] = (float)change((double)halves[0]);
        }
        text t = {0};
        moment_print(&(moment){.n_tensors = 1, .tensors = &(tensor){"x", type, {1, {2}}, type == DTYPE_F32 ? (void *)halves : (void *)both}}, &t);
        n += t.data[HASH_DIGITS] != t.data[HASH_DIGITS + 1];
        text_free(&t);
    }
    return 100.0 * (double)n / SHOWN;
}

static double negative(double x) { return -x; }
static double doubled(double x) { return 2 * x; }
static double half(double x) { return x / 2; }
static double another(double x) { return x * 1.1; }

static void a_digit_shows_what_it_promises_to_show(void **unused)
{
    (void)unused;
    static const dtype types[] = {DTYPE_F32, DTYPE_F64};
    for (size_t i = 0; i < COUNT(types); i++) {
        for (unsigned n = 1; n <= 7; n++)
            assert_true(shown(types[i], NULL, n) == 100);
        assert_true(shown(types[i], negative, 0) == 100);
        assert_true(shown(types[i], doubled, 0) == 100);
        assert_true(shown(types[i], half, 0) == 100);
        /* 15 of 16, and five deviations of a share of SHOWN */
        assert_float_equal(shown(types[i], another, 0), 100 * 15.0 / 16, 500 * sqrt(15.0 / 256 / SHOWN));
        assert_true(shown(types[i], NULL, 0) == 0);
    }
}

/* ---- Tables from files ---- */

static void a_file_that_is_no_table_is_refused_with_its_line(void **unused)
{
    (void)unused;
    static const struct {
        const char *content, *says;
        size_t line;
    } table[] = {
        {"", "empty", 0},
        {"weft bits 2\n", "\"weft bits 2\"", 1},
        {"kind fused\n", "weft verify --print", 1},
        {"weft bits 1\nkind fuesd\n", "did you mean \"fused\"", 2},
        {"weft bits 1\nlayer x\n", "before any kind", 2},
        {"weft bits 1\nkind fused\n  0123456789abcdef\n", "before any training", 3},
        {"weft bits 1\nkind fused\nx\n  0123456789abcde\n", "16 hex digits", 4},
        {"weft bits 1\nkind fused\nx\n  0123456789abcdefg\n", "16 hex digits", 4},
        {"weft bits 1\nkind fused\nx\n  0123456789abcdeF\n", "16 hex digits", 4},
        {"weft bits 1\nkind fused\nx\nkind unfused\nkind fused\n", "already", 5},
        {"weft bits 1\nkind fused\nx", "does not end", 3},
    };
    char path[] = "/tmp/weft-bits-XXXXXX";
    close(mkstemp(path));
    for (size_t i = 0; i < COUNT(table); i++) {
        arena a = {0};
        weft_error err = {0};
        bits_table out;
        assert_int_equal(file_write(path, table[i].content, strlen(table[i].content), &err), WEFT_OK);
        assert_int_equal(bits_read(&out, path, &a, &err), WEFT_BAD_INPUT);
        if (!strstr(err.message, table[i].says) || err.line != table[i].line)
            fail_msg("\"%s\": line %zu: %s", table[i].content, err.line, err.message);
        arena_deinit(&a);
    }
    remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_that_has_a_name_is_exercised),
        cmocka_unit_test(no_two_exercises_have_the_same_name),
        cmocka_unit_test(every_exercise_runs_to_its_end_on_finite_numbers),
        cmocka_unit_test(the_published_table_is_what_every_instruction_set_makes_with_any_number_of_threads),
        cmocka_unit_test(the_first_difference_is_named_by_step_tensor_and_element),
        cmocka_unit_test(what_no_digit_tells_is_found_all_the_same),
        cmocka_unit_test(a_digit_shows_what_it_promises_to_show),
        cmocka_unit_test(a_file_that_is_no_table_is_refused_with_its_line),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
