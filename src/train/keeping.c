/* What a run's folder holds while the run goes on: its lock, its logs, its best model, its checkpoint; and what is done where they cannot be
 * written. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "train/within.h"

static const char *const log_names[N_RUN_LOGS] = {
    [LOG_METRICS] = "metrics.jsonl", [LOG_PROBES] = "probes.jsonl", [LOG_STEPS] = "steps.jsonl"};

void keeping_end(keeping *k)
{
    for (size_t i = 0; i < N_RUN_LOGS; i++)
        text_free(&k->waiting[i]);
    bytes_free(&k->best);
    if (k->lock >= 0)
        close(k->lock);
    k->lock = -1;
}

/* ---- Logs: files of lines, each with the number of its epoch or step first ---- */

/* {"epoch": 3, … */
static bool line_number(const char *line, uint64_t *number)
{
    char digits[24];
    return sscanf(line, "{\"%*[a-z]\": %23[0-9]", digits) == 1 && parse_u64(digits, number);
}

/* How many of a log's bytes are whole lines up to number `last`, the number of the last of which goes to *reached. */
static size_t good_bytes(const bytes *log, uint64_t last, uint64_t *reached)
{
    const char *content = (const char *)log->data;
    size_t end = 0;
    uint64_t number;
    *reached = 0;
    for (const char *newline; (newline = memchr(content + end, '\n', log->size - end)) != NULL; end = (size_t)(newline - content) + 1) {
        if (!line_number(content + end, &number) || number > last)
            break;
        *reached = number;
    }
    return end;
}

/* Metrics are there for every epoch; the other logs may have been left out for a part of the run. */
static weft_status cut_log(const run *r, run_log log, uint64_t last, weft_error *err)
{
    const char *path = r->keeping->log_paths[log];
    bytes content;
    uint64_t reached;
    TRY(file_read(path, SIZE_MAX / 2, &content, err));
    const size_t good = good_bytes(&content, last, &reached);
    weft_status status = WEFT_OK;
    if (log == LOG_METRICS && reached < last)
        status = fail(err, WEFT_BAD_INPUT, (where){.file = path}, "ends with epoch %llu, but the run had come to epoch %llu; put the file back, or "
                      "begin anew with --force", (unsigned long long)reached, (unsigned long long)last);
    else if (good < content.size)
        status = file_write(path, content.data, good, err);
    bytes_free(&content);
    return status;
}

/* Begins a log, where it is wanted; that of a run that was resumed loses the lines of epochs or steps behind `last`. */
static weft_status begin_log(const run *r, run_log log, bool wanted, uint64_t last, weft_error *err)
{
    const char *path = r->keeping->log_paths[log];
    if (r->resumed && (log == LOG_METRICS || file_exists(path)))
        return cut_log(r, log, last, err);
    if (wanted)
        return file_write(path, "", 0, err);
    unlink(path); /* of a run that was replaced */
    return WEFT_OK;
}

weft_status keeping_begin(run *r, weft_error *err)
{
    keeping *k = r->keeping;
    const train_settings *s = &r->settings->train;
    const char *folder = path_join(r->memory, r->folder, CHECKPOINT_FOLDER);
    for (size_t i = 0; i < N_RUN_LOGS; i++)
        if (!(k->log_paths[i] = path_join(r->memory, r->folder, log_names[i])))
            return fail_memory(err);
    k->best_path = path_join(r->memory, r->folder, "best.safetensors");
    k->state_path = folder ? path_join(r->memory, folder, CHECKPOINT_NEWEST) : NULL;
    if (!k->best_path || !k->state_path)
        return fail_memory(err);
    if (!r->resumed)
        checkpoint_remove(r); /* of a run that was replaced, before anything else of it */
    TRY(begin_log(r, LOG_METRICS, true, r->trainer->epoch, err));
    TRY(begin_log(r, LOG_PROBES, s->probes, r->trainer->epoch, err));
    TRY(begin_log(r, LOG_STEPS, s->log_steps, r->step, err));
    return folder_make(folder, err);
}

/* ---- What waits ---- */

static weft_status write_log(const run *r, run_log log, weft_error *err)
{
    keeping *k = r->keeping;
    text *waiting = &k->waiting[log];
    if (!waiting->length)
        return WEFT_OK;
    TRY(folder_check_lock(r->folder, k->lock, err));
    TRY(file_append(k->log_paths[log], waiting->data, waiting->length, err));
    waiting->length = 0;
    k->unsynced[log] = true;
    return WEFT_OK;
}

static weft_status write_best(const run *r, weft_error *err)
{
    keeping *k = r->keeping;
    if (!k->best.data)
        return WEFT_OK;
    TRY(folder_check_lock(r->folder, k->lock, err));
    TRY(file_write(k->best_path, k->best.data, k->best.size, err));
    bytes_free(&k->best);
    return WEFT_OK;
}

weft_status keeping_settle(const run *r, weft_error *err)
{
    keeping *k = r->keeping;
    TRY(write_best(r, err));
    for (run_log log = 0; log < N_RUN_LOGS; log++) {
        TRY(write_log(r, log, err));
        if (k->unsynced[log])
            TRY(file_sync(k->log_paths[log], err));
        k->unsynced[log] = false;
    }
    return WEFT_OK;
}

/* Lives as long as the run: troubles are few. */
static weft_status warn_of(const run *r, const char *line, weft_error *err)
{
    r->keeping->warning = line;
    return line ? WEFT_OK : fail_memory(err);
}

/* What the system refuses is told when that begins, and training goes on. */
static weft_status bear(const run *r, weft_status status, const weft_error *failure, weft_error *err)
{
    keeping *k = r->keeping;
    if (status == WEFT_OK)
        return WEFT_OK;
    if (status == WEFT_NO_MEMORY)
        return fail_memory(err);
    const bool known = k->in_trouble;
    k->in_trouble = true;
    return known ? WEFT_OK : warn_of(r, arena_printf(r->memory, "%s; training goes on, and what could not be written is kept in memory and tried "
                                                     "again with the next checkpoint", failure->message), err);
}

weft_status log_add(const run *r, run_log log, const char *line, size_t length, weft_error *err)
{
    keeping *k = r->keeping;
    text_add_bytes(&k->waiting[log], line, length);
    if (k->waiting[log].failed)
        return fail_memory(err);
    if (k->in_trouble)
        return WEFT_OK;
    weft_error failure = {0};
    const weft_status status = write_log(r, log, &failure);
    return bear(r, status, &failure, err);
}

weft_status keep_best(const run *r, weft_error *err)
{
    keeping *k = r->keeping;
    bytes_free(&k->best);
    TRY(model_make_file(r->trainer->model, k->best_path, &k->best, err));
    if (k->in_trouble)
        return WEFT_OK;
    weft_error failure = {0};
    const weft_status status = write_best(r, &failure);
    return bear(r, status, &failure, err);
}

static weft_status write_state(const run *r, const bytes *state, weft_error *err)
{
    keeping *k = r->keeping;
    TRY(keeping_settle(r, err));
    TRY(folder_check_lock(r->folder, k->lock, err));
    TRY(file_write_keeping(k->state_path, k->newest_is_bad ? NULL : CHECKPOINT_PREVIOUS, state->data, state->size, err));
    k->newest_is_bad = false;
    k->saved = true;
    return WEFT_OK;
}

weft_status keep_state(const run *r, const bytes *state, bool last_chance, weft_error *err)
{
    keeping *k = r->keeping;
    weft_error failure = {0};
    const weft_status status = write_state(r, state, &failure);
    k->saved_seconds = now_seconds();
    if (status != WEFT_OK && last_chance && err)
        *err = failure;
    if (status != WEFT_OK)
        return last_chance ? status : bear(r, status, &failure, err);
    if (!k->in_trouble)
        return WEFT_OK;
    k->in_trouble = false;
    return warn_of(r, arena_printf(r->memory, "%s: can be written to again; all that waited is there, and nothing is lost", r->folder), err);
}
