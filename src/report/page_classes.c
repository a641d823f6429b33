/* The best variant over the validation split: what it takes for what, whether it knows when it is right, and where it is most wrong. */
#include "report/page.h"

#include "report/evaluation.h"
#include "report/tiles.h"

enum { MOST_CELLS = 30, MOST_PAIRS = 10 };

/* ---- What there is ---- */

/* The evaluation of the best variant's best run, with the confusion of all its runs. Nothing in it where there is none. */
static weft_status gather(page *p, evaluation_record *e, size_t *n_runs, weft_error *err)
{
    const variant *v = p->ranked[0];
    bool found;
    *n_runs = 0;
    TRY(evaluation_read(page_best_run(v)->folder, e, &found, p->memory, err));
    if (!found || !e->confusion)
        return WEFT_OK;
    const size_t n = e->n_classes;
    uint32_t *sums = arena_array(p->memory, n * n + 1, sizeof *sums);
    if (!sums)
        return fail_memory(err);
    for (size_t i = 0; i < v->n_runs; i++) {
        evaluation_record one;
        TRY(evaluation_read(v->runs[i]->folder, &one, &found, p->memory, err));
        if (!found || !one.confusion || one.n_classes != n)
            continue;
        *n_runs += 1;
        for (size_t k = 0; k < n * n; k++)
            sums[k] += one.confusion[k];
    }
    e->confusion = sums;
    return WEFT_OK;
}

/* Appends a class's name, escaped. */
static void add_name(text *t, const evaluation_record *e, size_t i)
{
    arena a = {0};
    const char *name = evaluation_class_name(e, i, &a);
    page_words(t, name);
    t->failed = t->failed || !name;
    arena_deinit(&a);
}

/* ---- The matrix ---- */

static void add_share(text *t, size_t part, size_t all)
{
    if (all)
        text_printf(t, "<td class=\"none\">%.1f&nbsp;%%</td>", 100 * (double)part / (double)all);
    else
        text_add(t, "<td class=\"none\">\xe2\x80\x93</td>");
}

static void add_matrix_row(text *t, const evaluation_record *e, size_t label)
{
    const uint32_t *row = e->confusion + label * e->n_classes;
    text_add(t, "<tr><th scope=\"row\">");
    add_name(t, e, label);
    text_add(t, "</th>");
    for (size_t k = 0; k < e->n_classes; k++) {
        const double strength = confusion_strength(e, label, k);
        const char *kind = label == k ? "right" : row[k] ? "wrong" : "none";
        text_printf(t, "<td class=\"%s%s\" style=\"--v:%.2f\">%u</td>", kind, strength > 0.6 ? " deep" : "", strength, row[k]);
    }
    add_share(t, row[label], confusion_row(e, label));
    text_add(t, "</tr>\n");
}

static void add_matrix(text *t, const evaluation_record *e)
{
    text_add(t, "<div class=\"scroll\" tabindex=\"0\"><table class=\"matrix\"><thead><tr>"
                "<th class=\"corner\">label \xe2\x86\x93 taken for \xe2\x86\x92</th>");
    for (size_t i = 0; i < e->n_classes; i++) {
        text_add(t, "<th scope=\"col\"><span>");
        add_name(t, e, i);
        text_add(t, "</span></th>");
    }
    text_add(t, "<th scope=\"col\"><span>recall</span></th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < e->n_classes; i++)
        add_matrix_row(t, e, i);
    text_add(t, "<tr><th scope=\"row\">precision</th>");
    for (size_t i = 0; i < e->n_classes; i++)
        add_share(t, e->confusion[i * e->n_classes + i], confusion_column(e, i));
    text_add(t, "<td></td></tr>\n</tbody></table></div>\n");
}

static weft_status add_confusion(page *p, const evaluation_record *e, text *t, weft_error *err)
{
    picture drawn;
    TRY(confusion_picture(e, &drawn, p->memory, err));
    if (e->n_classes > MOST_CELLS)
        return page_figure(p, &drawn, "confusion", "confusion matrix: labels against predictions", FIGURE_SHOWN, t, err);
    add_matrix(t, e);
    return page_figure(p, &drawn, "confusion", "", FIGURE_SAVED, t, err);
}

/* ---- The most confused pairs ---- */

static void add_pair(text *t, const evaluation_record *e, const confused_pair *one)
{
    text_add(t, "<tr><td>");
    add_name(t, e, one->label);
    text_add(t, "</td><td>");
    add_name(t, e, one->prediction);
    text_printf(t, "</td><td class=\"number\">%zu</td><td class=\"number\">%u</td></tr>\n", one->n,
                e->confusion[one->prediction * e->n_classes + one->label]);
}

static void add_pairs(const evaluation_record *e, text *t)
{
    confused_pair pairs[MOST_PAIRS];
    const size_t n = evaluation_confused(e, pairs, MOST_PAIRS);
    if (n == 0)
        return;
    text_add(t, "<div><h3>Most confused pairs</h3>\n<table class=\"pairs\"><thead><tr><th>label</th><th>taken for</th>"
                "<th class=\"number\">samples</th><th class=\"number\">the other way round</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < n; i++)
        add_pair(t, e, &pairs[i]);
    text_add(t, "</tbody></table></div>\n");
}

/* ---- Calibration ---- */

static weft_status add_calibration(page *p, const evaluation_record *e, text *t, weft_error *err)
{
    picture drawn;
    TRY(reliability_picture(e, &drawn, p->memory, err));
    if (!drawn.draw)
        return WEFT_OK;
    text_printf(t, "<div><h3>Calibration</h3>\n<p class=\"note\">Expected calibration error %.4f: by so much a probability is wrong in the mean. "
                   "Orange: too sure of itself.</p>\n", e->calibration.ece);
    TRY(page_figure(p, &drawn, "reliability", "the share that was right against the probability that was given", FIGURE_SHOWN, t, err));
    text_add(t, "</div>\n");
    return WEFT_OK;
}

/* ---- Numbers and labels ---- */

static void add_numbers(text *t, const evaluation_record *e)
{
    text_add(t, "<table><thead><tr><th>number</th><th class=\"number\">R2</th><th class=\"number\">MAE</th>"
                "<th class=\"number\">RMSE</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < e->n_numbers; i++)
        text_printf(t, "<tr><td>%zu</td><td class=\"number\">%.4f</td><td class=\"number\">%.4g</td><td class=\"number\">%.4g</td></tr>\n", i,
                    e->numbers[i].r2, e->numbers[i].mae, e->numbers[i].rmse);
    text_add(t, "</tbody></table>\n");
}

static void add_labels(text *t, const evaluation_record *e)
{
    text_add(t, "<table><thead><tr><th>label</th><th class=\"number\">samples</th><th class=\"number\">precision</th><th class=\"number\">recall</th>"
                "<th class=\"number\">F1</th><th class=\"number\">AUROC</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < e->n_classes; i++) {
        const class_score *c = &e->classes[i];
        text_add(t, "<tr><td>");
        add_name(t, e, i);
        text_printf(t, "</td><td class=\"number\">%zu</td><td class=\"number\">%.4f</td><td class=\"number\">%.4f</td><td class=\"number\">%.4f</td>"
                       "<td class=\"number\">%.4f</td></tr>\n", c->n, c->precision, c->recall, c->f1, c->auroc);
    }
    text_add(t, "</tbody></table>\n");
}

weft_status page_classes(page *p, text *t, weft_error *err)
{
    evaluation_record e;
    size_t n_runs;
    TRY(gather(p, &e, &n_runs, err));
    if (e.n_numbers == 0 && e.n_classes == 0)
        return WEFT_OK;
    text_add(t, "<p class=\"note\">Of the best variant, ");
    page_swatch(p, p->ranked[0], t);
    page_words(t, p->ranked[0]->name);
    text_printf(t, ", over the validation samples (%s split), with its last parameters%s.</p>\n", e.split, n_runs > 1 ? ", all seeds together" : "");
    if (e.n_numbers)
        add_numbers(t, &e);
    else if (!e.confusion)
        add_labels(t, &e);
    else
        TRY(add_confusion(p, &e, t, err));
    text_add(t, "<div class=\"sides\">\n");
    if (e.confusion)
        add_pairs(&e, t);
    TRY(add_calibration(p, &e, t, err));
    text_add(t, "</div>\n");
    return WEFT_OK;
}

/* ---- The worst ---- */

static weft_status add_worst(const evaluation_record *e, size_t i, uint32_t *pixels, text *t, weft_error *err)
{
    text png = {0};
    worst_paint(e, i, pixels);
    const weft_status status = pixels_add_png(pixels, e->image.height, e->image.width, &png, err);
    text_add(t, "<li><img alt=\"\" src=\"data:image/png;base64,");
    text_add_base64(t, png.data ? png.data : "", png.length);
    text_add(t, "\"><b>");
    add_name(t, e, e->worst[i].prediction);
    text_printf(t, "</b> %.1f&nbsp;%%<br>is <b>", 100 * e->worst[i].probability);
    add_name(t, e, e->worst[i].label);
    text_printf(t, "</b><br><small>sample %zu</small></li>\n", e->worst[i].index);
    t->failed = t->failed || png.failed;
    text_free(&png);
    return status;
}

weft_status page_worst(page *p, text *t, weft_error *err)
{
    const run_record *run = page_best_run(p->ranked[0]);
    evaluation_record e;
    picture drawn;
    bool found;
    TRY(evaluation_read(run->folder, &e, &found, p->memory, err));
    if (!found || !worst_has_pictures(&e))
        return WEFT_OK;
    uint32_t *pixels = arena_array(p->memory, e.image.height * e.image.width, sizeof *pixels);
    if (!pixels)
        return fail_memory(err);
    text_printf(t, "<p class=\"note\">The %zu validation samples with the highest loss; of ", e.n_worst);
    page_swatch(p, p->ranked[0], t);
    page_words(t, p->ranked[0]->name);
    text_printf(t, ", seed %llu: what they were taken for, with which probability, and what they are labelled.</p>\n<ol class=\"tiles\">\n",
                (unsigned long long)run->seed);
    for (size_t i = 0; i < e.n_worst; i++)
        TRY(add_worst(&e, i, pixels, t, err));
    text_add(t, "</ol>\n");
    TRY(worst_picture(&e, &drawn, p->memory, err));
    return page_figure(p, &drawn, "worst", "", FIGURE_SAVED, t, err);
}
