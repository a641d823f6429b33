/* Vectors of this instruction set, for sources that are compiled once for each.
 *
 * Every operation rounds the same way on all of them but one: where the CPU cannot fuse a multiplication and an addition, on v2, v_fma and
 * s_fma are the two of them, and round twice. So v3, v4 and neon share their bits, and v2 has its own. SLEEF's bit-identical functions come
 * in the same two kinds: `finz` are fused, `cinz` are not. */
#ifndef VECTOR_H
#define VECTOR_H

#include <math.h>
#include <sleef.h>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/* REGISTERS: how many vectors the CPU keeps. FUSED: whether v_fma and s_fma round once. */
#if defined(__AVX512F__)
#define REGISTERS 32
typedef __m512 vec;
enum { LANES = 16, FUSED = 1 };
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
#define REGISTERS 16
typedef __m256 vec;
enum { LANES = 8, FUSED = 1 };
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
#elif defined(__SSE4_2__)
#define REGISTERS 16
typedef __m128 vec;
enum { LANES = 4, FUSED = 0 };
static inline vec v_load(const real *p) { return _mm_loadu_ps(p); }
static inline void v_store(real *p, vec a) { _mm_storeu_ps(p, a); }
static inline vec v_set(real a) { return _mm_set1_ps(a); }
static inline vec v_fma(vec a, vec b, vec c) { return a * b + c; }
static inline vec v_exp(vec a) { return Sleef_cinz_expf4_u10sse4(a); }
static inline vec v_log(vec a) { return Sleef_cinz_logf4_u10sse4(a); }
static inline vec v_tanh(vec a) { return Sleef_cinz_tanhf4_u10sse4(a); }
static inline vec v_greater(vec a, vec b, vec yes, vec no) { return _mm_blendv_ps(no, yes, _mm_cmpgt_ps(a, b)); }
#elif defined(__ARM_NEON) && defined(__aarch64__)
#define REGISTERS 32
typedef float32x4_t vec;
enum { LANES = 4, FUSED = 1 };
static inline vec v_load(const real *p) { return vld1q_f32(p); }
static inline void v_store(real *p, vec a) { vst1q_f32(p, a); }
static inline vec v_set(real a) { return vdupq_n_f32(a); }
/* GCC 12 believes that vfmaq_f32 reads memory, and stores every sum of a loop in every round. */
static inline vec v_fma(vec a, vec b, vec c)
{
    __asm__("fmla %0.4s, %1.4s, %2.4s" : "+w"(c) : "w"(a), "w"(b));
    return c;
}
static inline vec v_exp(vec a) { return Sleef_finz_expf4_u10advsimd(a); }
static inline vec v_log(vec a) { return Sleef_finz_logf4_u10advsimd(a); }
static inline vec v_tanh(vec a) { return Sleef_finz_tanhf4_u10advsimd(a); }
static inline vec v_greater(vec a, vec b, vec yes, vec no) { return vbslq_f32(vcgtq_f32(a, b), yes, no); }
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

static inline real s_fma(real a, real b, real c) { return FUSED ? __builtin_fmaf(a, b, c) : a * b + c; }
static inline real s_sqrt(real a) { return __builtin_sqrtf(a); }
/* Numbers too small to be normal become 0: arithmetic on them takes a hundred times as long, and some state would shrink into them. */
static inline real s_flush(real a) { return __builtin_fabsf(a) < 0x1p-126f ? 0 : a; }

#endif
