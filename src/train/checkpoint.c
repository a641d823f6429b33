/* checkpoint/state.safetensors: everything that a run needs to go on to the same bits as if it had never stopped. Loaders have no
 * state but the numbers of epoch and step, and of the schedules only one has. Written after every epoch and when a run is stopped. */
#include <string.h>
#include <sys/stat.h>

#include "train/within.h"

static const char *state_path(const char *folder, arena *a)
{
    char *inner = path_join(a, folder, "checkpoint");
    return inner ? path_join(a, inner, "state.safetensors") : NULL;
}

bool checkpoint_exists(const char *folder, arena *a)
{
    const char *path = state_path(folder, a);
    return path && file_exists(path);
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
    enum { NUMBER_SIZE, NUMBER_U64, NUMBER_DOUBLE, NUMBER_SCALARS } type;
    void *at;  /* NUMBER_SCALARS: the optimizer whose they are */
    bool late; /* not in every checkpoint: then 0 */
} number;

enum { MAX_METRICS = 21, N_PLATEAU = 5, MAX_NUMBERS = 10 + 2 * MAX_METRICS + N_PLATEAU, MAX_NOTES = 1 + N_IDENTITY + MAX_NUMBERS };

/* Appends an epoch's, "PREFIX.val_loss". A name is NULL where memory ran out. */
static size_t list_metrics(weft_metrics *m, const char *prefix, weft_task task, number *out, arena *a)
{
    size_t n = 0;
    out[n++] = (number){arena_printf(a, "%s.epoch", prefix), NUMBER_SIZE, &m->epoch, false};
    for (const metrics_key *key = metrics_keys; key->name; key++)
        if (metrics_has(key, task))
            out[n++] = (number){arena_printf(a, "%s.%s", prefix, key->name), NUMBER_DOUBLE, (char *)m + key->offset, key->rare};
    return n;
}

/* How many there are: a schedule that learns from the metrics has numbers of its own, and so have some optimizers. */
static size_t list_numbers(run *r, number out[MAX_NUMBERS], arena *a)
{
    weft_trainer *t = r->trainer;
    const number own[] = {
        {"epoch", NUMBER_SIZE, &t->epoch, false},
        {"step_of_epoch", NUMBER_SIZE, &t->step_of_epoch, false},
        {"step", NUMBER_U64, &t->optimizer.t, false},
        {"loss_sum", NUMBER_DOUBLE, &t->loss_sum, false},
        {"train_seconds", NUMBER_DOUBLE, &t->train_seconds, false},
        {"epochs_averaged", NUMBER_SIZE, &t->n_averaged, true},
        {"stopping.best", NUMBER_DOUBLE, &r->stopping.best, true},
        {"stopping.epoch", NUMBER_SIZE, &r->stopping.epoch, true},
        {"stopping.waited", NUMBER_SIZE, &r->stopping.waited, true},
    };
    size_t n = COUNT(own);
    memcpy(out, own, sizeof own);
    n += list_metrics(&r->metrics, "last", t->task, out + n, a);
    n += list_metrics(&r->best, "best", t->task, out + n, a);
    plateau *p = &t->scheduler.state;
    const number learnt[N_PLATEAU] = {
        {"schedule.lr", NUMBER_DOUBLE, &p->lr, false},   {"schedule.best", NUMBER_DOUBLE, &p->best, false},
        {"schedule.improvements", NUMBER_SIZE, &p->improvements, false}, {"schedule.bad", NUMBER_SIZE, &p->bad, false},
        {"schedule.cooldown", NUMBER_SIZE, &p->cooldown, false},
    };
    if (t->scheduler.kind->learn) {
        memcpy(out + n, learnt, sizeof learnt);
        n += N_PLATEAU;
    }
    if (t->optimizer.n_scalars)
        out[n++] = (number){"optimizer.scalars", NUMBER_SCALARS, &t->optimizer, false};
    return n;
}

/* All of them with a blank between. */
static const char *scalars_text(const optimizer *o, arena *a)
{
    char buffer[32];
    text t = {0};
    for (size_t i = 0; i < o->n_scalars; i++)
        text_printf(&t, "%s%s", i ? " " : "", print_double(o->scalars[i], buffer));
    const char *kept = t.failed ? NULL : arena_text(a, t.data);
    text_free(&t);
    return kept;
}

static bool scalars_read(const optimizer *o, const char *written)
{
    char one[32];
    int length = 0;
    size_t i = 0;
    for (; i < o->n_scalars && sscanf(written, "%31s%n", one, &length) == 1 && parse_double(one, &o->scalars[i]); i++)
        written += length;
    return i == o->n_scalars && *written == '\0';
}

static const char *number_text(const number *n, arena *a)
{
    char buffer[32];
    switch (n->type) {
    case NUMBER_SIZE:
        return arena_printf(a, "%zu", *(size_t *)n->at);
    case NUMBER_SCALARS:
        return scalars_text(n->at, a);
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
        return parse_double(written, n->at);
    if (n->type == NUMBER_SCALARS)
        return scalars_read(n->at, written);
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

static weft_status write_state(run *r, const char *path, arena *a, weft_error *err)
{
    const weft_trainer *t = r->trainer;
    const size_t n_params = model_tensors(t->model, BLOCKS_PARAMS), n_buffers = model_tensors(t->model, BLOCKS_BUFFERS);
    const size_t n_tensors = trainer_state_tensors(t) + 2 * (n_params + n_buffers);
    outgoing out = {.tensors = arena_array(a, MAX(n_tensors, 1), sizeof(tensor)), .memory = a};
    const char *(*notes)[2] = arena_array(a, MAX_NOTES, sizeof *notes);
    identity ids[N_IDENTITY];
    number numbers[MAX_NUMBERS];
    size_t n_notes = 0;
    if (!out.tensors || !notes || !identify(r, ids, a) || each_block_set(r, put, &out, a) != WEFT_OK)
        return fail_memory(err);
    notes[n_notes][0] = "weft.format";
    notes[n_notes++][1] = "1";
    for (size_t i = 0; i < N_IDENTITY; i++, n_notes++) {
        notes[n_notes][0] = ids[i].name;
        notes[n_notes][1] = ids[i].text;
    }
    for (size_t i = 0, n = list_numbers(r, numbers, a); i < n; i++, n_notes++) {
        notes[n_notes][0] = numbers[i].name;
        if (!numbers[i].name || !(notes[n_notes][1] = number_text(&numbers[i], a)))
            return fail_memory(err);
    }
    return tensor_file_write(path, &(tensor_file){.n_tensors = out.n, .tensors = out.tensors, .n_notes = n_notes,
                                                  .notes = (const char *const(*)[2])notes},
                             err);
}

static weft_status hear(void *self, const run *r, event_kind event, weft_error *err)
{
    (void)self;
    const bool wanted = event == EVENT_EPOCH || (event == EVENT_END && r->status == RUN_STOPPED);
    if (!wanted && event != EVENT_BEGIN)
        return WEFT_OK;
    arena a = {0};
    const char *folder = path_join(&a, r->folder, "checkpoint"), *path = state_path(r->folder, &a);
    run copy = *r; /* list_numbers gives places to write to; here they are only read */
    weft_status status = folder && path ? WEFT_OK : fail_memory(err);
    if (status == WEFT_OK && wanted) {
        status = folder_make(folder, err);
        status = status == WEFT_OK ? write_state(&copy, path, &a, err) : status;
    } else if (status == WEFT_OK && !r->resumed)
        remove(path); /* of a run that was replaced */
    arena_deinit(&a);
    return status;
}

const listener listen_checkpoint = {.name = "checkpoint", .hear = hear, .late = true};

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

static weft_status read_state(run *r, const tensor_file *file, const char *path, arena *a, weft_error *err)
{
    number numbers[MAX_NUMBERS];
    TRY(compare_identity(r, file, path, a, err));
    r->metrics.task = r->best.task = r->trainer->task;
    for (size_t i = 0, n = list_numbers(r, numbers, a); i < n; i++) {
        const char *written = numbers[i].name ? tensor_file_note(file, numbers[i].name) : NULL;
        if (!written && numbers[i].late)
            continue;
        if (!written || !number_read(&numbers[i], written))
            return fail(err, WEFT_BAD_INPUT, (where){path, 0, 0}, "its note \"%s\" is missing or no number; the file is damaged",
                        numbers[i].name);
    }
    r->step = r->trainer->optimizer.t;
    r->trainer->model->version++;
    r->trainer->taken = r->trainer->model->version;
    const weft_status status = each_block_set(r, get, &(incoming){file, path, err}, a);
    return status == WEFT_NO_MEMORY ? fail_memory(err) : status;
}

weft_status checkpoint_read(run *r, weft_error *err)
{
    arena a = {0};
    tensor_file file;
    const char *path = state_path(r->folder, &a);
    weft_status status = path ? tensor_file_read(path, &file, err) : fail_memory(err);
    if (status == WEFT_OK) {
        status = read_state(r, &file, path, &a, err);
        tensor_file_close(&file);
    }
    arena_deinit(&a);
    return status;
}
