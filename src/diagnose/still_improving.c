/* A run that ended before it was done. */
#include "diagnose/facts.h"

/* Validation loss fell by so much, relatively, in each of the last epochs: another epoch would bring about as much. */
static const double EACH = 0.01;
enum { LAST = 3, LEAST_EPOCHS = 5 };

static bool look(const run_facts *f, statement *s)
{
    const size_t n = f->run->n_epochs;
    if (f->diverged || n < LEAST_EPOCHS || f->run->early_stop_epoch || rate_was_lowered(f))
        return false;
    for (size_t i = n - LAST; i < n; i++)
        if (!(f->run->metrics[i].val_loss < (1 - EACH) * f->run->metrics[i - 1].val_loss))
            return false;
    const double then_loss = f->run->metrics[n - 1 - LAST].val_loss, fell = (then_loss - f->end->val_loss) / then_loss / LAST;
    char now[32], then[32];
    s->confidence = MIN(0.9, 0.6 + 5 * fell);
    say(s, "It was still getting better when it stopped: over the last %d epochs the validation loss fell by %.2g %% an epoch, to %.3g, and "
           "validation %s went from %s to %s. Train for longer.",
        LAST, 100 * fell, f->end->val_loss, known_tasks[f->run->task].score,
        score_print(f->run->task, metrics_score(&f->run->metrics[n - 1 - LAST], WEFT_TEST), then),
        score_print(f->run->task, metrics_score(f->end, WEFT_TEST), now));
    evidence(s, "val_loss_before", f->run->metrics[n - 1 - LAST].val_loss);
    evidence(s, "val_loss", f->end->val_loss);
    evidence(s, "epochs", (double)n);
    remedy(s, "--set train.epochs=%zu", 2 * n);
    return true;
}

const diagnosis diagnosis_still_improving = {
    .name = "still_improving",
    .help = "the run ended while it was getting better",
    .about = "The validation loss was falling from epoch to epoch when the last one was over: what this setting can do was not seen. Before two "
             "settings are compared, both should have come to rest. Train for longer, with train.early_stopping to end it when nothing gets "
             "better any more.",
    .look = look,
};
