/* y = x Phi(x), Phi(x) = (1 + erf(x / sqrt 2)) / 2; or tanh in the place of erf: Hendrycks and Gimpel, "Gaussian error linear units" (2016) */
#include <string.h>

#include "op/op.h"

typedef struct gelu_fields {
    const char *approximate;
} gelu_fields;

static const char *const approximations[] = {"none", "tanh", NULL};

static const field fields[] = {
    {"approximate", FIELD_TEXT, offsetof(gelu_fields, approximate), FIELD_BARE, .text = "none", .words = approximations,
     .help = "none, or tanh: another, nearly the same function"},
    {0},
};

static const op_case cases[] = {{"gelu", 1}, {"gelu", 7}, {"gelu tanh", 48}, {"gelu approximate=tanh", 100}, {0}};

static bool by_tanh(const void *fields_in) { return strcmp(((const gelu_fields *)fields_in)->approximate, "tanh") == 0; }

/* ---- approximate=none ---- */

static const double phi_0 = 0.39894228040143267794; /* the normal density at 0: 1 / sqrt(2 pi) */

/* From here on a float cannot tell Phi(-a) from 0, nor the slope. */
static inline dvec distance(dvec x) { return d_clamp(d_abs(x), 0, 40); }

/* Phi(-a) exp(a^2 / 2): Mills' ratio times phi_0. A quotient of polynomials, fitted to be within 2^-51 of it, relatively, up to 16. */
static inline dvec mills(dvec a)
{
    static const double above[] = {0.5000000000000001,    0.6896407727863322,   0.47164995363481654,   0.20259957113894586,  0.059081372101123686,
                                   0.011923956850608462, 0.0016276413565979783, 0.0001381542628484392, 5.652236330029395e-06};
    static const double below[] = {1,                   2.177166106375563,    2.1804271298489524,   1.3223067522322642,     0.5370397289784178,
                                   0.15214650121848158, 0.030235232766454918, 0.004094059779788161, 0.00034630138379153575, 1.4168055379849021e-05};
    dvec p = d_set(0), q = d_set(0);
    for (size_t i = COUNT(above); i-- > 0;)
        p = p * a + above[i];
    for (size_t i = COUNT(below); i-- > 0;)
        q = q * a + below[i];
    return p / q;
}

static inline dvec values(dvec x, const void *fields)
{
    (void)fields;
    const dvec a = distance(x), tail = d_exp(a * a * -0.5) * mills(a);
    return x * d_greater(d_set(0), x, tail, 1 - tail);
}

/* Phi(x) + x phi(x) */
static inline dvec slopes(dvec x, const void *fields)
{
    (void)fields;
    const dvec a = distance(x), below = d_exp(a * a * -0.5) * (mills(a) - a * phi_0);
    return d_greater(d_set(0), x, below, 1 - below);
}

/* ---- approximate=tanh: (1 + tanh(u)) / 2 is sigmoid(2 u) ---- */

static const double twice_u = 1.5957691216057307117, cubic = 0.044715; /* 2 sqrt(2 / pi) */

static inline dvec values_by_tanh(dvec x, const void *fields)
{
    (void)fields;
    return x * d_sigmoid(twice_u * (x + cubic * x * x * x));
}

static inline dvec slopes_by_tanh(dvec x, const void *fields)
{
    (void)fields;
    const dvec near = d_clamp(x, -20, 20), square = near * near, s = d_sigmoid(twice_u * (near + cubic * near * square));
    return s * (1 + near * (1 - s) * (twice_u * (1 + 3 * cubic * square)));
}

/* ---- Both ---- */

static void map(real *y, size_t n, const void *fields_in)
{
    if (by_tanh(fields_in))
        FOR_VECTORS(y, n, a = v_in_double(values_by_tanh, a, fields_in));
    else
        FOR_VECTORS(y, n, a = v_in_double(values, a, fields_in));
}

static void map_grad(real *dx, const real *x, size_t n, const void *fields_in)
{
    if (by_tanh(fields_in))
        FOR_PAIRS(dx, x, n, a *= v_in_double(slopes_by_tanh, b, fields_in));
    else
        FOR_PAIRS(dx, x, n, a *= v_in_double(slopes, b, fields_in));
}

static double inner(double x) { return 2 * sqrt(2 / M_PI) * (x + 0.044715 * x * x * x); }

static double value_of(double x, const void *fields_in)
{
    return by_tanh(fields_in) ? x / (1 + exp(-inner(x))) : x * erfc(-x * M_SQRT1_2) / 2;
}

static double slope_of(double x, const void *fields_in)
{
    const double near = fmin(fmax(x, -40), 40), inner_slope = 2 * sqrt(2 / M_PI) * (1 + 3 * 0.044715 * near * near);
    if (!by_tanh(fields_in))
        return erfc(-near * M_SQRT1_2) / 2 + near * exp(-near * near / 2) / sqrt(2 * M_PI);
    return (1 + near / (1 + exp(inner(near))) * inner_slope) / (1 + exp(-inner(near)));
}

const op ISA_SYMBOL(op_gelu) = {
    .name = "gelu",
    .kind = OP_MAP,
    .help = "x times the chance that a normal number is below it: smooth, and dips a little below zero",
    .formula = "y = x (1 + erf(x / sqrt(2))) / 2",
    .fields = fields,
    .fields_bytes = sizeof(gelu_fields),
    .cases = cases,
    .map = map,
    .map_grad = map_grad,
    .gradient_needs_input = true,
    .value = value_of,
    .slope = slope_of,
};
