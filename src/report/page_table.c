/* The summary in words, and the ranked table. */
#include "report/page.h"

#include <math.h>
#include <string.h>

/* ---- Words ---- */

static void add_best(const page *p, text *t)
{
    const variant *best = p->ranked[0];
    const spread s = page_result(p, best)->best;
    if (s.n == 0)
        return;
    text_add(t, "<p class=\"lead\">");
    if (p->n_variants > 1) {
        text_printf(t, "Best of %zu variants: <b>", p->n_variants);
        page_words(t, best->name);
        text_add(t, "</b>, ");
    }
    static const char *const begins[2][2] = {{"Best", "Mean of the best"}, {"best", "mean of the best"}};
    text_printf(t, "%s validation %s <b>%.*f", begins[p->n_variants > 1][best->n_runs > 1], p->words->score, p->words->decimals, s.mean);
    if (s.n > 1)
        text_printf(t, " \xc2\xb1 %.*f", p->words->decimals, s.std);
    text_printf(t, "%s</b>", p->words->unit);
    if (s.n > 1)
        text_printf(t, " over %zu seeds", s.n);
    text_add(t, ".</p>\n");
}

weft_status page_summary(page *p, text *t, weft_error *err)
{
    (void)err;
    text sentences = {0};
    add_best(p, t);
    prose_add(p->variants, p->n_variants, WORDS_HTML, &sentences);
    if (sentences.length)
        text_printf(t, "<ul>\n%s</ul>\n", sentences.data);
    t->failed = t->failed || sentences.failed;
    text_free(&sentences);
    return WEFT_OK;
}

/* ---- The table ---- */

static void add_number(text *t, const spread *s, int decimals, const char *unit)
{
    if (s->n == 0) {
        text_add(t, "<td class=\"number\">\xe2\x80\x93</td>");
        return;
    }
    text_printf(t, "<td class=\"number\">%.*f", decimals, s->mean);
    if (s->n > 1)
        text_printf(t, " <small>\xc2\xb1 %.*f</small>", decimals, s->std);
    text_printf(t, "%s</td>", unit);
}

static void add_status(text *t, const variant *v)
{
    text_add(t, "<td>");
    size_t n_other = 0;
    for (size_t i = 0; i < v->n_runs; i++) {
        const run_record *run = v->runs[i];
        if (strcmp(run->status, "done") == 0)
            continue;
        text_add(t, n_other++ ? "<br>" : "");
        if (v->n_runs > 1)
            text_printf(t, "seed %llu: ", (unsigned long long)run->seed);
        page_words(t, run->status);
        text_add(t, *run->message ? ": " : "");
        page_words(t, run->message);
    }
    text_add(t, n_other ? "</td>" : "done</td>");
}

/* How each stands to the baseline, where there are several. */
static void add_standing_head(const page *p, const char *points, text *t)
{
    if (p->n_variants < 2)
        return;
    text_add(t, "<th class=\"number\">last against ");
    page_words(t, p->variants[p->results.baseline].name);
    text_printf(t, "%s, 95&nbsp;%% interval</th>", points);
}

static void add_standing(const page *p, const result *r, text *t)
{
    const int decimals = p->words->decimals;
    if (p->n_variants < 2)
        return;
    text_add(t, "<td class=\"number\">");
    if (r->verdict != VERDICT_BASELINE && isfinite(r->difference))
        text_printf(t, "%+.*f<br>", decimals, r->difference);
    text_add(t, "<small>");
    if (isfinite(r->interval.low))
        text_printf(t, "%+.*f to %+.*f", decimals, r->interval.low, decimals, r->interval.high);
    if (r->verdict != VERDICT_DIFFERS)
        text_printf(t, "%s%s", isfinite(r->interval.low) ? "<br>" : "", verdict_names[r->verdict]);
    text_add(t, "</small></td>");
}

static void add_head(const page *p, text *t)
{
    text_add(t, "<thead><tr><th class=\"number\">#</th><th>variant</th>");
    for (size_t i = 0; i < p->n_settings; i++) {
        text_printf(t, "<th class=\"setting%s\">", p->settings[i].numbers ? " number" : "");
        page_words(t, p->settings[i].key);
        text_add(t, "</th>");
    }
    const char *points = *p->words->unit ? " (points)" : "";
    text_printf(t, "<th class=\"number\">best validation %s</th><th class=\"number\">at epoch</th><th class=\"number\">last</th>", p->words->score);
    add_standing_head(p, points, t);
    text_printf(t, "<th class=\"number\">training %s</th><th class=\"number\">gap%s</th><th class=\"number\">seconds</th>"
                   "<th class=\"number\">seeds</th><th>status</th></tr></thead>\n", p->words->score, points);
}

static void add_row(const page *p, size_t rank, text *t)
{
    const variant *v = p->ranked[rank];
    const result *r = page_result(p, v);
    const int decimals = p->words->decimals;
    text_printf(t, "<tr><td class=\"number\">%zu</td><th scope=\"row\">", rank + 1);
    page_swatch(p, v, t);
    page_words(t, v->name);
    text_add(t, "</th>");
    for (size_t i = 0; i < p->n_settings; i++) {
        const char *value = p->settings[i].values[v - p->variants];
        text_printf(t, "<td class=\"setting%s\">", p->settings[i].numbers ? " number" : "");
        page_words(t, value ? value : "\xe2\x80\x93");
        text_add(t, "</td>");
    }
    add_number(t, &r->best, decimals, p->words->unit);
    add_number(t, &r->best_epoch, r->best_epoch.n > 1, "");
    add_number(t, &r->last, decimals, p->words->unit);
    add_standing(p, r, t);
    add_number(t, &r->training, decimals, p->words->unit);
    add_number(t, &r->gap, decimals, "");
    add_number(t, &r->seconds, 1, "");
    text_printf(t, "<td class=\"number\">%zu</td>", v->n_runs);
    add_status(t, v);
    text_add(t, "</tr>\n");
}

weft_status page_table(page *p, text *t, weft_error *err)
{
    (void)err;
    bool several = false;
    for (size_t i = 0; i < p->n_variants; i++)
        several = several || p->variants[i].n_runs > 1;
    if (p->n_variants > 1)
        text_printf(t, "<p class=\"note\">Ranked by the best validation %s%s. Of the settings, those that differ.</p>\n", p->words->score,
                several ? "; mean \xc2\xb1 standard deviation over seeds" : "");
    text_add(t, "<div class=\"scroll\" tabindex=\"0\"><table class=\"ranked\">\n");
    add_head(p, t);
    text_add(t, "<tbody>\n");
    for (size_t i = 0; i < p->n_variants; i++)
        add_row(p, i, t);
    text_add(t, "</tbody></table></div>\n");
    return WEFT_OK;
}
