/* Times training passes over Fashion-MNIST, without evaluation: weft_pass NETWORK THREADS PASSES; or
 * only loads: weft_pass load 1 1. Prints one JSON object. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <weft.h>

/* The same names and settings are in torch_pass.py. */
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

static weft_status measure(weft_model *model, const weft_dataset *data, const weft_options *options, int passes, weft_error *err)
{
    double times[MAX_PASSES], losses[MAX_PASSES];
    weft_status status = WEFT_OK;
    weft_trainer *trainer = weft_trainer_create(model, data, options, err);
    if (!trainer)
        return err->status;
    for (int i = 0; i < passes && status == WEFT_OK; i++) {
        weft_metrics m;
        if ((status = weft_trainer_epoch(trainer, &m, err)) == WEFT_OK) {
            times[i] = m.train_seconds;
            losses[i] = m.train_loss;
        }
    }
    weft_trainer_free(trainer);
    if (status == WEFT_OK) {
        print_list("seconds", times, passes);
        print_list("loss", losses, passes);
    }
    return status;
}

int main(int argc, char **argv)
{
    size_t k = 0;
    while (argc == 4 && k < N_NETWORKS && strcmp(networks[k].name, argv[1]) != 0)
        k++;
    const int threads = argc == 4 ? atoi(argv[2]) : 0, passes = argc == 4 ? atoi(argv[3]) : 0;
    const int load_only = argc == 4 && strcmp(argv[1], "load") == 0;
    if (argc != 4 || (k == N_NETWORKS && !load_only) || threads < 1 || passes < 1 || passes > MAX_PASSES) {
        fprintf(stderr, "usage: weft_pass sgd|adam|deep|load THREADS PASSES\n");
        return 2;
    }
    weft_error err = {0};
    weft_status status = load_only ? WEFT_OK : WEFT_BAD_INPUT;
    const double begin = seconds();
    weft_dataset *data = weft_dataset_open("fashion-mnist", &err);
    const double load = seconds() - begin;
    weft_model *model = data && !load_only ? weft_model_create(networks[k].layers, &err) : NULL;
    printf("{\"network\": \"%s\", \"isa\": \"%s\", \"threads\": %d, \"load_seconds\": %.6f", argv[1], weft_isa(&err), threads, load);
    if (model)
        status = measure(model, data,
                         &(weft_options){.optimizer = networks[k].optimizer, .scale = 255, .batch = 32, .seed = 1, .threads = threads},
                         passes, &err);
    printf("}\n");
    if (status != WEFT_OK)
        fprintf(stderr, "%s\n", err.message);
    weft_model_free(model);
    weft_dataset_close(data);
    return status == WEFT_OK ? 0 : 1;
}
