/* The list of optimizers, made by the build from the files of this folder, and an optimizer with its state. */
#include <string.h>

#include "optim/update.h"

#define LIST(isa, ...) extern const optim __VA_ARGS__;
#define X(isa, name) optim_##name##_##isa
#include "gen/optim.inc"
#undef LIST
#undef X

#define LIST(isa, ...) [ISA_##isa] = (const optim *const[]){__VA_ARGS__, NULL},
#define X(isa, name) &optim_##name##_##isa
static const optim *const *const tables[N_ISAS] = {
#include "gen/optim.inc"
};

const optim *const *optim_table(isa level) { return tables[level]; }

const optim *optim_find(isa level, const char *name)
{
    for (const optim *const *o = optim_table(level); *o; o++)
        if (strcmp((*o)->name, name) == 0)
            return *o;
    return NULL;
}

static weft_status refuse(isa level, const setting *name, weft_error *err)
{
    const char *names[64];
    size_t n = 0;
    for (const optim *const *o = optim_table(level); *o && n < COUNT(names); o++)
        names[n++] = (*o)->name;
    return fail_unknown(err, name->at, "optimizer", name->text, names, n, sizeof *names);
}

/* What optimizers that decay have in common, behind their own fields. */
typedef struct decay_settings {
    const char *const *no_decay;
} decay_settings;

const field decay_fields[] = {
    {"no_decay", FIELD_WORDS, offsetof(decay_settings, no_decay), 0,
     .help = "parameters that weight_decay leaves alone: bias, or a kind of layer, as in [bias, linear]"},
    {0},
};

static const field *decay_field(const optim *kind)
{
    for (const field *f = kind->fields; f && f->name; f++)
        if (strcmp(f->name, "weight_decay") == 0)
            return f;
    return NULL;
}

static size_t common_offset(const optim *kind) { return round_up(kind->fields_bytes, sizeof(double)); }

const field *optimizer_table(const optim *kind, void **values, arena *a)
{
    const field *table = fields_join(kind->fields, decay_field(kind) ? decay_fields : NULL, common_offset(kind), a);
    *values = arena_alloc(a, common_offset(kind) + sizeof(decay_settings));
    return *values ? table : NULL;
}

bool optimizer_keeps(const optimizer *o, size_t state)
{
    return o->kind->state_names[state] && (!o->kind->keeps || o->kind->keeps(o->fields, state));
}

static void count_states(optimizer *o)
{
    o->n_states = 0;
    for (size_t s = 0; s < MAX_STATES; s++)
        o->n_states += optimizer_keeps(o, s);
}

weft_status optimizer_read(optimizer *o, const setting *map, isa level, arena *a, weft_error *err)
{
    static const char *const skip[] = {"name", NULL};
    const setting *name = map->kind == SETTING_MAP ? setting_find(map, "name") : NULL;
    if (!name || name->kind != SETTING_SCALAR)
        return fail(err, WEFT_BAD_INPUT, map->at, "an optimizer is written as {name: sgd, lr: 0.01}");
    *o = (optimizer){.kind = optim_find(level, name->text)};
    if (!o->kind)
        return refuse(level, name, err);
    void *fields = NULL;
    o->table = optimizer_table(o->kind, &fields, a);
    char *what = arena_printf(a, "optimizer %s", o->kind->name);
    if (!o->table || !what)
        return fail_memory(err);
    o->fields = fields;
    TRY(fields_read(o->table, map, what, skip, fields, a, err));
    o->no_decay = ((const decay_settings *)const_member_of(fields, common_offset(o->kind)))->no_decay;
    o->lr = ((const optim_fields *)fields)->lr;
    o->maximize = ((const optim_fields *)fields)->maximize;
    count_states(o);
    if (o->kind->minimise)
        o->kind->room(fields, &o->n_vectors, &o->n_scalars);
    return o->kind->check ? o->kind->check(fields, map->at, err) : WEFT_OK;
}

/* n numbers of a state, as they are before the first step; NULL: no memory. */
static real *make_state(const optimizer *o, size_t state, size_t n, arena *a)
{
    real *numbers = arena_array(a, n, sizeof *numbers);
    for (size_t i = 0; numbers && o->kind->start && i < n; i++)
        numbers[i] = (real)o->kind->start(o->fields, state);
    return numbers;
}

bool optimizer_set_momentum(optimizer *o, double momentum)
{
    for (const field *f = o->kind->fields; f->name; f++)
        if (strcmp(f->name, "momentum") == 0 || strcmp(f->name, "betas") == 0) {
            *(double *)member_of(o->fields, f->offset) = momentum;
            count_states(o);
            return true;
        }
    return false;
}

static weft_status prepare_vectors(optimizer *o, arena *a, weft_error *err)
{
    o->vectors = arena_array(a, o->n_vectors, sizeof *o->vectors);
    o->scalars = arena_array(a, o->n_scalars, sizeof *o->scalars);
    if (!o->vectors || !o->scalars)
        return fail_memory(err);
    for (size_t v = 0; v < o->n_vectors; v++) {
        if (!(o->vectors[v] = arena_array(a, o->n_blocks, sizeof *o->vectors[v])))
            return fail_memory(err);
        for (size_t b = 0; b < o->n_blocks; b++)
            if (o->block_numbers[b] && !(o->vectors[v][b] = arena_array(a, o->block_numbers[b], sizeof(real))))
                return fail_memory(err);
    }
    return WEFT_OK;
}

weft_status optimizer_prepare(optimizer *o, size_t n_blocks, const size_t *block_numbers, arena *a, weft_error *err)
{
    o->n_blocks = n_blocks;
    o->block_numbers = block_numbers;
    o->state = arena_array(a, n_blocks, sizeof *o->state);
    if (!o->state)
        return fail_memory(err);
    for (size_t b = 0; b < n_blocks; b++)
        for (size_t s = 0; s < MAX_STATES && block_numbers[b]; s++)
            if (optimizer_keeps(o, s) && !(o->state[b][s] = make_state(o, s, block_numbers[b], a)))
                return fail_memory(err);
    return o->kind->minimise ? prepare_vectors(o, a, err) : WEFT_OK;
}

static optim_group *find_group(const optimizer *o, double lr, bool decays)
{
    optim_group *g = o->groups;
    while (g && (g->lr != lr || g->decays != decays))
        g = g->next;
    return g;
}

weft_status optimizer_group(optimizer *o, size_t block, int part, double lr, bool decays, arena *a, weft_error *err)
{
    if (!o->numbers && !(o->numbers = arena_array(a, o->n_blocks, sizeof *o->numbers)))
        return fail_memory(err);
    if (!o->no_decay_fields && !(o->no_decay_fields = arena_alloc(a, o->kind->fields_bytes)))
        return fail_memory(err);
    if (lr == 1 && decays)
        return WEFT_OK;
    optim_group *g = find_group(o, lr, decays);
    if (!g) {
        if (!(g = arena_alloc(a, sizeof *g)))
            return fail_memory(err);
        *g = (optim_group){.lr = lr, .decays = decays, .next = o->groups};
        o->groups = g;
    }
    o->numbers[block][part] = g->hyper;
    return WEFT_OK;
}

const real *optimizer_hyper(const optimizer *o, size_t block, int part)
{
    return o->numbers && o->numbers[block][part] ? o->numbers[block][part] : o->hyper;
}

static void begin(const optimizer *o, const void *fields, double lr, real *hyper)
{
    o->kind->begin(fields, lr, o->t, hyper);
    for (size_t i = 0; o->maximize && i < OWN; i++)
        hyper[i] = -hyper[i];
}

void optimizer_begin(optimizer *o)
{
    const field *decay = decay_field(o->kind);
    o->t++;
    if (o->kind->minimise)
        return;
    begin(o, o->fields, o->lr, o->hyper);
    if (decay && o->groups) {
        memcpy(o->no_decay_fields, o->fields, o->kind->fields_bytes);
        *(double *)member_of(o->no_decay_fields, decay->offset) = 0;
    }
    for (optim_group *g = o->groups; g; g = g->next)
        begin(o, decay && !g->decays ? o->no_decay_fields : o->fields, o->lr * g->lr, g->hyper);
}
