/* A run: trains as the settings say, and announces what happens to its listeners. */
#include <math.h>
#include <string.h>

#include "train/probing.h"
#include "train/within.h"

#define X(name) extern const listener listen_##name;
#include "gen/listener.inc"
#undef X

#define X(name) &listen_##name,
static const listener *const own_listeners[] = {
#include "gen/listener.inc"
    NULL};
#undef X

/* The early ones, the command's, the late ones. After a failure, which is returned, only the command's hear: nothing is built on what is not
 * there. */
static weft_status tell(run *r, const run_options *o, event_kind event, weft_error *err)
{
    weft_status status = WEFT_OK;
    for (int late = 0; late < 2; late++) {
        for (const listener *const *l = own_listeners; *l && status == WEFT_OK; l++)
            status = (*l)->late == late ? (*l)->hear((*l)->self, r, event, err) : WEFT_OK;
        for (size_t i = 0; i < o->n_listeners; i++) {
            const weft_status one = o->listeners[i].late == late ? o->listeners[i].hear(o->listeners[i].self, r, event, err) : WEFT_OK;
            status = status == WEFT_OK ? one : status;
        }
    }
    return status;
}

/* What somebody warned of while it was told is told next. */
static weft_status announce(run *r, const run_options *o, event_kind event, weft_error *err)
{
    const weft_status status = tell(r, o, event, err);
    r->warning = r->keeping->warning;
    r->keeping->warning = NULL;
    if (!r->warning)
        return status;
    const weft_status warned = tell(r, o, EVENT_WARN, err);
    return status == WEFT_OK ? warned : status;
}

static bool stop_asked(const run_options *o) { return o->stop && *o->stop; }

static bool limit_reached(const run *r) { return r->settings->train.max_steps && r->step >= r->settings->train.max_steps; }

/* Steps until the epoch is over, the limit is reached, or somebody wants to stop (r->status says so). */
static weft_status run_epoch_steps(run *r, const run_options *o, weft_error *err)
{
    const size_t steps = trainer_steps_per_epoch(r->trainer);
    while (r->trainer->step_of_epoch < steps && !limit_reached(r)) {
        if (stop_asked(o)) {
            r->status = RUN_STOPPED;
            return WEFT_OK;
        }
        TRY(trainer_next_step(r->trainer, &r->loss, err));
        r->step++;
        TRY(announce(r, o, EVENT_STEP, err));
    }
    return WEFT_OK;
}

static weft_status run_epoch(run *r, const run_options *o, weft_error *err)
{
    TRY(run_epoch_steps(r, o, err));
    if (r->status == RUN_STOPPED)
        return WEFT_OK;
    TRY(trainer_end_epoch(r->trainer, &r->metrics, err));
    stopping_look(r);
    if (r->best.epoch == 0 || r->metrics.val_loss < r->best.val_loss) {
        r->best = r->metrics;
        TRY(announce(r, o, EVENT_BEST, err));
    }
    return announce(r, o, EVENT_EPOCH, err);
}

static weft_status run_epochs(run *r, const run_options *o, weft_error *err)
{
    while (r->trainer->epoch < r->settings->train.epochs && !limit_reached(r) && !stopping_over(r) && r->status == RUN_DONE)
        TRY(run_epoch(r, o, err));
    return WEFT_OK;
}

/* From the first announcement to the last. */
static weft_status run_all(run *r, const run_options *o, weft_error *err)
{
    TRY(announce(r, o, EVENT_BEGIN, err));
    weft_error own = {0};
    const weft_status status = run_epochs(r, o, &own);
    if (status == WEFT_DIVERGED) {
        r->status = RUN_DIVERGED;
        r->message = arena_text(r->memory, own.message);
    }
    if (status != WEFT_OK && err)
        *err = own;
    if (status != WEFT_OK && status != WEFT_DIVERGED)
        return status;
    if (status == WEFT_OK && !r->keeping->saved)
        TRY(checkpoint_write(r, true, err)); /* of what a run goes on from, not of what it leaves behind */
    if (status == WEFT_OK && r->status == RUN_DONE)
        stopping_restore(r);
    if (status == WEFT_OK)
        average_settle(r->trainer);
    TRY(announce(r, o, EVENT_END, err));
    return status != WEFT_OK ? status : r->status == RUN_STOPPED ? WEFT_STOPPED : WEFT_OK;
}

/* How the parameters begin: by rules, or as a file has them. */
static weft_status begin_model(weft_model *m, const run_settings *s, weft_error *err)
{
    TRY(graph_begin_as(&m->graph, &s->init, &m->memory, err));
    return s->train.init ? weft_model_load(m, s->train.init, err) : WEFT_OK;
}

/* "ema decay=0.99" */
static const char *average_text(const averaging *a, char *text, size_t bytes)
{
    char decay[32];
    if (strcmp(a->name, "ema") == 0)
        snprintf(text, bytes, "ema decay=%s", print_double(a->decay, decay));
    else if (strcmp(a->name, "swa") == 0)
        snprintf(text, bytes, "swa start=%zu", a->start);
    else
        snprintf(text, bytes, "none");
    return text;
}

/* Whether the schedule goes with the optimizer and the length of the run. The trainer asks the same, but does not know where it stands. */
static weft_status check_schedule(const run_settings *s, isa level, uint64_t steps, uint64_t steps_per_epoch, weft_error *err)
{
    arena a = {0};
    optimizer o;
    scheduler schedule;
    weft_status status = optimizer_read(&o, s->optimizer, level, &a, err);
    if (status == WEFT_OK)
        status = scheduler_read(&schedule, s->schedule, &a, err);
    if (status == WEFT_OK)
        status = schedule_begin(&schedule, &o, steps, steps_per_epoch, s->schedule->at, err);
    arena_deinit(&a);
    return status;
}

weft_trainer *run_create_trainer(weft_model *m, const run_settings *s, const weft_dataset *data, int threads, weft_error *err)
{
    const size_t n = data->split[WEFT_TRAIN].n, batch = MIN(train_batch(&s->train, data), n), batches = (n + batch - 1) / batch;
    const size_t per_epoch = (batches + s->train.accumulate - 1) / s->train.accumulate;
    const early_stopping *stopping = &s->train.early_stopping;
    char average[64];
    uint64_t steps;
    if (stopping->patience && watched_fits(stopping->monitor, data->task, "monitor", (where){"train.early_stopping", 0, 0}, err) != WEFT_OK)
        return NULL;
    if (!checked_mul(s->train.epochs, per_epoch, &steps))
        steps = UINT64_MAX;
    steps = MAX(s->train.max_steps ? MIN(steps, s->train.max_steps) : steps, 1); /* a run of none is one that has not begun */
    if (check_schedule(s, m->level, steps, per_epoch, err) != WEFT_OK)
        return NULL;
    return weft_trainer_create(m, data,
                               &(weft_options){.optimizer = s->optimizer_text, .loss = s->loss_text, .scale = s->data.scale,
                                               .batch = batch, .schedule = s->schedule_text, .total_steps = steps, .seed = s->train.seed,
                                               .threads = threads, .keep_order = !s->train.shuffle,
                                               .precision = s->train.precision, .clip_grad_norm = s->train.clip_grad_norm,
                                               .clip_grad_value = s->train.clip_grad_value, .accumulate = s->train.accumulate,
                                               .average = average_text(&s->train.average, average, sizeof average)},
                               err);
}

/* Nothing that a run left behind is written over without a word. */
static weft_status check_folder(const run_options *o, arena *a, weft_error *err)
{
    const char *record = path_join(a, o->folder, "run.json"), *metrics = path_join(a, o->folder, "metrics.jsonl");
    if (!record || !metrics)
        return fail_memory(err);
    if (!o->force && !o->resume && (file_exists(record) || file_exists(metrics)))
        return fail(err, WEFT_BAD_INPUT, (where){o->folder, 0, 0}, "there is a run in this folder; go on with --resume, replace it with --force, "
                    "or choose another folder with -o");
    static const char *const written[] = {"config.yaml", "model.safetensors", "best.safetensors", "report.html"};
    for (size_t i = 0; !o->force && !o->resume && i < COUNT(written); i++) {
        const char *path = path_join(a, o->folder, written[i]);
        if (!path)
            return fail_memory(err);
        if (file_exists(path))
            return fail(err, WEFT_BAD_INPUT, (where){path, 0, 0}, "is there already; choose another folder with -o, or have it "
                        "replaced with --force");
    }
    return WEFT_OK;
}

/* The trainer of a run that stands where it begins, or where its folder's checkpoint left it. */
static weft_status prepare(run *r, weft_model *m, const weft_dataset *data, const run_options *o, weft_error *err)
{
    TRY(begin_model(m, r->settings, err));
    r->trainer = run_create_trainer(m, r->settings, data, o->threads, err);
    if (!r->trainer)
        return err && err->status ? err->status : WEFT_BAD_INPUT;
    TRY(stopping_prepare(r, err));
    if (o->resume && checkpoint_exists(o->folder, r->memory)) {
        TRY(checkpoint_read(r, err));
        r->resumed = true;
    }
    return WEFT_OK;
}

weft_status run_check(const run_settings *s, const weft_dataset *data, const char *folder, weft_error *err)
{
    arena memory = {0};
    probing probing = {0};
    keeping keeping = {.lock = -1};
    run r = {.settings = s, .folder = folder, .memory = &memory, .probing = &probing, .keeping = &keeping};
    weft_model *m = weft_model_create(s->model_text, err);
    const weft_status status =
        m ? prepare(&r, m, data, &(run_options){.folder = folder, .threads = 1, .resume = folder != NULL}, err) : WEFT_BAD_INPUT;
    weft_trainer_free(r.trainer);
    weft_model_free(m);
    arena_deinit(&memory);
    return status;
}

static weft_status run_in_folder(run *r, weft_model *m, const weft_dataset *data, const run_options *o, weft_error *err)
{
    const bool is_there = folder_exists(o->folder);
    if (is_there)
        TRY(folder_lock(o->folder, &r->keeping->lock, err));
    TRY(check_folder(o, r->memory, err));
    TRY(prepare(r, m, data, o, err));
    if (!is_there) { /* not before everything else is known to be right */
        TRY(folder_make(o->folder, err));
        TRY(folder_lock(o->folder, &r->keeping->lock, err));
    }
    TRY(keeping_begin(r, err));
    return run_all(r, o, err);
}

weft_status run_train(const run_settings *settings, const weft_dataset *data, const run_options *options, run *result, weft_error *err)
{
    arena memory = {0};
    probing probing = {0};
    keeping keeping = {.lock = -1};
    run r = {.settings = settings, .folder = options->folder, .command = options->command, .memory = &memory, .probing = &probing,
             .keeping = &keeping, .status = RUN_DONE};
    weft_model *m = weft_model_create(settings->model_text, err);
    const weft_status status = m ? run_in_folder(&r, m, data, options, err) : WEFT_BAD_INPUT;
    keeping_end(&keeping);
    weft_trainer_free(r.trainer);
    weft_model_free(m);
    if (result) {
        *result = r;
        result->trainer = NULL;
        result->memory = NULL;
        result->probing = NULL;
        result->keeping = NULL;
        result->message = result->warning = NULL;
        result->stopping.params = result->stopping.buffers = NULL;
    }
    arena_deinit(&memory);
    return status;
}
