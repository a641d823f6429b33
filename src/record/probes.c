/* probes.jsonl: what the layers of a network did in each epoch, a line an epoch. */
#include "record/json.h"

#include <math.h>

#define PROBES_LIMIT ((size_t)1 << 28)

#define RANGE(name) {#name, offsetof(probe_range, name)}
static const json_key range_keys[] = {RANGE(min), RANGE(max), RANGE(mean), RANGE(std)};

#define LAYER(name) {#name, offsetof(layer_probe, name)}
/* Left out where they are not finite. */
static const json_key layer_numbers[] = {
    LAYER(dead), LAYER(saturated), LAYER(output_gradient), LAYER(weights), LAYER(weight_gradient), LAYER(update),
};
static const json_key layer_histograms[] = {
    LAYER(outputs),
    {"weights", offsetof(layer_probe, weights_histogram)},
    LAYER(gradients),
};

/* ---- Writing ---- */

static void print_range(const char *name, const probe_range *range, text *t)
{
    text_printf(t, "\"%s\": {", name);
    json_add_reals(t, range_keys, COUNT(range_keys), range);
    text_add(t, "}");
}

static bool is_empty(const probe_histogram *h)
{
    for (size_t i = 0; i < PROBE_BINS; i++)
        if (h->counts[i])
            return false;
    return true;
}

static void print_histograms(const layer_probe *l, text *t)
{
    bool first = true;
    for (size_t i = 0; i < COUNT(layer_histograms); i++) {
        const probe_histogram *h = const_member_of(l, layer_histograms[i].offset);
        if (is_empty(h))
            continue;
        text_printf(t, "%s\"%s\": {\"from\": ", first ? ", \"histograms\": {" : ", ", layer_histograms[i].name);
        json_add_real(t, h->from);
        text_add(t, ", \"to\": ");
        json_add_real(t, h->to);
        for (size_t b = 0; b < PROBE_BINS; b++)
            text_printf(t, "%s%zu", b ? ", " : ", \"counts\": [", h->counts[b]);
        text_add(t, "]}");
        first = false;
    }
    text_add(t, first ? "" : "}");
}

static void print_layer(const layer_probe *l, text *t)
{
    text_add(t, "{\"path\": ");
    json_add_text(t, l->path);
    text_add(t, ", \"name\": ");
    json_add_text(t, l->name);
    text_printf(t, ", \"units\": %zu", l->units);
    if (l->parameters)
        text_printf(t, ", \"parameters\": %zu", l->parameters);
    text_add(t, ", ");
    print_range("output", &l->output, t);
    for (size_t i = 0; i < COUNT(layer_numbers); i++) {
        const double value = json_real_of(&layer_numbers[i], l);
        if (!isfinite(value))
            continue;
        text_printf(t, ", \"%s\": ", layer_numbers[i].name);
        json_add_real(t, value);
    }
    print_histograms(l, t);
    text_add(t, "}");
}

void probe_print(const epoch_probe *p, text *t)
{
    text_printf(t, "{\"epoch\": %zu, \"samples\": %zu, ", p->epoch, p->samples);
    print_range("input", &p->input, t);
    text_add(t, ", \"first_loss\": ");
    json_add_real(t, p->first_loss);
    text_printf(t, ", \"spikes\": %zu, \"layers\": [", p->spikes);
    for (size_t i = 0; i < p->n_layers; i++) {
        text_add(t, i ? ", " : "");
        print_layer(&p->layers[i], t);
    }
    text_add(t, "]}\n");
}

/* ---- Reading ---- */

static weft_status read_range(const json_reader *r, const json_t *object, const char *name, probe_range *out)
{
    const json_t *value = json_object_get(object, name);
    if (!json_is_object(value))
        return json_wrong(r, name, value, "an object");
    return json_read_reals(r, value, range_keys, COUNT(range_keys), true, out);
}

static weft_status read_histogram(const json_reader *r, const json_t *value, const char *name, probe_histogram *out)
{
    const json_t *counts = json_object_get(value, "counts");
    if (!value)
        return WEFT_OK;
    if (!json_is_array(counts) || json_array_size(counts) != PROBE_BINS)
        return json_wrong(r, name, value, "an object whose counts are a list of 32");
    TRY(json_read_real(r, value, "from", true, &out->from));
    TRY(json_read_real(r, value, "to", true, &out->to));
    for (size_t i = 0; i < PROBE_BINS; i++) {
        const json_t *one = json_array_get(counts, i);
        if (!json_is_integer(one) || json_integer_value(one) < 0)
            return json_wrong(r, "counts", one, "whole numbers of 0 or more");
        out->counts[i] = (size_t)json_integer_value(one);
    }
    return WEFT_OK;
}

static weft_status read_layer(const json_reader *r, const json_t *object, layer_probe *l)
{
    const json_t *histograms = json_object_get(object, "histograms");
    if (!json_is_object(object))
        return json_wrong(r, "layers", object, "objects");
    TRY(json_read_text(r, object, "path", &l->path));
    TRY(json_read_text(r, object, "name", &l->name));
    TRY(json_read_size(r, object, "units", true, &l->units));
    TRY(json_read_size(r, object, "parameters", false, &l->parameters));
    TRY(read_range(r, object, "output", &l->output));
    TRY(json_read_reals(r, object, layer_numbers, COUNT(layer_numbers), false, l));
    for (size_t i = 0; i < COUNT(layer_histograms); i++)
        TRY(read_histogram(r, json_object_get(histograms, layer_histograms[i].name), layer_histograms[i].name,
                           member_of(l, layer_histograms[i].offset)));
    return WEFT_OK;
}

/* `after`: the epoch of the line before. */
static weft_status read_epoch(const json_reader *r, const json_t *object, size_t after, epoch_probe *p)
{
    const json_t *list = json_object_get(object, "layers");
    TRY(json_read_size(r, object, "epoch", true, &p->epoch));
    if (p->epoch <= after)
        return fail(r->err, WEFT_BAD_INPUT, r->at, "epoch %zu where one after %zu should stand; the file has a line an epoch", p->epoch, after);
    TRY(json_read_size(r, object, "samples", true, &p->samples));
    TRY(read_range(r, object, "input", &p->input));
    TRY(json_read_real(r, object, "first_loss", true, &p->first_loss));
    TRY(json_read_size(r, object, "spikes", true, &p->spikes));
    if (!json_is_array(list))
        return json_wrong(r, "layers", list, "a list");
    layer_probe *layers = arena_array(r->memory, MAX(json_array_size(list), 1), sizeof *layers);
    if (!layers)
        return fail_memory(r->err);
    p->n_layers = json_array_size(list);
    p->layers = layers;
    for (size_t i = 0; i < p->n_layers; i++)
        TRY(read_layer(r, json_array_get(list, i), &layers[i]));
    return WEFT_OK;
}

static weft_status read_epochs(json_lines *lines, probe_log *out, arena *a, weft_error *err)
{
    epoch_probe *epochs = arena_array(a, lines->n_lines, sizeof *epochs);
    json_t *line;
    if (!epochs)
        return fail_memory(err);
    out->epochs = epochs;
    for (size_t after = 0;; after = epochs[out->n_epochs++].epoch) {
        TRY(json_lines_next(lines, &line, err));
        if (!line)
            return WEFT_OK;
        const json_reader r = {lines->at, a, err};
        const weft_status status = read_epoch(&r, line, after, &epochs[out->n_epochs]);
        json_decref(line);
        TRY(status);
    }
}

weft_status probes_read(const char *folder, probe_log *out, arena *a, weft_error *err)
{
    json_lines lines;
    const char *path = path_join(a, folder, "probes.jsonl");
    *out = (probe_log){0};
    if (!path)
        return fail_memory(err);
    if (!file_exists(path))
        return WEFT_OK;
    TRY(json_lines_open(&lines, path, PROBES_LIMIT, err));
    const weft_status status = read_epochs(&lines, out, a, err);
    json_lines_close(&lines);
    return status;
}
