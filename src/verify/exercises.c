/* The trainings: one for each case that an op, a loss, an optimizer or a schedule has for its tests, one for each rule of initialisation, and
 * some for what a training can be told beside. Each is as small as it can be and still show its subject: what is wrong has few numbers to be in. */
#include "verify/verify.h"

enum {
    LARGEST_CASE = 64, /* larger ones take much room in the table; what only they would show, the exercise of many tiles does */
    BATCH = 5,
    LAST_BATCH = 2, /* the fewest that every layer trains on */
    FEATURES = 2,
    OPTIMIZER_STEPS = 8, /* radam goes another way from its sixth on */
    SCHEDULE_EPOCHS = 5, /* of a step each */
};

static const char small_net[] = "linear 2";

/* What the descriptors do not say: the rules of a training, and a network with all kinds of tiles: inputs of more than two panels, outputs of
 * more than one, more rows than go through a panel together, and fewer of each. */
static const exercise others[] = {
    {.name = "many tiles", .samples = 160, .features = 97, .epochs = 1, .options = {.batch = 140, .optimizer = "sgd lr=0.1", .loss = "nll_loss"},
     .layers = "flatten, linear 49, batch_norm, gelu, dropout 0.2, residual [linear 5, prelu, linear 49, softmax], layer_norm, log_softmax"},
    {.name = "several labels a sample", .layers = "linear 3", .task = WEFT_MULTI_LABEL,
     .options = {.optimizer = "sgd lr=0.1", .loss = "binary_cross_entropy_with_logits"}},
    {.name = "train.clip_grad_norm", .layers = "linear 5, tanh, linear 2", .options = {.optimizer = "sgd lr=0.5", .clip_grad_norm = 0.1}},
    {.name = "train.clip_grad_value", .layers = "linear 5, tanh, linear 2", .options = {.optimizer = "sgd lr=0.5", .clip_grad_value = 0.01}},
    {.name = "train.accumulate", .layers = "linear 5, tanh, linear 2", .options = {.optimizer = "adam lr=0.01", .accumulate = 2}},
    {.name = "train.average ema", .layers = small_net, .options = {.optimizer = "sgd lr=0.5", .average = "ema decay=0.7"}},
    {.name = "train.average swa", .layers = small_net, .epochs = 4, .options = {.optimizer = "sgd lr=0.5", .average = "swa start=2"}},
    {.name = "train.shuffle false", .layers = small_net, .options = {.optimizer = "sgd lr=0.5", .keep_order = true}},
    {.name = "a schedule's warmup", .layers = small_net, .options = {.optimizer = "sgd lr=0.5", .schedule = "step_lr 2 by=step warmup=3"}},
    {.name = "a layer's lr, l1 and l2", .layers = "linear 5 lr=0.5 l1=0.01 l2=0.02, tanh, linear 2 lr=0", .options = {.optimizer = "sgd lr=0.5"}},
    {.name = "an optimizer's no_decay", .layers = "linear 5, layer_norm, linear 2",
     .options = {.optimizer = "adamw lr=0.01 weight_decay=0.5 no_decay=[bias, layer_norm]"}},
};

/* As the list grows. */
typedef struct growing {
    exercise *at;
    size_t n, room;
    arena *memory;
    bool failed;
} growing;

/* What an exercise leaves open gets the usual. */
static void add(growing *g, exercise t)
{
    if (!t.name || !t.layers || g->n == g->room) {
        g->failed = true;
        return;
    }
    t.features = t.features ? t.features : FEATURES;
    t.epochs = t.epochs ? t.epochs : 1;
    t.options.batch = t.options.batch ? t.options.batch : BATCH;
    t.samples = t.samples ? t.samples : 2 * t.options.batch + LAST_BATCH;
    g->at[g->n++] = t;
}

static void add_op_case(growing *g, const op *o, const op_case *c)
{
    if (c->in > LARGEST_CASE)
        return;
    if (o->kind == OP_LOSS)
        add(g, (exercise){.name = arena_printf(g->memory, "loss %s of %zu outputs", c->spec, c->in), .samples = 2 * BATCH,
                       .layers = arena_printf(g->memory, "linear %zu", c->in), .options = {.optimizer = "sgd lr=0.1", .loss = c->spec},
                       .task = o->targets == TARGET_CLASS ? WEFT_CLASSIFICATION : WEFT_REGRESSION});
    else
        add(g, (exercise){.name = arena_printf(g->memory, "layer %s of %zu numbers", c->spec, c->in), .samples = 2 * BATCH, .task = WEFT_REGRESSION,
                       .layers = arena_printf(g->memory, "linear %zu, %s", c->in, c->spec), .options = {.optimizer = "sgd lr=0.1", .loss = "mse_loss"}});
}

static void add_ops(growing *g, bool losses)
{
    for (const op *const *o = op_table((isa)0); *o; o++) /* what an op says of itself is the same on all instruction sets */
        for (const op_case *c = (*o)->cases; c && c->spec; c++)
            if (((*o)->kind == OP_LOSS) == losses)
                add_op_case(g, *o, c);
}

static void add_rules(growing *g)
{
    size_t n;
    const init_kind *rules = init_kinds(&n);
    for (size_t i = 0; i < n; i++)
        for (const char *const *spec = rules[i].cases; *spec; spec++)
            add(g, (exercise){.name = arena_printf(g->memory, "init %s", *spec), .samples = BATCH, .features = 4,
                              .layers = arena_printf(g->memory, "linear 5 init=\"%s\"", *spec), .options = {.optimizer = "sgd lr=0.1"}});
}

static void add_optimizers(growing *g)
{
    for (const optim *const *o = optim_table((isa)0); *o; o++)
        for (const char *const *spec = (*o)->cases; *spec; spec++)
            add(g, (exercise){.name = arena_printf(g->memory, "optimizer %s", *spec), .layers = small_net, .task = WEFT_REGRESSION,
                              .samples = OPTIMIZER_STEPS * BATCH, .options = {.optimizer = *spec, .loss = "mse_loss"}});
}

static void add_schedules(growing *g)
{
    for (const schedule *const *s = schedule_table; *s; s++)
        for (const char *const *spec = (*s)->cases; *spec; spec++)
            add(g, (exercise){.name = arena_printf(g->memory, "schedule %s", *spec), .layers = small_net, .samples = BATCH,
                              .epochs = SCHEDULE_EPOCHS, .options = {.optimizer = "sgd lr=0.1 momentum=0.9", .schedule = *spec}});
}

weft_status exercises_list(exercise_list *out, arena *a, weft_error *err)
{
    enum { ROOM = 2000 };
    growing g = {.at = arena_array(a, ROOM, sizeof(exercise)), .room = ROOM, .memory = a};
    if (!g.at)
        return fail_memory(err);
    add_rules(&g);
    add_ops(&g, false);
    add_ops(&g, true);
    add_optimizers(&g);
    add_schedules(&g);
    for (size_t i = 0; i < COUNT(others); i++)
        add(&g, others[i]);
    *out = (exercise_list){g.n, g.at};
    return g.failed ? fail_memory(err) : WEFT_OK;
}
