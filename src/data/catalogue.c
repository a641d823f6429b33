/* The data sets that are known by name: what they are called, where they lie, what their files must hash to. */
#include "data/data.h"

#include <stdlib.h>
#include <string.h>

static const char *const fashion[] = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                      "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
static const char *const digits[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};

static const catalogue_entry entries[] = {
    {
        .name = "fashion-mnist",
        .title = "Fashion-MNIST",
        .how_to_get = "apt install dataset-fashion-mnist",
        .n_classes = COUNT(fashion),
        .class_names = fashion,
        .sha256 = {{"b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
                    "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056"},
                   {"cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
                    "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05"}},
    },
    {
        .name = "mnist",
        .title = "MNIST",
        .how_to_get = "put the four .gz files of https://ossci-datasets.s3.amazonaws.com/mnist/ into one of them",
        .n_classes = COUNT(digits),
        .class_names = digits,
        .sha256 = {{"440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"},
                   {"8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"}},
    },
};

const catalogue_entry *catalogue(size_t *n)
{
    *n = COUNT(entries);
    return entries;
}

const catalogue_entry *catalogue_find(const char *name)
{
    for (size_t i = 0; i < COUNT(entries); i++)
        if (strcmp(entries[i].name, name) == 0)
            return &entries[i];
    return NULL;
}

/* The value of an environment variable, or NULL where it is unset or empty. */
static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && value[0] ? value : NULL;
}

weft_status catalogue_locate(const catalogue_entry *entry, arena *a, const char **folder, weft_error *err)
{
    const char *xdg = environment("XDG_DATA_HOME");
    if (xdg && xdg[0] != '/') /* its standard wants relative ones ignored */
        xdg = NULL;
    const char *const places[][2] = {
        {environment("WEFT_DATA"), "/"},
        {xdg ? xdg : environment("HOME"), xdg ? "/weft/" : "/.local/share/weft/"},
        {"/usr/share/datasets", "/"},
    };
    const char *candidates[COUNT(places)] = {0};
    for (size_t i = 0; i < COUNT(places); i++) {
        const char *base = places[i][0];
        *folder = candidates[i] = arena_printf(a, "%s%s%s", base ? base : "", places[i][1], entry->name);
        if (!*folder)
            return fail_memory(err);
        if (base && folder_exists(*folder))
            return WEFT_OK;
    }
    return fail(err, WEFT_BAD_INPUT, (where){.file = entry->name},
                "the data set is not here: neither in %s nor in %s nor in %s; get it: %s",
                places[0][0] ? candidates[0] : "$WEFT_DATA, which is not set,",
                places[1][0] ? candidates[1] : "$XDG_DATA_HOME, which is not set,", candidates[2], entry->how_to_get);
}
