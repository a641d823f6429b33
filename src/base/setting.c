#include "base/base.h"

#include <string.h>

/*     specs := spec {"," spec}
 *     spec  := name {entry}                      separated by blanks
 *     entry := value | key "=" value
 *     value := word | quoted | "(" [item {"," item}] ")" | "[" … "]"
 *     item  := value | spec                      a spec has more than its name, which begins with a letter
 */
typedef struct parser {
    const char *next; /* what is not read yet */
    where at;         /* its place */
    int depth;
    size_t n_settings;
    arena *memory;
    weft_error *err;
} parser;

enum { MAX_DEPTH = 64, MAX_SETTINGS = 100000 };

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Columns count characters: the bytes that continue one do not. */
static void advance(parser *p, size_t n)
{
    for (; n > 0; n--, p->next++)
        p->at.column += p->at.line > 0 && ((unsigned char)*p->next & 0xC0) != 0x80;
}

static void skip_blanks(parser *p)
{
    while (is_blank(*p->next))
        advance(p, 1);
}

/* Bytes up to what ends a word; in a key also the equals sign. */
static size_t word_length(const parser *p, bool key)
{
    return strcspn(p->next, key ? " \t\n\r,()[]\"=" : " \t\n\r,()[]\"");
}

static const char *take(parser *p, size_t n)
{
    char *copy = arena_array(p->memory, n + 1, 1);
    if (copy == NULL) {
        fail_memory(p->err);
        return NULL;
    }
    memcpy(copy, p->next, n);
    advance(p, n);
    return copy;
}

static setting *make(parser *p, int kind)
{
    if (++p->n_settings > MAX_SETTINGS) {
        fail(p->err, WEFT_BAD_INPUT, p->at, "this text has more than %d names and values, the limit", MAX_SETTINGS);
        return NULL;
    }
    setting *s = arena_alloc(p->memory, sizeof *s);
    if (s == NULL)
        fail_memory(p->err);
    else
        *s = (setting){.kind = kind, .at = p->at, .key_at = p->at};
    return s;
}

static setting *refuse(const parser *p, const char *why)
{
    if (*p->next == '\0')
        fail(p->err, WEFT_BAD_INPUT, p->at, "%s at the end", why);
    else
        fail(p->err, WEFT_BAD_INPUT, p->at, "%s before \"%.40s\"", why, p->next);
    return NULL;
}

/* The character at `next`, which may be written as an escape. */
static char unescape(parser *p)
{
    static const char written[] = "\"\\nt", meant[] = "\"\\\n\t";
    const char *escape = p->next[0] == '\\' && p->next[1] != '\0' ? strchr(written, p->next[1]) : NULL;
    if (escape == NULL)
        return *p->next;
    advance(p, 1);
    return meant[escape - written];
}

static setting *parse_quoted(parser *p)
{
    setting *s = make(p, SETTING_SCALAR);
    const char *end = p->next + 1;
    while (*end != '\0' && *end != '"')
        end += *end == '\\' && end[1] != '\0' ? 2 : 1;
    if (s == NULL)
        return NULL;
    if (*end == '\0') {
        fail(p->err, WEFT_BAD_INPUT, s->at, "a quote is opened here and never closed");
        return NULL;
    }
    char *out = arena_array(p->memory, (size_t)(end - p->next), 1);
    if (out == NULL) {
        fail_memory(p->err);
        return NULL;
    }
    s->text = out;
    for (advance(p, 1); p->next < end; advance(p, 1))
        *out++ = unescape(p);
    advance(p, 1);
    return s;
}

static setting *parse_value(parser *p);

static setting *parse_spec(parser *p);

/* Where a spec ends: at a comma, at the end of the text or of the list that it stands in. */
static bool at_end(const parser *p) { return *p->next == '\0' || *p->next == ',' || (p->depth > 0 && (*p->next == ')' || *p->next == ']')); }

static setting *parse_item(parser *p)
{
    const parser before = *p;
    const bool letter = (*p->next | 32) >= 'a' && (*p->next | 32) <= 'z';
    setting *s = parse_value(p);
    if (s == NULL || !letter)
        return s;
    skip_blanks(p);
    if (at_end(p))
        return s;
    *p = before;
    return parse_spec(p);
}

static setting *parse_list(parser *p)
{
    const char close = *p->next == '(' ? ')' : ']';
    setting *list = make(p, SETTING_LIST);
    if (list == NULL)
        return NULL;
    if (p->depth == MAX_DEPTH)
        return refuse(p, "too many lists inside each other");
    p->depth++;
    advance(p, 1);
    skip_blanks(p);
    for (setting **link = &list->first; *p->next != close || link != &list->first; link = &(*link)->next) {
        if ((*link = parse_item(p)) == NULL)
            return NULL;
        skip_blanks(p);
        if (*p->next == close)
            break;
        if (*p->next == '\0') {
            fail(p->err, WEFT_BAD_INPUT, list->at, "a list is opened here and never closed with \"%c\"", close);
            return NULL;
        }
        if (*p->next != ',')
            return refuse(p, "a comma is missing");
        advance(p, 1);
        skip_blanks(p);
    }
    advance(p, 1);
    p->depth--;
    return list;
}

static setting *parse_value(parser *p)
{
    if (*p->next == '(' || *p->next == '[')
        return parse_list(p);
    if (*p->next == '"')
        return parse_quoted(p);
    size_t length = word_length(p, false);
    if (length == 0)
        return refuse(p, "a value is missing");
    setting *s = make(p, SETTING_SCALAR);
    if (s != NULL && (s->text = take(p, length)) == NULL)
        return NULL;
    return s;
}

static setting *parse_entry(parser *p)
{
    size_t length = word_length(p, true);
    if (p->next[length] != '=')
        return parse_value(p);
    where key_at = p->at;
    if (length == 0)
        return refuse(p, "a key is missing");
    const char *key = take(p, length);
    if (key == NULL)
        return NULL;
    if (strcmp(key, "name") == 0) {
        fail(p->err, WEFT_BAD_INPUT, key_at, "the name is the first word and cannot be given again with \"name=\"");
        return NULL;
    }
    advance(p, 1);
    if (*p->next == '\0' || *p->next == ',' || is_blank(*p->next)) {
        fail(p->err, WEFT_BAD_INPUT, key_at, "\"%s=\" has no value; write it without a blank, as in %s=0.1", key, key);
        return NULL;
    }
    setting *s = parse_value(p);
    if (s != NULL) {
        s->key = key;
        s->key_at = key_at;
    }
    return s;
}

static setting *parse_spec(parser *p)
{
    skip_blanks(p);
    setting *map = make(p, SETTING_MAP);
    size_t length = word_length(p, true);
    if (map == NULL)
        return NULL;
    if (length == 0 || p->next[length] == '=')
        return refuse(p, "a name is missing");
    if ((map->first = parse_value(p)) == NULL)
        return NULL;
    map->first->key = "name";
    setting **link = &map->first->next;
    while (is_blank(*p->next)) {
        skip_blanks(p);
        if (at_end(p))
            break;
        if ((*link = parse_entry(p)) == NULL)
            return NULL;
        link = &(*link)->next;
    }
    return at_end(p) ? map : refuse(p, "a blank is missing");
}

setting *setting_from_spec(arena *a, const char *spec, where at, weft_error *err)
{
    parser p = {.next = spec, .at = at, .memory = a, .err = err};
    setting *map = parse_spec(&p);
    if (map != NULL && *p.next == ',')
        return refuse(&p, "one thing is wanted here, but there is a second one");
    return map;
}

setting *setting_list_from_specs(arena *a, const char *specs, where at, weft_error *err)
{
    parser p = {.next = specs, .at = at, .memory = a, .err = err};
    setting *list = make(&p, SETTING_LIST);
    skip_blanks(&p);
    if (list == NULL || *p.next == '\0')
        return list;
    for (setting **link = &list->first;; link = &(*link)->next) {
        if ((*link = parse_spec(&p)) == NULL)
            return NULL;
        if (*p.next == '\0')
            return list;
        advance(&p, 1);
    }
}

const setting *setting_find(const setting *map, const char *key)
{
    for (const setting *s = map && map->kind == SETTING_MAP ? map->first : NULL; s != NULL; s = s->next)
        if (key == NULL ? s->key == NULL : s->key != NULL && strcmp(s->key, key) == 0)
            return s;
    return NULL;
}
