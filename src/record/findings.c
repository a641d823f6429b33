/* diagnosis.json: what the diagnosis has to say of a run. */
#include "record/json.h"

#define FINDINGS_LIMIT ((size_t)1 << 23)

weft_status findings_write(const char *folder, const findings *f, weft_error *err)
{
    arena a = {0};
    text t = {0};
    text_add(&t, "{\"findings\": [");
    for (size_t i = 0; i < f->n; i++) {
        const finding *one = &f->all[i];
        text_add(&t, i ? ",\n    {\"name\": " : "\n    {\"name\": ");
        json_add_text(&t, one->name);
        text_add(&t, ", \"confidence\": ");
        json_add_real(&t, one->confidence);
        text_add(&t, ", \"sentence\": ");
        json_add_text(&t, one->sentence);
        text_printf(&t, ", \"evidence\": %s, \"remedy\": ", one->evidence);
        json_add_text(&t, one->remedy);
        text_add(&t, "}");
    }
    text_add(&t, f->n ? "\n]}\n" : "]}\n");
    const char *path = path_join(&a, folder, "diagnosis.json");
    const weft_status status = t.failed || !path ? fail_memory(err) : file_write(path, t.data, t.length, err);
    text_free(&t);
    arena_deinit(&a);
    return status;
}

static weft_status read_finding(const json_reader *r, const json_t *object, finding *f)
{
    if (!json_is_object(object))
        return json_wrong(r, "findings", object, "objects");
    json_t *evidence = json_object_get(object, "evidence");
    TRY(json_read_text(r, object, "name", &f->name));
    TRY(json_read_real(r, object, "confidence", true, &f->confidence));
    TRY(json_read_text(r, object, "sentence", &f->sentence));
    TRY(json_read_text(r, object, "remedy", &f->remedy));
    if (!json_is_object(evidence))
        return json_wrong(r, "evidence", evidence, "an object");
    json_begin();
    char *printed = json_end(json_incref(evidence), 0);
    f->evidence = printed ? arena_text(r->memory, printed) : NULL;
    free(printed);
    return f->evidence ? WEFT_OK : fail_memory(r->err);
}

weft_status findings_read(const char *folder, findings *out, bool *known, arena *a, weft_error *err)
{
    const char *path = path_join(a, folder, "diagnosis.json");
    json_t *root;
    *out = (findings){0};
    if (!path)
        return fail_memory(err);
    *known = file_exists(path);
    if (!*known)
        return WEFT_OK;
    TRY(json_file_read(path, FINDINGS_LIMIT, "a diagnosis", &root, err));
    const json_reader r = {{.file = path}, a, err};
    const json_t *list = json_object_get(root, "findings");
    finding *all = arena_array(a, MAX(json_array_size(list), 1), sizeof *all);
    weft_status status = !all ? fail_memory(err) : json_is_array(list) ? WEFT_OK : json_wrong(&r, "findings", list, "a list");
    *out = (findings){status == WEFT_OK ? json_array_size(list) : 0, all};
    for (size_t i = 0; i < out->n && status == WEFT_OK; i++)
        status = read_finding(&r, json_array_get(list, i), &all[i]);
    json_decref(root);
    return status;
}
