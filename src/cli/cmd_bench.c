/* weft bench: what this machine can do, and how much of it weft uses. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "measure/measure.h"

enum { MACHINE, KERNELS, STEPS, OPTIMIZERS, N_SECTIONS };
static const char *const sections[N_SECTIONS] = {"machine", "kernels", "steps", "optimizers"};

static const option_spec options[] = {
    {0, "threads", "N", "how many threads, beside one alone; default: as many as there are cores to use", OPTION_NUMBER, offsetof(args, threads), 1,
     MAX_THREADS},
    {0, "quick", NULL, "a first look: fewer shapes, shorter rounds", OPTION_FLAG, offsetof(args, quick), 0, 0},
    OPTION_JSON,
    OPTION_HELP,
    {0},
};

/* What hears the figures: rows of a table as they come, or lists of JSON for the end. */
typedef struct output {
    bool json;
    json_t *lists[N_SECTIONS];
} output;

static double percent(double part, double whole) { return 100 * part / whole; }

/* ---- The machine ---- */

static void print_machine(const machine *m)
{
    printf("machine: instruction set %s; best of many short rounds\n%-14s %12s", m->isa, "", "swept");
    for (size_t t = 0; t < m->n_teams; t++)
        printf("  %3d thread%s", m->threads[t], m->threads[t] == 1 ? " " : "s");
    printf("\n%-14s %12s", "multiply-add", "");
    for (size_t t = 0; t < m->n_teams; t++)
        printf("  %11.1f", m->peak[t] / 1e9);
    printf("  GFLOP/s\n");
    for (size_t i = 0; i < m->n_levels; i++)
        for (int update = 0; update < 2; update++) {
            const level *l = &m->levels[i];
            printf("%-6s %-7s %9.0f KB", l->name, update ? "update" : "read", l->swept_bytes / 1024);
            for (size_t t = 0; t < m->n_teams; t++)
                printf("  %11.1f", (update ? l->update : l->read)[t] / 1e9);
            printf("  GB/s%s\n", update ? ", both ways together" : "");
        }
}

static json_t *level_json(const machine *m, const level *l)
{
    json_t *read = json_array(), *update = json_array();
    for (size_t t = 0; t < m->n_teams; t++) {
        json_array_append_new(read, json_real(l->read[t] / 1e9));
        json_array_append_new(update, json_real(l->update[t] / 1e9));
    }
    return json_pack("{s:s, s:f, s:o, s:o}", "name", l->name, "swept_bytes", l->swept_bytes, "read_gbytes", read, "update_gbytes", update);
}

static json_t *machine_json(const machine *m)
{
    json_t *threads = json_array(), *peak = json_array(), *levels = json_array();
    for (size_t t = 0; t < m->n_teams; t++) {
        json_array_append_new(threads, json_integer(m->threads[t]));
        json_array_append_new(peak, json_real(m->peak[t] / 1e9));
    }
    for (size_t i = 0; i < m->n_levels; i++)
        json_array_append_new(levels, level_json(m, &m->levels[i]));
    return json_pack("{s:s, s:o, s:o, s:o}", "isa", m->isa, "threads", threads, "peak_gflops", peak, "levels", levels);
}

/* ---- Kernels ---- */

static void print_kernel(const measure *m, const kernel_figure *f, size_t team)
{
    const figure *g = &f->teams[team];
    printf("%-13s %-40s %-32s %7d %10.3f %8.1f %7.1f %7s %7.1f\n", f->kernel, f->with, f->shapes, m->machine.threads[team], 1e6 * g->seconds,
           f->cost.flops / g->seconds / 1e9, (f->cost.read_bytes + f->cost.moved_bytes) / g->seconds / 1e9, g->limit,
           percent(g->limit_seconds, g->seconds));
}

static json_t *kernel_json(const measure *m, const kernel_figure *f, size_t team)
{
    const figure *g = &f->teams[team];
    return json_pack("{s:s, s:s, s:s, s:i, s:f, s:f, s:f, s:s, s:f}", "kernel", f->kernel, "with", f->with, "shapes", f->shapes, "threads",
                     m->machine.threads[team], "microseconds", 1e6 * g->seconds, "gflops", f->cost.flops / g->seconds / 1e9, "gbytes",
                     (f->cost.read_bytes + f->cost.moved_bytes) / g->seconds / 1e9, "limit", g->limit, "share_percent",
                     percent(g->limit_seconds, g->seconds));
}

static void hear_kernel(void *self, const measure *m, const kernel_figure *f)
{
    const output *out = self;
    for (size_t t = 0; t < m->machine.n_teams; t++)
        if (out->json)
            json_array_append_new(out->lists[KERNELS], kernel_json(m, f, t));
        else
            print_kernel(m, f, t);
    fflush(stdout);
}

static void print_kernels_head(void)
{
    printf("kernels: one at a time, again and again on the same data; limit: what binds it, multiply-adds or the memory that its data lives in\n"
           "%-13s %-40s %-32s %7s %10s %8s %7s %7s %7s\n", "kernel", "with", "shapes", "threads", "us", "GFLOP/s", "GB/s", "limit", "% of it");
}

/* ---- Steps ---- */

static double pass_seconds(const step_figure *f) { return f->seconds * PASS_SAMPLES / (double)f->batch; }

/* Of fp32's peak. As with kernels: what fp32 does beyond the peak that was measured shows that the peak is higher; another precision has
 * another peak. */
static double peak_percent(const measure *m, const step_figure *f)
{
    const double share = percent(f->flops / f->seconds, m->machine.peak[f->team]);
    return strcmp(f->precision, "fp32") == 0 ? MIN(share, 100) : share;
}

/* Parts are compared with each other: the best of each, not all of one step. */
static double parts_seconds(const step_figure *f)
{
    double sum = 0;
    for (size_t i = 0; i < f->n_parts; i++)
        sum += f->parts[i].seconds;
    return sum;
}

static void print_step(const measure *m, const step_figure *f)
{
    const int threads = m->machine.threads[f->team];
    printf("%s, %s, %s, batch %zu, %d thread%s: %.1f us a step, %.3f s for %d samples, %.1f GFLOP/s, %.1f %% of fp32's peak\n",
           f->network, f->optimizer ? f->optimizer : "forward", f->precision, f->batch, threads, threads == 1 ? "" : "s",
           1e6 * f->seconds, pass_seconds(f), PASS_SAMPLES, f->flops / f->seconds / 1e9, peak_percent(m, f));
    for (size_t i = 0; i < f->n_parts; i++) {
        const step_part *p = &f->parts[i];
        printf("  %-22s %10.1f us %6.1f %%", p->name, 1e6 * p->seconds, percent(p->seconds, parts_seconds(f)));
        if (p->flops > 0)
            printf(" %8.1f GFLOP/s", p->flops / p->seconds / 1e9);
        printf("\n");
    }
    printf("  %-22s %10.1f us\n", "together", 1e6 * parts_seconds(f));
}

static json_t *step_json(const measure *m, const step_figure *f)
{
    json_t *parts = json_array();
    for (size_t i = 0; i < f->n_parts; i++) {
        const step_part *p = &f->parts[i];
        json_array_append_new(parts, json_pack("{s:s, s:f, s:f, s:f}", "name", p->name, "microseconds", 1e6 * p->seconds, "share_percent",
                                               percent(p->seconds, parts_seconds(f)), "flops", p->flops));
    }
    return json_pack("{s:s, s:s, s:s, s:I, s:i, s:f, s:f, s:f, s:f, s:f, s:o}", "network", f->network,
                     "mode", f->optimizer ? f->optimizer : "forward", "precision", f->precision, "batch", (json_int_t)f->batch,
                     "threads", m->machine.threads[f->team], "microseconds", 1e6 * f->seconds,
                     "parts_microseconds", 1e6 * parts_seconds(f), "pass_seconds", pass_seconds(f), "gflops", f->flops / f->seconds / 1e9,
                     "peak_percent", peak_percent(m, f), "parts", parts);
}

static void hear_step(void *self, const measure *m, const step_figure *f)
{
    const output *out = self;
    if (out->json)
        json_array_append_new(out->lists[STEPS], step_json(m, f));
    else
        print_step(m, f);
    fflush(stdout);
}

static void print_steps_head(void) { printf("steps: the best of many, and what each part of it takes at its best; made-up samples\n"); }

/* ---- Optimizers ---- */

static double added_seconds(const optimizer_figure *f) { return MAX(f->fused_seconds - f->bare_seconds, 0); }

static void print_optimizer(const measure *m, const optimizer_figure *f)
{
    printf("%-40s %9zu %7s %7d %10.1f %10.1f %10.1f %10.1f %7.2f%s\n", f->optimizer, f->weights, f->lives, m->machine.threads[f->team],
           1e6 * f->fused_seconds, 1e6 * added_seconds(f), 1e6 * f->arithmetic_seconds, 1e6 * f->memory_seconds, f->ratio,
           f->ratio > OPTIMIZER_BAR ? "  above" : "");
}

static json_t *optimizer_json(const measure *m, const optimizer_figure *f)
{
    return json_pack("{s:s, s:I, s:s, s:i, s:f, s:f, s:f, s:f, s:f, s:f}", "optimizer", f->optimizer, "weights", (json_int_t)f->weights, "lives",
                     f->lives, "threads", m->machine.threads[f->team], "fused_microseconds", 1e6 * f->fused_seconds, "added_microseconds",
                     1e6 * added_seconds(f), "arithmetic_microseconds", 1e6 * f->arithmetic_seconds, "memory_microseconds",
                     1e6 * f->memory_seconds, "ratio", f->ratio, "bar", OPTIMIZER_BAR);
}

static void hear_optimizer(void *self, const measure *m, const optimizer_figure *f)
{
    const output *out = self;
    if (out->json)
        json_array_append_new(out->lists[OPTIMIZERS], optimizer_json(m, f));
    else
        print_optimizer(m, f);
    fflush(stdout);
}

static void print_optimizers_head(void)
{
    printf("optimizers: what an update adds to the weight gradient that it is fused into; a ratio to the longer of its arithmetic in the nearest\n"
           "cache and the traffic of weights and state: at most %.1f is wanted\n"
           "%-40s %9s %7s %7s %10s %10s %10s %10s %7s\n", OPTIMIZER_BAR, "optimizer", "weights", "live in", "threads", "fused us", "added us",
           "arithmetic", "traffic", "ratio");
}

/* ---- All of it ---- */

static weft_status run_section(int section, measure *m, output *out, weft_error *err)
{
    static void (*const heads[N_SECTIONS])(void) = {[KERNELS] = print_kernels_head, [STEPS] = print_steps_head, [OPTIMIZERS] = print_optimizers_head};
    if (!out->json && heads[section])
        heads[section]();
    switch (section) {
    case MACHINE:
        if (!out->json)
            print_machine(&m->machine);
        return WEFT_OK;
    case KERNELS:
        return measure_kernels(m, hear_kernel, out, err);
    case STEPS:
        return measure_steps(m, hear_step, out, err);
    default:
        return measure_optimizers(m, hear_optimizer, out, err);
    }
}

static int dump_json(const measure *m, output *out, const bool *wanted)
{
    json_t *all = json_pack("{s:o}", sections[MACHINE], machine_json(&m->machine));
    for (int s = KERNELS; s < N_SECTIONS; s++)
        if (wanted[s])
            json_object_set(all, sections[s], out->lists[s]);
    return print_built(all, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
}

static int measure_sections(const args *a, const bool *wanted)
{
    weft_error err = {0};
    output out = {.json = a->json};
    measure *m = measure_create((int)a->threads, a->quick, &err);
    weft_status status = m ? WEFT_OK : err.status;
    bool first = true;
    int code = EXIT_DONE;
    json_begin();
    for (int s = 0; s < N_SECTIONS && status == WEFT_OK; s++) {
        out.lists[s] = json_array();
        if (!wanted[s])
            continue;
        if (!first && !a->json)
            printf("\n");
        first = false;
        status = run_section(s, m, &out, &err);
    }
    if (status == WEFT_OK && a->json)
        code = dump_json(m, &out, wanted);
    for (int s = 0; s < N_SECTIONS; s++)
        json_decref(out.lists[s]);
    measure_free(m);
    return status == WEFT_OK ? code : complain(&err);
}

static int run_it(args *a)
{
    bool wanted[N_SECTIONS] = {0};
    for (size_t i = 0; i < a->n_words; i++) {
        int s = 0;
        while (s < N_SECTIONS && strcmp(sections[s], a->words[i]) != 0)
            s++;
        if (s == N_SECTIONS) {
            weft_error err = {0};
            fail_unknown(&err, (where){"bench", 0, 0}, "part", a->words[i], sections, N_SECTIONS, sizeof *sections);
            return complain(&err);
        }
        wanted[s] = true;
    }
    for (int s = 0; s < N_SECTIONS && !a->n_words; s++)
        wanted[s] = true;
    return measure_sections(a, wanted);
}

const command cmd_bench = {
    .name = "bench",
    .words = "[machine|kernels|steps|optimizers]...",
    .help = "what this machine can do, and how much of it kernels, training steps and optimizers use",
    .examples = "  weft bench                                 everything, in about half a minute\n"
                "  weft bench steps --threads 1               the tutorial's networks, and where a step's time goes\n"
                "  weft bench kernels --json                  for programs\n",
    .max_words = N_SECTIONS,
    .options = options,
    .run = run_it,
};
