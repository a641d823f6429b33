/* Which instruction set's kernels run. Compiled for the baseline: nothing here may need what it asks for. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/kernel.h"

/* What each needs, in words, and whether this CPU has it; no build asks for all of them. */
#if defined(__x86_64__)

#define NEEDS_v2 "SSE4.2 and POPCNT"
static UNUSED bool runs_v2(void) { return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt"); }

#define NEEDS_v3 "AVX2, FMA and BMI2"
static UNUSED bool runs_v3(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"); }

#define NEEDS_v4 "AVX-512 F, BW, CD, DQ and VL"
static UNUSED bool runs_v4(void)
{
    return runs_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

#define NEEDS_f64 NEEDS_v3
static UNUSED bool runs_f64(void) { return runs_v3(); }

#elif defined(__aarch64__)

#define NEEDS_neon "Advanced SIMD"
static UNUSED bool runs_neon(void) { return true; } /* Linux runs on no 64-bit ARM CPU without */

#define NEEDS_f64 NEEDS_neon
static UNUSED bool runs_f64(void) { return runs_neon(); }

#endif

#define X(name) extern const kernels kernels_##name;
#include "gen/isa.inc"
#undef X

#define X(isa) {#isa, NEEDS_##isa, runs_##isa, &kernels_##isa},
static const struct {
    const char *name, *needs;
    bool (*runs_here)(void);
    const kernels *kernels;
} levels[N_ISAS] = {
#include "gen/isa.inc"
};
#undef X

#define X(name) " " #name
static const char names[] =
#include "gen/isa.inc"
    ;
#undef X

bool isa_runs_here(isa level) { return levels[level].runs_here(); }

/* What the environment asks for. */
static bool choose_wanted(const char *wanted, isa *level, weft_error *err)
{
    const where here = {"WEFT_ISA", 0, 0};
    size_t i = 0;
    while (i < N_ISAS && strcmp(levels[i].name, wanted) != 0)
        i++;
    if (i == N_ISAS)
        fail(err, WEFT_BAD_INPUT, here, "unknown instruction set \"%s\"; this architecture has:%s", wanted, names);
    else if (!isa_runs_here((isa)i))
        fail(err, WEFT_BAD_INPUT, here, "%s needs %s, which this CPU does not have", wanted, levels[i].needs);
    *level = (isa)i;
    return i < N_ISAS && isa_runs_here((isa)i);
}

static bool choose(isa *level, weft_error *err)
{
    const char *wanted = getenv("WEFT_ISA");
    if (wanted && *wanted)
        return choose_wanted(wanted, level, err);
    for (size_t i = N_ISAS; i-- > 0;)
        if (isa_runs_here((isa)i)) {
            *level = (isa)i;
            return true;
        }
    fail(err, WEFT_BAD_INPUT, (where){"cpu", 0, 0}, "weft needs a CPU with %s", levels[0].needs);
    return false;
}

bool isa_choose(isa *level, weft_error *err)
{
    static atomic_int chosen = -1;
    const int known = atomic_load(&chosen);
    if (known >= 0) {
        *level = (isa)known;
        return true;
    }
    if (!choose(level, err))
        return false;
    atomic_store(&chosen, (int)*level);
    return true;
}

const char *isa_name(isa level) { return levels[level].name; }

const kernels *kernels_of(isa level) { return levels[level].kernels; }

const char *weft_isa(weft_error *err)
{
    isa level;
    return isa_choose(&level, err) ? isa_name(level) : NULL;
}

const char *weft_version(void) { return WEFT_VERSION; }
