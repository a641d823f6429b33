/* What an evaluation found, as pictures. Private to this room. */
#ifndef EVALUATION_H
#define EVALUATION_H

#include "report/chart.h"

/* Each makes a picture of an evaluation, which must last as long as that, as must the arena. One that has nothing to draw leaves the
 * picture's `draw` NULL. */
weft_status confusion_picture(const evaluation_record *e, picture *out, arena *a, weft_error *err);
/* The share that was right against the probability that was given. */
weft_status reliability_picture(const evaluation_record *e, picture *out, arena *a, weft_error *err);
/* The samples with the highest loss, what they were taken for and what they are. */
weft_status worst_picture(const evaluation_record *e, picture *out, arena *a, weft_error *err);

/* Whether they are pictures that can be shown: grey, or red, green and blue. */
bool worst_has_pictures(const evaluation_record *e);
/* One of them as pixels, [height, width], 0xRRGGBB. */
void worst_paint(const evaluation_record *e, size_t i, uint32_t *pixels);

/* The name of a class, or its number. NULL: no memory. */
const char *evaluation_class_name(const evaluation_record *e, size_t i, arena *a);
/* How strongly a cell of the confusion matrix is coloured, 0 to 1: by its share of the label's samples; few show among the mistakes, too. */
double confusion_strength(const evaluation_record *e, size_t label, size_t prediction);
/* Samples of a label; samples that were taken for it. */
size_t confusion_row(const evaluation_record *e, size_t label);
size_t confusion_column(const evaluation_record *e, size_t prediction);

#endif
