/* Every loss and every of its cases: the reference against central differences, the kernel against the reference, both against PyTorch's
 * numbers; and both sides of every kink. */
#include "loss_cases.h"

static double reference_of(const layer *l, const double *x, const aims *a, size_t sample, double *dx)
{
    const target t = aim_of(l, a, sample);
    return l->op->reference_loss(x, l->in, &t, l->fields, dx);
}

/* Outputs of a model [B, in]. */
static double *outputs_draw(const layer *l, size_t B)
{
    double *x = doubles(B * l->in);
    fill(x, B * l->in, 5, 40 + B);
    return x;
}

/* ---- Central differences ---- */

enum { MAX_PROBES = 40 };
static const double H = 0x1p-17; /* near the cube root of a double's precision, and exact */

static void check_differences(const layer *l, size_t B, const char *spec)
{
    aims a = aims_draw(l);
    double *x = outputs_draw(l, 1), *gradient = doubles(l->in), *unused = doubles(l->in);
    const double middle = reference_of(l, x, &a, B, gradient);
    size_t compared = 0, looked_at = 0;
    for (size_t i = 0; i < l->in; i += 1 + l->in / MAX_PROBES, looked_at++) {
        const double here = x[i];
        x[i] = here + H;
        const double above = reference_of(l, x, &a, B, unused);
        x[i] = here - H;
        const double below = reference_of(l, x, &a, B, unused);
        x[i] = here;
        const double right = (above - middle) / H, left = (middle - below) / H, slope = (above - below) / (2 * H);
        /* rounding, divided by h, and h^2 / 6 of a third derivative of at most 10 */
        const double tolerance = 0x1p-53 * 64 * (fabs(above) + 4) / H + 10 * H * H;
        if (fabs(right - left) > 1e-3 + tolerance) /* beside a kink there is nothing to compare */
            continue;
        compared++;
        if (!(fabs(slope - gradient[i]) <= tolerance))
            fail_msg("%s: gradient %zu of %zu is %.12g, differences say %.12g", spec, i, l->in, gradient[i], slope);
    }
    assert_true(compared * 10 >= looked_at * 9);
    aims_free(&a);
    free(x);
    free(gradient);
    free(unused);
}

static void gradients_are_central_differences(void **unused)
{
    (void)unused;
    for_cases(ANY_ISA, true, check_differences);
}

/* ---- Kernels against references ---- */

#define ROUNDING (UNIT + DOUBLE_UNIT) /* both round */

/* How large a class's weight, or what a 1 counts, can be among the cases. */
enum { LARGEST_WEIGHT = 3 };

/* What the kernel's last digits may be off by, relative to the largest number on the way. */
static double relative_error(const layer *l, const double *x)
{
    double largest = x[0], span = 0;
    for (size_t i = 1; i < l->in; i++)
        largest = fmax(largest, x[i]);
    for (size_t i = 0; i < l->in && l->op->targets == TARGET_CLASS; i++)
        span = fmax(span, fmin(largest - x[i], 104)); /* exp of less is 0 in both */
    /* the differences to the largest, exp, the sum, its logarithm, the last difference; or an element's own roundings and the sum */
    return ROUNDING * (span + (double)l->in + 16);
}

/* The loss of numbers that all add up: what rounding is proportional to where differences cancel. */
static double magnitude_of(const layer *l, const double *x, const aims *a, size_t sample)
{
    double *sizes = doubles(l->in), *unused = doubles(l->in);
    for (size_t i = 0; i < l->in; i++)
        sizes[i] = fabs(x[i]);
    const double loss = l->op->targets == TARGET_NUMBERS ? fabs(reference_of(l, sizes, a, sample, unused)) : 1;
    free(sizes);
    free(unused);
    return loss;
}

/* One sample's loss and gradient (of the mean, which divides by `weight`; 1: of the sum) against the reference's, or those of whoever made `want`. */
static void assert_loss(const layer *l, const double *x, const double *is, const double *dx, double want, const double *want_dx,
                        double weight, double magnitude)
{
    const double relative = relative_error(l, x), tolerance = relative * LARGEST_WEIGHT * magnitude + relative * fabs(want);
    if (!(fabs(*is - want) <= tolerance))
        fail_msg("%s of %zu outputs is %.12g, not %.12g within %g", l->op->name, l->in, *is, want, tolerance);
    for (size_t i = 0; i < l->in; i++) {
        const double allowed = (relative * fabs(want_dx[i]) * weight + 4 * LARGEST_WEIGHT * ROUNDING) / weight;
        if (!(fabs(dx[i] - want_dx[i]) <= allowed))
            fail_msg("%s: gradient %zu of %zu is %.12g, not %.12g within %g", l->op->name, i, l->in, dx[i], want_dx[i], allowed);
    }
}

static void check_kernel_of(const layer *l, const aims *a, const uint32_t *index, size_t B)
{
    double *x = outputs_draw(l, B), *losses = doubles(B), *gradient = doubles(B * l->in), *want = doubles(l->in);
    const batch source = aims_batch(l, a, index, B);
    const double weight = source.weight > 0 ? source.weight : (double)B; /* 0: nothing counts, and nothing comes out */
    run_loss(l, x, &source, losses, gradient);
    for (size_t r = 0; r < B; r++) {
        const size_t sample = index ? index[r] : r;
        const double *row = x + r * l->in, loss = reference_of(l, row, a, sample, want);
        for (size_t i = 0; i < l->in; i++)
            want[i] /= weight;
        assert_loss(l, row, &losses[r], gradient + r * l->in, loss, want, weight, magnitude_of(l, row, a, sample));
    }
    free(x);
    free(losses);
    free(gradient);
    free(want);
}

static void check_kernel(const layer *l, size_t B, const char *spec)
{
    (void)spec;
    aims a = aims_draw(l);
    uint32_t index[MAX_AIMS];
    for (size_t r = 0; r < B; r++)
        index[r] = (uint32_t)(B - 1 - r);
    check_kernel_of(l, &a, NULL, B);
    check_kernel_of(l, &a, index, B);
    aims_free(&a);
}

static void kernels_agree_with_references(void **unused)
{
    (void)unused;
    FOR_ISAS(level)
        for_cases(level, true, check_kernel);
}

/* ---- PyTorch's numbers ---- */

static aims aims_of_fixture(const layer *l, const json_t *entry, size_t B)
{
    aims a = aims_make(l);
    const json_t *labels = json_object_get(entry, "labels");
    for (size_t r = 0; labels && r < B; r++)
        a.labels[r] = (int32_t)json_integer_value(json_array_get(labels, r));
    double *numbers = labels ? NULL : numbers_of_json(json_object_get(entry, "targets"), B * l->in);
    for (size_t i = 0; numbers && i < B * l->in; i++)
        a.numbers[i] = (float)numbers[i];
    free(numbers);
    return a;
}

static void check_torch(const layer *l, const json_t *entry)
{
    const size_t B = whole(entry, "batch");
    aims a = aims_of_fixture(l, entry, B);
    double *x = numbers_of_json(json_object_get(entry, "x"), B * l->in), *losses = doubles(B), *dx = doubles(B * l->in);
    double *want = numbers_of_json(json_object_get(entry, "losses"), B), *reference_dx = doubles(l->in), mean = 0;
    double *want_dx = numbers_of_json(json_object_get(entry, "dx"), B * l->in);
    const batch source = aims_batch(l, &a, NULL, B);
    run_loss(l, x, &source, losses, dx);
    for (size_t r = 0; r < B; r++) {
        const double *row = want_dx + r * l->in, loss = reference_of(l, x + r * l->in, &a, r, reference_dx);
        assert_true(fabs(loss - want[r]) <= 1e-13 * (1 + fabs(want[r])));
        for (size_t i = 0; i < l->in; i++)
            if (!(fabs(reference_dx[i] / source.weight - row[i]) <= 1e-13))
                fail_msg("%s: gradient %zu is %.17g, not %.17g", l->op->name, i, reference_dx[i] / source.weight, row[i]);
        assert_loss(l, x + r * l->in, &losses[r], dx + r * l->in, want[r], row, source.weight, magnitude_of(l, x + r * l->in, &a, r));
        mean += loss / source.weight;
    }
    assert_true(fabs(mean - json_number_value(json_object_get(entry, "mean"))) <= 1e-13 * (1 + fabs(mean)));
    aims_free(&a);
    double *const all[] = {x, losses, dx, want, want_dx, reference_dx};
    for (size_t i = 0; i < COUNT(all); i++)
        free(all[i]);
}

static void losses_agree_with_torch(void **unused)
{
    (void)unused;
    FOR_ISAS(level)
    {
        json_t *cases, *root = fixture_open("ops.json", &cases), *entry;
        size_t i;
        json_array_foreach(cases, i, entry) {
            const op *o = op_of(level, entry, true);
            if (!o)
                continue;
            layer l = layer_make(level, o, json_string_value(json_object_get(entry, "spec")), whole(entry, "in"));
            check_torch(&l, entry);
            arena_deinit(&l.memory);
        }
        json_decref(root);
    }
}

/* ---- Kinks and ends ---- */

/* The loss and slope of one output x for the target y, which floats have exactly. */
static void assert_element(const char *spec, double x, float y, double loss, double slope)
{
    char name[64];
    snprintf(name, sizeof name, "%s", spec);
    name[strcspn(name, " ")] = 0;
    FOR_ISAS(level)
    {
        layer l = layer_make(level, op_find(level, name, true), spec, 1);
        double is, dx;
        run_loss(&l, &x, &(batch){.targets = &y, .n = 1}, &is, &dx);
        if (!(is == loss && dx == slope))
            fail_msg("%s of %g for %g is %.9g with slope %.9g, not %.9g with %.9g", spec, x, (double)y, is, dx, loss, slope);
        const double number = (double)y;
        is = l.op->reference_loss(&x, 1, &(target){.numbers = &number}, l.fields, &dx);
        assert_true((float)is == (float)loss && (float)dx == (float)slope);
        arena_deinit(&l.memory);
    }
}

static void losses_are_what_torch_documents_on_both_sides_of_their_kinks(void **unused)
{
    (void)unused;
    assert_element("mse_loss", 1.5, 1, 0.25, 1);
    assert_element("mse_loss", 0.5, 1, 0.25, -1);
    assert_element("l1_loss", 1, 1, 0, 0);
    assert_element("l1_loss", 1.25, 1, 0.25, 1);
    assert_element("l1_loss", 0.75, 1, 0.25, -1);
    assert_element("smooth_l1_loss beta=0.5", 1.25, 1, 0.0625, 0.5);
    assert_element("smooth_l1_loss beta=0.5", 1.5, 1, 0.25, 1);
    assert_element("smooth_l1_loss beta=0.5", 0.5, 1, 0.25, -1);
    assert_element("smooth_l1_loss beta=0.5", 0, 1, 0.75, -1);
    assert_element("smooth_l1_loss beta=0", 1, 1, 0, 0);
    assert_element("smooth_l1_loss beta=0", 3, 1, 2, 1);
    assert_element("huber_loss delta=0.5", 1.25, 1, 0.03125, 0.25);
    assert_element("huber_loss delta=0.5", 1.5, 1, 0.125, 0.5);
    assert_element("huber_loss delta=0.5", 0.5, 1, 0.125, -0.5);
    assert_element("huber_loss delta=0.5", 3, 1, 0.875, 0.5);
    assert_element("huber_loss delta=0.5", -1, 1, 0.875, -0.5);
    assert_element("mse_loss reduction=sum", 1.5, 1, 0.25, 1);
    assert_element("kl_div", -2, 0, 0, 0);
    assert_element("kl_div", -2, 1, 2, -1);
    assert_element("kl_div log_target=true", -2, 0, 2, -1);
    assert_element("binary_cross_entropy_with_logits", 200, 1, 0, 0);
    assert_element("binary_cross_entropy_with_logits", 200, 0, 200, 1);
    assert_element("binary_cross_entropy_with_logits", -200, 1, 200, -1);
    assert_element("binary_cross_entropy_with_logits pos_weight=3", -200, 1, 600, -3);
    assert_element("binary_cross_entropy_with_logits", -200, 0, 0, 0);
}

/* A sure and right answer has a small loss, and not none: log(1 + e) loses what log1p(e) keeps. */
static void small_binary_losses_keep_their_digits(void **unused)
{
    (void)unused;
    static const float yes = 1;
    FOR_ISAS(level)
    {
        layer l = layer_make(level, op_find(level, "binary_cross_entropy_with_logits", true), "binary_cross_entropy_with_logits", 1);
        for (int i = 0; i < 800; i++) {
            const double x = i / 10.0 - 0.05;
            const double exact = (double)(float)x, want = log1p(exp(-exact));
            double loss, dx;
            run_loss(&l, &exact, &(batch){.targets = &yes, .n = 1}, &loss, &dx);
            if (!(fabs(loss - want) <= 8 * ROUNDING * want + DENORMAL))
                fail_msg("the loss of %g is %.9g, not %.9g", exact, loss, want);
        }
        arena_deinit(&l.memory);
    }
}

static void what_is_not_finite_shows(void **unused)
{
    (void)unused;
    static const double broken[] = {(double)NAN, (double)INFINITY, -(double)INFINITY};
    static const float number = 0.5f;
    FOR_ISAS(level)
        for (const op *const *o = op_table(level); *o; o++)
            for (size_t i = 0; i < COUNT(broken) && (*o)->kind == OP_LOSS && (*o)->targets == TARGET_NUMBERS; i++) {
                layer l = layer_make(level, *o, (*o)->name, 1);
                double loss, dx;
                run_loss(&l, &broken[i], &(batch){.targets = &number, .n = 1}, &loss, &dx);
                if (isfinite(loss))
                    fail_msg("%s of %g is %g", l.op->name, broken[i], loss);
                arena_deinit(&l.memory);
            }
}

/* ---- What users write ---- */

static void assert_unfit(const char *spec, size_t outputs, const char *message)
{
    arena memory = {0};
    weft_error err = {0};
    const op *o;
    const void *fields;
    const setting *map = setting_from_spec(&memory, spec, (where){0}, &err);
    assert_non_null(map);
    if (loss_read(&o, &fields, map, ANY_ISA, &memory, &err) == WEFT_OK)
        assert_int_equal(o->fits(fields, outputs, &err), WEFT_BAD_INPUT);
    assert_non_null(strstr(err.message, message));
    arena_deinit(&memory);
}

static void settings_that_do_not_fit_are_refused(void **unused)
{
    (void)unused;
    assert_unfit("cross_entropy weight=[1, 2]", 3, "weight has 2 numbers, and the model gives 3");
    assert_unfit("nll_loss weight=1", 3, "weight has 1 numbers, and the model gives 3");
    assert_unfit("cross_entropy weight=[1, -2]", 2, "a number of weight is -2, but must be at least 0");
    assert_unfit("cross_entropy label_smoothing=1.5", 2, "label_smoothing is 1.5");
    assert_unfit("binary_cross_entropy_with_logits pos_weight=[1, 2]", 3, "pos_weight has 2 numbers, and the model gives 3");
    assert_unfit("kl_div reduction=batch", 3, "there are: mean, batchmean, sum");
    assert_unfit("mse_loss reduction=batchmean", 3, "there are: mean, sum");
    assert_unfit("nll_loss reduction=none", 3, "there are: mean, sum");
    assert_unfit("huber_loss delta=0", 3, "delta is 0, but must be above 0");
    assert_unfit("mse_los", 3, "did you mean \"mse_loss\"?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_central_differences),
        cmocka_unit_test(kernels_agree_with_references),
        cmocka_unit_test(losses_agree_with_torch),
        cmocka_unit_test(losses_are_what_torch_documents_on_both_sides_of_their_kinks),
        cmocka_unit_test(small_binary_losses_keep_their_digits),
        cmocka_unit_test(what_is_not_finite_shows),
        cmocka_unit_test(settings_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
