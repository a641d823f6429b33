/* base64: of every text that reads, that text is what is written of its bytes; and all bytes come back from theirs. */
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static void check_text(const char *string)
{
    const size_t most = strlen(string) / 4 * 3;
    char *out = malloc(most + 1);
    CHECK(out);
    for (size_t size = most - MIN(most, 2); size <= most; size++) {
        text again = {0};
        if (base64_read(string, out, size)) {
            text_add(&again, "");
            text_add_base64(&again, out, size);
            CHECK(strcmp(again.data, string) == 0);
        }
        text_free(&again);
    }
    free(out);
}

static void check_bytes(const uint8_t *data, size_t size)
{
    text written = {0};
    char *out = malloc(size + 1);
    CHECK(out);
    text_add(&written, "");
    text_add_base64(&written, data, size);
    CHECK(base64_read(written.data, out, size) && memcmp(out, data, size) == 0);
    text_free(&written);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *string = text_of(data, size);
    check_text(string);
    check_bytes(data, size);
    free(string);
    return 0;
}
