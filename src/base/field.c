#include "base/base.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { MAX_FIELDS = 64, QUOTE_BYTES = 80 };

/* What is being read, so that every function below has few arguments. */
typedef struct reader {
    const field *table;
    const char *what;
    const char *const *skip;
    char *out;
    arena *memory;
    weft_error *err;
    const setting *given[MAX_FIELDS]; /* by field */
    bool wrong;
} reader;

#define MISTAKE(r, at, ...) ((r)->wrong = true, (void)fail((r)->err, WEFT_BAD_INPUT, at, __VA_ARGS__))

size_t fields_count(const field *table)
{
    size_t n = 0;
    while (table[n].name != NULL)
        n++;
    return n;
}

/* ---- Defaults ---- */

static void set_default(const field *f, void *at)
{
    switch (f->type) {
    case FIELD_SIZE:
        *(size_t *)at = (size_t)f->value[0];
        break;
    case FIELD_U64:
        *(uint64_t *)at = (uint64_t)f->value[0];
        break;
    case FIELD_INT:
        *(int32_t *)at = (int32_t)f->value[0];
        break;
    case FIELD_REAL:
        *(double *)at = f->value[0];
        break;
    case FIELD_PAIR:
        memcpy(at, f->value, sizeof f->value);
        break;
    case FIELD_REALS:
        *(number_list *)at = (number_list){0};
        break;
    case FIELD_BOOL:
        *(bool *)at = f->value[0] != 0;
        break;
    case FIELD_TEXT:
        *(const char **)at = f->text;
        break;
    case FIELD_WORDS:
        *(const char *const **)at = NULL;
        break;
    case FIELD_MAP:
        fields_default(f->fields, at);
        break;
    case FIELD_SIZES:
        *(size_list *)at = (size_list){0};
        break;
    case FIELD_LIST:
        *(const setting **)at = NULL;
        break;
    }
}

void fields_default(const field *table, void *out)
{
    for (const field *f = table; f->name != NULL; f++)
        set_default(f, (char *)out + f->offset);
}

/* ---- Values ---- */

/* A setting as a message names it: "abc" in quotes, a list, a map. */
static const char *quote(const setting *s, char buffer[QUOTE_BYTES])
{
    if (s->kind != SETTING_SCALAR)
        return s->kind == SETTING_LIST ? "a list" : "a map";
    if (s->text[0] == '\0')
        return "nothing";
    bool fits = strlen(s->text) < QUOTE_BYTES / 2;
    int shown = fits ? QUOTE_BYTES / 2 : QUOTE_BYTES / 2 - 4;
    while (!fits && ((unsigned char)s->text[shown] & 0xC0) == 0x80 && shown > 0)
        shown--;
    snprintf(buffer, QUOTE_BYTES, "\"%.*s%s\"", shown, s->text, fits ? "" : "…");
    return buffer;
}

static bool has_max(const field *f)
{
    return f->max > f->min;
}

static bool in_range(const field *f, double x)
{
    bool low = f->flags & FIELD_ABOVE_MIN ? x > f->min : x >= f->min;
    bool high = !has_max(f) || (f->flags & FIELD_BELOW_MAX ? x < f->max : x <= f->max);
    return low && high;
}

const char *field_range(const field *f, char buffer[FIELD_RANGE_BYTES])
{
    char min[32], max[32];
    int used = 0;
    buffer[0] = '\0';
    if (isfinite(f->min))
        used = snprintf(buffer, FIELD_RANGE_BYTES, "%s %s", f->flags & FIELD_ABOVE_MIN ? "above" : "at least", print_double(f->min, min));
    if (has_max(f) && isfinite(f->max))
        snprintf(buffer + used, FIELD_RANGE_BYTES - (size_t)used, "%s%s %s", used > 0 ? " and " : "",
                 f->flags & FIELD_BELOW_MAX ? "below" : "at most", print_double(f->max, max));
    return buffer;
}

/* `part` names which number of a pair it is: "the first of ". */
static bool check_range(reader *r, const field *f, const setting *s, double x, const char *part)
{
    char range[FIELD_RANGE_BYTES];
    if (in_range(f, x))
        return true;
    MISTAKE(r, s->at, "%s%s is %s, but must be %s", part, f->name, s->text, field_range(f, range));
    return false;
}

static void read_whole(reader *r, const field *f, const setting *s, void *at)
{
    uint64_t x;
    char buffer[QUOTE_BYTES];
    if (f->text && s->kind == SETTING_SCALAR && strcmp(s->text, f->text) == 0)
        *(size_t *)at = 0;
    else if (s->kind != SETTING_SCALAR || !parse_u64(s->text, &x) || (f->type == FIELD_SIZE && x > SIZE_MAX))
        MISTAKE(r, s->at, "%s must be a whole number%s%s, not %s", f->name, f->text ? " or " : "", f->text ? f->text : "", quote(s, buffer));
    else if (!check_range(r, f, s, (double)x, ""))
        return;
    else if (f->type == FIELD_SIZE)
        *(size_t *)at = (size_t)x;
    else
        *(uint64_t *)at = x;
}

static void read_int(reader *r, const field *f, const setting *s, int32_t *at)
{
    uint64_t size = 0;
    char buffer[QUOTE_BYTES];
    const bool below = s->kind == SETTING_SCALAR && s->text[0] == '-';
    if (s->kind != SETTING_SCALAR || !parse_u64(s->text + below, &size) || size > INT32_MAX)
        MISTAKE(r, s->at, "%s must be a whole number between %d and %d, not %s", f->name, -INT32_MAX, INT32_MAX, quote(s, buffer));
    else if (check_range(r, f, s, below ? -(double)size : (double)size, ""))
        *at = below ? -(int32_t)size : (int32_t)size;
}

static void read_real(reader *r, const field *f, const setting *s, const char *part, double *at)
{
    double x;
    char buffer[QUOTE_BYTES];
    if (s->kind != SETTING_SCALAR || !parse_double(s->text, &x))
        MISTAKE(r, s->at, "%s%s must be a number, not %s", part, f->name, quote(s, buffer));
    else if (check_range(r, f, s, x, part))
        *at = x;
}

static void read_pair(reader *r, const field *f, const setting *s, double at[2])
{
    char buffer[QUOTE_BYTES], first[32], second[32];
    const setting *a = s->kind == SETTING_LIST ? s->first : NULL, *b = a ? a->next : NULL;
    if (b == NULL || b->next != NULL) {
        MISTAKE(r, s->at, "%s must be two numbers such as [%s, %s], not %s", f->name, print_double(f->value[0], first),
                print_double(f->value[1], second),
                s->kind == SETTING_LIST ? "a list of another length" : quote(s, buffer));
        return;
    }
    read_real(r, f, a, "the first of ", &at[0]);
    read_real(r, f, b, "the second of ", &at[1]);
}

static void read_reals(reader *r, const field *f, const setting *s, number_list *at)
{
    setting alone = *s;
    alone.next = NULL;
    const setting *first = s->kind == SETTING_LIST ? s->first : &alone;
    size_t n = 0;
    for (const setting *one = first; one != NULL; one = one->next)
        n++;
    double *numbers = arena_array(r->memory, MAX(n, 1), sizeof *numbers);
    if (numbers == NULL) {
        fail_memory(r->err);
        r->wrong = true;
        return;
    }
    *at = (number_list){n, numbers};
    for (const setting *one = first; one != NULL; one = one->next)
        read_real(r, f, one, "a number of ", numbers++);
}

static void read_bool(reader *r, const field *f, const setting *s, bool *at)
{
    char buffer[QUOTE_BYTES];
    bool scalar = s->kind == SETTING_SCALAR, yes = scalar && strcmp(s->text, "true") == 0;
    if (yes || (scalar && strcmp(s->text, "false") == 0))
        *at = yes;
    else
        MISTAKE(r, s->at, "%s must be true or false, not %s", f->name, quote(s, buffer));
}

static bool is_word(const field *f, const char *string)
{
    if (f->words == NULL)
        return true;
    for (const char *const *word = f->words; *word != NULL; word++)
        if (strcmp(*word, string) == 0)
            return true;
    return false;
}

static void read_text(reader *r, const field *f, const setting *s, const char **at)
{
    char buffer[QUOTE_BYTES];
    if (s->kind != SETTING_SCALAR) {
        MISTAKE(r, s->at, "%s must be a text, not %s", f->name, quote(s, buffer));
        return;
    }
    if (!is_word(f, s->text)) {
        size_t n = 0;
        while (f->words[n] != NULL)
            n++;
        r->wrong = true;
        fail_unknown(r->err, s->at, f->name, s->text, f->words, n, sizeof *f->words);
        return;
    }
    *at = arena_text(r->memory, s->text);
    if (*at == NULL) {
        fail_memory(r->err);
        r->wrong = true;
    }
}

static void read_words(reader *r, const field *f, const setting *s, const char *const **at)
{
    const setting alone = {SETTING_SCALAR, .text = s->text, .at = s->at}, *first = s->kind == SETTING_LIST ? s->first : &alone;
    size_t n = 0;
    if (s->kind == SETTING_MAP) {
        MISTAKE(r, s->at, "%s must be a list of words, not a map", f->name);
        return;
    }
    for (const setting *word = first; word != NULL; word = word->next)
        n++;
    const char **words = arena_array(r->memory, n + 1, sizeof *words);
    if (words == NULL) {
        fail_memory(r->err);
        r->wrong = true;
        return;
    }
    *at = words;
    for (const setting *word = first; word != NULL; word = word->next, words++) {
        *words = "";
        read_text(r, f, word, words);
    }
}

static void read_fields(reader *r, const field *f, const setting *s, void *at)
{
    setting bare = {SETTING_SCALAR, .text = s->text, .at = s->at};
    const setting map = {SETTING_MAP, .first = &bare, .at = s->at};
    if (fields_read(f->fields, s->kind == SETTING_SCALAR ? &map : s, f->name, NULL, at, r->memory, r->err) != WEFT_OK)
        r->wrong = true;
}

static bool is_list(reader *r, const field *f, const setting *s)
{
    char buffer[QUOTE_BYTES];
    if (s->kind != SETTING_LIST)
        MISTAKE(r, s->at, "%s must be a list in [], not %s", f->name, quote(s, buffer));
    return s->kind == SETTING_LIST;
}

static void read_sizes(reader *r, const field *f, const setting *s, size_list *at)
{
    size_t n = 0;
    for (const setting *item = is_list(r, f, s) ? s->first : NULL; item != NULL; item = item->next)
        n++;
    size_t *sizes = arena_array(r->memory, n, sizeof *sizes);
    if (sizes == NULL) {
        fail_memory(r->err);
        r->wrong = true;
        return;
    }
    *at = (size_list){n, sizes};
    for (const setting *item = n > 0 ? s->first : NULL; item != NULL; item = item->next)
        read_whole(r, &(field){.name = f->name, .type = FIELD_SIZE, .flags = f->flags, .min = f->min, .max = f->max}, item, sizes++);
}

static void read_value(reader *r, const field *f, const setting *s)
{
    void *at = r->out + f->offset;
    switch (f->type) {
    case FIELD_SIZE:
    case FIELD_U64:
        read_whole(r, f, s, at);
        break;
    case FIELD_INT:
        read_int(r, f, s, at);
        break;
    case FIELD_REAL:
        read_real(r, f, s, "", at);
        break;
    case FIELD_PAIR:
        read_pair(r, f, s, at);
        break;
    case FIELD_REALS:
        read_reals(r, f, s, at);
        break;
    case FIELD_BOOL:
        read_bool(r, f, s, at);
        break;
    case FIELD_TEXT:
        read_text(r, f, s, at);
        break;
    case FIELD_WORDS:
        read_words(r, f, s, at);
        break;
    case FIELD_MAP:
        read_fields(r, f, s, at);
        break;
    case FIELD_SIZES:
        read_sizes(r, f, s, at);
        break;
    case FIELD_LIST:
        if (is_list(r, f, s))
            *(const setting **)at = s;
        break;
    }
}

/* ---- Keys ---- */

static bool is_skipped(const reader *r, const char *key)
{
    for (const char *const *name = r->skip; name != NULL && *name != NULL; name++)
        if (strcmp(*name, key) == 0)
            return true;
    return false;
}

static void unknown_key(reader *r, const setting *s)
{
    size_t n = fields_count(r->table), n_skipped = 0;
    while (r->skip != NULL && r->skip[n_skipped] != NULL)
        n_skipped++;
    const char *near = nearest_word(s->key, &r->table[0].name, n, sizeof *r->table);
    if (near == NULL)
        near = nearest_word(s->key, r->skip, n_skipped, sizeof *r->skip);
    if (near != NULL) {
        MISTAKE(r, s->key_at, "unknown key \"%s\" of %s; did you mean \"%s\"?", s->key, r->what, near);
        return;
    }
    text known = {0};
    for (size_t i = 0; i < n + n_skipped; i++)
        text_printf(&known, "%s%s", i > 0 ? ", " : "", i < n ? r->table[i].name : r->skip[i - n]);
    MISTAKE(r, s->key_at, "unknown key \"%s\" of %s; it has %s", s->key, r->what,
            known.length ? known.data : "no keys");
    text_free(&known);
}

static const field *find_key(const reader *r, const char *key)
{
    for (const field *f = r->table; f->name != NULL; f++)
        if (strcmp(f->name, key) == 0)
            return f;
    return NULL;
}

/* The field of the bare value number `n`, from 0. */
static const field *find_bare(const reader *r, size_t n)
{
    size_t n_before = 0;
    for (const field *f = r->table; f->name != NULL; f++) {
        if (!(f->flags & FIELD_BARE))
            continue;
        if (n_before == n)
            return f;
        n_before++;
    }
    return NULL;
}

static void read_entry(reader *r, const field *f, const setting *s)
{
    const setting **given = &r->given[f - r->table];
    where at = s->key ? s->key_at : s->at;
    if (*given != NULL && (*given)->at.line > 0)
        MISTAKE(r, at, "%s of %s is given twice; first in line %zu", f->name, r->what, (*given)->at.line);
    else if (*given != NULL)
        MISTAKE(r, at, "%s of %s is given twice", f->name, r->what);
    else
        read_value(r, f, *given = s);
}

static void read_map(reader *r, const setting *map)
{
    size_t n_bare = 0;
    char buffer[QUOTE_BYTES];
    for (const setting *s = map->first; s != NULL; s = s->next) {
        const field *f = s->key ? find_key(r, s->key) : find_bare(r, n_bare++);
        if (f != NULL)
            read_entry(r, f, s);
        else if (s->key == NULL)
            MISTAKE(r, s->at, "%s is one value too many for %s; write key=value", quote(s, buffer), r->what);
        else if (!is_skipped(r, s->key))
            unknown_key(r, s);
    }
}

weft_status fields_read(const field *table, const setting *map, const char *what, const char *const *skip, void *out,
                        arena *a, weft_error *err)
{
    reader r = {.table = table, .what = what, .skip = skip, .out = out, .memory = a, .err = err};
    char buffer[QUOTE_BYTES];
    assert(fields_count(table) <= MAX_FIELDS);
    fields_default(table, out);
    if (map != NULL && map->kind != SETTING_MAP)
        return fail(err, WEFT_BAD_INPUT, map->at, "%s must be a map of keys and values, not %s", what,
                    quote(map, buffer));
    if (map != NULL)
        read_map(&r, map);
    where at = map ? map->at : (where){0};
    for (const field *f = table; f->name != NULL; f++)
        if (f->flags & FIELD_REQUIRED && r.given[f - table] == NULL)
            MISTAKE(&r, at, "%s of %s is missing: %s", f->name, what, f->help ? f->help : "it has no default");
    return r.wrong ? WEFT_BAD_INPUT : WEFT_OK;
}

/* ---- Printing ---- */

static bool is_plain(const char *string)
{
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./"
    return strspn(string, LETTERS) > 0 && string[strspn(string, LETTERS "-+")] == '\0';
#undef LETTERS
}

/* Texts of plain characters stand as they are. Others stand in quotes, as YAML and setting_from_spec both read them. */
static void add_quoted(text *t, const char *string)
{
    if (is_plain(string)) {
        text_add(t, string);
        return;
    }
    text_add(t, "\"");
    for (const char *c = string; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            text_add(t, "\\");
        if (*c == '\n' || *c == '\t')
            text_add(t, *c == '\n' ? "\\n" : "\\t");
        else
            text_add_bytes(t, c, 1);
    }
    text_add(t, "\"");
}

static void add_reals(const number_list *list, text *t)
{
    char number[32];
    for (size_t i = 0; i < list->n; i++)
        text_printf(t, "%s%s", i ? ", " : "[", print_double(list->at[i], number));
    text_add(t, "]");
}

static void add_words(text *t, const char *const *words)
{
    text_add(t, "[");
    for (const char *const *word = words; word != NULL && *word != NULL; word++) {
        text_add(t, word > words ? ", " : "");
        add_quoted(t, *word);
    }
    text_add(t, "]");
}

static void add_sizes(const size_list *list, text *t)
{
    text_add(t, "[");
    for (size_t i = 0; i < list->n; i++)
        text_printf(t, "%s%zu", i > 0 ? ", " : "", list->at[i]);
    text_add(t, "]");
}

static void add_texts(const setting *list, text *t)
{
    text_add(t, "[");
    for (const setting *s = list->first; s != NULL; s = s->next) {
        text_add(t, s == list->first ? "" : ", ");
        add_quoted(t, s->text);
    }
    text_add(t, "]");
}

static void add_value(const field *f, const void *at, text *t)
{
    char first[32], second[32];
    switch (f->type) {
    case FIELD_SIZE:
        if (f->text && *(const size_t *)at == 0)
            text_add(t, f->text);
        else
            text_printf(t, "%zu", *(const size_t *)at);
        break;
    case FIELD_U64:
        text_printf(t, "%llu", (unsigned long long)*(const uint64_t *)at);
        break;
    case FIELD_INT:
        text_printf(t, "%d", *(const int32_t *)at);
        break;
    case FIELD_REAL:
        text_add(t, print_double(*(const double *)at, first));
        break;
    case FIELD_PAIR:
        text_printf(t, "[%s, %s]", print_double(((const double *)at)[0], first),
                    print_double(((const double *)at)[1], second));
        break;
    case FIELD_REALS:
        add_reals(at, t);
        break;
    case FIELD_BOOL:
        text_add(t, *(const bool *)at ? "true" : "false");
        break;
    case FIELD_TEXT:
        add_quoted(t, *(const char *const *)at);
        break;
    case FIELD_WORDS:
        add_words(t, *(const char *const *const *)at);
        break;
    case FIELD_MAP:
        text_add(t, "{");
        fields_print(f->fields, at, "%s: %s", ", ", t);
        text_add(t, "}");
        break;
    case FIELD_SIZES:
        add_sizes(at, t);
        break;
    case FIELD_LIST:
        add_texts(*(const setting *const *)at, t);
        break;
    }
}

static bool is_unset(const field *f, const void *at)
{
    return ((f->type == FIELD_TEXT || f->type == FIELD_LIST) && *(const void *const *)at == NULL) ||
           (f->type == FIELD_REALS && ((const number_list *)at)->n == 0);
}

static setting **flatten(const field *f, const void *at, const char *key, setting **end, arena *a)
{
    if (!key)
        return NULL;
    if (f->type == FIELD_MAP)
        return fields_flatten(f->fields, at, key, end, a);
    text value = {0};
    if (f->type == FIELD_TEXT)
        text_add(&value, *(const char *const *)at);
    else
        add_value(f, at, &value);
    setting *made = arena_alloc(a, sizeof *made);
    const char *kept = value.failed ? NULL : arena_text(a, value.data ? value.data : "");
    text_free(&value);
    if (!made || !kept)
        return NULL;
    *made = (setting){SETTING_SCALAR, .key = key, .text = kept};
    *end = made;
    return &made->next;
}

setting **fields_flatten(const field *table, const void *in, const char *prefix, setting **end, arena *a)
{
    for (const field *f = table; f->name && end; f++) {
        const void *at = (const char *)in + f->offset;
        if (!is_unset(f, at))
            end = flatten(f, at, arena_printf(a, "%s.%s", prefix, f->name), end, a);
    }
    return end;
}

void fields_print(const field *table, const void *in, const char *pattern, const char *separator, text *t)
{
    bool first = true;
    for (const field *f = table; f->name != NULL; f++) {
        const void *at = (const char *)in + f->offset;
        if (is_unset(f, at))
            continue;
        text value = {0};
        add_value(f, at, &value);
        if (!first)
            text_add(t, separator);
        first = false;
        text_printf(t, pattern, f->name, value.data ? value.data : "");
        t->failed |= value.failed;
        text_free(&value);
    }
}
