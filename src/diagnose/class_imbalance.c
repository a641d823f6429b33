/* He and Garcia, "Learning from imbalanced data" (2009). */
#include "diagnose/facts.h"

/* How many times as many samples the largest class has as the smallest. */
static const double TIMES = 10;
enum { MANY_CLASSES = 20 };

static bool look(const run_facts *f, statement *s)
{
    const size_list *counts = &f->run->class_counts;
    size_t least = 0, most = 0;
    double n = 0;
    for (size_t i = 0; i < counts->n; i++) {
        n += (double)counts->at[i];
        least = counts->at[i] < counts->at[least] ? i : least;
        most = counts->at[i] > counts->at[most] ? i : most;
    }
    if (counts->n < 2 || counts->at[least] == 0 || (double)counts->at[most] < TIMES * (double)counts->at[least])
        return false;
    const double times = (double)counts->at[most] / (double)counts->at[least];
    s->confidence = MIN(0.9, (never_predicted(f, least, 1) ? 0.75 : 0.6) + 0.1 * log10(times / TIMES));
    say(s, "The classes are unbalanced: there are %zu samples to learn ", counts->at[least]);
    say_class(s, f, least);
    say(s, " from, and %zu for ", counts->at[most]);
    say_class(s, f, most);
    say(s, ", %.3g times as many. Always answering the latter would be right %.3g %% of the time, so accuracy says little: look at each class's "
           "recall (weft eval), and weigh the classes in the loss.", times, 100 * (double)counts->at[most] / n);
    evidence(s, "smallest", (double)counts->at[least]);
    evidence(s, "largest", (double)counts->at[most]);
    if (counts->n > MANY_CLASSES || strstr(f->run->loss, "weight=") || strncmp(f->run->loss, "cross_entropy", 13) != 0)
        return true;
    remedy(s, "--set loss.weight=[");
    for (size_t i = 0; i < counts->n; i++)
        remedy(s, "%s%.3g", i ? "," : "", n / ((double)counts->n * (double)MAX(counts->at[i], (size_t)1)));
    remedy(s, "]");
    return true;
}

const diagnosis diagnosis_class_imbalance = {
    .name = "class_imbalance",
    .help = "one class has many times as many samples as another",
    .about = "A loss that is a mean over samples cares for a class as much as it has samples: a rare one may be answered wrong every time and "
             "hardly cost anything. Accuracy hides it. Look at precision and recall of each class, weigh the classes (loss: {name: "
             "cross_entropy, weight: [...]}), or collect more of the rare ones.",
    .look = look,
};
