/* Running the steps on the pool: every thread walks the same list and takes its share of each step's tiles. */
#include "plan/passes.h"

typedef struct run {
    plan *plan;
    pool *threads;
    double *begins; /* when each step began; NULL: nobody asks */
} run;

static void walk(void *arg, int thread, int n_threads)
{
    const run *r = arg;
    const builder *b = &r->plan->build;
    for (size_t i = 0; i < b->n_steps; i++) {
        const step *s = b->steps[i];
        if (s->sync) {
            if (n_threads > 1)
                pool_barrier(r->threads);
            /* asked only where no thread can be writing it: else one would leave alone, and the others wait for it */
            if (s->may_halt && r->plan->halt)
                return;
        }
        if (r->begins && thread == 0)
            r->begins[i] = now_seconds();
        const size_t begin = s->n_tiles * (size_t)thread / (size_t)n_threads;
        const size_t end = s->n_tiles * ((size_t)thread + 1) / (size_t)n_threads;
        if (begin < end)
            s->kernel->run(&s->call, begin, end);
    }
}

/* Whether waiting for each other would take longer than sharing the work saves. Both are reckoned: the work by what the kernels do on shapes
 * that are as small as this, a wait by what it takes where the threads' caches are apart. */
static bool better_alone(const plan *p, int n_threads)
{
    static const double FLOPS_A_SECOND = 4e10, WAIT_S = 1e-6;
    return !p->spec.all_threads && p->spec.mode != PLAN_UPDATE && p->flops / FLOPS_A_SECOND * (1 - 1.0 / n_threads) < WAIT_S * (double)p->n_waits;
}

bool plan_run_timed(plan *p, const batch *source, pool *threads, double *begins)
{
    p->source = source;
    p->halt = false;
    run r = {p, threads, begins};
    if (better_alone(p, pool_threads(threads)))
        pool_run_alone(walk, &r);
    else
        pool_run(threads, walk, &r);
    if (begins)
        begins[p->build.n_steps] = now_seconds();
    return !p->halt;
}

bool plan_run(plan *p, const batch *source, pool *threads) { return plan_run_timed(p, source, threads, NULL); }
