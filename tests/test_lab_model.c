/* How models are written in experiment files. */
#include "test.h"

#include "lab_files.h"

static void assert_model(const char *lines, const char *model)
{
    char yaml[256];
    snprintf(yaml, sizeof yaml, DATA "%s", lines);
    experiment *e = GOOD(yaml);
    assert_string_equal(e->variants[0].settings.model_text, model);
    assert_reads_back(&e->variants[0].settings);
    experiment_close(e);
}

static void a_model_is_written_in_many_ways(void **state)
{
    (void)state;
    static const char *const same[] = {
        "model: [linear 1000, relu, linear 10]\n",
        "model: linear 1000, relu, linear 10\n",
        "model: 'linear 1000,relu,linear 10'\n",
        "model:\n  - linear 1000\n  - relu\n  - linear 10\n",
        "model: [{name: linear, out_features: 1000}, relu, linear out_features=10 bias=true]\n",
        "model:\n  - linear 1000, relu\n  - {name: linear, out_features: 10}\n",
    };
    for (size_t i = 0; i < COUNT(same); i++)
        assert_model(same[i], "linear 1000, relu, linear 10");
}

static void rules_of_initialisation_are_read_back(void **state)
{
    (void)state;
    const char *model = "linear 8 init=\"kaiming_normal relu\" bias_init=zeros, relu, linear 10 init=orthogonal";
    assert_model("model: [linear 8 init=\"kaiming_normal relu\" bias_init=zeros, relu, {name: linear, out_features: 10, init: orthogonal}]\n", model);
    assert_null(OPEN(DATA "model: [linear 8 init=orthogonl]\n"));
    assert_says("did you mean \"orthogonal\"?");
}

static void assert_init(const char *lines, const char *weight, const char *bias, const char *config)
{
    char file[300];
    snprintf(file, sizeof file, DATA "model: [linear 10]\n%s", lines);
    experiment *e = OPEN(file);
    assert_non_null(e);
    const usual_init *rules = &e->variants[e->n_variants - 1].settings.init;
    assert_string_equal(rules->weight ? rules->weight : "", weight);
    assert_string_equal(rules->bias ? rules->bias : "", bias);
    const char *found = strstr(e->variants[e->n_variants - 1].settings.config, "\ninit:");
    assert_true(!found == !*config);
    assert_true(!found || strncmp(found, config, strlen(config)) == 0);
    experiment_close(e);
}

static void rules_for_the_whole_model_are_a_section(void **state)
{
    (void)state;
    assert_init("", "", "", "");
    assert_init("init: orthogonal\n", "orthogonal", "", "\ninit: {weight: orthogonal}\n");
    assert_init("init: kaiming_normal relu\n", "kaiming_normal relu", "", "\ninit: {weight: \"kaiming_normal relu\"}\n");
    assert_init("init: {bias: constant 0.5}\n", "", "constant 0.5", "\ninit: {bias: \"constant 0.5\"}\n");
    assert_init("init: {weight: xavier_normal, bias: zeros}\nvariants:\n  a: {}\n  b: {init: normal 0 0.02}\n", "normal 0 0.02", "zeros",
                "\ninit: {weight: \"normal 0 0.02\", bias: zeros}\n");
    static const char *const bad[][2] = {
        {"init: orthogonl\n", ":3:7: unknown initialisation \"orthogonl\""}, {"init: {bias: orthogonal}\n", ":3:14: orthogonal is for weights"},
        {"init: {weights: zeros}\n", "did you mean \"weight\"?"}, {"init: [zeros]\n", "init: {weight: kaiming_normal relu, bias: zeros}"},
        {"init: {weight: constant}\n", "val of constant is missing"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        char file[200];
        snprintf(file, sizeof file, DATA "model: [linear 10]\n%s", bad[i][0]);
        assert_null(OPEN(file));
        assert_says(bad[i][1]);
    }
}

static void blocks_are_lists_in_lists(void **state)
{
    (void)state;
    static const char *const same[] = {
        "model: [linear 8, {residual: [relu, linear 8, {residual: [linear 8]}]}, linear 10]\n",
        "model: linear 8, residual [relu, linear 8, residual [linear 8]], linear 10\n",
        "model:\n  - linear 8\n  - residual [relu, linear 8, residual (linear 8)]\n  - linear 10\n",
        "model:\n  - linear 8\n  - residual:\n    - relu, linear 8\n    - residual: [{name: linear, out_features: 8}]\n  - linear 10\n",
    };
    for (size_t i = 0; i < COUNT(same); i++)
        assert_model(same[i], "linear 8, residual [relu, linear 8, residual [linear 8]], linear 10");
}

static void blocks_that_cannot_be_are_refused_where_they_stand(void **state)
{
    (void)state;
    static const struct {
        const char *model, *words;
    } bad[] = {
        {"model: [residual, linear 10]\n", ":2:9: residual takes a list of layers"},
        {"model: [{residual: []}, linear 10]\n", ":2:20: the block has no layers"},
        {"model: ['residual [linear 3] 5', linear 10]\n", "residual takes one list of layers and nothing else"},
        {"model: [{residual: [rleu]}, linear 10]\n", ":2:21: unknown layer \"rleu\"; did you mean \"relu\"?"},
        {"model: [{residual: {linear: 3}}]\n", ":2:9: a layer is written as its name"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        char yaml[256];
        snprintf(yaml, sizeof yaml, DATA "%s", bad[i].model);
        assert_null(OPEN(yaml));
        assert_says(bad[i].words);
    }
}

static void blocks_in_blocks_have_a_limit(void **state)
{
    (void)state;
    for (size_t depth = 16; depth <= 17; depth++) {
        text t = {0};
        text_add(&t, DATA "model: ");
        for (size_t i = 0; i < depth; i++)
            text_add(&t, "residual [");
        text_add(&t, "linear 784");
        for (size_t i = 0; i < depth; i++)
            text_add(&t, "]");
        experiment *e = OPEN(t.data);
        assert_true((e != NULL) == (depth == 16));
        if (!e)
            assert_says("more than 16 deep");
        experiment_close(e);
        text_free(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_model_is_written_in_many_ways),
        TEST(rules_of_initialisation_are_read_back),
        TEST(rules_for_the_whole_model_are_a_section),
        TEST(blocks_are_lists_in_lists),
        TEST(blocks_that_cannot_be_are_refused_where_they_stand),
        TEST(blocks_in_blocks_have_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
