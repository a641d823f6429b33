/* How a word that weft does not know is refused. */
#include "base/base.h"

weft_status fail_unknown(weft_error *err, where at, const char *what, const char *word, const void *words, size_t n, size_t stride)
{
    const char *near = nearest_word(word, words, n, stride);
    if (near)
        return fail(err, WEFT_BAD_INPUT, at, "unknown %s \"%s\"; did you mean \"%s\"?", what, word, near);
    text known = {0};
    for (size_t i = 0; i < n; i++)
        text_printf(&known, "%s%s", i ? ", " : "", *(const char *const *)((const char *)words + i * stride));
    fail(err, WEFT_BAD_INPUT, at, "unknown %s \"%s\"; there are: %s", what, word, known.data ? known.data : "none");
    text_free(&known);
    return WEFT_BAD_INPUT;
}
