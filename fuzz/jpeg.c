/* JPEG: in colour and in grey a picture has the same size; what is refused says why. */
#include "fuzz/fuzz.h"
#include "data/data.h"

static weft_status decode(const bytes *file, size_t channels, image *picture)
{
    text warnings = {0};
    weft_error err = {0};
    refusal_begin();
    const weft_status status = image_decode("file", file, channels, picture, &warnings, &err);
    refusal_end(status, &err, file->size);
    text_free(&warnings);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bytes file = {(unsigned char *)text_of(data, size), size};
    image colour, grey;
    if (decode(&file, 3, &colour) == WEFT_OK) {
        CHECK(decode(&file, 1, &grey) == WEFT_OK);
        CHECK(grey.height == colour.height && grey.width == colour.width && grey.channels == 1 && colour.channels == 3);
        image_free(&grey);
    }
    image_free(&colour);
    bytes_free(&file);
    return 0;
}
