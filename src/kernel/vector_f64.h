/* The only vectors of a build in double: plain loops over lanes, which the compiler makes what it can of. That build is for tests. */
#ifndef VECTOR_F64_H
#define VECTOR_F64_H

#define REGISTERS 16
#define FUSED 1
#define LANES_IS 4
typedef real vec __attribute__((vector_size(LANES_IS * sizeof(real))));

#define V_LANES for (int i = 0; i < LANES_IS; i++)
/* v_NAME of one vector, from a function of one lane. */
#define V_LANEWISE(v_name, function)      \
    static inline vec v_name(vec a)       \
    {                                     \
        V_LANES a[i] = function(a[i]);    \
        return a;                         \
    }

static inline vec v_load(const real *p)
{
    vec a;
    __builtin_memcpy(&a, p, sizeof a);
    return a;
}
static inline void v_store(real *p, vec a) { __builtin_memcpy(p, &a, sizeof a); }
static inline vec v_set(real a) { return a - (vec){0}; } /* keeps the sign of a zero */
static inline vec v_load_bytes(const uint8_t *p)
{
    vec a;
    V_LANES a[i] = p[i];
    return a;
}
static inline vec v_fma(vec a, vec b, vec c)
{
    V_LANES c[i] = __builtin_fma(a[i], b[i], c[i]);
    return c;
}
V_LANEWISE(v_sqrt, __builtin_sqrt)
V_LANEWISE(v_exp, Sleef_finz_expd1_u10purecfma)
V_LANEWISE(v_log, Sleef_finz_logd1_u10purecfma)
V_LANEWISE(v_tanh, Sleef_finz_tanhd1_u10purecfma)
/* See in_double.h. */
typedef vec dvec;
V_LANEWISE(d_exp, Sleef_finz_expd1_u10purecfma)
V_LANEWISE(d_expm1, Sleef_finz_expm1d1_u10purecfma)
V_LANEWISE(d_log, Sleef_finz_logd1_u10purecfma)
V_LANEWISE(d_log1p, Sleef_finz_log1pd1_u10purecfma)
static inline vec v_greater(vec a, vec b, vec yes, vec no)
{
    V_LANES a[i] = a[i] > b[i] ? yes[i] : no[i];
    return a;
}
static inline vec v_least(vec a, vec b) { return v_greater(b, a, a, b); }
static inline vec v_flush(vec a)
{
    V_LANES a[i] = __builtin_fabs(a[i]) < 0x1p-1022 ? 0 : a[i];
    return a;
}

#endif
