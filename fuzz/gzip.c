/* gzip: what is unpacked is what zlib alone unpacks, whichever library did it. */
#include "fuzz/fuzz.h"
#include "data/data.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { LIMIT = 1 << 20 };

/* All members after each other. */
static void check_content(const bytes *packed, const bytes *content)
{
    unsigned char part[4096];
    size_t n = 0;
    z_stream z = {.next_in = packed->data, .avail_in = (uInt)packed->size};
    CHECK(inflateInit2(&z, MAX_WBITS + 16) == Z_OK);
    for (bool ended = false; !ended;) {
        z.next_out = part;
        z.avail_out = sizeof part;
        const int result = inflate(&z, Z_NO_FLUSH);
        const size_t more = sizeof part - z.avail_out;
        CHECK((result == Z_OK || result == Z_STREAM_END) && more <= content->size - n);
        CHECK(memcmp(part, content->data + n, more) == 0);
        n += more;
        if (result == Z_STREAM_END) {
            CHECK(inflateReset(&z) == Z_OK);
            ended = !z.avail_in || !*z.next_in; /* or padding follows */
        }
    }
    CHECK(n == content->size);
    inflateEnd(&z);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    text warnings = {0};
    weft_error err = {0};
    bytes content, packed = {(unsigned char *)text_of(data, size), size};
    const file_rules rules = {.limit_bytes = LIMIT, .warnings = &warnings};
    refusal_begin();
    const weft_status status = gzip_unpack("file", &packed, &rules, NULL, &content, &err);
    refusal_end(status, &err, size);
    if (status == WEFT_OK) {
        CHECK(content.size <= LIMIT && content.data[content.size] == 0);
        check_content(&packed, &content);
    }
    bytes_free(&content);
    bytes_free(&packed);
    text_free(&warnings);
    return 0;
}
