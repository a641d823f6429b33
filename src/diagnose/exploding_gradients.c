/* Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks" (2013): factors above 1, layer after layer; what they
 * propose is to clip the norm. */
#include "diagnose/facts.h"

/* What reaches the first layer, as a multiple of the norm that the last one's outputs get. Layers that keep sizes stay near 1. */
static const double REACHES = 100;

static double growth(const run_facts *f, const layer_probe **first, const layer_probe **last)
{
    const bool known = f->last && !inputs_are_unscaled(f) && outer_layers(f->last, first, last);
    return known ? (*first)->output_gradient / (*last)->output_gradient : NAN;
}

bool gradients_explode(const run_facts *f)
{
    const layer_probe *first, *last;
    return growth(f, &first, &last) > REACHES;
}

static bool look(const run_facts *f, statement *s)
{
    const layer_probe *first, *last;
    const double reaches = growth(f, &first, &last);
    if (!(reaches > REACHES))
        return false;
    s->confidence = MIN(0.95, (f->diverged ? 0.8 : 0.65) + 0.05 * log10(reaches / REACHES));
    say(s, "The gradient explodes on its way back: its norm is %.2g at layer %s (%s) and %.2g at layer %s (%s), %.2g times as much%s. The layers "
           "make what goes through them larger, one after the other: begin with weights that keep its size (init=\"kaiming_normal relu\"), use "
           "batch_norm, or clip the gradient's norm.",
        last->output_gradient, last->path, last->name, first->output_gradient, first->path, first->name, reaches,
        f->diverged ? ", and the run diverged" : "");
    evidence(s, "first_gradient", first->output_gradient);
    evidence(s, "last_gradient", last->output_gradient);
    remedy(s, "--set train.clip_grad_norm=1");
    return true;
}

const diagnosis diagnosis_exploding_gradients = {
    .name = "exploding_gradients",
    .help = "the gradient grows from layer to layer on its way back",
    .about = "On its way back from the loss, the gradient is multiplied by each layer's weights. Where these are too large, it grows with every "
             "layer, the first layers take steps that are far too long, and the loss jumps or stops being a number. Begin with weights that keep "
             "the size of what goes through (init=\"kaiming_normal relu\" before relu, xavier_normal before tanh), use batch_norm or layer_norm, "
             "lower the rate, or clip the norm of all gradients (train.clip_grad_norm).",
    .look = look,
};
