/* weft eval: how good a trained model is. */
#include <string.h>

#include "cli/cli.h"

static const option_spec options[] = {
    {0, "data", "NAME|PATH", "the data set; default: the one that the model was trained on", OPTION_TEXT, offsetof(args, data), 0, 0},
    {0, "split", "train|test", "which part of it; default: test", OPTION_TEXT, offsetof(args, split), 0, 0},
    OPTION_BEST,
    {'o', "output", "DIR", "also draw the confusion matrix, the calibration and the worst images there", OPTION_PATH, offsetof(args, output), 0, 0},
    {0, "worst", "N", "how many of the samples with the highest loss; default: 25", OPTION_NUMBER, offsetof(args, worst), 1, 500},
    OPTION_ALLOW_TRAILING,
    OPTION_THREADS,
    OPTION_JSON,
    OPTION_HELP,
    {0},
};

/* The loss that the model was trained with; that of its data's task where a file does not say. */
static const char *loss_of(const weft_model *m, const weft_dataset *data)
{
    static const char *const usual[WEFT_N_TASKS] = {"cross_entropy", "mse_loss", "binary_cross_entropy_with_logits"};
    return m->loss ? m->loss : usual[data->task];
}

/* A run's own evaluation is of the model that it left and of its validation split: what its report is drawn from. */
static bool check_output(args *a)
{
    const char *record = a->output ? path_join(&a->memory, a->output, "run.json") : NULL;
    if (!record || !file_exists(record))
        return true;
    complain_usage("%s: it holds a run, and that run's evaluation; choose another folder with -o", a->output);
    return false;
}

static weft_status tell(const args *a, const evaluation_record *e, weft_error *err)
{
    text said = {0}, names = {0};
    (a->json ? evaluation_print : report_scores)(e, &said);
    weft_status status = said.failed ? fail_memory(err) : WEFT_OK;
    if (status == WEFT_OK) {
        fputs(said.data, stdout);
        status = a->output ? report_evaluation(a->output, e, &names, err) : WEFT_OK;
    }
    if (status == WEFT_OK && a->output)
        fprintf(a->json ? stderr : stdout, "%swrote %s: %s\n", a->json ? "" : "\n", a->output, names.data);
    else if (status == WEFT_OK && !a->json && e->task == WEFT_CLASSIFICATION)
        printf("\nnext: -o DIR draws the confusion matrix, the calibration and the %zu worst samples\n", e->n_worst);
    text_free(&said);
    text_free(&names);
    return status;
}

static weft_status evaluate(args *a, weft_model *m, const weft_dataset *data, weft_split split, weft_error *err)
{
    evaluation_record e;
    weft_trainer *t = weft_trainer_create(m, data, &(weft_options){.loss = loss_of(m, data), .scale = m->scale, .threads = (int)a->threads}, err);
    weft_status status = t ? trainer_assess(t, split, a->worst ? (size_t)a->worst : N_WORST, &e, &a->memory, err) : err->status;
    if (status == WEFT_OK)
        status = tell(a, &e, err);
    weft_trainer_free(t);
    return status;
}

static int run_it(args *a)
{
    weft_error err = {0};
    weft_split split;
    const char *path;
    if (!choose_split(a, WEFT_TEST, &split) || !check_output(a))
        return EXIT_USAGE;
    weft_model *m = open_model(a, &path, &err);
    if (!m)
        return complain(&err);
    if (!a->data && !m->data) {
        weft_model_free(m);
        return complain_usage("%s: it does not say what it was trained on; name a data set with --data", path);
    }
    weft_dataset *data = open_data(a->data ? a->data : m->data, a->allow_trailing, &err);
    const weft_status status = data ? evaluate(a, m, data, split, &err) : err.status;
    weft_model_free(m);
    weft_dataset_close(data);
    return status == WEFT_OK ? EXIT_DONE : complain(&err);
}

const command cmd_eval = {
    .name = "eval",
    .words = "DIR|MODEL",
    .help = "loss, accuracy with its interval, scores a class, confusion matrix, calibration; R2, MAE, RMSE of numbers; F1, AUROC of labels",
    .examples = "  weft eval runs/adam\n"
                "  weft eval runs/adam -o evaluation --worst 50\n"
                "  weft eval runs/adam --best --json\n"
                "  weft eval runs/adam/model.safetensors --data fashion-mnist --split train\n",
    .min_words = 1,
    .max_words = 1,
    .options = options,
    .run = run_it,
};
