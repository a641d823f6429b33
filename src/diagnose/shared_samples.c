/* Samples of the test set that are in the training set, too. */
#include "diagnose/facts.h"

/* So large a part of the test set, beyond what samples that come more than once by nature would give: then a sample of the training set has a
 * twin in it just as often. */
static const double SHARE = 0.01;

static bool look(const run_facts *f, statement *s)
{
    const run_record *run = f->run;
    if (run->samples.n != WEFT_N_SPLITS || !run->samples.at[WEFT_TRAIN] || !run->samples.at[WEFT_TEST])
        return false;
    const double n_test = (double)run->samples.at[WEFT_TEST];
    const double shared = (double)run->shared_samples / n_test, repeated = (double)run->repeated_samples / (double)run->samples.at[WEFT_TRAIN];
    if (!(shared - repeated > SHARE))
        return false;
    s->confidence = 0.9;
    say(s, "%zu of the %.0f samples of the test set (%.3g %%) are in the training set, too, to the byte: what is learned by heart counts there "
           "as if it were understood, and validation looks better than it is. Take them out of one of the two.", run->shared_samples, n_test, 100
        * shared);
    evidence(s, "shared", (double)run->shared_samples);
    evidence(s, "test_samples", n_test);
    evidence(s, "repeated_in_training", (double)run->repeated_samples);
    return true;
}

const diagnosis diagnosis_shared_samples = {
    .name = "shared_samples",
    .help = "the test set has samples of the training set",
    .about = "Validation is to say how the model does on samples that it has not seen. Where some of them are in the training set as well, it is "
             "partly an exam with known questions. It happens when files are copied, or when pictures that were augmented or are frames of one "
             "film are split at random. Split first, by source, and augment afterwards.",
    .look = look,
};
