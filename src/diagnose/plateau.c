/* Training that has come to rest above where it should. */
#include "diagnose/facts.h"

/* The training loss changed by so little, relatively, over the last epochs... */
static const double RESTS = 0.01;
enum { LAST = 3, LEAST_EPOCHS = 6 };
/* ...while it is still so large a part of what guessing has. */
static const double LEFT = 0.1;
/* Steps that change less of the weights than this do not rest, they are slow: rate_too_low. */
static const double SHORT_STEP = 1e-4;

static bool rests(const run_facts *f)
{
    double low = INFINITY, high = 0;
    for (size_t i = f->run->n_epochs - LAST - 1; i < f->run->n_epochs; i++) {
        low = MIN(low, f->run->metrics[i].train_loss);
        high = MAX(high, f->run->metrics[i].train_loss);
    }
    return high - low < RESTS * high;
}

static bool look(const run_facts *f, statement *s)
{
    const double blind = blind_loss(f);
    if (f->diverged || f->run->n_epochs < LEAST_EPOCHS || rate_was_lowered(f) || !rests(f) || !(f->end->train_loss > LEFT * blind))
        return false;
    if (largest_update(f) < SHORT_STEP && f->n_probes)
        return false;
    const bool blank = f->end->train_loss > 0.95 * blind;
    s->confidence = blank ? 0.7 : 0.6;
    say(s, "A plateau: the training loss has been at %.3g, within %.2g %%, for %d epochs", f->end->train_loss, 100 * RESTS, LAST);
    if (blank)
        say(s, ", which is what guessing by the shares of the classes has (%.3g): nothing was learned. Look at the other findings, or try "
               "another rate.", blind);
    else
        say(s, ". With this rate and this network there is no more in it: lower the rate from here on, or use a larger network.");
    evidence(s, "train_loss", f->end->train_loss);
    evidence(s, "guessing", blind);
    if (!blank)
        remedy(s, "--set schedule=reduce_lr_on_plateau");
    return true;
}

const diagnosis diagnosis_plateau = {
    .name = "plateau",
    .help = "the training loss no longer falls, and is not low",
    .about = "The training loss stays where it is, far from zero. Where it is as high as guessing's, nothing was learned at all: the inputs, the "
             "rate or the gradients are to blame. Otherwise the steps may be too long to get down further (lower the rate: schedule: "
             "reduce_lr_on_plateau), or the network is too small for what it is asked.",
    .look = look,
};
