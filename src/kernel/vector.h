/* Vectors of this instruction set, for sources that are compiled once for each. Every operation here rounds the same way on all of them. */
#ifndef VECTOR_H
#define VECTOR_H

#include <immintrin.h>
#include <math.h>
#include <sleef.h>

#if defined(__AVX512F__)
typedef __m512 vec;
enum { LANES = 16 };
static inline vec v_load(const real *p) { return _mm512_loadu_ps(p); }
static inline void v_store(real *p, vec a) { _mm512_storeu_ps(p, a); }
static inline vec v_set(real a) { return _mm512_set1_ps(a); }
static inline vec v_fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); } /* a * b + c */
static inline vec v_exp(vec a) { return Sleef_finz_expf16_u10avx512f(a); }
static inline vec v_log(vec a) { return Sleef_finz_logf16_u10avx512f(a); }
static inline vec v_tanh(vec a) { return Sleef_finz_tanhf16_u10avx512f(a); }
/* a > b ? yes : no, element by element; false where one is NaN */
static inline vec v_greater(vec a, vec b, vec yes, vec no)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), no, yes);
}
#elif defined(__AVX2__)
typedef __m256 vec;
enum { LANES = 8 };
static inline vec v_load(const real *p) { return _mm256_loadu_ps(p); }
static inline void v_store(real *p, vec a) { _mm256_storeu_ps(p, a); }
static inline vec v_set(real a) { return _mm256_set1_ps(a); }
static inline vec v_fma(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
static inline vec v_exp(vec a) { return Sleef_finz_expf8_u10avx2(a); }
static inline vec v_log(vec a) { return Sleef_finz_logf8_u10avx2(a); }
static inline vec v_tanh(vec a) { return Sleef_finz_tanhf8_u10avx2(a); }
static inline vec v_greater(vec a, vec b, vec yes, vec no)
{
    return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_GT_OQ));
}
#else
#error "no vectors for this instruction set"
#endif

/* Runs `body` on p[0..n), a vector at a time; the last, shorter one goes through a buffer, so that every element takes the same way.
 * In the body, all that follows p and n, the vector is `a`; what it leaves in `a` is stored. */
#define FOR_VECTORS(p, n, ...)                                        \
    do {                                                              \
        size_t i_ = 0, n_ = (n);                                      \
        for (; i_ + LANES <= n_; i_ += LANES) {                       \
            vec a = v_load((p) + i_);                                 \
            __VA_ARGS__;                                              \
            v_store((p) + i_, a);                                     \
        }                                                             \
        if (i_ < n_) {                                                \
            real tail_[LANES] = {0};                                  \
            __builtin_memcpy(tail_, (p) + i_, (n_ - i_) * sizeof(real)); \
            vec a = v_load(tail_);                                    \
            __VA_ARGS__;                                              \
            v_store(tail_, a);                                        \
            __builtin_memcpy((p) + i_, tail_, (n_ - i_) * sizeof(real)); \
        }                                                             \
    } while (0)

static inline real s_fma(real a, real b, real c) { return __builtin_fmaf(a, b, c); }
static inline real s_sqrt(real a) { return __builtin_sqrtf(a); }
/* Numbers too small to be normal become 0: arithmetic on them takes a hundred times as long, and some state would shrink into them. */
static inline real s_flush(real a) { return __builtin_fabsf(a) < 0x1p-126f ? 0 : a; }

#endif
