/* A training on drawn data, moment by moment. */
#include <math.h>
#include <string.h>

#include "verify/verify.h"

enum { SEED = 20, N_TEST = 3 };

/* A training as it runs. */
typedef struct training {
    const exercise *exercise;
    weft_model *model;
    weft_trainer *trainer;
    weft_dataset data;
    float *test, *outputs; /* the test split as the model takes it, and what it makes of it */
    moment_hear *hear;
    void *self;
    bool heard_enough;
} training;

/* ---- Data ---- */

/* What targets must lie between, and do not leave far behind. */
static weft_status target_range(const exercise *t, arena *a, double *low, double *high, weft_error *err)
{
    const op *loss;
    const void *fields;
    const setting *map = setting_from_spec(a, t->options.loss ? t->options.loss : "cross_entropy", (where){"loss", 0, 0}, err);
    *low = -INFINITY;
    *high = INFINITY;
    if (!map || loss_read(&loss, &fields, map, (isa)0, a, err) != WEFT_OK)
        return WEFT_BAD_INPUT;
    if (loss->target_range)
        loss->target_range(fields, low, high);
    *low = MAX(*low, -1);
    *high = MIN(*high, 1);
    return WEFT_OK;
}

/* Classes come with bytes, as pictures do; numbers and labels with numbers. */
static weft_status draw_split(training *r, weft_split which, size_t n, arena *a, weft_error *err)
{
    weft_dataset *d = &r->data;
    double low, high;
    const size_t outputs = weft_model_outputs(r->model);
    float *x = arena_array(a, n * d->features, sizeof *x), *targets = arena_array(a, n * outputs, sizeof *targets);
    uint8_t *bytes = arena_array(a, n * d->features, 1);
    int32_t *labels = arena_array(a, n, sizeof *labels);
    if (!x || !targets || !bytes || !labels)
        return fail_memory(err);
    TRY(target_range(r->exercise, a, &low, &high, err));
    const bool classes = d->task == WEFT_CLASSIFICATION;
    rng_uniform(SEED, RNG_VERIFY, 2 * which, classes ? 0 : -2, classes ? 256 : 2, n * d->features, x);
    rng_uniform(SEED, RNG_VERIFY, 2 * which + 1, (float)low, (float)high, n * outputs, targets);
    for (size_t i = 0; i < n * d->features && classes; i++)
        bytes[i] = (uint8_t)x[i];
    for (size_t i = 0; i < n; i++)
        labels[i] = (int32_t)(i % outputs);
    for (size_t i = 0; i < n * outputs && d->task == WEFT_MULTI_LABEL; i++)
        targets[i] = (double)targets[i] > (low + high) / 2;
    d->split[which] = (data_split){.n = n, .samples = classes ? (void *)bytes : (void *)x, .labels = classes ? labels : NULL,
                                   .targets = classes ? NULL : targets};
    return WEFT_OK;
}

static weft_status draw_data(training *r, arena *a, weft_error *err)
{
    const exercise *t = r->exercise;
    const bool classes = t->task == WEFT_CLASSIFICATION;
    const size_t outputs = weft_model_outputs(r->model);
    const dtype type = classes ? DTYPE_U8 : DTYPE_F32;
    r->data = (weft_dataset){.name = "drawn", .sample = {1, {t->features}}, .disk_type = type, .type = type, .task = t->task,
                             .features = t->features, .n_classes = classes ? outputs : 0, .n_targets = classes ? 0 : outputs};
    TRY(draw_split(r, WEFT_TRAIN, t->samples, a, err));
    return draw_split(r, WEFT_TEST, N_TEST, a, err);
}

/* ---- Moments ---- */

/* Tensors on their way into one. */
typedef struct outgoing {
    moment *to;
    arena *memory;
} outgoing;

static void put(moment *to, const char *name, dtype type, shape s, const void *data)
{
    to->tensors[to->n_tensors++] = (tensor){.name = name, .type = type, .shape = s, .data = data};
}

static weft_status put_blocks(void *self, const weft_model *m, const named_blocks *b)
{
    const outgoing *out = self;
    return model_export(m, b, out->to->tensors, &out->to->n_tensors, out->memory);
}

static size_t n_metrics(void)
{
    size_t n = 0;
    while (metrics_keys[n].name)
        n++;
    return n;
}

static void put_metrics(const training *r, moment *to, const weft_metrics *metrics)
{
    for (const metrics_key *key = metrics_keys; key->name; key++)
        if (metrics_has(key, r->exercise->task) && key->offset != offsetof(weft_metrics, train_seconds) &&
            key->offset != offsetof(weft_metrics, eval_seconds))
            put(to, key->name, DTYPE_F64, (shape){0}, (const char *)metrics + key->offset);
}

/* Tells of a step by its loss and by all that the next one goes by; of an epoch by its metrics and the model's outputs, and by that state where
 * the end of an epoch may change it. */
static weft_status tell(training *r, const double *loss, const weft_metrics *metrics, weft_error *err)
{
    arena a = {0};
    const weft_trainer *t = r->trainer;
    moment now = {.step = t->optimizer.t, .epoch = metrics ? metrics->epoch : 0};
    now.tensors = arena_array(&a, 2 + n_metrics() + trainer_state_tensors(t), sizeof *now.tensors);
    weft_status status = now.tensors ? WEFT_OK : fail_memory(err);
    if (status == WEFT_OK && loss)
        put(&now, "loss", DTYPE_F64, (shape){0}, loss);
    if (status == WEFT_OK && metrics) {
        put_metrics(r, &now, metrics);
        status = weft_model_forward(r->model, r->test, N_TEST, r->outputs, err);
        put(&now, "outputs", DTYPE_F32, (shape){2, {N_TEST, weft_model_outputs(r->model)}}, r->outputs);
    }
    if (status == WEFT_OK && (loss || t->raw) && trainer_visit_state(t, put_blocks, &(outgoing){&now, &a}, &a) != WEFT_OK)
        status = fail_memory(err);
    r->heard_enough = status != WEFT_OK || !r->hear(r->self, &now);
    arena_deinit(&a);
    return status;
}

/* ---- Training ---- */

/* A loss that is not finite ends the exercise: as wrong kernels might, and no published one does. */
static weft_status train_epoch(training *r, weft_error *err)
{
    weft_error diverged = {0};
    weft_metrics metrics;
    const size_t steps = trainer_steps_per_epoch(r->trainer);
    for (size_t i = 0; i < steps && !r->heard_enough; i++) {
        double loss;
        const weft_status status = trainer_next_step(r->trainer, &loss, &diverged);
        if (status != WEFT_OK && status != WEFT_DIVERGED)
            return fail(err, status, (where){r->exercise->name, 0, 0}, "%s", diverged.message);
        TRY(tell(r, &loss, NULL, err));
        r->heard_enough |= status == WEFT_DIVERGED;
    }
    if (r->heard_enough)
        return WEFT_OK;
    const weft_status status = trainer_end_epoch(r->trainer, &metrics, &diverged);
    if (status != WEFT_OK && status != WEFT_DIVERGED)
        return fail(err, status, (where){r->exercise->name, 0, 0}, "%s", diverged.message);
    TRY(tell(r, NULL, &metrics, err));
    r->heard_enough |= status == WEFT_DIVERGED;
    return WEFT_OK;
}

static weft_status prepare(training *r, isa level, int threads, arena *a, weft_error *err)
{
    const exercise *t = r->exercise;
    weft_options options = t->options;
    options.seed = SEED;
    options.threads = threads;
    options.scale = t->task == WEFT_CLASSIFICATION ? 255 : 1;
    r->model = model_create_for(level, t->layers, err);
    if (!r->model)
        return err->status;
    TRY(weft_model_init(r->model, t->features, SEED, err));
    TRY(draw_data(r, a, err));
    r->test = arena_array(a, N_TEST * t->features, sizeof *r->test);
    r->outputs = arena_array(a, N_TEST * weft_model_outputs(r->model), sizeof *r->outputs);
    if (!r->test || !r->outputs)
        return fail_memory(err);
    weft_dataset_read(&r->data, WEFT_TEST, 0, N_TEST, options.scale, r->test);
    r->trainer = weft_trainer_create(r->model, &r->data, &options, err);
    if (!r->trainer)
        return err->status;
    r->trainer->all_threads = true;
    return WEFT_OK;
}

weft_status exercise_run(const exercise *t, isa level, int threads, moment_hear *hear, void *self, weft_error *err)
{
    arena a = {0};
    training r = {.exercise = t, .hear = hear, .self = self};
    weft_status status = prepare(&r, level, threads, &a, err);
    for (size_t e = 0; e < t->epochs && status == WEFT_OK && !r.heard_enough; e++)
        status = train_epoch(&r, err);
    weft_trainer_free(r.trainer);
    weft_model_free(r.model);
    arena_deinit(&a);
    return status;
}

/* ---- Its line ---- */

static size_t moment_bytes(const tensor *t) { return shape_numbers(&t->shape) * dtype_bytes(t->type); }

/* Knuth's multiplicative hash with the golden ratio: neighbours get digits that lie far apart. */
static unsigned digit_of(const tensor *t, size_t i)
{
    uint32_t word;
    uint64_t longer;
    const size_t bytes = dtype_bytes(t->type);
    const char *at = (const char *)t->data + i * bytes;
    if (bytes == sizeof word)
        return memcpy(&word, at, bytes), word * UINT32_C(0x9e3779b1) >> 28;
    return memcpy(&longer, at, bytes), (unsigned)(longer * UINT64_C(0x9e3779b97f4a7c15) >> 60);
}

void moment_print(const moment *m, text *t)
{
    static const char digits[] = "0123456789abcdef";
    text all = {0};
    char hex[65];
    for (size_t i = 0; i < m->n_tensors; i++)
        text_add_bytes(&all, m->tensors[i].data, moment_bytes(&m->tensors[i]));
    sha256_hex(all.data, all.length, hex);
    text_add_bytes(t, hex, HASH_DIGITS);
    for (size_t i = 0; i < m->n_tensors; i++)
        for (size_t k = 0; k < shape_numbers(&m->tensors[i].shape); k++)
            text_add_bytes(t, &digits[digit_of(&m->tensors[i], k)], 1);
    t->failed |= all.failed;
    text_free(&all);
}
