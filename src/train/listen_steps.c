/* steps.jsonl: a line a step, where the settings ask for it. */
#include <unistd.h>

#include "train/within.h"

static weft_status hear(void *self, const run *r, event_kind event, weft_error *err)
{
    (void)self;
    if (event != EVENT_BEGIN && (event != EVENT_STEP || !r->settings->train.log_steps))
        return WEFT_OK;
    arena scratch = {0}; /* a step leaves nothing behind in the run's memory */
    char line[128], loss[32], lr[32];
    const char *path = path_join(&scratch, r->folder, "steps.jsonl");
    weft_status status = path ? WEFT_OK : fail_memory(err);
    if (path && event == EVENT_STEP) {
        const int n = snprintf(line, sizeof line, "{\"step\": %llu, \"loss\": %s, \"lr\": %s}\n", (unsigned long long)r->step,
                               print_double(r->loss, loss), print_double(r->trainer->optimizer.lr, lr));
        status = file_append(path, line, (size_t)n, err);
    } else if (path && r->resumed)
        status = keep_lines(path, r->step, err);
    else if (path && r->settings->train.log_steps)
        status = file_write(path, "", 0, err);
    else if (path)
        unlink(path); /* of a run that was replaced */
    arena_deinit(&scratch);
    return status;
}

const listener listen_steps = {.name = "steps", .hear = hear};
