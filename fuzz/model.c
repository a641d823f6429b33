/* Model files, with all that their notes say: saved, loaded and saved again, a model is the same file. */
#include "fuzz/fuzz.h"

#include <string.h>

static void save(const weft_model *m, const char *path)
{
    weft_error err = {0};
    CHECK(weft_model_save(m, path, &err) == WEFT_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weft_error err = {0};
    memory_file_put("model", data, size);
    mend_digest(memory_file("model")->data, size);
    refusal_begin();
    weft_model *m = weft_model_open("model", &err);
    refusal_end(m ? WEFT_OK : WEFT_BAD_INPUT, &err, size);
    if (m) {
        save(m, "saved");
        weft_model *again = weft_model_open("saved", &err);
        CHECK(again);
        save(again, "saved again");
        const bytes *once = memory_file("saved"), *twice = memory_file("saved again");
        CHECK(once->size == twice->size && memcmp(once->data, twice->data, once->size) == 0);
        weft_model_free(again);
    }
    weft_model_free(m);
    return 0;
}
