/* All that can be said of a model over a split: scores of each class, calibration, and the samples that it does worst at. */
#include <math.h>
#include <stdlib.h>

#include "train/train.h"

enum { MAX_PICTURE = 1 << 16 }; /* numbers of an image that is kept beside what was said of it */

/* ---- Calibration ---- */

/* An answer of probability p; bin i holds those from above i / 15 to (i + 1) / 15. */
static void count_answer(calibration *c, double p, bool right)
{
    const double place = ceil(p * CALIBRATION_BINS) - 1;
    calibration_bin *bin = &c->bins[place > 0 ? MIN((size_t)place, (size_t)CALIBRATION_BINS - 1) : 0];
    bin->n++;
    bin->confidence += p;
    bin->accuracy += right;
}

/* From sums to means. */
static void settle(calibration *c)
{
    size_t n = 0;
    c->ece = 0;
    for (size_t i = 0; i < CALIBRATION_BINS; i++)
        n += c->bins[i].n;
    for (size_t i = 0; i < CALIBRATION_BINS; i++) {
        calibration_bin *bin = &c->bins[i];
        if (!bin->n)
            continue;
        c->ece += fabs(bin->accuracy - bin->confidence) / (double)n;
        bin->confidence /= (double)bin->n;
        bin->accuracy /= (double)bin->n;
    }
    c->ece = n ? c->ece : NAN;
}

/* ---- The worst samples ---- */

typedef struct ranked {
    float loss;
    size_t index;
} ranked;

static int by_loss(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    return x->loss != y->loss ? (x->loss < y->loss) - (x->loss > y->loss) : (x->index > y->index) - (x->index < y->index);
}

static image_size picture_of(const weft_dataset *data)
{
    const shape *s = &data->sample;
    const bool fits = s->n_dims == 3 && (s->dims[0] == 1 || s->dims[0] == 3) && data->features <= MAX_PICTURE;
    return fits ? (image_size){s->dims[0], s->dims[1], s->dims[2]} : (image_size){0};
}

/* From the highest loss on; samples that the loss passes over are none of them. NULL: no memory; the caller frees it. */
static ranked *rank(const evaluation *e, size_t *n)
{
    ranked *all = calloc(MAX(e->n, 1), sizeof *all);
    *n = 0;
    for (size_t i = 0; all && i < e->n; i++)
        if (!isnan(e->answers[i].probability))
            all[(*n)++] = (ranked){isnan(e->answers[i].loss) ? INFINITY : e->answers[i].loss, i};
    if (all)
        qsort(all, *n, sizeof *all, by_loss);
    return all;
}

/* Numbers as bytes: as they are, or what lies between a lowest and a highest spread over 0..255. */
typedef struct byte_scale {
    double low, per_step;
} byte_scale;

static byte_scale scale_of(const weft_dataset *data, weft_split split)
{
    double min, max;
    if (data->type == DTYPE_U8)
        return (byte_scale){0, 1};
    data_range(data, split, &min, &max);
    min = fmin(min, 0);
    return (byte_scale){min, max > min ? 255 / (max - min) : 0};
}

static const unsigned char *pixels_of(const weft_dataset *data, const void *samples, size_t index, byte_scale scale, arena *a)
{
    unsigned char *pixels = arena_alloc(a, data->features);
    for (size_t i = 0; pixels && i < data->features; i++)
        pixels[i] = (unsigned char)rint((number_at(data->type, samples, index * data->features + i) - scale.low) * scale.per_step);
    return pixels;
}

static weft_status find_worst(const weft_dataset *data, weft_split split, const evaluation *e, evaluation_record *out, arena *a)
{
    size_t n;
    ranked *all = rank(e, &n);
    out->n_worst = MIN(n, out->n_worst);
    worst_sample *worst = arena_array(a, MAX(out->n_worst, 1), sizeof *worst);
    weft_status status = all && worst ? WEFT_OK : WEFT_NO_MEMORY;
    out->worst = worst;
    out->image = picture_of(data);
    const byte_scale scale = out->image.channels ? scale_of(data, split) : (byte_scale){0};
    for (size_t i = 0; status == WEFT_OK && i < out->n_worst; i++) {
        const size_t index = all[i].index;
        const answer *said = &e->answers[index];
        worst[i] = (worst_sample){index, said->label, said->prediction, (double)said->probability, (double)said->loss, NULL};
        if (out->image.channels && !(worst[i].pixels = pixels_of(data, data->split[split].samples, index, scale, a)))
            status = WEFT_NO_MEMORY;
    }
    free(all);
    return status;
}

/* ---- Each task ---- */

static weft_status assess_classes(const weft_trainer *t, weft_split split, const evaluation *e, evaluation_record *out, arena *a)
{
    const interval found = share_interval(e->n_correct, e->n_counted);
    class_score *classes = arena_array(a, e->n_outputs, sizeof *classes);
    if (!classes)
        return WEFT_NO_MEMORY;
    for (size_t i = 0; i < e->n_outputs; i++) {
        classes[i] = evaluation_class(e, e->n_outputs, i);
        classes[i].name = i < t->data->n_classes ? t->data->class_names[i] : NULL;
    }
    for (size_t i = 0; i < e->n; i++)
        if (!isnan(e->answers[i].probability))
            count_answer(&out->calibration, (double)e->answers[i].probability, e->answers[i].prediction == e->answers[i].label);
    settle(&out->calibration);
    out->accuracy = e->score.acc;
    out->interval[0] = found.low;
    out->interval[1] = found.high;
    out->confusion = e->confusion;
    out->n_classes = e->n_outputs;
    out->classes = classes;
    return find_worst(t->data, split, e, out, a);
}

static weft_status assess_numbers(const weft_trainer *t, weft_split split, const evaluation *e, evaluation_record *out, arena *a)
{
    number_score *numbers = arena_array(a, e->n_outputs, sizeof *numbers);
    (void)t;
    (void)split;
    for (size_t i = 0; numbers && i < e->n_outputs; i++)
        numbers[i] = evaluation_number(e, i);
    out->all_numbers = (number_score){e->score.r2, e->score.mae, e->score.rmse};
    out->n_numbers = e->n_outputs;
    out->numbers = numbers;
    return numbers ? WEFT_OK : WEFT_NO_MEMORY;
}

static weft_status assess_labels(const weft_trainer *t, weft_split split, const evaluation *e, evaluation_record *out, arena *a)
{
    class_score *labels = arena_array(a, e->n_outputs, sizeof *labels);
    (void)t;
    (void)split;
    if (!labels)
        return WEFT_NO_MEMORY;
    for (size_t i = 0; i < e->n_outputs; i++) {
        label_score one;
        TRY(evaluation_label(e, i, &one));
        labels[i] = one.of;
    }
    for (size_t i = 0; i < e->n * e->n_outputs; i++)
        count_answer(&out->calibration, 1 / (1 + exp(-(double)e->outputs[i])), e->targets[i] > 0);
    settle(&out->calibration);
    out->f1 = e->score.f1;
    out->f1_macro = e->score.f1_macro;
    out->auroc = e->score.auroc;
    out->n_classes = e->n_outputs;
    out->classes = labels;
    return WEFT_OK;
}

weft_status trainer_assess(weft_trainer *t, weft_split split, size_t n_worst, evaluation_record *out, arena *a, weft_error *err)
{
    static weft_status (*const assess[WEFT_N_TASKS])(const weft_trainer *, weft_split, const evaluation *, evaluation_record *, arena *) = {
        assess_classes, assess_numbers, assess_labels};
    const size_t n_outputs = t->model->graph.out;
    evaluation e = {0};
    if (t->task == WEFT_CLASSIFICATION) {
        e.confusion = arena_array(a, n_outputs * n_outputs, sizeof *e.confusion);
        e.answers = arena_array(a, t->data->split[split].n, sizeof *e.answers);
        if (!e.confusion || !e.answers)
            return fail_memory(err);
    }
    TRY(trainer_evaluate_split(t, split, &e, err));
    *out = (evaluation_record){.data = t->data->name, .split = split == WEFT_TRAIN ? "train" : "test", .task = t->task, .n = e.n, .loss = e.loss,
                               .calibration.ece = NAN, .n_worst = t->task == WEFT_CLASSIFICATION ? n_worst : 0};
    return assess[t->task](t, split, &e, out, a) == WEFT_OK ? WEFT_OK : fail_memory(err);
}
