/* What settings do: parallel coordinates and main effects, where three or more of them differ. */
#include "report/page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/effects.h"

enum { FEW_SETTINGS = 3, MOST_SETTINGS = 8, MOST_VALUES = 12, STRONG = 7 };

/* ---- From texts to places ---- */

static int compare_numbers(const void *a, const void *b)
{
    double x = 0, y = 0;
    parse_double(*(const char *const *)a, &x);
    parse_double(*(const char *const *)b, &y);
    return (x > y) - (x < y);
}

static size_t find_value(const char *const *values, size_t n, const char *value)
{
    size_t k = 0;
    while (k < n && strcmp(values[k], value) != 0)
        k++;
    return k;
}

/* The values that there are: numbers from the lowest, words in order of appearance. */
static size_t distinct(const page *p, const page_setting *s, const char **values)
{
    size_t n = 0;
    for (size_t v = 0; v < p->n_variants; v++)
        if (s->values[v] && find_value(values, n, s->values[v]) == n)
            values[n++] = s->values[v];
    if (s->numbers)
        qsort(values, n, sizeof *values, compare_numbers);
    return n;
}

/* Values stand at equal distances, whatever they are: what is compared is usually 0.001, 0.01, 0.1. Of very many only some are labelled. */
static weft_status place_setting(const page *p, const page_setting *s, coordinate *c, weft_error *err)
{
    const char **values = arena_array(p->memory, p->n_variants + 1, sizeof *values);
    *c = (coordinate){.title = s->key, .ordered = s->numbers, .at = arena_array(p->memory, p->n_variants + 1, sizeof *c->at)};
    c->labels = arena_array(p->memory, p->n_variants + 1, sizeof *c->labels);
    c->ticks = arena_array(p->memory, p->n_variants + 1, sizeof *c->ticks);
    if (!values || !c->at || !c->labels || !c->ticks)
        return fail_memory(err);
    const size_t n = distinct(p, s, values);
    const double step = n > 1 ? 1 / (double)(n - 1) : 0;
    for (size_t k = 0, every = n / MOST_VALUES + 1; k < n; k += every) {
        c->labels[c->n_ticks] = values[k];
        c->ticks[c->n_ticks++] = n > 1 ? (double)k * step : 0.5;
    }
    for (size_t i = 0; i < p->n_variants; i++) {
        const char *value = s->values[p->ranked[i] - p->variants];
        c->at[i] = !value ? NAN : n > 1 ? (double)find_value(values, n, value) * step : 0.5;
    }
    return WEFT_OK;
}

static weft_status place_score(const page *p, coordinate *c, weft_error *err)
{
    double min = INFINITY, max = -INFINITY;
    *c = (coordinate){.at = arena_array(p->memory, p->n_variants + 1, sizeof *c->at), .ordered = true};
    c->title = arena_printf(p->memory, "best validation %s", p->words->score);
    c->labels = arena_array(p->memory, MAX_TICKS, sizeof *c->labels);
    c->ticks = arena_array(p->memory, MAX_TICKS, sizeof *c->ticks);
    if (!c->at || !c->title || !c->labels || !c->ticks)
        return fail_memory(err);
    for (size_t i = 0; i < p->n_variants; i++) {
        c->at[i] = page_result(p, p->ranked[i])->best.mean;
        min = fmin(min, c->at[i]);
        max = fmax(max, c->at[i]);
    }
    if (!(min <= max))
        return WEFT_OK;
    const axis x = score_axis(min, max, p->words);
    for (size_t i = 0; i < p->n_variants; i++)
        c->at[i] = axis_place(&x, c->at[i]);
    for (size_t k = 0; k < x.n_ticks; k++) {
        char buffer[32];
        if (!(c->labels[k] = arena_text(p->memory, axis_label(&x, x.ticks[k], buffer))))
            return fail_memory(err);
        c->ticks[c->n_ticks++] = axis_place(&x, x.ticks[k]);
    }
    return WEFT_OK;
}

/* ---- The section ---- */

static weft_status gather(const page *p, effects *e, weft_error *err)
{
    const size_t n = MIN(p->n_settings, MOST_SETTINGS);
    unsigned *looks = arena_array(p->memory, p->n_variants, sizeof *looks);
    const char **names = arena_array(p->memory, p->n_variants, sizeof *names);
    *e = (effects){.n_lines = p->n_variants, .looks = looks, .names = names, .n_strong = MIN(p->n_variants, STRONG)};
    e->axes = arena_array(p->memory, n + 1, sizeof *e->axes);
    if (!looks || !names || !e->axes)
        return fail_memory(err);
    for (size_t i = 0; i < p->n_variants; i++) {
        looks[i] = (unsigned)p->ranked[i]->number;
        names[i] = p->ranked[i]->name;
    }
    for (; e->n_axes < n; e->n_axes++)
        TRY(place_setting(p, &p->settings[e->n_axes], &e->axes[e->n_axes], err));
    return place_score(p, &e->axes[e->n_axes++], err);
}

weft_status page_effects(page *p, text *t, weft_error *err)
{
    effects e;
    if (p->n_settings < FEW_SETTINGS)
        return WEFT_OK;
    TRY(gather(p, &e, err));
    picture parallel = {.draw = parallel_draw, .of = &e}, means = {.draw = main_effects_draw, .of = &e};
    parallel_size(&e, &parallel);
    main_effects_size(&e, &means);
    text_printf(t, "<p class=\"note\">A line a variant, through its settings to its best validation %s%s; the best %zu are strong and named.</p>\n",
                p->words->score, p->n_settings > MOST_SETTINGS ? " (the first eight settings)" : "", e.n_strong);
    TRY(page_figure(p, &parallel, "parallel", "parallel coordinates: a line a variant, through its settings to its score", FIGURE_SHOWN, t, err));
    text_add(t, "<p class=\"note\">A dot a variant, at its value of one setting; a bar is the mean of those with that value. A mean also holds "
                "what else differs between them.</p>\n");
    return page_figure(p, &means, "effects", "main effects: the score at every value of each setting, and its mean", FIGURE_SHOWN, t, err);
}
