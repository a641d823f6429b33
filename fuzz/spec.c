/* Texts such as "sgd lr=0.1 nesterov=true", and lists of them; and fields of every type that specs can print: printed, they read back to the
 * same. */
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

typedef struct values {
    size_t size;
    uint64_t seed;
    int32_t whole;
    double real, pair[2];
    number_list reals;
    bool flag;
    const char *text, *choice;
    const char *const *words;
    size_list sizes;
} values;

static const char *const choices[] = {"sum", "mean", NULL};
static const field fields[] = {
    {"size", FIELD_SIZE, offsetof(values, size), FIELD_BARE, .text = "all"},
    {"seed", FIELD_U64, offsetof(values, seed), 0, .min = 0},
    {"whole", FIELD_INT, offsetof(values, whole), 0, .min = -100, .max = 100},
    {"real", FIELD_REAL, offsetof(values, real), FIELD_BARE, .min = -1e300, .max = 1e300},
    {"pair", FIELD_PAIR, offsetof(values, pair), FIELD_BELOW_MAX, .min = 0, .max = 1},
    {"reals", FIELD_REALS, offsetof(values, reals), 0, .min = -10, .max = 10},
    {"flag", FIELD_BOOL, offsetof(values, flag), 0, .min = 0},
    {"text", FIELD_TEXT, offsetof(values, text), 0, .text = NULL},
    {"choice", FIELD_TEXT, offsetof(values, choice), 0, .text = "mean", .words = choices},
    {"words", FIELD_WORDS, offsetof(values, words), 0, .text = NULL},
    {"sizes", FIELD_SIZES, offsetof(values, sizes), 0, .min = 0},
    {0},
};

static const char *const name_key[] = {"name", NULL};

/* "name key=value …" of the fields that a spec has; NULL: it has mistakes. */
static char *filled(arena *a, const char *spec)
{
    weft_error err = {0};
    values v;
    text t = {0};
    const setting *map = setting_from_spec(a, spec, (where){.file = "spec", .line = 1, .column = 1}, &err);
    CHECK((map == NULL) == (err.count > 0));
    const weft_status status = map ? fields_read(fields, map, "spec", name_key, &v, a, &err) : WEFT_BAD_INPUT;
    CHECK((status == WEFT_OK) == (err.count == 0));
    if (status != WEFT_OK)
        return NULL;
    text_add(&t, "name ");
    fields_print(fields, &v, "%s=%s", " ", &t);
    char *printed = arena_text(a, t.data);
    text_free(&t);
    CHECK(printed);
    return printed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    arena a = {0};
    weft_error err = {0};
    char *spec = text_of(data, size);
    refusal_begin();
    const setting *list = setting_list_from_specs(&a, spec, (where){.file = "specs", .line = 1, .column = 1}, &err);
    refusal_end(list ? WEFT_OK : WEFT_BAD_INPUT, &err, size);
    const char *once = filled(&a, spec), *twice = once ? filled(&a, once) : NULL;
    CHECK(!once || (twice && strcmp(once, twice) == 0));
    arena_deinit(&a);
    free(spec);
    return 0;
}
