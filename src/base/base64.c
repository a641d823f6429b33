/* Bytes as text: RFC 4648. */
#include <string.h>

#include "base/base.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void text_add_base64(text *t, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i += 3) {
        const size_t n = MIN(size - i, 3);
        const uint32_t whole = (uint32_t)bytes[i] << 16 | (n > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) | (n > 2 ? bytes[i + 2] : 0);
        char four[4] = {'=', '=', '=', '='};
        for (size_t k = 0; k <= n; k++)
            four[k] = digits[whole >> (18 - 6 * k) & 63];
        text_add_bytes(t, four, sizeof four);
    }
}

static int digit_of(char c)
{
    const char *found = c ? strchr(digits, c) : NULL;
    return found ? (int)(found - digits) : -1;
}

bool base64_read(const char *string, void *out, size_t size)
{
    unsigned char *bytes = out;
    if (strlen(string) != (size + 2) / 3 * 4)
        return false;
    for (size_t i = 0; i < size; i += 3, string += 4) {
        const size_t n = MIN(size - i, 3);
        uint32_t whole = 0;
        for (size_t k = 0; k < 4; k++) {
            const int digit = k <= n ? digit_of(string[k]) : string[k] == '=' ? 0 : -1;
            if (digit < 0)
                return false;
            whole = whole << 6 | (uint32_t)digit;
        }
        if (whole & (0xFFFFFFu >> 8 * n)) /* bits that no byte has: another text stands for the same */
            return false;
        for (size_t k = 0; k < n; k++)
            bytes[i + k] = (unsigned char)(whole >> (16 - 8 * k));
    }
    return true;
}
