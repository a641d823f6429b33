/* checkpoint/state.safetensors: everything that a run needs to go on to the same bits as if it had never stopped; and beside it
 * previous.safetensors, the one before it. Loaders have no state but the numbers of epoch and step, and of the schedules only one has. */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "train/probing.h"
#include "train/within.h"

enum { FORMAT = 1 };

/* NULL: no memory. */
static const char *checkpoint_path(const char *folder, const char *name, arena *a)
{
    const char *inner = path_join(a, folder, CHECKPOINT_FOLDER);
    return inner ? path_join(a, inner, name) : NULL;
}

bool checkpoint_exists(const char *folder, arena *a)
{
    const char *newest = checkpoint_path(folder, CHECKPOINT_NEWEST, a), *previous = checkpoint_path(folder, CHECKPOINT_PREVIOUS, a);
    return newest && previous && (file_exists(newest) || file_exists(previous));
}

/* ---- What must be the same for a run to go on ---- */

enum { N_IDENTITY = 19 };

typedef struct identity {
    const char *name, *text;
    const char *usual; /* what it was where a checkpoint does not say; NULL: they all say it */
} identity;

static bool identify(const run *r, identity all[N_IDENTITY], arena *a)
{
    const run_settings *s = r->settings;
    char number[32], *fingerprint = arena_alloc(a, 33);
    if (!fingerprint)
        return false;
    data_fingerprint(r->trainer->data, fingerprint);
    const identity list[N_IDENTITY] = {
        {"model", s->model_text, NULL},
        {"init.weight", s->init.weight ? s->init.weight : "none", "none"},
        {"init.bias", s->init.bias ? s->init.bias : "none", "none"},
        {"loss", s->loss_text, NULL},
        {"optimizer", s->optimizer_text, NULL},
        {"schedule", scheduler_text(&r->trainer->scheduler, a), "none"},
        {"data", fingerprint, NULL},
        {"data.scale", arena_text(a, print_double(s->data.scale, number)), NULL},
        {"train.batch", arena_printf(a, "%zu", train_batch(&s->train, r->trainer->data)), NULL},
        {"train.seed", arena_printf(a, "%llu", (unsigned long long)s->train.seed), NULL},
        {"train.shuffle", s->train.shuffle ? "true" : "false", NULL},
        /* each unit of bf16 has its own bits: a run keeps to one */
        {"train.precision", arena_printf(a, r->trainer->kernels.copy ? "%s on %s" : "%s", s->train.precision, r->trainer->kernels.isa),
         "fp32"},
        {"train.clip_grad_norm", arena_text(a, print_double(s->train.clip_grad_norm, number)), "0"},
        {"train.clip_grad_value", arena_text(a, print_double(s->train.clip_grad_value, number)), "0"},
        {"train.average", s->train.average.name, "none"},
        {"train.average.decay", arena_text(a, print_double(s->train.average.decay, number)), "0.999"},
        {"train.average.start", arena_printf(a, "%zu", s->train.average.start), "1"},
        {"train.early_stopping.monitor", s->train.early_stopping.monitor, "val_loss"},
        {"train.accumulate", arena_printf(a, "%zu", s->train.accumulate), "1"},
    };
    memcpy(all, list, sizeof list);
    for (size_t i = 0; i < N_IDENTITY; i++)
        if (!all[i].text)
            return false;
    return true;
}

/* ---- The numbers, by name ---- */

typedef struct number {
    const char *name;
    enum { NUMBER_SIZE, NUMBER_U64, NUMBER_DOUBLE, NUMBER_DOUBLES } type;
    void *at;
    bool late; /* not in every checkpoint: then 0 */
    size_t n;  /* NUMBER_DOUBLES */
} number;

enum { MAX_METRICS = 21, N_PLATEAU = 5, N_LOSSES = 8, MAX_NUMBERS = 10 + 2 * MAX_METRICS + N_PLATEAU + N_LOSSES,
       MAX_NOTES = 2 + N_IDENTITY + MAX_NUMBERS };

/* Appends an epoch's, "PREFIX.val_loss". A name is NULL where memory ran out. */
static size_t list_metrics(weft_metrics *m, const char *prefix, weft_task task, number *out, arena *a)
{
    size_t n = 0;
    out[n++] = (number){arena_printf(a, "%s.epoch", prefix), NUMBER_SIZE, .at = &m->epoch};
    for (const metrics_key *key = metrics_keys; key->name; key++)
        if (metrics_has(key, task))
            out[n++] = (number){arena_printf(a, "%s.%s", prefix, key->name), NUMBER_DOUBLE, .at = (char *)m + key->offset, .late = key->rare};
    return n;
}

/* What probes know of the losses of the epoch that is under way. */
static size_t list_losses(loss_watch *w, number out[N_LOSSES])
{
    const number all[N_LOSSES] = {
        {"losses.steps", NUMBER_SIZE, .at = &w->n_steps, .late = true},
        {"losses.summed", NUMBER_SIZE, .at = &w->n_summed, .late = true},
        {"losses.n_means", NUMBER_SIZE, .at = &w->n_means, .late = true},
        {"losses.spikes", NUMBER_SIZE, .at = &w->spikes, .late = true},
        {"losses.sum", NUMBER_DOUBLE, .at = &w->sum, .late = true},
        {"losses.first", NUMBER_DOUBLE, .at = &w->first, .late = true},
        {"losses.first_mean", NUMBER_DOUBLE, .at = &w->first_mean, .late = true},
        {"losses.means", NUMBER_DOUBLES, .at = w->means, .late = true, .n = LOSS_WINDOW},
    };
    memcpy(out, all, sizeof all);
    return N_LOSSES;
}

/* How many there are: a schedule that learns from the metrics has numbers of its own, and so have some optimizers. */
static size_t list_numbers(run *r, number out[MAX_NUMBERS], arena *a)
{
    weft_trainer *t = r->trainer;
    const number own[] = {
        {"epoch", NUMBER_SIZE, .at = &t->epoch},
        {"step_of_epoch", NUMBER_SIZE, .at = &t->step_of_epoch},
        {"step", NUMBER_U64, .at = &t->optimizer.t},
        {"loss_sum", NUMBER_DOUBLE, .at = &t->loss_sum},
        {"train_seconds", NUMBER_DOUBLE, .at = &t->train_seconds},
        {"epochs_averaged", NUMBER_SIZE, .at = &t->n_averaged, .late = true},
        {"stopping.best", NUMBER_DOUBLE, .at = &r->stopping.best, .late = true},
        {"stopping.epoch", NUMBER_SIZE, .at = &r->stopping.epoch, .late = true},
        {"stopping.waited", NUMBER_SIZE, .at = &r->stopping.waited, .late = true},
    };
    size_t n = COUNT(own);
    memcpy(out, own, sizeof own);
    n += list_metrics(&r->metrics, "last", t->task, out + n, a);
    n += list_metrics(&r->best, "best", t->task, out + n, a);
    plateau *p = &t->scheduler.state;
    const number learnt[N_PLATEAU] = {
        {"schedule.lr", NUMBER_DOUBLE, .at = &p->lr}, {"schedule.best", NUMBER_DOUBLE, .at = &p->best},
        {"schedule.improvements", NUMBER_SIZE, .at = &p->improvements}, {"schedule.bad", NUMBER_SIZE, .at = &p->bad},
        {"schedule.cooldown", NUMBER_SIZE, .at = &p->cooldown},
    };
    if (t->scheduler.kind->learn) {
        memcpy(out + n, learnt, sizeof learnt);
        n += N_PLATEAU;
    }
    if (t->optimizer.n_scalars)
        out[n++] = (number){"optimizer.scalars", NUMBER_DOUBLES, .at = t->optimizer.scalars, .n = t->optimizer.n_scalars};
    return n + list_losses(&r->probing->losses, out + n);
}

/* All of them with a blank between. */
static const char *doubles_text(const number *all, arena *a)
{
    char buffer[32];
    text t = {0};
    for (size_t i = 0; i < all->n; i++)
        text_printf(&t, "%s%s", i ? " " : "", print_double(((const double *)all->at)[i], buffer));
    const char *kept = t.failed ? NULL : arena_text(a, t.data);
    text_free(&t);
    return kept;
}

/* As print_double writes it: what is not finite as null. */
static bool double_read(const char *written, double *value)
{
    if (strcmp(written, "null") != 0)
        return parse_double(written, value);
    *value = NAN;
    return true;
}

static bool doubles_read(const number *all, const char *written)
{
    char one[32];
    int length = 0;
    size_t i = 0;
    for (; i < all->n && sscanf(written, "%31s%n", one, &length) == 1 && double_read(one, (double *)all->at + i); i++)
        written += length;
    return i == all->n && *written == '\0';
}

static const char *number_text(const number *n, arena *a)
{
    char buffer[32];
    switch (n->type) {
    case NUMBER_SIZE:
        return arena_printf(a, "%zu", *(size_t *)n->at);
    case NUMBER_DOUBLES:
        return doubles_text(n, a);
    case NUMBER_U64:
        return arena_printf(a, "%llu", (unsigned long long)*(uint64_t *)n->at);
    default:
        return arena_text(a, print_double(*(double *)n->at, buffer));
    }
}

static bool number_read(const number *n, const char *written)
{
    uint64_t whole;
    if (n->type == NUMBER_DOUBLE)
        return double_read(written, n->at);
    if (n->type == NUMBER_DOUBLES)
        return doubles_read(n, written);
    if (!parse_u64(written, &whole))
        return false;
    if (n->type == NUMBER_SIZE)
        *(size_t *)n->at = (size_t)whole;
    else
        *(uint64_t *)n->at = whole;
    return true;
}

/* ---- The tensors: parameters, optimizer state, and the parameters of before the epoch when one is under way; those that an average is of, and
 * those that early stopping holds to be best ---- */

static weft_status each_block_set(run *r, block_visit *visit, void *to, arena *a)
{
    const weft_trainer *t = r->trainer;
    TRY(trainer_visit_state(t, visit, to, a));
    if (t->step_of_epoch) {
        TRY(visit(to, t->model, &(named_blocks){"before_epoch.", "", BLOCKS_PARAMS, t->last_good}));
        TRY(visit(to, t->model, &(named_blocks){"before_epoch.", "", BLOCKS_BUFFERS, t->last_good_buffers}));
    }
    if (r->stopping.params && r->stopping.epoch) {
        TRY(visit(to, t->model, &(named_blocks){"stopping.", "", BLOCKS_PARAMS, r->stopping.params}));
        TRY(visit(to, t->model, &(named_blocks){"stopping.", "", BLOCKS_BUFFERS, r->stopping.buffers}));
    }
    return WEFT_OK;
}

typedef struct outgoing {
    tensor *tensors;
    size_t n;
    arena *memory;
} outgoing;

static weft_status put(void *to, const weft_model *m, const named_blocks *b)
{
    outgoing *out = to;
    return model_export(m, b, out->tensors, &out->n, out->memory);
}

static weft_status list_tensors(run *r, outgoing *out, arena *a)
{
    const weft_trainer *t = r->trainer;
    const size_t n_params = model_tensors(t->model, BLOCKS_PARAMS), n_buffers = model_tensors(t->model, BLOCKS_BUFFERS);
    const size_t most = trainer_state_tensors(t) + 2 * (n_params + n_buffers);
    *out = (outgoing){.tensors = arena_array(a, MAX(most, 1), sizeof(tensor)), .memory = a};
    return out->tensors ? each_block_set(r, put, out, a) : WEFT_NO_MEMORY;
}

/* The bytes of the file. */
static weft_status make_state(run *r, const char *path, bytes *out, arena *a, weft_error *err)
{
    outgoing all;
    const char *(*notes)[2] = arena_array(a, MAX_NOTES, sizeof *notes);
    identity ids[N_IDENTITY];
    number numbers[MAX_NUMBERS];
    size_t n_notes = 0;
    if (!notes || !identify(r, ids, a) || list_tensors(r, &all, a) != WEFT_OK)
        return fail_memory(err);
    notes[n_notes][0] = "weft.format";
    notes[n_notes++][1] = arena_printf(a, "%d", FORMAT);
    notes[n_notes][0] = "weft.version";
    notes[n_notes++][1] = weft_version();
    for (size_t i = 0; i < N_IDENTITY; i++, n_notes++) {
        notes[n_notes][0] = ids[i].name;
        notes[n_notes][1] = ids[i].text;
    }
    for (size_t i = 0, n = list_numbers(r, numbers, a); i < n; i++, n_notes++) {
        notes[n_notes][0] = numbers[i].name;
        notes[n_notes][1] = numbers[i].name ? number_text(&numbers[i], a) : NULL;
    }
    for (size_t i = 0; i < n_notes; i++)
        if (!notes[i][0] || !notes[i][1])
            return fail_memory(err);
    return tensor_file_make(path, &(tensor_file){.n_tensors = all.n, .tensors = all.tensors, .n_notes = n_notes,
                                                 .notes = (const char *const(*)[2])notes},
                            out, err);
}

weft_status checkpoint_write(const run *r, bool last_chance, weft_error *err)
{
    arena a = {0};
    bytes state = {0};
    run copy = *r; /* list_numbers gives places to write to; here they are only read */
    weft_status status = make_state(&copy, r->keeping->state_path, &state, &a, err);
    if (status == WEFT_OK)
        status = keep_state(r, &state, last_chance, err);
    bytes_free(&state);
    arena_deinit(&a);
    return status;
}

void checkpoint_remove(const run *r)
{
    arena a = {0};
    const char *const names[] = {CHECKPOINT_NEWEST, CHECKPOINT_PREVIOUS};
    for (size_t i = 0; i < COUNT(names); i++) {
        const char *path = checkpoint_path(r->folder, names[i], &a);
        if (path)
            unlink(path);
    }
    arena_deinit(&a);
}

/* ---- Reading ---- */

typedef struct incoming {
    const tensor_file *file;
    const char *path;
    weft_error *err;
} incoming;

static weft_status get(void *to, const weft_model *m, const named_blocks *b)
{
    const incoming *in = to;
    return model_import(m, b, in->file, in->path, in->err);
}

static weft_status compare_identity(run *r, const tensor_file *file, const char *path, arena *a, weft_error *err)
{
    identity ids[N_IDENTITY];
    weft_status status = WEFT_OK;
    if (!identify(r, ids, a))
        return fail_memory(err);
    for (size_t i = 0; i < N_IDENTITY; i++) {
        const char *then = tensor_file_note(file, ids[i].name);
        if (!then)
            then = ids[i].usual;
        if (!then || strcmp(then, ids[i].text) != 0)
            status = fail(err, WEFT_BAD_INPUT, (where){path, 0, 0}, "the run was begun with %s \"%s\", but now it is \"%s\"; "
                          "take the settings back, or begin a new run in another folder", ids[i].name, then ? then : "", ids[i].text);
    }
    return status;
}

/* Whether it stands where the settings can go on from. */
static weft_status compare_length(const run *r, const char *path, weft_error *err)
{
    const train_settings *s = &r->settings->train;
    const weft_trainer *t = r->trainer;
    const uint64_t whole = (uint64_t)t->epoch * trainer_steps_per_epoch(t) + t->step_of_epoch;
    const where at = {path, 0, 0};
    if (t->epoch + (t->step_of_epoch > 0) > s->epochs)
        return fail(err, WEFT_BAD_INPUT, at, "the run has come to epoch %zu, but train.epochs is %zu; ask for as many at least, or begin a "
                    "new run in another folder", t->epoch + (t->step_of_epoch > 0), s->epochs);
    if (s->max_steps && r->step > s->max_steps)
        return fail(err, WEFT_BAD_INPUT, at, "the run has come to step %llu, but train.max_steps is %zu; ask for as many at least, or begin "
                    "a new run in another folder", (unsigned long long)r->step, s->max_steps);
    if (r->step != whole && r->step != s->max_steps)
        return fail(err, WEFT_BAD_INPUT, at, "the run was to end at step %llu, and its last epoch was cut there: it cannot go on as if it had "
                    "not been; begin a new run in another folder", (unsigned long long)r->step);
    return WEFT_OK;
}

/* Infinities of an optimizer are its own affair. */
static weft_status check_finite(const tensor_file *file, const char *path, weft_error *err)
{
    for (size_t i = 0; i < file->n_tensors; i++) {
        const tensor *t = &file->tensors[i];
        const bool of_model = t->type == DTYPE_F32 && strncmp(t->name, "optimizer.", strlen("optimizer.")) != 0;
        for (size_t k = 0; of_model && k < shape_numbers(&t->shape); k++)
            if (!isfinite(((const float *)t->data)[k]))
                return fail(err, WEFT_BAD_INPUT, (where){path, 0, 0}, "number %zu of tensor \"%s\" is %g; a run cannot go on from there", k, t->name,
                            (double)((const float *)t->data)[k]);
    }
    return WEFT_OK;
}

/* Names what a run with these settings would not have written; the first three. */
static weft_status refuse_others(run *r, const tensor_file *file, const char *path, arena *a, weft_error *err)
{
    enum { MOST = 3 };
    outgoing own;
    size_t n_others = 0;
    if (list_tensors(r, &own, a) != WEFT_OK)
        return fail_memory(err);
    const tensor_file known = {.n_tensors = own.n, .tensors = own.tensors};
    for (size_t i = 0; i < file->n_tensors && n_others < MOST; i++)
        if (!tensor_file_find(&known, file->tensors[i].name)) {
            n_others++;
            fail(err, WEFT_BAD_INPUT, (where){path, 0, 0}, "holds a tensor \"%s\", which this run does not have", file->tensors[i].name);
        }
    return n_others ? WEFT_BAD_INPUT : WEFT_OK;
}

static weft_status read_numbers(run *r, const tensor_file *file, const char *path, arena *a, weft_error *err)
{
    number numbers[MAX_NUMBERS];
    for (size_t i = 0, n = list_numbers(r, numbers, a); i < n; i++) {
        const char *written = numbers[i].name ? tensor_file_note(file, numbers[i].name) : NULL;
        if (!written && numbers[i].late)
            continue;
        if (!written || !number_read(&numbers[i], written))
            return fail(err, WEFT_BAD_INPUT, (where){path, 0, 0}, "its note \"%s\" is missing or no number; the file is damaged",
                        numbers[i].name);
    }
    return WEFT_OK;
}

static weft_status read_state(run *r, const tensor_file *file, const char *path, arena *a, weft_error *err)
{
    TRY(tensor_file_check_format(file, FORMAT, path, err));
    TRY(compare_identity(r, file, path, a, err));
    r->metrics.task = r->best.task = r->trainer->task;
    TRY(read_numbers(r, file, path, a, err));
    r->step = r->trainer->optimizer.t;
    TRY(compare_length(r, path, err));
    TRY(check_finite(file, path, err));
    r->trainer->model->version++;
    r->trainer->taken = r->trainer->model->version;
    const weft_status status = each_block_set(r, get, &(incoming){file, path, err}, a);
    TRY(status == WEFT_NO_MEMORY ? fail_memory(err) : status);
    return refuse_others(r, file, path, a, err);
}

/* The newest one that is whole; with a warning, where that is not the last that was written. */
static weft_status open_newest(run *r, tensor_file *file, const char **path, arena *a, weft_error *err)
{
    const char *newest = checkpoint_path(r->folder, CHECKPOINT_NEWEST, a), *previous = checkpoint_path(r->folder, CHECKPOINT_PREVIOUS, a);
    weft_error damage = {0};
    if (!newest || !previous)
        return fail_memory(err);
    *path = newest;
    weft_status status = tensor_file_read(newest, file, &damage);
    if (status == WEFT_OK || status == WEFT_NO_MEMORY)
        return status == WEFT_OK ? WEFT_OK : fail_memory(err);
    if (file_exists(previous)) {
        *path = previous;
        r->keeping->newest_is_bad = true;
        r->keeping->warning = arena_printf(r->memory, "%s; going on from the checkpoint before it, %s", damage.message, previous);
        status = r->keeping->warning ? tensor_file_read(previous, file, &damage) : WEFT_NO_MEMORY;
    }
    if (status == WEFT_OK || status == WEFT_NO_MEMORY)
        return status == WEFT_OK ? WEFT_OK : fail_memory(err);
    if (err)
        *err = damage;
    return fail(err, status, (where){r->folder, 0, 0}, "no checkpoint of this run can be read, and nothing was changed; begin anew with --force");
}

weft_status checkpoint_read(run *r, weft_error *err)
{
    arena a = {0};
    tensor_file file = {0};
    const char *path;
    weft_status status = open_newest(r, &file, &path, &a, err);
    if (status == WEFT_OK)
        status = read_state(r, &file, path, &a, err);
    tensor_file_close(&file);
    arena_deinit(&a);
    return status;
}
