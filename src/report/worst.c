/* The samples with the highest loss, as images with captions. */
#include "report/evaluation.h"
#include "report/tiles.h"

enum { COLUMNS = 5 };

void worst_paint(const evaluation_record *e, size_t i, uint32_t *pixels)
{
    const size_t n = e->image.height * e->image.width;
    const unsigned char *from = e->worst[i].pixels;
    for (size_t k = 0; k < n; k++)
        pixels[k] = e->image.channels == 3 ? (uint32_t)from[k] << 16 | (uint32_t)from[n + k] << 8 | from[2 * n + k] : (uint32_t)from[k] * 0x10101u;
}

bool worst_has_pictures(const evaluation_record *e)
{
    return e->n_worst && e->worst[0].pixels && (e->image.channels == 1 || e->image.channels == 3);
}

static weft_status caption(const evaluation_record *e, size_t i, const char *lines[2], arena *a, weft_error *err)
{
    const worst_sample *w = &e->worst[i];
    const char *label = evaluation_class_name(e, w->label, a), *prediction = evaluation_class_name(e, w->prediction, a);
    lines[0] = prediction ? arena_printf(a, "%s %.1f %%", prediction, 100 * w->probability) : NULL;
    lines[1] = label ? arena_printf(a, "is %s", label) : NULL;
    return lines[0] && lines[1] ? WEFT_OK : fail_memory(err);
}

weft_status worst_picture(const evaluation_record *e, picture *out, arena *a, weft_error *err)
{
    *out = (picture){0};
    if (!worst_has_pictures(e))
        return WEFT_OK;
    const size_t each = e->image.height * e->image.width;
    uint32_t *pixels = arena_array(a, e->n_worst * each, sizeof *pixels);
    const char *(*captions)[2] = arena_array(a, e->n_worst, sizeof *captions);
    tiles *all = arena_alloc(a, sizeof *all);
    if (!pixels || !captions || !all)
        return fail_memory(err);
    for (size_t i = 0; i < e->n_worst; i++) {
        worst_paint(e, i, pixels + i * each);
        TRY(caption(e, i, captions[i], a, err));
    }
    *all = (tiles){.n = e->n_worst, .columns = COLUMNS, .height = e->image.height, .width = e->image.width, .pixels = pixels, .side = 128,
                   .captions = (const char *const (*)[2])captions};
    *out = (picture){.draw = tiles_draw, .of = all};
    tiles_size(all, out);
    return WEFT_OK;
}
