/* Loss and scores over many samples, a large batch at a time and without keeping what layers made. */
#include <math.h>

#include "train/train.h"

enum { EVALUATE_BATCH = 256 };

static int32_t label_of(const batch *b, size_t i) { return b->labels[b->index ? b->index[i] : i]; }

double trainer_weight(const weft_trainer *t, const batch *b)
{
    double weight = 0;
    if (loss_sums(t->loss_fields) || !t->loss->weight_of)
        return loss_sums(t->loss_fields) ? 1 : (double)b->n;
    for (size_t i = 0; i < b->n; i++)
        weight += t->loss->weight_of(t->loss_fields, label_of(b, i));
    return weight;
}

static answer answer_of(const plan *p, const operand *logits, size_t row, int32_t label)
{
    const operand losses = plan_losses(p);
    const size_t prediction = largest_in_row(logits, row);
    const double max = (double)*element(logits, row, prediction);
    double sum = 0;
    for (size_t c = 0; c < logits->cols; c++)
        sum += exp((double)*element(logits, row, c) - max);
    return (answer){(uint32_t)label, (uint32_t)prediction, (float)(1 / sum), (float)*panel_row(&losses, 0, row)};
}

/* Of samples that the loss does not pass over. */
static void count_classes(const weft_trainer *t, const plan *p, const batch *b, evaluation *e)
{
    const operand hits = plan_hits(p), logits = plan_logits(p);
    const int32_t ignored = t->loss->ignored(t->loss_fields);
    for (size_t r = 0; r < b->n; r++) {
        const int32_t label = label_of(b, r);
        if (e->answers)
            e->answers[e->n + r] = label == ignored ? (answer){.probability = NAN} : answer_of(p, &logits, r, label);
        if (label == ignored)
            continue;
        e->n_counted++;
        e->n_correct += *panel_row(&hits, 0, r) != 0;
        if (e->confusion)
            e->confusion[(size_t)label * logits.cols + largest_in_row(&logits, r)]++;
    }
}

static void keep_outputs(const plan *p, const batch *b, evaluation *e)
{
    const operand outputs = plan_logits(p);
    for (size_t r = 0; r < b->n; r++)
        for (size_t c = 0; c < outputs.cols; c++)
            e->outputs[(e->n + r) * outputs.cols + c] = (float)*element(&outputs, r, c);
}

/* A piece that is one plan's batch; adds to e, whose loss is a sum until the end. */
static weft_status evaluate_piece(weft_trainer *t, const batch *b, evaluation *e, weft_error *err)
{
    plan *p = trainer_plan(t, PLAN_EVALUATE, b->n, err);
    if (!p)
        return WEFT_NO_MEMORY;
    plan_run(p, b, t->threads);
    const operand losses = plan_losses(p);
    for (size_t r = 0; r < b->n; r++)
        e->loss += (double)*panel_row(&losses, 0, r);
    if (b->labels && t->loss->targets == TARGET_CLASS)
        count_classes(t, p, b, e);
    if (e->outputs)
        keep_outputs(p, b, e);
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
        b.labels = whole->labels ? whole->labels + first : NULL;
        b.targets = whole->targets ? whole->targets + first * t->model->graph.out : NULL;
        TRY(evaluate_piece(t, &b, e, err));
    }
    e->weight = trainer_weight(t, whole);
    if (e->weight == 0)
        return fail(err, WEFT_BAD_INPUT, (where){"loss", 0, 0}, "none of %zu samples counts: %s passes their labels over, or their weights are 0",
                    whole->n, t->loss->name);
    e->loss /= e->weight;
    return WEFT_OK;
}

weft_status trainer_evaluate_split(weft_trainer *t, weft_split split, evaluation *e, weft_error *err)
{
    const data_split *s = &t->data->split[split];
    e->outputs = t->outputs;
    e->targets = s->targets;
    e->n_outputs = t->model->graph.out;
    TRY(trainer_evaluate(t, &(batch){.samples = s->samples, .bytes = t->data->type == DTYPE_U8, .scale = t->options.scale,
                                     .labels = s->labels, .targets = s->targets, .n = s->n},
                         e, err));
    e->score.acc = e->n_counted ? (double)e->n_correct / (double)e->n_counted : 0;
    return evaluation_score(e, t->task, err);
}

class_score class_score_of(size_t n_right, size_t n_given, size_t n_actual)
{
    return (class_score){
        .precision = n_given ? (double)n_right / (double)n_given : 0,
        .recall = n_actual ? (double)n_right / (double)n_actual : 0,
        .f1 = n_given + n_actual ? 2.0 * (double)n_right / (double)(n_given + n_actual) : 0,
        .auroc = NAN,
        .n = n_actual,
    };
}

class_score evaluation_class(const evaluation *e, size_t n_outputs, size_t class_index)
{
    size_t predicted = 0, actual = 0;
    const size_t right = e->confusion[class_index * n_outputs + class_index];
    for (size_t i = 0; i < n_outputs; i++) {
        predicted += e->confusion[i * n_outputs + class_index];
        actual += e->confusion[class_index * n_outputs + i];
    }
    return class_score_of(right, predicted, actual);
}
