/* What plans compute: the same network in double, from the references of its ops. */
#include "nets.h"

enum { MAX_NODES = 16, MAX_WIDTH = 64 };

typedef struct twin {
    const net *of;
    double *params[MAX_NODES][MAX_PARAMS], *dparams[MAX_NODES][MAX_PARAMS], *state[MAX_NODES][MAX_PARAMS][MAX_STATES];
    double *x, *dx;                         /* what goes into the model */
    double *y[MAX_NODES], *dy[MAX_NODES]; /* what comes out of node i */
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

static twin *twin_make(const net *of)
{
    twin *t = calloc(1, sizeof *t);
    assert_non_null(t);
    t->of = of;
    assert_true(of->graph.n_nodes <= MAX_NODES);
    t->x = doubles(MAX_SAMPLES * MAX_WIDTH);
    t->dx = doubles(MAX_SAMPLES * MAX_WIDTH);
    for (size_t i = 0; i < of->graph.n_nodes; i++) {
        t->y[i] = doubles(MAX_SAMPLES * MAX_WIDTH);
        t->dy[i] = doubles(MAX_SAMPLES * MAX_WIDTH);
    }
    for (size_t i = 0; i < of->graph.n_nodes; i++)
        for (size_t p = 0; p < MAX_PARAMS; p++) {
            const node *n = &of->graph.nodes[i];
            t->params[i][p] = doubles(param_count(n, p));
            t->dparams[i][p] = doubles(param_count(n, p));
            for (size_t s = 0; s < MAX_STATES; s++)
                t->state[i][p][s] = doubles(param_count(n, p));
            for (size_t j = 0; j < param_count(n, p); j++)
                t->params[i][p][j] = (double)parameter(n, p, j);
        }
    return t;
}

static void twin_free(twin *t)
{
    free(t->x);
    free(t->dx);
    for (size_t i = 0; i < t->of->graph.n_nodes; i++) {
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

static double *output_of(const twin *t, size_t node) { return node == MODEL_INPUT ? t->x : t->y[node]; }

static double *gradient_of(const twin *t, size_t node) { return node == MODEL_INPUT ? t->dx : t->dy[node]; }

static void twin_forward(twin *t, const samples *s)
{
    const graph *g = &t->of->graph;
    for (size_t i = 0; i < s->batch.n * s->features; i++)
        t->x[i] = (double)s->x[i];
    for (size_t i = 0; i < g->n_nodes; i++) {
        const node *n = &g->nodes[i];
        const double *x = output_of(t, n->from[0]), *other = n->n_from > 1 ? output_of(t, n->from[1]) : NULL;
        if (n->op->kind == OP_LAYER)
            n->op->reference(n, s->batch.n, x, (const double *const *)t->params[i], t->y[i]);
        for (size_t j = 0; n->op->kind != OP_LAYER && j < s->batch.n * n->in; j++)
            t->y[i][j] = n->op->kind == OP_MAP ? n->op->value(x[j], n->fields) : x[j] + other[j];
    }
}

/* Losses, hits, and the gradient of the mean loss. */
static void twin_loss(twin *t, const samples *s)
{
    const size_t C = t->of->graph.out, last = t->of->graph.n_nodes - 1;
    t->loss = 0;
    for (size_t b = 0; b < s->batch.n; b++) {
        const double *logits = t->y[last] + b * C;
        size_t best = 0;
        t->losses[b] =
            t->of->loss->reference_loss(logits, C, &(target){.label = s->labels[b]}, t->of->loss_fields, t->dy[last] + b * C);
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
    const graph *g = &t->of->graph;
    memset(t->dx, 0, s->batch.n * g->in * sizeof(double));
    for (size_t i = 0; i + 1 < g->n_nodes; i++)
        memset(t->dy[i], 0, s->batch.n * g->nodes[i].out * sizeof(double));
    for (size_t i = g->n_nodes; i-- > 0;) {
        const node *n = &g->nodes[i];
        double *dx = gradient_of(t, n->from[0]);
        const double *x = output_of(t, n->from[0]), *dy = t->dy[i];
        for (size_t p = 0; p < n->n_params; p++)
            memset(t->dparams[i][p], 0, param_count(n, p) * sizeof(double));
        if (n->op->kind == OP_LAYER)
            n->op->reference_grad(n, s->batch.n, x, (const double *const *)t->params[i], dy, dx, t->dparams[i]);
        for (size_t j = 0; n->op->kind == OP_MAP && j < s->batch.n * n->in; j++)
            dx[j] += dy[j] * n->op->slope(x[j], n->fields);
        for (size_t k = 0; n->op->kind == OP_JOIN && k < n->n_from; k++)
            for (size_t j = 0; j < s->batch.n * n->in; j++)
                gradient_of(t, n->from[k])[j] += dy[j];
    }
}

/* Step t of the optimizer. */
static void twin_update(twin *t, uint64_t at_step)
{
    const optimizer *o = &t->of->optimizer;
    for (size_t i = 0; i < t->of->graph.n_nodes; i++)
        for (size_t p = 0; p < MAX_PARAMS; p++) {
            const size_t count = param_count(&t->of->graph.nodes[i], p);
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
    double *params[MAX_PARAMS];
    for (size_t p = 0; p < MAX_PARAMS; p++)
        params[p] = doubles(param_count(layer, p));
    unpack_params(layer, block, params);
    for (size_t p = 0; p < MAX_PARAMS; p++) {
        for (size_t i = 0; i < param_count(layer, p); i++)
            if (!(fabs(params[p][i] - want[p][i]) <= tolerance))
                fail_msg("%s %s.%s[%zu] is %.17g, not %.17g within %g", what, layer->path, layer->params[p].name, i, params[p][i],
                         want[p][i], tolerance);
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
    "linear 5, residual [linear 9, tanh, linear 5], sigmoid, linear 3",
    "residual [linear 7], linear 5, residual [residual [tanh, linear 5], sigmoid], residual [flatten], linear 3",
    "linear 5, prelu, linear 4, layer_norm, tanh, linear 3, prelu 3",
    "layer_norm, prelu, linear 5, residual [layer_norm elementwise_affine=false, linear 5, tanh], linear 3",
    "linear 3, residual [linear 3, residual [tanh, linear 33, sigmoid, linear 3]]",
};

enum { FEATURES = 7, CLASSES = 3, TRAINING_STEPS = 20 };

/* Chains of at most 49 products and a loss make a gradient wrong by less than 64 units of what such networks' gradients are,
 * at most 1; where products round before they are added, by twice as much. */
static double roundings(isa level) { return kernels_of(level)->fused ? 64 : 128; }

/* A step carries those, times its rate, and rounds the weight. What is wrong already grows by less than e a step in ten, as the
 * curvature times the rate is below 0.1: by less than 8 over 20 steps. */
static double drift(const twin *t, uint64_t steps, isa level)
{
    return 8 * (UNIT + DOUBLE_UNIT) * (double)steps * (fmax(t->largest, 1) + roundings(level) * fmax(t->longest, 0.1));
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
                        assert_true(fabs((double)at(&logits[m], b, c) - t->y[n.graph.n_nodes - 1][b * CLASSES + c]) <=
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_follows_the_same_network_in_double),
        cmocka_unit_test(plans_without_an_optimizer_leave_gradients),
        cmocka_unit_test(evaluation_gives_losses_hits_and_logits),
        cmocka_unit_test(networks_without_parameters_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
