/* weft eval: how good a trained model is. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static const option_spec options[] = {
    {0, "data", "NAME|PATH", "the data set; default: the one that the model was trained on", OPTION_TEXT, offsetof(args, data), 0, 0},
    {0, "split", "train|test", "which part of it; default: test", OPTION_TEXT, offsetof(args, split), 0, 0},
    {0, "best", NULL, "of a run folder, the model of the best epoch instead of the last", OPTION_FLAG, offsetof(args, best), 0, 0},
    OPTION_ALLOW_TRAILING,
    OPTION_THREADS,
    OPTION_JSON,
    OPTION_HELP,
    {0},
};

typedef struct result {
    const weft_model *model;
    const weft_dataset *data;
    weft_split split;
    evaluation e;
    size_t n_outputs;
} result;

static const char *class_name(const result *r, size_t i) { return i < r->data->n_classes ? r->data->class_names[i] : "-"; }

static const char *split_name(const result *r) { return r->split == WEFT_TRAIN ? "train" : "test"; }

static void print_matrix(const result *r)
{
    printf("\nconfusion matrix: a row for each class, a column for what the model said\n%14s", "");
    for (size_t c = 0; c < r->n_outputs; c++)
        printf(" %6zu", c);
    printf("\n");
    for (size_t i = 0; i < r->n_outputs; i++) {
        printf("%2zu %-11.11s", i, class_name(r, i));
        for (size_t c = 0; c < r->n_outputs; c++)
            printf(" %6u", r->e.confusion[i * r->n_outputs + c]);
        printf("\n");
    }
}

static void print_text(const result *r)
{
    printf("%s, %s split, %zu samples\nloss %.4f, accuracy %.2f %%\n\n", r->data->name, split_name(r), r->e.n, r->e.loss,
           100.0 * (double)r->e.n_correct / (double)r->e.n);
    printf("%-14s %9s %9s %9s %8s\n", "class", "precision", "recall", "F1", "samples");
    for (size_t i = 0; i < r->n_outputs; i++) {
        const class_score s = evaluation_class(&r->e, r->n_outputs, i);
        printf("%2zu %-11.11s %9.4f %9.4f %9.4f %8zu\n", i, class_name(r, i), s.precision, s.recall, s.f1, s.n);
    }
    print_matrix(r);
}

static void print_json(const result *r)
{
    json_t *classes = json_array(), *matrix = json_array();
    for (size_t i = 0; i < r->n_outputs; i++) {
        const class_score s = evaluation_class(&r->e, r->n_outputs, i);
        json_t *row = json_array();
        for (size_t c = 0; c < r->n_outputs; c++)
            json_array_append_new(row, json_integer(r->e.confusion[i * r->n_outputs + c]));
        json_array_append_new(matrix, row);
        json_array_append_new(classes, json_pack("{s:s, s:f, s:f, s:f, s:I}", "name", class_name(r, i), "precision", s.precision, "recall",
                                                 s.recall, "f1", s.f1, "n", (json_int_t)s.n));
    }
    json_t *all = json_pack("{s:s, s:s, s:I, s:f, s:f, s:o, s:o}", "data", r->data->name, "split", split_name(r), "n", (json_int_t)r->e.n,
                            "loss", r->e.loss, "accuracy", (double)r->e.n_correct / (double)r->e.n, "classes", classes, "confusion", matrix);
    char *text_of = all ? json_dumps(all, JSON_INDENT(1)) : NULL;
    printf("%s\n", text_of ? text_of : "");
    free(text_of);
    json_decref(all);
}

static int evaluate(args *a, weft_model *m, const weft_dataset *data, weft_error *err)
{
    result r = {.model = m, .data = data, .split = a->split && strcmp(a->split, "train") == 0 ? WEFT_TRAIN : WEFT_TEST, .n_outputs = m->graph.out};
    r.e.confusion = arena_array(&a->memory, r.n_outputs * r.n_outputs, sizeof *r.e.confusion);
    weft_trainer *t = weft_trainer_create(m, data, &(weft_options){.scale = m->scale, .threads = (int)a->threads}, err);
    if (!r.e.confusion || !t || trainer_evaluate_split(t, r.split, &r.e, err) != WEFT_OK) {
        weft_trainer_free(t);
        return complain(err);
    }
    (a->json ? print_json : print_text)(&r);
    weft_trainer_free(t);
    return EXIT_DONE;
}

static int run_it(args *a)
{
    weft_error err = {0};
    if (a->split && strcmp(a->split, "train") != 0 && strcmp(a->split, "test") != 0)
        return complain_usage("--split is train or test, not \"%s\"", a->split);
    const char *path = a->words[0];
    if (folder_exists(path))
        path = path_join(&a->memory, path, a->best ? "best.safetensors" : "model.safetensors");
    weft_model *m = path ? weft_model_open(path, &err) : NULL;
    if (!m)
        return complain(&err);
    if (!a->data && !m->data) {
        weft_model_free(m);
        return complain_usage("%s: it does not say what it was trained on; name a data set with --data", path);
    }
    weft_dataset *data = open_data(a->data ? a->data : m->data, a->allow_trailing, &err);
    const int code = data ? evaluate(a, m, data, &err) : complain(&err);
    weft_model_free(m);
    weft_dataset_close(data);
    return code;
}

const command cmd_eval = {
    .name = "eval",
    .words = "DIR|MODEL",
    .help = "loss, accuracy, precision and recall a class, confusion matrix",
    .examples = "  weft eval runs/adam\n"
                "  weft eval runs/adam --best --json\n"
                "  weft eval runs/adam/model.safetensors --data fashion-mnist --split train\n",
    .min_words = 1,
    .max_words = 1,
    .options = options,
    .run = run_it,
};
