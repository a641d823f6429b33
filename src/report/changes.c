/* What was changed from one variant to another, in words. */
#include "report/families.h"

#include <string.h>

const char *setting_of(const lineup *l, const variant *v, const char *key)
{
    const setting *s = setting_find(l->settings[v - l->variants], key);
    return s ? s->text : "";
}

/* ---- Layers ---- */

enum { MAX_LAYERS = 256 };

typedef struct piece {
    const char *at;
    int length;
    bool matched;
} piece;

/* A model's layers: what stands between the commas that are in no bracket and no quotes. */
static size_t split_layers(const char *model, piece *out)
{
    size_t n = 0;
    int depth = 0;
    bool quoted = false;
    const char *begin = model;
    for (const char *c = model;; c++) {
        quoted ^= *c == '"' && (c == model || c[-1] != '\\');
        depth += !quoted && (*c == '[' || *c == '(');
        depth -= !quoted && (*c == ']' || *c == ')');
        if (*c && (*c != ',' || depth || quoted))
            continue;
        begin += strspn(begin, " ");
        if (n < MAX_LAYERS && c > begin)
            out[n++] = (piece){begin, (int)(c - begin), false};
        if (!*c)
            return n;
        begin = c + 1;
    }
}

static bool same_piece(const piece *a, const piece *b) { return a->length == b->length && memcmp(a->at, b->at, (size_t)a->length) == 0; }

/* Marks the layers that both have; returns how many are left over. */
static size_t match(piece *a, size_t n_a, piece *b, size_t n_b)
{
    size_t left = n_a + n_b;
    for (size_t i = 0; i < n_a; i++)
        for (size_t k = 0; k < n_b && !a[i].matched; k++)
            if (!b[k].matched && same_piece(&a[i], &b[k])) {
                a[i].matched = b[k].matched = true;
                left -= 2;
            }
    return left;
}

static size_t count_left(const piece *p, size_t n)
{
    size_t left = 0;
    for (size_t i = 0; i < n; i++)
        left += !p[i].matched;
    return left;
}

/* "2 x dropout 0.2 and relu": each of those left over once, with how often it is there. */
static void add_left(piece *p, size_t n, word_form form, text *t)
{
    for (bool first = true;; first = false) {
        size_t i = 0, times = 0;
        while (i < n && p[i].matched)
            i++;
        if (i == n)
            return;
        for (size_t k = i; k < n; k++)
            if (!p[k].matched && same_piece(&p[k], &p[i])) {
                times++;
                p[k].matched = k != i;
            }
        p[i].matched = true;
        text one = {0};
        text_add_bytes(&one, p[i].at, (size_t)p[i].length);
        text_add(t, first ? "" : count_left(p, n) ? ", " : " and ");
        if (times > 1)
            text_printf(t, "%zu x ", times);
        words_add(t, one.data ? one.data : "", form);
        t->failed = t->failed || one.failed;
        text_free(&one);
    }
}

static void add_layers(const char *before, const char *after, word_form form, text *t)
{
    piece a[MAX_LAYERS], b[MAX_LAYERS];
    const size_t n_a = split_layers(before, a), n_b = split_layers(after, b);
    if (match(a, n_a, b, n_b) == 0) {
        text_add(t, "the same layers in another order");
        return;
    }
    const bool more = count_left(b, n_b), less = count_left(a, n_a);
    text_add(t, !less ? "with " : !more ? "without " : "");
    add_left(b, n_b, form, t);
    text_add(t, more && less ? " instead of " : "");
    add_left(a, n_a, form, t);
}

static size_t layers_changed(const char *before, const char *after)
{
    piece a[MAX_LAYERS], b[MAX_LAYERS];
    const size_t n_a = split_layers(before, a), n_b = split_layers(after, b);
    return match(a, n_a, b, n_b);
}

plain_model plain_model_of(const char *model)
{
    static const char *const no_activation[] = {"batch_norm", "layer_norm", "flatten"};
    plain_model none = {0}, p = {.is_plain = true};
    piece layers[MAX_LAYERS];
    const size_t n = split_layers(model, layers);
    for (size_t i = 0; i < n; i++) {
        static const char linear[] = "linear ";
        char layer[32];
        uint64_t size;
        if (layers[i].length >= (int)sizeof layer)
            return none;
        snprintf(layer, sizeof layer, "%.*s", layers[i].length, layers[i].at);
        if (i % 2 == 0 && (strncmp(layer, linear, strlen(linear)) != 0 || !parse_u64(layer + strlen(linear), &size)))
            return none;
        if (i % 2 == 0)
            continue;
        for (size_t k = 0; k < COUNT(no_activation); k++)
            if (strcmp(layer, no_activation[k]) == 0)
                return none;
        if (strchr(layer, ' ') || (*p.activation && strcmp(layer, p.activation) != 0))
            return none;
        memcpy(p.activation, layer, sizeof layer);
    }
    p.n_hidden = n / 2;
    return n % 2 ? p : none;
}

/* ---- Keys ---- */

/* Whether a key of a group is there in both, and different, or the group's own name is. */
static bool key_changed(const lineup *l, const char *group, const setting *now, const variant *before)
{
    const size_t length = strlen(group);
    const setting *then = setting_find(l->settings[before - l->variants], now->key);
    return strncmp(now->key, group, length) == 0 && (!now->key[length] || now->key[length] == '.') && then && strcmp(then->text, now->text) != 0;
}

/* "adamw lr=0.001 weight_decay=0.01" of the group that is named so; what else it has goes without saying. */
static void add_named(const lineup *l, const char *group, const variant *v, word_form form, text *t)
{
    static const char *const said[] = {"lr", "weight_decay"};
    words_add(t, setting_of(l, v, group), form);
    for (size_t i = 0; i < COUNT(said); i++) {
        char key[64];
        snprintf(key, sizeof key, "%s.%s", group, said[i]);
        const char *value = setting_of(l, v, key);
        if (!*value || strcmp(value, "0") == 0)
            continue;
        text_printf(t, " %s=", said[i]);
        words_add(t, value, form);
    }
}

static void add_scale(const char *scale, word_form form, text *t)
{
    const bool none = strcmp(scale, "1") == 0;
    text_add(t, none ? "as they are" : "/ ");
    words_add(t, none ? "" : scale, form);
}

void change_add(const lineup *l, size_t group_index, const variant *a, const variant *b, word_form form, text *t)
{
    const char *group = l->groups[group_index], *before = setting_of(l, a, group), *after = setting_of(l, b, group);
    bool first = true;
    if (strcmp(group, "model") == 0) {
        add_layers(before, after, form, t);
        return;
    }
    if (strcmp(group, "data.scale") == 0) {
        text_add(t, "inputs ");
        add_scale(after, form, t);
        text_add(t, " instead of ");
        add_scale(before, form, t);
        return;
    }
    if (strcmp(before, after) != 0 && *before && *after && strchr(group, '.') == NULL) {
        add_named(l, group, b, form, t);
        text_add(t, " instead of ");
        add_named(l, group, a, form, t);
        return;
    }
    for (const setting *s = l->settings[b - l->variants]->first; s; s = s->next) {
        if (!key_changed(l, group, s, a))
            continue;
        text_add(t, first ? "" : ", ");
        words_add(t, s->key, form);
        text_add(t, " ");
        words_add(t, s->text, form);
        text_add(t, " instead of ");
        words_add(t, setting_of(l, a, s->key), form);
        first = false;
    }
    text_add(t, first ? "in what only one of them says" : "");
}

size_t change_size(const lineup *l, size_t group, const variant *a, const variant *b)
{
    enum { ANOTHER_KIND = 1000 };
    size_t n = 0;
    if (strcmp(l->groups[group], "model") == 0)
        return layers_changed(setting_of(l, a, "model"), setting_of(l, b, "model")) +
               (a->runs[0]->n_parameters != b->runs[0]->n_parameters ? ANOTHER_KIND : 0);
    if (strcmp(setting_of(l, a, l->groups[group]), setting_of(l, b, l->groups[group])) != 0)
        return ANOTHER_KIND;
    for (const setting *s = l->settings[b - l->variants]->first; s; s = s->next)
        n += key_changed(l, l->groups[group], s, a);
    return n;
}
