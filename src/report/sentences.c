/* Pieces of sentences. */
#include "report/sentences.h"

#include <math.h>
#include <string.h>

void say_name(prose *p, const variant *v) { words_add(&p->sentence, *v->name ? v->name : "this run", p->form); }

void end_sentence(prose *p)
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
        text_add_wrapped(p->out, sentence);
    text_add(p->out, ends[p->form]);
    p->out->failed = p->out->failed || p->sentence.failed;
    text_free(&p->sentence);
}

void say_spread(prose *p, const spread *s, int decimals, const char *unit)
{
    if (s->n == 0) {
        text_add(&p->sentence, "unknown");
        return;
    }
    text_printf(&p->sentence, "%.*f", decimals, s->mean);
    if (s->n > 1)
        text_printf(&p->sentence, " %s %.*f", plus_minus(p->form), decimals, s->std);
    text_add(&p->sentence, unit);
}

void say_score(prose *p, const spread *s) { say_spread(p, s, p->words->decimals, p->words->unit); }

void say_loss(prose *p, const spread *s)
{
    const double size = fabs(s->mean);
    if (!(size > 0) || (size >= 0.001 && size < 1e6)) {
        say_spread(p, s, size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3, "");
        return;
    }
    text_printf(&p->sentence, "%.2e", s->mean);
    if (s->n > 1)
        text_printf(&p->sentence, " %s %.2e", plus_minus(p->form), s->std);
}

void say_epochs(prose *p, size_t n) { text_printf(&p->sentence, "%zu epoch%s", n, n == 1 ? "" : "s"); }

const char *joint(size_t i, size_t n) { return i == 0 ? "" : i + 1 == n ? " and " : ", "; }

void note_difference(prose *p, const difference *d)
{
    p->one_seed = p->one_seed || !difference_known(d);
    if (difference_known(d))
        p->fewest_pairs = p->n_intervals++ ? MIN(p->fewest_pairs, d->n_pairs) : d->n_pairs;
}

void say_difference(prose *p, const difference *d)
{
    const int decimals = p->words->decimals;
    const bool known = difference_known(d);
    text_add(&p->sentence, known && within_noise(d) ? "within noise: " : "");
    text_printf(&p->sentence, "%+.*f%s", decimals, d->mean, *p->words->unit ? " points" : "");
    if (known)
        text_printf(&p->sentence, " (95 %% interval %+.*f to %+.*f)", decimals, d->interval.low, decimals, d->interval.high);
    note_difference(p, d);
}
