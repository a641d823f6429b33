/* Every kernel in many shapes. */
#include <string.h>

#include "measure/inside.h"

/* The tutorial's come first; then wider and narrower layers, and larger and smaller batches. Two linear layers in a row have nothing fused into
 * them. */
static const network shapes[] = {
    {784, "linear 1000, relu, linear 10", 32, NULL, NULL, 0},
    {784, "linear 1000, relu, linear 512, relu, linear 10", 32, NULL, NULL, 0},
    {784, "linear 10", 32, NULL, NULL, 0},
    {17, "linear 100, linear 100, relu, linear 17", 32, NULL, NULL, 0},
    /* from here on not when it must be quick */
    {784, "linear 1000, linear 512", 32, NULL, NULL, 0},
    {784, "linear 1000, relu, linear 10", 1, NULL, NULL, 0},
    {784, "linear 1000, relu, linear 10", 256, NULL, NULL, 0},
    {1000, "linear 1000, relu, linear 1000", 32, NULL, NULL, 0},
    {17, "linear 4096, linear 4096", 32, NULL, NULL, 0},
};
enum { QUICK_SHAPES = 4 };
static const double BUDGET = 0.02, QUICK_BUDGET = 0.001;

static double budget(const measure *m, size_t team) { return m->quick ? QUICK_BUDGET : team ? 2 * BUDGET : BUDGET; }

typedef struct sweeping {
    measure *m;
    void (*hear)(void *self, const measure *m, const kernel_figure *f);
    void *self;
    const char *const *optimizers;
    const char **done; /* what was measured already */
    size_t n_done, max_done;
    arena memory;
    weft_error *err;
} sweeping;

/* ---- One step ---- */

static void print_shapes(value *const *values, size_t n, const char *before, text *t)
{
    for (size_t i = 0; i < n && values[i]; i++)
        text_printf(t, "%s%zux%zu", i ? " " : before, values[i]->at.rows, values[i]->at.cols);
}

/* Notes that something is measured; false: it was before. */
static bool is_new(sweeping *s, const char *key)
{
    for (size_t i = 0; i < s->n_done; i++)
        if (strcmp(s->done[i], key) == 0)
            return false;
    if (s->n_done == s->max_done) {
        const size_t more = 2 * s->max_done + 64;
        const char **grown = arena_array(&s->memory, more, sizeof *grown);
        if (!grown)
            return true;
        for (size_t i = 0; i < s->n_done; i++)
            grown[i] = s->done[i];
        s->done = grown;
        s->max_done = more;
    }
    s->done[s->n_done++] = key;
    return true;
}

static weft_status measure_call(sweeping *s, kernel_figure *f, const kernel *k, const call *c)
{
    const char *key = arena_printf(&s->memory, "%s %s %s", f->kernel, f->with, f->shapes);
    if (!key)
        return fail_memory(s->err);
    if (!is_new(s, key))
        return WEFT_OK;
    for (size_t t = 0; t < s->m->machine.n_teams; t++) {
        const double seconds = best_call_seconds(k, c, s->m->pools[t], budget(s->m, t));
        f->teams[t] = machine_judge(&s->m->machine, t, &f->cost, seconds);
    }
    s->hear(s->self, s->m, f);
    return WEFT_OK;
}

/* optimizer: of the step's plan. */
static weft_status measure_step(sweeping *s, const step *step, const batch *b, const char *optimizer)
{
    text shapes = {0};
    print_shapes(step->in, MAX_IN, "", &shapes);
    if (step->map_y)
        text_printf(&shapes, " %zux%zu", step->map_y->at.rows, step->map_y->at.cols);
    print_shapes(step->out, MAX_OUT, step->in[0] ? " -> " : "-> ", &shapes);
    const bool of_map = step->node && step->node->op->kind == OP_MAP;
    kernel_figure f = {.kernel = step->kernel->name,
                       .with = step->updates ? optimizer : step->fused ? step->fused : of_map ? step->node->op->name : "",
                       .shapes = arena_text(&s->memory, shapes.data ? shapes.data : ""),
                       .cost = plan_step_cost(step)};
    text_free(&shapes);
    if (!step->in[0]) { /* what it reads are samples */
        const double bytes = (double)(step->out[0]->at.rows * step->out[0]->at.cols * (b->bytes ? 1 : sizeof(float)));
        f.cost.read_bytes += bytes;
        f.cost.resident_bytes += bytes;
    }
    return f.shapes ? measure_call(s, &f, step->kernel, &step->call) : fail_memory(s->err);
}

/* ---- All steps of a network's plans ---- */

static weft_status measure_plan(sweeping *s, subject *of, plan_mode mode, optimizer *o, const char *spec)
{
    plan *p = subject_plan(of, mode, o, s->err);
    if (!p)
        return WEFT_NO_MEMORY;
    weft_status status = WEFT_OK;
    for (size_t i = 0; i < plan_n_steps(p) && status == WEFT_OK; i++)
        status = measure_step(s, plan_step(p, i), &of->batch, spec);
    plan_free(p);
    return status;
}

/* optimizer: NULL: gradients stay in memory, and what only evaluating does is measured, too. */
static weft_status measure_network(sweeping *s, const network *n, const char *spec)
{
    subject of;
    TRY(subject_open(&of, n, spec, n->batch, s->err));
    weft_status status = measure_plan(s, &of, PLAN_TRAIN, spec ? subject_still_optimizer(&of) : NULL, spec);
    if (status == WEFT_OK && !spec)
        status = measure_plan(s, &of, PLAN_EVALUATE, NULL, NULL);
    subject_close(&of);
    return status;
}

static weft_status measure_shapes(sweeping *s)
{
    for (size_t i = 0; i < (s->m->quick ? QUICK_SHAPES : COUNT(shapes)); i++) {
        TRY(measure_network(s, &shapes[i], NULL));
        for (const char *const *spec = s->optimizers; *spec; spec++)
            TRY(measure_network(s, &shapes[i], *spec));
    }
    return WEFT_OK;
}

/* ---- What those networks do not have ---- */

/* A network that has an op between two products. The first of two maps in a row is fused into the product before them, and the second's
 * gradient into the one behind. */
static const char *layers_around(const op *o, arena *a)
{
    if (o->kind == OP_LOSS)
        return "linear 1000";
    if (o->kind == OP_JOIN)
        return arena_printf(a, "linear 1000, %s [linear 1000], linear 10", o->name);
    const char *spec = o->cases[0].spec;
    return arena_printf(a, o->kind == OP_MAP ? "linear 1000, %s, %s, linear 10" : "linear 1000, %s, linear 10", spec, spec);
}

static weft_status measure_ops(sweeping *s)
{
    for (const op *const *o = op_table(s->m->level); *o; o++) {
        if ((*o)->kind == OP_MAP && !(*o)->map)
            continue;
        const char *layers = layers_around(*o, &s->memory);
        if (!layers)
            return fail_memory(s->err);
        TRY(measure_network(s, &(network){17, layers, 32, (*o)->kind == OP_LOSS ? (*o)->cases[0].spec : NULL, NULL, 0}, NULL));
    }
    return measure_network(s, &(network){784, "linear 1000", 32, NULL, NULL, 1}, s->optimizers[0]); /* and what clips a norm */
}

/* The update that no weight gradient takes along. */
static weft_status measure_update(sweeping *s, const char *spec)
{
    static const network n = {784, "linear 1000", 1, NULL, NULL, 0};
    subject of;
    TRY(subject_open(&of, &n, spec, n.batch, s->err));
    const kernel *k = &of.model->kernels->update;
    optimizer *o = subject_still_optimizer(&of);
    operand w = of.model->graph.nodes[0].block;
    w.data = of.model->weights[0];
    operand gradient = w;
    gradient.data = of.trainer->last_good[0]; /* as large as the weights, and not used for anything here */
    optimizer_begin(o);
    call c = {.in = {gradient}, .out = {w}, .update = o->kind->update, .hyper = o->hyper};
    for (size_t i = 0; i < MAX_STATES; i++)
        c.state[i] = o->state[0][i];
    const double bytes = (double)(w.rows * w.cols) * sizeof(real), kept = bytes * (double)(1 + o->n_states);
    kernel_figure f = {.kernel = k->name, .with = spec, .shapes = arena_printf(&s->memory, "%zux%zu -> %zux%zu", w.rows, w.cols, w.rows, w.cols),
                       .cost = {.read_bytes = bytes, .moved_bytes = 2 * kept, .resident_bytes = bytes + kept}};
    const weft_status status = f.shapes ? measure_call(s, &f, k, &c) : fail_memory(s->err);
    subject_close(&of);
    return status;
}

weft_status measure_kernels(measure *m, void (*hear)(void *self, const measure *m, const kernel_figure *f), void *self, weft_error *err)
{
    sweeping s = {.m = m, .hear = hear, .self = self, .optimizers = optimizer_specs(m->level, &m->memory, err), .err = err};
    weft_status status = s.optimizers ? measure_shapes(&s) : WEFT_BAD_INPUT;
    if (status == WEFT_OK)
        status = measure_ops(&s);
    for (const char *const *spec = s.optimizers; status == WEFT_OK && *spec; spec++)
        status = measure_update(&s, *spec);
    arena_deinit(&s.memory);
    return status;
}
