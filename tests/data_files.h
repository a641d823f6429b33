/* What tests of data sets share: a folder of their own, and small IDX files in it. */
#ifndef DATA_FILES_H
#define DATA_FILES_H

#include "test.h"

#include <ftw.h>
#include <libdeflate.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#undef fail /* cmocka's macro; ours is a function */
#include "data/data.h"

static char folder[64], start[4096];

static inline int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/weft-data-XXXXXX");
    unsetenv("WEFT_DATA");
    return getcwd(start, sizeof start) && mkdtemp(folder) ? 0 : -1;
}

static inline int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info, (void)type, (void)walk;
    return remove(path);
}

static inline int remove_folder(void **state)
{
    (void)state;
    return chdir(start) || nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

typedef struct blob {
    unsigned char data[1024];
    size_t size;
} blob;

static inline blob header(unsigned char type, size_t n_dims, const uint32_t *dims)
{
    blob b = {{0, 0, type, (unsigned char)n_dims}, 4};
    for (size_t i = 0; i < n_dims; i++)
        for (int shift = 24; shift >= 0; shift -= 8)
            b.data[b.size++] = (unsigned char)(dims[i] >> shift);
    return b;
}

/* Appends a number of `width` bytes, big-endian. */
static inline void add(blob *b, uint64_t bits, size_t width)
{
    for (size_t i = width; i-- > 0;)
        b->data[b->size++] = (unsigned char)(bits >> 8 * i);
}

static inline blob images(uint32_t n, uint32_t height, uint32_t width)
{
    blob b = header(0x08, 3, (uint32_t[]){n, height, width});
    for (uint32_t i = 0; i < n * height * width; i++)
        add(&b, 7 * i, 1);
    return b;
}

static inline blob labels(uint32_t n, uint32_t n_classes)
{
    blob b = header(0x08, 1, &n);
    for (uint32_t i = 0; i < n; i++)
        add(&b, i % n_classes, 1);
    return b;
}

static inline void put_in(const char *where_to, const char *name, const void *data, size_t size)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", where_to, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static inline void put(const char *name, blob b)
{
    put_in(folder, name, b.data, b.size);
}

static inline void put_gzipped(const char *name, blob b)
{
    unsigned char packed[2048];
    struct libdeflate_compressor *c = libdeflate_alloc_compressor(6);
    size_t size = libdeflate_gzip_compress(c, b.data, b.size, packed, sizeof packed);
    libdeflate_free_compressor(c);
    assert_true(size > 0);
    put_in(folder, name, packed, size);
}

/* 7 training and 3 test images of 2 x 3, of 3 classes. */
static inline void put_small_set(void)
{
    put("train-images-idx3-ubyte", images(7, 2, 3));
    put("train-labels-idx1-ubyte", labels(7, 3));
    put("t10k-images-idx3-ubyte", images(3, 2, 3));
    put("t10k-labels-idx1-ubyte", labels(3, 3));
}

static inline weft_dataset *opened(const char *name)
{
    weft_error err = {0};
    weft_dataset *data = weft_dataset_open(name, &err);
    assert_string_equal(err.message, "");
    assert_non_null(data);
    return data;
}

/* The message of the refusal must hold each of the words. */
static inline void refused_as(const char *name, const char *const *words)
{
    weft_error err = {0};
    assert_null(weft_dataset_open(name, &err));
    assert_int_equal(err.status, WEFT_BAD_INPUT);
    for (; *words; words++)
        if (!strstr(err.message, *words))
            assert_string_equal(err.message, *words); /* shows both */
}
#define refused(name, ...) refused_as(name, (const char *const[]){__VA_ARGS__, NULL})

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

#endif
