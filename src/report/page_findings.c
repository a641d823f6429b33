/* What the diagnosis has to say of the runs: a sentence a finding, the surest first, said once of all seeds that share it. */
#include "report/page.h"

#include <string.h>

enum { MOST_FINDINGS = 12 };

typedef struct said {
    const finding *what;
    size_t n_runs;
} said;

/* The findings of all runs of a variant, one of each name. */
static weft_status gather(page *p, const variant *v, said *all, size_t *n, weft_error *err)
{
    *n = 0;
    for (size_t i = 0; i < v->n_runs; i++) {
        findings f;
        bool known;
        TRY(findings_read(v->runs[i]->folder, &f, &known, p->memory, err));
        for (size_t k = 0; known && k < f.n; k++) {
            size_t at = 0;
            while (at < *n && strcmp(all[at].what->name, f.all[k].name) != 0)
                at++;
            if (at == MOST_FINDINGS)
                continue;
            all[at] = (said){at < *n ? all[at].what : &f.all[k], (at < *n ? all[at].n_runs : 0) + 1};
            *n = MAX(*n, at + 1);
        }
    }
    return WEFT_OK;
}

static void add_finding(text *t, const said *s, size_t n_runs)
{
    text_add(t, "<li>");
    page_words(t, s->what->sentence);
    if (n_runs > 1)
        text_printf(t, " <span class=\"note\">(%zu of %zu seeds)</span>", s->n_runs, n_runs);
    if (s->what->remedy && *s->what->remedy) {
        text_add(t, " <code>");
        page_words(t, s->what->remedy);
        text_add(t, "</code>");
    }
    text_add(t, "</li>\n");
}

weft_status page_findings(page *p, text *t, weft_error *err)
{
    for (size_t i = 0; i < p->n_variants; i++) {
        const variant *v = p->ranked[i];
        said all[MOST_FINDINGS];
        size_t n;
        TRY(gather(p, v, all, &n, err));
        if (n == 0)
            continue;
        text_add(t, "<h3>");
        page_swatch(p, v, t);
        page_words(t, v->name);
        text_add(t, "</h3>\n<ul>\n");
        for (size_t k = 0; k < n; k++)
            add_finding(t, &all[k], v->n_runs);
        text_add(t, "</ul>\n");
    }
    return WEFT_OK;
}
