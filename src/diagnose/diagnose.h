/* What a run's numbers say is wrong with it, and what to do: from its folder alone. */
#ifndef DIAGNOSE_H
#define DIAGNOSE_H

#include "record/record.h"

/* What there is to go by. */
typedef struct run_facts {
    const run_record *run;
    const epoch_probe *probes; /* [n_probes]; of a run that diverged, the last one is of the epoch that did not end */
    size_t n_probes;
    const epoch_probe *last;   /* of them; NULL: there is none, as in a run without probes */
    const weft_metrics *end;   /* of the last epoch; NULL: none was finished */
    const evaluation_record *evaluation; /* of the finished model; NULL: it has none */
    bool diverged;
} run_facts;

typedef struct statement statement;

/* Something that can be wrong with a run. One file each, found by the build: diagnose/NAME.c defines diagnosis_NAME. */
typedef struct diagnosis {
    const char *name;
    const char *help;  /* one line: what is wrong */
    const char *about; /* a paragraph: why it matters, and what is done about it */
    bool (*look)(const run_facts *f, statement *s); /* whether it is so; fills the statement (facts.h) */
} diagnosis;

/* All of them, in the order of their names; ends with NULL. */
const diagnosis *const *diagnoses(void);

/* What is to be said of a run. Everything lives in `a`. */
weft_status diagnose_run(const run_record *run, findings *out, arena *a, weft_error *err);
/* The same, and leaves it in the run's folder as diagnosis.json. */
weft_status diagnose_folder(const run_record *run, findings *out, arena *a, weft_error *err);

#endif
