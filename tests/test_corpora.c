/* Every fuzz target takes its corpus, and inputs that are made of it by chance, the same ones every time. `make fuzz` looks further. */
#include "test.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"

#ifdef EMULATED
enum { N_CHANGED = 100 };
#else
enum { N_CHANGED = 20000 };
#endif
enum { MOST_FILES = 4096, MOST_CHANGES = 4, MOST_BYTES = 1 << 20 };

#define X(name) int fuzz_##name(const uint8_t *data, size_t size);
#include "gen/fuzz.inc"
#undef X

typedef struct target {
    const char *name;
    int (*take)(const uint8_t *data, size_t size);
} target;

#define X(name) {#name, fuzz_##name},
static const target targets[] = {
#include "gen/fuzz.inc"
};
#undef X

/* ---- What the program died of ---- */

static char at_work[512];
static const bytes *input;

void __sanitizer_set_death_callback(void (*)(void)) __attribute__((weak));

/* Keeps the input, in the folder where one runs the tests. */
static void tell(void)
{
    static const char kept[] = "build/failed-input";
    FILE *file = fopen(kept, "w");
    if (file && input)
        fwrite(input->data, 1, input->size, file);
    if (file)
        fclose(file);
    fprintf(stderr, "\n# %s; the input is in %s\n", at_work, kept);
}

static void hear_signal(int number)
{
    tell();
    signal(number, SIG_DFL);
    raise(number);
}

static int listen_to_death(void **state)
{
    (void)state;
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(tell);
    signal(SIGABRT, hear_signal);
    if (!__sanitizer_set_death_callback)
        signal(SIGSEGV, hear_signal);
    return 0;
}

/* ---- Inputs ---- */

typedef struct corpus {
    size_t n;
    char *names[MOST_FILES];
    bytes files[MOST_FILES];
} corpus;

static int is_file(const struct dirent *entry) { return entry->d_name[0] != '.'; }

static void corpus_open(corpus *c, const char *name)
{
    struct dirent **entries;
    char path[512];
    snprintf(path, sizeof path, "fuzz/corpus/%s", name);
    const int n = scandir(path, &entries, is_file, alphasort);
    if (n <= 0 || n > MOST_FILES)
        fail_msg("%s: there is no corpus; tests run in the folder that has fuzz/corpus", path);
    for (c->n = 0; c->n < (size_t)n; c->n++) {
        weft_error err = {0};
        snprintf(path, sizeof path, "fuzz/corpus/%s/%s", name, entries[c->n]->d_name);
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        assert_int_equal(stream_read(fileno(file), path, MOST_BYTES, &c->files[c->n], &err), WEFT_OK);
        fclose(file);
        c->names[c->n] = strdup(path);
        free(entries[c->n]);
    }
    free(entries);
}

static void corpus_close(corpus *c)
{
    for (size_t i = 0; i < c->n; i++) {
        free(c->names[i]);
        bytes_free(&c->files[i]);
    }
}

/* Four numbers of 32 bits, those of change k of input i. */
static void draw(uint64_t i, uint32_t k, uint32_t out[4]) { rng_u32x4(1, RNG_SHOW, k, i, out); }

/* Takes n bytes away at `at`, and puts others there. */
static void replace(bytes *b, size_t at, size_t n, const unsigned char *with, size_t n_with)
{
    unsigned char *changed = malloc(b->size - n + n_with + 1);
    assert_non_null(changed);
    memcpy(changed, b->data, at);
    memcpy(changed + at, with, n_with);
    memcpy(changed + at + n_with, b->data + at + n, b->size - at - n);
    *b = (bytes){(free(b->data), changed), b->size - n + n_with};
}

static void change(bytes *b, const corpus *c, const uint32_t r[4])
{
    static const unsigned char edges[] = {0x00, 0x01, 0x7F, 0x80, 0xFF, '0', '"', '\n'};
    const size_t at = r[1] % (b->size + 1), rest = b->size - at, n = MIN(rest, r[2] % 16 + 1);
    const bytes *other = &c->files[r[3] % c->n];
    const size_t from = other->size ? r[2] % other->size : 0, n_other = MIN(other->size - from, r[1] % 64 + 1);
    switch (r[0] % 7) {
    case 0:
        if (rest)
            b->data[at] ^= (unsigned char)(1u << r[2] % 8);
        break;
    case 1:
        if (rest)
            b->data[at] = edges[r[2] % COUNT(edges)];
        break;
    case 2:
        replace(b, at, n, NULL, 0);
        break;
    case 3:
        replace(b, at, 0, b->data + at, n);
        break;
    case 4:
        replace(b, at, 0, other->data + from, n_other);
        break;
    case 5:
        replace(b, at, MIN(rest, n_other), other->data + from, n_other);
        break;
    case 6:
        b->size = r[3] % 4 ? b->size : at;
        break;
    }
}

static void take(const target *t, const bytes *b)
{
    input = b;
    assert_int_equal(t->take(b->data, b->size), 0);
    input = NULL;
}

static void test_target(void **state)
{
    const target *t = *state;
    static corpus c;
    corpus_open(&c, t->name);
    for (size_t i = 0; i < c.n; i++) {
        snprintf(at_work, sizeof at_work, "%s", c.names[i]);
        take(t, &c.files[i]);
    }
    for (size_t i = 0; i < N_CHANGED; i++) {
        const bytes *from = &c.files[i % c.n];
        bytes changed = {malloc(from->size + 1), from->size};
        uint32_t r[4];
        assert_non_null(changed.data);
        memcpy(changed.data, from->data, from->size);
        draw(i, 0, r);
        for (uint32_t k = r[0] % MOST_CHANGES + 1; k > 0; k--) {
            draw(i, k, r);
            change(&changed, &c, r);
        }
        snprintf(at_work, sizeof at_work, "change %zu, of %s", i, c.names[i % c.n]);
        take(t, &changed);
        bytes_free(&changed);
    }
    corpus_close(&c);
}

int main(void)
{
    struct CMUnitTest tests[COUNT(targets)];
    char names[COUNT(targets)][128];
    for (size_t i = 0; i < COUNT(targets); i++) {
        snprintf(names[i], sizeof names[i], "%s: its corpus and what chance makes of it", targets[i].name);
        tests[i] = (struct CMUnitTest){names[i], test_target, NULL, NULL, (void *)&targets[i]};
    }
    return cmocka_run_group_tests_name("corpora", tests, listen_to_death, NULL);
}
