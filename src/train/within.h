/* What the files of this room ask of each other. */
#ifndef WITHIN_H
#define WITHIN_H

#include "train/train.h"

/* ---- A model's blocks (model.c, model_file.c) ---- */

/* Lets sizes flow and gives every block zeroed memory; nothing when they exist for this size already. */
weft_status model_prepare(weft_model *m, size_t features, weft_error *err);
/* Zeroed blocks for all nodes, NULL where one has none. NULL: no memory. */
real **model_blocks(const weft_model *m, block_kind kind, arena *a);
/* from to to, every block. */
void model_copy_blocks(const weft_model *m, block_kind kind, real *const *from, real *const *to);
/* Fills them from a file; a missing or misshapen tensor is a mistake. */
weft_status model_import(const weft_model *m, const named_blocks *to, const tensor_file *file, const char *path, weft_error *err);

/* ---- Averages (average.c) ---- */

weft_status average_read(averaging *a, const char *spec, arena *memory, weft_error *err);
weft_status average_prepare(weft_trainer *t, weft_error *err);
/* Makes the shares of the step that the optimizer has begun. */
void average_begin_step(weft_trainer *t);
void average_end_epoch(weft_trainer *t);
/* Gives the model what it is to hold, where an epoch has not ended. */
void average_settle(weft_trainer *t);

/* ---- A run (stopping.c, listen_metrics.c, listen_checkpoint.c) ---- */

weft_status stopping_prepare(run *r, weft_error *err);
/* After an epoch. */
void stopping_look(run *r);
/* Whether it has waited long enough. */
bool stopping_over(const run *r);
/* Gives the model the best epoch's parameters, where there are others. */
void stopping_restore(run *r);

/* Cuts a file of lines behind its first n, where there is one. */
weft_status keep_lines(const char *path, uint64_t n, weft_error *err);
/* The checkpoint of a folder: fills trainer, step, best and metrics. WEFT_BAD_INPUT: it belongs to other settings,
 * or is damaged. */
bool checkpoint_exists(const char *folder, arena *a);
weft_status checkpoint_read(run *r, weft_error *err);

#endif
