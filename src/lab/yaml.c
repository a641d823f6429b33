/* YAML as settings, and back. libyaml does the syntax; what an experiment has no use for is refused with its place. */
#include <string.h>
#include <yaml.h>

#include "lab/parts.h"

/* They keep memory within a small multiple of the text's size, the stack flat, the search for duplicate keys short. */
enum { MAX_DEPTH = 64, MAX_NODES = 100000, MAX_KEYS = 1000, MAX_SCALAR_BYTES = 1 << 16 };

typedef struct reader {
    yaml_parser_t parser;
    const char *name, *data;
    size_t size;
    bool has_places; /* mistakes have a line and a column */
    arena *memory;
    size_t depth, n_nodes;
    weft_error *err;
} reader;

/* libyaml counts from 0, and characters, not bytes. */
static where place(const reader *r, yaml_mark_t mark)
{
    return r->has_places ? (where){r->name, mark.line + 1, mark.column + 1} : (where){.file = r->name};
}

static where place_of_byte(const reader *r, size_t offset)
{
    yaml_mark_t mark = {0};
    for (size_t i = 0; i < offset && i < r->size; i++) {
        mark.column += ((unsigned char)r->data[i] & 0xC0) != 0x80;
        if (r->data[i] == '\n')
            mark = (yaml_mark_t){.line = mark.line + 1};
    }
    return place(r, mark);
}

static bool is_indented_with_tab(const reader *r, size_t line)
{
    const char *c = r->data, *end = r->data + r->size;
    for (; c < end && line > 0; c++)
        line -= *c == '\n';
    while (c < end && *c == ' ')
        c++;
    return c < end && *c == '\t';
}

static void refuse_syntax(const reader *r)
{
    const yaml_parser_t *p = &r->parser;
    const where at = place(r, p->problem_mark);
    if (p->error == YAML_MEMORY_ERROR)
        fail_memory(r->err);
    else if (p->error == YAML_READER_ERROR)
        fail(r->err, WEFT_BAD_INPUT, place_of_byte(r, p->problem_offset), "this is not a text in UTF-8: %s",
             p->problem);
    else if (is_indented_with_tab(r, p->problem_mark.line))
        fail(r->err, WEFT_BAD_INPUT, at, "YAML is indented with blanks, never with tabs");
    else if (p->context && r->has_places && p->context_mark.line < p->problem_mark.line)
        fail(r->err, WEFT_BAD_INPUT, at, "%s %s that begins in line %zu", p->problem, p->context,
             p->context_mark.line + 1);
    else
        fail(r->err, WEFT_BAD_INPUT, at, "%s%s%s", p->problem, p->context ? " " : "", p->context ? p->context : "");
}

static bool next(reader *r, yaml_event_t *event)
{
    if (yaml_parser_parse(&r->parser, event))
        return true;
    refuse_syntax(r);
    return false;
}

static setting *make(reader *r, int kind, where at)
{
    setting *s = arena_alloc(r->memory, sizeof *s);
    if (!s)
        fail_memory(r->err);
    else
        *s = (setting){.kind = kind, .at = at, .key_at = at};
    return s;
}

/* Refuses what cannot be skipped, so that reading ends. */
static setting *refuse(reader *r, where at, const char *why)
{
    fail(r->err, WEFT_BAD_INPUT, at, "%s", why);
    return NULL;
}

static bool is_text_character(uint32_t code)
{
    const bool control = (code < 0x20 && code != '\t' && code != '\n') || (code >= 0x7F && code <= 0x9F);
    const bool breaks_line = code == 0x2028 || code == 0x2029;
    return !control && !breaks_line && code != 0xFEFF && code != 0xFFFE && code != 0xFFFF;
}

bool yaml_is_text(const char *bytes, size_t n)
{
    uint32_t code;
    for (const char *end = bytes + n; bytes < end;) {
        const size_t length = utf8_next(bytes, &code);
        if (length == 0 || !is_text_character(code))
            return false;
        bytes += length;
    }
    return true;
}

/* ---- Reading ---- */

static setting *read_scalar(reader *r, const yaml_event_t *event)
{
    const char *value = (const char *)event->data.scalar.value;
    const size_t length = event->data.scalar.length;
    const yaml_scalar_style_t style = event->data.scalar.style;
    where at = place(r, event->start_mark);
    /* The text itself begins behind the quote: a mistake inside it counts columns from there. */
    at.column +=
        r->has_places && (style == YAML_SINGLE_QUOTED_SCALAR_STYLE || style == YAML_DOUBLE_QUOTED_SCALAR_STYLE);
    if (length > MAX_SCALAR_BYTES)
        return refuse(r, at, "this value has more than 65536 bytes, the limit; a long model is written as a list");
    if (!yaml_is_text(value, length))
        fail(r->err, WEFT_BAD_INPUT, at, "a control character cannot be part of a key or a value");
    setting *s = make(r, SETTING_SCALAR, at);
    if (s && !(s->text = arena_text(r->memory, value))) {
        fail_memory(r->err);
        return NULL;
    }
    return s;
}

static bool is_duplicate(reader *r, const setting *map, const setting *entry)
{
    const setting *first = setting_find(map, entry->key);
    if (first && r->has_places)
        fail(r->err, WEFT_BAD_INPUT, entry->key_at,
             "the key \"%s\" is there twice; the first one is in line %zu, column %zu", entry->key, first->key_at.line,
             first->key_at.column);
    else if (first)
        fail(r->err, WEFT_BAD_INPUT, entry->key_at, "the key \"%s\" is there twice", entry->key);
    return first;
}

static setting *read_value(reader *r, const yaml_event_t *event);

/* The entry whose key this is; one with a key that cannot be has none. */
static setting *read_entry(reader *r, const yaml_event_t *event)
{
    const setting *key = read_value(r, event);
    yaml_event_t value_event;
    if (!key || !next(r, &value_event))
        return NULL;
    setting *entry = read_value(r, &value_event);
    yaml_event_delete(&value_event);
    if (!entry)
        return NULL;
    if (key->kind != SETTING_SCALAR)
        fail(r->err, WEFT_BAD_INPUT, key->at, "a key is a single word, not a list or a map");
    entry->key = key->text;
    entry->key_at = key->at;
    return entry;
}

/* Reads what a list or map holds, up to its end. */
static setting *read_children(reader *r, setting *parent, yaml_event_type_t end)
{
    if (!parent)
        return NULL;
    if (r->depth == MAX_DEPTH)
        return refuse(r, parent->at, "this is nested more than 64 deep, the limit");
    r->depth++;
    size_t n = 0;
    yaml_event_t event;
    for (setting **link = &parent->first; next(r, &event);) {
        const bool done = event.type == end;
        setting *child = done ? parent : parent->kind == SETTING_MAP ? read_entry(r, &event) : read_value(r, &event);
        yaml_event_delete(&event);
        if (done)
            r->depth--;
        if (done || !child)
            return child;
        if (parent->kind == SETTING_MAP && ++n > MAX_KEYS)
            return refuse(r, child->key_at, "this map has more than 1000 keys, the limit");
        if (parent->kind == SETTING_MAP && (!child->key || is_duplicate(r, parent, child)))
            continue;
        *link = child;
        link = &child->next;
    }
    return NULL;
}

static void refuse_extras(reader *r, where at, const yaml_char_t *anchor, const yaml_char_t *tag)
{
    if (anchor)
        fail(r->err, WEFT_BAD_INPUT, at, "weft does not read anchors (&%s); write values out where they are used",
             (const char *)anchor);
    if (tag)
        fail(r->err, WEFT_BAD_INPUT, at, "weft does not read tags (%s); leave it out", (const char *)tag);
}

/* NULL: reading cannot go on. */
static setting *read_value(reader *r, const yaml_event_t *event)
{
    const where at = place(r, event->start_mark);
    if (++r->n_nodes > MAX_NODES)
        return refuse(r, at, "this text has more than 100000 keys and values, the limit");
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        refuse_extras(r, at, event->data.scalar.anchor, event->data.scalar.tag);
        return read_scalar(r, event);
    case YAML_SEQUENCE_START_EVENT:
        refuse_extras(r, at, event->data.sequence_start.anchor, event->data.sequence_start.tag);
        return read_children(r, make(r, SETTING_LIST, at), YAML_SEQUENCE_END_EVENT);
    case YAML_MAPPING_START_EVENT:
        refuse_extras(r, at, event->data.mapping_start.anchor, event->data.mapping_start.tag);
        return read_children(r, make(r, SETTING_MAP, at), YAML_MAPPING_END_EVENT);
    default:
        fail(r->err, WEFT_BAD_INPUT, at, "weft does not read aliases (*%s); write the value out",
             (const char *)event->data.alias.anchor);
        setting *stand_in = make(r, SETTING_SCALAR, at);
        if (stand_in)
            stand_in->text = "";
        return stand_in;
    }
}

/* What an event between documents gives: their value, or what was there before. NULL: reading cannot go on. */
static setting *read_outside(reader *r, const yaml_event_t *event, setting *root, bool *begun)
{
    switch (event->type) {
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return root;
    case YAML_DOCUMENT_START_EVENT:
        if (*begun)
            return refuse(r, place(r, event->start_mark),
                          "a second document begins here; one file holds one experiment");
        *begun = true;
        return root;
    default:
        return read_value(r, event);
    }
}

static setting *read_stream(reader *r)
{
    setting *root = make(r, SETTING_SCALAR, place(r, (yaml_mark_t){0}));
    if (root)
        root->text = "";
    bool begun = false, ended = false;
    while (root && !ended) {
        yaml_event_t event;
        if (!next(r, &event))
            return NULL;
        ended = event.type == YAML_STREAM_END_EVENT;
        root = read_outside(r, &event, root, &begun);
        yaml_event_delete(&event);
    }
    return root;
}

static setting *parse(reader *r)
{
    if (!yaml_parser_initialize(&r->parser)) {
        fail_memory(r->err);
        return NULL;
    }
    yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r->parser, (const unsigned char *)r->data, r->size);
    setting *root = read_stream(r);
    yaml_parser_delete(&r->parser);
    return root;
}

setting *yaml_parse(arena *a, const char *name, const char *data, size_t size, weft_error *err)
{
    return parse(&(reader){.name = name, .data = data, .size = size, .has_places = true, .memory = a, .err = err});
}

setting *yaml_parse_argument(arena *a, const char *name, const char *argument, weft_error *err)
{
    return parse(&(reader){.name = name, .data = argument, .size = strlen(argument), .memory = a, .err = err});
}

/* ---- Printing ---- */

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

/* Words with single blanks in between that mean the same inside brackets and outside. */
static bool is_plain(const char *string)
{
    if (!*string || !strchr(LETTERS "_/", *string))
        return false;
    const size_t length = strlen(string);
    return strspn(string, LETTERS "_/.+-= ") == length && string[length - 1] != ' ';
}

void yaml_print_scalar(const char *string, text *t)
{
    if (is_plain(string)) {
        text_add(t, string);
        return;
    }
    char piece[ESCAPED_BYTES];
    text_add(t, "\"");
    for (size_t n; (n = escape_next(string, piece)) > 0; string += n) {
        if (*string == '"' || *string == '\\')
            text_add(t, "\\");
        text_add(t, piece); /* \x and \u are YAML's own escapes */
    }
    text_add(t, "\"");
}

void yaml_print(const setting *s, text *t)
{
    if (s->kind == SETTING_SCALAR) {
        yaml_print_scalar(s->text, t);
        return;
    }
    text_add(t, s->kind == SETTING_LIST ? "[" : "{");
    for (const setting *child = s->first; child; child = child->next) {
        text_add(t, child == s->first ? "" : ", ");
        if (s->kind == SETTING_MAP) {
            yaml_print_scalar(child->key ? child->key : "", t);
            text_add(t, ": ");
        }
        yaml_print(child, t);
    }
    text_add(t, s->kind == SETTING_LIST ? "]" : "}");
}
