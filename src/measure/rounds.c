/* The best of many short rounds. */
#include <math.h>

#include "measure/inside.h"

/* Long against the clock and the start of the threads, short against what else the machine does. */
static const double ROUND_SECONDS = 1e-4;
enum { LEAST_ROUNDS = 3, MOST_TIMES = 1 << 24 };

typedef struct round_work {
    const timed *what;
    size_t first, times;
} round_work;

static void run_round(void *arg, int thread, int n_threads)
{
    const round_work *r = arg;
    r->what->run(r->what->self, r->first, r->times, thread, n_threads);
}

static double run_timed(round_work *r, pool *threads)
{
    const double begin = now_seconds();
    pool_run(threads, run_round, r);
    r->first += r->times;
    return now_seconds() - begin;
}

double best_seconds(const timed *what, pool *threads, double budget)
{
    round_work r = {.what = what, .times = 1};
    double best = INFINITY;
    while (r.first < what->warm_up)
        run_timed(&r, threads);
    const double end = now_seconds() + budget;
    for (int rounds = 0; rounds < LEAST_ROUNDS || now_seconds() < end; rounds++) {
        const double took = run_timed(&r, threads);
        best = MIN(best, took / (double)r.times);
        if (took < ROUND_SECONDS && r.times < MOST_TIMES)
            r.times *= 2;
    }
    return best;
}

typedef struct call_work {
    const kernel *kernel;
    const call *call;
    size_t n_tiles;
} call_work;

/* A thread always gets the same tiles, as in a plan; so threads need not wait for each other. */
static void run_call(const void *self, size_t first, size_t times, int thread, int n_threads)
{
    const call_work *w = self;
    const size_t begin = w->n_tiles * (size_t)thread / (size_t)n_threads;
    const size_t end = w->n_tiles * ((size_t)thread + 1) / (size_t)n_threads;
    (void)first;
    for (; begin < end && times > 0; times--)
        w->kernel->run(w->call, begin, end);
}

double best_call_seconds(const kernel *k, const call *c, pool *threads, double budget)
{
    return best_seconds(&(timed){run_call, &(call_work){k, c, k->tiles(c)}, 1}, threads, budget);
}
