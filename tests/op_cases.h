/* What tests of ops share: an op of one case, its numbers, its reference and its kernels. */
#ifndef OP_CASES_H
#define OP_CASES_H

#include "params.h"

#include "op/op.h"

static const size_t batches[] = {1, 3, 32};

/* ---- An op of one case, ready to run ---- */

typedef struct layer {
    isa level;
    const op *op;
    node *node; /* NULL: a loss */
    const void *fields;
    size_t in, out;
    graph graph;
    arena memory;
} layer;

static inline layer layer_make(isa level, const op *o, const char *spec, size_t in)
{
    layer l = {.level = level, .in = in, .out = in};
    weft_error err = {0};
    const setting *list = setting_list_from_specs(&l.memory, spec, (where){"case", 0, 0}, &err);
    if (!list)
        fail_msg("%s", err.message);
    if (o->kind == OP_LOSS) {
        if (loss_read(&l.op, &l.fields, list->first, level, &l.memory, &err) != WEFT_OK)
            fail_msg("%s", err.message);
        return l;
    }
    if (graph_build(&l.graph, list, level, &l.memory, &err) != WEFT_OK ||
        graph_infer(&l.graph, in, &err) != WEFT_OK)
        fail_msg("%s", err.message);
    assert_int_equal(l.graph.n_nodes, 1);
    l.node = l.graph.nodes;
    l.op = l.node->op;
    l.fields = l.node->fields;
    l.out = l.graph.out;
    return l;
}

/* What goes into an op, and what comes out: [B, in], [B, out], and parameters as a state dict has them. */
typedef struct numbers {
    size_t B;
    double *x, *dy, *y, *dx, *params[MAX_PARAMS], *dparams[MAX_PARAMS];
} numbers;

static inline double *doubles(size_t n)
{
    double *p = calloc(n + 1, sizeof *p);
    assert_non_null(p);
    return p;
}

static inline size_t param_numbers(const layer *l, size_t p)
{
    return param_count(l->node, p);
}

static inline numbers numbers_make(const layer *l, size_t B)
{
    numbers n = {B, doubles(B * l->in), doubles(B * l->out), doubles(B * l->out), doubles(B * l->in), {0}, {0}};
    for (size_t p = 0; p < MAX_PARAMS; p++) {
        n.params[p] = doubles(param_numbers(l, p));
        n.dparams[p] = doubles(param_numbers(l, p));
    }
    return n;
}

static inline void numbers_free(numbers *n)
{
    double *const all[] = {n->x, n->dy, n->y, n->dx};
    for (size_t i = 0; i < COUNT(all); i++)
        free(all[i]);
    for (size_t p = 0; p < MAX_PARAMS; p++) {
        free(n->params[p]);
        free(n->dparams[p]);
    }
}

static inline void fill(double *values, size_t n, double spread, uint64_t stream)
{
    for (size_t i = 0; i < n; i++)
        values[i] = (double)(float)(spread * noise(stream, i)); /* the same in float and in double */
}

static inline void numbers_draw(const layer *l, numbers *n)
{
    fill(n->x, n->B * l->in, 3, 20);
    fill(n->dy, n->B * l->out, 1, 21);
    for (size_t p = 0; p < MAX_PARAMS; p++)
        fill(n->params[p], param_numbers(l, p), 1, 22 + p);
}

static inline int32_t label_of(const layer *l, size_t sample) { return (int32_t)((sample * 7 + 1) % l->in); }

/* ---- The reference, of all kinds of ops alike ---- */

static inline void reference(const layer *l, numbers *n)
{
    if (l->op->kind == OP_LAYER)
        l->op->reference(l->node, n->B, n->x, (const double *const *)n->params, n->y);
    for (size_t i = 0; l->op->kind == OP_MAP && i < n->B * l->in; i++)
        n->y[i] = l->op->value(n->x[i], l->fields);
}

/* Adds to dx and dparams, as the ops do. */
static inline void reference_grad(const layer *l, numbers *n)
{
    if (l->op->kind == OP_LAYER)
        l->op->reference_grad(l->node, n->B, n->x, (const double *const *)n->params, n->dy, n->dx, n->dparams);
    for (size_t i = 0; l->op->kind == OP_MAP && i < n->B * l->in; i++)
        n->dx[i] += n->dy[i] * l->op->slope(n->x[i], l->fields);
}

/* A copy of what goes in, every number off by up to `off` of itself; nothing has come out yet. */
static inline numbers inputs_near(const layer *l, const numbers *n, double off, uint64_t stream)
{
    numbers copy = numbers_make(l, n->B);
    for (size_t i = 0; i < n->B * l->in; i++)
        copy.x[i] = n->x[i] * (1 + off * noise(stream, i));
    for (size_t i = 0; i < n->B * l->out; i++)
        copy.dy[i] = n->dy[i] * (1 + off * noise(stream + 1, i));
    for (size_t p = 0; p < MAX_PARAMS; p++)
        for (size_t i = 0; i < param_numbers(l, p); i++)
            copy.params[p][i] = n->params[p][i] * (1 + off * noise(stream + 2 + p, i));
    return copy;
}

/* to[i] grows by how far a and b are apart, in units of `off`, and by how large they are. */
static inline void add_distances(const double *a, const double *b, size_t n, double off, double *to)
{
    for (size_t i = 0; i < n; i++)
        to[i] = fabs(to[i]) + fabs(a[i] - b[i]) / off + fabs(a[i]) / 8;
}

/* What roundings of the inputs make of every number: formulas that divide and subtract can make much of little. */
static inline void add_condition(const layer *l, const numbers *n, numbers *m)
{
    static const double OFF = 0x1p-30;
    numbers here = inputs_near(l, n, 0, 0);
    reference(l, &here);
    reference_grad(l, &here);
    for (uint64_t trial = 0; trial < 8; trial++) {
        numbers near = inputs_near(l, n, OFF, 300 + 10 * trial);
        reference(l, &near);
        reference_grad(l, &near);
        add_distances(here.y, near.y, n->B * l->out, OFF, m->y);
        add_distances(here.dx, near.dx, n->B * l->in, OFF, m->dx);
        for (size_t p = 0; p < MAX_PARAMS; p++)
            add_distances(here.dparams[p], near.dparams[p], param_numbers(l, p), OFF, m->dparams[p]);
        numbers_free(&near);
    }
    numbers_free(&here);
}

/* The sums of magnitudes behind every number, which rounding is proportional to: the same formulas over magnitudes. */
static inline numbers magnitudes(const layer *l, const numbers *n)
{
    numbers m = numbers_make(l, n->B);
    for (size_t i = 0; i < n->B * l->in; i++)
        m.x[i] = fabs(n->x[i]);
    for (size_t i = 0; i < n->B * l->out; i++)
        m.dy[i] = fabs(n->dy[i]);
    for (size_t p = 0; p < MAX_PARAMS; p++)
        for (size_t i = 0; i < param_numbers(l, p); i++)
            m.params[p][i] = fabs(n->params[p][i]);
    if (l->op->kind == OP_LAYER) {
        reference(l, &m);
        reference_grad(l, &m);
        add_condition(l, n, &m);
    }
    for (size_t i = 0; l->op->kind == OP_MAP && i < n->B * l->in; i++) {
        m.y[i] = fmax(fabs(n->x[i]), fabs(l->op->value(n->x[i], l->fields))); /* x - tanh(x) cancels */
        m.dx[i] = m.dy[i] * fmax(1, fabs(l->op->slope(n->x[i], l->fields)));
    }
    return m;
}

/* Roundings on the way to one number: those of the longest chain of sums, and of its products where they are not fused, or 4 ulps
 * (8 units) of a map and what its slope makes of them. */
static inline double roundings(const layer *l, size_t B, bool fused)
{
    const size_t chain = MAX(MAX(l->in, l->out), B);
    return l->op->kind == OP_MAP ? 16 : (double)(fused ? chain : 2 * chain) + 4;
}

static inline void assert_close(const double *is, const double *want, const double *magnitude, size_t n, double units,
                         const char *what, const char *spec)
{
    for (size_t i = 0; i < n; i++) {
        const double tolerance = units * magnitude[i] + DENORMAL;
        if (!(fabs(is[i] - want[i]) <= tolerance))
            fail_msg("%s: %s[%zu] of %zu is %.17g, not %.17g within %g", spec, what, i, n, is[i], want[i], tolerance);
    }
}

/* `unit` is what one rounding makes of 1; those of `want`, which is of doubles, count too. */
static inline void assert_same_numbers(const layer *l, const numbers *is, const numbers *want, double unit, const char *spec)
{
    numbers m = magnitudes(l, want);
    const double units = unit * roundings(l, want->B, kernels_of(l->level)->fused) + DOUBLE_UNIT * roundings(l, want->B, false);
    assert_close(is->y, want->y, m.y, want->B * l->out, units, "y", spec);
    assert_close(is->dx, want->dx, m.dx, want->B * l->in, units, "dx", spec);
    for (size_t p = 0; p < MAX_PARAMS; p++)
        assert_close(is->dparams[p], want->dparams[p], m.dparams[p], param_numbers(l, p), units,
                     param_numbers(l, p) ? l->node->params[p].name : "", spec);
    numbers_free(&m);
}

/* ---- The kernels, through the steps that the op emits ---- */

static inline void fill_matrix(const value *v, const double *from)
{
    for (size_t r = 0; r < v->at.rows; r++)
        for (size_t c = 0; c < round_up(v->at.cols, v->at.width); c++)
            *element(&v->at, r, c) = c < v->at.cols ? (real)from[r * v->at.cols + c] : 0;
}

static inline void read_matrix(const value *v, double *to)
{
    for (size_t r = 0; r < v->at.rows; r++)
        for (size_t c = 0; c < v->at.cols; c++)
            to[r * v->at.cols + c] = (double)at(&v->at, r, c);
}

static inline void run_step(step *s, const batch *const *source)
{
    s->call = (call){.fields = s->fields, .source = source, .map = s->map, .map_grad = s->map_grad, .map_fields = s->map_fields};
    for (size_t i = 0; i < MAX_IN; i++)
        s->call.in[i] = s->in[i] ? s->in[i]->at : (operand){0};
    for (size_t i = 0; i < MAX_OUT; i++)
        s->call.out[i] = s->out[i] ? s->out[i]->at : (operand){0};
    s->call.map_y = s->map_y ? s->map_y->at : (operand){0};
    s->kernel->run(&s->call, 0, s->kernel->tiles(&s->call));
}

static inline void run_layer(const layer *l, numbers *n)
{
    arena memory = {0};
    value *weights = NULL, *gradients = NULL, *buffers = NULL, *kept = NULL;
    builder b = {.k = kernels_of(l->level), .memory = &memory, .batch = n->B, .training = true, .weights = &weights,
                 .gradients = &gradients, .buffers = &buffers, .kept = &kept};
    value *x = builder_value(&b, VALUE_BATCH, "x", NULL, l->in), *dy = builder_value(&b, VALUE_GRADIENT, "dy", NULL, l->out);
    const value *y = l->op->forward(&b, l->node, x), *dx = l->op->backward(&b, l->node, x, dy, true);
    assert_false(b.failed);
    guarded *data = calloc(b.n_values, sizeof *data);
    assert_non_null(data);
    for (size_t i = 0; i < b.n_values; i++) {
        data[i] = guarded_make(b.values[i]->numbers);
        b.values[i]->at.data = data[i].data;
    }
    fill_matrix(x, n->x);
    fill_matrix(dy, n->dy);
    if (weights)
        pack_params(l->node, n->params, weights->at.data);
    const batch source = {.n = n->B};
    const batch *running = &source;
    for (size_t i = 0; i < b.n_steps; i++)
        run_step(b.steps[i], &running);
    read_matrix(y, n->y);
    read_matrix(dx, n->dx);
    if (gradients)
        unpack_params(l->node, gradients->at.data, n->dparams);
    for (size_t i = 0; i < b.n_values; i++)
        guarded_free(&data[i]);
    free(data);
    arena_deinit(&memory);
}

static inline void run_map(const layer *l, numbers *n)
{
    const size_t count = n->B * l->in;
    guarded x = guarded_make(count), y = guarded_make(count), dx = guarded_make(count);
    for (size_t i = 0; i < count; i++) {
        x.data[i] = y.data[i] = (real)n->x[i];
        dx.data[i] = (real)n->dy[i];
    }
    if (l->op->map) {
        l->op->map(y.data, count, l->fields);
        l->op->map_grad(dx.data, l->op->gradient_needs_input ? x.data : y.data, count, l->fields);
    }
    for (size_t i = 0; i < count; i++) {
        n->y[i] = (double)y.data[i];
        n->dx[i] = (double)dx.data[i];
    }
    guarded_free(&x);
    guarded_free(&y);
    guarded_free(&dx);
}

/* Fills y, dx and dparams by the kernels. */
static inline void run(const layer *l, numbers *n)
{
    if (l->op->kind == OP_MAP)
        run_map(l, n);
    else
        run_layer(l, n);
}

/* A copy of what goes in; nothing has come out yet. */
static inline numbers inputs_of(const layer *l, const numbers *n) { return inputs_near(l, n, 0, 0); }

/* ---- Walking over ops and cases ---- */

typedef void checker(const layer *l, size_t B, const char *spec);

static inline void for_cases(isa level, bool losses, checker *check)
{
    for (const op *const *o = op_table(level); *o; o++)
        for (const op_case *c = (*o)->cases; c && c->spec && ((*o)->kind == OP_LOSS) == losses; c++)
            for (size_t b = (*o)->least_batch > batches[0]; b < COUNT(batches); b++) {
                layer l = layer_make(level, *o, c->spec, c->in);
                assert_string_equal(l.op->name, (*o)->name);
                check(&l, batches[b], c->spec);
                arena_deinit(&l.memory);
            }
}

static inline void every_op_has_cases_and_what_its_kind_needs(void **unused)
{
    (void)unused;
    FOR_ISAS(level)
        for (const op *const *o = op_table(level); *o; o++) {
            assert_true((*o)->name && (*o)->help && (*o)->formula);
            assert_true((*o)->kind == OP_JOIN || ((*o)->cases && (*o)->cases[0].spec)); /* test_plan_numbers.c has blocks */
            assert_ptr_equal(op_find(level, (*o)->name, (*o)->kind == OP_LOSS), *o);
            assert_null(op_find(level, (*o)->name, (*o)->kind != OP_LOSS));
            if ((*o)->kind == OP_LAYER)
                assert_true((*o)->forward && (*o)->backward && (*o)->reference && (*o)->reference_grad);
            if ((*o)->kind == OP_MAP)
                assert_true((*o)->value && (*o)->slope && !(*o)->map == !(*o)->map_grad);
            if ((*o)->kind == OP_LOSS)
                assert_true((*o)->loss.run && (*o)->loss.tiles && (*o)->reference_loss);
            assert_true(!((*o)->weight_of && (*o)->ignored) == ((*o)->kind != OP_LOSS || (*o)->targets != TARGET_CLASS));
        }
}

/* ---- Fixtures ---- */

/* The op that a fixture's spec names; NULL: there is none. */
static inline const op *op_of(isa level, const json_t *entry, bool loss)
{
    char name[64];
    snprintf(name, sizeof name, "%s", json_string_value(json_object_get(entry, "spec")));
    name[strcspn(name, " ")] = 0;
    return op_find(level, name, loss);
}

static inline size_t whole(const json_t *entry, const char *key) { return (size_t)json_integer_value(json_object_get(entry, key)); }

static inline void take(double *to, const json_t *array, size_t n)
{
    double *values = numbers_of_json(array, n);
    memcpy(to, values, n * sizeof *values);
    free(values);
}

#endif
