/* From what a user wrote to the settings of a run, and to their texts. */
#include <assert.h>
#include <string.h>

#include "lab/parts.h"
#include "op/op.h"
#include "optim/optim.h"

typedef struct model_part {
    const setting *source;
    weft_status status;
    setting *layers;
    const char *spec;  /* on one line, for people: "linear 1000, relu, linear 10" */
    const char *items; /* for config.yaml, every default written out */
    struct model_part *next;
} model_part;

static const field no_fields[] = {{0}};

static const field *or_none(const field *table) { return table ? table : no_fields; }

/* The text in the arena, and the original given back. NULL: no memory. */
static const char *keep(text *t, arena *a)
{
    const char *kept = t->failed ? NULL : arena_text(a, t->data ? t->data : "");
    text_free(t);
    return kept;
}

/* ---- The model ---- */

/* A list item that is a text may hold several layers, as the whole model may be one text. */
static weft_status add_layers(setting ***link, const setting *item, arena *a, weft_error *err)
{
    setting *list = setting_list_from_specs(a, item->text, item->at, err);
    if (!list)
        return WEFT_BAD_INPUT;
    **link = list->first;
    while (**link)
        *link = &(**link)->next;
    return WEFT_OK;
}

static weft_status read_layers(setting *layers, const setting *model, arena *a, weft_error *err);

/* {residual: [linear 256, relu]} as {name: residual, NULL: [...]}; a map that says its name stays as it is. */
static weft_status unfold_block(setting *map, arena *a, weft_error *err)
{
    const setting *block = map->kind == SETTING_MAP ? map->first : NULL;
    if (!block || block->next || block->kind != SETTING_LIST)
        return WEFT_OK;
    setting *name = arena_alloc(a, sizeof *name), *layers = arena_alloc(a, sizeof *layers);
    if (!name || !layers)
        return fail_memory(err);
    *name = (setting){SETTING_SCALAR, .key = "name", .text = block->key, .next = layers, .at = block->key_at, .key_at = block->key_at};
    map->first = name;
    return read_layers(layers, block, a, err);
}

static weft_status add_item(setting ***link, const setting *item, arena *a, weft_error *err)
{
    if (item->kind == SETTING_SCALAR && !item->text[strspn(item->text, " \t\n")])
        return fail(err, WEFT_BAD_INPUT, item->at, "a layer is missing here; it is written as in linear 1000");
    if (item->kind == SETTING_SCALAR)
        return add_layers(link, item, a, err);
    setting *copy = arena_alloc(a, sizeof *copy);
    if (!copy)
        return fail_memory(err);
    *copy = *item;
    copy->next = NULL;
    **link = copy;
    *link = &copy->next;
    return unfold_block(copy, a, err);
}

/* The model as a list of maps {name: linear, NULL: 1000}. */
static weft_status read_layers(setting *layers, const setting *model, arena *a, weft_error *err)
{
    *layers = (setting){SETTING_LIST, .at = model->at, .key_at = model->key_at};
    setting **link = &layers->first;
    weft_status status = WEFT_OK;
    if (model->kind == SETTING_SCALAR)
        return add_layers(&link, model, a, err);
    for (const setting *item = model->first; item; item = item->next)
        if (add_item(&link, item, a, err) != WEFT_OK)
            status = WEFT_BAD_INPUT;
    return status;
}

static weft_status print_model(model_part *part, const graph *g, arena *a)
{
    text spec = {0}, items = {0};
    for (size_t i = 0, j = 0; i < g->n_nodes;) {
        text item = {0};
        text_add(&spec, i ? ", " : "");
        graph_add_layer(g, &i, false, &spec);
        text_add(&items, "\n  - ");
        graph_add_layer(g, &j, true, &item);
        yaml_print_scalar(item.data ? item.data : "", &items);
        items.failed |= item.failed;
        text_free(&item);
    }
    part->spec = keep(&spec, a);
    part->items = keep(&items, a);
    return part->spec && part->items ? WEFT_OK : WEFT_NO_MEMORY;
}

/* How much is written of a model: before all of it is taken apart. */
static size_t written_bytes(const setting *s)
{
    enum { EACH = 8 };
    size_t sum = EACH + (s->kind == SETTING_SCALAR ? strlen(s->text) : 0);
    for (const setting *child = s->kind == SETTING_SCALAR ? NULL : s->first; child; child = child->next)
        sum += written_bytes(child);
    return sum;
}

static weft_status read_model(resolver *r, model_part *part)
{
    enum { LAYER_BYTES = 128 };
    graph g = {0};
    if (written_bytes(part->source) > MAX_LAYERS * LAYER_BYTES)
        return fail(r->err, WEFT_BAD_INPUT, part->source->at, "the model is written at more length than %d layers take, the limit", MAX_LAYERS);
    weft_status status = read_layers(part->layers, part->source, r->memory, r->err);
    /* what could be read of a broken list is checked, too; that nothing is left of it is no news */
    if (status == WEFT_OK || part->layers->first) {
        const weft_status built = graph_build(&g, part->layers, r->level, r->memory, r->err);
        status = status == WEFT_OK ? built : status;
    }
    if (status == WEFT_OK && print_model(part, &g, r->memory) != WEFT_OK)
        return fail_memory(r->err);
    return status;
}

static const model_part *find_model(resolver *r, const setting *source)
{
    for (model_part *p = r->models; p; p = p->next)
        if (p->source->first == source->first && p->source->text == source->text)
            return p;
    model_part *part = arena_alloc(r->memory, sizeof *part);
    setting *layers = arena_alloc(r->memory, sizeof *layers);
    if (!part || !layers) {
        fail_memory(r->err);
        return NULL;
    }
    *part = (model_part){.source = source, .layers = layers, .next = r->models};
    r->models = part;
    part->status = read_model(r, part);
    return part;
}

/* ---- The sections ---- */

enum { MAX_FIELDS = 32 };

/* Fields of which none is required: what is missing may still come from a variant. */
static const field *relax(const field *table, field relaxed[MAX_FIELDS])
{
    const size_t n = fields_count(table);
    assert(n < MAX_FIELDS);
    memcpy(relaxed, table, (n + 1) * sizeof *table);
    for (size_t i = 0; i < n; i++)
        relaxed[i].flags &= ~(unsigned)FIELD_REQUIRED;
    return relaxed;
}

/* A section of plain fields. Without `complete` nothing in it is required. */
static void read_section(resolver *r, const setting *all, const char *name, const field *table, bool complete,
                         void *out)
{
    field relaxed[MAX_FIELDS];
    setting nothing = {SETTING_MAP, .at = {.file = all->at.file}};
    bool wrong;
    const setting *map = sections_find(all, name, &wrong);
    if (!wrong)
        fields_read(complete ? table : relax(table, relaxed), map ? map : &nothing, name, NULL, out, r->memory, r->err);
}

/* Names that a look tells to be wrong, and what this CPU cannot, where they stand; what a data set or file holds is seen when it is opened. */
static void check_names(resolver *r, const setting *all, const run_settings *s)
{
    size_t n;
    const catalogue_entry *known = catalogue(&n);
    const setting *set = setting_find(setting_find(all, "data"), "set");
    const setting *init = setting_find(setting_find(all, "train"), "init");
    const setting *precision = setting_find(setting_find(all, "train"), "precision");
    const setting *clip = setting_find(setting_find(all, "train"), "clip_grad_value");
    const setting *average = setting_find(setting_find(all, "train"), "average");
    kernels unused;
    if (average && s->train.average.name)
        average_check(&s->train.average, average->at, r->err);
    if (set && s->data.set && !folder_exists(s->data.set) && strchr(s->data.set, '/'))
        fail(r->err, WEFT_BAD_INPUT, set->at, "there is no folder \"%s\" that could hold a data set", s->data.set);
    else if (set && s->data.set && !folder_exists(s->data.set) && !catalogue_find(s->data.set))
        fail_unknown(r->err, set->at, "data set", s->data.set, &known[0].name, n, sizeof *known);
    if (precision && s->train.precision)
        precision_kernels(s->train.precision, r->level, precision->at, &unused, r->err);
    if (clip && s->train.clip_grad_norm > 0 && s->train.clip_grad_value > 0)
        fail(r->err, WEFT_BAD_INPUT, clip->key_at, "gradients are clipped by their norm or by their value; leave clip_grad_norm or "
             "clip_grad_value out");
    if (init && s->train.init && !file_exists(s->train.init))
        fail(r->err, WEFT_BAD_INPUT, init->at, "there is no file \"%s\" to start from", s->train.init);
}

/* The rules for the whole model, where they stand. */
static void check_init(resolver *r, const setting *all, const usual_init *rules)
{
    const setting *section = setting_find(all, "init"), *weight = setting_find(section, "weight"), *bias = setting_find(section, "bias");
    initialiser unused;
    if (weight && rules->weight)
        init_read(rules->weight, weight->at, &unused, r->memory, r->err);
    if (bias && rules->bias)
        init_read_bias(rules->bias, bias->at, &unused, r->memory, r->err);
}

static void flatten(resolver *r, const char *key, const char *value)
{
    setting *made = r->flat_end ? arena_alloc(r->memory, sizeof *made) : NULL;
    if (made)
        *made = (setting){SETTING_SCALAR, .key = key, .text = value};
    if (made)
        *r->flat_end = made;
    r->flat_end = made ? &made->next : NULL;
}

/* {name: adam, lr: 0.001, …}, for config.yaml; and flat, as "optimizer" and "optimizer.lr". */
static const char *flow_map(resolver *r, const char *section, const char *name, const field *table, const void *fields)
{
    text t = {0};
    text_printf(&t, "{name: %s%s", name, table->name ? ", " : "");
    fields_print(table, fields, "%s: %s", ", ", &t);
    text_add(&t, "}");
    flatten(r, section, name);
    if (r->flat_end)
        r->flat_end = fields_flatten(table, fields, section, r->flat_end, r->memory);
    return keep(&t, r->memory);
}

static const char *resolve_loss(resolver *r, const setting *all, run_settings *s)
{
    bool wrong;
    const op *loss;
    const void *fields;
    s->loss = sections_find(all, "loss", &wrong);
    if (!s->loss || loss_read(&loss, &fields, s->loss, r->level, r->memory, r->err) != WEFT_OK)
        return NULL;
    s->loss_text = fields_spec(loss->name, loss->fields, fields, false, r->memory);
    return flow_map(r, "loss", loss->name, or_none(loss->fields), fields);
}

/* What a variant may complete is checked field by field: nesterov may still get its momentum. */
static void check_fields(resolver *r, const setting *map, const char *what, const char *name, const field *table, void *values)
{
    static const char *const skip[] = {"name", NULL};
    field relaxed[MAX_FIELDS];
    const char *whole = arena_printf(r->memory, "%s %s", what, name);
    if (whole)
        fields_read(relax(table, relaxed), map, whole, skip, values, r->memory, r->err);
}

static void check_optimizer(resolver *r, const setting *map)
{
    optimizer unused;
    const setting *name = setting_find(map, "name");
    const optim *kind = name && name->kind == SETTING_SCALAR ? optim_find(r->level, name->text) : NULL;
    void *values = NULL;
    const field *table = kind ? optimizer_table(kind, &values, r->memory) : NULL;
    if (table)
        check_fields(r, map, "optimizer", kind->name, table, values);
    else
        optimizer_read(&unused, map, r->level, r->memory, r->err);
}

static const char *resolve_optimizer(resolver *r, const setting *all, bool complete, run_settings *s)
{
    bool wrong;
    optimizer o;
    s->optimizer = sections_find(all, "optimizer", &wrong);
    if (s->optimizer && !complete)
        check_optimizer(r, s->optimizer);
    if (!s->optimizer || !complete || optimizer_read(&o, s->optimizer, r->level, r->memory, r->err) != WEFT_OK)
        return NULL;
    if (plan_check_groups(&o, r->level, s->optimizer, r->err) != WEFT_OK)
        return NULL;
    s->optimizer_text = fields_spec(o.kind->name, o.table, o.fields, true, r->memory);
    return flow_map(r, "optimizer", o.kind->name, o.table, o.fields);
}

static void check_schedule(resolver *r, const setting *map)
{
    scheduler unused;
    void *values;
    const setting *name = setting_find(map, "name");
    const schedule *kind = name && name->kind == SETTING_SCALAR ? schedule_find(name->text) : NULL;
    const field *table = kind ? scheduler_table(kind, &values, r->memory) : NULL;
    if (table)
        check_fields(r, map, "schedule", kind->name, table, values);
    else
        scheduler_read(&unused, map, r->memory, r->err);
}

static const char *resolve_schedule(resolver *r, const setting *all, bool complete, run_settings *s)
{
    bool wrong;
    scheduler made;
    s->schedule = sections_find(all, "schedule", &wrong);
    if (s->schedule && !complete)
        check_schedule(r, s->schedule);
    if (!s->schedule || !complete || scheduler_read(&made, s->schedule, r->memory, r->err) != WEFT_OK)
        return NULL;
    s->schedule_text = scheduler_text(&made, r->memory);
    return flow_map(r, "schedule", made.kind->name, made.table, made.values);
}

static const char *resolve_model(resolver *r, const setting *all, bool complete, run_settings *s)
{
    bool wrong;
    const setting *source = sections_find(all, "model", &wrong);
    if (!source && !wrong && complete)
        fail(r->err, WEFT_BAD_INPUT, (where){.file = all->at.file},
             "model is missing; write it as in model: [linear 1000, relu, linear 10], at the top or in every variant");
    const model_part *part = source ? find_model(r, source) : NULL;
    if (!part || part->status != WEFT_OK)
        return NULL;
    s->model = part->layers;
    s->model_text = part->spec;
    flatten(r, "model", part->spec);
    return part->items;
}

/* Everything of config.yaml but the section that a seed changes. */
static const char *config_head(const run_settings *s, const char *model, const char *loss, const char *optimizer,
                               const char *schedule_map, arena *a)
{
    text t = {0};
    if (*s->variant) {
        text_add(&t, "# variant: ");
        yaml_print_scalar(s->variant, &t);
        text_add(&t, "\n");
    }
    if (*s->title) {
        text_add(&t, "title: ");
        yaml_print_scalar(s->title, &t);
        text_add(&t, "\n");
    }
    text_add(&t, "data: {");
    fields_print(data_fields, &s->data, "%s: %s", ", ", &t);
    text_printf(&t, "}\nmodel:%s\n", model);
    if (s->init.weight || s->init.bias) {
        text_add(&t, "init: {");
        fields_print(usual_init_fields, &s->init, "%s: %s", ", ", &t);
        text_add(&t, "}\n");
    }
    text_printf(&t, "loss: %s\noptimizer: %s\nschedule: %s\ncheckpoint: {", loss, optimizer, schedule_map);
    fields_print(checkpoint_fields, &s->checkpoint, "%s: %s", ", ", &t);
    text_add(&t, "}\n");
    return keep(&t, a);
}

weft_status resolve_config(const variant *v, run_settings *s, arena *a, weft_error *err)
{
    text t = {0};
    text_printf(&t, "%strain: {", v->config_head);
    fields_print(train_fields, &s->train, "%s: %s", ", ", &t);
    text_add(&t, "}\n");
    s->config = keep(&t, a);
    setting *flat = arena_alloc(a, sizeof *flat), **end = NULL;
    if (flat) {
        *flat = (setting){.kind = SETTING_MAP};
        end = fields_flatten(train_fields, &s->train, "train", &flat->first, a);
    }
    if (end)
        *end = v->flat_rest; /* which variants of several seeds share */
    s->flat = flat;
    return s->config && end ? WEFT_OK : fail_memory(err);
}

weft_status resolve(resolver *r, const setting *all, bool complete, variant *v)
{
    run_settings *s = &v->settings;
    const int before = r->err->count;
    r->flat_end = complete ? &v->flat_rest : NULL;
    read_section(r, all, "data", data_fields, complete, &s->data);
    if (r->flat_end)
        r->flat_end = fields_flatten(data_fields, &s->data, "data", r->flat_end, r->memory);
    const char *model = resolve_model(r, all, complete, s);
    read_section(r, all, "init", usual_init_fields, complete, &s->init);
    if (r->flat_end)
        r->flat_end = fields_flatten(usual_init_fields, &s->init, "init", r->flat_end, r->memory);
    const char *loss = resolve_loss(r, all, s);
    const char *optimizer_map = resolve_optimizer(r, all, complete, s);
    const char *schedule_map = resolve_schedule(r, all, complete, s);
    read_section(r, all, "checkpoint", checkpoint_fields, complete, &s->checkpoint);
    read_section(r, all, "train", train_fields, complete, &s->train);
    check_names(r, all, s);
    check_init(r, all, &s->init);
    if (r->err->count > before || !complete)
        return r->err->count > before ? WEFT_BAD_INPUT : WEFT_OK;
    /* no mistake, and yet no text: what is wrong was reported before, or memory ran out */
    if (!model || !loss || !optimizer_map || !schedule_map)
        return WEFT_BAD_INPUT;
    v->config_head = config_head(s, model, loss, optimizer_map, schedule_map, r->memory);
    return s->loss_text && s->optimizer_text && s->schedule_text && v->config_head && r->flat_end ? WEFT_OK : fail_memory(r->err);
}
