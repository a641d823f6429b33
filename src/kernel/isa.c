/* Which instruction set's kernels run. Compiled for the baseline: nothing here may need what it asks for. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/kernel.h"

extern const kernels kernels_v3, kernels_v4;

static const struct {
    const char *name, *needs;
    const kernels *kernels;
} levels[N_ISAS] = {
    [ISA_V3] = {"v3", "AVX2, FMA and BMI2", &kernels_v3},
    [ISA_V4] = {"v4", "AVX-512 F, BW, CD, DQ and VL", &kernels_v4},
};

static bool cpu_has(isa level)
{
    switch (level) {
    case ISA_V3:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    case ISA_V4:
        return cpu_has(ISA_V3) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    default:
        return false;
    }
}

static bool choose(isa *level, weft_error *err)
{
    const char *wanted = getenv("WEFT_ISA");
    if (wanted && *wanted) {
        for (size_t i = 0; i < N_ISAS; i++) {
            if (strcmp(levels[i].name, wanted) != 0)
                continue;
            *level = (isa)i;
            if (!cpu_has(*level))
                fail(err, WEFT_BAD_INPUT, (where){"WEFT_ISA", 0, 0}, "%s needs %s, which this CPU does not have", wanted, levels[i].needs);
            return cpu_has(*level);
        }
        fail(err, WEFT_BAD_INPUT, (where){"WEFT_ISA", 0, 0}, "unknown instruction set \"%s\"; it can be v3 or v4", wanted);
        return false;
    }
    for (size_t i = N_ISAS; i-- > 0;)
        if (cpu_has((isa)i)) {
            *level = (isa)i;
            return true;
        }
    fail(err, WEFT_BAD_INPUT, (where){"cpu", 0, 0}, "weft needs a CPU with %s", levels[ISA_V3].needs);
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
