/* The table of a comparison, for a terminal and as Markdown. */
#include "report/variants.h"

#include <math.h>
#include <string.h>

#define NAME_WIDTH 36 /* characters of a variant's name in a terminal's table */

enum { NAME, BEST, BEST_EPOCH, LAST, TRAINING, TABLE_GAP, SECONDS, SEEDS, STATUS, N_COLUMNS };

/* %s: the score. */
static const char *const headers[2][N_COLUMNS] = {
    {"variant", "best val. %s", "epoch", "last val. %s", "train. %s", "gap", "seconds", "seeds", "status"},
    {"variant", "best validation %s", "at epoch", "last validation %s", "training %s", "gap", "seconds", "seeds", "status"},
};

typedef struct table {
    size_t n_rows;
    text (*cells)[N_COLUMNS]; /* each is freed at the end */
    bool hidden[N_COLUMNS];
    word_form form;
} table;

/* ---- Cells ---- */

static size_t characters(const char *string)
{
    size_t n = 0;
    for (; *string; string++)
        n += ((unsigned char)*string & 0xc0) != 0x80;
    return n;
}

static void shorten(text *t, size_t most)
{
    if (characters(t->data) <= most)
        return;
    size_t at = 0;
    for (size_t n = 0; n + 3 < most; n++) {
        at++;
        while (((unsigned char)t->data[at] & 0xc0) == 0x80)
            at++;
    }
    t->length = at;
    text_add(t, "...");
}

/* "89.31 %", over seeds "89.31 ± 0.12 %"; with the number of runs where it is not the row's. */
static void add_spread(text *t, const spread *s, int decimals, const char *unit, const variant *v, word_form form)
{
    if (s->n == 0) {
        text_add(t, "-");
        return;
    }
    text_printf(t, "%.*f", decimals, s->mean);
    if (s->n > 1)
        text_printf(t, " %s %.*f", plus_minus(form), decimals, s->std);
    text_add(t, unit);
    if (s->n != v->n_runs)
        text_printf(t, " (%zu)", s->n);
}

static void add_status(text *t, const variant *v, word_form form)
{
    size_t n_other = 0;
    for (size_t i = 0; i < v->n_runs; i++) {
        const run_record *run = v->runs[i];
        if (!run->status || strcmp(run->status, "done") == 0)
            continue;
        n_other++;
        if (n_other > 1)
            continue;
        if (v->n_runs > 1)
            text_printf(t, "seed %llu ", (unsigned long long)run->seed);
        words_add(t, run->status, form);
        if (run->message && *run->message) {
            text_add(t, ": ");
            words_add(t, run->message, form);
        }
    }
    if (n_other > 1)
        text_printf(t, " (and %zu more)", n_other - 1);
    if (n_other == 0)
        text_add(t, "done");
}

static void fill_row(text cells[N_COLUMNS], const variant *v, word_form form)
{
    const task_words *words = variants_words(v, 1);
    spread best, epoch, last, training, gap, seconds;
    best = epoch = last = training = gap = seconds = spread_none();
    for (size_t i = 0; i < v->n_runs; i++) {
        const run_record *run = v->runs[i];
        const weft_metrics *top = run_best(run), *end = run->n_epochs ? &run->metrics[run->n_epochs - 1] : NULL;
        spread_add(&best, top ? quantity_of(top, VAL_SCORE) : NAN);
        spread_add(&epoch, top ? (double)top->epoch : NAN);
        spread_add(&last, end ? quantity_of(end, VAL_SCORE) : NAN);
        spread_add(&training, end ? quantity_of(end, TRAIN_SCORE) : NAN);
        spread_add(&gap, end ? quantity_of(end, GAP) : NAN);
        spread_add(&seconds, end ? run_seconds(run) : NAN);
    }
    words_add(&cells[NAME], *v->name ? v->name : "this run", form);
    if (form == WORDS_PLAIN && cells[NAME].data)
        shorten(&cells[NAME], NAME_WIDTH);
    add_spread(&cells[BEST], &best, words->decimals, words->unit, v, form);
    add_spread(&cells[BEST_EPOCH], &epoch, epoch.n > 1 ? 1 : 0, "", v, form);
    add_spread(&cells[LAST], &last, words->decimals, words->unit, v, form);
    add_spread(&cells[TRAINING], &training, words->decimals, words->unit, v, form);
    add_spread(&cells[TABLE_GAP], &gap, words->decimals, "", v, form);
    add_spread(&cells[SECONDS], &seconds, 1, "", v, form);
    text_printf(&cells[SEEDS], "%zu", v->n_runs);
    add_status(&cells[STATUS], v, form);
}

/* ---- The table ---- */

static const char *cell(const table *x, size_t row, size_t column)
{
    return x->cells[row][column].data ? x->cells[row][column].data : "";
}

static void pad(text *t, const char *string, size_t width, bool right)
{
    size_t n = characters(string), missing = width > n ? width - n : 0;
    text_printf(t, "%*s", right ? (int)missing : 0, "");
    text_add(t, string);
    text_printf(t, "%*s", right ? 0 : (int)missing, "");
}

/* Words lie at the left, numbers at the right; nothing trails. */
static void print_row(const table *x, size_t row, const size_t *widths, text *t)
{
    bool first = true;
    for (size_t column = 0; column < N_COLUMNS; column++) {
        if (x->hidden[column])
            continue;
        text_add(t, x->form == WORDS_MARKDOWN ? "| " : first ? "" : "  ");
        bool words = column == NAME || column == STATUS, last = column == STATUS && x->form == WORDS_PLAIN;
        pad(t, cell(x, row, column), last ? 0 : widths[column], !words);
        text_add(t, x->form == WORDS_MARKDOWN ? " " : "");
        first = false;
    }
    text_add(t, x->form == WORDS_MARKDOWN ? "|\n" : "\n");
}

static void print_rule(const table *x, const size_t *widths, text *t)
{
    bool first = true;
    for (size_t column = 0; column < N_COLUMNS; column++) {
        if (x->hidden[column])
            continue;
        bool words = column == NAME || column == STATUS;
        text_add(t, x->form == WORDS_MARKDOWN ? "|" : first ? "" : "  ");
        text_add(t, x->form == WORDS_MARKDOWN ? "-" : "");
        for (size_t i = 0; i < widths[column]; i++)
            text_add(t, "-");
        text_add(t, x->form == WORDS_PLAIN ? "" : words ? "-" : ":");
        first = false;
    }
    text_add(t, x->form == WORDS_MARKDOWN ? "|\n" : "\n");
}

static void print_table(const table *x, text *t)
{
    size_t widths[N_COLUMNS] = {0};
    for (size_t row = 0; row < x->n_rows; row++)
        for (size_t column = 0; column < N_COLUMNS; column++)
            if (x->form == WORDS_MARKDOWN || column != STATUS || row == 0) /* a status may be a long sentence */
                widths[column] = MAX(widths[column], characters(cell(x, row, column)));
    for (size_t row = 0; row < x->n_rows; row++) {
        print_row(x, row, widths, t);
        if (row == 0)
            print_rule(x, widths, t);
    }
}

static void fill_table(table *x, const variant *variants, size_t n)
{
    const task_words *words = variants_words(variants, n);
    bool several = false, other = false;
    for (size_t column = 0; column < N_COLUMNS; column++)
        text_printf(&x->cells[0][column], headers[x->form][column], x->form == WORDS_MARKDOWN ? words->score : words->brief);
    if (x->form == WORDS_MARKDOWN && *words->unit)
        text_add(&x->cells[0][TABLE_GAP], " (points)");
    for (size_t i = 0; i < n; i++) {
        fill_row(x->cells[i + 1], &variants[i], x->form);
        several = several || variants[i].n_runs > 1;
        other = other || strcmp(cell(x, i + 1, STATUS), "done") != 0;
    }
    x->hidden[SEEDS] = !several;
    x->hidden[STATUS] = !other;
}

void report_summary(const run_record *runs, size_t n_runs, bool markdown, text *t)
{
    arena a = {0};
    size_t n = 0;
    variant *variants = variants_group(runs, n_runs, &n, &a);
    const word_form form = markdown ? WORDS_MARKDOWN : WORDS_PLAIN;
    table x = {.form = form, .n_rows = n + 1};
    x.cells = variants ? arena_array(&a, n + 1, sizeof *x.cells) : NULL;
    if (!x.cells) {
        t->failed = true;
        goto done;
    }
    fill_table(&x, variants, n);
    print_table(&x, t);
    prose_add(variants, n, form, t);
    for (size_t i = 0; i < x.n_rows * N_COLUMNS; i++) {
        text *one = &x.cells[i / N_COLUMNS][i % N_COLUMNS];
        t->failed = t->failed || one->failed;
        text_free(one);
    }
done:
    arena_deinit(&a);
}
