/* Broken, hostile and odd IDX and gzip files: refused with a reason, or read as what they are; never a hang, a crash or
 * more memory than they are worth. */
#include "test.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#undef fail /* cmocka's macro; ours is a function */
#include "data/data.h"

enum { MIB = 1 << 20, LIMIT = 1 << 30, HANGS_AFTER_S = 60 };

/* ---- Making files ---- */

static char folder[64], path[128];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/weft-bad-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/file", folder);
    alarm(HANGS_AFTER_S); /* a hang is a failure */
    return 0;
}

static int remove_one(const char *name, const struct stat *info, int type, struct FTW *walk)
{
    (void)info, (void)type, (void)walk;
    return remove(name);
}

static int remove_folder(void **state)
{
    (void)state;
    alarm(0);
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A file in the making. */
typedef struct blob {
    unsigned char *data;
    size_t size, capacity;
} blob;

static void add(blob *b, const void *data, size_t n)
{
    if (b->size + n > b->capacity) {
        b->capacity = 2 * (b->size + n);
        b->data = realloc(b->data, b->capacity);
        assert_non_null(b->data);
    }
    if (n > 0)
        memcpy(b->data + b->size, data, n);
    b->size += n;
}

static void add_le(blob *b, uint64_t value, size_t width)
{
    for (size_t i = 0; i < width; i++)
        add(b, &(unsigned char){(unsigned char)(value >> 8 * i)}, 1);
}

static void drop(blob *b)
{
    free(b->data);
    *b = (blob){0};
}

static blob of(const void *data, size_t n)
{
    blob b = {0};
    add(&b, data, n);
    return b;
}
#define LITERAL(text) of(text, sizeof text - 1)

/* 3 images of 2 x 2. */
#define SMALL "\0\0\x08\3\0\0\0\3\0\0\0\2\0\0\0\2abcdefghijkl"
enum { SMALL_BYTES = sizeof SMALL - 1 };

/* A gzip member of `head`, followed by `n_zeros` zero bytes. */
static void add_gzip(blob *b, const void *head, size_t n_head, size_t n_zeros)
{
    static unsigned char zeros[64 * 1024], out[64 * 1024];
    z_stream z = {.next_in = (unsigned char *)head, .avail_in = (uInt)n_head};
    assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    for (int result = Z_OK; result != Z_STREAM_END;) {
        if (z.avail_in == 0) {
            z.next_in = zeros;
            z.avail_in = (uInt)MIN(n_zeros, sizeof zeros);
            n_zeros -= z.avail_in;
        }
        z.next_out = out;
        z.avail_out = sizeof out;
        result = deflate(&z, n_zeros || z.avail_in ? Z_NO_FLUSH : Z_FINISH);
        assert_true(result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR);
        add(b, out, sizeof out - z.avail_out);
    }
    deflateEnd(&z);
}

static blob gzip(const void *data, size_t n)
{
    blob b = {0};
    add_gzip(&b, data, n, 0);
    return b;
}

/* A gzip header with the flags and what they announce, then raw deflate data and the trailer for `content`. */
static blob gzip_by_hand(unsigned char flags, const char *extras, size_t n_extras, const void *deflate_data, size_t n,
                         const void *content, size_t n_content)
{
    blob b = {0};
    add(&b, (unsigned char[]){0x1F, 0x8B, 8, flags, 0, 0, 0, 0, 0, 3}, 10);
    add(&b, extras, n_extras);
    add(&b, deflate_data, n);
    add_le(&b, crc32(0, content, (uInt)n_content), 4);
    add_le(&b, n_content, 4);
    return b;
}

/* The small file as a stored block. */
static blob stored(unsigned char flags, const char *extras, size_t n_extras)
{
    unsigned char block[5 + SMALL_BYTES] = {1, SMALL_BYTES, 0, (unsigned char)~SMALL_BYTES, 0xFF};
    memcpy(block + 5, SMALL, SMALL_BYTES);
    return gzip_by_hand(flags, extras, n_extras, block, sizeof block, SMALL, SMALL_BYTES);
}

/* ---- Reading them ---- */

static weft_status read_blob_by(const blob *b, const file_rules *rules, array_file *out, weft_error *err)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(b->size == 0 || fwrite(b->data, 1, b->size, file) == b->size);
    assert_int_equal(fclose(file), 0);
    return idx_read(path, rules, out, err);
}

static const file_rules usual = {.limit_bytes = LIMIT};

static weft_status read_blob(const blob *b, array_file *out, weft_error *err)
{
    return read_blob_by(b, &usual, out, err);
}

/* Refused, with the file's name and each of the words; consumes the blob. */
static void refused_by(file_rules rules, blob b, const char *words)
{
    array_file array;
    weft_error err = {0};
    assert_int_equal(read_blob_by(&b, &rules, &array, &err), WEFT_BAD_INPUT);
    assert_null(array.block.data);
    assert_int_equal(err.count, 1);
    assert_string_equal(err.file, path);
    if (!strstr(err.message, words))
        assert_string_equal(err.message, words); /* shows both */
    drop(&b);
}

static void refused(blob b, const char *words)
{
    refused_by(usual, b, words);
}

static bool is_small(const array_file *array)
{
    return array->type == DTYPE_U8 && array->shape.n_dims == 3 && array->shape.dims[0] == 3 &&
           array->block.size >= SMALL_BYTES && memcmp(array->data, "abcdefghijkl", 12) == 0;
}

/* Read as the small file, with these warnings: lines of what follows "FILE: ", "" for none; consumes the blob. */
static void accepted_by(bool allow_trailing, blob b, const char *expected)
{
    array_file array;
    weft_error err = {0};
    text warnings = {0}, found = {0};
    weft_status status = read_blob_by(&b, &(file_rules){LIMIT, allow_trailing, &warnings}, &array, &err);
    assert_string_equal(err.message, "");
    assert_int_equal(status, WEFT_OK);
    assert_true(is_small(&array));
    for (const char *line = warnings.length ? warnings.data : ""; *line; line += *line == '\n') {
        assert_memory_equal(line, path, strlen(path));
        line += strlen(path) + strlen(": ");
        text_printf(&found, "%s%.*s", found.length ? "\n" : "", (int)strcspn(line, "\n"), line);
        line += strcspn(line, "\n");
    }
    assert_string_equal(found.length ? found.data : "", expected);
    text_free(&found);
    text_free(&warnings);
    bytes_free(&array.block);
    assert_int_equal(read_blob_by(&b, &(file_rules){LIMIT, allow_trailing, NULL}, &array, &err), WEFT_OK);
    bytes_free(&array.block);
    drop(&b);
}

static void accepted(blob b)
{
    accepted_by(false, b, "");
}

/* ---- IDX ---- */

static void broken_idx_headers_are_refused(void **state)
{
    (void)state;
    refused(LITERAL(""), "truncated: an IDX file begins with 4 bytes, and here are 0");
    refused(LITERAL("\0"), "here is 1");
    refused(LITERAL("\0\0"), "here are 2");
    refused(LITERAL("\0\0\x08"), "here are 3");
    const unsigned char types[] = {0x00, 0x07, 0x0A, 0x0F, 0xFF};
    for (size_t i = 0; i < COUNT(types); i++) {
        char words[32];
        blob b = LITERAL(SMALL);
        b.data[2] = types[i];
        snprintf(words, sizeof words, "byte 2: unknown type 0x%02x", types[i]);
        refused(b, words);
    }
    refused(LITERAL("\0\0\x07\1\0\0\0\1a"),
            "0x08 uint8, 0x09 int8, 0x0b int16, 0x0c int32, 0x0d float32, 0x0e float64");
    refused(LITERAL("\0\0\x08\0"), "byte 3: 0 dimensions");
    refused(LITERAL("\0\0\x08\xFF\0\0\0\1\0\0\0\1\0\0\0\1"),
            "a header of 255 dimensions needs 1024 bytes, and here are 16");
    refused(LITERAL("\0\0\x08\x09\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1a"),
            "byte 3: 9 dimensions; up to 8");
    refused(LITERAL("\3\x08\0\0\3\0\0\0\2\0\0\0\2\0\0\0"), "byte-swapped");
    refused(LITERAL("\x89PNG\r\n\x1A\n"), "byte 0: not an IDX file: it begins with 89 50 4e 47");
    refused(LITERAL("\0\1\x08\3"), "byte 0: not an IDX file");
}

static void dimensions_that_cannot_be_are_refused(void **state)
{
    (void)state;
    refused(LITERAL("\0\0\x08\3\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"), "overflow");
    /* 2^64, which wraps to 0 */
    refused(LITERAL("\0\0\x08\4\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0"), "overflow");
    /* 2^61 numbers of 8 bytes: only the bytes wrap */
    refused(LITERAL("\0\0\x0E\3\x20\0\0\0\0\1\0\0\0\1\0\0"), "overflow");
    refused(LITERAL("\0\0\x08\2\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"),
            "truncated: [4294967295, 4294967295] of uint8 needs");
    refused(LITERAL("\0\0\x08\3\0\0\0\3\0\0\0\0\0\0\0\2"), "byte 8: dimension 2 is 0: the data set is empty");
    refused(LITERAL("\0\0\x08\1\0\0\0\0"), "dimension 1 is 0");
}

static void data_after_the_end_is_refused(void **state)
{
    (void)state;
    refused(LITERAL(SMALL "x"), "byte 28: data after the end: [3, 2, 2] of uint8 takes 28 bytes, and here are 29");
    refused(LITERAL(SMALL "x"), "with --allow-trailing");
    refused(gzip(SMALL "x", SMALL_BYTES + 1), "byte 28: data after the end");
}

/* Two members of which the second is no part of the array. */
static blob gzip_with_more(size_t n_zeros)
{
    blob b = gzip(SMALL, SMALL_BYTES);
    add_gzip(&b, "x", 1, n_zeros);
    return b;
}

static void data_after_the_end_may_be_allowed_and_is_warned_of(void **state)
{
    (void)state;
#define PASSED(size) "byte 28: data after the end is passed over: [3, 2, 2] of uint8 takes 28 bytes, and here are " size
    accepted_by(true, LITERAL(SMALL), "");
    accepted_by(true, gzip(SMALL, SMALL_BYTES), "");
    accepted_by(true, LITERAL(SMALL "x"), PASSED("29"));
    accepted_by(true, LITERAL(SMALL "\0\0"), PASSED("30"));
    accepted_by(true, gzip(SMALL "x", SMALL_BYTES + 1), PASSED("29"));
    accepted_by(true, gzip_with_more(0), PASSED("29")); /* read by zlib, and in two passes */
    accepted_by(true, gzip_with_more(MIB), PASSED("1048605"));
#undef PASSED
}

static void what_allows_trailing_data_allows_nothing_else(void **state)
{
    (void)state;
    const file_rules rules = {.limit_bytes = MIB, .allow_trailing = true};
    refused_by(rules, of(SMALL, SMALL_BYTES - 1), "truncated: [3, 2, 2] of uint8 needs 28 bytes, and here are 27");
    refused_by(rules, LITERAL("\0\1\x08\3"), "not an IDX file");
    refused_by(rules, gzip_with_more(2 * MIB), "more than 1048576 bytes, the limit");
    blob b = gzip(SMALL, SMALL_BYTES);
    add(&b, "x", 1);
    refused_by(rules, b, "what follows the gzip data is not gzip");
}

static void a_short_file_is_refused_with_what_it_needs(void **state)
{
    (void)state;
    refused(of(SMALL, SMALL_BYTES - 1), "truncated: [3, 2, 2] of uint8 needs 28 bytes, and here are 27");
    refused(gzip(SMALL, SMALL_BYTES - 1), "needs 28 bytes, and here are 27");
}

static void a_file_over_the_limit_is_refused_with_the_limit(void **state)
{
    (void)state;
    refused_by((file_rules){.limit_bytes = 20}, LITERAL(SMALL), "20");
    blob b = {0};
    add_gzip(&b, "\0\0\x08\2\0\1\0\0\0\0\1\0", 12, 1 << 24);
    refused_by((file_rules){.limit_bytes = MIB}, b, "more than 1048576 bytes, the limit");
    bytes out;
    weft_error err = {0};
    b = (blob){0};
    add_gzip(&b, "", 0, MIB + 1);
    assert_int_equal(
        gzip_unpack("zeros", &(bytes){b.data, b.size}, &(file_rules){.limit_bytes = MIB}, NULL, &out, &err),
        WEFT_BAD_INPUT);
    assert_non_null(strstr(err.message, "zeros: holds more than 1048576 bytes"));
    drop(&b);
    size_t limit;
    assert_int_equal(data_limit(&limit, &err), WEFT_OK);
    assert_true(limit <= (size_t)8 << 30 && limit > 64 * MIB);
}

static void numbers_are_big_endian(void **state)
{
    (void)state;
    weft_error err = {0};
    array_file array;
    unsigned char i16[] = "\0\0\x0B\1\0\0\0\2\x12\x34\xFF\xFE",
                  f64[] = "\0\0\x0E\2\0\0\0\1\0\0\0\1\x3F\xF8\0\0\0\0\0\0";
    int16_t h[2];
    double d;
    assert_int_equal(idx_parse("i16", &(bytes){i16, sizeof i16 - 1}, &usual, &array, &err), WEFT_OK);
    memcpy(h, array.data, sizeof h);
    assert_int_equal(h[0], 0x1234);
    assert_int_equal(h[1], -2);
    assert_int_equal(idx_parse("f64", &(bytes){f64, sizeof f64 - 1}, &usual, &array, &err), WEFT_OK);
    memcpy(&d, array.data, sizeof d);
    assert_true(d == 1.5);
}

static void every_prefix_of_an_idx_file_is_refused(void **state)
{
    (void)state;
    for (size_t n = 0; n < SMALL_BYTES; n++)
        refused(of(SMALL, n), "truncated");
}

/* ---- Not a file ---- */

static void not_readable(const char *name)
{
    array_file array;
    weft_error err = {0};
    weft_status status = idx_read(name, &usual, &array, &err);
    assert_true(status == WEFT_BAD_INPUT || status == WEFT_IO);
    assert_string_equal(err.file, name);
}

static void what_is_no_regular_file_is_refused_without_waiting(void **state)
{
    (void)state;
    alarm(5);
    not_readable("/dev/zero");
    not_readable(folder);
    not_readable("/no/such/file");
    assert_int_equal(mkfifo(path, 0600), 0);
    not_readable(path);
    remove(path);
    assert_int_equal(symlink("/no/such/file", path), 0);
    not_readable(path);
    remove(path);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%.100s", path);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    not_readable(path);
    close(listener);
}

static void a_file_without_permission_is_refused(void **state)
{
    (void)state;
    array_file array;
    weft_error err = {0};
    bool root = geteuid() == 0; /* who may read everything, and so becomes nobody */
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0)), 0);
    assert_int_equal(root ? seteuid(65534) : 0, 0);
    weft_status status = idx_read(path, &usual, &array, &err);
    assert_int_equal(root ? seteuid(0) : 0, 0);
    assert_int_equal(status, WEFT_BAD_INPUT);
    assert_non_null(strstr(err.message, "Permission denied"));
}

static void a_file_that_shrinks_while_it_is_read_does_no_harm(void **state)
{
    (void)state;
    blob b = LITERAL("\0\0\x08\1\0\x20\0\0"); /* 2 MiB, of which most is a hole */
    FILE *file = fopen(path, "wb");
    assert_int_equal(fwrite(b.data, 1, b.size, file), b.size);
    assert_int_equal(fclose(file), 0);
    pid_t child = fork();
    for (int i = 0; child == 0; i ^= 1)
        if (truncate(path, i ? 8 : 2 * MIB + 8))
            _exit(1);
    for (int i = 0; i < 300; i++) {
        array_file array;
        weft_error err = {0};
        weft_status status = idx_read(path, &usual, &array, &err);
        assert_true(status == WEFT_OK ? array.block.size == 2 * MIB + 8
                                      : status == WEFT_IO || strstr(err.message, "truncated") != NULL);
        bytes_free(&array.block);
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    drop(&b);
}

/* ---- gzip: what is legal ---- */

static void usual_gzip_is_read(void **state)
{
    (void)state;
    accepted(gzip(SMALL, SMALL_BYTES));
    accepted(stored(0, "", 0));
}

static void members_are_joined(void **state)
{
    (void)state;
    blob b = {0};
    add_gzip(&b, SMALL, 7, 0);
    add_gzip(&b, "", 0, 0);
    add_gzip(&b, &SMALL[7], SMALL_BYTES - 7, 0);
    accepted(b);
    b = gzip(SMALL, SMALL_BYTES / 2); /* of one size, so that the last one's fits the first */
    add_gzip(&b, &SMALL[SMALL_BYTES / 2], SMALL_BYTES / 2, 0);
    accepted(b);
}

/* The small file in one member or two, with zero bytes behind; and a warning of them. */
static void padded(size_t n_members, size_t n_zeros, const char *words)
{
    char expected[128];
    blob b = {0};
    for (size_t i = 0; i < n_members; i++)
        add_gzip(&b, &SMALL[i * SMALL_BYTES / n_members], SMALL_BYTES / n_members, 0);
    snprintf(expected, sizeof expected, "byte %zu: %s", b.size, words);
    for (size_t i = 0; i < n_zeros; i++)
        add(&b, "", 1);
    accepted_by(false, b, expected);
}

static void zero_bytes_at_the_end_are_tape_padding(void **state)
{
    (void)state;
    padded(1, 1, "1 zero byte after the gzip data, as padding of tapes, is passed over");
    padded(1, 2, "2 zero bytes after the gzip data, as padding of tapes, are passed over");
    padded(1, 100000, "100000 zero bytes after the gzip data, as padding of tapes, are passed over");
    padded(2, 512, "512 zero bytes after the gzip data, as padding of tapes, are passed over");
}

static void padding_and_data_after_the_end_are_two_warnings(void **state)
{
    (void)state;
    char expected[256];
    blob b = gzip(SMALL "x", SMALL_BYTES + 1);
    snprintf(expected, sizeof expected,
             "byte 28: data after the end is passed over: [3, 2, 2] of uint8 takes 28 bytes, and here are 29\n"
             "byte %zu: 3 zero bytes after the gzip data, as padding of tapes, are passed over",
             b.size);
    add(&b, "\0\0", 3);
    accepted_by(true, b, expected);
}

static void optional_header_fields_are_passed_over(void **state)
{
    (void)state;
    accepted(stored(1, "", 0));
    accepted(stored(4, "\3\0abc", 5));
    accepted(stored(8, "name.idx", 9));
    accepted(stored(16, "a comment", 10));
    accepted(stored(4 + 8 + 16, "\3\0abcname\0comment", 18));
    unsigned char head[] = {0x1F, 0x8B, 8, 2, 0, 0, 0, 0, 0, 3};
    uLong sum = crc32(0, head, sizeof head);
    accepted(stored(2, (char[]){(char)sum, (char)(sum >> 8)}, 2));
    refused(stored(2, (char[]){(char)(sum + 1), (char)(sum >> 8)}, 2), "header crc mismatch");
}

static void a_hundred_thousand_members_take_linear_time(void **state)
{
    (void)state;
    blob b = gzip("\0\0\x08\1\0\1\x86\xA0", 8), one = gzip("x", 1);
    for (int i = 0; i < 100000; i++)
        add(&b, one.data, one.size);
    array_file array;
    weft_error err = {0};
    assert_int_equal(read_blob(&b, &array, &err), WEFT_OK);
    assert_int_equal(array.shape.dims[0], 100000);
    assert_int_equal(((const unsigned char *)array.data)[99999], 'x');
    bytes_free(&array.block);
    drop(&one);
    drop(&b);
}

static void a_million_empty_blocks_take_linear_time(void **state)
{
    (void)state;
    blob blocks = {0};
    for (int i = 0; i < 1000000; i++)
        add(&blocks, "\0\0\0\xFF\xFF", 5);
    add(&blocks, (unsigned char[]){1, SMALL_BYTES, 0, (unsigned char)~SMALL_BYTES, 0xFF}, 5);
    add(&blocks, SMALL, SMALL_BYTES);
    accepted(gzip_by_hand(0, "", 0, blocks.data, blocks.size, SMALL, SMALL_BYTES));
    drop(&blocks);
}

static void what_is_proven_first_is_read_as_well(void **state)
{
    (void)state;
    blob b = {0};
    add_gzip(&b, "\0\0\x08\2\0\0\4\0\0\1\0\0x", 13, 64 * MIB - 1); /* compresses a thousandfold */
    array_file array;
    weft_error err = {0};
    assert_int_equal(read_blob(&b, &array, &err), WEFT_OK);
    assert_int_equal(array.shape.dims[0] * array.shape.dims[1], 64 * MIB);
    assert_int_equal(((const unsigned char *)array.data)[0], 'x');
    bytes_free(&array.block);
    drop(&b);
}

/* ---- gzip: what is not ---- */

static blob changed(size_t at, unsigned char to)
{
    blob b = gzip(SMALL, SMALL_BYTES);
    b.data[at < b.size ? at : b.size - (SIZE_MAX - at) - 1] = to; /* SIZE_MAX: the last byte */
    return b;
}

static void broken_gzip_headers_are_refused(void **state)
{
    (void)state;
    for (unsigned flag = 0x20; flag <= 0x80; flag <<= 1)
        refused(changed(3, (unsigned char)flag), "unknown header flags");
    refused(changed(2, 7), "unknown compression method");
    refused(stored(4, "\xFF\xFF", 2), "truncated: the gzip data goes on past the end");
    refused(LITERAL("\x1F\x8B"), "truncated: the gzip data goes on past the end, 2 bytes");
    refused(LITERAL("\x1F\x8B\x08"), "truncated");
}

static void wrong_checksum_and_length_are_refused(void **state)
{
    (void)state;
    refused(changed(SIZE_MAX, 1), "incorrect length check");
    blob b = gzip(SMALL, SMALL_BYTES);
    b.data[b.size - 8] ^= 1;
    refused(b, "incorrect data check");
}

static void data_behind_the_last_member_is_refused(void **state)
{
    (void)state;
    blob b = gzip(SMALL, SMALL_BYTES);
    char words[64];
    snprintf(words, sizeof words, "byte %zu: what follows the gzip data is not gzip", b.size);
    add(&b, "x", 1);
    refused(b, words);
    b = gzip(SMALL, SMALL_BYTES);
    add(&b, "\0\0", 2);
    add_gzip(&b, "y", 1, 0);
    refused(b, "what follows the gzip data is not gzip");
}

/* Bits as deflate has them: fields from their lowest bit on, codes from their highest. */
typedef struct bits {
    unsigned char data[64];
    size_t n;
} bits;

static void add_code(bits *to, unsigned code, unsigned width)
{
    for (unsigned i = width; i-- > 0; to->n++)
        to->data[to->n / 8] |= (unsigned char)((code >> i & 1) << to->n % 8);
}

/* A block with the fixed codes: perhaps the letter a, a length code, perhaps a distance code, the end. */
static blob fixed_block(bool letter, unsigned length_code, unsigned length_bits, int distance)
{
    bits b = {0};
    add_code(&b, 6, 3); /* last block: 1; fixed codes: 01, from the lowest */
    if (letter)
        add_code(&b, 0x30 + 'a', 8);
    add_code(&b, length_code, length_bits);
    if (distance >= 0)
        add_code(&b, (unsigned)distance, 5);
    add_code(&b, 0, 7);
    return gzip_by_hand(0, "", 0, b.data, (b.n + 7) / 8, "aaaa", 4);
}

static void broken_deflate_data_is_refused(void **state)
{
    (void)state;
    refused(gzip_by_hand(0, "", 0, "\7", 1, "", 0), "invalid block type");
    refused(gzip_by_hand(0, "", 0, "\1\1\0\0\0x", 6, "x", 1), "invalid stored block lengths");
    refused(fixed_block(true, 1, 7, 0), "it begins with 61 61 61 61"); /* length 3, distance 1: sound, but no IDX */
    refused(fixed_block(false, 1, 7, 0), "distance too far back");     /* before the first byte */
    refused(fixed_block(true, 1, 7, 1), "distance too far back");
    refused(fixed_block(true, 1, 7, 30), "invalid distance code");
    refused(fixed_block(true, 1, 7, 31), "invalid distance code");
    refused(fixed_block(true, 0xC6, 8, -1), "invalid literal/length code"); /* 286 */
    refused(fixed_block(true, 0xC7, 8, -1), "invalid literal/length code"); /* 287 */
}

static void only_one_layer_is_unpacked(void **state)
{
    (void)state;
    blob inner = gzip(SMALL, SMALL_BYTES);
    refused(gzip(inner.data, inner.size), "gzip inside gzip");
    drop(&inner);
}

static void every_prefix_of_a_gzip_file_is_refused(void **state)
{
    (void)state;
    blob b = gzip(SMALL, SMALL_BYTES);
    for (size_t n = 0; n < b.size; n++)
        refused(of(b.data, n), "");
    drop(&b);
}

static void a_flipped_bit_is_refused_or_changes_nothing(void **state)
{
    (void)state;
    blob b = gzip(SMALL, SMALL_BYTES);
    size_t n_refused = 0;
    for (size_t bit = 0; bit < 8 * b.size; bit++) {
        b.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        array_file array;
        weft_error err = {0};
        weft_status status = read_blob(&b, &array, &err);
        assert_true(status == WEFT_BAD_INPUT || (status == WEFT_OK && is_small(&array)));
        n_refused += status != WEFT_OK;
        bytes_free(&array.block);
        b.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    /* Time, extra flags and system are 6 bytes that mean nothing; so are the text flag, and the bits that fill the last
     * byte of the data. */
    assert_true(n_refused >= 8 * (b.size - 6) - 1 - 7);
    drop(&b);
}

/* ---- Bombs ---- */

static void a_bomb_that_claims_its_size_meets_the_limit(void **state)
{
    (void)state;
    blob b = {0};
    add_gzip(&b, "\0\0\x08\2\0\0\x27\x10\0\x0F\x42\x40", 12, 64 * MIB); /* claims 10,000 x 1,000,000 */
    refused(b, "more than 1073741824 bytes, the limit");
}

static void a_bomb_that_hides_its_size_ends_where_its_header_does(void **state)
{
    (void)state;
    blob b = {0};
    add_gzip(&b, SMALL, SMALL_BYTES, 64 * MIB);
    refused(b, "byte 28: data after the end: [3, 2, 2] of uint8 takes 28 bytes, and here are at least");
}

static long peak_kib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

/* Reads in a process of its own, which says whether the file was refused within its memory. */
static void refused_in_little_memory(blob b)
{
    FILE *file = fopen(path, "wb");
    assert_int_equal(fwrite(b.data, 1, b.size, file), b.size);
    fclose(file);
    pid_t child = fork();
    if (child == 0) {
        array_file array;
        long before = peak_kib();
        weft_status status = idx_read(path, &usual, &array, NULL);
        long used = peak_kib() - before;
        _exit(status != WEFT_BAD_INPUT ? 1 : used > 32 * 1024 + 4 * (long)b.size / 1024 ? 2 : 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    drop(&b);
}

static void refused_files_take_little_memory(void **state)
{
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    skip(); /* it keeps what was freed */
#endif
    blob b = {0};
    add_gzip(&b, "\0\0\x08\2\0\0\4\0\0\2\0\0", 12, 128 * MIB); /* what it claims, and a wrong sum */
    b.data[b.size - 8] ^= 1;
    refused_in_little_memory(b);

    b = (blob){0};
    add_gzip(&b, "", 0, 128 * MIB); /* no IDX: type 0 */
    refused_in_little_memory(b);

    b = gzip("\0\0\x08\2\0\0\4\0\0\2\0\0", 12);
    for (int i = 0; i < 4; i++)
        add_gzip(&b, "", 0, 32 * MIB); /* in members, the last of them cut */
    b.size -= 1;
    refused_in_little_memory(b);

    refused_in_little_memory(LITERAL("\0\0\x08\2\0\0\4\0\0\2\0\0"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(broken_idx_headers_are_refused),
        TEST(dimensions_that_cannot_be_are_refused),
        TEST(data_after_the_end_is_refused),
        TEST(data_after_the_end_may_be_allowed_and_is_warned_of),
        TEST(what_allows_trailing_data_allows_nothing_else),
        TEST(a_short_file_is_refused_with_what_it_needs),
        TEST(a_file_over_the_limit_is_refused_with_the_limit),
        TEST(numbers_are_big_endian),
        TEST(every_prefix_of_an_idx_file_is_refused),
        TEST(what_is_no_regular_file_is_refused_without_waiting),
        TEST(a_file_without_permission_is_refused),
        TEST(a_file_that_shrinks_while_it_is_read_does_no_harm),
        TEST(usual_gzip_is_read),
        TEST(members_are_joined),
        TEST(zero_bytes_at_the_end_are_tape_padding),
        TEST(padding_and_data_after_the_end_are_two_warnings),
        TEST(optional_header_fields_are_passed_over),
        TEST(a_hundred_thousand_members_take_linear_time),
        TEST(a_million_empty_blocks_take_linear_time),
        TEST(what_is_proven_first_is_read_as_well),
        TEST(broken_gzip_headers_are_refused),
        TEST(wrong_checksum_and_length_are_refused),
        TEST(data_behind_the_last_member_is_refused),
        TEST(broken_deflate_data_is_refused),
        TEST(only_one_layer_is_unpacked),
        TEST(every_prefix_of_a_gzip_file_is_refused),
        TEST(a_flipped_bit_is_refused_or_changes_nothing),
        TEST(a_bomb_that_claims_its_size_meets_the_limit),
        TEST(a_bomb_that_hides_its_size_ends_where_its_header_does),
        TEST(refused_files_take_little_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
