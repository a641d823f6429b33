/* run.json and metrics.jsonl: what a run says of itself. */
#include "record/json.h"

#include <math.h>
#include <string.h>

#define RUN_JSON_LIMIT ((size_t)1 << 23)
#define METRICS_LIMIT ((size_t)1 << 28)

typedef enum record_type { RECORD_TEXT, RECORD_SIZE, RECORD_U64, RECORD_REAL, RECORD_TASK, RECORD_SETTINGS, RECORD_SIZES } record_type;

/* Reading and writing follow the same table. */
static const struct record_key {
    const char *name;
    record_type type;
    size_t offset;
    const char *missing; /* what a text, a size or a task is where an older weft did not write it; NULL: it must be there */
} record_keys[] = {
    {"title", RECORD_TEXT, offsetof(run_record, title), NULL},
    {"variant", RECORD_TEXT, offsetof(run_record, variant), NULL},
    {"seed", RECORD_U64, offsetof(run_record, seed), NULL},
    {"status", RECORD_TEXT, offsetof(run_record, status), NULL},
    {"message", RECORD_TEXT, offsetof(run_record, message), NULL},
    {"data", RECORD_TEXT, offsetof(run_record, data), NULL},
    {"fingerprint", RECORD_TEXT, offsetof(run_record, fingerprint), ""},
    {"model", RECORD_TEXT, offsetof(run_record, model), NULL},
    {"optimizer", RECORD_TEXT, offsetof(run_record, optimizer), NULL},
    {"schedule", RECORD_TEXT, offsetof(run_record, schedule), "none"},
    {"loss", RECORD_TEXT, offsetof(run_record, loss), NULL},
    {"task", RECORD_TASK, offsetof(run_record, task), "classification"},
    {"scale", RECORD_REAL, offsetof(run_record, scale), NULL},
    {"batch", RECORD_SIZE, offsetof(run_record, batch), NULL},
    {"epochs", RECORD_SIZE, offsetof(run_record, n_epochs_asked), NULL},
    {"parameters", RECORD_SIZE, offsetof(run_record, n_parameters), NULL},
    {"steps", RECORD_SIZE, offsetof(run_record, n_steps), NULL},
    {"samples", RECORD_SIZES, offsetof(run_record, samples), ""},
    {"class_counts", RECORD_SIZES, offsetof(run_record, class_counts), ""},
    {"shared_samples", RECORD_SIZE, offsetof(run_record, shared_samples), "0"},
    {"repeated_samples", RECORD_SIZE, offsetof(run_record, repeated_samples), "0"},
    {"early_stop_epoch", RECORD_SIZE, offsetof(run_record, early_stop_epoch), "0"},
    {"restored_epoch", RECORD_SIZE, offsetof(run_record, restored_epoch), "0"},
    {"precision", RECORD_TEXT, offsetof(run_record, precision), "fp32"},
    {"isa", RECORD_TEXT, offsetof(run_record, isa), NULL},
    {"weft", RECORD_TEXT, offsetof(run_record, version), NULL},
    {"command", RECORD_TEXT, offsetof(run_record, command), ""},
    {"cpu", RECORD_TEXT, offsetof(run_record, cpu), ""},
    {"threads", RECORD_SIZE, offsetof(run_record, threads), "0"},
    {"result", RECORD_TEXT, offsetof(run_record, result), ""},
    {"settings", RECORD_SETTINGS, offsetof(run_record, settings), ""},
};

#define KEY(name, tasks) {#name, offsetof(weft_metrics, name), tasks, false}
enum { CLASSES = 1 << WEFT_CLASSIFICATION, NUMBERS = 1 << WEFT_REGRESSION, LABELS = 1 << WEFT_MULTI_LABEL, ALL = CLASSES | NUMBERS | LABELS };

const metrics_key metrics_keys[] = {
    KEY(train_loss, ALL),
    KEY(train_acc, CLASSES),
    KEY(train_r2, NUMBERS),
    KEY(train_mae, NUMBERS),
    KEY(train_rmse, NUMBERS),
    KEY(train_f1, LABELS),
    KEY(train_f1_macro, LABELS),
    KEY(train_auroc, LABELS),
    KEY(val_loss, ALL),
    KEY(val_acc, CLASSES),
    KEY(val_r2, NUMBERS),
    KEY(val_mae, NUMBERS),
    KEY(val_rmse, NUMBERS),
    KEY(val_f1, LABELS),
    KEY(val_f1_macro, LABELS),
    KEY(val_auroc, LABELS),
    {"penalty", offsetof(weft_metrics, penalty), ALL, true},
    KEY(lr, ALL),
    KEY(train_seconds, ALL),
    KEY(eval_seconds, ALL),
    {0},
};

const char *const watched_metrics[] = {"val_loss", "val_acc", "val_r2", "val_f1", "train_loss", "train_acc", "train_r2", "train_f1", NULL};

const metrics_key *watched_find(const char *name)
{
    const metrics_key *key = metrics_keys;
    while (strcmp(key->name, name) != 0)
        key++;
    return key;
}

bool watched_falls(const metrics_key *key) { return strstr(key->name, "loss") != NULL; }

weft_status watched_fits(const char *name, weft_task task, const char *key_name, where at, weft_error *err)
{
    if (metrics_has(watched_find(name), task))
        return WEFT_OK;
    text known = {0};
    for (const char *const *w = watched_metrics; *w; w++)
        if (metrics_has(watched_find(*w), task))
            text_printf(&known, "%s%s", known.length ? ", " : "", *w);
    const weft_status status = known.failed ? fail_memory(err)
                                            : fail(err, WEFT_BAD_INPUT, at, "%s is %s, which %s does not have; there are: %s", key_name, name,
                                                   known_tasks[task].name, known.data);
    text_free(&known);
    return status;
}

const task_words known_tasks[WEFT_N_TASKS] = {
    [WEFT_CLASSIFICATION] = {"classification", "accuracy", "Accuracy", "acc.", " %", 2, offsetof(weft_metrics, train_acc),
                             offsetof(weft_metrics, val_acc)},
    [WEFT_REGRESSION] = {"regression", "R2", "R2", "R2", "", 4, offsetof(weft_metrics, train_r2), offsetof(weft_metrics, val_r2)},
    [WEFT_MULTI_LABEL] = {"multi-label", "F1", "F1", "F1", "", 4, offsetof(weft_metrics, train_f1), offsetof(weft_metrics, val_f1)},
};

bool task_find(const char *name, weft_task *found)
{
    for (weft_task t = WEFT_CLASSIFICATION; t < WEFT_N_TASKS; t++)
        if (strcmp(known_tasks[t].name, name) == 0) {
            *found = t;
            return true;
        }
    return false;
}

double metrics_score(const weft_metrics *m, weft_split split)
{
    const task_words *w = &known_tasks[m->task];
    return (*w->unit ? 100 : 1) * *(const double *)const_member_of(m, split == WEFT_TRAIN ? w->train : w->val);
}

const char *score_print(weft_task task, double score, char buffer[32])
{
    snprintf(buffer, 32, "%.*f%s", known_tasks[task].decimals, score, known_tasks[task].unit);
    return buffer;
}

/* ---- Writing ---- */

static void print_settings(const setting *map, text *t)
{
    text_add(t, "{");
    for (const setting *s = map ? map->first : NULL; s; s = s->next) {
        text_add(t, s == map->first ? "\n        " : ",\n        ");
        json_add_text(t, s->key);
        text_add(t, ": ");
        json_add_text(t, s->text);
    }
    text_add(t, map && map->first ? "\n    }" : "}");
}

static void print_sizes(const size_list *sizes, text *t)
{
    text_add(t, "[");
    for (size_t i = 0; i < sizes->n; i++)
        text_printf(t, i ? ", %zu" : "%zu", sizes->at[i]);
    text_add(t, "]");
}

static void print_record_value(const struct record_key *key, const run_record *run, text *t)
{
    const char *place = (const char *)run + key->offset;
    switch (key->type) {
    case RECORD_TEXT: {
        const char *string = *(const char *const *)place;
        json_add_text(t, string ? string : "");
        break;
    }
    case RECORD_TASK:
        json_add_text(t, known_tasks[*(const weft_task *)place].name);
        break;
    case RECORD_SIZE:
        text_printf(t, "%zu", *(const size_t *)place);
        break;
    case RECORD_U64: { /* most readers keep whole numbers in 64 bits with a sign */
        uint64_t value = *(const uint64_t *)place;
        text_printf(t, value > INT64_MAX ? "\"%llu\"" : "%llu", (unsigned long long)value);
        break;
    }
    case RECORD_REAL:
        json_add_real(t, *(const double *)place);
        break;
    case RECORD_SETTINGS:
        print_settings(*(const setting *const *)place, t);
        break;
    case RECORD_SIZES:
        print_sizes((const size_list *)place, t);
        break;
    }
}

weft_status run_record_write(const run_record *run, weft_error *err)
{
    arena a = {0};
    text t = {0};
    for (size_t i = 0; i < COUNT(record_keys); i++) {
        text_printf(&t, "%s\n    \"%s\": ", i == 0 ? "{" : ",", record_keys[i].name);
        print_record_value(&record_keys[i], run, &t);
    }
    text_add(&t, "\n}\n");
    char *path = path_join(&a, run->folder, "run.json");
    weft_status status = t.failed || !path ? fail_memory(err) : file_write(path, t.data, t.length, err);
    text_free(&t);
    arena_deinit(&a);
    return status;
}

void metrics_print(const weft_metrics *m, text *t)
{
    text_printf(t, "{\"epoch\": %zu", m->epoch);
    for (const metrics_key *key = metrics_keys; key->name; key++) {
        const double value = metrics_value(key, m);
        if (!metrics_has(key, m->task) || (value == 0 && key->rare))
            continue;
        text_printf(t, ", \"%s\": ", key->name);
        json_add_real(t, value);
    }
    text_add(t, "}\n");
}

/* ---- Reading ---- */

/* NULL: no memory. */
static setting *read_settings(const json_t *object, arena *a)
{
    setting *map = arena_alloc(a, sizeof *map);
    if (!map)
        return NULL;
    *map = (setting){.kind = SETTING_MAP};
    setting **end = &map->first;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value) {
        setting *made = arena_alloc(a, sizeof *made);
        const char *kept_key = arena_text(a, key), *kept = arena_text(a, json_string_value(value));
        if (!made || !kept_key || !kept)
            return NULL;
        *made = (setting){SETTING_SCALAR, .key = kept_key, .text = kept};
        *end = made;
        end = &made->next;
    }
    return map;
}

static bool is_map_of_texts(const json_t *value)
{
    const char *key;
    json_t *one;
    json_object_foreach((json_t *)value, key, one)
        if (!json_is_string(one))
            return false;
    return json_is_object(value);
}

/* False: a value is no size. at is NULL where memory ran out. */
static bool read_sizes(const json_t *list, size_list *out, arena *a)
{
    size_t *sizes = arena_array(a, MAX(json_array_size(list), 1), sizeof *sizes);
    bool good = json_is_array(list);
    *out = (size_list){json_array_size(list), sizes};
    for (size_t i = 0; sizes && i < out->n && good; i++) {
        const json_t *one = json_array_get(list, i);
        good = json_is_integer(one) && json_integer_value(one) >= 0;
        sizes[i] = (size_t)json_integer_value(one);
    }
    return good;
}

static bool read_record_value(const struct record_key *key, const json_t *value, run_record *run, arena *a)
{
    char *place = (char *)run + key->offset;
    bool whole = json_is_integer(value) && json_integer_value(value) >= 0;
    switch (key->type) {
    case RECORD_TEXT:
        if (!json_is_string(value))
            return false;
        *(const char **)place = arena_text(a, json_string_value(value)); /* NULL is told apart by the caller */
        return true;
    case RECORD_TASK:
        return json_is_string(value) && task_find(json_string_value(value), (weft_task *)place);
    case RECORD_SIZE:
        if (whole)
            *(size_t *)place = (size_t)json_integer_value(value);
        return whole;
    case RECORD_U64:
        if (json_is_string(value))
            return parse_u64(json_string_value(value), (uint64_t *)place);
        if (whole)
            *(uint64_t *)place = (uint64_t)json_integer_value(value);
        return whole;
    case RECORD_REAL:
        *(double *)place = json_is_null(value) ? NAN : json_number_value(value);
        return json_is_null(value) || json_is_number(value);
    case RECORD_SETTINGS:
        if (!is_map_of_texts(value))
            return false;
        *(const setting **)place = read_settings(value, a); /* NULL is told apart by the caller */
        return true;
    case RECORD_SIZES:
        return read_sizes(value, (size_list *)place, a);
    }
    return false;
}

static weft_status read_record_key(const struct record_key *key, const json_t *root, where at, run_record *run,
                                   arena *a, weft_error *err)
{
    static const char *const wanted[] = {"a text", "a whole number of 0 or more", "a whole number of 0 or more",
                                         "a number", "classification, regression or multi-label", "an object of texts",
                                         "a list of whole numbers of 0 or more"};
    const json_t *value = json_object_get(root, key->name);
    if (!value && key->missing) {
        char *place = (char *)run + key->offset;
        if (key->type == RECORD_SIZE)
            *(size_t *)place = strtoul(key->missing, NULL, 10);
        else if (key->type == RECORD_TEXT)
            *(const char **)place = key->missing;
        return WEFT_OK; /* the first task is the one that there always was */
    }
    if (!value)
        return fail(err, WEFT_BAD_INPUT, at, "no '%s'; weft writes one into every run.json: run it again", key->name);
    if (!read_record_value(key, value, run, a))
        return fail(err, WEFT_BAD_INPUT, at, "'%s' is %s; it must be %s", key->name, json_kind(value),
                    wanted[key->type]);
    const char *place = (const char *)run + key->offset;
    const bool lost = key->type == RECORD_SIZES                                      ? !((const size_list *)place)->at
                    : key->type == RECORD_TEXT || key->type == RECORD_SETTINGS ? !*(void *const *)place
                                                                                     : false;
    return lost ? fail_memory(err) : WEFT_OK;
}

static weft_status record_read(const char *path, run_record *run, arena *a, weft_error *err)
{
    json_t *root;
    weft_status status = WEFT_OK;
    TRY(json_file_read(path, RUN_JSON_LIMIT, "a run's record", &root, err));
    for (size_t i = 0; i < COUNT(record_keys); i++) {
        weft_status one = read_record_key(&record_keys[i], root, (where){.file = path}, run, a, err);
        status = status == WEFT_OK ? one : status;
    }
    json_decref(root);
    return status;
}

/* `after`: the epoch of the line before. */
static weft_status metrics_values(const json_t *root, where at, size_t after, weft_metrics *m, weft_error *err)
{
    const json_t *epoch = json_object_get(root, "epoch");
    if (!json_is_integer(epoch) || json_integer_value(epoch) < 1)
        return fail(err, WEFT_BAD_INPUT, at, "'epoch' is %s; it must be a whole number of 1 or more",
                    epoch ? json_kind(epoch) : "missing");
    m->epoch = (size_t)json_integer_value(epoch);
    if (m->epoch != after + 1)
        return fail(err, WEFT_BAD_INPUT, at, "epoch %zu where epoch %zu should stand; the file has a line an epoch",
                    m->epoch, after + 1);
    for (const metrics_key *key = metrics_keys; key->name; key++) {
        const json_t *value = json_object_get(root, key->name);
        if (!metrics_has(key, m->task) || (!value && key->rare))
            continue;
        if (!json_is_number(value) && !json_is_null(value))
            return fail(err, WEFT_BAD_INPUT, at, "'%s' is %s; it must be a number or null", key->name,
                        value ? json_kind(value) : "missing");
        double *place = member_of(m, key->offset);
        *place = json_is_null(value) ? NAN : json_number_value(value);
    }
    return WEFT_OK;
}

static weft_status metrics_lines(json_lines *lines, run_record *run, arena *a, weft_error *err)
{
    weft_metrics *metrics = arena_array(a, lines->n_lines, sizeof *metrics);
    json_t *line;
    if (!metrics)
        return fail_memory(err);
    run->metrics = metrics;
    for (;;) {
        weft_metrics *m = &metrics[run->n_epochs];
        TRY(json_lines_next(lines, &line, err));
        if (!line)
            return WEFT_OK;
        m->task = run->task;
        const weft_status status = metrics_values(line, lines->at, run->n_epochs, m, err);
        json_decref(line);
        TRY(status);
        run->n_epochs++;
    }
}

weft_status run_record_read(const char *folder, run_record *run, arena *a, weft_error *err)
{
    *run = (run_record){.folder = arena_text(a, folder)};
    char *record_path = path_join(a, folder, "run.json");
    char *metrics_path = path_join(a, folder, "metrics.jsonl");
    if (!run->folder || !record_path || !metrics_path)
        return fail_memory(err);
    TRY(record_read(record_path, run, a, err));
    if (!file_exists(metrics_path)) /* before the first epoch's end */
        return WEFT_OK;
    json_lines lines;
    TRY(json_lines_open(&lines, metrics_path, METRICS_LIMIT, err));
    weft_status status = metrics_lines(&lines, run, a, err);
    json_lines_close(&lines);
    return status;
}
