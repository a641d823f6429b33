/* Settings on top of settings: variants, and overrides from a command line. */
#include <string.h>

#include "lab/parts.h"

enum { MAX_PATH_PARTS = 16 };

static setting *copy(arena *a, const setting *s)
{
    setting *c = arena_alloc(a, sizeof *c);
    if (c) {
        *c = *s;
        c->next = NULL;
    }
    return c;
}

static bool replaces(const setting *over)
{
    const setting *name = setting_find(over, "name");
    return over->kind != SETTING_MAP || (name && name->kind == SETTING_SCALAR);
}

setting *setting_merge(arena *a, const setting *base, const setting *over)
{
    setting *merged = copy(a, over);
    if (!merged || base->kind != SETTING_MAP || replaces(over))
        return merged;
    setting **link = &merged->first;
    for (const setting *b = base->first; b; b = b->next, link = &(*link)->next) {
        const setting *o = setting_find(over, b->key);
        if (!(*link = o ? setting_merge(a, b, o) : copy(a, b)))
            return NULL;
    }
    for (const setting *o = over->first; o; o = o->next) {
        if (setting_find(base, o->key))
            continue;
        if (!(*link = copy(a, o)))
            return NULL;
        link = &(*link)->next;
    }
    *link = NULL;
    return merged;
}

static setting *refuse(weft_error *err, where at, const char *why)
{
    fail(err, WEFT_BAD_INPUT, at, "%s", why);
    return NULL;
}

setting *setting_nest(arena *a, setting *value, const char *path, const char *end, where at, weft_error *err)
{
    for (int parts = 0; parts < MAX_PATH_PARTS; parts++) {
        const char *start = end;
        while (start > path && start[-1] != '.')
            start--;
        if (start == end)
            return refuse(err, at, "a part of the key is empty; it is written as in optimizer.lr=0.1");
        setting *map = arena_alloc(a, sizeof *map);
        value->key = arena_printf(a, "%.*s", (int)(end - start), start);
        value->key_at = at;
        if (!map || !value->key) {
            fail_memory(err);
            return NULL;
        }
        *map = (setting){.kind = SETTING_MAP, .first = value, .at = at, .key_at = at};
        value = map;
        if (start == path)
            return map;
        end = start - 1;
    }
    return refuse(err, at, "this key has too many parts");
}

/* The entry that the first part of a dotted key names; *rest: what follows, NULL: nothing. */
static const setting *step_down(const setting *map, const char *key, const char **rest)
{
    const size_t length = strcspn(key, ".");
    *rest = key[length] ? key + length + 1 : NULL;
    for (const setting *s = map->kind == SETTING_MAP ? map->first : NULL; s; s = s->next)
        if (s->key && strlen(s->key) == length && memcmp(s->key, key, length) == 0)
            return s;
    return NULL;
}

const setting *setting_at(const setting *all, const char *key)
{
    while (all && key)
        all = step_down(all, key, &key);
    return all;
}

bool override_decides(const setting *over, const char *key)
{
    while (key && !replaces(over)) {
        const setting *child = step_down(over, key, &key);
        if (!child)
            return false;
        over = child;
    }
    return replaces(over);
}

setting *override_read(arena *a, const char *override, weft_error *err)
{
    const char *equals = strchr(override, '=');
    const where at = {.file = arena_printf(a, "--set %s", override)};
    if (!at.file) {
        fail_memory(err);
        return NULL;
    }
    if (!equals)
        return refuse(err, at, "a value is missing; it is written as in optimizer.lr=0.1");
    if (!yaml_is_text(override, (size_t)(equals - override)))
        return refuse(err, at, "a control character cannot be part of a key or a value");
    setting *value = yaml_parse_argument(a, at.file, equals + 1, err);
    return value ? setting_nest(a, value, override, equals, at, err) : NULL;
}
