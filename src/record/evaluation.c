/* evaluation.json: how well a finished model does over a split. */
#include "record/json.h"

#include <math.h>
#include <string.h>

#define EVALUATION_LIMIT ((size_t)1 << 28)
#define MAX_CLASSES 65536
#define MAX_PIXELS ((size_t)1 << 24) /* of a picture */

#define CLASS(name) {#name, offsetof(class_score, name)}
static const json_key class_keys[] = {CLASS(precision), CLASS(recall), CLASS(f1)};
static const json_key auroc_key = CLASS(auroc);

#define NUMBER(name) {#name, offsetof(number_score, name)}
static const json_key number_keys[] = {NUMBER(r2), NUMBER(mae), NUMBER(rmse)};

#define BIN(name) {#name, offsetof(calibration_bin, name)}
static const json_key bin_keys[] = {BIN(confidence), BIN(accuracy)};

#define WORST(name) {#name, offsetof(worst_sample, name)}
static const json_key worst_keys[] = {WORST(probability), WORST(loss)};

#define LABELS(name) {#name, offsetof(evaluation_record, name)}
static const json_key label_keys[] = {LABELS(f1), LABELS(f1_macro), LABELS(auroc)};

class_score evaluation_macro(const evaluation_record *e)
{
    class_score mean = {.auroc = NAN};
    for (size_t i = 0; i < e->n_classes; i++) {
        size_t given = 0;
        for (size_t k = 0; k < e->n_classes; k++)
            given += e->confusion[k * e->n_classes + i];
        if (!given && !e->classes[i].n)
            continue;
        mean.n++;
        mean.precision += e->classes[i].precision;
        mean.recall += e->classes[i].recall;
        mean.f1 += e->classes[i].f1;
    }
    for (size_t i = 0; i < COUNT(class_keys) && mean.n; i++)
        *(double *)member_of(&mean, class_keys[i].offset) /= (double)mean.n;
    return mean;
}

size_t evaluation_confused(const evaluation_record *e, confused_pair *pairs, size_t most)
{
    size_t n = 0;
    for (size_t i = 0; i < e->n_classes * e->n_classes; i++) {
        const confused_pair one = {i / e->n_classes, i % e->n_classes, e->confusion[i]};
        if (!one.n || one.label == one.prediction)
            continue;
        size_t place = n;
        while (place > 0 && pairs[place - 1].n < one.n)
            place--;
        if (place == most)
            continue;
        n = MIN(n + 1, most);
        memmove(&pairs[place + 1], &pairs[place], (n - 1 - place) * sizeof one);
        pairs[place] = one;
    }
    return n;
}

double calibration_excess(const calibration *c)
{
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < CALIBRATION_BINS; i++) {
        sum += (double)c->bins[i].n * (c->bins[i].confidence - c->bins[i].accuracy);
        n += c->bins[i].n;
    }
    return sum / (double)n;
}

/* ---- Writing ---- */

static void begin_item(text *t, const char *list, size_t i) { text_printf(t, i ? ",\n  " : ",\n \"%s\": [\n  ", list); }

static void print_classes(const evaluation_record *e, text *t)
{
    const bool labels = e->task == WEFT_MULTI_LABEL;
    for (size_t i = 0; i < e->n_classes; i++) {
        const class_score *c = &e->classes[i];
        begin_item(t, labels ? "labels" : "classes", i);
        text_add(t, "{");
        if (c->name) {
            text_add(t, "\"name\": ");
            json_add_text(t, c->name);
            text_add(t, ", ");
        }
        text_printf(t, "\"n\": %zu, ", c->n);
        json_add_reals(t, class_keys, COUNT(class_keys), c);
        if (labels) {
            text_add(t, ", ");
            json_add_reals(t, &auroc_key, 1, c);
        }
        text_add(t, "}");
    }
    text_add(t, "]");
}

static void print_confusion(const evaluation_record *e, text *t)
{
    for (size_t i = 0; i < e->n_classes; i++) {
        begin_item(t, "confusion", i);
        for (size_t k = 0; k < e->n_classes; k++)
            text_printf(t, "%s%u", k ? ", " : "[", e->confusion[i * e->n_classes + k]);
        text_add(t, "]");
    }
    text_add(t, "]");
}

static void print_calibration(const calibration *c, text *t)
{
    if (isnan(c->ece))
        return;
    text_add(t, ",\n \"calibration\": {\"ece\": ");
    json_add_real(t, c->ece);
    for (size_t i = 0; i < CALIBRATION_BINS; i++) {
        text_printf(t, "%s{\"n\": %zu, ", i ? ",\n  " : ", \"bins\": [\n  ", c->bins[i].n);
        json_add_reals(t, bin_keys, COUNT(bin_keys), &c->bins[i]);
        text_add(t, "}");
    }
    text_add(t, "]}");
}

static size_t image_bytes(const image_size *image) { return image->channels * image->height * image->width; }

static void print_worst(const evaluation_record *e, text *t)
{
    const image_size *image = &e->image;
    for (size_t i = 0; i < e->n_worst; i++) {
        const worst_sample *w = &e->worst[i];
        begin_item(t, "worst", i);
        text_printf(t, "{\"index\": %zu, \"label\": %zu, \"prediction\": %zu, ", w->index, w->label, w->prediction);
        json_add_reals(t, worst_keys, COUNT(worst_keys), w);
        text_add(t, "}");
    }
    text_add(t, e->n_worst ? "]" : "");
    if (!e->n_worst || !image_bytes(image))
        return;
    text_printf(t, ",\n \"image\": {\"channels\": %zu, \"height\": %zu, \"width\": %zu}", image->channels, image->height, image->width);
    for (size_t i = 0; i < e->n_worst; i++) {
        begin_item(t, "pixels", i);
        text_add(t, "\"");
        text_add_base64(t, e->worst[i].pixels, image_bytes(image));
        text_add(t, "\"");
    }
    text_add(t, "]");
}

static void print_classification(const evaluation_record *e, text *t)
{
    const class_score macro = evaluation_macro(e);
    text_add(t, ",\n \"accuracy\": ");
    json_add_real(t, e->accuracy);
    text_add(t, ",\n \"interval\": [");
    json_add_real(t, e->interval[0]);
    text_add(t, ", ");
    json_add_real(t, e->interval[1]);
    text_add(t, "],\n \"macro\": {");
    json_add_reals(t, class_keys, COUNT(class_keys), &macro);
    text_add(t, "}");
    print_classes(e, t);
    print_confusion(e, t);
    print_calibration(&e->calibration, t);
    print_worst(e, t);
}

static void print_regression(const evaluation_record *e, text *t)
{
    text_add(t, ",\n ");
    json_add_reals(t, number_keys, COUNT(number_keys), &e->all_numbers);
    for (size_t i = 0; i < e->n_numbers; i++) {
        begin_item(t, "numbers", i);
        text_add(t, "{");
        json_add_reals(t, number_keys, COUNT(number_keys), &e->numbers[i]);
        text_add(t, "}");
    }
    text_add(t, "]");
}

static void print_labels(const evaluation_record *e, text *t)
{
    text_add(t, ",\n ");
    json_add_reals(t, label_keys, COUNT(label_keys), e);
    print_classes(e, t);
    print_calibration(&e->calibration, t);
}

void evaluation_print(const evaluation_record *e, text *t)
{
    static void (*const print[WEFT_N_TASKS])(const evaluation_record *, text *) = {print_classification, print_regression, print_labels};
    text_add(t, "{\"data\": ");
    json_add_text(t, e->data);
    text_printf(t, ",\n \"split\": \"%s\",\n \"task\": \"%s\",\n \"n\": %zu,\n \"loss\": ", e->split, known_tasks[e->task].name, e->n);
    json_add_real(t, e->loss);
    print[e->task](e, t);
    text_add(t, "}\n");
}

weft_status evaluation_write(const char *folder, const evaluation_record *e, weft_error *err)
{
    text t = {0};
    arena a = {0};
    const char *path = path_join(&a, folder, "evaluation.json");
    evaluation_print(e, &t);
    const weft_status status = !path || t.failed ? fail_memory(err) : file_write(path, t.data, t.length, err);
    text_free(&t);
    arena_deinit(&a);
    return status;
}

/* ---- Reading ---- */

/* Room for what a list holds. */
static weft_status read_list(const json_reader *r, const json_t *object, const char *name, size_t limit, size_t bytes_each, size_t *n, void **items)
{
    const json_t *list = json_object_get(object, name);
    if (!json_is_array(list))
        return json_wrong(r, name, list, "a list");
    *n = json_array_size(list);
    if (*n > limit)
        return fail(r->err, WEFT_BAD_INPUT, r->at, "'%s' has %zu entries; %zu are read at most", name, *n, limit);
    *items = arena_array(r->memory, MAX(*n, 1), bytes_each);
    return *items ? WEFT_OK : fail_memory(r->err);
}

/* Entry i of a list, which must be an object. */
static weft_status read_entry(const json_reader *r, const json_t *object, const char *name, size_t i, const json_t **out)
{
    *out = json_array_get(json_object_get(object, name), i);
    return json_is_object(*out) ? WEFT_OK : json_wrong(r, name, *out, "objects");
}

static weft_status read_classes(const json_reader *r, const json_t *root, const char *name, evaluation_record *e)
{
    class_score *classes;
    const json_t *one;
    TRY(read_list(r, root, name, MAX_CLASSES, sizeof *classes, &e->n_classes, (void **)&classes));
    e->classes = classes;
    for (size_t i = 0; i < e->n_classes; i++) {
        TRY(read_entry(r, root, name, i, &one));
        if (json_object_get(one, "name"))
            TRY(json_read_text(r, one, "name", &classes[i].name));
        TRY(json_read_size(r, one, "n", true, &classes[i].n));
        TRY(json_read_reals(r, one, class_keys, COUNT(class_keys), true, &classes[i]));
        TRY(json_read_reals(r, one, &auroc_key, 1, false, &classes[i]));
    }
    return WEFT_OK;
}

static weft_status read_confusion(const json_reader *r, const json_t *root, evaluation_record *e)
{
    uint32_t *counts = arena_array(r->memory, MAX(e->n_classes, 1) * e->n_classes, sizeof *counts);
    const json_t *rows = json_object_get(root, "confusion");
    if (!counts)
        return fail_memory(r->err);
    e->confusion = counts;
    bool good = json_array_size(rows) == e->n_classes;
    for (size_t i = 0; i < e->n_classes * e->n_classes && good; i++) {
        const json_t *row = json_array_get(rows, i / e->n_classes), *count = json_array_get(row, i % e->n_classes);
        const json_int_t value = json_integer_value(count);
        good = json_array_size(row) == e->n_classes && json_is_integer(count) && value >= 0 && value <= UINT32_MAX;
        counts[i] = (uint32_t)value;
    }
    return good ? WEFT_OK : json_wrong(r, "confusion", rows, "a row of whole numbers for each class, as many in each");
}

static weft_status read_calibration(const json_reader *r, const json_t *root, calibration *c)
{
    const json_t *object = json_object_get(root, "calibration"), *bins = json_object_get(object, "bins"), *one;
    c->ece = NAN;
    if (!object)
        return WEFT_OK;
    if (!json_is_array(bins) || json_array_size(bins) != CALIBRATION_BINS)
        return json_wrong(r, "calibration", object, "an object whose bins are a list of 15");
    TRY(json_read_real(r, object, "ece", true, &c->ece));
    for (size_t i = 0; i < CALIBRATION_BINS; i++) {
        TRY(read_entry(r, object, "bins", i, &one));
        TRY(json_read_size(r, one, "n", true, &c->bins[i].n));
        TRY(json_read_reals(r, one, bin_keys, COUNT(bin_keys), true, &c->bins[i]));
    }
    return WEFT_OK;
}

static weft_status read_class_index(const json_reader *r, const json_t *object, const char *name, size_t n_classes, size_t *out)
{
    TRY(json_read_size(r, object, name, true, out));
    return *out < n_classes ? WEFT_OK : fail(r->err, WEFT_BAD_INPUT, r->at, "'%s' is %zu, and there are %zu classes", name, *out, n_classes);
}

static weft_status read_pixels(const json_reader *r, const json_t *root, const image_size *image, size_t n, worst_sample *worst)
{
    const json_t *list = json_object_get(root, "pixels");
    size_t bytes;
    if (!checked_mul(image->channels, image->height, &bytes) || !checked_mul(bytes, image->width, &bytes) || bytes == 0 || bytes > MAX_PIXELS)
        return fail(r->err, WEFT_BAD_INPUT, r->at, "'image' is of %zu x %zu x %zu numbers; %zu are read at most", image->channels, image->height,
                    image->width, MAX_PIXELS);
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_array_get(list, i);
        unsigned char *pixels = json_is_string(one) && json_string_length(one) / 4 * 3 >= bytes ? arena_alloc(r->memory, bytes) : NULL;
        if (!pixels || !base64_read(json_string_value(one), pixels, bytes))
            return json_wrong(r, "pixels", list, "a list of texts in base64, as many as 'worst', of the size that 'image' says");
        worst[i].pixels = pixels;
    }
    return WEFT_OK;
}

static weft_status read_worst(const json_reader *r, const json_t *root, evaluation_record *e)
{
    worst_sample *worst;
    const json_t *one, *image = json_object_get(root, "image");
    if (!json_object_get(root, "worst"))
        return WEFT_OK;
    TRY(read_list(r, root, "worst", e->n, sizeof *worst, &e->n_worst, (void **)&worst));
    e->worst = worst;
    for (size_t i = 0; i < e->n_worst; i++) {
        TRY(read_entry(r, root, "worst", i, &one));
        TRY(json_read_size(r, one, "index", true, &worst[i].index));
        TRY(read_class_index(r, one, "label", e->n_classes, &worst[i].label));
        TRY(read_class_index(r, one, "prediction", e->n_classes, &worst[i].prediction));
        TRY(json_read_reals(r, one, worst_keys, COUNT(worst_keys), true, &worst[i]));
    }
    if (!image)
        return WEFT_OK;
    TRY(json_read_size(r, image, "channels", true, &e->image.channels));
    TRY(json_read_size(r, image, "height", true, &e->image.height));
    TRY(json_read_size(r, image, "width", true, &e->image.width));
    return read_pixels(r, root, &e->image, e->n_worst, worst);
}

static weft_status read_classification(const json_reader *r, const json_t *root, evaluation_record *e)
{
    const json_t *interval = json_object_get(root, "interval");
    TRY(json_read_real(r, root, "accuracy", true, &e->accuracy));
    if (json_array_size(interval) != 2 || !json_is_number(json_array_get(interval, 0)) || !json_is_number(json_array_get(interval, 1)))
        return json_wrong(r, "interval", interval, "a list of two numbers");
    for (size_t i = 0; i < 2; i++)
        e->interval[i] = json_number_value(json_array_get(interval, i));
    TRY(read_classes(r, root, "classes", e));
    TRY(read_confusion(r, root, e));
    TRY(read_calibration(r, root, &e->calibration));
    return read_worst(r, root, e);
}

static weft_status read_regression(const json_reader *r, const json_t *root, evaluation_record *e)
{
    number_score *numbers;
    const json_t *one;
    TRY(json_read_reals(r, root, number_keys, COUNT(number_keys), true, &e->all_numbers));
    TRY(read_list(r, root, "numbers", MAX_CLASSES, sizeof *numbers, &e->n_numbers, (void **)&numbers));
    e->numbers = numbers;
    for (size_t i = 0; i < e->n_numbers; i++) {
        TRY(read_entry(r, root, "numbers", i, &one));
        TRY(json_read_reals(r, one, number_keys, COUNT(number_keys), true, &numbers[i]));
    }
    return WEFT_OK;
}

static weft_status read_labels(const json_reader *r, const json_t *root, evaluation_record *e)
{
    TRY(json_read_reals(r, root, label_keys, COUNT(label_keys), true, e));
    TRY(read_classes(r, root, "labels", e));
    return read_calibration(r, root, &e->calibration);
}

static weft_status read_record(const json_reader *r, const json_t *root, evaluation_record *e)
{
    static weft_status (*const read[WEFT_N_TASKS])(const json_reader *, const json_t *, evaluation_record *) = {read_classification,
                                                                                                               read_regression, read_labels};
    const char *task;
    TRY(json_read_text(r, root, "data", &e->data));
    TRY(json_read_text(r, root, "split", &e->split));
    TRY(json_read_text(r, root, "task", &task));
    if (!task_find(task, &e->task))
        return fail(r->err, WEFT_BAD_INPUT, r->at, "'task' is \"%s\", of which nothing is known", task);
    TRY(json_read_size(r, root, "n", true, &e->n));
    TRY(json_read_real(r, root, "loss", true, &e->loss));
    return read[e->task](r, root, e);
}

weft_status evaluation_read(const char *folder, evaluation_record *out, bool *found, arena *a, weft_error *err)
{
    json_t *root;
    const char *path = path_join(a, folder, "evaluation.json");
    *out = (evaluation_record){.calibration.ece = NAN};
    *found = path && file_exists(path);
    if (!*found)
        return path ? WEFT_OK : fail_memory(err);
    TRY(json_file_read(path, EVALUATION_LIMIT, "an evaluation", &root, err));
    const weft_status status = read_record(&(json_reader){{.file = path}, a, err}, root, out);
    json_decref(root);
    return status;
}
