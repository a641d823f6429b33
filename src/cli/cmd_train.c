/* weft train: one run. */
#include <math.h>

#include "cli/cli.h"

static const option_spec options[] = {
    {'o', "output", "DIR", "the run folder; default: runs/NAME after the file", OPTION_PATH, offsetof(args, output), 0, 0},
    OPTION_VARIANT,
    OPTION_SET,
    OPTION_SEED,
    OPTION_ALLOW_TRAILING,
    OPTION_THREADS,
    {0, "resume", NULL, "go on where the folder's run was stopped", OPTION_FLAG, offsetof(args, resume), 0, 0},
    OPTION_FORCE,
    OPTION_DRY_RUN,
    OPTION_QUIET,
    OPTION_JSON,
    OPTION_HELP,
    {0},
};

static weft_status show(void *self, const run *r, event_kind event, weft_error *err)
{
    (void)err;
    progress_hear(self, 0, r, event);
    return WEFT_OK;
}

static void print_result(const run *r, const char *folder, weft_status status, bool json)
{
    static const char *const names[] = {[RUN_DONE] = "done", [RUN_DIVERGED] = "diverged", [RUN_STOPPED] = "stopped"};
    const weft_metrics *m = &r->metrics, *best = &r->best;
    if (json) {
        text t = {0};
        text_add(&t, "{\"folder\": \"");
        for (const char *c = folder; *c; c++)
            text_printf(&t, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
        text_printf(&t, "\", \"status\": \"%s\", \"steps\": %llu, \"best_epoch\": %zu, \"restored_epoch\": %zu, \"last\": ", names[r->status],
                    (unsigned long long)r->step, best->epoch, r->stopping.restored ? r->stopping.epoch : 0);
        metrics_print(m, &t);
        t.data[--t.length] = 0; /* the newline */
        printf("%s}\n", t.data);
        text_free(&t);
        return;
    }
    const char *score = known_tasks[m->task].score;
    char at_best[32], last[32], training[32];
    if (m->epoch)
        printf("validation %s: best by loss %s at epoch %zu, last %s; training %s %s\n", score,
               score_print(m->task, metrics_score(best, WEFT_TEST), at_best), best->epoch,
               score_print(m->task, metrics_score(m, WEFT_TEST), last), score, score_print(m->task, metrics_score(m, WEFT_TRAIN), training));
    if (r->stopping.restored)
        printf("early stopping: epoch %zu was the last; the model has the parameters of epoch %zu, with the best %s\n", m->epoch, r->stopping.epoch,
               r->settings->train.early_stopping.monitor);
    printf("wrote %s: config.yaml, metrics.jsonl, model.safetensors%s%s, curves.svg, curves.png, diagnosis.json, report.html\n", folder,
           best->epoch ? ", best.safetensors" : "", status == WEFT_STOPPED ? "" : ", evaluation.json");
    if (status == WEFT_STOPPED)
        printf("stopped at step %llu; go on with: the same command and --resume\n", (unsigned long long)r->step);
    else
        printf("next: weft eval %s%s\n", folder, trailing_option(r->settings->data.allow_trailing));
}

/* The curves of what the folder holds, what is wrong with it, and the page; also after a stop or a divergence. */
static weft_status look_at(const char *folder, findings *found, arena *a, weft_error *err)
{
    run_record record;
    const char *page = path_join(a, folder, "report.html");
    if (!page)
        return fail_memory(err);
    TRY(run_record_read(folder, &record, a, err));
    TRY(report_curves(&record, err));
    TRY(diagnose_folder(&record, found, a, err));
    return report_page(page, &record, 1, &(report_view){0}, NULL, err);
}

/* NULL: no memory. */
static progress *start_progress(bool quiet)
{
    progress *p = progress_create(1, quiet);
    if (!p || progress_expect(p, 0, &(expected){.name = "", .work = 1, .goal = INFINITY, .best = NAN}))
        return p;
    progress_free(p);
    return NULL;
}

static void print_findings(const findings *found)
{
    text t = {0};
    report_findings(found, &t);
    show_text(&t);
}

static int train(args *a, experiment *e, size_t variant)
{
    weft_error err = {0};
    run_settings settings;
    run result = {0};
    const char *folder = output_folder(a);
    if (!folder || experiment_settings(e, variant, 0, &settings, &err) != WEFT_OK)
        return complain(&err);
    weft_dataset *data = open_data(settings.data.set, settings.data.allow_trailing, &err);
    if (!data)
        return complain(&err);
    if (a->dry_run) {
        const int code = dry_run_train(a, &settings, data, folder);
        weft_dataset_close(data);
        return code;
    }
    progress *p = start_progress(a->quiet);
    const listener own = {.name = "progress", .hear = show, .self = p};
    stop_on_signals();
    const run_options o = {.folder = folder, .command = a->line, .threads = (int)a->threads, .resume = a->resume, .force = a->force,
                           .stop = &stop_signal, .listeners = &own, .n_listeners = p != NULL};
    const weft_status status = run_train(&settings, data, &o, &result, &err);
    progress_free(p);
    weft_dataset_close(data);
    const bool ran = status == WEFT_OK || status == WEFT_DIVERGED || status == WEFT_STOPPED;
    int code = err.count ? complain(&err) : exit_code(status);
    weft_error other = {0};
    findings found = {0};
    if (ran && look_at(folder, &found, &a->memory, &other) != WEFT_OK)
        code = complain(&other);
    else if (ran && !a->json)
        print_findings(&found);
    if (ran)
        print_result(&result, folder, status, a->json);
    return code;
}

static int run_it(args *a)
{
    int code = EXIT_FAILED;
    size_t variant;
    experiment *e = open_experiment(a, &code);
    if (e && choose_variant(e, a, &variant, &code))
        code = train(a, e, variant);
    experiment_close(e);
    return code;
}

const command cmd_train = {
    .name = "train",
    .words = "FILE.yaml",
    .help = "train one network and keep everything about the run",
    .examples = "  weft train recipes/tutorial.yaml --variant adam -o runs/adam\n"
                "  weft train my.yaml --set optimizer.lr=0.1 --set train.epochs=3 -o runs/quick\n"
                "  weft train my.yaml -o runs/my --resume\n",
    .min_words = 1,
    .max_words = 1,
    .options = options,
    .run = run_it,
};
