/* Times training passes over Fashion-MNIST: weft_pass NETWORK THREADS PASSES; or, with "forward" behind them, evaluations of the training
 * split from floats in memory; or only loads: weft_pass load 1 1. Prints one JSON object. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <weft.h>

/* The same names and settings are in torch_pass.py and peer.c. */
static const struct {
    const char *name, *layers, *optimizer;
} networks[] = {
    {"sgd", "linear 1000, relu, linear 10", "sgd lr=0.01"},
    {"adam", "linear 1000, relu, linear 10", "adam lr=0.001"},
    {"deep", "linear 1000, relu, linear 512, relu, linear 10", "adam lr=0.001"},
};
enum { N_NETWORKS = sizeof networks / sizeof *networks, MAX_PASSES = 64 };

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void print_list(const char *name, const double *numbers, int n)
{
    printf(", \"%s\": [", name);
    for (int i = 0; i < n; i++)
        printf("%s%.6f", i ? ", " : "", numbers[i]);
    printf("]");
}

static void print_times(const double *times, const double *losses, int n)
{
    print_list("seconds", times, n);
    print_list("loss", losses, n);
}

static weft_status train(weft_trainer *trainer, const weft_dataset *data, int passes, weft_error *err)
{
    (void)data;
    double times[MAX_PASSES], losses[MAX_PASSES];
    for (int i = 0; i < passes; i++) {
        weft_metrics m;
        const weft_status status = weft_trainer_epoch(trainer, &m, err);
        if (status != WEFT_OK)
            return status;
        times[i] = m.train_seconds;
        losses[i] = m.train_loss;
    }
    print_times(times, losses, passes);
    return WEFT_OK;
}

static weft_status forward(weft_trainer *trainer, const weft_dataset *data, int passes, weft_error *err)
{
    double times[MAX_PASSES], losses[MAX_PASSES];
    const size_t n = weft_dataset_size(data, WEFT_TRAIN);
    float *x = malloc(n * weft_dataset_features(data) * sizeof *x);
    if (!x)
        return WEFT_NO_MEMORY;
    weft_dataset_read(data, WEFT_TRAIN, 0, n, 255, x);
    weft_status status = WEFT_OK;
    for (int i = 0; i < passes && status == WEFT_OK; i++) {
        size_t n_correct;
        const double begin = seconds();
        status = weft_trainer_evaluate(trainer, &(weft_batch){.x = x, .y = weft_dataset_labels(data, WEFT_TRAIN), .n = n}, &losses[i],
                                       &n_correct, err);
        times[i] = seconds() - begin;
    }
    free(x);
    if (status == WEFT_OK)
        print_times(times, losses, passes);
    return status;
}

typedef struct arguments {
    size_t network; /* N_NETWORKS: only load */
    int threads, passes, forward;
} arguments;

static int read_arguments(int argc, char **argv, arguments *a)
{
    if (argc < 4 || argc > 5)
        return 0;
    while (a->network < N_NETWORKS && strcmp(networks[a->network].name, argv[1]) != 0)
        a->network++;
    a->threads = atoi(argv[2]);
    a->passes = atoi(argv[3]);
    a->forward = argc == 5 && strcmp(argv[4], "forward") == 0;
    return (a->network < N_NETWORKS || strcmp(argv[1], "load") == 0) && a->threads > 0 && a->passes > 0 && a->passes <= MAX_PASSES &&
           argc == 4 + a->forward;
}

static weft_status measure(const arguments *a, const weft_dataset *data, weft_error *err)
{
    weft_status status = WEFT_BAD_INPUT;
    weft_model *model = weft_model_create(networks[a->network].layers, err);
    weft_trainer *trainer = NULL;
    if (model)
        trainer = weft_trainer_create(
            model, data,
            &(weft_options){.optimizer = networks[a->network].optimizer, .scale = 255, .batch = 32, .seed = 1, .threads = a->threads}, err);
    if (trainer)
        status = (a->forward ? forward : train)(trainer, data, a->passes, err);
    weft_trainer_free(trainer);
    weft_model_free(model);
    return status;
}

int main(int argc, char **argv)
{
    arguments a = {0};
    if (!read_arguments(argc, argv, &a)) {
        fprintf(stderr, "usage: weft_pass sgd|adam|deep|load THREADS PASSES [forward]\n");
        return 2;
    }
    weft_error err = {0};
    const double begin = seconds();
    weft_dataset *data = weft_dataset_open("fashion-mnist", &err);
    weft_status status = data ? WEFT_OK : WEFT_BAD_INPUT;
    printf("{\"network\": \"%s\", \"isa\": \"%s\", \"threads\": %d, \"load_seconds\": %.6f", argv[1], weft_isa(&err), a.threads,
           seconds() - begin);
    if (data && a.network < N_NETWORKS)
        status = measure(&a, data, &err);
    printf("}\n");
    if (status != WEFT_OK)
        fprintf(stderr, "%s\n", err.message);
    weft_dataset_close(data);
    return status == WEFT_OK ? 0 : 1;
}
