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
#if defined(WEFT_DOUBLE)
#include "kernel/vector_f64.h"
#elif defined(__AVX512F__)
#define REGISTERS 32
typedef __m512 vec;
typedef __m512d dvec; /* half as many lanes */
#define FUSED 1
#define LANES_IS 16
static inline vec v_load(const real *p) { return _mm512_loadu_ps(p); }
static inline void v_store(real *p, vec a) { _mm512_storeu_ps(p, a); }
static inline vec v_set(real a) { return _mm512_set1_ps(a); }
static inline vec v_load_bytes(const uint8_t *p) { return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)p))); }
static inline vec v_fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); } /* a * b + c */
static inline vec v_sqrt(vec a) { return _mm512_sqrt_ps(a); }
static inline vec v_exp(vec a) { return Sleef_finz_expf16_u10avx512f(a); }
static inline vec v_log(vec a) { return Sleef_finz_logf16_u10avx512f(a); }
static inline vec v_tanh(vec a) { return Sleef_finz_tanhf16_u10avx512f(a); }
static inline dvec d_exp(dvec a) { return Sleef_finz_expd8_u10avx512f(a); }
static inline dvec d_log(dvec a) { return Sleef_finz_logd8_u35avx512f(a); }
static inline vec v_least(vec a, vec b) { return _mm512_min_ps(a, b); } /* b where one is NaN */
/* a > b ? yes : no, element by element; false where one is NaN */
static inline vec v_greater(vec a, vec b, vec yes, vec no)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), no, yes);
}
/* Numbers too small to be normal become 0: arithmetic on them takes a hundred times as long, and some state would shrink into them. */
static inline vec v_flush(vec a)
{
    return _mm512_maskz_mov_ps(_mm512_test_epi32_mask(_mm512_castps_si512(a), _mm512_set1_epi32(0x7f800000)), a);
}
#elif defined(__AVX2__)
#define REGISTERS 16
typedef __m256 vec;
typedef __m256d dvec;
#define FUSED 1
#define LANES_IS 8
static inline vec v_load(const real *p) { return _mm256_loadu_ps(p); }
static inline void v_store(real *p, vec a) { _mm256_storeu_ps(p, a); }
static inline vec v_set(real a) { return _mm256_set1_ps(a); }
static inline vec v_load_bytes(const uint8_t *p) { return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)p))); }
static inline vec v_fma(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
static inline vec v_sqrt(vec a) { return _mm256_sqrt_ps(a); }
static inline vec v_exp(vec a) { return Sleef_finz_expf8_u10avx2(a); }
static inline vec v_log(vec a) { return Sleef_finz_logf8_u10avx2(a); }
static inline vec v_tanh(vec a) { return Sleef_finz_tanhf8_u10avx2(a); }
static inline dvec d_exp(dvec a) { return Sleef_finz_expd4_u10avx2(a); }
static inline dvec d_log(dvec a) { return Sleef_finz_logd4_u35avx2(a); }
static inline vec v_least(vec a, vec b) { return _mm256_min_ps(a, b); }
static inline vec v_greater(vec a, vec b, vec yes, vec no)
{
    return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_GT_OQ));
}
static inline vec v_flush(vec a)
{
    const __m256i exponent = _mm256_and_si256(_mm256_castps_si256(a), _mm256_set1_epi32(0x7f800000));
    return _mm256_andnot_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(exponent, _mm256_setzero_si256())), a);
}
#elif defined(__SSE4_2__)
#define REGISTERS 16
typedef __m128 vec;
typedef __m128d dvec;
#define FUSED 0
#define LANES_IS 4
static inline vec v_load(const real *p) { return _mm_loadu_ps(p); }
static inline void v_store(real *p, vec a) { _mm_storeu_ps(p, a); }
static inline vec v_set(real a) { return _mm_set1_ps(a); }
static inline vec v_fma(vec a, vec b, vec c) { return a * b + c; }
static inline vec v_load_bytes(const uint8_t *p)
{
    int32_t four;
    __builtin_memcpy(&four, p, sizeof four);
    return _mm_cvtepi32_ps(_mm_cvtepu8_epi32(_mm_cvtsi32_si128(four)));
}
static inline vec v_sqrt(vec a) { return _mm_sqrt_ps(a); }
static inline vec v_exp(vec a) { return Sleef_cinz_expf4_u10sse4(a); }
static inline vec v_log(vec a) { return Sleef_cinz_logf4_u10sse4(a); }
static inline vec v_tanh(vec a) { return Sleef_cinz_tanhf4_u10sse4(a); }
static inline dvec d_exp(dvec a) { return Sleef_cinz_expd2_u10sse4(a); }
static inline dvec d_log(dvec a) { return Sleef_cinz_logd2_u35sse4(a); }
static inline vec v_least(vec a, vec b) { return _mm_min_ps(a, b); }
static inline vec v_greater(vec a, vec b, vec yes, vec no) { return _mm_blendv_ps(no, yes, _mm_cmpgt_ps(a, b)); }
static inline vec v_flush(vec a)
{
    const __m128i exponent = _mm_and_si128(_mm_castps_si128(a), _mm_set1_epi32(0x7f800000));
    return _mm_andnot_ps(_mm_castsi128_ps(_mm_cmpeq_epi32(exponent, _mm_setzero_si128())), a);
}
#elif defined(__ARM_NEON) && defined(__aarch64__)
#define REGISTERS 32
typedef float32x4_t vec;
typedef float64x2_t dvec;
#define FUSED 1
#define LANES_IS 4
static inline vec v_load(const real *p) { return vld1q_f32(p); }
static inline void v_store(real *p, vec a) { vst1q_f32(p, a); }
static inline vec v_set(real a) { return vdupq_n_f32(a); }
/* GCC 12 believes that vfmaq_f32 reads memory, and stores every sum of a loop in every round. */
static inline vec v_fma(vec a, vec b, vec c)
{
    __asm__("fmla %0.4s, %1.4s, %2.4s" : "+w"(c) : "w"(a), "w"(b));
    return c;
}
static inline vec v_load_bytes(const uint8_t *p)
{
    uint32_t four;
    __builtin_memcpy(&four, p, sizeof four);
    return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(four))))));
}
static inline vec v_sqrt(vec a) { return vsqrtq_f32(a); }
static inline vec v_exp(vec a) { return Sleef_finz_expf4_u10advsimd(a); }
static inline vec v_log(vec a) { return Sleef_finz_logf4_u10advsimd(a); }
static inline vec v_tanh(vec a) { return Sleef_finz_tanhf4_u10advsimd(a); }
static inline dvec d_exp(dvec a) { return Sleef_finz_expd2_u10advsimd(a); }
static inline dvec d_log(dvec a) { return Sleef_finz_logd2_u35advsimd(a); }
static inline vec v_least(vec a, vec b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
static inline vec v_greater(vec a, vec b, vec yes, vec no) { return vbslq_f32(vcgtq_f32(a, b), yes, no); }
static inline vec v_flush(vec a)
{
    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(a), vtstq_u32(vreinterpretq_u32_f32(a), vdupq_n_u32(0x7f800000))));
}
#else
#error "no vectors for this instruction set"
#endif

enum { LANES = LANES_IS };

/* Keeps a in a register: the compiler would rather read it from memory again in each of the instructions that use it. */
#if defined(__aarch64__)
#define V_KEEP(a) __asm__("" : "+w"(a))
#else
#define V_KEEP(a) __asm__("" : "+v"(a))
#endif

/* LANES vectors, the rows of a square, become its columns: log2(LANES) rounds, in each of which the rows of the upper half alternate
 * with those of the lower one, and so do their elements. */
#if LANES_IS == 16
#define V_LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define V_HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif LANES_IS == 8
#define V_LOW 0, 8, 1, 9, 2, 10, 3, 11
#define V_HIGH 4, 12, 5, 13, 6, 14, 7, 15
#elif LANES_IS == 4
#define V_LOW 0, 4, 1, 5
#define V_HIGH 2, 6, 3, 7
#endif
static inline void v_transpose(vec rows[LANES])
{
    for (int round = 1; round < LANES; round *= 2) {
        vec from[LANES];
        for (int i = 0; i < LANES; i++)
            from[i] = rows[i];
        for (int i = 0; i < LANES / 2; i++) {
            rows[2 * i] = __builtin_shufflevector(from[i], from[i + LANES / 2], V_LOW);
            rows[2 * i + 1] = __builtin_shufflevector(from[i], from[i + LANES / 2], V_HIGH);
        }
    }
}

/* ---- Roots and quotients from multiply-adds: to an ulp or so, in a fraction of the divider's time, the same bits everywhere ----
 *
 * Of ABREAST vectors side by side, or fewer: one alone would wait for each of its multiply-adds in turn. */

enum { ABREAST = REGISTERS == 32 ? 4 : 1 };
#define EACH(i, n) _Pragma("GCC unroll 4") for (int i = 0; i < (n); i++)

#if defined(WEFT_DOUBLE) /* what is exact is tested with what is rounded as little as can be */
static inline void v_roots(const int n, vec a[ABREAST]) { EACH(i, n) a[i] = v_sqrt(a[i]); }
static inline void v_quotients(const int n, vec a[ABREAST], const vec b[ABREAST]) { EACH(i, n) a[i] /= b[i]; }
#else
typedef int32_t v_bits __attribute__((vector_size(sizeof(vec))));

/* The square roots of a, finite and not negative, in its place: half the exponent as a first guess of 1 / sqrt(a), a step of third order
 * and one of second. */
static inline __attribute__((always_inline)) void v_roots(const int n, vec a[ABREAST])
{
    const vec half = v_set(0.5f), one_and_half = v_set(1.5f), one = v_set(1);
    vec y[ABREAST], rest[ABREAST], step[ABREAST]; /* y: 1 / (2 sqrt(a)) */
    EACH(i, n) y[i] = (vec)(0x5f3759df - ((v_bits)a[i] >> 1));
    EACH(i, n) a[i] *= y[i];
    EACH(i, n) y[i] *= half;
    EACH(i, n) rest[i] = v_fma(-a[i], y[i], half);
    EACH(i, n) step[i] = rest[i] * v_fma(one_and_half, rest[i], one);
    EACH(i, n) a[i] = v_fma(a[i], step[i], a[i]);
    EACH(i, n) y[i] = v_fma(y[i], step[i], y[i]);
    EACH(i, n) rest[i] = v_fma(-a[i], y[i], half);
    EACH(i, n) a[i] = v_fma(a[i], rest[i], a[i]);
}

/* a / b in the place of a, for 0 < b < 2^126: the exponent's opposite as a first guess of 1 / b, a step of third order and one of second. */
static inline __attribute__((always_inline)) void v_quotients(const int n, vec a[ABREAST], const vec b[ABREAST])
{
    const vec one = v_set(1);
    vec y[ABREAST], rest[ABREAST];
    EACH(i, n) y[i] = (vec)(0x7ef311c7 - (v_bits)b[i]);
    EACH(i, n) rest[i] = v_fma(-b[i], y[i], one);
    EACH(i, n) y[i] = v_fma(y[i], v_fma(rest[i], rest[i], rest[i]), y[i]);
    EACH(i, n) rest[i] = v_fma(-b[i], y[i], one);
    EACH(i, n) y[i] = v_fma(y[i], rest[i], y[i]);
    EACH(i, n) a[i] *= y[i];
}
#endif

/* Runs `body` on p[0..n) and q[0..n), a vector at a time; the last, shorter ones go through buffers, so that every element takes the same
 * way. In the body, all that follows p, q and n, the vector of p is `a` and that of q is `b`; what it leaves in `a` is stored. */
#define FOR_PAIRS(p, q, n, ...)                                          \
    do {                                                                 \
        size_t i_ = 0, n_ = (n);                                         \
        for (; i_ + LANES <= n_; i_ += LANES) {                          \
            vec a = v_load((p) + i_);                                    \
            const vec b = v_load((q) + i_);                              \
            __VA_ARGS__;                                                 \
            v_store((p) + i_, a);                                        \
        }                                                                \
        if (i_ < n_) {                                                   \
            real p_[LANES] = {0}, q_[LANES] = {0};                       \
            __builtin_memcpy(p_, (p) + i_, (n_ - i_) * sizeof(real));    \
            __builtin_memcpy(q_, (q) + i_, (n_ - i_) * sizeof(real));    \
            vec a = v_load(p_);                                          \
            const vec b = v_load(q_);                                    \
            __VA_ARGS__;                                                 \
            v_store(p_, a);                                              \
            __builtin_memcpy((p) + i_, p_, (n_ - i_) * sizeof(real));    \
        }                                                                \
    } while (0)

/* The same on p alone. */
#define FOR_VECTORS(p, n, ...) FOR_PAIRS(p, p, n, (void)b; __VA_ARGS__)

/* Numbers so near 0 that a thousandth of them, or their square, would not be normal become 0, long before anything else would notice. NaN
 * passes. */
static inline vec v_flush_small(vec a) { return v_greater(v_least(a, -a), v_set(-0x1p-100f), v_set(0), a); }

#if defined(WEFT_DOUBLE)
static inline real s_sqrt(real a) { return __builtin_sqrt(a); }
static inline real s_fma(real a, real b, real c) { return __builtin_fma(a, b, c); }
#else
static inline real s_sqrt(real a) { return __builtin_sqrtf(a); }
static inline real s_fma(real a, real b, real c) { return FUSED ? __builtin_fmaf(a, b, c) : a * b + c; }
#endif

#endif
