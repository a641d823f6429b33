/* model.safetensors when the run ends, best.safetensors at the lowest validation loss. */
#include <unistd.h>

#include "train/within.h"

static weft_status hear(void *self, const run *r, event_kind event, weft_error *err)
{
    (void)self;
    if (event != EVENT_BEGIN && event != EVENT_BEST && event != EVENT_END)
        return WEFT_OK;
    const char *model = path_join(r->memory, r->folder, "model.safetensors"), *best = path_join(r->memory, r->folder, "best.safetensors");
    if (!model || !best)
        return fail_memory(err);
    if (event == EVENT_BEGIN) {
        if (!r->resumed) { /* of a run that was replaced */
            unlink(model);
            unlink(best);
        }
        return WEFT_OK;
    }
    return event == EVENT_BEST ? keep_best(r, err) : weft_model_save(r->trainer->model, model, err);
}

const listener listen_model = {.name = "model", .hear = hear};
