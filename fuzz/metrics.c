/* metrics.jsonl: the same numbers, printed, read back to the same bits. The first byte says which task the run has. */
#include "fuzz/fuzz.h"
#include "record/record.h"

#include <string.h>

static void put_record(weft_task task)
{
    weft_error err = {0};
    const run_record run = {.folder = "trained", .title = "", .variant = "", .status = "done", .message = "", .data = "", .model = "",
                            .optimizer = "", .schedule = "", .loss = "", .fingerprint = "", .task = task,
                            .scale = 1, .precision = "fp32", .isa = "v3",
                            .version = WEFT_VERSION, .command = "", .cpu = "", .result = ""};
    CHECK(run_record_write(&run, &err) == WEFT_OK);
}

static void check_again(const run_record *run, arena *a)
{
    text once = {0}, twice = {0};
    weft_error err = {0};
    run_record again;
    text_add(&once, "");
    text_add(&twice, "");
    for (size_t i = 0; i < run->n_epochs; i++)
        metrics_print(&run->metrics[i], &once);
    memory_file_put("trained/metrics.jsonl", once.data, once.length);
    CHECK(run_record_read("trained", &again, a, &err) == WEFT_OK);
    CHECK(again.n_epochs == run->n_epochs);
    for (size_t i = 0; i < again.n_epochs; i++)
        metrics_print(&again.metrics[i], &twice);
    CHECK(strcmp(once.data, twice.data) == 0);
    text_free(&once);
    text_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int task_there = -1;
    arena a = {0};
    weft_error err = {0};
    run_record run;
    if (size == 0)
        return 0;
    if (task_there != data[0] % WEFT_N_TASKS)
        put_record((weft_task)(task_there = data[0] % WEFT_N_TASKS));
    memory_file_put("trained/metrics.jsonl", data + 1, size - 1);
    refusal_begin();
    const weft_status status = run_record_read("trained", &run, &a, &err);
    refusal_end(status, &err, size);
    if (status == WEFT_OK)
        check_again(&run, &a);
    arena_deinit(&a);
    return 0;
}
