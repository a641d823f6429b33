/* What tests of losses share: what samples should give, and the kernel of a loss. */
#ifndef LOSS_CASES_H
#define LOSS_CASES_H

#include "op_cases.h"

enum { MAX_AIMS = 64 };

/* What samples should give: classes, or numbers [MAX_AIMS, in]. */
typedef struct aims {
    int32_t labels[MAX_AIMS];
    float *numbers;
    double *row; /* room for one sample's */
} aims;

static inline aims aims_make(const layer *l)
{
    aims a = {.numbers = calloc(MAX_AIMS * l->in, sizeof *a.numbers), .row = doubles(l->in)};
    assert_non_null(a.numbers);
    return a;
}

static inline void aims_free(aims *a)
{
    free(a->numbers);
    free(a->row);
}

/* Some numbers are at an end of what they may be. */
static inline aims aims_draw(const layer *l)
{
    aims a = aims_make(l);
    double low = -3, high = 3;
    if (l->op->target_range)
        l->op->target_range(l->fields, &low, &high);
    low = fmax(low, -3);
    high = fmin(high, 3);
    for (size_t i = 0; i < MAX_AIMS; i++)
        a.labels[i] = label_of(l, i);
    for (size_t i = 0; i < MAX_AIMS * l->in; i++)
        a.numbers[i] = (float)(i % 5 == 3 ? low : i % 5 == 4 ? high : low + (high - low) * (noise(45, i) + 1) / 2);
    return a;
}

static inline target aim_of(const layer *l, const aims *a, size_t sample)
{
    for (size_t i = 0; i < l->in; i++)
        a->row[i] = (double)a->numbers[sample * l->in + i];
    return (target){a->labels[sample], a->row};
}

/* What the sum over samples is divided by. */
static inline double aims_weight(const layer *l, const aims *a, const uint32_t *index, size_t B)
{
    const bool sums = l->op->kind == OP_LOSS && loss_sums(l->fields);
    double weight = sums;
    for (size_t r = 0; !sums && r < B; r++)
        weight += l->op->weight_of ? l->op->weight_of(l->fields, a->labels[index ? index[r] : r]) : 1;
    return weight;
}

static inline batch aims_batch(const layer *l, const aims *a, const uint32_t *index, size_t B)
{
    return (batch){.labels = a->labels, .targets = a->numbers, .index = index, .n = B, .weight = aims_weight(l, a, index, B)};
}

/* Runs the kernel of a loss over a model's outputs [B, in]. */
static inline void run_loss(const layer *l, const double *outputs, const batch *source, double *losses, double *gradient)
{
    const size_t B = source->n;
    matrix x = matrix_make(B, l->in), loss = matrix_make(B, 1), dx = matrix_make(B, l->in);
    for (size_t i = 0; i < B * l->in; i++)
        *element(&x.at, i / l->in, i % l->in) = (real)outputs[i];
    const call c = {.in = {x.at}, .out = {loss.at, dx.at}, .fields = l->fields, .source = &source};
    const size_t tiles = l->op->loss.tiles(&c);
    l->op->loss.run(&c, tiles / 2, tiles);
    l->op->loss.run(&c, 0, tiles / 2);
    for (size_t r = 0; r < B; r++) {
        losses[r] = (double)at(&loss.at, r, 0);
        for (size_t i = 0; i < round_up(l->in, dx.at.width); i++)
            if (i < l->in)
                gradient[r * l->in + i] = (double)at(&dx.at, r, i);
            else
                assert_true(at(&dx.at, r, i) == 0); /* products read it */
    }
    matrix_free(&x);
    matrix_free(&loss);
    matrix_free(&dx);
}

#endif
