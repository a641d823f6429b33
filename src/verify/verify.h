/* Whether this build, on this machine, makes the bits that weft promises.
 *
 * Many small trainings, on data that the program draws, are held number by number against a table that is published with the source. They
 * are made from what ops, losses, optimizers, schedules and rules of initialisation say of themselves, so that a new one is among them at once.
 *
 * The table is text:
 *
 *     weft bits 1
 *     kind fused                        the arithmetic: instruction sets that fuse a multiplication and an addition share their bits
 *     layer gelu of 7 numbers           a training
 *       28173e1cbb2dd4d1f86b0c8e…       a moment of it: after each step, and after each epoch's evaluation
 *
 * A moment's line has 16 hex digits of the SHA-256 of all its numbers, which say whether they are the published ones, and then a digit for
 * every number, which say where the first one is that is not. (What names the first of n differences, wherever they are, cannot be smaller than
 * in proportion to n.) A number that is wrong by up to seven units in its last place, in its sign or by a factor of two always has another
 * digit; one that is wrong otherwise has with a probability of 15/16.
 *
 * Trainings are in fp32. Precision bf16 has other bits on each of its units, and is left out. */
#ifndef VERIFY_H
#define VERIFY_H

#include "train/train.h"

/* ---- Trainings (exercises.c) ---- */

typedef struct exercise {
    const char *name; /* "layer gelu of 7 numbers" */
    const char *layers;
    size_t features, samples, epochs;
    weft_task task;
    weft_options options; /* seed and threads are the same for all */
} exercise;

typedef struct exercise_list {
    size_t n;
    const exercise *at;
} exercise_list;

/* All of them; in the arena. */
weft_status exercises_list(exercise_list *out, arena *a, weft_error *err);

/* ---- Moments of a training (moments.c) ---- */

/* All that is known then: the loss or the metrics, the model's outputs, parameters, the optimizer's state. */
typedef struct moment {
    uint64_t step; /* steps done */
    size_t epoch;  /* the one that ended and was evaluated; 0: a step was done */
    size_t n_tensors;
    tensor *tensors;
} moment;

/* False: nobody wants to hear the rest. */
typedef bool moment_hear(void *self, const moment *m);

/* Trains, and tells every moment. Work is shared by all threads however little it is. */
weft_status exercise_run(const exercise *t, isa level, int threads, moment_hear *hear, void *self, weft_error *err);

enum { HASH_DIGITS = 16 };
/* Appends its line, without indent and newline. */
void moment_print(const moment *m, text *t);

/* ---- The table (bits.c) ---- */

typedef struct known_exercise {
    const char *name;
    size_t n_lines;
    const char *const *lines; /* its moments */
} known_exercise;

typedef enum bits_kind { BITS_FUSED, BITS_UNFUSED, N_BITS_KINDS } bits_kind;

typedef struct bits_table {
    struct {
        size_t n;
        const known_exercise *exercises;
    } kinds[N_BITS_KINDS];
} bits_table;

const char *bits_kind_name(bits_kind kind);
bits_kind bits_kind_of(isa level);
/* The table that was published with this source. */
weft_status bits_published(bits_table *out, arena *a, weft_error *err);
/* The same from a file: what another machine made, or another version. */
weft_status bits_read(bits_table *out, const char *path, arena *a, weft_error *err);
/* Appends the table of what this build makes, of each kind of arithmetic that this CPU has. */
weft_status bits_write(text *t, weft_error *err);

/* ---- Verdicts (verdict.c) ---- */

/* The first of a training. */
typedef struct difference {
    const char *exercise;
    uint64_t step;
    size_t epoch;        /* as in a moment */
    const char *tensor;  /* NULL: only `what` is known */
    shape shape;
    size_t element;      /* its index in the tensor, row by row */
    const char *what;    /* "is 0.25 (3e800000), which is not the published number" */
} difference;

typedef struct verdict {
    isa level;
    int threads;
    size_t n_exercises, n_differences;
    difference *differences; /* [n_differences]; none: pass */
    char sha256[65];         /* of the lines of all moments: two machines that have the same have the same bits */
} verdict;

/* Runs all exercises on one instruction set with so many threads, and holds them against the table. */
weft_status verify(const bits_table *table, const exercise_list *exercises, isa level, int threads, verdict *out, arena *a, weft_error *err);

#endif
