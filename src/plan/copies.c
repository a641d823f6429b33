/* Weights in other forms beside themselves, where the kernels read those instead. The updates of a plan keep them in step. */
#include "plan/passes.h"

void plan_copy_shapes(const graph *g, const kernels *k, const node *n, operand copies[N_COPIES])
{
    for (size_t i = 0; i < N_COPIES; i++) {
        const bool wanted = n->block_numbers && k->copies[i] != FORM_PLAIN && (i != COPY_BACKWARD || node_wants_dx(g, n));
        copies[i] = wanted ? operand_in_form(&n->block, k->copies[i]) : (operand){0};
    }
}

void plan_copy_weights(const plan_spec *spec, const node *n)
{
    call c = {.out = {n->block}, .features = n->in};
    c.out[0].data = spec->weights[n->index];
    for (size_t i = 0; i < N_COPIES; i++)
        c.copies[i] = spec->copies[n->index][i];
    spec->kernels->copy(&c);
}
