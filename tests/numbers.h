/* What tests of arithmetic share: which kernels run here, guarded memory, numbers to test with, fixtures. */
#ifndef NUMBERS_H
#define NUMBERS_H

#include "test.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* base.h has a `fail` of its own; cmocka's fail_msg stands on cmocka's. */
#undef fail
#undef fail_msg
#define fail_msg(...)                   \
    do {                                \
        print_error("ERROR: " __VA_ARGS__); \
        print_error("\n");              \
        _fail(__FILE__, __LINE__);      \
    } while (0)

#include "kernel/kernel.h"

/* A rounding to `real` is at most UNIT, relative to the result; to a number too small to be normal at most DENORMAL. */
#ifdef WEFT_DOUBLE
#define UNIT 0x1p-53
#define DENORMAL 0x1p-1074
#else
#define UNIT 0x1p-24
#define DENORMAL 0x1p-149
#endif
#define DOUBLE_UNIT 0x1p-53 /* of references */

/* ---- Instruction sets ---- */

/* For what is the same on all of them: one that every CPU of this architecture can run. */
#define ANY_ISA ((isa)0)

/* `for (isa ...)` over those that this CPU can run. */
#define FOR_ISAS(level)                              \
    for (isa level = ANY_ISA; level < N_ISAS; level++) \
        if (isa_runs_here(level))

/* The first whose bits are those of `level`. */
static inline isa first_like(isa level)
{
    FOR_ISAS(first)
        if (kernels_of(first)->fused == kernels_of(level)->fused)
            return first;
    return level;
}

/* a * b + c, rounded once or twice. */
static inline float multiply_add(bool fused, float a, float b, float c) { return fused ? fmaf(a, b, c) : a * b + c; }

/* ---- Numbers ---- */

/* The i-th of a stream of well mixed numbers, uniform in [-1, 1): splitmix64 (Steele, Lea, Flood 2014). */
static inline double noise(uint64_t stream, uint64_t i)
{
    uint64_t z = (stream << 40) + (i + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)((z ^ z >> 31) >> 11) * 0x1p-52 - 1;
}

/* How many floats lie between a and b, counted where b is; of numbers too small to be normal, in their own unit. */
static inline double ulps(float a, double b)
{
    enum { SMALLEST = 1023 - 149, BELOW = 23 }; /* exponents as doubles have them: of 2^-149, and from a number down to its last digit as a float */
    uint64_t bits;
    memcpy(&bits, &b, sizeof bits);
    const uint64_t exponent = bits >> 52 & 0x7ff, last = exponent > SMALLEST + BELOW ? exponent - BELOW : SMALLEST, one = last << 52;
    double unit;
    memcpy(&unit, &one, sizeof unit);
    return fabs((double)a - b) / unit;
}

static inline uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* ---- Memory with guards: NaNs before and behind, so that what reads them spoils its result, and what writes them shows ---- */

enum { GUARD = 256 };
static const uint32_t guard_bits[] = {0x7fffdead, 0x7fffdead}; /* a quiet NaN, float or double, that no arithmetic makes */

typedef struct guarded {
    real *data;
    size_t n;
} guarded;

/* n numbers, all NaN. */
static inline guarded guarded_make(size_t n)
{
    real *all = aligned_alloc(64, round_up((n + 2 * GUARD) * sizeof(real), 64));
    assert_non_null(all);
    for (size_t i = 0; i < n + 2 * GUARD; i++)
        memcpy(&all[i], guard_bits, sizeof(real));
    return (guarded){all + GUARD, n};
}

/* Checks the guards, and frees. */
static inline void guarded_free(guarded *g)
{
    if (!g->data)
        return;
    real *all = g->data - GUARD;
    for (size_t i = 0; i < GUARD; i++)
        if (memcmp(&all[i], guard_bits, sizeof(real)) != 0 || memcmp(&all[GUARD + g->n + i], guard_bits, sizeof(real)) != 0)
            fail_msg("written %zu before or behind an array of %zu", i, g->n);
    free(all);
    *g = (guarded){0};
}

/* A matrix as kernels have them, its padding NaN. */
typedef struct matrix {
    operand at;
    guarded memory;
} matrix;

static inline matrix matrix_make(size_t rows, size_t cols)
{
    matrix m = {.at = {NULL, rows, cols, panel_width(cols)}};
    m.memory = guarded_make(panel_numbers(rows, cols));
    m.at.data = m.memory.data;
    return m;
}

static inline matrix matrix_noise(size_t rows, size_t cols, uint64_t stream)
{
    matrix m = matrix_make(rows, cols);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++)
            *element(&m.at, r, c) = (real)noise(stream, r * cols + c);
    return m;
}

static inline void matrix_free(matrix *m) { guarded_free(&m->memory); }

static inline real at(const operand *o, size_t r, size_t c) { return *element(o, r, c); }

/* ---- Fixtures ---- */

/* The cases of tests/fixtures/NAME; the whole is to be given back with json_decref. */
static inline json_t *fixture_open(const char *name, json_t **cases)
{
    char path[256];
    json_error_t error;
    snprintf(path, sizeof path, "tests/fixtures/%s", name);
    json_t *root = json_load_file(path, 0, &error);
    if (!root)
        fail_msg("%s: %s (tests run from the root of the repository)", path, error.text);
    *cases = json_object_get(root, "cases");
    assert_true(json_is_array(*cases));
    return root;
}

static inline double *numbers_of_json(const json_t *array, size_t n)
{
    assert_int_equal(json_array_size(array), n);
    double *values = calloc(n + 1, sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < n; i++)
        values[i] = json_number_value(json_array_get(array, i));
    return values;
}

#endif
