/* run.json: what was read of it, written and read again, is written the same. */
#include "fuzz/fuzz.h"
#include "record/record.h"

static weft_status rewrite(arena *a, weft_error *err)
{
    run_record run;
    TRY(run_record_read("run", &run, a, err));
    CHECK(run.n_epochs == 0);
    CHECK(run_record_write(&run, err) == WEFT_OK);
    return WEFT_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_rewrite("run/run.json", data, size, rewrite);
    return 0;
}
