/* What a comparison comes to: numbers over seeds, and how each variant stands to the baseline. Every table is made from this. */
#include "report/variants.h"

#include <math.h>
#include <string.h>

const measure measures[] = {
    {"last", offsetof(result, last), true},
    {"best", offsetof(result, best), true},
    {"best_epoch", offsetof(result, best_epoch), false},
    {"training", offsetof(result, training), true},
    {"gap", offsetof(result, gap), true},
    {"epochs", offsetof(result, epochs), false},
    {"seconds", offsetof(result, seconds), false},
    {"epochs_to_target", offsetof(result, epochs_to_target), false},
    {"seconds_to_target", offsetof(result, seconds_to_target), false},
    {0},
};

const char *const verdict_names[] = {
    [VERDICT_BASELINE] = "baseline",  [VERDICT_UNKNOWN] = "no score",     [VERDICT_ONE_SEED] = "one seed cannot tell",
    [VERDICT_NOISE] = "within noise", [VERDICT_DIFFERS] = "beyond noise",
};

/* Holds the last score against the baseline's. */
static void judge(result *r, const result *baseline)
{
    const difference d = variants_differ(r->variant, baseline->variant, VAL_SCORE, LAST_EPOCH);
    r->difference = d.mean;
    r->interval = d.interval;
    r->verdict = !r->last.n || !baseline->last.n ? VERDICT_UNKNOWN :
                 !difference_known(&d)           ? VERDICT_ONE_SEED :
                 within_noise(&d)                ? VERDICT_NOISE :
                                                   VERDICT_DIFFERS;
}

static void add_run(result *r, const run_record *run)
{
    const weft_metrics *top = run_best(run), *end = run->n_epochs ? &run->metrics[run->n_epochs - 1] : NULL;
    spread_add(&r->last, end ? quantity_of(end, VAL_SCORE) : NAN);
    spread_add(&r->best, top ? quantity_of(top, VAL_SCORE) : NAN);
    spread_add(&r->best_epoch, top ? (double)top->epoch : NAN);
    spread_add(&r->training, end ? quantity_of(end, TRAIN_SCORE) : NAN);
    spread_add(&r->gap, end ? quantity_of(end, GAP) : NAN);
    spread_add(&r->epochs, end ? (double)end->epoch : NAN);
    spread_add(&r->seconds, end ? run_seconds(run, SIZE_MAX) : NAN);
}

/* The first epoch whose validation score is at least the target. */
static void add_time_to(result *r, const run_record *run, double target)
{
    for (size_t i = 0; i < run->n_epochs; i++) {
        if (!(quantity_of(&run->metrics[i], VAL_SCORE) >= target))
            continue;
        spread_add(&r->epochs_to_target, (double)run->metrics[i].epoch);
        spread_add(&r->seconds_to_target, run_seconds(run, run->metrics[i].epoch));
        return;
    }
}

static result result_of(const variant *v)
{
    result r = {.variant = v};
    for (const measure *m = measures; m->name; m++)
        *(spread *)member_of(&r, m->offset) = spread_none();
    for (size_t i = 0; i < v->n_runs; i++)
        if (!run_diverged(v->runs[i]))
            add_run(&r, v->runs[i]);
    return r;
}

static size_t find_baseline(const variant *variants, size_t n, const char *name)
{
    for (size_t i = 0; name && i < n; i++)
        if (strcmp(variants[i].name, name) == 0)
            return i;
    return 0;
}

bool results_make(results *out, const variant *variants, size_t n, const report_view *view, arena *a)
{
    result *rows = arena_array(a, MAX(n, 1), sizeof *rows);
    *out = (results){.n = n, .rows = rows, .baseline = find_baseline(variants, n, view->baseline), .words = variants_words(variants, n)};
    if (!rows)
        return false;
    for (size_t i = 0; i < n; i++)
        rows[i] = result_of(&variants[i]);
    const spread *baseline = &rows[out->baseline].last;
    out->target = view->target ? *view->target * score_scale(out->words) : n ? baseline->mean : NAN;
    for (size_t i = 0; i < n; i++) {
        result *r = &rows[i];
        judge(r, &rows[out->baseline]);
        if (i == out->baseline) {
            r->verdict = VERDICT_BASELINE;
            r->interval = (interval){NAN, NAN};
        }
        for (size_t k = 0; k < variants[i].n_runs; k++)
            if (!run_diverged(variants[i].runs[k]))
                add_time_to(r, variants[i].runs[k], out->target);
    }
    return true;
}
