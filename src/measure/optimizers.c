/* Whether an update costs what its bytes cost. */
#include "measure/inside.h"

/* Weights and state of the first fit into the caches of a core, the second is the tutorial's hidden layer. */
static const network layers[] = {{192, "linear 192", 32, NULL, NULL, 0}, {784, "linear 1000", 32, NULL, NULL, 0}};
static const double BUDGET = 0.06, QUICK_BUDGET = 0.004;

static double budget(const measure *m) { return m->quick ? QUICK_BUDGET : BUDGET; }

/* ---- An update that does nothing, so that what is left is the weight gradient ---- */

static void bare_update(real *w, const real *g, real *const state[MAX_STATES], size_t n, const real *hyper)
{
    (void)w, (void)g, (void)state, (void)n, (void)hyper;
}

static void bare_begin(const void *fields, double lr, uint64_t t, real *hyper) { (void)fields, (void)lr, (void)t, (void)hyper; }

static const optim bare = {.name = "nothing", .begin = bare_begin, .update = bare_update};

/* The step of a one-layer network that makes the weight gradient and moves the weights. */
static const step *updating_step(const plan *p)
{
    size_t last = plan_n_steps(p) - 1;
    while (last > 0 && !plan_step(p, last)->updates)
        last--;
    return plan_step(p, last);
}

/* seconds: [teams] */
static weft_status time_update(const measure *m, const subject *s, optimizer *o, double *seconds, weft_error *err)
{
    plan *p = subject_plan(s, PLAN_TRAIN, o, err);
    if (!p)
        return WEFT_NO_MEMORY;
    const step *step = updating_step(p);
    for (size_t t = 0; t < m->machine.n_teams; t++)
        seconds[t] = best_call_seconds(step->kernel, &step->call, m->pools[t], budget(m));
    plan_free(p);
    return WEFT_OK;
}

/* ---- The arithmetic alone: the same few numbers again and again ---- */

enum { TILE = 512, TILE_ARRAYS = 2 + MAX_STATES };

typedef struct tiles {
    const optimizer *optimizer;
    real *data; /* [threads, TILE_ARRAYS, TILE] */
} tiles;

static void run_tile(const void *self, size_t first, size_t times, int thread, int n_threads)
{
    const tiles *t = self;
    const optimizer *o = t->optimizer;
    real *mine = t->data + (size_t)thread * TILE_ARRAYS * TILE, *state[MAX_STATES] = {0};
    (void)first, (void)n_threads;
    for (size_t i = 0; i < MAX_STATES; i++)
        state[i] = optimizer_keeps(o, i) ? mine + (2 + i) * TILE : NULL;
    for (; times > 0; times--)
        o->kind->update(mine, mine + TILE, state, TILE, o->hyper);
}

static weft_status time_arithmetic(const measure *m, subject *s, const optimizer *o, double *seconds_each, weft_error *err)
{
    const size_t n = (size_t)m->machine.threads[m->machine.n_teams - 1] * TILE_ARRAYS * TILE;
    real *data = arena_array(&s->memory, n, sizeof *data);
    if (!data)
        return fail_memory(err);
    for (size_t i = 0; i < n; i++) /* gradients like any other; the state starts at zero */
        data[i] = i / TILE % TILE_ARRAYS < 2 ? (real)(i % 7) * 0.01f - 0.03f : 0;
    for (size_t t = 0; t < m->machine.n_teams; t++)
        seconds_each[t] = best_seconds(&(timed){run_tile, &(tiles){o, data}, 1}, m->pools[t], budget(m)) / (TILE * m->machine.threads[t]);
    return WEFT_OK;
}

/* ---- Together ---- */

/* All but the times, and the ratio. */
static optimizer_figure judge(const measure *m, size_t team, const subject *s, optimizer_figure f)
{
    const double kept = (double)f.weights * sizeof(real) * (double)(1 + s->trainer->optimizer.n_states);
    f.team = team;
    f.lives = machine_level(&m->machine, team, kept)->name;
    f.memory_seconds = machine_traffic_seconds(&m->machine, team, &(step_cost){.moved_bytes = 2 * kept, .resident_bytes = kept});
    f.ratio = MAX(f.fused_seconds - f.bare_seconds, 0) / MAX(f.arithmetic_seconds, f.memory_seconds);
    return f;
}

typedef struct telling {
    measure *m;
    void (*hear)(void *self, const measure *m, const optimizer_figure *f);
    void *self;
} telling;

static weft_status measure_subject(const telling *to, subject *s, const char *spec, weft_error *err)
{
    const measure *m = to->m;
    double fused[MAX_TEAMS] = {0}, without[MAX_TEAMS] = {0}, each[MAX_TEAMS] = {0};
    const size_t weights = s->model->graph.n_parameters;
    TRY(time_update(m, s, subject_still_optimizer(s), fused, err));
    TRY(time_update(m, s, &(optimizer){.kind = &bare}, without, err));
    TRY(time_arithmetic(m, s, &s->trainer->optimizer, each, err));
    for (size_t t = 0; t < m->machine.n_teams; t++) {
        const optimizer_figure f = judge(m, t, s, (optimizer_figure){.optimizer = spec, .weights = weights, .fused_seconds = fused[t],
                                                                     .bare_seconds = without[t],
                                                                     .arithmetic_seconds = each[t] * (double)weights});
        to->hear(to->self, m, &f);
    }
    return WEFT_OK;
}

weft_status measure_optimizers(measure *m, void (*hear)(void *self, const measure *m, const optimizer_figure *f), void *self, weft_error *err)
{
    const char *const *specs = optimizer_specs(m->level, &m->memory, err);
    if (!specs)
        return WEFT_BAD_INPUT;
    for (; *specs; specs++)
        for (size_t i = 0; i < COUNT(layers); i++) {
            subject s;
            TRY(subject_open(&s, &layers[i], *specs, layers[i].batch, err));
            const weft_status status = measure_subject(&(telling){m, hear, self}, &s, *specs, err);
            subject_close(&s);
            TRY(status);
        }
    return WEFT_OK;
}
