/* How well numbers and labels are met. */
#include <math.h>
#include <stdlib.h>

#include "train/train.h"

number_score evaluation_number(const evaluation *e, size_t t)
{
    double mean = 0, squares = 0, off = 0, off_squares = 0;
    for (size_t i = 0; i < e->n; i++)
        mean += (double)e->targets[i * e->n_outputs + t];
    mean /= (double)e->n;
    for (size_t i = 0; i < e->n; i++) {
        const double y = (double)e->targets[i * e->n_outputs + t], d = (double)e->outputs[i * e->n_outputs + t] - y;
        squares += (y - mean) * (y - mean);
        off += fabs(d);
        off_squares += d * d;
    }
    /* of numbers that are all the same nothing can be explained: right or wrong */
    const double r2 = squares > 0 ? 1 - off_squares / squares : off_squares == 0;
    return (number_score){r2, off / (double)e->n, sqrt(off_squares / (double)e->n)};
}

/* ---- Labels ---- */

typedef struct scored {
    float output;
    bool has;
} scored;

static int by_output(const void *a, const void *b)
{
    const float x = ((const scored *)a)->output, y = ((const scored *)b)->output;
    return (x > y) - (x < y);
}

/* The share of pairs, a sample that has the label and one that has not, of which the first has the larger output; equal ones count half.
 * NaN: there are no pairs. */
static double area(scored *s, size_t n)
{
    uint64_t halves = 0, n_without = 0, n_with = 0;
    qsort(s, n, sizeof *s, by_output);
    for (size_t i = 0, end; i < n; i = end) {
        uint64_t with = 0;
        for (end = i; end < n && s[end].output == s[i].output; end++)
            with += s[end].has;
        end = MAX(end, i + 1); /* NaN equals nothing */
        halves += with * (2 * n_without + (end - i - with));
        n_with += with;
        n_without += end - i - with;
    }
    return n_with && n_without ? (double)halves / (2 * (double)n_with * (double)n_without) : NAN;
}

weft_status evaluation_label(const evaluation *e, size_t t, label_score *out)
{
    scored *all = calloc(e->n, sizeof *all);
    if (!all)
        return WEFT_NO_MEMORY;
    label_score s = {0};
    size_t n_actual = 0;
    for (size_t i = 0; i < e->n; i++) {
        all[i] = (scored){e->outputs[i * e->n_outputs + t], e->targets[i * e->n_outputs + t] > 0};
        n_actual += all[i].has;
        s.n_given += all[i].output > 0;
        s.n_right += all[i].has && all[i].output > 0;
    }
    s.of = class_score_of(s.n_right, s.n_given, n_actual);
    s.of.auroc = area(all, e->n);
    free(all);
    *out = s;
    return WEFT_OK;
}

/* ---- A whole split ---- */

static void score_numbers(evaluation *e)
{
    double squares = 0;
    for (size_t t = 0; t < e->n_outputs; t++) {
        const number_score s = evaluation_number(e, t);
        e->score.r2 += s.r2;
        e->score.mae += s.mae;
        squares += s.rmse * s.rmse;
    }
    e->score.r2 /= (double)e->n_outputs;
    e->score.mae /= (double)e->n_outputs;
    e->score.rmse = sqrt(squares / (double)e->n_outputs);
}

static weft_status score_labels(evaluation *e, weft_error *err)
{
    label_score all = {0};
    size_t n_areas = 0, n_actual = 0;
    for (size_t t = 0; t < e->n_outputs; t++) {
        label_score s;
        if (evaluation_label(e, t, &s) != WEFT_OK)
            return fail_memory(err);
        all.n_right += s.n_right;
        all.n_given += s.n_given;
        n_actual += s.of.n;
        e->score.f1_macro += s.of.f1;
        e->score.auroc += isnan(s.of.auroc) ? 0 : s.of.auroc;
        n_areas += !isnan(s.of.auroc);
    }
    e->score.f1 = class_score_of(all.n_right, all.n_given, n_actual).f1;
    e->score.f1_macro /= (double)e->n_outputs;
    e->score.auroc = n_areas ? e->score.auroc / (double)n_areas : NAN;
    return WEFT_OK;
}

weft_status evaluation_score(evaluation *e, weft_task task, weft_error *err)
{
    if (task == WEFT_MULTI_LABEL)
        return score_labels(e, err);
    if (task == WEFT_REGRESSION)
        score_numbers(e);
    return WEFT_OK;
}
