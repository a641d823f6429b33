/* The same seed gives the same bits: a small network's parameters after training, against a hash that never changes. Instruction sets
 * that fuse a multiplication and an addition share it; those that cannot have one of their own. */
#include "numbers.h"

#include "plan/plan.h"

enum { FEATURES = 20, CLASSES = 5, BATCH = 32, LAST_BATCH = 7, SEED = 42 };

/* Every layer there is; odd widths, so that every kernel has tails. */
static const char layers[] = "flatten, linear 33, batch_norm, relu, dropout 0.2, linear 17 bias=false, layer_norm, sigmoid, linear 9, "
                             "residual [tanh, linear 9, prelu], linear 5";

typedef struct net {
    arena memory;
    graph graph;
    real **weights, **buffers;
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
        rng_uniform(SEED, RNG_INIT, (uint32_t)(layer->index * MAX_PARAMS + p), layer->params[p].init_low,
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
    n->buffers = arena_array(&n->memory, n->graph.n_nodes, sizeof *n->buffers);
    size_t *numbers = arena_array(&n->memory, n->graph.n_nodes, sizeof *numbers);
    for (size_t l = 0; l < n->graph.n_nodes; l++) {
        numbers[l] = n->graph.nodes[l].block_numbers;
        const size_t in_buffers = n->graph.nodes[l].buffer_numbers;
        n->buffers[l] = in_buffers ? arena_array(&n->memory, in_buffers, sizeof(real)) : NULL;
        n->weights[l] = numbers[l] ? arena_array(&n->memory, numbers[l], sizeof(real)) : NULL;
    }
    assert_int_equal(optimizer_prepare(&n->optimizer, n->graph.n_nodes, numbers, &n->memory, &err), WEFT_OK);
    for_params(n, draw, NULL);
}

static plan *compile(const net *n, isa level, size_t B)
{
    weft_error err = {0};
    plan *p = plan_compile(&(plan_spec){.graph = &n->graph, .kernels = kernels_of(level), .mode = PLAN_TRAIN, .batch = B, .all_threads = true,
                                        .weights = n->weights, .buffers = n->buffers, .loss = n->loss, .loss_fields = n->loss_fields,
                                        .optimizer = &n->optimizer},
                           &err);
    if (!p)
        fail_msg("%s", err.message);
    return p;
}

/* Bytes as samples, and one batch in five smaller, as at the end of an epoch. */
static void train(net *n, isa level, pool *threads, uint32_t steps)
{
    float numbers[BATCH * FEATURES];
    uint8_t pixels[BATCH * FEATURES];
    int32_t labels[BATCH];
    plan *whole = compile(n, level, BATCH), *smaller = compile(n, level, LAST_BATCH);
    for (uint32_t t = 0; t < steps; t++) {
        rng_uniform(SEED, RNG_SHOW, t, 0, 256, COUNT(numbers), numbers);
        for (size_t i = 0; i < COUNT(numbers); i++)
            pixels[i] = (uint8_t)numbers[i];
        for (size_t b = 0; b < BATCH; b++)
            labels[b] = (pixels[b * FEATURES] + pixels[b * FEATURES + 1]) / 103;
        const bool last = t % 5 == 4;
        const batch source = {.samples = pixels, .bytes = true, .scale = 255, .labels = labels, .n = last ? LAST_BATCH : BATCH, .seed = SEED,
                              .number = t};
        optimizer_begin(&n->optimizer);
        assert_true(plan_run(last ? smaller : whole, &source, threads));
    }
    plan_free(whole);
    plan_free(smaller);
}

/* The parameters after so many steps, as bytes. */
static text trained(isa level, const char *optimizer_spec, int n_threads, uint32_t steps)
{
    weft_error err = {0};
    net n = {0};
    net_make(&n, level, optimizer_spec);
    pool *threads = pool_create(n_threads, &err);
    assert_non_null(threads);
    train(&n, level, threads, steps);
    text bits = {0};
    for_params(&n, append, &bits);
    assert_int_equal(bits.length, sizeof(float) * n.graph.n_parameters);
    pool_free(threads);
    arena_deinit(&n.memory);
    return bits;
}

static void check_hash(const char *optimizer_spec, const char *if_fused, const char *if_not)
{
    static const int counts[] = {1, 2, 3, 8};
    FOR_ISAS(level)
        for (size_t i = 0; i < COUNT(counts); i++) {
            text bits = trained(level, optimizer_spec, counts[i], 50);
            char hex[65];
            sha256_hex(bits.data, bits.length, hex);
            if (strcmp(hex, kernels_of(level)->fused ? if_fused : if_not) != 0)
                fail_msg("%s, %s, %d threads: the parameters' hash is %s", optimizer_spec, isa_name(level), counts[i], hex);
            text_free(&bits);
        }
}

static void sgd_ends_at_the_same_bits_as_ever(void **unused)
{
    (void)unused;
    check_hash("sgd lr=0.1 momentum=0.9 weight_decay=0.0001",
               "015797ad4cc96e81160539723441ca25b2178de4bf1a2d70f6378a6e4fd773a9",
               "f4353134d930a4bb16fe48439d595aebdfe9b924761d6257ebd92df0ac1b7f18");
}

static void a_descent_ends_at_the_same_bits_as_ever(void **unused)
{
    (void)unused;
    check_hash("sgd lr=0.1", "dbe76d57200ab8ca0f22870c88eec610e235eae60758ada5cf08645d33e267e3",
               "8122590811d672bcb05ea6b6295e27b331f469b2b084f919552d8fa9f8030926");
}

static void adam_ends_at_the_same_bits_as_ever(void **unused)
{
    (void)unused;
    check_hash("adam lr=0.01", "9af43d09f7f42458e88f043ea28346a334106e4906bdcd26f139d27808d3f096",
               "3ef0f8e6130bb1ba33b561ba09736dd7daefe41983ef6a5ad25d15e5ba8b9a09");
}

/* Each is off the exact result by what test_plan_numbers.c derives for as many steps at this rate: chains are of at most 33 products and a bias,
 * so that a gradient, at most 1, is wrong by less than 64 units, or 128 where products round too; weights are below 2. */
static void all_instruction_sets_agree_but_for_their_roundings(void **unused)
{
    (void)unused;
    enum { STEPS = 20 };
    static const double tolerance = 8 * UNIT * STEPS * ((2 + 64 * 0.1) + (2 + 128 * 0.1));
    text first = trained(ANY_ISA, "sgd lr=0.1", 1, STEPS);
    FOR_ISAS(level)
    {
        text other = trained(level, "sgd lr=0.1", 1, STEPS);
        for (size_t at = 0; at < first.length; at += sizeof(float)) {
            float a, b;
            memcpy(&a, first.data + at, sizeof a);
            memcpy(&b, other.data + at, sizeof b);
            assert_true(fabs((double)a) < 2);
            if (!(fabs((double)a - (double)b) <= tolerance))
                fail_msg("parameter %zu is %.9g on %s, %.9g on %s", at / sizeof(float), (double)a, isa_name(ANY_ISA), (double)b,
                         isa_name(level));
        }
        text_free(&other);
    }
    text_free(&first);
}

/* A new layer belongs into the network above. */
static void the_network_has_every_layer(void **unused)
{
    (void)unused;
    for (const op *const *o = op_table(ANY_ISA); *o; o++)
        if ((*o)->kind != OP_LOSS && !strstr(layers, (*o)->name))
            fail_msg("the network has no %s", (*o)->name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sgd_ends_at_the_same_bits_as_ever),
        cmocka_unit_test(a_descent_ends_at_the_same_bits_as_ever),
        cmocka_unit_test(adam_ends_at_the_same_bits_as_ever),
        cmocka_unit_test(all_instruction_sets_agree_but_for_their_roundings),
        cmocka_unit_test(the_network_has_every_layer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
