/* Steps that are so short that training would take for ever. */
#include "diagnose/facts.h"

/* The largest change of a step, as a part of the weights, over the whole run; usual is a thousandth. */
static const double SHORT_STEP = 1e-4;
/* A good part of the training loss is left, of what it began with; nor is it far above that, as where every unit has died. */
static const double LEFT = 0.3;

static bool look(const run_facts *f, statement *s)
{
    double lr;
    const double update = largest_update(f);
    if (f->diverged || !f->n_probes || f->run->n_epochs < 2 || inputs_are_unscaled(f) || !setting_number(f, "optimizer.lr", &lr) ||
        lr <= 0 || update == 0)
        return false;
    const double begin = f->probes[0].first_loss;
    if (!(f->end->train_loss < f->run->metrics[0].train_loss))
        return false; /* there is nothing to go down */
    if (!(update < SHORT_STEP) || !(f->end->train_loss > LEFT * begin && f->end->train_loss < begin * (1 + LEFT)))
        return false;
    s->confidence = MIN(0.9, 0.7 + 0.1 * log10(SHORT_STEP / update));
    say(s, "The learning rate of %.3g is too low: a step changes the weights by %.1g of their size at most, where a thousandth is usual, and the "
           "training loss has come from %.3g to %.3g in %zu epochs, and still falls. Try ten times as much.",
        lr, update, begin, f->end->train_loss, f->end->epoch);
    evidence(s, "lr", lr);
    evidence(s, "largest_update", update);
    evidence(s, "first_loss", begin);
    evidence(s, "train_loss", f->end->train_loss);
    remedy(s, "--set optimizer.lr=%.3g", 10 * lr);
    return true;
}

const diagnosis diagnosis_rate_too_low = {
    .name = "rate_too_low",
    .help = "steps are so short that training hardly gets on",
    .about = "The loss falls evenly, but slowly, and every step changes the weights by far less than a thousandth of their size: most of the "
             "time is spent on a way that longer steps would take at once. Multiply the rate by 3 or 10 as long as the loss falls without jumps.",
    .look = look,
};
