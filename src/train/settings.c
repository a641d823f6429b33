/* What `data:`, `checkpoint:` and `train:` of an experiment can say. */
#include "train/train.h"

size_t train_batch(const train_settings *s, const weft_dataset *data) { return s->batch ? s->batch : data->split[WEFT_TRAIN].n; }

const field data_fields[] = {
    {"set", FIELD_TEXT, offsetof(data_settings, set), FIELD_REQUIRED,
     .help = "a data set's name, such as fashion-mnist, or a folder that holds one"},
    {"scale", FIELD_REAL, offsetof(data_settings, scale), 0, .min = 1e-9, .max = 1e9, .value = {1},
     .help = "what every number of a sample is divided by; 255 brings pixels to 0..1"},
    {"allow_trailing", FIELD_BOOL, offsetof(data_settings, allow_trailing), 0,
     .help = "whether a file that is longer than its header says is read up to there, with a warning; or refused"},
    {0},
};

static const field early_stopping_fields[] = {
    {"patience", FIELD_SIZE, offsetof(early_stopping, patience), FIELD_BARE, .min = 0, .max = 1e18,
     .help = "end after so many epochs in a row that are no better than the best, with that one's parameters; 0 never does"},
    {"min_delta", FIELD_REAL, offsetof(early_stopping, min_delta), 0, .min = 0, .max = 1e9, .help = "by how much at least better is better"},
    {"monitor", FIELD_TEXT, offsetof(early_stopping, monitor), 0, .text = "val_loss", .words = watched_metrics,
     .help = "what is to get better: a loss, or the score of the task"},
    {0},
};

const field checkpoint_fields[] = {
    {"every_steps", FIELD_SIZE, offsetof(checkpoint_settings, every_steps), 0, .min = 0, .max = 1e18,
     .help = "write a checkpoint after every so many steps, too, and not only at the end of every epoch; 0 does not"},
    {"every_seconds", FIELD_REAL, offsetof(checkpoint_settings, every_seconds), 0, .min = 0, .max = 1e9,
     .help = "write one after the step at which the last one is so old; 0 does not"},
    {0},
};

const field train_fields[] = {
    {"epochs", FIELD_SIZE, offsetof(train_settings, epochs), 0, .min = 0, .max = 1e18, .value = {10},
     .help = "passes over the training set; 0 trains nothing"},
    {"batch", FIELD_SIZE, offsetof(train_settings, batch), 0, .min = 1, .max = 1 << 24, .value = {32}, .text = "full",
     .help = "samples of a step; the last batch of an epoch may be smaller; full: all of the training set"},
    {"seed", FIELD_U64, offsetof(train_settings, seed), 0, .value = {1},
     .help = "of the first parameters and of the shuffle, 0 to 2^64 - 1"},
    {"shuffle", FIELD_BOOL, offsetof(train_settings, shuffle), 0, .value = {1},
     .help = "whether every epoch has its own order; false keeps the data set's"},
    {"log_steps", FIELD_BOOL, offsetof(train_settings, log_steps), 0,
     .help = "whether steps.jsonl gets a line for every step"},
    {"probes", FIELD_BOOL, offsetof(train_settings, probes), 0, .value = {1},
     .help = "whether probes.jsonl gets a line for every epoch: what the layers did in it, which weft diagnoses the run by"},
    {"max_steps", FIELD_SIZE, offsetof(train_settings, max_steps), 0, .min = 0, .max = 1e18,
     .help = "end after so many steps; 0 is no limit"},
    {"clip_grad_norm", FIELD_REAL, offsetof(train_settings, clip_grad_norm), 0, .min = 0, .max = 1e30,
     .help = "the largest norm of all gradients together: they are shortened to it; 0 clips nothing"},
    {"clip_grad_value", FIELD_REAL, offsetof(train_settings, clip_grad_value), 0, .min = 0, .max = 1e30,
     .help = "the largest number in a gradient: others are brought into [-value, value]; 0 clips nothing"},
    {"accumulate", FIELD_SIZE, offsetof(train_settings, accumulate), 0, .min = 1, .max = MAX_ACCUMULATE, .value = {1},
     .help = "batches of a step, which goes along their gradients' sum divided by this; an epoch's last step may have fewer batches and is "
             "divided by the same. Everything that counts steps counts these"},
    {"early_stopping", FIELD_MAP, offsetof(train_settings, early_stopping), 0, .fields = early_stopping_fields,
     .help = "ends a run that no longer gets better"},
    {"average", FIELD_MAP, offsetof(train_settings, average), 0, .fields = average_fields,
     .help = "what is evaluated and saved: the parameters, or an average of them"},
    {"precision", FIELD_TEXT, offsetof(train_settings, precision), 0, .text = "fp32",
     .help = "fp32; or bf16: products of numbers rounded to 8 bits, several times as fast on CPUs that have them"},
    {"init", FIELD_TEXT, offsetof(train_settings, init), 0,
     .help = "a .safetensors file to start from; the parameters are drawn when there is none"},
    {0},
};
