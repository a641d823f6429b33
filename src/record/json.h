/* What the files of this room share: pieces of JSON, and files that are one object or an object a line. */
#ifndef JSON_H
#define JSON_H

#include <jansson.h>

#include "record/record.h"
#include "tensor/tensor.h"

/* A double of a struct, under its name. */
typedef struct json_key {
    const char *name;
    size_t offset;
} json_key;

static inline double json_real_of(const json_key *key, const void *of) { return *(const double *)const_member_of(of, key->offset); }

/* ---- Writing ---- */

/* Reads back to the same bits; null where it is not finite. */
void json_add_real(text *t, double value);
/* "NAME": value, "NAME": value */
void json_add_reals(text *t, const json_key *keys, size_t n, const void *of);
/* In quotes; bytes that are not UTF-8 are escaped. */
void json_add_text(text *t, const char *string);

/* ---- Reading ---- */

const char *json_kind(const json_t *value); /* "a list" */

/* What is being read, and where its texts live. */
typedef struct json_reader {
    where at;
    arena *memory;
    weft_error *err;
} json_reader;

/* "'NAME' is a list; it must be WANTED" */
weft_status json_wrong(const json_reader *r, const char *name, const json_t *value, const char *wanted);
/* A value of an object. One that is not needed and not there leaves *out as it was. */
weft_status json_read_size(const json_reader *r, const json_t *object, const char *name, bool needed, size_t *out);
/* null, and what is missing where it need not be there, become NaN. */
weft_status json_read_real(const json_reader *r, const json_t *object, const char *name, bool needed, double *out);
weft_status json_read_reals(const json_reader *r, const json_t *object, const json_key *keys, size_t n, bool needed, void *of);
weft_status json_read_text(const json_reader *r, const json_t *object, const char *name, const char **out);

/* The object that is a whole file; `what` names it in errors: "a run's record". The caller gives it back with json_decref. */
weft_status json_file_read(const char *path, size_t limit_bytes, const char *what, json_t **object, weft_error *err);

/* A file of lines, each an object. Its last line may lack its end. */
typedef struct json_lines {
    bytes content;
    const char *next;
    where at;       /* the line that was read last */
    size_t n_lines; /* at most so many */
} json_lines;

enum { LEAST_LINE_BYTES = 64 }; /* of a line in the mean: what is made of lines gets memory for as many as the file can hold */

weft_status json_lines_open(json_lines *l, const char *path, size_t limit_bytes, weft_error *err);
/* The next line's object, the caller's; NULL: there is none. */
weft_status json_lines_next(json_lines *l, json_t **object, weft_error *err);
void json_lines_close(json_lines *l);

#endif
