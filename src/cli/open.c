/* What commands that open data sets and experiment files share. */
#include <string.h>

#include "cli/cli.h"

weft_dataset *open_data(const char *name, bool allow_trailing, weft_error *err)
{
    weft_dataset *data = weft_dataset_open_with(name, &(weft_dataset_options){.allow_trailing = allow_trailing}, err);
    if (data)
        print_warnings(weft_dataset_warnings(data));
    return data;
}

weft_model *open_model(args *a, const char **path, weft_error *err)
{
    *path = a->words[0];
    if (folder_exists(*path))
        *path = path_join(&a->memory, *path, a->best ? "best.safetensors" : "model.safetensors");
    if (!*path)
        fail_memory(err);
    weft_model *m = *path ? weft_model_open(*path, err) : NULL;
    text warnings = {0};
    if (m && m->odd)
        warn(&warnings, (where){.file = *path}, "%s", m->odd);
    print_warnings(warnings.data ? warnings.data : "");
    text_free(&warnings);
    return m;
}

const char *trailing_option(bool allow_trailing) { return allow_trailing ? " --allow-trailing" : ""; }

experiment *open_experiment(args *a, int *code)
{
    weft_error err = {0};
    if (a->allow_trailing) /* the array has room for these */
        a->sets[a->n_sets++] = "data.allow_trailing=true";
    if (a->seed_given)
        a->sets[a->n_sets++] = arena_printf(&a->memory, "seeds=[%llu]", (unsigned long long)a->seed);
    experiment *e = experiment_open(a->words[0], a->sets, a->n_sets, &err);
    if (!e)
        *code = complain(&err);
    else if (e->warnings.length)
        print_warnings(e->warnings.data);
    return e;
}

bool choose_variant(const experiment *e, const args *a, size_t *index, int *code)
{
    weft_error err = {0};
    const variant *chosen = a->variant ? experiment_variant(e, a->variant, (where){.file = e->path}, &err) : e->n_variants == 1 ? e->variants : NULL;
    if (chosen)
        *index = (size_t)(chosen - e->variants);
    else if (a->variant)
        *code = complain(&err);
    else
        *code = complain_usage("%s: it has %zu variants; choose one with --variant \"%s\", or run them all with weft compare", e->path, e->n_variants,
                               e->variants[0].name);
    return chosen != NULL;
}

bool choose_split(const args *a, weft_split usual, weft_split *split)
{
    *split = !a->split ? usual : strcmp(a->split, "train") == 0 ? WEFT_TRAIN : WEFT_TEST;
    if (a->split && *split == WEFT_TEST && strcmp(a->split, "test") != 0)
        return complain_usage("--split is train or test, not \"%s\"", a->split) == EXIT_DONE;
    return true;
}

const char *output_folder(args *a)
{
    if (a->output)
        return a->output;
    const char *slash = strrchr(a->words[0], '/'), *name = slash ? slash + 1 : a->words[0];
    const char *dot = strrchr(name, '.');
    return arena_printf(&a->memory, "runs/%.*s", (int)(dot && dot > name ? dot - name : (long)strlen(name)), name);
}

/* All scores are at most 1. */
bool choose_target(const args *a, double *target)
{
    if (!a->target || (parse_double(a->target, target) && *target <= 1))
        return true;
    complain_usage("--target takes a score of at most 1, as in metrics.jsonl: 0.85 for 85 %%, not \"%s\"", a->target);
    return false;
}
