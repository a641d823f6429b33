/* What --set is given on a command line, a line each, on top of a file. */
#include "fuzz/fuzz.h"
#include "lab/lab.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_LINES = 4 };

static const char base[] = "data: {set: mnist}\nmodel: [linear 2]\nvariants: {plain: {optimizer: adam}}\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weft_error err = {0};
    run_settings settings;
    const char *overrides[MOST_LINES];
    size_t n = 0;
    char *lines = text_of(data, size), *rest = lines;
    for (char *line; n < MOST_LINES && (line = strsep(&rest, "\n"));)
        overrides[n++] = line;
    memory_file_put("experiment.yaml", base, sizeof base - 1);
    refusal_begin();
    experiment *e = experiment_open("experiment.yaml", overrides, n, &err);
    refusal_end(e ? WEFT_OK : WEFT_BAD_INPUT, &err, size);
    CHECK(!e || experiment_settings(e, 0, 0, &settings, &err) == WEFT_OK);
    experiment_close(e);
    free(lines);
    return 0;
}
