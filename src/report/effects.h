/* What settings do, as two figures: a line a variant across parallel axes, and a small panel a setting. Private to this room. */
#ifndef EFFECTS_H
#define EFFECTS_H

#include "report/chart.h"

/* One axis: a setting, or the score. */
typedef struct coordinate {
    const char *title;
    bool ordered; /* its values are numbers: a line joins their means */
    size_t n_ticks;
    const char **labels;
    double *ticks; /* [n_ticks], 0 to 1 */
    double *at;    /* [n_lines]: where each lies; NaN: nowhere */
} coordinate;

typedef struct effects {
    size_t n_axes; /* the last is the score */
    coordinate *axes;
    size_t n_lines;
    const unsigned *looks;    /* [n_lines] */
    const char *const *names; /* [n_lines], the best first */
    size_t n_strong;          /* so many of the first are drawn strongly and named */
} effects;

/* Both draw a `const effects *`. */
void parallel_draw(cairo_t *cr, const void *of);
void main_effects_draw(cairo_t *cr, const void *of);
void parallel_size(const effects *e, picture *p);
void main_effects_size(const effects *e, picture *p);

#endif
