/* The trainer: steps through epochs, or on batches that the caller brings. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/within.h"

static const where schedule_option = {"schedule", 0, 0};

static weft_status read_schedule(weft_trainer *t, weft_error *err)
{
    const char *text = t->options.schedule ? t->options.schedule : "none";
    const setting *map = setting_from_spec(&t->memory, text, schedule_option, err);
    return map ? scheduler_read(&t->scheduler, map, &t->memory, err) : WEFT_BAD_INPUT;
}

/* The rate of the next step, and its momentum where the schedule moves that. False: the optimizer has none to be moved. */
static bool follow_schedule(optimizer *o, const scheduler *s, size_t epochs)
{
    const double momentum = scheduler_momentum(s, o->t, epochs);
    o->lr = scheduler_rate(s, o->t, epochs);
    return momentum < 0 || optimizer_set_momentum(o, momentum);
}

weft_status schedule_begin(scheduler *s, optimizer *o, uint64_t steps, uint64_t steps_per_epoch, where at, weft_error *err)
{
    TRY(scheduler_fit(s, steps, steps_per_epoch, at, err));
    scheduler_begin(s, o->lr);
    if (!follow_schedule(o, s, 0))
        return fail(err, WEFT_BAD_INPUT, at, "optimizer %s has no momentum for %s to move; turn cycle_momentum off: false", o->kind->name,
                    s->kind->name);
    return WEFT_OK;
}

static weft_status read_texts(weft_trainer *t, weft_error *err)
{
    const char *optimizer_text = t->options.optimizer ? t->options.optimizer : "sgd";
    const char *loss_text = t->options.loss ? t->options.loss : "cross_entropy";
    const setting *o = setting_from_spec(&t->memory, optimizer_text, (where){"optimizer", 0, 0}, err);
    const setting *l = setting_from_spec(&t->memory, loss_text, (where){"loss", 0, 0}, err);
    if (!o || !l)
        return WEFT_BAD_INPUT;
    weft_status one = optimizer_read(&t->optimizer, o, t->model->level, &t->memory, err);
    if (one == WEFT_OK)
        one = plan_check_groups(&t->optimizer, t->model->level, o, err);
    const weft_status other = loss_read(&t->loss, &t->loss_fields, l, t->model->level, &t->memory, err);
    const weft_status third = read_schedule(t, err);
    const char *precision = t->options.precision ? t->options.precision : "fp32";
    const bool known = precision_kernels(precision, t->model->level, (where){"precision", 0, 0}, &t->kernels, err);
    const weft_status average = average_read(&t->average, t->options.average, &t->memory, err);
    t->options.optimizer = t->options.loss = t->options.schedule = t->options.precision = t->options.average = NULL; /* the caller's; used up */
    return one != WEFT_OK ? one : other != WEFT_OK ? other
         : third != WEFT_OK ? third : average != WEFT_OK ? average : known ? WEFT_OK : WEFT_BAD_INPUT;
}

/* Whether every layer can do with the n samples of a training step. */
static weft_status check_batch(const weft_trainer *t, size_t n, weft_error *err)
{
    const graph *g = &t->model->graph;
    for (size_t i = 0; i < g->n_nodes; i++)
        if (n < g->nodes[i].op->least_batch)
            return fail(err, WEFT_BAD_INPUT, (where){"batch", 0, 0},
                        "layer %s (%s) trains on %zu samples at least, but a batch has %zu; choose another size of batch",
                        g->nodes[i].path, g->nodes[i].spec, g->nodes[i].op->least_batch, n);
    return WEFT_OK;
}

/* Whether the loss takes what the data set has. */
static weft_status check_loss(const weft_trainer *t, weft_error *err)
{
    static const struct {
        const char *has, *use;
    } words[WEFT_N_TASKS] = {{"classes", "cross_entropy"},
                             {"numbers", "mse_loss"},
                             {"labels that are each 0 or 1", "binary_cross_entropy_with_logits"}};
    const weft_dataset *d = t->data;
    const where at = {"loss", 0, 0};
    const bool classes = d->task == WEFT_CLASSIFICATION;
    double low = -INFINITY, high = INFINITY, min, max, mean;
    if (classes != (t->loss->targets == TARGET_CLASS))
        return fail(err, WEFT_BAD_INPUT, at, "%s wants %s, and %s has %s; use %s", t->loss->name, classes ? "numbers" : "classes", d->name,
                    words[d->task].has, words[d->task].use);
    if (t->loss->target_range)
        t->loss->target_range(t->loss_fields, &low, &high);
    for (size_t i = 0; i < WEFT_N_SPLITS * d->n_targets && t->loss->target_range; i++) {
        data_target_range(d, i % WEFT_N_SPLITS, i / WEFT_N_SPLITS, &min, &max, &mean);
        if (min < low || max > high)
            return fail(err, WEFT_BAD_INPUT, at, "%s wants numbers from %g to %g, and number %zu of %s goes from %g to %g", t->loss->name, low,
                        high, i / WEFT_N_SPLITS, d->name, min, max);
    }
    return WEFT_OK;
}

static weft_status check_data(weft_trainer *t, weft_error *err)
{
    const weft_dataset *d = t->data;
    const char *watched = scheduler_watches(&t->scheduler);
    TRY(check_loss(t, err));
    if (watched)
        TRY(watched_fits(watched, d->task, "metric", schedule_option, err));
    if (d->n_targets && d->n_targets != t->model->graph.out)
        return fail(err, WEFT_BAD_INPUT, (where){"model", 0, 0}, "the model gives %zu numbers, but %s has %zu a sample; end it with \"linear %zu\"",
                    t->model->graph.out, d->name, d->n_targets, d->n_targets);
    if (d->n_classes > t->model->graph.out)
        return fail(err, WEFT_BAD_INPUT, (where){"model", 0, 0}, "the model gives %zu numbers, but %s has %zu classes; end it with \"linear %zu\"",
                    t->model->graph.out, d->name, d->n_classes, d->n_classes);
    if (!t->options.keep_order && d->split[WEFT_TRAIN].n > UINT32_MAX)
        return fail(err, WEFT_BAD_INPUT, (where){d->name, 0, 0}, "more than 2^32 samples are not supported");
    const size_t last = d->split[WEFT_TRAIN].n % t->options.batch;
    TRY(check_batch(t, last ? last : t->options.batch, err));
    TRY(check_batch(t, t->options.batch, err));
    t->model->data = d->name;
    t->model->class_names = d->class_names;
    t->model->n_classes = d->n_classes;
    t->model->scale = t->options.scale;
    TRY(data_image_kind(d, &t->model->image, err));
    t->model->task = t->task = d->task;
    t->model->loss = fields_spec(t->loss->name, t->loss->fields, t->loss_fields, false, &t->model->memory);
    if (d->n_targets)
        t->outputs = arena_array(&t->memory, MAX(d->split[WEFT_TRAIN].n, d->split[WEFT_TEST].n) * d->n_targets, sizeof *t->outputs);
    return t->model->loss && !t->outputs == !d->n_targets ? WEFT_OK : fail_memory(err);
}

/* Room for the copies of the parameters that the kernels want. */
static weft_status prepare_copies(weft_trainer *t, weft_error *err)
{
    const graph *g = &t->model->graph;
    if (!t->kernels.copy)
        return WEFT_OK;
    t->copies = arena_array(&t->memory, g->n_nodes, sizeof *t->copies);
    for (size_t i = 0; t->copies && i < g->n_nodes; i++) {
        plan_copy_shapes(g, &t->kernels, &g->nodes[i], t->copies[i]);
        for (size_t k = 0; k < N_COPIES; k++) {
            operand *o = &t->copies[i][k];
            if (o->rows && !(o->data = arena_array(&t->memory, operand_numbers(o), sizeof(real))))
                return fail_memory(err);
        }
    }
    t->copied = t->model->version - 1;
    return t->copies ? WEFT_OK : fail_memory(err);
}

static weft_status check_options(const weft_options *o, weft_error *err)
{
    if (!(o->scale > 0) || !isfinite(o->scale))
        return fail(err, WEFT_BAD_INPUT, (where){"scale", 0, 0}, "samples are divided by the scale: it must be above 0");
    if (!(o->clip_grad_norm >= 0) || !(o->clip_grad_value >= 0))
        return fail(err, WEFT_BAD_INPUT, (where){o->clip_grad_norm >= 0 ? "clip_grad_value" : "clip_grad_norm", 0, 0},
                    "what gradients are clipped to must be above 0, or 0 for not at all");
    if (o->accumulate > MAX_ACCUMULATE)
        return fail(err, WEFT_BAD_INPUT, (where){"accumulate", 0, 0}, "a step takes at most %d batches, not %zu", MAX_ACCUMULATE, o->accumulate);
    if (o->clip_grad_norm > 0 && o->clip_grad_value > 0)
        return fail(err, WEFT_BAD_INPUT, (where){"clip_grad_value", 0, 0},
                    "gradients are clipped by their norm or by their value; leave clip_grad_norm or clip_grad_value out");
    return WEFT_OK;
}

/* An optimizer that goes by the loss itself wants the gradients of that, all of them, and none that are not. */
static weft_status check_minimiser(const weft_trainer *t, weft_error *err)
{
    const char *name = t->optimizer.kind->name;
    const weft_options *o = &t->options;
    if (!t->optimizer.kind->minimise)
        return WEFT_OK;
    if (o->clip_grad_norm > 0 || o->clip_grad_value > 0)
        return fail(err, WEFT_BAD_INPUT, (where){o->clip_grad_norm > 0 ? "clip_grad_norm" : "clip_grad_value", 0, 0},
                    "%s needs the gradients of the loss as they are; leave this out, or take another optimizer", name);
    if (strcmp(t->average.name, "none") != 0)
        return fail(err, WEFT_BAD_INPUT, (where){"average", 0, 0}, "%s has no averages; leave this out, or take another optimizer", name);
    if (o->accumulate > 1)
        return fail(err, WEFT_BAD_INPUT, (where){"accumulate", 0, 0}, "%s looks at a batch again and again, so a step has one; take a larger batch",
                    name);
    for (size_t i = 0; i < t->model->graph.n_nodes; i++) {
        const node *n = &t->model->graph.nodes[i];
        if ((n->training.lr != 1 && n->training.lr != 0) || n->training.l1 != 0 || n->training.l2 != 0)
            return fail(err, WEFT_BAD_INPUT, (where){"model", 0, 0}, "layer %s (%s): %s moves all parameters together; of a layer's lr, l1 and l2 "
                        "it knows lr=0 alone", n->path, n->op->name, name);
    }
    return WEFT_OK;
}

static weft_status prepare(weft_trainer *t, weft_error *err)
{
    weft_model *m = t->model;
    TRY(read_texts(t, err));
    TRY(check_options(&t->options, err));
    TRY(check_minimiser(t, err));
    if (!t->data && !m->weights)
        return fail(err, WEFT_BAD_INPUT, (where){"model", 0, 0}, "without a data set the model's parameters must exist; call weft_model_init");
    if (!m->weights)
        TRY(weft_model_init(m, weft_dataset_features(t->data), t->options.seed, err));
    if (t->data) {
        TRY(model_prepare(m, weft_dataset_features(t->data), err)); /* whether it fits */
        TRY(check_data(t, err));
    }
    if (t->loss->fits)
        TRY(t->loss->fits(t->loss_fields, m->graph.out, err));
    size_t *numbers = arena_array(&t->memory, m->graph.n_nodes, sizeof *numbers);
    for (size_t i = 0; i < 2; i++)
        t->drawn[i].index = arena_array(&t->memory, t->options.batch, sizeof *t->drawn[i].index);
    t->last_good = model_blocks(m, BLOCKS_PARAMS, &t->memory);
    t->last_good_buffers = model_blocks(m, BLOCKS_BUFFERS, &t->memory);
    t->sums = t->options.accumulate > 1 ? model_blocks(m, BLOCKS_PARAMS, &t->memory) : NULL;
    t->gradients = t->optimizer.kind->minimise ? arena_array(&t->memory, m->graph.n_nodes, sizeof *t->gradients) : NULL;
    if (!numbers || !t->drawn[0].index || !t->drawn[1].index || !t->last_good || !t->last_good_buffers ||
        (t->options.accumulate > 1 && !t->sums) || (t->optimizer.kind->minimise && !t->gradients))
        return fail_memory(err);
    for (size_t i = 0; i < m->graph.n_nodes; i++)
        numbers[i] = m->graph.nodes[i].block_numbers;
    TRY(prepare_copies(t, err));
    TRY(average_prepare(t, err));
    TRY(schedule_begin(&t->scheduler, &t->optimizer, t->options.total_steps, trainer_steps_per_epoch(t), schedule_option, err));
    TRY(optimizer_prepare(&t->optimizer, m->graph.n_nodes, numbers, &t->memory, err));
    TRY(plan_group(&m->graph, &t->optimizer, &t->memory, err));
    t->threads = pool_create(t->options.threads, err);
    return t->threads ? WEFT_OK : err && err->status ? err->status : WEFT_NO_MEMORY;
}

weft_trainer *weft_trainer_create(weft_model *model, const weft_dataset *data, const weft_options *options, weft_error *err)
{
    static const weft_options defaults;
    weft_trainer *t = calloc(1, sizeof *t);
    if (!t) {
        fail_memory(err);
        return NULL;
    }
    t->model = model;
    t->data = data;
    t->options = options ? *options : defaults;
    if (!t->options.batch)
        t->options.batch = 32;
    if (t->options.scale == 0)
        t->options.scale = 1;
    if (!t->options.accumulate)
        t->options.accumulate = 1;
    if (prepare(t, err) == WEFT_OK)
        return t;
    weft_trainer_free(t);
    return NULL;
}

void weft_trainer_free(weft_trainer *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < 2; i++) {
        plan_free(t->train[i]);
        plan_free(t->evaluate[i]);
    }
    plan_free(t->update);
    pool_free(t->threads);
    arena_deinit(&t->memory);
    free(t);
}

plan_spec trainer_spec(weft_trainer *t, plan_mode mode, size_t n)
{
    const bool train = mode == PLAN_TRAIN || mode == PLAN_UPDATE;
    return (plan_spec){.graph = &t->model->graph, .kernels = train ? &t->kernels : t->model->kernels, .mode = mode, .batch = n,
                       .all_threads = t->all_threads, .weights = train && t->raw ? t->raw : t->model->weights, .buffers = t->model->buffers,
                       .copies = train ? t->copies : NULL, .loss = t->loss, .loss_fields = t->loss_fields,
                       .optimizer = t->gradients ? NULL : &t->optimizer,
                       .rules = {.clip_norm = t->options.clip_grad_norm, .clip_value = t->options.clip_grad_value, .sums = t->sums,
                                 .share = (real)(1.0 / (double)t->options.accumulate),
                                 .averages = strcmp(t->average.name, "ema") == 0 ? t->model->weights : NULL, .shares = t->shares}};
}

plan *trainer_plan(weft_trainer *t, plan_mode mode, size_t n, weft_error *err)
{
    plan **plans = mode == PLAN_TRAIN ? t->train : t->evaluate;
    size_t *sizes = mode == PLAN_TRAIN ? t->train_batch : t->evaluate_batch;
    for (size_t i = 0; i < 2; i++)
        if (plans[i] && sizes[i] == n)
            return plans[i];
    const size_t slot = plans[0] != NULL; /* the full size comes first; the second place is for whatever else */
    plan_free(plans[slot]);
    const plan_spec spec = trainer_spec(t, mode, n);
    plans[slot] = plan_compile(&spec, err);
    sizes[slot] = n;
    return plans[slot];
}

static size_t batches_per_epoch(const weft_trainer *t)
{
    return t->data ? (t->data->split[WEFT_TRAIN].n + t->options.batch - 1) / t->options.batch : 0;
}

size_t trainer_steps_per_epoch(const weft_trainer *t)
{
    return (batches_per_epoch(t) + t->options.accumulate - 1) / t->options.accumulate;
}

/* The batches of the first n steps of an epoch. */
static size_t batches_of(const weft_trainer *t, size_t n) { return MIN(n * t->options.accumulate, batches_per_epoch(t)); }

/* The model as it was before the epoch. */
static void keep_model(weft_trainer *t)
{
    model_copy_blocks(t->model, BLOCKS_PARAMS, t->model->weights, t->last_good);
    model_copy_blocks(t->model, BLOCKS_BUFFERS, t->model->buffers, t->last_good_buffers);
}

static void take_model_back(weft_trainer *t)
{
    model_copy_blocks(t->model, BLOCKS_PARAMS, t->last_good, t->model->weights);
    model_copy_blocks(t->model, BLOCKS_BUFFERS, t->last_good_buffers, t->model->buffers);
    t->model->version++;
}

/* Of the loss, or of the gradients' norm where that is clipped. */
static weft_status diverged(weft_trainer *t, double loss, weft_error *err)
{
    const unsigned long long number = t->optimizer.t;
    for (size_t i = 0; t->sums && i < t->model->graph.n_nodes; i++)
        if (t->sums[i])
            memset(t->sums[i], 0, t->model->graph.nodes[i].block_numbers * sizeof(real));
    t->n_summed = 0;
    if (isfinite(loss))
        return fail(err, WEFT_DIVERGED, (where){"training", 0, 0},
                    "step %llu: the norm of the gradients is not finite, although the loss is; try a lower learning rate", number);
    if (t->broken)
        return fail(err, WEFT_DIVERGED, (where){"training", 0, 0},
                    "step %llu: the loss is %s; layer %s (%s) is the first whose output is not finite; try a lower learning rate",
                    number, isnan(loss) ? "nan" : "inf", t->broken->path, t->broken->spec);
    return fail(err, WEFT_DIVERGED, (where){"training", 0, 0}, "step %llu: the loss is %s, although every layer's output is finite",
                number, isnan(loss) ? "nan" : "inf");
}

void trainer_copy_parameters(weft_trainer *t)
{
    const plan_spec spec = trainer_spec(t, PLAN_TRAIN, 1);
    if (t->raw && t->taken != t->model->version)
        model_copy_blocks(t->model, BLOCKS_PARAMS, t->model->weights, t->raw);
    for (size_t i = 0; t->copies && t->copied != t->model->version && i < t->model->graph.n_nodes; i++)
        if (spec.weights[i])
            plan_copy_weights(&spec, &t->model->graph.nodes[i]);
    t->copied = t->taken = ++t->model->version;
}

/* From the gradients' sums to a step; *loss is the last batch's. */
static weft_status take_step(weft_trainer *t, double loss, weft_error *err)
{
    const plan_spec spec = trainer_spec(t, PLAN_UPDATE, 1);
    if (!t->update && !(t->update = plan_compile(&spec, err)))
        return WEFT_NO_MEMORY;
    t->n_summed = 0;
    return plan_run(t->update, NULL, t->threads) ? WEFT_OK : diverged(t, loss, err);
}

/* A batch that an optimizer looks at again and again. */
typedef struct view {
    weft_trainer *trainer;
    plan *plan;
    const batch *batch;
} view;

static bool look(void *self, double *loss)
{
    const view *v = self;
    v->trainer->model->version++; /* the optimizer may have moved them */
    trainer_copy_parameters(v->trainer);
    const bool finite = plan_run(v->plan, v->batch, v->trainer->threads);
    *loss = plan_mean_loss(v->plan);
    return finite;
}

static bool minimise(weft_trainer *t, plan *p, const batch *b, double *loss)
{
    optimizer *o = &t->optimizer;
    for (size_t i = 0; i < t->model->graph.n_nodes; i++) {
        const node *n = &t->model->graph.nodes[i];
        t->gradients[i] = node_trains(n) ? (real *)plan_gradient(p, n) : NULL;
    }
    const objective f = {.evaluate = look, .self = &(view){t, p, b}, .weights = t->model->weights, .gradients = t->gradients};
    const bool finite = o->kind->minimise(o, &f, loss);
    t->model->version++;
    return finite;
}

/* A batch whose plan exists: a step, or a part of one. */
static weft_status run_batch(weft_trainer *t, plan *p, batch *b, double *loss, weft_error *err)
{
    b->weight = trainer_weight(t, b);
    if (b->weight == 0)
        return fail(err, WEFT_BAD_INPUT, (where){"training", 0, 0}, "step %llu: no sample of the batch counts: %s passes their labels over, or "
                    "their weights are 0; a larger batch would have others", (unsigned long long)t->optimizer.t + 1, t->loss->name);
    trainer_copy_parameters(t);
    if (t->n_summed == 0) {
        follow_schedule(&t->optimizer, &t->scheduler, t->epoch);
        optimizer_begin(&t->optimizer);
    }
    average_begin_step(t);
    const bool finite = t->gradients ? minimise(t, p, b, loss) : plan_run(p, b, t->threads);
    if (!t->gradients)
        *loss = plan_mean_loss(p);
    if (!finite) {
        t->broken = isfinite(*loss) ? NULL : plan_first_broken(p);
        return diverged(t, *loss, err);
    }
    return t->sums && ++t->n_summed == t->options.accumulate ? take_step(t, *loss, err) : WEFT_OK;
}

/* Batch k of the epoch that is under way; in a place that the batch behind it does not take. */
static const drawn_batch *draw(weft_trainer *t, size_t k)
{
    drawn_batch *d = &t->drawn[k % 2];
    if (d->n && d->epoch == t->epoch && d->k == k)
        return d;
    d->epoch = t->epoch;
    d->k = k;
    d->n = loader_indices(t->data->split[WEFT_TRAIN].n, t->options.batch, !t->options.keep_order, t->options.seed, t->epoch, k, d->index);
    return d;
}

static weft_status run_drawn(weft_trainer *t, size_t k, double *loss, weft_error *err)
{
    const data_split *s = &t->data->split[WEFT_TRAIN];
    const drawn_batch *now = draw(t, k), *next = draw(t, k + 1);
    plan *p = trainer_plan(t, PLAN_TRAIN, now->n, err);
    if (!p)
        return WEFT_NO_MEMORY;
    batch b = {.samples = s->samples, .bytes = t->data->type == DTYPE_U8, .scale = t->options.scale, .labels = s->labels,
               .targets = s->targets, .index = now->index, .n = now->n, .seed = t->options.seed, .number = t->epoch * batches_per_epoch(t) + k,
               .next = next->index, .n_next = next->n};
    return run_batch(t, p, &b, loss, err);
}

/* The batches of a step; *sum: of their losses. */
static weft_status run_step(weft_trainer *t, size_t first, size_t last, double *sum, weft_error *err)
{
    double loss = 0;
    for (size_t k = first; k < last; k++) {
        const weft_status status = run_drawn(t, k, &loss, err);
        *sum += loss;
        TRY(status);
    }
    return t->n_summed ? take_step(t, loss, err) : WEFT_OK; /* fewer than there should be */
}

weft_status trainer_next_step(weft_trainer *t, double *loss, weft_error *err)
{
    const double begin = now_seconds();
    if (t->step_of_epoch == 0) {
        keep_model(t);
        t->loss_sum = t->train_seconds = 0;
    }
    const size_t first = batches_of(t, t->step_of_epoch), last = batches_of(t, t->step_of_epoch + 1);
    double sum = 0;
    const weft_status status = run_step(t, first, last, &sum, err);
    if (status == WEFT_DIVERGED)
        take_model_back(t);
    *loss = sum / (double)(last - first);
    t->loss_sum += sum;
    t->step_of_epoch++;
    t->train_seconds += now_seconds() - begin;
    return status;
}

/* What the layers' l1 and l2 add to what is minimised. */
static double penalty(const weft_trainer *t)
{
    double sum = 0;
    for (size_t i = 0; i < t->model->graph.n_nodes; i++) {
        const node *n = &t->model->graph.nodes[i];
        operand w = n->block;
        w.data = t->model->weights[i];
        for (size_t r = 0; (n->training.l1 != 0 || n->training.l2 != 0) && r < n->weight_rows; r++)
            for (size_t c = 0; c < w.cols; c++) {
                const double one = (double)*element(&w, r, c);
                sum += n->training.l1 * fabs(one) + n->training.l2 * one * one;
            }
    }
    return sum;
}

weft_status trainer_end_epoch(weft_trainer *t, weft_metrics *metrics, weft_error *err)
{
    const double begin = now_seconds();
    average_end_epoch(t);
    evaluation train = {0}, val = {0};
    TRY(trainer_evaluate_split(t, WEFT_TRAIN, &train, err));
    TRY(trainer_evaluate_split(t, WEFT_TEST, &val, err));
    t->epoch++;
    *metrics = (weft_metrics){
        .epoch = t->epoch,
        .train_loss = t->loss_sum / (double)batches_of(t, t->step_of_epoch),
        .train_acc = train.score.acc,
        .val_loss = val.loss,
        .val_acc = val.score.acc,
        .lr = t->optimizer.lr,
        .train_seconds = t->train_seconds,
        .eval_seconds = now_seconds() - begin,
        .task = t->task,
        .train_r2 = train.score.r2,
        .train_mae = train.score.mae,
        .train_rmse = train.score.rmse,
        .val_r2 = val.score.r2,
        .val_mae = val.score.mae,
        .val_rmse = val.score.rmse,
        .train_f1 = train.score.f1,
        .train_f1_macro = train.score.f1_macro,
        .train_auroc = train.score.auroc,
        .val_f1 = val.score.f1,
        .val_f1_macro = val.score.f1_macro,
        .val_auroc = val.score.auroc,
        .penalty = penalty(t),
    };
    t->step_of_epoch = 0;
    if (isfinite(train.loss) && isfinite(val.loss)) {
        scheduler_learn(&t->scheduler, metrics);
        return WEFT_OK;
    }
    take_model_back(t);
    return fail(err, WEFT_DIVERGED, (where){"training", 0, 0}, "epoch %zu: the loss over the whole %s is not finite; try a lower learning rate",
                t->epoch, isfinite(train.loss) ? "test set" : "training set");
}

weft_status weft_trainer_epoch(weft_trainer *t, weft_metrics *metrics, weft_error *err)
{
    if (!t->data)
        return fail(err, WEFT_BAD_INPUT, (where){"trainer", 0, 0}, "this trainer has no data set; use weft_trainer_step");
    double loss;
    for (const size_t steps = trainer_steps_per_epoch(t); t->step_of_epoch < steps;)
        TRY(trainer_next_step(t, &loss, err));
    return trainer_end_epoch(t, metrics, err);
}

static weft_status check_labels(const weft_trainer *t, const weft_batch *b, weft_error *err)
{
    const int32_t ignored = t->loss->ignored(t->loss_fields);
    for (size_t i = 0; i < b->n; i++)
        if (b->y[i] != ignored && (b->y[i] < 0 || (size_t)b->y[i] >= t->model->graph.out))
            return fail(err, WEFT_BAD_INPUT, (where){"batch", 0, 0}, "label %zu is %d, but the model has classes 0 to %zu", i, b->y[i],
                        t->model->graph.out - 1);
    return WEFT_OK;
}

static weft_status check_targets(const weft_trainer *t, const weft_batch *b, weft_error *err)
{
    const size_t n_outputs = t->model->graph.out;
    double low = -INFINITY, high = INFINITY;
    if (t->loss->target_range)
        t->loss->target_range(t->loss_fields, &low, &high);
    for (size_t i = 0; i < b->n * n_outputs; i++)
        if (!isfinite(b->targets[i]) || (double)b->targets[i] < low || (double)b->targets[i] > high)
            return fail(err, WEFT_BAD_INPUT, (where){"batch", 0, 0}, "target %zu of sample %zu is %g; %s wants numbers from %g to %g",
                        i % n_outputs, i / n_outputs, (double)b->targets[i], t->loss->name, low, high);
    return WEFT_OK;
}

/* The caller's batch as a plan takes it, after a look at what its samples should give. */
static weft_status callers_batch(const weft_trainer *t, const weft_batch *b, batch *out, weft_error *err)
{
    const bool classes = t->loss->targets == TARGET_CLASS;
    if (!b->n)
        return fail(err, WEFT_BAD_INPUT, (where){"batch", 0, 0}, "the batch is empty");
    if (classes ? !b->y : !b->targets)
        return fail(err, WEFT_BAD_INPUT, (where){"batch", 0, 0}, "the batch has no %s, which %s wants", classes ? "labels (y)" : "targets",
                    t->loss->name);
    TRY((classes ? check_labels : check_targets)(t, b, err));
    *out = (batch){.samples = b->x, .scale = 1, .labels = classes ? b->y : NULL, .targets = classes ? NULL : b->targets, .n = b->n,
                   .seed = t->options.seed, .number = t->optimizer.t * t->options.accumulate + t->n_summed};
    return WEFT_OK;
}

weft_status weft_trainer_step(weft_trainer *t, const weft_batch *given, double *loss, weft_error *err)
{
    batch b;
    TRY(callers_batch(t, given, &b, err));
    TRY(check_batch(t, b.n, err));
    plan *p = trainer_plan(t, PLAN_TRAIN, b.n, err);
    if (!p)
        return WEFT_NO_MEMORY;
    if (t->gradients)
        keep_model(t);
    const weft_status status = run_batch(t, p, &b, loss, err);
    if (t->gradients && status == WEFT_DIVERGED)
        take_model_back(t);
    return status;
}

weft_status weft_trainer_evaluate(weft_trainer *t, const weft_batch *given, double *loss, size_t *n_correct, weft_error *err)
{
    batch b;
    evaluation e = {0};
    TRY(callers_batch(t, given, &b, err));
    TRY(trainer_evaluate(t, &b, &e, err));
    *loss = e.loss;
    *n_correct = e.n_correct;
    return WEFT_OK;
}
