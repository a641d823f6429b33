/* Which parameters move alike: a layer's factor of the rate, and what weight_decay leaves alone. */
#include <string.h>

#include "plan/passes.h"

static bool has_word(const char *const *words, const char *word)
{
    for (; words && *words; words++)
        if (strcmp(*words, word) == 0)
            return true;
    return false;
}

weft_status plan_check_groups(const optimizer *o, isa level, const setting *map, weft_error *err)
{
    const char *known[64] = {"bias"};
    size_t n = 1;
    weft_status status = WEFT_OK;
    for (const op *const *other = op_table(level); *other && n < COUNT(known); other++)
        if ((*other)->pack)
            known[n++] = (*other)->name;
    const setting *list = setting_find(map, "no_decay"), *at = list && list->kind == SETTING_LIST ? list->first : list;
    for (const char *const *word = o->no_decay; word && *word; word++, at = at ? at->next : NULL) {
        bool good = false;
        for (size_t i = 0; i < n; i++)
            good |= strcmp(known[i], *word) == 0;
        if (!good)
            status = fail_unknown(err, at ? at->at : map->at, "kind of parameters", *word, known, n, sizeof *known);
    }
    return status;
}

weft_status plan_group(const graph *g, optimizer *o, arena *a, weft_error *err)
{
    for (size_t i = 0; i < g->n_nodes; i++) {
        const node *n = &g->nodes[i];
        if (!n->block_numbers)
            continue;
        const bool decays = !has_word(o->no_decay, n->op->name);
        TRY(optimizer_group(o, n->index, GROUP_WEIGHTS, n->training.lr, decays, a, err));
        TRY(optimizer_group(o, n->index, GROUP_BIAS, n->training.lr, decays && !has_word(o->no_decay, "bias"), a, err));
    }
    return WEFT_OK;
}
