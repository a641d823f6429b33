/* What tests of plans share: a small network, its plan, and samples for it. */
#ifndef NETS_H
#define NETS_H

#include "params.h"

#include "plan/plan.h"

typedef struct net {
    isa level;
    arena memory;
    graph graph;
    real **weights, **buffers;
    size_t *block_numbers;
    const op *loss;
    const void *loss_fields;
    optimizer optimizer;
    bool has_optimizer;
} net;

static inline float parameter(const node *n, size_t p, size_t i)
{
    return n->params[p].init_high * 2 * (float)noise(100 + 2 * n->index + p, i);
}

static inline void fill_block(const net *n, const node *layer)
{
    float *params[MAX_PARAMS] = {0};
    for (size_t p = 0; p < layer->n_params; p++) {
        const size_t count = shape_numbers(&layer->params[p].shape);
        params[p] = calloc(count, sizeof(float));
        assert_non_null(params[p]);
        for (size_t i = 0; i < count; i++)
            params[p][i] = parameter(layer, p, i);
    }
    layer->op->pack(layer, (const float *const *)params, n->weights[layer->index]);
    for (size_t p = 0; p < MAX_PARAMS; p++)
        free(params[p]);
}

/* `optimizer`: NULL for none. */
static inline net net_make(isa level, const char *layers, size_t features, const char *optimizer_spec)
{
    net n = {.level = level};
    weft_error err = {0};
    const where here = {"test", 0, 0};
    const setting *list = setting_list_from_specs(&n.memory, layers, here, &err);
    const setting *loss = setting_from_spec(&n.memory, "cross_entropy", here, &err);
    if (!list || !loss || graph_build(&n.graph, list, level, &n.memory, &err) != WEFT_OK ||
        graph_infer(&n.graph, features, &err) != WEFT_OK ||
        loss_read(&n.loss, &n.loss_fields, loss, level, &n.memory, &err) != WEFT_OK)
        fail_msg("%s", err.message);
    n.weights = arena_array(&n.memory, n.graph.n_nodes, sizeof *n.weights);
    n.buffers = arena_array(&n.memory, n.graph.n_nodes, sizeof *n.buffers);
    n.block_numbers = arena_array(&n.memory, n.graph.n_nodes, sizeof *n.block_numbers);
    for (size_t i = 0; i < n.graph.n_nodes; i++) {
        const node *layer = &n.graph.nodes[i];
        n.block_numbers[i] = layer->block_numbers;
        n.buffers[i] = layer->buffer_numbers ? arena_array(&n.memory, layer->buffer_numbers, sizeof(real)) : NULL;
        if (!layer->block_numbers)
            continue;
        n.weights[i] = arena_array(&n.memory, layer->block_numbers, sizeof(real));
        fill_block(&n, layer);
    }
    const setting *map = optimizer_spec ? setting_from_spec(&n.memory, optimizer_spec, here, &err) : NULL;
    n.has_optimizer = map != NULL;
    if (map && (optimizer_read(&n.optimizer, map, level, &n.memory, &err) != WEFT_OK ||
                optimizer_prepare(&n.optimizer, n.graph.n_nodes, n.block_numbers, &n.memory, &err) != WEFT_OK ||
                plan_group(&n.graph, &n.optimizer, &n.memory, &err) != WEFT_OK))
        fail_msg("%s", err.message);
    return n;
}

static inline void net_free(net *n) { arena_deinit(&n->memory); }

static inline plan_spec spec_of(net *n, plan_mode mode, size_t B)
{
    return (plan_spec){.graph = &n->graph, .kernels = kernels_of(n->level), .mode = mode, .batch = B, .all_threads = true,
                       .weights = n->weights, .buffers = n->buffers,
                       .loss = n->loss, .loss_fields = n->loss_fields, .optimizer = n->has_optimizer ? &n->optimizer : NULL};
}

static inline plan *compile(net *n, plan_mode mode, size_t B)
{
    weft_error err = {0};
    const plan_spec spec = spec_of(n, mode, B);
    plan *p = plan_compile(&spec, &err);
    if (!p)
        fail_msg("%s", err.message);
    return p;
}

static inline pool *pool_of(int n_threads)
{
    weft_error err = {0};
    pool *p = pool_create(n_threads, &err);
    if (!p)
        fail_msg("%s", err.message);
    return p;
}

enum { MAX_SAMPLES = 64 };

/* Samples that differ from step to step, with labels that depend on them. */
typedef struct samples {
    float *x;
    int32_t labels[MAX_SAMPLES];
    size_t features;
    batch batch;
} samples;

static inline void samples_draw(samples *s, size_t features, size_t classes, size_t B, uint64_t at_step)
{
    assert_true(B <= MAX_SAMPLES);
    if (!s->x) {
        s->x = calloc(MAX_SAMPLES * features, sizeof(float));
        assert_non_null(s->x);
    }
    for (size_t i = 0; i < B * features; i++)
        s->x[i] = (float)noise(200 + at_step, i);
    for (size_t b = 0; b < B; b++)
        s->labels[b] = (int32_t)((size_t)(fabs((double)s->x[b * features]) * 1000) % classes);
    s->features = features;
    s->batch = (batch){.samples = s->x, .scale = 1, .labels = s->labels, .n = B};
}

static inline bool train_step(net *n, plan *p, const samples *s, pool *threads)
{
    if (n->has_optimizer)
        optimizer_begin(&n->optimizer);
    return plan_run(p, &s->batch, threads);
}

#endif
