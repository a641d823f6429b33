#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include "base/base.h"

/* ---- Errors ---- */

static void a_mistake_is_told_with_its_place(void **state)
{
    (void)state;
    static const struct {
        where at;
        const char *message;
    } cases[] = {
        {{"a.yaml", 3, 14}, "a.yaml:3:14: lr is -1"},
        {{"a.yaml", 3, 0}, "a.yaml:3: lr is -1"},
        {{"a.yaml", 0, 0}, "a.yaml: lr is -1"},
        {{NULL, 0, 0}, "lr is -1"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_error err = {0};
        assert_int_equal(fail(&err, WEFT_BAD_INPUT, cases[i].at, "lr is %d", -1), WEFT_BAD_INPUT);
        assert_string_equal(err.message, cases[i].message);
        assert_int_equal(err.line, cases[i].at.line);
        assert_int_equal(err.column, cases[i].at.column);
        assert_string_equal(err.file, cases[i].at.file ? cases[i].at.file : "");
    }
    assert_int_equal(fail(NULL, WEFT_IO, (where){0}, "nobody listens"), WEFT_IO);
}

static void the_first_mistake_gives_status_and_place(void **state)
{
    (void)state;
    weft_error err = {0};
    fail(&err, WEFT_BAD_INPUT, (where){"f", 1, 2}, "one");
    fail(&err, WEFT_IO, (where){"g", 3, 4}, "two");
    assert_int_equal(err.status, WEFT_BAD_INPUT);
    assert_int_equal(err.count, 2);
    assert_int_equal(err.line, 1);
    assert_string_equal(err.file, "f");
    assert_string_equal(err.message, "f:1:2: one\ng:3:4: two");
}

static void what_confuses_a_terminal_is_escaped(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"caf\u00e9 \U0001f9f5", "caf\u00e9 \U0001f9f5"},
        {"\x1b[2J\n\x7f", "\\x1b[2J\\x0a\\x7f"},
        {"a\u202eb\u2066c\u2029\xc2\x85", "a\\u202eb\\u2066c\\u2029\\u0085"},
        {"\xff|\xc3|\xe2\x82|\xc0\x80|\xed\xa0\x80", "\\xff|\\xc3|\\xe2\\x82|\\xc0\\x80|\\xed\\xa0\\x80"},
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_error err = {0};
        text t = {0};
        fail(&err, WEFT_BAD_INPUT, (where){0}, "%s", cases[i][0]);
        text_add_escaped(&t, cases[i][0]);
        assert_string_equal(err.message, cases[i][1]);
        assert_string_equal(t.data, cases[i][1]);
        text_free(&t);
    }
}

static void mistakes_beyond_the_buffer_are_counted(void **state)
{
    (void)state;
    weft_error err = {0};
    for (int i = 0; i < 1000; i++)
        fail(&err, WEFT_BAD_INPUT, (where){"f", (size_t)i + 1, 1}, "mistake with some words %d", i);
    size_t lines = 1;
    for (const char *c = err.message; *c; c++)
        lines += *c == '\n';
    char tail[64];
    snprintf(tail, sizeof tail, "\n… and %zu more mistakes", 1000 - (lines - 1));
    assert_true(strlen(err.message) < sizeof err.message);
    assert_string_equal(strrchr(err.message, '\n'), tail);
    assert_int_equal(err.count, 1000);
}

static void one_endless_mistake_is_cut(void **state)
{
    (void)state;
    char *endless = malloc(100001);
    for (int i = 0; i < 2; i++) {
        weft_error err = {0};
        memset(endless, i == 0 ? 'x' : '\x01', 100000);
        endless[100000] = '\0';
        fail(&err, WEFT_BAD_INPUT, (where){i == 0 ? endless : "f", 1, 1}, "%s", endless);
        assert_true(strlen(err.message) < 2000);
        assert_string_equal(err.message + strlen(err.message) - strlen("…"), "…");
        assert_true(utf8_valid(err.message));
    }
    free(endless);
}

static void the_system_is_quoted(void **state)
{
    (void)state;
    weft_error err = {0};
    errno = ENOSPC;
    assert_int_equal(fail_errno(&err, "f", "cannot write"), WEFT_IO);
    assert_string_equal(err.message, "f: cannot write: No space left on device");
    errno = ENOMEM;
    assert_int_equal(fail_errno(&err, "f", NULL), WEFT_NO_MEMORY);
}

/* ---- Warnings ---- */

static void warnings_have_the_form_of_errors_and_are_there_once(void **state)
{
    (void)state;
    text warnings = {0};
    warn(&warnings, (where){"a.yaml", 3, 14}, "lr is %d", 0);
    warn(&warnings, (where){"b", 0, 0}, "odd\x1b");
    warn(&warnings, (where){"a.yaml", 3, 14}, "lr is 0");
    warn(&warnings, (where){"a.yaml", 3, 1}, "lr is 0");
    warn(&warnings, (where){0}, "odd");
    assert_string_equal(warnings.data, "a.yaml:3:14: lr is 0\nb: odd\\x1b\na.yaml:3:1: lr is 0\nodd");
    text_free(&warnings);
    warn(NULL, (where){0}, "nobody listens");
}

static void warnings_of_many_become_one_text(void **state)
{
    (void)state;
    text all = {0};
    warn_all(&all, "");
    assert_int_equal(all.length, 0);
    warn_all(&all, "a: x\nb: y");
    warn_all(&all, "b: y\nb: y, too\na: x\nb");
    assert_string_equal(all.data, "a: x\nb: y\nb: y, too\nb");
    warn_all(NULL, "nobody listens");
    text_free(&all);
}

/* ---- Memory and text ---- */

static void arena_memory_is_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 63, 64, 65, 5000, 8191, 8193, 20000, 3 << 20, 1, 16384};
    arena a = {0};
    unsigned char *parts[COUNT(sizes)];
    size_t used = 0;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        parts[i] = arena_alloc(&a, sizes[i]);
        assert_non_null(parts[i]);
        assert_int_equal((uintptr_t)parts[i] % 64, 0);
        for (size_t j = 0; j < sizes[i]; j++)
            if (parts[i][j] != 0)
                fail_msg("byte %zu of %zu is not zero", j, sizes[i]);
        memset(parts[i], (int)i + 1, sizes[i]);
        used += round_up(MAX(sizes[i], 1), 64);
    }
    for (size_t i = 0; i < COUNT(sizes); i++)
        for (size_t j = 0; j < sizes[i]; j++)
            if (parts[i][j] != i + 1)
                fail_msg("request %zu was overwritten", i);
    assert_int_equal(a.used_bytes, used);
    assert_string_equal(arena_printf(&a, "%s-%d", "x", 7), "x-7");
    assert_string_equal(arena_text(&a, ""), "");
    assert_null(arena_array(&a, SIZE_MAX / 2, 3));
    assert_null(arena_alloc(&a, SIZE_MAX));
    arena_deinit(&a);
    arena_deinit(&a);
    assert_int_equal(a.used_bytes, 0);
}

static void text_grows(void **state)
{
    (void)state;
    text t = {0};
    for (int i = 0; i < 1000; i++)
        text_printf(&t, "%d,", i % 10);
    text_add(&t, "");
    text_add_bytes(&t, "end and more", 3);
    assert_false(t.failed);
    assert_int_equal(t.length, 2003);
    assert_string_equal(t.data + 1998, "9,end");
    text_free(&t);
    text_free(&t);
}

static void whole_numbers_match_in_full(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", " 1", "1 ", "-1", "+1", "0x10", "1.0", "1e3", "18446744073709551616", "99999999999999999999"};
    uint64_t x = 42;
    for (size_t i = 0; i < COUNT(bad); i++)
        if (parse_u64(bad[i], &x))
            fail_msg("\"%s\" was taken", bad[i]);
    assert_int_equal(x, 42);
    assert_true(parse_u64("18446744073709551615", &x) && x == UINT64_MAX);
    assert_true(parse_u64("010", &x) && x == 10);
}

static void decimals_match_in_full(void **state)
{
    (void)state;
    static const char *const bad[] = {"",   " 1",  "1 ", "0x1p3", "inf", "-Infinity", "nan", "1e400", "-1e400",
                                      "1e", "1e+", ".",  "+",     "1,5", "1.2.3",     "--1", "e5",    "1_000"};
    static const struct {
        const char *written;
        double value;
    } good[] = {{"1", 1},
                {"-.5", -0.5},
                {"+5.", 5},
                {"1e-3", 1e-3},
                {"1E+3", 1000},
                {"1e-400", 0},
                {"0.1", 0.1},
                {"9007199254740993", 9007199254740992.0},
                {"4.9e-324", 4.9e-324},
                {"1.7976931348623157e308", 1.7976931348623157e308}};
    double x = 42;
    for (size_t i = 0; i < COUNT(bad); i++)
        if (parse_double(bad[i], &x))
            fail_msg("\"%s\" was taken", bad[i]);
    assert_true(x == 42);
    for (size_t i = 0; i < COUNT(good); i++)
        if (!parse_double(good[i].written, &x) || x != good[i].value)
            fail_msg("\"%s\" was read as %a", good[i].written, x);
}

static void printed_numbers_read_back_to_the_same_bits(void **state)
{
    (void)state;
    char buffer[32];
    static const struct {
        double value;
        const char *printed;
    } cases[] = {{0.1, "0.1"},       {1, "1"},     {-0.0, "-0"}, {1e23, "1e+23"}, {1.0 / 3, "0.3333333333333333"},
                 {INFINITY, "null"}, {NAN, "null"}};
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_string_equal(print_double(cases[i].value, buffer), cases[i].printed);
    for (uint64_t i = 0; i < 20000; i++) {
        uint32_t bits[4];
        double value, back;
        rng_u32x4(7, RNG_SHOW, 0, i, bits);
        memcpy(&value, bits, sizeof value);
        if (isfinite(value) &&
            (!parse_double(print_double(value, buffer), &back) || memcmp(&value, &back, sizeof value) != 0))
            fail_msg("%a was printed as %s", value, buffer);
    }
}

static void the_locale_changes_no_number(void **state)
{
    (void)state;
    static const char *const comma[] = {"de_DE.UTF-8", "de_DE", "fr_FR.UTF-8", "nl_NL.UTF-8"};
    char *set = NULL, buffer[32];
    for (size_t i = 0; i < COUNT(comma) && set == NULL; i++)
        set = setlocale(LC_NUMERIC, comma[i]);
    if (set == NULL)
        skip();
    double x = 0;
    bool read = parse_double("1.5", &x);
    print_double(2.5, buffer);
    setlocale(LC_NUMERIC, "C");
    assert_true(read && x == 1.5);
    assert_string_equal(buffer, "2.5");
}

static void a_slip_of_the_finger_finds_its_word(void **state)
{
    (void)state;
    static const char *const words[] = {"lr", "momentum", NULL, "nesterov", "weight_decay"};
    static const char *const cases[][2] = {
        {"momentun", "momentum"},
        {"momnetum", "momentum"},
        {"MOMENTUM", "momentum"},
        {"nestrov", "nesterov"},
        {"weightdecay", "weight_decay"},
        {"rl", "lr"},
        {"ab", NULL}, /* two other letters are not two that were swapped */
        {"x", NULL},
        {"", NULL},
        {"dampening", NULL},
        {"mom", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *found = nearest_word(cases[i][0], words, COUNT(words), sizeof words[0]);
        if (cases[i][1] == NULL)
            assert_null(found);
        else
            assert_string_equal(found ? found : "(none)", cases[i][1]);
    }
    char endless[5000];
    memset(endless, 'm', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    assert_null(nearest_word(endless, words, COUNT(words), sizeof words[0]));
}

static void base64_gives_the_published_answers(void **state)
{
    (void)state;
    static const char *const answers[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"}; /* RFC 4648, section 10 */
    for (size_t n = 0; n < COUNT(answers); n++) {
        text t = {0};
        text_add(&t, "");
        text_add_base64(&t, "foobar", n);
        assert_string_equal(t.data ? t.data : "", answers[n]);
        text_free(&t);
    }
    text t = {0};
    text_add_base64(&t, "\xfb\xff\xbf", 3);
    assert_string_equal(t.data, "+/+/");
    text_free(&t);
}

/* ---- Random numbers ---- */

static void philox_gives_the_published_answers(void **state)
{
    (void)state;
    static const struct {
        uint64_t seed, index;
        uint32_t purpose, stream, out[4];
    } cases[] = {
        {0, 0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {UINT64_MAX, UINT64_MAX, UINT32_MAX, UINT32_MAX, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {0x299f31d0a4093822,
         0x85a308d3243f6a88,
         0x13198a2e,
         0x03707344,
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint32_t out[4];
        rng_u32x4(cases[i].seed, (rng_purpose)cases[i].purpose, cases[i].stream, cases[i].index, out);
        assert_memory_equal(out, cases[i].out, sizeof out);
    }
}

static void uniform_numbers_fill_their_range_and_no_more(void **state)
{
    (void)state;
    enum { N = 100003 };
    float *x = malloc(N * sizeof *x), few[6];
    rng_uniform(1, RNG_INIT, 5, -0.25f, 0.75f, N, x);
    rng_uniform(1, RNG_INIT, 5, -0.25f, 0.75f, COUNT(few), few);
    assert_memory_equal(x, few, sizeof few);
    double sum = 0, squares = 0;
    float low = 1, high = -1;
    for (size_t i = 0; i < N; i++) {
        sum += x[i];
        squares += (double)x[i] * x[i];
        low = MIN(low, x[i]);
        high = MAX(high, x[i]);
    }
    double mean = sum / N, variance = squares / N - mean * mean;
    /* Five standard errors: sqrt(1/12/N) = 0.0009, and of the variance sqrt(1/180/N) = 0.00024. */
    assert_true(fabs(mean - 0.25) < 0.0046 && fabs(variance - 1.0 / 12) < 0.0012);
    assert_true(low >= -0.25f && low < -0.249f && high < 0.75f && high > 0.749f);
    /* Half of these sums round up to the upper end. */
    rng_uniform(1, RNG_INIT, 5, 16777216.0f, 16777218.0f, N, x);
    for (size_t i = 0; i < N; i++)
        assert_true(x[i] == 16777216.0f);
    free(x);
}

static void a_permutation_visits_every_place_once(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {1, 2, 3, 4, 5, 10, 16, 17, 1000, 60000, 65537};
    for (size_t k = 0; k < COUNT(sizes); k++) {
        permutation p = permutation_make(sizes[k], 9, RNG_SHUFFLE, (uint32_t)k);
        bool *seen = calloc(sizes[k], sizeof *seen);
        for (uint64_t i = 0; i < sizes[k]; i++) {
            uint64_t at = permutation_at(&p, i);
            if (at >= sizes[k] || seen[at])
                fail_msg("of %llu, %llu goes astray", (unsigned long long)sizes[k], (unsigned long long)i);
            seen[at] = true;
        }
        free(seen);
    }
    static const uint64_t huge[] = {UINT64_C(1) << 32, (UINT64_C(1) << 62) + 1, UINT64_MAX};
    for (size_t k = 0; k < COUNT(huge); k++) {
        permutation p = permutation_make(huge[k], 9, RNG_SHUFFLE, 0);
        for (uint64_t i = 0; i < 1000; i++)
            assert_true(permutation_at(&p, huge[k] - 1 - i) < huge[k]);
    }
}

/* Counts how often what lies in bucket i of the places comes from bucket j, and returns the chi-square over the 100
 * cells, which has 81 degrees of freedom: mean 81, standard deviation 12.7. */
static double chi_square(uint64_t n, uint32_t n_streams)
{
    double cells[10][10] = {{0}}, expected = (double)n * n_streams / 100, sum = 0;
    for (uint32_t s = 0; s < n_streams; s++) {
        permutation p = permutation_make(n, 3, RNG_SHUFFLE, s);
        for (uint64_t i = 0; i < n; i++)
            cells[i * 10 / n][permutation_at(&p, i) * 10 / n]++;
    }
    for (int i = 0; i < 100; i++)
        sum += (cells[i / 10][i % 10] - expected) * (cells[i / 10][i % 10] - expected) / expected;
    return sum;
}

static void permutations_favour_no_place(void **state)
{
    (void)state;
    static const struct {
        uint64_t n;
        uint32_t n_streams;
    } cases[] = {{10, 5000}, {100, 500}, {60000, 4}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        double sum = chi_square(cases[i].n, cases[i].n_streams);
        if (sum < 81 - 5 * 12.7 || sum > 81 + 5 * 12.7)
            fail_msg("n %llu: chi-square %g", (unsigned long long)cases[i].n, sum);
    }
}

static void seeds_and_streams_shuffle_differently(void **state)
{
    (void)state;
    permutation p = permutation_make(60000, 1, RNG_SHUFFLE, 0), seed = permutation_make(60000, 2, RNG_SHUFFLE, 0),
                stream = permutation_make(60000, 1, RNG_SHUFFLE, 1),
                high = permutation_make(60000, 1 + (UINT64_C(1) << 32), RNG_SHUFFLE, 0);
    int same = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t at = permutation_at(&p, i);
        same +=
            (at == permutation_at(&seed, i)) + (at == permutation_at(&stream, i)) + (at == permutation_at(&high, i));
    }
    assert_true(same < 5); /* 0.05 are expected */
}

/* ---- Threads ---- */

enum { MOST = 16, PHASES = 300 };

typedef struct shared {
    pool *pool;
    int slots[MOST], late, runs[MOST];
} shared;

/* Plain variables on purpose: the thread sanitizer sees a race wherever the barrier does not order them. */
static void in_phases(void *arg, int thread, int n_threads)
{
    shared *s = arg;
    s->runs[thread]++;
    for (int phase = 1; phase <= PHASES; phase++) {
        s->slots[thread] = phase;
        pool_barrier(s->pool);
        int late = 0;
        for (int t = 0; t < n_threads; t++)
            late += s->slots[t] != phase;
        pool_barrier(s->pool);
        if (thread == phase % n_threads)
            s->late += late;
    }
}

static void threads_meet_at_the_barrier(void **state)
{
    (void)state;
    static const int counts[] = {1, 2, 3, 7, MOST};
    for (size_t i = 0; i < COUNT(counts); i++) {
        shared s = {.pool = pool_create(counts[i], NULL)};
        assert_non_null(s.pool);
        assert_int_equal(pool_threads(s.pool), counts[i]);
        for (int k = 0; k < 20; k++) {
            memset(s.slots, 0, sizeof s.slots);
            if (k == 10)
                usleep(2000); /* so that the workers sleep */
            pool_run(s.pool, in_phases, &s);
        }
        for (int t = 0; t < MOST; t++)
            assert_int_equal(s.runs[t], t < counts[i] ? 20 : 0);
        assert_int_equal(s.late, 0);
        pool_free(s.pool);
    }
}

static void a_late_thread_is_waited_for(void **state)
{
    (void)state;
    shared s = {.pool = pool_create(2, NULL)};
    for (int k = 0; k < 3; k++) {
        s.slots[0] = s.slots[1] = 0;
        usleep(5000);
        pool_run(s.pool, in_phases, &s);
        assert_int_equal(s.slots[1], PHASES);
    }
    pool_free(s.pool);
}

/* Bits that flush denormals and round towards zero, and the register that has them. */
#if defined(__aarch64__)
enum { OTHER_ROUNDING = 1 << 24 | 3 << 22 };
static unsigned rounding(void)
{
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return (unsigned)mode;
}
static void set_rounding(unsigned mode) { __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)mode)); }
#else
enum { OTHER_ROUNDING = 0x8040 | 0x6000 };
static unsigned rounding(void) { return _mm_getcsr(); }
static void set_rounding(unsigned mode) { _mm_setcsr(mode); }
#endif

/* The smallest normal number halved is a denormal, which flushing turns into 0. */
static void halve(void *arg, int thread, int n_threads)
{
    (void)n_threads;
    volatile float smallest = 0x1p-126f, *halves = arg;
    halves[thread] = smallest * 0.5f;
}

static void denormals_are_kept_whatever_the_caller_has_set(void **state)
{
    (void)state;
    const unsigned before = rounding();
    float halves[2] = {0};
    set_rounding(before | OTHER_ROUNDING);
    if ((rounding() & OTHER_ROUNDING) != OTHER_ROUNDING)
        skip(); /* valgrind's CPU has no such modes */
    pool *p = pool_create(2, NULL);
    pool_run(p, halve, halves);
    const unsigned after = rounding();
    set_rounding(before);
    assert_true(halves[0] == 0x1p-127f && halves[1] == 0x1p-127f);
    assert_int_equal(after & OTHER_ROUNDING, OTHER_ROUNDING);
    pool_free(p);
}

static void look_at_signals(void *arg, int thread, int n_threads)
{
    (void)n_threads;
    sigset_t set;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    ((int *)arg)[thread] = sigismember(&set, SIGINT) + 2 * sigismember(&set, SIGSEGV);
}

static void signals_go_to_the_caller(void **state)
{
    (void)state;
    int blocked[2] = {-1, -1};
    pool *p = pool_create(2, NULL);
    pool_run(p, look_at_signals, blocked);
    pool_free(p);
    assert_int_equal(blocked[0], 0);
    assert_int_equal(blocked[1], 1);
}

static void impossible_numbers_of_threads_are_refused(void **state)
{
    (void)state;
    weft_error err = {0};
    assert_null(pool_create(MAX_THREADS + 1, &err));
    assert_null(pool_create(-1, &err));
    assert_int_equal(err.status, WEFT_BAD_INPUT);
    assert_non_null(strstr(err.message, "at most 1024"));
    pool *p = pool_create(0, NULL);
    assert_int_equal(pool_threads(p), usable_cores());
    pool_free(p);
    pool_free(NULL);
    double start = now_seconds();
    usleep(1000);
    assert_true(now_seconds() - start >= 0.001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mistake_is_told_with_its_place),
        cmocka_unit_test(the_first_mistake_gives_status_and_place),
        cmocka_unit_test(what_confuses_a_terminal_is_escaped),
        cmocka_unit_test(mistakes_beyond_the_buffer_are_counted),
        cmocka_unit_test(one_endless_mistake_is_cut),
        cmocka_unit_test(the_system_is_quoted),
        cmocka_unit_test(warnings_have_the_form_of_errors_and_are_there_once),
        cmocka_unit_test(warnings_of_many_become_one_text),
        cmocka_unit_test(arena_memory_is_zeroed_aligned_and_apart),
        cmocka_unit_test(text_grows),
        cmocka_unit_test(whole_numbers_match_in_full),
        cmocka_unit_test(decimals_match_in_full),
        cmocka_unit_test(printed_numbers_read_back_to_the_same_bits),
        cmocka_unit_test(the_locale_changes_no_number),
        cmocka_unit_test(a_slip_of_the_finger_finds_its_word),
        cmocka_unit_test(philox_gives_the_published_answers),
        cmocka_unit_test(uniform_numbers_fill_their_range_and_no_more),
        cmocka_unit_test(a_permutation_visits_every_place_once),
        cmocka_unit_test(permutations_favour_no_place),
        cmocka_unit_test(seeds_and_streams_shuffle_differently),
        cmocka_unit_test(base64_gives_the_published_answers),
        cmocka_unit_test(threads_meet_at_the_barrier),
        cmocka_unit_test(a_late_thread_is_waited_for),
        cmocka_unit_test(denormals_are_kept_whatever_the_caller_has_set),
        cmocka_unit_test(signals_go_to_the_caller),
        cmocka_unit_test(impossible_numbers_of_threads_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
