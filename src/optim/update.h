/* What the files of optimizers share: settings that many have, and the walk over weights. */
#ifndef UPDATE_H
#define UPDATE_H

#include <float.h>

#include "optim/optim.h"

/* ---- Settings ---- */

#define FIELD_LR(usual) \
    {"lr", FIELD_REAL, offsetof(optim_fields, lr), FIELD_BARE, .min = 0, .max = 1e9, .value = {usual}, .help = "learning rate"}
#define FIELD_BETAS(type)                                                                                                                \
    {"betas", FIELD_PAIR, offsetof(type, betas), FIELD_BELOW_MAX, .min = 0, .max = 1, .value = {0.9, 0.999},                             \
     .help = "how slowly the averages of gradient and squared gradient forget"}
#define FIELD_EPS(type, usual)                                                                                                           \
    {"eps", FIELD_REAL, offsetof(type, eps), FIELD_ABOVE_MIN, .min = 0, .max = 1, .value = {usual},                                      \
     .help = "added to what is divided by, against division by zero"}
#define FIELD_WEIGHT_DECAY(usual)                                                                                                        \
    {"weight_decay", FIELD_REAL, offsetof(optim_fields, weight_decay), 0, .min = 0, .max = 1e9, .value = {usual},                        \
     .help = "pull of every weight towards zero"}
#define FIELD_MAXIMIZE {"maximize", FIELD_BOOL, offsetof(optim_fields, maximize), 0, .help = "climb instead of descending"}

/* ---- Numbers of a step ----
 *
 * The first two of every optimizer: what it steps by, and the share of the weights that it adds to the gradient, or to the direction that it
 * makes of it. With both of them negative it climbs, for a direction turns round with the gradient. (So do averages of gradients.) */
enum { STEP, DECAY, OWN };

/* The gradient in a reference: of what is minimized, and with the weight decay. */
static inline double downhill(const optim_fields *f, double g) { return f->maximize ? -g : g; }
static inline double decayed(const optim_fields *f, double g, double w) { return downhill(f, g) + f->weight_decay * w; }

/* ---- Updates ---- */

#ifdef WEFT_ISA_NAME

/* Added to every square, so that averages of them stay clear of denormals, and their root of zero: far below what eps, or a square that
 * counts, would notice. */
#define LEAST 0x1p-120

/* The gradient with the decay of weights in it, which becomes 0 where weights have decayed to almost nothing. */
static inline vec v_decayed(vec decay, vec w, vec g) { return v_flush_small(v_fma(decay, w, g)); }

/* Weights on their way, and all that moves them: what an update is called with. */
typedef struct movement {
    real *w;
    const real *g;
    real *const *state;
    const real *hyper;
} movement;

/* Calls move(N, i, ...), which moves N vectors side by side, those from weight i on, for all of n weights: ABREAST at a time, then one by one.
 * MOVES begins the definition of such a function. */
#define MOVE(n, move, ...)                                            \
    do {                                                              \
        size_t i_ = 0;                                                \
        for (; i_ + ABREAST * LANES <= (n); i_ += ABREAST * LANES)    \
            move(ABREAST, i_, __VA_ARGS__);                           \
        for (; i_ < (n); i_ += LANES)                                 \
            move(1, i_, __VA_ARGS__);                                 \
    } while (0)
#define MOVES static inline __attribute__((always_inline)) void

#endif

#endif
