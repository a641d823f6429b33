#include "fuzz/fuzz.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

void check_failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: this does not hold: %s\n", file, line, what);
    abort();
}

char *text_of(const uint8_t *data, size_t size)
{
    char *string = malloc(size + 1);
    CHECK(string);
    memcpy(string, data, size);
    string[size] = '\0';
    return string;
}

/* ---- Memory ---- */

enum { MIB = 1 << 20 };

static size_t live_bytes, peak_bytes;

static void count(size_t more)
{
    live_bytes += more;
    peak_bytes = MAX(peak_bytes, live_bytes);
}

/* What was allocated before the counting began may be given back during it. */
static void uncount(size_t less) { live_bytes -= MIN(less, live_bytes); }

#if defined(__SANITIZE_ADDRESS__) || defined(__clang__)

int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void *, size_t), void (*)(const volatile void *));
size_t __sanitizer_get_allocated_size(const volatile void *);

static void hear_malloc(const volatile void *memory, size_t size)
{
    (void)memory;
    count(size);
}

static void hear_free(const volatile void *memory) { uncount(memory ? __sanitizer_get_allocated_size(memory) : 0); }

static void count_from_here(void)
{
    static bool installed;
    if (!installed)
        __sanitizer_install_malloc_and_free_hooks(hear_malloc, hear_free);
    installed = true;
    live_bytes = peak_bytes = 0;
}

#else

/* glibc's own, under other names: the program's own take their place in its libraries, too. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *memory, size_t size);
void __libc_free(void *memory);

void *malloc(size_t size)
{
    void *memory = __libc_malloc(size);
    count(malloc_usable_size(memory));
    return memory;
}

void *calloc(size_t n, size_t size)
{
    void *memory = __libc_calloc(n, size);
    count(malloc_usable_size(memory));
    return memory;
}

void *realloc(void *memory, size_t size)
{
    const size_t before = malloc_usable_size(memory);
    void *moved = __libc_realloc(memory, size);
    if (moved || !size) {
        uncount(before);
        count(malloc_usable_size(moved));
    }
    return moved;
}

void free(void *memory)
{
    uncount(malloc_usable_size(memory));
    __libc_free(memory);
}

static void count_from_here(void) { live_bytes = peak_bytes = 0; }

#endif

/* ---- What must hold of every answer ---- */

static bool can_be_printed(const char *message)
{
    char piece[ESCAPED_BYTES];
    for (size_t n; (n = escape_next(message, piece)) > 0; message += n)
        if (*message != '\n' && (strlen(piece) != n || memcmp(piece, message, n) != 0))
            return false;
    return true;
}

void refusal_begin(void) { count_from_here(); }

void refusal_end(weft_status status, const weft_error *err, size_t size)
{
    CHECK((status == WEFT_OK) == (err->count == 0));
    CHECK((status == WEFT_OK) == (err->message[0] == '\0'));
    CHECK(status == WEFT_OK || status == WEFT_BAD_INPUT); /* nothing of the machine's goes wrong here */
    CHECK(can_be_printed(err->message));
    CHECK(status == WEFT_OK || peak_bytes <= 32 * (size_t)MIB + 4 * size);
}

/* ---- Files ---- */

enum { MAX_FILES = 32 };

static struct {
    char path[256];
    bytes content;
} files[MAX_FILES];
static size_t n_files;

static bytes *find_file(const char *path)
{
    for (size_t i = 0; i < n_files; i++)
        if (strcmp(files[i].path, path) == 0)
            return &files[i].content;
    return NULL;
}

static bytes copy_of(const void *data, size_t size) { return (bytes){(unsigned char *)text_of(data, size), size}; }

void memory_file_put(const char *path, const void *data, size_t size)
{
    bytes *file = find_file(path);
    if (!file) {
        CHECK(n_files < MAX_FILES && strlen(path) < sizeof files->path);
        strcpy(files[n_files].path, path);
        file = &files[n_files++].content;
    }
    bytes_free(file);
    *file = copy_of(size ? data : "", size);
}

const bytes *memory_file(const char *path)
{
    const bytes *file = find_file(path);
    CHECK(file);
    return file;
}

weft_status __wrap_file_read(const char *path, size_t limit, bytes *out, weft_error *err);
weft_status __wrap_file_write(const char *path, const void *data, size_t size, weft_error *err);
bool __wrap_file_exists(const char *path);

weft_status __wrap_file_read(const char *path, size_t limit, bytes *out, weft_error *err)
{
    const bytes *file = find_file(path);
    *out = (bytes){0};
    if (!file)
        return fail(err, WEFT_BAD_INPUT, (where){.file = path}, "cannot open: it is not there");
    if (file->size > limit)
        return fail(err, WEFT_BAD_INPUT, (where){.file = path}, "has %zu bytes, more than the limit of %zu", file->size, limit);
    *out = copy_of(file->data, file->size);
    return WEFT_OK;
}

weft_status __wrap_file_write(const char *path, const void *data, size_t size, weft_error *err)
{
    (void)err;
    memory_file_put(path, data, size);
    return WEFT_OK;
}

bool __wrap_file_exists(const char *path) { return find_file(path); }

void check_rewrite(const char *path, const uint8_t *data, size_t size, weft_status (*rewrite)(arena *a, weft_error *err))
{
    arena a = {0};
    weft_error err = {0};
    memory_file_put(path, data, size);
    refusal_begin();
    const weft_status status = rewrite(&a, &err);
    refusal_end(status, &err, size);
    if (status == WEFT_OK) {
        bytes once = copy_of(memory_file(path)->data, memory_file(path)->size);
        CHECK(rewrite(&a, &err) == WEFT_OK);
        CHECK(memory_file(path)->size == once.size && memcmp(memory_file(path)->data, once.data, once.size) == 0);
        bytes_free(&once);
    }
    arena_deinit(&a);
}

/* ---- Safetensors ---- */

void mend_digest(unsigned char *file, size_t size)
{
    static const char key[] = "\"sha256\":\"";
    enum { DIGITS = 64 };
    char hex[65];
    unsigned char *digits = memmem(file, size, key, sizeof key - 1);
    if (!digits || (size_t)(file + size - digits) < sizeof key - 1 + DIGITS)
        return;
    digits += sizeof key - 1;
    memset(digits, '0', DIGITS);
    sha256_hex(file, size, hex);
    memcpy(digits, hex, DIGITS);
}
