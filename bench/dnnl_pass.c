/* Times passes over Fashion-MNIST on oneDNN's primitives: dnnl_pass NETWORK THREADS PASSES [forward].
 *
 * The units of a hidden layer are cut into chunks, which are shared out among the threads; a chunk's activations are dense [batch, n], and
 * the weights between two chunks are a block of their own, in the layout that oneDNN likes best. So each primitive runs in one thread,
 * made once; a block's gradient is still in the second-level cache when its update comes; and a network with one hidden layer needs one
 * barrier a step. Units that fill a layer up to whole registers have no weights and learn nothing: oneDNN pays for ragged ends.
 *
 * forward: evaluates the training split in large batches, samples as floats in memory and weights whole and packed beforehand. */
#include "peer.h"

#include <dnnl.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { B = PEER_BATCH, C = PEER_CLASSES, FEATURES = 784, UNITS = 64, CHUNK = 512, N_X = 3, MAX_CHUNKS = 16, MAX_IN = 1024, LARGE = PEER_LARGE };

static dnnl_engine_t engine;

static void check(dnnl_status_t status)
{
    if (status == dnnl_success)
        return;
    fprintf(stderr, "bench: oneDNN says %d\n", status);
    exit(2);
}

/* ---- oneDNN's calls, made once and then only run ---- */

typedef struct call {
    dnnl_primitive_t p;
    dnnl_exec_arg_t args[4];
    int n;
} call;

static void run(const call *c, dnnl_stream_t stream) { check(dnnl_primitive_execute(c->p, stream, c->n, c->args)); }

static dnnl_memory_desc_t matrix(int rows, int columns, dnnl_format_tag_t tag)
{
    dnnl_memory_desc_t md;
    check(dnnl_memory_desc_init_by_tag(&md, 2, (dnnl_dims_t){rows, columns}, dnnl_f32, tag));
    return md;
}

static dnnl_memory_desc_t vector(int n)
{
    dnnl_memory_desc_t md;
    check(dnnl_memory_desc_init_by_tag(&md, 1, (dnnl_dims_t){n}, dnnl_f32, dnnl_a));
    return md;
}

static dnnl_primitive_desc_t describe(const void *op, dnnl_primitive_attr_t attr, dnnl_primitive_desc_t forward)
{
    dnnl_primitive_desc_t pd;
    check(dnnl_primitive_desc_create(&pd, op, attr, engine, forward));
    return pd;
}

static call make_call(dnnl_primitive_desc_t pd)
{
    call c = {0};
    check(dnnl_primitive_create(&c.p, pd));
    return c;
}

static dnnl_memory_t add(call *c, int arg, const dnnl_memory_desc_t *md, float *data)
{
    dnnl_memory_t memory;
    check(dnnl_memory_create(&memory, md, engine, data));
    c->args[c->n++] = (dnnl_exec_arg_t){arg, memory};
    return memory;
}

/* What a product does beside: adds to what is there, then relu. */
static dnnl_primitive_attr_t behind(bool sum, bool relu)
{
    dnnl_primitive_attr_t attr;
    dnnl_post_ops_t ops;
    check(dnnl_primitive_attr_create(&attr));
    check(dnnl_post_ops_create(&ops));
    if (sum)
        check(dnnl_post_ops_append_sum(ops, 1));
    if (relu)
        check(dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_relu, 0, 0));
    check(dnnl_primitive_attr_set_post_ops(attr, ops));
    return attr;
}

static dnnl_primitive_desc_t describe_forward(dnnl_prop_kind_t kind, int batch, int in, int out, bool bias, dnnl_primitive_attr_t attr)
{
    const dnnl_memory_desc_t x = matrix(batch, in, dnnl_ab), w = matrix(out, in, dnnl_format_tag_any), b = vector(out),
                             y = matrix(batch, out, dnnl_ab);
    dnnl_inner_product_desc_t d;
    check(dnnl_inner_product_forward_desc_init(&d, kind, &x, &w, bias ? &b : NULL, &y));
    return describe(&d, attr, NULL);
}

/* ---- The network ---- */

typedef struct chunk {
    int n;
    float *y, *dy, *part[MAX_CHUNKS]; /* [B, n]; part: what each chunk above says of dy */
    float *bias, *bias_m, *bias_v;
} chunk;

typedef struct block {
    float *w, *m, *v;
    size_t n; /* numbers in w, fill included */
    int out, in;
    dnnl_memory_desc_t layout;
    call forward[N_X], weights[N_X], data; /* the first layer's samples lie in one of N_X places */
} block;

typedef struct layer {
    int n_in, n_out, in_chunk, out_chunk; /* chunks, and units in one: at most CHUNK, so that every thread has some */
    block block[MAX_CHUNKS][MAX_CHUNKS]; /* [out][in] */
} layer;

typedef struct job {
    peer_args args;
    peer_split train;
    uint32_t *order;
    float *x[N_X];
    chunk chunk[PEER_MAX_LAYERS][MAX_CHUNKS]; /* of what goes into layer l; of the first layer only n is used */
    layer layer[PEER_MAX_LAYERS];
    float bias[C];                              /* of the last layer, as it begins */
    float *logits[N_X][PEER_MAX_THREADS];       /* [B, C]: a thread's part; in turns */
    float *samples;                             /* forward: the whole split */
    double loss[PEER_MAX_THREADS];              /* forward: of a thread's batches */
    peer_result result;
} job;

typedef struct worker {
    job *j;
    int thread;
    dnnl_stream_t stream;
    float *gradient, *bias_gradient; /* of a block, of a chunk */
    float *dlogits, *scores, *bias, *bias_m, *bias_v;
    long t;
    double loss;
    size_t n_correct;
} worker;

static bool mine(const worker *w, int c, int n) { return c * w->j->args.threads / n == w->thread; }

/* ---- Making it ---- */

static void make_chunks(job *j)
{
    const peer_network *n = j->args.network;
    j->layer[0].n_in = 1;
    j->layer[0].in_chunk = j->chunk[0][0].n = FEATURES;
    for (int l = 1; l < n->n_layers; l++) {
        const int units = (n->sizes[l] + UNITS - 1) / UNITS * UNITS, fair = (units / UNITS + j->args.threads - 1) / j->args.threads * UNITS;
        const int size = fair < CHUNK ? fair : CHUNK, count = (units + size - 1) / size;
        j->layer[l - 1].n_out = j->layer[l].n_in = count;
        j->layer[l - 1].out_chunk = j->layer[l].in_chunk = size;
        for (int i = 0; i < count; i++) {
            chunk *c = &j->chunk[l][i];
            c->n = size * (i + 1) <= units ? size : units - size * i;
            float **each[] = {&c->y, &c->dy, &c->bias, &c->bias_m, &c->bias_v};
            for (size_t k = 0; k < sizeof each / sizeof *each; k++)
                *each[k] = peer_memory(sizeof(float) * B * (size_t)c->n);
        }
    }
    j->layer[n->n_layers - 1].n_out = 1;
}

/* Draws a block: real rows and columns, zeros where units only fill up. */
static void draw(const job *j, int l, block *b, int first_out, int first_in, uint64_t *seed)
{
    const int *sizes = j->args.network->sizes;
    static float plain[CHUNK * MAX_IN];
    memset(plain, 0, sizeof plain);
    for (int o = 0; o < b->out && first_out + o < sizes[l + 1]; o++)
        for (int i = 0; i < b->in && first_in + i < sizes[l]; i++)
            peer_uniform(plain + o * b->in + i, 1, 1 / sqrtf((float)sizes[l]), seed);
    const dnnl_memory_desc_t md = matrix(b->out, b->in, dnnl_ab);
    dnnl_primitive_desc_t pd;
    dnnl_stream_t stream;
    check(dnnl_reorder_primitive_desc_create(&pd, &md, engine, &b->layout, engine, NULL));
    check(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags));
    call c = make_call(pd);
    add(&c, DNNL_ARG_FROM, &md, plain);
    add(&c, DNNL_ARG_TO, &b->layout, b->w);
    run(&c, stream);
}

static void make_parameters(job *j)
{
    const peer_network *n = j->args.network;
    uint64_t seed = 1;
    for (int l = 0; l < n->n_layers; l++) {
        layer *y = &j->layer[l];
        const float bound = 1 / sqrtf((float)n->sizes[l]);
        for (int o = 0; o < y->n_out; o++)
            for (int i = 0; i < y->n_in; i++) {
                block *b = &y->block[o][i];
                b->out = l + 1 < n->n_layers ? j->chunk[l + 1][o].n : C;
                b->in = j->chunk[l][i].n;
                const dnnl_primitive_desc_t pd = describe_forward(dnnl_forward_training, B, b->in, b->out, true, NULL);
                b->layout = *dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
                b->n = dnnl_memory_desc_get_size(&b->layout) / sizeof(float);
                b->w = peer_memory(b->n * sizeof(float));
                b->m = peer_memory(b->n * sizeof(float));
                b->v = peer_memory(b->n * sizeof(float));
                draw(j, l, b, o * y->out_chunk, i * y->in_chunk, &seed);
            }
        for (int u = 0; l + 1 < n->n_layers && u < n->sizes[l + 1]; u++)
            peer_uniform(j->chunk[l + 1][u / y->out_chunk].bias + u % y->out_chunk, 1, bound, &seed);
        if (l + 1 == n->n_layers)
            peer_uniform(j->bias, C, bound, &seed);
    }
}

/* Forward calls of a block. A hidden chunk's bias and relu come with the last block that adds to it; of the last layer a thread's blocks
 * add to its part of the logits. */
static void make_forward(worker *w, int l, int o, int i, bool first)
{
    job *j = w->j;
    const bool hidden = l + 1 < j->args.network->n_layers, end = hidden && i == j->layer[l].n_in - 1;
    block *b = &j->layer[l].block[o][i];
    const dnnl_primitive_desc_t pd = describe_forward(dnnl_forward_training, B, b->in, b->out, end, behind(!first, end));
    const dnnl_memory_desc_t x = matrix(B, b->in, dnnl_ab), y = matrix(B, b->out, dnnl_ab), bias = vector(b->out);
    for (int k = 0; k < N_X; k++) {
        call *c = &b->forward[k];
        *c = make_call(pd);
        add(c, DNNL_ARG_SRC, &x, l ? j->chunk[l][i].y : j->x[k]);
        add(c, DNNL_ARG_WEIGHTS, &b->layout, b->w);
        add(c, DNNL_ARG_DST, &y, hidden ? j->chunk[l + 1][o].y : j->logits[k][w->thread]);
        if (end)
            add(c, DNNL_ARG_BIAS, &bias, j->chunk[l + 1][o].bias);
    }
}

static void make_backward(worker *w, int l, int o, int i)
{
    job *j = w->j;
    const bool hidden = l + 1 < j->args.network->n_layers, end = hidden && i == j->layer[l].n_in - 1;
    block *b = &j->layer[l].block[o][i];
    const dnnl_primitive_desc_t forward = describe_forward(dnnl_forward_training, B, b->in, b->out, end, NULL);
    const dnnl_memory_desc_t x = matrix(B, b->in, dnnl_ab), y = matrix(B, b->out, dnnl_ab), bias = vector(b->out);
    float *dy = hidden ? j->chunk[l + 1][o].dy : w->dlogits;
    dnnl_inner_product_desc_t d;
    check(dnnl_inner_product_backward_weights_desc_init(&d, &x, &b->layout, end ? &bias : NULL, &y));
    const dnnl_primitive_desc_t pd = describe(&d, NULL, forward);
    for (int k = 0; k < N_X; k++) {
        call *c = &b->weights[k];
        *c = make_call(pd);
        add(c, DNNL_ARG_SRC, &x, l ? j->chunk[l][i].y : j->x[k]);
        add(c, DNNL_ARG_DIFF_DST, &y, dy);
        add(c, DNNL_ARG_DIFF_WEIGHTS, &b->layout, w->gradient);
        if (end)
            add(c, DNNL_ARG_DIFF_BIAS, &bias, w->bias_gradient);
    }
    if (l == 0)
        return;
    chunk *below = &j->chunk[l][i];
    below->part[o] = peer_memory(sizeof(float) * B * (size_t)below->n);
    check(dnnl_inner_product_backward_data_desc_init(&d, &x, &b->layout, &y));
    b->data = make_call(describe(&d, NULL, forward));
    add(&b->data, DNNL_ARG_DIFF_DST, &y, dy);
    add(&b->data, DNNL_ARG_WEIGHTS, &b->layout, b->w);
    add(&b->data, DNNL_ARG_DIFF_SRC, &x, below->part[o]);
}

/* Whose block it is: the thread's that has the chunk above; in the last layer, the thread's that has the chunk below. */
static bool my_block(const worker *w, int l, int o, int i)
{
    return l + 1 < w->j->args.network->n_layers ? mine(w, o, w->j->layer[l].n_out) : mine(w, i, w->j->layer[l].n_in);
}

static void make_worker(worker *w, job *j, int thread)
{
    *w = (worker){.j = j, .thread = thread};
    float **each[] = {&w->dlogits, &w->scores, &w->bias, &w->bias_m, &w->bias_v};
    for (size_t k = 0; k < sizeof each / sizeof *each; k++)
        *each[k] = peer_memory(sizeof(float) * B * C);
    w->gradient = peer_memory(sizeof(float) * CHUNK * MAX_IN);
    w->bias_gradient = peer_memory(sizeof(float) * CHUNK);
    memcpy(w->bias, j->bias, sizeof j->bias);
    check(dnnl_stream_create(&w->stream, engine, dnnl_stream_default_flags));
    for (int l = 0; l < j->args.network->n_layers; l++)
        for (int o = 0; o < j->layer[l].n_out; o++) {
            bool first = true;
            for (int i = 0; i < j->layer[l].n_in; i++)
                if (my_block(w, l, o, i)) {
                    make_forward(w, l, o, i, first);
                    make_backward(w, l, o, i);
                    first = false;
                }
        }
}

/* ---- A step ---- */

static void gather(const worker *w, const uint32_t *index, int slot)
{
    for (int g = w->thread; g < B / 16; g += w->j->args.threads)
        peer_gather_16(&w->j->train, index + 16 * g, w->j->x[slot] + 16 * g * FEATURES, NULL, 0);
}

static void forward(worker *w, int slot)
{
    job *j = w->j;
    for (int l = 0; l < j->args.network->n_layers; l++) {
        for (int o = 0; o < j->layer[l].n_out; o++)
            for (int i = 0; i < j->layer[l].n_in; i++)
                if (my_block(w, l, o, i))
                    run(&j->layer[l].block[o][i].forward[slot], w->stream);
        if (l + 2 < j->args.network->n_layers)
            peer_barrier();
    }
}

static void update(const worker *w, peer_adam at, peer_state s, const float *g, size_t n)
{
    if (w->j->args.network->adam)
        peer_adam_update(at, s, g, n);
    else
        for (size_t i = 0; i < n; i++)
            s.w[i] -= w->j->args.network->lr * g[i];
}

static void loss_of(worker *w, peer_adam at, const uint8_t *y, int slot)
{
    job *j = w->j;
    float sum[B * C], bias_gradient[C] = {0};
    for (int b = 0; b < B; b++)
        for (int c = 0; c < C; c++) {
            sum[b * C + c] = w->bias[c];
            for (int t = 0; t < j->args.threads; t++)
                sum[b * C + c] += j->logits[slot][t][b * C + c];
        }
    peer_transpose(sum, C, w->scores, B, B, C);
    w->loss += peer_cross_entropy(w->scores, y, B, &w->n_correct);
    peer_transpose(w->scores, B, w->dlogits, C, C, B);
    for (int i = 0; i < B * C; i++)
        bias_gradient[i % C] += w->dlogits[i];
    update(w, at, (peer_state){w->bias, w->bias_m, w->bias_v}, bias_gradient, C);
}

/* What a layer's blocks say of the chunks below; then, and while their gradients are at hand, their weights. */
static void backward_layer(worker *w, peer_adam at, int l, int slot)
{
    job *j = w->j;
    for (int o = j->layer[l].n_out - 1; o >= 0; o--)
        for (int i = j->layer[l].n_in - 1; i >= 0; i--) {
            block *b = &j->layer[l].block[o][i];
            if (!my_block(w, l, o, i))
                continue;
            if (l)
                run(&b->data, w->stream);
            run(&b->weights[slot], w->stream);
            update(w, at, (peer_state){b->w, b->m, b->v}, w->gradient, b->n);
            chunk *above = l + 1 < j->args.network->n_layers && i == j->layer[l].n_in - 1 ? &j->chunk[l + 1][o] : NULL;
            if (above)
                update(w, at, (peer_state){above->bias, above->bias_m, above->bias_v}, w->bias_gradient, (size_t)above->n);
        }
}

/* dy of the thread's chunks below layer l, past the relu. */
static void collect(const worker *w, int l)
{
    const layer *y = &w->j->layer[l];
    for (int i = 0; i < y->n_in; i++) {
        chunk *c = &w->j->chunk[l][i];
        if (!mine(w, i, y->n_in))
            continue;
        for (int k = 0; k < B * c->n; k++)
            c->dy[k] = c->y[k] > 0 ? c->part[0][k] : 0;
        for (int o = 1; o < y->n_out; o++)
            for (int k = 0; k < B * c->n; k++)
                c->dy[k] += c->y[k] > 0 ? c->part[o][k] : 0;
    }
}

static void step(worker *w, const uint32_t *index, const uint32_t *next)
{
    job *j = w->j;
    const int slot = (int)(w->t % N_X), last = j->args.network->n_layers - 1;
    const peer_adam at = peer_adam_at(j->args.network->lr, ++w->t);
    uint8_t y[B];
    for (int b = 0; b < B; b++)
        y[b] = j->train.y[index[b]];
    forward(w, slot);
    if (next)
        gather(w, next, (slot + 1) % N_X);
    peer_barrier();
    loss_of(w, at, y, slot);
    for (int l = last; l >= 0; l--) {
        backward_layer(w, at, l, slot);
        if (l > 0 && l < last)
            peer_barrier();
        if (l > 0)
            collect(w, l);
    }
}

static void train(worker *w)
{
    const size_t steps = w->j->train.n / B;
    peer_barrier();
    w->loss = 0;
    gather(w, w->j->order, (int)(w->t % N_X));
    peer_barrier();
    for (size_t i = 0; i < steps; i++)
        step(w, w->j->order + i * B, i + 1 < steps ? w->j->order + (i + 1) * B : NULL);
    peer_barrier();
}

/* ---- Forward only: each thread takes every so many-th batch through the whole network ---- */

typedef struct forward_net {
    call layer[PEER_MAX_LAYERS];
    dnnl_memory_t x;
    float *y[PEER_MAX_LAYERS];
} forward_net;

static forward_net make_forward_net(const job *j)
{
    const peer_network *n = j->args.network;
    uint64_t seed = 1;
    forward_net f = {0};
    for (int l = 0; l < n->n_layers; l++) {
        const int in = n->sizes[l], out = n->sizes[l + 1];
        const bool hidden = l + 1 < n->n_layers;
        const dnnl_primitive_desc_t pd = describe_forward(dnnl_forward_inference, LARGE, in, out, true, behind(false, hidden));
        const dnnl_memory_desc_t *layout = dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
        const dnnl_memory_desc_t x = matrix(LARGE, in, dnnl_ab), y = matrix(LARGE, out, dnnl_ab), bias = vector(out);
        float *w = peer_memory(dnnl_memory_desc_get_size(layout)), *b = peer_memory(sizeof(float) * (size_t)out);
        peer_uniform(w, dnnl_memory_desc_get_size(layout) / sizeof(float), 1 / sqrtf((float)in), &seed);
        f.y[l] = peer_memory(sizeof(float) * LARGE * (size_t)out);
        f.layer[l] = make_call(pd);
        const dnnl_memory_t source = add(&f.layer[l], DNNL_ARG_SRC, &x, l ? f.y[l - 1] : f.y[0]);
        f.x = l ? f.x : source;
        add(&f.layer[l], DNNL_ARG_WEIGHTS, layout, w);
        add(&f.layer[l], DNNL_ARG_BIAS, &bias, b);
        add(&f.layer[l], DNNL_ARG_DST, &y, f.y[l]);
    }
    return f;
}

static void forward_pass(worker *w, forward_net *f)
{
    job *j = w->j;
    const int n_layers = j->args.network->n_layers;
    static _Thread_local float scores[LARGE * C];
    peer_barrier();
    w->loss = 0;
    for (size_t first = (size_t)w->thread * LARGE; first < j->train.n; first += (size_t)j->args.threads * LARGE) {
        check(dnnl_memory_set_data_handle(f->x, j->samples + first * FEATURES));
        for (int l = 0; l < n_layers; l++)
            run(&f->layer[l], w->stream);
        peer_transpose(f->y[n_layers - 1], C, scores, LARGE, LARGE, C);
        w->loss += peer_cross_entropy(scores, j->train.y + first, LARGE, &w->n_correct);
    }
    j->loss[w->thread] = w->loss;
    peer_barrier();
    for (int t = 1; t < j->args.threads; t++)
        w->loss += w->thread == 0 ? j->loss[t] : 0;
}

/* ---- Passes ---- */

static void work(void *shared, int thread)
{
    job *j = shared;
    worker *w = peer_memory(sizeof *w);
    forward_net f = {0};
    uint64_t seed = 3;
    omp_set_num_threads(1);
    make_worker(w, j, thread);
    if (j->args.word)
        f = make_forward_net(j);
    for (int pass = 0; pass < j->args.passes; pass++) {
        peer_barrier();
        const double begin = peer_seconds();
        if (thread == 0 && !j->args.word)
            peer_shuffle(j->order, j->train.n, &seed);
        if (j->args.word)
            forward_pass(w, &f);
        else
            train(w);
        if (thread == 0) {
            j->result.seconds[pass] = peer_seconds() - begin;
            j->result.loss[pass] = w->loss / (double)j->train.n;
        }
    }
}

static void load(job *j)
{
    j->train = peer_load("train");
    j->order = peer_memory(sizeof *j->order * j->train.n);
    if (!j->args.word)
        return;
    const size_t n = j->train.n * FEATURES;
    float *samples = peer_memory(n * sizeof *samples);
    for (size_t i = 0; i < n; i++)
        samples[i] = (float)j->train.x[i] / 255;
    j->samples = samples;
}

int main(int argc, char **argv)
{
    static job j;
    j.args = peer_read_args(argc, argv, "forward");
    check(dnnl_engine_create(&engine, dnnl_cpu, 0));
    load(&j);
    for (int i = 0; i < N_X; i++)
        j.x[i] = peer_memory(sizeof(float) * B * FEATURES);
    for (int t = 0; t < j.args.threads; t++)
        for (int i = 0; i < N_X; i++)
            j.logits[i][t] = peer_memory(sizeof(float) * B * C);
    make_chunks(&j);
    make_parameters(&j);
    peer_run(j.args.threads, work, &j);
    peer_print(&j.args, &j.result);
    return 0;
}
