/* What `sweep:` says: which settings to try, and how many. */
#include <string.h>

#include "lab/parts.h"

enum { MAX_DIMENSIONS = 32, MAX_TRIALS = 10000 };

/* Whole numbers up to here are exact in a double. */
static const double MOST_WHOLE = 9007199254740992.0;

static const char *const methods[] = {"grid", "random", NULL};

static const field halving_fields[] = {
    {"eta", FIELD_SIZE, offsetof(halving_settings, eta), FIELD_BARE, .min = 2, .max = 1000, .value = {3},
     .help = "one in so many goes on, for so many times as many epochs"},
    {"min_epochs", FIELD_SIZE, offsetof(halving_settings, min_epochs), 0, .min = 1, .max = 1e18, .value = {1},
     .help = "how many epochs every trial is given"},
    {"monitor", FIELD_TEXT, offsetof(halving_settings, monitor), 0, .text = "val_loss", .words = watched_metrics,
     .help = "what tells the better trials: a loss, or the score of the task; over several seeds its mean"},
    {0},
};

const field sweep_fields[] = {
    {"method", FIELD_TEXT, offsetof(sweep_settings, method), 0, .text = "grid", .words = methods,
     .help = "every combination of the values, or draws at random"},
    {"trials", FIELD_SIZE, offsetof(sweep_settings, trials), 0, .min = 1, .max = MAX_TRIALS, .value = {20}, .help = "how many draws; of random alone"},
    {"seed", FIELD_U64, offsetof(sweep_settings, seed), 0, .value = {1},
     .help = "of the draws: what draw i has is a function of this, of i and of each key, and of nothing else"},
    {"halving", FIELD_MAP, offsetof(sweep_settings, halving), 0, .fields = halving_fields,
     .help = "successive halving, where this is written; every trial goes all the way where it is not"},
    {0},
};

typedef struct reader {
    space *space;
    arena *memory;
    weft_error *err;
    isa level;
    bool grid;
} reader;

#define MISTAKE(r, at, ...) (fail((r)->err, WEFT_BAD_INPUT, at, __VA_ARGS__), false)

/* ---- Values ---- */

bool setting_equals(const setting *a, const setting *b)
{
    double x, y;
    if (!a->text || !b->text)
        return false;
    return parse_double(a->text, &x) && parse_double(b->text, &y) ? x == y : strcmp(a->text, b->text) == 0;
}

/* "sgd lr=0.1" among the values of a whole section becomes a map; it keeps its text, which is short. */
static void unfold_value(reader *r, const dimension *d, setting *s)
{
    setting one = *s, map = {.kind = SETTING_MAP, .first = &one};
    one.key = d->key;
    one.next = NULL;
    sections_unfold(&map, r->memory, r->level, r->err);
    s->kind = one.kind;
    s->first = one.first;
}

static bool read_choice(reader *r, dimension *d, const setting *list)
{
    if (list->kind != SETTING_LIST || !list->first)
        return MISTAKE(r, list->at, "a list of values is wanted here, such as [0.1, 0.01]");
    d->kind = DRAW_CHOICE;
    d->first = list->first;
    for (setting *s = list->first; s; s = s->next, d->n++) {
        for (const setting *before = d->first; before != s; before = before->next)
            if (setting_equals(before, s))
                return MISTAKE(r, s->at, "%s is there twice", s->text);
        unfold_value(r, d, s);
    }
    return true;
}

static bool read_end(reader *r, const setting *s, bool whole, double *end)
{
    if (s->kind != SETTING_SCALAR || !parse_double(s->text, end))
        return MISTAKE(r, s->at, "an end of a range is a number");
    if (whole && (*end != (double)(int64_t)*end || *end > MOST_WHOLE || *end < -MOST_WHOLE))
        return MISTAKE(r, s->at, "an end of this range is a whole number, not %s", s->text);
    return true;
}

static bool read_range(reader *r, dimension *d, const setting *list)
{
    const setting *low = list->kind == SETTING_LIST ? list->first : NULL, *high = low ? low->next : NULL;
    if (!high || high->next)
        return MISTAKE(r, list->at, "a range is written as its two ends, such as [0.001, 0.1]");
    if (!read_end(r, low, d->kind == DRAW_INTEGER, &d->low) || !read_end(r, high, d->kind == DRAW_INTEGER, &d->high))
        return false;
    if (d->kind == DRAW_LOG_UNIFORM && !(d->low > 0))
        return MISTAKE(r, low->at, "log_uniform begins above 0, not at %s", low->text);
    if (!(d->low < d->high))
        return MISTAKE(r, high->at, "a range goes up, but %s is not above %s", high->text, low->text);
    if (d->kind == DRAW_INTEGER)
        d->n = (size_t)(d->high - d->low) + 1;
    d->first = low;
    return true;
}

static const struct way {
    const char *name;
    int kind;
} ways[] = {{"choice", DRAW_CHOICE}, {"integer", DRAW_INTEGER}, {"uniform", DRAW_UNIFORM}, {"log_uniform", DRAW_LOG_UNIFORM}};

static bool read_form(reader *r, dimension *d, const setting *s)
{
    for (size_t i = 0; i < COUNT(ways); i++) {
        if (strcmp(ways[i].name, s->key) != 0)
            continue;
        d->kind = ways[i].kind;
        if (r->grid && (d->kind == DRAW_UNIFORM || d->kind == DRAW_LOG_UNIFORM))
            return MISTAKE(r, s->key_at, "a grid has no place for a range of numbers; write a list of values, or draw with method: random");
        return d->kind == DRAW_CHOICE ? read_choice(r, d, s) : read_range(r, d, s);
    }
    fail_unknown(r->err, s->key_at, "way to choose", s->key, &ways[0].name, COUNT(ways), sizeof *ways);
    return false;
}

/* Whether a dimension can have that value. */
static bool dimension_takes(const dimension *d, const setting *value)
{
    double x;
    if (d->kind == DRAW_INTEGER)
        return parse_double(value->text, &x) && x == (double)(int64_t)x && x >= d->low && x <= d->high;
    for (const setting *s = d->kind == DRAW_CHOICE ? d->first : NULL; s; s = s->next)
        if (setting_equals(s, value))
            return true;
    return false;
}

/* ---- Conditions ---- */

static bool check_wanted(reader *r, const condition *c, const setting *value)
{
    if (value->kind != SETTING_SCALAR)
        return MISTAKE(r, value->at, "a condition is a value, or a list of some: when: {optimizer.name: [sgd, rmsprop]}");
    if (c->of && (c->of->kind == DRAW_UNIFORM || c->of->kind == DRAW_LOG_UNIFORM))
        return MISTAKE(r, value->at, "%s is drawn from a range of numbers, which hardly ever gives %s; a condition looks at a choice", c->key, value->text);
    if (c->of && !dimension_takes(c->of, value))
        return MISTAKE(r, value->at, "%s never is %s in this sweep", c->key, value->text);
    return true;
}

static bool read_condition(reader *r, condition *c, const setting *s)
{
    c->key = s->key;
    c->wanted = s;
    for (size_t i = 0; i < r->space->n_dimensions; i++)
        if (strcmp(r->space->dimensions[i].key, s->key) == 0)
            c->of = &r->space->dimensions[i];
    if (s->kind == SETTING_LIST && !s->first)
        return MISTAKE(r, s->at, "a condition needs a value");
    bool right = true;
    for (const setting *value = s->kind == SETTING_LIST ? s->first : s; value; value = s->kind == SETTING_LIST ? value->next : NULL)
        right &= check_wanted(r, c, value);
    return right;
}

static bool read_conditions(reader *r, dimension *d, const setting *when)
{
    if (when->kind != SETTING_MAP || !when->first)
        return MISTAKE(r, when->at, "a condition is a map, such as when: {optimizer.name: sgd}");
    size_t n = 0;
    for (const setting *s = when->first; s; s = s->next)
        n++;
    d->conditions = arena_array(r->memory, n, sizeof *d->conditions);
    if (!d->conditions)
        return fail_memory(r->err), false;
    bool right = true;
    for (const setting *s = when->first; s; s = s->next)
        right &= read_condition(r, &d->conditions[d->n_conditions++], s);
    return right;
}

/* ---- Dimensions ---- */

/* Whether a sweep may go over a key. */
static bool check_key(reader *r, const setting *s)
{
    const char *section = arena_printf(r->memory, "%.*s", (int)strcspn(s->key, "."), s->key);
    if (!section)
        return fail_memory(r->err), false;
    if (!sections_is_variants(section))
        return MISTAKE(r, s->key_at, "a sweep goes over what a variant can change, such as optimizer.lr, train.batch or model; not over %s", s->key);
    if (strcmp(s->key, "train.seed") == 0)
        return MISTAKE(r, s->key_at, "a seed is nothing to search for; write seeds: [1, 2, 3], and every point runs with each of them");
    if (r->space->settings.halving.eta && (strcmp(s->key, "train.epochs") == 0 || strcmp(s->key, "train.max_steps") == 0))
        return MISTAKE(r, s->key_at, "halving decides how long a trial runs; leave %s out of the sweep, or halving", s->key);
    return true;
}

static bool read_dimension(reader *r, dimension *d, const setting *s)
{
    *d = (dimension){.key = s->key, .key_at = s->key_at, .at = s->at};
    if (!check_key(r, s))
        return false;
    if (s->kind == SETTING_LIST)
        return read_choice(r, d, s);
    const setting *form = NULL, *when = NULL;
    for (const setting *one = s->kind == SETTING_MAP ? s->first : NULL; one; one = one->next) {
        if (strcmp(one->key, "when") == 0)
            when = one;
        else if (form)
            return MISTAKE(r, one->key_at, "%s is chosen by %s already", s->key, form->key);
        else
            form = one;
    }
    if (!form)
        return MISTAKE(r, s->at, "write the values of %s as a list, or as {log_uniform: [0.001, 0.1]}, {uniform: …}, {integer: …}, {choice: …}", s->key);
    const bool formed = read_form(r, d, form), conditional = !when || read_conditions(r, d, when);
    return formed && conditional;
}

/* The last part of the key, or the part before "name"; the whole key where another dimension ends alike. */
static const char *label_of(const char *key, arena *a)
{
    const char *dot = strrchr(key, '.');
    if (!dot || strcmp(dot, ".name") != 0)
        return dot ? dot + 1 : key;
    const char *before = dot;
    while (before > key && before[-1] != '.')
        before--;
    return arena_printf(a, "%.*s", (int)(dot - before), before);
}

static bool name_dimensions(reader *r)
{
    space *s = r->space;
    for (size_t i = 0; i < s->n_dimensions; i++)
        if (!(s->dimensions[i].label = label_of(s->dimensions[i].key, r->memory)))
            return false;
    for (size_t i = 0; i < s->n_dimensions; i++)
        for (size_t k = 0; k < s->n_dimensions; k++)
            if (k != i && strcmp(s->dimensions[i].label, label_of(s->dimensions[k].key, r->memory)) == 0)
                s->dimensions[i].label = s->dimensions[i].key;
    return true;
}

static bool is_decided(const setting *s, setting *const *overrides, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (override_decides(overrides[i], s->key))
            return true;
    return false;
}

static void read_dimensions(reader *r, const setting *over, setting *const *overrides, size_t n_overrides)
{
    space *s = r->space;
    s->at = over->key_at;
    s->dimensions = arena_array(r->memory, MAX_DIMENSIONS, sizeof *s->dimensions);
    if (!s->dimensions) {
        fail_memory(r->err);
        return;
    }
    for (const setting *one = over->first; one; one = one->next) {
        if (s->n_dimensions == MAX_DIMENSIONS) {
            fail(r->err, WEFT_BAD_INPUT, one->key_at, "a sweep goes over %d keys at most", MAX_DIMENSIONS);
            return;
        }
        if (!is_decided(one, overrides, n_overrides) && read_dimension(r, &s->dimensions[s->n_dimensions], one))
            s->n_dimensions++;
    }
    if (!name_dimensions(r))
        fail_memory(r->err);
}

weft_status space_read(space *s, const setting *sweep, setting *const *overrides, size_t n_overrides, const resolver *with)
{
    arena *a = with->memory;
    weft_error *err = with->err;
    static const char *const skip[] = {"over", NULL};
    const int before = err->count;
    const setting *over = setting_find(sweep, "over"), *trials = setting_find(sweep, "trials");
    *s = (space){0};
    fields_read(sweep_fields, sweep, "sweep", skip, &s->settings, a, err);
    if (!setting_find(sweep, "halving"))
        s->settings.halving.eta = 0;
    if (err->count > before)
        return WEFT_BAD_INPUT;
    reader r = {s, a, err, with->level, strcmp(s->settings.method, "grid") == 0};
    if (r.grid && trials)
        fail(err, WEFT_BAD_INPUT, trials->key_at, "a grid has as many trials as points; leave trials out, or write method: random");
    if (!over || over->kind != SETTING_MAP || !over->first)
        return fail(err, WEFT_BAD_INPUT, over ? over->at : sweep->key_at,
                    "a sweep needs keys to go over, such as over: {optimizer.lr: [0.1, 0.01], train.batch: [32, 128]}");
    read_dimensions(&r, over, overrides, n_overrides);
    return err->count > before ? WEFT_BAD_INPUT : WEFT_OK;
}

size_t space_size(const space *s, size_t most)
{
    size_t n = 1;
    if (strcmp(s->settings.method, "random") == 0)
        return s->settings.trials <= most ? s->settings.trials : 0;
    for (size_t i = 0; i < s->n_dimensions; i++)
        if (!checked_mul(n, s->dimensions[i].n, &n) || n > most)
            return 0;
    return n;
}
