/* The numbers of a comparison for programs. Scores are as metrics.jsonl has them: 0.8942, not 89.42 %. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/variants.h"
#include "tensor/tensor.h"

/* A score, or a difference of scores, is no longer in per cent. */
static double plain(const results *r, const measure *m, double value) { return m && !m->is_score ? value : value / score_scale(r->words); }

/* ---- CSV ---- */

static void add_quoted(text *t, const char *string)
{
    text clean = {0};
    text_add_escaped(&clean, string);
    t->failed = t->failed || clean.failed;
    text_add(t, "\"");
    for (const char *c = clean.data ? clean.data : ""; *c; c++)
        text_add_bytes(t, *c == '"' ? "\"\"" : c, *c == '"' ? 2 : 1);
    text_add(t, "\"");
    text_free(&clean);
}

/* Nothing where it is not finite. */
static void add_number(text *t, double value)
{
    char buffer[32];
    text_add(t, ",");
    text_add(t, isfinite(value) ? print_double(value, buffer) : "");
}

void results_csv(const results *r, text *t)
{
    text_add(t, "variant,runs,diverged");
    for (const measure *m = measures; m->name; m++)
        text_printf(t, ",%s_mean,%s_std,%s_n", m->name, m->name, m->name);
    text_add(t, ",target,difference,difference_low,difference_high,verdict\r\n");
    for (size_t i = 0; i < r->n; i++) {
        const result *row = &r->rows[i];
        add_quoted(t, row->variant->name);
        text_printf(t, ",%zu,%zu", row->variant->n_runs, row->variant->n_diverged);
        for (const measure *m = measures; m->name; m++) {
            const spread *s = measure_of(m, row);
            add_number(t, plain(r, m, s->mean));
            add_number(t, s->n > 1 ? plain(r, m, s->std) : NAN);
            text_printf(t, ",%zu", s->n);
        }
        add_number(t, plain(r, NULL, r->target));
        add_number(t, plain(r, NULL, row->difference));
        add_number(t, plain(r, NULL, row->interval.low));
        add_number(t, plain(r, NULL, row->interval.high));
        text_printf(t, ",%s\r\n", verdict_names[row->verdict]);
    }
}

/* ---- JSON ---- */

static json_t *json_number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static json_t *json_words(const char *string)
{
    text clean = {0};
    text_add_escaped(&clean, string ? string : "");
    json_t *words = clean.failed ? NULL : json_string(clean.data ? clean.data : "");
    text_free(&clean);
    return words;
}

static json_t *json_spread(const results *r, const measure *m, const result *row)
{
    const spread *s = measure_of(m, row);
    return json_pack("{s:o, s:o, s:I}", "mean", json_number(plain(r, m, s->mean)), "std", json_number(s->n > 1 ? plain(r, m, s->std) : NAN), "n",
                     (json_int_t)s->n);
}

static json_t *json_diverged(const variant *v)
{
    json_t *list = json_array();
    for (size_t i = 0; i < v->n_runs; i++)
        if (run_diverged(v->runs[i]))
            json_array_append_new(list, json_pack("{s:I, s:I, s:I, s:o}", "seed", (json_int_t)v->runs[i]->seed, "epochs",
                                                  (json_int_t)v->runs[i]->n_epochs, "steps", (json_int_t)v->runs[i]->n_steps, "message",
                                                  json_words(v->runs[i]->message)));
    return list;
}

static json_t *json_row(const results *r, const result *row)
{
    json_t *object = json_pack("{s:o, s:I, s:o}", "variant", json_words(row->variant->name), "runs", (json_int_t)row->variant->n_runs, "diverged",
                               json_diverged(row->variant));
    for (const measure *m = measures; m->name; m++)
        json_object_set_new(object, m->name, json_spread(r, m, row));
    json_object_set_new(object, "difference",
                        json_pack("{s:o, s:o, s:o, s:s}", "mean", json_number(plain(r, NULL, row->difference)), "low",
                                  json_number(plain(r, NULL, row->interval.low)), "high", json_number(plain(r, NULL, row->interval.high)),
                                  "verdict", verdict_names[row->verdict]));
    return object;
}

void results_json(const results *r, text *t)
{
    json_begin();
    json_t *list = json_array();
    for (size_t i = 0; i < r->n; i++)
        json_array_append_new(list, json_row(r, &r->rows[i]));
    json_t *all = json_pack("{s:s, s:o, s:o, s:o}", "score", r->words->score, "baseline",
                            json_words(r->n ? r->rows[r->baseline].variant->name : ""), "target", json_number(plain(r, NULL, r->target)),
                            "variants", list);
    char *printed = json_end(all, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
    text_add(t, printed ? printed : "");
    text_add(t, "\n");
    t->failed = t->failed || !printed;
    free(printed);
}
