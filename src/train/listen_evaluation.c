/* evaluation.json when the run ends: the validation split, by the model as it is saved. A run that was stopped goes on later, and has none yet. */
#include <unistd.h>

#include "train/train.h"

static weft_status hear(void *self, const run *r, event_kind event, weft_error *err)
{
    (void)self;
    if (event != EVENT_BEGIN && (event != EVENT_END || r->status == RUN_STOPPED))
        return WEFT_OK;
    const char *path = path_join(r->memory, r->folder, "evaluation.json");
    evaluation_record e;
    if (!path)
        return fail_memory(err);
    if (event == EVENT_BEGIN) {
        unlink(path); /* what it says of the model holds no longer */
        return WEFT_OK;
    }
    TRY(trainer_assess(r->trainer, WEFT_TEST, N_WORST, &e, r->memory, err));
    return evaluation_write(r->folder, &e, err);
}

const listener listen_evaluation = {.name = "evaluation", .hear = hear};
