/* Which runs there are below a folder. */
#include "record/record.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 8 };

typedef struct finder {
    run_record *runs;
    size_t n, capacity;
    size_t n_found; /* also those that were found before */
    arena *memory;
    weft_error *err;
} finder;

static weft_status add_run(finder *f, const char *folder)
{
    f->n_found++;
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->runs[i].folder, folder) == 0)
            return WEFT_OK;
    if (f->n == f->capacity) {
        const size_t capacity = MAX(16, 2 * f->capacity);
        run_record *more = arena_array(f->memory, capacity, sizeof *more);
        if (!more)
            return fail_memory(f->err);
        if (f->n)
            memcpy(more, f->runs, f->n * sizeof *more);
        f->runs = more;
        f->capacity = capacity;
    }
    return run_record_read(folder, &f->runs[f->n++], f->memory, f->err);
}

static weft_status find_in(finder *f, const char *folder, int depth);

/* What scandir allocated is given back here. */
static weft_status find_below(finder *f, const char *folder, struct dirent **entries, int n, int depth)
{
    weft_status status = WEFT_OK;
    for (int i = 0; i < n; i++) {
        const char *path = entries[i]->d_name[0] == '.' ? NULL : path_join(f->memory, folder, entries[i]->d_name);
        if (status == WEFT_OK && !path && entries[i]->d_name[0] != '.')
            status = fail_memory(f->err);
        if (status == WEFT_OK && path && folder_exists(path))
            status = find_in(f, path, depth + 1);
        free(entries[i]);
    }
    free(entries);
    return status;
}

/* A run's own folders hold no others. */
static weft_status find_in(finder *f, const char *folder, int depth)
{
    const char *record = path_join(f->memory, folder, "run.json");
    if (!record)
        return fail_memory(f->err);
    if (file_exists(record))
        return add_run(f, folder);
    if (depth == MAX_DEPTH)
        return WEFT_OK;
    struct dirent **entries;
    const int n = scandir(folder, &entries, NULL, versionsort);
    if (n < 0 && (errno == ENOENT || errno == ENOTDIR))
        return fail(f->err, WEFT_BAD_INPUT, (where){.file = folder}, "there is no folder of this name; give a run's, or one with runs below it");
    if (n < 0)
        return fail_errno(f->err, folder, "cannot read");
    return find_below(f, folder, entries, n, depth);
}

weft_status run_records_find(const char *const *folders, size_t n_folders, run_record **runs, size_t *n_runs, arena *a, weft_error *err)
{
    finder f = {.memory = a, .err = err};
    weft_status status = WEFT_OK;
    for (size_t i = 0; i < n_folders; i++) {
        const size_t before = f.n_found;
        const weft_status one = find_in(&f, folders[i], 0);
        status = status == WEFT_OK ? one : status;
        if (one == WEFT_OK && f.n_found == before)
            status = fail(err, WEFT_BAD_INPUT, (where){.file = folders[i]}, 
                          "there is no run in this folder or below it; a run's folder has a run.json");
    }
    *runs = f.runs;
    *n_runs = f.n;
    return status;
}
