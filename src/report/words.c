/* A user's words among ours: on a terminal, in Markdown, in HTML. */
#include "report/variants.h"

#include <string.h>

static void add_html(text *t, char c)
{
    static const char *const names[][2] = {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}};
    for (size_t i = 0; i < COUNT(names); i++)
        if (names[i][0][0] == c) {
            text_add(t, names[i][1]);
            return;
        }
    text_add_bytes(t, &c, 1);
}

void words_add(text *t, const char *string, word_form form)
{
    text clean = {0};
    text_add_escaped(&clean, string);
    t->failed = t->failed || clean.failed;
    for (const char *c = clean.data ? clean.data : ""; *c; c++) {
        if (form == WORDS_HTML) {
            add_html(t, *c);
            continue;
        }
        if (form == WORDS_MARKDOWN && strchr("\\`*_{}[]<>()#|!~&:@$", *c))
            text_add(t, "\\");
        text_add_bytes(t, c, 1);
    }
    text_free(&clean);
}

void words_add_cell(text *t, const char *string, size_t width, bool right)
{
    text cell = {0};
    size_t n = 0, kept = 0; /* kept: the bytes of width - 1 characters */
    text_add_escaped(&cell, string);
    for (size_t i = 0; i < cell.length; i++) {
        n += ((unsigned char)cell.data[i] & 0xc0) != 0x80;
        kept = n < width ? i + 1 : kept;
    }
    const size_t missing = n < width ? width - n : 0;
    text_printf(t, "%*s", right ? (int)missing : 0, "");
    text_add_bytes(t, cell.data ? cell.data : "", n > width ? kept : cell.length);
    text_add(t, n > width ? "." : "");
    text_printf(t, "%*s", right ? 0 : (int)missing, "");
    t->failed = t->failed || cell.failed;
    text_free(&cell);
}

const char *plus_minus(word_form form) { return form == WORDS_PLAIN ? "+-" : "\xc2\xb1"; }
