/* A class that the model does not know. */
#include "diagnose/facts.h"

/* So many samples of it must be in the validation split: were it recognised half of the time, missing all would be a chance of 1 in 256. */
enum { SAMPLES = 8 };

static bool look(const run_facts *f, statement *s)
{
    const evaluation_record *e = f->evaluation;
    size_t missed = 0, first = 0;
    for (size_t i = 0; e && e->confusion && i < e->n_classes; i++)
        if (never_predicted(f, i, SAMPLES) && missed++ == 0)
            first = i;
    if (!missed || f->diverged)
        return false;
    s->confidence = missed <= e->n_classes / 2 ? 0.7 : 0.55; /* most of them: the consequence of something else */
    say(s, "Never predicted: ");
    say_class(s, f, first);
    say(s, "; %zu samples of the validation split are of it, and neither they nor any other are taken for it", e->classes[first].n);
    if (missed > 1)
        say(s, "; the same goes for %zu other class%s", missed - 1, missed == 2 ? "" : "es");
    say(s, ". The model has not learned it yet, or cannot: see the other findings, train for longer, or weigh the class in the loss.");
    evidence(s, "class", (double)first);
    evidence(s, "samples", (double)e->classes[first].n);
    evidence(s, "classes", (double)missed);
    return true;
}

const diagnosis diagnosis_class_never_predicted = {
    .name = "class_never_predicted",
    .help = "the model gives no sample to a class that there is",
    .about = "A model that answers some classes and never others has often collapsed: its outputs no longer depend on the inputs (dead or "
             "saturated units, a rate that is too high), or a rare class is not worth its while (class imbalance). The confusion matrix of weft "
             "eval shows where its samples go.",
    .look = look,
};
