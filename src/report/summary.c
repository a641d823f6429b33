/* The tables of a comparison, for a terminal and as Markdown: how well each variant did, and how it stands to the baseline. */
#include "report/variants.h"

#include <math.h>
#include <string.h>

enum { TERMINAL_COLUMNS = 100, LEAST_NAME = 16 };

/* ---- Tables ---- */

typedef struct table {
    word_form form;
    size_t n_rows, n_columns; /* with the headers */
    text *cells;              /* [n_rows, n_columns] */
    bool *hidden, *words;     /* [n_columns]: words lie at the left, numbers at the right */
    bool *spare;              /* [n_columns]: hidden where a terminal has no room for the names beside it */
    size_t *widths;           /* [n_columns], once it is printed */
} table;

static bool table_make(table *x, word_form form, size_t n_rows, size_t n_columns, arena *a)
{
    *x = (table){.form = form, .n_rows = n_rows, .n_columns = n_columns};
    x->cells = arena_array(a, n_rows * n_columns, sizeof *x->cells);
    x->hidden = arena_array(a, n_columns, sizeof *x->hidden);
    x->words = arena_array(a, n_columns, sizeof *x->words);
    x->spare = arena_array(a, n_columns, sizeof *x->spare);
    x->widths = arena_array(a, n_columns, sizeof *x->widths);
    return x->cells && x->hidden && x->words && x->spare && x->widths;
}

static text *cell(const table *x, size_t row, size_t column) { return &x->cells[row * x->n_columns + column]; }

static const char *cell_text(const table *x, size_t row, size_t column)
{
    const text *t = cell(x, row, column);
    return t->data ? t->data : "";
}

static size_t characters(const char *string)
{
    size_t n = 0;
    for (; *string; string++)
        n += ((unsigned char)*string & 0xc0) != 0x80;
    return n;
}

/* Where character n begins. */
static size_t place_of(const char *string, size_t n)
{
    size_t at = 0;
    for (; n > 0; n--)
        for (at++; ((unsigned char)string[at] & 0xc0) == 0x80;)
            at++;
    return at;
}

/* Takes out of the middle: names may begin or end alike. */
static void shorten(text *t, size_t most)
{
    const size_t n = t->data ? characters(t->data) : 0;
    if (n <= most)
        return;
    const size_t kept = most - 3, tail = kept / 2;
    text shorter = {0};
    text_add_bytes(&shorter, t->data, place_of(t->data, kept - tail));
    text_add(&shorter, "...");
    text_add(&shorter, t->data + place_of(t->data, n - tail));
    text_free(t);
    *t = shorter;
}

/* The widest cell of a column, from a row on. */
static size_t widest(const table *x, size_t column, size_t first_row)
{
    size_t width = 0;
    for (size_t row = first_row; row < x->n_rows; row++)
        width = MAX(width, characters(cell_text(x, row, column)));
    return width;
}

/* What is left for names, in the first column, by those that are shown. */
static size_t room_for_names(const table *x)
{
    size_t others = 0;
    for (size_t column = 1; column < x->n_columns; column++)
        others += x->hidden[column] ? 0 : x->widths[column] + 2;
    return MAX(others < TERMINAL_COLUMNS ? TERMINAL_COLUMNS - others : 0, LEAST_NAME);
}

/* Spare columns give way to names, from the right; then names do. */
static void fit_names(table *x)
{
    const size_t wanted = widest(x, 0, 1);
    for (size_t column = x->n_columns - 1; column > 0 && room_for_names(x) < wanted; column--)
        x->hidden[column] = x->hidden[column] || x->spare[column];
    for (size_t row = 0; row < x->n_rows; row++)
        shorten(cell(x, row, 0), room_for_names(x));
    x->widths[0] = widest(x, 0, 0);
}

static void pad(text *t, const char *string, size_t width, bool right)
{
    size_t n = characters(string), missing = width > n ? width - n : 0;
    text_printf(t, "%*s", right ? (int)missing : 0, "");
    text_add(t, string);
    text_printf(t, "%*s", right ? 0 : (int)missing, "");
}

static void print_row(const table *x, size_t row, text *t)
{
    const bool plain = x->form == WORDS_PLAIN;
    bool first = true;
    for (size_t column = 0; column < x->n_columns; column++) {
        if (x->hidden[column])
            continue;
        text_add(t, !plain ? "| " : first ? "" : "  ");
        pad(t, cell_text(x, row, column), x->widths[column], !x->words[column]);
        text_add(t, plain ? "" : " ");
        first = false;
    }
    while (plain && t->length && t->data[t->length - 1] == ' ') /* nothing trails */
        t->data[--t->length] = '\0';
    text_add(t, plain ? "\n" : "|\n");
}

static void print_rule(const table *x, text *t)
{
    const bool plain = x->form == WORDS_PLAIN;
    bool first = true;
    for (size_t column = 0; column < x->n_columns; column++) {
        if (x->hidden[column])
            continue;
        text_add(t, !plain ? "|-" : first ? "" : "  ");
        for (size_t i = x->widths[column]; i > 0; i--)
            text_add(t, "-");
        text_add(t, plain ? "" : x->words[column] ? "-" : ":");
        first = false;
    }
    text_add(t, plain ? "\n" : "|\n");
}

/* Prints the table, and gives its cells back. */
static void print_table(table *x, text *t)
{
    for (size_t column = 0; column < x->n_columns; column++)
        x->widths[column] = widest(x, column, 0);
    if (x->form == WORDS_PLAIN)
        fit_names(x);
    for (size_t row = 0; row < x->n_rows; row++) {
        print_row(x, row, t);
        if (row == 0)
            print_rule(x, t);
    }
    for (size_t i = 0; i < x->n_rows * x->n_columns; i++) {
        t->failed = t->failed || x->cells[i].failed;
        text_free(&x->cells[i]);
    }
}

/* Whether every row says the same in a column, or nothing. */
static bool is_constant(const table *x, size_t column)
{
    const char *first = "-";
    for (size_t row = 1; row < x->n_rows; row++) {
        const char *one = cell_text(x, row, column);
        if (strcmp(one, "-") != 0 && strcmp(first, "-") != 0 && strcmp(one, first) != 0)
            return false;
        first = strcmp(first, "-") == 0 ? one : first;
    }
    return true;
}

/* ---- Cells ---- */

/* "89.31 %", over seeds "89.31 ± 0.12 %"; with the number of values where that is not the variant's number of runs. */
static void add_spread(const table *x, text *t, const spread *s, int decimals, const char *unit, const variant *v)
{
    if (s->n == 0) {
        text_add(t, "-");
        return;
    }
    text_printf(t, "%.*f", decimals, s->mean);
    if (s->n > 1)
        text_printf(t, " %s %.*f", plus_minus(x->form), decimals, s->std);
    text_add(t, unit);
    if (s->n != v->n_runs)
        text_printf(t, " (%zu)", s->n);
}

/* The mean alone, of what varies in whole epochs or is told with its spread elsewhere, where a terminal has no room for more. */
static void add_mean(const table *x, text *t, const spread *s, int decimals, const char *unit, const variant *v)
{
    if (x->form != WORDS_PLAIN || s->n < 2) {
        add_spread(x, t, s, decimals, unit, v);
        return;
    }
    text_printf(t, "%.*f%s", decimals, s->mean, unit);
    if (s->n != v->n_runs)
        text_printf(t, " (%zu)", s->n);
}

static void add_name(const table *x, text *t, const variant *v) { words_add(t, *v->name ? v->name : "this run", x->form); }

/* ", rung 1 of 3" of a trial that halving stopped there: what its message begins with. */
static void add_rung(const table *x, text *t, const run_record *run)
{
    const size_t length = run->message ? strcspn(run->message, ":") : 0;
    if (strcmp(run->status, "stopped") != 0 || !length || !run->message[length])
        return;
    text rung = {0};
    text_add_bytes(&rung, run->message, length);
    text_add(t, ", ");
    words_add(t, rung.data ? rung.data : "", x->form);
    text_free(&rung);
}

/* "done", "diverged", "1 of 3 diverged, 1 of 3 stopped" */
static void add_status(const table *x, text *t, const variant *v)
{
    for (size_t i = 0; i < v->n_runs; i++) {
        const char *status = v->runs[i]->status;
        size_t before = 0, n = 0;
        for (size_t k = 0; k < v->n_runs; k++) {
            const bool same = strcmp(v->runs[k]->status, status) == 0;
            n += same;
            before += same && k < i;
        }
        if (before || strcmp(status, "done") == 0)
            continue;
        text_add(t, t->length ? ", " : "");
        if (v->n_runs > 1)
            text_printf(t, "%zu of %zu ", n, v->n_runs);
        words_add(t, status, x->form);
        add_rung(x, t, v->runs[i]);
    }
    if (!t->length)
        text_add(t, "done");
}

/* ---- How well each did ---- */

enum { NAME, RUNS, EPOCHS, LAST, BEST, BEST_EPOCH, TRAINING, POINTS_APART, SECONDS, STATUS, N_COLUMNS };

/* %s: the score. */
static const char *const headers[2][N_COLUMNS] = {
    {"variant", "runs", "epochs", "val. %s", "best", "epoch", "train.", "gap", "seconds", "status"},
    {"variant", "runs", "epochs", "validation %s", "best", "at epoch", "training %s", "gap", "seconds", "status"},
};

static void fill_row(const table *x, size_t row, const result *r)
{
    const variant *v = r->variant;
    const task_words *words = variants_words(v, 1);
    add_name(x, cell(x, row, NAME), v);
    text_printf(cell(x, row, RUNS), "%zu", v->n_runs);
    text_printf(cell(x, row, EPOCHS), r->epochs.min < r->epochs.max ? "%.0f-%.0f" : r->epochs.n ? "%.0f" : "-", r->epochs.min, r->epochs.max);
    add_spread(x, cell(x, row, LAST), &r->last, words->decimals, words->unit, v);
    add_mean(x, cell(x, row, BEST), &r->best, words->decimals, words->unit, v);
    add_mean(x, cell(x, row, BEST_EPOCH), &r->best_epoch, r->best_epoch.n > 1 ? 1 : 0, "", v);
    add_mean(x, cell(x, row, TRAINING), &r->training, words->decimals, words->unit, v);
    add_spread(x, cell(x, row, POINTS_APART), &r->gap, words->decimals, "", v);
    add_mean(x, cell(x, row, SECONDS), &r->seconds, 1, "", v);
    add_status(x, cell(x, row, STATUS), v);
}

static bool add_scores(const results *all, word_form form, text *t, arena *a)
{
    table x;
    if (!table_make(&x, form, all->n + 1, N_COLUMNS, a))
        return false;
    const bool markdown = form == WORDS_MARKDOWN;
    for (size_t column = 0; column < N_COLUMNS; column++)
        text_printf(cell(&x, 0, column), headers[markdown][column], markdown ? all->words->score : all->words->brief);
    if (markdown && *all->words->unit)
        text_add(cell(&x, 0, POINTS_APART), " (points)");
    for (size_t i = 0; i < all->n; i++)
        fill_row(&x, i + 1, &all->rows[i]);
    x.words[NAME] = x.words[STATUS] = true;
    x.spare[BEST_EPOCH] = x.spare[POINTS_APART] = x.spare[SECONDS] = true;
    x.hidden[RUNS] = is_constant(&x, RUNS) && all->n && all->rows[0].variant->n_runs == 1;
    x.hidden[EPOCHS] = is_constant(&x, EPOCHS);
    x.hidden[STATUS] = is_constant(&x, STATUS) && strcmp(cell_text(&x, MIN(all->n, 1), STATUS), "done") == 0;
    print_table(&x, t);
    return true;
}

/* ---- How each stands to the baseline ---- */

enum { OTHER, DIFFERENCE, INTERVAL, VERDICT, EPOCHS_TO, SECONDS_TO, N_STANDINGS };

static void name_standings(const table *x, const results *all)
{
    const bool points = x->form == WORDS_MARKDOWN && *all->words->unit;
    text_add(cell(x, 0, OTHER), "against ");
    add_name(x, cell(x, 0, OTHER), all->rows[all->baseline].variant);
    text_add(cell(x, 0, DIFFERENCE), points ? "difference (points)" : "difference");
    text_add(cell(x, 0, INTERVAL), "95 % interval");
    text_printf(cell(x, 0, EPOCHS_TO), "epochs to %.*f%s", all->words->decimals, all->target, all->words->unit);
    text_add(cell(x, 0, SECONDS_TO), "seconds");
}

static void add_standing(const table *x, size_t row, const result *r)
{
    const int decimals = variants_words(r->variant, 1)->decimals;
    const interval *i = &r->interval;
    const bool is_baseline = r->verdict == VERDICT_BASELINE;
    add_name(x, cell(x, row, OTHER), r->variant);
    if (!is_baseline)
        text_printf(cell(x, row, DIFFERENCE), isfinite(r->difference) ? "%+.*f" : "-", decimals, r->difference);
    if (isfinite(i->low))
        text_printf(cell(x, row, INTERVAL), "%+.*f to %+.*f", decimals, i->low, decimals, i->high);
    text_add(cell(x, row, VERDICT), r->verdict == VERDICT_DIFFERS ? "" : verdict_names[r->verdict]);
    add_mean(x, cell(x, row, EPOCHS_TO), &r->epochs_to_target, r->epochs_to_target.n > 1 ? 1 : 0, "", r->variant);
    add_mean(x, cell(x, row, SECONDS_TO), &r->seconds_to_target, 1, "", r->variant);
}

static bool add_standings(const results *all, word_form form, text *t, arena *a)
{
    table x;
    bool intervals = false;
    if (all->n < 2)
        return true;
    if (!table_make(&x, form, all->n + 1, N_STANDINGS, a))
        return false;
    name_standings(&x, all);
    for (size_t i = 0; i < all->n; i++) {
        add_standing(&x, i + 1, &all->rows[i]);
        intervals = intervals || isfinite(all->rows[i].interval.low);
    }
    x.words[OTHER] = x.words[VERDICT] = x.spare[SECONDS_TO] = true;
    x.hidden[INTERVAL] = !intervals;
    x.spare[VERDICT] = !intervals; /* then it is one seed for all, which the sentences say, too */
    x.hidden[EPOCHS_TO] = !isfinite(all->target);
    x.hidden[SECONDS_TO] = !isfinite(all->target);
    text_add(t, "\n");
    print_table(&x, t);
    return true;
}

void report_summary(const run_record *runs, size_t n_runs, const report_view *view, report_form form, text *t)
{
    static const word_form forms[] = {[REPORT_TEXT] = WORDS_PLAIN, [REPORT_MARKDOWN] = WORDS_MARKDOWN};
    arena a = {0};
    size_t n = 0;
    results all;
    const variant *variants = variants_group(runs, n_runs, &n, &a);
    bool made = variants && results_make(&all, variants, n, view, &a);
    if (made && form == REPORT_CSV)
        results_csv(&all, t);
    else if (made && form == REPORT_JSON)
        results_json(&all, t);
    else if (made)
        made = add_scores(&all, forms[form], t, &a) && add_standings(&all, forms[form], t, &a);
    if (made && (form == REPORT_TEXT || form == REPORT_MARKDOWN))
        prose_add(variants, n, forms[form], t);
    t->failed = t->failed || !made;
    arena_deinit(&a);
}
