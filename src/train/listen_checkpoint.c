/* Checkpoints: at the end of every epoch, and within it after so many steps or seconds where the settings ask for it. */
#include "train/within.h"

/* A step behind which an epoch goes on. */
static bool is_due(const run *r)
{
    const checkpoint_settings *s = &r->settings->checkpoint;
    if (r->trainer->step_of_epoch == trainer_steps_per_epoch(r->trainer))
        return false;
    return (s->every_steps && r->step % s->every_steps == 0) ||
           (s->every_seconds > 0 && now_seconds() - r->keeping->saved_seconds >= s->every_seconds);
}

static weft_status hear(void *self, const run *r, event_kind event, weft_error *err)
{
    (void)self;
    keeping *k = r->keeping;
    if (event == EVENT_BEGIN) {
        k->saved = r->resumed;
        k->saved_seconds = now_seconds();
    }
    if (event != EVENT_STEP && event != EVENT_EPOCH)
        return WEFT_OK;
    k->saved = false;
    return event == EVENT_EPOCH || is_due(r) ? checkpoint_write(r, false, err) : WEFT_OK;
}

const listener listen_checkpoint = {.name = "checkpoint", .hear = hear, .late = true};
