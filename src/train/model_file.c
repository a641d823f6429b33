/* Models on disk: safetensors with torch.nn.Sequential's names; what else a model needs to predict stands in its notes. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/within.h"

/* A node's tensors of a kind. */
static const param *params_of(const node *n, block_kind kind, size_t *count)
{
    *count = kind == BLOCKS_PARAMS ? n->n_params : n->n_buffers;
    return kind == BLOCKS_PARAMS ? n->params : n->buffers;
}

size_t model_tensors(const weft_model *m, block_kind kind)
{
    size_t sum = 0, n;
    for (size_t i = 0; i < m->graph.n_nodes; i++, sum += n)
        params_of(&m->graph.nodes[i], kind, &n);
    return sum;
}

static const char *tensor_name(const named_blocks *b, const node *n, const param *p, arena *a)
{
    return arena_printf(a, "%s%s.%s%s", b->prefix, n->path, p->name, b->suffix);
}

static operand buffer_rows(const node *n, real *block)
{
    operand rows = n->buffer_block;
    rows.data = block;
    return rows;
}

/* A count is a whole number, as PyTorch has it; everything else is float32. */
static bool is_count(const param *p) { return p->shape.n_dims == 0; }

static weft_status export_buffers(const node *n, const named_blocks *from, tensor *tensors, arena *a)
{
    const operand rows = buffer_rows(n, from->blocks[n->index]);
    for (size_t b = 0; b < n->n_buffers; b++) {
        const param *p = &n->buffers[b];
        const size_t numbers = shape_numbers(&p->shape);
        const char *name = tensor_name(from, n, p, a);
        float *values = arena_array(a, numbers, sizeof *values);
        int64_t *count = arena_alloc(a, sizeof *count);
        if (!name || !values || !count)
            return WEFT_NO_MEMORY;
        for (size_t i = 0; i < numbers; i++)
            values[i] = (float)*element(&rows, b, i);
        *count = (int64_t)values[0];
        tensors[b] = (tensor){name, is_count(p) ? DTYPE_I64 : DTYPE_F32, p->shape, is_count(p) ? (const void *)count : values};
    }
    return WEFT_OK;
}

static weft_status export_params(const node *n, const named_blocks *from, tensor *tensors, arena *a)
{
    float *params[MAX_PARAMS] = {0};
    for (size_t p = 0; p < n->n_params; p++) {
        params[p] = arena_array(a, shape_numbers(&n->params[p].shape), sizeof(float));
        const char *name = tensor_name(from, n, &n->params[p], a);
        if (!params[p] || !name)
            return WEFT_NO_MEMORY;
        tensors[p] = (tensor){name, DTYPE_F32, n->params[p].shape, params[p]};
    }
    if (n->n_params)
        n->op->unpack(n, from->blocks[n->index], params);
    return WEFT_OK;
}

weft_status model_export(const weft_model *m, const named_blocks *from, tensor *tensors, size_t *n_tensors, arena *a)
{
    for (size_t i = 0; i < m->graph.n_nodes; i++) {
        const node *n = &m->graph.nodes[i];
        size_t count;
        params_of(n, from->kind, &count);
        TRY((from->kind == BLOCKS_PARAMS ? export_params : export_buffers)(n, from, tensors + *n_tensors, a));
        *n_tensors += count;
    }
    return WEFT_OK;
}

/* What is being imported, and from where. */
typedef struct import {
    const named_blocks *to;
    const tensor_file *file;
    const char *path;
    arena names;
    weft_error *err;
} import;

static weft_status find_param(import *in, const node *n, const param *p, const void **data)
{
    const char *name = tensor_name(in->to, n, p, &in->names);
    const tensor *t = name ? tensor_file_find(in->file, name) : NULL;
    const dtype type = is_count(p) ? DTYPE_I64 : DTYPE_F32;
    char found[128], wanted[128];
    if (!name)
        return fail_memory(in->err);
    if (!t)
        return fail(in->err, WEFT_BAD_INPUT, (where){in->path, 0, 0}, "no tensor \"%s\"; the model's %s needs one of shape %s", name, n->spec,
                    shape_print(&p->shape, wanted));
    if (t->type != type || !shape_equal(&t->shape, &p->shape))
        return fail(in->err, WEFT_BAD_INPUT, (where){in->path, 0, 0}, "tensor \"%s\" is %s %s, but the model's %s needs %s %s", name,
                    dtype_name(t->type), shape_print(&t->shape, found), n->spec, dtype_name(type), shape_print(&p->shape, wanted));
    *data = t->data;
    return WEFT_OK;
}

static void import_buffers(const node *n, const void *const data[], real *block)
{
    const operand rows = buffer_rows(n, block);
    for (size_t b = 0; b < n->n_buffers; b++)
        for (size_t i = 0; i < shape_numbers(&n->buffers[b].shape); i++)
            *element(&rows, b, i) = is_count(&n->buffers[b]) ? (real)*(const int64_t *)data[b] : (real)((const float *)data[b])[i];
}

/* Without blocks it is only seen whether the file has what the node needs. */
static weft_status import_node(import *in, const node *n)
{
    const void *data[MAX(MAX_PARAMS, MAX_BUFFERS)] = {0};
    size_t count;
    const param *params = params_of(n, in->to->kind, &count);
    weft_status status = WEFT_OK;
    for (size_t p = 0; p < count; p++) {
        const weft_status one = find_param(in, n, &params[p], &data[p]);
        status = status == WEFT_OK ? one : status;
    }
    if (status != WEFT_OK || !count || !in->to->blocks)
        return status;
    if (in->to->kind == BLOCKS_PARAMS)
        n->op->pack(n, (const float *const *)data, in->to->blocks[n->index]);
    else
        import_buffers(n, data, in->to->blocks[n->index]);
    return WEFT_OK;
}

weft_status model_import(const weft_model *m, const named_blocks *to, const tensor_file *file, const char *path, weft_error *err)
{
    import in = {to, file, path, {0}, err};
    weft_status status = WEFT_OK;
    for (size_t i = 0; i < m->graph.n_nodes; i++) {
        const weft_status one = import_node(&in, &m->graph.nodes[i]);
        status = status == WEFT_OK ? one : status;
    }
    arena_deinit(&in.names);
    return status;
}

static size_t all_tensors(const weft_model *m) { return model_tensors(m, BLOCKS_PARAMS) + model_tensors(m, BLOCKS_BUFFERS); }

/* ---- Notes ---- */

enum { MAX_NOTES = 9, FORMAT = 1 };

static char *classes_json(const weft_model *m)
{
    json_begin();
    json_t *list = json_array();
    for (size_t i = 0; i < m->n_classes; i++)
        json_array_append_new(list, json_string(m->class_names[i]));
    return json_end(list, JSON_COMPACT);
}

/* The keys of weft.image. */
static const struct {
    const char *name;
    size_t offset; /* in image_kind, of a double */
    double min, max;
} image_keys[] = {
    {"black", offsetof(image_kind, black), -1e30, 1e30},
    {"white", offsetof(image_kind, white), -1e30, 1e30},
    {"background", offsetof(image_kind, background), 0, 1},
    {"fill", offsetof(image_kind, fill), 1e-3, 1},
};

/* "": its samples are no pictures. NULL: no memory. */
static const char *image_json(const image_kind *image, arena *a)
{
    text t = {0};
    char number[32];
    if (!image->channels)
        return "";
    text_printf(&t, "{\"channels\":%zu,\"height\":%zu,\"width\":%zu", image->channels, image->height, image->width);
    for (size_t i = 0; i < COUNT(image_keys); i++)
        text_printf(&t, ",\"%s\":%s", image_keys[i].name, print_double(*(const double *)const_member_of(image, image_keys[i].offset), number));
    text_add(&t, "}");
    const char *json = t.failed ? NULL : arena_text(a, t.data);
    text_free(&t);
    return json;
}

static weft_status make_file(const weft_model *m, const char *path, bytes *out, arena *a, weft_error *err)
{
    tensor_file file = {0};
    tensor *tensors = arena_array(a, MAX(all_tensors(m), 1), sizeof *tensors);
    const char *(*notes)[2] = arena_array(a, MAX_NOTES, sizeof *notes);
    char number[32], *classes = classes_json(m);
    const char *own_classes = classes ? arena_text(a, classes) : NULL;
    free(classes);
    if (!tensors || !notes || !own_classes ||
        model_export(m, &(named_blocks){"", "", BLOCKS_PARAMS, m->weights}, tensors, &file.n_tensors, a) != WEFT_OK ||
        model_export(m, &(named_blocks){"", "", BLOCKS_BUFFERS, m->buffers}, tensors, &file.n_tensors, a) != WEFT_OK)
        return fail_memory(err);
    const char *const all[][2] = {
        {"weft.format", arena_printf(a, "%d", FORMAT)},
        {"weft.layers", m->layers},
        {"weft.features", arena_printf(a, "%zu", m->graph.in)},
        {"weft.scale", arena_text(a, print_double(m->scale, number))},
        {"weft.data", m->data ? m->data : ""},
        {"weft.classes", own_classes},
        {"weft.image", image_json(&m->image, a)},
        {"weft.task", known_tasks[m->task].name},
        {"weft.loss", m->loss ? m->loss : ""},
    };
    for (size_t i = 0; i < COUNT(all); i++) {
        if (!all[i][1])
            return fail_memory(err);
        memcpy(notes[i], all[i], sizeof all[i]);
    }
    file.tensors = tensors;
    file.notes = (const char *const(*)[2])notes;
    file.n_notes = COUNT(all);
    return tensor_file_make(path, &file, out, err);
}

weft_status model_make_file(const weft_model *m, const char *path, bytes *out, weft_error *err)
{
    if (!m->weights)
        return fail(err, WEFT_BAD_INPUT, (where){path, 0, 0}, "the model has no parameters yet; there is nothing to save");
    arena a = {0};
    const weft_status status = make_file(m, path, out, &a, err);
    arena_deinit(&a);
    return status;
}

weft_status weft_model_save(const weft_model *m, const char *path, weft_error *err)
{
    bytes file;
    TRY(model_make_file(m, path, &file, err));
    const weft_status status = file_write(path, file.data, file.size, err);
    bytes_free(&file);
    return status;
}

/* How many numbers a sample has: what the file says, or the width of the first weight where another program wrote it. */
static size_t features_of(const tensor_file *file)
{
    const char *note = tensor_file_note(file, "weft.features");
    uint64_t n;
    if (note && parse_u64(note, &n) && n <= SIZE_MAX)
        return (size_t)n;
    const tensor *first = NULL;
    unsigned long lowest = 0;
    for (size_t i = 0; i < file->n_tensors; i++) {
        const tensor *t = &file->tensors[i];
        char *end;
        const unsigned long layer = strtoul(t->name, &end, 10);
        if (strcmp(end, ".weight") == 0 && t->shape.n_dims == 2 && (!first || layer < lowest)) {
            first = t;
            lowest = layer;
        }
    }
    return first ? first->shape.dims[1] : 0;
}

static weft_status read_classes(weft_model *m, const char *note, arena *a)
{
    json_t *list;
    const bool parsed = json_parse(note, strlen(note), &list, NULL) != WEFT_NO_MEMORY;
    const size_t n = json_array_size(list); /* 0 for what is no list */
    const char **names = arena_array(a, MAX(n, 1), sizeof *names);
    bool good = names != NULL, memory = parsed && names;
    for (size_t i = 0; i < n && good; i++) {
        const char *name = json_string_value(json_array_get(list, i));
        names[i] = name ? arena_text(a, name) : NULL;
        memory = memory && (names[i] || !name);
        good = names[i] != NULL;
    }
    json_decref(list);
    if (good && n) {
        m->class_names = names;
        m->n_classes = n;
    }
    return memory ? WEFT_OK : WEFT_NO_MEMORY;
}

static bool read_image_size(const json_t *object, size_t features, image_kind *image)
{
    size_t *const sizes[] = {&image->channels, &image->height, &image->width};
    static const char *const names[] = {"channels", "height", "width"};
    size_t numbers = 1;
    for (size_t i = 0; i < COUNT(names); i++) {
        const json_int_t value = json_integer_value(json_object_get(object, names[i]));
        if (value <= 0 || !checked_mul(numbers, (size_t)value, &numbers))
            return false;
        *sizes[i] = (size_t)value;
    }
    return numbers == features && (image->channels == 1 || image->channels == 3);
}

static weft_status read_image(weft_model *m, const char *note, const char *path, weft_error *err)
{
    json_t *object;
    if (json_parse(note, strlen(note), &object, NULL) == WEFT_NO_MEMORY)
        return fail_memory(err);
    image_kind image = {0};
    bool good = read_image_size(object, m->graph.in, &image);
    for (size_t i = 0; i < COUNT(image_keys) && good; i++) {
        const json_t *value = json_object_get(object, image_keys[i].name);
        const double number = json_number_value(value);
        good = json_is_number(value) && number >= image_keys[i].min && number <= image_keys[i].max;
        *(double *)member_of(&image, image_keys[i].offset) = number;
    }
    json_decref(object);
    if (!good || image.black == image.white)
        return fail(err, WEFT_BAD_INPUT, (where){path, 0, 0}, "its image is \"%s\", which says no picture of %zu numbers", note, m->graph.in);
    m->image = image;
    return WEFT_OK;
}

/* A format is never given up: a later weft reads what an earlier one wrote. */
static weft_status check_format(const tensor_file *file, const char *path, weft_error *err)
{
    const char *note = tensor_file_note(file, "weft.format");
    uint64_t format = FORMAT; /* also of what another program wrote */
    if (note && !parse_u64(note, &format))
        return fail(err, WEFT_BAD_INPUT, (where){path, 0, 0}, "its format is \"%s\", which is no number", note);
    if (format > FORMAT)
        return fail(err, WEFT_BAD_INPUT, (where){path, 0, 0}, "a later weft wrote it, in format %llu; this one, %s, reads up to %d: use the later one",
                    (unsigned long long)format, weft_version(), FORMAT);
    return WEFT_OK;
}

/* The first number that is none, in words; NULL: all are numbers, or no memory. */
static const char *find_odd(const tensor_file *file, arena *a)
{
    for (size_t i = 0; i < file->n_tensors; i++) {
        const tensor *t = &file->tensors[i];
        const float *numbers = t->data;
        for (size_t k = 0; t->type == DTYPE_F32 && k < shape_numbers(&t->shape); k++)
            if (!isfinite(numbers[k]))
                return arena_printf(a, "number %zu of tensor \"%s\" is %g: the run that left it diverged", k, t->name, (double)numbers[k]);
    }
    return NULL;
}

static weft_status take(weft_model *m, const tensor_file *file, const char *path, weft_error *err)
{
    TRY(check_format(file, path, err));
    const char *scale = tensor_file_note(file, "weft.scale"), *classes = tensor_file_note(file, "weft.classes");
    const char *data = tensor_file_note(file, "weft.data"), *loss = tensor_file_note(file, "weft.loss");
    const char *task = tensor_file_note(file, "weft.task"), *image = tensor_file_note(file, "weft.image");
    TRY(tensor_file_check_format(file, 1, path, err));
    const size_t found = features_of(file), features = found || !m->weights ? found : m->graph.in; /* which the caller may know */
    if (!features)
        return fail(err, WEFT_BAD_INPUT, (where){path, 0, 0}, "no \"0.weight\" of two dimensions says how many numbers a sample has; is this "
                    "a model of torch.nn.Sequential's form? Then call weft_model_init first");
    TRY(m->weights ? model_prepare(m, features, err) : graph_infer(&m->graph, features, err));
    if (file->n_tensors != all_tensors(m))
        fail(err, WEFT_BAD_INPUT, (where){path, 0, 0}, "the file has %zu tensors, but the model \"%s\" needs %zu", file->n_tensors, m->layers,
             all_tensors(m));
    /* Parameters get their memory when the file is known to have them. */
    TRY(model_import(m, &(named_blocks){"", "", BLOCKS_PARAMS, NULL}, file, path, err));
    TRY(model_import(m, &(named_blocks){"", "", BLOCKS_BUFFERS, NULL}, file, path, err));
    if (file->n_tensors != all_tensors(m))
        return WEFT_BAD_INPUT;
    TRY(model_prepare(m, features, err));
    m->version++;
    TRY(model_import(m, &(named_blocks){"", "", BLOCKS_PARAMS, m->weights}, file, path, err));
    TRY(model_import(m, &(named_blocks){"", "", BLOCKS_BUFFERS, m->buffers}, file, path, err));
    m->odd = find_odd(file, &m->memory);
    if (scale && (!parse_double(scale, &m->scale) || m->scale <= 0))
        return fail(err, WEFT_BAD_INPUT, (where){path, 0, 0}, "its scale is \"%s\", which is not a number above 0", scale);
    if (task && !task_find(task, &m->task))
        return fail(err, WEFT_BAD_INPUT, (where){path, 0, 0}, "its task is \"%s\", of which nothing is known", task);
    if (image && *image)
        TRY(read_image(m, image, path, err));
    if ((data && *data && !(m->data = arena_text(&m->memory, data))) || (loss && *loss && !(m->loss = arena_text(&m->memory, loss))))
        return fail_memory(err);
    return classes ? read_classes(m, classes, &m->memory) : WEFT_OK;
}

weft_status weft_model_load(weft_model *m, const char *path, weft_error *err)
{
    tensor_file file;
    TRY(tensor_file_read(path, &file, err));
    weft_status status = take(m, &file, path, err);
    tensor_file_close(&file);
    if (status == WEFT_OK && m->odd) /* nothing can be learned from there */
        status = fail(err, WEFT_BAD_INPUT, (where){path, 0, 0}, "%s; take the parameters of another run", m->odd);
    return status;
}

weft_model *weft_model_open(const char *path, weft_error *err)
{
    tensor_file file;
    if (tensor_file_read(path, &file, err) != WEFT_OK)
        return NULL;
    const char *layers = tensor_file_note(&file, "weft.layers");
    weft_model *m = NULL;
    if (layers)
        m = weft_model_create(layers, err);
    else
        fail(err, WEFT_BAD_INPUT, (where){path, 0, 0}, "the file does not name its layers: weft did not write it; load it into a model that you create");
    if (m && take(m, &file, path, err) != WEFT_OK) {
        weft_model_free(m);
        m = NULL;
    }
    tensor_file_close(&file);
    return m;
}
