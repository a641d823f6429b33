/* How ops emit steps. */
#include "graph/graph.h"

/* Room for one more pointer or step in an array of the builder's; the old array stays in the arena. */
static void *grow(builder *b, void *old, size_t n, size_t *max, size_t bytes_each)
{
    if (n < *max)
        return old;
    const size_t larger = MAX(16, 2 * *max);
    void *array = arena_array(b->memory, larger, bytes_each);
    if (!array)
        return NULL;
    if (n)
        __builtin_memcpy(array, old, n * bytes_each);
    *max = larger;
    return array;
}

static value *new_value(builder *b, value_role role, const char *name, const node *n)
{
    value **values = grow(b, b->values, b->n_values, &b->max_values, sizeof *values);
    value *v = arena_alloc(b->memory, sizeof *v);
    char *own_name = n ? arena_printf(b->memory, "%s%s", name, n->path) : arena_text(b->memory, name);
    if (values)
        b->values = values;
    if (!values || !v || !own_name) {
        b->failed = true;
        b->lost_value = (value){.name = ""};
        return &b->lost_value;
    }
    *v = (value){.name = own_name, .role = role};
    return values[b->n_values++] = v;
}

static value *new_matrix(builder *b, value_role role, const char *name, const node *n, operand shape)
{
    value *v = new_value(b, role, name, n);
    v->at = shape;
    v->numbers = operand_numbers(&shape);
    return v;
}

value *builder_matrix(builder *b, value_role role, const char *name, const node *n, size_t rows, size_t cols)
{
    return new_matrix(b, role, name, n, (operand){NULL, rows, cols, panel_width(cols)});
}

value *builder_placed(builder *b, const char *name, const node *n, operand at) { return new_matrix(b, VALUE_PLACED, name, n, at); }

value *builder_value(builder *b, value_role role, const char *name, const node *n, size_t cols)
{
    return builder_matrix(b, role, name, n, b->batch, cols);
}


value *builder_weights(builder *b, const node *n)
{
    if (!b->weights[n->index])
        b->weights[n->index] = new_matrix(b, VALUE_WEIGHTS, "w", n, n->block);
    return b->weights[n->index];
}

value *builder_gradient(builder *b, const node *n)
{
    if (!b->gradients[n->index])
        b->gradients[n->index] = new_matrix(b, VALUE_GRADIENT, "dw", n, n->block);
    return b->gradients[n->index];
}

value *builder_buffers(builder *b, const node *n)
{
    if (!b->buffers[n->index])
        b->buffers[n->index] = new_matrix(b, VALUE_BUFFERS, "running", n, n->buffer_block);
    return b->buffers[n->index];
}

value *builder_keep(builder *b, const node *n, value *v) { return b->kept[n->index] = v; }

value *builder_kept(const builder *b, const node *n) { return b->kept[n->index]; }

step *builder_step(builder *b, const char *name, const kernel *k, const node *n)
{
    step **steps = grow(b, b->steps, b->n_steps, &b->max_steps, sizeof *steps);
    step *s = arena_alloc(b->memory, sizeof *s);
    char *own_name = arena_text(b->memory, name);
    if (steps)
        b->steps = steps;
    if (!steps || !s || !own_name) {
        b->failed = true;
        return &b->lost_step;
    }
    *s = (step){.name = own_name, .kernel = k, .node = n, .fields = n ? n->fields : NULL};
    return steps[b->n_steps++] = s;
}

value *builder_in_form(builder *b, value *x, form f)
{
    static const char *const signs[N_FORMS] = {
        [FORM_TRANSPOSED] = "^T", [FORM_LEFT] = " left", [FORM_RIGHT] = " right", [FORM_LEFT_TRANSPOSED] = "^T left",
        [FORM_RIGHT_TRANSPOSED] = "^T right",
    };
    if (f == FORM_PLAIN || x->forms[f])
        return f == FORM_PLAIN ? x : x->forms[f];
    char name[64];
    snprintf(name, sizeof name, "%s%s", x->name, signs[f]);
    step *s = builder_step(b, b->k->forms[f].name, &b->k->forms[f], NULL);
    s->in[0] = x;
    return x->forms[f] = s->out[0] = new_matrix(b, x->role, name, NULL, operand_in_form(&x->at, f));
}
