/* A plan's steps and what they must at least do, for those who print and measure them. */
#include "plan/passes.h"

size_t plan_n_steps(const plan *p) { return p->build.n_steps; }

const step *plan_step(const plan *p, size_t index) { return p->build.steps[index]; }

static double bytes_of(const value *v) { return v ? (double)(v->at.rows * v->at.cols) * sizeof(real) : 0; }

step_cost plan_step_cost(const step *s)
{
    step_cost c = {.flops = s->kernel->flops ? s->kernel->flops(&s->call) : 0, .read_bytes = bytes_of(s->map_y)};
    for (size_t i = 0; i < MAX_IN; i++)
        c.read_bytes += bytes_of(s->in[i]);
    double out = 0;
    for (size_t i = 0; i < MAX_OUT; i++)
        out += bytes_of(s->out[i]);
    for (size_t i = 0; i < MAX_STATES && s->updates; i++)
        out += s->call.state[i] ? bytes_of(s->out[0]) : 0;
    if (s->treatment && s->treatment->average)
        out += bytes_of(s->out[0]);
    c.moved_bytes = s->updates ? 2 * out : out;
    c.resident_bytes = c.read_bytes + out;
    return c;
}
