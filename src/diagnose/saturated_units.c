/* Units of sigmoid, tanh and the like on their flat ends. Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
 * networks" (2010), section 3. */
#include "diagnose/facts.h"

/* The share of (unit, sample) that lie there. Units that have learned something take sides: of the sigmoids of a network that Adam trained
 * well, two thirds can lie there. Those of activations with corners, such as relu6, are flat at one end for half of what they take when all
 * is well. */
static const double SHARE = 0.8, SHARE_WITH_CORNERS = 0.95;

static double excess(const layer_probe *l) { return l->saturated - (isnan(l->dead) ? SHARE : SHARE_WITH_CORNERS); }

static bool look(const run_facts *f, statement *s)
{
    size_t since = 0;
    double lr;
    const layer_probe *l = worst_layer(f, excess, 0, &since);
    if (!l)
        return false;
    const bool unscaled = inputs_are_unscaled(f);
    s->confidence = (unscaled ? 0.5 : 0.55) + 0.4 * l->saturated;
    say(s, "%.3g %% of what layer %s (%s) gives lies on its flat ends since epoch %zu, where its slope is below a twentieth of the steepest: "
           "little of the gradient comes through to the layers before it. ", 100 * l->saturated, l->path, l->name, since);
    evidence(s, "saturated", l->saturated);
    evidence(s, "since_epoch", (double)since);
    evidence(s, "samples", (double)f->last->samples);
    if (unscaled) {
        say(s, "Inputs up to %.4g push it there: scale the inputs.", f->last->input.max);
        remedy(s, "--set data.scale=%.4g", f->run->scale * MAX(fabs(f->last->input.min), fabs(f->last->input.max)));
    } else if (setting_number(f, "optimizer.lr", &lr) && lr > 0) {
        say(s, "Begin with smaller weights (init=xavier_uniform), lower the learning rate, or put batch_norm before it.");
        remedy(s, "--set optimizer.lr=%.3g", lr / 10);
    }
    return true;
}

const diagnosis diagnosis_saturated_units = {
    .name = "saturated_units",
    .help = "most outputs of a sigmoid or tanh lie on its flat ends",
    .about = "A sigmoid or tanh is steep around zero and flat further out: at an input of 5, a sigmoid's slope is 3 % of its steepest, at 10 it "
             "is 0.02 %. What lies there learns hardly at all, and nothing before it does either, for the gradient is multiplied by that slope. "
             "It comes from inputs that are too large, from weights that begin too large, or from steps that are too long. Scale the inputs, "
             "begin with init=xavier_uniform, lower the rate, put batch_norm before it, or use relu in hidden layers. weft explain scaling shows "
             "the numbers.",
    .look = look,
};
