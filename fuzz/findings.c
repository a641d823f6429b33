/* diagnosis.json: what was read, written and read again, is written the same. */
#include "fuzz/fuzz.h"
#include "record/record.h"

static weft_status rewrite(arena *a, weft_error *err)
{
    findings all;
    bool known;
    TRY(findings_read("run", &all, &known, a, err));
    CHECK(known);
    CHECK(findings_write("run", &all, err) == WEFT_OK);
    return WEFT_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_rewrite("run/diagnosis.json", data, size, rewrite);
    return 0;
}
