/* Pieces of JSON, and files of it. */
#include "record/json.h"

#include <math.h>
#include <string.h>

/* print_double writes minus zero as "-0", which JSON readers take for the whole number 0. */
void json_add_real(text *t, double value)
{
    char buffer[32];
    text_add(t, value == 0 && signbit(value) ? "-0.0" : print_double(value, buffer));
}

void json_add_reals(text *t, const json_key *keys, size_t n, const void *of)
{
    for (size_t i = 0; i < n; i++) {
        text_printf(t, "%s\"%s\": ", i ? ", " : "", keys[i].name);
        json_add_real(t, json_real_of(&keys[i], of));
    }
}

void json_add_text(text *t, const char *string)
{
    text clean = {0};
    json_begin();
    json_t *value = json_string(string);
    if (!value) { /* bytes that are not UTF-8, from a command line */
        text_add_escaped(&clean, string);
        value = clean.failed ? NULL : json_string(clean.data ? clean.data : "");
    }
    char *quoted = json_end(value, JSON_ENCODE_ANY);
    if (quoted)
        text_add(t, quoted);
    else
        t->failed = true;
    free(quoted);
    text_free(&clean);
}

const char *json_kind(const json_t *value)
{
    static const char *const kinds[] = {[JSON_OBJECT] = "an object",       [JSON_ARRAY] = "a list",
                                        [JSON_STRING] = "a text",          [JSON_INTEGER] = "a whole number",
                                        [JSON_REAL] = "a number",          [JSON_TRUE] = "true",
                                        [JSON_FALSE] = "false",            [JSON_NULL] = "null"};
    return kinds[json_typeof(value)];
}

weft_status json_wrong(const json_reader *r, const char *name, const json_t *value, const char *wanted)
{
    return fail(r->err, WEFT_BAD_INPUT, r->at, "'%s' is %s; it must be %s", name, value ? json_kind(value) : "missing", wanted);
}

weft_status json_read_size(const json_reader *r, const json_t *object, const char *name, bool needed, size_t *out)
{
    const json_t *value = json_object_get(object, name);
    if (!value && !needed)
        return WEFT_OK;
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return json_wrong(r, name, value, "a whole number of 0 or more");
    *out = (size_t)json_integer_value(value);
    return WEFT_OK;
}

weft_status json_read_real(const json_reader *r, const json_t *object, const char *name, bool needed, double *out)
{
    const json_t *value = json_object_get(object, name);
    *out = json_is_number(value) ? json_number_value(value) : NAN;
    return json_is_number(value) || json_is_null(value) || (!value && !needed) ? WEFT_OK : json_wrong(r, name, value, "a number or null");
}

weft_status json_read_reals(const json_reader *r, const json_t *object, const json_key *keys, size_t n, bool needed, void *of)
{
    for (size_t i = 0; i < n; i++)
        TRY(json_read_real(r, object, keys[i].name, needed, member_of(of, keys[i].offset)));
    return WEFT_OK;
}

weft_status json_read_text(const json_reader *r, const json_t *object, const char *name, const char **out)
{
    const json_t *value = json_object_get(object, name);
    if (!json_is_string(value))
        return json_wrong(r, name, value, "a text");
    return (*out = arena_text(r->memory, json_string_value(value))) ? WEFT_OK : fail_memory(r->err);
}

weft_status json_file_read(const char *path, size_t limit_bytes, const char *what, json_t **object, weft_error *err)
{
    bytes content = {0};
    where at = {.file = path};
    json_error_t wrong;
    TRY(file_read(path, limit_bytes, &content, err));
    json_t *root;
    const weft_status parsed = json_parse((const char *)content.data, content.size, &root, &wrong);
    bytes_free(&content);
    if (json_is_object(root)) {
        *object = root;
        return WEFT_OK;
    }
    if (parsed == WEFT_NO_MEMORY)
        return fail_memory(err);
    if (!root) {
        at.line = wrong.line > 0 ? (size_t)wrong.line : 0;
        at.column = wrong.column > 0 ? (size_t)wrong.column : 1;
    }
    const weft_status status = fail(err, WEFT_BAD_INPUT, at, "%s; %s is one JSON object", root ? json_kind(root) : wrong.text, what);
    json_decref(root);
    return status;
}

weft_status json_lines_open(json_lines *l, const char *path, size_t limit_bytes, weft_error *err)
{
    *l = (json_lines){.at = {.file = path}};
    TRY(file_read(path, limit_bytes, &l->content, err));
    l->next = (const char *)l->content.data;
    l->n_lines = l->content.size / LEAST_LINE_BYTES + 1;
    return WEFT_OK;
}

weft_status json_lines_next(json_lines *l, json_t **object, weft_error *err)
{
    const char *end = (const char *)l->content.data + l->content.size, *line = l->next;
    json_error_t wrong;
    *object = NULL;
    if (line >= end)
        return WEFT_OK;
    const char *newline = memchr(line, '\n', (size_t)(end - line)), *line_end = newline ? newline : end;
    l->next = newline ? newline + 1 : end;
    l->at.line++;
    json_t *root;
    const weft_status parsed = json_parse(line, (size_t)(line_end - line), &root, &wrong);
    if (json_is_object(root) && l->at.line <= l->n_lines) {
        *object = root;
        return WEFT_OK;
    }
    if (parsed == WEFT_NO_MEMORY)
        return fail_memory(err);
    where at = l->at;
    if (json_is_object(root)) {
        json_decref(root);
        return fail(err, WEFT_BAD_INPUT, at, "the lines up to here are too short to hold what each must");
    }
    if (!root)
        at.column = wrong.column > 0 ? (size_t)wrong.column : 1;
    const weft_status status = root ? fail(err, WEFT_BAD_INPUT, at, "%s; every line is one JSON object", json_kind(root))
                                    : fail(err, WEFT_BAD_INPUT, at, "%s; every line is one JSON object, remove those that are not", wrong.text);
    json_decref(root);
    return status;
}

void json_lines_close(json_lines *l) { bytes_free(&l->content); }
