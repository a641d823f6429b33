/* What the trainer and a run ask of averages. */
#ifndef AVERAGE_H
#define AVERAGE_H

#include "train/train.h"

weft_status average_read(averaging *a, const char *spec, arena *memory, weft_error *err);
weft_status average_prepare(weft_trainer *t, weft_error *err);
/* Makes the shares of the step that the optimizer has begun. */
void average_begin_step(weft_trainer *t);
void average_end_epoch(weft_trainer *t);
/* Gives the model what it is to hold, where an epoch has not ended. */
void average_settle(weft_trainer *t);

#endif
