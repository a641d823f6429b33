/* Loss and right answers over many samples, a large batch at a time and without keeping what layers made. */
#include "train/train.h"

enum { EVALUATE_BATCH = 256 };

static int32_t label_of(const batch *b, size_t i) { return b->labels[b->index ? b->index[i] : i]; }

static void count_confusion(const batch *b, const operand *logits, evaluation *e)
{
    for (size_t r = 0; r < b->n; r++) {
        e->confusion[(size_t)label_of(b, r) * logits->cols + largest_in_row(logits, r)]++;
    }
}

/* A piece that is one plan's batch; adds to e, whose loss is a sum until the end. */
static weft_status evaluate_piece(weft_trainer *t, const batch *b, evaluation *e, weft_error *err)
{
    plan *p = trainer_plan(t, PLAN_EVALUATE, b->n, err);
    if (!p)
        return WEFT_NO_MEMORY;
    plan_run(p, b, t->threads);
    const operand losses = plan_losses(p), hits = plan_hits(p), logits = plan_logits(p);
    for (size_t r = 0; r < b->n; r++) {
        e->loss += (double)*panel_row(&losses, 0, r);
        e->n_correct += *panel_row(&hits, 0, r) != 0;
    }
    if (e->confusion)
        count_confusion(b, &logits, e);
    e->n += b->n;
    return WEFT_OK;
}

weft_status trainer_evaluate(weft_trainer *t, const batch *whole, evaluation *e, weft_error *err)
{
    const size_t features = t->model->graph.in, bytes_each = whole->bytes ? 1 : sizeof(float);
    for (size_t first = 0; first < whole->n; first += EVALUATE_BATCH) {
        batch b = *whole;
        b.n = MIN((size_t)EVALUATE_BATCH, whole->n - first);
        b.samples = (const char *)whole->samples + first * features * bytes_each;
        b.labels = whole->labels + first;
        TRY(evaluate_piece(t, &b, e, err));
    }
    e->loss /= (double)e->n;
    return WEFT_OK;
}

weft_status trainer_evaluate_split(weft_trainer *t, weft_split split, evaluation *e, weft_error *err)
{
    const data_split *s = &t->data->split[split];
    return trainer_evaluate(t, &(batch){.samples = s->samples, .bytes = t->data->type == DTYPE_U8, .scale = t->options.scale,
                                        .labels = s->labels, .n = s->n},
                            e, err);
}

class_score evaluation_class(const evaluation *e, size_t n_outputs, size_t class_index)
{
    size_t predicted = 0, actual = 0;
    const size_t right = e->confusion[class_index * n_outputs + class_index];
    for (size_t i = 0; i < n_outputs; i++) {
        predicted += e->confusion[i * n_outputs + class_index];
        actual += e->confusion[class_index * n_outputs + i];
    }
    return (class_score){
        .precision = predicted ? (double)right / (double)predicted : 0,
        .recall = actual ? (double)right / (double)actual : 0,
        .f1 = predicted + actual ? 2.0 * (double)right / (double)(predicted + actual) : 0,
        .n = actual,
    };
}
