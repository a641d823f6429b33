/* An experiment file: read, overridden, and resolved for each of its variants. */
#include <stdlib.h>
#include <string.h>

#include "lab/parts.h"

enum {
    MAX_FILE_BYTES = 1 << 20,
    MAX_SEEDS = 1000,
    MAX_RUNS = 10000,
    ENOUGH_MISTAKES = 50, /* more than an error shows: further variants are not looked at */
};

typedef struct opener {
    experiment *e;
    resolver r;
    setting *all;
    setting **overrides; /* as they were read */
    size_t n_overrides;
    const setting *variants; /* the first of those that the file lists, or of what a sweep makes of them; NULL: none */
    const size_t *groups;    /* of the latter: which of the former each is of; NULL: there is no sweep */
    uint64_t *seeds; /* of e->seeds */
    where seeds_at;
} opener;

/* ---- Reading ---- */

static void unfold(opener *o)
{
    bool wrong;
    sections_unfold(o->all, o->r.memory, o->r.level, o->r.err);
    const setting *variants = sections_find(o->all, "variants", &wrong);
    for (setting *v = variants ? variants->first : NULL; v; v = v->next) {
        if (v->kind == SETTING_SCALAR && !*v->text)
            v->kind = SETTING_MAP;
        sections_unfold(v, o->r.memory, o->r.level, o->r.err);
    }
}

static weft_status read_file(opener *o, const char *path)
{
    bytes file;
    TRY(file_read(path, MAX_FILE_BYTES, &file, o->r.err));
    o->all = yaml_parse(o->r.memory, o->e->path, (const char *)file.data, file.size, o->r.err);
    bytes_free(&file);
    if (!o->all)
        return WEFT_BAD_INPUT;
    if (o->all->kind != SETTING_MAP)
        return fail(o->r.err, WEFT_BAD_INPUT, o->all->at,
                    "%s; the least it has is \"data: {set: fashion-mnist}\" and \"model: [linear 10]\"",
                    o->all->kind == SETTING_SCALAR && !*o->all->text ? "there is no experiment in this file"
                                                                     : "an experiment is a map of keys");
    unfold(o);
    return WEFT_OK;
}

/* What is said on a command line goes before what the file says of its variants, too. */
static weft_status override_variants(opener *o, const setting *over)
{
    bool wrong;
    const setting *variants = sections_find(o->all, "variants", &wrong);
    if (!sections_is_variants(over->first->key))
        return WEFT_OK;
    for (setting *v = variants ? variants->first : NULL; v; v = v->next) {
        const setting *merged = v->kind == SETTING_MAP ? setting_merge(o->r.memory, v, over) : v;
        if (!merged)
            return fail_memory(o->r.err);
        v->first = merged->first;
    }
    return WEFT_OK;
}

static weft_status override(opener *o, const char *const *overrides, size_t n)
{
    o->overrides = arena_array(o->r.memory, MAX(n, 1), sizeof *o->overrides);
    if (!o->overrides)
        return fail_memory(o->r.err);
    for (size_t i = 0; i < n; i++) {
        setting *over = override_read(o->r.memory, overrides[i], o->r.err);
        if (!over)
            continue;
        o->overrides[o->n_overrides++] = over;
        const where at = o->all->at;
        if (!(o->all = setting_merge(o->r.memory, o->all, over)))
            return fail_memory(o->r.err);
        o->all->at = at;
        TRY(override_variants(o, over));
        unfold(o);
    }
    return WEFT_OK;
}

/* ---- Seeds ---- */

static bool read_seed(opener *o, const setting *s)
{
    uint64_t seed;
    if (s->kind != SETTING_SCALAR || !parse_u64(s->text, &seed)) {
        const char *found = s->kind == SETTING_SCALAR ? s->text : s->kind == SETTING_LIST ? "[…]" : "{…}";
        fail(o->r.err, WEFT_BAD_INPUT, s->at, "a seed is a whole number from 0 to 18446744073709551615, not \"%s\"",
             found);
        return false;
    }
    for (size_t i = 0; i < o->e->n_seeds; i++)
        if (o->seeds[i] == seed) {
            fail(o->r.err, WEFT_BAD_INPUT, s->at, "the seed %s is there twice, and would give the same run twice",
                 s->text);
            return false;
        }
    o->seeds[o->e->n_seeds] = seed;
    return true;
}

static weft_status read_seeds(opener *o)
{
    bool wrong;
    const setting *s = sections_find(o->all, "seeds", &wrong);
    o->e->seeds = o->seeds = arena_array(o->r.memory, MAX_SEEDS, sizeof *o->seeds);
    if (!o->seeds)
        return fail_memory(o->r.err);
    o->e->own_seeds = !s;
    o->e->n_seeds = !s;
    if (!s)
        return WEFT_OK;
    o->seeds_at = s->at;
    if (s->kind == SETTING_LIST && !s->first)
        return fail(o->r.err, WEFT_BAD_INPUT, s->at,
                    "there is no seed in this list; leave seeds out to run with train.seed");
    for (const setting *one = s->kind == SETTING_LIST ? s->first : s; one;
         one = s->kind == SETTING_LIST ? one->next : NULL) {
        if (o->e->n_seeds == MAX_SEEDS)
            return fail(o->r.err, WEFT_BAD_INPUT, one->at, "there are more than %d seeds, the limit", MAX_SEEDS);
        o->e->n_seeds += read_seed(o, one);
    }
    return WEFT_OK;
}

/* ---- Variants ---- */

/* Variants share what stands at the top, and so its mistakes: what is in `all` already is not said again. */
static void add_new_mistakes(weft_error *all, const weft_error *more)
{
    const bool first = all->count == 0;
    for (const char *line = more->message; *line;) {
        const size_t length = strcspn(line, "\n");
        if (!has_line(all->message, line, length))
            fail(all, more->status, (where){0}, "%.*s", (int)length, line);
        line += length + (line[length] == '\n');
    }
    if (first && more->count) {
        all->line = more->line;
        all->column = more->column;
        memcpy(all->file, more->file, sizeof all->file);
    }
}

/* What can be said of a variant by itself. */
static bool check_variant(opener *o, const setting *v)
{
    if (v->kind != SETTING_MAP) {
        fail(o->r.err, WEFT_BAD_INPUT, v->at,
             "a variant is a map of what it changes, such as {optimizer: {name: adam, lr: 0.001}}");
        return false;
    }
    if (!v->key[strspn(v->key, " \t\n")])
        fail(o->r.err, WEFT_BAD_INPUT, v->key_at, "a variant needs a name");
    sections_check(v, true, o->r.err);
    const setting *train = setting_find(v, "train"), *seed = setting_find(train, "seed");
    if (seed && !o->e->own_seeds)
        fail(o->r.err, WEFT_BAD_INPUT, seed->key_at,
             "every variant runs with the seeds that the file lists; leave out this one, or those");
    return true;
}

static weft_status resolve_variant(opener *o, const setting *all, const char *name, variant *v)
{
    weft_error own = {0}, *err = o->r.err;
    v->name = name;
    v->settings.title = o->e->title;
    v->settings.variant = name;
    o->r.err = &own;
    const weft_status status = resolve(&o->r, all, true, v);
    o->r.err = err;
    add_new_mistakes(err, &own);
    if (status != WEFT_OK)
        return status;
    if (!o->e->own_seeds)
        v->settings.train.seed = o->e->seeds[0];
    return resolve_config(v, &v->settings, o->r.memory, err);
}

static weft_status read_variants(opener *o)
{
    const setting *given = o->variants;
    if (!given)
        return resolve_variant(o, o->all, "", o->e->variants);
    variant unused = {.settings = {.title = "", .variant = ""}};
    weft_status status = resolve(&o->r, o->all, false, &unused);
    for (variant *v = o->e->variants; given && o->r.err->count < ENOUGH_MISTAKES; given = given->next, v++) {
        setting *merged = check_variant(o, given) ? setting_merge(o->r.memory, o->all, given) : NULL;
        const weft_status one = merged ? resolve_variant(o, merged, given->key, v) : WEFT_BAD_INPUT;
        status = status == WEFT_OK ? one : status;
    }
    return status;
}

/* ---- A sweep ---- */

typedef struct expander {
    opener *o;
    space space;
    const setting *sweep;
    setting *first, **link; /* what becomes of the variants */
    size_t *groups, n;      /* [n]: which variant of the file each belongs to */
    bool *met;              /* [dimensions]: in some variant its conditions can be met */
} expander;

/* Every value and every end of a range is looked at, so that a mistake is told where it stands, once, and also where no draw meets it. */
static weft_status probe_dimensions(expander *x, const setting *base)
{
    opener *o = x->o;
    weft_error own = {0}, *err = o->r.err;
    variant unused = {.settings = {.title = "", .variant = ""}};
    for (size_t d = 0; d < x->space.n_dimensions; d++) {
        const size_t n = x->space.dimensions[d].kind == DRAW_CHOICE ? x->space.dimensions[d].n : 2;
        x->met[d] |= dimension_can_be(&x->space, &x->space.dimensions[d], base);
        for (size_t k = 0; k < n; k++) {
            const setting *changes = space_probe(&x->space, d, k, base, o->r.memory, err);
            const setting *all = changes ? setting_merge(o->r.memory, base, changes) : NULL;
            o->r.err = &own;
            if (all)
                resolve(&o->r, all, false, &unused);
            o->r.err = err;
        }
    }
    add_new_mistakes(err, &own);
    return own.count || err->count ? WEFT_BAD_INPUT : WEFT_OK;
}

/* What is said on a command line goes before a point, too. */
static setting *override_point(opener *o, setting *changes)
{
    for (size_t i = 0; changes && i < o->n_overrides; i++)
        if (sections_is_variants(o->overrides[i]->first->key))
            changes = setting_merge(o->r.memory, changes, o->overrides[i]);
    if (changes)
        sections_unfold(changes, o->r.memory, o->r.level, o->r.err);
    return changes;
}

/* given: NULL: the file has no variants. */
static weft_status add_points(expander *x, const setting *given, size_t group)
{
    size_t n;
    opener *o = x->o;
    arena *a = o->r.memory;
    if (given && !check_variant(o, given))
        return WEFT_BAD_INPUT;
    const setting *base = given ? setting_merge(a, o->all, given) : o->all;
    if (!base)
        return fail_memory(o->r.err);
    TRY(probe_dimensions(x, base));
    point *points = space_points(&x->space, base, &n, a, o->r.err);
    if (!points)
        return WEFT_NO_MEMORY;
    const size_t most = space_size(&x->space, SIZE_MAX);
    if (n < most && strcmp(x->space.settings.method, "random") == 0)
        warn(&o->e->warnings, x->sweep->key_at, "%zu of %zu draws repeat earlier ones and are left out", most - n, most);
    for (size_t i = 0; i < n; i++) {
        const setting *changes = override_point(o, points[i].changes);
        setting *made = changes ? setting_merge(a, given ? given : changes, changes) : NULL;
        if (!made || !(made->key = given ? arena_printf(a, "%s: %s", given->key, points[i].name) : points[i].name))
            return fail_memory(o->r.err);
        made->next = NULL;
        *x->link = made;
        x->link = &made->next;
        x->groups[x->n++] = group;
    }
    return WEFT_OK;
}

/* Conditions that no variant meets are a mistake, and so are more points than can be run. */
static weft_status check_space(const expander *x)
{
    opener *o = x->o;
    for (size_t d = 0; d < x->space.n_dimensions; d++)
        if (!x->met[d])
            fail(o->r.err, WEFT_BAD_INPUT, x->space.dimensions[d].conditions[0].wanted->key_at, "what %s asks for is never the case in this experiment",
                 x->space.dimensions[d].key);
    return o->r.err->count ? WEFT_BAD_INPUT : WEFT_OK;
}

/* Every point of the sweep with each variant that the file lists, in place of these. */
static weft_status expand(opener *o, const setting *sweep)
{
    size_t n_given = 0, most;
    expander x = {.o = o, .sweep = sweep, .link = &x.first};
    TRY(space_read(&x.space, sweep, o->overrides, o->n_overrides, &o->r));
    for (const setting *v = o->variants; v; v = v->next)
        n_given++;
    most = space_size(&x.space, MAX_RUNS);
    if (!most || most * MAX(n_given, 1) > MAX_RUNS)
        return fail(o->r.err, WEFT_BAD_INPUT, x.space.at, "these are more than %d points, the limit; leave values out, or draw some with method: random",
                    MAX_RUNS);
    if (!x.space.n_dimensions) /* the command line decides them all */
        return WEFT_OK;
    sweep_settings *kept = arena_alloc(o->r.memory, sizeof *kept);
    x.groups = arena_array(o->r.memory, most * MAX(n_given, 1), sizeof *x.groups);
    x.met = arena_array(o->r.memory, x.space.n_dimensions, sizeof *x.met);
    if (!kept || !x.groups || !x.met)
        return fail_memory(o->r.err);
    const setting *given = o->variants;
    for (size_t group = 0; group < MAX(n_given, 1); group++, given = given ? given->next : NULL)
        TRY(add_points(&x, given, group));
    TRY(check_space(&x));
    *kept = x.space.settings;
    o->e->sweep = kept;
    o->variants = x.first;
    o->groups = x.groups;
    return WEFT_OK;
}

static weft_status name_slugs(experiment *e, weft_error *err)
{
    const char **names = arena_array(&e->memory, e->n_variants, sizeof *names);
    for (size_t i = 0; names && i < e->n_variants; i++)
        names[i] = e->variants[i].name;
    char **slugs = names ? slugs_make(&e->memory, names, e->n_variants) : NULL;
    for (size_t i = 0; slugs && i < e->n_variants; i++)
        e->variants[i].slug = slugs[i];
    return slugs ? WEFT_OK : fail_memory(err);
}

static void check_runs(const opener *o)
{
    const size_t runs = o->e->n_variants * o->e->n_seeds;
    if (runs > MAX_RUNS)
        fail(o->r.err, WEFT_BAD_INPUT, o->seeds_at,
             "%zu variants with %zu seeds are %zu runs, more than the limit of %d", o->e->n_variants, o->e->n_seeds,
             runs, MAX_RUNS);
}

static size_t count_variants(const opener *o)
{
    size_t n = 0;
    for (const setting *v = o->variants; v; v = v->next)
        n++;
    return MAX(n, 1);
}

/* From the settings in o->all to the experiment's members. A mistake does not keep the others from being found. */
static weft_status read_all(opener *o)
{
    bool wrong;
    experiment *e = o->e;
    sections_check(o->all, false, o->r.err);
    TRY(sections_default(o->all, o->r.memory, o->r.err));
    const weft_status seeds = read_seeds(o);
    const setting *title = sections_find(o->all, "title", &wrong);
    const setting *variants = sections_find(o->all, "variants", &wrong), *sweep = sections_find(o->all, "sweep", &wrong);
    e->title = title ? title->text : "";
    o->variants = variants ? variants->first : NULL;
    e->n_groups = count_variants(o);
    if (sweep)
        TRY(expand(o, sweep));
    e->n_variants = count_variants(o);
    check_runs(o);
    e->variants = arena_array(&e->memory, e->n_variants, sizeof *e->variants);
    if (!o->seeds || !e->variants)
        return fail_memory(o->r.err);
    TRY(read_variants(o));
    for (size_t i = 0; i < e->n_variants; i++)
        e->variants[i].group = o->groups ? o->groups[i] : i;
    TRY(seeds);
    if (e->own_seeds)
        o->seeds[0] = e->variants[0].settings.train.seed;
    const setting *baseline = sections_find(o->all, "baseline", &wrong);
    e->baseline = baseline ? baseline->text : e->variants[0].name;
    if (baseline && !experiment_variant(e, baseline->text, baseline->at, o->r.err))
        return WEFT_BAD_INPUT;
    return name_slugs(e, o->r.err);
}

experiment *experiment_open(const char *path, const char *const *overrides, size_t n_overrides, weft_error *err)
{
    weft_error unseen = {0};
    experiment *e = calloc(1, sizeof *e);
    if (!e) {
        fail_memory(err);
        return NULL;
    }
    opener o = {.e = e, .r = {.memory = &e->memory, .err = err ? err : &unseen}};
    const int before = o.r.err->count;
    e->path = arena_text(&e->memory, path);
    weft_status status = e->path ? WEFT_OK : fail_memory(o.r.err);
    if (status == WEFT_OK && !isa_choose(&o.r.level, o.r.err))
        status = WEFT_BAD_INPUT;
    if (status == WEFT_OK)
        status = read_file(&o, path);
    if (status == WEFT_OK)
        status = override(&o, overrides, n_overrides);
    if (status == WEFT_OK)
        status = read_all(&o);
    if (status == WEFT_OK && o.r.err->count == before)
        return e;
    if (o.r.err->count == before)
        fail_memory(o.r.err); /* nothing else goes wrong without a word */
    experiment_close(e);
    return NULL;
}

void experiment_close(experiment *e)
{
    if (!e)
        return;
    text_free(&e->warnings);
    arena_deinit(&e->memory);
    free(e);
}

const variant *experiment_variant(const experiment *e, const char *name, where at, weft_error *err)
{
    for (size_t i = 0; i < e->n_variants; i++)
        if (strcmp(e->variants[i].name, name) == 0)
            return &e->variants[i];
    fail_unknown(err, at, "variant", name, &e->variants[0].name, e->n_variants, sizeof *e->variants);
    return NULL;
}

weft_status experiment_settings(experiment *e, size_t variant, size_t seed, run_settings *out, weft_error *err)
{
    *out = e->variants[variant].settings;
    if (e->own_seeds)
        return WEFT_OK;
    out->train.seed = e->seeds[seed];
    return resolve_config(&e->variants[variant], out, &e->memory, err);
}
