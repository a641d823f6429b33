/* From runs to variants: numbers over seeds. */
#include "report/variants.h"

#include <math.h>
#include <string.h>

variant *variants_group(const run_record *runs, size_t n_runs, size_t *n_variants, arena *a)
{
    variant *variants = arena_array(a, MAX(n_runs, 1), sizeof *variants);
    const run_record **sorted = arena_array(a, MAX(n_runs, 1), sizeof *sorted);
    size_t n = 0, n_sorted = 0;
    if (!variants || !sorted)
        return NULL;
    for (size_t i = 0; i < n_runs; i++) {
        const char *name = runs[i].variant ? runs[i].variant : "";
        size_t k = 0;
        while (k < n && strcmp(variants[k].name, name) != 0)
            k++;
        if (k < n)
            continue; /* it was gathered when its first run came by */
        variant *v = &variants[n];
        *v = (variant){.name = name, .runs = sorted + n_sorted, .number = n};
        n++;
        for (size_t j = i; j < n_runs; j++) {
            if (strcmp(runs[j].variant ? runs[j].variant : "", name) != 0)
                continue;
            sorted[n_sorted++] = &runs[j];
            v->n_runs++;
            v->n_diverged += run_diverged(&runs[j]);
        }
    }
    *n_variants = n;
    return variants;
}

const task_words *variants_words(const variant *variants, size_t n)
{
    static const task_words mixed = {.name = "", .score = "score", .initial = "Score", .brief = "score", .unit = "", .decimals = 4};
    for (size_t i = 1; i < n; i++)
        if (variants[i].runs[0]->task != variants[0].runs[0]->task)
            return &mixed;
    return &known_tasks[n ? variants[0].runs[0]->task : WEFT_CLASSIFICATION];
}

double quantity_of(const weft_metrics *m, quantity q)
{
    switch (q) {
    case TRAIN_LOSS:
        return m->train_loss;
    case TRAIN_SCORE:
        return metrics_score(m, WEFT_TRAIN);
    case VAL_LOSS:
        return m->val_loss;
    case VAL_SCORE:
        return metrics_score(m, WEFT_TEST);
    case GAP:
        return metrics_score(m, WEFT_TRAIN) - metrics_score(m, WEFT_TEST);
    case LOSS_GAP:
        return m->val_loss - m->train_loss;
    default:
        return NAN;
    }
}

bool run_diverged(const run_record *run) { return run->status && strcmp(run->status, "diverged") == 0; }

const weft_metrics *run_at(const run_record *run, size_t epoch)
{
    if (epoch >= 1 && epoch <= run->n_epochs && run->metrics[epoch - 1].epoch == epoch)
        return &run->metrics[epoch - 1];
    for (size_t i = 0; i < run->n_epochs; i++)
        if (run->metrics[i].epoch == epoch)
            return &run->metrics[i];
    return NULL;
}

const weft_metrics *run_best(const run_record *run)
{
    const weft_metrics *best = NULL;
    for (size_t i = 0; i < run->n_epochs; i++) {
        const weft_metrics *m = &run->metrics[i];
        const double score = metrics_score(m, WEFT_TEST);
        if (isfinite(score) && (!best || score > metrics_score(best, WEFT_TEST)))
            best = m;
    }
    return best;
}

double run_seconds(const run_record *run, size_t last_epoch)
{
    double seconds = 0;
    for (size_t i = 0; i < run->n_epochs && run->metrics[i].epoch <= last_epoch; i++)
        seconds += run->metrics[i].train_seconds + run->metrics[i].eval_seconds;
    return seconds;
}

spread variant_at(const variant *v, quantity q, size_t epoch)
{
    spread s = spread_none();
    for (size_t i = 0; i < v->n_runs; i++) {
        const weft_metrics *m = run_diverged(v->runs[i]) ? NULL : run_at(v->runs[i], epoch);
        spread_add(&s, m ? quantity_of(m, q) : NAN);
    }
    return s;
}

size_t variant_last_epoch(const variant *v)
{
    size_t last = SIZE_MAX;
    for (size_t i = 0; i < v->n_runs; i++) {
        const run_record *run = v->runs[i];
        if (!run_diverged(run))
            last = MIN(last, run->n_epochs ? run->metrics[run->n_epochs - 1].epoch : 0);
    }
    return last == SIZE_MAX ? 0 : last;
}

/* The spread at the next epoch that any run has; `next` counts what was used of each. False: no run has one. */
static bool next_epoch(const variant *v, quantity q, size_t *next, double *epoch, spread *s)
{
    size_t first = SIZE_MAX;
    for (size_t i = 0; i < v->n_runs; i++)
        if (next[i] < v->runs[i]->n_epochs)
            first = MIN(first, v->runs[i]->metrics[next[i]].epoch);
    if (first == SIZE_MAX)
        return false;
    *epoch = (double)first;
    *s = spread_none();
    for (size_t i = 0; i < v->n_runs; i++)
        if (next[i] < v->runs[i]->n_epochs && v->runs[i]->metrics[next[i]].epoch == first)
            spread_add(s, quantity_of(&v->runs[i]->metrics[next[i]++], q));
    return true;
}

weft_status variant_series(const variant *v, quantity q, series *out, arena *a, weft_error *err)
{
    size_t most = 1;
    for (size_t i = 0; i < v->n_runs; i++)
        most += v->runs[i]->n_epochs;
    size_t *next = arena_array(a, v->n_runs + 1, sizeof *next);
    double *epoch = arena_array(a, most, sizeof *epoch), *y = arena_array(a, most, sizeof *y);
    double *low = arena_array(a, most, sizeof *low), *high = arena_array(a, most, sizeof *high);
    if (!next || !epoch || !y || !low || !high)
        return fail_memory(err);
    *out = (series){.label = v->name, .look = (unsigned)v->number, .epoch = epoch, .y = y};
    spread s;
    while (next_epoch(v, q, next, &epoch[out->n], &s)) {
        y[out->n] = s.mean;
        low[out->n] = s.min;
        high[out->n++] = s.max;
    }
    out->low = v->n_runs > 1 ? low : NULL;
    out->high = v->n_runs > 1 ? high : NULL;
    out->cut = v->n_runs > 0 && v->n_diverged == v->n_runs;
    if (out->cut && out->n == 0)
        out->remark = " (diverged in the first epoch)";
    else if (out->cut)
        out->remark = v->n_runs > 1 ? arena_printf(a, " (all %zu diverged)", v->n_runs) : " (diverged)";
    else if (out->n == 0)
        out->remark = " (no epochs yet)";
    else if (v->n_diverged > 0)
        out->remark = arena_printf(a, " (%zu of %zu diverged)", v->n_diverged, v->n_runs);
    return v->n_diverged == 0 || out->remark ? WEFT_OK : fail_memory(err);
}
