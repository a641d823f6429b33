/* How two variants differ: by the seeds that both have. */
#include "report/variants.h"

#include <math.h>

/* NaN: it diverged, or does not know the epoch. */
static double value_of(const run_record *run, quantity q, size_t epoch)
{
    const weft_metrics *last = run->n_epochs ? &run->metrics[run->n_epochs - 1] : NULL, *m = epoch == LAST_EPOCH ? last : run_at(run, epoch);
    return m && !run_diverged(run) ? quantity_of(m, q) : NAN;
}

static spread spread_over_seeds(const variant *v, quantity q, size_t epoch)
{
    spread s = spread_none();
    for (size_t i = 0; i < v->n_runs; i++)
        spread_add(&s, value_of(v->runs[i], q, epoch));
    return s;
}

static spread pairs(const variant *a, const variant *b, quantity q, size_t epoch)
{
    spread s = spread_none();
    for (size_t i = 0; i < a->n_runs; i++)
        for (size_t k = 0; k < b->n_runs; k++)
            if (a->runs[i]->seed == b->runs[k]->seed)
                spread_add(&s, value_of(a->runs[i], q, epoch) - value_of(b->runs[k], q, epoch));
    return s;
}

difference variants_differ(const variant *a, const variant *b, quantity q, size_t epoch)
{
    const spread paired = pairs(a, b, q, epoch);
    if (paired.n > 1)
        return (difference){paired.mean, mean_interval(&paired), paired.n};
    const spread one = spread_over_seeds(a, q, epoch), other = spread_over_seeds(b, q, epoch);
    return (difference){one.mean - other.mean, difference_interval(&one, &other), paired.n};
}
