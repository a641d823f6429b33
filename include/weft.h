/* weft: trains neural networks, and shows which settings work and why.
 *
 * Conventions
 *   Errors     Functions that can fail return a weft_status, or NULL where they return an object; both fill `err`,
 *              which may be NULL. Nothing here prints, exits or aborts.
 *   Ownership  What a `create` or `open` returns is the caller's until the matching `free` or `close`, which accept
 *              NULL. What an object was created from must outlive it. Strings and arrays that are returned belong to the object.
 *   Threads    Different objects may be used from different threads; one object from one thread at a time.
 *   Bits       For one data set, model, options and seed every result has the same bits, whatever the number of
 *              threads and the instruction set (see weft_isa and weft_options.precision for two exceptions).
 */
#ifndef WEFT_H
#define WEFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEFT_VERSION "0.1.0"
#if defined(WEFT_BUILDING)
#define WEFT_API __attribute__((visibility("default")))
#else
#define WEFT_API
#endif

WEFT_API const char *weft_version(void);
/* The instruction set whose kernels run here: on x86-64 "v2" (SSE4.2), "v3" (AVX2 and FMA) or "v4" (AVX-512), on 64-bit ARM
 * "neon"; the best that the CPU has, or what the environment's WEFT_ISA asks for. The same seed gives the same bits on v3, v4
 * and neon; v2, which cannot fuse a multiplication and an addition, has bits of its own. NULL, with `err` filled, where the
 * CPU has none of them or not the one asked for. */
struct weft_error;
WEFT_API const char *weft_isa(struct weft_error *err);

/* ---- Errors ---------------------------------------------------------------------------------------------------- */

typedef enum weft_status {
    WEFT_OK = 0,
    WEFT_BAD_INPUT, /* what the user gave is wrong; nothing was run */
    WEFT_IO,        /* the operating system refused; its own words are in the message */
    WEFT_NO_MEMORY,
    WEFT_DIVERGED, /* a loss was not finite; the last good parameters are kept */
    WEFT_STOPPED,  /* asked to stop; everything is saved */
} weft_status;

/* Zero-initialise it. `message` holds a line a mistake, "FILE:LINE:COLUMN: what is wrong; what to do"; `file`, `line`
 * and `column` (both from 1, 0 when there is none) are those of the first. */
typedef struct weft_error {
    weft_status status;
    int count;
    size_t line, column;
    char file[256];
    char message[4096];
} weft_error;

/* ---- Data ------------------------------------------------------------------------------------------------------ */

typedef enum weft_split { WEFT_TRAIN, WEFT_TEST, WEFT_N_SPLITS } weft_split;

/* What is to be learned of a sample: its class; numbers; or for each of several labels whether it has it, 0 or 1. */
typedef enum weft_task { WEFT_CLASSIFICATION, WEFT_REGRESSION, WEFT_MULTI_LABEL, WEFT_N_TASKS } weft_task;

/* Samples and what is to be learned of them, as they lie on disk, in two splits. */
typedef struct weft_dataset weft_dataset;

/* `name_or_path`: a name of the catalogue, looked for in $WEFT_DATA, $XDG_DATA_HOME/weft and /usr/share/datasets, or a
 * folder with the four files of MNIST, gzipped or plain, or with x_train.npy, y_train.npy, x_test.npy and y_test.npy.
 * A file may hold $WEFT_MAX_BYTES, or else 8 GiB, or half of this machine's memory where that is less.
 * Labels of whole numbers are classes; of float or double, [n] or [n, T], they are numbers; of bytes that are 0 or 1, [n, T],
 * they say which labels a sample has. */
WEFT_API weft_dataset *weft_dataset_open(const char *name_or_path, weft_error *err);

typedef struct weft_dataset_options {
    bool allow_trailing; /* read a file that is longer than its header says up to there, and warn; false: refuse it */
} weft_dataset_options;

/* The same with options, which may be NULL. */
WEFT_API weft_dataset *weft_dataset_open_with(const char *name_or_path, const weft_dataset_options *options,
                                              weft_error *err);
/* What is odd about the data set, and yet was accepted: a line a warning, "FILE: what is odd", no newline at the end.
 * "": nothing. */
WEFT_API const char *weft_dataset_warnings(const weft_dataset *data);
WEFT_API void weft_dataset_close(weft_dataset *data);
WEFT_API size_t weft_dataset_size(const weft_dataset *data, weft_split split);
WEFT_API size_t weft_dataset_features(const weft_dataset *data); /* numbers in a sample: 784 */
WEFT_API size_t weft_dataset_classes(const weft_dataset *data);
WEFT_API const char *weft_dataset_class_name(const weft_dataset *data, size_t class_index);
WEFT_API weft_task weft_dataset_task(const weft_dataset *data);
/* The classes of a split's samples: [size]; NULL where the task is another one. */
WEFT_API const int32_t *weft_dataset_labels(const weft_dataset *data, weft_split split);
/* T, the numbers or labels of a sample; 0 where it has a class. And those of a split: [size, T]; or NULL. */
WEFT_API size_t weft_dataset_n_targets(const weft_dataset *data);
WEFT_API const float *weft_dataset_targets(const weft_dataset *data, weft_split split);
/* Writes samples [first, first + n) of a split, divided by `scale`, to x: [n, features]. */
WEFT_API void weft_dataset_read(const weft_dataset *data, weft_split split, size_t first, size_t n, double scale,
                                float *x);

/* Batches of a split. Batch k of epoch e depends on (seed, e, k) only. */
typedef struct weft_loader weft_loader;

typedef struct weft_loader_options {
    size_t batch;    /* samples a batch; 0: 32. The last one of an epoch may be smaller */
    double scale;    /* what samples are divided by; 0: 1 */
    uint64_t seed;   /* of the shuffle */
    bool keep_order; /* the data set's order in every epoch, instead of a shuffled one */
} weft_loader_options;

/* A batch; its arrays belong to the loader, until the next call on it. */
typedef struct weft_batch {
    const float *x;    /* [n, features] */
    const int32_t *y;  /* classes: [n]; or NULL */
    size_t n;
    const float *targets; /* numbers, or labels that are 0 or 1: [n, T]; or NULL */
} weft_batch;

WEFT_API weft_loader *weft_loader_create(const weft_dataset *data, weft_split split, const weft_loader_options *options,
                                         weft_error *err);
WEFT_API void weft_loader_free(weft_loader *loader);
WEFT_API size_t weft_loader_batches(const weft_loader *loader); /* in an epoch */
/* The next batch of the epoch. After the last one: false, and the following call begins the next epoch. */
WEFT_API bool weft_loader_next(weft_loader *loader, weft_batch *batch);

/* ---- Models ---------------------------------------------------------------------------------------------------- */

/* Layers and their parameters. */
typedef struct weft_model weft_model;

/* `layers`: "linear 1000, relu, linear 10", each with the names and keywords of torch.nn.functional. The parameters
 * come into being when the input's size is known: at weft_model_init, weft_model_load, or weft_trainer_create. */
WEFT_API weft_model *weft_model_create(const char *layers, weft_error *err);
WEFT_API void weft_model_free(weft_model *model);
/* Draws the parameters as PyTorch does by default, for inputs of `features` numbers; again for another seed. */
WEFT_API weft_status weft_model_init(weft_model *model, size_t features, uint64_t seed, weft_error *err);
/* safetensors, with the names and shapes of torch.nn.Sequential: "0.weight" [out, in], "0.bias" [out], … Saving
 * replaces the file at once or not at all. */
WEFT_API weft_status weft_model_save(const weft_model *model, const char *path, weft_error *err);
/* Refuses parameters that are not finite. */
WEFT_API weft_status weft_model_load(weft_model *model, const char *path, weft_error *err);
/* A model from a file that weft wrote: its layers, parameters, scale and class names. */
WEFT_API weft_model *weft_model_open(const char *path, weft_error *err);
WEFT_API size_t weft_model_parameters(const weft_model *model); /* how many numbers; 0 before they exist */
WEFT_API size_t weft_model_outputs(const weft_model *model);    /* C; 0 before they exist */
/* logits: [n, C] of x: [n, features], already scaled. */
WEFT_API weft_status weft_model_forward(weft_model *model, const float *x, size_t n, float *logits, weft_error *err);
/* The same for samples as they lie on disk: they are divided by the scale the model was trained with, and outputs become
 * probabilities, [n, C]: by softmax for classes, by sigmoid for labels of which a sample may have several. Numbers stay as they are. */
WEFT_API weft_status weft_model_predict(weft_model *model, const float *pixels, size_t n, float *probabilities,
                                        weft_error *err);

/* ---- Training -------------------------------------------------------------------------------------------------- */

typedef struct weft_options {
    const char *optimizer; /* "sgd lr=0.01 momentum=0.9", torch.optim's names and defaults; NULL: "sgd lr=0.01" */
    const char *loss;      /* NULL: "cross_entropy" */
    /* "step_lr 10 gamma=0.5", torch.optim.lr_scheduler's names in lower case, keywords and defaults; NULL: "none". `by=epoch` or `by=step`
     * says what it counts; `warmup=N` puts a linear rise in front. The rate is set before every step; behind the end of one_cycle_lr it
     * stays. */
    const char *schedule;
    uint64_t total_steps;  /* of the whole training, which one_cycle_lr lasts for if it does not say, and must last for; 0: not known */
    double scale;          /* what samples are divided by; 0: 1 */
    size_t batch;          /* 0: 32 */
    uint64_t seed;         /* of the parameters, unless they exist already, and of the shuffle */
    int threads;           /* 0: as many as the process may use */
    bool keep_order;       /* no shuffle */
    /* Of training; NULL: "fp32". "bf16": numbers are rounded to 8 significant bits for every product; sums, biases, parameters and
     * the optimizer's state stay fp32, and so do evaluation and weft_model_forward. It needs a CPU with AMX-BF16 or AVX512-BF16, and is
     * refused elsewhere; the two have bits of their own. The environment's WEFT_BF16 chooses: "amx", "avx512", "none". */
    const char *precision;
    /* What happens to gradients before the optimizer takes them; 0: nothing. The norm of all of them together is brought down to
     * clip_grad_norm, as torch.nn.utils.clip_grad_norm_ does it; or every number is brought into [-clip_grad_value, clip_grad_value]. */
    double clip_grad_norm, clip_grad_value;
    /* So many batches make an optimizer's step, along the sum of their gradients divided by this number; 0: 1. What is left at the end of an
     * epoch makes a step, too, divided by the same number. */
    size_t accumulate;
    /* What the model holds: NULL: the parameters that the steps moved. "ema decay=0.999": an average of them that forgets, from the first step
     * on. "swa start=5": their mean after each of the epochs from the fifth on; before that, after an epoch, the parameters themselves. */
    const char *average;
} weft_options;

/* What is known after an epoch; all but train_loss over whole splits. Of the scores only those of the task are filled. */
typedef struct weft_metrics {
    size_t epoch; /* from 1 */
    double train_loss; /* mean of the epoch's batch losses, without penalties; with "reduction=sum" each is the sum over its batch, and */
    double train_acc;  /* share of right answers, 0..1 */
    double val_loss, val_acc; /* val_loss that over the whole split */
    double lr; /* of the epoch's last step */
    double train_seconds, eval_seconds;
    weft_task task;
    /* WEFT_REGRESSION: the share of the variance that is explained, the mean over the numbers; errors over all numbers together */
    double train_r2, train_mae, train_rmse, val_r2, val_mae, val_rmse;
    /* WEFT_MULTI_LABEL: a label is given where its output is above 0. F1 over all labels together (micro) and the mean over them (macro);
     * the mean area under the ROC curve of those labels that some samples have and some have not */
    double train_f1, train_f1_macro, train_auroc, val_f1, val_f1_macro, val_auroc;
    double penalty; /* what l1 and l2 of the layers add to what is minimised; part of neither loss */
} weft_metrics;

typedef struct weft_trainer weft_trainer;

/* `data` may be NULL where the caller brings every batch himself; then the model's parameters must exist. */
WEFT_API weft_trainer *weft_trainer_create(weft_model *model, const weft_dataset *data, const weft_options *options,
                                           weft_error *err);
WEFT_API void weft_trainer_free(weft_trainer *trainer);
/* Trains one epoch over the data set's training split and evaluates both splits. WEFT_DIVERGED: the model holds the
 * parameters of before the epoch. */
WEFT_API weft_status weft_trainer_epoch(weft_trainer *trainer, weft_metrics *metrics, weft_error *err);
/* One step on the caller's batch, x: [n, features] scaled, and y or targets as the loss wants them; loss: of the batch, before the update, the
 * mean or sum over its samples, as the loss's reduction says. Where gradients of several batches are accumulated, the last of them moves the parameters. */
WEFT_API weft_status weft_trainer_step(weft_trainer *trainer, const weft_batch *batch, double *loss, weft_error *err);
/* The loss, the same mean or sum, and the number of right answers on the caller's samples; 0 where there are no classes. */
WEFT_API weft_status weft_trainer_evaluate(weft_trainer *trainer, const weft_batch *batch, double *loss,
                                           size_t *n_correct, weft_error *err);

/* Draws loss and accuracy (or R2, or F1, as the task has it) over epochs, training and validation, to `path`: .svg or .png by its ending. */
WEFT_API weft_status weft_curves_save(const weft_metrics *metrics, size_t n_epochs, const char *title, const char *path,
                                      weft_error *err);

#ifdef __cplusplus
}
#endif
#endif
