/* An evaluation as text: for a terminal of 100 columns. */
#include "report/variants.h"

#include <math.h>

enum {
    LINE = 100,      /* columns */
    NAME = 14,       /* of them for a class's name */
    SHORT_NAME = 8,  /* from such a column on, names stand above the confusion matrix; below, numbers */
    WIDE_NAME = 14,
    N_PAIRS = 5
};

/* ---- Classes ---- */

static void add_name(text *t, const evaluation_record *e, size_t i, size_t width, bool right)
{
    words_add_cell(t, e->classes[i].name ? e->classes[i].name : "-", width, right);
}

static void add_row(text *t, const class_score *s) { text_printf(t, " %9.4f %9.4f %9.4f", s->precision, s->recall, s->f1); }

static void add_classes(const evaluation_record *e, text *t)
{
    const class_score macro = evaluation_macro(e);
    text_printf(t, ", accuracy %.2f %% (95 %% interval: %.2f to %.2f %%)\n\n", 100 * e->accuracy, 100 * e->interval[0], 100 * e->interval[1]);
    text_printf(t, "   %-*s %9s %9s %9s %8s\n", NAME, "class", "precision", "recall", "F1", "samples");
    for (size_t i = 0; i < e->n_classes; i++) {
        text_printf(t, "%2zu ", i);
        add_name(t, e, i, NAME, false);
        add_row(t, &e->classes[i]);
        text_printf(t, " %8zu\n", e->classes[i].n);
    }
    text_printf(t, "   %-*s", NAME, "macro average");
    add_row(t, &macro);
    text_add(t, "\n");
}

static size_t digits_of(size_t n) { return n < 10 ? 1 : 1 + digits_of(n / 10); }

static void add_heading(const evaluation_record *e, size_t width, text *t)
{
    text_printf(t, "\nconfusion matrix: a row for each class, a column for what the model said\n   %-*s", NAME, "");
    for (size_t c = 0; c < e->n_classes; c++) {
        if (width < SHORT_NAME) {
            text_printf(t, "%*zu", (int)width, c);
            continue;
        }
        text_add(t, " ");
        add_name(t, e, c, width - 1, true);
    }
    text_add(t, "\n");
}

static void add_matrix(const evaluation_record *e, text *t)
{
    const size_t C = e->n_classes, width = MIN((LINE - 3 - NAME) / C, WIDE_NAME + 1);
    size_t largest = 0;
    for (size_t i = 0; i < C * C; i++)
        largest = MAX(largest, e->confusion[i]);
    if (width < 1 + digits_of(MAX(largest, C))) {
        text_printf(t, "\nthe confusion matrix of %zu classes is too wide for a terminal: --json prints it, -o DIR draws it\n", C);
        return;
    }
    add_heading(e, width, t);
    for (size_t i = 0; i < C; i++) {
        text_printf(t, "%2zu ", i);
        add_name(t, e, i, NAME, false);
        for (size_t c = 0; c < C; c++)
            if (e->confusion[i * C + c])
                text_printf(t, "%*u", (int)width, e->confusion[i * C + c]);
            else
                text_printf(t, "%*s", (int)width, ".");
        text_add(t, "\n");
    }
}

static void add_pairs(const evaluation_record *e, text *t)
{
    confused_pair pairs[N_PAIRS];
    const size_t n = evaluation_confused(e, pairs, N_PAIRS);
    if (n)
        text_printf(t, "\n%-*s    is taken for\n", NAME, "most often");
    for (size_t i = 0; i < n; i++) {
        add_name(t, e, pairs[i].label, NAME, false);
        text_add(t, "    ");
        add_name(t, e, pairs[i].prediction, NAME, false);
        text_printf(t, " %6zu of %zu\n", pairs[i].n, e->classes[pairs[i].label].n);
    }
}

static void add_calibration(const calibration *c, text *t)
{
    if (isnan(c->ece))
        return;
    const double excess = 100 * calibration_excess(c);
    text_printf(t, "\nexpected calibration error %.2f %% (%d equal bins; Guo et al., 2017):\nin the mean, probabilities are %.2f %% too %s\n",
                100 * c->ece, CALIBRATION_BINS, fabs(excess), excess < 0 ? "low" : "high");
}

static void add_classification(const evaluation_record *e, text *t)
{
    add_classes(e, t);
    add_matrix(e, t);
    add_pairs(e, t);
    add_calibration(&e->calibration, t);
}

/* ---- Numbers and labels ---- */

static void add_numbers(const evaluation_record *e, text *t)
{
    const number_score *all = &e->all_numbers;
    text_printf(t, ", R2 %.4f, MAE %.6g, RMSE %.6g\n", all->r2, all->mae, all->rmse);
    if (e->n_numbers > 1)
        text_printf(t, "\n%-6s %9s %12s %12s\n", "number", "R2", "MAE", "RMSE");
    for (size_t i = 0; i < e->n_numbers && e->n_numbers > 1; i++)
        text_printf(t, "%6zu %9.4f %12.6g %12.6g\n", i, e->numbers[i].r2, e->numbers[i].mae, e->numbers[i].rmse);
}

static void add_labels(const evaluation_record *e, text *t)
{
    text_printf(t, ", F1 %.4f (macro %.4f), AUROC %.4f\n\n", e->f1, e->f1_macro, e->auroc);
    text_printf(t, "%-5s %9s %9s %9s %9s %8s\n", "label", "precision", "recall", "F1", "AUROC", "samples");
    for (size_t i = 0; i < e->n_classes; i++) {
        text_printf(t, "%5zu", i);
        add_row(t, &e->classes[i]);
        text_printf(t, " %9.4f %8zu\n", e->classes[i].auroc, e->classes[i].n);
    }
    add_calibration(&e->calibration, t);
}

void report_scores(const evaluation_record *e, text *t)
{
    static void (*const add[WEFT_N_TASKS])(const evaluation_record *, text *) = {add_classification, add_numbers, add_labels};
    words_add(t, e->data, WORDS_PLAIN);
    text_printf(t, ", %s split, %zu samples\nloss %.4f", e->split, e->n, e->loss);
    add[e->task](e, t);
}
