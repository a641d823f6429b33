/* From gradients to steps in whole plans: groups, penalties, clipping, sums over batches, against the same in double. */
#include "nets.h"

enum { FEATURES = 7, CLASSES = 3, B = 6, MAX_BATCHES = 3, MAX_NODES = 8 };

static const char layers[] = "linear 5 lr=0.5 l2=0.01, tanh, linear 4 lr=0, relu, linear 9 bias=false, linear 3 l1=0.02";

/* What is asked of a plan. */
typedef struct rules {
    const char *optimizer;
    double decay, bias_decay; /* as the optimizer's text has them */
    double clip_norm, clip_value;
    size_t n_batches; /* of a step */
} rules;

#define RATE 0.25

static const rules all_rules[] = {
    {"sgd lr=0.25", 0, 0, 0, 0, 1},
    {"sgd lr=0.25 weight_decay=0.1", 0.1, 0.1, 0, 0, 1},
    {"sgd lr=0.25 weight_decay=0.1 no_decay=[bias]", 0.1, 0, 0, 0, 1},
    {"sgd lr=0.25 weight_decay=0.1 no_decay=linear", 0, 0, 0, 0, 1},
    {"sgd lr=0.25", 0, 0, 0.1, 0, 1},
    {"sgd lr=0.25", 0, 0, 100, 0, 1},
    {"sgd lr=0.25", 0, 0, 0, 0.01, 1},
    {"sgd lr=0.25", 0, 0, 0, 0, 3},
    {"sgd lr=0.25", 0, 0, 0, 0.01, 3},
    {"sgd lr=0.25 weight_decay=0.1 no_decay=[bias]", 0.1, 0, 0.1, 0, 3},
};

/* The gradients of each batch, packed, in double; of parameters that do not move, NULL. */
typedef struct gradients {
    double *of[MAX_BATCHES][MAX_NODES];
} gradients;

static gradients take_gradients(isa level, pool *threads)
{
    gradients g = {0};
    net n = net_make(level, layers, FEATURES, NULL);
    plan *p = compile(&n, PLAN_TRAIN, B);
    samples s = {0};
    assert_true(n.graph.n_nodes <= MAX_NODES);
    for (size_t k = 0; k < MAX_BATCHES; k++) {
        samples_draw(&s, FEATURES, CLASSES, B, k);
        assert_true(train_step(&n, p, &s, threads));
        for (size_t i = 0; i < n.graph.n_nodes; i++) {
            const node *one = &n.graph.nodes[i];
            if (!node_trains(one))
                continue;
            g.of[k][i] = calloc(one->block_numbers, sizeof(double));
            assert_non_null(g.of[k][i]);
            for (size_t j = 0; j < one->block_numbers; j++)
                g.of[k][i][j] = (double)plan_gradient(p, one)[j];
        }
    }
    plan_free(p);
    free(s.x);
    net_free(&n);
    return g;
}

static void free_gradients(gradients *g)
{
    for (size_t k = 0; k < MAX_BATCHES; k++)
        for (size_t i = 0; i < MAX_NODES; i++)
            free(g->of[k][i]);
}

static size_t place(const operand *w, size_t r, size_t c) { return (c / w->width * w->rows + r) * w->width + c % w->width; }

/* The gradient that an optimizer gets before its norm is clipped, but for the decay. */
static double whole(const rules *u, const gradients *g, const node *n, size_t r, size_t at, double w)
{
    double sum = 0;
    for (size_t k = 0; k < u->n_batches; k++)
        sum += g->of[k][n->index][at] / (double)u->n_batches;
    if (r < n->weight_rows)
        sum += 2 * n->training.l2 * w + n->training.l1 * ((w > 0) - (w < 0));
    return u->clip_value > 0 ? fmin(fmax(sum, -u->clip_value), u->clip_value) : sum;
}

#define FOR_NUMBERS(n, r, c)                          \
    for (size_t r = 0; r < (n)->block.rows; r++)      \
        for (size_t c = 0; c < (n)->block.cols; c++)

static double factor_of(const rules *u, const gradients *g, const net *before)
{
    double sum = 0;
    for (size_t i = 0; i < before->graph.n_nodes; i++) {
        const node *n = &before->graph.nodes[i];
        if (node_trains(n))
            FOR_NUMBERS(n, r, c)
            {
                const size_t at = place(&n->block, r, c);
                sum += pow(whole(u, g, n, r, at, (double)before->weights[i][at]), 2);
            }
    }
    return u->clip_norm > 0 ? fmin(1, u->clip_norm / (sqrt(sum) + 1e-6)) : 1;
}

static void assert_moved(const rules *u, const gradients *g, const net *before, const net *after)
{
    const double factor = factor_of(u, g, before);
    for (size_t i = 0; i < before->graph.n_nodes; i++) {
        const node *n = &before->graph.nodes[i];
        FOR_NUMBERS(n, r, c)
        {
            const size_t at = place(&n->block, r, c);
            const double w = (double)before->weights[i][at];
            const double decay = r < n->weight_rows ? u->decay : u->bias_decay;
            const double step = node_trains(n) ? RATE * n->training.lr * (factor * whole(u, g, n, r, at, w) + decay * w) : 0;
            if (!(fabs((double)after->weights[i][at] - (w - step)) <= 8 * UNIT))
                fail_msg("%s: layer %zu [%zu, %zu] is %.9g, not %.9g", u->optimizer, i, r, c, (double)after->weights[i][at], w - step);
        }
    }
}

static void check_rules(isa level, const rules *u, const gradients *g, pool *threads)
{
    net before = net_make(level, layers, FEATURES, NULL), n = net_make(level, layers, FEATURES, u->optimizer);
    weft_error err = {0};
    plan_spec spec = spec_of(&n, PLAN_TRAIN, B);
    real **sums = arena_array(&n.memory, n.graph.n_nodes, sizeof *sums);
    for (size_t i = 0; i < n.graph.n_nodes; i++)
        sums[i] = arena_array(&n.memory, MAX(n.block_numbers[i], 1), sizeof(real));
    spec.rules = (plan_rules){.clip_norm = u->clip_norm, .clip_value = u->clip_value, .sums = u->n_batches > 1 ? sums : NULL,
                              .share = (real)(1.0 / (double)u->n_batches)};
    plan *p = plan_compile(&spec, &err);
    spec.mode = PLAN_UPDATE;
    plan *update = u->n_batches > 1 ? plan_compile(&spec, &err) : NULL;
    assert_non_null(p);
    samples s = {0};
    optimizer_begin(&n.optimizer);
    for (size_t k = 0; k < u->n_batches; k++) {
        samples_draw(&s, FEATURES, CLASSES, B, k);
        assert_true(plan_run(p, &s.batch, threads));
    }
    assert_true(!update || plan_run(update, NULL, threads));
    assert_moved(u, g, &before, &n);
    for (size_t i = 0; i < n.graph.n_nodes; i++) /* the next sum begins anew */
        for (size_t j = 0; j < n.block_numbers[i]; j++)
            assert_true(sums[i][j] == 0);
    plan_free(p);
    plan_free(update);
    free(s.x);
    net_free(&n);
    net_free(&before);
}

static void steps_are_those_of_double(void **unused)
{
    (void)unused;
    pool *threads = pool_of(2);
    FOR_ISAS(level)
    {
        gradients g = take_gradients(level, threads);
        for (size_t i = 0; i < COUNT(all_rules); i++)
            check_rules(level, &all_rules[i], &g, threads);
        free_gradients(&g);
    }
    pool_free(threads);
}

/* A group's numbers are those of an optimizer that was asked for them. */
static void groups_have_the_numbers_of_their_own_settings(void **unused)
{
    (void)unused;
    static const char *const pairs[][2] = {
        {"sgd lr=0.1 momentum=0.9 weight_decay=0.25 no_decay=[bias]", "sgd lr=0.05 momentum=0.9"},
        {"adam lr=0.1 weight_decay=0.25 no_decay=[linear]", "adam lr=0.05"},
    };
    for (size_t i = 0; i < COUNT(pairs); i++) {
        net n = net_make(ANY_ISA, "linear 3 lr=0.5", 4, pairs[i][0]), other = net_make(ANY_ISA, "linear 3", 4, pairs[i][1]);
        for (int t = 0; t < 3; t++) {
            optimizer_begin(&n.optimizer);
            optimizer_begin(&other.optimizer);
            assert_memory_equal(optimizer_hyper(&n.optimizer, 0, GROUP_BIAS), optimizer_hyper(&other.optimizer, 0, GROUP_BIAS),
                                sizeof n.optimizer.hyper);
        }
        assert_true(memcmp(n.optimizer.hyper, other.optimizer.hyper, sizeof n.optimizer.hyper) != 0);
        net_free(&n);
        net_free(&other);
    }
}

static void steps_of_frozen_layers_are_left_out(void **unused)
{
    (void)unused;
    net n = net_make(ANY_ISA, "linear 5 lr=0, relu, linear 4, relu, linear 3 lr=0", FEATURES, "adam");
    plan *p = compile(&n, PLAN_TRAIN, B);
    text t = {0};
    plan_print(p, &t);
    assert_non_null(strstr(t.data, "linear dw + adam"));
    assert_null(strstr(strstr(t.data, "linear dw + adam") + 1, "linear dw"));
    assert_null(strstr(t.data, "dw4"));
    assert_null(strstr(t.data, "dx1"));
    text_free(&t);
    plan_free(p);
    net_free(&n);
}

/* A caller's batches: the last of a step moves the parameters, an average of them starts as a copy, and what others do to them is seen. */
static void the_callers_batches_add_up(void **unused)
{
    (void)unused;
    enum { IN = 4, OUT = 3, N = 2 };
    weft_error err = {0};
    weft_model *m = weft_model_create("linear 3", &err);
    assert_non_null(m);
    assert_int_equal(weft_model_init(m, IN, 1, &err), WEFT_OK);
    weft_trainer *t = weft_trainer_create(m, NULL, &(weft_options){.optimizer = "sgd lr=1", .accumulate = N, .threads = 1,
                                                                   .average = "ema decay=0.5"}, &err);
    assert_non_null(t);
    const float x[] = {1, 2, 3, 4};
    const int32_t y[] = {1};
    float first[OUT], logits[OUT];
    double loss;
    assert_int_equal(weft_model_forward(m, x, 1, first, &err), WEFT_OK);
    for (int step = 1; step <= 2 * N; step++) {
        assert_int_equal(weft_trainer_step(t, &(weft_batch){.x = x, .y = y, .n = 1}, &loss, &err), WEFT_OK);
        assert_int_equal(weft_model_forward(m, x, 1, logits, &err), WEFT_OK);
        assert_true((memcmp(first, logits, sizeof first) == 0) == (step % N != 0));
        if (step == N) /* as if it were new: the next step begins here again */
            assert_int_equal(weft_model_init(m, IN, 1, &err), WEFT_OK);
    }
    weft_trainer_free(t);
    static const weft_options bad[] = {{.average = "ema decay=1"}, {.average = "swa"}, {.average = "mean"}, {.clip_grad_norm = -1},
                                       {.clip_grad_value = NAN}, {.clip_grad_norm = 1, .clip_grad_value = 1}, {.accumulate = SIZE_MAX},
                                       {.optimizer = "sgd no_decay=[biases]"}};
    for (size_t i = 0; i < COUNT(bad); i++) {
        err = (weft_error){0};
        assert_null(weft_trainer_create(m, NULL, &bad[i], &err));
        assert_int_equal(err.status, WEFT_BAD_INPUT);
    }
    weft_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_those_of_double),
        cmocka_unit_test(groups_have_the_numbers_of_their_own_settings),
        cmocka_unit_test(the_callers_batches_add_up),
        cmocka_unit_test(steps_of_frozen_layers_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
