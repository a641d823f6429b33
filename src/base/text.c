#include "base/base.h"

#include <assert.h>
#include <ctype.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- Growing ---- */

/* Makes room for `n` bytes more and the NUL. */
static bool reserve(text *t, size_t n)
{
    size_t needed;
    if (t->failed || !checked_add(t->length, n, &needed) || needed > SIZE_MAX / 4) {
        t->failed = true;
        return false;
    }
    if (needed < t->capacity)
        return true;
    size_t capacity = MAX(needed + 1, MAX(2 * t->capacity, 64));
    char *data = realloc(t->data, capacity);
    if (data == NULL) {
        t->failed = true;
        return false;
    }
    t->data = data;
    t->capacity = capacity;
    return true;
}

void text_add_bytes(text *t, const char *bytes_in, size_t n)
{
    if (!reserve(t, n))
        return;
    if (n > 0)
        memcpy(t->data + t->length, bytes_in, n);
    t->length += n;
    t->data[t->length] = '\0';
}

void text_add(text *t, const char *string)
{
    text_add_bytes(t, string, strlen(string));
}

void text_printf(text *t, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    if (length < 0) {
        t->failed = true;
    } else if (reserve(t, (size_t)length)) {
        vsnprintf(t->data + t->length, (size_t)length + 1, format, again);
        t->length += (size_t)length;
    }
    va_end(again);
    va_end(args);
}

void text_free(text *t)
{
    free(t->data);
    *t = (text){0};
}

/* ---- Lines ---- */

bool has_line(const char *lines, const char *line, size_t length)
{
    for (const char *c = lines; *c; c += strcspn(c, "\n"), c += *c == '\n')
        if (strcspn(c, "\n") == length && strncmp(c, line, length) == 0)
            return true;
    return false;
}

/* ---- Characters ---- */

size_t utf8_next(const char *string, uint32_t *code)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *s = (const unsigned char *)string;
    *code = s[0];
    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xC2 || s[0] > 0xF4)
        return 0;
    size_t length = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
    *code = s[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
        *code = *code << 6 | (s[i] & 0x3F);
    }
    bool surrogate = *code >= 0xD800 && *code <= 0xDFFF;
    return *code < smallest[length] || *code > 0x10FFFF || surrogate ? 0 : length;
}

bool utf8_valid(const char *string)
{
    uint32_t code;
    for (size_t n; *string != '\0'; string += n)
        if ((n = utf8_next(string, &code)) == 0)
            return false;
    return true;
}

size_t escape_next(const char *string, char out[ESCAPED_BYTES])
{
    if (*string == '\0')
        return 0;
    uint32_t code;
    size_t n = utf8_next(string, &code);
    if (n == 0 || code < 0x20 || code == 0x7F) {
        snprintf(out, ESCAPED_BYTES, "\\x%02x", (unsigned char)*string);
        return 1;
    }
    bool second_controls = code >= 0x80 && code <= 0x9F;
    bool bidi = (code >= 0x2028 && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
    if (second_controls || bidi) {
        snprintf(out, ESCAPED_BYTES, "\\u%04x", (unsigned)code);
    } else {
        memcpy(out, string, n);
        out[n] = '\0';
    }
    return n;
}

void text_add_escaped(text *t, const char *string)
{
    char piece[ESCAPED_BYTES];
    for (size_t n; (n = escape_next(string, piece)) > 0; string += n)
        text_add(t, piece);
}

/* ---- Numbers ---- */

bool parse_u64(const char *string, uint64_t *value)
{
    uint64_t number = 0;
    const char *c = string;
    for (; *c >= '0' && *c <= '9'; c++)
        if (!checked_mul(number, 10u, &number) || !checked_add(number, (unsigned)(*c - '0'), &number))
            return false;
    if (c == string || *c != '\0')
        return false;
    *value = number;
    return true;
}

static const char *skip_digits(const char *c, bool *any)
{
    *any = *c >= '0' && *c <= '9';
    while (*c >= '0' && *c <= '9')
        c++;
    return c;
}

/* [+-] digits [. digits] [e [+-] digits]: strtod alone would also take blanks, hexadecimals, inf and nan. */
static bool is_decimal(const char *c)
{
    bool whole, part = false, exponent = true;
    c += *c == '+' || *c == '-';
    c = skip_digits(c, &whole);
    if (*c == '.')
        c = skip_digits(c + 1, &part);
    if (*c == 'e' || *c == 'E') {
        c++;
        c += *c == '+' || *c == '-';
        c = skip_digits(c, &exponent);
    }
    return (whole || part) && exponent && *c == '\0';
}

/* The "C" locale is a constant of the C library: asking for it neither allocates nor fails. */
static locale_t c_locale(void)
{
    return newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

bool parse_double(const char *string, double *value)
{
    if (!is_decimal(string))
        return false;
    locale_t c = c_locale();
    double number = strtod_l(string, NULL, c);
    freelocale(c);
    if (!isfinite(number))
        return false;
    *value = number;
    return true;
}

const char *print_double(double value, char buffer[32])
{
    if (!isfinite(value))
        return strcpy(buffer, "null");
    locale_t c = c_locale(), before = uselocale(c);
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(buffer, 32, "%.*g", digits, value);
        if (strtod(buffer, NULL) == value)
            break;
    }
    uselocale(before);
    freelocale(c);
    return buffer;
}

/* ---- Slips of the finger ---- */

enum { WORD_BYTES = 64 };

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* Damerau and Levenshtein's distance (optimal string alignment): letters put in, left out, changed, or two swapped.
 * Both words are shorter than WORD_BYTES. */
static size_t edits(const char *a, const char *b)
{
    size_t n = strlen(b), rows[3][WORD_BYTES];
    assert(strlen(a) < WORD_BYTES && n < WORD_BYTES);
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t *oldest = before;
        before = above;
        above = row;
        row = oldest;
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            unsigned char x = lower(a[i - 1]), y = lower(b[j - 1]);
            size_t change = above[j - 1] + (x != y), gap = MIN(above[j], row[j - 1]) + 1;
            row[j] = MIN(change, gap);
            if (i > 1 && j > 1 && x == lower(b[j - 2]) && y == lower(a[i - 2]))
                row[j] = MIN(row[j], before[j - 2] + 1);
        }
    }
    return row[n];
}

const char *nearest_word(const char *word, const void *words, size_t n, size_t stride)
{
    size_t length = strlen(word);
    if (length == 0 || length >= WORD_BYTES)
        return NULL;
    const char *nearest = NULL;
    size_t limit = MAX(length / 3, 1) + 1;
    for (size_t i = 0; i < n; i++) {
        const char *known = *(const char *const *)((const char *)words + i * stride);
        size_t known_length = known ? strlen(known) : 0;
        if (known_length == 0 || known_length >= WORD_BYTES)
            continue;
        size_t distance = edits(word, known);
        /* Fewer edits than letters, or every word of one letter would be near every other. */
        if (distance < limit && distance < MAX(length, known_length)) {
            nearest = known;
            limit = distance;
        }
    }
    return nearest;
}

void text_add_wrapped(text *t, const char *words)
{
    enum { TERMINAL_WIDTH = 96 };
    size_t column = 2;
    while (*words) {
        size_t n = strcspn(words, " "), shown = 0;
        while (words[n] && (words[n + 1] == '%' || strncmp(words + n, " +- ", 4) == 0 || (n > 1 && strncmp(words + n - 2, "+-", 2) == 0)))
            n += 1 + strcspn(words + n + 1, " "); /* a number stays with its unit and its spread */
        for (size_t i = 0; i < n; i++)
            shown += ((unsigned char)words[i] & 0xc0) != 0x80;
        bool wrap = column > 2 && column + 1 + shown > TERMINAL_WIDTH;
        text_add(t, wrap ? "\n  " : column > 2 ? " " : "");
        column = wrap ? 2 + shown : column + (column > 2) + shown;
        text_add_bytes(t, words, n);
        words += n + strspn(words + n, " ");
    }
}
