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
/* Fills them from a file; a missing or misshapen tensor is a mistake. Without blocks they are only looked for. */
weft_status model_import(const weft_model *m, const named_blocks *to, const tensor_file *file, const char *path, weft_error *err);
/* The bytes of a model's file; `path` is for errors. */
weft_status model_make_file(const weft_model *m, const char *path, bytes *out, weft_error *err);

/* ---- Averages (average.c) ---- */

weft_status average_read(averaging *a, const char *spec, arena *memory, weft_error *err);
weft_status average_prepare(weft_trainer *t, weft_error *err);
/* Makes the shares of the step that the optimizer has begun. */
void average_begin_step(weft_trainer *t);
void average_end_epoch(weft_trainer *t);
/* Gives the model what it is to hold, where an epoch has not ended. */
void average_settle(weft_trainer *t);

/* ---- A run (stopping.c) ---- */

weft_status stopping_prepare(run *r, weft_error *err);
/* After an epoch. */
void stopping_look(run *r);
/* Whether it has waited long enough. */
bool stopping_over(const run *r);
/* Gives the model the best epoch's parameters, where there are others. */
void stopping_restore(run *r);

/* ---- What a run's folder holds while it goes on (keeping.c) ----
 *
 * What cannot be written then, because the disk is full or the folder has gone, waits in memory and is tried again with every checkpoint:
 * training goes on. A checkpoint is written when nothing waits, so that what it speaks of is on the disk. */

typedef enum run_log { LOG_METRICS, LOG_PROBES, LOG_STEPS, N_RUN_LOGS } run_log;

typedef struct keeping {
    int lock; /* keeps other processes out of the folder; -1: it is not held */
    const char *log_paths[N_RUN_LOGS], *best_path, *state_path;
    text waiting[N_RUN_LOGS];   /* lines that are not in their files */
    bool unsynced[N_RUN_LOGS];  /* the file's last lines may not be on the disk */
    bytes best;           /* best.safetensors, where it could not be written; data NULL: it could */
    bool in_trouble;      /* the last try failed */
    bool saved;           /* the checkpoint is of the run as it stands */
    bool newest_is_bad;   /* state.safetensors cannot be read: the one before it is the one to keep */
    double saved_seconds; /* when a checkpoint was last tried */
    const char *warning;  /* that nobody has heard yet; NULL: none */
} keeping;

#define CHECKPOINT_FOLDER "checkpoint"
#define CHECKPOINT_NEWEST "state.safetensors"
#define CHECKPOINT_PREVIOUS "previous.safetensors"

/* In a folder that is held: begins the logs, or cuts them where the run that was resumed goes on. */
weft_status keeping_begin(run *r, weft_error *err);
void keeping_end(keeping *k);
weft_status log_add(const run *r, run_log log, const char *line, size_t length, weft_error *err);
/* The model as it is now is the best one. */
weft_status keep_best(const run *r, weft_error *err);
/* Writes all that waits. */
weft_status keeping_settle(const run *r, weft_error *err);
/* Writes what waits, and then the checkpoint. On the last chance a failure is one; else it is told, and training goes on. */
weft_status keep_state(const run *r, const bytes *state, bool last_chance, weft_error *err);

/* ---- Checkpoints (checkpoint.c): checkpoint/state.safetensors, and the one before it, checkpoint/previous.safetensors ---- */

bool checkpoint_exists(const char *folder, arena *a); /* one of the two */
/* Fills trainer, step, best, metrics and probes from the newest one that is whole, with a warning where that is not the last. WEFT_BAD_INPUT: it belongs to other settings, or all are
 * damaged. */
weft_status checkpoint_read(run *r, weft_error *err);
/* See keep_state. */
weft_status checkpoint_write(const run *r, bool last_chance, weft_error *err);
void checkpoint_remove(const run *r);

#endif
