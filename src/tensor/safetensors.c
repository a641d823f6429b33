/* The safetensors format (https://github.com/huggingface/safetensors#format):
 *
 *     u64      length of the header, little-endian
 *     header   JSON, padded with spaces to a multiple of 8:
 *              {"__metadata__": {"key": "text", …},
 *               "name": {"dtype": "F32", "shape": [10, 3], "data_offsets": [0, 120]}, …}
 *     data     of all tensors, without holes; offsets count from its start
 *
 * A file of ours carries two notes about itself: "checksum": "sha256" says that there must be a "sha256", which is that
 * of the whole file with the 64 digits set to '0'. Two, so that damage to the name of one cannot pass for a file
 * without a checksum. */
#include "tensor/tensor.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are read as they lie in the file");

enum {
    LENGTH_BYTES = 8,
    DIGEST_CHARS = 64,
    MAX_DEPTH = 64,
    MAX_TENSORS = 20000, /* what the parser makes of so many, with the numbers that each may have, is less than 32 MiB */
    MAX_NAME_BYTES = 4096,
    MAX_VALUES_EACH = 16, /* of a tensor: its name, three keys, a type, dimensions, two offsets */
    MAX_NOTE_VALUES = 100000,
};

#define MAX_FILE_BYTES ((size_t)8 << 30)

static const char METADATA[] = "__metadata__", DIGEST[] = "sha256", CHECKSUM[] = "checksum";
static const char ZEROS[] = "0000000000000000000000000000000000000000000000000000000000000000";

static const char *const codes[N_DTYPES] = {
    [DTYPE_U8] = "U8",   [DTYPE_I8] = "I8",   [DTYPE_I16] = "I16", [DTYPE_I32] = "I32",
    [DTYPE_I64] = "I64", [DTYPE_F32] = "F32", [DTYPE_F64] = "F64",
};

static bool is_own_note(const char *key)
{
    return strcmp(key, DIGEST) == 0 || strcmp(key, CHECKSUM) == 0;
}

static bool tensor_bytes(const tensor *t, size_t *size)
{
    *size = dtype_bytes(t->type);
    for (size_t i = 0; i < t->shape.n_dims; i++)
        if (!checked_mul(*size, t->shape.dims[i], size) || *size > SIZE_MAX / 2)
            return false;
    return true;
}

/* ---- Writing ---- */

/* Gives `value` away to `object`, under a key that must be new and text. */
static weft_status add(json_t *object, const char *key, json_t *value, const char *path, weft_error *err)
{
    where at = {.file = path};
    if (!utf8_valid(key) || json_object_get(object, key) != NULL) {
        json_decref(value);
        const char *why = utf8_valid(key) ? "stands twice among the names" : "is not UTF-8";
        return fail(err, WEFT_BAD_INPUT, at, "\"%s\" %s", key, why);
    }
    return json_object_set_new(object, key, value) == 0 ? WEFT_OK : fail_memory(err);
}

static weft_status add_note(json_t *notes, const char *key, const char *value, const char *path, weft_error *err)
{
    if (!utf8_valid(value))
        return fail(err, WEFT_BAD_INPUT, (where){.file = path}, "the text of note \"%s\" is not UTF-8", key);
    return add(notes, key, json_string(value), path, err);
}

static weft_status add_notes(json_t *header, const tensor_file *file, const char *path, weft_error *err)
{
    json_t *notes = json_object();
    TRY(add(header, METADATA, notes, path, err));
    TRY(add_note(notes, CHECKSUM, DIGEST, path, err));
    TRY(add_note(notes, DIGEST, ZEROS, path, err));
    for (size_t i = 0; i < file->n_notes; i++)
        if (!is_own_note(file->notes[i][0]))
            TRY(add_note(notes, file->notes[i][0], file->notes[i][1], path, err));
    return WEFT_OK;
}

static weft_status add_tensor(json_t *header, const tensor *t, size_t *end, const char *path, weft_error *err)
{
    size_t size, begin = *end;
    if (strlen(t->name) > MAX_NAME_BYTES || t->shape.n_dims > MAX_DIMS || !tensor_bytes(t, &size) ||
        !checked_add(*end, size, end) || *end > MAX_FILE_BYTES)
        return fail(err, WEFT_BAD_INPUT, (where){.file = path}, "tensor \"%.80s\" is too large for a file", t->name);
    json_t *dims = json_array();
    for (size_t i = 0; i < t->shape.n_dims; i++)
        if (json_array_append_new(dims, json_integer((json_int_t)t->shape.dims[i])) != 0) {
            json_decref(dims);
            return fail_memory(err);
        }
    json_t *record = json_pack("{s:s, s:o, s:[I, I]}", "dtype", codes[t->type], "shape", dims, "data_offsets",
                               (json_int_t)begin, (json_int_t)*end);
    return add(header, t->name, record, path, err);
}

/* The header's text; adds up how many bytes of data follow it. */
static weft_status print_header(const tensor_file *file, char **out, size_t *data_bytes, const char *path,
                                weft_error *err)
{
    if (file->n_tensors > MAX_TENSORS)
        return fail(err, WEFT_BAD_INPUT, (where){.file = path}, "a file can hold at most %d tensors", MAX_TENSORS);
    json_begin();
    json_t *header = json_object();
    weft_status status = header ? add_notes(header, file, path, err) : fail_memory(err);
    for (size_t i = 0; status == WEFT_OK && i < file->n_tensors; i++)
        status = add_tensor(header, &file->tensors[i], data_bytes, path, err);
    *out = json_end(header, JSON_COMPACT);
    return status == WEFT_OK && *out == NULL ? fail_memory(err) : status;
}

/* Where the 64 digits of the header's own "sha256" are: the text of a note cannot look like it, because its quotes
 * carry backslashes, and a tensor of that name is followed by a brace. NULL: they are not there, or not written
 * plainly. */
static char *find_digest(char *header, size_t length)
{
    static const char key[] = "\"sha256\"", blanks[] = " \t\r\n";
    char *end = header + length, *c = header;
    while ((c = memmem(c, (size_t)(end - c), key, sizeof key - 1)) != NULL) {
        c += sizeof key - 1;
        char *value = c + strspn(c, blanks);
        if (*value++ != ':')
            continue;
        value += strspn(value, blanks);
        if (*value++ == '"')
            return end - value > DIGEST_CHARS && value[DIGEST_CHARS] == '"' ? value : NULL;
    }
    return NULL;
}

weft_status tensor_file_make(const char *path, const tensor_file *file, bytes *out, weft_error *err)
{
    char *header = NULL, digest[DIGEST_CHARS + 1];
    size_t data_bytes = 0;
    *out = (bytes){0};
    weft_status status = print_header(file, &header, &data_bytes, path, err);
    if (status != WEFT_OK)
        goto done;
    size_t length = strlen(header);
    uint64_t padded = round_up(length, LENGTH_BYTES);
    *out = (bytes){malloc(LENGTH_BYTES + padded + data_bytes), LENGTH_BYTES + padded + data_bytes};
    if (out->data == NULL) {
        status = fail_memory(err);
        goto done;
    }
    memcpy(out->data, &padded, LENGTH_BYTES);
    memcpy(out->data + LENGTH_BYTES, header, length);
    memset(out->data + LENGTH_BYTES + length, ' ', padded - length);
    unsigned char *data = out->data + LENGTH_BYTES + padded;
    for (size_t i = 0; i < file->n_tensors; i++) {
        const tensor *t = &file->tensors[i];
        size_t n = dtype_bytes(t->type) * shape_numbers(&t->shape);
        if (n > 0)
            memcpy(data, t->data, n);
        data += n;
    }
    sha256_hex(out->data, out->size, digest);
    memcpy(out->data + LENGTH_BYTES + (find_digest(header, length) - header), digest, DIGEST_CHARS);
done:
    free(header);
    return status;
}

weft_status tensor_file_write(const char *path, const tensor_file *file, weft_error *err)
{
    bytes all;
    TRY(tensor_file_make(path, file, &all, err));
    const weft_status status = file_write(path, all.data, all.size, err);
    bytes_free(&all);
    return status;
}

/* ---- Reading ---- */

typedef struct record {
    tensor tensor;
    size_t begin, end;
} record;

/* What is being read; `file` is filled on the way. */
typedef struct reader {
    where at;
    weft_error *err;
    char *header;
    size_t header_bytes;
    const unsigned char *data;
    size_t data_bytes;
    record *records;
    tensor_file *file;
} reader;

#define REFUSE(r, ...) fail((r)->err, WEFT_BAD_INPUT, (r)->at, __VA_ARGS__)

static weft_status split(reader *r, const bytes *all)
{
    uint64_t length;
    if (all->size < LENGTH_BYTES + 2)
        return REFUSE(r, "%zu bytes are too few for a safetensors file", all->size);
    memcpy(&length, all->data, LENGTH_BYTES);
    if (length > all->size - LENGTH_BYTES)
        return REFUSE(r,
                      "is cut short or not a safetensors file: its header should have %llu bytes, but only %zu follow",
                      (unsigned long long)length, all->size - LENGTH_BYTES);
    r->header = (char *)all->data + LENGTH_BYTES;
    r->header_bytes = (size_t)length;
    r->data = all->data + LENGTH_BYTES + length;
    r->data_bytes = all->size - LENGTH_BYTES - r->header_bytes;
    return WEFT_OK;
}

/* One pass over the text before a parser builds anything from it: how deep it is nested, how many things it holds. */
static weft_status check_header(reader *r)
{
    size_t n_objects = 0, n_values = 0, depth = 0, length = r->header_bytes;
    bool quoted = false;
    while (length > 0 && r->header[length - 1] == ' ')
        length--;
    if (length < 2 || r->header[0] != '{' || r->header[length - 1] != '}')
        return REFUSE(r, "is not a safetensors file: its header is not a JSON object");
    for (size_t i = 0; i < length; i++) {
        char c = r->header[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted) {
            bool opens = c == '{' || c == '[';
            n_objects += c == '{';
            n_values += opens || c == ',' || c == ':';
            depth += opens;
            depth -= (c == '}' || c == ']') && depth > 0;
        }
        if (depth > MAX_DEPTH)
            return REFUSE(r, "its header is nested more than %d deep at byte %zu", MAX_DEPTH, i);
    }
    if (n_objects > MAX_TENSORS + 2)
        return REFUSE(r, "holds more than %d tensors", MAX_TENSORS);
    if (n_values > n_objects * MAX_VALUES_EACH + MAX_NOTE_VALUES)
        return REFUSE(r, "its header holds far more than tensors and notes need");
    return WEFT_OK;
}

static weft_status check_digest(reader *r, const bytes *all)
{
    const char *checksum = tensor_file_note(r->file, CHECKSUM), *digest = tensor_file_note(r->file, DIGEST);
    if (checksum != NULL && strcmp(checksum, DIGEST) != 0)
        return REFUSE(r, "has a checksum of the unknown kind \"%.80s\"", checksum);
    if (checksum != NULL && digest == NULL)
        return REFUSE(r, "is damaged: its checksum is missing");
    if (digest == NULL)
        return WEFT_OK;
    char *written = find_digest(r->header, r->header_bytes), actual[DIGEST_CHARS + 1];
    if (written == NULL || strlen(digest) != DIGEST_CHARS || memcmp(written, digest, DIGEST_CHARS) != 0)
        return REFUSE(r, "is damaged: its \"sha256\" is not %d plain digits", DIGEST_CHARS);
    memset(written, '0', DIGEST_CHARS);
    sha256_hex(all->data, all->size, actual);
    return strcmp(actual, digest) == 0 ? WEFT_OK : REFUSE(r, "is damaged: its contents do not match its checksum");
}

static weft_status read_notes(reader *r, json_t *notes)
{
    if (notes == NULL)
        return WEFT_OK;
    const char *key;
    json_t *value;
    if (!json_is_object(notes))
        return REFUSE(r, "its %s is not a JSON object", METADATA);
    const char *(*copies)[2] = arena_array(&r->file->memory, json_object_size(notes), sizeof *copies);
    if (copies == NULL)
        return fail_memory(r->err);
    json_object_foreach(notes, key, value) {
        if (!json_is_string(value))
            return REFUSE(r, "the note \"%.80s\" is not a text", key);
        const char **copy = copies[r->file->n_notes];
        copy[0] = arena_text(&r->file->memory, key);
        copy[1] = arena_text(&r->file->memory, json_string_value(value));
        if (copy[0] == NULL || copy[1] == NULL)
            return fail_memory(r->err);
        r->file->n_notes++;
    }
    r->file->notes = copies;
    return WEFT_OK;
}

static weft_status read_type(reader *r, tensor *t, json_t *value)
{
    const char *code = json_string_value(value);
    for (int type = 0; code != NULL && type < N_DTYPES; type++)
        if (strcmp(code, codes[type]) == 0) {
            t->type = (dtype)type;
            return WEFT_OK;
        }
    if (code == NULL)
        return REFUSE(r, "tensor \"%.80s\": its dtype is not a text", t->name);
    return REFUSE(r, "tensor \"%.80s\" has dtype \"%.20s\"; only U8, I8, I16, I32, I64, F32 and F64 can be read",
                  t->name, code);
}

static bool read_size(json_t *value, size_t *size)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *size = (size_t)json_integer_value(value);
    return true;
}

static weft_status read_shape(reader *r, tensor *t, json_t *dims)
{
    if (!json_is_array(dims))
        return REFUSE(r, "tensor \"%.80s\": its shape is not a list", t->name);
    t->shape.n_dims = json_array_size(dims);
    if (t->shape.n_dims > MAX_DIMS)
        return REFUSE(r, "tensor \"%.80s\" has %zu dimensions; at most %d can be read", t->name, t->shape.n_dims,
                      MAX_DIMS);
    for (size_t i = 0; i < t->shape.n_dims; i++)
        if (!read_size(json_array_get(dims, i), &t->shape.dims[i]))
            return REFUSE(r, "tensor \"%.80s\": dimension %zu is not a whole number", t->name, i);
    return WEFT_OK;
}

static weft_status read_record(reader *r, record *out, const char *name, json_t *object)
{
    tensor *t = &out->tensor;
    size_t size;
    t->name = name;
    json_t *type = json_object_get(object, "dtype"), *dims = json_object_get(object, "shape");
    json_t *offsets = json_object_get(object, "data_offsets");
    if (type == NULL || dims == NULL || offsets == NULL || json_object_size(object) != 3)
        return REFUSE(r, "tensor \"%.80s\" must have dtype, shape and data_offsets, and nothing else", name);
    if (strlen(name) > MAX_NAME_BYTES)
        return REFUSE(r, "the name of tensor \"%.80s…\" is longer than %d bytes", name, MAX_NAME_BYTES);
    TRY(read_type(r, t, type));
    TRY(read_shape(r, t, dims));
    if (json_array_size(offsets) != 2 || !read_size(json_array_get(offsets, 0), &out->begin) ||
        !read_size(json_array_get(offsets, 1), &out->end) || out->begin > out->end || out->end > r->data_bytes)
        return REFUSE(r, "tensor \"%.80s\": its data_offsets are not two places in the %zu bytes of data", name,
                      r->data_bytes);
    char dims_text[128];
    if (!tensor_bytes(t, &size) || size != out->end - out->begin)
        return REFUSE(r, "tensor \"%.80s\" has %zu bytes, which is not what %s of %s take", name, out->end - out->begin,
                      shape_print(&t->shape, dims_text), codes[t->type]);
    return WEFT_OK;
}

static int compare_records(const void *a, const void *b)
{
    const record *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end)
        return x->end < y->end ? -1 : 1;
    return strcmp(x->tensor.name, y->tensor.name);
}

/* Every byte of the data must belong to exactly one tensor. */
static weft_status check_places(reader *r, size_t n)
{
    size_t end = 0;
    qsort(r->records, n, sizeof *r->records, compare_records);
    for (size_t i = 0; i < n; i++) {
        if (r->records[i].begin != end)
            return REFUSE(r, "tensor \"%.80s\" begins at byte %zu of the data, but the one before ends at %zu",
                          r->records[i].tensor.name, r->records[i].begin, end);
        end = r->records[i].end;
    }
    return end == r->data_bytes ? WEFT_OK : REFUSE(r, "%zu bytes follow the last tensor", r->data_bytes - end);
}

/* Each one is copied to memory of its own, because a file's tensors need not be aligned. */
static weft_status copy_tensors(reader *r, size_t n)
{
    arena *memory = &r->file->memory;
    tensor *tensors = arena_array(memory, n, sizeof *tensors);
    if (tensors == NULL)
        return fail_memory(r->err);
    for (size_t i = 0; i < n; i++) {
        const record *from = &r->records[i];
        void *data = arena_alloc(memory, from->end - from->begin);
        tensors[i] = from->tensor;
        tensors[i].name = arena_text(memory, from->tensor.name);
        tensors[i].data = data;
        if (data == NULL || tensors[i].name == NULL)
            return fail_memory(r->err);
        memcpy(data, r->data + from->begin, from->end - from->begin);
    }
    r->file->tensors = tensors;
    r->file->n_tensors = n;
    return WEFT_OK;
}

static weft_status read_tensors(reader *r, json_t *header)
{
    const char *name;
    json_t *object;
    size_t n = 0;
    r->records = calloc(json_object_size(header) + 1, sizeof *r->records);
    if (r->records == NULL)
        return fail_memory(r->err);
    json_object_foreach(header, name, object) {
        if (strcmp(name, METADATA) != 0)
            TRY(read_record(r, &r->records[n++], name, object));
    }
    TRY(check_places(r, n));
    return copy_tensors(r, n);
}

static weft_status read_all(reader *r, const bytes *all)
{
    TRY(split(r, all));
    TRY(check_header(r));
    json_error_t error;
    json_t *header;
    weft_status status = json_parse(r->header, r->header_bytes, &header, &error);
    if (status != WEFT_OK)
        return status == WEFT_NO_MEMORY ? fail_memory(r->err) : REFUSE(r, "its header is wrong at byte %d: %s", error.position, error.text);
    status = read_notes(r, json_object_get(header, METADATA));
    if (status == WEFT_OK)
        status = check_digest(r, all);
    if (status == WEFT_OK)
        status = read_tensors(r, header);
    json_decref(header);
    return status;
}

weft_status tensor_file_read(const char *path, tensor_file *file, weft_error *err)
{
    bytes all;
    *file = (tensor_file){0};
    TRY(file_read(path, MAX_FILE_BYTES, &all, err));
    reader r = {.at = {.file = path}, .err = err, .file = file};
    weft_status status = read_all(&r, &all);
    free(r.records);
    bytes_free(&all);
    if (status != WEFT_OK)
        tensor_file_close(file);
    return status;
}

void tensor_file_close(tensor_file *file)
{
    if (file == NULL)
        return;
    arena_deinit(&file->memory);
    *file = (tensor_file){0};
}

const tensor *tensor_file_find(const tensor_file *file, const char *name)
{
    for (size_t i = 0; i < file->n_tensors; i++)
        if (strcmp(file->tensors[i].name, name) == 0)
            return &file->tensors[i];
    return NULL;
}

const char *tensor_file_note(const tensor_file *file, const char *key)
{
    for (size_t i = 0; i < file->n_notes; i++)
        if (strcmp(file->notes[i][0], key) == 0)
            return file->notes[i][1];
    return NULL;
}

weft_status tensor_file_check_format(const tensor_file *file, uint64_t newest, const char *path, weft_error *err)
{
    const char *format = tensor_file_note(file, "weft.format"), *version = tensor_file_note(file, "weft.version");
    uint64_t number = newest;
    if (format && (!parse_u64(format, &number) || number == 0))
        return fail(err, WEFT_BAD_INPUT, (where){.file = path}, "its note \"weft.format\" is \"%.80s\", which is no number of a format", format);
    if (number > newest)
        return fail(err, WEFT_BAD_INPUT, (where){.file = path}, "was written by a newer weft%s%.80s, in format %llu; this is %s, which knows formats "
                    "up to %llu", version ? ", " : "", version ? version : "", (unsigned long long)number, weft_version(),
                    (unsigned long long)newest);
    return WEFT_OK;
}
