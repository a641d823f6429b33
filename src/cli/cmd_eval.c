/* weft eval: how good a trained model is. */
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

/* The loss that the model was trained with; that of its data's task where a file does not say. */
static const char *loss_of(const weft_model *m, const weft_dataset *data)
{
    static const char *const usual[WEFT_N_TASKS] = {"cross_entropy", "mse_loss", "binary_cross_entropy_with_logits"};
    return m->loss ? m->loss : usual[data->task];
}

static void print(const evaluation_record *e, bool json)
{
    text t = {0};
    (json ? evaluation_print : report_scores)(e, &t);
    fputs(t.data && !t.failed ? t.data : "", stdout);
    text_free(&t);
}

static int evaluate(args *a, weft_model *m, const weft_dataset *data, weft_split split, weft_error *err)
{
    evaluation_record e;
    weft_trainer *t = weft_trainer_create(m, data, &(weft_options){.loss = loss_of(m, data), .scale = m->scale, .threads = (int)a->threads}, err);
    const bool good = t && trainer_assess(t, split, N_WORST, &e, &a->memory, err) == WEFT_OK;
    if (good)
        print(&e, a->json);
    weft_trainer_free(t);
    return good ? EXIT_DONE : complain(err);
}

static int run_it(args *a)
{
    weft_error err = {0};
    weft_split split;
    const char *path;
    if (!choose_split(a, WEFT_TEST, &split))
        return EXIT_USAGE;
    weft_model *m = open_model(a, &path, &err);
    if (!m)
        return complain(&err);
    if (!a->data && !m->data) {
        weft_model_free(m);
        return complain_usage("%s: it does not say what it was trained on; name a data set with --data", path);
    }
    weft_dataset *data = open_data(a->data ? a->data : m->data, a->allow_trailing, &err);
    const int code = data ? evaluate(a, m, data, split, &err) : complain(&err);
    weft_model_free(m);
    weft_dataset_close(data);
    return code;
}

const command cmd_eval = {
    .name = "eval",
    .words = "DIR|MODEL",
    .help = "loss, accuracy with its interval, scores a class, confusion matrix, calibration; R2, MAE, RMSE of numbers; F1, AUROC of labels",
    .examples = "  weft eval runs/adam\n"
                "  weft eval runs/adam --best --json\n"
                "  weft eval runs/adam/model.safetensors --data fashion-mnist --split train\n",
    .min_words = 1,
    .max_words = 1,
    .options = options,
    .run = run_it,
};
