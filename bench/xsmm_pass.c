/* Times training passes over Fashion-MNIST on libxsmm's kernels: xsmm_pass NETWORK THREADS PASSES [evaluate].
 *
 * Weights are [out, in], and nothing is packed: with the batch in columns, forward is C[out, batch] on weights as they lie, the weights'
 * gradient is C[out, in] where samples lie in rows, and the gradient of a layer's input is C[in, batch]. So inputs are kept both ways,
 * gradients never are. The last layer alone lies transposed, [in, 16]. Hidden units are shared out among the threads, with all that
 * belongs to them: a step has a barrier for the logits, and two more for each further hidden layer. SGD's update is the product itself
 * (C += -lr dy x), Adam's follows a block of rows whose gradient is still in the cache: whole rows, because weights and their state then
 * come from memory as three long runs. */
#include "peer.h"

#include <libxsmm.h>
#include <math.h>
#include <string.h>

enum { B = PEER_BATCH, C = PEER_CLASSES, WIDE_C = 16, FEATURES = 784, ROWS = 28, MAX_IN = 1000, MAX_HIDDEN = PEER_MAX_LAYERS - 1, N_X = 3 };

/* A length cut into even pieces; only the last may be shorter. */
typedef struct cut {
    int all, piece, n;
} cut;

static cut cut_up(int all, int at_most)
{
    const int n = (all + at_most - 1) / at_most;
    return (cut){all, (all + n - 1) / n, n};
}

static int length(cut c, int i) { return i < c.n - 1 ? c.piece : c.all - c.piece * (c.n - 1); }

/* One product for a piece, and for the last piece. */
typedef libxsmm_smmfunction kernels[2];

typedef struct weights {
    float *w, *m, *v, *bias, *bias_m, *bias_v;
} weights;

/* A hidden layer. */
typedef struct layer {
    int in, out;
    weights p;                    /* [out, in] */
    float *xt, *x;                /* [in, B], [B, in]: what comes in; of the first layer both are the job's */
    float *yt, *dyt;              /* [out, B] */
    float *dxt[PEER_MAX_THREADS]; /* [in, B]: what a thread's rows add to the gradient of the input */
} layer;

/* What a thread has of a hidden layer: some rows, and the products for them. */
typedef struct share {
    int first;
    cut rows, inputs; /* in pieces of ROWS */
    kernels forward, gradient, backward;
} share;

typedef struct job {
    peer_args args;
    peer_split train, test;
    uint32_t *order;
    int n_hidden;
    layer hidden[MAX_HIDDEN];
    weights last;                     /* [in, WIDE_C] */
    float *part[2][PEER_MAX_THREADS]; /* [C, B]: a thread's part of the logits; in turns */
    float *x[N_X], *xt[N_X];
    peer_result result;
} job;

/* What a thread has of its own. */
typedef struct worker {
    job *j;
    int thread;
    share share[MAX_HIDDEN];
    kernels logits_part, hidden_gradient, last_gradient; /* by rows of the last hidden layer; logits_part over all of them */
    float logits[C * B], wide[B * WIDE_C], bias[C], bias_m[C], bias_v[C];
    float *tile;
    long t; /* steps done */
    double loss;
    size_t n_correct;
} worker;

static libxsmm_smmfunction kernel(int m, int n, int k, int lda, int ldb, int ldc, int beta, int flags)
{
    const float alpha = 1, beta_f = (float)beta;
    const int prefetch = LIBXSMM_GEMM_PREFETCH_NONE;
    return libxsmm_smmdispatch(m, n, k, &lda, &ldb, &ldc, &alpha, &beta_f, &flags, &prefetch);
}

/* ---- Making it ---- */

static weights make_weights(const peer_network *n, int out, int in)
{
    weights p = {.w = peer_memory(sizeof(float) * (size_t)(out * in)), .bias = peer_memory(sizeof(float) * (size_t)out)};
    if (n->adam) {
        p.m = peer_memory(sizeof(float) * (size_t)(out * in));
        p.v = peer_memory(sizeof(float) * (size_t)(out * in));
        p.bias_m = peer_memory(sizeof(float) * (size_t)out);
        p.bias_v = peer_memory(sizeof(float) * (size_t)out);
    }
    return p;
}

static void make_parameters(job *j)
{
    const peer_network *n = j->args.network;
    uint64_t seed = 1;
    for (int l = 0; l < j->n_hidden; l++) {
        layer *h = &j->hidden[l];
        h->in = n->sizes[l];
        h->out = n->sizes[l + 1];
        h->p = make_weights(n, h->out, h->in);
        const float bound = 1 / sqrtf((float)h->in);
        peer_uniform(h->p.w, (size_t)(h->out * h->in), bound, &seed);
        peer_uniform(h->p.bias, (size_t)h->out, bound, &seed);
    }
    const int in = n->sizes[j->n_hidden];
    j->last = make_weights(n, in, WIDE_C);
    for (int i = 0; i < in; i++)
        peer_uniform(j->last.w + i * WIDE_C, C, 1 / sqrtf((float)in), &seed);
}

static void make_buffers(job *j)
{
    for (int i = 0; i < N_X; i++) {
        j->x[i] = peer_memory(sizeof(float) * B * FEATURES);
        j->xt[i] = peer_memory(sizeof(float) * B * FEATURES);
    }
    for (int l = 0; l < j->n_hidden; l++) {
        layer *h = &j->hidden[l];
        h->yt = peer_memory(sizeof(float) * B * (size_t)h->out);
        h->dyt = peer_memory(sizeof(float) * B * (size_t)h->out);
        if (l == 0)
            continue;
        h->xt = j->hidden[l - 1].yt;
        h->x = peer_memory(sizeof(float) * B * (size_t)h->in);
        for (int t = 0; t < j->args.threads; t++)
            h->dxt[t] = peer_memory(sizeof(float) * B * (size_t)h->in);
    }
    for (int t = 0; t < j->args.threads; t++)
        for (int i = 0; i < 2; i++)
            j->part[i][t] = peer_memory(sizeof(float) * C * B);
    j->train = peer_load("train");
    j->test = peer_load("t10k");
    j->order = peer_memory(sizeof *j->order * j->train.n);
}

static share make_share(const layer *h, int thread, int threads, bool adam)
{
    share s = {.first = h->out * thread / threads};
    s.rows = cut_up(h->out * (thread + 1) / threads - s.first, ROWS);
    s.inputs = cut_up(h->in, ROWS);
    for (int r = 0; r < 2; r++) {
        const int rows = length(s.rows, r ? s.rows.n - 1 : 0);
        s.forward[r] = kernel(B, rows, h->in, B, h->in, B, 0, 0);
        s.gradient[r] = kernel(h->in, rows, B, h->in, B, h->in, !adam, 0);
        s.backward[r] = kernel(B, length(s.inputs, r ? s.inputs.n - 1 : 0), s.rows.all, B, h->in, B, 0, LIBXSMM_GEMM_FLAG_TRANS_B);
    }
    return s;
}

static void make_worker(worker *w, job *j, int thread)
{
    uint64_t seed = 2;
    const int in = j->args.network->sizes[j->n_hidden];
    const bool adam = j->args.network->adam;
    *w = (worker){.j = j, .thread = thread, .tile = peer_memory(sizeof(float) * ROWS * MAX_IN)};
    for (int l = 0; l < j->n_hidden; l++)
        w->share[l] = make_share(&j->hidden[l], thread, j->args.threads, adam);
    const cut rows = w->share[j->n_hidden - 1].rows;
    w->logits_part[0] = kernel(B, C, rows.all, B, WIDE_C, B, 0, LIBXSMM_GEMM_FLAG_TRANS_B);
    for (int r = 0; r < 2; r++) {
        const int n = length(rows, r ? rows.n - 1 : 0);
        w->hidden_gradient[r] = kernel(B, n, C, B, WIDE_C, B, 0, 0);
        w->last_gradient[r] = kernel(WIDE_C, n, B, WIDE_C, B, WIDE_C, !adam, 0);
    }
    peer_uniform(w->bias, C, 1 / sqrtf((float)in), &seed); /* each thread has them all, and they stay the same */
}

/* ---- A step ---- */

static void gather(const worker *w, const peer_split *s, const uint32_t *index, int slot)
{
    for (int g = w->thread; g < B / 16; g += w->j->args.threads)
        peer_gather_16(s, index + 16 * g, w->j->x[slot] + 16 * g * FEATURES, w->j->xt[slot] + 16 * g, B);
}

/* yt = relu(W x + bias), a thread's rows of it */
static void forward(const layer *h, const share *s, const float *xt)
{
    for (int r = 0; r < s->rows.n; r++) {
        const int first = s->first + r * s->rows.piece, n = length(s->rows, r);
        float *yt = h->yt + first * B;
        s->forward[r == s->rows.n - 1](xt, h->p.w + (size_t)first * (size_t)h->in, yt);
        for (int i = 0; i < n; i++)
            for (int b = 0; b < B; b++)
                yt[i * B + b] = fmaxf(yt[i * B + b] + h->p.bias[first + i], 0);
    }
}

/* All hidden layers, and the thread's part of the logits. */
static void forward_all(worker *w, const float *xt, int turn, bool training)
{
    job *j = w->j;
    for (int l = 0; l < j->n_hidden; l++) {
        layer *h = &j->hidden[l];
        const share *s = &w->share[l];
        forward(h, s, l ? h->xt : xt);
        if (l == j->n_hidden - 1)
            break;
        if (training)
            peer_transpose(h->yt + s->first * B, B, j->hidden[l + 1].x + s->first, (size_t)h->out, (size_t)s->rows.all, B);
        peer_barrier();
    }
    const int first = w->share[j->n_hidden - 1].first;
    w->logits_part[0](j->hidden[j->n_hidden - 1].yt + first * B, j->last.w + first * WIDE_C, j->part[turn][w->thread]);
}

/* The whole logits, which every thread has; then, in their place, the gradient. */
static void loss_of(worker *w, const uint8_t *y, int turn)
{
    for (int c = 0; c < C; c++)
        for (int b = 0; b < B; b++)
            w->logits[c * B + b] = w->bias[c];
    for (int t = 0; t < w->j->args.threads; t++)
        for (int i = 0; i < C * B; i++)
            w->logits[i] += w->j->part[turn][t][i];
    w->loss += peer_cross_entropy(w->logits, y, B, &w->n_correct);
}

/* The last layer's weights that belong to a block of rows of the last hidden one. */
static void update_last(worker *w, peer_adam at, int block, int first, int rows)
{
    weights *p = &w->j->last;
    const float *yt = w->j->hidden[w->j->n_hidden - 1].yt + first * B;
    const size_t from = (size_t)first * WIDE_C;
    const bool adam = w->j->args.network->adam;
    w->last_gradient[block](w->wide, yt, adam ? w->tile : p->w + from);
    if (adam)
        peer_adam_update(at, (peer_state){p->w + from, p->m + from, p->v + from}, w->tile, (size_t)(rows * WIDE_C));
}

static void update_bias(const worker *w, peer_adam at, peer_state s, const float *dyt, int rows)
{
    float sum[ROWS] = {0};
    for (int i = 0; i < rows; i++)
        for (int b = 0; b < B; b++)
            sum[i] += dyt[i * B + b];
    if (w->j->args.network->adam)
        peer_adam_update(at, s, sum, (size_t)rows);
    else
        for (int i = 0; i < rows; i++)
            s.w[i] += sum[i];
}

/* The weights of a block of rows: dyt is scaled by -lr already where the rule is SGD's. */
static void update_rows(const worker *w, peer_adam at, const layer *h, const share *s, const float *x, int r)
{
    const int first = s->first + r * s->rows.piece, rows = length(s->rows, r);
    const weights *p = &h->p;
    const float *dyt = h->dyt + first * B;
    const size_t from = (size_t)first * (size_t)h->in;
    const bool adam = w->j->args.network->adam;
    update_bias(w, at, (peer_state){p->bias + first, p->bias_m + first, p->bias_v + first}, dyt, rows);
    s->gradient[r == s->rows.n - 1](x, dyt, adam ? w->tile : p->w + from);
    if (adam)
        peer_adam_update(at, (peer_state){p->w + from, p->m + from, p->v + from}, w->tile, (size_t)(rows * h->in));
}

/* dyt of the last hidden layer, the last layer's update, and, where there is no layer below, the weights at once. */
static void backward_last(worker *w, peer_adam at, const float *x)
{
    job *j = w->j;
    layer *h = &j->hidden[j->n_hidden - 1];
    const share *s = &w->share[j->n_hidden - 1];
    peer_transpose(w->logits, B, w->wide, WIDE_C, C, B);
    update_bias(w, at, (peer_state){w->bias, w->bias_m, w->bias_v}, w->logits, C);
    for (int r = s->rows.n - 1; r >= 0; r--) {
        const int first = s->first + r * s->rows.piece, rows = length(s->rows, r), block = r == s->rows.n - 1;
        float *dyt = h->dyt + first * B;
        const float *yt = h->yt + first * B;
        w->hidden_gradient[block](w->logits, j->last.w + first * WIDE_C, dyt);
        for (int i = 0; i < rows * B; i++)
            dyt[i] = yt[i] > 0 ? dyt[i] : 0;
        update_last(w, at, block, first, rows);
        if (j->n_hidden == 1)
            update_rows(w, at, h, s, x, r);
    }
}

/* The layers in the middle: what their rows add to the gradient below, then their weights; a barrier; the sum of what all added. */
static void backward_below(worker *w, peer_adam at, const float *x)
{
    job *j = w->j;
    for (int l = j->n_hidden - 1; l > 0; l--) {
        layer *h = &j->hidden[l], *below = &j->hidden[l - 1];
        const share *s = &w->share[l], *sb = &w->share[l - 1];
        for (int c = 0; c < s->inputs.n; c++)
            s->backward[c == s->inputs.n - 1](h->dyt + s->first * B, h->p.w + (size_t)s->first * (size_t)h->in + c * s->inputs.piece,
                                              h->dxt[w->thread] + c * s->inputs.piece * B);
        for (int r = s->rows.n - 1; r >= 0; r--)
            update_rows(w, at, h, s, h->x, r);
        peer_barrier();
        for (int r = sb->rows.n - 1; r >= 0; r--) {
            const int first = sb->first + r * sb->rows.piece;
            for (int i = first * B; i < (first + length(sb->rows, r)) * B; i++) {
                float sum = h->dxt[0][i];
                for (int t = 1; t < j->args.threads; t++)
                    sum += h->dxt[t][i];
                below->dyt[i] = below->yt[i] > 0 ? sum : 0;
            }
            if (l == 1)
                update_rows(w, at, below, sb, x, r);
        }
    }
}

static void step(worker *w, const uint32_t *index, const uint32_t *next)
{
    job *j = w->j;
    const int slot = (int)(w->t % N_X), turn = (int)(w->t % 2);
    const float lr = j->args.network->lr;
    uint8_t y[B];
    const peer_adam at = peer_adam_at(lr, ++w->t);
    for (int b = 0; b < B; b++)
        y[b] = j->train.y[index[b]];
    forward_all(w, j->xt[slot], turn, true);
    if (next)
        gather(w, &j->train, next, (slot + 1) % N_X);
    peer_barrier();
    loss_of(w, y, turn);
    if (!j->args.network->adam)
        for (int i = 0; i < C * B; i++)
            w->logits[i] *= -lr;
    backward_last(w, at, j->x[slot]);
    backward_below(w, at, j->x[slot]);
}

/* ---- Passes ---- */

static void train(worker *w)
{
    const size_t steps = w->j->train.n / B;
    peer_barrier();
    w->loss = 0;
    gather(w, &w->j->train, w->j->order, (int)(w->t % N_X));
    peer_barrier();
    for (size_t i = 0; i < steps; i++)
        step(w, w->j->order + i * B, i + 1 < steps ? w->j->order + (i + 1) * B : NULL);
    peer_barrier();
}

/* A last batch that is not full is filled up with samples from before it. */
static void evaluate(worker *w, const peer_split *s)
{
    w->loss = 0;
    w->n_correct = 0;
    for (size_t i = 0; i < s->n; i += B) {
        uint32_t index[B];
        const size_t first = i + B <= s->n ? i : s->n - B;
        uint8_t y[B];
        for (size_t b = 0; b < B; b++) {
            index[b] = (uint32_t)(first + b);
            y[b] = s->y[first + b];
        }
        peer_barrier();
        gather(w, s, index, 0);
        peer_barrier();
        forward_all(w, w->j->xt[0], 0, false);
        peer_barrier();
        loss_of(w, y, 0);
    }
    peer_barrier();
}

static void work(void *shared, int thread)
{
    job *j = shared;
    peer_result *r = &j->result;
    worker *w = peer_memory(sizeof *w);
    uint64_t seed = 3;
    make_worker(w, j, thread);
    for (int pass = 0; pass < j->args.passes; pass++) {
        const double begin = peer_seconds();
        if (thread == 0)
            peer_shuffle(j->order, j->train.n, &seed);
        train(w);
        if (thread == 0) {
            r->seconds[pass] = peer_seconds() - begin;
            r->loss[pass] = w->loss / (double)j->train.n;
        }
        if (!j->args.word)
            continue;
        evaluate(w, &j->train);
        evaluate(w, &j->test);
        if (thread == 0)
            r->evaluate_seconds[pass] = peer_seconds() - begin - r->seconds[pass];
    }
}

int main(int argc, char **argv)
{
    static job j;
    j.args = peer_read_args(argc, argv, "evaluate");
    j.n_hidden = j.args.network->n_layers - 1;
    libxsmm_init();
    make_parameters(&j);
    make_buffers(&j);
    peer_run(j.args.threads, work, &j);
    peer_print(&j.args, &j.result);
    return 0;
}
