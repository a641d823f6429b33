/* What the numbers say: sentences made from the runs. Variants that differ in one setting only are held against each
 * other. */
#include "report/variants.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TERMINAL_WIDTH 96
#define MANY 5 /* variants in one sentence; of more only the ends are named */

typedef enum dimension { SCALE, OPTIMIZER, MODEL, N_DIMENSIONS } dimension;

/* Variants that are alike but for one dimension, one for each value of it. */
typedef struct family {
    const variant **members; /* with epochs to compare first, then those of which every run diverged */
    size_t n, n_compared;
    size_t epoch; /* the last that all of the compared have */
} family;

typedef struct prose {
    text *out;
    text sentence;
    word_form form;
    bool began;
    bool one_seed; /* a sentence rests on a variant with one seed */
    const task_words *words; /* of the family that is spoken of */
} prose;

/* ---- Sentences ---- */

static void say_name(prose *p, const variant *v) { words_add(&p->sentence, v->name, p->form); }

/* Lines of a terminal end between words. */
static void add_wrapped(text *out, const char *words)
{
    size_t column = 2;
    while (*words) {
        size_t n = strcspn(words, " "), shown = 0;
        while (words[n] && (words[n + 1] == '%' || words[n + 1] == '+' || words[n - 1] == '-'))
            n += 1 + strcspn(words + n + 1, " "); /* a number stays with its unit and its spread */
        for (size_t i = 0; i < n; i++)
            shown += ((unsigned char)words[i] & 0xc0) != 0x80;
        bool wrap = column > 2 && column + 1 + shown > TERMINAL_WIDTH;
        text_add(out, wrap ? "\n  " : column > 2 ? " " : "");
        column = wrap ? 2 + shown : column + (column > 2) + shown;
        text_add_bytes(out, words, n);
        words += n + strspn(words + n, " ");
    }
}

static void end_sentence(prose *p)
{
    static const char *const heads[] = {"\nWhat the numbers say\n", "\n## What the numbers say\n\n", ""};
    static const char *const begins[] = {"- ", "- ", "<li>"}, *const ends[] = {".\n", ".\n", ".</li>\n"};
    if (!p->began)
        text_add(p->out, heads[p->form]);
    p->began = true;
    text_add(p->out, begins[p->form]);
    const char *sentence = p->sentence.data ? p->sentence.data : "";
    if (p->form != WORDS_PLAIN)
        text_add(p->out, sentence);
    else
        add_wrapped(p->out, sentence);
    text_add(p->out, ends[p->form]);
    p->out->failed = p->out->failed || p->sentence.failed;
    text_free(&p->sentence);
}

static void say_spread(prose *p, const spread *s, int decimals, const char *unit)
{
    text_printf(&p->sentence, "%.*f", decimals, s->mean);
    if (s->n > 1)
        text_printf(&p->sentence, " %s %.*f", plus_minus(p->form), decimals, s->std);
    text_add(&p->sentence, unit);
}

static void say_score(prose *p, const spread *s) { say_spread(p, s, p->words->decimals, p->words->unit); }

/* Three figures, as far as that makes sense. */
static void say_loss(prose *p, const spread *s)
{
    double size = fabs(s->mean);
    if (size == 0 || (size >= 0.001 && size < 1e6)) {
        say_spread(p, s, size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3, "");
        return;
    }
    text_printf(&p->sentence, "%.2e", s->mean);
    if (s->n > 1)
        text_printf(&p->sentence, " %s %.2e", plus_minus(p->form), s->std);
}

static void say_epochs(prose *p, size_t n) { text_printf(&p->sentence, "%zu epoch%s", n, n == 1 ? "" : "s"); }

/* ", " and " and " between the parts of a list. */
static const char *joint(size_t i, size_t n) { return i == 0 ? "" : i + 1 == n ? " and " : ", "; }

/* The difference of two means is less than twice its standard error. Unknown, so false, for a single run. */
static bool within_noise(const spread *a, const spread *b)
{
    if (a->n < 2 || b->n < 2)
        return false;
    double error = sqrt(a->std * a->std / (double)a->n + b->std * b->std / (double)b->n);
    return fabs(a->mean - b->mean) < 2 * error;
}

/* ---- Families ---- */

static bool same_text(const char *a, const char *b) { return strcmp(a ? a : "", b ? b : "") == 0; }

static bool same_value(const variant *a, const variant *b, dimension d)
{
    const run_record *x = a->runs[0], *y = b->runs[0];
    if (d == SCALE)
        return x->scale == y->scale;
    return d == OPTIMIZER ? same_text(x->optimizer, y->optimizer) : same_text(x->model, y->model);
}

static bool alike_but(const variant *a, const variant *b, dimension but)
{
    const run_record *x = a->runs[0], *y = b->runs[0];
    for (dimension d = 0; d < N_DIMENSIONS; d++)
        if (d != but && !same_value(a, b, d))
            return false;
    return same_text(x->data, y->data) && same_text(x->loss, y->loss) && same_text(x->schedule, y->schedule) && x->batch == y->batch;
}

static bool all_diverged(const variant *v) { return v->n_runs > 0 && v->n_diverged == v->n_runs; }

/* Whether v is the first variant of its value among those that are alike but for `d`. */
static bool first_of_value(const variant *variants, const variant *v, dimension d)
{
    for (const variant *w = variants; w < v; w++)
        if (alike_but(w, v, d) && same_value(w, v, d))
            return false;
    return true;
}

static size_t longest_of_value(const variant *variants, size_t n, const variant *v, dimension d)
{
    size_t longest = 0;
    for (size_t i = 0; i < n; i++)
        if (alike_but(&variants[i], v, d) && same_value(&variants[i], v, d))
            longest = MAX(longest, variant_last_epoch(&variants[i]));
    return longest;
}

/* Of the variants with v's value, the one that has `epoch` and goes least beyond it: where two variants differ only in
 * how long they ran, a run of 10 epochs is held against one of 10. */
static const variant *closest_of_value(const variant *variants, size_t n, const variant *v, dimension d, size_t epoch)
{
    const variant *closest = NULL;
    for (size_t i = 0; i < n; i++) {
        const variant *w = &variants[i];
        size_t last = variant_last_epoch(w);
        if (alike_but(w, v, d) && same_value(w, v, d) && last >= epoch &&
            (!closest || last < variant_last_epoch(closest)))
            closest = w;
    }
    return closest;
}

/* The family that begins with variant `first`. False: it has none, or belongs to that of an earlier one. */
static bool find_family(const variant *variants, size_t n, size_t first, dimension d, family *f)
{
    const variant *v = &variants[first];
    *f = (family){.members = f->members, .epoch = SIZE_MAX};
    for (size_t i = 0; i < first; i++)
        if (alike_but(&variants[i], v, d))
            return false;
    for (size_t i = first; i < n; i++) {
        size_t longest = longest_of_value(variants, n, &variants[i], d);
        if (alike_but(&variants[i], v, d) && longest > 0)
            f->epoch = MIN(f->epoch, longest);
    }
    for (size_t i = first; i < n; i++) {
        const variant *w = &variants[i];
        if (alike_but(w, v, d) && first_of_value(variants, w, d) && longest_of_value(variants, n, w, d) > 0)
            f->members[f->n_compared++] = closest_of_value(variants, n, w, d, f->epoch);
    }
    f->n = f->n_compared;
    for (size_t i = first; i < n; i++) {
        const variant *w = &variants[i];
        if (alike_but(w, v, d) && first_of_value(variants, w, d) && all_diverged(w) &&
            longest_of_value(variants, n, w, d) == 0)
            f->members[f->n++] = w;
    }
    return f->n > 1 && f->n_compared > 0;
}

static void sort_members(family *f, const double *keys_in, double *keys)
{
    memcpy(keys, keys_in, f->n_compared * sizeof *keys);
    for (size_t i = 1; i < f->n_compared; i++) {
        const variant *member = f->members[i];
        double key = keys[i];
        size_t k = i;
        for (; k > 0 && keys[k - 1] > key; k--) {
            keys[k] = keys[k - 1];
            f->members[k] = f->members[k - 1];
        }
        keys[k] = key;
        f->members[k] = member;
    }
}

static void note_seeds(prose *p, const family *f)
{
    for (size_t i = 0; i < f->n_compared; i++)
        p->one_seed = p->one_seed || f->members[i]->n_runs == 1;
}

static void say_diverged(prose *p, const family *f)
{
    for (size_t i = f->n_compared; i < f->n; i++) {
        text_add(&p->sentence, i == f->n_compared ? "; " : joint(i - f->n_compared, f->n - f->n_compared));
        say_name(p, f->members[i]);
    }
    if (f->n > f->n_compared)
        text_add(&p->sentence, " diverged");
}

static void say_value(prose *p, const variant *v, quantity q, size_t epoch)
{
    spread s = variant_at(v, q, epoch);
    if (s.n == 0)
        text_add(&p->sentence, "unknown");
    else if (q == VAL_SCORE)
        say_score(p, &s);
    else
        say_loss(p, &s);
    text_add(&p->sentence, " (");
    say_name(p, v);
    text_add(&p->sentence, ")");
}

/* "89.31 % (adam) and 87.20 % (sgd)"; of many only the best. */
static void say_values(prose *p, const family *f, quantity q)
{
    const variant *best = f->members[0];
    double sign = q == VAL_SCORE ? -1 : 1;
    for (size_t i = 0; i < f->n_compared; i++) {
        const variant *v = f->members[i];
        if (sign * variant_at(v, q, f->epoch).mean < sign * variant_at(best, q, f->epoch).mean)
            best = v;
        if (f->n_compared > MANY)
            continue;
        text_add(&p->sentence, joint(i, f->n_compared));
        say_value(p, v, q, f->epoch);
    }
    if (f->n_compared > MANY)
        say_value(p, best, q, f->epoch);
}

/* ---- The scale of the inputs ---- */

static void say_scaled(prose *p, const variant *v)
{
    double scale = v->runs[0]->scale;
    say_name(p, v);
    if (scale == 1)
        text_add(&p->sentence, " (inputs as they are)");
    else
        text_printf(&p->sentence, " (inputs / %g)", scale);
}

static void say_pair(prose *p, const family *f)
{
    spread a = variant_at(f->members[0], VAL_SCORE, f->epoch), b = variant_at(f->members[1], VAL_SCORE, f->epoch);
    spread first_a = variant_at(f->members[0], TRAIN_LOSS, 1), first_b = variant_at(f->members[1], TRAIN_LOSS, 1);
    say_scaled(p, f->members[0]);
    text_add(&p->sentence, " against ");
    say_scaled(p, f->members[1]);
    text_add(&p->sentence, ": after ");
    say_epochs(p, f->epoch);
    if (a.mean == b.mean) {
        text_printf(&p->sentence, " both have validation %s ", p->words->score);
        say_score(p, &a);
    } else {
        text_printf(&p->sentence, " validation %s ", p->words->score);
        say_score(p, &a);
        text_add(&p->sentence, " instead of ");
        say_score(p, &b);
        text_add(&p->sentence, within_noise(&a, &b) ? " (within noise)" : "");
    }
    if (first_a.n == 0 || first_b.n == 0)
        return;
    text_add(&p->sentence, "; the first epoch's training loss was ");
    say_loss(p, &first_a);
    text_add(&p->sentence, " instead of ");
    say_loss(p, &first_b);
}

static void say_scale(prose *p, family *f, double *keys)
{
    for (size_t i = 0; i < f->n_compared; i++) {
        spread s = variant_at(f->members[i], VAL_SCORE, f->epoch);
        keys[i] = s.n ? -s.mean : INFINITY;
    }
    sort_members(f, keys, keys + f->n);
    text_add(&p->sentence, "Input scale: ");
    if (f->n_compared == 2) {
        say_pair(p, f);
    } else {
        text_add(&p->sentence, "after ");
        say_epochs(p, f->epoch);
        text_printf(&p->sentence, " validation %s is ", p->words->score);
        for (size_t i = 0; i < f->n_compared; i++) {
            spread s = variant_at(f->members[i], VAL_SCORE, f->epoch);
            text_add(&p->sentence, joint(i, f->n_compared));
            say_score(p, &s);
            text_add(&p->sentence, " with ");
            say_scaled(p, f->members[i]);
        }
    }
    say_diverged(p, f);
    end_sentence(p);
}

/* ---- Optimizers ---- */

/* The first epoch up to `last` whose mean training loss is at most `target`; 0: none is. */
static size_t epochs_to(const variant *v, double target, size_t last)
{
    for (size_t epoch = 1; epoch <= last; epoch++)
        if (variant_at(v, TRAIN_LOSS, epoch).mean <= target)
            return epoch;
    return 0;
}

/* The epoch of the lowest mean training loss. */
static size_t lowest_epoch(const variant *v, size_t last, double *lowest)
{
    size_t best = 0;
    *lowest = INFINITY;
    for (size_t epoch = 1; epoch <= last; epoch++) {
        double loss = variant_at(v, TRAIN_LOSS, epoch).mean;
        if (loss < *lowest) {
            *lowest = loss;
            best = epoch;
        }
    }
    return best;
}

/* Mean seconds of training up to an epoch. */
static double seconds_to(const variant *v, size_t last)
{
    spread s = spread_none();
    for (size_t i = 0; i < v->n_runs; i++) {
        double seconds = 0;
        for (size_t epoch = 1; epoch <= last; epoch++) {
            const weft_metrics *m = run_at(v->runs[i], epoch);
            seconds += m ? m->train_seconds : NAN;
        }
        spread_add(&s, run_diverged(v->runs[i]) ? NAN : seconds);
    }
    return s.mean;
}

static void say_time(prose *p, const variant *v, size_t epoch)
{
    double seconds = seconds_to(v, epoch);
    if (seconds > 0)
        text_printf(&p->sentence, " (%.1f s of training)", seconds);
}

/* Who took how many epochs, the quickest first; of many the quickest ones, and how long the others took. */
static void say_epochs_taken(prose *p, const family *f, const double *epochs)
{
    size_t k = f->n_compared, named = k > MANY ? 3 : k;
    text *t = &p->sentence;
    say_epochs(p, (size_t)epochs[0]);
    say_time(p, f->members[0], (size_t)epochs[0]);
    for (size_t i = 1; i < named; i++) {
        text_add(t, ", ");
        say_name(p, f->members[i]);
        text_printf(t, " after %.0f", epochs[i]);
        say_time(p, f->members[i], (size_t)epochs[i]);
    }
    if (named < k && epochs[named] == epochs[k - 1])
        text_printf(t, ", the other %zu after %.0f", k - named, epochs[k - 1]);
    else if (named < k)
        text_printf(t, ", the other %zu after %.0f to %.0f", k - named, epochs[named], epochs[k - 1]);
}

static void say_quicker(prose *p, const family *f, const double *epochs, const variant *slowest)
{
    size_t k = f->n_compared;
    double lowest;
    text *t = &p->sentence;
    size_t at = lowest_epoch(slowest, f->epoch, &lowest);
    spread target = {.n = 1, .mean = lowest};
    if (epochs[0] == epochs[k - 1]) {
        text_printf(t, "%s took equally long, ", k == 2 ? "both" : "all");
        say_epochs(p, (size_t)epochs[0]);
        text_add(t, ", to the training loss ");
        say_loss(p, &target);
        return;
    }
    say_name(p, f->members[0]);
    text_add(t, " reached the training loss that ");
    say_name(p, slowest);
    text_add(t, at == f->epoch ? " ended with (" : " had at its best (");
    say_loss(p, &target);
    text_add(t, ") after ");
    say_epochs_taken(p, f, epochs);
    spread a = variant_at(f->members[0], TRAIN_LOSS, f->epoch), b = variant_at(slowest, TRAIN_LOSS, f->epoch);
    if (within_noise(&a, &b))
        text_add(t, ", though their last training losses differ within noise only");
}

/* The variant whose best training loss is the worst of all: all others reached it. NULL: a loss is not finite. */
static const variant *slowest_of(const family *f, double *target)
{
    const variant *slowest = NULL;
    double lowest;
    *target = -INFINITY;
    for (size_t i = 0; i < f->n_compared; i++) {
        lowest_epoch(f->members[i], f->epoch, &lowest);
        if (lowest > *target)
            slowest = f->members[i];
        *target = fmax(*target, lowest);
    }
    return isfinite(*target) ? slowest : NULL;
}

static void say_optimizer(prose *p, family *f, double *keys)
{
    double target, *epochs = keys + f->n;
    const variant *slowest = slowest_of(f, &target);
    text *t = &p->sentence;
    text_add(t, "Optimizer: ");
    if (slowest && f->n_compared > 1) {
        for (size_t i = 0; i < f->n_compared; i++)
            keys[i] = (double)epochs_to(f->members[i], target, f->epoch);
        sort_members(f, keys, epochs);
        say_quicker(p, f, epochs, slowest);
        text_add(t, "; ");
    }
    text_add(t, "after ");
    say_epochs(p, f->epoch);
    text_add(t, f->n_compared > MANY ? " the lowest training loss is " : " training loss is ");
    say_values(p, f, TRAIN_LOSS);
    text_printf(t, f->n_compared > MANY ? ", the best validation %s " : ", validation %s ", p->words->score);
    say_values(p, f, VAL_SCORE);
    say_diverged(p, f);
    end_sentence(p);
}

/* ---- Depth ---- */

/* Layers between the input and the output: those with weights, less the last. */
static size_t hidden_layers(const char *model)
{
    static const char *const names[] = {"linear", "conv1d", "conv2d", "conv3d"};
    size_t n = 0;
    for (const char *c = model ? model : ""; *c; c++) {
        bool starts = c == model || strchr(" ,[\"'", c[-1]);
        for (size_t i = 0; starts && i < COUNT(names); i++) {
            size_t length = strlen(names[i]);
            n += strncmp(c, names[i], length) == 0 && (!c[length] || strchr(" ,]\"'", c[length]));
        }
    }
    return n ? n - 1 : 0;
}

static void say_layers(prose *p, const variant *v, bool parameters)
{
    size_t hidden = hidden_layers(v->runs[0]->model);
    say_name(p, v);
    if (parameters)
        text_printf(&p->sentence, ", %zu parameters", v->runs[0]->n_parameters);
    else
        text_printf(&p->sentence, ", %zu hidden layer%s", hidden, hidden == 1 ? "" : "s");
}

typedef struct trend {
    bool grows, shrinks, noise; /* at every step */
} trend;

static trend gap_trend(const family *f)
{
    trend t = {true, true, true};
    for (size_t i = 1; i < f->n_compared; i++) {
        spread a = variant_at(f->members[i - 1], GAP, f->epoch), b = variant_at(f->members[i], GAP, f->epoch);
        t.grows = t.grows && b.mean > a.mean;
        t.shrinks = t.shrinks && b.mean < a.mean;
        t.noise = t.noise && within_noise(&a, &b);
    }
    return t;
}

static void say_gaps(prose *p, const family *f, bool parameters)
{
    trend way = gap_trend(f);
    text *t = &p->sentence;
    const char *with = parameters ? " with the number of parameters" : " with depth";
    if (way.noise)
        text_printf(t, " did not change%s beyond noise: ", with);
    else if (way.grows || way.shrinks)
        text_printf(t, " %s%s, from ", way.grows ? "grew" : "shrank", with);
    else
        text_printf(t, " did not grow steadily%s: ", with);
    bool steady = !way.noise && (way.grows || way.shrinks);
    for (size_t i = 0; i < f->n_compared; i++) {
        spread s = variant_at(f->members[i], GAP, f->epoch);
        text_add(t, i == 0 ? "" : steady ? " to " : ", ");
        say_spread(p, &s, p->words->decimals, i == 0 && *p->words->unit ? " points (" : " (");
        say_layers(p, f->members[i], parameters);
        spread before = variant_at(f->members[i ? i - 1 : 0], GAP, f->epoch);
        text_add(t, i && !way.noise && within_noise(&before, &s) ? "; within noise of the one before)" : ")");
    }
}

static void say_depth(prose *p, family *f, double *keys)
{
    text *t = &p->sentence;
    bool same_depth = true;
    for (size_t i = 0; i < f->n_compared; i++) {
        size_t hidden = hidden_layers(f->members[i]->runs[0]->model);
        same_depth = same_depth && hidden == hidden_layers(f->members[0]->runs[0]->model);
        keys[i] = (double)hidden * 1e12 + (double)f->members[i]->runs[0]->n_parameters;
    }
    sort_members(f, keys, keys + f->n);
    text_printf(t, "%s: after ", same_depth ? "Model size" : "Depth");
    say_epochs(p, f->epoch);
    if (f->n_compared > 1) {
        text_printf(t, " the gap between training and validation %s", p->words->score);
        say_gaps(p, f, same_depth);
        text_printf(t, f->n_compared > MANY ? "; the best validation %s was " : "; validation %s was ", p->words->score);
    } else {
        text_printf(t, " validation %s was ", p->words->score);
    }
    say_values(p, f, VAL_SCORE);
    say_diverged(p, f);
    end_sentence(p);
}

/* ---- All ---- */

static void say_divergence(prose *p, const variant *v)
{
    const run_record *run = v->runs[0];
    text *t = &p->sentence;
    for (size_t i = 0; i < v->n_runs && !run_diverged(run); i++)
        run = v->runs[i];
    text_add(t, "Diverged: ");
    say_name(p, v);
    if (v->n_runs > 1)
        text_printf(t, ", %zu of %zu seeds; seed %llu", v->n_diverged, v->n_runs, (unsigned long long)run->seed);
    text_add(t, " after ");
    say_epochs(p, run->n_epochs ? run->metrics[run->n_epochs - 1].epoch : 0);
    if (run->message && *run->message) {
        text_add(t, ": ");
        words_add(t, run->message, p->form);
    }
    end_sentence(p);
}

void prose_add(const variant *variants, size_t n, word_form form, text *t)
{
    static void (*const say[N_DIMENSIONS])(prose *, family *, double *) = {say_scale, say_optimizer, say_depth};
    arena a = {0};
    prose p = {.out = t, .form = form};
    family f = {.members = arena_array(&a, n + 1, sizeof *f.members)};
    double *keys = arena_array(&a, 2 * n + 2, sizeof *keys);
    if (!f.members || !keys) {
        t->failed = true;
        goto done;
    }
    for (size_t i = 0; i < n; i++)
        if (variants[i].n_diverged > 0)
            say_divergence(&p, &variants[i]);
    for (dimension d = 0; d < N_DIMENSIONS; d++)
        for (size_t i = 0; i < n; i++) {
            if (!find_family(variants, n, i, d, &f))
                continue;
            note_seeds(&p, &f);
            p.words = variants_words(f.members[0], 1);
            say[d](&p, &f, keys);
        }
    if (p.one_seed) {
        text_add(&p.sentence, "Where a variant ran with one seed only, a small difference may be chance; several seeds "
                              "would tell");
        end_sentence(&p);
    }
done:
    arena_deinit(&a);
}
