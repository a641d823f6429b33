/* Axes: from values to places, and ticks that a person would choose. */
#include "report/chart.h"

#include <math.h>

#define FEW_TICKS 6
#define FEW_EPOCHS 12
#define NEAR 0.04 /* of a step */
#define SMALLEST_POWER (-300.0)
#define LARGEST_POWER 308.0

/* The smallest of 1, 2, 5, 10, 20, … times a power of ten that cuts `range` into at most n parts. */
static double nice_step(double range, double n)
{
    static const double factors[] = {1, 2, 5, 10};
    double power = pow(10, floor(log10(range / n)));
    for (size_t i = 0; i < COUNT(factors); i++)
        if (range / (factors[i] * power) <= n * (1 + 1e-9))
            return factors[i] * power;
    return 10 * power;
}

static void add_tick(axis *x, double tick)
{
    double slack = 1e-9 * fabs(x->max - x->min);
    if (x->n_ticks < MAX_TICKS && tick >= x->min - slack && tick <= x->max + slack)
        x->ticks[x->n_ticks++] = tick;
}

/* From tick to tick, around all values. */
static axis loose(double min, double max, double least, double most)
{
    if (!(max - min > 1e-9 * fabs(max))) { /* one value only: some room around it */
        double room = max == 0 ? 0.5 : fabs(max) / 20;
        min -= room;
        max += room;
    }
    min = fmax(min, least);
    max = fmin(max, most);
    double step = nice_step(max - min, FEW_TICKS);
    double first = floor(min / step), last = ceil(max / step);
    /* A line that lies on the frame would hardly be seen. */
    if (min / step - first < NEAR && first * step > least && (first != 0 || min < 0))
        first--;
    if (last - max / step < NEAR && last * step < most)
        last++;
    axis x = {.min = first * step, .max = last * step};
    x.decimals = x.max >= 1e5 || step < 1e-5 ? -1 : (int)fmax(0, -floor(log10(step) + 1e-9));
    for (int i = 0; first + i <= last; i++)
        add_tick(&x, (first + i) * step);
    return x;
}

axis axis_linear(double min, double max) { return loose(min, max, -INFINITY, INFINITY); }

axis axis_percent(double min, double max)
{
    axis x = loose(min, max, 0, 100);
    x.percent = true;
    return x;
}

/* Where a decade has ticks: the more decades, the fewer. */
typedef struct decade {
    double factors[6];
    int n, step; /* step: only every so many decades */
} decade;

static decade choose_decade(double decades)
{
    if (decades <= 1.2)
        return (decade){{1, 1.5, 2, 3, 5, 7}, 6, 1};
    if (decades <= 3)
        return (decade){{1, 2, 5}, 3, 1};
    return (decade){{1}, 1, (int)ceil(decades / 9)};
}

axis axis_log(double min, double max)
{
    double low = fmax(log10(min), SMALLEST_POWER), high = fmax(log10(max), low), room = fmax(0.05 * (high - low), 0.02);
    decade d = choose_decade(high - low);
    axis x = {.log = true, .decimals = -1};
    x.min = pow(10, fmax(low - room, SMALLEST_POWER - 1)); /* neither becomes 0 nor infinite */
    x.max = pow(10, fmin(high + room, LARGEST_POWER));
    for (int power = (int)floor(low) - 1; power <= (int)ceil(high); power++)
        for (int i = 0; power % d.step == 0 && i < d.n; i++)
            add_tick(&x, d.factors[i] * pow(10, power));
    return x;
}

axis axis_epochs(double first, double last)
{
    axis x = {.min = first, .max = fmax(first, last)};
    double n = x.max - x.min, step = 1;
    if (n >= FEW_EPOCHS)
        step = fmax(5, nice_step(n, FEW_EPOCHS));
    if (step > 1)
        add_tick(&x, x.min); /* where the lines begin */
    const double lowest = ceil(x.min / step);
    for (int i = 0; (lowest + i) * step <= x.max; i++)
        if (x.n_ticks == 0 || (lowest + i) * step - x.ticks[x.n_ticks - 1] >= 0.6 * step)
            add_tick(&x, (lowest + i) * step);
    /* Points keep off the plot's edges. */
    double room = n > 0 ? 0.03 * n : 0.5;
    x.min -= room;
    x.max += room;
    return x;
}

double axis_place(const axis *x, double value)
{
    if (!isfinite(value))
        return NAN;
    if (!x->log)
        return (value - x->min) / (x->max - x->min);
    if (value <= 0)
        return -1;
    return (log10(value) - log10(x->min)) / (log10(x->max) - log10(x->min));
}

const char *axis_label(const axis *x, double tick, char buffer[32])
{
    double shown = tick == 0 ? 0 : tick; /* no minus zero */
    if (x->decimals < 0)
        snprintf(buffer, 32, "%.3g%s", shown, x->percent ? " %" : "");
    else
        snprintf(buffer, 32, "%.*f%s", x->decimals, shown, x->percent ? " %" : "");
    return buffer;
}
