/* Hochreiter (1991); Glorot and Bengio (2010): each layer multiplies the gradient on its way back, and factors below 1 leave nothing. */
#include "diagnose/facts.h"

/* What reaches the first layer of the norm that the last one's outputs get, and the largest change of its weights in a step: with less than
 * this, 1,000 steps in one direction are a hundredth of them, and the last layer's are so many times as long. */
static const double REACHES = 1e-3, MOVES = 1e-5, TIMES = 100;
/* Dead units let nothing through: that is another finding. */
static const double DEAD = 0.9;

static bool look(const run_facts *f, statement *s)
{
    const layer_probe *first, *last;
    size_t since;
    if (!f->last || f->diverged || inputs_are_unscaled(f) || worst_layer(f, dead_of, DEAD, &since) || !outer_layers(f->last, &first, &last))
        return false;
    const double reaches = first->output_gradient / last->output_gradient;
    if (!(reaches < REACHES) || !(first->update < MOVES) || !(last->update > TIMES * first->update))
        return false;
    s->confidence = MIN(0.95, 0.75 + 0.05 * log10(REACHES / MAX(reaches, 1e-30)));
    say(s, "The gradient vanishes on its way back: of its norm at layer %s (%s), %.2g arrives at layer %s (%s), a part of %.1g, and the last "
           "step changed the weights there by %.1g of their size, against %.1g in layer %s: the first layers do not learn. Use relu with "
           "init=kaiming_normal, batch_norm before the activations, or residual blocks.",
        last->path, last->name, first->output_gradient, first->path, first->name, reaches, first->update, last->update, last->path);
    evidence(s, "first_gradient", first->output_gradient);
    evidence(s, "last_gradient", last->output_gradient);
    evidence(s, "first_update", first->update);
    evidence(s, "last_update", last->update);
    return true;
}

const diagnosis diagnosis_vanishing_gradients = {
    .name = "vanishing_gradients",
    .help = "hardly any of the gradient reaches the first layers",
    .about = "On its way back from the loss, the gradient is multiplied by each layer's weights and by the slope of each activation. A sigmoid's "
             "slope is at most a quarter: behind ten of them, a millionth is left, and the first layers stay as they were drawn. Use relu, whose "
             "slope is 1, with weights that keep the size of what goes through (init=\"kaiming_normal relu\"), batch_norm or layer_norm, or "
             "residual blocks, around which the gradient takes a way of its own.",
    .look = look,
};
