/* Every op and every of its cases: the reference against central differences, the kernels against the reference, both
 * against PyTorch's numbers. */
#include "numbers.h"

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

static layer layer_make(isa level, const op *o, const char *spec, size_t in)
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
        graph_infer(&l.graph, in, kernels_of(level), &err) != WEFT_OK)
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

static double *doubles(size_t n)
{
    double *p = calloc(n + 1, sizeof *p);
    assert_non_null(p);
    return p;
}

static size_t param_numbers(const layer *l, size_t p)
{
    return l->node && p < l->node->n_params ? shape_numbers(&l->node->params[p].shape) : 0;
}

static numbers numbers_make(const layer *l, size_t B)
{
    numbers n = {B, doubles(B * l->in), doubles(B * l->out), doubles(B * l->out), doubles(B * l->in), {0}, {0}};
    for (size_t p = 0; p < MAX_PARAMS; p++) {
        n.params[p] = doubles(param_numbers(l, p));
        n.dparams[p] = doubles(param_numbers(l, p));
    }
    return n;
}

static void numbers_free(numbers *n)
{
    double *const all[] = {n->x, n->dy, n->y, n->dx};
    for (size_t i = 0; i < COUNT(all); i++)
        free(all[i]);
    for (size_t p = 0; p < MAX_PARAMS; p++) {
        free(n->params[p]);
        free(n->dparams[p]);
    }
}

static void fill(double *values, size_t n, double spread, uint64_t stream)
{
    for (size_t i = 0; i < n; i++)
        values[i] = (double)(float)(spread * noise(stream, i)); /* the same in float and in double */
}

static void numbers_draw(const layer *l, numbers *n)
{
    fill(n->x, n->B * l->in, 3, 20);
    fill(n->dy, n->B * l->out, 1, 21);
    for (size_t p = 0; p < MAX_PARAMS; p++)
        fill(n->params[p], param_numbers(l, p), 1, 22 + p);
}

static int32_t label_of(const layer *l, size_t sample) { return (int32_t)((sample * 7 + 1) % l->in); }

/* ---- The reference, of all kinds of ops alike ---- */

static void reference(const layer *l, numbers *n)
{
    if (l->op->kind == OP_LAYER)
        l->op->reference(l->node, n->B, n->x, (const double *const *)n->params, n->y);
    for (size_t i = 0; l->op->kind == OP_MAP && i < n->B * l->in; i++)
        n->y[i] = l->op->value(n->x[i], l->fields);
}

/* Adds to dx and dparams, as the ops do. */
static void reference_grad(const layer *l, numbers *n)
{
    if (l->op->kind == OP_LAYER)
        l->op->reference_grad(l->node, n->B, n->x, (const double *const *)n->params, n->dy, n->dx, n->dparams);
    for (size_t i = 0; l->op->kind == OP_MAP && i < n->B * l->in; i++)
        n->dx[i] += n->dy[i] * l->op->slope(n->x[i], l->fields);
}

/* The sums of magnitudes behind every number, which rounding is proportional to: the same formulas over magnitudes. */
static numbers magnitudes(const layer *l, const numbers *n)
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
    }
    for (size_t i = 0; l->op->kind == OP_MAP && i < n->B * l->in; i++) {
        m.y[i] = fabs(l->op->value(n->x[i], l->fields));
        m.dx[i] = m.dy[i] * fmax(1, fabs(l->op->slope(n->x[i], l->fields)));
    }
    return m;
}

/* Roundings on the way to one number: those of the longest chain of sums, or 4 ulps (8 units) of a map and what its slope
 * makes of them. */
static double roundings(const layer *l, size_t B)
{
    return l->op->kind == OP_MAP ? 16 : (double)MAX(MAX(l->in, l->out), B) + 4;
}

static void assert_close(const double *is, const double *want, const double *magnitude, size_t n, double units,
                         const char *what, const char *spec)
{
    for (size_t i = 0; i < n; i++) {
        const double tolerance = units * magnitude[i] + DENORMAL;
        if (!(fabs(is[i] - want[i]) <= tolerance))
            fail_msg("%s: %s[%zu] of %zu is %.17g, not %.17g within %g", spec, what, i, n, is[i], want[i], tolerance);
    }
}

/* `unit` is what one rounding makes of 1. */
static void assert_same_numbers(const layer *l, const numbers *is, const numbers *want, double unit, const char *spec)
{
    numbers m = magnitudes(l, want);
    const double units = unit * roundings(l, want->B);
    assert_close(is->y, want->y, m.y, want->B * l->out, units, "y", spec);
    assert_close(is->dx, want->dx, m.dx, want->B * l->in, units, "dx", spec);
    for (size_t p = 0; p < MAX_PARAMS; p++)
        assert_close(is->dparams[p], want->dparams[p], m.dparams[p], param_numbers(l, p), units,
                     param_numbers(l, p) ? l->node->params[p].name : "", spec);
    numbers_free(&m);
}

/* ---- The kernels, through the steps that the op emits ---- */

static void fill_matrix(const value *v, const double *from)
{
    for (size_t r = 0; r < v->at.rows; r++)
        for (size_t c = 0; c < v->at.ld; c++)
            v->at.data[r * v->at.ld + c] = c < v->at.cols ? (float)from[r * v->at.cols + c] : 0;
}

static void read_matrix(const value *v, double *to)
{
    for (size_t r = 0; r < v->at.rows; r++)
        for (size_t c = 0; c < v->at.cols; c++)
            to[r * v->at.cols + c] = (double)at(&v->at, r, c);
}

static void run_step(step *s)
{
    s->call = (call){.fields = s->fields, .map = s->map, .map_grad = s->map_grad, .map_fields = s->map_fields};
    for (size_t i = 0; i < MAX_IN; i++)
        s->call.in[i] = s->in[i] ? s->in[i]->at : (operand){0};
    for (size_t i = 0; i < MAX_OUT; i++)
        s->call.out[i] = s->out[i] ? s->out[i]->at : (operand){0};
    s->call.map_y = s->map_y ? s->map_y->at : (operand){0};
    s->kernel->run(&s->call, 0, s->kernel->tiles(&s->call));
}

static void pack_params(const layer *l, const numbers *n, real *block)
{
    float *params[MAX_PARAMS];
    for (size_t p = 0; p < MAX_PARAMS; p++) {
        params[p] = calloc(param_numbers(l, p) + 1, sizeof(float));
        assert_non_null(params[p]);
        for (size_t i = 0; i < param_numbers(l, p); i++)
            params[p][i] = (float)n->params[p][i];
    }
    l->op->pack(l->node, kernels_of(l->level), (const float *const *)params, block);
    for (size_t p = 0; p < MAX_PARAMS; p++)
        free(params[p]);
}

static void unpack_gradients(const layer *l, const real *block, numbers *n)
{
    float *params[MAX_PARAMS];
    for (size_t p = 0; p < MAX_PARAMS; p++) {
        params[p] = calloc(param_numbers(l, p) + 1, sizeof(float));
        assert_non_null(params[p]);
    }
    l->op->unpack(l->node, kernels_of(l->level), block, params);
    for (size_t p = 0; p < MAX_PARAMS; p++) {
        for (size_t i = 0; i < param_numbers(l, p); i++)
            n->dparams[p][i] = (double)params[p][i];
        free(params[p]);
    }
}

static void run_layer(const layer *l, numbers *n)
{
    arena memory = {0};
    value *weights = NULL, *gradients = NULL;
    builder b = {.k = kernels_of(l->level), .memory = &memory, .batch = n->B, .weights = &weights, .gradients = &gradients};
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
        pack_params(l, n, weights->at.data);
    for (size_t i = 0; i < b.n_steps; i++)
        run_step(b.steps[i]);
    read_matrix(y, n->y);
    read_matrix(dx, n->dx);
    if (gradients)
        unpack_gradients(l, gradients->at.data, n);
    for (size_t i = 0; i < b.n_values; i++)
        guarded_free(&data[i]);
    free(data);
    arena_deinit(&memory);
}

static void run_map(const layer *l, numbers *n)
{
    const size_t count = n->B * l->in;
    guarded x = guarded_make(count), y = guarded_make(count), dx = guarded_make(count);
    for (size_t i = 0; i < count; i++) {
        x.data[i] = y.data[i] = (float)n->x[i];
        dx.data[i] = (float)n->dy[i];
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
static void run(const layer *l, numbers *n)
{
    if (l->op->kind == OP_MAP)
        run_map(l, n);
    else
        run_layer(l, n);
}

/* A copy of what goes in; nothing has come out yet. */
static numbers inputs_of(const layer *l, const numbers *n)
{
    numbers copy = numbers_make(l, n->B);
    memcpy(copy.x, n->x, n->B * l->in * sizeof *n->x);
    memcpy(copy.dy, n->dy, n->B * l->out * sizeof *n->dy);
    for (size_t p = 0; p < MAX_PARAMS; p++)
        memcpy(copy.params[p], n->params[p], param_numbers(l, p) * sizeof(double));
    return copy;
}

/* ---- Walking over ops and cases ---- */

typedef void checker(const layer *l, size_t B, const char *spec);

static void for_cases(isa level, bool losses, checker *check)
{
    for (const op *const *o = op_table(level); *o; o++)
        for (const op_case *c = (*o)->cases; c->spec && ((*o)->kind == OP_LOSS) == losses; c++)
            for (size_t b = 0; b < COUNT(batches); b++) {
                layer l = layer_make(level, *o, c->spec, c->in);
                assert_string_equal(l.op->name, (*o)->name);
                check(&l, batches[b], c->spec);
                arena_deinit(&l.memory);
            }
}

static void every_op_has_cases_and_what_its_kind_needs(void **unused)
{
    (void)unused;
    FOR_ISAS(level)
        for (const op *const *o = op_table(level); *o; o++) {
            assert_true((*o)->name && (*o)->help && (*o)->formula);
            assert_true((*o)->cases && (*o)->cases[0].spec);
            assert_ptr_equal(op_find(level, (*o)->name, (*o)->kind == OP_LOSS), *o);
            assert_null(op_find(level, (*o)->name, (*o)->kind != OP_LOSS));
            if ((*o)->kind == OP_LAYER)
                assert_true((*o)->forward && (*o)->backward && (*o)->reference && (*o)->reference_grad);
            if ((*o)->kind == OP_MAP)
                assert_true((*o)->value && (*o)->slope && !(*o)->map == !(*o)->map_grad);
            if ((*o)->kind == OP_LOSS)
                assert_true((*o)->loss.run && (*o)->loss.tiles && (*o)->reference_loss);
        }
}

/* ---- Central differences ---- */

enum { MAX_PROBES = 40 };
static const double H = 0x1p-17; /* near the cube root of a double's precision, and exact */

static double weighted_output(const layer *l, numbers *n)
{
    double sum = 0;
    reference(l, n);
    for (size_t i = 0; i < n->B * l->out; i++)
        sum += n->dy[i] * n->y[i];
    return sum;
}

/* Compares gradient[i] of `values` with (f(v + h) - f(v - h)) / 2h, at up to MAX_PROBES places. Beside a kink, where the
 * differences to the left and to the right disagree, there is nothing to compare; returns how many places were compared. */
static size_t probe(const layer *l, numbers *n, double *values, const double *gradient, size_t count, const char *spec)
{
    numbers m = magnitudes(l, n);
    double total = 0; /* of the magnitudes that are summed */
    for (size_t i = 0; i < n->B * l->out; i++)
        total += m.dy[i] * m.y[i];
    numbers_free(&m);
    size_t compared = 0;
    const size_t stride = MAX(count / MAX_PROBES, 1);
    for (size_t i = 0; i < count; i += stride) {
        const double here = values[i], middle = weighted_output(l, n);
        values[i] = here + H;
        const double above = weighted_output(l, n);
        values[i] = here - H;
        const double below = weighted_output(l, n);
        values[i] = here;
        const double right = (above - middle) / H, left = (middle - below) / H, slope = (above - below) / (2 * H);
        /* rounding of the sums, divided by 2h, and h^2 / 6 of a third derivative of at most 10 */
        const double tolerance = 0x1p-53 * (double)(l->in + n->B * l->out + 8) * total / H + 10 * H * H;
        if (fabs(right - left) > 1e-3 + tolerance)
            continue;
        compared++;
        if (fabs(slope - gradient[i]) > tolerance)
            fail_msg("%s: gradient %zu of %zu is %.12g, differences say %.12g within %g", spec, i, count, gradient[i], slope,
                     tolerance);
    }
    return compared * stride;
}

static void check_differences(const layer *l, size_t B, const char *spec)
{
    numbers n = numbers_make(l, B);
    numbers_draw(l, &n);
    reference_grad(l, &n);
    assert_true(probe(l, &n, n.x, n.dx, B * l->in, spec) * 10 >= B * l->in * 9);
    for (size_t p = 0; p < MAX_PARAMS && param_numbers(l, p); p++)
        assert_true(probe(l, &n, n.params[p], n.dparams[p], param_numbers(l, p), spec) >= param_numbers(l, p));
    numbers_free(&n);
}

static void gradients_of_references_are_central_differences(void **unused)
{
    (void)unused;
    for_cases(ISA_V3, false, check_differences);
}

static void reference_gradients_are_added(void **unused)
{
    (void)unused;
    layer l = layer_make(ISA_V3, op_find(ISA_V3, "linear", false), "linear 5", 3);
    numbers once = numbers_make(&l, 3);
    numbers_draw(&l, &once);
    numbers twice = inputs_of(&l, &once);
    reference_grad(&l, &once);
    reference_grad(&l, &twice);
    reference_grad(&l, &twice);
    for (size_t i = 0; i < 9; i++)
        assert_true(fabs(twice.dx[i] - 2 * once.dx[i]) <= 1e-14);
    numbers_free(&once);
    numbers_free(&twice);
    arena_deinit(&l.memory);
}

static void check_loss_differences(const layer *l, size_t B, const char *spec)
{
    double *logits = doubles(l->in), *gradient = doubles(l->in), *unused = doubles(l->in);
    fill(logits, l->in, 4, 30 + B);
    const int32_t label = label_of(l, B);
    l->op->reference_loss(logits, l->in, label, l->fields, gradient);
    for (size_t i = 0; i < l->in; i++) {
        const double here = logits[i];
        logits[i] = here + H;
        const double above = l->op->reference_loss(logits, l->in, label, l->fields, unused);
        logits[i] = here - H;
        const double below = l->op->reference_loss(logits, l->in, label, l->fields, unused);
        logits[i] = here;
        const double slope = (above - below) / (2 * H), tolerance = 0x1p-53 * 32 * (fabs(above) + 4) / H + 10 * H * H;
        if (!(fabs(slope - gradient[i]) <= tolerance))
            fail_msg("%s: gradient %zu of %zu is %.12g, differences say %.12g", spec, i, l->in, gradient[i], slope);
    }
    free(logits);
    free(gradient);
    free(unused);
}

static void gradients_of_losses_are_central_differences(void **unused)
{
    (void)unused;
    for_cases(ISA_V3, true, check_loss_differences);
}

/* ---- Kernels against references ---- */

static void check_kernels(const layer *l, size_t B, const char *spec)
{
    numbers want = numbers_make(l, B);
    numbers_draw(l, &want);
    numbers is = inputs_of(l, &want);
    reference(l, &want);
    reference_grad(l, &want);
    run(l, &is);
    assert_same_numbers(l, &is, &want, UNIT, spec);
    numbers_free(&want);
    numbers_free(&is);
}

static void kernels_agree_with_references(void **unused)
{
    (void)unused;
    FOR_ISAS(level)
        for_cases(level, false, check_kernels);
}

/* Runs the kernel of a loss over logits [B, C]. */
static void run_loss(const layer *l, const double *logits, const int32_t *labels, const uint32_t *index, size_t B,
                     double *losses, double *gradient)
{
    matrix x = matrix_make(B, l->in), loss = matrix_make(B, 1), dx = matrix_make(B, l->in);
    for (size_t i = 0; i < B * l->in; i++)
        x.at.data[i / l->in * x.at.ld + i % l->in] = (float)logits[i];
    const batch source = {.labels = labels, .index = index, .n = B};
    const batch *running = &source;
    const call c = {.in = {x.at}, .out = {loss.at, dx.at}, .fields = l->fields, .source = &running};
    const size_t tiles = l->op->loss.tiles(&c);
    l->op->loss.run(&c, tiles / 2, tiles);
    l->op->loss.run(&c, 0, tiles / 2);
    for (size_t r = 0; r < B; r++) {
        losses[r] = (double)at(&loss.at, r, 0);
        for (size_t i = 0; i < dx.at.ld; i++)
            if (i < l->in)
                gradient[r * l->in + i] = (double)at(&dx.at, r, i);
            else
                assert_true(at(&dx.at, r, i) == 0); /* products read it */
    }
    matrix_free(&x);
    matrix_free(&loss);
    matrix_free(&dx);
}

/* One sample's loss and gradient (of the mean over B) against those of the reference, or of whoever made `want`. */
static void assert_loss(const layer *l, const double *x, double loss, const double *dx, double want, const double *want_dx,
                        size_t B)
{
    double largest = x[0], span = 0;
    for (size_t i = 1; i < l->in; i++)
        largest = fmax(largest, x[i]);
    for (size_t i = 0; i < l->in; i++)
        span = fmax(span, fmin(largest - x[i], 104)); /* exp of less is 0 in both */
    /* the differences to the largest, exp, the sum, its logarithm, the last difference */
    const double relative = UNIT * (span + (double)l->in + 8), tolerance = relative + 2 * UNIT * fabs(want);
    if (!(fabs(loss - want) <= tolerance))
        fail_msg("loss of %zu classes is %.12g, not %.12g within %g", l->in, loss, want, tolerance);
    for (size_t i = 0; i < l->in; i++) {
        const double allowed = (relative * fabs(want_dx[i]) * (double)B + 4 * UNIT) / (double)B;
        if (!(fabs(dx[i] - want_dx[i]) <= allowed))
            fail_msg("gradient %zu of %zu classes is %.12g, not %.12g within %g", i, l->in, dx[i], want_dx[i], allowed);
    }
}

static void check_loss_kernel_of(const layer *l, const double *logits, const int32_t *labels, const uint32_t *index,
                                 size_t B)
{
    double *losses = doubles(B), *gradient = doubles(B * l->in), *want = doubles(l->in);
    run_loss(l, logits, labels, index, B, losses, gradient);
    for (size_t r = 0; r < B; r++) {
        const int32_t label = labels[index ? index[r] : r];
        const double loss = l->op->reference_loss(logits + r * l->in, l->in, label, l->fields, want);
        for (size_t i = 0; i < l->in; i++)
            want[i] /= (double)B;
        assert_loss(l, logits + r * l->in, losses[r], gradient + r * l->in, loss, want, B);
    }
    free(losses);
    free(gradient);
    free(want);
}

static void check_loss_kernel(const layer *l, size_t B, const char *spec)
{
    (void)spec;
    double *logits = doubles(B * l->in);
    int32_t labels[64];
    uint32_t index[64];
    fill(logits, B * l->in, 5, 40 + B);
    for (size_t r = 0; r < B; r++) {
        labels[r] = label_of(l, r);
        index[r] = (uint32_t)(B - 1 - r);
    }
    check_loss_kernel_of(l, logits, labels, NULL, B);
    check_loss_kernel_of(l, logits, labels, index, B);
    free(logits);
}

static void kernels_of_losses_agree_with_references(void **unused)
{
    (void)unused;
    FOR_ISAS(level)
        for_cases(level, true, check_loss_kernel);
}

/* ---- PyTorch's numbers ---- */

/* The op that a fixture's spec names; NULL: there is none. */
static const op *op_of(isa level, const json_t *entry, bool loss)
{
    char name[64];
    snprintf(name, sizeof name, "%s", json_string_value(json_object_get(entry, "spec")));
    name[strcspn(name, " ")] = 0;
    return op_find(level, name, loss);
}

static size_t whole(const json_t *entry, const char *key) { return (size_t)json_integer_value(json_object_get(entry, key)); }

static void take(double *to, const json_t *array, size_t n)
{
    double *values = numbers_of_json(array, n);
    memcpy(to, values, n * sizeof *values);
    free(values);
}

static void check_torch_layer(const layer *l, const json_t *entry, const char *spec)
{
    numbers want = numbers_make(l, whole(entry, "batch"));
    take(want.x, json_object_get(entry, "x"), want.B * l->in);
    take(want.y, json_object_get(entry, "y"), want.B * l->out);
    take(want.dx, json_object_get(entry, "dx"), want.B * l->in);
    take(want.dy, json_object_get(entry, "dy"), want.B * l->out);
    assert_int_equal(json_array_size(json_object_get(entry, "params")), l->node->n_params);
    for (size_t p = 0; p < l->node->n_params; p++) {
        take(want.params[p], json_array_get(json_object_get(entry, "params"), p), param_numbers(l, p));
        take(want.dparams[p], json_array_get(json_object_get(entry, "dparams"), p), param_numbers(l, p));
    }
    numbers is = inputs_of(l, &want), in_double = inputs_of(l, &want);
    reference(l, &in_double);
    reference_grad(l, &in_double);
    assert_same_numbers(l, &in_double, &want, 0x1p-50, spec); /* the fixture has 16 digits */
    run(l, &is);
    assert_same_numbers(l, &is, &want, UNIT, spec);
    numbers_free(&want);
    numbers_free(&is);
    numbers_free(&in_double);
}

static void check_torch_loss(const layer *l, const json_t *entry)
{
    const size_t B = whole(entry, "batch");
    double *x = numbers_of_json(json_object_get(entry, "x"), B * l->in), *losses = doubles(B), *dx = doubles(B * l->in);
    double *want = numbers_of_json(json_object_get(entry, "losses"), B), *reference_dx = doubles(l->in);
    double *want_dx = numbers_of_json(json_object_get(entry, "dx"), B * l->in);
    int32_t labels[64];
    for (size_t r = 0; r < B; r++)
        labels[r] = (int32_t)json_integer_value(json_array_get(json_object_get(entry, "labels"), r));
    run_loss(l, x, labels, NULL, B, losses, dx);
    for (size_t r = 0; r < B; r++) {
        const double *row = want_dx + r * l->in;
        const double loss = l->op->reference_loss(x + r * l->in, l->in, labels[r], l->fields, reference_dx);
        assert_true(fabs(loss - want[r]) <= 1e-13 * (1 + want[r]));
        for (size_t i = 0; i < l->in; i++)
            assert_true(fabs(reference_dx[i] / (double)B - row[i]) <= 1e-13);
        assert_loss(l, x + r * l->in, losses[r], dx + r * l->in, want[r], row, B);
    }
    free(x);
    free(losses);
    free(dx);
    free(want);
    free(want_dx);
    free(reference_dx);
}

static void check_torch(isa level, bool losses)
{
    json_t *cases, *root = fixture_open("ops.json", &cases), *entry;
    size_t i;
    json_array_foreach(cases, i, entry) {
        const op *o = op_of(level, entry, losses);
        if (!o)
            continue;
        const char *spec = json_string_value(json_object_get(entry, "spec"));
        layer l = layer_make(level, o, spec, whole(entry, "in"));
        if (losses)
            check_torch_loss(&l, entry);
        else
            check_torch_layer(&l, entry, spec);
        arena_deinit(&l.memory);
    }
    json_decref(root);
}

static void layers_agree_with_torch(void **unused)
{
    (void)unused;
    FOR_ISAS(level)
        check_torch(level, false);
}

static void losses_agree_with_torch(void **unused)
{
    (void)unused;
    FOR_ISAS(level)
        check_torch(level, true);
}

static void every_op_has_numbers_of_torch(void **unused)
{
    (void)unused;
    json_t *cases, *root = fixture_open("ops.json", &cases), *entry;
    for (const op *const *o = op_table(ISA_V3); *o; o++) {
        size_t i, found = 0;
        json_array_foreach(cases, i, entry)
            found += op_of(ISA_V3, entry, (*o)->kind == OP_LOSS) == *o;
        if (!found)
            fail_msg("tests/fixtures/ops.json has nothing about %s; add it to make_fixtures.py", (*o)->name);
    }
    json_decref(root);
}

/* ---- All floats, kinks and ends ---- */

enum { MANTISSAS = 8, SWEEP = 2 * 277 * MANTISSAS };

/* Floats of every exponent, from the smallest to the largest, of both signs. */
static void sweep(float *x)
{
    for (int i = 0; i < SWEEP; i++) {
        const int sign = i % 2, mantissa = i / 2 % MANTISSAS, exponent = i / 2 / MANTISSAS - 149;
        x[i] = (float)ldexp((sign ? -1 : 1) * (1 + (mantissa + 0.5 * noise(50, (uint64_t)i) * mantissa) / 12), exponent);
    }
}

static void maps_are_within_4_ulps_on_all_exponents(void **unused)
{
    (void)unused;
    float x[SWEEP], y[SWEEP];
    sweep(x);
    FOR_ISAS(level)
        for (const op *const *o = op_table(level); *o; o++) {
            if (!(*o)->map)
                continue;
            memcpy(y, x, sizeof y);
            layer l = layer_make(level, *o, (*o)->cases[0].spec, 1);
            l.op->map(y, SWEEP, l.fields);
            for (int i = 0; i < SWEEP; i++)
                if (!(ulps(y[i], l.op->value((double)x[i], l.fields)) <= 4))
                    fail_msg("%s of %a is %a, not %a", l.op->name, (double)x[i], (double)y[i],
                             l.op->value((double)x[i], l.fields));
            arena_deinit(&l.memory);
        }
}

static void slopes_of_maps_are_right_on_all_exponents(void **unused)
{
    (void)unused;
    float x[SWEEP], y[SWEEP], dx[SWEEP];
    sweep(x);
    FOR_ISAS(level)
        for (const op *const *o = op_table(level); *o; o++) {
            if (!(*o)->map)
                continue;
            layer l = layer_make(level, *o, (*o)->cases[0].spec, 1);
            memcpy(y, x, sizeof y);
            l.op->map(y, SWEEP, l.fields);
            for (int i = 0; i < SWEEP; i++)
                dx[i] = 1;
            l.op->map_grad(dx, l.op->gradient_needs_input ? x : y, SWEEP, l.fields);
            for (int i = 0; i < SWEEP; i++) {
                const double slope = l.op->slope((double)x[i], l.fields);
                if (!(fabs((double)dx[i] - slope) <= 16 * UNIT * fmax(1, fabs(slope))))
                    fail_msg("slope of %s at %a is %a, not %a", l.op->name, (double)x[i], (double)dx[i], slope);
            }
            arena_deinit(&l.memory);
        }
}

/* Softmax of (0, -t) is (1, exp(-t)) / (1 + exp(-t)); the gradient shows it. */
static void exp_is_within_4_ulps_down_to_the_smallest_normal_numbers(void **unused)
{
    (void)unused;
    static const int32_t label = 0;
    FOR_ISAS(level)
    {
        layer l = layer_make(level, op_find(level, "cross_entropy", true), "cross_entropy", 2);
        for (int i = 0; i < 4000; i++) {
            const double t = (double)(float)ldexp(1 + 0.999 * fabs(noise(51, (uint64_t)i)), i % 40 - 34), logits[] = {0, -t};
            double loss, dx[2];
            if (t > 87)
                continue;
            run_loss(&l, logits, &label, NULL, 1, &loss, dx);
            if (!(ulps((float)dx[1], exp(-t) / (1 + exp(-t))) <= 4))
                fail_msg("softmax of -%a is %a, not %a", t, dx[1], exp(-t) / (1 + exp(-t)));
        }
        arena_deinit(&l.memory);
    }
}

/* What a map makes of x, alone and in a row long enough for whole vectors; both must be the same. */
static float map_one(const layer *l, float x)
{
    float row[40];
    for (size_t i = 0; i < COUNT(row); i++)
        row[i] = x;
    l->op->map(row, COUNT(row) - 1, l->fields);
    assert_int_equal(bits_of(row[39]), bits_of(x));
    for (size_t i = 1; i < COUNT(row) - 1; i++)
        assert_int_equal(bits_of(row[i]), bits_of(row[0]));
    float one = x;
    l->op->map(&one, 1, l->fields);
    assert_int_equal(bits_of(one), bits_of(row[0]));
    return one;
}

static void maps_pass_nan_and_reach_their_limits(void **unused)
{
    (void)unused;
    static const float ends[] = {0, -0.0f, INFINITY, -INFINITY, 1000, -1000, 3e38f, -3e38f};
    FOR_ISAS(level)
        for (const op *const *o = op_table(level); *o; o++) {
            if (!(*o)->map)
                continue;
            layer l = layer_make(level, *o, (*o)->cases[0].spec, 1);
            assert_true(isnan(map_one(&l, NAN)));
            for (size_t i = 0; i < COUNT(ends); i++)
                if (!(map_one(&l, ends[i]) == (float)l.op->value((double)ends[i], l.fields)))
                    fail_msg("%s of %g is %g", l.op->name, (double)ends[i], (double)map_one(&l, ends[i]));
            arena_deinit(&l.memory);
        }
}

static void assert_map(const char *name, float x, float y, float slope)
{
    FOR_ISAS(level)
    {
        layer l = layer_make(level, op_find(level, name, false), name, 1);
        const float is = map_one(&l, x);
        float dx = 1;
        assert_true(is == y);
        l.op->map_grad(&dx, l.op->gradient_needs_input ? &x : &is, 1, l.fields);
        assert_true(dx == slope);
        assert_true((float)l.op->slope((double)x, l.fields) == slope);
        arena_deinit(&l.memory);
    }
}

static void maps_are_what_torch_documents_at_their_kinks_and_ends(void **unused)
{
    (void)unused;
    assert_map("relu", 0, 0, 0);
    assert_map("relu", -0.0f, 0, 0);
    assert_map("relu", 0x1p-149f, 0x1p-149f, 1);
    assert_map("relu", -0x1p-149f, 0, 0);
    assert_map("relu", INFINITY, INFINITY, 1);
    assert_map("relu", -INFINITY, 0, 0);
    assert_map("sigmoid", 0, 0.5f, 0.25f);
    assert_map("sigmoid", 1000, 1, 0);
    assert_map("sigmoid", -1000, 0, 0);
    assert_map("sigmoid", INFINITY, 1, 0);
    assert_map("sigmoid", -INFINITY, 0, 0);
    assert_map("tanh", 0, 0, 1);
    assert_map("tanh", INFINITY, 1, 0);
    assert_map("tanh", -INFINITY, -1, 0);
}

/* C logits of `rest`, but for `other` at `place`; the loss of `label`. */
static double loss_among(isa level, size_t C, double rest, size_t place, double other, int32_t label)
{
    layer l = layer_make(level, op_find(level, "cross_entropy", true), "cross_entropy", C);
    double *logits = doubles(C), *dx = doubles(C), loss;
    for (size_t i = 0; i < C; i++)
        logits[i] = rest;
    logits[place] = other;
    run_loss(&l, logits, &label, NULL, 1, &loss, dx);
    double sum = 0;
    for (size_t i = 0; i < C; i++)
        sum += dx[i];
    assert_true(!isfinite(loss) || fabs(sum) <= (double)C * UNIT * 4);
    free(logits);
    free(dx);
    arena_deinit(&l.memory);
    return loss;
}

static void cross_entropy_never_overflows(void **unused)
{
    (void)unused;
    FOR_ISAS(level)
    {
        assert_true(fabs(loss_among(level, 1000, 0, 3, 88, 7) - 88) <= 88e-6);
        assert_true(fabs(loss_among(level, 1000, 0, 3, 88, 3)) <= 1e-6);
        assert_true(fabs(loss_among(level, 1000, 0, 3, -88, 3) - (88 + log(999))) <= 95e-6);
        assert_true(fabs(loss_among(level, 10, -1e38, 2, 1e38, 2)) <= 1e-6);
        assert_true(fabs(loss_among(level, 10, -1e38, 2, 1e38, 3) / 2e38 - 1) <= 1e-6);
        assert_true(fabs(loss_among(level, 10, 1e38, 2, 1e38, 3) - log(10)) <= 1e-6 * log(10));
        assert_true(fabs(loss_among(level, 10, -5, 2, -5, 3) - log(10)) <= 1e-6 * log(10));
        assert_true(fabs(loss_among(level, 2, 0, 1, -200, 1) - 200) <= 200e-6);
        assert_true(loss_among(level, 1, 5, 0, 5, 0) == 0);
    }
}

static void cross_entropy_of_what_is_not_finite_is_not_finite(void **unused)
{
    (void)unused;
    FOR_ISAS(level)
    {
        for (size_t place = 0; place < 20; place += 19) {
            assert_true(isnan(loss_among(level, 20, 0, place, (double)NAN, 3)));
            assert_true(isnan(loss_among(level, 20, 0, place, (double)INFINITY, 3)));
        }
        assert_true(loss_among(level, 20, 0, 3, -(double)INFINITY, 3) == (double)INFINITY);
        assert_true(fabs(loss_among(level, 20, 0, 4, -(double)INFINITY, 3) - log(19)) <= 3e-6);
    }
}

/* ---- Instruction sets ---- */

static void every_instruction_set_makes_the_same_bits(void **unused)
{
    (void)unused;
    static float x[SWEEP], y[N_ISAS][SWEEP], dx[N_ISAS][SWEEP];
    sweep(x);
    for (const op *const *o = op_table(ISA_V3); *o; o++) {
        if (!(*o)->map)
            continue;
        FOR_ISAS(level)
        {
            layer l = layer_make(level, op_find(level, (*o)->name, false), (*o)->cases[0].spec, 1);
            memcpy(y[level], x, sizeof x);
            l.op->map(y[level], SWEEP, l.fields);
            for (int i = 0; i < SWEEP; i++)
                dx[level][i] = (float)noise(60, (uint64_t)i);
            l.op->map_grad(dx[level], l.op->gradient_needs_input ? x : y[level], SWEEP, l.fields);
            assert_memory_equal(y[level], y[ISA_V3], sizeof x);
            assert_memory_equal(dx[level], dx[ISA_V3], sizeof x);
            arena_deinit(&l.memory);
        }
    }
}

/* Of v3 what comes out is kept in `first`; of the others it is compared with that. */
static void check_bits(const char *spec, size_t in, bool loss)
{
    numbers first = {0};
    double losses[N_ISAS][32] = {{0}};
    FOR_ISAS(level)
    {
        char name[64];
        snprintf(name, sizeof name, "%s", spec);
        name[strcspn(name, " ")] = 0;
        layer l = layer_make(level, op_find(level, name, loss), spec, in);
        numbers n = numbers_make(&l, 32);
        numbers_draw(&l, &n);
        int32_t labels[32];
        for (size_t r = 0; r < 32; r++)
            labels[r] = label_of(&l, r);
        if (loss)
            run_loss(&l, n.x, labels, NULL, 32, losses[level], n.dx);
        else
            run(&l, &n);
        if (!first.x)
            first = n;
        assert_memory_equal(losses[level], losses[ISA_V3], sizeof losses[level]);
        assert_memory_equal(n.dx, first.dx, 32 * l.in * sizeof(double));
        assert_memory_equal(n.y, first.y, 32 * l.out * sizeof(double));
        for (size_t p = 0; p < MAX_PARAMS; p++)
            assert_memory_equal(n.dparams[p], first.dparams[p], (param_numbers(&l, p) + 1) * sizeof(double));
        if (n.x != first.x)
            numbers_free(&n);
        arena_deinit(&l.memory);
    }
    numbers_free(&first);
}

static void every_instruction_set_runs_layers_and_losses_to_the_same_bits(void **unused)
{
    (void)unused;
    for (const op *const *o = op_table(ISA_V3); *o; o++)
        for (const op_case *c = (*o)->cases; c->spec; c++)
            check_bits(c->spec, c->in, (*o)->kind == OP_LOSS);
}

/* ---- What users write ---- */

static void layers_that_are_not_there_are_refused_all_at_once(void **unused)
{
    (void)unused;
    arena memory = {0};
    weft_error err = {0};
    graph g = {0};
    const setting *list = setting_list_from_specs(&memory, "linear, rleu, linear 3 biass=true, cross_entropy, linear 0",
                                                  (where){"file", 1, 1}, &err);
    assert_non_null(list);
    assert_int_equal(graph_build(&g, list, ISA_V3, &memory, &err), WEFT_BAD_INPUT);
    assert_int_equal(err.count, 5);
    assert_non_null(strstr(err.message, "out_features"));
    assert_non_null(strstr(err.message, "\"relu\""));
    assert_non_null(strstr(err.message, "\"bias\""));
    assert_non_null(strstr(err.message, "cross_entropy"));
    arena_deinit(&memory);
}

static void shapes_can_be_inferred_again_for_other_inputs(void **unused)
{
    (void)unused;
    layer l = layer_make(ISA_V3, op_find(ISA_V3, "linear", false), "linear 5", 3);
    weft_error err = {0};
    for (size_t in = 1; in < 10; in++) {
        assert_int_equal(graph_infer(&l.graph, in, kernels_of(ISA_V3), &err), WEFT_OK);
        assert_int_equal(l.node->n_params, 2);
        assert_int_equal(l.graph.n_parameters, 5 * in + 5);
        assert_int_equal(l.graph.in, in);
        assert_int_equal(l.graph.out, 5);
    }
    assert_int_equal(graph_infer(&l.graph, (size_t)1 << 60, kernels_of(ISA_V3), &err), WEFT_BAD_INPUT);
    arena_deinit(&l.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_op_has_cases_and_what_its_kind_needs),
        cmocka_unit_test(gradients_of_references_are_central_differences),
        cmocka_unit_test(reference_gradients_are_added),
        cmocka_unit_test(gradients_of_losses_are_central_differences),
        cmocka_unit_test(kernels_agree_with_references),
        cmocka_unit_test(kernels_of_losses_agree_with_references),
        cmocka_unit_test(layers_agree_with_torch),
        cmocka_unit_test(losses_agree_with_torch),
        cmocka_unit_test(every_op_has_numbers_of_torch),
        cmocka_unit_test(maps_are_within_4_ulps_on_all_exponents),
        cmocka_unit_test(slopes_of_maps_are_right_on_all_exponents),
        cmocka_unit_test(exp_is_within_4_ulps_down_to_the_smallest_normal_numbers),
        cmocka_unit_test(maps_pass_nan_and_reach_their_limits),
        cmocka_unit_test(maps_are_what_torch_documents_at_their_kinks_and_ends),
        cmocka_unit_test(cross_entropy_never_overflows),
        cmocka_unit_test(cross_entropy_of_what_is_not_finite_is_not_finite),
        cmocka_unit_test(every_instruction_set_makes_the_same_bits),
        cmocka_unit_test(every_instruction_set_runs_layers_and_losses_to_the_same_bits),
        cmocka_unit_test(layers_that_are_not_there_are_refused_all_at_once),
        cmocka_unit_test(shapes_can_be_inferred_again_for_other_inputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
