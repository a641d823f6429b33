#include "base/base.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

enum { RAW_BYTES = 1024, LINE_BYTES = 1536, TAIL_BYTES = 64 };

static const char ELLIPSIS[] = "…";
static const char TAIL[] = "… and ";

/* Cuts a text that did not fit its buffer at a whole character, and says so. */
static void mark_cut(char *string, size_t size)
{
    size_t end = size - sizeof ELLIPSIS;
    while (end > 0 && ((unsigned char)string[end] & 0xC0) == 0x80)
        end--;
    memcpy(string + end, ELLIPSIS, sizeof ELLIPSIS);
}

static void escape_line(const char *raw, char line[LINE_BYTES])
{
    size_t used = 0;
    char piece[ESCAPED_BYTES];
    for (size_t n; (n = escape_next(raw, piece)) > 0; raw += n) {
        size_t length = strlen(piece);
        if (used + length + sizeof ELLIPSIS > LINE_BYTES) {
            memcpy(line + used, ELLIPSIS, sizeof ELLIPSIS);
            return;
        }
        memcpy(line + used, piece, length);
        used += length;
    }
    line[used] = '\0';
}

/* A mistake is one line, because newlines are escaped; so the lines shown tell how many mistakes are not. */
static void add_line(weft_error *err, const char *line)
{
    char *end = err->message + strlen(err->message), *last = strrchr(err->message, '\n');
    last = last ? last + 1 : err->message;
    bool full = strncmp(last, TAIL, sizeof TAIL - 1) == 0;
    size_t used = (size_t)(end - err->message), length = strlen(line);
    if (!full && used + 1 + length + TAIL_BYTES <= sizeof err->message) {
        if (used > 0)
            *end++ = '\n';
        memcpy(end, line, length + 1);
        return;
    }
    if (full)
        end = last;
    else
        *end++ = '\n';
    int shown = 0;
    for (const char *c = err->message; c < end; c++)
        shown += *c == '\n';
    int hidden = err->count - shown;
    snprintf(end, TAIL_BYTES, "%s%d more mistake%s", TAIL, hidden, hidden == 1 ? "" : "s");
}

/* "FILE:LINE:COLUMN: the sentence", escaped. */
__attribute__((format(printf, 2, 0))) static void make_line(where at, const char *format, va_list args,
                                                            char line[LINE_BYTES])
{
    char raw[RAW_BYTES];
    int used = 0;
    if (at.file != NULL && at.line > 0 && at.column > 0)
        used = snprintf(raw, sizeof raw, "%s:%zu:%zu: ", at.file, at.line, at.column);
    else if (at.file != NULL && at.line > 0)
        used = snprintf(raw, sizeof raw, "%s:%zu: ", at.file, at.line);
    else if (at.file != NULL)
        used = snprintf(raw, sizeof raw, "%s: ", at.file);

    /* Of a very long path the sentence matters more, so half of the room is its own. */
    if (used > RAW_BYTES / 2) {
        mark_cut(raw, RAW_BYTES / 2);
        strcat(raw, ": ");
        used = (int)strlen(raw);
    }
    int length = vsnprintf(raw + used, sizeof raw - (size_t)used, format, args);
    if (length >= (int)sizeof raw - used)
        mark_cut(raw, sizeof raw);
    escape_line(raw, line);
}

weft_status fail(weft_error *err, weft_status status, where at, const char *format, ...)
{
    if (err == NULL)
        return status;
    if (err->count++ == 0) {
        err->status = status;
        err->line = at.line;
        err->column = at.column;
        snprintf(err->file, sizeof err->file, "%s", at.file ? at.file : "");
    }
    char line[LINE_BYTES];
    va_list args;
    va_start(args, format);
    make_line(at, format, args, line);
    va_end(args);
    add_line(err, line);
    return status;
}

weft_status fail_memory(weft_error *err)
{
    return fail(err, WEFT_NO_MEMORY, (where){0}, "out of memory");
}

weft_status fail_errno(weft_error *err, const char *file, const char *doing)
{
    weft_status status = errno == ENOMEM ? WEFT_NO_MEMORY : WEFT_IO;
    if (doing == NULL)
        return fail(err, status, (where){.file = file}, "%m");
    return fail(err, status, (where){.file = file}, "%s: %m", doing);
}

void warn(text *warnings, where at, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list args;
    va_start(args, format);
    make_line(at, format, args, line);
    va_end(args);
    warn_all(warnings, line);
}

void warn_all(text *warnings, const char *lines)
{
    for (size_t length; warnings != NULL && *lines != '\0'; lines += length + (lines[length] == '\n')) {
        length = strcspn(lines, "\n");
        if (warnings->length > 0 && has_line(warnings->data, lines, length))
            continue;
        if (warnings->length > 0)
            text_add(warnings, "\n");
        text_add_bytes(warnings, lines, length);
    }
}
