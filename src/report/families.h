/* Which variants can be told apart by one thing alone, and by what. Private to this room. */
#ifndef FAMILIES_H
#define FAMILIES_H

#include "report/variants.h"

/* Variants and what they are set to, in groups: what is told about as one thing. "optimizer" with all of its keys is one, "train.batch" another.
 * What changes no number (log_steps) is in none, nor is how long a run is to be. */
typedef struct lineup {
    const variant *variants;
    size_t n, n_groups;
    const char **groups;       /* [n_groups] */
    const setting **settings;  /* [n]: a map of dotted keys to texts */
    const char ***values;      /* [n][n_groups]: "key=value" a line; "": none */
} lineup;

/* False: no memory. */
bool lineup_make(lineup *l, const variant *variants, size_t n, arena *a);
/* How many groups tell two of them apart. */
size_t lineup_apart(const lineup *l, const variant *a, const variant *b);

/* Variants that are alike but for one group, one for each value of it, all with epochs to compare. */
typedef struct family {
    const lineup *of;
    size_t group;
    const variant **members; /* in order of appearance */
    size_t n;
    size_t epoch; /* the last that all of them have */
} family;

/* The family that begins with variant `first`; f->members has room for all variants. False: it has none, or belongs to that of an earlier one. */
bool family_find(const lineup *l, size_t group, size_t first, family *f);

/* ---- What was changed (changes.c) ---- */

/* "train.batch 32 instead of 8", "with 2 x dropout 0.2": what `b` has in a group where `a` has something else. */
void change_add(const lineup *l, size_t group, const variant *a, const variant *b, word_form form, text *t);
/* How large that change is: the number of layers, or of keys; another number of parameters, or another name, is more than any of these. */
size_t change_size(const lineup *l, size_t group, const variant *a, const variant *b);
/* The text of a key, or "". */
const char *setting_of(const lineup *l, const variant *v, const char *key);

/* A chain of linear layers of which nothing but the size is set, with one activation between all of them. */
typedef struct plain_model {
    bool is_plain;
    size_t n_hidden;
    char activation[32]; /* "": it has none, for there is no hidden layer */
} plain_model;

plain_model plain_model_of(const char *model);

#endif
