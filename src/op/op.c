/* The list of ops, made by the build from the files of this folder, and how layers and losses are read. */
#include <string.h>

#include "op/op.h"

#define LIST(isa, ...) extern const op __VA_ARGS__;
#define X(isa, name) op_##name##_##isa
#include "gen/op.inc"
#undef LIST
#undef X

#define LIST(isa, ...) [ISA_##isa] = (const op *const[]){__VA_ARGS__, NULL},
#define X(isa, name) &op_##name##_##isa
static const op *const *const tables[N_ISAS] = {
#include "gen/op.inc"
};

const op *const *op_table(isa level) { return tables[level]; }

const op *op_find(isa level, const char *name, bool loss)
{
    for (const op *const *o = op_table(level); *o; o++)
        if (strcmp((*o)->name, name) == 0 && ((*o)->kind == OP_LOSS) == loss)
            return *o;
    return NULL;
}

static weft_status refuse(isa level, const setting *name, bool loss, weft_error *err)
{
    const char *names[64];
    size_t n = 0;
    for (const op *const *o = op_table(level); *o && n < COUNT(names); o++)
        if (((*o)->kind == OP_LOSS) == loss)
            names[n++] = (*o)->name;
    return fail_unknown(err, name->at, loss ? "loss" : "layer", name->text, names, n, sizeof *names);
}

/* Reads the op that a map names, and its fields. */
static weft_status read_op(const op **found, const void **fields, const setting *map, isa level, bool loss, arena *a, weft_error *err)
{
    static const field none[] = {{0}};
    static const char *const skip[] = {"name", NULL};
    const setting *name = map->kind == SETTING_MAP ? setting_find(map, "name") : NULL;
    if (!name || name->kind != SETTING_SCALAR)
        return fail(err, WEFT_BAD_INPUT, map->at, "a %s is written as its name and its settings, such as \"%s\"", loss ? "loss" : "layer",
                    loss ? "cross_entropy" : "linear 1000");
    const op *o = op_find(level, name->text, loss);
    if (!o)
        return refuse(level, name, loss, err);
    void *values = arena_alloc(a, MAX(o->fields_bytes, 1));
    char *what = arena_printf(a, "%s %s", loss ? "loss" : "layer", o->name);
    if (!values || !what)
        return fail_memory(err);
    *found = o;
    *fields = values;
    return fields_read(o->fields ? o->fields : none, map, what, skip, values, a, err);
}

weft_status graph_build(graph *g, const setting *layers, isa level, arena *a, weft_error *err)
{
    if (layers->kind != SETTING_LIST)
        return fail(err, WEFT_BAD_INPUT, layers->at, "a model is a list of layers, such as [linear 1000, relu, linear 10]");
    weft_status status = WEFT_OK;
    for (const setting *s = layers->first; s; s = s->next)
        g->n_nodes++;
    if (!g->n_nodes)
        return fail(err, WEFT_BAD_INPUT, layers->at, "the model has no layers; the least is [linear CLASSES]");
    g->nodes = arena_array(a, g->n_nodes, sizeof *g->nodes);
    if (!g->nodes)
        return fail_memory(err);
    size_t i = 0;
    for (const setting *s = layers->first; s; s = s->next, i++) {
        node *n = &g->nodes[i];
        n->layer = i;
        n->at = s->at;
        const weft_status one = read_op(&n->op, &n->fields, s, level, false, a, err);
        if (one == WEFT_OK && !(n->spec = fields_spec(n->op->name, n->op->fields, n->fields, false, a)))
            return fail_memory(err);
        if (one != WEFT_OK)
            status = one;
    }
    return status;
}

weft_status loss_read(const op **loss, const void **fields, const setting *map, isa level, arena *a, weft_error *err)
{
    return read_op(loss, fields, map, level, true, a, err);
}
