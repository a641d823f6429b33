/* weft report: the page from run folders that exist already. */
#include <string.h>

#include "cli/cli.h"

static const option_spec options[] = {
    {'o', "output", "FILE.html", "the page; default: report.html", OPTION_PATH, offsetof(args, output), 0, 0},
    {0, "baseline", "NAME", "the variant that the others are held against; default: the first", OPTION_TEXT, offsetof(args, baseline), 0, 0},
    OPTION_TARGET,
    OPTION_HELP,
    {0},
};

static int run_it(args *a)
{
    double target;
    weft_error err = {0};
    const char *path = a->output ? a->output : "report.html";
    run_record *runs;
    size_t n_runs, n_figures;
    if (!choose_target(a, &target))
        return EXIT_USAGE;
    const report_view view = {a->baseline, a->target ? &target : NULL};
    if (run_records_find(a->words, a->n_words, &runs, &n_runs, &a->memory, &err) != WEFT_OK ||
        report_page(path, runs, n_runs, &view, &n_figures, &err) != WEFT_OK)
        return complain(&err);
    printf("wrote %s: %zu run%s; its figures as SVG, %zu of them, are in the folder %.*s\n", path, n_runs, n_runs == 1 ? "" : "s", n_figures,
           (int)strlen(path) - (int)strlen(".html"), path);
    printf("next: open %s in a browser\n", path);
    return EXIT_DONE;
}

const command cmd_report = {
    .name = "report",
    .words = "DIR...",
    .help = "one page about runs that are there already",
    .examples = "  weft report runs/tutorial -o tutorial.html\n"
                "  weft report runs/adam runs/sgd --baseline sgd\n",
    .min_words = 1,
    .max_words = SIZE_MAX,
    .options = options,
    .run = run_it,
};
