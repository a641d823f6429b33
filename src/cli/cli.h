/* The command: its option table, its commands, what it shows while something runs. No logic of its own. */
#ifndef CLI_H
#define CLI_H

#include "lab/lab.h"
#include "report/report.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_DIVERGED = 3 };

/* Every option that some command has. */
typedef struct args {
    const char *line; /* the whole command, as it could be given again */
    const char *output, *data, *variant, *split, *invert, *fit, *baseline, *target, *format, *against;
    const char **sets;
    size_t n_sets;
    uint64_t seed, threads, jobs, per_class, worst, steps, seeds, top;
    double from, to;
    bool seed_given, allow_trailing, json, plan, resume, force, quiet, dry_run, quick, best, print, help;
    const char **words; /* what is no option */
    size_t n_words;
    arena memory;
} args;

typedef enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_PATH /* to write to */, OPTION_LIST, OPTION_NUMBER, OPTION_REAL } option_kind;

/* One option: drives parsing, errors and --help. */
typedef struct option_spec {
    char letter; /* 0: none */
    const char *name, *value; /* value: what --help calls it; NULL: a flag */
    const char *help;
    option_kind kind;
    size_t offset; /* in args */
    uint64_t min, max; /* of a number; a real one is above 0 */
} option_spec;

/* A command, or a command's own command. One file each: cli/cmd_NAME.c defines cmd_NAME. */
typedef struct command {
    const char *name, *words; /* words: what follows, for --help: "FILE.yaml" */
    const char *help;         /* one line */
    const char *examples;     /* lines, what --help leads with */
    size_t min_words, max_words;
    const option_spec *options;             /* ends with a NULL name */
    const struct command *const *commands; /* its own commands; ends with NULL; NULL: none */
    int (*run)(args *a);
} command;

/* Options that many commands share. */
#define OPTION_HELP {'h', "help", NULL, "show this help", OPTION_FLAG, offsetof(args, help), 0, 0}
#define OPTION_JSON {0, "json", NULL, "print JSON, for programs", OPTION_FLAG, offsetof(args, json), 0, 0}
#define OPTION_BEST \
    {0, "best", NULL, "of a run folder, the model of the best epoch instead of the last", OPTION_FLAG, offsetof(args, best), 0, 0}
#define OPTION_SET \
    {0, "set", "KEY=VALUE", "change a setting of the file: train.epochs=3; may be repeated", OPTION_LIST, offsetof(args, sets), 0, 0}
#define OPTION_VARIANT {0, "variant", "NAME", "which variant of the file", OPTION_TEXT, offsetof(args, variant), 0, 0}
#define OPTION_SEED {0, "seed", "N", "the seed, instead of the file's", OPTION_NUMBER, offsetof(args, seed), 0, UINT64_MAX}
#define OPTION_ALLOW_TRAILING \
    {0, "allow-trailing", NULL, "read data files that are longer than their headers say, with a warning", OPTION_FLAG, \
     offsetof(args, allow_trailing), 0, 0}
#define OPTION_TARGET \
    {0, "target", "SCORE", "tell how long each took to this validation score: 0.85; default: the baseline's last one", OPTION_TEXT, \
     offsetof(args, target), 0, 0}
#define OPTION_FORCE {'f', "force", NULL, "replace what is there", OPTION_FLAG, offsetof(args, force), 0, 0}
#define OPTION_DRY_RUN {'n', "dry-run", NULL, "say what it would cost, after measuring a few steps; run and write nothing", OPTION_FLAG, offsetof(args, dry_run), 0, 0}
#define OPTION_QUIET {'q', "quiet", NULL, "show nothing while it runs", OPTION_FLAG, offsetof(args, quiet), 0, 0}
#define OPTION_THREADS \
    {0, "threads", "N", "how many threads; default: as many as there are cores to use", OPTION_NUMBER, offsetof(args, threads), 1, MAX_THREADS}

/* Runs the command that the words name; returns the exit code. */
int run_command(int argc, char **argv);

/* Prints every mistake, a line each, as "weft: FILE:LINE:COLUMN: …", and returns the exit code that goes with it. An error without a mistake:
 * memory ran out. */
int complain(const weft_error *err);
int exit_code(weft_status status);
/* The same for a mistake of the command line. */
int complain_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Prints a text and frees it. Where memory ran out while it grew, that is complained about, and the command fails. */
void show_text(text *t);
/* Prints what was built since json_begin and releases it; complains where memory ran out. Returns the exit code. */
int print_built(struct json_t *root, size_t flags);
/* Prints every line as "weft: warning: …", also where --quiet or --json is given. */
void print_warnings(const char *lines);

/* A data set, its warnings printed. */
weft_dataset *open_data(const char *name, bool allow_trailing, weft_error *err);
/* The model that a command's first word names: a file, or a run folder's, the best epoch's with --best. *path: its file. */
weft_model *open_model(args *a, const char **path, weft_error *err);
/* " --allow-trailing" for the next command that is proposed, where it needs that; or "". */
const char *trailing_option(bool allow_trailing);
/* The experiment file that a command's first word names, with --set, --seed and --allow-trailing; NULL: it was complained about, *code says
 * how to end. */
experiment *open_experiment(args *a, int *code);
/* The one variant that --variant names, or the only one. */
bool choose_variant(const experiment *e, const args *a, size_t *index, int *code);
/* --split; false: it is none, and that was complained about. */
bool choose_split(const args *a, weft_split usual, weft_split *split);
/* --target; false: it is no score, and that was complained about. */
bool choose_target(const args *a, double *target);
/* -o, or runs/NAME after the experiment file. */
const char *output_folder(args *a);

/* What --dry-run says (dry_run.c); they return the exit code. */
int dry_run_train(args *a, const run_settings *s, const weft_dataset *data, const char *folder);
int dry_run_compare(args *a, experiment *e, const char *folder);

/* ---- Stopping (stop.c) ---- */

/* Not 0 once a signal asked to stop: its number. A second signal ends the program at once. */
extern volatile sig_atomic_t stop_signal;
void stop_on_signals(void);

/* ---- What is shown while something runs (progress.c) ---- */

typedef struct progress progress;

/* What is known of a trial before anything runs. */
typedef struct expected {
    const char *name; /* what stands before its lines; "" for a single run */
    size_t kind;      /* a number below that of trials; of one kind all take equally long for their work */
    double work;      /* of an epoch, in a unit that all trials share */
    double before;    /* epochs that it has */
    double goal;      /* epochs that it is likely to end with, as far as is known; INFINITY: all of its run */
    bool over;        /* it has them */
    double best;      /* its best validation score before, as it is shown; NaN: none */
} expected;

/* On stderr: where that is a terminal an area that is redrawn ten times a second; elsewhere a line an epoch. quiet: nothing. NULL: no memory. */
progress *progress_create(size_t n_trials, bool quiet);
/* Before the first event. False: no memory. */
bool progress_expect(progress *p, size_t trial, const expected *what);
/* More is known of how many epochs it will end with. */
void progress_goal(progress *p, size_t trial, double goal);
/* A trial does not run now, though no event says so: it paused, or nothing more is to come of it. */
void progress_rest(progress *p, size_t trial, bool is_over);
/* `trial`: its index. */
void progress_hear(progress *p, size_t trial, const run *r, event_kind event);
void progress_free(progress *p); /* clears the bar */

#endif
