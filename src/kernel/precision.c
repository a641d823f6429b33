/* Which kernels a precision has. Compiled for the baseline: nothing here may need what it asks for. */
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "kernel/kernel.h"

/* What the units that multiply bf16 numbers need beside AVX-512, and whether this CPU has it; a build in double has none. */
#if defined(__x86_64__)

/* Linux keeps the tiles of a process's threads once the process has asked for it; where it cannot, the unit is as good as not there. */
static UNUSED bool runs_amx(void)
{
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18, AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24 };
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & AMX_BF16) && (d & AMX_TILE) && __builtin_cpu_supports("avx512bf16") &&
           syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

static UNUSED bool runs_avx512(void) { return __builtin_cpu_supports("avx512bf16"); }

#endif

#define X(name) extern const kernels bf16_##name;
#include "gen/unit.inc"
#undef X

typedef struct unit {
    const char *name;
    bool (*runs_here)(void);
    const kernels *kernels;
    const char *isa; /* with what it stands on */
} unit;

#define X(unit) {#unit, runs_##unit, &bf16_##unit, "v4+" #unit},
static const unit units[] = {
#include "gen/unit.inc"
    {0},
};
#undef X

static const char BASE[] = "v4"; /* every CPU that has a unit has this instruction set */

/* The fastest that this CPU has, or, if it is there, the one that is wanted. */
static const unit *unit_here(const char *wanted)
{
    const unit *u = units;
    while (u->name && (wanted ? strcmp(u->name, wanted) != 0 : !u->runs_here()))
        u++;
    return u->name && u->runs_here() ? u : NULL;
}

static const unit *choose(isa level, where at, weft_error *err)
{
    const char *wanted = getenv("WEFT_BF16");
    const bool asked = wanted && *wanted && strcmp(wanted, "none") != 0, none = wanted && strcmp(wanted, "none") == 0;
    const unit *u = none ? NULL : unit_here(asked ? wanted : NULL);
    if (u && strcmp(isa_name(level), BASE) == 0)
        return u;
    if (u)
        fail(err, WEFT_BAD_INPUT, at, "precision bf16 needs the instruction set %s; leave precision out, or unset WEFT_ISA, which is %s", BASE,
             isa_name(level));
    else if (asked)
        fail(err, WEFT_BAD_INPUT, at, "precision bf16 cannot use WEFT_BF16's \"%s\": there are amx, avx512 and none, and a CPU has the first "
             "two or not; leave precision out, or unset WEFT_BF16", wanted);
    else
        fail(err, WEFT_BAD_INPUT, at, "precision bf16 needs a CPU with AMX-BF16 or AVX512-BF16; leave precision out, or train on such a machine");
    return NULL;
}

static void put_unit(const unit *u, isa level, kernels *k)
{
    *k = *kernels_of(level);
    k->isa = u->isa;
    k->takes = u->kernels->takes;
    memcpy(k->copies, u->kernels->copies, sizeof k->copies);
    memcpy(k->forms, u->kernels->forms, sizeof k->forms);
    k->product = u->kernels->product;
    k->product_dx = u->kernels->product_dx;
    k->product_dw = u->kernels->product_dw;
    k->update = u->kernels->update;
    k->copy = u->kernels->copy;
}

bool precision_kernels(const char *precision, isa level, where at, kernels *k, weft_error *err)
{
    static const char *const names[] = {"fp32", "bf16"};
    const bool bf16 = strcmp(precision, names[1]) == 0;
    if (!bf16 && strcmp(precision, names[0]) != 0) {
        fail_unknown(err, at, "precision", precision, names, COUNT(names), sizeof *names);
        return false;
    }
    const unit *u = bf16 ? choose(level, at, err) : NULL;
    if (bf16 && !u)
        return false;
    if (u)
        put_unit(u, level, k);
    else
        *k = *kernels_of(level);
    return true;
}
