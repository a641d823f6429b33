/* Shapes, kinds of numbers, named tensors, and the safetensors files that hold them. */
#ifndef TENSOR_H
#define TENSOR_H

#include "base/base.h"

typedef enum dtype { DTYPE_U8, DTYPE_I8, DTYPE_I16, DTYPE_I32, DTYPE_I64, DTYPE_F32, DTYPE_F64, N_DTYPES } dtype;

size_t dtype_bytes(dtype type);
const char *dtype_name(dtype type); /* "uint8", as numpy and PyTorch say */

#define MAX_DIMS 8

typedef struct shape {
    size_t n_dims;
    size_t dims[MAX_DIMS];
} shape;

size_t shape_numbers(const shape *s); /* the product; 1 for no dimensions. Its factors were checked where they came from */
bool shape_equal(const shape *a, const shape *b);
const char *shape_print(const shape *s, char buffer[128]); /* "[60000, 1, 28, 28]" */

/* A named array. `data` belongs to whoever made it. */
typedef struct tensor {
    const char *name;
    dtype type;
    shape shape;
    const void *data;
} tensor;

/* What a safetensors file holds: tensors, and text under names (`__metadata__`). */
typedef struct tensor_file {
    size_t n_tensors, n_notes;
    const tensor *tensors;
    const char *const (*notes)[2]; /* key, value */
    arena memory;                  /* of a file that was read: holds everything above */
} tensor_file;

/* The bytes of such a file, with their own SHA-256 in `__metadata__`; `path` is for errors. */
weft_status tensor_file_make(const char *path, const tensor_file *file, bytes *out, weft_error *err);
/* Writes them atomically. */
weft_status tensor_file_write(const char *path, const tensor_file *file, weft_error *err);
/* Reads and checks everything before the first value is used; a SHA-256 is checked where there is one. */
weft_status tensor_file_read(const char *path, tensor_file *file, weft_error *err);
void tensor_file_close(tensor_file *file);
const tensor *tensor_file_find(const tensor_file *file, const char *name);
const char *tensor_file_note(const tensor_file *file, const char *key);
/* Refuses a file whose note "weft.format" is not a number from 1 to the newest that is known; one without the note is as good as any. */
weft_status tensor_file_check_format(const tensor_file *file, uint64_t newest, const char *path, weft_error *err);

/* ---- JSON, by jansson (json_text.c) ---- */

struct json_t;
struct json_error_t;

/* A key stands once in an object. WEFT_BAD_INPUT: `wrong`, which may be NULL, says how; no memory is told apart from that. */
weft_status json_parse(const char *string, size_t size, struct json_t **root, struct json_error_t *wrong);
/* Before something is built; afterwards, whether there was memory for all of it. */
void json_begin(void);
bool json_whole(void);
/* What was built, printed and released. NULL: memory ran out since json_begin. The caller frees the text. */
char *json_end(struct json_t *root, size_t flags);

#endif
