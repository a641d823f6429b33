/* The page as a whole: its head, its sections in their order, and what they share. */
#include "report/page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const page_section sections[] = {
    {"summary", "Summary", page_summary},
    {"table", "Variants", page_table},
    {"findings", "Diagnosis", page_findings},
    {"curves", "Curves", page_curves},
    {"gaps", "Training against validation", page_gaps},
    {"effects", "Settings", page_effects},
    {"classes", "Right and wrong", page_classes},
    {"worst", "Most wrong", page_worst},
    {"weights", "First layer", page_weights},
    {"histograms", "Layers over epochs", page_histograms},
    {"runs", "Runs", page_provenance},
};

/* ---- For sections ---- */

void page_swatch(const page *p, const variant *v, text *t)
{
    const double *dash = look_dash((unsigned)v->number, p->overlays[OVERLAY_CURVES].legend[v - p->variants].dashed);
    text_printf(t, "<svg class=\"swatch\" width=\"22\" height=\"8\" aria-hidden=\"true\"><path class=\"c%zu\" d=\"M0 4H22\"", v->number % N_COLORS);
    if (dash)
        text_printf(t, " stroke-dasharray=\"%g %g\"", dash[0], dash[1]);
    text_add(t, "/></svg>");
}

void page_number(text *t, double value)
{
    if (isfinite(value))
        text_printf(t, "%.5g", value);
    else
        text_add(t, "null");
}

/* Beyond what JSON asks for, nothing of it can end a script or begin a tag. */
void page_string(text *t, const char *string)
{
    text clean = {0};
    text_add_escaped(&clean, string);
    text_add(t, "\"");
    for (const char *c = clean.data ? clean.data : ""; *c; c++) {
        if (strchr("\"\\<>&", *c) || (unsigned char)*c < ' ')
            text_printf(t, "\\u%04x", (unsigned char)*c);
        else if (strncmp(c, "\xe2\x80\xa8", 3) == 0 || strncmp(c, "\xe2\x80\xa9", 3) == 0)
            text_printf(t, "\\u20%x", (unsigned char)*(c += 2) - 0x80); /* line ends to JavaScript */
        else
            text_add_bytes(t, c, 1);
    }
    text_add(t, "\"");
    t->failed = t->failed || clean.failed;
    text_free(&clean);
}

const run_record *page_best_run(const variant *v)
{
    const run_record *found = v->runs[0];
    double highest = -INFINITY;
    for (size_t i = 0; i < v->n_runs; i++) {
        const weft_metrics *best = run_best(v->runs[i]);
        if (!best || run_diverged(v->runs[i]) || !(quantity_of(best, VAL_SCORE) > highest))
            continue;
        found = v->runs[i];
        highest = quantity_of(best, VAL_SCORE);
    }
    return found;
}

weft_status page_figure(page *p, const picture *drawn, const char *name, const char *alt, figure_use use, text *t, weft_error *err)
{
    char *file = arena_printf(p->memory, "%s.svg", name), *path = file ? path_join(p->memory, p->figures, file) : NULL;
    text svg = {0};
    weft_status status = path ? picture_add_svg(drawn, path, &svg, err) : fail_memory(err);
    if (status == WEFT_OK && p->n_figures++ == 0)
        status = folder_make(p->figures, err);
    if (status == WEFT_OK)
        status = file_write(path, svg.data, svg.length, err);
    if (status == WEFT_OK && use != FIGURE_SAVED) {
        text_printf(t, "<div class=\"scroll still%s\" tabindex=\"0\"><img width=\"%.0f\" height=\"%.0f\" alt=\"", use == FIGURE_SPARE ? " spare" : "",
                    drawn->width, drawn->height);
        page_words(t, alt);
        text_add(t, "\" src=\"data:image/svg+xml;base64,");
        text_add_base64(t, svg.data, svg.length);
        text_add(t, "\"></div>\n");
    }
    text_free(&svg);
    return status;
}

/* ---- What is known before the first section ---- */

static weft_status rank(page *p, weft_error *err)
{
    double *scores = arena_array(p->memory, p->n_variants + 1, sizeof *scores);
    p->ranked = arena_array(p->memory, p->n_variants + 1, sizeof *p->ranked);
    if (!scores || !p->ranked)
        return fail_memory(err);
    for (size_t i = 0; i < p->n_variants; i++) {
        const spread *best = &p->results.rows[i].best;
        const double score = best->n ? best->mean : -INFINITY;
        size_t at = i;
        for (; at > 0 && scores[at - 1] < score; at--) {
            scores[at] = scores[at - 1];
            p->ranked[at] = p->ranked[at - 1];
        }
        scores[at] = score;
        p->ranked[at] = &p->variants[i];
    }
    return WEFT_OK;
}

static weft_status check_baseline(const page *p, const char *name, weft_error *err)
{
    for (size_t i = 0; name && i < p->n_variants; i++)
        if (strcmp(p->variants[i].name, name) == 0)
            return WEFT_OK;
    return name ? fail_unknown(err, (where){0}, "baseline", name, &p->variants[0].name, p->n_variants, sizeof *p->variants) : WEFT_OK;
}

static weft_status prepare(page *p, const report_view *view, weft_error *err)
{
    if (!(p->runs = page_names(p->runs, p->n_runs, p->memory)))
        return fail_memory(err);
    p->variants = variants_group(p->runs, p->n_runs, &p->n_variants, p->memory);
    if (!p->variants)
        return fail_memory(err);
    TRY(check_baseline(p, view->baseline, err));
    if (!results_make(&p->results, p->variants, p->n_variants, view, p->memory))
        return fail_memory(err);
    const char *title = p->runs[0].title;
    p->title = title && *title ? title : p->n_variants > 1 ? "Comparison" : p->variants[0].name;
    p->words = p->results.words;
    TRY(rank(p, err));
    for (overlay i = 0; i < N_OVERLAYS; i++)
        TRY(compare_figure(p->variants, p->n_variants, i, &p->overlays[i], p->memory, err));
    return page_settings_find(p, err);
}

/* ---- The page ---- */

static void add_asset(text *t, asset a) { text_add_bytes(t, a.data, a.size); }

static void add_script(text *script)
{
    add_asset(script, asset_license);
    add_asset(script, asset_dygraphs_js);
    text_add(script, "\n");
    add_asset(script, asset_page_js);
}

/* Nothing is loaded, and no script runs but this one, whatever a name may hold. */
static void add_policy(text *t, const text *script)
{
    char hex[65];
    unsigned char hash[32];
    sha256_hex(script->data, script->length, hex);
    for (size_t i = 0; i < sizeof hash; i++) {
        const char digits[3] = {hex[2 * i], hex[2 * i + 1], 0};
        hash[i] = (unsigned char)strtoul(digits, NULL, 16);
    }
    text_add(t, "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
                "base-uri 'none'; form-action 'none'; script-src 'sha256-");
    text_add_base64(t, hash, sizeof hash);
    text_add(t, "'\">\n");
}

static void add_colors(text *t)
{
    for (unsigned dark = 0; dark < 2; dark++) {
        text_add(t, dark ? "@media (prefers-color-scheme: dark) { @media screen { :root {" : ":root {");
        for (unsigned i = 0; i < N_COLORS; i++)
            text_printf(t, " --c%u: #%06x;", i, look_color(i, dark));
        text_add(t, dark ? " } } }\n" : " }\n");
    }
    for (unsigned i = 0; i < N_COLORS; i++)
        text_printf(t, ".c%u { stroke: var(--c%u); }\n", i, i);
}

static void add_head(const page *p, const text *script, text *t)
{
    text_add(t, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    add_policy(t, script);
    text_add(t, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                "<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
    page_words(t, p->title);
    text_add(t, "</title>\n<style>\n");
    add_asset(t, asset_dygraphs_css);
    add_asset(t, asset_page_css);
    add_colors(t);
    text_add(t, "</style>\n</head>\n");
}

static void add_header(const page *p, const text *contents, text *t)
{
    text_add(t, "<body>\n<header><h1>");
    page_words(t, p->title);
    text_add(t, "</h1>\n<p class=\"note\">");
    text_printf(t, "%zu run%s of %zu variant%s \xc2\xb7 ", p->n_runs, p->n_runs == 1 ? "" : "s", p->n_variants, p->n_variants == 1 ? "" : "s");
    page_words(t, p->runs[0].data);
    text_add(t, " \xc2\xb7 weft ");
    page_words(t, p->runs[0].version);
    text_printf(t, "</p>\n<nav aria-label=\"contents\">%s</nav></header>\n<main>\n", contents->data ? contents->data : "");
}

static weft_status add_sections(page *p, text *contents, text *t, weft_error *err)
{
    for (size_t i = 0; i < COUNT(sections); i++) {
        text one = {0};
        weft_status status = sections[i].add(p, &one, err);
        if (status == WEFT_OK && one.length) {
            text_printf(contents, "<a href=\"#%s\">%s</a> ", sections[i].id, sections[i].title);
            text_printf(t, "<section id=\"%s\"><h2>%s</h2>\n", sections[i].id, sections[i].title);
            text_add_bytes(t, one.data, one.length);
            text_add(t, "</section>\n");
        }
        t->failed = t->failed || one.failed;
        text_free(&one);
        TRY(status);
    }
    return WEFT_OK;
}

static weft_status write_page(page *p, weft_error *err)
{
    text script = {0}, contents = {0}, body = {0}, whole = {0};
    add_script(&script);
    weft_status status = add_sections(p, &contents, &body, err);
    add_head(p, &script, &whole);
    add_header(p, &contents, &whole);
    text_add_bytes(&whole, body.data ? body.data : "", body.length);
    text_add(&whole, "</main>\n<script>");
    text_add_bytes(&whole, script.data ? script.data : "", script.length);
    text_add(&whole, "</script>\n</body>\n</html>\n");
    if (status == WEFT_OK && (script.failed || contents.failed || body.failed || whole.failed))
        status = fail_memory(err);
    if (status == WEFT_OK)
        status = file_write(p->path, whole.data, whole.length, err);
    text_free(&script);
    text_free(&contents);
    text_free(&body);
    text_free(&whole);
    return status;
}

weft_status report_page(const char *path, const run_record *runs, size_t n_runs, const report_view *view, size_t *n_figures, weft_error *err)
{
    static const char ending[] = ".html";
    const size_t length = strlen(path);
    if (length < sizeof ending || strcmp(path + length - strlen(ending), ending) != 0)
        return fail(err, WEFT_BAD_INPUT, (where){.file = path}, "the report is a page; give a name that ends in .html");
    if (n_runs == 0)
        return fail(err, WEFT_BAD_INPUT, (where){.file = path}, "there is no run to report");
    arena a = {0};
    page p = {.path = path, .runs = runs, .n_runs = n_runs, .memory = &a};
    p.figures = arena_printf(&a, "%.*s", (int)(length - strlen(ending)), path);
    weft_status status = p.figures ? prepare(&p, view, err) : fail_memory(err);
    if (status == WEFT_OK)
        status = write_page(&p, err);
    if (n_figures)
        *n_figures = p.n_figures;
    arena_deinit(&a);
    return status;
}
