/* The points of a sweep: what is drawn, and the settings that it gives. */
#include <stdio.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "lab/parts.h"

/* ---- Values ---- */

static setting *make_value(const char *written, where at, arena *a)
{
    setting *s = arena_alloc(a, sizeof *s);
    if (!s || !written)
        return NULL;
    *s = (setting){SETTING_SCALAR, .text = written, .at = at};
    return s;
}

/* Entry k of a list. */
static setting *copy_entry(const setting *s, size_t k, arena *a)
{
    while (k-- > 0)
        s = s->next;
    setting *copy = arena_alloc(a, sizeof *copy);
    if (copy) {
        *copy = *s;
        copy->next = NULL;
    }
    return copy;
}

setting *dimension_value(const dimension *d, size_t k, arena *a)
{
    return d->kind == DRAW_INTEGER ? make_value(arena_printf(a, "%.0f", d->low + (double)k), d->first->at, a) : copy_entry(d->first, k, a);
}

/* How many decimals cut a range into at least a thousand parts. */
static int decimals_of(double width)
{
    enum { MOST = 300 };
    int n = 0;
    for (; width < 1000 && n < MOST; n++)
        width *= 10;
    return n;
}

/* A number that a person would write, which is not outside the range for that. */
static setting *write_number(const dimension *d, double x, arena *a)
{
    char number[512];
    double rounded;
    if (d->kind == DRAW_LOG_UNIFORM)
        snprintf(number, sizeof number, "%.3g", x);
    else
        snprintf(number, sizeof number, "%.*f", decimals_of(d->high - d->low), x);
    if (!parse_double(number, &rounded))
        return NULL;
    rounded = MIN(MAX(rounded, d->low), d->high);
    return make_value(arena_text(a, print_double(rounded, number)), d->first->at, a);
}

setting *dimension_draw(const dimension *d, uint64_t seed, uint64_t index, arena *a)
{
    uint32_t block[4];
    rng_u32x4(seed, RNG_SWEEP, XXH32(d->key, strlen(d->key), 0), index, block);
    const double unit = ((double)(block[0] >> 5) * 0x1p26 + (double)(block[1] >> 6)) * 0x1p-53; /* exact, below 1 */
    switch (d->kind) {
    case DRAW_UNIFORM:
        return write_number(d, d->low + (d->high - d->low) * unit, a);
    case DRAW_LOG_UNIFORM:
        return write_number(d, (double)(d->low * schedule_power((wide)d->high / d->low, unit)), a);
    default:
        return dimension_value(d, MIN((size_t)(unit * (double)d->n), d->n - 1), a);
    }
}

/* ---- From values to settings ---- */

static bool holds(const condition *c, const space *s, setting *const *drawn, const setting *base)
{
    const setting *now = c->of ? drawn[c->of - s->dimensions] : setting_at(base, c->key);
    const bool list = c->wanted->kind == SETTING_LIST;
    for (const setting *one = list ? c->wanted->first : c->wanted; now && one; one = list ? one->next : NULL)
        if (setting_equals(one, now))
            return true;
    return false;
}

static bool all_hold(const space *s, const dimension *d, setting *const *drawn, const setting *base)
{
    for (size_t i = 0; i < d->n_conditions; i++)
        if (!holds(&d->conditions[i], s, drawn, base))
            return false;
    return true;
}

/* What is merged first: what has fewer parts, and the name before what goes with it. */
static size_t merge_rank(const char *key)
{
    size_t dots = 0;
    for (const char *c = key; *c; c++)
        dots += *c == '.';
    const char *last = strrchr(key, '.');
    return 2 * dots - (last && strcmp(last, ".name") == 0);
}

enum { MAX_RANK = 32 };

/* What is drawn, as a variant writes it. NULL: see err. */
static setting *changes_of(const space *s, setting *const *drawn, arena *a, weft_error *err)
{
    setting *changes = arena_alloc(a, sizeof *changes);
    if (changes)
        *changes = (setting){.kind = SETTING_MAP, .at = s->at, .key_at = s->at};
    for (size_t rank = 0; changes && rank <= MAX_RANK; rank++)
        for (size_t i = 0; changes && i < s->n_dimensions; i++) {
            const dimension *d = &s->dimensions[i];
            if (!drawn[i] || merge_rank(d->key) != rank)
                continue;
            setting *one = setting_nest(a, drawn[i], d->key, d->key + strlen(d->key), d->key_at, err);
            if (!one)
                return NULL;
            changes = setting_merge(a, changes, one);
        }
    if (!changes)
        fail_memory(err);
    return changes;
}

static const char *name_of(const space *s, setting *const *drawn, arena *a)
{
    text t = {0};
    for (size_t i = 0; i < s->n_dimensions; i++) {
        if (!drawn[i])
            continue;
        text_printf(&t, "%s%s=", t.length ? ", " : "", s->dimensions[i].label);
        if (drawn[i]->text) /* also of a spec that was unfolded */
            text_add(&t, drawn[i]->text);
        else
            yaml_print(drawn[i], &t);
    }
    const char *name = t.failed ? NULL : arena_text(a, t.data ? t.data : "");
    text_free(&t);
    return name;
}

/* ---- Points ---- */

/* The values of a draw, or of a place in the grid, whose last dimension moves fastest. `trying`, where it can be, is entry k of what was written. */
static bool choose(const space *s, size_t index, const setting *base, setting **drawn, const dimension *trying, size_t k, arena *a)
{
    const bool random = strcmp(s->settings.method, "random") == 0;
    size_t places = 1;
    for (size_t i = 0; i < s->n_dimensions && !random; i++)
        places *= s->dimensions[i].n;
    for (size_t i = 0; i < s->n_dimensions; i++) {
        const dimension *d = &s->dimensions[i];
        drawn[i] = NULL;
        if (!random)
            places /= d->n;
        if (!all_hold(s, d, drawn, base))
            continue;
        if (d == trying)
            drawn[i] = copy_entry(d->first, k, a);
        else
            drawn[i] = random ? dimension_draw(d, s->settings.seed, index, a) : dimension_value(d, index / places % d->n, a);
        if (!drawn[i])
            return false;
    }
    return true;
}

static bool is_known(const point *points, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(points[i].name, name) == 0)
            return true;
    return false;
}

point *space_points(const space *s, const setting *base, size_t *n, arena *a, weft_error *err)
{
    const size_t most = space_size(s, SIZE_MAX);
    point *points = arena_array(a, MAX(most, 1), sizeof *points);
    setting **drawn = arena_array(a, MAX(s->n_dimensions, 1), sizeof *drawn);
    *n = 0;
    for (size_t index = 0; index < most; index++) {
        const char *name = points && drawn && choose(s, index, base, drawn, NULL, 0, a) ? name_of(s, drawn, a) : NULL;
        if (!name) {
            fail_memory(err);
            return NULL;
        }
        if (is_known(points, *n, name))
            continue;
        setting *changes = changes_of(s, drawn, a, err);
        if (!changes)
            return NULL;
        points[(*n)++] = (point){changes, name, index};
    }
    return points;
}

setting *space_probe(const space *s, size_t dimension, size_t k, const setting *base, arena *a, weft_error *err)
{
    const size_t most = space_size(s, SIZE_MAX);
    setting **drawn = arena_array(a, s->n_dimensions, sizeof *drawn);
    for (size_t index = 0; index < most; index++) {
        if (!drawn || !choose(s, index, base, drawn, &s->dimensions[dimension], k, a)) {
            fail_memory(err);
            return NULL;
        }
        if (drawn[dimension])
            return changes_of(s, drawn, a, err);
    }
    return NULL;
}

bool dimension_can_be(const space *s, const dimension *d, const setting *base)
{
    for (size_t i = 0; i < d->n_conditions; i++)
        if (!d->conditions[i].of && !holds(&d->conditions[i], s, NULL, base))
            return false;
    return true;
}
