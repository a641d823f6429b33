/* Whole training steps and forward passes of the tutorial's networks, and where their time goes. */
#include <math.h>

#include "measure/inside.h"

#define ONE_HIDDEN "784-1000-10", "linear 1000, relu, linear 10"
#define TWO_HIDDEN "784-1000-512-10", "linear 1000, relu, linear 512, relu, linear 10"
#define NONE_HIDDEN "784-10", "linear 10"

typedef struct task {
    const char *name, *layers, *optimizer; /* optimizer: NULL: forward alone */
    size_t batch;
    const char *precision; /* left out where the CPU cannot */
} task;

static const task tasks[] = {
    {ONE_HIDDEN, "sgd lr=0.01", 32, "fp32"},
    {ONE_HIDDEN, "adam lr=0.001", 32, "fp32"},
    {TWO_HIDDEN, "adam lr=0.001", 32, "fp32"},
    {NONE_HIDDEN, "adam lr=0.001", 32, "fp32"},
    {ONE_HIDDEN, "sgd lr=0.01", 32, "bf16"},
    {ONE_HIDDEN, "adam lr=0.001", 32, "bf16"},
    {TWO_HIDDEN, "adam lr=0.001", 32, "bf16"},
    {ONE_HIDDEN, NULL, 32, "fp32"},
    {TWO_HIDDEN, NULL, 32, "fp32"},
    {NONE_HIDDEN, NULL, 32, "fp32"},
    {ONE_HIDDEN, NULL, 256, "fp32"},
};

static const double BUDGET = 0.3, QUICK_BUDGET = 0.02;
enum { FEATURES = 784, QUICK_SAMPLES = 2000, LEAST_STEPS = 3 };

static size_t samples_of(const measure *m) { return m->quick ? QUICK_SAMPLES : PASS_SAMPLES; }

typedef struct timing {
    plan *plan;
    size_t n_steps, n_samples;
    double *begins; /* [n_steps + 1], of the step that was run last */
    double *parts;  /* [n_steps + 1]: the least that each step of the plan took; the first is what comes before them */
    double whole;   /* the least of a whole step */
} timing;

/* As the trainer does it: which samples, the optimizer's numbers, the plan. */
static void run_step(subject *s, timing *t, bool train, pool *threads, size_t k)
{
    const double begin = now_seconds();
    if (train) {
        loader_indices(t->n_samples, s->batch.n, true, 1, 0, k % (t->n_samples / s->batch.n), s->index);
        optimizer_begin(&s->trainer->optimizer);
    }
    plan_run_timed(t->plan, &s->batch, threads, t->begins);
    t->whole = MIN(t->whole, t->begins[t->n_steps] - begin);
    t->parts[0] = MIN(t->parts[0], t->begins[0] - begin);
    for (size_t i = 0; i < t->n_steps; i++)
        t->parts[i + 1] = MIN(t->parts[i + 1], t->begins[i + 1] - t->begins[i]);
}

static void time_steps(subject *s, timing *t, bool train, pool *threads, double budget)
{
    const double end = now_seconds() + budget;
    t->whole = INFINITY;
    for (size_t i = 0; i <= t->n_steps; i++)
        t->parts[i] = INFINITY;
    for (size_t k = 0; k < LEAST_STEPS || now_seconds() < end; k++)
        run_step(s, t, train, threads, k);
}

static weft_status make_parts(const timing *t, step_figure *f, arena *a, weft_error *err)
{
    step_part *parts = arena_array(a, t->n_steps + 1, sizeof *parts);
    if (!parts)
        return fail_memory(err);
    parts[0] = (step_part){"to begin", t->parts[0], 0};
    for (size_t i = 0; i < t->n_steps; i++) {
        const step *s = plan_step(t->plan, i);
        const char *name = arena_printf(a, "%s%s%s", s->name, s->fused ? " + " : "", s->fused ? s->fused : "");
        if (!name)
            return fail_memory(err);
        parts[i + 1] = (step_part){name, t->parts[i + 1], plan_step_cost(s).flops};
        f->flops += parts[i + 1].flops;
    }
    f->parts = parts;
    f->n_parts = t->n_steps + 1;
    return WEFT_OK;
}

typedef struct telling {
    measure *m;
    void (*hear)(void *self, const measure *m, const step_figure *f);
    void *self;
} telling;

static weft_status measure_plan(const telling *to, const task *what, subject *s, plan *p, weft_error *err)
{
    const measure *m = to->m;
    timing t = {.plan = p, .n_steps = plan_n_steps(p), .n_samples = samples_of(m)};
    t.begins = arena_array(&s->memory, t.n_steps + 1, sizeof *t.begins);
    t.parts = arena_array(&s->memory, t.n_steps + 1, sizeof *t.parts);
    if (!t.begins || !t.parts)
        return fail_memory(err);
    for (size_t team = 0; team < m->machine.n_teams; team++) {
        time_steps(s, &t, what->optimizer != NULL, m->pools[team], m->quick ? QUICK_BUDGET : BUDGET);
        step_figure f = {.network = what->name, .optimizer = what->optimizer, .precision = what->precision, .batch = what->batch,
                         .team = team, .seconds = t.whole};
        TRY(make_parts(&t, &f, &s->memory, err));
        to->hear(to->self, m, &f);
    }
    return WEFT_OK;
}

static weft_status measure_task(const telling *to, const task *what, weft_error *err)
{
    subject s;
    kernels unused;
    if (!precision_kernels(what->precision, to->m->level, (where){0}, &unused, NULL))
        return WEFT_OK;
    TRY(subject_open(&s, &(network){FEATURES, what->layers, what->batch, NULL, what->precision, 0}, what->optimizer, samples_of(to->m), err));
    plan *p = subject_plan(&s, what->optimizer ? PLAN_TRAIN : PLAN_FORWARD, what->optimizer ? &s.trainer->optimizer : NULL, err);
    const weft_status status = p ? measure_plan(to, what, &s, p, err) : WEFT_NO_MEMORY;
    plan_free(p);
    subject_close(&s);
    return status;
}

weft_status measure_steps(measure *m, void (*hear)(void *self, const measure *m, const step_figure *f), void *self, weft_error *err)
{
    for (size_t i = 0; i < COUNT(tasks); i++)
        TRY(measure_task(&(telling){m, hear, self}, &tasks[i], err));
    return WEFT_OK;
}
