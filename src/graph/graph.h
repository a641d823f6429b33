/* The model as nodes, what an op is, and the builder through which an op emits its steps. Describes; never computes. */
#ifndef GRAPH_H
#define GRAPH_H

#include <string.h>

#include "kernel/kernel.h"
#include "tensor/tensor.h"

typedef struct op op;
typedef struct builder builder;

/* ---- Nodes ---- */

/* What a parameter is drawn for. */
typedef struct parameter_draw {
    shape shape;
    uint64_t seed;
    uint32_t stream;
} parameter_draw;

/* A rule by which parameters begin; a row of init.c's table. */
typedef struct init_kind {
    const char *name, *help, *formula;
    const field *fields; /* NULL: none */
    size_t fields_bytes;
    bool matrix; /* for weights [out, in] only */
    const char *const *cases; /* specs of it that are worth a try each; ends with NULL */
    weft_status (*draw)(const void *fields, const parameter_draw *d, float *out);
    /* What the ranges of single fields cannot say. NULL: nothing. */
    weft_status (*check)(const void *fields, where at, weft_error *err);
} init_kind;

/* A rule with its settings. */
typedef struct initialiser {
    const init_kind *kind; /* NULL: none was asked for */
    const void *fields;
} initialiser;

/* Rules for a whole model: of the weights and biases of those of its layers that multiply by a matrix of weights and say none of their own. */
typedef struct usual_init {
    const char *weight, *bias; /* NULL: as each layer has it */
} usual_init;

extern const field usual_init_fields[];

/* A parameter as a state dict has it. */
typedef struct param {
    const char *name; /* "weight" */
    shape shape;
    float init_low, init_high; /* drawn uniformly in between, unless another rule is asked for */
} param;

const init_kind *init_kinds(size_t *n);
/* Reads "kaiming_normal relu". */
weft_status init_read(const char *spec, where at, initialiser *out, arena *a, weft_error *err);
/* The same for a bias, which not all of them are for. */
weft_status init_read_bias(const char *spec, where at, initialiser *out, arena *a, weft_error *err);
/* Whether a rule can be that of a parameter. */
weft_status init_fits(const initialiser *i, const param *p, where at, weft_error *err);
/* out: [shape]; a function of seed and stream. Without a rule, the parameter's own. WEFT_NO_MEMORY or WEFT_OK. */
weft_status init_draw(const initialiser *i, const param *p, uint64_t seed, uint32_t stream, float *out);

#define MAX_PARAMS 2
#define MAX_BUFFERS 3

enum { MAX_NODE_IN = 2 };
#define MODEL_INPUT SIZE_MAX /* in the place of a node: the samples */

/* What every layer with parameters can say of how they begin and are trained. */
typedef struct node_training {
    double lr;     /* what the optimizer's rate is multiplied by; 0: they stay as they are */
    double l1, l2; /* of its weights, not of its bias */
    const char *init, *bias_init; /* rules by which its weights and its bias begin; NULL: the layer's own */
} node_training;

extern const field node_training_fields[]; /* op.c has them */

/* A layer of a model: an op, its settings, its shapes, its parameters. */
typedef struct node {
    const op *op;
    const void *fields;
    node_training training;
    const field *table; /* what can be set of it: the op's fields and those of the training */
    initialiser init, bias_init; /* of its weights, of its bias */
    where at;           /* where the user wrote it */
    const char *spec;   /* in short: "linear 1000" */
    size_t index;       /* its place among the nodes */
    const char *path;   /* its place in the model, from 0, as torch.nn.Sequential counts: "2"; inside layer 2 "2.0" */
    size_t depth;       /* how many blocks it lies in */
    size_t n_from;
    size_t from[MAX_NODE_IN]; /* the nodes whose outputs it takes; they come before it */
    size_t in, out;     /* numbers in a sample, before and behind */
    bool trained;       /* it, or something before it, has parameters */
    size_t n_params;
    param params[MAX_PARAMS];
    operand block;        /* how all its parameters are packed for its kernels, without the data */
    size_t block_numbers; /* 0: it has none */
    size_t n_buffers; /* what training keeps beside the parameters: running statistics, [out] each, or a count, of no dimensions */
    param buffers[MAX_BUFFERS];
    operand buffer_block; /* a row each */
    size_t buffer_numbers;
    size_t weight_rows;   /* of the block; those behind them are a bias */
} node;

typedef struct graph {
    size_t n_nodes;
    node *nodes; /* each behind those that it takes from */
    size_t in, out;
    size_t n_parameters;
    initialiser init, bias_init; /* for a whole model */
} graph;

/* The rule by which a node's parameter begins. */
static inline const initialiser *node_init(const node *n, size_t p) { return strcmp(n->params[p].name, "bias") == 0 ? &n->bias_init : &n->init; }

/* Whether the gradient of what a node takes is needed: something before it has parameters. */
static inline bool node_wants_dx(const graph *g, const node *n)
{
    return n->from[0] != MODEL_INPUT && g->nodes[n->from[0]].trained;
}
/* Whether it has parameters that move. */
static inline bool node_trains(const node *n) { return n->block_numbers && n->training.lr != 0; }

/* Gives a graph rules for the whole model, which its layers take at graph_infer. */
weft_status graph_begin_as(graph *g, const usual_init *rules, arena *a, weft_error *err);
/* Lets sizes flow through the layers for inputs of `features` numbers. */
weft_status graph_infer(graph *g, size_t features, weft_error *err);

/* For ops whose parameters are a row each of a block [n_params, out]: pack and unpack. (rows.c) */
void pack_rows(const node *n, const float *const params[], real *block);
void unpack_rows(const node *n, const real *block, float *const params[]);

/* ---- Steps ---- */

typedef enum value_role { VALUE_BATCH, VALUE_FORWARD, VALUE_GRADIENT, VALUE_WEIGHTS, VALUE_BUFFERS, VALUE_PLACED } value_role;

/* A matrix that steps write and read. */
typedef struct value {
    const char *name;
    value_role role;
    operand at; /* data: NULL until the plan is laid out, but for weights and buffers */
    size_t numbers;
    size_t first, last; /* the steps that write it first and read it last */
    size_t offset_bytes; /* in the plan's arena */
    bool keep;           /* still wanted when the last step is done */
    struct value *forms[N_FORMS]; /* the same in other forms, where a step makes them */
} value;

/* One kernel at work on some values. */
typedef struct step {
    const char *name; /* "linear", "linear dx", … */
    const kernel *kernel;
    const node *node; /* NULL: of no layer */
    value *in[MAX_IN], *out[MAX_OUT];
    const void *fields;
    map_fn *map;
    map_grad_fn *map_grad;
    const void *map_fields;
    value *map_y;
    const char *fused; /* what was fused into it, for people: "relu" */
    bool updates;      /* moves the node's parameters */
    const treatment *treatment; /* of the gradient that it takes or makes; NULL: none */
    bool lasts;        /* what it writes outlives the run: it waits until the loss is known to be finite */
    bool sync;         /* waits for all threads before it begins */
    bool may_halt;     /* and then ends the run if a step before it said so */
    size_t n_tiles;
    call call;
} step;

/* ---- Ops ---- */

typedef enum op_kind {
    OP_LAYER, /* emits its own steps */
    OP_MAP,   /* element by element: value, slope, map and map_grad say all */
    OP_JOIN,  /* ends a block of layers: the sum of what goes into the block and what comes out of it */
    OP_LOSS,  /* from the model's outputs and what they should be to a loss a sample and its gradient */
} op_kind;

typedef enum target_kind { TARGET_CLASS, TARGET_NUMBERS } target_kind;

/* What a sample should give: a class, or a number for each output. */
typedef struct target {
    int32_t label;
    const double *numbers;
} target;

/* The first member of the settings of every loss. */
typedef struct any_loss_fields {
    const char *reduction; /* "mean", "sum"; "batchmean": the mean over the batch of sums over outputs */
} any_loss_fields;

static inline bool loss_sums(const void *fields) { return strcmp(((const any_loss_fields *)fields)->reduction, "sum") == 0; }

/* A case that every test of an op runs: its spec and the size of its input. */
typedef struct op_case {
    const char *spec;
    size_t in;
} op_case;

/* Everything there is to know about an op. One file each: op/NAME.c defines op_NAME. `fields` below is what the op's table describes. */
struct op {
    const char *name;
    op_kind kind;
    const char *help, *formula; /* one line each */
    const field *fields;
    size_t fields_bytes;
    const op_case *cases; /* ends with a NULL spec */

    /* OP_LAYER. infer: from n->in to out, params and block_numbers. */
    weft_status (*infer)(node *n, weft_error *err);
    void (*pack)(const node *n, const float *const params[], real *block);
    void (*unpack)(const node *n, const real *block, float *const params[]);
    /* x to the value it becomes; builder_weights gives the parameters. */
    value *(*forward)(builder *b, const node *n, value *x);
    /* From dy, the gradient of y, to the gradient of x, made only if it is `wanted` (else NULL); and of the parameters. */
    value *(*backward)(builder *b, const node *n, value *x, value *dy, bool wanted);
    /* In training, behind all that: steps that bring the node's buffers up to date. NULL: it has none. */
    void (*settle)(builder *b, const node *n);
    size_t least_batch; /* samples that it needs in training; 0: any number will do */
    /* The same in double, as plainly as it can be written. x: [B, in], y: [B, out]; params as in a state dict. Gradients are added to. */
    void (*reference)(const node *n, size_t B, const double *x, const double *const params[], double *y);
    void (*reference_grad)(const node *n, size_t B, const double *x, const double *const params[], const double *dy,
                           double *dx, double *const dparams[]);

    /* OP_MAP */
    map_fn *map;
    map_grad_fn *map_grad;
    bool gradient_needs_input; /* map_grad wants x, not y */
    double (*value)(double x, const void *fields);
    double (*slope)(double x, const void *fields);

    /* OP_LOSS. in[0] outputs [B, C], the batch's labels or targets; out[0] losses [B, 1]; out[1] the gradient [B, C] of their
     * sum divided by the batch's weight. */
    kernel loss;
    target_kind targets;
    /* Of TARGET_NUMBERS: what they must lie between; NULL: any number will do. */
    void (*target_range)(const void *fields, double *low, double *high);
    /* Of TARGET_CLASS: how much a sample counts in the mean, and the label that does not count at all and may be none of the classes'. */
    double (*weight_of)(const void *fields, int32_t label);
    int32_t (*ignored)(const void *fields);
    /* Whether the settings fit a model with so many outputs; NULL: they always do. */
    weft_status (*fits)(const void *fields, size_t outputs, weft_error *err);
    /* One sample: its loss, and the gradient of that. */
    double (*reference_loss)(const double *outputs, size_t C, const target *t, const void *fields, double *dx);
};

/* ---- The builder ---- */

struct builder {
    const kernels *k;
    arena *memory;
    size_t batch;
    step **steps; /* each stays where it is */
    size_t n_steps, max_steps;
    value **values;
    size_t n_values, max_values;
    bool training;
    value **weights, **gradients, **buffers; /* [n_nodes] */
    value **kept;                 /* [n_nodes]: what a node's forward left for its backward, see builder_keep */
    bool failed;                  /* memory ran out: the plan is refused */
    value lost_value;             /* what ops get then, and do not notice */
    step lost_step;
};

/* A new matrix [batch, cols]. Its name gets the layer's place behind it: "y" of layer 2 is y2. Never NULL. */
value *builder_value(builder *b, value_role role, const char *name, const node *n, size_t cols);
/* The same with any number of rows. */
value *builder_matrix(builder *b, value_role role, const char *name, const node *n, size_t rows, size_t cols);
/* A new step at the end; its inputs and outputs are filled by the caller. Never NULL. */
step *builder_step(builder *b, const char *name, const kernel *k, const node *n);
/* A matrix that has its place already, outside the plan's arena. Never NULL. */
value *builder_placed(builder *b, const char *name, const node *n, operand at);
/* The parameters of a node, packed, and the gradient of them. */
value *builder_weights(builder *b, const node *n);
value *builder_gradient(builder *b, const node *n);
/* A node's running statistics; to be written by `settle` alone. */
value *builder_buffers(builder *b, const node *n);
/* What forward leaves for backward and settle, and what it left. */
value *builder_keep(builder *b, const node *n, value *v);
value *builder_kept(const builder *b, const node *n);
/* x in a form: made by a step of its own, once; x itself where the form is plain. */
value *builder_in_form(builder *b, value *x, form f);

#endif
