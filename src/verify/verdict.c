/* Exercises held against the table. */
#include <string.h>

#include "verify/verify.h"

/* One of them as it runs. */
typedef struct comparison {
    const known_exercise *known; /* NULL: the table has no such training */
    size_t n_moments;
    text *all; /* lines of all exercises */
    difference first;
    arena *memory;
    bool differs, failed;
} comparison;

static const char *value_text(const tensor *t, size_t i, arena *a)
{
    uint32_t word;
    uint64_t longer;
    const size_t bytes = dtype_bytes(t->type);
    const char *at = (const char *)t->data + i * bytes;
    memcpy(&word, at, sizeof word);
    memcpy(&longer, at, bytes == sizeof longer ? bytes : 0);
    if (t->type == DTYPE_F32)
        return arena_printf(a, "%.9g (0x%08x)", (double)*(const float *)at, word);
    if (t->type == DTYPE_F64)
        return arena_printf(a, "%.17g (0x%016llx)", *(const double *)at, (unsigned long long)longer);
    return arena_printf(a, "%lld", (long long)longer);
}

/* Number n of all the moment's numbers is another one. */
static void name_number(comparison *c, const moment *m, size_t n)
{
    const tensor *t = m->tensors;
    while (n >= shape_numbers(&t->shape))
        n -= shape_numbers(&t++->shape);
    c->first.tensor = arena_text(c->memory, t->name);
    c->first.shape = t->shape;
    c->first.element = n;
    c->first.what = value_text(t, n, c->memory);
    c->failed |= !c->first.tensor || !c->first.what;
}

static void say(comparison *c, const char *what)
{
    c->differs = true;
    c->first.what = what;
    c->failed |= !what;
}

/* The first number whose digit is another one. */
static void name_difference(comparison *c, const moment *m, const char *own, const char *known)
{
    c->first.step = m->step;
    c->first.epoch = m->epoch;
    say(c, "the numbers differ, but not one digit of theirs in the table does");
    for (size_t n = 0; own[HASH_DIGITS + n] && known[HASH_DIGITS + n]; n++)
        if (own[HASH_DIGITS + n] != known[HASH_DIGITS + n]) {
            name_number(c, m, n);
            return;
        }
    if (strlen(own) != strlen(known))
        say(c, arena_printf(c->memory, "there are %zu numbers, in the table %zu", strlen(own) - HASH_DIGITS, strlen(known) - HASH_DIGITS));
}

static bool hear(void *self, const moment *m)
{
    comparison *c = self;
    text own = {0};
    moment_print(m, &own);
    c->failed |= own.failed;
    const char *known = c->known && c->n_moments < c->known->n_lines ? c->known->lines[c->n_moments] : NULL;
    c->n_moments++;
    if (!own.failed && known && !c->differs && strcmp(own.data, known) != 0)
        name_difference(c, m, own.data, known);
    text_printf(c->all, "  %s\n", own.failed ? "" : own.data);
    text_free(&own);
    return !c->failed;
}

static const known_exercise *find(const bits_table *table, bits_kind kind, const char *name)
{
    for (size_t i = 0; i < table->kinds[kind].n; i++)
        if (strcmp(table->kinds[kind].exercises[i].name, name) == 0)
            return &table->kinds[kind].exercises[i];
    return NULL;
}

static weft_status compare(comparison *c, const exercise *t, verdict *out, weft_error *err)
{
    text_printf(c->all, "%s\n", t->name);
    TRY(exercise_run(t, out->level, out->threads, hear, c, err));
    if (!c->known)
        say(c, "the table has no such training");
    else if (!c->differs && c->n_moments != c->known->n_lines)
        say(c, arena_printf(c->memory, "there are %zu moments, in the table %zu", c->n_moments, c->known->n_lines));
    if (c->differs)
        out->differences[out->n_differences++] = c->first;
    return c->failed || c->all->failed ? fail_memory(err) : WEFT_OK;
}

weft_status verify(const bits_table *table, const exercise_list *exercises, isa level, int threads, verdict *out, arena *a, weft_error *err)
{
    text all = {0};
    weft_status status = WEFT_OK;
    *out = (verdict){.level = level, .threads = threads, .n_exercises = exercises->n, .differences = arena_array(a, exercises->n, sizeof *out->differences)};
    if (!out->differences)
        return fail_memory(err);
    for (size_t i = 0; i < exercises->n && status == WEFT_OK; i++) {
        const exercise *t = &exercises->at[i];
        comparison c = {.known = find(table, bits_kind_of(level), t->name), .all = &all, .memory = a, .first = {.exercise = t->name}};
        status = compare(&c, t, out, err);
    }
    sha256_hex(all.data, all.length, out->sha256);
    text_free(&all);
    return status;
}
