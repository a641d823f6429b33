/* LeCun, Bottou, Orr and Mueller, "Efficient BackProp" (1998), section 4.3: inputs should be about 0 on average, with a variance of about 1;
 * initial weights are drawn for that. */
#include "diagnose/facts.h"

/* The root of the mean square of the inputs. Weights drawn as torch.nn.Linear draws them make first outputs that are as large, divided by
 * the root of 3: beyond 10, a sigmoid begins where its slope is less than 1 % of its largest. */
static const double LARGE = 10, SMALL = 0.01;

static double size_of(const probe_range *r) { return sqrt(r->mean * r->mean + r->std * r->std); }
static double reach(const probe_range *r) { return MAX(fabs(r->min), fabs(r->max)); }

/* A first layer that norms what it takes does not mind. */
static bool is_normed(const run_facts *f)
{
    for (size_t i = 0; i < f->last->n_layers; i++)
        if (f->last->layers[i].parameters)
            return strstr(f->last->layers[i].name, "_norm") != NULL;
    return false;
}

bool inputs_are_unscaled(const run_facts *f)
{
    if (!f->last || is_normed(f))
        return false;
    const double size = size_of(&f->last->input);
    return size > LARGE || (size > 0 && size < SMALL);
}

static double saturated_of(const layer_probe *l) { return l->saturated; }

/* What came of it, so that the sentence rests on more than the inputs. Returns how much of it there is. */
static int say_consequences(const run_facts *f, statement *s)
{
    size_t since;
    int n = 0;
    const layer_probe *dead = worst_layer(f, dead_of, 0.5, &since), *saturated = worst_layer(f, saturated_of, 0.5, &since);
    if (dead && ++n) {
        say(s, "; %.3g %% of the units of layer %s (%s) never fire since epoch %zu", 100 * dead->dead, dead->path, dead->name, since);
        evidence(s, "dead", dead->dead);
    }
    if (saturated && ++n) {
        say(s, "; layer %s (%s) is flat for %.3g %% of its outputs", saturated->path, saturated->name, 100 * saturated->saturated);
        evidence(s, "saturated", saturated->saturated);
    }
    if (f->end && f->end->train_loss > 0.95 * blind_loss(f) && f->end->train_loss < 1.2 * blind_loss(f) && ++n) {
        say(s, "; the training loss ended at %.3g, where guessing has %.3g", f->end->train_loss, blind_loss(f));
        evidence(s, "train_loss", f->end->train_loss);
    }
    if (f->run->n_epochs && f->run->metrics[0].train_loss > 2 * blind_loss(f) && ++n) {
        say(s, "; the first epoch's training loss was %.3g, where guessing has %.3g", f->run->metrics[0].train_loss, blind_loss(f));
        evidence(s, "first_train_loss", f->run->metrics[0].train_loss);
    }
    return n;
}

static bool look(const run_facts *f, statement *s)
{
    if (!inputs_are_unscaled(f))
        return false;
    const probe_range *in = &f->last->input;
    const double divisor = f->run->scale * reach(in);
    const layer_probe *first = &f->last->layers[0];
    const bool large = size_of(in) > 1;
    char score[32];
    say(s, "The inputs go from %.4g to %.4g (mean %.3g, standard deviation %.3g)", in->min, in->max, in->mean, in->std);
    if (large)
        say(s, ": every change of a weight counts up to %.4g times as much as for inputs up to 1, and layer %s (%s) gives numbers from %.3g to %.3g",
            reach(in), first->path, first->name, first->output.min, first->output.max);
    else
        say(s, ": weights must grow %.3g times as large as usual to make anything of them", 1 / reach(in));
    evidence(s, "min", in->min);
    evidence(s, "max", in->max);
    evidence(s, "mean", in->mean);
    evidence(s, "std", in->std);
    s->confidence = say_consequences(f, s) || f->diverged ? 0.98 : 0.75;
    if (f->end)
        say(s, "; validation %s ended at %s", known_tasks[f->run->task].score,
            score_print(f->run->task, metrics_score(f->end, WEFT_TEST), score));
    say(s, ". Bring them to about 1: divide by %.4g.", divisor);
    remedy(s, "--set data.scale=%.4g", divisor);
    return true;
}

const diagnosis diagnosis_unscaled_inputs = {
    .name = "unscaled_inputs",
    .help = "the inputs are far larger or smaller than the weights are made for",
    .about = "A weight is multiplied by its input, and so is the change that a step makes to it. Initial weights and usual learning rates are "
             "made for inputs of about 1: where they reach 255, the first layer's outputs are hundreds of times too large, a sigmoid of them is "
             "0 or 1 and has no slope, and one step can push every unit of a ReLU below zero for good. Dividing all inputs by their largest "
             "value (data.scale) mends all of that at once; weft keeps the divisor in the model, so that predicting does what training did.",
    .look = look,
};
