/* Curves over epochs: drawn anew by page.js from the numbers here, and as still figures. */
#include "report/page.h"

#include <math.h>

static const struct curve {
    const char *id;
    quantity q;
    overlay figure;
} curves[] = {
    {"val_loss", VAL_LOSS, OVERLAY_CURVES}, {"val_score", VAL_SCORE, OVERLAY_CURVES}, {"train_loss", TRAIN_LOSS, OVERLAY_CURVES},
    {"train_score", TRAIN_SCORE, OVERLAY_CURVES}, {"loss_gap", LOSS_GAP, OVERLAY_GAPS}, {"score_gap", GAP, OVERLAY_GAPS},
};

static void add_numbers(text *t, const char *name, const double *values, size_t n)
{
    text_printf(t, "\"%s\":[", name);
    for (size_t i = 0; i < n; i++) {
        text_add(t, i ? "," : "");
        page_number(t, values[i]);
    }
    text_add(t, "]");
}

static weft_status add_lines(const page *p, quantity q, text *t, weft_error *err)
{
    weft_status status = WEFT_OK;
    for (size_t i = 0; i < p->n_variants && status == WEFT_OK; i++) {
        arena a = {0};
        series s;
        status = variant_series(&p->variants[i], q, &s, &a, err);
        text_add(t, i ? ",\n{" : "{");
        if (status == WEFT_OK) {
            add_numbers(t, "x", s.epoch, s.n);
            text_add(t, ",");
            add_numbers(t, "y", s.y, s.n);
        }
        for (size_t band = 0; status == WEFT_OK && s.low && band < 2; band++) {
            text_add(t, ",");
            add_numbers(t, band ? "high" : "low", band ? s.high : s.low, s.n);
        }
        text_add(t, "}");
        arena_deinit(&a);
    }
    return status;
}

static void add_variants(const page *p, text *t)
{
    text_add(t, "\"variants\":[");
    for (size_t i = 0; i < p->n_variants; i++) {
        const variant *v = &p->variants[i];
        size_t rank = 0;
        while (p->ranked[rank] != v)
            rank++;
        text_add(t, i ? ",\n{\"name\":" : "{\"name\":");
        page_string(t, v->name);
        text_printf(t, ",\"color\":%zu,\"rank\":%zu", v->number % N_COLORS, rank);
        const double *dash = look_dash((unsigned)v->number, p->overlays[OVERLAY_CURVES].legend[i].dashed);
        if (dash)
            text_printf(t, ",\"dash\":[%g,%g]", dash[0], dash[1]);
        text_add(t, "}");
    }
    text_add(t, "],\n");
}

/* What page.js draws: the variants, and the lines of one figure after the other. */
static weft_status add_data(const page *p, text *t, weft_error *err)
{
    text_add(t, "<script type=\"application/json\" id=\"data\">{\"unit\":");
    page_string(t, p->words->unit);
    text_printf(t, ",\"decimals\":%d,\n", p->words->decimals);
    add_variants(p, t);
    text_add(t, "\"charts\":[");
    for (size_t i = 0, k = 0; i < COUNT(curves); i++, k++) {
        const figure *f = &p->overlays[curves[i].figure];
        k = i && curves[i].figure != curves[i - 1].figure ? 0 : k;
        text_printf(t, "%s{\"id\":\"%s\",\"log\":%s,\"title\":", i ? ",\n" : "\n", curves[i].id, f->panels[k].y.log ? "true" : "false");
        page_string(t, f->panels[k].title);
        if (f->panels[k].note) { /* lines far below the others are left out */
            text_printf(t, ",\"range\":[%.6g,%.6g],\"note\":", f->panels[k].y.min, f->panels[k].y.max);
            page_string(t, f->panels[k].note);
        }
        text_add(t, ",\"lines\":[");
        TRY(add_lines(p, curves[i].q, t, err));
        text_add(t, "]}");
    }
    text_add(t, "]}</script>\n");
    return WEFT_OK;
}

/* Where page.js puts the charts of a figure; hidden until it does. */
static void add_places(overlay of, text *t)
{
    text_add(t, "<div class=\"charts live\" hidden>\n");
    for (size_t i = 0; i < COUNT(curves); i++)
        if (curves[i].figure == of)
            text_printf(t, "<div class=\"chart\" data-chart=\"%s\"></div>\n", curves[i].id);
    text_add(t, "</div>\n");
}

static weft_status add_still(page *p, overlay of, text *t, weft_error *err)
{
    static const char *const names[] = {[OVERLAY_CURVES] = "curves", [OVERLAY_GAPS] = "gaps"};
    const figure *f = &p->overlays[of];
    const picture still = {.width = f->width, .height = f->height, .draw = figure_draw, .of = f};
    const char *alt = arena_printf(p->memory, of == OVERLAY_CURVES ? "loss and %s of all variants over epochs"
                                                                   : "loss and %s: training against validation over epochs", p->words->score);
    return alt ? page_figure(p, &still, names[of], alt, FIGURE_SPARE, t, err) : fail_memory(err);
}

weft_status page_curves(page *p, text *t, weft_error *err)
{
    text_add(t, "<div class=\"tools live\" hidden></div>\n");
    add_places(OVERLAY_CURVES, t);
    text_add(t, "<div class=\"legend live scroll\" hidden></div>\n");
    TRY(add_still(p, OVERLAY_CURVES, t, err));
    return add_data(p, t, err);
}

weft_status page_gaps(page *p, text *t, weft_error *err)
{
    text_printf(t, "<p class=\"note\">How much better the training set is done than the validation set. A gap that grows while the validation "
                   "%s no longer rises is overfitting.</p>\n", p->words->score);
    add_places(OVERLAY_GAPS, t);
    return add_still(p, OVERLAY_GAPS, t, err);
}
