/* Which settings differ between the variants. */
#include "report/page.h"

#include <string.h>

static const char *value_of(const variant *v, const char *key)
{
    const setting *found = setting_find(v->runs[0]->settings, key);
    return found ? found->text : NULL;
}

/* "optimizer" of "optimizer.lr"; of others an empty text. */
static const char *kind_of(const variant *v, const char *key, arena *a)
{
    const char *dot = strchr(key, '.');
    char *section = dot ? arena_printf(a, "%.*s", (int)(dot - key), key) : NULL;
    const char *kind = section ? value_of(v, section) : NULL;
    return kind ? kind : "";
}

/* Whether a variant differs from one that has the setting. What only another kind of optimizer, loss or schedule has is no difference of
 * its own: that there is another kind says it. */
static bool differs(const variant *v, const variant *first, const char *key, const char *const *values, const page *p)
{
    const char *one = values[v - p->variants], *other = values[first - p->variants];
    return one ? strcmp(one, other) != 0 : strcmp(kind_of(v, key, p->memory), kind_of(first, key, p->memory)) == 0;
}

static weft_status look_at(page *p, page_setting *made, const variant *first, const char *key, bool *found, weft_error *err)
{
    const char **values = arena_array(p->memory, p->n_variants, sizeof *values);
    double number;
    if (!values)
        return fail_memory(err);
    *made = (page_setting){key, values, true};
    *found = false;
    for (size_t v = 0; v < p->n_variants; v++) {
        values[v] = value_of(&p->variants[v], key);
        made->numbers = made->numbers && (!values[v] || parse_double(values[v], &number));
    }
    for (size_t v = 0; v < p->n_variants; v++)
        *found = *found || differs(&p->variants[v], first, key, values, p);
    return WEFT_OK;
}

static const setting *first_of(const variant *v) { return v->runs[0]->settings ? v->runs[0]->settings->first : NULL; }

/* Whether a variant before this one has the setting, so that it was looked at. */
static bool is_known(const page *p, size_t v, const char *key)
{
    for (size_t before = 0; before < v; before++)
        if (value_of(&p->variants[before], key))
            return true;
    return false;
}

weft_status page_settings_find(page *p, weft_error *err)
{
    size_t most = 1;
    for (size_t v = 0; v < p->n_variants; v++)
        for (const setting *s = first_of(&p->variants[v]); s; s = s->next)
            most++;
    page_setting *all = arena_array(p->memory, most, sizeof *all);
    if (!all)
        return fail_memory(err);
    p->settings = all;
    for (size_t v = 0; v < p->n_variants; v++)
        for (const setting *s = first_of(&p->variants[v]); s; s = s->next) {
            bool found = false;
            if (strcmp(s->key, "train.seed") != 0 && !is_known(p, v, s->key))
                TRY(look_at(p, &all[p->n_settings], &p->variants[v], s->key, &found, err));
            p->n_settings += found;
        }
    return WEFT_OK;
}
