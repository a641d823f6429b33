/* Numbers from text: what is read is what the C library reads, and what is printed of it reads back to the same bits. */
#include "fuzz/fuzz.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void check_whole(const char *string)
{
    uint64_t value, again;
    char printed[32];
    if (!parse_u64(string, &value))
        return;
    CHECK(strspn(string, "0123456789") == strlen(string));
    snprintf(printed, sizeof printed, "%llu", (unsigned long long)value);
    const char *digits = string + strspn(string, "0");
    CHECK(strcmp(*digits ? digits : "0", printed) == 0);
    CHECK(parse_u64(printed, &again) && again == value);
}

static void check_real(const char *string)
{
    double value, again;
    char printed[32], *end;
    if (!parse_double(string, &value))
        return;
    CHECK(isfinite(value));
    CHECK(strspn(string, "0123456789+-.eE") == strlen(string));
    again = strtod(string, &end); /* nobody has set a locale */
    CHECK(*end == '\0' && memcmp(&again, &value, sizeof value) == 0);
    CHECK(parse_double(print_double(value, printed), &again) && memcmp(&again, &value, sizeof value) == 0);
}

/* The input's own bits as a number, too. */
static void check_bits(const uint8_t *data, size_t size)
{
    double value, again;
    char printed[32];
    if (size != sizeof value)
        return;
    memcpy(&value, data, sizeof value);
    print_double(value, printed);
    if (isfinite(value))
        CHECK(parse_double(printed, &again) && memcmp(&again, &value, sizeof value) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *string = text_of(data, size);
    check_whole(string);
    check_real(string);
    check_bits(data, size);
    free(string);
    return 0;
}
