/* What the files of this room share: pieces of JSON, and files that are one object or an object a line. */
#ifndef JSON_H
#define JSON_H

#include <jansson.h>

#include "record/record.h"

/* ---- Writing ---- */

/* Reads back to the same bits; null where it is not finite. */
void json_add_real(text *t, double value);
/* In quotes; bytes that are not UTF-8 are escaped. */
void json_add_text(text *t, const char *string);

/* ---- Reading ---- */

const char *json_kind(const json_t *value); /* "a list" */

/* The object that is a whole file; `what` names it in errors: "a run's record". The caller gives it back with json_decref. */
weft_status json_file_read(const char *path, size_t limit_bytes, const char *what, json_t **object, weft_error *err);

/* A file of lines, each an object. Its last line may lack its end. */
typedef struct json_lines {
    bytes content;
    const char *next;
    where at;       /* the line that was read last */
    size_t n_lines; /* at most so many */
} json_lines;

weft_status json_lines_open(json_lines *l, const char *path, size_t limit_bytes, weft_error *err);
/* The next line's object, the caller's; NULL: there is none. */
weft_status json_lines_next(json_lines *l, json_t **object, weft_error *err);
void json_lines_close(json_lines *l);

#endif
