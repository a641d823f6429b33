/* Runs every variant of an experiment with every seed, several at a time. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lab/parts.h"
#include "op/op.h"

/* What the threads share; the lock guards everything that changes. */
typedef struct crew {
    const compare_options *options;
    comparison *c;
    size_t n_sets;
    weft_dataset **sets; /* every one that is named, opened once */
    char (*fingerprints)[33]; /* [n_sets] */
    size_t *set_of;      /* [n_trials] */
    size_t n_waiting;
    size_t *order;       /* [n_waiting]: which trial goes before which */
    size_t n_running;
    int threads; /* of a trial */
    halving halving;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a trial has run: others may begin */
} crew;

/* What listens to a trial's run. */
typedef struct ear {
    crew *crew;
    const trial *trial;
    volatile sig_atomic_t stop; /* what the run goes by */
    bool pauses;                /* it was stopped where its trial pauses */
} ear;

/* ---- Before anything runs ---- */

/* The same for one seed and for many, so that a list of seeds can grow. */
static const char *trial_folder(const experiment *e, const trial *t, const char *folder, arena *a)
{
    const char *of_variant = path_join(a, folder, e->variants[t->variant].slug);
    return of_variant ? arena_printf(a, "%s/seed-%llu", of_variant, (unsigned long long)t->settings.train.seed) : NULL;
}

static weft_status make_trials(comparison *c, const char *folder, weft_error *err)
{
    experiment *e = c->experiment;
    c->n_trials = e->n_variants * e->n_seeds;
    c->trials = arena_array(&c->memory, c->n_trials, sizeof *c->trials);
    if (!c->trials)
        return fail_memory(err);
    for (size_t i = 0; i < c->n_trials; i++) {
        trial *t = &c->trials[i];
        *t = (trial){.variant = i / e->n_seeds, .seed = i % e->n_seeds, .until = SIZE_MAX, .likely = INFINITY, .state = TRIAL_WAITING};
        TRY(experiment_settings(e, t->variant, t->seed, &t->settings, err));
        if (!(t->folder = trial_folder(e, t, folder, &c->memory)))
            return fail_memory(err);
    }
    return WEFT_OK;
}

static bool is_same_set(const data_settings *a, const data_settings *b)
{
    return strcmp(a->set, b->set) == 0 && a->allow_trailing == b->allow_trailing;
}

/* Opens the set unless another trial named it before. */
static weft_status open_set(crew *w, size_t i, weft_error *err)
{
    const data_settings *data = &w->c->trials[i].settings.data;
    for (size_t before = 0; before < i; before++)
        if (is_same_set(&w->c->trials[before].settings.data, data)) {
            w->set_of[i] = w->set_of[before];
            return WEFT_OK;
        }
    w->set_of[i] = w->n_sets;
    w->sets[w->n_sets] =
        weft_dataset_open_with(data->set, &(weft_dataset_options){.allow_trailing = data->allow_trailing}, err);
    return w->sets[w->n_sets++] ? WEFT_OK : err && err->status ? err->status : WEFT_BAD_INPUT;
}

static weft_status tell_warnings(const crew *w, weft_error *err)
{
    text warnings = {0};
    for (size_t i = 0; i < w->n_sets; i++)
        if (w->sets[i])
            warn_all(&warnings, weft_dataset_warnings(w->sets[i]));
    const bool failed = warnings.failed;
    if (warnings.length && !failed && w->options->warn)
        w->options->warn(w->options->self, warnings.data);
    text_free(&warnings);
    return failed ? fail_memory(err) : WEFT_OK;
}

/* A seed changes nothing that is checked, so each variant is checked once. Its name stands in front of its mistakes. */
static weft_status check_variant(const crew *w, size_t v, weft_error *err)
{
    const experiment *e = w->c->experiment;
    const size_t i = v * e->n_seeds;
    weft_error own = {0};
    const weft_dataset *data = w->sets[w->set_of[i]];
    const weft_status status = data ? run_check(&w->c->trials[i].settings, data, NULL, &own) : WEFT_OK;
    for (const char *line = own.message; status != WEFT_OK && *line;) {
        const int length = (int)strcspn(line, "\n");
        const char *name = e->variants[v].name;
        fail(err, status, (where){.file = e->path}, "%s%s%s%.*s", *name ? "variant " : "", name, *name ? ": " : "",
             length, line);
        line += length + (line[length] == '\n');
    }
    return status;
}

static weft_status check_all(crew *w, weft_error *err)
{
    weft_status status = WEFT_OK;
    for (size_t i = 0; i < w->c->n_trials; i++) {
        const weft_status one = open_set(w, i, err);
        status = status == WEFT_OK ? one : status;
    }
    TRY(tell_warnings(w, err));
    for (size_t i = 0; i < w->n_sets && status == WEFT_OK; i++)
        status = halving_fits(&w->halving, w->sets[i]->task, err);
    for (size_t v = 0; v < w->c->experiment->n_variants; v++) {
        const weft_status one = check_variant(w, v, err);
        status = status == WEFT_OK ? one : status;
    }
    return status;
}

/* ---- What is there already ---- */

static weft_status find_trials(crew *w, weft_error *err)
{
    comparison *c = w->c;
    weft_status status = WEFT_OK;
    for (size_t i = 0; i < c->n_trials; i++) {
        trial *t = &c->trials[i];
        const weft_status one = trial_find(t, w->sets[w->set_of[i]], w->fingerprints[w->set_of[i]], w->options->force ? NULL : err);
        status = status == WEFT_OK && !(t->found == FOUND_OTHER && w->options->force) ? one : status;
        t->state = t->found == FOUND_ALL ? TRIAL_DONE : TRIAL_WAITING;
        c->n_found[t->found]++;
    }
    if (c->n_found[FOUND_OTHER] && status != WEFT_OK)
        fail(err, WEFT_BAD_INPUT, (where){.file = w->options->folder}, "take the settings back, run these anew with --force, or choose another "
             "folder with -o");
    return status;
}

/* Nobody else is at work in the folder. It is made when all is known to be right, but for what only another process could change in it. */
static weft_status find_all(crew *w, weft_error *err)
{
    const char *folder = w->options->folder;
    const bool is_there = folder_exists(folder);
    if (is_there)
        TRY(comparison_hold(w->c, folder, err));
    TRY(find_trials(w, err));
    TRY(comparison_find_others(w->c, folder, err));
    if (is_there)
        return WEFT_OK;
    TRY(folder_make(folder, err));
    return comparison_hold(w->c, folder, err);
}

/* ---- The order: the longest first, so that no long one begins when the others end ---- */

static double whole_run(const train_settings *train, const weft_dataset *data)
{
    const double epochs = (double)train->epochs, steps = (double)train->max_steps;
    return train->max_steps ? fmin(epochs, steps * (double)train_batch(train, data) / (double)data->split[WEFT_TRAIN].n) : epochs;
}

/* Of an epoch. */
static double work_of(const trial *t, const weft_dataset *data, arena *scratch)
{
    isa level;
    graph g = {0};
    if (!isa_choose(&level, NULL) || graph_build(&g, t->settings.model, level, scratch, NULL) != WEFT_OK ||
        graph_infer(&g, data->features, NULL) != WEFT_OK)
        return 0;
    return (double)data->split[WEFT_TRAIN].n * (double)g.n_parameters;
}

static double work_left(const trial *t) { return t->work * fmax(t->whole - (double)t->n_epochs, 0); }

static int compare_work(const void *a, const void *b, void *crew_in)
{
    const crew *w = crew_in;
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    const double work_x = work_left(&w->c->trials[x]), work_y = work_left(&w->c->trials[y]);
    if (work_x != work_y)
        return work_x > work_y ? -1 : 1;
    return x < y ? -1 : 1;
}

static void put_in_order(crew *w)
{
    for (size_t i = 0; i < w->c->n_trials; i++) {
        trial *t = &w->c->trials[i];
        arena scratch = {0};
        if (t->state == TRIAL_WAITING)
            w->order[w->n_waiting++] = i;
        t->whole = whole_run(&t->settings.train, w->sets[w->set_of[i]]);
        t->work = work_of(t, w->sets[w->set_of[i]], &scratch);
        arena_deinit(&scratch);
    }
    qsort_r(w->order, w->n_waiting, sizeof *w->order, compare_work, w);
}

/* ---- Running ---- */

static bool stop_asked(const crew *w) { return w->options->stop && *w->options->stop; }

/* The first in the order that waits and may run now. */
static trial *next_trial(const crew *w)
{
    for (size_t i = 0; i < w->n_waiting; i++) {
        trial *t = &w->c->trials[w->order[i]];
        if (t->state == TRIAL_WAITING && t->n_epochs < t->until)
            return t;
    }
    return NULL;
}

/* The next trial to run; NULL: there is none, or none may begin any more. Where all that wait depend on one that runs, it is waited for. */
static trial *take(crew *w)
{
    trial *t;
    pthread_mutex_lock(&w->lock);
    while (!(t = next_trial(w)) && w->n_running && !stop_asked(w))
        pthread_cond_wait(&w->changed, &w->lock);
    if (stop_asked(w))
        t = NULL;
    if (t) {
        t->state = TRIAL_RUNNING;
        w->n_running++;
    }
    pthread_mutex_unlock(&w->lock);
    return t;
}

/* Where a trial pauses its run is stopped as if somebody had asked for it; nobody else hears of that. */
static weft_status hear(void *self, const run *r, event_kind event, weft_error *err)
{
    (void)err;
    ear *ear = self;
    crew *w = ear->crew;
    const compare_options *options = w->options;
    run seen = *r;
    pthread_mutex_lock(&w->lock); /* what others came to may change how far this one goes */
    if (event == EVENT_EPOCH && r->metrics.epoch >= ear->trial->until)
        ear->stop = ear->pauses = true;
    if (stop_asked(w))
        ear->stop = true;
    if (event == EVENT_END && ear->pauses && r->status == RUN_STOPPED)
        seen.status = RUN_DONE;
    if (options->hear)
        options->hear(options->self, w->c, ear->trial, &seen, event);
    pthread_mutex_unlock(&w->lock);
    return WEFT_OK;
}

/* What a run came to; and others may run for it. */
static void note_result(crew *w, const ear *own, trial *t, weft_status status, const run *result, weft_error *error)
{
    const bool ran = status == WEFT_OK || status == WEFT_DIVERGED || status == WEFT_STOPPED;
    pthread_mutex_lock(&w->lock);
    t->state = !ran ? TRIAL_FAILED : status == WEFT_STOPPED && own->pauses ? TRIAL_WAITING : TRIAL_DONE;
    t->status = status == WEFT_DIVERGED ? RUN_DIVERGED : status == WEFT_STOPPED ? RUN_STOPPED : RUN_DONE;
    if (ran) {
        t->found = FOUND_PART; /* from now on */
        t->n_epochs = result->metrics.epoch;
    }
    if (ran && (status != WEFT_STOPPED || own->pauses) && halving_look(&w->halving, (size_t)(t - w->c->trials), error) != WEFT_OK) {
        status = error->status;
        t->state = TRIAL_FAILED;
    }
    t->error = *error;
    t->error.status = status;
    w->n_running--;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static void run_trial(crew *w, trial *t)
{
    ear own = {.crew = w, .trial = t};
    weft_error error = {0};
    run result = {0};
    const listener listener = {.name = "compare", .hear = hear, .self = &own};
    const run_options options = {.folder = t->folder,
                                 .command = w->options->command,
                                 .threads = w->threads,
                                 .resume = t->found != FOUND_OTHER,
                                 .force = t->found == FOUND_OTHER,
                                 .stop = &own.stop,
                                 .listeners = &listener,
                                 .n_listeners = 1};
    const weft_status status = run_train(&t->settings, w->sets[w->set_of[t - w->c->trials]], &options, &result, &error);
    note_result(w, &own, t, status, &result, &error);
}

static void *run_trials(void *arg)
{
    crew *w = arg;
    for (trial *t; (t = take(w)) != NULL;)
        run_trial(w, t);
    return NULL;
}

/* The caller is one of the crew; a thread that cannot be had leaves more work to the others. */
static void run_all(crew *w, int jobs)
{
    pthread_t threads[MAX_THREADS];
    int n = 0;
    w->threads = jobs == 1 ? 0 : 1;
    while (n < jobs - 1 && pthread_create(&threads[n], NULL, run_trials, w) == 0)
        n++;
    run_trials(w);
    while (n > 0)
        pthread_join(threads[--n], NULL);
}

/* The first failure's status, with the errors of all that failed. */
static weft_status conclude(const comparison *c, weft_error *err)
{
    weft_status status = WEFT_OK;
    bool stopped = false;
    for (size_t i = 0; i < c->n_trials; i++) {
        const trial *t = &c->trials[i];
        stopped |= t->state == TRIAL_WAITING || (t->state == TRIAL_DONE && t->status == RUN_STOPPED);
        if (t->state != TRIAL_FAILED)
            continue;
        fail(err, t->error.status, (where){.file = t->folder}, "%.*s", (int)strcspn(t->error.message, "\n"),
             t->error.message);
        status = status == WEFT_OK ? t->error.status : status;
    }
    return status != WEFT_OK ? status : stopped ? WEFT_STOPPED : WEFT_OK;
}

static weft_status prepare(crew *w, weft_error *err)
{
    comparison *c = w->c;
    TRY(make_trials(c, w->options->folder, err));
    TRY(halving_prepare(&w->halving, c, err));
    w->sets = arena_array(&c->memory, c->n_trials, sizeof *w->sets);
    w->fingerprints = arena_array(&c->memory, c->n_trials, sizeof *w->fingerprints);
    w->set_of = arena_array(&c->memory, c->n_trials, sizeof *w->set_of);
    w->order = arena_array(&c->memory, c->n_trials, sizeof *w->order);
    if (!w->sets || !w->fingerprints || !w->set_of || !w->order)
        return fail_memory(err);
    TRY(check_all(w, err));
    for (size_t i = 0; i < w->n_sets; i++)
        data_fingerprint(w->sets[i], w->fingerprints[i]);
    return WEFT_OK;
}

static weft_status start(crew *w, weft_error *err)
{
    TRY(find_all(w, err));
    TRY(halving_begin(&w->halving, err));
    put_in_order(w);
    return WEFT_OK;
}

static int count_jobs(const crew *w)
{
    return (int)MIN((size_t)(w->options->jobs ? w->options->jobs : usable_cores()), MAX(w->n_waiting, 1));
}

static void close_sets(crew *w)
{
    for (size_t i = 0; i < w->n_sets; i++)
        weft_dataset_close(w->sets[i]);
}

static comparison *make_comparison(experiment *e, const compare_options *options, weft_error *err)
{
    if (options->jobs < 0 || options->jobs > MAX_THREADS) {
        fail(err, WEFT_BAD_INPUT, (where){0}, "jobs is %d, but must be at least 0 (a job a core) and at most %d", options->jobs, MAX_THREADS);
        return NULL;
    }
    comparison *c = calloc(1, sizeof *c);
    if (!c)
        fail_memory(err);
    else
        *c = (comparison){.experiment = e, .held = -1};
    return c;
}

weft_status compare_estimate(experiment *e, const compare_options *options, estimate *out, weft_error *err)
{
    *out = (estimate){0};
    comparison *c = make_comparison(e, options, err);
    if (!c)
        return err && err->status ? err->status : WEFT_BAD_INPUT;
    crew w = {.options = options, .c = c};
    weft_status status = prepare(&w, err);
    if (status == WEFT_OK)
        status = find_trials(&w, err);
    if (status == WEFT_OK)
        put_in_order(&w);
    out->jobs = count_jobs(&w);
    if (status == WEFT_OK)
        status = estimate_make(c, &w.halving, (const weft_dataset *const *)w.sets, w.set_of, out, err);
    close_sets(&w);
    comparison_free(c);
    return status;
}

weft_status compare_run(experiment *e, const compare_options *options, comparison **result, weft_error *err)
{
    *result = NULL;
    comparison *c = make_comparison(e, options, err);
    if (!c)
        return err && err->status ? err->status : WEFT_BAD_INPUT;
    crew w = {.options = options, .c = c, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    weft_status status = prepare(&w, err);
    if (status == WEFT_OK)
        status = start(&w, err);
    if (status == WEFT_OK) {
        *result = c;
        if (options->begin)
            options->begin(options->self, c);
        run_all(&w, count_jobs(&w));
        status = halving_end(&w.halving, err);
        const weft_status concluded = conclude(c, err);
        status = status == WEFT_OK ? concluded : status;
    }
    close_sets(&w);
    if (!*result)
        comparison_free(c);
    return status;
}

void comparison_free(comparison *c)
{
    if (!c)
        return;
    if (c->held >= 0)
        close(c->held);
    arena_deinit(&c->memory);
    free(c);
}
