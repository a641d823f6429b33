/* weft lr-find: which learning rate? */
#include <string.h>

#include "cli/cli.h"

static const option_spec options[] = {
    {'o', "output", "DIR", "where figure and numbers go; default: runs/NAME-lr-find after the file", OPTION_PATH, offsetof(args, output), 0, 0},
    {0, "from", "RATE", "the lowest rate; default: 1e-7", OPTION_REAL, offsetof(args, from), 0, 0},
    {0, "to", "RATE", "the highest rate; default: 10", OPTION_REAL, offsetof(args, to), 0, 0},
    {0, "steps", "N", "how many rates; default: 200", OPTION_NUMBER, offsetof(args, steps), 10, 1000000},
    {0, "seeds", "N", "how many seeds, from the run's on; default: 3", OPTION_NUMBER, offsetof(args, seeds), 1, 1000},
    OPTION_VARIANT,
    OPTION_SET,
    OPTION_SEED,
    OPTION_ALLOW_TRAILING,
    OPTION_THREADS,
    OPTION_FORCE,
    OPTION_QUIET,
    OPTION_JSON,
    OPTION_HELP,
    {0},
};

/* A rate as it is proposed. */
static const char *short_rate(double rate, char buffer[32])
{
    double rounded;
    snprintf(buffer, 32, "%.2g", rate);
    return parse_double(buffer, &rounded) ? print_double(rounded, buffer) : buffer;
}

static void show_seed(void *self, const range_test *t, const range_seed *done)
{
    const args *a = self;
    char rate[32];
    if (a->quiet)
        return;
    if (done->n < a->steps)
        fprintf(stderr, "seed %llu: the loss leaves for good at %s\n", (unsigned long long)done->seed, short_rate(t->lr[done->n], rate));
    else
        fprintf(stderr, "seed %llu: all rates tried\n", (unsigned long long)done->seed);
}

/* ---- What is written ---- */

static void add_numbers(text *t, const char *key, const double *numbers, size_t n)
{
    char buffer[32];
    text_printf(t, ", \"%s\": [", key);
    for (size_t i = 0; i < n; i++)
        text_printf(t, "%s%s", i ? ", " : "", print_double(numbers[i], buffer));
    text_add(t, "]");
}

static void add_json(text *t, const range_test *r)
{
    char buffer[32];
    text_printf(t, "{\"rule\": \"steepest descent\", \"suggestion\": %s", r->found ? short_rate(r->lr[r->steepest], buffer) : "null");
    text_printf(t, ", \"steepest\": %s", r->found ? print_double(r->lr[r->steepest], buffer) : "null");
    text_printf(t, ", \"lowest\": %s", r->n ? print_double(r->lr[r->lowest], buffer) : "null");
    text_printf(t, ", \"lowest_over_ten\": %s, \"seeds\": [", r->n ? print_double(r->lr[r->lowest] / 10, buffer) : "null");
    for (size_t i = 0; i < r->n_seeds; i++)
        text_printf(t, "%s{\"seed\": %llu, \"rates\": %zu}", i ? ", " : "", (unsigned long long)r->seeds[i].seed, r->seeds[i].n);
    text_add(t, "]");
    add_numbers(t, "lr", r->lr, r->n);
    add_numbers(t, "loss", r->loss, r->n);
    add_numbers(t, "low", r->low, r->n);
    add_numbers(t, "high", r->high, r->n);
    text_add(t, "}\n");
}

/* "sgd momentum=0.9" of "sgd lr=1e-07 momentum=0.9": the rate is what is looked for. */
static const char *without_rate(const char *optimizer, arena *a)
{
    const char *rate = strstr(optimizer, " lr=");
    return rate ? arena_printf(a, "%.*s%s", (int)(rate - optimizer), optimizer, rate + 1 + strcspn(rate + 1, " ")) : optimizer;
}

static weft_status save_figure(const range_test *t, const run_settings *s, const char *folder, arena *a, weft_error *err)
{
    char fastest[32], lowest[32];
    const char *optimizer = without_rate(s->optimizer_text, a);
    const char *title = *s->variant ? arena_printf(a, "Learning rates: %s", s->variant) : "Learning rates";
    const char *subtitle = arena_printf(a, "%s   \xc2\xb7   %s   \xc2\xb7   inputs / %g   \xc2\xb7   batch %zu", s->model_text, optimizer ? optimizer : "",
                                        s->data.scale, s->train.batch);
    const char *note = t->found ? arena_printf(a, "falls fastest at %s, which is ringed; lowest at %s", short_rate(t->lr[t->steepest], fastest),
                                               short_rate(t->lr[t->lowest], lowest))
                                : "falls nowhere by as much as one can tell from noise";
    if (!optimizer || !title || !subtitle || !note)
        return fail_memory(err);
    return report_rates(&(rate_curve){.title = title, .subtitle = subtitle, .n = t->n, .lr = t->lr, .loss = t->loss, .low = t->low, .high = t->high,
                                      .n_seeds = t->n_seeds, .chosen = t->found ? &t->lr[t->steepest] : NULL, .note = note},
                        folder, "lr-find", err);
}

static weft_status save(const range_test *t, const run_settings *s, const char *folder, bool print, arena *a, weft_error *err)
{
    text json = {0};
    add_json(&json, t);
    const char *path = path_join(a, folder, "lr-find.json");
    weft_status status = json.failed || !path ? fail_memory(err) : folder_make(folder, err);
    if (status == WEFT_OK)
        status = file_write(path, json.data, json.length, err);
    if (status == WEFT_OK)
        status = save_figure(t, s, folder, a, err);
    if (status == WEFT_OK && print)
        fputs(json.data, stdout);
    text_free(&json);
    return status;
}

/* ---- What is said ---- */

static void print_findings(const range_test *t, const args *a, const char *folder)
{
    char one[32], two[32], three[32];
    if (t->found) {
        printf("the loss begins at %.4g, falls fastest at a rate of %s, and is lowest, %.4g, at %s\n", t->loss[0], short_rate(t->lr[t->steepest], one),
               t->loss[t->lowest], short_rate(t->lr[t->lowest], two));
        printf("suggestion: --set optimizer.lr=%s\n", one);
        printf("by the rule \"steepest descent\"; \"a tenth of the rate with the lowest loss\" would be %s\n", short_rate(t->lr[t->lowest] / 10, three));
    }
    printf("wrote %s: lr-find.svg, lr-find.png, lr-find.json\n", folder);
    text variant = {0};
    if (a->variant) {
        text_add(&variant, " --variant \"");
        text_add_escaped(&variant, a->variant);
        text_add(&variant, "\"");
    }
    if (t->found)
        printf("next: look at %s/lr-find.png, or weft train %s%s --set optimizer.lr=%s%s\n", folder, a->words[0], variant.data ? variant.data : "", one,
               trailing_option(a->allow_trailing));
    text_free(&variant);
}

static int complain_found_none(const range_test *t, const args *a)
{
    char from[32], to[32];
    weft_error err = {0};
    fail(&err, WEFT_DIVERGED, (where){.file = a->words[0]}, "at no rate from %s to %s did the loss fall by as much as one can tell from noise%s",
         print_double(a->from, from), print_double(a->to, to), t->n ? "; the figure shows it; try other rates with --from and --to, or more --steps" : "");
    complain(&err);
    return EXIT_FAILED;
}

static int find(args *a, const run_settings *s, const char *folder)
{
    weft_error err = {0};
    range_test t;
    weft_dataset *data = open_data(s->data.set, s->data.allow_trailing, &err);
    if (!data)
        return complain(&err);
    stop_on_signals();
    const range_options o = {.from = a->from, .to = a->to, .n_steps = (size_t)a->steps, .n_seeds = (size_t)a->seeds, .threads = (int)a->threads,
                             .stop = &stop_signal, .hear = show_seed, .self = a};
    weft_status status = range_test_run(s, data, &o, &t, &a->memory, &err);
    weft_dataset_close(data);
    if (status == WEFT_OK)
        status = save(&t, s, folder, a->json, &a->memory, &err);
    if (status == WEFT_STOPPED)
        fprintf(stderr, "stopped; nothing was written\n");
    if (status != WEFT_OK)
        return err.count ? complain(&err) : exit_code(status);
    if (!a->json)
        print_findings(&t, a, folder);
    return t.found ? EXIT_DONE : complain_found_none(&t, a);
}

/* Numbers that another test left are not replaced without a word. */
static int check_output(const args *a, const char *folder, arena *memory)
{
    const char *path = path_join(memory, folder, "lr-find.json");
    if (path && (a->force || !file_exists(path)))
        return EXIT_DONE;
    weft_error err = {0};
    fail(&err, WEFT_BAD_INPUT, (where){.file = path ? path : folder}, "is there already; choose another folder with -o, or replace it with --force");
    return complain(&err);
}

static int run_it(args *a)
{
    int code = EXIT_FAILED;
    size_t variant;
    weft_error err = {0};
    run_settings settings;
    a->from = a->from > 0 ? a->from : 1e-7;
    a->to = a->to > 0 ? a->to : 10;
    a->steps = a->steps ? a->steps : 200;
    a->seeds = a->seeds ? a->seeds : 3;
    if (a->from >= a->to)
        return complain_usage("--from %g is not below --to %g", a->from, a->to);
    const char *const *overrides = range_overrides(&(range_options){.from = a->from, .to = a->to, .n_steps = (size_t)a->steps}, &a->memory);
    const char *named = output_folder(a), *folder = a->output ? a->output : named ? arena_printf(&a->memory, "%s-lr-find", named) : NULL;
    if (!overrides || !folder) {
        fail_memory(&err);
        return complain(&err);
    }
    if ((code = check_output(a, folder, &a->memory)) != EXIT_DONE)
        return code;
    while (*overrides)
        a->sets[a->n_sets++] = *overrides++;
    experiment *e = open_experiment(a, &code);
    if (e && choose_variant(e, a, &variant, &code))
        code = experiment_settings(e, variant, 0, &settings, &err) == WEFT_OK ? find(a, &settings, folder) : complain(&err);
    experiment_close(e);
    return code;
}

const command cmd_lr_find = {
    .name = "lr-find",
    .words = "FILE.yaml",
    .help = "try learning rates on a copy, from tiny to huge, and suggest one",
    .examples = "  weft lr-find recipes/tutorial.yaml --variant sgd\n"
                "  weft lr-find my.yaml --from 1e-6 --to 1 --steps 400 --seeds 5\n",
    .min_words = 1,
    .max_words = 1,
    .options = options,
    .run = run_it,
};
