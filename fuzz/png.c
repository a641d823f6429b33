/* PNG: as it is, and with the checksums of its chunks put right, so that damage behind them is met, too. What was read, written by libpng
 * as 16 bits a channel, reads back to the same. */
#include "fuzz/fuzz.h"
#include "data/data.h"

#include <arpa/inet.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static const size_t SIGNATURE = 8, AROUND_CHUNK = 12; /* its length, its name and its checksum */

static void mend_checksums(bytes *file)
{
    for (size_t at = SIGNATURE; at + AROUND_CHUNK <= file->size;) {
        uint32_t length;
        memcpy(&length, file->data + at, 4);
        length = ntohl(length);
        if (length > file->size - at - AROUND_CHUNK)
            return;
        const uint32_t sum = htonl((uint32_t)crc32(0, file->data + at + 4, length + 4));
        memcpy(file->data + at + 8 + length, &sum, 4);
        at += AROUND_CHUNK + length;
    }
}

static void check_again(const image *picture)
{
    const size_t n = picture->height * picture->width, channels = picture->channels;
    png_image header = {.version = PNG_IMAGE_VERSION, .width = (uint32_t)picture->width, .height = (uint32_t)picture->height,
                        .format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB};
    unsigned char *pixels = malloc(n * channels);
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(header);
    bytes file = {malloc(size), 0};
    weft_error err = {0};
    image again;
    CHECK(pixels && file.data);
    for (size_t i = 0; i < n * channels; i++)
        pixels[i] = (unsigned char)(picture->pixels[i % channels * n + i / channels] >> 8);
    CHECK(png_image_write_to_memory(&header, file.data, &size, 0, pixels, 0, NULL));
    file.size = size;
    CHECK(image_decode("again", &file, channels, &again, NULL, &err) == WEFT_OK);
    CHECK(again.height == picture->height && again.width == picture->width);
    for (size_t i = 0; i < n * channels; i++)
        CHECK(again.pixels[i] == 257 * (picture->pixels[i] >> 8));
    image_free(&again);
    free(pixels);
    bytes_free(&file);
}

static void decode(const bytes *file, size_t channels)
{
    enum { SMALL = 64 * 64 };
    text warnings = {0};
    weft_error err = {0};
    image picture;
    refusal_begin();
    const weft_status status = image_decode("file", file, channels, &picture, &warnings, &err);
    refusal_end(status, &err, file->size);
    if (status == WEFT_OK && picture.height * picture.width <= SMALL)
        check_again(&picture);
    image_free(&picture);
    text_free(&warnings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bytes file = {(unsigned char *)text_of(data, size), size};
    decode(&file, 1);
    mend_checksums(&file);
    decode(&file, size % 2 ? 1 : 3);
    bytes_free(&file);
    return 0;
}
