/* Names of a user's as names of files. */
#include "base/base.h"

#include <string.h>

#define SLUG_LENGTH 60 /* leaves room in a file name's 255 bytes for a number, a seed and an ending */

/* A comparison's folder holds files and folders of these names. */
static const char *const reserved[] = {"compare", "summary", "report"};

void text_add_slug(text *t, const char *string)
{
    size_t n = 0;
    bool gap = false;
    for (const char *c = string; *c && n < SLUG_LENGTH; c++) {
        bool upper = *c >= 'A' && *c <= 'Z';
        if (!upper && !(*c >= 'a' && *c <= 'z') && !(*c >= '0' && *c <= '9')) {
            gap = n > 0;
            continue;
        }
        const char piece[2] = {'-', (char)(upper ? *c - 'A' + 'a' : *c)};
        text_add_bytes(t, gap ? piece : piece + 1, gap ? 2 : 1);
        n += gap ? 2 : 1;
        gap = false;
    }
    if (n == 0)
        text_add(t, "variant");
}

static bool slug_taken(const char *slug, char *const *slugs, size_t n)
{
    for (size_t i = 0; i < COUNT(reserved); i++)
        if (strcmp(slug, reserved[i]) == 0)
            return true;
    for (size_t i = 0; i < n; i++)
        if (strcmp(slug, slugs[i]) == 0)
            return true;
    return false;
}

char **slugs_make(arena *a, const char *const *names, size_t n)
{
    char **slugs = arena_array(a, MAX(n, 1), sizeof *slugs);
    for (size_t i = 0; slugs && i < n; i++) {
        text plain = {0};
        text_add_slug(&plain, names[i]);
        slugs[i] = plain.failed ? NULL : arena_text(a, plain.data);
        for (unsigned number = 2; slugs[i] && slug_taken(slugs[i], slugs, i); number++)
            slugs[i] = arena_printf(a, "%s-%u", plain.data, number);
        text_free(&plain);
        if (!slugs[i])
            return NULL;
    }
    return slugs;
}
