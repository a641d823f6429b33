/* Statistics for tables and figures; nothing of it reaches a weight or a metric. */
#ifndef STATISTICS_H
#define STATISTICS_H

#include <stddef.h>

/* Over the finite ones among some values; std is the sample's (n - 1), 0 for one value; n == 0: everything is NaN. */
typedef struct spread {
    size_t n;
    double mean, std, min, max;
} spread;

spread spread_none(void);
void spread_add(spread *s, double value);

typedef struct interval {
    double low, high; /* NaN: nothing is known */
} interval;

/* What a t distribution with `freedom` degrees (above 0, whole or not) stays below with probability p, 0 < p < 1. */
double student_quantile(double p, double freedom);
/* 95 % confidence intervals: of a mean (Student, 1908); of the difference a - b of two means whose spreads may differ (Welch, 1947); unknown
 * where one has fewer than two values. */
interval mean_interval(const spread *s);
interval difference_interval(const spread *a, const spread *b);
/* Of the share that k of n found are a sample of (Wilson, 1927), also where that is 0 or 1. */
interval share_interval(size_t k, size_t n);

#endif
