/* What users write, before and after it has types. */
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

/* ---- Settings ---- */

/* A setting as a text, to compare with: {key:value value}, [list]. */
static void print_setting(const setting *s, text *t)
{
    if (s->key)
        text_printf(t, "%s:", s->key);
    if (s->kind == SETTING_SCALAR) {
        text_add(t, s->text);
        return;
    }
    text_add(t, s->kind == SETTING_MAP ? "{" : "[");
    for (const setting *child = s->first; child; child = child->next) {
        if (child != s->first)
            text_add(t, " ");
        print_setting(child, t);
    }
    text_add(t, s->kind == SETTING_MAP ? "}" : "]");
}

static void specs_are_read(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"relu", "[{name:relu}]"},
        {" linear 1000 , relu,linear 10 ", "[{name:linear 1000} {name:relu} {name:linear 10}]"},
        {"sgd lr=0.1\tnesterov=true", "[{name:sgd lr:0.1 nesterov:true}]"},
        {"adam betas=(0.9, 0.999) lr=1e-3, x", "[{name:adam betas:[0.9 0.999] lr:1e-3} {name:x}]"},
        {"conv2d 32 [3,(4, [])] a=b=c", "[{name:conv2d 32 [3 [4 []]] a:b=c}]"},
        {"load file=\"a b, \\\"c\\\" \\\\d\" x=\"\"", "[{name:load file:a b, \"c\" \\d x:}]"},
        {"  ", "[]"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        arena a = {0};
        text t = {0};
        weft_error err = {0};
        const setting *s = setting_list_from_specs(&a, cases[i][0], (where){0}, &err);
        if (s == NULL)
            fail_msg("\"%s\": %s", cases[i][0], err.message);
        print_setting(s, &t);
        assert_string_equal(t.data, cases[i][1]);
        text_free(&t);
        arena_deinit(&a);
    }
}

static void broken_specs_are_refused_at_their_column(void **state)
{
    (void)state;
    static const struct {
        const char *spec;
        size_t column; /* of the mistake, from 1 */
    } cases[] = {
        {"a,,b", 3},
        {"a,", 3},
        {",a", 1},
        {"lr=0.1", 1},
        {"sgd lr=", 5},
        {"sgd lr= 0.1", 5},
        {"sgd =1", 5},
        {"adam betas=(1, 2", 12},
        {"adam betas=[1, 2)", 17},
        {"adam betas=(1 2)", 15},
        {"adam betas=(1,)", 15},
        {"f(x)", 2},
        {"a b)", 4},
        {"a \"b", 3},
        {"a \"b\"c", 6},
        {"a name=b", 3},
        {"é b=", 3},
        {"a \"b\\", 3},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        arena a = {0};
        weft_error err = {0};
        assert_null(setting_list_from_specs(&a, cases[i].spec, (where){"f", 7, 11}, &err));
        assert_int_equal(err.count, 1);
        if (err.line != 7 || err.column != cases[i].column + 10)
            fail_msg("\"%s\" is refused at column %zu: %s", cases[i].spec, err.column - 10, err.message);
        arena_deinit(&a);
    }
}

static void deep_lists_are_refused(void **state)
{
    (void)state;
    static const size_t depths[] = {64, 65, 100000};
    for (size_t i = 0; i < COUNT(depths); i++) {
        arena a = {0};
        text t = {0};
        weft_error err = {0};
        text_add(&t, "a ");
        for (size_t n = 0; n < 2 * depths[i]; n++)
            text_add(&t, n < depths[i] ? "(" : ")");
        bool read = setting_from_spec(&a, t.data, (where){0}, &err) != NULL;
        assert_true(read == (depths[i] <= 64));
        assert_true(read || strstr(err.message, "too many lists") != NULL);
        text_free(&t);
        arena_deinit(&a);
    }
}

static void specs_stand_in_lists_too(void **state)
{
    (void)state;
    arena a = {0};
    weft_error err = {0};
    const setting *s = setting_from_spec(&a, "f [g 1 k=(2, 3), h, i [j 4] ] k=5", (where){0}, &err);
    assert_non_null(s);
    const setting *list = setting_find(s, NULL), *g = list->first, *h = g->next, *i = h->next;
    assert_int_equal(list->kind, SETTING_LIST);
    assert_string_equal(setting_find(g, "name")->text, "g");
    assert_string_equal(setting_find(g, NULL)->text, "1");
    assert_string_equal(setting_find(g, "k")->first->next->text, "3");
    assert_int_equal(h->kind, SETTING_SCALAR);
    assert_string_equal(setting_find(setting_find(i, NULL)->first, "name")->text, "j");
    assert_null(i->next);
    assert_string_equal(setting_find(s, "k")->text, "5");
    assert_null(setting_from_spec(&a, "f (1 2)", (where){0}, &err)); /* no name */
    assert_non_null(strstr(err.message, "a comma is missing"));
    arena_deinit(&a);
}

static void one_spec_is_not_two(void **state)
{
    (void)state;
    arena a = {0};
    weft_error err = {0};
    assert_null(setting_from_spec(&a, "sgd lr=1, adam", (where){0}, &err));
    const setting *s = setting_from_spec(&a, "sgd 5 lr=1", (where){0}, &err);
    assert_string_equal(setting_find(s, "lr")->text, "1");
    assert_string_equal(setting_find(s, NULL)->text, "5");
    assert_null(setting_find(s, "x"));
    arena_deinit(&a);
}

/* ---- Fields ---- */

typedef struct example {
    size_t batch;
    uint64_t seed;
    double lr, momentum, betas[2];
    bool nesterov;
    const char *note, *mode;
    size_list milestones;
    const setting *parts;
    int32_t skip;
    number_list weight;
} example;

static const char *const modes[] = {"min", "max", NULL};

static const field example_fields[] = {
    {"batch", FIELD_SIZE, offsetof(example, batch), FIELD_BARE, .min = 1, .value = {32}, .help = "samples a step"},
    {"seed", FIELD_U64, offsetof(example, seed), 0, .help = "of the shuffle"},
    {"lr", FIELD_REAL, offsetof(example, lr), FIELD_REQUIRED | FIELD_BARE | FIELD_ABOVE_MIN, .help = "learning rate"},
    {"momentum", FIELD_REAL, offsetof(example, momentum), FIELD_BELOW_MAX, .max = 1, .help = "share kept"},
    {"betas", FIELD_PAIR, offsetof(example, betas), FIELD_BELOW_MAX, .max = 1, .value = {0.9, 0.999},
     .help = "shares kept"},
    {"nesterov", FIELD_BOOL, offsetof(example, nesterov), 0, .value = {1}, .help = "look ahead"},
    {"note", FIELD_TEXT, offsetof(example, note), 0, .help = "anything"},
    {"mode", FIELD_TEXT, offsetof(example, mode), 0, .text = "min", .words = modes, .help = "one of two words"},
    {"milestones", FIELD_SIZES, offsetof(example, milestones), 0, .min = 1, .max = 1e18, .help = "any number of them"},
    {"parts", FIELD_LIST, offsetof(example, parts), 0, .help = "whatever they are"},
    {"skip", FIELD_INT, offsetof(example, skip), 0, .min = -500, .max = INT32_MAX, .value = {-100}, .help = "left out"},
    {"weight", FIELD_REALS, offsetof(example, weight), 0, .min = 0, .max = 1e9, .help = "a number each"},
    {0},
};

static const char *const name_only[] = {"name", NULL};

static weft_status read_example(const char *spec, example *out, arena *a, weft_error *err)
{
    const setting *s = setting_from_spec(a, spec, (where){0}, err);
    assert_non_null(s);
    return fields_read(example_fields, s, "optimizer sgd", name_only, out, a, err);
}

static void fields_fill_a_struct(void **state)
{
    (void)state;
    arena a = {0};
    weft_error err = {0};
    example x;
    assert_int_equal(
        read_example("sgd 64 1e-3 betas=(0.5, 0) seed=18446744073709551615 nesterov=false note=hi skip=-7 weight=[1, 0.5, 2]", &x, &a, &err),
        WEFT_OK);
    assert_int_equal(x.batch, 64);
    assert_true(x.seed == UINT64_MAX && x.lr == 1e-3 && x.momentum == 0);
    assert_true(x.betas[0] == 0.5 && x.betas[1] == 0 && !x.nesterov);
    assert_string_equal(x.note, "hi");
    assert_int_equal(x.skip, -7);
    assert_true(x.weight.n == 3 && x.weight.at[0] == 1 && x.weight.at[1] == 0.5 && x.weight.at[2] == 2);
    assert_int_equal(read_example("sgd lr=1 skip=12 weight=3", &x, &a, &err), WEFT_OK);
    assert_true(x.skip == 12 && x.weight.n == 1 && x.weight.at[0] == 3);
    assert_int_equal(read_example("sgd lr=1 mode=max milestones=(30, 7) parts=[a, (b), \"c 1\"]", &x, &a, &err), WEFT_OK);
    assert_string_equal(x.mode, "max");
    assert_true(x.milestones.n == 2 && x.milestones.at[0] == 30 && x.milestones.at[1] == 7);
    assert_string_equal(x.parts->first->text, "a");
    assert_string_equal(x.parts->first->next->next->text, "c 1");
    assert_int_equal(read_example("sgd lr=1", &x, &a, &err), WEFT_OK);
    assert_string_equal(x.mode, "min");
    assert_true(x.milestones.n == 0 && x.parts == NULL);
    assert_true(x.batch == 32 && x.betas[1] == 0.999 && x.nesterov && x.note == NULL);
    assert_true(x.skip == -100 && x.weight.n == 0);
    arena_deinit(&a);
}

static void wrong_fields_are_explained(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"momentum=1.5", "momentum is 1.5, but must be at least 0 and below 1"},
        {"momentum=1", "momentum is 1, but must be at least 0 and below 1"},
        {"batch=0", "batch is 0, but must be at least 1"},
        {"batch=abc", "batch must be a whole number, not \"abc\""},
        {"batch=-1", "batch must be a whole number, not \"-1\""},
        {"batch=1e6", "batch must be a whole number, not \"1e6\""},
        {"seed=18446744073709551616", "seed must be a whole number, not \"18446744073709551616\""},
        {"momentum=nan", "momentum must be a number, not \"nan\""},
        {"momentum=1e400", "momentum must be a number, not \"1e400\""},
        {"momentum=(1, 2)", "momentum must be a number, not a list"},
        {"betas=0.9", "betas must be two numbers such as [0.9, 0.999], not \"0.9\""},
        {"betas=(0.9)", "betas must be two numbers such as [0.9, 0.999], not a list of another length"},
        {"betas=(0.1, 0.2, 0.3)", "betas must be two numbers such as [0.9, 0.999], not a list of another length"},
        {"betas=(0.9, 1.0)", "the second of betas is 1.0, but must be at least 0 and below 1"},
        {"betas=(x, 0.9)", "the first of betas must be a number, not \"x\""},
        {"nesterov=yes", "nesterov must be true or false, not \"yes\""},
        {"skip=-501", "skip is -501, but must be at least -500 and at most 2147483647"},
        {"skip=1.5", "skip must be a whole number between -2147483647 and 2147483647, not \"1.5\""},
        {"skip=2147483648", "skip must be a whole number between -2147483647 and 2147483647, not \"2147483648\""},
        {"weight=(1, -1)", "a number of weight is -1, but must be at least 0 and at most 1000000000"},
        {"weight=(1, (2))", "a number of weight must be a number, not a list"},
        {"note=(1)", "note must be a text, not a list"},
        {"mode=mx", "unknown mode \"mx\"; did you mean \"max\"?"},
        {"mode=average", "unknown mode \"average\"; there are: min, max"},
        {"milestones=3", "milestones must be a list in [], not \"3\""},
        {"milestones=(3, x)", "milestones must be a whole number, not \"x\""},
        {"milestones=(0)", "milestones is 0, but must be at least 1 and at most 1e+18"},
        {"parts=a", "parts must be a list in [], not \"a\""},
        {"momentun=0.9", "unknown key \"momentun\" of optimizer sgd; did you mean \"momentum\"?"},
        {"nme=x", "unknown key \"nme\" of optimizer sgd; did you mean \"name\"?"},
        {"quite=other",
         "unknown key \"quite\" of optimizer sgd; it has batch, seed, lr, momentum, betas, nesterov, note, mode, milestones, parts, "
         "skip, weight, name"},
        {"lr=2", "lr of optimizer sgd is given twice"},
        {"5 6 7", "\"7\" is one value too many for optimizer sgd; write key=value"},
        {"5 0", "lr is 0, but must be above 0"},
        {"5 batch=6", "batch of optimizer sgd is given twice"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        arena a = {0};
        weft_error err = {0};
        example x;
        bool bare = strncmp(cases[i][0], "5 6", 3) == 0 || strncmp(cases[i][0], "5 0", 3) == 0; /* the second is lr */
        const char *spec = arena_printf(&a, "sgd %s%s", bare ? "" : "lr=1 ", cases[i][0]);
        assert_int_equal(read_example(spec, &x, &a, &err), WEFT_BAD_INPUT);
        assert_string_equal(err.message, cases[i][1]);
        arena_deinit(&a);
    }
}

static void all_mistakes_are_told_at_once(void **state)
{
    (void)state;
    arena a = {0};
    weft_error err = {0};
    example x;
    const setting *s = setting_from_spec(&a, "sgd batch=0 momentum=2 zzz=1", (where){"f.yaml", 4, 9}, &err);
    assert_int_equal(fields_read(example_fields, s, "it", name_only, &x, &a, &err), WEFT_BAD_INPUT);
    assert_int_equal(err.count, 4);
    assert_string_equal(
        err.message,
        "f.yaml:4:19: batch is 0, but must be at least 1\n"
        "f.yaml:4:30: momentum is 2, but must be at least 0 and below 1\n"
        "f.yaml:4:32: unknown key \"zzz\" of it; it has batch, seed, lr, momentum, betas, nesterov, note, mode, milestones, "
        "parts, skip, weight, name\n"
        "f.yaml:4:9: lr of it is missing: learning rate");
    assert_true(x.batch == 32 && x.momentum == 0);
    arena_deinit(&a);
}

static void printed_fields_read_back(void **state)
{
    (void)state;
    arena a = {0};
    weft_error err = {0};
    example x = {.batch = 7,
                 .seed = UINT64_MAX,
                 .lr = 1.0 / 3,
                 .momentum = 1e-300,
                 .betas = {0.1, 0.25},
                 .nesterov = true,
                 .mode = "max",
                 .milestones = {2, (const size_t[]){5, SIZE_MAX / 2048}},
                 .skip = -3,
                 .weight = {2, (const double[]){1.0 / 3, 0}}},
            y;
    setting second = {SETTING_SCALAR, .text = "b \"2\""}, first = {SETTING_SCALAR, .text = "a", .next = &second};
    const setting parts = {SETTING_LIST, .first = &first};
    static const char *const notes[] = {NULL, "plain/file-1.txt", "", "two words: # \"quoted\" \\ back\nline\ttab", "-",
                                        "é"};
    for (size_t i = 0; i < COUNT(notes); i++) {
        text t = {0};
        x.note = notes[i];
        x.parts = i > 0 ? &parts : NULL;
        text_add(&t, "sgd ");
        fields_print(example_fields, &x, "%s=%s", " ", &t);
        if (read_example(t.data, &y, &a, &err) != WEFT_OK)
            fail_msg("\"%s\": %s", t.data, err.message);
        assert_true(x.batch == y.batch && x.seed == y.seed && x.lr == y.lr && x.momentum == y.momentum);
        assert_memory_equal(x.betas, y.betas, sizeof x.betas);
        assert_true(x.nesterov == y.nesterov && !x.note == !y.note);
        assert_int_equal(x.skip, y.skip);
        assert_int_equal(x.weight.n, y.weight.n);
        assert_memory_equal(x.weight.at, y.weight.at, x.weight.n * sizeof *x.weight.at);
        assert_string_equal(x.mode, y.mode);
        assert_int_equal(y.milestones.n, x.milestones.n);
        assert_memory_equal(y.milestones.at, x.milestones.at, 2 * sizeof *x.milestones.at);
        assert_int_equal(y.parts != NULL, i > 0);
        if (y.parts)
            assert_string_equal(y.parts->first->next->text, "b \"2\"");
        if (x.note)
            assert_string_equal(x.note, y.note);
        text_free(&t);
    }
    text t = {0};
    fields_default(example_fields, &x);
    fields_print(example_fields, &x, "%s: %s", ", ", &t);
    assert_string_equal(t.data, "batch: 32, seed: 0, lr: 0, momentum: 0, betas: [0.9, 0.999], nesterov: true, mode: min, milestones: [], skip: -100");
    text_free(&t);
    arena_deinit(&a);
}

static void flat_fields_are_a_list_of_dotted_keys(void **state)
{
    (void)state;
    const struct example_with_range {
        const char *note, *empty;
        double range[2];
    } x = {"two \"words\"", NULL, {0.5, -1}};
    static const field inner[] = {{"from", FIELD_REAL, .offset = 0}, {"to", FIELD_REAL, .offset = sizeof(double)}, {0}};
    static const field outer[] = {{"note", FIELD_TEXT, .offset = offsetof(struct example_with_range, note)},
                                  {"empty", FIELD_TEXT, .offset = offsetof(struct example_with_range, empty)},
                                  {"range", FIELD_MAP, .offset = offsetof(struct example_with_range, range), .fields = inner},
                                  {0}};
    arena a = {0};
    setting *first = NULL, **end = fields_flatten(outer, &x, "it", &first, &a);
    text t = {0};
    assert_non_null(end);
    assert_null(*end);
    for (const setting *s = first; s; s = s->next)
        text_printf(&t, "%s=%s;", s->key, s->text);
    assert_string_equal(t.data, "it.note=two \"words\";it.range.from=0.5;it.range.to=-1;");
    text_free(&t);
    arena_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(specs_are_read),
        cmocka_unit_test(broken_specs_are_refused_at_their_column),
        cmocka_unit_test(deep_lists_are_refused),
        cmocka_unit_test(specs_stand_in_lists_too),
        cmocka_unit_test(one_spec_is_not_two),
        cmocka_unit_test(fields_fill_a_struct),
        cmocka_unit_test(wrong_fields_are_explained),
        cmocka_unit_test(all_mistakes_are_told_at_once),
        cmocka_unit_test(printed_fields_read_back),
        cmocka_unit_test(flat_fields_are_a_list_of_dotted_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
