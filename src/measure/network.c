/* Networks to measure, with made-up samples, and the optimizers to measure them with. */
#include "measure/inside.h"

/* Spread evenly, and the same in every run: where i falls on a circle cut into n parts, in golden steps. */
static uint32_t scatter(size_t i, size_t n) { return (uint32_t)(((uint64_t)((uint32_t)i * 2654435769u) * n) >> 32); }

static weft_status make_samples(subject *s, size_t n_samples, size_t n_batch, weft_error *err)
{
    const size_t features = s->model->graph.in, outputs = s->model->graph.out;
    uint8_t *samples = arena_array(&s->memory, n_samples * features, 1);
    int32_t *labels = arena_array(&s->memory, n_samples, sizeof *labels);
    float *targets = arena_array(&s->memory, n_samples * outputs, sizeof *targets); /* for losses that want numbers */
    s->index = arena_array(&s->memory, n_batch, sizeof *s->index);
    if (!samples || !labels || !targets || !s->index)
        return fail_memory(err);
    for (size_t i = 0; i < n_samples * features; i++)
        samples[i] = (uint8_t)scatter(i, 256);
    for (size_t i = 0; i < n_samples; i++)
        labels[i] = (int32_t)scatter(i, outputs);
    for (size_t i = 0; i < n_samples * outputs; i++)
        targets[i] = (float)scatter(i, 2);
    for (size_t i = 0; i < n_batch; i++)
        s->index[i] = (uint32_t)i;
    s->batch = (batch){.samples = samples, .bytes = true, .scale = 255, .labels = labels, .targets = targets, .index = s->index, .n = n_batch,
                       .weight = (double)n_batch};
    return WEFT_OK;
}

static weft_status fill_subject(subject *s, const network *n, const char *optimizer, size_t n_samples, weft_error *err)
{
    s->model = weft_model_create(n->layers, err);
    if (!s->model)
        return WEFT_BAD_INPUT;
    TRY(weft_model_init(s->model, n->features, 1, err));
    s->trainer = weft_trainer_create(s->model, NULL, &(weft_options){.optimizer = optimizer, .loss = n->loss, .batch = n->batch, .threads = 1,
                                                                      .precision = n->precision, .clip_grad_norm = n->clip_grad_norm}, err);
    if (!s->trainer)
        return WEFT_BAD_INPUT;
    return make_samples(s, n_samples, n->batch, err);
}

weft_status subject_open(subject *s, const network *n, const char *optimizer, size_t n_samples, weft_error *err)
{
    *s = (subject){0};
    const weft_status status = fill_subject(s, n, optimizer, n_samples, err);
    if (status != WEFT_OK)
        subject_close(s);
    return status;
}

void subject_close(subject *s)
{
    weft_trainer_free(s->trainer);
    weft_model_free(s->model);
    arena_deinit(&s->memory);
    *s = (subject){0};
}

plan *subject_plan(const subject *s, plan_mode mode, optimizer *o, weft_error *err)
{
    weft_trainer *t = s->trainer;
    plan_spec spec = trainer_spec(t, mode, s->batch.n);
    spec.optimizer = o;
    plan *p = plan_compile(&spec, err);
    trainer_copy_parameters(t);
    if (p && o)
        optimizer_begin(o);
    if (p)
        plan_run(p, &s->batch, t->threads);
    return p;
}

optimizer *subject_still_optimizer(subject *s)
{
    s->trainer->optimizer.lr = 1e-9;
    return &s->trainer->optimizer;
}

/* How many arrays of state an optimizer keeps, as its spec sets it up. */
static weft_status read_states(const char *spec, isa level, size_t *n_states, weft_error *err)
{
    arena scratch = {0};
    optimizer o = {0};
    const setting *map = setting_from_spec(&scratch, spec, (where){"optimizer", 0, 0}, err);
    const weft_status status = map ? optimizer_read(&o, map, level, &scratch, err) : WEFT_BAD_INPUT;
    *n_states = o.n_states;
    arena_deinit(&scratch);
    return status;
}

static weft_status add_specs(const optim *kind, isa level, const char **specs, size_t *n, weft_error *err)
{
    bool seen[MAX_STATES + 1] = {0};
    for (const char *const *spec = kind->cases; *spec; spec++) {
        size_t n_states;
        TRY(read_states(*spec, level, &n_states, err));
        if (!seen[n_states])
            specs[(*n)++] = *spec;
        seen[n_states] = true;
    }
    return WEFT_OK;
}

const char *const *optimizer_specs(isa level, arena *a, weft_error *err)
{
    size_t n = 0, n_kinds = 0;
    const optim *const *kinds = optim_table(level);
    while (kinds[n_kinds])
        n_kinds++;
    const char **specs = arena_array(a, n_kinds * (MAX_STATES + 1) + 1, sizeof *specs);
    if (!specs) {
        fail_memory(err);
        return NULL;
    }
    for (size_t i = 0; i < n_kinds; i++)
        if (kinds[i]->update && add_specs(kinds[i], level, specs, &n, err) != WEFT_OK)
            return NULL;
    return specs;
}
