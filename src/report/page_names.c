/* A name that means one thing: runs of several comparisons may have the same one, runs of none have no name. */
#include "report/page.h"

#include <string.h>

static bool same_text(const char *a, const char *b) { return strcmp(a ? a : "", b ? b : "") == 0; }

/* But for the seed. Both have their settings in the same order, where they have the same ones. */
static bool same_settings(const run_record *a, const run_record *b)
{
    const setting *x = a->settings ? a->settings->first : NULL, *y = b->settings ? b->settings->first : NULL;
    for (; x && y; x = x->next, y = y->next)
        if (strcmp(x->key, y->key) != 0 || (strcmp(x->key, "train.seed") != 0 && strcmp(x->text, y->text) != 0))
            return false;
    return !x && !y;
}

static bool same_variant(const run_record *a, const run_record *b)
{
    return same_text(a->title, b->title) && same_text(a->variant, b->variant) && same_text(a->model, b->model) &&
           same_text(a->optimizer, b->optimizer) && same_text(a->data, b->data) && a->scale == b->scale && same_settings(a, b);
}

/* A folder's path without its last parts that are a seed's, "seed-3". */
static size_t length_without_seed(const char *folder)
{
    size_t end = strlen(folder), begin;
    for (;;) {
        while (end > 0 && folder[end - 1] == '/')
            end--;
        for (begin = end; begin > 0 && folder[begin - 1] != '/';)
            begin--;
        if (begin == 0 || strncmp(folder + begin, "seed-", 5) != 0)
            return end;
        end = begin;
    }
}

static bool same_comparison(const run_record *a, const run_record *b)
{
    const size_t length = length_without_seed(a->folder);
    return length == length_without_seed(b->folder) && strncmp(a->folder, b->folder, length) == 0;
}

static bool has_seed(const run_record *named, size_t n, const char *name, uint64_t seed)
{
    for (size_t k = 0; k < n; k++)
        if (strcmp(named[k].variant, name) == 0 && named[k].seed == seed)
            return true; /* the same run once more */
    return false;
}

/* The name of an earlier run that this one is another seed of, best one that lies beside it; NULL: there is none. */
static const char *name_of_another_seed(const run_record *runs, const run_record *named, size_t i)
{
    const char *name = NULL;
    for (size_t k = 0; k < i; k++) {
        const bool beside = same_comparison(&runs[k], &runs[i]);
        if ((!name || beside) && same_variant(&runs[k], &runs[i]) && !has_seed(named, i, named[k].variant, runs[i].seed))
            name = named[k].variant;
    }
    return name;
}

/* The last part of a folder's path that is not its seed's. */
static const char *folder_name(const char *folder, arena *a)
{
    const size_t end = length_without_seed(folder);
    size_t begin = end;
    while (begin > 0 && folder[begin - 1] != '/')
        begin--;
    const char *name = arena_printf(a, "%.*s", (int)(end - begin), folder + begin);
    return name && strspn(name, ".") == strlen(name) ? "this run" : name;
}

/* The run that has a name; NULL: it is free. */
static const run_record *owner(const run_record *named, size_t n, const char *name)
{
    for (size_t k = 0; k < n; k++)
        if (strcmp(named[k].variant, name) == 0)
            return &named[k];
    return NULL;
}

/* The first of some names that is free. NULL: no memory. */
static const char *choose(const run_record *run, const run_record *named, size_t n, arena *a)
{
    const char *base = same_text(run->variant, "") ? folder_name(run->folder, a) : run->variant;
    const run_record *other = base ? owner(named, n, base) : NULL;
    if (!other)
        return base;
    const char *name = same_text(run->title, "") || same_text(run->title, other->title) ? NULL : arena_printf(a, "%s (%s)", base, run->title);
    if (name && !owner(named, n, name))
        return name;
    const int length = (int)length_without_seed(run->folder);
    name = arena_printf(a, "%s (%.*s)", base, length, run->folder);
    for (unsigned number = 2; name && owner(named, n, name); number++)
        name = arena_printf(a, "%s (%.*s, %u)", base, length, run->folder, number);
    return name;
}

const run_record *page_names(const run_record *runs, size_t n_runs, arena *a)
{
    run_record *named = arena_array(a, n_runs + 1, sizeof *named);
    for (size_t i = 0; named && i < n_runs; i++) {
        const char *name = name_of_another_seed(runs, named, i);
        named[i] = runs[i];
        named[i].variant = name ? name : choose(&runs[i], named, i, a);
        if (!named[i].variant)
            return NULL;
    }
    return named;
}
