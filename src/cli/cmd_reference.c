/* weft reference: everything that can be named in an experiment file, from the descriptors; docs/reference.md is what it prints. */
#include <string.h>

#include "cli/cli.h"
#include "train/train.h"

static const option_spec options[] = {OPTION_HELP, {0}};

/* A thing that has a name, as Markdown shows it. */
typedef struct entry {
    const char *name, *help, *formula; /* formula: or NULL */
    const field *fields;               /* or NULL */
} entry;

/* Which entries are wanted: all, or those of some names; and how many there were. */
typedef struct wanted {
    const char *const *words;
    size_t n_words, found;
} wanted;

static bool is_wanted(wanted *w, const char *name)
{
    bool named = w->n_words == 0;
    for (size_t i = 0; i < w->n_words; i++)
        named |= strcmp(w->words[i], name) == 0;
    w->found += named;
    return named;
}

static const char *kind_of(const field *f)
{
    static const char *const kinds[] = {
        [FIELD_SIZE] = "whole number", [FIELD_U64] = "whole number", [FIELD_REAL] = "number", [FIELD_PAIR] = "two numbers",
        [FIELD_BOOL] = "true or false", [FIELD_TEXT] = "text", [FIELD_SIZES] = "whole numbers", [FIELD_LIST] = "a list",
        [FIELD_INT] = "whole number, also below 0", [FIELD_REALS] = "list of numbers", [FIELD_WORDS] = "words in []",
        [FIELD_MAP] = "map, see there",
    };
    return kinds[f->type];
}

static bool is_number(const field *f)
{
    return f->type == FIELD_SIZE || f->type == FIELD_REAL || f->type == FIELD_PAIR || f->type == FIELD_SIZES ||
           f->type == FIELD_REALS;
}

static void print_kind(const field *f)
{
    char range[FIELD_RANGE_BYTES];
    printf("%s%s%s", f->words ? "" : kind_of(f), is_number(f) ? ", " : "", is_number(f) ? field_range(f, range) : "");
    for (const char *const *word = f->words; word && *word; word++)
        printf("%s`%s`", word == f->words ? "" : " or ", *word);
}

static void print_default(const field *f)
{
    field one[] = {*f, {0}};
    double room[8] = {0}; /* as large as any field */
    text t = {0};
    one[0].offset = 0;
    if (f->flags & FIELD_REQUIRED) {
        printf("must be given");
        return;
    }
    fields_default(one, room);
    fields_print(one, room, "%.0s%s", "", &t);
    const char *quote = t.length ? "`" : "";
    printf("%s", quote);
    text_add(&t, t.length ? "" : "none");
    show_text(&t);
    printf("%s", quote);
}

/* A bar would end the cell. */
static void print_cell(const char *words)
{
    for (; *words; words++)
        printf("%s%c", *words == '|' ? "\\" : "", *words);
}

static void print_fields(const field *table)
{
    printf("| key | kind | default | |\n| --- | --- | --- | --- |\n");
    for (const field *f = table; f->name; f++) {
        printf("| `%s`%s | ", f->name, f->flags & FIELD_BARE ? " (or bare)" : "");
        print_kind(f);
        printf(" | ");
        print_default(f);
        printf(" | ");
        print_cell(f->help);
        printf(" |\n");
    }
    printf("\n");
}

static void print_entry(wanted *w, entry e)
{
    if (!is_wanted(w, e.name))
        return;
    printf("### %s\n\n%s\n\n", e.name, e.help);
    if (e.formula)
        printf("    %s\n\n", e.formula);
    if (e.fields && e.fields->name)
        print_fields(e.fields);
}

static void print_heading(const wanted *w, const char *heading, const char *what)
{
    if (!w->n_words)
        printf("## %s\n\n%s\n\n", heading, what);
}

static void print_ops(wanted *w, isa level, bool losses)
{
    for (const op *const *o = op_table(level); *o; o++)
        if (((*o)->kind == OP_LOSS) == losses)
            print_entry(w, (entry){(*o)->name, (*o)->help, (*o)->formula, (*o)->fields});
}

/* And the maps that it holds. */
static void print_section(wanted *w, const char *name, const char *help, const field *fields)
{
    print_entry(w, (entry){name, help, NULL, fields});
    for (const field *f = fields; f->name; f++)
        if (f->fields)
            print_entry(w, (entry){f->name, f->help, NULL, f->fields});
}

static void print_all(wanted *w, isa level)
{
    size_t n;
    const init_kind *rules = init_kinds(&n);
    print_heading(w, "Layers", "`model: [linear 1000, relu, linear 10]`; a value without a key goes to the key that is marked so.");
    print_ops(w, level, false);
    print_entry(w, (entry){"layers with parameters", "what each of them can say of how it is trained", NULL, node_training_fields});
    print_heading(w, "Losses", "`loss: cross_entropy`; the mean over the batch unless its `reduction` or its formula says otherwise. `train_loss` is the mean over "
                  "the epoch of the losses of its batches, `val_loss` the loss of the whole split: with `reduction: sum`, sums over a batch and over the split.");
    print_ops(w, level, true);
    print_heading(w, "Optimizers", "`optimizer: {name: sgd, lr: 0.01}`; t counts steps from 1, w is a weight, g its gradient.");
    for (const optim *const *o = optim_table(level); *o; o++)
        print_entry(w, (entry){(*o)->name, (*o)->help, (*o)->formula, (*o)->fields});
    print_entry(w, (entry){"optimizers with weight_decay", "what each of them can say of it", NULL, decay_fields});
    print_heading(w, "Schedules", "`schedule: {name: step_lr, step_size: 10}`; lr is the optimizer's, t counts epochs or steps from 0.");
    print_entry(w, (entry){"schedule", "what every schedule can be told", NULL, schedule_common_fields});
    for (const schedule *const *s = schedule_table; *s; s++)
        print_entry(w, (entry){(*s)->name, (*s)->help, (*s)->formula, (*s)->fields});
    print_heading(w, "Initialisation", "`linear 1000 init=orthogonal`, or `init: orthogonal` for all linear layers; fan_in and fan_out are a weight's inputs "
                  "and outputs.");
    for (size_t i = 0; i < n; i++)
        print_entry(w, (entry){rules[i].name, rules[i].help, rules[i].formula, rules[i].fields});
    print_heading(w, "Sections of an experiment file", "`train: {epochs: 10, batch: 32}`");
    print_section(w, "data", "the samples", data_fields);
    print_section(w, "init", "how the model begins, where its layers do not say it; `init: orthogonal` is `init: {weight: orthogonal}`", usual_init_fields);
    print_section(w, "checkpoint", "how often a run saves what `--resume` goes on from; the end of an epoch always does, and its bits do not depend on it",
                  checkpoint_fields);
    print_section(w, "train", "how long and how", train_fields);
    print_section(w, "sweep", "many trials: every point of it becomes a variant, with each variant that the file lists; its `over` maps dotted keys to a list of "
                  "values, or to `{choice: [1, 2]}`, `{integer: [1, 8]}`, and, of random alone, `{uniform: [0, 1]}`, `{log_uniform: [1e-4, 1]}`; beside these, "
                  "`when: {optimizer.name: sgd}` leaves a key out of points that are otherwise",
                  sweep_fields);
}

static int run_it(args *a)
{
    weft_error err = {0};
    isa level;
    if (!isa_choose(&level, &err))
        return complain(&err);
    wanted w = {(const char *const *)a->words, a->n_words, 0};
    if (!w.n_words)
        printf("# Reference\n\nMade by `weft reference`: every name that an experiment file can use, with its keys.\n\n");
    print_all(&w, level);
    if (w.n_words && w.found < w.n_words)
        return complain_usage("not every one of these is a layer, loss, optimizer, schedule, rule or section; weft reference lists all there are");
    return EXIT_DONE;
}

const command cmd_reference = {
    .name = "reference",
    .words = "[NAME…]",
    .help = "layers, losses, optimizers, schedules and all else that has a name, with formulas, keys and defaults",
    .examples = "  weft reference\n"
                "  weft reference adam batch_norm\n",
    .min_words = 0,
    .max_words = 100,
    .options = options,
    .run = run_it,
};
