/* Statistics, held against 30 digits: the quantile solved for in mpmath's incomplete beta function, and Wilson's formula. */
#include "base/base.h"
#include "test.h"

#include <math.h>

static void assert_near(double is, double want)
{
    if (!(fabs(is - want) <= 1e-12 * fmax(fabs(want), 1)))
        fail_msg("%.17g, not %.17g", is, want);
}

static spread spread_of(const double *values, size_t n)
{
    spread s = spread_none();
    for (size_t i = 0; i < n; i++)
        spread_add(&s, values[i]);
    return s;
}

static void a_spread_is_of_the_finite_values(void **unused)
{
    (void)unused;
    const double values[] = {1e9 + 4, NAN, 1e9 + 7, INFINITY, 1e9 + 13, 1e9 + 16};
    const spread s = spread_of(values, COUNT(values)), one = spread_of(values, 1), none = spread_of(values + 1, 1);
    assert_int_equal(s.n, 4);
    assert_near(s.mean, 1e9 + 10);
    assert_near(s.std, sqrt(30));
    assert_true(s.min == 1e9 + 4 && s.max == 1e9 + 16);
    assert_true(one.n == 1 && one.std == 0);
    assert_true(none.n == 0 && isnan(none.mean));
}

static void quantiles_are_those_of_students_distribution(void **unused)
{
    (void)unused;
    static const double known[][3] = {
        {0.975, 1, 12.7062047361747046}, {0.975, 2, 4.30265272974946385}, {0.975, 9, 2.26215716279820554}, {0.975, 2.5, 3.57465484200368322},
        {0.95, 30, 1.69726088659395785}, {0.995, 4.7, 4.16789204011905816}, {0.975, 1000, 1.96233908082640848},
        {0.75, 0.5, 1.55377397403003731}, {0.1, 3, -1.63774435369621011}, {0.5, 7, 0},
    };
    for (size_t i = 0; i < COUNT(known); i++)
        assert_near(student_quantile(known[i][0], known[i][1]), known[i][2]);
    assert_true(isnan(student_quantile(1, 3)) && isnan(student_quantile(0.5, 0)));
}

static void intervals_of_means_are_students_and_welchs(void **unused)
{
    (void)unused;
    const double values[] = {0.851, 0.86, 0.845}, others[] = {0.871, 0.868, 0.88};
    const spread a = spread_of(values, 3), b = spread_of(others, 3), one = spread_of(values, 1);
    const interval mean = mean_interval(&a), difference = difference_interval(&a, &b);
    assert_near(mean.low, 0.833245171561872667);
    assert_near(mean.high, 0.870754828438127333);
    assert_near(difference.low, -0.036926122146562997);
    assert_near(difference.high, -0.005073877853437003);
    assert_true(isnan(difference_interval(&a, &one).low) && isnan(mean_interval(&one).high));
    const double same[] = {2, 2}, less[] = {1, 1};
    const spread c = spread_of(same, 2), d = spread_of(less, 2);
    assert_true(difference_interval(&c, &d).low == 1 && difference_interval(&c, &d).high == 1);
}

static void intervals_of_shares_are_wilsons(void **unused)
{
    (void)unused;
    static const struct {
        size_t k, n;
        double low, high;
    } known[] = {
        {0, 10, 0, 0.27753279986288926}, {10, 10, 0.7224672001371109, 1}, {8942, 10000, 0.8880193989010483, 0.9000778567835102},
        {1, 3, 0.06149194472039626, 0.7923403991979523},
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        const interval found = share_interval(known[i].k, known[i].n);
        assert_near(found.low, known[i].low);
        assert_near(found.high, known[i].high);
    }
    assert_true(isnan(share_interval(0, 0).low));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_spread_is_of_the_finite_values),
        cmocka_unit_test(quantiles_are_those_of_students_distribution),
        cmocka_unit_test(intervals_of_means_are_students_and_welchs),
        cmocka_unit_test(intervals_of_shares_are_wilsons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
