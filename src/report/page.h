/* The page: one file of HTML, which brings along all that it shows. Private to this room. */
#ifndef PAGE_H
#define PAGE_H

#include "report/variants.h"

/* A setting that is not the same in all variants. */
typedef struct page_setting {
    const char *key;           /* "optimizer.lr" */
    const char *const *values; /* [n_variants]; NULL: the variant has none of that name */
    bool numbers;              /* all that there are */
} page_setting;

typedef struct page {
    const char *path, *title;
    const char *figures;      /* the folder of the figures */
    size_t n_runs;
    const run_record *runs;
    size_t n_variants;
    const variant *variants;  /* in order of appearance */
    results results;          /* a row a variant, in the same order */
    const variant **ranked;   /* best first; those without a score last */
    size_t n_settings;
    const page_setting *settings;
    const task_words *words;
    figure overlays[N_OVERLAYS];
    size_t n_figures;         /* written so far */
    arena *memory;
} page;

/* A part of the page. One that adds nothing is left out. */
typedef struct page_section {
    const char *id, *title;
    weft_status (*add)(page *p, text *t, weft_error *err);
} page_section;

/* ---- For sections (page.c) ---- */

/* A user's text, escaped. */
static inline void page_words(text *t, const char *string) { words_add(t, string ? string : "", WORDS_HTML); }
/* The piece of line that stands for a variant. */
void page_swatch(const page *p, const variant *v, text *t);
/* Where a figure is seen. */
typedef enum figure_use {
    FIGURE_SHOWN, /* in the page */
    FIGURE_SPARE, /* there for those who read without JavaScript or on paper: the page draws the same by itself */
    FIGURE_SAVED, /* in its file only: the page has the same as text */
} figure_use;

/* Saves the picture as NAME.svg among the figures, and adds it to the page; `alt` says in words what it shows. */
weft_status page_figure(page *p, const picture *drawn, const char *name, const char *alt, figure_use use, text *t, weft_error *err);
/* A number for JSON. */
void page_number(text *t, double value);
/* A text for JSON inside of HTML, with its quotes. */
void page_string(text *t, const char *string);
/* What a variant came to. */
static inline const result *page_result(const page *p, const variant *v) { return &p->results.rows[v - p->variants]; }
/* So many of the best variants are shown one by one, each with its best run. */
enum { PAGE_SHOWN = 4 };
/* The run of a variant with the best validation score that did not diverge; the first where there is none. */
const run_record *page_best_run(const variant *v);

/* ---- Before the first section: names (page_names.c), settings that differ (page_settings.c) ---- */

/* Copies of the runs, of which those have the same variant's name that differ in nothing but their seed. NULL: no memory. */
const run_record *page_names(const run_record *runs, size_t n_runs, arena *a);

weft_status page_settings_find(page *p, weft_error *err);

/* ---- Sections ---- */

weft_status page_summary(page *p, text *t, weft_error *err);
weft_status page_table(page *p, text *t, weft_error *err);
weft_status page_findings(page *p, text *t, weft_error *err);
weft_status page_curves(page *p, text *t, weft_error *err);
weft_status page_gaps(page *p, text *t, weft_error *err);
weft_status page_effects(page *p, text *t, weft_error *err);
weft_status page_classes(page *p, text *t, weft_error *err);
weft_status page_worst(page *p, text *t, weft_error *err);
weft_status page_weights(page *p, text *t, weft_error *err);
weft_status page_histograms(page *p, text *t, weft_error *err);
weft_status page_provenance(page *p, text *t, weft_error *err);

/* ---- What the build puts into the library (assets.c) ---- */

typedef struct asset {
    const char *data;
    size_t size;
} asset;

extern const asset asset_page_css, asset_page_js, asset_dygraphs_css, asset_dygraphs_js, asset_license;

#endif
