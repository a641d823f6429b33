/* metrics.jsonl: a line an epoch. */
#include "train/within.h"

static weft_status hear(void *self, const run *r, event_kind event, weft_error *err)
{
    (void)self;
    if (event != EVENT_EPOCH)
        return WEFT_OK;
    text line = {0};
    metrics_print(&r->metrics, &line);
    const weft_status status = line.failed ? fail_memory(err) : log_add(r, LOG_METRICS, line.data, line.length, err);
    text_free(&line);
    return status;
}

const listener listen_metrics = {.name = "metrics", .hear = hear};
