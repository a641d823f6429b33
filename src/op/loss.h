/* What losses share: how they find a sample's target, and what they divide by. Private to this room. */
#ifndef LOSS_H
#define LOSS_H

#include "op/op.h"

static inline size_t loss_tiles(const call *c) { return c->in[0].rows; }

static const char *const reductions[] = {"mean", "sum", NULL};

#define FIELD_REDUCTION                                                                                                       \
    {"reduction", FIELD_TEXT, offsetof(any_loss_fields, reduction), 0, .text = "mean", .words = reductions,                       \
     .help = "mean: over the batch, and over a sample's outputs where each has a loss; sum: of all of these"}

/* What the sum over the batch's losses is divided by. */
static inline double loss_weight(const call *c)
{
    const batch *source = *c->source;
    return source->weight > 0 ? source->weight : (double)c->in[0].rows;
}

/* Where row r of the batch has its target. */
static inline size_t loss_sample(const batch *source, size_t r) { return source->index ? source->index[r] : r; }

/* A row of the gradient that a sample leaves at 0, its padding too. */
static inline void clear_row(const operand *gradient, size_t row)
{
    for (size_t p = 0; p < n_panels(gradient); p++)
        for (size_t i = 0; i < gradient->width; i++)
            panel_row(gradient, p, row)[i] = 0;
}

/* ---- Classes ---- */

/* The first members of the settings of every loss that takes classes. */
typedef struct class_fields {
    any_loss_fields all;
    number_list weight;
    int32_t ignore_index;
} class_fields;

#define CLASS_FIELDS(type)                                                                                                   \
    {"weight", FIELD_REALS, offsetof(type, of.weight), 0, .min = 0, .max = 1e9,                                               \
     .help = "how much each class counts, a number a class; unset: all the same"},                                           \
    {"ignore_index", FIELD_INT, offsetof(type, of.ignore_index), 0, .min = -INT32_MAX, .max = INT32_MAX, .value = {-100},    \
     .help = "a label whose samples are passed over"},                                                                       \
    FIELD_REDUCTION

static inline int32_t class_ignored(const void *fields) { return ((const class_fields *)fields)->ignore_index; }

/* How much class k counts. */
static inline double class_weight(const class_fields *f, size_t k) { return f->weight.n ? f->weight.at[k] : 1; }

static inline double class_weight_of(const void *fields, int32_t label)
{
    const class_fields *f = fields;
    return label == f->ignore_index ? 0 : class_weight(f, (size_t)label);
}

static inline weft_status class_fits(const void *fields, size_t outputs, weft_error *err)
{
    const class_fields *f = fields;
    if (f->weight.n && f->weight.n != outputs)
        return fail(err, WEFT_BAD_INPUT, (where){"loss", 0, 0}, "weight has %zu numbers, and the model gives %zu; it must have one for each",
                    f->weight.n, outputs);
    return WEFT_OK;
}

/* ---- Numbers ---- */

/* Elements of one panel, of `width` columns from `first` on: their losses, and the slopes of these at the outputs x, for the targets y. */
typedef void panel_loss(const real *x, const real *y, size_t width, size_t first, const void *fields, real *loss, real *slope);

/* What the sum over a sample's `cols` elements is divided by. */
static inline double loss_parts(const void *fields, size_t cols)
{
    return strcmp(((const any_loss_fields *)fields)->reduction, "mean") == 0 ? (double)cols : 1;
}

static inline void number_losses(const call *c, size_t begin, size_t end, panel_loss *f)
{
    const operand *x = &c->in[0], *dx = &c->out[1];
    const double parts = loss_parts(c->fields, x->cols);
    const real divisor = (real)(parts * loss_weight(c));
    for (size_t r = begin; r < end; r++) {
        const float *targets = (*c->source)->targets + loss_sample(*c->source, r) * x->cols;
        real sum = 0;
        for (size_t p = 0; p < n_panels(x); p++) {
            const size_t n = panel_cols(x, p), first = p * x->width;
            real y[PANEL] = {0}, loss[PANEL], *slope = panel_row(dx, p, r);
            for (size_t i = 0; i < n; i++)
                y[i] = (real)targets[first + i];
            f(panel_row(x, p, r), y, x->width, first, c->fields, loss, slope);
            for (size_t i = 0; i < n; i++)
                sum += loss[i];
            for (size_t i = 0; i < x->width; i++)
                slope[i] = i < n ? slope[i] / divisor : 0;
        }
        *panel_row(&c->out[0], 0, r) = sum / (real)parts;
    }
}

static inline vec v_abs(vec a) { return v_greater(a, v_set(0), a, v_set(0) - a); }

/* -1, 0 or 1. */
static inline vec v_sign(vec a)
{
    const vec zero = v_set(0);
    return v_greater(a, zero, v_set(1), v_greater(zero, a, v_set(-1), zero));
}

#endif
