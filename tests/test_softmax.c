/* Softmax and its logarithm: over rows as long as they come, next to what is not finite, on every instruction set. */
#include "op_cases.h"

static const char *const names[] = {"softmax", "log_softmax"};

/* What an op makes of one row, in place. */
static void row_of(isa level, const char *name, double *x, size_t n)
{
    layer l = layer_make(level, op_find(level, name, false), name, n);
    numbers row = numbers_make(&l, 1);
    memcpy(row.x, x, n * sizeof *x);
    run(&l, &row);
    memcpy(x, row.y, n * sizeof *x);
    numbers_free(&row);
    arena_deinit(&l.memory);
}

/* The exponentials are rounded once, and so are quotients; what a float cannot hold as a normal number may be 0. */
static void rows_are_within_2_ulps(void **unused)
{
    (void)unused;
    static const double spreads[] = {1e-6, 1, 30, 200};
    FOR_ISAS(level)
        for (size_t s = 0; s < COUNT(spreads); s++)
            for (size_t name = 0; name < COUNT(names); name++) {
                double x[101], is[101], sum = 0;
                fill(x, COUNT(x), spreads[s], 70 + s);
                memcpy(is, x, sizeof x);
                row_of(level, names[name], is, COUNT(is));
                double max = x[0];
                for (size_t i = 0; i < COUNT(x); i++)
                    max = fmax(max, x[i]);
                for (size_t i = 0; i < COUNT(x); i++)
                    sum += exp(x[i] - max);
                for (size_t i = 0; i < COUNT(x); i++) {
                    const double want = name == 0 ? exp(x[i] - max) / sum : x[i] - max - log(sum);
                    if (!(ulps((float)is[i], want) <= 2) && !(name == 0 && fabs(want) < 0x1p-125 && is[i] == 0))
                        fail_msg("%s[%zu] is %a, not %a", names[name], i, is[i], want);
                }
            }
}

static void rows_have_the_same_bits_as_ever(void **unused)
{
    (void)unused;
    FOR_ISAS(level)
    {
        double y[2][2][101];
        char hex[65];
        for (size_t name = 0; name < COUNT(names); name++) {
            layer l = layer_make(level, op_find(level, names[name], false), names[name], 101);
            numbers n = numbers_make(&l, 1);
            numbers_draw(&l, &n);
            run(&l, &n);
            memcpy(y[name][0], n.y, sizeof y[name][0]);
            memcpy(y[name][1], n.dx, sizeof y[name][1]);
            numbers_free(&n);
            arena_deinit(&l.memory);
        }
        sha256_hex(y, sizeof y, hex);
        if (strcmp(hex, "42f58373f0aed16ded65defa35cabab2ac4c319a7e12354c8809c8a69a63dc64") != 0)
            fail_msg("on %s the hash is %s", isa_name(level), hex);
    }
}

static void rows_without_a_largest_number_are_nan(void **unused)
{
    (void)unused;
    FOR_ISAS(level)
        for (size_t name = 0; name < COUNT(names); name++)
            for (size_t n = 1; n <= 65; n += 32) {
                double low[65], high[65], none[65];
                for (size_t i = 0; i < n; i++) {
                    low[i] = -(double)INFINITY;
                    high[i] = none[i] = 1;
                }
                high[n - 1] = (double)INFINITY;
                none[n / 2] = (double)NAN;
                row_of(level, names[name], low, n);
                row_of(level, names[name], high, n);
                row_of(level, names[name], none, n);
                for (size_t i = 0; i < n; i++)
                    assert_true(isnan(low[i]) && isnan(high[i]) && isnan(none[i]));
            }
}

static void what_is_infinitely_small_has_no_share(void **unused)
{
    (void)unused;
    FOR_ISAS(level)
    {
        double x[] = {-(double)INFINITY, 0, -3e38, 3e38, 3e38}, y[] = {-(double)INFINITY, 0, -3e38, 3e38, 3e38};
        row_of(level, "softmax", x, COUNT(x));
        row_of(level, "log_softmax", y, COUNT(y));
        assert_true(x[0] == 0 && x[1] == 0 && x[2] == 0 && x[3] == 0.5 && x[4] == 0.5);
        assert_true(isinf(y[0]) && y[1] == (double)-3e38f && y[3] == (double)(float)-log(2));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_within_2_ulps),
        cmocka_unit_test(rows_have_the_same_bits_as_ever),
        cmocka_unit_test(rows_without_a_largest_number_are_nan),
        cmocka_unit_test(what_is_infinitely_small_has_no_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
