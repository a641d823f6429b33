/* What training will cost, from steps that were really taken: a fraction of a second for every kind of network. */
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "lab/parts.h"

static const double STEPS_SECONDS = 0.25, EVALUATION_SECONDS = 0.1;
enum { WARM_UP = 3, FIRST_SAMPLES = 512 };
/* What a run leaves behind beside its tensors: figures and texts. */
static const double OTHER_BYTES = 400e3;

/* ---- One network ---- */

typedef struct stopwatch {
    const run_settings *settings;
    const weft_dataset *data;
    int threads;
    run_cost cost;
    weft_status status;
    weft_error error;
} stopwatch;

/* A step that diverges takes as long as another one. */
static bool take_step(stopwatch *w, rehearsal *r)
{
    double loss;
    weft_error own = {0};
    const weft_status status = rehearsal_step(r, &loss, &own);
    if (status == WEFT_OK || status == WEFT_DIVERGED)
        return true;
    w->status = status;
    w->error = own;
    return false;
}

static void time_steps(stopwatch *w, rehearsal *r)
{
    size_t n = 0;
    for (int i = 0; i < WARM_UP; i++)
        if (!take_step(w, r))
            return;
    const double begin = now_seconds();
    double now = begin;
    for (; now < begin + STEPS_SECONDS; now = now_seconds(), n++)
        if (!take_step(w, r))
            return;
    w->cost.step_seconds = (now - begin) / (double)n;
}

/* Over more and more samples, until it takes long enough to be measured, or they are all. */
static void time_evaluation(stopwatch *w, rehearsal *r)
{
    const data_split *s = &w->data->split[WEFT_TRAIN];
    const double all = (double)(s->n + w->data->split[WEFT_TEST].n);
    for (size_t n = MIN((size_t)FIRST_SAMPLES, s->n);; n = MIN(2 * n, s->n)) {
        evaluation e = {.outputs = r->trainer->outputs};
        const double begin = now_seconds();
        w->status = trainer_evaluate(r->trainer, &(batch){.samples = s->samples, .bytes = w->data->type == DTYPE_U8, .scale = w->settings->data.scale,
                                                          .labels = s->labels, .targets = s->targets, .n = n},
                                     &e, &w->error);
        const double seconds = now_seconds() - begin;
        w->cost.eval_seconds = seconds / (double)n * all;
        if (w->status != WEFT_OK || n == s->n || seconds > EVALUATION_SECONDS)
            return;
    }
}

/* The model twice, and in the checkpoint once more, with all that belongs to it there. */
static double tensor_bytes(const rehearsal *r)
{
    const weft_trainer *t = r->trainer;
    const size_t copies = 3 + t->optimizer.n_states + (t->raw != NULL);
    return (double)(copies * r->model->graph.n_parameters) * sizeof(float);
}

static void *measure(void *arg)
{
    stopwatch *w = arg;
    rehearsal r = {0};
    w->status = rehearsal_open(&r, w->settings, w->data, w->threads, &w->error);
    if (w->status == WEFT_OK)
        time_steps(w, &r);
    if (w->status == WEFT_OK)
        time_evaluation(w, &r);
    if (w->status == WEFT_OK) {
        w->cost.steps_per_epoch = trainer_steps_per_epoch(r.trainer);
        w->cost.bytes = tensor_bytes(&r) + OTHER_BYTES;
    }
    rehearsal_close(&r);
    return NULL;
}

weft_status run_cost_measure(const run_settings *s, const weft_dataset *data, int jobs, int threads, run_cost *out, weft_error *err)
{
    arena a = {0};
    stopwatch *all = arena_array(&a, (size_t)jobs, sizeof *all);
    pthread_t *others = arena_array(&a, (size_t)jobs, sizeof *others);
    int n = 0;
    if (!all || !others) {
        arena_deinit(&a);
        return fail_memory(err);
    }
    for (int i = 0; i < jobs; i++)
        all[i] = (stopwatch){.settings = s, .data = data, .threads = threads};
    while (n < jobs - 1 && pthread_create(&others[n], NULL, measure, &all[n + 1]) == 0)
        n++;
    measure(&all[0]);
    for (int i = 0; i < n; i++)
        pthread_join(others[i], NULL);
    const weft_status status = all[0].status;
    *out = all[0].cost;
    if (status != WEFT_OK && err)
        *err = all[0].error;
    arena_deinit(&a);
    return status;
}

double run_cost_seconds(const run_cost *c, double epochs) { return epochs * ((double)c->steps_per_epoch * c->step_seconds + c->eval_seconds); }

double run_cost_epochs(const run_cost *c, const train_settings *s)
{
    const double epochs = (double)s->epochs;
    return s->max_steps ? fmin(epochs, (double)s->max_steps / (double)c->steps_per_epoch) : epochs;
}

/* ---- A whole comparison ---- */

/* What decides how long a step takes: not the rates. An optimizer that looks at its batch again and again takes as long as its settings say. */
static const char *kind_of(const trial *t, size_t set, arena *a)
{
    const run_settings *s = &t->settings;
    const bool repeats = strncmp(s->optimizer_text, "lbfgs", strlen("lbfgs")) == 0;
    const int optimizer = repeats ? (int)strlen(s->optimizer_text) : (int)strcspn(s->optimizer_text, " ");
    return arena_printf(a, "%zu|%s|%s|%.*s|%zu|%zu|%s|%s|%d", set, s->model_text, s->loss_text, optimizer, s->optimizer_text, s->train.batch, s->train.accumulate,
                        s->train.precision, s->train.average.name, s->train.clip_grad_norm > 0);
}

/* Measures what none of the trials before has. */
static weft_status measure_trials(const comparison *c, const weft_dataset *const *sets, const size_t *set_of, estimate *out, run_cost *costs, arena *a,
                                  weft_error *err)
{
    const char **kinds = arena_array(a, c->n_trials, sizeof *kinds);
    if (!kinds)
        return fail_memory(err);
    for (size_t i = 0; i < c->n_trials; i++) {
        size_t before = 0;
        if (!(kinds[i] = kind_of(&c->trials[i], set_of[i], a)))
            return fail_memory(err);
        while (strcmp(kinds[before], kinds[i]) != 0)
            before++;
        if (before == i) {
            TRY(run_cost_measure(&c->trials[i].settings, sets[set_of[i]], out->jobs, out->jobs > 1 ? 1 : 0, &costs[i], err));
            out->n_measured++;
        } else
            costs[i] = costs[before];
    }
    return WEFT_OK;
}

/* Trials of one group, of n variants; which of them will go on is not known, so that they all count as the mean. */
static void add_group(const comparison *c, const halving *h, const run_cost *costs, size_t first, size_t n, estimate *out)
{
    const experiment *e = c->experiment;
    double seconds = 0, epochs = 0, done = 0;
    for (size_t i = first * e->n_seeds; i < (first + n) * e->n_seeds; i++) {
        const trial *t = &c->trials[i];
        const double own = run_cost_epochs(&costs[i], &t->settings.train);
        const double rest = t->state == TRIAL_DONE ? 0 : fmax(own - (double)t->n_epochs, 0);
        epochs += own;
        done += own - rest;
        seconds += run_cost_seconds(&costs[i], h->settings ? own : rest);
        if (!h->settings)
            out->longest = fmax(out->longest, run_cost_seconds(&costs[i], rest));
        out->bytes += costs[i].bytes;
    }
    out->all_epochs += epochs;
    if (!h->settings) {
        out->epochs += epochs - done;
        out->seconds += seconds;
        return;
    }
    const rungs r = halving_rungs(h, first, n);
    double budget = 0;
    for (size_t k = 0; k < r.n; k++) {
        const size_t more = r.epochs[k] - (k ? r.epochs[k - 1] : 0);
        out->rungs.epochs[k] = MAX(out->rungs.epochs[k], r.epochs[k]);
        out->rungs.places[k] += r.places[k] * e->n_seeds;
        out->rung_epochs[k] += (double)(r.places[k] * e->n_seeds * more);
        budget += (double)(r.places[k] * e->n_seeds * more);
    }
    out->rungs.n = MAX(out->rungs.n, r.n);
    const double rest = fmax(budget - done, 0), each = epochs > 0 ? seconds / epochs : 0;
    out->epochs += rest;
    out->seconds += each * rest;
    out->longest = fmax(out->longest, each * fmin((double)r.epochs[r.n - 1], rest));
}

weft_status estimate_make(const comparison *c, const halving *h, const weft_dataset *const *sets, const size_t *set_of, estimate *out, weft_error *err)
{
    arena a = {0};
    const experiment *e = c->experiment;
    run_cost *costs = arena_array(&a, c->n_trials, sizeof *costs);
    weft_status status = costs ? measure_trials(c, sets, set_of, out, costs, &a, err) : fail_memory(err);
    out->n_trials = c->n_trials;
    out->n_done = c->n_found[FOUND_ALL];
    for (size_t first = 0, n; status == WEFT_OK && first < e->n_variants; first += n) {
        n = h->settings ? group_size(e, first) : 1;
        add_group(c, h, costs, first, n, out);
    }
    out->seconds = fmax(out->seconds / out->jobs, out->longest);
    arena_deinit(&a);
    return status;
}
