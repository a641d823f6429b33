/* The same seed gives the same bits: a small network's parameters after training, against a hash that never changes. Instruction sets
 * that fuse a multiplication and an addition share it; those that cannot have one of their own. */
#include "numbers.h"

#include "plan/plan.h"

enum { FEATURES = 20, CLASSES = 5, BATCH = 32, LAST_BATCH = 7, SEED = 42 };

/* Every layer there is; odd widths, so that every kernel has tails. */
static const char layers[] =
    "flatten, linear 33, batch_norm, relu, dropout 0.2, linear 17 bias=false, layer_norm, sigmoid, linear 9, residual [tanh, linear 9, prelu], "
    "residual [linear 9, leaky_relu, elu, celu, selu, gelu, silu, mish, softplus], "
    "residual [linear 9, hardtanh, hardshrink, softshrink, tanhshrink, softsign, logsigmoid], "
    "residual [linear 9, hardsigmoid, hardswish, relu6, threshold 0.1 -1, log_softmax, softmax], linear 5";
/* For the optimizers, whose bits are to stay where a layer is new. */
static const char plain_layers[] = "flatten, linear 33, relu, linear 17 bias=false, sigmoid, linear 9, tanh, linear 5";

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

static void net_make(net *n, isa level, const char *model, const char *optimizer_spec)
{
    weft_error err = {0};
    const where here = {"test", 0, 0};
    const setting *list = setting_list_from_specs(&n->memory, model, here, &err);
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
static text trained(isa level, const char *model, const char *optimizer_spec, int n_threads, uint32_t steps)
{
    weft_error err = {0};
    net n = {0};
    net_make(&n, level, model, optimizer_spec);
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

static void check_hash(const char *model, const char *optimizer_spec, const char *if_fused, const char *if_not)
{
    static const int counts[] = {1, 2, 3, 8};
    FOR_ISAS(level)
        for (size_t i = 0; i < COUNT(counts); i++) {
            text bits = trained(level, model, optimizer_spec, counts[i], 50);
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
    check_hash(layers, "sgd lr=0.1 momentum=0.9 weight_decay=0.0001",
               "9ca31e6a275400e9a2c11c661ff932eceaa167549d6ef3f3dee4fd2a9722ef1c",
               "d482a7d8eb8b9e526a2e9a6691d69f4072cc7f7a1225874e079b22d148a76e33");
}

static void a_descent_ends_at_the_same_bits_as_ever(void **unused)
{
    (void)unused;
    check_hash(layers, "sgd lr=0.1", "d413a7d844eab459d41403ddc1765ac1cfb133a741e77ce5bd5f2165c828247c",
               "0eef05639fb0e9e5f0eabd76ebe52f7cb80002722da9d0456904a9976944f0f0");
}

static void adam_ends_at_the_same_bits_as_ever(void **unused)
{
    (void)unused;
    check_hash(layers, "adam lr=0.01", "3369c63a09538880a1c5dac4164098e6a7c1c24098fc31b66fd605ac66095fbb",
               "4f1a5c6a4a5b3a03f59daaa05e2597097c87db803e77d96560c927d9707376c8");
}

/* What every optimizer ends at with plain layers, on instruction sets that fuse and on those that do not. One sgd is a descent, one is not. */
static const struct {
    const char *optimizer, *if_fused, *if_not;
} ends[] = {
    {"sgd lr=0.1 momentum=0.9 weight_decay=0.0001", "41cee9f992aacdcd5b591fe8a652a905bd98f4b6be7a579d769c1485ea3a516d",
     "5873f8dd1fecc56da6bef9a3379a7830c5436a7065aeb35ac6ed04d4a3b2a2f6"},
    {"sgd lr=0.1", "0d82791110b4db13d03ee94af0aa5d204eca01292dbcf416f3b90ae5c47c5b91",
     "56c6dffaad45a28538e0336aa26b0761b4a68bd06f3f20781c9edb093ca02b30"},
    {"adam lr=0.01", "8c367719d23f449a72ff5587298a70afa58216b5b1bb9c0dcecef1baf5437a22",
     "04caa41bebf87ed7e69caca0472cec7b02b4f97db631d61f49ee0a01056fd60f"},
    {"adam lr=0.01 amsgrad=true", "7df217605cdfa7c614b0b2ece16534aff44a53efcc3b71a4d40dcaf0eede81b8",
     "af5e58db6f0616da7f538486e1b77c72a98131c03ec4ecb9673d888bcf025c1a"},
    {"adamw lr=0.01", "150273825bcf4e4861d3574b9b454cd281873cb4e10400774d7bec2a7d2247ce",
     "3d0403fcf734de0b817fec71f9c20e4417441de84697c46a0d1001b5415d1f8f"},
    {"adagrad lr=0.02", "502859aba29cb2ed3fbb110afcd11983d2b635c82c3b509f727ae7a8d179fd6e",
     "c30cf2bdb8f267ab09f25e87e742be50ce382965e7ed23ff9f300d3ba907b876"},
    {"adadelta", "a1af184ed995e6e4ebfed1e853b8fb5f725d0b614500e93d436608e382707737",
     "c7b43cf356323b82f2a0a72b395021339024168061084ce648d5c4a956f8802f"},
    {"rmsprop lr=0.001 centered=true momentum=0.5", "89c721be7ab15beb8b66101a67ce60ce0136ea9f1f74c87306f491b76b12cbec",
     "1a61e8dd84a61bf9ed2715a60734ed82dbf262b97da94581c15aac083da1eb57"},
    {"adamax", "a4b2226bc3811200003b55609048ec15679a7776793d48bd09a64f7e730a7a1d",
     "0cd50ffff193987a02144708b60daea43dbbaa65760473f66da57d5572b0add8"},
    {"nadam", "b6d19aa16a19407966a26863139da3f06ae11a630cb3ebb0c073baa2fa44cb64",
     "d6f2a0acee873caaac68d1e8b235b87b1b6361addd2e70f9d61f6062947f2ac8"},
    {"radam lr=0.01 betas=(0.9,0.99)", "642e982dab177fc1e1c55f2a7830f1070f28547749978f4f7fd0b84f3f870a0c",
     "0cd64adb27cbb0363c53ae1e3b27f9c034ce5ddab6378d86070e41c1aec34c95"},
    {"rprop lr=0.001", "05d7df5a99135aaeabce65d9f2429f3f49a06282fb3fc20c24d7aaf02d2a3fbe",
     "05d7df5a99135aaeabce65d9f2429f3f49a06282fb3fc20c24d7aaf02d2a3fbe"},
    {"asgd lambd=0.1 t0=10", "f79df4ab34e0a126cdde0942b4ae43b6b961aa51e21dd0d08451c5e694729cec",
     "75e9ab3fbf9d2ba2dbc152fc3b9b8b3173c4a543c76bdf2821ad9e8c51bd91e6"},
};

static void every_optimizer_ends_at_the_same_bits_as_ever(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < COUNT(ends); i++)
        check_hash(plain_layers, ends[i].optimizer, ends[i].if_fused, ends[i].if_not);
}

static void there_are_bits_of_every_optimizer(void **unused)
{
    (void)unused;
    for (const optim *const *o = optim_table(ANY_ISA); *o; o++) {
        const size_t length = strlen((*o)->name);
        size_t found = 0;
        for (size_t i = 0; i < COUNT(ends); i++)
            found += strncmp(ends[i].optimizer, (*o)->name, length) == 0 && strchr(" ", ends[i].optimizer[length]);
        if ((*o)->update && !found)
            fail_msg("there are no bits of %s", (*o)->name);
    }
}

/* Each is off the exact result by what test_plan_numbers.c derives for as many steps at this rate: chains are of at most 33 products and a bias,
 * so that a gradient, at most 1, is wrong by less than 64 units, or 128 where products round too; weights are below 2. */
static void all_instruction_sets_agree_but_for_their_roundings(void **unused)
{
    (void)unused;
    enum { STEPS = 20 };
    static const double tolerance = 8 * UNIT * STEPS * ((2 + 64 * 0.1) + (2 + 128 * 0.1));
    text first = trained(ANY_ISA, layers, "sgd lr=0.1", 1, STEPS);
    FOR_ISAS(level)
    {
        text other = trained(level, layers, "sgd lr=0.1", 1, STEPS);
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
        cmocka_unit_test(every_optimizer_ends_at_the_same_bits_as_ever),
        cmocka_unit_test(there_are_bits_of_every_optimizer),
        cmocka_unit_test(all_instruction_sets_agree_but_for_their_roundings),
        cmocka_unit_test(the_network_has_every_layer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
