/* Units of ReLU and the like that no sample gives a slope. Lu, Shin, Su and Karniadakis, "Dying ReLU and initialization" (2019). */
#include "diagnose/facts.h"

/* Sparse units are healthy: of the 1000 of a network that Adam trained well, half can be silent over the few hundred samples of a probe, which
 * are not all that there are. */
static const double SHARE = 0.8;

static bool look(const run_facts *f, statement *s)
{
    size_t since = 0;
    double lr;
    const layer_probe *l = worst_layer(f, dead_of, SHARE, &since);
    if (!l)
        return false;
    const bool unscaled = inputs_are_unscaled(f);
    s->confidence = (unscaled ? 0.5 : 0.55) + 0.4 * l->dead;
    say(s, "%.3g %% of the units of layer %s (%s) never fire since epoch %zu: none of %zu samples of the training set gives them a slope, so "
           "they learn nothing and add nothing. ", 100 * l->dead, l->path, l->name, since, f->last->samples);
    evidence(s, "dead", l->dead);
    evidence(s, "units", (double)l->units);
    evidence(s, "since_epoch", (double)since);
    evidence(s, "samples", (double)f->last->samples);
    if (unscaled) {
        say(s, "Inputs up to %.4g push them there: scale the inputs.", f->last->input.max);
        remedy(s, "--set data.scale=%.4g", f->run->scale * MAX(fabs(f->last->input.min), fabs(f->last->input.max)));
    } else if (setting_number(f, "optimizer.lr", &lr) && lr > 0) {
        say(s, "A step that was too long may have pushed them there: lower the learning rate, or use leaky_relu, which keeps a slope.");
        remedy(s, "--set optimizer.lr=%.3g", lr / 10);
    } else
        say(s, "Use leaky_relu, which keeps a slope.");
    return true;
}

const diagnosis diagnosis_dead_units = {
    .name = "dead_units",
    .help = "most units of a ReLU never fire",
    .about = "A ReLU is 0 below zero, and flat: a unit whose sum is below zero for every sample has no gradient, and stays where it is for the "
             "rest of the training. One step that is too long is enough to push it there: because the inputs are large, or the rate is. A "
             "network of such units is a smaller network, or a constant. Scale the inputs, lower the rate or warm it up (schedule: {warmup: "
             "500}), or use leaky_relu, elu or gelu, which have a slope below zero.",
    .look = look,
};
