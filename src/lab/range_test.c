/* Which learning rate? A range test (Smith, "Cyclical Learning Rates for Training Neural Networks", 2017): the rate rises from step to step, and
 * the loss tells where that helps. With several seeds, of whose losses the median counts. */
#include <math.h>
#include <stdlib.h>

#include "lab/parts.h"

/* How much of the average of losses so far stays when one more comes. */
static const double MEMORY = 0.9;
/* A loss that is so many times the first one has left for good. */
static const double TOO_HIGH = 4;
/* The least fall that is not noise, as a share of the first loss. */
static const double LEAST_FALL = 0.02;

const char *const *range_overrides(const range_options *o, arena *a)
{
    char from[32], gamma[32];
    const double factor = exp(log(o->to / o->from) / (double)(o->n_steps - 1));
    const char **list = arena_array(a, 5, sizeof *list);
    if (!list)
        return NULL;
    list[0] = arena_printf(a, "optimizer.lr=%s", print_double(o->from, from));
    list[1] = arena_printf(a, "schedule={name: exponential_lr, gamma: %s, by: step}", print_double(factor, gamma));
    list[2] = arena_printf(a, "train.max_steps=%zu", o->n_steps + 1);
    list[3] = "train.epochs=1000000000";
    return list[0] && list[1] && list[2] ? list : NULL;
}

/* ---- One seed ---- */

static bool has_left(double first, double loss) { return loss > TOO_HIGH * fabs(first); }

/* What a rate did shows in the next step's loss, so that there is one step more than there are rates. Returns how many rates were tried before
 * the loss left for good; `losses` are smoothed. */
static weft_status test_seed(rehearsal *r, const range_options *o, double *losses, size_t *n, weft_error *err)
{
    double sum = 0, weight = 0;
    *n = 0;
    for (size_t step = 0; step <= o->n_steps; step++) {
        double loss;
        weft_error own = {0};
        const weft_status status = o->stop && *o->stop ? WEFT_STOPPED : rehearsal_step(r, &loss, &own);
        if (status == WEFT_DIVERGED)
            return WEFT_OK;
        if (status != WEFT_OK) {
            if (err && own.count)
                *err = own;
            return status;
        }
        if (step == 0)
            continue;
        sum = MEMORY * sum + (1 - MEMORY) * loss;
        weight = MEMORY * weight + (1 - MEMORY);
        losses[(*n)++] = sum / weight;
        if (has_left(losses[0], sum / weight))
            break;
    }
    return WEFT_OK;
}

/* ---- All seeds ---- */

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median over the seeds for every rate up to the first at which most of them have left. Of an even number of seeds it is the lower one of
 * the middle, which is one of them. */
static void take_medians(range_test *t, double *const *losses, double *sorted)
{
    const size_t n_rates = t->n, half = (t->n_seeds - 1) / 2;
    t->n = 0;
    for (size_t i = 0; i < n_rates; i++) {
        size_t n = 0;
        for (size_t s = 0; s < t->n_seeds; s++)
            if (i < t->seeds[s].n)
                sorted[n++] = losses[s][i];
        qsort(sorted, n, sizeof *sorted, compare_doubles);
        if (n <= half || (t->n && has_left(t->loss[0], sorted[half])))
            return;
        t->loss[i] = sorted[half];
        t->low[i] = sorted[0];
        t->high[i] = sorted[n - 1];
        if (t->loss[i] < t->loss[t->lowest])
            t->lowest = i;
        t->n++;
    }
}

/* ---- Rules ---- */

/* How much the loss falls around rate i, over an equal number of rates at each side. */
static double fall_at(const range_test *t, size_t i, size_t reach) { return t->loss[i - reach] - t->loss[i + reach]; }

/* Where the loss falls fastest, by the logarithm of the rate, on the way down to its lowest. */
static void find_steepest(range_test *t, size_t reach)
{
    double most = 0;
    t->found = false;
    if (t->n == 0 || !(t->loss[0] - t->loss[t->lowest] > LEAST_FALL * fabs(t->loss[0])))
        return;
    for (size_t i = reach; i + reach < t->n && i <= t->lowest; i++)
        if (fall_at(t, i, reach) > most) {
            most = fall_at(t, i, reach);
            t->steepest = i;
            t->found = true;
        }
}

weft_status range_test_run(const run_settings *settings, const weft_dataset *data, const range_options *o, range_test *t, arena *a, weft_error *err)
{
    *t = (range_test){.n = o->n_steps, .n_seeds = o->n_seeds};
    t->seeds = arena_array(a, o->n_seeds, sizeof *t->seeds);
    t->lr = arena_array(a, o->n_steps, sizeof *t->lr);
    t->loss = arena_array(a, o->n_steps, sizeof *t->loss);
    t->low = arena_array(a, o->n_steps, sizeof *t->low);
    t->high = arena_array(a, o->n_steps, sizeof *t->high);
    double **losses = arena_array(a, o->n_seeds, sizeof *losses), *sorted = arena_array(a, o->n_seeds, sizeof *sorted);
    if (!t->seeds || !t->lr || !t->loss || !t->low || !t->high || !losses || !sorted)
        return fail_memory(err);
    for (size_t i = 0; i < o->n_steps; i++)
        t->lr[i] = o->from * exp(log(o->to / o->from) * (double)i / (double)(o->n_steps - 1));
    for (size_t s = 0; s < o->n_seeds; s++) {
        rehearsal r;
        run_settings own = *settings;
        t->seeds[s].seed = own.train.seed += s;
        if (!(losses[s] = arena_array(a, o->n_steps, sizeof *losses[s])))
            return fail_memory(err);
        TRY(rehearsal_open(&r, &own, data, o->threads, err));
        const weft_status status = test_seed(&r, o, losses[s], &t->seeds[s].n, err);
        rehearsal_close(&r);
        TRY(status);
        if (o->hear)
            o->hear(o->self, t, &t->seeds[s]);
    }
    take_medians(t, losses, sorted);
    find_steepest(t, MAX(o->n_steps / 50, 1));
    return WEFT_OK;
}
