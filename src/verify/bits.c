/* The table of published bits: written, and read. */
#include <string.h>

#include "verify/verify.h"

static const char *const kind_names[N_BITS_KINDS] = {[BITS_FUSED] = "fused", [BITS_UNFUSED] = "unfused"};
static const char title[] = "weft bits 1", kind_word[] = "kind ", indent[] = "  ";

/* As the build turned the table into numbers. */
static const unsigned char published[] = {
#include "gen/published.inc"
};

const char *bits_kind_name(bits_kind kind) { return kind_names[kind]; }

bits_kind bits_kind_of(isa level) { return kernels_of(level)->fused ? BITS_FUSED : BITS_UNFUSED; }

/* ---- Reading ---- */

/* A table as it is read, line by line. */
typedef struct reading {
    bits_table *table;
    known_exercise *exercise, *next; /* the one whose moments come now, and room for those behind it */
    const char **next_line;
    size_t kind; /* N_BITS_KINDS: none was begun */
    where at;
} reading;

static weft_status read_kind(reading *r, const char *name, weft_error *err)
{
    size_t k = 0;
    while (k < N_BITS_KINDS && strcmp(kind_names[k], name) != 0)
        k++;
    if (k == N_BITS_KINDS)
        return fail_unknown(err, r->at, "kind of arithmetic", name, kind_names, N_BITS_KINDS, sizeof *kind_names);
    if (r->table->kinds[k].exercises)
        return fail(err, WEFT_BAD_INPUT, r->at, "kind %s is there already; every kind has one list", name);
    r->kind = k;
    r->table->kinds[k].exercises = r->next;
    r->exercise = NULL;
    return WEFT_OK;
}

static weft_status read_exercise(reading *r, const char *name, weft_error *err)
{
    if (r->kind == N_BITS_KINDS)
        return fail(err, WEFT_BAD_INPUT, r->at, "a training stands before any kind of arithmetic; begin with \"kind fused\"");
    r->exercise = r->next++;
    *r->exercise = (known_exercise){.name = name, .lines = r->next_line};
    r->table->kinds[r->kind].n++;
    return WEFT_OK;
}

static weft_status read_moment(reading *r, const char *line, weft_error *err)
{
    const size_t length = strlen(line);
    if (!r->exercise)
        return fail(err, WEFT_BAD_INPUT, r->at, "a moment stands before any training");
    if (length < HASH_DIGITS || strspn(line, "0123456789abcdef") != length)
        return fail(err, WEFT_BAD_INPUT, r->at, "a moment is %d hex digits or more, and this is none", HASH_DIGITS);
    *r->next_line++ = line;
    r->exercise->n_lines++;
    return WEFT_OK;
}

static weft_status read_line(reading *r, const char *line, weft_error *err)
{
    if (strncmp(line, kind_word, sizeof kind_word - 1) == 0)
        return read_kind(r, line + sizeof kind_word - 1, err);
    if (strncmp(line, indent, sizeof indent - 1) == 0)
        return read_moment(r, line + sizeof indent - 1, err);
    return read_exercise(r, line, err);
}

/* content: [size], a copy of which stays in the arena. */
static weft_status read_table(bits_table *out, const char *name, const void *content, size_t size, arena *a, weft_error *err)
{
    char *line = arena_alloc(a, size + 1);
    size_t n_lines = 1;
    for (size_t i = 0; i < size; i++)
        n_lines += ((const char *)content)[i] == '\n';
    *out = (bits_table){0};
    reading r = {.table = out, .next = arena_array(a, n_lines, sizeof(known_exercise)), .next_line = arena_array(a, n_lines, sizeof(char *)),
                 .kind = N_BITS_KINDS, .at = {name, 0, 0}};
    if (!line || !r.next || !r.next_line)
        return fail_memory(err);
    memcpy(line, content, size);
    if (memchr(line, '\0', size))
        return fail(err, WEFT_BAD_INPUT, r.at, "a table of bits is text, and this holds a NUL byte");
    for (char *end = line; end && *line; line = end + 1) {
        r.at.line++;
        end = strchr(line, '\n');
        if (!end)
            return fail(err, WEFT_BAD_INPUT, r.at, "the last line does not end: the table was cut");
        *end = '\0';
        if (r.at.line == 1 && strcmp(line, title) != 0)
            return fail(err, WEFT_BAD_INPUT, r.at, "the first line is \"%.40s\", where a table of bits has \"%s\"; weft verify --print makes one", line, title);
        if (r.at.line > 1)
            TRY(read_line(&r, line, err));
    }
    return r.at.line ? WEFT_OK : fail(err, WEFT_BAD_INPUT, r.at, "the table is empty; weft verify --print makes one");
}

weft_status bits_published(bits_table *out, arena *a, weft_error *err)
{
    return read_table(out, "published bits", published, sizeof published, a, err);
}

weft_status bits_read(bits_table *out, const char *path, arena *a, weft_error *err)
{
    enum { LIMIT_BYTES = 64 << 20 };
    bytes content;
    TRY(file_read(path, LIMIT_BYTES, &content, err));
    const weft_status status = read_table(out, path, content.data, content.size, a, err);
    bytes_free(&content);
    return status;
}

/* ---- Writing ---- */

static bool write_moment(void *self, const moment *m)
{
    text *t = self;
    text_add(t, indent);
    moment_print(m, t);
    text_add(t, "\n");
    return true;
}

static weft_status write_kind(const exercise_list *exercises, isa level, text *t, weft_error *err)
{
    text_printf(t, "%s%s\n", kind_word, bits_kind_name(bits_kind_of(level)));
    for (size_t i = 0; i < exercises->n; i++) {
        text_printf(t, "%s\n", exercises->at[i].name);
        TRY(exercise_run(&exercises->at[i], level, 1, write_moment, t, err));
    }
    return WEFT_OK;
}

weft_status bits_write(text *t, weft_error *err)
{
    arena a = {0};
    exercise_list exercises;
    weft_status status = exercises_list(&exercises, &a, err);
    text_printf(t, "%s\n", title);
    for (bits_kind kind = 0; kind < N_BITS_KINDS; kind++) {
        isa level = 0;
        while (level < N_ISAS && (!isa_runs_here(level) || bits_kind_of(level) != kind))
            level++;
        if (level < N_ISAS && status == WEFT_OK)
            status = write_kind(&exercises, level, t, err);
    }
    arena_deinit(&a);
    return status == WEFT_OK && t->failed ? fail_memory(err) : status;
}
