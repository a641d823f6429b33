/* Sentences in the making: numbers with their spread, differences with their interval. Private to this room. */
#ifndef SENTENCES_H
#define SENTENCES_H

#include "report/families.h"

typedef struct prose {
    text *out;
    text sentence; /* what `end_sentence` will end */
    word_form form;
    bool began;
    size_t n_intervals, fewest_pairs; /* what the sentences so far rest on; */
    bool one_seed;                    /* there was a difference without an interval */
    const task_words *words;          /* of the variants that are spoken of */
} prose;

/* Adds it to `out` as a line of its own, or a list's item. */
void end_sentence(prose *p);
void say_name(prose *p, const variant *v);
void say_spread(prose *p, const spread *s, int decimals, const char *unit); /* "85.10 +- 0.34 %" */
void say_score(prose *p, const spread *s);
void say_loss(prose *p, const spread *s); /* three figures, as far as that makes sense */
void say_epochs(prose *p, size_t n);
/* That something was told from a difference. */
void note_difference(prose *p, const difference *d);
/* "+2.67 points (95 % interval +2.10 to +3.24)", "within noise: …" */
void say_difference(prose *p, const difference *d);
/* ", " and " and " between the parts of a list. */
const char *joint(size_t i, size_t n);

#endif
