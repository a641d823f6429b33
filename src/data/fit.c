/* Pictures become samples: what the samples of a data set look like, and the same made of a picture from elsewhere. */
#include "data/image.h"

#include <math.h>
#include <stdlib.h>

enum { WHITE = 65535, INK_SHARE = 16, INK_SPREADS = 8, LOOKED_AT = 1000 };

static uint16_t brightness(const image *i, size_t pixel)
{
    const size_t n = i->height * i->width;
    return i->channels == 1 ? i->pixels[pixel] : luma(i->pixels[pixel], i->pixels[n + pixel], i->pixels[2 * n + pixel]);
}

static uint16_t difference(uint16_t a, uint16_t b) { return a > b ? a - b : b - a; }

/* ---- The border, and what stands out from it ---- */

/* The median over the outermost pixels, to 8 bits, of how much a channel differs from `level`: from 0, of the channel itself. */
static uint16_t border_median(const image *i, size_t channel, uint16_t level)
{
    const uint16_t *pixels = i->pixels + channel * i->height * i->width;
    size_t counts[256] = {0}, n = 0, below = 0, median = 0;
    for (size_t y = 0; y < i->height; y++) {
        const size_t step = y == 0 || y + 1 == i->height || i->width == 1 ? 1 : i->width - 1;
        for (size_t x = 0; x < i->width; x += step, n++)
            counts[difference(pixels[y * i->width + x], level) >> 8]++;
    }
    while ((below += counts[median]) * 2 < n)
        median++;
    return (uint16_t)(257 * median);
}

static uint16_t border_of(const image *i, size_t channel) { return border_median(i, channel, 0); }

static uint16_t border_brightness(const image *i)
{
    return i->channels == 1 ? border_of(i, 0) : luma(border_of(i, 0), border_of(i, 1), border_of(i, 2));
}

/* How much the border differs from itself: by noise, by uneven light. */
static uint32_t border_spread(const image *i)
{
    uint32_t most = 0;
    for (size_t c = 0; c < i->channels; c++)
        most = MAX(most, (uint32_t)border_median(i, c, border_of(i, c)));
    return most;
}

typedef struct box {
    size_t top, left, height, width;
} box;

static box whole_of(const image *i) { return (box){0, 0, i->height, i->width}; }

/* Around the pixels whose brightness differs from the border's by more than a sixteenth of the largest difference, and by more than 8 times the
 * border's spread, which is 5 standard deviations of noise; all where none does. */
static box ink_of(const image *i)
{
    const uint16_t paper = border_brightness(i);
    uint16_t largest = 0;
    size_t top = i->height, left = i->width, bottom = 0, right = 0;
    for (size_t p = 0; p < i->height * i->width; p++)
        largest = MAX(largest, difference(brightness(i, p), paper));
    const uint32_t least = MAX(largest / INK_SHARE, INK_SPREADS * border_spread(i));
    for (size_t p = 0; p < i->height * i->width; p++) {
        if (difference(brightness(i, p), paper) <= least)
            continue;
        top = MIN(top, p / i->width);
        bottom = MAX(bottom, p / i->width + 1);
        left = MIN(left, p % i->width);
        right = MAX(right, p % i->width + 1);
    }
    return bottom ? (box){top, left, bottom - top, right - left} : whole_of(i);
}

/* The larger of its shares of a height and a width. */
static double share_of(box b, size_t height, size_t width)
{
    const double down = (double)b.height / (double)height, across = (double)b.width / (double)width;
    return MAX(down, across);
}

/* ---- What a data set's pictures are ---- */

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, by_size);
    return values[(n - 1) / 2];
}

/* Sample k as a picture. */
static void read_sample(const weft_dataset *data, size_t k, const image_kind *kind, image *out)
{
    const void *samples = data->split[WEFT_TRAIN].samples;
    for (size_t i = 0; i < data->features; i++) {
        const double number = number_at(data->type, samples, k * data->features + i);
        out->pixels[i] = (uint16_t)(WHITE * ((number - kind->black) / (kind->white - kind->black)) + 0.5);
    }
}

static weft_status look_at_samples(const weft_dataset *data, image_kind *kind, weft_error *err)
{
    const size_t n = MIN(data->split[WEFT_TRAIN].n, (size_t)LOOKED_AT);
    double backgrounds[LOOKED_AT] = {0}, fills[LOOKED_AT] = {0};
    image one;
    TRY(image_create(data->name, kind->channels, kind->height, kind->width, &one, err));
    for (size_t k = 0; k < n; k++) {
        read_sample(data, k, kind, &one);
        backgrounds[k] = border_brightness(&one) / (double)WHITE;
        fills[k] = share_of(ink_of(&one), one.height, one.width);
    }
    kind->background = median(backgrounds, n);
    kind->fill = median(fills, n);
    image_free(&one);
    return WEFT_OK;
}

weft_status data_image_kind(const weft_dataset *data, image_kind *out, weft_error *err)
{
    const shape *s = &data->sample;
    image_kind kind = {.channels = s->dims[0], .height = s->dims[1], .width = s->dims[2], .white = 255};
    *out = (image_kind){0};
    if (s->n_dims != 3 || (kind.channels != 1 && kind.channels != 3))
        return WEFT_OK;
    if (data->type != DTYPE_U8)
        data_range(data, WEFT_TRAIN, &kind.black, &kind.white);
    if (kind.black == kind.white)
        return WEFT_OK;
    TRY(look_at_samples(data, &kind, err));
    *out = kind;
    return WEFT_OK;
}

/* ---- Fitting ---- */

static bool turns(const image *from, const image_kind *kind, const image_rules *rules)
{
    const uint16_t border = border_brightness(from), wanted = (uint16_t)(WHITE * kind->background + 0.5);
    return rules->invert == INVERT_YES || (rules->invert == INVERT_AUTO && difference(WHITE - border, wanted) < difference(border, wanted));
}

/* A number of pixels for a side; at least one. */
static size_t side(double length, size_t limit)
{
    const size_t whole = (size_t)(length + 0.5);
    return MIN(MAX(whole, 1), limit);
}

/* The part of pixel i that lies between two places. */
static double overlap(size_t i, double from, double to) { return MIN((double)i + 1, to) - MAX((double)i, from); }

/* The mean of a channel over an area: between rows y[0] and y[1], columns x[0] and x[1], whole or not. */
static double mean_of(const image *from, size_t channel, const double y[2], const double x[2])
{
    const uint16_t *pixels = from->pixels + channel * from->height * from->width;
    double sum = 0;
    for (size_t row = (size_t)y[0]; (double)row < y[1] && row < from->height; row++)
        for (size_t column = (size_t)x[0]; (double)column < x[1] && column < from->width; column++)
            sum += overlap(row, y[0], y[1]) * overlap(column, x[0], x[1]) * pixels[row * from->width + column];
    return sum / ((y[1] - y[0]) * (x[1] - x[0]));
}

/* A channel of the sample, as brightness from 0 to 65535: the box `taken`, scaled to `at`, upon the border's colour. */
static void scale_channel(const image *from, size_t channel, box taken, box at, const image_kind *kind, double *to)
{
    const double down = (double)taken.height / (double)at.height, across = (double)taken.width / (double)at.width;
    const double paper = border_of(from, channel);
    for (size_t i = 0; i < kind->height * kind->width; i++) {
        const size_t row = i / kind->width - at.top, column = i % kind->width - at.left; /* below 0: very large */
        to[i] = paper;
        if (row < at.height && column < at.width)
            to[i] = mean_of(from, channel, (double[2]){(double)taken.top + (double)row * down, (double)taken.top + (double)(row + 1) * down},
                            (double[2]){(double)taken.left + (double)column * across, (double)taken.left + (double)(column + 1) * across});
    }
}

/* Where paper is off the data's background, as in a photograph, brings it there, and leaves the far end of brightness where it is. */
static double level(double v, double paper, double background)
{
    const double far = 2 * background < WHITE ? WHITE : 0, from_far = fabs(paper - far);
    if (paper == background || from_far < fabs(background - far) / 2)
        return v;
    const double levelled = far + (v - far) * fabs(background - far) / from_far;
    return MIN(MAX(levelled, 0), WHITE);
}

weft_status image_fit(const image *from, const image_kind *kind, const image_rules *rules, float *sample, image_fitting *done, weft_error *err)
{
    const size_t n = kind->height * kind->width;
    double *channel = calloc(n, sizeof *channel);
    if (!channel)
        return fail_memory(err);
    const bool scaled = from->height != kind->height || from->width != kind->width;
    const box taken = scaled && !rules->whole ? ink_of(from) : whole_of(from);
    const double factor = (scaled && !rules->whole ? kind->fill : 1) / share_of(taken, kind->height, kind->width);
    box at = {.height = side(factor * (double)taken.height, kind->height), .width = side(factor * (double)taken.width, kind->width)};
    at.top = (kind->height - at.height) / 2;
    at.left = (kind->width - at.width) / 2;
    *done = (image_fitting){turns(from, kind, rules), scaled, taken.top, taken.left, taken.height, taken.width};
    for (size_t c = 0; c < kind->channels; c++) {
        scale_channel(from, c, taken, at, kind, channel);
        const double border = border_of(from, c), paper = done->inverted ? WHITE - border : border;
        for (size_t i = 0; i < n; i++) {
            double v = done->inverted ? WHITE - channel[i] : channel[i];
            if (scaled && !rules->whole)
                v = level(v, paper, WHITE * kind->background);
            sample[c * n + i] = (float)(kind->black + (kind->white - kind->black) * v / WHITE);
        }
    }
    free(channel);
    return WEFT_OK;
}
