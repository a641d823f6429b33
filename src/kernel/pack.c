/* Weights in the order in which products read them: see operand in kernel.h. */
#include "kernel/kernel.h"

size_t packed_width(const kernels *k, size_t out) { return MIN(k->panel, round_up(out, k->lanes)); }

size_t packed_numbers(const kernels *k, size_t in, size_t out, bool bias)
{
    return (in + bias) * round_up(out, packed_width(k, out));
}

/* Where weight [o, i] lies; i = in is the bias. */
static size_t packed_at(size_t width, size_t rows, size_t o, size_t i) { return (o / width * rows + i) * width + o % width; }

void pack(const kernels *k, size_t in, size_t out, const float *weight, const float *bias, real *packed)
{
    const size_t width = packed_width(k, out), rows = in + (bias != NULL);
    for (size_t o = 0; o < round_up(out, width); o++)
        for (size_t i = 0; i < rows; i++)
            packed[packed_at(width, rows, o, i)] = o >= out ? 0 : i < in ? (real)weight[o * in + i] : (real)bias[o];
}

void unpack(const kernels *k, size_t in, size_t out, const real *packed, float *weight, float *bias)
{
    const size_t width = packed_width(k, out), rows = in + (bias != NULL);
    for (size_t o = 0; o < out; o++) {
        for (size_t i = 0; i < in; i++)
            weight[o * in + i] = (float)packed[packed_at(width, rows, o, i)];
        if (bias)
            bias[o] = (float)packed[packed_at(width, rows, o, in)];
    }
}
