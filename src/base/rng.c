#include "base/base.h"

#include <math.h>

#include <Random123/philox.h>
#include <sleef.h>

void rng_u32x4(uint64_t seed, rng_purpose purpose, uint32_t stream, uint64_t index, uint32_t out[4])
{
    philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
    philox4x32_ctr_t counter = {{(uint32_t)index, (uint32_t)(index >> 32), (uint32_t)purpose, stream}};
    philox4x32_ctr_t block = philox4x32_R(10, counter, key);
    for (int i = 0; i < 4; i++)
        out[i] = block.v[i];
}

void rng_uniform(uint64_t seed, rng_purpose purpose, uint32_t stream, float low, float high, size_t n, float *out)
{
    uint32_t block[4] = {0};
    for (size_t i = 0; i < n; i++) {
        if (i % 4 == 0)
            rng_u32x4(seed, purpose, stream, i / 4, block);
        float unit = (float)(block[i % 4] >> 8) * 0x1p-24f; /* exact, below 1 */
        float x = low + (high - low) * unit;
        out[i] = x < high ? x : nextafterf(high, low); /* the sum may round up to `high` */
    }
}

/* Two normal numbers from two words. SLEEF's functions in plain C make the same bits everywhere. */
static void normal_pair(uint32_t radius_word, uint32_t angle_word, double out[2])
{
    const double unit = ((double)radius_word + 0.5) * 0x1p-32, turn = (double)angle_word * 0x1p-31;
    const double radius = sqrt(-2 * Sleef_cinz_logd1_u10purec(unit));
    out[0] = radius * Sleef_cinz_cospid1_u05purec(turn);
    out[1] = radius * Sleef_cinz_sinpid1_u05purec(turn);
}

void rng_normal(uint64_t seed, rng_purpose purpose, uint32_t stream, double mean, double std, size_t n, float *out)
{
    double four[4] = {0};
    for (size_t i = 0; i < n; i++) {
        if (i % 4 == 0) {
            uint32_t block[4];
            rng_u32x4(seed, purpose, stream, i / 4, block);
            normal_pair(block[0], block[1], four);
            normal_pair(block[2], block[3], four + 2);
        }
        out[i] = (float)(mean + std * four[i % 4]);
    }
}

/* ---- Permutations ---- */

/* The finaliser of MurmurHash3 (Appleby): every bit in changes every bit out with probability near 1/2. */
static uint32_t mix(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x85EBCA6Bu;
    x ^= x >> 13;
    x *= 0xC2B2AE35u;
    return x ^ x >> 16;
}

permutation permutation_make(uint64_t n, uint64_t seed, rng_purpose purpose, uint32_t stream)
{
    permutation p = {.n = n, .half_bits = 1};
    while (p.half_bits < 32 && UINT64_C(1) << 2 * p.half_bits < n)
        p.half_bits++;
    rng_u32x4(seed, purpose, stream, 0, p.key);
    rng_u32x4(seed, purpose, stream, 1, p.key + 4);
    return p;
}

/* One pass through the network: a bijection on numbers of 2 * half_bits bits, whatever `mix` does. */
static uint64_t feistel(const permutation *p, uint64_t x)
{
    uint64_t mask = (UINT64_C(1) << p->half_bits) - 1;
    uint32_t left = (uint32_t)(x >> p->half_bits), right = (uint32_t)(x & mask);
    for (size_t round = 0; round < COUNT(p->key); round++) {
        uint32_t next = (left ^ mix(right ^ p->key[round])) & (uint32_t)mask;
        left = right;
        right = next;
    }
    return (uint64_t)left << p->half_bits | right;
}

/* Walks the cycle of i until it is back below n: at most 4 n numbers take part, so about 4 passes on average at the
 * worst, and it ends because i itself lies on the cycle. */
uint64_t permutation_at(const permutation *p, uint64_t i)
{
    do
        i = feistel(p, i);
    while (i >= p->n);
    return i;
}
