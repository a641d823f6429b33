/* weft compare: every variant with every seed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static const option_spec options[] = {
    {'o', "output", "DIR", "where everything goes; default: runs/NAME after the file", OPTION_PATH, offsetof(args, output), 0, 0},
    OPTION_SET,
    OPTION_SEED,
    OPTION_ALLOW_TRAILING,
    {'j', "jobs", "N", "runs at a time, a thread each; default: as many as there are cores to use", OPTION_NUMBER, offsetof(args, jobs), 1,
     MAX_THREADS},
    {'f', "force", NULL, "run anew what was run with other settings", OPTION_FLAG, offsetof(args, force), 0, 0},
    OPTION_DRY_RUN,
    {0, "baseline", "NAME", "the variant that the others are held against; default: the file's baseline, or its first variant", OPTION_TEXT,
     offsetof(args, baseline), 0, 0},
    OPTION_TARGET,
    {0, "format", "text|md|csv", "how the table is printed", OPTION_TEXT, offsetof(args, format), 0, 0},
    OPTION_JSON,
    OPTION_QUIET,
    OPTION_HELP,
    {0},
};

typedef struct watcher {
    progress *progress;
    bool quiet;
} watcher;

/* What stands before a trial's lines: its variant, and its seed where there are several. NULL: no memory. */
static const char *trial_name(const experiment *e, const trial *t, arena *a)
{
    const char *variant = e->variants[t->variant].name;
    return e->n_seeds > 1 ? arena_printf(a, "%s, seed %llu", variant, (unsigned long long)t->settings.train.seed) : variant;
}

/* Of what was there before; NaN: there is nothing. */
static double best_score(const trial *t, arena *a)
{
    run_record run;
    double best = NAN;
    if ((t->found != FOUND_ALL && t->found != FOUND_PART) || run_record_read(t->folder, &run, a, NULL) != WEFT_OK)
        return NAN;
    for (size_t i = 0; i < run.n_epochs; i++)
        best = fmax(best, metrics_score(&run.metrics[i], WEFT_TEST));
    return best;
}

/* Whether nothing more is to come of it. */
static bool is_over(const trial *t) { return t->state != TRIAL_WAITING || (double)t->n_epochs >= t->likely; }

static double likely_end(const trial *t) { return fmin(t->whole, t->likely); }

/* Without memory there is none. */
static progress *start_progress(const comparison *c, bool quiet)
{
    progress *p = progress_create(c->n_trials, quiet);
    for (size_t i = 0; p && i < c->n_trials; i++) {
        const trial *t = &c->trials[i];
        arena scratch = {0};
        const char *name = trial_name(c->experiment, t, &scratch);
        const expected what = {name, t->variant, t->work, (double)t->n_epochs, likely_end(t), is_over(t), best_score(t, &scratch)};
        const bool known = name && progress_expect(p, i, &what);
        arena_deinit(&scratch);
        if (!known) {
            progress_free(p);
            return NULL;
        }
    }
    return p;
}

/* "6 variants x 3 seeds: 4 runs are there already, 2 go on, 12 to run" */
static void show_plan(const comparison *c)
{
    const experiment *e = c->experiment;
    const size_t kept = c->n_found[FOUND_ALL], part = c->n_found[FOUND_PART], rest = c->n_trials - kept - part;
    fprintf(stderr, "%zu variant%s x %zu seed%s", e->n_variants, e->n_variants == 1 ? "" : "s", e->n_seeds, e->n_seeds == 1 ? "" : "s");
    if (kept)
        fprintf(stderr, "%s%zu run%s there already", ": ", kept, kept == 1 ? " is" : "s are");
    if (part)
        fprintf(stderr, "%s%zu go%s on", kept ? ", " : ": ", part, part == 1 ? "es" : "");
    if (rest && rest < c->n_trials)
        fprintf(stderr, ", %zu to run", rest);
    fputs("\n", stderr);
}

/* Runs of a variant or a seed that the file does not list. */
static void show_others(const comparison *c)
{
    enum { MOST = 6 };
    text line = {0};
    for (size_t i = 0; i < MIN(c->n_others, MOST); i++) {
        text_add(&line, i ? ", " : "");
        text_add_escaped(&line, c->others[i]);
    }
    if (c->n_others > MOST)
        text_printf(&line, " and %zu more", c->n_others - MOST);
    if (line.data)
        fprintf(stderr, "left as they are, for %s does not list them: %s\n", c->experiment->path, line.data);
    text_free(&line);
}

static void begin(void *self, const comparison *c)
{
    watcher *w = self;
    w->progress = start_progress(c, w->quiet);
    if (w->quiet)
        return;
    show_others(c);
    show_plan(c);
}

static void show(void *self, const comparison *c, const trial *t, const run *r, event_kind event)
{
    watcher *w = self;
    if (!w->progress)
        return;
    for (size_t i = 0; event == EVENT_BEGIN && i < c->n_trials; i++) {
        const trial *one = &c->trials[i];
        progress_goal(w->progress, i, likely_end(one));
        if (one->state != TRIAL_RUNNING)
            progress_rest(w->progress, i, is_over(one));
    }
    if (event == EVENT_END && r->status == RUN_DONE && r->metrics.epoch >= t->until)
        progress_rest(w->progress, (size_t)(t - c->trials), false);
    else
        progress_hear(w->progress, (size_t)(t - c->trials), r, event);
}

static void show_warnings(void *self, const char *warnings)
{
    (void)self;
    print_warnings(warnings);
}

/* The trials that left metrics behind, and what each shows. NULL: see err. */
static run_record *read_records(const comparison *c, size_t *n, findings **found, arena *a, weft_error *err)
{
    run_record *records = arena_array(a, c->n_trials, sizeof *records);
    *found = arena_array(a, c->n_trials, sizeof **found);
    *n = 0;
    if (!records || !*found)
        fail_memory(err);
    for (size_t i = 0; records && *found && i < c->n_trials; i++) {
        const trial *t = &c->trials[i];
        if (t->state != TRIAL_DONE && t->found != FOUND_PART)
            continue;
        if (run_record_read(t->folder, &records[*n], a, err) != WEFT_OK || report_curves(&records[*n], err) != WEFT_OK ||
            diagnose_folder(&records[*n], *found + *n, a, err) != WEFT_OK)
            return NULL;
        records[*n].title = c->experiment->title; /* the file's, whatever it was when the run began */
        records[(*n)++].variant = c->experiment->variants[t->variant].name;
    }
    return *found ? records : NULL;
}

/* By the last validation score of the baseline's task; NULL: every run diverged. */
static const run_record *best_record(const run_record *records, size_t n, const char *baseline)
{
    const run_record *best = NULL;
    weft_task task = n ? records[0].task : WEFT_CLASSIFICATION;
    double highest = -INFINITY;
    for (size_t i = 0; baseline && i < n; i++)
        if (strcmp(records[i].variant, baseline) == 0)
            task = records[i].task;
    for (size_t i = 0; i < n; i++) {
        const run_record *r = &records[i];
        if (r->task != task || r->n_epochs == 0 || strcmp(r->status, "diverged") == 0)
            continue;
        const double score = metrics_score(&r->metrics[r->n_epochs - 1], WEFT_TEST);
        if (!(score > highest))
            continue;
        best = r;
        highest = score;
    }
    return best;
}

/* The name, where a run of that variant is there already. The only variant of a file may have none. */
static const char *ran(const run_record *records, size_t n, const char *variant)
{
    for (size_t i = 0; i < n && *variant; i++)
        if (strcmp(records[i].variant, variant) == 0)
            return variant;
    return NULL;
}

static const trial *trial_in(const comparison *c, const char *folder)
{
    for (size_t i = 0; i < c->n_trials; i++)
        if (strcmp(c->trials[i].folder, folder) == 0)
            return &c->trials[i];
    return NULL;
}

/* Figures, the page and the table. `best`: the trial to look at; NULL: none. */
static int report(const comparison *c, const char *folder, const report_view *wanted, report_form form, const trial **best, arena *a)
{
    weft_error err = {0};
    size_t n;
    findings *found;
    const run_record *records = read_records(c, &n, &found, a, &err), *highest = records ? best_record(records, n, wanted->baseline) : NULL;
    const report_view *view = &(report_view){records ? ran(records, n, wanted->baseline) : NULL, wanted->target};
    *best = highest ? trial_in(c, highest->folder) : NULL;
    const char *page = path_join(a, folder, "report.html");
    if (!page)
        fail_memory(&err);
    if (!records || !page ||
        (n && (report_compare(folder, records, n, view, &err) != WEFT_OK || report_page(page, records, n, view, NULL, &err) != WEFT_OK)))
        return complain(&err);
    text t = {0};
    if (n)
        report_summary(records, n, view, form, &t);
    if (n && form == REPORT_TEXT)
        report_all_findings(records, found, n, &t);
    show_text(&t);
    return EXIT_DONE;
}

static void say_next(const char *folder, const trial *best, bool stopped)
{
    printf("wrote %s: report.html, summary.md, compare.svg, compare.png, and for each variant its curves and its run folder\n", folder);
    if (stopped)
        printf("stopped; go on with the same command\n");
    else if (!best)
        printf("next: open %s/report.html in a browser, or read %s/summary.md\n", folder, folder);
    else
        printf("next: open %s/report.html in a browser, read %s/summary.md, or weft eval %s%s\n", folder, folder, best->folder,
               trailing_option(best->settings.data.allow_trailing));
}

static int compare(args *a, experiment *e, const report_view *view, report_form form)
{
    weft_error err = {0};
    comparison *c = NULL;
    const trial *best = NULL;
    const char *folder = output_folder(a);
    watcher w = {.quiet = a->quiet};
    if (!folder) {
        fail_memory(&err);
        return complain(&err);
    }
    stop_on_signals();
    const weft_status status = compare_run(e, &(compare_options){.folder = folder, .command = a->line, .jobs = (int)a->jobs, .force = a->force,
                                                                 .stop = &stop_signal, .warn = show_warnings, .begin = begin, .hear = show,
                                                                 .self = &w},
                                           &c, &err);
    progress_free(w.progress);
    int code = err.count ? complain(&err) : exit_code(status);
    if (c) {
        const int reported = report(c, folder, view, form, &best, &a->memory);
        code = code == EXIT_DONE ? reported : code;
    }
    if (c && form == REPORT_TEXT)
        say_next(folder, best, status == WEFT_STOPPED);
    comparison_free(c);
    return code;
}

/* --format and --json. */
static bool choose_form(const args *a, report_form *form)
{
    static const char *const names[] = {[REPORT_TEXT] = "text", [REPORT_MARKDOWN] = "md", [REPORT_CSV] = "csv"};
    weft_error err = {0};
    *form = a->json ? REPORT_JSON : REPORT_TEXT;
    for (size_t i = 0; a->format && i < COUNT(names); i++)
        if (strcmp(a->format, names[i]) == 0) {
            *form = (report_form)i;
            if (!a->json)
                return true;
            complain_usage("--json and --format %s are two formats; which one?", a->format);
            return false;
        }
    if (!a->format)
        return true;
    fail_unknown(&err, (where){.file = "--format"}, "format", a->format, names, COUNT(names), sizeof *names);
    complain(&err);
    return false;
}

static int run_it(args *a)
{
    int code = EXIT_USAGE;
    double target;
    report_form form;
    weft_error err = {0};
    if (!choose_form(a, &form) || !choose_target(a, &target))
        return code;
    experiment *e = open_experiment(a, &code);
    if (e && a->baseline && !experiment_variant(e, a->baseline, (where){.file = "--baseline"}, &err))
        code = complain(&err);
    else if (e && a->dry_run)
        code = dry_run_compare(a, e, output_folder(a));
    else if (e)
        code = compare(a, e, &(report_view){a->baseline ? a->baseline : e->baseline, a->target ? &target : NULL}, form);
    experiment_close(e);
    return code;
}

const command cmd_compare = {
    .name = "compare",
    .words = "FILE.yaml",
    .help = "train every variant with every seed; draw and tell what made a difference",
    .examples = "  weft compare recipes/tutorial.yaml\n"
                "  weft compare recipes/tutorial.yaml --set seeds=[1,2,3] --baseline adam\n"
                "  weft compare recipes/tutorial.yaml --set seeds=[1,2,3] --target 0.85 --format md\n"
                "  weft compare recipes/search.yaml --dry-run\n",
    .min_words = 1,
    .max_words = 1,
    .options = options,
    .run = run_it,
};
