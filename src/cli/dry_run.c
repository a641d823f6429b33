/* --dry-run: what it would cost. */
#include "cli/cli.h"

static void print_duration(double seconds)
{
    if (seconds < 100)
        printf("about %.*f s", seconds < 10 ? 1 : 0, seconds);
    else if (seconds < 100 * 60)
        printf("about %.0f min", seconds / 60);
    else
        printf("about %.1f h", seconds / 3600);
}

static void print_place(double bytes, const char *folder)
{
    printf("about %.3g MB in %s\n", bytes / 1e6, folder);
    printf("nothing was run or written\n");
}

int dry_run_train(args *a, const run_settings *s, const weft_dataset *data, const char *folder)
{
    weft_error err = {0};
    run_cost c;
    if (run_cost_measure(s, data, 1, (int)a->threads, &c, &err) != WEFT_OK)
        return complain(&err);
    const double epochs = run_cost_epochs(&c, &s->train);
    printf("%.6g epoch%s of %zu steps; measured: %.3g ms a step, %.3g s to evaluate after an epoch\n", epochs, epochs == 1 ? "" : "s", c.steps_per_epoch,
           1e3 * c.step_seconds, c.eval_seconds);
    print_duration(run_cost_seconds(&c, epochs));
    printf("\n");
    print_place(c.bytes, folder);
    return EXIT_DONE;
}

static void print_rungs(const estimate *x)
{
    for (size_t k = 0; k < x->rungs.n; k++)
        printf("rung %zu: %zu trial%s to epoch %zu, %.6g epochs\n", k + 1, x->rungs.places[k], x->rungs.places[k] == 1 ? "" : "s", x->rungs.epochs[k],
               x->rung_epochs[k]);
}

static void show_warnings(void *self, const char *warnings)
{
    (void)self;
    print_warnings(warnings);
}

int dry_run_compare(args *a, experiment *e, const char *folder)
{
    weft_error err = {0};
    estimate x;
    const compare_options options = {.folder = folder, .jobs = (int)a->jobs, .force = a->force, .warn = show_warnings};
    if (compare_estimate(e, &options, &x, &err) != WEFT_OK)
        return complain(&err);
    printf("%zu variant%s x %zu seed%s: %zu trial%s", e->n_variants, e->n_variants == 1 ? "" : "s", e->n_seeds, e->n_seeds == 1 ? "" : "s", x.n_trials,
           x.n_trials == 1 ? "" : "s");
    if (x.n_done)
        printf(", %zu of them done already", x.n_done);
    printf("\n");
    print_rungs(&x);
    printf("%.6g epoch%s to run", x.epochs, x.epochs == 1 ? "" : "s");
    if (x.epochs < x.all_epochs)
        printf(", of %.6g if every trial ran from its beginning to its end", x.all_epochs);
    printf("\n");
    print_duration(x.seconds);
    printf(" with %d at a time; measured: steps of %zu kind%s of network\n", x.jobs, x.n_measured, x.n_measured == 1 ? "" : "s");
    print_place(x.bytes, folder);
    return EXIT_DONE;
}
