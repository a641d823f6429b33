/* Successive halving (Jamieson and Talwalkar, 2016; Li et al., "A System for Massively Parallel Hyperparameter Tuning", 2020): all trials of a
 * sweep run to the first rung, the better part of them goes on to the next one, and so forth. Who goes on is what waiting for the whole rung
 * would decide, and so the same whatever runs at a time and whatever ends first; but as soon as no result that is still out could change it, a
 * trial does go on. What is decided follows from the run folders alone, so that a sweep that was stopped goes on. */
#include <math.h>
#include <string.h>

#include "lab/parts.h"

/* ---- Rungs ---- */

void rungs_make(rungs *r, const halving_settings *s, size_t n_trials, size_t epochs)
{
    size_t length = s->min_epochs, divisor = 1;
    *r = (rungs){0};
    while (r->n < MAX_RUNGS - 1 && length < epochs) {
        r->epochs[r->n] = length;
        r->places[r->n++] = MAX(n_trials / divisor, 1);
        if (!checked_mul(length, s->eta, &length) || !checked_mul(divisor, s->eta, &divisor))
            break;
    }
    r->epochs[r->n] = epochs;
    r->places[r->n++] = MAX(n_trials / divisor, 1);
}

/* Before whom a result lies; of equal ones the first. */
static bool is_before(const contender *all, size_t a, size_t b, size_t rung)
{
    const double x = all[a].results[rung], y = all[b].results[rung];
    return x != y ? x < y : a < b;
}

static bool is_known(const contender *c, size_t rung) { return !isnan(c->results[rung]); }

/* Moves those up of whom it is sure that they are among the best, and puts those out of whom it is sure that they are not. `coming`: how many
 * may still arrive at the rung. Returns how many may still arrive at the next one. */
static size_t decide_rung(const rungs *r, contender *all, size_t n, size_t rung, size_t coming)
{
    const size_t places = r->places[rung + 1];
    size_t open = coming, undecided = coming, up = 0;
    for (size_t i = 0; i < n; i++)
        open += all[i].rung == rung && !is_known(&all[i], rung);
    for (size_t i = 0; i < n; i++) {
        contender *c = &all[i];
        size_t better = 0;
        if (c->rung != rung)
            continue;
        for (size_t k = 0; k < n && is_known(c, rung); k++)
            better += k != i && all[k].arrived > rung && is_known(&all[k], rung) && is_before(all, k, i, rung);
        c->out = is_known(c, rung) && (isinf(c->results[rung]) || better >= places);
        if (is_known(c, rung) && !c->out && better + open < places)
            c->arrived = rung + 2;
        else
            undecided += !c->out;
    }
    for (size_t i = 0; i < n; i++) {
        if (all[i].arrived == rung + 2)
            all[i].rung = rung + 1;
        up += all[i].arrived == rung + 2;
    }
    return MIN(places - MIN(places, up), undecided);
}

void halving_decide(const rungs *r, contender *all, size_t n)
{
    size_t coming = 0;
    for (size_t i = 0; i < n; i++) {
        all[i].rung = 0;
        all[i].arrived = 1;
        all[i].out = false;
    }
    for (size_t rung = 0; rung + 1 < r->n; rung++)
        coming = decide_rung(r, all, n, rung, coming);
}

size_t contender_rank(const contender *all, size_t n, size_t i, size_t *of)
{
    const size_t rung = all[i].rung;
    size_t rank = 1;
    *of = 0;
    for (size_t k = 0; k < n; k++) {
        *of += all[k].arrived > rung;
        rank += k != i && all[k].arrived > rung && is_before(all, k, i, rung);
    }
    return rank;
}

double contender_epochs(const rungs *r, const contender *c)
{
    double epochs = (double)r->epochs[c->rung];
    for (size_t k = c->rung + 1; k < r->n && !c->out; k++)
        epochs += (double)(r->epochs[k] - r->epochs[k - 1]) * (double)r->places[k] / (double)r->places[c->rung];
    return epochs;
}

/* ---- Of a comparison ---- */

weft_status halving_prepare(halving *h, comparison *c, weft_error *err)
{
    const experiment *e = c->experiment;
    h->c = c;
    h->settings = e->sweep && e->sweep->halving.eta ? &e->sweep->halving : NULL;
    if (!h->settings)
        return WEFT_OK;
    h->results = arena_array(&c->memory, c->n_trials, sizeof *h->results);
    h->contenders = arena_array(&c->memory, e->n_variants, sizeof *h->contenders);
    if (!h->results || !h->contenders)
        return fail_memory(err);
    for (size_t i = 0; i < c->n_trials * MAX_RUNGS; i++)
        h->results[i / MAX_RUNGS][i % MAX_RUNGS] = NAN;
    return WEFT_OK;
}

weft_status halving_fits(const halving *h, weft_task task, weft_error *err)
{
    return h->settings ? watched_fits(h->settings->monitor, task, "sweep: halving: monitor", (where){.file = h->c->experiment->path}, err) : WEFT_OK;
}

/* The variants of a group lie side by side. */
size_t group_size(const experiment *e, size_t first)
{
    size_t n = 1;
    while (first + n < e->n_variants && e->variants[first + n].group == e->variants[first].group)
        n++;
    return n;
}

rungs halving_rungs(const halving *h, size_t first, size_t n)
{
    rungs r;
    rungs_make(&r, h->settings, n, h->c->experiment->variants[first].settings.train.epochs);
    return r;
}

/* The mean over a variant's seeds: not known before all are, and lost when one is. */
static double mean_result(const halving *h, size_t variant, size_t rung)
{
    const size_t n = h->c->experiment->n_seeds;
    double sum = 0;
    for (size_t s = 0; s < n; s++)
        sum += h->results[variant * n + s][rung];
    return sum / (double)n;
}

static void decide_group(halving *h, size_t first, size_t n)
{
    const size_t n_seeds = h->c->experiment->n_seeds;
    const rungs r = halving_rungs(h, first, n);
    contender *all = h->contenders + first;
    for (size_t i = 0; i < n; i++)
        for (size_t rung = 0; rung < MAX_RUNGS; rung++)
            all[i].results[rung] = mean_result(h, first + i, rung);
    halving_decide(&r, all, n);
    for (size_t i = 0; i < n * n_seeds; i++) {
        const contender *c = &all[i / n_seeds];
        trial *t = &h->c->trials[first * n_seeds + i];
        t->until = c->rung + 1 < r.n ? r.epochs[c->rung] : SIZE_MAX;
        t->likely = contender_epochs(&r, c);
    }
}

static void decide_all(halving *h)
{
    const experiment *e = h->c->experiment;
    for (size_t first = 0, n; first < e->n_variants; first += n) {
        n = group_size(e, first);
        decide_group(h, first, n);
    }
}

/* What a run came to at every rung that it has reached. One that is over has its last result at all the others; one that diverged is lost. */
static void take_results(halving *h, size_t trial, const run_record *run, const rungs *r)
{
    const metrics_key *key = watched_find(h->settings->monitor);
    const double sign = watched_falls(key) ? 1 : -1;
    const bool lost = strcmp(run->status, "diverged") == 0, over = h->c->trials[trial].state == TRIAL_DONE;
    for (size_t rung = 0; rung < r->n; rung++) {
        const size_t epoch = MIN(r->epochs[rung], run->n_epochs);
        const double value = epoch ? sign * metrics_value(key, &run->metrics[epoch - 1]) : NAN;
        if (r->epochs[rung] <= run->n_epochs || over)
            h->results[trial][rung] = isfinite(value) ? value : INFINITY;
        if (lost && r->epochs[rung] > run->n_epochs)
            h->results[trial][rung] = INFINITY;
    }
}

weft_status halving_look(halving *h, size_t trial, weft_error *err)
{
    if (!h->settings)
        return WEFT_OK;
    run_record run;
    arena a = {0};
    const experiment *e = h->c->experiment;
    size_t first = trial / e->n_seeds;
    while (first > 0 && e->variants[first - 1].group == e->variants[first].group)
        first--;
    const rungs r = halving_rungs(h, first, group_size(e, first));
    const weft_status status = run_record_read(h->c->trials[trial].folder, &run, &a, err);
    if (status == WEFT_OK) {
        take_results(h, trial, &run, &r);
        decide_all(h);
    }
    arena_deinit(&a);
    return status;
}

weft_status halving_begin(halving *h, weft_error *err)
{
    if (!h->settings)
        return WEFT_OK;
    for (size_t i = 0; i < h->c->n_trials; i++)
        if (h->c->trials[i].found == FOUND_PART || h->c->trials[i].found == FOUND_ALL)
            TRY(halving_look(h, i, err));
    decide_all(h);
    return WEFT_OK;
}

/* run.json says where and why a run was stopped. */
static weft_status tell_trial(const trial *t, const char *message, arena *a, weft_error *err)
{
    run_record run;
    TRY(run_record_read(t->folder, &run, a, err));
    if (strcmp(run.status, "stopped") != 0)
        return WEFT_OK; /* it diverged, or had come to its end by itself */
    run.message = message;
    return run_record_write(&run, err);
}

static weft_status tell_group(const halving *h, size_t first, size_t n, arena *a, weft_error *err)
{
    const size_t n_seeds = h->c->experiment->n_seeds;
    const rungs r = halving_rungs(h, first, n);
    for (size_t i = 0; i < n; i++) {
        const contender *c = &h->contenders[first + i];
        size_t of, rank = contender_rank(h->contenders + first, n, i, &of);
        if (!c->out)
            continue;
        const char *message = arena_printf(a, "rung %zu of %zu: number %zu of %zu by %s after epoch %zu", c->rung + 1, r.n, rank, of,
                                           h->settings->monitor, r.epochs[c->rung]);
        if (!message)
            return fail_memory(err);
        for (size_t s = 0; s < n_seeds; s++) {
            trial *t = &h->c->trials[(first + i) * n_seeds + s];
            t->state = t->state == TRIAL_WAITING ? TRIAL_OUT : t->state;
            TRY(tell_trial(t, message, a, err));
        }
    }
    return WEFT_OK;
}

weft_status halving_end(halving *h, weft_error *err)
{
    const experiment *e = h->c->experiment;
    weft_status status = WEFT_OK;
    for (size_t first = 0, n; h->settings && status == WEFT_OK && first < e->n_variants; first += n) {
        arena a = {0};
        n = group_size(e, first);
        status = tell_group(h, first, n, &a, err);
        arena_deinit(&a);
    }
    return status;
}
