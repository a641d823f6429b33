/* torch.optim.LBFGS: limited-memory BFGS, Nocedal and Wright, "Numerical Optimization" (2006), algorithms 7.4 and 7.5, with the strong Wolfe
 * line search of minFunc (Mark Schmidt), step by step as torch has it.
 *
 * Vectors are as long as all weights together and of the same numbers as they; what is reckoned from them is double, and rounded once when it
 * goes back. A product of vectors is summed in MIN_WIDTH chains, whatever the instruction set. */
#include <string.h>

#include "optim/optim.h"

typedef struct lbfgs_fields {
    optim_fields all;
    double tolerance_grad, tolerance_change;
    size_t max_iter, max_eval, history_size;
    const char *line_search_fn;
} lbfgs_fields;

enum { MAX_HISTORY = 1000 };
static const char *const line_searches[] = {"none", "strong_wolfe", NULL};

static const field fields[] = {
    {"lr", FIELD_REAL, offsetof(lbfgs_fields, all.lr), FIELD_BARE, .min = 0, .max = 1e9, .value = {1},
     .help = "length of a step along its direction; where a line search begins"},
    {"max_iter", FIELD_SIZE, offsetof(lbfgs_fields, max_iter), 0, .min = 1, .max = 1e6, .value = {20}, .help = "directions that a step follows"},
    {"max_eval", FIELD_SIZE, offsetof(lbfgs_fields, max_eval), 0, .min = 1, .max = 1e7, .text = "none",
     .help = "how often a step may evaluate the loss; none is max_iter * 5 / 4"},
    {"tolerance_grad", FIELD_REAL, offsetof(lbfgs_fields, tolerance_grad), 0, .min = 0, .max = 1e9, .value = {1e-7},
     .help = "a gradient whose numbers are no larger ends a step"},
    {"tolerance_change", FIELD_REAL, offsetof(lbfgs_fields, tolerance_change), 0, .min = 0, .max = 1e9, .value = {1e-9},
     .help = "a loss, or weights, that change no more end a step"},
    {"history_size", FIELD_SIZE, offsetof(lbfgs_fields, history_size), 0, .min = 1, .max = MAX_HISTORY, .value = {100},
     .help = "changes of weights and gradient that directions are made from; two copies of all weights each"},
    {"line_search_fn", FIELD_TEXT, offsetof(lbfgs_fields, line_search_fn), 0, .text = "none", .words = line_searches,
     .help = "none, or strong_wolfe: how far along a direction, by as many evaluations as it takes"},
    {0},
};

static const char *const cases[] = {"lbfgs", "lbfgs 0.5 history_size=2", "lbfgs line_search_fn=strong_wolfe",
                                    "lbfgs max_iter=5 line_search_fn=strong_wolfe history_size=3", NULL};

/* ---- What lives from step to step ---- */

/* The scalars; behind them, 1 / y.s of each pair. */
enum { N_ITER, N_PAIRS, T, H_DIAG, PREV_LOSS, RO };
/* The vectors; behind the pairs, those that live no longer than a step. */
enum { PREV_GRAD, D, PAIRS };
enum { X, POINTS, N_SCRATCH = POINTS + 3 };

/* One pair more than directions are made from: where the next one is tried. */
static size_t n_slots(const lbfgs_fields *f) { return f->history_size + 1; }

static void room(const void *fields_in, size_t *n_vectors, size_t *n_scalars)
{
    *n_vectors = PAIRS + 2 * n_slots(fields_in) + N_SCRATCH;
    *n_scalars = RO + n_slots(fields_in);
}

static size_t n_kept(const optimizer *o)
{
    if (o->scalars[N_ITER] == 0)
        return 0;
    return PAIRS + 2 * MIN((size_t)o->scalars[N_PAIRS], n_slots(o->fields));
}

/* A step at work. */
typedef struct lbfgs {
    const lbfgs_fields *fields;
    optimizer *o;
    const objective *f;
    double *scalars;
    double loss;         /* at the weights as they are, with `gradient` */
    real *const *gradient;
    size_t n_evals, max_eval;
    bool broken;         /* `loss` is not finite */
} lbfgs;

static real **vector(const lbfgs *l, size_t i) { return l->o->vectors[i]; }
static real **scratch(const lbfgs *l, size_t i) { return vector(l, PAIRS + 2 * n_slots(l->fields) + i); }

/* A change of the gradient, y, and of the weights, s: the k-th there was. */
static size_t slot(const lbfgs *l, size_t k) { return k % n_slots(l->fields); }
static real **y_of(const lbfgs *l, size_t k) { return vector(l, PAIRS + 2 * slot(l, k)); }
static real **s_of(const lbfgs *l, size_t k) { return vector(l, PAIRS + 2 * slot(l, k) + 1); }
static double *ro_of(const lbfgs *l, size_t k) { return &l->scalars[RO + slot(l, k)]; }

/* ---- Vectors ---- */

/* Every block that moves. */
#define FOR_BLOCKS(l, b)                              \
    for (size_t b = 0; b < (l)->o->n_blocks; b++)     \
        if ((l)->f->gradients[b])

static double dot(const lbfgs *l, real *const *a, real *const *c)
{
    double sums[MIN_WIDTH] = {0}, all = 0;
    FOR_BLOCKS(l, b)
        for (size_t i = 0; i < l->o->block_numbers[b]; i += MIN_WIDTH)
            for (size_t j = 0; j < MIN_WIDTH; j++)
                sums[j] += (double)a[b][i + j] * (double)c[b][i + j];
    for (size_t j = 0; j < MIN_WIDTH; j++)
        all += sums[j];
    return all;
}

/* The sum of the sizes of a vector's numbers, and the largest; NaN where there is one. */
static double sum_of_sizes(const lbfgs *l, real *const *a)
{
    double sum = 0;
    FOR_BLOCKS(l, b)
        for (size_t i = 0; i < l->o->block_numbers[b]; i++)
            sum += __builtin_fabs((double)a[b][i]);
    return sum;
}

static double largest(const lbfgs *l, real *const *a)
{
    double most = 0;
    FOR_BLOCKS(l, b)
        for (size_t i = 0; i < l->o->block_numbers[b]; i++)
            if (!(__builtin_fabs((double)a[b][i]) <= most) && most == most)
                most = __builtin_fabs((double)a[b][i]);
    return most;
}

/* to <- a + factor c */
static void combine(const lbfgs *l, real *const *to, real *const *a, double factor, real *const *c)
{
    FOR_BLOCKS(l, b)
        for (size_t i = 0; i < l->o->block_numbers[b]; i++)
            to[b][i] = (real)((double)a[b][i] + factor * (double)c[b][i]);
}

/* to <- factor a */
static void scale(const lbfgs *l, real *const *to, double factor, real *const *a)
{
    FOR_BLOCKS(l, b)
        for (size_t i = 0; i < l->o->block_numbers[b]; i++)
            to[b][i] = (real)(factor * (double)a[b][i]);
}

static bool evaluate(lbfgs *l)
{
    l->broken = !l->f->evaluate(l->f->self, &l->loss);
    l->gradient = l->f->gradients;
    l->n_evals++;
    return !l->broken;
}

/* ---- The line search ---- */

#define C1 1e-4
#define C2 0.9
#define SHORTEST 1e-9 /* of a bracket, times the direction's largest number */
enum { MAX_TRIES = 25 };

/* A place along the direction. */
typedef struct point {
    double t, loss, slope;
    real *const *gradient;
} point;

typedef struct search {
    lbfgs *l;
    point start, end[2], now; /* end: of the bracket; each has memory of its own for its gradient */
    size_t n_tries;
    bool done;
} search;

static void swap(point *a, point *b)
{
    const point c = *a;
    *a = *b;
    *b = c;
}

static bool try(search *s, double t)
{
    lbfgs *l = s->l;
    combine(l, l->f->weights, scratch(l, X), t, vector(l, D));
    if (!evaluate(l))
        return false;
    scale(l, s->now.gradient, 1, l->gradient);
    s->now = (point){t, l->loss, dot(l, l->gradient, vector(l, D)), s->now.gradient};
    return true;
}

/* Where the cubic through both points has its minimum, within bounds. */
static double interpolate(const point *a, const point *b, double low, double high)
{
    const double d1 = a->slope + b->slope - 3 * (a->loss - b->loss) / (a->t - b->t), square = d1 * d1 - a->slope * b->slope;
    if (!(square >= 0))
        return (low + high) / 2;
    const double d2 = __builtin_sqrt(square);
    const point *left = a->t <= b->t ? a : b, *right = a->t <= b->t ? b : a;
    const double t = right->t - (right->t - left->t) * ((right->slope + d2 - d1) / (right->slope - left->slope + 2 * d2));
    return MIN(high, MAX(low, t));
}

static bool too_high(const search *s, double bound)
{
    return s->now.loss > s->start.loss + C1 * s->now.t * s->start.slope || s->now.loss >= bound;
}

static bool flat(const search *s) { return __builtin_fabs(s->now.slope) <= -C2 * s->start.slope; }

/* Goes on until there is a minimum between end[0] and end[1], or `now` will do. False: the loss is not finite. */
static bool find_bracket(search *s)
{
    s->end[0].t = s->start.t, s->end[0].loss = s->start.loss, s->end[0].slope = s->start.slope;
    scale(s->l, s->end[0].gradient, 1, s->start.gradient);
    while (s->n_tries < MAX_TRIES) {
        const bool high = too_high(s, s->n_tries > 1 ? s->end[0].loss : __builtin_inf());
        s->done = !high && flat(s);
        if (s->done)
            return true;
        if (high || s->now.slope >= 0) {
            swap(&s->end[1], &s->now);
            return true;
        }
        const double t = interpolate(&s->end[0], &s->now, s->now.t + 0.01 * (s->now.t - s->end[0].t), s->now.t * 10);
        swap(&s->end[0], &s->now);
        if (!try(s, t))
            return false;
        s->n_tries++;
    }
    s->end[0] = s->start;
    swap(&s->end[1], &s->now);
    return true;
}

/* A place inside the bracket; near one of its ends, only if the last one was not. */
static double inside(const search *s, bool *near)
{
    const double low = MIN(s->end[0].t, s->end[1].t), high = MAX(s->end[0].t, s->end[1].t), margin = 0.1 * (high - low);
    const double t = interpolate(&s->end[0], &s->end[1], low, high);
    const bool is_near = MIN(high - t, t - low) < margin, moves = is_near && (*near || t >= high || t <= low);
    *near = is_near && !moves;
    if (!moves)
        return t;
    return __builtin_fabs(t - high) < __builtin_fabs(t - low) ? high - margin : low + margin;
}

static size_t lower(const search *s) { return s->end[0].loss <= s->end[1].loss ? 0 : 1; }

/* Narrows the bracket; leaves the best point in `now`. */
static bool zoom(search *s)
{
    const double size = largest(s->l, vector(s->l, D));
    size_t low = lower(s);
    bool near = false;
    while (!s->done && s->n_tries < MAX_TRIES && !(__builtin_fabs(s->end[1].t - s->end[0].t) * size < SHORTEST)) {
        if (!try(s, inside(s, &near)))
            return false;
        s->n_tries++;
        point *best = &s->end[low], *worst = &s->end[1 - low];
        if (too_high(s, best->loss)) {
            swap(worst, &s->now);
            low = lower(s);
            continue;
        }
        s->done = flat(s);
        if (!s->done && s->now.slope * (worst->t - best->t) >= 0)
            swap(worst, best);
        swap(best, &s->now);
    }
    s->now = s->end[low];
    return true;
}

/* From a step t to one that is neither too long nor too short; the weights stay where they are. */
static bool strong_wolfe(lbfgs *l, double slope, double *t)
{
    search s = {.l = l, .start = {0, l->loss, slope, vector(l, PREV_GRAD)}, .now = {.gradient = scratch(l, POINTS)}};
    for (size_t i = 0; i < 2; i++)
        s.end[i].gradient = scratch(l, POINTS + 1 + i);
    scale(l, scratch(l, X), 1, l->f->weights);
    if (!try(&s, *t) || !find_bracket(&s) || (!s.done && !zoom(&s)))
        return false;
    l->loss = s.now.loss;
    l->gradient = s.now.gradient;
    *t = s.now.t;
    return true;
}

/* ---- Directions ---- */

/* What the last move taught, if it did. */
static void remember(lbfgs *l)
{
    const size_t k = (size_t)l->scalars[N_PAIRS];
    real **y = y_of(l, k), **s = s_of(l, k);
    combine(l, y, l->gradient, -1, vector(l, PREV_GRAD));
    scale(l, s, l->scalars[T], vector(l, D));
    const double ys = dot(l, y, s);
    if (!(ys > 1e-10))
        return;
    *ro_of(l, k) = 1 / ys;
    l->scalars[H_DIAG] = ys / dot(l, y, y);
    l->scalars[N_PAIRS]++;
}

/* The inverse Hessian, as the pairs know it, times the gradient. */
static void find_direction(lbfgs *l)
{
    real **d = vector(l, D);
    double al[MAX_HISTORY];
    const size_t n = (size_t)l->scalars[N_PAIRS], first = n - MIN(n, l->fields->history_size);
    scale(l, d, -1, l->gradient);
    for (size_t k = n; k-- > first;) {
        al[k - first] = dot(l, s_of(l, k), d) * *ro_of(l, k);
        combine(l, d, d, -al[k - first], y_of(l, k));
    }
    scale(l, d, l->scalars[H_DIAG], d);
    for (size_t k = first; k < n; k++)
        combine(l, d, d, al[k - first] - dot(l, y_of(l, k), d) * *ro_of(l, k), s_of(l, k));
}

/* ---- A step ---- */

/* Along the direction; `last`: nobody will ask for the loss there. False: it is not finite. */
static bool move(lbfgs *l, double slope, bool last)
{
    double *t = &l->scalars[T];
    const bool searches = strcmp(l->fields->line_search_fn, "strong_wolfe") == 0;
    if (searches && !strong_wolfe(l, slope, t))
        return false;
    combine(l, l->f->weights, searches ? scratch(l, X) : l->f->weights, *t, vector(l, D));
    return searches || last || evaluate(l);
}

/* Whether it is worth going on. */
static bool iterate(lbfgs *l, bool last)
{
    double *scalars = l->scalars;
    const bool first = scalars[N_ITER]++ == 0;
    if (first)
        scalars[H_DIAG] = 1;
    else
        remember(l);
    find_direction(l);
    scale(l, vector(l, PREV_GRAD), 1, l->gradient);
    scalars[PREV_LOSS] = l->loss;
    scalars[T] = l->o->lr * (first ? MIN(1, 1 / sum_of_sizes(l, l->gradient)) : 1);
    const double slope = dot(l, l->gradient, vector(l, D));
    if (slope > -l->fields->tolerance_change || !move(l, slope, last))
        return false;
    return !last && l->n_evals < l->max_eval && !(largest(l, l->gradient) <= l->fields->tolerance_grad) &&
           !(largest(l, vector(l, D)) * __builtin_fabs(scalars[T]) <= l->fields->tolerance_change) &&
           !(__builtin_fabs(l->loss - scalars[PREV_LOSS]) < l->fields->tolerance_change);
}

static bool minimise(optimizer *o, const objective *f, double *loss)
{
    const lbfgs_fields *given = o->fields;
    lbfgs l = {.fields = given, .o = o, .f = f, .scalars = o->scalars,
               .max_eval = given->max_eval ? given->max_eval : given->max_iter * 5 / 4};
    bool more = evaluate(&l) && !(largest(&l, l.gradient) <= given->tolerance_grad);
    *loss = l.loss;
    for (size_t n = 1; n <= given->max_iter && more; n++)
        more = iterate(&l, n == given->max_iter);
    if (l.broken)
        *loss = l.loss;
    return !l.broken;
}

const optim ISA_SYMBOL(optim_lbfgs) = {
    .name = "lbfgs",
    .help = "quasi-Newton steps, made from what the last ones taught about the loss; each looks at its batch again and again",
    .formula = "d = -H g, where H is the inverse Hessian as the last changes of weights and gradient tell it; w += t d, up to max_iter times; "
               "t = lr, or what satisfies the strong Wolfe conditions",
    .fields = fields,
    .fields_bytes = sizeof(lbfgs_fields),
    .cases = cases,
    .minimise = minimise,
    .room = room,
    .n_kept = n_kept,
};
