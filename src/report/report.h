/* Figures, tables and sentences about runs. Reads run folders only, never the trainer's memory. */
#ifndef REPORT_H
#define REPORT_H

#include "diagnose/diagnose.h"

/* How the variants of a comparison are looked at. */
typedef struct report_view {
    const char *baseline; /* the variant that the others are held against; NULL: the first. On a page it must be there. */
    const double *target; /* how long they took to this validation score, as metrics.jsonl has it; NULL: the baseline's last one, its mean */
} report_view;

/* curves.svg and curves.png in the run's folder: loss and accuracy (R2, F1) over epochs, training and validation. */
weft_status report_curves(const run_record *run, weft_error *err);
/* For a comparison in `folder`: VARIANT.svg and .png for each variant, compare.svg and compare.png that overlay them
 * all, and summary.md: the table and what the numbers say. VARIANT is what slugs_make gives for the variants in order
 * of appearance. `runs` are all of its runs; those of one variant differ in their seed. */
weft_status report_compare(const char *folder, const run_record *runs, size_t n_runs, const report_view *view, weft_error *err);
/* The same tables and sentences: in ASCII with aligned columns for a terminal, or as Markdown; or, for programs, the numbers alone as CSV or
 * JSON. Nothing of a name is interpreted: what means something where it is shown is escaped. `t->failed`: no memory. */
typedef enum report_form { REPORT_TEXT, REPORT_MARKDOWN, REPORT_CSV, REPORT_JSON } report_form;
void report_summary(const run_record *runs, size_t n_runs, const report_view *view, report_form form, text *t);

/* The page of all runs: one file of HTML that loads nothing, with every figure also as an SVG in a folder named like it beside it. `path` ends
 * in .html. Runs that differ in their seed only are one variant. `n_figures`, if not NULL: how many there are. */
weft_status report_page(const char *path, const run_record *runs, size_t n_runs, const report_view *view, size_t *n_figures, weft_error *err);

/* What an evaluation says, in lines of at most 100 columns for a terminal. */
void report_scores(const evaluation_record *e, text *t);
/* In `folder`, which is made: evaluation.json, and what can be drawn of it, confusion, reliability and worst, each as SVG and PNG. Appends the
 * files' names to `names`. */
weft_status report_evaluation(const char *folder, const evaluation_record *e, text *names, weft_error *err);

/* What was found out about a run, for a terminal: the surest first, a handful; or that there is nothing to report. */
void report_findings(const findings *f, text *t);
/* The same of a comparison's runs, of: [n_runs]. What several runs of a variant have is said once. */
void report_all_findings(const run_record *runs, const findings *of, size_t n_runs, text *t);

/* Why inputs are scaled: sigmoid(w x) and its slope for weights from -1 to 1, in a table for an input of 255 and one for an input of 1, and
 * what they show in three sentences. */
void report_scaling(text *t);
/* The same drawn: .svg or .png by the path's ending. */
weft_status report_scaling_figure(const char *path, weft_error *err);

/* A grid of grey images, a row a class, its names at the left: .svg or .png by the path's ending.
 * pixels: [rows, columns, height, width], 0 (black) to 1; a cell whose first pixel is NaN stays empty. */
typedef struct image_grid {
    size_t rows, columns, height, width;
    const float *pixels;
    const char *const *row_names;
    const char *title;
} image_grid;

weft_status report_grid(const image_grid *grid, const char *path, weft_error *err);

/* A loss over learning rates: what a range test found. */
typedef struct rate_curve {
    const char *title, *subtitle;
    size_t n;
    const double *lr, *loss; /* [n], from the lowest rate up */
    const double *low, *high; /* [n], from seed to seed */
    size_t n_seeds;
    const double *chosen;    /* one of lr, to be ringed; NULL: none */
    const char *note;        /* a line about it; NULL: none */
} rate_curve;

/* NAME.svg and NAME.png in the folder. */
weft_status report_rates(const rate_curve *c, const char *folder, const char *name, weft_error *err);

/* Gives back what cairo and fontconfig keep between pictures. The whole process shares it: for the end of a program, when nothing draws any more. */
void report_end(void);

#endif
