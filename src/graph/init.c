/* How parameters begin: torch.nn.init's rules by name. Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
 * networks" (2010): xavier; He et al., "Delving Deep into Rectifiers" (2015): kaiming; Saxe et al., "Exact solutions to the nonlinear
 * dynamics of learning in deep linear neural networks" (2013): orthogonal. */
#include <math.h>
#include <string.h>

#include "graph/graph.h"

/* ---- Settings ---- */

typedef struct range_fields {
    double a, b;
} range_fields;

typedef struct normal_fields {
    double mean, std;
} normal_fields;

typedef struct one_field {
    double value;
} one_field;

typedef struct kaiming_fields {
    double a;
    const char *mode, *nonlinearity;
} kaiming_fields;

#define WIDE .min = -1e9, .max = 1e9

static const field range_table[] = {
    {"a", FIELD_REAL, offsetof(range_fields, a), FIELD_BARE, WIDE, .value = {0}, .help = "the least"},
    {"b", FIELD_REAL, offsetof(range_fields, b), FIELD_BARE, WIDE, .value = {1}, .help = "above the largest"},
    {0},
};

static const field normal_table[] = {
    {"mean", FIELD_REAL, offsetof(normal_fields, mean), FIELD_BARE, WIDE, .value = {0}, .help = "what the numbers scatter about"},
    {"std", FIELD_REAL, offsetof(normal_fields, std), FIELD_BARE, .min = 0, .max = 1e9, .value = {1}, .help = "their standard deviation"},
    {0},
};

static const field constant_table[] = {
    {"val", FIELD_REAL, offsetof(one_field, value), FIELD_BARE | FIELD_REQUIRED, WIDE, .help = "what every number is"},
    {0},
};

static const field gain_table[] = {
    {"gain", FIELD_REAL, offsetof(one_field, value), FIELD_BARE, .min = 0, .max = 1e9, .value = {1}, .help = "what every number is multiplied by"},
    {0},
};

static const char *const nonlinearities[] = {"linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu", NULL};
static const char *const modes[] = {"fan_in", "fan_out", NULL};

static const field kaiming_table[] = {
    {"nonlinearity", FIELD_TEXT, offsetof(kaiming_fields, nonlinearity), FIELD_BARE, .text = "leaky_relu", .words = nonlinearities,
     .help = "what follows, which sets the gain"},
    {"a", FIELD_REAL, offsetof(kaiming_fields, a), 0, WIDE, .value = {0}, .help = "the slope below zero of that leaky_relu"},
    {"mode", FIELD_TEXT, offsetof(kaiming_fields, mode), 0, .text = "fan_in", .words = modes,
     .help = "fan_in: keeps the forward pass's scale; fan_out: the backward's"},
    {0},
};

const field usual_init_fields[] = {
    {"weight", FIELD_TEXT, offsetof(usual_init, weight), FIELD_BARE,
     .help = "the rule by which the weights of linear layers begin that have no init of their own, such as orthogonal or \"kaiming_normal relu\""},
    {"bias", FIELD_TEXT, offsetof(usual_init, bias), 0, .help = "the same of their biases, of those without a bias_init: zeros, constant, uniform or normal"},
    {0},
};

/* ---- Rules ---- */

static weft_status draw_uniform(const parameter_draw *d, double low, double high, float *out)
{
    rng_uniform(d->seed, RNG_INIT, d->stream, (float)low, (float)high, shape_numbers(&d->shape), out);
    return WEFT_OK;
}

static weft_status draw_normal(const parameter_draw *d, double mean, double std, float *out)
{
    rng_normal(d->seed, RNG_INIT, d->stream, mean, std, shape_numbers(&d->shape), out);
    return WEFT_OK;
}

static double fan_in(const parameter_draw *d) { return (double)d->shape.dims[1]; }

static double fan_out(const parameter_draw *d) { return (double)d->shape.dims[0]; }

static weft_status uniform(const void *fields, const parameter_draw *d, float *out)
{
    const range_fields *f = fields;
    return draw_uniform(d, f->a, f->b, out);
}

static weft_status check_range(const void *fields, where at, weft_error *err)
{
    const range_fields *f = fields;
    return f->a < f->b ? WEFT_OK : fail(err, WEFT_BAD_INPUT, at, "uniform draws from a to b: a must be below b");
}

static weft_status normal(const void *fields, const parameter_draw *d, float *out)
{
    const normal_fields *f = fields;
    return draw_normal(d, f->mean, f->std, out);
}

static weft_status constant(const void *fields, const parameter_draw *d, float *out)
{
    for (size_t i = 0; i < shape_numbers(&d->shape); i++)
        out[i] = (float)((const one_field *)fields)->value;
    return WEFT_OK;
}

static weft_status zeros(const void *fields, const parameter_draw *d, float *out)
{
    (void)fields;
    memset(out, 0, shape_numbers(&d->shape) * sizeof *out);
    return WEFT_OK;
}

static weft_status xavier_uniform(const void *fields, const parameter_draw *d, float *out)
{
    const double bound = ((const one_field *)fields)->value * sqrt(6 / (fan_in(d) + fan_out(d)));
    return draw_uniform(d, -bound, bound, out);
}

static weft_status xavier_normal(const void *fields, const parameter_draw *d, float *out)
{
    return draw_normal(d, 0, ((const one_field *)fields)->value * sqrt(2 / (fan_in(d) + fan_out(d))), out);
}

/* torch.nn.init.calculate_gain */
static double gain_of(const kaiming_fields *f)
{
    const char *after = f->nonlinearity;
    if (strcmp(after, "tanh") == 0)
        return 5.0 / 3;
    if (strcmp(after, "relu") == 0)
        return sqrt(2);
    if (strcmp(after, "leaky_relu") == 0)
        return sqrt(2 / (1 + f->a * f->a));
    return strcmp(after, "selu") == 0 ? 0.75 : 1;
}

static double kaiming_std(const kaiming_fields *f, const parameter_draw *d)
{
    return gain_of(f) / sqrt(strcmp(f->mode, "fan_out") == 0 ? fan_out(d) : fan_in(d));
}

static weft_status kaiming_uniform(const void *fields, const parameter_draw *d, float *out)
{
    const double bound = sqrt(3) * kaiming_std(fields, d);
    return draw_uniform(d, -bound, bound, out);
}

static weft_status kaiming_normal(const void *fields, const parameter_draw *d, float *out) { return draw_normal(d, 0, kaiming_std(fields, d), out); }

/* Takes from v what it has of each of the n rows of q, and makes it as long as 1. */
static void orthonormalise(const double *q, size_t n, size_t length, double *v)
{
    for (size_t i = 0; i < n; i++, q += length) {
        double share = 0;
        for (size_t k = 0; k < length; k++)
            share += q[k] * v[k];
        for (size_t k = 0; k < length; k++)
            v[k] -= share * q[k];
    }
    double square = 0;
    for (size_t k = 0; k < length; k++)
        square += v[k] * v[k];
    for (size_t k = 0; k < length; k++)
        v[k] /= sqrt(square);
}

/* Rows, or columns where they are fewer, that are orthonormal and point anywhere: Gram and Schmidt's, twice, of normal numbers. That is
 * torch's QR with the signs of R's diagonal taken out. */
static weft_status orthogonal(const void *fields, const parameter_draw *d, float *out)
{
    const size_t rows = d->shape.dims[0], cols = d->shape.dims[1], n = MIN(rows, cols), length = MAX(rows, cols);
    arena scratch = {0};
    double *q = arena_array(&scratch, n * length, sizeof *q);
    if (!q)
        return WEFT_NO_MEMORY;
    draw_normal(d, 0, 1, out);
    for (size_t i = 0; i < n * length; i++)
        q[i] = (double)out[i];
    for (size_t i = 0; i < n; i++)
        for (int pass = 0; pass < 2; pass++)
            orthonormalise(q, i, length, q + i * length);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++)
            out[r * cols + c] = (float)(((const one_field *)fields)->value * (rows <= cols ? q[r * length + c] : q[c * length + r]));
    arena_deinit(&scratch);
    return WEFT_OK;
}

#define CASES(...) ((const char *const[]){__VA_ARGS__, NULL})

static const init_kind kinds[] = {
    {.name = "constant", .help = "the same number everywhere", .formula = "w = val", .fields = constant_table,
     .fields_bytes = sizeof(one_field), .draw = constant,
     .cases = CASES("constant 0.5")},
    {.name = "kaiming_normal", .help = "normal, so that a layer in front of a nonlinearity keeps its input's scale",
     .formula = "std = gain / sqrt(fan)", .fields = kaiming_table, .fields_bytes = sizeof(kaiming_fields), .matrix = true, .draw = kaiming_normal,
     .cases = CASES("kaiming_normal", "kaiming_normal tanh mode=fan_out")},
    {.name = "kaiming_uniform", .help = "uniform, with the same scale", .formula = "bound = gain sqrt(3 / fan)", .fields = kaiming_table,
     .fields_bytes = sizeof(kaiming_fields), .matrix = true, .draw = kaiming_uniform,
     .cases = CASES("kaiming_uniform", "kaiming_uniform a=2")},
    {.name = "normal", .help = "normal numbers", .formula = "w ~ N(mean, std^2)", .fields = normal_table,
     .fields_bytes = sizeof(normal_fields), .draw = normal,
     .cases = CASES("normal", "normal 2 std=0.25")},
    {.name = "orthogonal", .help = "orthonormal rows, or columns where they are fewer", .formula = "W W^T = gain^2 I", .fields = gain_table,
     .fields_bytes = sizeof(one_field), .matrix = true, .draw = orthogonal,
     .cases = CASES("orthogonal", "orthogonal gain=2")},
    {.name = "uniform", .help = "uniform numbers", .formula = "w ~ U(a, b)", .fields = range_table, .fields_bytes = sizeof(range_fields),
     .draw = uniform, .check = check_range,
     .cases = CASES("uniform", "uniform a=-3 b=1")},
    {.name = "xavier_normal", .help = "normal, with a scale between those of both directions",
     .formula = "std = gain sqrt(2 / (fan_in + fan_out))", .fields = gain_table, .fields_bytes = sizeof(one_field), .matrix = true,
     .draw = xavier_normal,
     .cases = CASES("xavier_normal", "xavier_normal gain=3")},
    {.name = "xavier_uniform", .help = "uniform, with the same scale", .formula = "bound = gain sqrt(6 / (fan_in + fan_out))",
     .fields = gain_table, .fields_bytes = sizeof(one_field), .matrix = true, .draw = xavier_uniform,
     .cases = CASES("xavier_uniform", "xavier_uniform gain=3")},
    {.name = "zeros", .help = "zeros", .formula = "w = 0", .draw = zeros,
     .cases = CASES("zeros")},
};

const init_kind *init_kinds(size_t *n)
{
    *n = COUNT(kinds);
    return kinds;
}

/* ---- Reading ---- */

weft_status init_read(const char *spec, where at, initialiser *out, arena *a, weft_error *err)
{
    static const char *const skip[] = {"name", NULL};
    static const field none[] = {{0}};
    const setting *map = setting_from_spec(a, spec, at, err);
    if (!map)
        return WEFT_BAD_INPUT;
    const init_kind *k = kinds;
    while (k < kinds + COUNT(kinds) && strcmp(k->name, map->first->text) != 0)
        k++;
    if (k == kinds + COUNT(kinds))
        return fail_unknown(err, at, "initialisation", map->first->text, &kinds[0].name, COUNT(kinds), sizeof *kinds);
    void *fields = arena_alloc(a, MAX(k->fields_bytes, 1));
    if (!fields)
        return fail_memory(err);
    *out = (initialiser){k, fields};
    TRY(fields_read(k->fields ? k->fields : none, map, k->name, skip, fields, a, err));
    return k->check ? k->check(fields, at, err) : WEFT_OK;
}

weft_status init_read_bias(const char *spec, where at, initialiser *out, arena *a, weft_error *err)
{
    static const param bias = {.name = "bias", .shape = {.n_dims = 1, .dims = {1}}};
    TRY(init_read(spec, at, out, a, err));
    return init_fits(out, &bias, at, err);
}

weft_status graph_begin_as(graph *g, const usual_init *rules, arena *a, weft_error *err)
{
    const where at = {"init", 0, 0};
    if (rules->weight)
        TRY(init_read(rules->weight, at, &g->init, a, err));
    return rules->bias ? init_read_bias(rules->bias, at, &g->bias_init, a, err) : WEFT_OK;
}

weft_status init_fits(const initialiser *i, const param *p, where at, weft_error *err)
{
    if (!i->kind->matrix || p->shape.n_dims == 2)
        return WEFT_OK;
    return fail(err, WEFT_BAD_INPUT, at, "%s is for weights of two dimensions, and %s has one; choose uniform, normal, constant or zeros",
                i->kind->name, p->name);
}

weft_status init_draw(const initialiser *i, const param *p, uint64_t seed, uint32_t stream, float *out)
{
    const parameter_draw d = {p->shape, seed, stream};
    return i->kind ? i->kind->draw(i->fields, &d, out) : draw_uniform(&d, p->init_low, p->init_high, out);
}
