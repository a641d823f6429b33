/* A comparison: all variants in one figure, the curves of each, and a page with the table and what the numbers say. */
#include "report/variants.h"

#include <math.h>
#include <string.h>

typedef struct compare_panel {
    quantity q;
    const char *title; /* of scores, up to the score's name */
} compare_panel;

static const struct overlay_panels {
    size_t n;
    compare_panel panels[MAX_PANELS];
} overlays[N_OVERLAYS] = {
    [OVERLAY_CURVES] = {4, {{VAL_LOSS, "Validation loss"},
                            {VAL_SCORE, "Validation"},
                            {TRAIN_LOSS, "Training loss"},
                            {TRAIN_SCORE, "Training"}}},
    [OVERLAY_GAPS] = {2, {{LOSS_GAP, "Validation minus training loss"},
                          {GAP, "Training minus validation"}}},
};

static bool is_loss(quantity q) { return q == VAL_LOSS || q == TRAIN_LOSS; }

/* ---- Scores far below all others ---- */

/* One variant that never learns (10 %) would press the others, between 85 and 90 %, into a line. Where the lines fall
 * into two heaps so far apart that the upper one, the larger, would get less than a third of the axis, this is the
 * lowest value of the upper one; elsewhere -INFINITY. */
static double score_floor(const series *s, size_t n)
{
    double min, max, best_floor = -INFINITY;
    size_t n_drawn = 0;
    for (size_t i = 0; i < n; i++)
        n_drawn += series_range(&s[i], 1, &min, &max);
    for (size_t i = 0; i < n; i++) {
        double floor_here, top = -INFINITY, below = -INFINITY;
        size_t n_above = 0, n_below = 0;
        if (!series_range(&s[i], 1, &floor_here, &max))
            continue;
        for (size_t k = 0; k < n; k++) {
            if (!series_range(&s[k], 1, &min, &max))
                continue;
            n_above += min >= floor_here;
            n_below += max < floor_here;
            top = min >= floor_here ? fmax(top, max) : top;
            below = max < floor_here ? fmax(below, max) : below;
        }
        bool split = n_above + n_below == n_drawn && n_above > n_below && n_below > 0;
        if (split && floor_here - below > 2 * (top - floor_here))
            best_floor = fmax(best_floor, floor_here);
    }
    return best_floor;
}

static const char *note_below(const series *s, size_t n, double low, const task_words *words, arena *a)
{
    text t = {0};
    for (size_t i = 0; i < n; i++) {
        double min, max;
        if (series_range(&s[i], 1, &min, &max) && max < low)
            text_printf(&t, "%s%s (at most %.*f%s)", t.length ? ", " : "below the axis: ", s[i].label, words->decimals - 1, max, words->unit);
    }
    const char *note = t.failed || !t.data ? NULL : arena_text(a, t.data);
    text_free(&t);
    return note;
}

static weft_status score_panel(panel *p, const task_words *words, arena *a, weft_error *err)
{
    double low = score_floor(p->series, p->n_series), min, max;
    if (!series_range(p->series, p->n_series, &min, &max))
        return WEFT_OK;
    if (!(low > min)) {
        p->y = score_axis(min, max, words);
        return WEFT_OK;
    }
    p->y = score_axis(low - (max - low) / 12, max, words); /* room for the arrowheads below the lowest line */
    p->note = note_below(p->series, p->n_series, low, words, a);
    return p->note ? WEFT_OK : fail_memory(err);
}

/* ---- The overlay ---- */

/* Two variants with the same settings and seed have the same line: the one above is dashed, so that both are seen. */
static bool covers(const series *above, const series *below)
{
    for (size_t i = 0; i < above->n; i++)
        if (i >= below->n || above->epoch[i] != below->epoch[i] || above->y[i] != below->y[i])
            return false;
    return above->n > 0;
}

/* Longer lines lie lower, so that the end of a shorter one shows where they coincide. */
static void sort_longest_first(series *s, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        series one = s[i];
        size_t k = i;
        for (; k > 0 && s[k - 1].n < one.n; k--)
            s[k] = s[k - 1];
        s[k] = one;
    }
}

static void mark_covering(series *lines, size_t n, series *legend)
{
    for (size_t i = 1; i < n; i++)
        for (size_t k = 0; k < i; k++) {
            lines[i].dashed = lines[i].dashed || covers(&lines[i], &lines[k]);
            legend[lines[i].look].dashed = lines[i].dashed;
        }
}

static axis gap_axis(const series *s, size_t n)
{
    double min, max;
    return series_range(s, n, &min, &max) ? axis_linear(min, max) : (axis){0};
}

static weft_status compare_panel_make(const variant *variants, size_t n, const compare_panel *kind, figure *f, arena *a, weft_error *err)
{
    const bool first = f->n_panels == 0;
    panel *p = &f->panels[f->n_panels++];
    series *lines = arena_array(a, MAX(n, 1), sizeof *lines);
    if (!lines)
        return fail_memory(err);
    double last = 1;
    for (size_t i = 0; i < n; i++) {
        TRY(variant_series(&variants[i], kind->q, &lines[i], a, err));
        lines[i].dashed = f->legend[i].dashed; /* known from the first panel on */
        last = fmax(last, lines[i].n ? lines[i].epoch[lines[i].n - 1] : 1);
        if (first)
            f->legend[i] = lines[i];
    }
    sort_longest_first(lines, n);
    if (first)
        mark_covering(lines, n, f->legend);
    *p = (panel){.title = kind->title, .x = axis_epochs(1, last), .series = lines, .n_series = n};
    if (is_loss(kind->q))
        return WEFT_OK;
    const task_words *words = variants_words(variants, n);
    const bool gap = kind->q == GAP || kind->q == LOSS_GAP;
    if (gap)
        p->y = gap_axis(lines, n);
    if (kind->q != LOSS_GAP && !(p->title = arena_printf(a, "%s %s%s", kind->title, words->score, gap && *words->unit ? " (points)" : "")))
        return fail_memory(err);
    return gap ? WEFT_OK : score_panel(p, words, a, err);
}

/* Both losses have the same kind of axis, so that they can be compared. */
static void loss_panels(panel *panels, const struct overlay_panels *of)
{
    bool log = false;
    for (size_t i = 0; i < of->n; i++)
        log = log || (is_loss(of->panels[i].q) && loss_is_wide(panels[i].series, panels[i].n_series));
    for (size_t i = 0; i < of->n; i++)
        if (is_loss(of->panels[i].q))
            panels[i].y = loss_axis(panels[i].series, panels[i].n_series, log);
}

weft_status compare_figure(const variant *variants, size_t n, overlay what, figure *f, arena *a, weft_error *err)
{
    const char *title = n && variants[0].runs[0]->title ? variants[0].runs[0]->title : "";
    size_t seeds = 0;
    for (size_t i = 0; i < n; i++)
        seeds = MAX(seeds, variants[i].n_runs);
    *f = (figure){.title = title, .n_legend = n};
    f->legend = arena_array(a, MAX(n, 1), sizeof *f->legend);
    if (!f->legend)
        return fail_memory(err);
    if (seeds > 1 && !(f->subtitle = arena_printf(a, "lines: mean of up to %zu seeds; bands: from the lowest to the "
                                                     "highest of them", seeds)))
        return fail_memory(err);
    for (size_t i = 0; i < overlays[what].n; i++)
        TRY(compare_panel_make(variants, n, &overlays[what].panels[i], f, a, err));
    loss_panels(f->panels, &overlays[what]);
    return figure_layout(f, a, err);
}

/* ---- The folder ---- */

typedef struct comparison {
    const char *folder;
    const run_record *runs;
    size_t n_runs;
    const report_view *view;
    const variant *variants;
    char **slugs; /* of each variant */
    size_t n;
} comparison;

static weft_status draw_all(const comparison *c, weft_error *err)
{
    arena a = {0};
    figure f;
    weft_status status = compare_figure(c->variants, c->n, OVERLAY_CURVES, &f, &a, err);
    if (status == WEFT_OK)
        status = figure_save(&f, c->folder, "compare", err);
    for (size_t i = 0; i < c->n && status == WEFT_OK; i++) {
        arena_deinit(&a);
        a = (arena){0};
        status = curves_figure(&c->variants[i], &f, &a, err);
        if (status == WEFT_OK)
            status = figure_save(&f, c->folder, c->slugs[i], err);
    }
    arena_deinit(&a);
    return status;
}

/* A picture that leads to its larger, sharper form. */
static void embed(const char *slug, const char *what, text *t)
{
    text_add(t, "[![");
    words_add(t, what, WORDS_MARKDOWN);
    text_printf(t, "](%s.png)](%s.svg)\n\n", slug, slug);
}

static weft_status write_page(const comparison *c, weft_error *err)
{
    arena a = {0};
    text t = {0};
    const char *title = c->n ? c->variants[0].runs[0]->title : NULL;
    text_add(&t, "# ");
    words_add(&t, title && *title ? title : "Comparison", WORDS_MARKDOWN);
    text_add(&t, "\n\n");
    report_summary(c->runs, c->n_runs, c->view, REPORT_MARKDOWN, &t);
    text_add(&t, "\n## All variants\n\n");
    char *what = arena_printf(&a, "loss and %s of all variants over epochs", variants_words(c->variants, c->n)->score);
    embed("compare", what ? what : "", &t);
    for (size_t i = 0; i < c->n; i++) {
        const char *name = *c->variants[i].name ? c->variants[i].name : "The run";
        text_add(&t, "## ");
        words_add(&t, name, WORDS_MARKDOWN);
        text_add(&t, "\n\n");
        embed(c->slugs[i], name, &t);
    }
    char *path = path_join(&a, c->folder, "summary.md");
    weft_status status = t.failed || !path || !what ? fail_memory(err) : file_write(path, t.data, t.length - 1, err);
    text_free(&t);
    arena_deinit(&a);
    return status;
}

weft_status report_compare(const char *folder, const run_record *runs, size_t n_runs, const report_view *view, weft_error *err)
{
    arena a = {0};
    weft_status status = WEFT_OK;
    comparison c = {.folder = folder, .runs = runs, .n_runs = n_runs, .view = view};
    c.variants = variants_group(runs, n_runs, &c.n, &a);
    const char **names = arena_array(&a, MAX(n_runs, 1), sizeof *names);
    for (size_t i = 0; names && c.variants && i < c.n; i++)
        names[i] = c.variants[i].name;
    c.slugs = names && c.variants ? slugs_make(&a, names, c.n) : NULL;
    status = c.slugs ? draw_all(&c, err) : fail_memory(err);
    if (status == WEFT_OK)
        status = write_page(&c, err);
    arena_deinit(&a);
    return status;
}
