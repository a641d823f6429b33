/* The curves of one variant: loss and score over epochs, training and validation. */
#include "report/variants.h"

#include <math.h>
#include <string.h>

#define LOG_FROM 10.0 /* a loss that falls by more than this factor leaves nothing to see on a linear axis */

/* A loss of exactly 0 has no place on a logarithmic axis: the line leaves it at the bottom. */
static double least_above_zero(const series *s, size_t n)
{
    double least = INFINITY;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < s[i].n; k++)
            if (s[i].y[k] > 0)
                least = fmin(least, s[i].low && s[i].low[k] > 0 ? s[i].low[k] : s[i].y[k]);
    return least;
}

bool loss_is_wide(const series *s, size_t n)
{
    double min, max;
    return series_range(s, n, &min, &max) && min >= 0 && max > LOG_FROM * least_above_zero(s, n);
}

axis loss_axis(const series *s, size_t n, bool log)
{
    double min, max;
    if (!series_range(s, n, &min, &max))
        return (axis){0};
    return log && min >= 0 && max > 0 ? axis_log(least_above_zero(s, n), max) : axis_linear(min, max);
}

axis score_axis(double min, double max, const task_words *words)
{
    return *words->unit ? axis_percent(min, max) : axis_linear(min, max);
}

static axis score_axis_of(const series *s, size_t n, const task_words *words)
{
    double min, max;
    return series_range(s, n, &min, &max) ? score_axis(min, max, words) : (axis){0};
}

/* Rings the point and says in the panel's note where it is. `score`: its words, of which the highest is the best; NULL: a loss. */
static weft_status single_out(panel *p, series *s, const task_words *score, bool mean, arena *a, weft_error *err)
{
    const bool lowest = !score;
    size_t best = s->n;
    for (size_t i = 0; i < s->n; i++)
        if (isfinite(s->y[i]) && (best == s->n || (lowest ? s->y[i] < s->y[best] : s->y[i] > s->y[best])))
            best = i;
    if (best == s->n || s->n < 2)
        return WEFT_OK;
    char value[32];
    if (score)
        snprintf(value, sizeof value, "%.*f%s", score->decimals, s->y[best], score->unit);
    else
        snprintf(value, sizeof value, "%#.4g", s->y[best]);
    s->ring = &s->epoch[best];
    p->note = arena_printf(a, "%s %svalidation %s %s after epoch %.0f", lowest ? "lowest" : "best", mean ? "mean " : "",
                           score ? score->score : "loss", value, s->epoch[best]);
    return p->note ? WEFT_OK : fail_memory(err);
}

/* The settings, as far as they are known, in one line. */
static const char *settings_line(const variant *v, arena *a)
{
    const run_record *run = v->runs[0];
    text t = {0};
    if (v->n_diverged == 1 && v->n_runs == 1)
        text_printf(&t, "diverged%s%s   \xc2\xb7   ", run->message && *run->message ? ": " : "",
                    run->message ? run->message : "");
    if (v->n_runs > 1)
        text_printf(&t, "mean of %zu seeds, bands from the lowest to the highest   \xc2\xb7   ", v->n_runs);
    text_printf(&t, "%s   \xc2\xb7   %s", run->model, run->optimizer);
    if (run->scale == 1)
        text_add(&t, "   \xc2\xb7   inputs as they are");
    else
        text_printf(&t, "   \xc2\xb7   inputs / %g", run->scale);
    text_printf(&t, "   \xc2\xb7   batch %zu", run->batch);
    if (v->n_runs == 1)
        text_printf(&t, "   \xc2\xb7   seed %llu", (unsigned long long)run->seed);
    const char *line = t.failed ? NULL : arena_text(a, t.data);
    text_free(&t);
    return line;
}

static weft_status name_figure(const variant *v, figure *f, arena *a, weft_error *err)
{
    const char *title = v->runs[0]->title ? v->runs[0]->title : "";
    if (*v->name && *title)
        f->title = arena_printf(a, "%s: %s", title, v->name);
    else
        f->title = *v->name ? v->name : title;
    if (v->runs[0]->model && v->runs[0]->optimizer && !(f->subtitle = settings_line(v, a)))
        return fail_memory(err);
    return f->title ? WEFT_OK : fail_memory(err);
}

weft_status curves_figure(const variant *v, figure *f, arena *a, weft_error *err)
{
    static const quantity quantities[2][2] = {{TRAIN_LOSS, VAL_LOSS}, {TRAIN_SCORE, VAL_SCORE}};
    const task_words *words = variants_words(v, 1);
    *f = (figure){.n_panels = 2, .n_legend = 2};
    series *lines = arena_array(a, 6, sizeof *lines);
    if (!lines)
        return fail_memory(err);
    TRY(name_figure(v, f, a, err));
    for (size_t i = 0; i < 4; i++) {
        TRY(variant_series(v, quantities[i / 2][i % 2], &lines[i], a, err));
        lines[i].label = i % 2 ? "validation" : "training";
        lines[i].look = i % 2;
        lines[i].hollow = i % 2;
        lines[i].remark = NULL;
    }
    for (size_t i = 0; i < 2; i++) {
        panel *p = &f->panels[i];
        p->series = &lines[2 * i];
        p->n_series = 2;
        p->x = axis_epochs(1, lines[0].n ? lines[0].epoch[lines[0].n - 1] : 1);
        p->y = i ? score_axis_of(p->series, 2, words) : loss_axis(p->series, 2, loss_is_wide(p->series, 2));
        p->title = i ? words->initial : "Loss";
    }
    lines[4] = lines[0];
    lines[5] = lines[1];
    f->legend = &lines[4];
    bool mean = v->n_runs > 1;
    TRY(single_out(&f->panels[0], &lines[1], NULL, mean, a, err));
    TRY(single_out(&f->panels[1], &lines[3], words, mean, a, err));
    return figure_layout(f, a, err);
}

weft_status report_curves(const run_record *run, weft_error *err)
{
    arena a = {0};
    variant v = {.name = run->variant ? run->variant : "", .runs = &run, .n_runs = 1, .n_diverged = run_diverged(run)};
    figure f;
    weft_status status = curves_figure(&v, &f, &a, err);
    if (status == WEFT_OK)
        status = figure_save(&f, run->folder, "curves", err);
    arena_deinit(&a);
    return status;
}

weft_status weft_curves_save(const weft_metrics *metrics, size_t n_epochs, const char *title, const char *path,
                             weft_error *err)
{
    TRY(picture_check_path(path, err));
    arena a = {0};
    run_record record = {.title = title ? title : "", .n_epochs = n_epochs, .metrics = metrics,
                         .task = n_epochs ? metrics[0].task : WEFT_CLASSIFICATION};
    const run_record *run = &record;
    variant v = {.name = "", .runs = &run, .n_runs = 1};
    figure f;
    weft_status status = curves_figure(&v, &f, &a, err);
    picture p = {.draw = figure_draw, .of = &f};
    if (status == WEFT_OK) {
        p.width = f.width;
        p.height = f.height;
        status = picture_save(&p, path, err);
    }
    arena_deinit(&a);
    return status;
}
