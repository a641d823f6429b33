/* Loops that show what the machine can do: multiply-adds in registers, and sweeps over memory. Compiled once for each instruction set. */
#include "measure/inside.h"

/* Independent sums: more than an FMA's latency times the units that there are, and few enough to stay in registers. */
#if defined(__AVX512F__)
enum { CHAINS = 24 };
#else
enum { CHAINS = 12 };
#endif
#define EACH_CHAIN _Pragma("GCC unroll 24") for (int i = 0; i < CHAINS; i++)

static real total(const vec *sum)
{
    real lanes[LANES], result = 0;
    EACH_CHAIN
    {
        v_store(lanes, sum[i]);
        result += lanes[0];
    }
    return result;
}

/* Towards 1, and neither to infinity nor to numbers that are too small to be fast. */
static real multiply_add(size_t times)
{
    vec sum[CHAINS];
    const vec half = v_set(0.5f);
    EACH_CHAIN sum[i] = v_set((real)i);
    for (; times > 0; times--)
        EACH_CHAIN sum[i] = v_fma(sum[i], half, half);
    return total(sum);
}

/* Loads alone: what is volatile is loaded, although nothing is done with it. */
static void sweep_read(const real *p, size_t n, size_t times)
{
    for (; times > 0; times--)
        for (size_t at = 0; at < n; at += CHAINS * LANES)
            EACH_CHAIN (void)*(const volatile vec *)(p + at + (size_t)i * LANES);
}

static void sweep_update(real *p, size_t n, size_t times)
{
    const vec half = v_set(0.5f);
    for (; times > 0; times--) {
        for (size_t at = 0; at < n; at += CHAINS * LANES)
            EACH_CHAIN v_store(p + at + (size_t)i * LANES, v_fma(v_load(p + at + (size_t)i * LANES), half, half));
        __asm__ volatile("" ::: "memory"); /* else two sweeps could become one that goes half as far */
    }
}

const probes ISA_SYMBOL(probes) = {
    .block = CHAINS * LANES,
    .flops_each = 2.0 * CHAINS * LANES,
    .multiply_add = multiply_add,
    .read = sweep_read,
    .update = sweep_update,
};
