/* evaluation.json: what was read, written and read again, is written the same. */
#include "fuzz/fuzz.h"
#include "record/record.h"

static weft_status rewrite(arena *a, weft_error *err)
{
    evaluation_record record;
    bool found;
    TRY(evaluation_read("run", &record, &found, a, err));
    CHECK(found);
    CHECK(evaluation_write("run", &record, err) == WEFT_OK);
    return WEFT_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_rewrite("run/evaluation.json", data, size, rewrite);
    return 0;
}
