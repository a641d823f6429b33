/* Pictures from files, and what becomes of them where a model takes pictures of one size. */
#include "data_files.h"

#include <png.h>
#include <turbojpeg.h>

enum { SIDE = 28, LARGEST = 1 << 20 };

/* ---- Files ---- */

/* A PNG as libpng writes it, of 8 bits a number. The caller frees it. */
static bytes png(png_uint_32 format, unsigned width, unsigned height, const unsigned char *samples)
{
    png_image p = {.version = PNG_IMAGE_VERSION, .width = width, .height = height, .format = format};
    png_alloc_size_t size = LARGEST;
    bytes file = {malloc(LARGEST), 0};
    assert_true(png_image_write_to_memory(&p, file.data, &size, 0, samples, 0, NULL));
    file.size = size;
    return file;
}

static bytes jpeg(int format, int width, int height, const unsigned char *samples)
{
    tjhandle h = tjInitCompress();
    unsigned char *made = NULL;
    unsigned long size = 0;
    const int subsampling = format == TJPF_GRAY ? TJSAMP_GRAY : TJSAMP_444;
    assert_int_equal(tjCompress2(h, samples, width, 0, height, format, &made, &size, subsampling, 100, 0), 0);
    bytes file = {malloc(size), size};
    memcpy(file.data, made, size);
    tjFree(made);
    tjDestroy(h);
    return file;
}

/* What reads it is given exactly the file's bytes, so that a sanitizer sees one too many. */
static image decoded(bytes file, size_t channels)
{
    weft_error err = {0};
    text warnings = {0};
    image out;
    if (image_decode("x", &file, channels, &out, &warnings, &err) != WEFT_OK)
        fail_msg("%s", err.message);
    assert_int_equal(warnings.length, 0);
    bytes_free(&file);
    return out;
}

static void refuse(bytes file, const char *words)
{
    weft_error err = {0};
    image out;
    assert_int_equal(image_decode("x.png", &file, 1, &out, NULL, &err), WEFT_BAD_INPUT);
    assert_null(out.pixels);
    assert_non_null(strstr(err.message, "x.png: "));
    if (!strstr(err.message, words))
        fail_msg("\"%s\" is not in: %s", words, err.message);
}

static void fill_with_noise(unsigned char *samples, size_t n)
{
    uint32_t state = 1;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525 + 1013904223;
        samples[i] = (unsigned char)(state >> 24);
    }
}

/* ---- Reading ---- */

static void grey_is_read_to_the_bit(void **state)
{
    (void)state;
    unsigned char samples[9 * 7];
    fill_with_noise(samples, sizeof samples);
    for (size_t channels = 1; channels <= 3; channels += 2) {
        image i = decoded(png(PNG_FORMAT_GRAY, 9, 7, samples), channels);
        assert_true(i.channels == channels && i.height == 7 && i.width == 9);
        for (size_t k = 0; k < channels * sizeof samples; k++)
            assert_int_equal(i.pixels[k], 257 * samples[k % sizeof samples]);
        image_free(&i);
    }
}

/* Weights of ITU-R BT.601; a pixel of each pure colour, white and black. */
static void colours_become_grey_by_their_weights(void **state)
{
    (void)state;
    const unsigned char samples[] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0};
    const double weights[] = {0.299, 0.587, 0.114, 1, 0};
    image grey = decoded(png(PNG_FORMAT_RGB, 5, 1, samples), 1), colour = decoded(png(PNG_FORMAT_RGB, 5, 1, samples), 3);
    for (size_t i = 0; i < 5; i++) {
        assert_true(fabs(grey.pixels[i] - 65535 * weights[i]) <= 0.5);
        for (size_t c = 0; c < 3; c++)
            assert_int_equal(colour.pixels[c * 5 + i], 257 * samples[3 * i + c]);
    }
    image_free(&grey);
    image_free(&colour);
}

static void what_is_transparent_lies_on_white(void **state)
{
    (void)state;
    const unsigned char samples[] = {0, 0, 0, 0, 0, 0, 0, 255, 100, 100, 100, 51};
    const double expected[] = {255, 0, 100 * 0.2 + 255 * 0.8};
    image i = decoded(png(PNG_FORMAT_RGBA, 3, 1, samples), 1);
    for (size_t k = 0; k < 3; k++)
        assert_true(fabs(i.pixels[k] / 257.0 - expected[k]) <= 1 / 257.0);
    image_free(&i);
}

/* At quality 100 and full resolution of colours a JPEG is off by rounding: by its transform, and by its colours' way to and fro. */
static void a_jpeg_is_read_to_its_rounding(void **state)
{
    (void)state;
    unsigned char samples[24 * 16 * 3];
    for (size_t i = 0; i < sizeof samples; i++)
        samples[i] = (unsigned char)(i / 3 * 255 / 383 + i % 3);
    image colour = decoded(jpeg(TJPF_RGB, 24, 16, samples), 3), grey = decoded(jpeg(TJPF_RGB, 24, 16, samples), 1);
    for (size_t k = 0; k < 24 * 16; k++) {
        const double wanted = 0.299 * samples[3 * k] + 0.587 * samples[3 * k + 1] + 0.114 * samples[3 * k + 2];
        assert_true(fabs(grey.pixels[k] / 257.0 - wanted) <= 2);
        for (size_t c = 0; c < 3; c++)
            assert_true(fabs(colour.pixels[c * 24 * 16 + k] / 257.0 - samples[3 * k + c]) <= 4);
    }
    image_free(&colour);
    image_free(&grey);
}

/* A picture, dark but for its upper left corner, that says how it was held. */
static bytes held(size_t orientation, bool big_endian)
{
    static const unsigned char big[] = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0},
                               little[] = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 0, 0, 0, 0};
    unsigned char samples[24 * 16] = {0}, app1[] = {0xFF, 0xE1, 0, 8 + sizeof big, 'E', 'x', 'i', 'f', 0, 0};
    for (size_t i = 0; i < 8 * 8; i++)
        samples[i / 8 * 24 + i % 8] = 255;
    const bytes plain = jpeg(TJPF_GRAY, 24, 16, samples);
    bytes file = {malloc(plain.size + sizeof app1 + sizeof big), plain.size + sizeof app1 + sizeof big};
    memcpy(file.data, plain.data, 2);
    memcpy(file.data + 2, app1, sizeof app1);
    memcpy(file.data + 2 + sizeof app1, big_endian ? big : little, sizeof big);
    file.data[2 + sizeof app1 + (big_endian ? 19 : 18)] = (unsigned char)orientation;
    memcpy(file.data + 2 + sizeof app1 + sizeof big, plain.data + 2, plain.size - 2);
    free(plain.data);
    return file;
}

/* Where CIPA DC-008 puts the first row and the first column. */
static void pictures_stand_as_the_camera_was_held(void **state)
{
    (void)state;
    static const struct {
        bool across, bottom, right; /* where the corner comes to lie */
    } expected[] = {{0}, {0}, {0, 0, 1}, {0, 1, 1}, {0, 1, 0}, {1, 0, 0}, {1, 0, 1}, {1, 1, 1}, {1, 1, 0}};
    for (size_t i = 0; i < 2 * COUNT(expected); i++) {
        const size_t o = i / 2;
        image one = decoded(held(o, i % 2), 1);
        assert_true(one.height == (expected[o].across ? 24 : 16) && one.width == (expected[o].across ? 16 : 24));
        for (size_t k = 0; k < 4; k++) {
            const bool bottom = k / 2, right = k % 2, light = bottom == expected[o].bottom && right == expected[o].right;
            const uint16_t corner = one.pixels[(bottom ? one.height - 1 : 0) * one.width + (right ? one.width - 1 : 0)];
            if ((corner > 60000) != light)
                fail_msg("orientation %zu: corner %zu is %u", o, k, corner);
        }
        image_free(&one);
    }
}

/* ---- Refusing ---- */

static void what_is_cut_off_is_refused_wherever(void **state)
{
    (void)state;
    unsigned char samples[16 * 16];
    fill_with_noise(samples, sizeof samples);
    bytes files[] = {png(PNG_FORMAT_GRAY, 16, 16, samples), jpeg(TJPF_GRAY, 16, 16, samples)};
    for (size_t f = 0; f < COUNT(files); f++) {
        const size_t last = f ? files[f].size - 2 : files[f].size; /* a JPEG is whole without its end marker */
        for (size_t n = 0; n < last; n++) {
            weft_error err = {0};
            image out;
            bytes part = {malloc(MAX(n, 1)), n};
            memcpy(part.data, files[f].data, n);
            if (image_decode("x", &part, 1, &out, NULL, &err) != WEFT_BAD_INPUT)
                fail_msg("file %zu: %zu bytes were enough", f, n);
            free(part.data);
        }
        free(files[f].data);
    }
}

/* A sum guards every part of a PNG; a JPEG has none. */
static void a_wrong_bit_does_no_harm(void **state)
{
    (void)state;
    unsigned char samples[16 * 16];
    fill_with_noise(samples, sizeof samples);
    bytes files[] = {png(PNG_FORMAT_GRAY, 16, 16, samples), jpeg(TJPF_GRAY, 16, 16, samples)};
    for (size_t f = 0; f < COUNT(files); f++) {
        for (size_t bit = 0; bit < 8 * files[f].size; bit++) {
            weft_error err = {0};
            image out;
            files[f].data[bit / 8] ^= (unsigned char)(1 << bit % 8);
            const weft_status status = image_decode("x", &files[f], 1, &out, NULL, &err);
            for (size_t i = 0; !f && status == WEFT_OK && i < sizeof samples; i++)
                assert_int_equal(out.pixels[i], 257 * samples[i]);
            image_free(&out);
            files[f].data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        }
        free(files[f].data);
    }
}

static void other_files_are_refused_with_a_reason(void **state)
{
    (void)state;
    unsigned char samples[16 * 16] = {0}, inks[16 * 16 * 4] = {0};
    bytes file = png(PNG_FORMAT_GRAY, 16, 16, samples);
    refuse((bytes){file.data, 0}, "is empty");
    refuse((bytes){(unsigned char *)"GIF89a", 6}, "no picture that can be read; its content would tell: JPEG, PNG");
    file.data[4] = '\n'; /* of "\r\n" */
    refuse(file, "transfer as text");
    free(file.data);
    file = jpeg(TJPF_CMYK, 16, 16, inks);
    refuse(file, "CMYK");
    free(file.data);
}

/* A JPEG with other sizes in its header. */
static bytes resized(unsigned width, unsigned height)
{
    unsigned char samples[16 * 16] = {0};
    bytes file = jpeg(TJPF_GRAY, 16, 16, samples);
    size_t at = 2;
    while (file.data[at + 1] != 0xC0)
        at += 2 + (size_t)(file.data[at + 2] << 8 | file.data[at + 3]);
    const unsigned char sizes[] = {(unsigned char)(height >> 8), (unsigned char)height, (unsigned char)(width >> 8), (unsigned char)width};
    memcpy(file.data + at + 5, sizes, sizeof sizes);
    return file;
}

static void a_size_that_is_too_large_is_refused_by_its_header(void **state)
{
    (void)state;
    bytes file = resized(65000, 65000);
    refuse(file, "65000 x 65000 pixels; up to 67108864");
    free(file.data);
}

static void what_follows_a_png_is_told_of(void **state)
{
    (void)state;
    unsigned char samples[4] = {1, 2, 3, 4};
    bytes file = png(PNG_FORMAT_GRAY, 2, 2, samples);
    weft_error err = {0};
    text warnings = {0};
    image out;
    file.size += 3; /* there is room, whatever is in it */
    memcpy(file.data + file.size - 3, "abc", 3);
    assert_int_equal(image_decode("x", &file, 1, &out, &warnings, &err), WEFT_OK);
    assert_non_null(strstr(warnings.data, "3 bytes after the end"));
    image_free(&out);
    text_free(&warnings);
    free(file.data);
}

/* ---- Fitting ---- */

static const image_kind fashion = {.channels = 1, .height = SIDE, .width = SIDE, .white = 255, .background = 0, .fill = 1};
static const image_rules automatic = {.invert = INVERT_AUTO};

/* A rectangle upon a ground. */
static image drawn(size_t height, size_t width, uint16_t ground, size_t top, size_t left, size_t rows, size_t columns, uint16_t colour)
{
    image i = {1, height, width, malloc(height * width * sizeof *i.pixels)};
    for (size_t k = 0; k < height * width; k++) {
        const size_t y = k / width - top, x = k % width - left; /* below 0: very large */
        i.pixels[k] = y < rows && x < columns ? colour : ground;
    }
    return i;
}

static image_fitting fitted(image from, const image_kind *kind, const image_rules *rules, float *sample)
{
    weft_error err = {0};
    image_fitting done;
    assert_int_equal(image_fit(&from, kind, rules, sample, &done, &err), WEFT_OK);
    image_free(&from);
    return done;
}

static void assert_rectangle(const float *sample, size_t top, size_t left, size_t rows, size_t columns, float colour, float ground)
{
    for (size_t k = 0; k < SIDE * SIDE; k++) {
        const size_t y = k / SIDE - top, x = k % SIDE - left;
        const float wanted = y < rows && x < columns ? colour : ground;
        if (sample[k] != wanted)
            fail_msg("row %zu, column %zu: %g instead of %g", k / SIDE, k % SIDE, (double)sample[k], (double)wanted);
    }
}

static void a_picture_of_the_right_size_stays_as_it_is(void **state)
{
    (void)state;
    unsigned char samples[SIDE * SIDE];
    float sample[SIDE * SIDE];
    fill_with_noise(samples, sizeof samples);
    const image_rules rules = {.invert = INVERT_NO}, turned = {.invert = INVERT_YES};
    assert_false(fitted(decoded(png(PNG_FORMAT_GRAY, SIDE, SIDE, samples), 1), &fashion, &rules, sample).scaled);
    for (size_t i = 0; i < sizeof samples; i++)
        assert_true(sample[i] == (float)samples[i]);
    assert_true(fitted(decoded(png(PNG_FORMAT_GRAY, SIDE, SIDE, samples), 1), &fashion, &turned, sample).inverted);
    for (size_t i = 0; i < sizeof samples; i++)
        assert_true(sample[i] == (float)(255 - samples[i]));
}

static void an_enlargement_shrinks_to_what_it_was(void **state)
{
    (void)state;
    unsigned char samples[SIDE * SIDE];
    float sample[SIDE * SIDE];
    fill_with_noise(samples, sizeof samples);
    image large = {1, 3 * SIDE, 3 * SIDE, malloc(9 * sizeof(uint16_t[SIDE * SIDE]))};
    for (size_t k = 0; k < 9 * SIDE * SIDE; k++)
        large.pixels[k] = (uint16_t)(257 * samples[k / (3 * SIDE) / 3 * SIDE + k % (3 * SIDE) / 3]);
    fitted(large, &fashion, &(image_rules){.invert = INVERT_NO, .whole = true}, sample);
    for (size_t i = 0; i < sizeof samples; i++)
        assert_true(sample[i] == (float)samples[i]);
}

static void what_stands_out_is_cut_scaled_and_centred(void **state)
{
    (void)state;
    float sample[SIDE * SIDE];
    const image_kind digits = {.channels = 1, .height = SIDE, .width = SIDE, .white = 1, .background = 0, .fill = 20.0 / SIDE};
    const image_fitting done = fitted(drawn(300, 200, 0, 40, 110, 120, 60, 65535), &fashion, &automatic, sample);
    assert_true(done.scaled && !done.inverted && done.top == 40 && done.left == 110 && done.height == 120 && done.width == 60);
    assert_rectangle(sample, 0, 7, 28, 14, 255, 0);
    fitted(drawn(300, 200, 0, 40, 60, 60, 120, 65535), &digits, &automatic, sample);
    assert_rectangle(sample, 9, 4, 10, 20, 1, 0);
    fitted(drawn(10, 10, 0, 4, 2, 2, 4, 65535), &fashion, &automatic, sample); /* smaller than what is wanted */
    assert_rectangle(sample, 7, 0, 14, 28, 255, 0);
    fitted(drawn(56, 28, 0, 0, 0, 28, 28, 65535), &fashion, &(image_rules){.invert = INVERT_NO, .whole = true}, sample);
    assert_rectangle(sample, 0, 7, 14, 14, 255, 0);
}

/* A pixel is the mean of what it covers: here 2.5 columns, of which 1 to 1.5 are light. */
static void pixels_are_means_over_areas(void **state)
{
    (void)state;
    float sample[SIDE * SIDE];
    fitted(drawn(70, 70, 0, 0, 1, 70, 3, 65535), &fashion, &(image_rules){.invert = INVERT_NO, .whole = true}, sample);
    assert_true(fabs((double)sample[0] - 255 * 1.5 / 2.5) <= 1e-4);
    assert_true(fabs((double)sample[1] - 255 * 1.5 / 2.5) <= 1e-4);
    assert_true(sample[2] == 0);
}

static void the_border_decides_about_inverting(void **state)
{
    (void)state;
    float sample[SIDE * SIDE];
    image_kind light = fashion;
    light.background = 1;
    assert_true(fitted(drawn(56, 56, 65535, 14, 14, 28, 28, 0), &fashion, &automatic, sample).inverted);
    assert_rectangle(sample, 0, 0, 28, 28, 255, 0);
    assert_false(fitted(drawn(56, 56, 65535, 14, 14, 28, 28, 0), &light, &automatic, sample).inverted);
    assert_true(fitted(drawn(56, 56, 0, 14, 14, 28, 28, 65535), &light, &automatic, sample).inverted);
    assert_false(fitted(drawn(56, 56, 257 * 100, 14, 14, 28, 28, 0), &fashion, &automatic, sample).inverted);
    assert_false(fitted(drawn(56, 56, 65535, 14, 14, 28, 28, 0), &fashion, &(image_rules){.invert = INVERT_NO}, sample).inverted);
    assert_true(fitted(drawn(56, 56, 0, 14, 14, 28, 28, 0), &fashion, &(image_rules){.invert = INVERT_YES}, sample).inverted);
}

/* Paper from 200 to 220, getting lighter to the right, with noise up to 10; the thing in it is black, so that it becomes white, and the paper's
 * middle black. What is left of the paper is its own unevenness. */
static void a_photograph_is_cut_and_levelled(void **state)
{
    (void)state;
    enum { HEIGHT = 300, WIDTH = 400 };
    static unsigned char noise[HEIGHT * WIDTH];
    float sample[SIDE * SIDE];
    image photo = drawn(HEIGHT, WIDTH, 1, 60, 120, 168, 84, 0);
    fill_with_noise(noise, sizeof noise);
    for (size_t k = 0; k < HEIGHT * WIDTH; k++)
        photo.pixels[k] = photo.pixels[k] ? (uint16_t)(257 * (200 + k % WIDTH / 20 + noise[k] % 11)) : 0;
    const image_fitting done = fitted(photo, &fashion, &automatic, sample);
    assert_true(done.inverted && done.top == 60 && done.left == 120 && done.height == 168 && done.width == 84);
    for (size_t k = 0; k < SIDE * SIDE; k++) {
        const bool thing = k % SIDE >= 7 && k % SIDE < 21;
        assert_true(thing ? sample[k] == 255 : sample[k] >= 0 && sample[k] < 1);
    }
    const image_rules whole = {.invert = INVERT_AUTO, .whole = true};
    fitted(drawn(56, 56, 257 * 200, 14, 14, 28, 28, 0), &fashion, &whole, sample);
    assert_rectangle(sample, 7, 7, 14, 14, 255, 55);
}

static void colours_keep_their_channels(void **state)
{
    (void)state;
    const image_kind colour = {.channels = 3, .height = 1, .width = 2, .black = -1, .white = 1, .background = 0, .fill = 1};
    const unsigned char samples[] = {255, 0, 51, 0, 255, 102};
    const float expected[] = {1, -1, -1, 1, -0.6f, -0.2f};
    float sample[6];
    fitted(decoded(png(PNG_FORMAT_RGB, 2, 1, samples), 3), &colour, &(image_rules){.invert = INVERT_NO}, sample);
    for (size_t i = 0; i < 6; i++)
        assert_true(fabs((double)sample[i] - (double)expected[i]) <= 1e-6);
}

static void a_data_set_tells_what_its_pictures_are(void **state)
{
    (void)state;
    weft_error err = {0};
    image_kind kind;
    weft_dataset *data = weft_dataset_open("fashion-mnist", &err);
    assert_non_null(data);
    assert_int_equal(data_image_kind(data, &kind, &err), WEFT_OK);
    assert_true(kind.channels == 1 && kind.height == SIDE && kind.width == SIDE);
    assert_true(kind.black == 0 && kind.white == 255 && kind.background == 0 && kind.fill == 1);
    weft_dataset_close(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grey_is_read_to_the_bit),
        cmocka_unit_test(colours_become_grey_by_their_weights),
        cmocka_unit_test(what_is_transparent_lies_on_white),
        cmocka_unit_test(a_jpeg_is_read_to_its_rounding),
        cmocka_unit_test(pictures_stand_as_the_camera_was_held),
        cmocka_unit_test(what_is_cut_off_is_refused_wherever),
        cmocka_unit_test(a_wrong_bit_does_no_harm),
        cmocka_unit_test(other_files_are_refused_with_a_reason),
        cmocka_unit_test(a_size_that_is_too_large_is_refused_by_its_header),
        cmocka_unit_test(what_follows_a_png_is_told_of),
        cmocka_unit_test(a_picture_of_the_right_size_stays_as_it_is),
        cmocka_unit_test(an_enlargement_shrinks_to_what_it_was),
        cmocka_unit_test(what_stands_out_is_cut_scaled_and_centred),
        cmocka_unit_test(pixels_are_means_over_areas),
        cmocka_unit_test(the_border_decides_about_inverting),
        cmocka_unit_test(a_photograph_is_cut_and_levelled),
        cmocka_unit_test(colours_keep_their_channels),
        cmocka_unit_test(a_data_set_tells_what_its_pictures_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
