/* steps.jsonl: a line a step, where the settings ask for it. */
#include "train/within.h"

static weft_status add_line(const run *r, weft_error *err)
{
    char line[128], loss[32], lr[32];
    const int n = snprintf(line, sizeof line, "{\"step\": %llu, \"loss\": %s, \"lr\": %s}\n", (unsigned long long)r->step,
                           print_double(r->loss, loss), print_double(r->trainer->optimizer.lr, lr));
    return log_add(r, LOG_STEPS, line, (size_t)n, err);
}

static weft_status hear(void *self, const run *r, event_kind event, weft_error *err)
{
    (void)self;
    return event == EVENT_STEP && r->settings->train.log_steps ? add_line(r, err) : WEFT_OK;
}

const listener listen_steps = {.name = "steps", .hear = hear};
