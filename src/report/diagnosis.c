/* What the diagnosis found, as a terminal shows it. */
#include "report/variants.h"

#include <string.h>

/* So many of a run are shown, and of each variant of a comparison, while there are fewer than MOST. */
enum { HANDFUL = 4, FEW = 2, MOST = 12 };

/* "NAME, 2 of 3 seeds: SENTENCE", and below it what to try. */
static void add_item(text *t, const char *before, const finding *f)
{
    text item = {0}, clean = {0};
    text_printf(&item, "%s%s", before, f->sentence);
    text_add_escaped(&clean, item.data ? item.data : "");
    text_add(t, "- ");
    text_add_wrapped(t, clean.data ? clean.data : "");
    text_add(t, "\n");
    if (*f->remedy) {
        text_add(t, "  try: ");
        text_add_escaped(t, f->remedy);
        text_add(t, "\n");
    }
    t->failed |= item.failed || clean.failed;
    text_free(&item);
    text_free(&clean);
}

void report_findings(const findings *f, text *t)
{
    if (!f->n) {
        text_add(t, "diagnosis: nothing to report\n");
        return;
    }
    text_add(t, "\nDiagnosis, the surest first\n");
    for (size_t i = 0; i < MIN(f->n, (size_t)HANDFUL); i++)
        add_item(t, "", &f->all[i]);
    if (f->n > HANDFUL)
        text_printf(t, "- and %zu more, in diagnosis.json\n", f->n - HANDFUL);
}

/* What a run was found to have; NULL: nothing of that name. */
static const finding *find(const findings *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->all[i].name, name) == 0)
            return &f->all[i];
    return NULL;
}

static const findings *of_run(const run_record *runs, const findings *of, const run_record *run) { return &of[run - runs]; }

/* The surest of those findings of a variant's runs that are not said yet, and how many runs have it. */
static const finding *surest(const variant *v, const run_record *runs, const findings *of, const char *const *said, size_t n_said, size_t *n_have)
{
    const finding *best = NULL;
    for (size_t r = 0; r < v->n_runs; r++) {
        const findings *own = of_run(runs, of, v->runs[r]);
        for (size_t i = 0; i < own->n; i++) {
            bool known = false;
            for (size_t k = 0; k < n_said; k++)
                known |= strcmp(said[k], own->all[i].name) == 0;
            if (!known && (!best || own->all[i].confidence > best->confidence))
                best = &own->all[i];
        }
    }
    *n_have = 0;
    for (size_t r = 0; best && r < v->n_runs; r++)
        *n_have += find(of_run(runs, of, v->runs[r]), best->name) != NULL;
    return best;
}

static size_t add_variant(const variant *v, const run_record *runs, const findings *of, text *t)
{
    const char *said[FEW];
    size_t n_said = 0, n_have;
    for (const finding *f; n_said < FEW && (f = surest(v, runs, of, said, n_said, &n_have)); said[n_said++] = f->name) {
        text before = {0};
        text_add(&before, v->name);
        if (v->n_runs > 1)
            text_printf(&before, *v->name ? ", %zu of %zu seeds" : "%zu of %zu seeds", n_have, v->n_runs);
        text_add(&before, before.length ? ": " : "");
        add_item(t, before.data ? before.data : "", f);
        t->failed |= before.failed;
        text_free(&before);
    }
    return n_said;
}

void report_all_findings(const run_record *runs, const findings *of, size_t n_runs, text *t)
{
    arena a = {0};
    size_t n_variants, n_healthy = 0, n_said = 0, n_left = 0;
    const variant *variants = variants_group(runs, n_runs, &n_variants, &a);
    text healthy = {0};
    t->failed |= !variants;
    text_add(t, "\nDiagnosis\n");
    for (size_t i = 0; variants && i < n_variants; i++) {
        const size_t n = n_said < MOST ? add_variant(&variants[i], runs, of, t) : 0;
        n_said += n;
        n_left += n_said >= MOST && n == 0;
        if (n == 0 && n_said < MOST)
            text_printf(&healthy, "%s%s", n_healthy++ ? ", " : "nothing to report: ", variants[i].name);
    }
    if (n_left)
        text_printf(t, "- of %zu more variants each run's diagnosis.json tells\n", n_left);
    if (n_healthy) {
        text clean = {0};
        text_add_escaped(&clean, healthy.data ? healthy.data : "");
        text_add(t, "- ");
        text_add_wrapped(t, n_variants > n_healthy && clean.data ? clean.data : "nothing to report");
        text_add(t, "\n");
        text_free(&clean);
    }
    text_free(&healthy);
    arena_deinit(&a);
}
