/* Variants in families: alike but for one group of settings. */
#include "report/families.h"

#include <string.h>

/* ---- Settings ---- */

/* Of a run whose record says no settings, those that it says all the same. NULL: no memory. */
static const setting *settings_of(const run_record *run, arena *a)
{
    if (run->settings && run->settings->first)
        return run->settings;
    const char *known[][2] = {
        {"data.set", run->data},       {"data.scale", arena_printf(a, "%g", run->scale)}, {"train.batch", arena_printf(a, "%zu", run->batch)},
        {"optimizer", run->optimizer}, {"model", run->model},                             {"loss", run->loss},
        {"schedule", run->schedule},
    };
    setting *map = arena_alloc(a, sizeof *map), *all = arena_array(a, COUNT(known), sizeof *all);
    if (!map || !all || !known[1][1] || !known[2][1])
        return NULL;
    for (size_t i = 0; i < COUNT(known); i++) {
        const char *value = known[i][1] ? known[i][1] : "";
        all[i] = (setting){SETTING_SCALAR, .key = known[i][0], .text = value, .next = i + 1 < COUNT(known) ? all + i + 1 : NULL};
    }
    *map = (setting){.kind = SETTING_MAP, .first = all};
    return map;
}

static bool changes_nothing(const char *key)
{
    static const char *const idle[] = {"train.seed", "train.epochs", "train.log_steps", "train.probes", "data.allow_trailing"};
    for (size_t i = 0; i < COUNT(idle); i++)
        if (strcmp(key, idle[i]) == 0)
            return true;
    return false;
}

/* "optimizer" of "optimizer.lr", "train.average" of "train.average.decay". */
static size_t group_length(const char *key)
{
    const size_t first = strcspn(key, ".");
    const bool of_two = strncmp(key, "train.", 6) == 0 || strncmp(key, "data.", 5) == 0;
    return of_two && key[first] ? first + 1 + strcspn(key + first + 1, ".") : first;
}

static bool in_group(const char *key, const char *group)
{
    const size_t length = group_length(key);
    return strncmp(key, group, length) == 0 && !group[length];
}

/* ---- The lineup ---- */

static bool add_groups(lineup *l, const setting *map, size_t room, arena *a)
{
    for (const setting *s = map->first; s; s = s->next) {
        size_t i = 0;
        while (i < l->n_groups && !in_group(s->key, l->groups[i]))
            i++;
        if (i < l->n_groups || i == room || changes_nothing(s->key))
            continue;
        if (!(l->groups[l->n_groups++] = arena_printf(a, "%.*s", (int)group_length(s->key), s->key)))
            return false;
    }
    return true;
}

/* NULL: no memory. One schedule looks at where the run is to end. */
static const char *value_in(const setting *map, const char *group, arena *a)
{
    text t = {0};
    for (const setting *s = map->first; s; s = s->next)
        if (in_group(s->key, group) && !changes_nothing(s->key))
            text_printf(&t, "%s=%s\n", s->key, s->text);
    const setting *epochs = setting_find(map, "train.epochs");
    if (epochs && t.data && strcmp(group, "schedule") == 0 && strstr(t.data, "one_cycle_lr"))
        text_printf(&t, "over %s epochs\n", epochs->text);
    const char *value = t.failed ? NULL : arena_text(a, t.data ? t.data : "");
    text_free(&t);
    return value;
}

bool lineup_make(lineup *l, const variant *variants, size_t n, arena *a)
{
    enum { MAX_GROUPS = 128 };
    *l = (lineup){.variants = variants, .n = n, .groups = arena_array(a, MAX_GROUPS, sizeof *l->groups)};
    l->settings = arena_array(a, n + 1, sizeof *l->settings);
    l->values = arena_array(a, n + 1, sizeof *l->values);
    if (!l->groups || !l->settings || !l->values)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!(l->settings[i] = settings_of(variants[i].runs[0], a)) || !add_groups(l, l->settings[i], MAX_GROUPS, a))
            return false;
    for (size_t i = 0; i < n; i++) {
        l->values[i] = arena_array(a, l->n_groups + 1, sizeof *l->values[i]);
        for (size_t g = 0; l->values[i] && g < l->n_groups; g++)
            if (!(l->values[i][g] = value_in(l->settings[i], l->groups[g], a)))
                return false;
        if (!l->values[i])
            return false;
    }
    return true;
}

static bool same_value(const lineup *l, const variant *a, const variant *b, size_t group)
{
    return strcmp(l->values[a - l->variants][group], l->values[b - l->variants][group]) == 0;
}

size_t lineup_apart(const lineup *l, const variant *a, const variant *b)
{
    size_t n = 0;
    for (size_t g = 0; g < l->n_groups; g++)
        n += !same_value(l, a, b, g);
    return n;
}

/* ---- Families ---- */

static bool alike_but(const lineup *l, const variant *a, const variant *b, size_t group)
{
    return lineup_apart(l, a, b) == !same_value(l, a, b, group);
}

/* Whether v is the first variant of its value among those that are alike but for the group. */
static bool first_of_value(const lineup *l, const variant *v, size_t group)
{
    for (const variant *w = l->variants; w < v; w++)
        if (alike_but(l, w, v, group) && same_value(l, w, v, group))
            return false;
    return true;
}

static size_t longest_of_value(const lineup *l, const variant *v, size_t group)
{
    size_t longest = 0;
    for (const variant *w = l->variants; w < l->variants + l->n; w++)
        if (alike_but(l, w, v, group) && same_value(l, w, v, group))
            longest = MAX(longest, variant_last_epoch(w));
    return longest;
}

/* Of the variants with v's value, the one that has `epoch` and goes least beyond it: where two variants differ only in
 * how long they ran, a run of 10 epochs is held against one of 10. */
static const variant *closest_of_value(const lineup *l, const variant *v, size_t group, size_t epoch)
{
    const variant *closest = NULL;
    for (const variant *w = l->variants; w < l->variants + l->n; w++) {
        const size_t last = variant_last_epoch(w);
        if (alike_but(l, w, v, group) && same_value(l, w, v, group) && last >= epoch &&
            (!closest || last < variant_last_epoch(closest)))
            closest = w;
    }
    return closest;
}

bool family_find(const lineup *l, size_t group, size_t first, family *f)
{
    const variant *v = &l->variants[first], *end = l->variants + l->n;
    *f = (family){.of = l, .group = group, .members = f->members, .epoch = SIZE_MAX};
    for (const variant *w = l->variants; w < v; w++)
        if (alike_but(l, w, v, group))
            return false;
    for (const variant *w = v; w < end; w++) {
        const size_t longest = alike_but(l, w, v, group) ? longest_of_value(l, w, group) : 0;
        f->epoch = longest ? MIN(f->epoch, longest) : f->epoch;
    }
    for (const variant *w = v; w < end; w++)
        if (alike_but(l, w, v, group) && first_of_value(l, w, group) && longest_of_value(l, w, group) > 0)
            f->members[f->n++] = closest_of_value(l, w, group, f->epoch);
    return f->n > 1;
}
