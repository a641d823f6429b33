/* YAML, as experiment files and values on a command line have it: printed, it reads back to the same. */
#include "fuzz/fuzz.h"
#include "lab/lab.h"

#include <stdlib.h>
#include <string.h>

static void check_again(arena *a, const setting *first)
{
    text once = {0}, twice = {0};
    weft_error err = {0};
    yaml_print(first, &once);
    const setting *again = yaml_parse(a, "again", once.data, once.length, &err);
    CHECK(again && err.count == 0);
    yaml_print(again, &twice);
    CHECK(strcmp(once.data, twice.data) == 0);
    text_free(&once);
    text_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    arena a = {0};
    weft_error err = {0}, of_argument = {0};
    char *string = text_of(data, size);
    refusal_begin();
    const setting *file = yaml_parse(&a, "file", string, size, &err);
    refusal_end(file && !err.count ? WEFT_OK : WEFT_BAD_INPUT, &err, size);
    if (file && !err.count)
        check_again(&a, file);
    const setting *argument = yaml_parse_argument(&a, "argument", string, &of_argument);
    CHECK(argument || of_argument.count);
    CHECK(strlen(string) < size || !argument == !file);
    arena_deinit(&a);
    free(string);
    return 0;
}
