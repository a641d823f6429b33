/* Double precision, for formulas that would lose digits in single. From exp and log alone, and good for some 36 bits: so a float that is made
 * of a result is as near as a float can be, and it takes no longer than SLEEF's expm1 or tanh in single. */
#ifndef IN_DOUBLE_H
#define IN_DOUBLE_H

#include "kernel/vector.h"

/* A function of x and of an op's fields. */
typedef dvec d_function(dvec x, const void *fields);

#if defined(WEFT_DOUBLE)
static inline vec v_in_double(d_function *f, vec a, const void *fields) { return f(a, fields); }
#else
typedef float v_half __attribute__((vector_size(sizeof(vec) / 2)));
#if LANES_IS == 16
#define V_FIRST_HALF 0, 1, 2, 3, 4, 5, 6, 7
#define V_SECOND_HALF 8, 9, 10, 11, 12, 13, 14, 15
#elif LANES_IS == 8
#define V_FIRST_HALF 0, 1, 2, 3
#define V_SECOND_HALF 4, 5, 6, 7
#elif LANES_IS == 4
#define V_FIRST_HALF 0, 1
#define V_SECOND_HALF 2, 3
#endif

/* f of every lane, rounded once. */
static inline __attribute__((always_inline)) vec v_in_double(d_function *f, vec a, const void *fields)
{
    const dvec first = f(__builtin_convertvector(__builtin_shufflevector(a, a, V_FIRST_HALF), dvec), fields);
    const dvec second = f(__builtin_convertvector(__builtin_shufflevector(a, a, V_SECOND_HALF), dvec), fields);
    return __builtin_shufflevector(__builtin_convertvector(first, v_half), __builtin_convertvector(second, v_half), V_FIRST_HALF, V_SECOND_HALF);
}
#endif

typedef int64_t d_bits __attribute__((vector_size(sizeof(dvec))));
static inline dvec d_set(double a) { return (dvec){0} + a; }
static inline dvec d_greater(dvec a, dvec b, dvec yes, dvec no)
{
    const d_bits mask = a > b;
    return (dvec)((mask & (d_bits)yes) | (~mask & (d_bits)no));
}
static inline dvec d_abs(dvec a) { return (dvec)((d_bits)a & INT64_MAX); }
/* a, but at least low and at most high; NaN passes. */
static inline dvec d_clamp(dvec a, double low, double high)
{
    a = d_greater(a, d_set(high), d_set(high), a);
    return d_greater(d_set(low), a, d_set(low), a);
}
#if !defined(WEFT_DOUBLE) /* that has its own, good to the last bit */
/* exp(a) - 1: near 0, where the difference would lose digits, the first terms of its series. */
static inline dvec d_expm1(dvec a)
{
    return d_greater(d_set(0x1p-12), d_abs(a), a * (1 + a * (0.5 + a / 6)), d_exp(a) - 1);
}
/* log(1 + a) for 0 <= a: near 0, where the sum would lose digits, the first terms of its series. */
static inline dvec d_log1p(dvec a) { return d_greater(d_set(0x1p-17), a, a * (1 - a / 2), d_log(1 + a)); }
#endif

static inline dvec d_sigmoid(dvec a) { return 1 / (1 + d_exp(-a)); }
/* sigmoid(a) sigmoid(-a), its slope. */
static inline dvec d_sigmoid_slope(dvec a)
{
    const dvec e = d_exp(-d_abs(a)), one_more = 1 + e;
    return e / (one_more * one_more);
}
/* It is 1 long before exp would overflow. */
static inline dvec d_tanh(dvec a)
{
    const dvec e = d_expm1(2 * d_greater(a, d_set(40), d_set(40), a)); /* exp(2 a) - 1 */
    return e / (e + 2);
}
/* log(1 + exp(a)), which never overflows so. */
static inline dvec d_softplus(dvec a) { return d_greater(a, d_set(0), a, d_set(0)) + d_log1p(d_exp(-d_abs(a))); }

#endif
