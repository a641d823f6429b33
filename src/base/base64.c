/* Bytes as text: RFC 4648. */
#include "base/base.h"

void text_add_base64(text *t, const void *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i += 3) {
        const size_t n = MIN(size - i, 3);
        const uint32_t whole = (uint32_t)bytes[i] << 16 | (n > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) | (n > 2 ? bytes[i + 2] : 0);
        const char four[4] = {digits[whole >> 18], digits[whole >> 12 & 63], n > 1 ? digits[whole >> 6 & 63] : '=', n > 2 ? digits[whole & 63] : '='};
        text_add_bytes(t, four, sizeof four);
    }
}
