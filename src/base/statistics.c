/* What a few values say of all that there could be. */
#include <math.h>

#include "base/base.h"

spread spread_none(void) { return (spread){.mean = NAN, .std = NAN, .min = NAN, .max = NAN}; }

/* Welford's way, which does not lose the digits of a small spread. */
void spread_add(spread *s, double value)
{
    if (!isfinite(value))
        return;
    if (s->n == 0) {
        *s = (spread){1, value, 0, value, value};
        return;
    }
    double off = value - s->mean, squares = s->std * s->std * (double)(s->n - 1);
    s->n++;
    s->mean += off / (double)s->n;
    squares += off * (value - s->mean);
    s->std = sqrt(squares / (double)(s->n - 1));
    s->min = fmin(s->min, value);
    s->max = fmax(s->max, value);
}

/* The continued fraction of the incomplete beta function (DLMF 8.17.22), from its front (Lentz, modified); it converges fast for
 * x < (a + 1) / (a + b + 2). */
static double beta_fraction(double x, double a, double b)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double whole = d;
    for (int m = 1; m <= 10000; m++) {
        double before = whole;
        for (int odd = 0; odd < 2; odd++) {
            const double part = odd ? -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)) : m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
            d = 1 + part * d;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = 1 + part / c;
            c = fabs(c) < tiny ? tiny : c;
            whole *= c * d;
        }
        if (fabs(whole - before) <= 1e-16 * fabs(whole))
            break;
    }
    return whole;
}

/* The regularised incomplete beta function I_x(a, b), y = 1 - x. */
static double beta_share(double x, double y, double a, double b)
{
    int sign;
    if (x <= 0 || y <= 0)
        return x <= 0 ? 0 : 1;
    const double front = exp(lgamma_r(a + b, &sign) - lgamma_r(a, &sign) - lgamma_r(b, &sign) + a * log(x) + b * log(y));
    if (x < (a + 1) / (a + b + 2))
        return front * beta_fraction(x, a, b) / a;
    return 1 - front * beta_fraction(y, b, a) / b;
}

/* The probability to be above t, t >= 0 (DLMF 8.17; Abramowitz and Stegun, 26.7.1). */
static double student_above(double t, double freedom)
{
    const double all = freedom + t * t;
    return 0.5 * beta_share(freedom / all, t * t / all, freedom / 2, 0.5);
}

double student_quantile(double p, double freedom)
{
    if (!(p > 0 && p < 1 && freedom > 0))
        return NAN;
    if (p < 0.5)
        return -student_quantile(1 - p, freedom);
    double low = 0, high = 1;
    while (student_above(high, freedom) > 1 - p && high < 1e300) {
        low = high;
        high *= 2;
    }
    for (double middle; middle = low + (high - low) / 2, middle > low && middle < high;)
        *(student_above(middle, freedom) > 1 - p ? &low : &high) = middle;
    return high;
}

static const double UPPER = 0.975; /* and as much below */

static interval around(double middle, double half) { return (interval){middle - half, middle + half}; }

interval mean_interval(const spread *s)
{
    if (s->n < 2)
        return (interval){NAN, NAN};
    const double n = (double)s->n;
    return around(s->mean, student_quantile(UPPER, n - 1) * s->std / sqrt(n));
}

interval difference_interval(const spread *a, const spread *b)
{
    if (a->n < 2 || b->n < 2)
        return (interval){NAN, NAN};
    const double one = a->std * a->std / (double)a->n, other = b->std * b->std / (double)b->n, both = one + other;
    if (both == 0)
        return around(a->mean - b->mean, 0);
    const double freedom = both * both / (one * one / (double)(a->n - 1) + other * other / (double)(b->n - 1));
    return around(a->mean - b->mean, student_quantile(UPPER, freedom) * sqrt(both));
}

interval share_interval(size_t k, size_t n)
{
    if (n == 0)
        return (interval){NAN, NAN};
    const double z = 1.959963984540054, all = (double)n, share = (double)k / all, wide = 1 + z * z / all;
    const interval found = around((share + z * z / (2 * all)) / wide, z / wide * sqrt(share * (1 - share) / all + z * z / (4 * all * all)));
    return (interval){k == 0 ? 0 : found.low, k == n ? 1 : found.high}; /* where rounding would leave a little */
}
