/* metrics.jsonl: a line an epoch. After a resume, lines of epochs that are done again are dropped. */
#include <string.h>

#include "train/within.h"

weft_status keep_lines(const char *path, uint64_t n, weft_error *err)
{
    bytes content;
    if (!file_exists(path))
        return WEFT_OK;
    TRY(file_read(path, SIZE_MAX / 2, &content, err));
    size_t end = 0;
    for (const unsigned char *line; n > 0 && (line = memchr(content.data + end, '\n', content.size - end)); n--)
        end = (size_t)(line - content.data) + 1;
    const weft_status status = end < content.size ? file_write(path, content.data, end, err) : WEFT_OK;
    bytes_free(&content);
    return status;
}

static weft_status hear(void *self, const run *r, event_kind event, weft_error *err)
{
    (void)self;
    if (event != EVENT_BEGIN && event != EVENT_EPOCH)
        return WEFT_OK;
    const char *path = path_join(r->memory, r->folder, "metrics.jsonl");
    if (!path)
        return fail_memory(err);
    if (event == EVENT_BEGIN)
        return r->resumed ? keep_lines(path, r->trainer->epoch, err) : file_write(path, "", 0, err);
    text line = {0};
    metrics_print(&r->metrics, &line);
    const weft_status status = line.failed ? fail_memory(err) : file_append(path, line.data, line.length, err);
    text_free(&line);
    return status;
}

const listener listen_metrics = {.name = "metrics", .hear = hear};
