/* What a trainer's next step goes by, as blocks with names: parameters and what they are an average of, buffers, the optimizer's state. */
#include "train/train.h"

/* How many vectors the optimizer's next step wants to find again: its numbers say so. */
static size_t n_vectors(const optimizer *o) { return o->kind->n_kept ? o->kind->n_kept(o) : 0; }

size_t trainer_state_tensors(const weft_trainer *t)
{
    const size_t n_blocks = 1 + (t->raw != NULL) + t->optimizer.n_states + n_vectors(&t->optimizer);
    return model_tensors(t->model, BLOCKS_PARAMS) * n_blocks + model_tensors(t->model, BLOCKS_BUFFERS);
}

static weft_status visit_optimizer(const weft_trainer *t, block_visit *visit, void *self, arena *a)
{
    const optimizer *o = &t->optimizer;
    for (size_t s = 0; s < MAX_STATES; s++) {
        if (!optimizer_keeps(o, s))
            continue;
        real **blocks = arena_array(a, o->n_blocks, sizeof *blocks);
        const char *suffix = arena_printf(a, ".%s", o->kind->state_names[s]);
        if (!blocks || !suffix)
            return WEFT_NO_MEMORY;
        for (size_t i = 0; i < o->n_blocks; i++)
            blocks[i] = o->state[i][s];
        TRY(visit(self, t->model, &(named_blocks){"optimizer.", suffix, BLOCKS_PARAMS, blocks}));
    }
    for (size_t v = 0; v < n_vectors(o); v++) {
        const char *suffix = arena_printf(a, ".vector.%zu", v);
        if (!suffix)
            return WEFT_NO_MEMORY;
        TRY(visit(self, t->model, &(named_blocks){"optimizer.", suffix, BLOCKS_PARAMS, o->vectors[v]}));
    }
    return WEFT_OK;
}

weft_status trainer_visit_state(const weft_trainer *t, block_visit *visit, void *self, arena *a)
{
    TRY(visit(self, t->model, &(named_blocks){"", "", BLOCKS_PARAMS, t->model->weights}));
    TRY(visit(self, t->model, &(named_blocks){"", "", BLOCKS_BUFFERS, t->model->buffers}));
    if (t->raw)
        TRY(visit(self, t->model, &(named_blocks){"raw.", "", BLOCKS_PARAMS, t->raw}));
    return visit_optimizer(t, visit, self, a);
}
