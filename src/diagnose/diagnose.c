/* Asks every diagnosis of a run, and puts what they say in order. */
#include "diagnose/facts.h"

#include <stdarg.h>
#include <stdlib.h>

#define X(name) extern const diagnosis diagnosis_##name;
#include "gen/diagnosis.inc"
#undef X

#define X(name) &diagnosis_##name,
static const diagnosis *const all[] = {
#include "gen/diagnosis.inc"
    NULL};
#undef X

const diagnosis *const *diagnoses(void) { return all; }

/* ---- Speaking ---- */

static void add_formatted(text *t, const char *format, va_list values)
{
    char *printed;
    if (vasprintf(&printed, format, values) < 0) {
        t->failed = true;
        return;
    }
    text_add(t, printed);
    free(printed);
}

void say(statement *s, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    add_formatted(&s->sentence, format, values);
    va_end(values);
}

void remedy(statement *s, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    add_formatted(&s->remedy, format, values);
    va_end(values);
}

void evidence(statement *s, const char *key, double value)
{
    char buffer[32];
    text_printf(&s->evidence, "%s\"%s\": %s", s->evidence.length ? ", " : "{", key, print_double(value, buffer));
}

/* ---- Asking ---- */

bool setting_number(const run_facts *f, const char *key, double *value)
{
    const setting *found = f->run->settings ? setting_find(f->run->settings, key) : NULL;
    return found && parse_double(found->text, value);
}

bool has_layer(const run_facts *f, const char *kind)
{
    const size_t n = strlen(kind);
    for (size_t i = 0; f->last && i < f->last->n_layers; i++)
        if (strncmp(f->last->layers[i].name, kind, n) == 0)
            return true;
    return false;
}

double blind_loss(const run_facts *f)
{
    const size_list *counts = &f->run->class_counts;
    double n = 0, sum = 0;
    for (size_t i = 0; i < counts->n; i++)
        n += (double)counts->at[i];
    for (size_t i = 0; i < counts->n; i++)
        if (counts->at[i])
            sum -= (double)counts->at[i] / n * log((double)counts->at[i] / n);
    return counts->n ? sum : NAN;
}

void say_class(statement *s, const run_facts *f, size_t class_index)
{
    const evaluation_record *e = f->evaluation;
    say(s, "class %zu", class_index);
    char number[32];
    snprintf(number, sizeof number, "%zu", class_index);
    if (e && class_index < e->n_classes && e->classes[class_index].name && strcmp(e->classes[class_index].name, number) != 0)
        say(s, " (%s)", e->classes[class_index].name);
}

bool never_predicted(const run_facts *f, size_t class_index, size_t least)
{
    const evaluation_record *e = f->evaluation;
    if (!e || !e->confusion || class_index >= e->n_classes || e->classes[class_index].n < least)
        return false;
    size_t given = 0;
    for (size_t i = 0; i < e->n_classes; i++)
        given += e->confusion[i * e->n_classes + class_index];
    return given == 0;
}

bool rate_was_lowered(const run_facts *f)
{
    double highest = 0;
    for (size_t i = 0; i < f->run->n_epochs; i++)
        highest = MAX(highest, f->run->metrics[i].lr);
    return f->end && f->end->lr < 0.1 * highest;
}

const layer_probe *worst_layer(const run_facts *f, double (*share)(const layer_probe *l), double limit, size_t *since)
{
    size_t worst = SIZE_MAX;
    for (size_t i = 0; f->last && i < f->last->n_layers; i++)
        if (share(&f->last->layers[i]) >= limit && (worst == SIZE_MAX || share(&f->last->layers[i]) > share(&f->last->layers[worst])))
            worst = i;
    for (size_t e = f->n_probes; worst != SIZE_MAX && e-- > 0 && worst < f->probes[e].n_layers && share(&f->probes[e].layers[worst]) >= limit;)
        *since = f->probes[e].epoch;
    return worst == SIZE_MAX ? NULL : &f->last->layers[worst];
}

double dead_of(const layer_probe *l) { return l->dead; }

bool outer_layers(const epoch_probe *p, const layer_probe **first, const layer_probe **last)
{
    *first = *last = NULL;
    for (size_t i = 0; i < p->n_layers; i++) {
        const layer_probe *l = &p->layers[i];
        if (!l->parameters || !isfinite(l->output_gradient) || !isfinite(l->weight_gradient))
            continue;
        *first = *first ? *first : l;
        *last = l;
    }
    return *first != *last;
}

double largest_update(const run_facts *f)
{
    double largest = 0;
    for (size_t e = 0; e < f->n_probes; e++)
        for (size_t i = 0; i < f->probes[e].n_layers; i++)
            if (f->probes[e].layers[i].update > largest)
                largest = f->probes[e].layers[i].update;
    return largest;
}

/* ---- A run's findings ---- */

static void statement_free(statement *s)
{
    text_free(&s->sentence);
    text_free(&s->evidence);
    text_free(&s->remedy);
}

static bool keep(const diagnosis *d, statement *s, finding *out, arena *a)
{
    text_add(&s->evidence, s->evidence.length ? "}" : "{}");
    text_add(&s->remedy, "");
    if (s->sentence.failed || s->evidence.failed || s->remedy.failed)
        return false;
    *out = (finding){d->name, s->confidence, arena_text(a, s->sentence.data), arena_text(a, s->evidence.data),
                     arena_text(a, s->remedy.data ? s->remedy.data : "")};
    return out->sentence && out->evidence && out->remedy;
}

/* The surest first; of equal ones in the order of their names. */
static void put_in_order(finding *f, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        const finding one = f[i];
        size_t at = i;
        for (; at > 0 && f[at - 1].confidence < one.confidence; at--)
            f[at] = f[at - 1];
        f[at] = one;
    }
}

weft_status diagnose_run(const run_record *run, findings *out, arena *a, weft_error *err)
{
    probe_log log;
    evaluation_record evaluation;
    bool evaluated;
    TRY(probes_read(run->folder, &log, a, err));
    TRY(evaluation_read(run->folder, &evaluation, &evaluated, a, err));
    const run_facts facts = {.run = run, .probes = log.epochs, .n_probes = log.n_epochs,
                             .last = log.n_epochs ? &log.epochs[log.n_epochs - 1] : NULL,
                             .evaluation = evaluated ? &evaluation : NULL,
                             .end = run->n_epochs ? &run->metrics[run->n_epochs - 1] : NULL, .diverged = strcmp(run->status, "diverged") == 0};
    finding *found = arena_array(a, COUNT(all), sizeof *found);
    bool good = found;
    *out = (findings){0, found};
    for (const diagnosis *const *d = all; *d && good; d++) {
        statement s = {0};
        if ((*d)->look(&facts, &s))
            good = keep(*d, &s, &found[out->n++], a);
        statement_free(&s);
    }
    if (!good)
        return fail_memory(err);
    put_in_order(found, out->n);
    return WEFT_OK;
}

weft_status diagnose_folder(const run_record *run, findings *out, arena *a, weft_error *err)
{
    TRY(diagnose_run(run, out, a, err));
    return findings_write(run->folder, out, err);
}
