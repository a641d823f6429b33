/* Wu and He, "Group normalization" (2018), figure 1: batch norm's error rises as a batch gets smaller than about 16 samples. */
#include "diagnose/facts.h"

/* Below this, the mean and variance of a batch say little about those of all samples. */
enum { TINY = 8 };

static bool look(const run_facts *f, statement *s)
{
    if (f->run->batch >= TINY || !has_layer(f, "batch_norm"))
        return false;
    s->confidence = f->run->batch <= 4 ? 0.9 : 0.7;
    say(s, "batch_norm with batches of %zu samples: it takes each batch's mean and variance for those of all samples, and of so few they are "
           "mostly noise, which evaluation does not have. Use larger batches, or layer_norm, which does not look at other samples.", f->run->batch);
    evidence(s, "batch", (double)f->run->batch);
    remedy(s, "--set train.batch=32");
    return true;
}

const diagnosis diagnosis_tiny_batch_norm = {
    .name = "tiny_batch_norm",
    .help = "batch norm sees too few samples at a time",
    .about = "Batch norm shifts and scales what goes through it by the mean and variance of the batch; in evaluation, by running averages of "
             "them. Of a few samples, both are noise: training sees other numbers than evaluation, and the two fall apart. Take batches of 16 or "
             "more, or layer_norm.",
    .look = look,
};
