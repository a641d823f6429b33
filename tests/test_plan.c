/* From graph to plan to run: what is fused, what is allocated, what comes out, and that threads change nothing. */
#include "numbers.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "plan/plan.h"

/* ---- Counting allocations, and letting one fail ---- */

static atomic_long n_allocations;
static atomic_long fail_at; /* the allocation that fails, counted from 1; 0: none */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CAN_FAIL 0 /* the sanitizers own malloc; they tell of allocations, but let none fail */
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
                                              void (*on_free)(const volatile void *));

static void count_malloc(const volatile void *p, size_t n)
{
    (void)p;
    (void)n;
    atomic_fetch_add(&n_allocations, 1);
}

static void count_free(const volatile void *p) { (void)p; }

static void begin_counting(void) { assert_true(__sanitizer_install_malloc_and_free_hooks(count_malloc, count_free)); }
#else
#define CAN_FAIL 1
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t each);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t alignment, size_t n);

static bool allowed(void)
{
    if (atomic_fetch_add(&n_allocations, 1) + 1 != atomic_load(&fail_at))
        return true;
    errno = ENOMEM;
    return false;
}

void *malloc(size_t n) { return allowed() ? __libc_malloc(n) : NULL; }
void *calloc(size_t n, size_t each) { return allowed() ? __libc_calloc(n, each) : NULL; }
void *realloc(void *p, size_t n) { return allowed() ? __libc_realloc(p, n) : NULL; }
void *aligned_alloc(size_t alignment, size_t n) { return allowed() ? __libc_memalign(alignment, n) : NULL; }
void *memalign(size_t alignment, size_t n) { return allowed() ? __libc_memalign(alignment, n) : NULL; }

int posix_memalign(void **p, size_t alignment, size_t n)
{
    void *memory = allowed() ? __libc_memalign(alignment, n) : NULL;
    if (!memory)
        return ENOMEM;
    *p = memory;
    return 0;
}

void *mmap(void *at_address, size_t n, int protection, int flags, int file, off_t offset)
{
    return allowed() ? (void *)syscall(SYS_mmap, at_address, n, protection, flags, file, offset) : MAP_FAILED;
}

static void begin_counting(void) {}
#endif

static int set_up(void **unused)
{
    (void)unused;
    begin_counting();
    return 0;
}

static void the_counter_counts(void **unused)
{
    (void)unused;
    const long before = atomic_load(&n_allocations);
    void *volatile p = malloc(100);
    void *volatile q = aligned_alloc(64, 128);
#if defined(__SANITIZE_THREAD__)
    assert_true(atomic_load(&n_allocations) >= before + 1); /* it does not tell of aligned ones */
#else
    assert_true(atomic_load(&n_allocations) >= before + 2);
#endif
    free(p);
    free(q);
}

/* ---- A network with a plan ---- */

typedef struct net {
    isa level;
    arena memory;
    graph graph;
    real **weights;
    size_t *block_numbers;
    const op *loss;
    const void *loss_fields;
    optimizer optimizer;
    bool has_optimizer;
} net;

static float parameter(const node *n, size_t p, size_t i)
{
    return n->params[p].init_high * 2 * (float)noise(100 + 2 * n->layer + p, i);
}

static void fill_block(const net *n, const node *layer)
{
    float *params[MAX_PARAMS] = {0};
    for (size_t p = 0; p < layer->n_params; p++) {
        const size_t count = shape_numbers(&layer->params[p].shape);
        params[p] = calloc(count, sizeof(float));
        assert_non_null(params[p]);
        for (size_t i = 0; i < count; i++)
            params[p][i] = parameter(layer, p, i);
    }
    layer->op->pack(layer, (const float *const *)params, n->weights[layer->layer]);
    for (size_t p = 0; p < MAX_PARAMS; p++)
        free(params[p]);
}

/* `optimizer`: NULL for none. */
static net net_make(isa level, const char *layers, size_t features, const char *optimizer_spec)
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
    n.block_numbers = arena_array(&n.memory, n.graph.n_nodes, sizeof *n.block_numbers);
    for (size_t i = 0; i < n.graph.n_nodes; i++) {
        const node *layer = &n.graph.nodes[i];
        n.block_numbers[i] = layer->block_numbers;
        if (!layer->block_numbers)
            continue;
        n.weights[i] = arena_array(&n.memory, layer->block_numbers, sizeof(real));
        fill_block(&n, layer);
    }
    const setting *map = optimizer_spec ? setting_from_spec(&n.memory, optimizer_spec, here, &err) : NULL;
    n.has_optimizer = map != NULL;
    if (map && (optimizer_read(&n.optimizer, map, level, &n.memory, &err) != WEFT_OK ||
                optimizer_prepare(&n.optimizer, n.graph.n_nodes, n.block_numbers, &n.memory, &err) != WEFT_OK))
        fail_msg("%s", err.message);
    return n;
}

static void net_free(net *n) { arena_deinit(&n->memory); }

static plan_spec spec_of(net *n, plan_mode mode, size_t B)
{
    return (plan_spec){.graph = &n->graph, .kernels = kernels_of(n->level), .mode = mode, .batch = B, .all_threads = true, .weights = n->weights,
                       .loss = n->loss, .loss_fields = n->loss_fields, .optimizer = n->has_optimizer ? &n->optimizer : NULL};
}

static plan *compile(net *n, plan_mode mode, size_t B)
{
    weft_error err = {0};
    const plan_spec spec = spec_of(n, mode, B);
    plan *p = plan_compile(&spec, &err);
    if (!p)
        fail_msg("%s", err.message);
    return p;
}

static pool *pool_of(int n_threads)
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

static void samples_draw(samples *s, size_t features, size_t classes, size_t B, uint64_t at_step)
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

static bool train_step(net *n, plan *p, const samples *s, pool *threads)
{
    if (n->has_optimizer)
        optimizer_begin(&n->optimizer);
    return plan_run(p, &s->batch, threads);
}

/* ---- What a plan looks like ---- */

static char *printed(net *n, plan_mode mode, size_t B)
{
    plan *p = compile(n, mode, B);
    text t = {0};
    plan_print(p, &t);
    plan_free(p);
    assert_false(t.failed);
    return t.data;
}

/* On v3, because tiles depend on the width of vectors. */
static void assert_printed(const char *layers, const char *optimizer_spec, plan_mode mode, const char *expected)
{
    isa level = ANY_ISA;
    while (level < N_ISAS && strcmp(isa_name(level), "v3") != 0)
        level++;
    if (level == N_ISAS)
        skip();
    net n = net_make(level, layers, 784, optimizer_spec);
    char *shown = printed(&n, mode, 32);
    assert_string_equal(shown, expected);
    free(shown);
    net_free(&n);
}

static void the_tutorials_plan_reads_as_expected(void **unused)
{
    (void)unused;
    assert_printed(
        "linear 1000, relu, linear 10", "sgd", PLAN_TRAIN,
        "plan: train, batch 32, v3, 9 steps, 0.372 MB of buffers; | waits for all threads\n"
        "  #   step                   kernel        tiles     MFLOP        MB  buffers\n"
        "  0   gather                 gather           32     0.000     0.100  -> x [32, 784]\n"
        "  1 | linear + relu          product          42    50.240     3.368  x [32, 784], w0 [785, 1000] -> y1 [32, 1000]\n"
        "  2 | linear                 product           2     0.641     0.169  y1 [32, 1000], w2 [1001, 10] -> y2 [32, 10]\n"
        "  3 | cross_entropy          cross_entropy    32     0.000     0.003  y2 [32, 10] -> losses [32, 1], dlogits [32, 10]\n"
        "  4 | mean                   mean              1     0.000     0.000  losses [32, 1] -> loss [1, 1]\n"
        "  5   transpose              transpose         1     0.000     0.003  dlogits [32, 10] -> dlogits^T [10, 32]\n"
        "  6 | linear dx + relu dx    product_dx       63     0.640     0.297  dlogits^T [10, 32], w2 [1001, 10], y1 [32, 1000] -> dx1 [32, 1000]\n"
        "  7 | linear dw + sgd        product_dw       21     0.641     0.209  y1 [32, 1000], dlogits [32, 10] -> w2 [1001, 10]\n"
        "  8   linear dw + sgd        product_dw      357    50.240     6.508  x [32, 784], dx1 [32, 1000] -> w0 [785, 1000]\n");
    assert_printed(
        "linear 1000, relu, linear 10", NULL, PLAN_EVALUATE,
        "plan: evaluate, batch 32, v3, 5 steps, 0.233 MB of buffers; | waits for all threads\n"
        "  #   step                   kernel        tiles     MFLOP        MB  buffers\n"
        "  0   gather                 gather           32     0.000     0.100  -> x [32, 784]\n"
        "  1 | linear + relu          product          42    50.240     3.368  x [32, 784], w0 [785, 1000] -> y1 [32, 1000]\n"
        "  2 | linear                 product           2     0.641     0.169  y1 [32, 1000], w2 [1001, 10] -> y2 [32, 10]\n"
        "  3 | cross_entropy          cross_entropy    32     0.000     0.003  y2 [32, 10] -> losses [32, 1], dlogits [32, 10]\n"
        "  4 | hits                   hits             32     0.000     0.001  y2 [32, 10] -> hits [32, 1]\n");
}

static void assert_steps(const char *layers, const char *optimizer_spec, const char *const *with, const char *without)
{
    net n = net_make(ANY_ISA, layers, 7, optimizer_spec);
    char *shown = printed(&n, PLAN_TRAIN, 8);
    for (; *with; with++)
        if (!strstr(shown, *with))
            fail_msg("no step \"%s\" in\n%s", *with, shown);
    if (without && strstr(shown, without))
        fail_msg("a step \"%s\" in\n%s", without, shown);
    free(shown);
    net_free(&n);
}

#define STEPS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void activations_are_fused_into_products(void **unused)
{
    (void)unused;
    assert_steps("linear 5, relu, linear 3", "sgd", STEPS("linear + relu ", "linear dx + relu dx "), " map");
    assert_steps("linear 5, sigmoid, linear 4, tanh, linear 3", "sgd",
                 STEPS("linear + sigmoid ", "linear dx + sigmoid dx ", "linear + tanh ", "linear dx + tanh dx "), " map");
}

static void updates_are_fused_into_weight_gradients(void **unused)
{
    (void)unused;
    assert_steps("linear 5, relu, linear 3", "sgd momentum=0.9", STEPS("linear dw + sgd "), "update");
    assert_steps("linear 5, relu, linear 3", "adam", STEPS("linear dw + adam "), "update");
}

static void activations_that_follow_no_product_keep_a_step(void **unused)
{
    (void)unused;
    assert_steps("tanh, linear 5, relu, sigmoid, linear 3", "sgd",
                 STEPS(" tanh ", "linear + relu ", " sigmoid ", "linear dx + sigmoid dx ", " relu dx "), " tanh dx");
    assert_steps("flatten, linear 3, flatten", "sgd", STEPS("linear "), "flatten");
}

/* What is stored depends on what is still needed, not on the depth. */
static void evaluation_stores_no_activations(void **unused)
{
    (void)unused;
    net shallow = net_make(ANY_ISA, "linear 64, relu, linear 64, relu, linear 64", 64, NULL);
    net deep = net_make(ANY_ISA, "linear 64, relu, linear 64, relu, linear 64, relu, linear 64, relu, linear 64", 64, NULL);
    static const plan_mode modes[] = {PLAN_FORWARD, PLAN_EVALUATE};
    for (size_t i = 0; i < COUNT(modes); i++) {
        plan *a = compile(&shallow, modes[i], 100), *b = compile(&deep, modes[i], 100);
        assert_int_equal(plan_arena_bytes(a), plan_arena_bytes(b));
        assert_true(plan_flops(b) > 1.5 * plan_flops(a));
        plan_free(a);
        plan_free(b);
    }
    net_free(&shallow);
    net_free(&deep);
}

/* ---- Memory ---- */

static void do_nothing(void *arg, int thread, int n_threads)
{
    (void)arg;
    (void)thread;
    (void)n_threads;
}

static void check_no_allocation(const char *optimizer_spec, plan_mode mode)
{
    net n = net_make(ANY_ISA, "flatten, linear 50, relu, linear 20, tanh, sigmoid, linear 5", 30, optimizer_spec);
    samples s = {0};
    samples_draw(&s, 30, 5, 32, 0);
    pool *threads = pool_of(2);
    pool_run(threads, do_nothing, NULL); /* threads that start allocate */
    plan *p = compile(&n, mode, 32);
    const long before = atomic_load(&n_allocations);
    for (int again = 0; again < 50; again++)
        train_step(&n, p, &s, threads);
    assert_int_equal(atomic_load(&n_allocations) - before, 0);
    plan_free(p);
    pool_free(threads);
    free(s.x);
    net_free(&n);
}

static void running_a_plan_allocates_nothing(void **unused)
{
    (void)unused;
    check_no_allocation("sgd momentum=0.9", PLAN_TRAIN);
    check_no_allocation("adam", PLAN_TRAIN);
    check_no_allocation(NULL, PLAN_TRAIN);
    check_no_allocation(NULL, PLAN_EVALUATE);
    check_no_allocation(NULL, PLAN_FORWARD);
}

static void compiling_survives_every_allocation_that_fails(void **unused)
{
    (void)unused;
    if (!CAN_FAIL)
        skip();
    net n = net_make(ANY_ISA, "linear 50, relu, linear 20, tanh, sigmoid, linear 5", 30, "adam");
    const plan_spec spec = spec_of(&n, PLAN_TRAIN, 32);
    plan *p = NULL;
    long failures = 0;
    while (!p) {
        weft_error err = {0};
        atomic_store(&fail_at, atomic_load(&n_allocations) + ++failures);
        p = plan_compile(&spec, &err);
        atomic_store(&fail_at, 0);
        assert_int_equal(err.status, p ? WEFT_OK : WEFT_NO_MEMORY);
    }
    assert_true(failures > 2);
    plan_free(p);
    plan_free(NULL);
    net_free(&n);
}

/* ---- The same network in double, from the references of its ops ---- */

enum { MAX_NODES = 16, MAX_WIDTH = 64 };

typedef struct twin {
    const net *of;
    double *params[MAX_NODES][MAX_PARAMS], *dparams[MAX_NODES][MAX_PARAMS], *state[MAX_NODES][MAX_PARAMS][MAX_STATES];
    double *y[MAX_NODES + 1], *dy[MAX_NODES + 1]; /* what goes into node i, and behind the last one */
    double loss, losses[MAX_SAMPLES];
    bool hits[MAX_SAMPLES];
    double largest, longest; /* of all parameters, and of their steps */
} twin;

static double *doubles(size_t n)
{
    double *p = calloc(n + 1, sizeof *p);
    assert_non_null(p);
    return p;
}

static size_t count_of(const node *n, size_t p) { return p < n->n_params ? shape_numbers(&n->params[p].shape) : 0; }

static twin *twin_make(const net *of)
{
    twin *t = calloc(1, sizeof *t);
    assert_non_null(t);
    t->of = of;
    assert_true(of->graph.n_nodes <= MAX_NODES);
    for (size_t i = 0; i <= of->graph.n_nodes; i++) {
        t->y[i] = doubles(MAX_SAMPLES * MAX_WIDTH);
        t->dy[i] = doubles(MAX_SAMPLES * MAX_WIDTH);
    }
    for (size_t i = 0; i < of->graph.n_nodes; i++)
        for (size_t p = 0; p < MAX_PARAMS; p++) {
            const node *n = &of->graph.nodes[i];
            t->params[i][p] = doubles(count_of(n, p));
            t->dparams[i][p] = doubles(count_of(n, p));
            for (size_t s = 0; s < MAX_STATES; s++)
                t->state[i][p][s] = doubles(count_of(n, p));
            for (size_t j = 0; j < count_of(n, p); j++)
                t->params[i][p][j] = (double)parameter(n, p, j);
        }
    return t;
}

static void twin_free(twin *t)
{
    for (size_t i = 0; i <= t->of->graph.n_nodes; i++) {
        free(t->y[i]);
        free(t->dy[i]);
    }
    for (size_t i = 0; i < t->of->graph.n_nodes; i++)
        for (size_t p = 0; p < MAX_PARAMS; p++) {
            free(t->params[i][p]);
            free(t->dparams[i][p]);
            for (size_t s = 0; s < MAX_STATES; s++)
                free(t->state[i][p][s]);
        }
    free(t);
}

static void twin_forward(twin *t, const samples *s)
{
    const graph *g = &t->of->graph;
    for (size_t i = 0; i < s->batch.n * s->features; i++)
        t->y[0][i] = (double)s->x[i];
    for (size_t i = 0; i < g->n_nodes; i++) {
        const node *n = &g->nodes[i];
        if (n->op->kind == OP_LAYER)
            n->op->reference(n, s->batch.n, t->y[i], (const double *const *)t->params[i], t->y[i + 1]);
        for (size_t j = 0; n->op->kind == OP_MAP && j < s->batch.n * n->in; j++)
            t->y[i + 1][j] = n->op->value(t->y[i][j], n->fields);
    }
}

/* Losses, hits, and the gradient of the mean loss. */
static void twin_loss(twin *t, const samples *s)
{
    const size_t C = t->of->graph.out, last = t->of->graph.n_nodes;
    t->loss = 0;
    for (size_t b = 0; b < s->batch.n; b++) {
        const double *logits = t->y[last] + b * C;
        size_t best = 0;
        t->losses[b] =
            t->of->loss->reference_loss(logits, C, s->labels[b], t->of->loss_fields, t->dy[last] + b * C);
        t->loss += t->losses[b] / (double)s->batch.n;
        for (size_t c = 1; c < C; c++)
            best = logits[c] > logits[best] ? c : best;
        t->hits[b] = (int32_t)best == s->labels[b];
    }
    for (size_t i = 0; i < s->batch.n * C; i++)
        t->dy[last][i] /= (double)s->batch.n;
}

static void twin_backward(twin *t, const samples *s)
{
    for (size_t i = t->of->graph.n_nodes; i-- > 0;) {
        const node *n = &t->of->graph.nodes[i];
        const size_t count = s->batch.n * n->in;
        memset(t->dy[i], 0, count * sizeof(double));
        for (size_t p = 0; p < n->n_params; p++)
            memset(t->dparams[i][p], 0, count_of(n, p) * sizeof(double));
        if (n->op->kind == OP_LAYER)
            n->op->reference_grad(n, s->batch.n, t->y[i], (const double *const *)t->params[i], t->dy[i + 1], t->dy[i],
                                  t->dparams[i]);
        for (size_t j = 0; n->op->kind == OP_MAP && j < count; j++)
            t->dy[i][j] = t->dy[i + 1][j] * n->op->slope(t->y[i][j], n->fields);
    }
}

/* Step t of the optimizer. */
static void twin_update(twin *t, uint64_t at_step)
{
    const optimizer *o = &t->of->optimizer;
    for (size_t i = 0; i < t->of->graph.n_nodes; i++)
        for (size_t p = 0; p < MAX_PARAMS; p++) {
            const size_t count = count_of(&t->of->graph.nodes[i], p);
            double *before = doubles(count);
            memcpy(before, t->params[i][p], count * sizeof *before);
            o->kind->reference(o->fields, o->lr, at_step, count, t->params[i][p], t->dparams[i][p], t->state[i][p]);
            for (size_t j = 0; j < count; j++) {
                t->largest = fmax(t->largest, fabs(t->params[i][p][j]));
                t->longest = fmax(t->longest, fabs(t->params[i][p][j] - before[j]));
            }
            free(before);
        }
}

/* Compares a packed block, of parameters or gradients, with arrays in double. */
static void assert_block(const node *layer, const real *block, double *const want[], double tolerance,
                         const char *what)
{
    float *params[MAX_PARAMS] = {0};
    for (size_t p = 0; p < layer->n_params; p++) {
        params[p] = calloc(count_of(layer, p), sizeof(float));
        assert_non_null(params[p]);
    }
    layer->op->unpack(layer, block, params);
    for (size_t p = 0; p < layer->n_params; p++) {
        for (size_t i = 0; i < count_of(layer, p); i++)
            if (!(fabs((double)params[p][i] - want[p][i]) <= tolerance))
                fail_msg("%s %zu.%s[%zu] is %.9g, not %.9g within %g", what, layer->layer, layer->params[p].name, i,
                         (double)params[p][i], want[p][i], tolerance);
        free(params[p]);
    }
}

static const char *const networks[] = {
    "linear 5, sigmoid, linear 4, tanh, linear 3",
    "flatten, linear 5, relu, linear 4, sigmoid, linear 3, flatten",
    "tanh, linear 5, relu, sigmoid, linear 4, flatten, tanh, linear 3, tanh",
    "linear 5 bias=false, linear 4, linear 3, sigmoid",
    "relu, linear 33, tanh, linear 49, relu, linear 3",
    "linear 3",
};

enum { FEATURES = 7, CLASSES = 3, TRAINING_STEPS = 20 };

/* Chains of at most 49 products and a loss make a gradient wrong by less than 64 units of what such networks' gradients are,
 * at most 1; where products round before they are added, by twice as much. */
static double roundings(isa level) { return kernels_of(level)->fused ? 64 : 128; }

/* A step carries those, times its rate, and rounds the weight. What is wrong already grows by less than e a step in ten, as the
 * curvature times the rate is below 0.1: by less than 8 over 20 steps. */
static double drift(const twin *t, uint64_t steps, isa level)
{
    return 8 * UNIT * (double)steps * (fmax(t->largest, 1) + roundings(level) * fmax(t->longest, 0.1));
}

static void check_training(const char *layers, const char *optimizer_spec, isa level)
{
    net n = net_make(level, layers, FEATURES, optimizer_spec);
    twin *t = twin_make(&n);
    samples s = {0};
    pool *threads = pool_of(2);
    plan *whole = compile(&n, PLAN_TRAIN, 6), *smaller = compile(&n, PLAN_TRAIN, 2); /* the last batch of an epoch */
    for (uint64_t at_step = 1; at_step <= TRAINING_STEPS; at_step++) {
        plan *p = at_step % 5 ? whole : smaller;
        samples_draw(&s, FEATURES, CLASSES, at_step % 5 ? 6 : 2, at_step);
        twin_forward(t, &s);
        twin_loss(t, &s);
        twin_backward(t, &s);
        assert_true(train_step(&n, p, &s, threads));
        if (!(fabs(plan_mean_loss(p) - t->loss) <= drift(t, at_step, level) + roundings(level) * UNIT))
            fail_msg("%s: loss %.9g of at_step %u, not %.9g", layers, plan_mean_loss(p), (unsigned)at_step, t->loss);
        twin_update(t, at_step);
        for (size_t i = 0; i < n.graph.n_nodes; i++)
            if (n.weights[i])
                assert_block(&n.graph.nodes[i], n.weights[i], t->params[i], drift(t, at_step, level), layers);
    }
    plan_free(whole);
    plan_free(smaller);
    pool_free(threads);
    free(s.x);
    twin_free(t);
    net_free(&n);
}

static void training_follows_the_same_network_in_double(void **unused)
{
    (void)unused;
    /* eps of 0.1 keeps adam from making a step of its usual length out of a gradient that is rounding and nothing else */
    static const char *const optimizers[] = {"sgd lr=0.1", "sgd lr=0.05 momentum=0.9 nesterov=true weight_decay=0.01",
                                             "adam lr=0.01 eps=0.1"};
    for (size_t i = 0; i < COUNT(networks); i++)
        for (size_t o = 0; o < COUNT(optimizers); o++)
            FOR_ISAS(level)
                check_training(networks[i], optimizers[o], level);
}

static void plans_without_an_optimizer_leave_gradients(void **unused)
{
    (void)unused;
    pool *threads = pool_of(2);
    for (size_t i = 0; i < COUNT(networks); i++)
        FOR_ISAS(level)
        {
            net n = net_make(level, networks[i], FEATURES, NULL);
            twin *t = twin_make(&n);
            samples s = {0};
            samples_draw(&s, FEATURES, CLASSES, 31, 77);
            twin_forward(t, &s);
            twin_loss(t, &s);
            twin_backward(t, &s);
            plan *p = compile(&n, PLAN_TRAIN, 31);
            assert_true(plan_run(p, &s.batch, threads));
            for (size_t l = 0; l < n.graph.n_nodes; l++)
                if (n.graph.nodes[l].block_numbers) {
                    assert_block(&n.graph.nodes[l], plan_gradient(p, &n.graph.nodes[l]), t->dparams[l], 2 * roundings(level) * UNIT,
                                 networks[i]);
                    assert_block(&n.graph.nodes[l], n.weights[l], t->params[l], 0, "unmoved");
                }
            plan_free(p);
            free(s.x);
            twin_free(t);
            net_free(&n);
        }
    pool_free(threads);
}

static void evaluation_gives_losses_hits_and_logits(void **unused)
{
    (void)unused;
    pool *threads = pool_of(2);
    for (size_t i = 0; i < COUNT(networks); i++)
        FOR_ISAS(level)
        {
            net n = net_make(level, networks[i], FEATURES, NULL);
            twin *t = twin_make(&n);
            samples s = {0};
            samples_draw(&s, FEATURES, CLASSES, 50, 78);
            twin_forward(t, &s);
            twin_loss(t, &s);
            plan *evaluate = compile(&n, PLAN_EVALUATE, 50), *forward = compile(&n, PLAN_FORWARD, 50);
            assert_true(plan_run(evaluate, &s.batch, threads));
            s.batch.labels = NULL; /* the forward pass needs none */
            assert_true(plan_run(forward, &s.batch, threads));
            const operand losses = plan_losses(evaluate), hits = plan_hits(evaluate);
            const operand logits[] = {plan_logits(evaluate), plan_logits(forward)};
            for (size_t b = 0; b < 50; b++) {
                assert_true(fabs((double)at(&losses, b, 0) - t->losses[b]) <= 2 * roundings(level) * UNIT);
                assert_true(at(&hits, b, 0) == t->hits[b]);
                for (size_t c = 0; c < CLASSES; c++)
                    for (size_t m = 0; m < 2; m++)
                        assert_true(fabs((double)at(&logits[m], b, c) - t->y[n.graph.n_nodes][b * CLASSES + c]) <=
                                    2 * roundings(level) * UNIT);
            }
            plan_free(evaluate);
            plan_free(forward);
            free(s.x);
            twin_free(t);
            net_free(&n);
        }
    pool_free(threads);
}

static void networks_without_parameters_run(void **unused)
{
    (void)unused;
    net n = net_make(ANY_ISA, "flatten, tanh", CLASSES, "sgd");
    samples s = {0};
    samples_draw(&s, CLASSES, CLASSES, 6, 1);
    pool *threads = pool_of(2);
    plan *p = compile(&n, PLAN_TRAIN, 6);
    assert_true(train_step(&n, p, &s, threads));
    assert_true(fabs(plan_mean_loss(p) - log(CLASSES)) < 1);
    plan_free(p);
    pool_free(threads);
    free(s.x);
    net_free(&n);
}

/* ---- Threads ---- */

static void the_number_of_threads_changes_no_bit(void **unused)
{
    (void)unused;
    static const int counts[] = {1, 2, 3, 8};
    real *first[3] = {0};
    FOR_ISAS(level)
        for (size_t i = 0; i < COUNT(counts); i++) {
            net n = net_make(level, "linear 100, relu, linear 50, tanh, linear 5", 20, "adam");
            samples s = {0};
            pool *threads = pool_of(counts[i]);
            plan *p = compile(&n, PLAN_TRAIN, 33);
            for (uint64_t at_step = 0; at_step < 10; at_step++) {
                samples_draw(&s, 20, 5, 33, at_step);
                assert_true(train_step(&n, p, &s, threads));
            }
            for (size_t l = 0; l < 3; l++) {
                const size_t bytes_of_block = n.block_numbers[2 * l] * sizeof(real);
                if (i == 0) {
                    free(first[l]);
                    first[l] = malloc(bytes_of_block);
                    assert_non_null(first[l]);
                    memcpy(first[l], n.weights[2 * l], bytes_of_block);
                }
                assert_memory_equal(first[l], n.weights[2 * l], bytes_of_block);
            }
            plan_free(p);
            pool_free(threads);
            free(s.x);
            net_free(&n);
        }
    for (size_t l = 0; l < 3; l++)
        free(first[l]);
}

static void a_timed_run_says_when_each_step_began(void **unused)
{
    (void)unused;
    net n = net_make(ANY_ISA, "linear 100, relu, linear 5", 20, "adam");
    samples s = {0};
    double begins[64] = {0};
    pool *threads = pool_of(2);
    plan *p = compile(&n, PLAN_TRAIN, 33);
    const size_t n_steps = plan_n_steps(p);
    assert_in_range(n_steps, 1, COUNT(begins) - 1);
    samples_draw(&s, 20, 5, 33, 0);
    optimizer_begin(&n.optimizer);
    begins[n_steps + 1] = -1;
    const double before = now_seconds();
    assert_true(plan_run_timed(p, &s.batch, threads, begins));
    assert_true(begins[0] >= before && begins[n_steps] <= now_seconds());
    for (size_t i = 0; i < n_steps; i++)
        assert_true(begins[i + 1] >= begins[i]);
    assert_true(begins[n_steps + 1] == -1);
    plan_free(p);
    pool_free(threads);
    free(s.x);
    net_free(&n);
}

static void a_step_costs_what_it_reads_and_writes(void **unused)
{
    (void)unused;
    enum { B = 33, IN = 20, OUT = 5, W = (IN + 1) * OUT };
    net n = net_make(ANY_ISA, "linear 5", IN, "adam");
    plan *p = compile(&n, PLAN_TRAIN, B);
    size_t n_found = 0;
    for (size_t i = 0; i < plan_n_steps(p); i++) {
        const step *s = plan_step(p, i);
        const step_cost c = plan_step_cost(s);
        if (strcmp(s->kernel->name, "product") == 0) {
            assert_true(c.flops == 2.0 * B * W && c.read_bytes == 4 * (B * IN + W) && c.moved_bytes == 4 * B * OUT);
            n_found++;
        } else if (s->updates) { /* weights and both averages, there and back */
            assert_true(c.flops == 2.0 * B * W && c.read_bytes == 4 * (B * IN + B * OUT) && c.moved_bytes == 4 * 6 * W);
            assert_true(c.resident_bytes == 4 * (B * IN + B * OUT + 3 * W));
            n_found++;
        }
    }
    assert_int_equal(n_found, 2);
    plan_free(p);
    net_free(&n);
}

/* ---- Losses that are not finite ---- */

/* Breaks number `at` of layer `broken`, runs often on several threads, and expects parameters and state unmoved. */
static void check_halt(size_t broken, size_t place, float number, long expected, int n_threads)
{
    net n = net_make(ANY_ISA, "linear 5, relu, linear 4, linear 3, sigmoid, linear 2", FEATURES, "sgd lr=0.1 momentum=0.9");
    samples s = {0};
    samples_draw(&s, FEATURES, 2, 20, 3);
    pool *threads = pool_of(n_threads);
    plan *p = compile(&n, PLAN_TRAIN, 20);
    assert_true(train_step(&n, p, &s, threads));
    n.weights[broken][place] = number;
    guarded before[6] = {{0}}, state[6] = {{0}};
    for (size_t l = 0; l < 6; l++)
        if (n.weights[l]) {
            before[l] = guarded_make(n.block_numbers[l]);
            state[l] = guarded_make(n.block_numbers[l]);
            memcpy(before[l].data, n.weights[l], n.block_numbers[l] * sizeof(real));
            memcpy(state[l].data, n.optimizer.state[l][0], n.block_numbers[l] * sizeof(real));
        }
    for (int again = 0; again < 500; again++)
        assert_false(train_step(&n, p, &s, threads));
    const node *first = plan_first_broken(p);
    assert_int_equal(first ? (long)first->layer : -1, expected);
    for (size_t l = 0; l < 6; l++)
        if (n.weights[l]) {
            assert_memory_equal(before[l].data, n.weights[l], n.block_numbers[l] * sizeof(real));
            assert_memory_equal(state[l].data, n.optimizer.state[l][0], n.block_numbers[l] * sizeof(real));
            guarded_free(&before[l]);
            guarded_free(&state[l]);
        }
    plan_free(p);
    pool_free(threads);
    free(s.x);
    net_free(&n);
}

static void a_loss_that_is_not_finite_halts_before_anything_moves(void **unused)
{
    (void)unused;
    static const int counts[] = {1, 2, 3};
    for (size_t i = 0; i < COUNT(counts); i++) {
        check_halt(0, 0, NAN, 1, counts[i]); /* the relu that is fused into layer 0 speaks for it */
        check_halt(2, 0, NAN, 2, counts[i]);
        check_halt(3, 1, NAN, 4, counts[i]);
        check_halt(5, 0, INFINITY, 5, counts[i]); /* what the sigmoid gives is above 0: a logit is infinite */
    }
}

static void a_loss_alone_can_be_infinite(void **unused)
{
    (void)unused;
    net n = net_make(ANY_ISA, "linear 2", 1, "sgd");
    const float weight[] = {3e38f, -3e38f}, bias[] = {0, 0}, *const params[] = {weight, bias};
    n.graph.nodes[0].op->pack(&n.graph.nodes[0], params, n.weights[0]);
    samples s = {0};
    samples_draw(&s, 1, 2, 1, 0);
    s.x[0] = 1;
    s.labels[0] = 1;
    pool *threads = pool_of(1);
    plan *p = compile(&n, PLAN_TRAIN, 1);
    real before[64];
    assert_true(n.block_numbers[0] <= COUNT(before));
    memcpy(before, n.weights[0], n.block_numbers[0] * sizeof(real));
    assert_false(train_step(&n, p, &s, threads));
    assert_memory_equal(before, n.weights[0], n.block_numbers[0] * sizeof(real)); /* although no layer lies between loss and update */
    assert_null(plan_first_broken(p));
    s.labels[0] = 0; /* the next run is not held back by the last one's halt */
    assert_true(train_step(&n, p, &s, threads));
    plan_free(p);
    pool_free(threads);
    free(s.x);
    net_free(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_counter_counts),
        cmocka_unit_test(the_tutorials_plan_reads_as_expected),
        cmocka_unit_test(activations_are_fused_into_products),
        cmocka_unit_test(updates_are_fused_into_weight_gradients),
        cmocka_unit_test(activations_that_follow_no_product_keep_a_step),
        cmocka_unit_test(evaluation_stores_no_activations),
        cmocka_unit_test(running_a_plan_allocates_nothing),
        cmocka_unit_test(compiling_survives_every_allocation_that_fails),
        cmocka_unit_test(training_follows_the_same_network_in_double),
        cmocka_unit_test(plans_without_an_optimizer_leave_gradients),
        cmocka_unit_test(evaluation_gives_losses_hits_and_logits),
        cmocka_unit_test(networks_without_parameters_run),
        cmocka_unit_test(the_number_of_threads_changes_no_bit),
        cmocka_unit_test(a_timed_run_says_when_each_step_began),
        cmocka_unit_test(a_step_costs_what_it_reads_and_writes),
        cmocka_unit_test(a_loss_that_is_not_finite_halts_before_anything_moves),
        cmocka_unit_test(a_loss_alone_can_be_infinite),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
