/* Every run by itself: what it was, where it ran, what came out. */
#include "report/page.h"

#include <string.h>

#define CONFIG_LIMIT ((size_t)1 << 23)

static void add_fact(text *t, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    text_printf(t, "<dt>%s</dt><dd>", name);
    page_words(t, value);
    text_add(t, "</dd>");
}

static void add_count(text *t, const char *name, size_t value)
{
    char buffer[32];
    snprintf(buffer, sizeof buffer, "%zu", value);
    add_fact(t, name, buffer);
}

/* Line by line, so that its line ends stay. */
static void add_lines(text *t, const char *lines)
{
    arena a = {0};
    for (const char *c = lines; *c;) {
        const size_t n = strcspn(c, "\n");
        const char *line = arena_printf(&a, "%.*s", (int)n, c);
        page_words(t, line ? line : "");
        text_add(t, "\n");
        t->failed = t->failed || !line;
        c += n + (c[n] == '\n');
    }
    arena_deinit(&a);
}

static weft_status add_config(page *p, const run_record *run, text *t, weft_error *err)
{
    const char *path = path_join(p->memory, run->folder, "config.yaml");
    bytes content = {0};
    if (!path)
        return fail_memory(err);
    if (!file_exists(path)) {
        text_add(t, "<p class=\"note\">There is no config.yaml in its folder.</p>\n");
        return WEFT_OK;
    }
    TRY(file_read(path, CONFIG_LIMIT, &content, err));
    text_add(t, "<pre tabindex=\"0\">");
    add_lines(t, (const char *)content.data);
    text_add(t, "</pre>\n");
    bytes_free(&content);
    return WEFT_OK;
}

static weft_status add_run(page *p, const variant *v, const run_record *run, bool open, text *t, weft_error *err)
{
    text_printf(t, "<details%s><summary>", open ? " open" : "");
    page_swatch(p, v, t);
    page_words(t, v->name);
    text_printf(t, ", seed %llu <span class=\"note\">", (unsigned long long)run->seed);
    page_words(t, run->status);
    text_printf(t, ", %.1f s</span></summary>\n<dl>", run_seconds(run, SIZE_MAX));
    add_fact(t, "folder", run->folder);
    add_fact(t, "data", run->data);
    add_fact(t, "model", run->model);
    add_fact(t, "loss", run->loss);
    add_fact(t, "optimizer", run->optimizer);
    add_fact(t, "schedule", run->schedule);
    add_count(t, "parameters", run->n_parameters);
    add_count(t, "steps", run->n_steps);
    add_fact(t, "command", run->command);
    add_fact(t, "data's hash", run->fingerprint);
    add_fact(t, "model's SHA-256", run->result);
    add_fact(t, "CPU", run->cpu);
    if (run->threads)
        add_count(t, "threads", run->threads);
    add_fact(t, "kernels", run->isa);
    add_fact(t, "precision", run->precision);
    add_fact(t, "weft", run->version);
    add_fact(t, "message", run->message);
    text_add(t, "</dl>\n");
    TRY(add_config(p, run, t, err));
    text_add(t, "</details>\n");
    return WEFT_OK;
}

weft_status page_provenance(page *p, text *t, weft_error *err)
{
    for (size_t i = 0; i < p->n_variants; i++)
        for (size_t k = 0; k < p->ranked[i]->n_runs; k++)
            TRY(add_run(p, p->ranked[i], p->ranked[i]->runs[k], p->n_runs == 1, t, err));
    return WEFT_OK;
}
