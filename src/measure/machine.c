/* What the machine can do: multiply-adds a second, and bytes a second from each of its caches and from memory. */
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "measure/inside.h"

#define X(name) extern const probes probes_##name;
#include "gen/isa.inc"
#undef X

#define X(name) &probes_##name,
static const probes *const tables[N_ISAS] = {
#include "gen/isa.inc"
};
#undef X

static const double KB = 1 << 10, MB = 1 << 20, GB = 1 << 30;
static const double BUDGET = 0.1, QUICK_BUDGET = 0.004;
enum { FMA_TURNS = 64 };

/* On a busy machine it takes a while until all threads run at the same time. */
static double budget(const measure *m, size_t team) { return m->quick ? QUICK_BUDGET : team ? 2 * BUDGET : BUDGET; }

/* ---- Multiply-adds ---- */

static void run_fma(const void *self, size_t first, size_t times, int thread, int n_threads)
{
    (void)first, (void)thread, (void)n_threads;
    ((const probes *)self)->multiply_add(times * FMA_TURNS);
}

static void measure_peak(measure *m)
{
    const probes *p = tables[m->level];
    for (size_t t = 0; t < m->machine.n_teams; t++)
        m->machine.peak[t] = FMA_TURNS * p->flops_each * m->machine.threads[t] / best_seconds(&(timed){run_fma, p, 1}, m->pools[t], budget(m, t));
}

/* ---- Bytes ---- */

/* Every thread sweeps its own slice, a chunk at a time, so that a round is short and finds nothing nearer than it should be. */
typedef struct sweep {
    const probes *probes;
    bool update;
    real *data;
    size_t slice, chunk; /* numbers */
} sweep;

enum { CHUNK_BYTES = 1 << 20 };

static void run_sweep(const void *self, size_t first, size_t times, int thread, int n_threads)
{
    const sweep *s = self;
    real *slice = s->data + (size_t)thread * s->slice;
    const size_t n_chunks = s->slice / s->chunk, inner = n_chunks == 1 ? times : 1;
    (void)n_threads;
    for (size_t i = 0; i < times; i += inner) {
        real *p = slice + (first + i) % n_chunks * s->chunk;
        if (s->update)
            s->probes->update(p, s->chunk, inner);
        else
            s->probes->read(p, s->chunk, inner);
    }
}

/* Each thread touches its own slice first, so that its pages are near it. */
static void fill(void *arg, int thread, int n_threads)
{
    const sweep *s = arg;
    (void)n_threads;
    for (size_t i = 0; i < s->slice; i++)
        s->data[(size_t)thread * s->slice + i] = 1;
}

static double sweep_bytes_a_second(const measure *m, size_t team, const sweep *s)
{
    /* once through it all first: what the sweep before this one left near would be found there */
    const double seconds = best_seconds(&(timed){run_sweep, s, s->slice / s->chunk}, m->pools[team], budget(m, team));
    return (double)s->chunk * sizeof(real) * m->machine.threads[team] / seconds;
}

static void measure_level(const measure *m, level *l, real *data)
{
    const machine *all = &m->machine;
    sweep s = {.probes = tables[m->level], .data = data};
    const size_t numbers = (size_t)(l->swept_bytes / sizeof(real)) / (size_t)all->threads[all->n_teams - 1];
    s.chunk = MIN(numbers, CHUNK_BYTES / sizeof(real)) / s.probes->block * s.probes->block;
    s.slice = numbers / s.chunk * s.chunk;
    for (size_t t = 0; t < all->n_teams; t++) {
        s.update = false;
        l->read[t] = sweep_bytes_a_second(m, t, &s);
        s.update = true;
        l->update[t] = 2 * sweep_bytes_a_second(m, t, &s);
    }
}

/* ---- Where data can live ---- */

static double known(int name, double otherwise)
{
    const long bytes = sysconf(name);
    return bytes > 0 ? (double)bytes : otherwise;
}

static void add_level(machine *all, level l) { all->levels[all->n_levels++] = l; }

static void find_levels(measure *m)
{
    machine *all = &m->machine;
    const double threads = all->threads[all->n_teams - 1], eighth = known(_SC_PHYS_PAGES, 1 << 20) * known(_SC_PAGESIZE, 4096) / 8;
    const double l1 = known(_SC_LEVEL1_DCACHE_SIZE, 32 * KB), l2 = known(_SC_LEVEL2_CACHE_SIZE, MB), l3 = known(_SC_LEVEL3_CACHE_SIZE, 0);
    const double near = MAX(8 * MB, l2 * threads);
    add_level(all, (level){.name = "L1", .bytes = l1, .swept_bytes = l1 / 2 * threads});
    add_level(all, (level){.name = "L2", .bytes = l2, .swept_bytes = l2 / 2 * threads});
    /* a large last cache is not swept as a whole, but far beyond what lies nearer */
    if (l3 > 2 * l2 * threads)
        add_level(all, (level){.name = "L3", .bytes = l3, .shared = true, .swept_bytes = MIN(l3 / 2, 4 * near)});
    const double beyond = MAX(2 * MAX(l3, near), 8 * near), enough = MIN(beyond, MIN(GB, eighth));
    add_level(all, (level){.name = "memory", .bytes = INFINITY, .shared = true, .swept_bytes = MAX(m->quick ? 0 : enough, 8 * near)});
}

static weft_status measure_machine(measure *m, weft_error *err)
{
    machine *all = &m->machine;
    arena memory = {0};
    find_levels(m);
    const size_t numbers = (size_t)(all->levels[all->n_levels - 1].swept_bytes / sizeof(real)); /* memory's is the largest */
    real *data = arena_array(&memory, numbers, sizeof *data);
    if (!data)
        return fail_memory(err);
    pool *team = m->pools[all->n_teams - 1];
    pool_run(team, fill, &(sweep){.data = data, .slice = numbers / (size_t)pool_threads(team)});
    measure_peak(m);
    for (size_t i = 0; i < all->n_levels; i++)
        measure_level(m, &all->levels[i], data);
    arena_deinit(&memory);
    return WEFT_OK;
}

/* ---- What it allows ---- */

static double capacity(const machine *m, size_t team, const level *l) { return l->shared ? l->bytes : l->bytes * m->threads[team]; }

const level *machine_level(const machine *m, size_t team, double bytes)
{
    const level *l = m->levels;
    while (bytes > capacity(m, team, l))
        l++;
    return l;
}

/* Of data that is gone through again and again, a cache can at best keep as much as it holds; the rest comes from farther away. */
double machine_traffic_seconds(const machine *m, size_t team, const step_cost *c)
{
    double seconds = 0, nearer = 0;
    for (const level *l = m->levels; nearer < c->resident_bytes; l++) {
        const double up_to = MIN(capacity(m, team, l), c->resident_bytes), share = MAX(up_to - nearer, 0) / c->resident_bytes;
        seconds += share * (c->read_bytes / l->read[team] + c->moved_bytes / l->update[team]);
        nearer = MAX(nearer, up_to);
    }
    return seconds;
}

figure machine_judge(const machine *m, size_t team, const step_cost *c, double seconds)
{
    const double arithmetic = c->flops / m->peak[team], traffic = machine_traffic_seconds(m, team, c);
    return (figure){
        .seconds = seconds,
        .limit_seconds = MIN(MAX(arithmetic, traffic), seconds),
        .limit = arithmetic > traffic ? "FMA" : machine_level(m, team, c->resident_bytes)->name,
    };
}

/* ---- All that measuring needs ---- */

static weft_status prepare(measure *m, int threads, weft_error *err)
{
    if (!isa_choose(&m->level, err))
        return WEFT_BAD_INPUT;
    m->machine.isa = isa_name(m->level);
    const int cores = usable_cores(), all = threads ? threads : cores;
    if (all > cores)
        return fail(err, WEFT_BAD_INPUT, (where){"threads", 0, 0}, "%d threads would wait for each other, there being %d core%s to use", all, cores,
                    cores == 1 ? "" : "s");
    m->machine.n_teams = all > 1 ? 2 : 1;
    for (size_t t = 0; t < m->machine.n_teams; t++) {
        m->machine.threads[t] = t ? all : 1;
        m->pools[t] = pool_create(m->machine.threads[t], err);
        if (!m->pools[t])
            return WEFT_NO_MEMORY;
    }
    return measure_machine(m, err);
}

measure *measure_create(int threads, bool quick, weft_error *err)
{
    measure *m = calloc(1, sizeof *m);
    if (!m) {
        fail_memory(err);
        return NULL;
    }
    m->quick = quick;
    if (prepare(m, threads, err) == WEFT_OK)
        return m;
    measure_free(m);
    return NULL;
}

void measure_free(measure *m)
{
    if (!m)
        return;
    for (size_t t = 0; t < MAX_TEAMS; t++)
        pool_free(m->pools[t]);
    arena_deinit(&m->memory);
    free(m);
}
