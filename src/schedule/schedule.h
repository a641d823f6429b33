/* Learning-rate schedules: which rate a step has. One file each: schedule/NAME.c defines schedule_NAME. */
#ifndef SCHEDULE_H
#define SCHEDULE_H

#include <float.h>

#include "record/record.h"

/* What reduce_lr_on_plateau remembers; all others know the rate from t alone. */
typedef struct plateau {
    double lr, best;
    size_t improvements;  /* 0: there is no best value yet */
    size_t bad, cooldown; /* epochs: in a row without an improvement, still to be left alone */
} plateau;

typedef struct schedule {
    const char *name;
    const char *help, *formula; /* one line each */
    const field *fields;
    size_t fields_bytes;
    const char *const *cases; /* specs that every test of a schedule runs; ends with NULL */
    bool by_step;             /* t counts steps where the user does not say; otherwise epochs */
    /* What single fields cannot say: reads what is left of `map`, refuses what does not go together. NULL: nothing. */
    weft_status (*complete)(void *fields, const setting *map, arena *a, weft_error *err);
    /* For a training of `length` steps or epochs, 0 where that is not known: takes over what is left to it, refuses one that goes beyond
     * the schedule's end. NULL: it goes with any length. */
    weft_status (*fit)(void *fields, uint64_t length, where at, weft_error *err);
    /* The rate after t steps or epochs, in closed form; base_lr is the optimizer's. */
    double (*rate)(const void *fields, double base_lr, uint64_t t);
    /* The momentum at t, below 0: it stays the optimizer's own. NULL: it always does. */
    double (*momentum)(const void *fields, uint64_t t);
    /* Looks at an epoch's metrics, and changes p->lr, which is its base_lr; at which of them `watches` says. NULL: they do not matter. */
    const char *(*watches)(const void *fields);
    void (*learn)(const void *fields, plateau *p, const weft_metrics *m);
} schedule;

extern const schedule *const schedule_table[]; /* ends with NULL */
const schedule *schedule_find(const char *name);

/* What every schedule can be told. */
typedef struct schedule_common {
    const char *by; /* "step", "epoch" */
    size_t warmup;
    double warmup_start;
} schedule_common;

extern const field schedule_common_fields[];

/* A schedule with its settings and its state. */
typedef struct scheduler {
    const schedule *kind;
    const field *table; /* the kind's fields and the common ones, of what stands at `values` */
    void *values;       /* the kind's fields, and behind them schedule_common */
    plateau state;
} scheduler;

/* Reads {name: step_lr, step_size: 10}. Every mistake is added to `err`. */
weft_status scheduler_read(scheduler *s, const setting *map, arena *a, weft_error *err);
/* The fields of a kind and the common ones, with room for both at *values. NULL: no memory. */
const field *scheduler_table(const schedule *kind, void **values, arena *a);
/* For a training of so many steps, 0: not known. steps_per_epoch 0: there are no epochs, and then only steps can be counted. */
weft_status scheduler_fit(scheduler *s, uint64_t steps, uint64_t steps_per_epoch, where at, weft_error *err);
/* Once, before anything below: the rate that the optimizer was given. */
void scheduler_begin(scheduler *s, double base_lr);
/* Of the next step, after so many of them and so many epochs. */
double scheduler_rate(const scheduler *s, uint64_t steps, uint64_t epochs);
/* Below 0: the optimizer's own. */
double scheduler_momentum(const scheduler *s, uint64_t steps, uint64_t epochs);
/* The metric that it looks at; NULL: none. */
const char *scheduler_watches(const scheduler *s);
void scheduler_learn(scheduler *s, const weft_metrics *m);
/* Its settings on one line: "step_lr 10 gamma=0.5". NULL: no memory. */
const char *scheduler_text(const scheduler *s, arena *a);

/* ---- For schedules ---- */

/* Reads a schedule inside another one: no common settings. */
weft_status schedule_read(const schedule **kind, void **fields, const setting *map, arena *a, weft_error *err);
/* Where a value of a map stands; the map itself, where it has no such key. */
where schedule_place(const setting *map, const char *key);

/* Rates have the same bits on every machine: they are computed with 113 bits, whose + - * / the compiler brings along, and round alike
 * everywhere, and are rounded once. No libm. */
#ifdef __SIZEOF_FLOAT128__
typedef __float128 wide;
#define WIDE(digits) digits##q
#else
typedef long double wide;
#define WIDE(digits) digits##L
_Static_assert(LDBL_MANT_DIG == 113, "a type of 113 bits is needed");
#endif

/* base^exponent, base >= 0. A power that is not whole is SLEEF's (good to 1 ulp, and asks for no CPU's features) for its fraction. */
wide schedule_power(wide base, double exponent);
/* From `from` to `to`, of which x (0..1) is behind: along half a cosine, or in a line. */
wide glide_cosine(wide from, wide to, wide x);
wide glide_line(wide from, wide to, wide x);

#endif
