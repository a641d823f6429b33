/* What the numbers say: sentences made from the runs. Variants that differ in one thing only are held against each other. */
#include "report/sentences.h"

#include <math.h>
#include <string.h>

enum {
    MANY = 5,            /* variants that are told about one by one; of more the best */
    MOST_VARIANTS = 30,  /* of a sweep's many only the best is told of */
    MOST_NAMES = 10,     /* in a list */
    MANY_INTERVALS = 10, /* of so many it is to be expected that some are wrong */
};

/* What is going to be told, and what has been. */
typedef struct story {
    prose p;
    lineup all;
    size_t *heap;  /* [n]: variants that sentences connect are in the heap of the same number: their earliest one's */
    double *keys; /* [n] */
} story;

static const char *heading(const char *group)
{
    static const char *const known[][2] = {
        {"data.scale", "Input scale"}, {"data.set", "Data"},  {"model", "Model"},           {"loss", "Loss"},
        {"optimizer", "Optimizer"},    {"schedule", "Schedule"}, {"train.batch", "Batch size"}, {"train.average", "Averaging"},
    };
    for (size_t i = 0; i < COUNT(known); i++)
        if (strcmp(group, known[i][0]) == 0)
            return known[i][1];
    return group;
}

static bool is_group(const story *s, size_t group, const char *name) { return strcmp(s->all.groups[group], name) == 0; }

static void connect(story *s, const variant *v, const variant *w)
{
    const size_t one = s->heap[v - s->all.variants], other = s->heap[w - s->all.variants];
    for (size_t i = 0; i < s->all.n; i++)
        if (s->heap[i] == MAX(one, other))
            s->heap[i] = MIN(one, other);
}

/* ---- Two variants ---- */

/* "validation accuracy is 86.75 +- 0.20 % instead of 85.10 +- 0.34 %, +1.65 points (95 % interval +1.10 to +2.20)" */
static void say_scores(prose *p, const variant *a, const variant *b, size_t epoch)
{
    const spread before = variant_at(a, VAL_SCORE, epoch), after = variant_at(b, VAL_SCORE, epoch);
    const difference d = variants_differ(b, a, VAL_SCORE, epoch);
    text_printf(&p->sentence, " validation %s is ", p->words->score);
    say_score(p, &after);
    if (before.mean == after.mean && before.std == after.std) {
        text_add(&p->sentence, " in both");
        p->one_seed = p->one_seed || after.n < 2;
        return;
    }
    text_add(&p->sentence, " instead of ");
    say_score(p, &before);
    text_add(&p->sentence, ", ");
    say_difference(p, &d);
}

/* Where something learns the training set more or less by heart than the other: beyond noise, or with one seed by half a point and more. */
static void say_gap(prose *p, const variant *a, const variant *b, size_t epoch)
{
    const double worth_saying = *p->words->unit ? 0.5 : 0.005;
    const spread before = variant_at(a, GAP, epoch), after = variant_at(b, GAP, epoch);
    const difference d = variants_differ(b, a, GAP, epoch);
    if (difference_known(&d) ? within_noise(&d) : !(fabs(d.mean) >= worth_saying))
        return;
    text_printf(&p->sentence, "; the gap between training and validation %s is ", p->words->score);
    say_spread(p, &after, p->words->decimals, "");
    text_add(&p->sentence, " instead of ");
    say_spread(p, &before, p->words->decimals, *p->words->unit ? " points" : "");
}

static void say_first_loss(prose *p, const variant *a, const variant *b)
{
    const spread before = variant_at(a, TRAIN_LOSS, 1), after = variant_at(b, TRAIN_LOSS, 1);
    text_add(&p->sentence, "; the first epoch's training loss was ");
    say_loss(p, &after);
    text_add(&p->sentence, " instead of ");
    say_loss(p, &before);
}

/* The epoch of the lowest mean training loss. */
static size_t lowest_epoch(const variant *v, size_t last, double *lowest)
{
    size_t best = 0;
    *lowest = INFINITY;
    for (size_t epoch = 1; epoch <= last; epoch++) {
        const double loss = variant_at(v, TRAIN_LOSS, epoch).mean;
        if (loss < *lowest) {
            *lowest = loss;
            best = epoch;
        }
    }
    return best;
}

/* The first epoch up to `last` whose mean training loss is at most `target`; 0: none is. */
static size_t epochs_to(const variant *v, double target, size_t last)
{
    for (size_t epoch = 1; epoch <= last; epoch++)
        if (variant_at(v, TRAIN_LOSS, epoch).mean <= target)
            return epoch;
    return 0;
}

static void say_time(prose *p, const variant *v, size_t last)
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
    if (s.mean > 0)
        text_printf(&p->sentence, " (%.1f s of training)", s.mean);
}

/* Who was first at the training loss that the slower one got to. */
static void say_race(prose *p, const variant *a, const variant *b, size_t last)
{
    double loss_a, loss_b;
    const size_t at_a = lowest_epoch(a, last, &loss_a), at_b = lowest_epoch(b, last, &loss_b);
    const bool b_is_quick = loss_b <= loss_a;
    const variant *quick = b_is_quick ? b : a, *slow = b_is_quick ? a : b;
    const size_t slow_epochs = b_is_quick ? at_a : at_b;
    const spread target = {.n = 1, .mean = fmax(loss_a, loss_b)};
    if (!isfinite(target.mean))
        return;
    const size_t quick_epochs = epochs_to(quick, target.mean, last);
    if (quick_epochs == slow_epochs)
        return;
    text_add(&p->sentence, "; ");
    say_name(p, quick);
    text_add(&p->sentence, " reached the training loss that ");
    say_name(p, slow);
    text_add(&p->sentence, slow_epochs == last ? " ended with (" : " had at its best (");
    say_loss(p, &target);
    text_add(&p->sentence, ") after ");
    say_epochs(p, quick_epochs);
    say_time(p, quick, quick_epochs);
    text_add(&p->sentence, ", ");
    say_name(p, slow);
    text_printf(&p->sentence, " after %zu", slow_epochs);
    say_time(p, slow, slow_epochs);
}

/* A race is told between what goes down the same loss: what pulls at the weights beside it (decay) is not there to get it low. */
static bool is_race(const story *s, size_t group, const variant *a, const variant *b)
{
    static const char *const pulls[] = {"optimizer.weight_decay", "optimizer.no_decay"};
    for (size_t i = 0; i < COUNT(pulls); i++) {
        const char *one = setting_of(&s->all, a, pulls[i]), *other = setting_of(&s->all, b, pulls[i]);
        if (strcmp(*one ? one : "0", *other ? other : "0") != 0)
            return false;
    }
    return is_group(s, group, "optimizer");
}

static void tell_pair(story *s, size_t group, const variant *a, const variant *b, size_t epoch)
{
    prose *p = &s->p;
    words_add(&p->sentence, heading(s->all.groups[group]), p->form);
    text_add(&p->sentence, ": ");
    say_name(p, b);
    text_add(&p->sentence, " against ");
    say_name(p, a);
    text_add(&p->sentence, " (");
    change_add(&s->all, group, a, b, p->form, &p->sentence);
    text_add(&p->sentence, "): after ");
    say_epochs(p, epoch);
    say_scores(p, a, b, epoch);
    if (is_group(s, group, "data.scale"))
        say_first_loss(p, a, b);
    else if (is_race(s, group, a, b))
        say_race(p, a, b, epoch);
    else
        say_gap(p, a, b, epoch);
    end_sentence(p);
}

/* Of those before member `i`, the one that least was changed in. */
static const variant *nearest_before(const family *f, size_t i)
{
    const variant *nearest = f->members[0];
    for (size_t k = 1; k < i; k++)
        if (change_size(f->of, f->group, f->members[k], f->members[i]) < change_size(f->of, f->group, nearest, f->members[i]))
            nearest = f->members[k];
    return nearest;
}

/* ---- Many ---- */

static bool group_varies(const lineup *l, size_t group)
{
    for (size_t i = 1; i < l->n; i++)
        if (strcmp(l->values[i][group], l->values[0][group]) != 0)
            return true;
    return false;
}

static const variant *best_of(const family *f)
{
    const variant *best = f->members[0];
    for (size_t i = 1; i < f->n; i++)
        if (variant_at(f->members[i], VAL_SCORE, f->epoch).mean > variant_at(best, VAL_SCORE, f->epoch).mean)
            best = f->members[i];
    return best;
}

/* Who is best, and who is as good as far as noise can tell. */
static void say_best(prose *p, const family *f)
{
    const variant *best = best_of(f);
    const spread top = variant_at(best, VAL_SCORE, f->epoch);
    size_t n_near = 0, n_known = 0, named = 0;
    for (size_t i = 0; i < f->n; i++) {
        const difference d = variants_differ(f->members[i], best, VAL_SCORE, f->epoch);
        if (f->members[i] == best)
            continue;
        note_difference(p, &d);
        n_known += difference_known(&d);
        n_near += within_noise(&d);
    }
    say_name(p, best);
    text_printf(&p->sentence, " has the best validation %s after ", p->words->score);
    say_epochs(p, f->epoch);
    text_add(&p->sentence, ", ");
    say_score(p, &top);
    text_add(&p->sentence, n_near ? "; within noise of it: " : n_known ? "; all others are below it by more than noise" : "");
    for (size_t i = 0; i < f->n; i++) {
        const difference d = variants_differ(f->members[i], best, VAL_SCORE, f->epoch);
        if (f->members[i] == best || !within_noise(&d) || named == MOST_NAMES)
            continue;
        text_add(&p->sentence, joint(named++, n_near));
        say_name(p, f->members[i]);
    }
    if (n_near > named)
        text_printf(&p->sentence, " and %zu more", n_near - named);
    end_sentence(p);
}

static void tell_best(story *s, const family *f)
{
    text_printf(&s->p.sentence, "%s: of %zu variants, ", heading(s->all.groups[f->group]), f->n);
    say_best(&s->p, f);
}

/* ---- Depth and width ---- */

/* Moves the plain models of the activation that most have to the front, by depth and then by size; returns how many there are. */
static size_t gather_plain(const story *s, family *f)
{
    size_t most = 0, n = 0;
    plain_model chosen = {0};
    for (size_t i = 0; i < f->n; i++) {
        const plain_model one = plain_model_of(setting_of(&s->all, f->members[i], "model"));
        size_t same = 0;
        for (size_t k = 0; one.is_plain && k < f->n; k++) {
            const plain_model other = plain_model_of(setting_of(&s->all, f->members[k], "model"));
            same += other.is_plain && (!*other.activation || strcmp(other.activation, one.activation) == 0);
        }
        if (same > most && *one.activation) {
            most = same;
            chosen = one;
        }
    }
    for (size_t i = 0; i < f->n && most > 1; i++) {
        const variant *v = f->members[i];
        const plain_model one = plain_model_of(setting_of(&s->all, v, "model"));
        if (!one.is_plain || (*one.activation && strcmp(one.activation, chosen.activation) != 0))
            continue;
        const double key = (double)one.n_hidden * 1e12 + (double)v->runs[0]->n_parameters;
        memmove(&f->members[n + 1], &f->members[n], (i - n) * sizeof *f->members); /* the others stay in their order */
        size_t k = n++;
        for (; k > 0 && s->keys[k - 1] > key; k--) {
            s->keys[k] = s->keys[k - 1];
            f->members[k] = f->members[k - 1];
        }
        s->keys[k] = key;
        f->members[k] = v;
    }
    return n;
}

static void say_size(const story *s, prose *p, const variant *v, bool same_depth)
{
    const size_t hidden = plain_model_of(setting_of(&s->all, v, "model")).n_hidden;
    say_name(p, v);
    if (same_depth)
        text_printf(&p->sentence, ", %zu parameters", v->runs[0]->n_parameters);
    else
        text_printf(&p->sentence, ", %zu hidden layer%s", hidden, hidden == 1 ? "" : "s");
}

/* How the gap goes from the smallest to the largest: a trend is steady, and its ends are further apart than noise. */
static void say_trend(prose *p, const family *f, size_t n, const char *with)
{
    bool grows = true, shrinks = true;
    for (size_t i = 1; i < n; i++) {
        const double step = variants_differ(f->members[i], f->members[i - 1], GAP, f->epoch).mean;
        grows = grows && step > 0;
        shrinks = shrinks && step < 0;
    }
    const difference ends = variants_differ(f->members[n - 1], f->members[0], GAP, f->epoch);
    if (difference_known(&ends) && within_noise(&ends))
        text_printf(&p->sentence, " does not change with %s beyond noise: ", with);
    else if (grows || shrinks)
        text_printf(&p->sentence, " %s with %s: ", grows ? "grows" : "shrinks", with);
    else
        text_printf(&p->sentence, " does not go steadily with %s: ", with);
}

static void tell_depth(story *s, const family *f, size_t n)
{
    prose *p = &s->p;
    const size_t first = plain_model_of(setting_of(&s->all, f->members[0], "model")).n_hidden;
    const bool same_depth = plain_model_of(setting_of(&s->all, f->members[n - 1], "model")).n_hidden == first;
    text_printf(&p->sentence, "%s: after ", same_depth ? "Model size" : "Depth");
    say_epochs(p, f->epoch);
    text_printf(&p->sentence, " the gap between training and validation %s", p->words->score);
    say_trend(p, f, n, same_depth ? "the number of parameters" : "depth");
    for (size_t i = 0; i < n; i++) {
        const spread gap = variant_at(f->members[i], GAP, f->epoch);
        text_add(&p->sentence, joint(i, n));
        say_spread(p, &gap, p->words->decimals, i == 0 && *p->words->unit ? " points (" : " (");
        say_size(s, p, f->members[i], same_depth);
        text_add(&p->sentence, ")");
    }
    text_printf(&p->sentence, "; validation %s is ", p->words->score);
    for (size_t i = 0; i < n; i++) {
        const spread score = variant_at(f->members[i], VAL_SCORE, f->epoch);
        text_add(&p->sentence, i ? "; " : "");
        say_score(p, &score);
        text_add(&p->sentence, " with ");
        say_name(p, f->members[i]);
        const difference d = variants_differ(f->members[i], f->members[i ? i - 1 : 0], VAL_SCORE, f->epoch);
        text_add(&p->sentence, i ? ", " : "");
        if (i)
            say_difference(p, &d);
        text_add(&p->sentence, i ? " against the one before" : "");
    }
    end_sentence(p);
}

/* ---- All ---- */

static void tell_family(story *s, family *f)
{
    const bool models = is_group(s, f->group, "model");
    const size_t n_plain = models ? gather_plain(s, f) : 0;
    for (size_t i = 1; i < f->n; i++)
        connect(s, f->members[0], f->members[i]);
    s->p.words = variants_words(f->members[0], 1);
    if (n_plain > 1)
        tell_depth(s, f, n_plain);
    if (f->n - (n_plain > 1 ? n_plain - 1 : 0) > MANY + 1) {
        tell_best(s, f);
        return;
    }
    for (size_t i = n_plain > 1 ? n_plain : 1; i < f->n; i++)
        tell_pair(s, f->group, nearest_before(f, i), f->members[i], f->epoch);
}

static void tell_divergence(prose *p, const variant *v)
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
    text_add(t, v->n_diverged < v->n_runs ? "; what is said of it is over its other seeds" : "");
    end_sentence(p);
}

/* Variants that differ only in how long they run stand for each other. */
static void connect_lengths(story *s)
{
    for (size_t i = 0; i < s->all.n; i++) {
        s->heap[i] = i;
        for (size_t k = 0; k < i; k++) {
            const variant *v = &s->all.variants[k], *w = &s->all.variants[i];
            if (lineup_apart(&s->all, v, w) == 0 && v->runs[0]->n_epochs_asked != w->runs[0]->n_epochs_asked)
                connect(s, v, w);
        }
    }
}

/* Of a variant that differs from those that were told of in several things: from the first one, and that these cannot be told apart. */
static void tell_mixture(story *s, const variant *v)
{
    prose *p = &s->p;
    const variant *first = s->all.variants;
    const size_t n = lineup_apart(&s->all, first, v), epoch = MIN(variant_last_epoch(first), variant_last_epoch(v));
    size_t said = 0;
    if (v == first || epoch == 0)
        return;
    p->words = variants_words(v, 1);
    say_name(p, v);
    text_add(&p->sentence, n ? " differs from " : " has the settings of ");
    say_name(p, first);
    text_add(&p->sentence, n ? " in " : ": with one seed and as many epochs they are the same run");
    for (size_t g = 0; g < s->all.n_groups; g++)
        if (strcmp(s->all.values[v - first][g], s->all.values[0][g]) != 0) {
            text_add(&p->sentence, joint(said++, n));
            words_add(&p->sentence, s->all.groups[g], p->form);
        }
    if (n) {
        text_add(&p->sentence, " together, and which of them makes a difference cannot be told: after ");
        say_epochs(p, epoch);
        say_scores(p, first, v, epoch);
    }
    end_sentence(p);
}

/* Of a crowd that differs in several things at once. */
static void tell_crowd(story *s, family *f)
{
    const lineup *all = &s->all;
    size_t n_apart = 0, said = 0;
    *f = (family){.of = all, .members = f->members, .epoch = SIZE_MAX};
    for (size_t i = 0; i < all->n; i++)
        if (variant_last_epoch(&all->variants[i]) > 0) {
            f->members[f->n++] = &all->variants[i];
            f->epoch = MIN(f->epoch, variant_last_epoch(&all->variants[i]));
        }
    if (f->n < 2)
        return;
    for (size_t g = 0; g < all->n_groups; g++)
        n_apart += group_varies(all, g);
    s->p.words = variants_words(all->variants, all->n);
    text_printf(&s->p.sentence, "Of %zu variants that differ in ", f->n);
    for (size_t g = 0; g < all->n_groups; g++)
        if (group_varies(all, g)) {
            text_add(&s->p.sentence, joint(said++, n_apart));
            text_add(&s->p.sentence, all->groups[g]);
        }
    text_add(&s->p.sentence, ", ");
    say_best(&s->p, f);
}

static bool was_stopped(const variant *v)
{
    bool stopped = true;
    for (size_t i = 0; i < v->n_runs; i++)
        stopped = stopped && v->runs[i]->status && strcmp(v->runs[i]->status, "stopped") == 0;
    return stopped;
}

/* Whether most of many were stopped before their end, as by halving: what they were like then says little. */
static bool is_search(const lineup *all)
{
    size_t n_stopped = 0;
    for (size_t i = 0; i < all->n; i++)
        n_stopped += was_stopped(&all->variants[i]);
    return all->n > MANY && 2 * n_stopped > all->n;
}

/* Of a search those that went furthest. */
static void tell_furthest(story *s, family *f)
{
    const lineup *all = &s->all;
    prose *p = &s->p;
    *f = (family){.of = all, .members = f->members};
    for (size_t i = 0; i < all->n; i++)
        f->epoch = MAX(f->epoch, variant_last_epoch(&all->variants[i]));
    for (size_t i = 0; i < all->n && f->epoch; i++)
        if (variant_last_epoch(&all->variants[i]) == f->epoch)
            f->members[f->n++] = &all->variants[i];
    if (f->n == 0)
        return;
    p->words = variants_words(f->members[0], 1);
    text_printf(&p->sentence, "%zu of %zu variants went on to ", f->n, all->n);
    say_epochs(p, f->epoch);
    text_add(&p->sentence, ": ");
    say_best(p, f);
}

static size_t count_heaps(const story *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->all.n; i++)
        n += s->heap[i] == i;
    return n;
}

/* One variant alone: what another seed makes. */
static void tell_seeds(prose *p, const variant *v)
{
    const spread s = variant_at(v, VAL_SCORE, variant_last_epoch(v));
    if (s.n < 2)
        return;
    p->words = variants_words(v, 1);
    const interval i = mean_interval(&s);
    const int decimals = p->words->decimals;
    text_printf(&p->sentence, "The runs differ in their seed alone: after ");
    say_epochs(p, variant_last_epoch(v));
    text_printf(&p->sentence, " validation %s is ", p->words->score);
    say_score(p, &s);
    text_printf(&p->sentence, ", from %.*f to %.*f; the 95 %% interval of its mean is %.*f to %.*f", decimals, s.min, decimals, s.max, decimals,
                i.low, decimals, i.high);
    end_sentence(p);
}

static void tell_limits(prose *p)
{
    if (p->one_seed) {
        text_add(&p->sentence, "Where a variant ran with one seed only, one seed cannot tell a difference from chance; several seeds would");
        end_sentence(p);
    }
    if (p->n_intervals && p->fewest_pairs == 2) {
        text_add(&p->sentence, "Two seeds give wide intervals: a third one makes them about 3.6 times narrower");
        end_sentence(p);
    }
    if (p->n_intervals >= MANY_INTERVALS) {
        text_printf(&p->sentence, "Each interval stands for itself: of %zu, about one in twenty misses the true difference", p->n_intervals);
        end_sentence(p);
    }
}

static void tell_families(story *s, family *f)
{
    const lineup *all = &s->all;
    connect_lengths(s);
    for (size_t g = 0; g < all->n_groups; g++)
        for (size_t i = 0; i < all->n; i++)
            if (family_find(all, g, i, f))
                tell_family(s, f);
    const bool many = count_heaps(s) > MANY + 1;
    for (size_t i = 0; i < all->n && !many; i++)
        if (s->heap[i] == i)
            tell_mixture(s, &all->variants[i]);
    if (many)
        tell_crowd(s, f);
}

static void tell_all(story *s, family *f)
{
    const lineup *all = &s->all;
    for (size_t i = 0; i < all->n; i++)
        if (all->variants[i].n_diverged > 0)
            tell_divergence(&s->p, &all->variants[i]);
    if (is_search(all))
        tell_furthest(s, f);
    else if (all->n > MOST_VARIANTS)
        tell_crowd(s, f);
    else
        tell_families(s, f);
    if (all->n == 1)
        tell_seeds(&s->p, all->variants);
    tell_limits(&s->p);
}

void prose_add(const variant *variants, size_t n, word_form form, text *t)
{
    arena a = {0};
    family f = {.members = arena_array(&a, n + 1, sizeof *f.members)};
    story s = {.p = {.out = t, .form = form}, .heap = arena_array(&a, n + 1, sizeof *s.heap), .keys = arena_array(&a, n + 1, sizeof *s.keys)};
    if (f.members && s.heap && s.keys && lineup_make(&s.all, variants, n, &a))
        tell_all(&s, &f);
    else
        t->failed = true;
    arena_deinit(&a);
}
