/* The texts of a run folder: what the trainer writes of a run, and all that a report reads of it. */
#ifndef RECORD_H
#define RECORD_H

#include "base/base.h"

/* ---- Metrics, by the names that they have in files ---- */

typedef struct metrics_key {
    const char *name; /* "val_acc" */
    size_t offset;    /* of a double in weft_metrics */
    unsigned tasks;   /* 1 << task for each that has it */
    bool rare;        /* written where it is not 0, and 0 where it is not written */
} metrics_key;

extern const metrics_key metrics_keys[]; /* ends with a NULL name */
static inline bool metrics_has(const metrics_key *key, weft_task task) { return key->tasks >> task & 1; }
static inline double metrics_value(const metrics_key *key, const weft_metrics *m) { return *(const double *)const_member_of(m, key->offset); }

/* Those that may be watched for getting better: losses, which fall, and what rises. Ends with NULL. */
extern const char *const watched_metrics[];
/* One of them. */
const metrics_key *watched_find(const char *name);
bool watched_falls(const metrics_key *key);
/* Whether a task has it; `key_name` is what it was given as. */
weft_status watched_fits(const char *name, weft_task task, const char *key_name, where at, weft_error *err);

/* How a task is called, and the score that tells best how well it is done. */
typedef struct task_words {
    const char *name;            /* "classification" */
    const char *score, *initial; /* "accuracy"; as a title begins, "Accuracy" */
    const char *brief;           /* for a column of a table, "acc." */
    const char *unit;            /* " %" where it is shown in per cent, else "" */
    int decimals;
    size_t train, val;           /* offsets in weft_metrics */
} task_words;

extern const task_words known_tasks[WEFT_N_TASKS];
/* By its name. False: there is none of that name. */
bool task_find(const char *name, weft_task *found);
/* The score as it is shown: in per cent where the task has it so. */
double metrics_score(const weft_metrics *m, weft_split split);
/* With its unit: "89.12 %", "0.8912". */
const char *score_print(weft_task task, double score, char buffer[32]);

/* ---- Runs ---- */

/* What a run folder says of itself: run.json and metrics.jsonl. */
typedef struct run_record {
    const char *folder;
    const char *title, *variant; /* variant: "" for a single run */
    uint64_t seed;
    const char *status;  /* "running", "done", "diverged", "stopped" */
    const char *message; /* of a diverged run: the step, the layer; otherwise "" */
    /* The settings, as texts: "fashion-mnist", "linear 1000, relu, linear 10", "sgd lr=0.01 …" */
    const char *data, *model, *optimizer, *schedule, *loss;
    const char *fingerprint; /* of the data set: a hash of its samples and labels, whatever files they came from */
    weft_task task;
    double scale;
    size_t batch;
    size_t n_epochs_asked;
    size_t n_parameters, n_steps;
    size_list samples;       /* of the training set, of the test set */
    size_list class_counts;  /* of the training set; none where the task has no classes */
    size_t shared_samples;   /* of the test set, that are in the training set, too */
    size_t repeated_samples; /* of the training set, that are in it more than once */
    size_t early_stop_epoch; /* when early stopping ended the run; 0: it did not */
    size_t restored_epoch;   /* whose parameters early stopping left in the model; 0: it did not */
    const char *precision;     /* of training: "fp32", "bf16" */
    const char *isa, *version; /* of the kernels that ran, of weft */
    const char *command, *cpu; /* command: "" where a program called the library */
    size_t threads;
    const char *result; /* SHA-256 of model.safetensors, as sha256sum says it; "" before the run's end */
    const setting *settings; /* a map of dotted keys to texts: "optimizer.lr" to "0.01"; NULL: nothing is known */
    size_t n_epochs; /* lines of metrics.jsonl */
    const weft_metrics *metrics;
} run_record;

/* Reads a run folder; everything lives in `a`. */
weft_status run_record_read(const char *folder, run_record *run, arena *a, weft_error *err);
/* All runs in these folders and below them, in the order of the folders and their names; a folder that holds none is a mistake. */
weft_status run_records_find(const char *const *folders, size_t n_folders, run_record **runs, size_t *n_runs, arena *a, weft_error *err);
/* Writes run.json (atomically), everything but the metrics. */
weft_status run_record_write(const run_record *run, weft_error *err);
/* One line of metrics.jsonl, with its newline; its numbers read back to the same bits. */
void metrics_print(const weft_metrics *m, text *t);

/* ---- Probes: what a fixed batch of training samples shows of every layer when an epoch ends (probes.c) ---- */

/* Of a matrix of numbers. */
typedef struct probe_range {
    double min, max, mean, std;
} probe_range;

enum { PROBE_BINS = 32 };

/* Equal bins between two numbers; what is on an edge counts in the bin above it, `to` in the last one. */
typedef struct probe_histogram {
    double from, to;
    size_t counts[PROBE_BINS];
} probe_histogram;

/* A layer. A double that does not apply to it, or was not finite, is NaN and not in the file; a histogram that does not is empty. */
typedef struct layer_probe {
    const char *path, *name; /* "2"; "linear 10" */
    size_t units;            /* numbers that it gives for a sample */
    size_t parameters;       /* 0: it has none */
    double dead;             /* of activations: the share of units without a slope at any sample */
    double saturated;        /* the share of all (unit, sample) where the slope is a small part of what it can be */
    probe_range output;
    double output_gradient;  /* norms: of the loss's gradient by the outputs, */
    double weights;          /* of the parameters, */
    double weight_gradient;  /* of the gradient by them; */
    double update;           /* of what the last step changed, divided by that of the parameters */
    probe_histogram outputs, weights_histogram, gradients; /* gradients: by the parameters */
} layer_probe;

/* An epoch; none is left out but of a part of a run without probes. Where a run diverged, the last one is that which it did not end, with the parameters of before it. */
typedef struct epoch_probe {
    size_t epoch;
    size_t samples;    /* in the batch */
    probe_range input; /* of the batch, as the first layer takes it */
    double first_loss; /* of the epoch's first step; NaN: not known */
    size_t spikes;     /* steps whose loss stood out far above those around them */
    size_t n_layers;
    const layer_probe *layers;
} epoch_probe;

typedef struct probe_log {
    size_t n_epochs; /* 0: there are none */
    const epoch_probe *epochs;
} probe_log;

/* One line of probes.jsonl, with its newline. */
void probe_print(const epoch_probe *p, text *t);
/* Of a run folder; none where it has no probes.jsonl. Everything lives in `a`. */
weft_status probes_read(const char *folder, probe_log *out, arena *a, weft_error *err);

/* ---- Evaluations: how well a finished model does over a split (evaluation.c) ---- */

/* How well a class, or one of several labels, is told from the others; 0 where nothing can be divided. */
typedef struct class_score {
    const char *name; /* NULL: it has none */
    size_t n;         /* samples that have it */
    double precision, recall, f1;
    double auroc; /* area under the ROC curve, of a label; NaN: of a class, or where all samples have the label, or none */
} class_score;

/* How well one number is met. */
typedef struct number_score {
    double r2, mae, rmse;
} number_score;

enum { CALIBRATION_BINS = 15 };

/* Answers that were given with a probability of a bin: how many, what it was in the mean, and the share that was right. Bins are equal parts
 * of 0..1; what is on an edge counts in the bin below it. */
typedef struct calibration_bin {
    size_t n;
    double confidence, accuracy;
} calibration_bin;

/* Whether probabilities can be taken at their word: Guo et al., "On Calibration of Modern Neural Networks" (2017), equations 1 to 3. For labels,
 * of which each is an answer, `confidence` is the probability of having it and `accuracy` the share that has it. */
typedef struct calibration {
    double ece; /* expected calibration error; NaN: not known */
    calibration_bin bins[CALIBRATION_BINS];
} calibration;

/* A sample with a high loss. */
typedef struct worst_sample {
    size_t index; /* in its split */
    size_t label, prediction;
    double probability, loss; /* probability: of the prediction */
    const unsigned char *pixels; /* [channels, height, width]; NULL: it is no picture */
} worst_sample;

enum { N_WORST = 25 }; /* that are shown, where nobody wants another number */

typedef struct image_size {
    size_t channels, height, width;
} image_size;

typedef struct evaluation_record {
    const char *data, *split; /* split: "train", "test" */
    weft_task task;
    size_t n;
    double loss;
    /* of classes */
    double accuracy, interval[2]; /* the interval that holds it with 95 % confidence: Wilson (1927) */
    const uint32_t *confusion;    /* [n_classes, n_classes]: label, prediction */
    calibration calibration;      /* and of labels */
    size_t n_worst;
    const worst_sample *worst; /* the highest loss first */
    image_size image;          /* of their pixels; 0: they are no pictures */
    /* of classes, or labels */
    size_t n_classes;
    const class_score *classes;
    double f1, f1_macro, auroc; /* of labels: over all together, and the means over them; see weft_metrics */
    /* of numbers: over all together, and each */
    number_score all_numbers;
    size_t n_numbers;
    const number_score *numbers;
} evaluation_record;

/* The means of precision, recall and F1 over the classes that some sample has or was taken for; `n` is how many these are. */
class_score evaluation_macro(const evaluation_record *e);
/* A label that is taken for another. */
typedef struct confused_pair {
    size_t label, prediction, n;
} confused_pair;

/* The pairs with the most samples, the most first; at most `most` of them. Returns how many there are. */
size_t evaluation_confused(const evaluation_record *e, confused_pair *pairs, size_t most);
/* By how much the probability of answers lies above the share that is right, in the mean; below 0: they are surer than they say. NaN: not known. */
double calibration_excess(const calibration *c);
/* The content of evaluation.json. */
void evaluation_print(const evaluation_record *e, text *t);
/* evaluation.json in a folder. */
weft_status evaluation_write(const char *folder, const evaluation_record *e, weft_error *err);
/* Of a folder; *found says whether it has one. Everything lives in `a`. */
weft_status evaluation_read(const char *folder, evaluation_record *out, bool *found, arena *a, weft_error *err);

/* ---- Findings: what the diagnosis has to say of a run (findings.c); room diagnose makes them ---- */

typedef struct finding {
    const char *name;     /* of the diagnosis: "dead_units" */
    double confidence;    /* 0 to 1 */
    const char *sentence; /* what is seen, why it matters, what to do */
    const char *evidence; /* the numbers: a JSON object */
    const char *remedy;   /* what to add to the command line: "--set data.scale=255"; "": no such line is known */
} finding;

typedef struct findings {
    size_t n; /* the surest first; 0: nothing to report */
    const finding *all;
} findings;

/* diagnosis.json of a run folder. */
weft_status findings_write(const char *folder, const findings *f, weft_error *err);
/* *known is false where there is none: nobody has looked yet. Everything lives in `a`. */
weft_status findings_read(const char *folder, findings *out, bool *known, arena *a, weft_error *err);

#endif
