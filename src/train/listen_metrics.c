/* metrics.jsonl: a line an epoch. After a resume, lines of epochs that are done again are dropped. */
#include "train/within.h"

static weft_status hear(void *self, const run *r, event_kind event, weft_error *err)
{
    (void)self;
    if (event == EVENT_BEGIN)
        return log_begin(r, LOG_METRICS, true, r->trainer->epoch, err);
    if (event != EVENT_EPOCH)
        return WEFT_OK;
    text line = {0};
    metrics_print(&r->metrics, &line);
    const weft_status status = line.failed ? fail_memory(err) : log_add(r, LOG_METRICS, line.data, line.length, err);
    text_free(&line);
    return status;
}

const listener listen_metrics = {.name = "metrics", .hear = hear};
