/* One drawing as an SVG or a PNG file, and the text in it. */
#include "report/chart.h"

#include <cairo-svg.h>
#include <errno.h>
#include <fontconfig/fontconfig.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PNG_SCALE 2
#define MAX_SIDE 16000 /* cairo's images end at 32767 pixels a side */
#define MAX_TEXT 400   /* bytes of a user's text that are looked at; no figure has room for more */

static bool ends_with(const char *path, const char *ending)
{
    size_t n = strlen(path), m = strlen(ending);
    return n > m && strcasecmp(path + n - m, ending) == 0;
}

weft_status picture_check_path(const char *path, weft_error *err)
{
    if (ends_with(path, ".svg") || ends_with(path, ".png"))
        return WEFT_OK;
    return fail(err, WEFT_BAD_INPUT, (where){.file = path},
                "pictures are written as SVG or PNG; give a name that ends in .svg or .png");
}

cairo_status_t picture_collect(void *closure, const unsigned char *data, unsigned int n)
{
    text *t = closure;
    text_add_bytes(t, (const char *)data, n);
    return t->failed ? CAIRO_STATUS_NO_MEMORY : CAIRO_STATUS_SUCCESS;
}

/* The same metrics at every scale, so that one layout holds for SVG and PNG. */
static void set_up_text(cairo_t *cr)
{
    cairo_font_options_t *options = cairo_font_options_create();
    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
    cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
    cairo_set_font_options(cr, options);
    cairo_font_options_destroy(options);
}

static cairo_status_t paint(const picture *p, cairo_surface_t *surface)
{
    errno = 0;
    cairo_t *cr = cairo_create(surface);
    set_up_text(cr);
    ink_color(cr, 0xffffff, 1);
    cairo_paint(cr);
    p->draw(cr, p->of);
    cairo_status_t status = cairo_status(cr);
    cairo_destroy(cr);
    return status;
}

/* cairo numbers surfaces through the life of the process. Here they count from 1 in every file, so that equal figures
 * are equal bytes. No text of a user's is in the way: it stands in the file as outlines of letters. */
static void renumber(const text *in, text *out)
{
    static const char *const starts[] = {"\"surface", "#surface", "\"image", "#image", "\"source-", "#source-"};
    unsigned long known[16];
    size_t n_known = 0;
    const char *done = in->data, *end = in->data + in->length;
    for (const char *c = done; c < end; c++) {
        size_t length = 0, k = 0;
        for (size_t i = 0; (*c == '"' || *c == '#') && i < COUNT(starts) && !length; i++)
            length = strncmp(c, starts[i], strlen(starts[i])) == 0 ? strlen(starts[i]) : 0;
        if (!length || c[length] < '0' || c[length] > '9')
            continue;
        char *after;
        unsigned long number = strtoul(c + length, &after, 10);
        while (k < n_known && known[k] != number)
            k++;
        if (k == COUNT(known))
            continue;
        known[k] = number;
        n_known = MAX(n_known, k + 1);
        text_add_bytes(out, done, (size_t)(c + length - done));
        text_printf(out, "%zu", k + 1);
        done = after;
    }
    text_add_bytes(out, done, (size_t)(end - done));
}

static cairo_status_t paint_svg(const picture *p, text *out)
{
    text drawn = {0};
    cairo_surface_t *surface = cairo_svg_surface_create_for_stream(picture_collect, &drawn, p->width, p->height);
    cairo_svg_surface_set_document_unit(surface, CAIRO_SVG_UNIT_PX);
    cairo_status_t status = paint(p, surface);
    cairo_surface_finish(surface);
    if (status == CAIRO_STATUS_SUCCESS)
        status = cairo_surface_status(surface);
    cairo_surface_destroy(surface);
    if (status == CAIRO_STATUS_SUCCESS && drawn.data && !drawn.failed)
        renumber(&drawn, out);
    out->failed = out->failed || drawn.failed;
    text_free(&drawn);
    return status;
}

static cairo_status_t paint_png(const picture *p, text *out)
{
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)(p->width * PNG_SCALE),
                                                          (int)(p->height * PNG_SCALE));
    cairo_surface_set_device_scale(surface, PNG_SCALE, PNG_SCALE);
    cairo_status_t status = paint(p, surface);
    if (status == CAIRO_STATUS_SUCCESS)
        status = cairo_surface_write_to_png_stream(surface, picture_collect, out);
    cairo_surface_destroy(surface);
    return status;
}

static weft_status check_size(const picture *p, const char *path, weft_error *err)
{
    if (p->width <= MAX_SIDE && p->height <= MAX_SIDE)
        return WEFT_OK;
    return fail(err, WEFT_BAD_INPUT, (where){.file = path}, "a picture of %.0f x %.0f points; at most %d a side can be drawn, show less",
                p->width, p->height, MAX_SIDE);
}

/* cairo and the libraries below it may call it something else, or draw without a part and say nothing; errno keeps it. */
static weft_status check_drawn(const text *out, cairo_status_t drawn, const char *path, weft_error *err)
{
    if (out->failed || drawn == CAIRO_STATUS_NO_MEMORY || errno == ENOMEM)
        return fail_memory(err);
    if (drawn != CAIRO_STATUS_SUCCESS)
        return fail(err, WEFT_IO, (where){.file = path}, "cannot draw the picture: %s", cairo_status_to_string(drawn));
    return WEFT_OK;
}

weft_status picture_add_svg(const picture *p, const char *path, text *out, weft_error *err)
{
    TRY(check_size(p, path, err));
    return check_drawn(out, paint_svg(p, out), path, err);
}

weft_status picture_save(const picture *p, const char *path, weft_error *err)
{
    TRY(picture_check_path(path, err));
    TRY(check_size(p, path, err));
    text out = {0};
    weft_status status = check_drawn(&out, ends_with(path, ".svg") ? paint_svg(p, &out) : paint_png(p, &out), path, err);
    if (status == WEFT_OK)
        status = file_write(path, out.data, out.length, err);
    text_free(&out);
    return status;
}

weft_status picture_save_as(const picture *p, const char *folder, const char *name, weft_error *err)
{
    static const char *const endings[] = {".svg", ".png"};
    arena a = {0};
    weft_status status = WEFT_OK;
    for (size_t i = 0; i < COUNT(endings) && status == WEFT_OK; i++) {
        char *file = arena_printf(&a, "%s%s", name, endings[i]);
        char *path = file ? path_join(&a, folder, file) : NULL;
        status = path ? picture_save(p, path, err) : fail_memory(err);
    }
    arena_deinit(&a);
    return status;
}

/* ---- Text ---- */

cairo_t *ink_ruler(void)
{
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_A8, 1, 1);
    cairo_t *cr = cairo_create(surface);
    cairo_surface_destroy(surface); /* the context holds it */
    set_up_text(cr);
    return cr;
}

void ink_color(cairo_t *cr, unsigned rgb, double alpha)
{
    cairo_set_source_rgba(cr, (rgb >> 16 & 255) / 255.0, (rgb >> 8 & 255) / 255.0, (rgb & 255) / 255.0, alpha);
}

static void choose_font(cairo_t *cr, ink style)
{
    cairo_select_font_face(cr, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL,
                           style.bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cr, style.size);
}

double ink_width(cairo_t *cr, ink style, const char *string)
{
    cairo_text_extents_t extents = {0};
    choose_font(cr, style);
    cairo_text_extents(cr, string, &extents);
    return extents.x_advance;
}

void ink_text(cairo_t *cr, ink style, double x, double y, double align, const char *string)
{
    double width = align > 0 ? ink_width(cr, style, string) : 0;
    choose_font(cr, style);
    ink_color(cr, style.rgb, 1);
    cairo_move_to(cr, x - align * width, y);
    cairo_show_text(cr, string);
    cairo_new_path(cr);
}

/* The largest place at or before n at which no UTF-8 sequence is cut. */
static size_t whole_characters(const char *string, size_t n)
{
    while (n > 0 && ((unsigned char)string[n] & 0xc0) == 0x80)
        n--;
    return n;
}

const char *ink_fit(cairo_t *cr, ink style, double width, const char *string, arena *a)
{
    static const char ellipsis[] = "\xe2\x80\xa6";
    text clean = {0};
    text_add_escaped(&clean, string);
    const char *whole = clean.data ? clean.data : "";
    char *fitted = NULL;
    if (clean.failed)
        goto done;
    if (clean.length <= MAX_TEXT && ink_width(cr, style, whole) <= width) {
        fitted = arena_text(a, whole);
        goto done;
    }
    size_t fits = 0, too_long = MIN(clean.length, MAX_TEXT) + 1;
    char *trial = arena_alloc(a, MAX_TEXT + sizeof ellipsis);
    while (trial && too_long - fits > 1) {
        size_t middle = fits + (too_long - fits) / 2, cut = whole_characters(whole, middle);
        memcpy(trial, whole, cut);
        memcpy(trial + cut, ellipsis, sizeof ellipsis);
        if (ink_width(cr, style, trial) <= width)
            fits = middle;
        else
            too_long = middle;
    }
    if (trial) {
        size_t cut = whole_characters(whole, fits);
        while (cut > 0 && trial[cut - 1] == ' ')
            cut--;
        memcpy(trial, whole, cut);
        memcpy(trial + cut, ellipsis, sizeof ellipsis);
    }
    fitted = trial;
done:
    text_free(&clean);
    return fitted;
}

void report_end(void)
{
    cairo_debug_reset_static_data();
    FcFini();
}
