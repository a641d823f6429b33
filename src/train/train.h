/* Models with their parameters, the trainer, and a run: the loop that announces what happens to its listeners. */
#ifndef TRAIN_H
#define TRAIN_H

#include <signal.h>

#include "data/data.h"
#include "plan/plan.h"
#include "record/record.h"
#include "schedule/schedule.h"

/* ---- Models (model.c, model_file.c) ---- */

struct weft_model {
    graph graph;
    isa level;
    const kernels *kernels;
    const char *layers;  /* as given: "linear 1000, relu, linear 10" */
    real **weights;      /* [n_nodes], packed; NULL until the input's size is known */
    real **buffers;      /* [n_nodes]: what training keeps beside them */
    uint64_t version;    /* counts how often they were changed, by whomever */
    double scale;        /* what samples are divided by: kept in the model's file */
    const char *data;    /* what it was trained on, for what, and its classes; NULL: nothing is known */
    const char *loss;    /* "cross_entropy label_smoothing=0.1"; NULL: as data */
    const char *odd;     /* of its file: the first parameter that is no number, in words; NULL: there is none */
    weft_task task;
    const char *const *class_names;
    size_t n_classes;
    image_kind image;    /* what its samples were, where they were pictures */
    plan *forward;       /* of the batch size that was used last */
    size_t forward_batch;
    pool *threads;       /* of one thread, for weft_model_forward */
    arena memory, parameters;
};

/* weft_model_create for an instruction set that runs here, whichever was chosen. */
weft_model *model_create_for(isa level, const char *layers, weft_error *err);

/* What a block holds for every node. */
typedef enum block_kind { BLOCKS_PARAMS, BLOCKS_BUFFERS } block_kind;
/* Blocks of numbers that are packed like the weights (the weights, an optimizer's state) or like buffers, under the names of a state dict:
 * PREFIX LAYER.NAME SUFFIX. */
typedef struct named_blocks {
    const char *prefix, *suffix;
    block_kind kind;
    real *const *blocks; /* [n_nodes] */
} named_blocks;

/* Appends them as tensors; the values are copies in `a`. */
weft_status model_export(const weft_model *m, const named_blocks *from, tensor *tensors, size_t *n_tensors, arena *a);
/* How many tensors model_export makes of blocks of that kind. */
size_t model_tensors(const weft_model *m, block_kind kind);

/* ---- The trainer (trainer.c, evaluate.c, average.c) ---- */

/* What the model holds of the parameters that steps move. */
typedef struct averaging {
    const char *name; /* "none", "ema", "swa" */
    double decay;     /* ema */
    size_t start;     /* swa: the first epoch, from 1 */
} averaging;

extern const field average_fields[];
/* What the fields alone cannot say; adds to err. */
weft_status average_check(const averaging *a, where at, weft_error *err);

enum { MAX_ACCUMULATE = 1 << 20 };

/* The samples of a batch. */
typedef struct drawn_batch {
    size_t epoch, k;
    uint32_t *index; /* [options.batch] */
    size_t n;        /* 0: none has been drawn, or there is none */
} drawn_batch;

struct weft_trainer {
    weft_model *model;
    const weft_dataset *data;
    weft_options options; /* its texts are not used after creation */
    bool all_threads;     /* see plan_spec; may be set before the first step */
    const op *loss;
    const void *loss_fields;
    weft_task task;
    float *outputs; /* of an evaluation whose targets are numbers: [the larger split, n_targets] */
    optimizer optimizer;
    scheduler scheduler;
    kernels kernels;              /* of the options' precision: those of training; evaluation is fp32 */
    operand (*copies)[N_COPIES];  /* [n_nodes]: of the model's parameters; NULL: the kernels want none */
    uint64_t copied;              /* the model's version that they are of */
    pool *threads;
    averaging average;
    real **raw;                   /* [n_nodes]: what steps move, where the model holds an average of it; NULL: they move the model's */
    uint64_t taken;               /* the model's version that the raw ones go with */
    real shares[2];               /* of ema, in this step */
    size_t n_averaged;            /* epochs in swa's mean */
    real **sums;                  /* [n_nodes]: of the gradients of n_summed batches; NULL: every batch is a step */
    size_t n_summed;
    real **gradients;             /* [n_nodes]: a plan's, for an optimizer that minimises; NULL: it does not */
    plan *update;                 /* from those sums to a step; NULL: there is none, or not yet */
    plan *train[2], *evaluate[2]; /* by batch size: the full one and the last, smaller one; compiled when first needed */
    size_t train_batch[2], evaluate_batch[2];
    drawn_batch drawn[2]; /* the batch of the step that runs and of the one behind it, in turns */
    real **last_good, **last_good_buffers; /* [n_nodes]: those of before the epoch */
    size_t epoch;         /* epochs done */
    size_t step_of_epoch; /* steps done in the one that is under way */
    double loss_sum;      /* of those steps' batches: each as the loss's reduction has it */
    double train_seconds;
    const node *broken;   /* where it diverged: the first layer whose output was not finite */
    arena memory;
};

/* Lets a schedule begin with the optimizer that it moves, before that is given its state, which may depend on its momentum. Steps: of the
 * training, and of an epoch, 0 where they are not known. */
weft_status schedule_begin(scheduler *s, optimizer *o, uint64_t steps, uint64_t steps_per_epoch, where at, weft_error *err);
/* Blocks with names that are everything the next step goes by beside numbers: parameters, buffers, what an average is of, the optimizer's
 * state. `self` is the visit's own. (trainer_state.c) */
typedef weft_status block_visit(void *self, const weft_model *m, const named_blocks *b);
weft_status trainer_visit_state(const weft_trainer *t, block_visit *visit, void *self, arena *a);
size_t trainer_state_tensors(const weft_trainer *t); /* how many tensors they are */
/* What its plans are made from. */
plan_spec trainer_spec(weft_trainer *t, plan_mode mode, size_t n);
/* Where anybody but this trainer's own steps changed the parameters, takes them and makes their copies anew; before every step. */
void trainer_copy_parameters(weft_trainer *t);
/* The plan for batches of n samples, compiled at its first use. NULL: no memory. */
plan *trainer_plan(weft_trainer *t, plan_mode mode, size_t n, weft_error *err);
/* What the sum over a batch's losses is divided by: the number of samples, or the sum of their weights; 1 where the loss is the sum. */
double trainer_weight(const weft_trainer *t, const batch *b);
size_t trainer_steps_per_epoch(const weft_trainer *t); /* 0: it has no data set */
/* The next step of the epoch that is under way, of as many batches as the options accumulate; *loss is the mean of theirs. WEFT_DIVERGED: the
 * loss was not finite; the parameters are those of before the epoch, and `err` names the step and the layer. */
weft_status trainer_next_step(weft_trainer *t, double *loss, weft_error *err);
/* After the last step: evaluates both splits, fills the metrics, begins the next epoch. */
weft_status trainer_end_epoch(weft_trainer *t, weft_metrics *metrics, weft_error *err);

/* How well the task is done over a split; each is of one task only. */
typedef struct split_score {
    double acc, r2, mae, rmse, f1, f1_macro, auroc;
} split_score;

/* What the model says of one sample, and what that costs. */
typedef struct answer {
    uint32_t label, prediction;
    float probability, loss; /* probability: of the prediction, by softmax; NaN: the loss passes the sample over */
} answer;

/* Results over one split. */
typedef struct evaluation {
    double loss;   /* of all samples together, as the loss's reduction has it */
    double weight; /* what that was divided by */
    size_t n_correct, n_counted; /* of classes: how many answers were right, of those that count */
    size_t n;
    uint32_t *confusion; /* [C, C]: label, prediction; NULL: not wanted */
    answer *answers;     /* [n], of classes; NULL: not wanted */
    float *outputs;      /* [n, n_outputs]: kept where targets are numbers, to score them; the trainer's */
    const float *targets;
    size_t n_outputs;
    split_score score;
} evaluation;

/* Over samples without an index, any number of them. Adds to a zeroed `e`; e->confusion and e->answers are filled where they are not NULL. */
weft_status trainer_evaluate(weft_trainer *t, const batch *samples, evaluation *e, weft_error *err);
weft_status trainer_evaluate_split(weft_trainer *t, weft_split split, evaluation *e, weft_error *err);

class_score class_score_of(size_t n_right, size_t n_given, size_t n_actual);
/* From the confusion matrix, [n_outputs, n_outputs]. */
class_score evaluation_class(const evaluation *e, size_t n_outputs, size_t class_index);

/* How well number t is met, and label t. (score.c) */
typedef struct label_score {
    class_score of;
    size_t n_right, n_given;
} label_score;

number_score evaluation_number(const evaluation *e, size_t t);
weft_status evaluation_label(const evaluation *e, size_t t, label_score *out);
/* Fills the score of a task whose targets are numbers. */
weft_status evaluation_score(evaluation *e, weft_task task, weft_error *err);
/* All that can be said of the model over a split, with so many of its worst samples; in the arena. (assess.c) */
weft_status trainer_assess(weft_trainer *t, weft_split split, size_t n_worst, evaluation_record *out, arena *a, weft_error *err);

/* ---- A run (run.c) and what it leaves behind (listen_*.c) ---- */

typedef struct data_settings {
    const char *set;
    double scale;
    bool allow_trailing;
} data_settings;

typedef struct early_stopping {
    size_t patience; /* 0: never */
    double min_delta;
    const char *monitor;
} early_stopping;

typedef struct train_settings {
    size_t epochs, batch; /* batch 0: all of the training set */
    uint64_t seed;
    bool shuffle, log_steps, probes;
    double clip_grad_norm, clip_grad_value; /* 0: not clipped */
    size_t max_steps, accumulate; /* max_steps 0: no limit */
    early_stopping early_stopping;
    averaging average;
    const char *init; /* NULL: drawn */
    const char *precision; /* "fp32", "bf16" */
} train_settings;

/* When a checkpoint is written, beside the ends of epochs; nothing of the run depends on it. */
typedef struct checkpoint_settings {
    size_t every_steps;   /* 0: not by steps */
    double every_seconds; /* 0: not by the clock */
} checkpoint_settings;

extern const field data_fields[], train_fields[], checkpoint_fields[];

/* The samples of a step, as they were asked for. */
size_t train_batch(const train_settings *s, const weft_dataset *data);

/* One run, everything resolved. */
typedef struct run_settings {
    const char *title, *variant; /* variant: "" for a single run */
    data_settings data;
    train_settings train;
    checkpoint_settings checkpoint;
    usual_init init;
    const setting *model, *loss, *optimizer, *schedule; /* checked */
    const char *model_text, *loss_text, *optimizer_text, *schedule_text; /* the same on one line each, every default written out */
    const char *config; /* the text of config.yaml */
    const setting *flat; /* the same as a map of dotted keys to texts: optimizer.lr to 0.01 */
} run_settings;

typedef enum run_status { RUN_DONE, RUN_DIVERGED, RUN_STOPPED } run_status;

typedef enum event_kind {
    EVENT_BEGIN,  /* everything is ready; also after a resume */
    EVENT_STEP,
    EVENT_BEST,   /* the validation loss is the lowest so far; before its EVENT_EPOCH */
    EVENT_EPOCH,  /* metrics */
    EVENT_WARN,   /* warning; training goes on */
    EVENT_END,    /* done, diverged or stopped; the trainer still stands */
} event_kind;

/* What early stopping knows of the epochs so far (stopping.c). */
typedef struct stopping {
    double best;   /* of what is monitored */
    size_t epoch;  /* when it was that; 0: never yet */
    size_t waited; /* epochs since */
    real **params, **buffers; /* of then; NULL: nobody asks */
    bool restored; /* and now the model's again */
} stopping;

/* A run as its listeners see it. */
typedef struct run {
    const run_settings *settings;
    const char *folder, *command;
    arena *memory;        /* for what listeners need while they hear; of the run */
    struct probing *probing; /* what probes keep (probing.h) */
    struct keeping *keeping; /* what its folder is to hold (within.h) */
    weft_trainer *trainer;
    uint64_t step;        /* steps done since the beginning */
    double loss;          /* of the last one */
    weft_metrics metrics; /* of the last epoch */
    weft_metrics best;    /* of the epoch with the lowest validation loss; epoch 0: none yet */
    stopping stopping;
    run_status status;    /* at EVENT_END */
    const char *message;  /* of a diverged run: the step and the layer */
    const char *warning;  /* at EVENT_WARN: a line */
    bool resumed;
} run;

/* Something that hears what happens. One file each: train/listen_NAME.c defines listen_NAME; a command may bring more. */
typedef struct listener {
    const char *name;
    weft_status (*hear)(void *self, const run *r, event_kind event, weft_error *err);
    void *self; /* of those that a command brings */
    bool late;  /* hears when all others have: a checkpoint is the last thing that an epoch leaves behind */
} listener;

typedef struct run_options {
    const char *folder;
    const char *command; /* the command line, for run.json; NULL: a program ran it */
    int threads; /* 0: as many as the process may use */
    bool resume; /* go on from the folder's checkpoint, where there is one */
    bool force;  /* replace a run that stands in the folder */
    const volatile sig_atomic_t *stop; /* not 0: finish the step, save, end; NULL: never */
    const listener *listeners; /* of the command's own */
    size_t n_listeners;
} run_options;

/* Trains, and leaves a run folder behind. `data` is the set that the settings name. result, if not NULL, is filled as far as the run came.
 * WEFT_DIVERGED, WEFT_STOPPED: everything is saved. */
weft_status run_train(const run_settings *settings, const weft_dataset *data, const run_options *options, run *result,
                      weft_error *err);
/* The trainer of such a run. */
weft_trainer *run_create_trainer(weft_model *m, const run_settings *s, const weft_dataset *data, int threads, weft_error *err);
/* Whether the settings fit the data set and each other: shapes, classes, the file to start from; and the checkpoint in the folder, if that is
 * not NULL and has one. Adds every mistake to `err`. */
weft_status run_check(const run_settings *settings, const weft_dataset *data, const char *folder, weft_error *err);

#endif
