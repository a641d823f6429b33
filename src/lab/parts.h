/* What the files of this room have in common. */
#ifndef PARTS_H
#define PARTS_H

#include "lab/lab.h"

/* ---- yaml.c ---- */

/* Whether `n` bytes are a text that YAML can hold and that stays on its line: no control characters but tab and
 * newline. */
bool yaml_is_text(const char *bytes, size_t n);
/* Appends one scalar, in quotes where it needs them. */
void yaml_print_scalar(const char *string, text *t);

/* ---- merge.c ---- */

/* `over` on top of `base`: maps are joined key by key; everything else replaces what was there, and so does a map that
 * says its `name`, because what another kind of thing was given does not apply to it. Nothing is changed, children are
 * shared. NULL: no memory. */
setting *setting_merge(arena *a, const setting *base, const setting *over);
/* "optimizer.lr=0.1" as {optimizer: {lr: 0.1}}. */
setting *override_read(arena *a, const char *override, weft_error *err);
/* Whether such an override decides what stands under a dotted key: nothing that is merged below it would change that any more. */
bool override_decides(const setting *over, const char *key);
/* {PATH: value}, with a map, said to stand `at`, for every part of the dotted path [path, end). Takes the value's key. */
setting *setting_nest(arena *a, setting *value, const char *path, const char *end, where at, weft_error *err);
/* What stands under a dotted key; NULL: nothing. */
const setting *setting_at(const setting *all, const char *key);

/* ---- sections.c: the keys that an experiment has at its top ---- */

/* Gives sections one form: an empty one becomes an empty map, "sgd lr=0.1" becomes {name: sgd, lr: 0.1}. */
void sections_unfold(setting *all, arena *a, isa level, weft_error *err);
/* Refuses unknown keys, wrong kinds, and in a variant what only the whole experiment has. */
void sections_check(const setting *all, bool in_variant, weft_error *err);
/* Gives loss, optimizer and schedule the name that goes without saying. */
weft_status sections_default(setting *all, arena *a, weft_error *err);
/* Whether a variant can have this key. */
bool sections_is_variants(const char *key);
/* The section, or NULL; `wrong` says that it stands there in a wrong kind, which sections_check reports. */
const setting *sections_find(const setting *all, const char *name, bool *wrong);

/* ---- resolve.c ---- */

typedef struct resolver {
    arena *memory;
    isa level;
    weft_error *err;
    struct model_part *models; /* those that were read already: variants share them */
    setting **flat_end;        /* of the flat settings that are being made; NULL: nobody wants them, or there was no memory */
} resolver;

/* Reads all sections into v->settings, and writes their texts. Without `complete`, what a variant may still bring is
 * not missed: then only the mistakes count. */
weft_status resolve(resolver *r, const setting *all, bool complete, variant *v);
/* Makes config.yaml's text for these settings, and their flat form. */
weft_status resolve_config(const variant *v, run_settings *s, arena *a, weft_error *err);

/* ---- found.c ---- */

/* Looks into the trial's folder. `data`: its set; `fingerprint`: that one's. WEFT_BAD_INPUT: what is there is found to be FOUND_OTHER, and err
 * says why. */
weft_status trial_find(trial *t, const weft_dataset *data, const char *fingerprint, weft_error *err);
/* The runs in the folder that are none of the trials. */
weft_status comparison_find_others(comparison *c, const char *folder, weft_error *err);
/* Keeps other processes out of the folder, until c->held is closed. */
weft_status comparison_hold(comparison *c, const char *folder, weft_error *err);

/* ---- space.c: `sweep:` as it was written; points.c: what becomes of it ---- */

typedef struct dimension dimension;

/* What must hold for a dimension to be there: a dimension above it, or a setting of the file, has one of some values. */
typedef struct condition {
    const char *key;
    const dimension *of;  /* NULL: a setting of the file */
    const setting *wanted; /* a scalar, or a list of them */
} condition;

struct dimension {
    const char *key;      /* dotted: "optimizer.lr" */
    const char *label;    /* as short as it is clear: "lr" */
    where key_at, at;
    enum { DRAW_CHOICE, DRAW_INTEGER, DRAW_UNIFORM, DRAW_LOG_UNIFORM } kind;
    size_t n;             /* how many values there are; 0: a range */
    const setting *first; /* the values of a choice; of a range its ends */
    double low, high;     /* the ends of a range */
    size_t n_conditions;
    condition *conditions; /* all must hold */
};

typedef struct space {
    sweep_settings settings;
    where at; /* of the dimensions */
    size_t n_dimensions;
    dimension *dimensions;
} space;

/* Reads `sweep:`. A dimension that one of the overrides decides is left out. Adds every mistake to err. */
weft_status space_read(space *s, const setting *sweep, setting *const *overrides, size_t n_overrides, const resolver *with);
/* How many points there are before equal ones are left out; 0: more than `most`. */
size_t space_size(const space *s, size_t most);
/* The value of a dimension in a draw: a function of seed, key, index and the dimension itself, of nothing else. NULL: no memory. */
setting *dimension_draw(const dimension *d, uint64_t seed, uint64_t index, arena *a);
/* Value k of a dimension that has so many. NULL: no memory. */
setting *dimension_value(const dimension *d, size_t k, arena *a);
/* The same number, or the same word. */
bool setting_equals(const setting *a, const setting *b);

typedef struct point {
    setting *changes; /* as a variant writes them */
    const char *name; /* "lr=0.01, momentum=0.9" */
    size_t index;     /* of the draw, or of the place in the grid */
} point;

/* The points of a variant, whose settings those of `base` are, each once; the first of equal ones is kept. NULL: see err. */
point *space_points(const space *s, const setting *base, size_t *n, arena *a, weft_error *err);
/* The changes of the first point that has a dimension, with entry k of what its values or its ends are written as in its place. NULL: no point
 * has it, or see err. */
setting *space_probe(const space *s, size_t dimension, size_t k, const setting *base, arena *a, weft_error *err);
/* Whether `base` has the settings that a dimension's conditions ask for. */
bool dimension_can_be(const space *s, const dimension *d, const setting *base);

/* ---- halving.c ---- */

void rungs_make(rungs *r, const halving_settings *s, size_t n_trials, size_t epochs);

/* One of those that compete; less is better. */
typedef struct contender {
    double results[MAX_RUNGS]; /* NaN: not known yet; INFINITY: it goes no further, whatever others do */
    size_t rung;    /* the one it runs to, or has come to */
    size_t arrived; /* how many rungs were open to it */
    bool out;       /* it goes no further */
} contender;

/* From the results to who is where. Who goes on does not depend on what came in first. */
void halving_decide(const rungs *r, contender *all, size_t n);
/* Which place i has among the *of contenders at its rung, from 1. */
size_t contender_rank(const contender *all, size_t n, size_t i, size_t *of);
/* How many epochs it is likely to have at its end: all that it runs to where it is out; of the others as many go on as there are places. */
double contender_epochs(const rungs *r, const contender *c);

/* At work in a comparison, whose trials it tells how far they may go (`until`); each variant of the file competes with itself alone. */
typedef struct halving {
    comparison *c;
    const halving_settings *settings; /* NULL: every trial goes all the way, and nothing below does anything */
    double (*results)[MAX_RUNGS];     /* [n_trials] */
    contender *contenders;            /* [n_variants] */
} halving;

/* How many variants, from the first of a group on, it has. */
size_t group_size(const experiment *e, size_t first);
/* The rungs of that group. */
rungs halving_rungs(const halving *h, size_t first, size_t n);
weft_status halving_prepare(halving *h, comparison *c, weft_error *err);
/* Whether what is monitored is a score of the task. */
weft_status halving_fits(const halving *h, weft_task task, weft_error *err);
/* Once it is known what the folders hold. */
weft_status halving_begin(halving *h, weft_error *err);
/* After a trial has run; the caller sees to it that nobody else does anything meanwhile. */
weft_status halving_look(halving *h, size_t trial, weft_error *err);
/* Tells run.json of those that go no further why. */
weft_status halving_end(halving *h, weft_error *err);

/* ---- estimate.c ---- */

/* Fills all but out->jobs, which says how many run at a time. sets, set_of: of the trials. */
weft_status estimate_make(const comparison *c, const halving *h, const weft_dataset *const *sets, const size_t *set_of, estimate *out, weft_error *err);

/* ---- rehearsal.c: training that leaves nothing behind ---- */

typedef struct rehearsal {
    weft_model *model;
    weft_trainer *trainer;
} rehearsal;

/* As a run with these settings begins. */
weft_status rehearsal_open(rehearsal *r, const run_settings *s, const weft_dataset *data, int threads, weft_error *err);
void rehearsal_close(rehearsal *r);
/* The next step; behind an epoch's last the next epoch begins, and nothing is evaluated between them. */
weft_status rehearsal_step(rehearsal *r, double *loss, weft_error *err);

#endif
