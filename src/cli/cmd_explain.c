/* weft explain: why inputs are scaled, and what each diagnosis means. */
#include <string.h>

#include "cli/cli.h"

static const char scaling[] = "scaling";

static const option_spec options[] = {
    {'o', "output", "FILE", "scaling drawn, .png or .svg", OPTION_PATH, offsetof(args, output), 0, 0},
    OPTION_HELP,
    {0},
};

static int list_topics(void)
{
    printf("topics of weft explain:\n  %-22s %s\n\nwhat a diagnosis means:\n", scaling, "why inputs are divided until they are about 1, in two "
           "tables");
    for (const diagnosis *const *d = diagnoses(); *d; d++)
        printf("  %-22s %s\n", (*d)->name, (*d)->help);
    printf("next: weft explain %s\n", scaling);
    return EXIT_DONE;
}

static int explain_scaling(const args *a)
{
    weft_error err = {0};
    text t = {0};
    if (a->output && report_scaling_figure(a->output, &err) != WEFT_OK)
        return complain(&err);
    report_scaling(&t);
    show_text(&t);
    if (a->output)
        printf("wrote %s\n", a->output);
    else
        printf("next: see it with weft explain %s -o scaling.png, or try it with weft train recipes/tutorial.yaml --variant unscaled\n", scaling);
    return EXIT_DONE;
}

static int explain_diagnosis(const diagnosis *d)
{
    text t = {0};
    text_add_wrapped(&t, d->about);
    printf("%s: %s\n\n  ", d->name, d->help);
    show_text(&t);
    printf("\n");
    return EXIT_DONE;
}

static int run_it(args *a)
{
    const char *names[64] = {scaling};
    size_t n = 1;
    if (!a->n_words)
        return list_topics();
    if (strcmp(a->words[0], scaling) == 0)
        return explain_scaling(a);
    for (const diagnosis *const *d = diagnoses(); *d; d++) {
        if (strcmp(a->words[0], (*d)->name) == 0)
            return explain_diagnosis(*d);
        if (n < COUNT(names))
            names[n++] = (*d)->name;
    }
    weft_error err = {0};
    fail_unknown(&err, (where){"explain", 0, 0}, "topic", a->words[0], names, n, sizeof *names);
    return complain(&err);
}

const command cmd_explain = {
    .name = "explain",
    .words = "[TOPIC]",
    .help = "why inputs are scaled, and what each diagnosis of a run means",
    .examples = "  weft explain\n"
                "  weft explain scaling -o scaling.png\n"
                "  weft explain dead_units\n",
    .min_words = 0,
    .max_words = 1,
    .options = options,
    .run = run_it,
};
