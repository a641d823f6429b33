/* weft eval: how good a trained model is. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static const option_spec options[] = {
    {0, "data", "NAME|PATH", "the data set; default: the one that the model was trained on", OPTION_TEXT, offsetof(args, data), 0, 0},
    {0, "split", "train|test", "which part of it; default: test", OPTION_TEXT, offsetof(args, split), 0, 0},
    OPTION_BEST,
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
    label_score *labels; /* [n_outputs] */
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

static void print_classes(const result *r)
{
    printf(", accuracy %.2f %%\n\n%-14s %9s %9s %9s %8s\n", 100 * r->e.score.acc, "class", "precision", "recall", "F1", "samples");
    for (size_t i = 0; i < r->n_outputs; i++) {
        const class_score s = evaluation_class(&r->e, r->n_outputs, i);
        printf("%2zu %-11.11s %9.4f %9.4f %9.4f %8zu\n", i, class_name(r, i), s.precision, s.recall, s.f1, s.n);
    }
    print_matrix(r);
}

static void print_numbers(const result *r)
{
    const split_score *all = &r->e.score;
    printf(", R2 %.4f, MAE %.6g, RMSE %.6g\n", all->r2, all->mae, all->rmse);
    if (r->n_outputs > 1)
        printf("\n%-6s %9s %12s %12s\n", "number", "R2", "MAE", "RMSE");
    for (size_t t = 0; t < r->n_outputs && r->n_outputs > 1; t++) {
        const number_score s = evaluation_number(&r->e, t);
        printf("%6zu %9.4f %12.6g %12.6g\n", t, s.r2, s.mae, s.rmse);
    }
}

static void print_labels(const result *r)
{
    const split_score *all = &r->e.score;
    printf(", F1 %.4f (macro %.4f), AUROC %.4f\n\n", all->f1, all->f1_macro, all->auroc);
    printf("%-5s %9s %9s %9s %9s %8s\n", "label", "precision", "recall", "F1", "AUROC", "samples");
    for (size_t t = 0; t < r->n_outputs; t++) {
        const label_score *s = &r->labels[t];
        printf("%5zu %9.4f %9.4f %9.4f %9.4f %8zu\n", t, s->of.precision, s->of.recall, s->of.f1, s->of.auroc, s->of.n);
    }
}

static void print_text(const result *r)
{
    static void (*const print[WEFT_N_TASKS])(const result *) = {print_classes, print_numbers, print_labels};
    printf("%s, %s split, %zu samples\nloss %.4f", r->data->name, split_name(r), r->e.n, r->e.loss);
    print[r->data->task](r);
}

/* JSON has no NaN. */
static json_t *real_json(double number) { return isfinite(number) ? json_real(number) : json_null(); }

static void add_classes(const result *r, json_t *all)
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
    json_object_set_new(all, "accuracy", json_real(r->e.score.acc));
    json_object_set_new(all, "classes", classes);
    json_object_set_new(all, "confusion", matrix);
}

static void add_numbers(const result *r, json_t *all)
{
    json_t *numbers = json_array();
    for (size_t t = 0; t < r->n_outputs; t++) {
        const number_score s = evaluation_number(&r->e, t);
        json_array_append_new(numbers, json_pack("{s:f, s:f, s:f}", "r2", s.r2, "mae", s.mae, "rmse", s.rmse));
    }
    json_object_set_new(all, "r2", json_real(r->e.score.r2));
    json_object_set_new(all, "mae", json_real(r->e.score.mae));
    json_object_set_new(all, "rmse", json_real(r->e.score.rmse));
    json_object_set_new(all, "numbers", numbers);
}

static void add_labels(const result *r, json_t *all)
{
    json_t *labels = json_array();
    for (size_t t = 0; t < r->n_outputs; t++) {
        const label_score *s = &r->labels[t];
        json_array_append_new(labels, json_pack("{s:f, s:f, s:f, s:o, s:I}", "precision", s->of.precision, "recall", s->of.recall, "f1",
                                                s->of.f1, "auroc", real_json(s->of.auroc), "n", (json_int_t)s->of.n));
    }
    json_object_set_new(all, "f1", json_real(r->e.score.f1));
    json_object_set_new(all, "f1_macro", json_real(r->e.score.f1_macro));
    json_object_set_new(all, "auroc", real_json(r->e.score.auroc));
    json_object_set_new(all, "labels", labels);
}

static void print_json(const result *r)
{
    static void (*const add[WEFT_N_TASKS])(const result *, json_t *) = {add_classes, add_numbers, add_labels};
    json_t *all = json_pack("{s:s, s:s, s:s, s:I, s:f}", "data", r->data->name, "split", split_name(r), "task",
                            known_tasks[r->data->task].name, "n", (json_int_t)r->e.n, "loss", r->e.loss);
    if (all)
        add[r->data->task](r, all);
    char *text_of = all ? json_dumps(all, JSON_INDENT(1)) : NULL;
    printf("%s\n", text_of ? text_of : "");
    free(text_of);
    json_decref(all);
}

/* The loss that the model was trained with; that of its data's task where a file does not say. */
static const char *loss_of(const weft_model *m, const weft_dataset *data)
{
    static const char *const usual[WEFT_N_TASKS] = {"cross_entropy", "mse_loss", "binary_cross_entropy_with_logits"};
    return m->loss ? m->loss : usual[data->task];
}

/* What is told of one class or label after the other. */
static weft_status look_closer(result *r, weft_trainer *t, weft_error *err)
{
    TRY(trainer_evaluate_split(t, r->split, &r->e, err));
    for (size_t i = 0; i < r->n_outputs && r->data->task == WEFT_MULTI_LABEL; i++)
        if (evaluation_label(&r->e, i, &r->labels[i]) != WEFT_OK)
            return fail_memory(err);
    return WEFT_OK;
}

static int evaluate(args *a, weft_model *m, const weft_dataset *data, weft_error *err)
{
    result r = {.model = m, .data = data, .split = a->split && strcmp(a->split, "train") == 0 ? WEFT_TRAIN : WEFT_TEST, .n_outputs = m->graph.out};
    r.labels = arena_array(&a->memory, r.n_outputs, sizeof *r.labels);
    if (data->task == WEFT_CLASSIFICATION)
        r.e.confusion = arena_array(&a->memory, r.n_outputs * r.n_outputs, sizeof *r.e.confusion);
    weft_trainer *t = weft_trainer_create(m, data, &(weft_options){.loss = loss_of(m, data), .scale = m->scale, .threads = (int)a->threads}, err);
    if (!r.labels || !t || look_closer(&r, t, err) != WEFT_OK) {
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
    const char *path;
    weft_model *m = open_model(a, &path, &err);
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
    .help = "loss, accuracy, precision and recall a class, confusion matrix; of numbers R2, MAE, RMSE; of labels F1, AUROC",
    .examples = "  weft eval runs/adam\n"
                "  weft eval runs/adam --best --json\n"
                "  weft eval runs/adam/model.safetensors --data fashion-mnist --split train\n",
    .min_words = 1,
    .max_words = 1,
    .options = options,
    .run = run_it,
};
