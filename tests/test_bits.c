/* The same seed gives the same bits: a small network's parameters after training, against a hash that never changes. */
#include "numbers.h"

#include "plan/plan.h"

enum { FEATURES = 20, CLASSES = 5, TRAINING_STEPS = 50, BATCH = 32, LAST_BATCH = 7, SEED = 42 };

/* Every layer there is; odd widths, so that every kernel has tails. */
static const char layers[] = "flatten, linear 33, relu, linear 17 bias=false, sigmoid, linear 9, tanh, linear 5";

typedef struct net {
    arena memory;
    graph graph;
    real **weights;
    const op *loss;
    const void *loss_fields;
    optimizer optimizer;
} net;

/* Calls `visit` for every parameter, in the order of a state dict. */
static void for_params(const net *n, void (*visit)(float *const params[], const node *layer, real *block, text *out), text *out)
{
    for (size_t l = 0; l < n->graph.n_nodes; l++) {
        const node *layer = &n->graph.nodes[l];
        float *params[MAX_PARAMS] = {0};
        if (!layer->block_numbers)
            continue;
        for (size_t p = 0; p < layer->n_params; p++) {
            params[p] = calloc(shape_numbers(&layer->params[p].shape), sizeof(float));
            assert_non_null(params[p]);
        }
        visit(params, layer, n->weights[l], out);
        for (size_t p = 0; p < layer->n_params; p++)
            free(params[p]);
    }
}

static void draw(float *const params[], const node *layer, real *block, text *out)
{
    (void)out;
    for (size_t p = 0; p < layer->n_params; p++)
        rng_uniform(SEED, RNG_INIT, (uint32_t)(layer->layer * MAX_PARAMS + p), layer->params[p].init_low,
                    layer->params[p].init_high, shape_numbers(&layer->params[p].shape), params[p]);
    layer->op->pack(layer, (const float *const *)params, block);
}

static void append(float *const params[], const node *layer, real *block, text *out)
{
    layer->op->unpack(layer, block, params);
    for (size_t p = 0; p < layer->n_params; p++)
        text_add_bytes(out, (const char *)params[p], shape_numbers(&layer->params[p].shape) * sizeof(float));
}

static void net_make(net *n, isa level, const char *optimizer_spec)
{
    weft_error err = {0};
    const where here = {"test", 0, 0};
    const setting *list = setting_list_from_specs(&n->memory, layers, here, &err);
    const setting *loss = setting_from_spec(&n->memory, "cross_entropy", here, &err);
    const setting *map = setting_from_spec(&n->memory, optimizer_spec, here, &err);
    if (!list || !loss || !map || graph_build(&n->graph, list, level, &n->memory, &err) != WEFT_OK ||
        graph_infer(&n->graph, FEATURES, &err) != WEFT_OK ||
        loss_read(&n->loss, &n->loss_fields, loss, level, &n->memory, &err) != WEFT_OK ||
        optimizer_read(&n->optimizer, map, level, &n->memory, &err) != WEFT_OK)
        fail_msg("%s", err.message);
    n->weights = arena_array(&n->memory, n->graph.n_nodes, sizeof *n->weights);
    size_t *numbers = arena_array(&n->memory, n->graph.n_nodes, sizeof *numbers);
    for (size_t l = 0; l < n->graph.n_nodes; l++) {
        numbers[l] = n->graph.nodes[l].block_numbers;
        n->weights[l] = numbers[l] ? arena_array(&n->memory, numbers[l], sizeof(real)) : NULL;
    }
    assert_int_equal(optimizer_prepare(&n->optimizer, n->graph.n_nodes, numbers, &n->memory, &err), WEFT_OK);
    for_params(n, draw, NULL);
}

static plan *compile(const net *n, isa level, size_t B)
{
    weft_error err = {0};
    plan *p = plan_compile(&(plan_spec){.graph = &n->graph, .kernels = kernels_of(level), .mode = PLAN_TRAIN, .batch = B,
                                        .weights = n->weights, .loss = n->loss, .loss_fields = n->loss_fields,
                                        .optimizer = &n->optimizer},
                           &err);
    if (!p)
        fail_msg("%s", err.message);
    return p;
}

/* Bytes as samples, and one batch in five smaller, as at the end of an epoch. */
static void train(net *n, isa level, pool *threads)
{
    float numbers[BATCH * FEATURES];
    uint8_t pixels[BATCH * FEATURES];
    int32_t labels[BATCH];
    plan *whole = compile(n, level, BATCH), *smaller = compile(n, level, LAST_BATCH);
    for (uint32_t t = 0; t < TRAINING_STEPS; t++) {
        rng_uniform(SEED, RNG_SHOW, t, 0, 256, COUNT(numbers), numbers);
        for (size_t i = 0; i < COUNT(numbers); i++)
            pixels[i] = (uint8_t)numbers[i];
        for (size_t b = 0; b < BATCH; b++)
            labels[b] = (pixels[b * FEATURES] + pixels[b * FEATURES + 1]) / 103;
        const bool last = t % 5 == 4;
        const batch source = {.samples = pixels, .bytes = true, .scale = 255, .labels = labels, .n = last ? LAST_BATCH : BATCH};
        optimizer_begin(&n->optimizer);
        assert_true(plan_run(last ? smaller : whole, &source, threads));
    }
    plan_free(whole);
    plan_free(smaller);
}

static void check_hash(const char *optimizer_spec, const char *expected)
{
    static const int counts[] = {1, 2, 3, 8};
    FOR_ISAS(level)
        for (size_t i = 0; i < COUNT(counts); i++) {
            weft_error err = {0};
            net n = {0};
            net_make(&n, level, optimizer_spec);
            pool *threads = pool_create(counts[i], &err);
            assert_non_null(threads);
            train(&n, level, threads);
            text bits = {0};
            char hex[65];
            for_params(&n, append, &bits);
            assert_int_equal(bits.length, sizeof(float) * n.graph.n_parameters);
            sha256_hex(bits.data, bits.length, hex);
            if (strcmp(hex, expected) != 0)
                fail_msg("%s, %s, %d threads: the parameters' hash is %s", optimizer_spec, isa_name(level), counts[i], hex);
            text_free(&bits);
            pool_free(threads);
            arena_deinit(&n.memory);
        }
}

static void sgd_ends_at_the_same_bits_as_ever(void **unused)
{
    (void)unused;
    check_hash("sgd lr=0.1 momentum=0.9 weight_decay=0.0001",
               "749b095413bbedef498e03dd8a73ba1f6630583bbaa9aca41f05e497db30600d");
}

static void adam_ends_at_the_same_bits_as_ever(void **unused)
{
    (void)unused;
    check_hash("adam lr=0.01", "a79d8cc153dbe9b82df82b2a0b2626682cb5e8bf7470a86eefe73b1d544ddf4f");
}

/* A new layer belongs into the network above. */
static void the_network_has_every_layer(void **unused)
{
    (void)unused;
    for (const op *const *o = op_table(ISA_V3); *o; o++)
        if ((*o)->kind != OP_LOSS && !strstr(layers, (*o)->name))
            fail_msg("the network has no %s", (*o)->name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sgd_ends_at_the_same_bits_as_ever),
        cmocka_unit_test(adam_ends_at_the_same_bits_as_ever),
        cmocka_unit_test(the_network_has_every_layer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
