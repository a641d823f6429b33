/* The list of ops, made by the build from the files of this folder, and how models and losses are read. */
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

const field node_training_fields[] = {
    {"lr", FIELD_REAL, offsetof(node_training, lr), 0, .min = 0, .max = 1e9, .value = {1},
     .help = "what the optimizer's learning rate is multiplied by for this layer; 0 leaves its parameters as they are"},
    {"init", FIELD_TEXT, offsetof(node_training, init), 0,
     .help = "the rule by which its weights begin, such as orthogonal or \"kaiming_normal relu\"; the layer's own where there is none"},
    {"bias_init", FIELD_TEXT, offsetof(node_training, bias_init), 0, .help = "the same of its bias: zeros, constant, uniform or normal"},
    {"l1", FIELD_REAL, offsetof(node_training, l1), 0, .min = 0, .max = 1e9,
     .help = "adds l1 sum |w| over its weights to what is minimised, though not to the reported losses; not of its bias"},
    {"l2", FIELD_REAL, offsetof(node_training, l2), 0, .min = 0, .max = 1e9,
     .help = "adds l2 sum w^2 over its weights to what is minimised, though not to the reported losses; not of its bias"},
    {0},
};

/* What a map says of an op. */
typedef struct op_settings {
    const op *op;
    void *fields;
    const field *table; /* of the op, and of its training where it has parameters */
    node_training training;
} op_settings;

static weft_status check_training(const node_training *t, where at, weft_error *err)
{
    if (t->lr == 0 && (t->l1 != 0 || t->l2 != 0))
        return fail(err, WEFT_BAD_INPUT, at, "with lr=0 the layer stays as it is, whatever the penalty; leave lr, or l1 and l2, out");
    return WEFT_OK;
}

/* Reads the op that a map names, and its fields. */
static weft_status read_op(op_settings *out, const setting *map, isa level, bool loss, arena *a, weft_error *err)
{
    static const char *const skip[] = {"name", NULL};
    const setting *name = map->kind == SETTING_MAP ? setting_find(map, "name") : NULL;
    if (!name || name->kind != SETTING_SCALAR)
        return fail(err, WEFT_BAD_INPUT, map->at, "a %s is written as its name and its settings, such as \"%s\"", loss ? "loss" : "layer",
                    loss ? "cross_entropy" : "linear 1000");
    const op *o = op_find(level, name->text, loss);
    if (!o)
        return refuse(level, name, loss, err);
    const size_t training_at = round_up(o->fields_bytes, sizeof(double));
    out->op = o;
    out->table = fields_join(o->fields, o->pack ? node_training_fields : NULL, training_at, a);
    out->fields = arena_alloc(a, training_at + sizeof out->training);
    char *what = arena_printf(a, "%s %s", loss ? "loss" : "layer", o->name);
    if (!out->table || !out->fields || !what)
        return fail_memory(err);
    out->training = (node_training){.lr = 1};
    TRY(fields_read(out->table, map, what, skip, out->fields, a, err));
    if (o->pack)
        memcpy(&out->training, (const char *)out->fields + training_at, sizeof out->training);
    return check_training(&out->training, map->at, err);
}

/* ---- The graph ---- */

/* What is being built, so that every function below has few arguments. */
typedef struct maker {
    graph *graph;
    isa level;
    arena *memory;
    weft_error *err;
} maker;

/* A list of layers: of the model, or of a block. */
typedef struct block {
    const setting *layers;
    const char *path; /* in front of its layers' numbers: "", "2." */
    size_t depth;
    size_t from; /* the node whose output it takes */
} block;

static weft_status check_list(const setting *layers, size_t depth, weft_error *err)
{
    if (!layers || layers->kind != SETTING_LIST)
        return fail(err, WEFT_BAD_INPUT, layers ? layers->at : (where){0}, "a model is a list of layers, such as [linear 1000, relu, linear 10]");
    if (depth > MAX_BLOCK_DEPTH)
        return fail(err, WEFT_BAD_INPUT, layers->at, "the model has blocks in blocks, more than %d deep, the limit", MAX_BLOCK_DEPTH);
    if (layers->first)
        return WEFT_OK;
    return fail(err, WEFT_BAD_INPUT, layers->at, depth ? "the block has no layers" : "the model has no layers; the least is [linear CLASSES]");
}

/* How many nodes the layers of a list become; what is no list has none. */
static size_t count_nodes(const setting *layers, size_t depth)
{
    size_t n = 0;
    for (const setting *s = layers && layers->kind == SETTING_LIST && depth <= MAX_BLOCK_DEPTH ? layers->first : NULL; s; s = s->next)
        n += 1 + (s->kind == SETTING_MAP ? count_nodes(setting_find(s, NULL), depth + 1) : 0);
    return n;
}

static node *add_node(maker *m, const setting *s, const char *path, size_t depth, size_t from)
{
    graph *g = m->graph;
    node *n = &g->nodes[g->n_nodes];
    *n = (node){.at = s->at, .index = g->n_nodes++, .path = path, .depth = depth, .n_from = 1, .from = {from}};
    return n;
}

static weft_status add_block(maker *m, const block *b, size_t *last);

/* The layers of a block, and the node that ends it. */
static weft_status add_join(maker *m, const op *o, const setting *s, const char *path, const block *outer, size_t *last)
{
    const setting *layers = setting_find(s, NULL);
    const block inner = {layers, arena_printf(m->memory, "%s.", path), outer->depth + 1, *last};
    if (!layers || layers->kind != SETTING_LIST)
        return fail(m->err, WEFT_BAD_INPUT, s->at, "%s takes a list of layers, as in {%s: [linear 256, relu, linear 256]}", o->name, o->name);
    for (const setting *other = s->first; other; other = other->next)
        if (other != layers && (!other->key || strcmp(other->key, "name") != 0))
            return fail(m->err, WEFT_BAD_INPUT, other->at, "%s takes one list of layers and nothing else", o->name);
    size_t end = *last;
    TRY(inner.path ? add_block(m, &inner, &end) : fail_memory(m->err));
    node *n = add_node(m, s, path, outer->depth, end);
    n->op = o;
    n->spec = o->name;
    n->from[n->n_from++] = *last;
    *last = n->index;
    return WEFT_OK;
}

/* Of the list's i-th item; *last is the node whose output it takes, and becomes its own. */
static weft_status add_layer(maker *m, const setting *s, size_t i, const block *b, size_t *last)
{
    const setting name = {SETTING_SCALAR, .key = "name", .text = s->text, .at = s->at, .key_at = s->at};
    const setting named = {SETTING_MAP, .first = (setting *)&name, .at = s->at, .key_at = s->at};
    const setting *map = s->kind == SETTING_SCALAR ? &named : s, *known = setting_find(map, "name");
    const char *path = arena_printf(m->memory, "%s%zu", b->path, i);
    const op *o = known && known->kind == SETTING_SCALAR ? op_find(m->level, known->text, false) : NULL;
    if (!path)
        return fail_memory(m->err);
    if (o && o->kind == OP_JOIN)
        return add_join(m, o, map, path, b, last);
    node *n = add_node(m, map, path, b->depth, *last);
    *last = n->index;
    op_settings read = {0};
    TRY(read_op(&read, map, m->level, false, m->memory, m->err));
    n->op = read.op;
    n->fields = read.fields;
    n->table = read.table;
    n->training = read.training;
    if (n->training.init)
        TRY(init_read(n->training.init, s->at, &n->init, m->memory, m->err));
    if (n->training.bias_init)
        TRY(init_read(n->training.bias_init, s->at, &n->bias_init, m->memory, m->err));
    n->spec = fields_spec(n->op->name, n->table, n->fields, false, m->memory);
    return n->spec ? WEFT_OK : fail_memory(m->err);
}

static weft_status add_block(maker *m, const block *b, size_t *last)
{
    weft_status status = check_list(b->layers, b->depth, m->err);
    size_t i = 0;
    for (const setting *s = status == WEFT_OK ? b->layers->first : NULL; s; s = s->next) {
        const weft_status one = add_layer(m, s, i++, b, last);
        status = status == WEFT_OK ? one : status;
    }
    return status;
}

weft_status graph_build(graph *g, const setting *layers, isa level, arena *a, weft_error *err)
{
    maker m = {g, level, a, err};
    size_t last = MODEL_INPUT;
    const size_t n = count_nodes(layers, 0);
    if (n > MAX_LAYERS)
        return fail(err, WEFT_BAD_INPUT, layers->at, "the model has more than %d layers, the limit", MAX_LAYERS);
    *g = (graph){.nodes = arena_array(a, MAX(n, 1), sizeof *g->nodes)};
    return g->nodes ? add_block(&m, &(block){layers, "", 0, last}, &last) : fail_memory(err);
}

/* The layer at depth `depth` that begins with node *i: a node of that depth, or all those of deeper ones up to the node that ends them. */
static void add_text(const graph *g, size_t *i, size_t depth, bool complete, text *t)
{
    if (g->nodes[*i].depth == depth) {
        const node *n = &g->nodes[(*i)++];
        text_add(t, complete ? n->op->name : n->spec);
        text_add(t, complete && n->table->name ? " " : "");
        if (complete)
            fields_print(n->table, n->fields, "%s=%s", " ", t);
        return;
    }
    text inner = {0};
    for (bool first = true; g->nodes[*i].depth > depth; first = false) {
        text_add(&inner, first ? "" : ", ");
        add_text(g, i, depth + 1, complete, &inner);
    }
    text_printf(t, "%s [%s]", g->nodes[(*i)++].op->name, inner.data ? inner.data : "");
    t->failed |= inner.failed;
    text_free(&inner);
}

void graph_add_layer(const graph *g, size_t *i, bool complete, text *t) { add_text(g, i, 0, complete, t); }

weft_status loss_read(const op **loss, const void **fields, const setting *map, isa level, arena *a, weft_error *err)
{
    op_settings read = {0};
    const weft_status status = read_op(&read, map, level, true, a, err);
    *loss = read.op;
    *fields = read.fields;
    return status;
}
