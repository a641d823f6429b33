/* Experiment files, with variants, seeds and sweeps: the resolved settings of each variant, as config.yaml has them, resolve to themselves. */
#include "fuzz/fuzz.h"
#include "lab/lab.h"

#include <string.h>

enum { MOST_VARIANTS = 4 }; /* of one file, so that inputs are quick */

/* Behind the comment that names the variant. */
static const char *settings_of(const char *config) { return *config == '#' ? strchr(config, '\n') + 1 : config; }

static void check_config(experiment *e, size_t variant)
{
    weft_error err = {0};
    run_settings first, second;
    CHECK(experiment_settings(e, variant, 0, &first, &err) == WEFT_OK);
    memory_file_put("config.yaml", first.config, strlen(first.config));
    experiment *again = experiment_open("config.yaml", NULL, 0, &err);
    CHECK(again && again->n_variants == 1);
    CHECK(experiment_settings(again, 0, 0, &second, &err) == WEFT_OK);
    CHECK(strcmp(settings_of(first.config), settings_of(second.config)) == 0);
    experiment_close(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weft_error err = {0};
    memory_file_put("experiment.yaml", data, size);
    refusal_begin();
    experiment *e = experiment_open("experiment.yaml", NULL, 0, &err);
    refusal_end(e ? WEFT_OK : WEFT_BAD_INPUT, &err, size);
    for (size_t i = 0; e && i < MIN(e->n_variants, MOST_VARIANTS); i++)
        check_config(e, i);
    experiment_close(e);
    return 0;
}
