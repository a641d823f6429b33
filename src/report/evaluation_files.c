/* An evaluation as files: what programs read, and what can be drawn of it. */
#include "report/evaluation.h"

typedef struct drawing {
    const char *name;
    weft_status (*make)(const evaluation_record *e, picture *out, arena *a, weft_error *err);
} drawing;

static const drawing drawings[] = {{"confusion", confusion_picture}, {"reliability", reliability_picture}, {"worst", worst_picture}};

static weft_status save(const drawing *d, const char *folder, const evaluation_record *e, text *names, weft_error *err)
{
    arena a = {0};
    picture drawn = {0};
    weft_status status = d->make(e, &drawn, &a, err);
    if (status == WEFT_OK && drawn.draw) {
        status = picture_save_as(&drawn, folder, d->name, err);
        text_printf(names, ", %s.svg, %s.png", d->name, d->name);
    }
    arena_deinit(&a);
    return status;
}

weft_status report_evaluation(const char *folder, const evaluation_record *e, text *names, weft_error *err)
{
    TRY(folder_make(folder, err));
    TRY(evaluation_write(folder, e, err));
    text_add(names, "evaluation.json");
    for (size_t i = 0; i < COUNT(drawings); i++)
        TRY(save(&drawings[i], folder, e, names, err));
    return names->failed ? fail_memory(err) : WEFT_OK;
}
