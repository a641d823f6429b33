/* When each value lives, where it lies in the arena, and where threads must wait for each other. */
#include "plan/passes.h"

#define FOR_OPERANDS(s, v, i)                                             \
    for (size_t i = 0; i < MAX_IN + MAX_OUT + 1; i++)                     \
        for (value *v = i < MAX_IN             ? (s)->in[i]               \
                        : i < MAX_IN + MAX_OUT ? (s)->out[i - MAX_IN]     \
                                               : (s)->map_y;              \
             v; v = NULL)

static size_t value_bytes(const value *v) { return round_up(v->numbers * sizeof(real), 64); }

static void find_lifetimes(plan *p)
{
    builder *b = &p->build;
    size_t loss_step = 0;
    for (size_t i = 0; i < b->n_values; i++)
        b->values[i]->first = SIZE_MAX;
    for (size_t i = 0; i < b->n_steps; i++) {
        FOR_OPERANDS(b->steps[i], v, o)
        {
            v->first = MIN(v->first, i);
            v->last = i;
        }
        if (b->steps[i]->kernel == &b->k->mean)
            loss_step = i;
    }
    /* what a layer made is there until the loss is known, so that the first broken one can be named; results stay to the end */
    for (size_t i = 0; i < b->n_values; i++)
        if (b->values[i]->role == VALUE_FORWARD)
            b->values[i]->last = MAX(b->values[i]->last, loss_step);
    value *results[] = {p->logits, p->losses, p->mean, p->hits};
    for (size_t i = 0; i < COUNT(results); i++)
        if (results[i])
            results[i]->last = b->n_steps;
    for (size_t i = 0; i < p->spec.graph->n_nodes; i++)
        if (b->gradients[i])
            b->gradients[i]->last = b->n_steps;
    for (size_t i = 0; i < b->n_values && p->spec.keep_all; i++)
        b->values[i]->last = b->n_steps;
}

static bool in_arena(const value *v)
{
    return v->first != SIZE_MAX && v->role != VALUE_WEIGHTS && v->role != VALUE_BUFFERS && v->role != VALUE_PLACED;
}

static bool live_together(const value *a, const value *b) { return a->first <= b->last && b->first <= a->last; }

/* The lowest place where v meets no value that lives at the same time and has its place already: those before `index`. */
static size_t lowest_offset(const builder *b, size_t index)
{
    const value *v = b->values[index];
    size_t offset = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 0; i < index; i++) {
            const value *other = b->values[i];
            const bool meets = in_arena(other) && live_together(v, other) && offset < other->offset_bytes + value_bytes(other) &&
                               other->offset_bytes < offset + value_bytes(v);
            if (meets) {
                offset = other->offset_bytes + value_bytes(other);
                moved = true;
            }
        }
    }
    return offset;
}

static weft_status place_values(plan *p, weft_error *err)
{
    builder *b = &p->build;
    p->arena_bytes = 0;
    for (size_t i = 0; i < b->n_values; i++)
        if (in_arena(b->values[i])) {
            b->values[i]->offset_bytes = lowest_offset(b, i);
            p->arena_bytes = MAX(p->arena_bytes, b->values[i]->offset_bytes + value_bytes(b->values[i]));
        }
    char *base = arena_alloc(&p->memory, p->arena_bytes);
    if (!base)
        return fail_memory(err);
#ifdef WEFT_DEBUG
    for (size_t i = 0; i < p->arena_bytes / sizeof(real); i++)
        ((real *)base)[i] = __builtin_nanf(""); /* what is read before it is written shows */
#endif
    for (size_t i = 0; i < b->n_values; i++)
        if (in_arena(b->values[i]))
            b->values[i]->at.data = (real *)(base + b->values[i]->offset_bytes);
    for (size_t i = 0; i < p->spec.graph->n_nodes; i++) {
        if (b->weights[i])
            b->weights[i]->at.data = p->spec.weights[i];
        if (b->buffers[i])
            b->buffers[i]->at.data = p->spec.buffers[i];
    }
    return WEFT_OK;
}

static void fill_call(plan *p, step *s)
{
    const optimizer *o = p->spec.optimizer;
    s->call = (call){.fields = s->fields, .source = &p->source, .map = s->map, .map_grad = s->map_grad, .map_fields = s->map_fields,
                     .halt = &p->halt, .rows_first = p->spec.mode != PLAN_TRAIN,
                     .layer = s->node ? s->node->index : 0, .features = s->node ? s->node->in : 0, .treatment = s->treatment};
    for (size_t i = 0; i < N_COPIES && s->node && p->spec.copies; i++)
        s->call.copies[i] = p->spec.copies[s->node->index][i];
    for (size_t i = 0; i < MAX_IN; i++)
        if (s->in[i])
            s->call.in[i] = s->in[i]->at;
    for (size_t i = 0; i < MAX_OUT; i++)
        if (s->out[i])
            s->call.out[i] = s->out[i]->at;
    if (s->map_y)
        s->call.map_y = s->map_y->at;
    if (s->updates) {
        s->call.update = o->kind->update;
        s->call.hyper = optimizer_hyper(o, s->node->index, GROUP_WEIGHTS);
        s->call.descends = !s->treatment && o->kind->descends && o->kind->descends(o->fields);
        for (size_t i = 0; i < MAX_STATES; i++)
            s->call.state[i] = optimizer_keeps(o, i) ? o->state[s->node->index][i] : NULL;
    }
    s->n_tiles = s->kernel->tiles(&s->call);
}

static bool overlap(const value *a, const value *b)
{
    return a->at.data < b->at.data + b->numbers && b->at.data < a->at.data + a->numbers;
}

/* Whether `second` may not begin before all of `first` is done: one writes what the other touches, or it writes what lasts and
 * the first may still call a halt. */
static bool must_wait(const plan *p, const step *first, const step *second)
{
    if (second->lasts && may_call_halt(p, first))
        return true;
    FOR_OPERANDS(first, a, i)
    FOR_OPERANDS(second, b, j)
    {
        const bool writes = (i >= MAX_IN && i < MAX_IN + MAX_OUT) || (j >= MAX_IN && j < MAX_IN + MAX_OUT);
        if (writes && overlap(a, b))
            return true;
    }
    return false;
}

static void find_waits(plan *p)
{
    size_t begin = 0; /* of the steps since the last wait */
    for (size_t i = 0; i < p->build.n_steps; i++) {
        step *s = p->build.steps[i];
        for (size_t j = begin; j < i && !s->sync; j++)
            s->sync = must_wait(p, p->build.steps[j], s);
        for (size_t j = begin; j < i && s->sync; j++)
            s->may_halt |= may_call_halt(p, p->build.steps[j]);
        p->n_waits += s->sync;
        if (s->sync)
            begin = i;
    }
}

weft_status pass_layout(plan *p, weft_error *err)
{
    find_lifetimes(p);
    TRY(place_values(p, err));
    for (size_t i = 0; i < p->build.n_steps; i++)
        fill_call(p, p->build.steps[i]);
    for (size_t i = 0; i < p->build.n_steps; i++)
        p->flops += plan_step_cost(p->build.steps[i]).flops;
    p->n_waits = 1; /* at the end */
    find_waits(p);
    return WEFT_OK;
}
