/* Pieces of sentences. */
#include "report/sentences.h"

#include <math.h>
#include <string.h>

#define TERMINAL_WIDTH 96

void say_name(prose *p, const variant *v) { words_add(&p->sentence, *v->name ? v->name : "this run", p->form); }

/* Lines of a terminal end between words. */
static void add_wrapped(text *out, const char *words)
{
    size_t column = 2;
    while (*words) {
        size_t n = strcspn(words, " "), shown = 0;
        while (words[n] && (words[n + 1] == '%' || strncmp(words + n, " +- ", 4) == 0 || (n > 1 && strncmp(words + n - 2, "+-", 2) == 0)))
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
        add_wrapped(p->out, sentence);
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
