/* Runs gathered into variants, and numbers over their seeds. Private to this room. */
#ifndef VARIANTS_H
#define VARIANTS_H

#include "report/chart.h"

/* The runs of one name: the same settings with several seeds. */
typedef struct variant {
    const char *name;
    const run_record **runs;
    size_t n_runs, n_diverged;
    size_t number; /* in order of appearance: its colour in every figure */
} variant;

/* In order of appearance. NULL: no memory. */
variant *variants_group(const run_record *runs, size_t n_runs, size_t *n_variants, arena *a);

typedef enum quantity { TRAIN_LOSS, TRAIN_SCORE, VAL_LOSS, VAL_SCORE, GAP, LOSS_GAP, N_QUANTITIES } quantity;

/* How the score of some variants is called: accuracy, or R2, or F1; "score" where their tasks differ. */
const task_words *variants_words(const variant *variants, size_t n);
/* What scores in files are multiplied by to be shown: 100 where they are shown in per cent. */
static inline double score_scale(const task_words *words) { return *words->unit ? 100 : 1; }

/* Scores and their gap (training minus validation), accuracies in per cent; losses and theirs, the other way round. */
double quantity_of(const weft_metrics *m, quantity q);

bool run_diverged(const run_record *run);
/* What a run knew after an epoch, or NULL. */
const weft_metrics *run_at(const run_record *run, size_t epoch);
/* The epoch of the best validation score, the first of several; NULL: there is none. */
const weft_metrics *run_best(const run_record *run);
/* Of training and evaluating, up to and with an epoch. */
double run_seconds(const run_record *run, size_t last_epoch);

/* Over the runs that did not diverge and know the epoch. */
spread variant_at(const variant *v, quantity q, size_t epoch);
/* The last epoch that all runs which did not diverge have; 0: there is none. */
size_t variant_last_epoch(const variant *v);

/* ---- Differences (difference.c) ---- */

/* Of a quantity, between two variants. */
typedef struct difference {
    double mean;       /* the first's less the second's; NaN: one of them has no value */
    interval interval; /* of that mean, 95 %; NaN: one seed cannot tell */
    size_t n_pairs;    /* seeds that both have; below 2 the two are taken for independent samples */
} difference;

/* After an epoch; LAST_EPOCH: after each run's own last one. Runs of one seed see the same batches and, where shapes agree, begin with the same
 * weights: they rise and fall together, so the interval is that of their differences, seed by seed (Student's). Where two variants share fewer
 * than two seeds it is Welch's. Diverged runs have no value. */
enum { LAST_EPOCH = 0 };
difference variants_differ(const variant *a, const variant *b, quantity q, size_t epoch);
static inline bool difference_known(const difference *d) { return d->interval.low <= d->interval.high; }
/* Whether the interval holds 0. */
static inline bool within_noise(const difference *d) { return d->interval.low <= 0 && d->interval.high >= 0; }

/* ---- What a comparison comes to (results.c) ---- */

/* How a variant stands to the baseline. */
typedef enum verdict {
    VERDICT_BASELINE, /* it is the baseline */
    VERDICT_UNKNOWN,  /* one of them has no value */
    VERDICT_ONE_SEED, /* one of them has only one: there is no interval */
    VERDICT_NOISE,    /* the interval of their difference holds 0 */
    VERDICT_DIFFERS,
} verdict;

extern const char *const verdict_names[];

/* A variant; numbers are over its runs that did not diverge. */
typedef struct result {
    const variant *variant;
    spread last, training, gap; /* scores after the last epoch */
    spread best, best_epoch;    /* validation score */
    spread epochs, seconds;
    spread epochs_to_target, seconds_to_target; /* over the runs that reached it */
    double difference;          /* of `last` to the baseline's */
    interval interval;          /* that one's, 95 % */
    verdict verdict;
} result;

/* The numbers of a result, by the names that they have for programs. */
typedef struct measure {
    const char *name;
    size_t offset; /* of a spread in a result */
    bool is_score; /* or a difference of scores */
} measure;

extern const measure measures[]; /* ends with a NULL name */
static inline const spread *measure_of(const measure *m, const result *r) { return const_member_of(r, m->offset); }

typedef struct results {
    size_t n;
    const result *rows; /* in order of appearance */
    size_t baseline;    /* which of them */
    double target;      /* a validation score, as it is shown; NaN: none */
    const task_words *words;
} results;

/* False: no memory. */
bool results_make(results *out, const variant *variants, size_t n, const report_view *view, arena *a);
/* For programs: a line a variant with a header, RFC 4180; an object. (export.c) */
void results_csv(const results *r, text *t);
void results_json(const results *r, text *t);

/* The mean over the variant's runs for every epoch that one of them has, with a band from the lowest to the highest
 * where there are several. */
weft_status variant_series(const variant *v, quantity q, series *out, arena *a, weft_error *err);

/* Two panels, loss and score, training and validation (curves.c). */
weft_status curves_figure(const variant *v, figure *f, arena *a, weft_error *err);
/* Panels that overlay all variants (comparison.c): losses and scores, four of them; or what training has ahead of validation, two. */
typedef enum overlay { OVERLAY_CURVES, OVERLAY_GAPS, N_OVERLAYS } overlay;
weft_status compare_figure(const variant *variants, size_t n, overlay what, figure *f, arena *a, weft_error *err);
/* Whether lines of a loss span so large a factor that a linear axis would leave nothing to see. */
bool loss_is_wide(const series *s, size_t n);
/* A y axis around the finite values of some lines. */
axis loss_axis(const series *s, size_t n, bool log);
axis score_axis(double min, double max, const task_words *words);

/* ---- Words (words.c) ---- */

typedef enum word_form { WORDS_PLAIN, WORDS_MARKDOWN, WORDS_HTML } word_form;

/* A user's word in a text: what could confuse a terminal, or mean something in Markdown or HTML, is escaped. */
void words_add(text *t, const char *string, word_form form);
/* The same on a terminal, in a column of `width` characters: cut to them, and the end of what is cut is a '.'. */
void words_add_cell(text *t, const char *string, size_t width, bool right);
/* What stands between a mean and its spread: "+-" on a terminal, which may be one of ASCII. */
const char *plus_minus(word_form form);

/* The sentences under the table, the items of a list in HTML (prose.c). */
void prose_add(const variant *variants, size_t n, word_form form, text *t);

#endif
