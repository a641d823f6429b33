/* probes.jsonl: what was read, printed, reads back to the same. */
#include "fuzz/fuzz.h"
#include "record/record.h"

#include <string.h>

static void print_all(const probe_log *log, text *t)
{
    text_add(t, "");
    for (size_t i = 0; i < log->n_epochs; i++)
        probe_print(&log->epochs[i], t);
}

static void check_again(const probe_log *log, arena *a)
{
    text once = {0}, twice = {0};
    weft_error err = {0};
    probe_log again;
    print_all(log, &once);
    memory_file_put("run/probes.jsonl", once.data, once.length);
    CHECK(probes_read("run", &again, a, &err) == WEFT_OK);
    print_all(&again, &twice);
    CHECK(strcmp(once.data, twice.data) == 0);
    text_free(&once);
    text_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    arena a = {0};
    weft_error err = {0};
    probe_log log;
    memory_file_put("run/probes.jsonl", data, size);
    refusal_begin();
    const weft_status status = probes_read("run", &log, &a, &err);
    refusal_end(status, &err, size);
    if (status == WEFT_OK)
        check_again(&log, &a);
    arena_deinit(&a);
    return 0;
}
