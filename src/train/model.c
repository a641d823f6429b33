/* A model: layers, and their parameters as the kernels want them. */
#include <stdlib.h>
#include <math.h>
#include <string.h>

#include "train/within.h"

static weft_status build(weft_model *m, const char *layers, weft_error *err)
{
    m->kernels = kernels_of(m->level);
    m->scale = 1;
    m->layers = arena_text(&m->memory, layers);
    if (!m->layers)
        return fail_memory(err);
    const setting *list = setting_list_from_specs(&m->memory, m->layers, (where){"model", 0, 0}, err);
    if (!list)
        return WEFT_BAD_INPUT;
    return graph_build(&m->graph, list, m->level, &m->memory, err);
}

weft_model *model_create_for(isa level, const char *layers, weft_error *err)
{
    weft_model *m = calloc(1, sizeof *m);
    if (!m) {
        fail_memory(err);
        return NULL;
    }
    m->level = level;
    if (build(m, layers, err) == WEFT_OK)
        return m;
    weft_model_free(m);
    return NULL;
}

weft_model *weft_model_create(const char *layers, weft_error *err)
{
    isa level;
    return isa_choose(&level, err) ? model_create_for(level, layers, err) : NULL;
}

void weft_model_free(weft_model *m)
{
    if (!m)
        return;
    plan_free(m->forward);
    pool_free(m->threads);
    arena_deinit(&m->parameters);
    arena_deinit(&m->memory);
    free(m);
}

static size_t block_numbers(const node *n, block_kind kind) { return kind == BLOCKS_PARAMS ? n->block_numbers : n->buffer_numbers; }

real **model_blocks(const weft_model *m, block_kind kind, arena *a)
{
    real **blocks = arena_array(a, m->graph.n_nodes, sizeof *blocks);
    for (size_t i = 0; blocks && i < m->graph.n_nodes; i++) {
        const size_t numbers = block_numbers(&m->graph.nodes[i], kind);
        if (numbers && !(blocks[i] = arena_array(a, numbers, sizeof(real))))
            return NULL;
    }
    return blocks;
}

void model_copy_blocks(const weft_model *m, block_kind kind, real *const *from, real *const *to)
{
    for (size_t i = 0; i < m->graph.n_nodes; i++)
        if (from[i])
            memcpy(to[i], from[i], block_numbers(&m->graph.nodes[i], kind) * sizeof(real));
}

weft_status model_prepare(weft_model *m, size_t features, weft_error *err)
{
    if (m->weights && m->graph.in == features)
        return WEFT_OK;
    if (m->weights)
        return fail(err, WEFT_BAD_INPUT, (where){"model", 0, 0}, "the model takes %zu numbers a sample, not %zu", m->graph.in, features);
    TRY(graph_infer(&m->graph, features, err));
    real **weights = model_blocks(m, BLOCKS_PARAMS, &m->parameters);
    m->buffers = model_blocks(m, BLOCKS_BUFFERS, &m->parameters);
    if (!weights || !m->buffers)
        return fail_memory(err);
    m->weights = weights;
    m->version++;
    return WEFT_OK;
}

/* What a node's buffers are before the first step. */
static void begin_buffers(const weft_model *m, const node *n)
{
    operand rows = n->buffer_block;
    rows.data = m->buffers[n->index];
    for (size_t b = 0; b < n->n_buffers; b++)
        for (size_t i = 0; i < shape_numbers(&n->buffers[b].shape); i++)
            *element(&rows, b, i) = (real)n->buffers[b].init_low;
}

/* Draws the parameters of one layer into its block. */
static weft_status draw(weft_model *m, const node *n, uint64_t seed, weft_error *err)
{
    arena scratch = {0};
    float *params[MAX_PARAMS] = {0};
    weft_status status = WEFT_OK;
    for (size_t p = 0; p < n->n_params && status == WEFT_OK; p++) {
        const size_t numbers = shape_numbers(&n->params[p].shape);
        params[p] = arena_array(&scratch, numbers, sizeof(float));
        if (!params[p] || init_draw(node_init(n, p), &n->params[p], seed, (uint32_t)(n->index * MAX_PARAMS + p), params[p]) != WEFT_OK)
            status = fail_memory(err);
    }
    if (status == WEFT_OK)
        n->op->pack(n, (const float *const *)params, m->weights[n->index]);
    m->version++;
    arena_deinit(&scratch);
    return status;
}

weft_status weft_model_init(weft_model *m, size_t features, uint64_t seed, weft_error *err)
{
    TRY(model_prepare(m, features, err));
    for (size_t i = 0; i < m->graph.n_nodes; i++) {
        begin_buffers(m, &m->graph.nodes[i]);
        if (m->weights[i])
            TRY(draw(m, &m->graph.nodes[i], seed, err));
    }
    return WEFT_OK;
}

size_t weft_model_parameters(const weft_model *m) { return m->weights ? m->graph.n_parameters : 0; }

size_t weft_model_outputs(const weft_model *m) { return m->weights ? m->graph.out : 0; }

/* The forward plan for batches of n samples. */
static weft_status prepare_forward(weft_model *m, size_t n, weft_error *err)
{
    if (!m->threads && !(m->threads = pool_create(1, err)))
        return WEFT_NO_MEMORY;
    if (m->forward && m->forward_batch == n)
        return WEFT_OK;
    plan_free(m->forward);
    m->forward_batch = n;
    m->forward = plan_compile(&(plan_spec){.graph = &m->graph, .kernels = m->kernels, .mode = PLAN_FORWARD, .batch = n, .weights = m->weights,
                                          .buffers = m->buffers},
                              err);
    return m->forward ? WEFT_OK : WEFT_NO_MEMORY;
}

static weft_status forward(weft_model *m, const float *x, size_t n, double scale, float *logits, weft_error *err)
{
    enum { CHUNK = 256 };
    if (!m->weights)
        return fail(err, WEFT_BAD_INPUT, (where){"model", 0, 0}, "the model has no parameters yet; call weft_model_init or weft_model_load");
    for (size_t first = 0, taken; first < n; first += taken) {
        taken = MIN((size_t)CHUNK, n - first);
        TRY(prepare_forward(m, taken, err));
        plan_run(m->forward, &(batch){.samples = x + first * m->graph.in, .scale = scale, .n = taken}, m->threads);
        const operand out = plan_logits(m->forward);
        for (size_t r = 0; r < taken; r++)
            for (size_t c = 0; c < out.cols; c++)
                logits[(first + r) * out.cols + c] = (float)*element(&out, r, c);
    }
    return WEFT_OK;
}

weft_status weft_model_forward(weft_model *m, const float *x, size_t n, float *logits, weft_error *err)
{
    return forward(m, x, n, 1, logits, err);
}

static void softmax(float *row, size_t n)
{
    double max = row[0], sum = 0;
    for (size_t i = 1; i < n; i++)
        max = MAX(max, (double)row[i]);
    for (size_t i = 0; i < n; i++)
        sum += exp((double)row[i] - max);
    for (size_t i = 0; i < n; i++)
        row[i] = (float)(exp((double)row[i] - max) / sum);
}

static void sigmoid(float *numbers, size_t n)
{
    for (size_t i = 0; i < n; i++)
        numbers[i] = (float)(1 / (1 + exp(-(double)numbers[i])));
}

weft_status weft_model_predict(weft_model *m, const float *pixels, size_t n, float *probabilities, weft_error *err)
{
    TRY(forward(m, pixels, n, m->scale, probabilities, err));
    if (m->task == WEFT_MULTI_LABEL)
        sigmoid(probabilities, n * m->graph.out);
    for (size_t r = 0; r < n && m->task == WEFT_CLASSIFICATION; r++)
        softmax(probabilities + r * m->graph.out, m->graph.out);
    return WEFT_OK;
}
