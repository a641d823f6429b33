/* The arithmetic. One source, compiled once for each instruction set; the best that runs here is chosen at start.
 *
 * Same bits everywhere: an element of a result is one chain of fused multiply-adds in ascending order of the summed index; vector lanes
 * run across elements, never along a sum; work is cut into tiles by shapes, never by the number of threads. (A CPU that cannot fuse has
 * bits of its own: see vector.h.) */
#ifndef KERNEL_H
#define KERNEL_H

#include "base/base.h"

/* The numbers that networks are made of: double in a build of its own, which tests are stricter with. */
#ifdef WEFT_DOUBLE
typedef double real;
#else
typedef float real;
#endif

/* ---- What a kernel works on ---- */

/* A matrix [rows, cols] in panels: `width` columns of all rows lie together, [rows][width], then the next columns, so that every product
 * reads its operands from the first number to the last. Columns beyond cols are padding that may be read and written.
 *
 * Weights lie with the inputs (and one more for the bias) as rows and the outputs as columns. */
typedef struct operand {
    real *data;
    size_t rows, cols, width;
} operand;

enum { PANEL = 48, MIN_WIDTH = 16 }; /* whole vectors on every instruction set, so that the layout is the same on all of them */

static inline size_t panel_width(size_t cols) { return MIN((size_t)PANEL, round_up(cols, MIN_WIDTH)); }
/* How many numbers a matrix takes with its padding. */
static inline size_t panel_numbers(size_t rows, size_t cols) { return rows * round_up(cols, panel_width(cols)); }
static inline size_t n_panels(const operand *o) { return (o->cols + o->width - 1) / o->width; }
/* How many columns of a panel are not padding. */
static inline size_t panel_cols(const operand *o, size_t panel) { return MIN(o->width, o->cols - panel * o->width); }
static inline real *panel_row(const operand *o, size_t panel, size_t row) { return o->data + (panel * o->rows + row) * o->width; }
static inline real *element(const operand *o, size_t row, size_t col)
{
    return panel_row(o, col / o->width, row) + col % o->width;
}
/* Where a column of all rows begins; the next row lies a width further. */
static inline real *column(const operand *o, size_t col) { return element(o, 0, col); }
/* Columns in groups of MIN_WIDTH, those of padding too: what one thread takes where each column is summed by itself. A group's rows lie a
 * width apart. */
static inline size_t column_groups(const operand *o) { return n_panels(o) * o->width / MIN_WIDTH; }
static inline real *column_group(const operand *o, size_t group) { return column(o, group * MIN_WIDTH); }
/* How many columns of a group are not padding. */
static inline size_t group_cols(const operand *o, size_t group) { return o->cols - MIN(o->cols, group * MIN_WIDTH); }
/* Zeros in the padding of a group, as products want it of a gradient; data may be NULL. */
static inline void clear_padding(const operand *o, size_t group)
{
    for (size_t r = 0; o->data && r < o->rows; r++)
        for (size_t i = group_cols(o, group); i < MIN_WIDTH; i++)
            column_group(o, group)[r * o->width + i] = 0;
}
/* The column of a row's largest number: the first of them. */
static inline size_t largest_in_row(const operand *o, size_t row)
{
    size_t best = 0;
    real largest = *panel_row(o, 0, row);
    for (size_t p = 0; p < n_panels(o); p++)
        for (size_t c = 0; c < panel_cols(o, p); c++)
            if (panel_row(o, p, row)[c] > largest) {
                best = p * o->width + c;
                largest = panel_row(o, p, row)[c];
            }
    return best;
}

/* y <- f(y), element by element, in place. */
typedef void map_fn(real *y, size_t n, const void *fields);
/* dx <- dx * f'(x), where y is f(x), or x itself for ops whose gradient needs the input. */
typedef void map_grad_fn(real *dx, const real *y, size_t n, const void *fields);

#define MAX_STATES 3
#define MAX_HYPER 9

/* Moves n weights, a multiple of MIN_WIDTH, along their gradients. Called on tiles that are still in the cache, in any order. */
typedef void update_fn(real *w, const real *g, real *const state[MAX_STATES], size_t n, const real *hyper);

/* What stands between a gradient and the weights that move along it, in this order; all zero: nothing. The first rows of a block are weights,
 * those behind them its bias, which has no penalty and may have numbers of its own. */
typedef struct treatment {
    size_t weight_rows;
    const real *factor;     /* of the gradient: what clips its norm, or makes a mean of a sum; NULL: 1 */
    real l1, l2;            /* a penalty's gradient is added: l1 sign(w) + 2 l2 w */
    real largest;           /* every number is brought into [-largest, largest]; 0: none is */
    const real *bias_hyper; /* of the update; NULL: those of the weights */
    real *average;          /* of the weights over steps, packed as they are; behind the update it becomes shares[0] times itself plus */
    const real *shares;     /* shares[1] times the weights; NULL: none is kept */
    bool spends;            /* the gradient is zeroed behind the update: its sum begins anew */
} treatment;

/* Samples on their way into a plan, as they lie in memory: sample i is row index[i], or row i where there is no index. */
typedef struct batch {
    const void *samples;   /* [rows, features], bytes or float */
    bool bytes;
    double scale;          /* what the numbers are divided by */
    const int32_t *labels; /* [rows]: classes; or NULL, as where only the forward pass runs */
    const float *targets;  /* [rows, outputs]: numbers; or NULL */
    double weight;         /* what the sum over the samples' losses is divided by: 1 where they add up; 0: their number */
    const uint32_t *index; /* [n], or NULL */
    size_t n;
    uint64_t seed, number; /* what is drawn at random for it is a function of these */
    const uint32_t *next; /* [n_next]: the samples of the batch behind this one, which lie far from the CPU; or NULL */
    size_t n_next;
} batch;

/* ---- The forms in which products take matrices ---- */

/* Products in bf16 take pairs of such numbers, each pair in the place of one real; their matrices are made of pairs, and zero where a pair
 * or a group of DEPTH lacks numbers. The left operand's pairs are of one row, in panels of DEPTH numbers: rows of a panel are what a dot
 * product takes at once. The right operand's pairs are of one column. */
typedef enum form {
    FORM_PLAIN,
    FORM_TRANSPOSED,       /* [cols, rows] */
    FORM_LEFT,             /* [rows, cols / 2] pairs */
    FORM_RIGHT,            /* [rows / 2, cols] pairs */
    FORM_LEFT_TRANSPOSED,  /* the left form of the transposed matrix: [cols, rows / 2] pairs */
    FORM_RIGHT_TRANSPOSED, /* [cols / 2, rows] pairs */
    N_FORMS
} form;

enum { DEPTH = 32 };

/* What a matrix becomes in a form, without the data (pack.c). */
operand operand_in_form(const operand *o, form f);
static inline size_t operand_numbers(const operand *o) { return n_panels(o) * o->width * o->rows; }

/* Weights are kept in other forms, too, which every update brings up to date: for the forward product and for dx. */
enum { COPY_FORWARD, COPY_BACKWARD, N_COPIES };

#define MAX_IN 4
#define MAX_OUT 2

/* What one step of a plan hands to its kernel. */
typedef struct call {
    operand in[MAX_IN], out[MAX_OUT];
    size_t layer, features;   /* the node's index, and the numbers of its input */
    operand copies[N_COPIES]; /* of the weights among in and out; data NULL: there is none */
    const void *fields;         /* of the op */
    const batch *const *source; /* the samples of this run */
    map_fn *map;                /* applied to out[0] as it is made; NULL: none */
    map_grad_fn *map_grad;      /* the same, with map_y */
    const void *map_fields;
    operand map_y;
    update_fn *update; /* takes each tile of out[0], a gradient, instead of memory; NULL: none */
    real *state[MAX_STATES];
    const real *hyper;
    const treatment *treatment; /* of the gradient; NULL: none */
    bool descends; /* the update is w <- w + hyper[0] g: a gradient may be summed on top of the weights, without ever standing alone */
    bool rows_first; /* a thread's share of a product is rows rather than panels of W: better where no step moves W, so that all that follows
                        finds its rows on its own core */
    bool *halt; /* set: the plan stops behind this step */
} call;

typedef struct kernel {
    const char *name;
    size_t (*tiles)(const call *c); /* how many there are: a function of shapes alone */
    void (*run)(const call *c, size_t begin, size_t end);
    double (*flops)(const call *c); /* NULL: not worth counting */
} kernel;

/* Of a kernel that one thread runs alone. */
static inline size_t one_tile(const call *c)
{
    (void)c;
    return 1;
}

/* ---- The kernels of an instruction set ---- */

typedef struct kernels {
    const char *isa;
    bool fused; /* a multiply-add rounds once; instruction sets that have the same here make the same bits */
    struct {
        form x, dx_dy, dw_x, dw_dy;
    } takes;               /* the forms in which the products want x and dy */
    form copies[N_COPIES]; /* the forms in which weights are kept beside themselves; FORM_PLAIN: not at all */
    /* in[0]: none, from the batch's samples; out[0]: x [B, I], divided by the scale */
    kernel gather;
    /* y = x W^T + b: in[0] x [B, I], in[1] W [I (+ 1), N]; out[0] y [B, N]; takes a map */
    kernel product;
    /* dx = dy W: in[0] dy, in[1] W; out[0] dx [B, I]; takes a map_grad */
    kernel product_dx;
    /* dW = dy^T x, db = sum of dy: in[0] x [B, I], in[1] dy [B, N]; out[0] dW; takes an update: then out[0] is W itself */
    kernel product_dw;
    kernel map;       /* in[0] x, out[0] y, the call's map */
    kernel map_grad;  /* in[0] dy, in[1] y or x, out[0] dx, the call's map_grad */
    kernel sum;       /* in[0] + in[1] to out[0], all alike */
    kernel forms[N_FORMS]; /* in[0] a matrix, out[0] the same in a form, its padding zero */
    kernel mean;      /* in[0] [B, 1], out[0] [1, 1], by the batch's weight; halts where the mean is not finite */
    kernel hits;      /* in[0] logits [B, C]; out[0] [B, 1]: 1 where the largest logit is the label's, else 0 */
    kernel update;    /* in[0] gradient, out[0] weights; the call's update */
    /* in[0] gradient, in[1] weights; out[1] the gradient under the call's treatment; out[0] [tiles, 1]: the sum of its squares in each tile, a
     * double in the place of a row's first numbers */
    kernel squares;
    /* in[0] such sums of all gradients; out[0] [2, 1]: a double, the root of their sum, and the factor that keeps it below the largest norm,
     * in `fields` a double; halts where the norm is not finite */
    kernel norm;
    void (*copy)(const call *c); /* brings the copies of out[0], weights, up to date; NULL: none are kept */
} kernels;

/* weight [out, in], bias [out] (NULL: none) to a matrix of weights and back; padding becomes 0. (pack.c) */
void pack(size_t in, size_t out, const float *weight, const float *bias, real *packed);
void unpack(size_t in, size_t out, const real *packed, float *weight, float *bias);

/* ---- The chooser (isa.c) ---- */

#define UNUSED __attribute__((unused)) /* of a test of the CPU that not every build asks */

/* The instruction sets of this architecture, the best last: ISA_v2, ISA_v3, ... */
#define X(name) ISA_##name,
typedef enum isa {
#include "gen/isa.inc"
    N_ISAS
} isa;
#undef X

/* The instruction set in use: chosen at the first call, the best that the CPU has, or what WEFT_ISA says. False, with `err` filled, where
 * there is none to use. */
bool isa_choose(isa *level, weft_error *err);
bool isa_runs_here(isa level);
const char *isa_name(isa level);
const kernels *kernels_of(isa level);

/* ---- Precisions (precision.c) ---- */

/* The kernels for a precision, "fp32" or "bf16", on an instruction set: all of its own, or with the products of the bf16 unit that the CPU
 * has, the fastest or the one that WEFT_BF16 says. False, with `err` filled, where there is none, or no such precision; `at` is where
 * the precision is asked for. */
bool precision_kernels(const char *precision, isa level, where at, kernels *k, weft_error *err);

/* Sources that are compiled once for each instruction set name their one exported symbol with this, and may use vectors. */
#ifdef WEFT_ISA_NAME
#define ISA_PASTE2(name, isa) name##_##isa
#define ISA_PASTE(name, isa) ISA_PASTE2(name, isa)
#define ISA_SYMBOL(name) ISA_PASTE(name, WEFT_ISA_NAME)
#include "kernel/in_double.h"
#endif

#endif
