/* Steps that are longer than the valley is wide. */
#include "diagnose/facts.h"

/* Jumps of the loss to more than three times what it usually is (probing.h). */
enum { SPIKES = 3 };
/* The mean loss of the first epoch, as a multiple of what an untrained model or guessing has: training brings it down from there, or it does
 * harm. */
static const double WORSE = 1.2;

static size_t count_spikes(const run_facts *f)
{
    size_t spikes = 0;
    for (size_t i = 0; i < f->n_probes; i++)
        spikes += f->probes[i].spikes;
    return spikes;
}

/* What an untrained model or guessing has; first losses of a batch are a little off it, by chance. */
static double untrained(const run_facts *f) { return f->n_probes ? fmax(f->probes[0].first_loss, blind_loss(f)) : NAN; }

static bool got_worse(const run_facts *f)
{
    return f->end && f->probes[0].epoch == 1 && f->run->metrics[0].train_loss > WORSE * untrained(f);
}

static bool look(const run_facts *f, statement *s)
{
    double lr;
    const size_t spikes = count_spikes(f);
    if (!f->last || inputs_are_unscaled(f) || !setting_number(f, "optimizer.lr", &lr))
        return false;
    const bool worse = got_worse(f), jumps = spikes >= SPIKES;
    if (!f->diverged && !worse && !jumps)
        return false;
    s->confidence = gradients_explode(f) ? 0.7 : f->diverged ? 0.9 : worse ? 0.85 : 0.7;
    say(s, "The learning rate of %.3g is too high: ", lr);
    if (f->diverged)
        say(s, "training diverged in epoch %zu", f->last->epoch);
    else if (worse)
        say(s, "the loss was %.3g before the first step, and %.3g on average over the first epoch", f->probes[0].first_loss,
            f->run->metrics[0].train_loss);
    else
        say(s, "the loss jumped to more than three times its usual value %zu times", spikes);
    if (jumps && (f->diverged || worse))
        say(s, ", and the loss jumped %zu times before", spikes);
    say(s, ". Steps overshoot what they aim at: try a tenth of it, or a warm-up.");
    evidence(s, "lr", lr);
    evidence(s, "spikes", (double)spikes);
    evidence(s, "first_loss", f->probes[0].first_loss);
    evidence(s, "largest_update", largest_update(f));
    remedy(s, "--set optimizer.lr=%.3g", lr / 10);
    return true;
}

const diagnosis diagnosis_rate_too_high = {
    .name = "rate_too_high",
    .help = "steps overshoot: the loss jumps, rises or is no number any more",
    .about = "A step goes down the slope where it stands; how far, the learning rate says. Too far, and it lands higher on the other side of the "
             "valley: the loss jumps, rises, or grows without end. A step usually changes the weights by about a thousandth of their size. "
             "Divide the rate by 3 or 10, let it rise over the first hundreds of steps (schedule: {warmup: 500}), or clip the gradient's norm "
             "(train.clip_grad_norm).",
    .look = look,
};
