/* How parameters begin: torch.nn.init's rules, by the moments and bounds of what they draw. */
#include "numbers.h"

#include "op/op.h"

enum { OUT = 96, IN = 160, N = OUT * IN };

static const param weight = {"weight", {2, {OUT, IN}}, -1, 1}, bias = {"bias", {1, {OUT}}, -1, 1};

static void draw_as(const char *spec, const param *p, uint64_t seed, float *out)
{
    arena memory = {0};
    weft_error err = {0};
    initialiser i = {0};
    if (init_read(spec, (where){"test", 0, 0}, &i, &memory, &err) != WEFT_OK || init_fits(&i, p, (where){0}, &err) != WEFT_OK)
        fail_msg("%s: %s", spec, err.message);
    assert_int_equal(init_draw(&i, p, seed, 3, out), WEFT_OK);
    arena_deinit(&memory);
}

static void moments(const float *x, double *mean, double *std, double *largest)
{
    *mean = *std = *largest = 0;
    for (size_t i = 0; i < N; i++) {
        *mean += (double)x[i] / N;
        *largest = fmax(*largest, fabs((double)x[i]));
    }
    for (size_t i = 0; i < N; i++)
        *std += pow((double)x[i] - *mean, 2) / N;
    *std = sqrt(*std);
}

/* Means within 4 of their own deviations, deviations within 4 of theirs, at most 1 / sqrt(N) of themselves; bounds kept and nearly reached. */
static void scales_are_those_of_torch(void **unused)
{
    (void)unused;
    static const double root3 = 1.7320508075688772;
    const struct {
        const char *spec;
        double mean, std;
        bool is_uniform;
    } table[] = {
        {"uniform", 0.5, 0.5 / root3, true},
        {"uniform a=-3 b=1", -1, 2 / root3, true},
        {"normal", 0, 1, false},
        {"normal 2 std=0.25", 2, 0.25, false},
        {"xavier_uniform", 0, sqrt(2.0 / (IN + OUT)), true},
        {"xavier_normal", 0, sqrt(2.0 / (IN + OUT)), false},
        {"xavier_normal gain=3", 0, 3 * sqrt(2.0 / (IN + OUT)), false},
        {"kaiming_uniform", 0, sqrt(2.0 / IN), true},
        {"kaiming_normal relu", 0, sqrt(2.0 / IN), false},
        {"kaiming_normal linear mode=fan_out", 0, sqrt(1.0 / OUT), false},
        {"kaiming_normal tanh", 0, 5.0 / 3 * sqrt(1.0 / IN), false},
        {"kaiming_normal selu", 0, 0.75 * sqrt(1.0 / IN), false},
        {"kaiming_normal a=2", 0, sqrt(2.0 / 5 / IN), false},
        {"kaiming_uniform a=2.23606797749979", 0, sqrt(1.0 / 3 / IN), true}, /* a linear layer's own rule */
    };
    static float x[N];
    for (size_t i = 0; i < COUNT(table); i++) {
        double mean, std, largest;
        draw_as(table[i].spec, &weight, 11 + i, x);
        moments(x, &mean, &std, &largest);
        if (!(fabs(mean - table[i].mean) <= 4 * table[i].std / sqrt(N) && fabs(std / table[i].std - 1) <= 4 / sqrt(N)))
            fail_msg("%s: mean %g and deviation %g, not %g and %g", table[i].spec, mean, std, table[i].mean, table[i].std);
        const double bound = fabs(table[i].mean) + root3 * table[i].std;
        if (table[i].is_uniform)
            assert_true(largest <= bound * (1 + UNIT) && largest > 0.99 * bound);
    }
}

/* Against the same words through the C library's functions in long double. */
static void normal_numbers_are_box_and_mullers(void **unused)
{
    (void)unused;
    float x[64];
    rng_normal(7, RNG_INIT, 5, 0, 1, COUNT(x), x);
    for (size_t i = 0; i < COUNT(x); i++) {
        uint32_t block[4];
        rng_u32x4(7, RNG_INIT, 5, i / 4, block);
        const uint32_t *pair = block + i % 4 / 2 * 2;
        const long double radius = sqrtl(-2 * logl(((long double)pair[0] + 0.5L) / 4294967296)), turn = 2 * acosl(-1) * pair[1] / 4294967296;
        const long double want = radius * (i % 2 ? sinl(turn) : cosl(turn));
        assert_true(fabsl((long double)x[i] - want) <= (long double)UNIT * fmaxl(1, fabsl(want)));
    }
}

static void orthogonal_rows_or_columns_are_orthonormal(void **unused)
{
    (void)unused;
    static const shape shapes[] = {{2, {OUT, IN}}, {2, {IN, OUT}}, {2, {1, 7}}, {2, {5, 1}}, {2, {40, 40}}};
    static float x[N];
    for (size_t s = 0; s < COUNT(shapes); s++) {
        const param p = {"weight", shapes[s], 0, 0};
        const size_t rows = p.shape.dims[0], cols = p.shape.dims[1], n = MIN(rows, cols), length = MAX(rows, cols);
        draw_as("orthogonal gain=2", &p, 5, x);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j <= i; j++) {
                double product = 0;
                for (size_t k = 0; k < length; k++)
                    product += rows <= cols ? (double)x[i * cols + k] * (double)x[j * cols + k] : (double)x[k * cols + i] * (double)x[k * cols + j];
                assert_true(fabs(product - (i == j ? 4 : 0)) <= 16 * UNIT);
            }
    }
}

static void constants_are_constant(void **unused)
{
    (void)unused;
    float x[OUT];
    draw_as("constant 0.5", &bias, 1, x);
    for (size_t i = 0; i < OUT; i++)
        assert_true(x[i] == 0.5f);
    draw_as("zeros", &bias, 1, x);
    for (size_t i = 0; i < OUT; i++)
        assert_true(x[i] == 0);
}

static void what_a_rule_cannot_do_is_refused(void **unused)
{
    (void)unused;
    static const char *const bad[][2] = {
        {"xavier", "there are: constant"}, {"constant", "val"}, {"uniform a=2 b=2", "a must be below b"}, {"kaiming_normal rleu", "\"relu\""},
        {"kaiming_normal mode=fan_up", "fan_in"}, {"normal std=-1", "at least 0"}, {"zeros 1", "zeros"},
    };
    arena memory = {0};
    for (size_t i = 0; i < COUNT(bad); i++) {
        weft_error err = {0};
        initialiser out;
        assert_int_equal(init_read(bad[i][0], (where){"f", 3, 7}, &out, &memory, &err), WEFT_BAD_INPUT);
        if (!strstr(err.message, bad[i][1]) || err.line != 3)
            fail_msg("%s: %s", bad[i][0], err.message);
    }
    weft_error err = {0};
    initialiser out;
    assert_int_equal(init_read("orthogonal", (where){0}, &out, &memory, &err), WEFT_OK);
    assert_int_equal(init_fits(&out, &bias, (where){0}, &err), WEFT_BAD_INPUT);
    assert_int_equal(init_fits(&out, &weight, (where){0}, &err), WEFT_OK);
    arena_deinit(&memory);
}

/* The rule by which a parameter of a model begins; NULL: the layer's own. */
static const char *rule_of(const graph *g, size_t i, size_t p)
{
    const init_kind *kind = node_init(&g->nodes[i], p)->kind;
    return kind ? kind->name : NULL;
}

static void rules_of_the_whole_model_are_for_matrices_and_their_biases(void **unused)
{
    (void)unused;
    arena memory = {0};
    weft_error err = {0};
    graph g;
    const setting *layers = setting_list_from_specs(&memory, "linear 4 init=zeros, batch_norm, linear 4 bias=false, layer_norm, linear 3", (where){0},
                                                    &err);
    assert_int_equal(graph_build(&g, layers, ANY_ISA, &memory, &err), WEFT_OK);
    assert_int_equal(graph_begin_as(&g, &(usual_init){"normal 0 0.1", "constant 2"}, &memory, &err), WEFT_OK);
    for (size_t features = 5; features < 7; features++) { /* and again for another size */
        assert_int_equal(graph_infer(&g, features, &err), WEFT_OK);
        assert_string_equal(rule_of(&g, 0, 0), "zeros");
        assert_string_equal(rule_of(&g, 0, 1), "constant");
        assert_string_equal(rule_of(&g, 2, 0), "normal");
        assert_string_equal(rule_of(&g, 4, 0), "normal");
        assert_string_equal(rule_of(&g, 4, 1), "constant");
        for (size_t i = 1; i < 4; i += 2)
            assert_true(!rule_of(&g, i, 0) && !rule_of(&g, i, 1));
    }
    assert_int_equal(graph_begin_as(&g, &(usual_init){NULL, "xavier_normal"}, &memory, &err), WEFT_BAD_INPUT);
    assert_non_null(strstr(err.message, "choose uniform, normal, constant or zeros"));
    arena_deinit(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scales_are_those_of_torch),
        cmocka_unit_test(normal_numbers_are_box_and_mullers),
        cmocka_unit_test(orthogonal_rows_or_columns_are_orthonormal),
        cmocka_unit_test(constants_are_constant),
        cmocka_unit_test(what_a_rule_cannot_do_is_refused),
        cmocka_unit_test(rules_of_the_whole_model_are_for_matrices_and_their_biases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
