/* The keys at the top of an experiment: which there are, in which forms they are written. */
#include <string.h>

#include "lab/parts.h"

enum { SCALAR = 1 << SETTING_SCALAR, LIST = 1 << SETTING_LIST, MAP = 1 << SETTING_MAP };

/* What a spec such as "sgd 0.1" names: the fields that tell which keys its bare values have. NULL: no such thing. */
typedef const field *fields_of(const char *name, isa level);

typedef struct section {
    const char *name;
    unsigned kinds;
    fields_of *fields; /* of a section that can be a spec */
    const char *usual; /* its name where none is given */
    const char *bare;  /* the key of a text that stands for the whole section */
    bool of_the_whole; /* a variant cannot change it */
    const char *example;
} section;

static const field *loss_fields(const char *name, isa level)
{
    const op *o = op_find(level, name, true);
    return o ? o->fields : NULL;
}

static const field *optimizer_fields(const char *name, isa level)
{
    const optim *o = optim_find(level, name);
    return o ? o->fields : NULL;
}

static const field *schedule_fields(const char *name, isa level)
{
    (void)level;
    const schedule *s = schedule_find(name);
    return s ? s->fields : NULL;
}

static const section sections[] = {
    {"title", SCALAR, .of_the_whole = true, .example = "title: SGD against Adam"},
    {"data", MAP, .example = "data: {set: fashion-mnist, scale: 255}"},
    {"model", SCALAR | LIST, .example = "model: [linear 1000, relu, linear 10]"},
    {"init", SCALAR | MAP, .bare = "weight", .example = "init: {weight: kaiming_normal relu, bias: zeros}"},
    {"loss", SCALAR | MAP, loss_fields, "cross_entropy", .example = "loss: cross_entropy"},
    {"optimizer", SCALAR | MAP, optimizer_fields, "sgd", .example = "optimizer: {name: sgd, lr: 0.01}"},
    {"schedule", SCALAR | MAP, schedule_fields, "none", .example = "schedule: {name: step_lr, step_size: 10}"},
    {"checkpoint", MAP, .example = "checkpoint: {every_steps: 1000, every_seconds: 60}"},
    {"train", MAP, .example = "train: {epochs: 10, batch: 32}"},
    {"variants", MAP, .of_the_whole = true,
     .example = "variants: {fast: {optimizer: {lr: 0.1}}, slow: {optimizer: {lr: 0.001}}}"},
    {"sweep", MAP, .of_the_whole = true, .example = "sweep: {over: {optimizer.lr: [0.1, 0.01, 0.001]}}"},
    {"seeds", SCALAR | LIST, .of_the_whole = true, .example = "seeds: [1, 2, 3]"},
    {"baseline", SCALAR, .of_the_whole = true, .example = "baseline: plain"},
};

static const section *section_named(const char *name)
{
    for (size_t i = 0; i < COUNT(sections); i++)
        if (strcmp(sections[i].name, name) == 0)
            return &sections[i];
    return NULL;
}

bool sections_is_variants(const char *key)
{
    const section *section = section_named(key);
    return section && !section->of_the_whole;
}

static bool has_right_kind(const section *section, const setting *s) { return section->kinds >> s->kind & 1; }

const setting *sections_find(const setting *all, const char *name, bool *wrong)
{
    const setting *s = setting_find(all, name);
    const section *section = section_named(name);
    *wrong = s && !(section && has_right_kind(section, s));
    return *wrong ? NULL : s;
}

/* ---- One form ---- */

/* Keys for the bare values of a spec, so that a variant can change them by name. One that is there already is left for
 * its reader to refuse. */
static void name_bare_values(setting *map, const field *fields)
{
    setting *s = map->first;
    for (const field *f = fields; f && f->name; f++) {
        if (!(f->flags & FIELD_BARE))
            continue;
        while (s && s->key)
            s = s->next;
        if (s && !setting_find(map, f->name))
            s->key = f->name;
    }
}

/* A broken one becomes an empty map: it has been reported. */
static void unfold_spec(setting *s, const section *section, arena *a, isa level, weft_error *err)
{
    setting *map = setting_from_spec(a, s->text, s->at, err);
    if (map)
        name_bare_values(map, section->fields(map->first->text ? map->first->text : "", level));
    s->kind = SETTING_MAP;
    s->first = map ? map->first : NULL;
}

static void unfold_bare(setting *s, const char *key, arena *a, weft_error *err)
{
    setting *value = arena_alloc(a, sizeof *value);
    if (value)
        *value = (setting){SETTING_SCALAR, .key = key, .text = s->text, .at = s->at, .key_at = s->at};
    else
        fail_memory(err);
    s->kind = SETTING_MAP;
    s->first = value;
}

void sections_unfold(setting *all, arena *a, isa level, weft_error *err)
{
    for (setting *s = all->kind == SETTING_MAP ? all->first : NULL; s; s = s->next) {
        const section *section = section_named(s->key);
        if (!section || !(section->kinds & MAP))
            continue;
        if (s->kind == SETTING_SCALAR && !*s->text)
            s->kind = SETTING_MAP;
        else if (s->kind == SETTING_SCALAR && section->fields)
            unfold_spec(s, section, a, level, err);
        else if (s->kind == SETTING_SCALAR && section->bare)
            unfold_bare(s, section->bare, a, err);
    }
}

weft_status sections_default(setting *all, arena *a, weft_error *err)
{
    for (size_t i = 0; i < COUNT(sections); i++) {
        if (!sections[i].usual)
            continue;
        setting *s = (setting *)setting_find(all, sections[i].name);
        if (s && (s->kind != SETTING_MAP || setting_find(s, "name")))
            continue;
        setting *name = arena_alloc(a, sizeof *name), *made = s ? s : arena_alloc(a, sizeof *made);
        if (!name || !made)
            return fail_memory(err);
        if (!s) {
            *made =
                (setting){SETTING_MAP, .key = sections[i].name, .next = all->first, .at = all->at, .key_at = all->at};
            all->first = made;
        }
        *name = (setting){SETTING_SCALAR,      .key = "name",  .text = sections[i].usual,
                          .next = made->first, .at = made->at, .key_at = made->at};
        made->first = name;
    }
    return WEFT_OK;
}

/* ---- Checking ---- */

void sections_check(const setting *all, bool in_variant, weft_error *err)
{
    for (const setting *s = all->first; s; s = s->next) {
        const section *section = section_named(s->key);
        if (!section)
            fail_unknown(err, s->key_at, "key", s->key, &sections[0].name, COUNT(sections), sizeof *sections);
        else if (in_variant && section->of_the_whole)
            fail(err, WEFT_BAD_INPUT, s->key_at, "%s is not a variant's to change; write it at the top of the file",
                 s->key);
        else if (!has_right_kind(section, s))
            fail(err, WEFT_BAD_INPUT, s->at, "%s has another form; write it as in %s", s->key, section->example);
    }
}
