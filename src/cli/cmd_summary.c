/* weft summary: what a network is before it is trained. */
#include "cli/cli.h"

static const option_spec options[] = {
    OPTION_VARIANT,
    OPTION_SET,
    OPTION_ALLOW_TRAILING,
    {0, "plan", NULL, "also the compiled steps, with their buffers, tiles, FLOPs and bytes", OPTION_FLAG, offsetof(args, plan), 0, 0},
    OPTION_JSON,
    OPTION_HELP,
    {0},
};

static size_t node_parameters(const node *n)
{
    size_t sum = 0;
    for (size_t p = 0; p < n->n_params; p++)
        sum += shape_numbers(&n->params[p].shape);
    return sum;
}

static void print_layers(const weft_model *m, const run_settings *s, size_t batch, double flops, size_t bytes)
{
    printf("%-5s  %-24s  %10s  %10s  %12s\n", "layer", "", "in", "out", "parameters");
    for (size_t i = 0; i < m->graph.n_nodes; i++) {
        const node *n = &m->graph.nodes[i];
        printf("%5s  %-24s  %10zu  %10zu  %12zu\n", n->path, n->op->name, n->in, n->out, node_parameters(n));
    }
    printf("\n%zu parameters, %.2f MB as float32\n", m->graph.n_parameters, 4e-6 * (double)m->graph.n_parameters);
    printf("a training step of batch %zu with %s in %s: %.2f MFLOP, %.2f MB of buffers\n", batch, s->optimizer_text,
           s->train.precision, flops / 1e6, (double)bytes / 1e6);
}

static void print_json(const weft_model *m, const run_settings *s, size_t batch, double flops, size_t bytes)
{
    char number[32];
    printf("{\"layers\": [");
    for (size_t i = 0; i < m->graph.n_nodes; i++) {
        const node *n = &m->graph.nodes[i];
        printf("%s{\"layer\": \"%s\", \"name\": \"%s\", \"in\": %zu, \"out\": %zu, \"parameters\": %zu}", i ? ", " : "", n->path, n->op->name, n->in,
               n->out, node_parameters(n));
    }
    printf("], \"parameters\": %zu, \"batch\": %zu, \"precision\": \"%s\", \"step_flops\": %s, \"step_buffer_bytes\": %zu}\n", m->graph.n_parameters, batch,
           s->train.precision, print_double(flops, number), bytes);
}

static int summarise(args *a, const run_settings *s)
{
    weft_error err = {0};
    int code = EXIT_FAILED;
    weft_dataset *data = open_data(s->data.set, s->data.allow_trailing, &err);
    const size_t batch = data ? train_batch(&s->train, data) : 0;
    weft_model *m = data ? weft_model_create(s->model_text, &err) : NULL;
    weft_trainer *t = m ? run_create_trainer(m, s, data, 1, &err) : NULL;
    plan *p = t ? trainer_plan(t, PLAN_TRAIN, batch, &err) : NULL;
    if (p) {
        (a->json ? print_json : print_layers)(m, s, batch, plan_flops(p), plan_arena_bytes(p));
        text steps = {0};
        if (a->plan) {
            text_add(&steps, "\n");
            plan_print(p, &steps);
        }
        show_text(&steps);
        code = EXIT_DONE;
    } else
        code = complain(&err);
    weft_trainer_free(t);
    weft_model_free(m);
    weft_dataset_close(data);
    return code;
}

static int run_it(args *a)
{
    int code = EXIT_FAILED;
    size_t variant;
    weft_error err = {0};
    run_settings settings;
    experiment *e = open_experiment(a, &code);
    if (e && choose_variant(e, a, &variant, &code))
        code = experiment_settings(e, variant, 0, &settings, &err) == WEFT_OK ? summarise(a, &settings) : complain(&err);
    experiment_close(e);
    return code;
}

const command cmd_summary = {
    .name = "summary",
    .words = "FILE.yaml",
    .help = "layers, shapes, parameters, the cost of a step",
    .examples = "  weft summary recipes/tutorial.yaml --variant adam\n"
                "  weft summary recipes/tutorial.yaml --variant adam --plan\n",
    .min_words = 1,
    .max_words = 1,
    .options = options,
    .run = run_it,
};
