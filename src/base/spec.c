/* Tables of fields together, and settings back to a text: a name and what differs from its defaults. */
#include <string.h>

#include "base/base.h"

field *fields_join(const field *first, const field *second, size_t offset, arena *a)
{
    static const field none[] = {{0}};
    const size_t n = fields_count(first ? first : none), more = fields_count(second ? second : none);
    field *both = arena_array(a, n + more + 1, sizeof *both);
    for (size_t i = 0; both && i < n + more; i++) {
        both[i] = i < n ? first[i] : second[i - n];
        both[i].offset += i < n ? 0 : offset;
    }
    return both;
}

static void add_field(const field *f, const void *values, const char *pattern, text *t)
{
    const field one[] = {*f, {0}};
    fields_print(one, values, pattern, "", t);
}

static bool is_usual(const field *f, const void *values, const void *usual)
{
    text value = {0}, usual_value = {0};
    add_field(f, values, "%.0s%s", &value);
    add_field(f, usual, "%.0s%s", &usual_value);
    /* in doubt it is shown: a setting must not get lost because memory ran out */
    const bool same = !value.failed && !usual_value.failed && value.length == usual_value.length &&
                      (!value.length || strcmp(value.data, usual_value.data) == 0);
    text_free(&value);
    text_free(&usual_value);
    return same;
}

const char *fields_spec(const char *name, const field *table, const void *values, bool named, arena *a)
{
    size_t bytes_needed = 0;
    text t = {0};
    for (const field *f = table; f && f->name; f++)
        bytes_needed = MAX(bytes_needed, f->offset + sizeof(double[2])); /* no field is larger */
    void *usual = arena_alloc(a, MAX(bytes_needed, 1));
    if (!usual)
        return NULL;
    text_add(&t, name);
    if (table)
        fields_default(table, usual);
    for (const field *f = table; f && f->name; f++) {
        const bool always = f->flags & FIELD_REQUIRED || (named && f == table);
        if (always || !is_usual(f, values, usual))
            add_field(f, values, f->flags & FIELD_BARE && !named ? " %.0s%s" : " %s=%s", &t);
    }
    const char *spec = t.failed ? NULL : arena_text(a, t.data);
    text_free(&t);
    return spec;
}
