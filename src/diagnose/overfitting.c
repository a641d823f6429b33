/* Prechelt, "Early stopping - but when?" (1998): the generalisation loss is how far the validation error lies above its lowest so far. */
#include "diagnose/facts.h"

/* How far, relatively, and for how many epochs in a row; and further than the loss goes up and down from epoch to epoch as it is. */
static const double ABOVE = 0.05;
enum { LASTS = 3 };

/* The epoch, from 0, of the lowest validation loss. */
static size_t lowest(const run_record *run)
{
    size_t best = 0;
    for (size_t i = 1; i < run->n_epochs; i++)
        if (run->metrics[i].val_loss < run->metrics[best].val_loss)
            best = i;
    return best;
}

/* The mean change from one epoch to the next up to the best one: what is noise, or more. */
static double usual_change(const run_record *run, size_t best)
{
    double sum = 0;
    for (size_t i = 1; i <= best; i++)
        sum += fabs(run->metrics[i].val_loss - run->metrics[i - 1].val_loss);
    return best ? sum / (double)best : 0;
}

static bool look(const run_facts *f, statement *s)
{
    const size_t n = f->run->n_epochs, best = n ? lowest(f->run) : 0;
    const weft_metrics *then = n ? &f->run->metrics[best] : NULL;
    if (f->diverged || inputs_are_unscaled(f) || n < best + 1 + LASTS || f->run->restored_epoch || !(f->end->train_loss < then->train_loss))
        return false;
    for (size_t i = n - LASTS; i < n; i++)
        if (!(f->run->metrics[i].val_loss > then->val_loss + fmax(ABOVE * then->val_loss, usual_change(f->run, best))))
            return false;
    const double above = f->end->val_loss / then->val_loss - 1;
    char train[32], val[32];
    s->confidence = MIN(0.95, 0.7 + above);
    say(s, "It overfits since epoch %zu: the training loss went on falling, from %.3g to %.3g, but the validation loss rose from %.3g to %.3g; "
           "%s is %s on the training set and %s on validation. What it learns since then is the training set by heart: stop early, or regularise "
           "(dropout, weight_decay, more data).",
        then->epoch + 1, then->train_loss, f->end->train_loss, then->val_loss, f->end->val_loss, known_tasks[f->run->task].score,
        score_print(f->run->task, metrics_score(f->end, WEFT_TRAIN), train), score_print(f->run->task, metrics_score(f->end, WEFT_TEST), val));
    evidence(s, "best_epoch", (double)then->epoch);
    evidence(s, "best_val_loss", then->val_loss);
    evidence(s, "val_loss", f->end->val_loss);
    evidence(s, "train_loss", f->end->train_loss);
    remedy(s, "--set train.early_stopping=3");
    return true;
}

const diagnosis diagnosis_overfitting = {
    .name = "overfitting",
    .help = "training gets better while validation gets worse",
    .about = "A network that is large enough can learn its training set by heart; what it learns then does not hold for other samples, and the "
             "validation loss rises while the training loss falls. best.safetensors has the parameters of before that. Stop early "
             "(train.early_stopping), make it harder to learn by heart (dropout, optimizer.weight_decay, a smaller network), or get more data.",
    .look = look,
};
