/* weft predict: what a trained model says of pictures. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

/* Where the two most probable classes are nearer to each other, the answer is no more than a guess between them. */
#define LOW_MARGIN 0.1

static const option_spec options[] = {
    {0, "top", "N", "how many classes, or labels, to name; default: 3 classes, all labels", OPTION_NUMBER, offsetof(args, top), 1, UINT32_MAX},
    {0, "invert", "auto|yes|no", "swap dark and light; auto (the default): where the border then is more like those of the training images",
     OPTION_TEXT, offsetof(args, invert), 0, 0},
    {0, "fit", "crop|whole", "crop (the default): scale what stands out from the border, as in the training images; whole: the whole image",
     OPTION_TEXT, offsetof(args, fit), 0, 0},
    {0, "data", "NAME|PATH", "the data set whose images the model takes, where its file does not say", OPTION_TEXT, offsetof(args, data), 0, 0},
    OPTION_BEST,
    OPTION_ALLOW_TRAILING,
    OPTION_JSON,
    OPTION_HELP,
    {0},
};

/* What all files have in common. */
typedef struct predictor {
    weft_model *model;
    image_kind kind;
    image_rules rules;
    size_t top;
    float *sample, *outputs; /* [features], [n_outputs] */
    size_t *order;           /* [n_outputs]: the most probable first */
    json_t *list;            /* NULL: text */
} predictor;

static const char *output_name(const predictor *p, size_t i, arena *a)
{
    const char *name = i < p->model->n_classes ? p->model->class_names[i] : arena_printf(a, "%zu", i);
    return name ? name : "";
}

/* Of equal ones the first, as accuracy counts them. */
static void sort_outputs(predictor *p)
{
    const size_t n = p->model->graph.out;
    for (size_t i = 0; i < n; i++) {
        size_t at = i;
        for (; at > 0 && p->outputs[p->order[at - 1]] < p->outputs[i]; at--)
            p->order[at] = p->order[at - 1];
        p->order[at] = i;
    }
}

/* ---- Text ---- */

/* "Ankle boot 97.31 %, Sneaker 2.51 %; low margin" */
static void print_classes(const predictor *p, bool low_margin, text *t, arena *a)
{
    for (size_t i = 0; i < p->top; i++) {
        text_add(t, i ? ", " : "");
        text_add_escaped(t, output_name(p, p->order[i], a));
        text_printf(t, " %.2f %%", 100 * (double)p->outputs[p->order[i]]);
    }
    text_add(t, low_margin ? "; low margin" : "");
}

static void print_numbers(const predictor *p, text *t)
{
    for (size_t i = 0; i < p->model->graph.out; i++)
        text_printf(t, "%s%.6g", i ? ", " : "", (double)p->outputs[i]);
}

/* What was done to a picture. */
static void print_fitting(const image *from, const image_fitting *done, text *t)
{
    const char *separator = " (";
    if (done->inverted) {
        text_printf(t, "%sinverted", separator);
        separator = ", ";
    }
    if (done->scaled && (done->height != from->height || done->width != from->width))
        text_printf(t, "%scropped to %zux%zu+%zu+%zu of %zux%zu", separator, done->width, done->height, done->left, done->top, from->width,
                    from->height);
    else if (done->scaled)
        text_printf(t, "%sscaled from %zux%zu", separator, from->width, from->height);
    text_add(t, done->inverted || done->scaled ? ")" : "");
}

static weft_status print_text(const predictor *p, const char *file, const image *from, const image_fitting *done, bool low_margin)
{
    text t = {0};
    arena a = {0};
    text_add_escaped(&t, file);
    text_add(&t, ": ");
    if (p->model->task == WEFT_REGRESSION)
        print_numbers(p, &t);
    else
        print_classes(p, low_margin, &t, &a);
    print_fitting(from, done, &t);
    const weft_status status = t.failed ? WEFT_NO_MEMORY : WEFT_OK;
    if (status == WEFT_OK)
        printf("%s\n", t.data);
    text_free(&t);
    arena_deinit(&a);
    return status;
}

/* ---- JSON ---- */

static json_t *file_json(const char *file)
{
    text t = {0};
    text_add_escaped(&t, file);
    json_t *name = json_string(t.data ? t.data : "");
    text_free(&t);
    return name;
}

static json_t *outputs_json(const predictor *p)
{
    json_t *list = json_array();
    arena a = {0};
    const bool numbers = p->model->task == WEFT_REGRESSION;
    for (size_t i = 0; i < (numbers ? p->model->graph.out : p->top); i++) {
        const size_t output = numbers ? i : p->order[i];
        const double value = (double)p->outputs[output];
        json_t *one = numbers ? json_real(value) : json_pack("{s:s, s:I, s:f}", "name", output_name(p, output, &a), "index", (json_int_t)output,
                                                             "probability", value);
        json_array_append_new(list, one);
    }
    arena_deinit(&a);
    return list;
}

static weft_status add_json(const predictor *p, const char *file, const image *from, const image_fitting *done, bool low_margin)
{
    static const char *const lists[WEFT_N_TASKS] = {"classes", "numbers", "labels"};
    json_begin();
    json_t *one = json_pack("{s:o, s:o, s:b, s:b, s:[I,I]}", "file", file_json(file), lists[p->model->task], outputs_json(p), "inverted",
                            done->inverted, "scaled", done->scaled, "size", (json_int_t)from->width, (json_int_t)from->height);
    json_t *part = json_pack("{s:I, s:I, s:I, s:I}", "left", (json_int_t)done->left, "top", (json_int_t)done->top, "width",
                             (json_int_t)done->width, "height", (json_int_t)done->height);
    json_object_set_new(one, "part", part);
    if (p->model->task == WEFT_CLASSIFICATION)
        json_object_set_new(one, "low_margin", json_boolean(low_margin));
    json_array_append_new(p->list, one);
    return json_whole() ? WEFT_OK : WEFT_NO_MEMORY;
}

static void add_error(const predictor *p, const char *file, const weft_error *err)
{
    json_array_append_new(p->list, json_pack("{s:o, s:s}", "file", file_json(file), "error", err->message));
}

static int print_all(const predictor *p, const char *path)
{
    json_begin();
    json_t *all = json_pack("{s:o, s:s, s:o}", "model", file_json(path), "task", known_tasks[p->model->task].name, "files", p->list);
    return print_built(all, JSON_INDENT(1));
}

/* ---- Predicting ---- */

static weft_status predict_file(predictor *p, const char *file, weft_error *err)
{
    text warnings = {0};
    image from;
    image_fitting done;
    const weft_status read = image_read(file, p->kind.channels, &from, &warnings, err);
    print_warnings(warnings.data ? warnings.data : "");
    text_free(&warnings);
    TRY(read);
    weft_status status = image_fit(&from, &p->kind, &p->rules, p->sample, &done, err);
    if (status == WEFT_OK)
        status = weft_model_predict(p->model, p->sample, 1, p->outputs, err);
    if (status == WEFT_OK) {
        sort_outputs(p);
        const bool close = p->model->graph.out > 1 && (double)(p->outputs[p->order[0]] - p->outputs[p->order[1]]) < LOW_MARGIN;
        if ((p->list ? add_json : print_text)(p, file, &from, &done, p->model->task == WEFT_CLASSIFICATION && close) != WEFT_OK)
            status = fail_memory(err);
    }
    image_free(&from);
    return status;
}

/* Every file that can be; the worst of the exit codes. */
static int predict_files(predictor *p, const args *a)
{
    int code = EXIT_DONE;
    for (size_t i = 1; i < a->n_words; i++) {
        weft_error err = {0};
        if (predict_file(p, a->words[i], &err) == WEFT_OK)
            continue;
        const int one = complain(&err);
        code = MAX(code, one);
        if (p->list)
            add_error(p, a->words[i], &err);
    }
    return code;
}

/* What images the model takes: its file tells, or else the data set. */
static weft_status find_kind(const args *a, const weft_model *m, const char *path, image_kind *kind, weft_error *err)
{
    *kind = m->image;
    if (a->data || (!kind->channels && m->data)) {
        weft_dataset *data = open_data(a->data ? a->data : m->data, a->allow_trailing, err);
        const weft_status status = data ? data_image_kind(data, kind, err) : WEFT_BAD_INPUT;
        weft_dataset_close(data);
        TRY(status);
    }
    if (!kind->channels)
        return fail(err, WEFT_BAD_INPUT, (where){path, 0, 0}, "its samples of %zu numbers are no images, as far as is known; name a data set "
                    "of images that it takes with --data", m->graph.in);
    if (kind->channels * kind->height * kind->width != m->graph.in)
        return fail(err, WEFT_BAD_INPUT, (where){a->data, 0, 0}, "its images are %zux%zux%zu, and the model takes %zu numbers a sample",
                    kind->channels, kind->height, kind->width, m->graph.in);
    return WEFT_OK;
}

static weft_status prepare(predictor *p, args *a, const char *path, weft_error *err)
{
    const size_t n_outputs = p->model->graph.out, usual = p->model->task == WEFT_CLASSIFICATION ? 3 : n_outputs;
    TRY(find_kind(a, p->model, path, &p->kind, err));
    p->top = MIN(a->top ? (size_t)a->top : usual, n_outputs);
    p->sample = arena_array(&a->memory, p->model->graph.in, sizeof *p->sample);
    p->outputs = arena_array(&a->memory, n_outputs, sizeof *p->outputs);
    p->order = arena_array(&a->memory, n_outputs, sizeof *p->order);
    if (!p->sample || !p->outputs || !p->order || (a->json && !(p->list = json_array())))
        return fail_memory(err);
    return WEFT_OK;
}

static int predict(args *a, predictor *p, const char *path)
{
    weft_error err = {0};
    if (prepare(p, a, path, &err) != WEFT_OK)
        return complain(&err);
    const int code = predict_files(p, a);
    const int printed = a->json ? print_all(p, path) : EXIT_DONE;
    return MAX(code, printed);
}

static int run_it(args *a)
{
    static const char *const inverts[] = {[INVERT_AUTO] = "auto", [INVERT_YES] = "yes", [INVERT_NO] = "no"};
    weft_error err = {0};
    predictor p = {0};
    const char *path;
    if (a->fit && strcmp(a->fit, "crop") != 0 && strcmp(a->fit, "whole") != 0)
        return complain_usage("--fit is crop or whole, not \"%s\"", a->fit);
    p.rules.whole = a->fit && strcmp(a->fit, "whole") == 0;
    while (a->invert && p.rules.invert < COUNT(inverts) && strcmp(a->invert, inverts[p.rules.invert]) != 0)
        p.rules.invert++;
    if (p.rules.invert == COUNT(inverts))
        return complain_usage("--invert is auto, yes or no, not \"%s\"", a->invert);
    p.model = open_model(a, &path, &err);
    if (!p.model)
        return complain(&err);
    const int code = predict(a, &p, path);
    weft_model_free(p.model);
    return code;
}

const command cmd_predict = {
    .name = "predict",
    .words = "DIR|MODEL IMAGE...",
    .help = "what a trained model says of images: PNG or JPEG, of any size, grey or in colour; - is standard input",
    .examples = "  weft predict runs/adam shoe.png\n"
                "  weft predict runs/adam photos/*.jpg --top 5 --json\n"
                "  weft predict runs/adam/model.safetensors - --fit whole --invert no < shirt.png\n",
    .min_words = 2,
    .max_words = SIZE_MAX,
    .options = options,
    .run = run_it,
};
