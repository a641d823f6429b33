/* Times training steps of any network through the public header: weft_grid THREADS SECONDS < cases.
 *
 * A case is a line: optimizer batch inputs units… outputs, such as "sgd 32 784 1000 10", a relu between the layers. The batch is random, in
 * memory, and always the same. Prints for each case a line with the microseconds of a step: of the fastest of many short rounds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <weft.h>

enum { MAX_LAYERS = 16 };
/* So low that no weight runs away, whatever the shape. */
#define RATE "1e-5"

typedef struct grid_case {
    char optimizer[64], layers[1024];
    size_t batch, features, classes;
} grid_case;

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int read_case(char *line, grid_case *c)
{
    char *at = line, *word = strtok_r(line, " \n", &at);
    if (!word)
        return 0;
    *c = (grid_case){0};
    snprintf(c->optimizer, sizeof c->optimizer, "%s lr=" RATE, word);
    size_t numbers[MAX_LAYERS], n = 0, used = 0;
    while ((word = strtok_r(NULL, " \n", &at)) && n < MAX_LAYERS)
        numbers[n++] = strtoul(word, NULL, 10);
    for (size_t i = 2; i < n; i++)
        used += (size_t)snprintf(c->layers + used, sizeof c->layers - used, "%slinear %zu", i > 2 ? ", relu, " : "", numbers[i]);
    if (n < 3)
        return 0;
    c->batch = numbers[0];
    c->features = numbers[1];
    c->classes = numbers[n - 1];
    return 1;
}

static weft_status time_steps(weft_trainer *trainer, const weft_batch *batch, double budget, double *best, weft_error *err)
{
    double loss;
    const double begin = seconds();
    weft_status status = weft_trainer_step(trainer, batch, &loss, err); /* compiles the plan */
    const double first = seconds();
    status = status == WEFT_OK ? weft_trainer_step(trainer, batch, &loss, err) : status;
    const double once = seconds() - first;
    const int steps = once > 2e-3 ? 1 : (int)(2e-3 / once) + 1; /* of a round */
    *best = once;
    while (status == WEFT_OK && seconds() - begin < budget) {
        const double round = seconds();
        for (int i = 0; i < steps && status == WEFT_OK; i++)
            status = weft_trainer_step(trainer, batch, &loss, err);
        const double each = (seconds() - round) / steps;
        *best = each < *best ? each : *best;
    }
    return status;
}

static weft_status run_case(const grid_case *c, int threads, double budget, double *best, weft_error *err)
{
    float *x = malloc(c->batch * c->features * sizeof *x);
    int32_t *y = malloc(c->batch * sizeof *y);
    weft_model *model = weft_model_create(c->layers, err);
    weft_trainer *trainer = NULL;
    weft_status status = x && y ? WEFT_BAD_INPUT : WEFT_NO_MEMORY;
    if (x && y && model && weft_model_init(model, c->features, 1, err) == WEFT_OK)
        trainer = weft_trainer_create(model, NULL, &(weft_options){.optimizer = c->optimizer, .batch = c->batch, .threads = threads}, err);
    if (trainer) {
        for (size_t i = 0; i < c->batch * c->features; i++)
            x[i] = (float)rand() / (float)RAND_MAX;
        for (size_t i = 0; i < c->batch; i++)
            y[i] = (int32_t)((size_t)rand() % c->classes);
        status = time_steps(trainer, &(weft_batch){.x = x, .y = y, .n = c->batch}, budget, best, err);
    }
    weft_trainer_free(trainer);
    weft_model_free(model);
    free(x);
    free(y);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: weft_grid THREADS SECONDS < cases\n");
        return 2;
    }
    char line[1024];
    while (fgets(line, sizeof line, stdin)) {
        grid_case c;
        weft_error err = {0};
        double best = 0;
        if (!read_case(line, &c)) {
            fprintf(stderr, "weft_grid: a case is: optimizer batch inputs units... outputs\n");
            return 2;
        }
        if (run_case(&c, atoi(argv[1]), atof(argv[2]), &best, &err) != WEFT_OK) {
            fprintf(stderr, "%s\n", err.message);
            return 1;
        }
        printf("%.3f\n", 1e6 * best);
        fflush(stdout);
    }
    return 0;
}
