/* What stands in a comparison's folder before it runs: which trials are done, which go on, which had other settings, and what is none of them. */
#include <glob.h>
#include <string.h>
#include <unistd.h>

#include "lab/parts.h"

/* ---- What has changed since a run began ---- */

static const char *text_of(const setting *map, const char *key)
{
    const setting *s = setting_find(map, key);
    return s ? s->text : NULL;
}

/* Where the data lie, when their fingerprint is known. */
static bool is_place(const char *key) { return strcmp(key, "data.set") == 0 || strcmp(key, "data.allow_trailing") == 0; }

/* "optimizer" of "optimizer.lr": a setting of its own, which has another value. Then one of them may have no such key. */
static bool section_changed(const setting *then, const setting *now, const char *key)
{
    char section[64];
    snprintf(section, sizeof section, "%.*s", (int)strcspn(key, "."), key);
    const char *a = text_of(then, section), *b = text_of(now, section);
    return a && b && strcmp(a, b) != 0;
}

static void add_change(text *t, const char *key, const char *then, const char *now)
{
    text_printf(t, "%s%s was %s, is %s", t->length ? "; " : "", key, then ? then : "not set", now ? now : "not set");
}

/* A setting that the run does not say, because the weft that ran it did not have it yet, was what it is by default. Where a loss, an optimizer or a
 * schedule is one text as it was, with all that is not so by default, so are its settings. */
static bool is_default(const run_record *then, const run_settings *now, const setting *s, arena *a)
{
    const char *const texts[][3] = {{"loss.", then->loss, now->loss_text},
                                    {"optimizer.", then->optimizer, now->optimizer_text},
                                    {"schedule.", then->schedule, now->schedule_text}};
    for (size_t i = 0; i < COUNT(texts); i++)
        if (strncmp(s->key, texts[i][0], strlen(texts[i][0])) == 0)
            return strcmp(texts[i][1], texts[i][2]) == 0;
    data_settings data = {0};
    train_settings train = {0};
    setting all = {.kind = SETTING_MAP}, **end;
    fields_default(data_fields, &data);
    fields_default(train_fields, &train);
    end = fields_flatten(data_fields, &data, "data", &all.first, a);
    end = end ? fields_flatten(train_fields, &train, "train", end, a) : NULL;
    const char *usual = text_of(&all, s->key);
    return end && usual && strcmp(usual, s->text) == 0;
}

static bool has_changed(const run_record *then, const run_settings *now, const setting *s, arena *a)
{
    const char *before = text_of(then->settings, s->key);
    if (is_place(s->key) && *then->fingerprint)
        return false;
    if (!before)
        return !section_changed(then->settings, now->flat, s->key) && !is_default(then, now, s, a);
    if (strcmp(s->key, "train.epochs") == 0) /* more of them go on with the run */
        return now->train.epochs < then->n_epochs;
    return strcmp(before, s->text) != 0;
}

static void list_changes(const run_record *then, const run_settings *now, const char *fingerprint, arena *a, text *t)
{
    if (!then->settings || !then->settings->first) {
        text_add(t, "a weft ran it that did not write its settings down");
        return;
    }
    if (*then->fingerprint && strcmp(then->fingerprint, fingerprint) != 0)
        add_change(t, "the data's fingerprint", then->fingerprint, fingerprint);
    for (const setting *s = now->flat->first; s; s = s->next)
        if (has_changed(then, now, s, a))
            add_change(t, s->key, text_of(then->settings, s->key), s->text);
    for (const setting *s = then->settings->first; s; s = s->next)
        if (!text_of(now->flat, s->key) && !section_changed(then->settings, now->flat, s->key))
            add_change(t, s->key, s->text, NULL);
}

/* ---- A trial ---- */

static bool has_status(const run_record *run, const char *status) { return strcmp(run->status, status) == 0; }

/* Whether there is nothing left to do. */
static bool is_over(const run_record *run, const run_settings *s)
{
    const size_t most = s->train.max_steps;
    if (!has_status(run, "done"))
        return has_status(run, "diverged");
    return s->train.epochs <= run->n_epochs_asked || run->early_stop_epoch || (most && run->n_steps >= most);
}

static bool holds(const trial *t, const char *name, arena *a)
{
    const char *path = path_join(a, t->folder, name);
    return path && file_exists(path);
}

static weft_status look_at_run(trial *t, const weft_dataset *data, const char *fingerprint, arena *a, weft_error *err)
{
    run_record run;
    text changes = {0};
    TRY(run_record_read(t->folder, &run, a, err));
    list_changes(&run, &t->settings, fingerprint, a, &changes);
    weft_status same = changes.failed ? fail_memory(err) : WEFT_OK;
    if (changes.length)
        same = fail(err, WEFT_BAD_INPUT, (where){.file = t->folder}, "this run has other settings: %s", changes.data);
    text_free(&changes);
    TRY(same);
    t->n_epochs = run.n_epochs;
    t->found = is_over(&run, &t->settings) && holds(t, "model.safetensors", a) ? FOUND_ALL : FOUND_PART;
    t->status = has_status(&run, "diverged") ? RUN_DIVERGED : RUN_DONE;
    return t->found == FOUND_PART ? run_check(&t->settings, data, t->folder, err) : WEFT_OK;
}

/* Metrics without a record are of a run that nothing else is known of. None of them yet, and it was killed as it began. */
static weft_status look_for_metrics(const trial *t, arena *a, weft_error *err)
{
    bytes metrics = {0};
    const char *path = path_join(a, t->folder, "metrics.jsonl");
    if (!path)
        return fail_memory(err);
    if (!file_exists(path))
        return WEFT_OK;
    TRY(file_read(path, SIZE_MAX / 2, &metrics, err));
    const bool empty = metrics.size == 0;
    bytes_free(&metrics);
    return empty ? WEFT_OK : fail(err, WEFT_BAD_INPUT, (where){.file = t->folder}, "there are metrics of a run, but no run.json that says which");
}

weft_status trial_find(trial *t, const weft_dataset *data, const char *fingerprint, weft_error *err)
{
    arena a = {0};
    const weft_status status = holds(t, "run.json", &a) ? look_at_run(t, data, fingerprint, &a, err) : look_for_metrics(t, &a, err);
    if (status == WEFT_BAD_INPUT)
        t->found = FOUND_OTHER;
    arena_deinit(&a);
    return status;
}

/* ---- The folder ---- */

static bool is_trial(const comparison *c, const char *folder, size_t length)
{
    for (size_t i = 0; i < c->n_trials; i++)
        if (strncmp(c->trials[i].folder, folder, length) == 0 && !c->trials[i].folder[length])
            return true;
    return false;
}

/* Where runs lie: FOLDER, none of its bytes a wildcard, SLUG, seed-N. */
static bool find_runs(const char *folder, glob_t *found)
{
    text pattern = {0};
    for (const char *c = folder; *c; c++)
        text_printf(&pattern, strchr("*?[]\\", *c) ? "\\%c" : "%c", *c);
    text_add(&pattern, "/*/seed-*/run.json");
    const int result = pattern.failed ? GLOB_NOSPACE : glob(pattern.data, 0, NULL, found);
    text_free(&pattern);
    return result != GLOB_NOSPACE;
}

weft_status comparison_find_others(comparison *c, const char *folder, weft_error *err)
{
    glob_t found = {0};
    bool enough = find_runs(folder, &found);
    c->others = arena_array(&c->memory, found.gl_pathc + 1, sizeof *c->others);
    for (size_t i = 0; enough && c->others && i < found.gl_pathc; i++) {
        const size_t length = strlen(found.gl_pathv[i]) - strlen("/run.json");
        if (is_trial(c, found.gl_pathv[i], length))
            continue;
        const char *other = arena_printf(&c->memory, "%.*s", (int)length, found.gl_pathv[i]);
        enough = other != NULL;
        c->others[c->n_others++] = other;
    }
    globfree(&found);
    return enough && c->others ? WEFT_OK : fail_memory(err);
}

/* Its own lock, and for a moment that of every trial that is there: a run that another process goes on with is none of ours to touch. */
weft_status comparison_hold(comparison *c, const char *folder, weft_error *err)
{
    weft_status status = folder_lock(folder, &c->held, err);
    for (size_t i = 0; i < c->n_trials && status == WEFT_OK; i++) {
        int lock;
        if (!folder_exists(c->trials[i].folder))
            continue;
        status = folder_lock(c->trials[i].folder, &lock, err);
        if (status == WEFT_OK)
            close(lock);
    }
    return status;
}
