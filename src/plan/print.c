/* A plan as text, for people and for tests. */
#include "plan/passes.h"

static void print_values(value *const *values, size_t n, text *t)
{
    for (size_t i = 0; i < n && values[i]; i++)
        text_printf(t, "%s%s [%zu, %zu]", i ? ", " : "", values[i]->name, values[i]->at.rows, values[i]->at.cols);
}

static void print_step(const plan *p, size_t index, text *t)
{
    const step *s = p->build.steps[index];
    const step_cost cost = plan_step_cost(s);
    text name = {0}, values = {0};
    text_printf(&name, "%s%s%s", s->name, s->fused ? " + " : "", s->fused ? s->fused : "");
    print_values(s->in, MAX_IN, &values);
    if (s->map_y)
        text_printf(&values, ", %s [%zu, %zu]", s->map_y->name, s->map_y->at.rows, s->map_y->at.cols);
    text_printf(&values, "%s-> ", s->in[0] ? " " : "");
    print_values(s->out, MAX_OUT, &values);
    text_printf(t, "%3zu %c %-22s %-13s %5zu %9.3f %9.3f  %s\n", index, s->sync ? '|' : ' ', name.data ? name.data : "", s->kernel->name,
                s->n_tiles, cost.flops / 1e6, (cost.read_bytes + cost.moved_bytes) / 1e6, values.data ? values.data : "");
    text_free(&name);
    text_free(&values);
}

void plan_print(const plan *p, text *t)
{
    static const char *const modes[] = {[PLAN_TRAIN] = "train", [PLAN_EVALUATE] = "evaluate", [PLAN_FORWARD] = "forward", [PLAN_UPDATE] = "update"};
    text_printf(t, "plan: %s, batch %zu, %s, %zu steps, %.3f MB of buffers; | waits for all threads\n", modes[p->spec.mode], p->spec.batch,
                p->spec.kernels->isa, p->build.n_steps, (double)p->arena_bytes / 1e6);
    text_printf(t, "%3s   %-22s %-13s %5s %9s %9s  %s\n", "#", "step", "kernel", "tiles", "MFLOP", "MB", "buffers");
    for (size_t i = 0; i < p->build.n_steps; i++)
        print_step(p, i, t);
}

double plan_flops(const plan *p) { return p->flops; }
