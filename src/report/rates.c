/* The loss of a range test over its learning rates. */
#include "report/variants.h"

#include <math.h>

/* What rises far above where it began is of no interest; the lines leave the picture there. */
#define HIGHEST 1.25

weft_status report_rates(const rate_curve *c, const char *folder, const char *name, weft_error *err)
{
    arena a = {0};
    const bool several = c->n_seeds > 1;
    series line = {.label = "training loss, smoothed", .n = c->n, .epoch = c->lr, .y = c->loss, .low = several ? c->low : NULL,
                   .high = several ? c->high : NULL, .ring = c->chosen};
    if (several && !(line.remark = arena_printf(&a, ": the median of %zu seeds, and the band from the lowest to the highest", c->n_seeds)))
        return fail_memory(err);
    series legend = line;
    const series median = {.n = c->n, .y = c->loss};
    figure f = {.title = c->title, .subtitle = c->subtitle, .legend = &legend, .n_legend = 1, .n_panels = 1};
    double min, max, lowest, highest;
    f.panels[0] = (panel){.title = "Loss over the learning rate (logarithmic axis)", .note = c->note, .x_label = "learning rate", .series = &line, .n_series = 1};
    if (series_range(&median, 1, &min, &max) && series_range(&line, 1, &lowest, &highest)) {
        f.panels[0].x = axis_log(c->lr[0], c->lr[c->n - 1]);
        f.panels[0].y = axis_linear(lowest, fmin(max, fmax(HIGHEST * c->loss[0], min)));
    }
    weft_status status = figure_layout(&f, &a, err);
    if (status == WEFT_OK)
        status = figure_save(&f, folder, name, err);
    arena_deinit(&a);
    return status;
}
