/* Weights in the order in which products read them: see operand and form in kernel.h. */
#include "kernel/kernel.h"

operand operand_in_form(const operand *o, form f)
{
    const bool turned = f == FORM_TRANSPOSED || f == FORM_LEFT_TRANSPOSED || f == FORM_RIGHT_TRANSPOSED;
    size_t rows = turned ? o->cols : o->rows, cols = turned ? o->rows : o->cols;
    if (f == FORM_LEFT || f == FORM_LEFT_TRANSPOSED)
        return (operand){NULL, rows, (cols + 1) / 2, DEPTH / 2};
    if (f == FORM_RIGHT || f == FORM_RIGHT_TRANSPOSED)
        rows = round_up(rows, DEPTH) / 2;
    return (operand){NULL, rows, cols, panel_width(cols)};
}

static operand matrix_of(const real *packed, size_t in, size_t out, bool bias)
{
    return (operand){(real *)packed, in + bias, out, panel_width(out)};
}

void pack(size_t in, size_t out, const float *weight, const float *bias, real *packed)
{
    const operand w = matrix_of(packed, in, out, bias != NULL);
    for (size_t o = 0; o < round_up(out, w.width); o++)
        for (size_t i = 0; i < w.rows; i++)
            *element(&w, i, o) = o >= out ? 0 : i < in ? (real)weight[o * in + i] : (real)bias[o];
}

void unpack(size_t in, size_t out, const real *packed, float *weight, float *bias)
{
    const operand w = matrix_of(packed, in, out, bias != NULL);
    for (size_t o = 0; o < out; o++) {
        for (size_t i = 0; i < in; i++)
            weight[o * in + i] = (float)*element(&w, i, o);
        if (bias)
            bias[o] = (float)*element(&w, in, o);
    }
}
