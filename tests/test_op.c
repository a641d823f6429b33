/* Every layer and every of its cases: the reference against central differences, the kernels against the reference, both
 * against PyTorch's numbers. */
#include "op_cases.h"

/* ---- Central differences ---- */

enum { MAX_PROBES = 40 };
static const double H = 0x1p-17; /* near the cube root of a double's precision, and exact */

static double weighted_output(const layer *l, numbers *n)
{
    double sum = 0;
    reference(l, n);
    for (size_t i = 0; i < n->B * l->out; i++)
        sum += n->dy[i] * n->y[i];
    return sum;
}

/* Compares gradient[i] of `values` with (f(v + h) - f(v - h)) / 2h, at up to MAX_PROBES places. Beside a kink, where the
 * differences to the left and to the right disagree, there is nothing to compare; returns how many places were compared. */
static size_t probe(const layer *l, numbers *n, double *values, const double *gradient, size_t count, const char *spec)
{
    numbers m = magnitudes(l, n);
    double total = 0; /* of the magnitudes that are summed */
    for (size_t i = 0; i < n->B * l->out; i++)
        total += m.dy[i] * m.y[i];
    numbers_free(&m);
    size_t compared = 0;
    const size_t stride = MAX(count / MAX_PROBES, 1);
    for (size_t i = 0; i < count; i += stride) {
        const double here = values[i], middle = weighted_output(l, n);
        values[i] = here + H;
        const double above = weighted_output(l, n);
        values[i] = here - H;
        const double below = weighted_output(l, n);
        values[i] = here;
        const double right = (above - middle) / H, left = (middle - below) / H, slope = (above - below) / (2 * H);
        /* rounding of the sums, divided by 2h, and h^2 / 6 of a third derivative of at most 10 */
        const double tolerance = 0x1p-53 * (double)(l->in + n->B * l->out + 8) * total / H + 10 * H * H;
        if (fabs(right - left) > 1e-3 + tolerance)
            continue;
        compared++;
        if (fabs(slope - gradient[i]) > tolerance)
            fail_msg("%s: gradient %zu of %zu is %.12g, differences say %.12g within %g", spec, i, count, gradient[i], slope,
                     tolerance);
    }
    return compared * stride;
}

static void check_differences(const layer *l, size_t B, const char *spec)
{
    numbers n = numbers_make(l, B);
    numbers_draw(l, &n);
    reference_grad(l, &n);
    assert_true(probe(l, &n, n.x, n.dx, B * l->in, spec) * 10 >= B * l->in * 9);
    for (size_t p = 0; p < MAX_PARAMS && param_numbers(l, p); p++)
        assert_true(probe(l, &n, n.params[p], n.dparams[p], param_numbers(l, p), spec) >= param_numbers(l, p));
    numbers_free(&n);
}

static void gradients_of_references_are_central_differences(void **unused)
{
    (void)unused;
    for_cases(ANY_ISA, false, check_differences);
}

static void reference_gradients_are_added(void **unused)
{
    (void)unused;
    layer l = layer_make(ANY_ISA, op_find(ANY_ISA, "linear", false), "linear 5", 3);
    numbers once = numbers_make(&l, 3);
    numbers_draw(&l, &once);
    numbers twice = inputs_of(&l, &once);
    reference_grad(&l, &once);
    reference_grad(&l, &twice);
    reference_grad(&l, &twice);
    for (size_t i = 0; i < 9; i++)
        assert_true(fabs(twice.dx[i] - 2 * once.dx[i]) <= 1e-14);
    numbers_free(&once);
    numbers_free(&twice);
    arena_deinit(&l.memory);
}

/* ---- Kernels against references ---- */

static void check_kernels(const layer *l, size_t B, const char *spec)
{
    numbers want = numbers_make(l, B);
    numbers_draw(l, &want);
    numbers is = inputs_of(l, &want);
    reference(l, &want);
    reference_grad(l, &want);
    run(l, &is);
    assert_same_numbers(l, &is, &want, UNIT, spec);
    numbers_free(&want);
    numbers_free(&is);
}

static void kernels_agree_with_references(void **unused)
{
    (void)unused;
    FOR_ISAS(level)
        for_cases(level, false, check_kernels);
}

/* ---- PyTorch's numbers ---- */

static void check_torch_layer(const layer *l, const json_t *entry, const char *spec)
{
    numbers want = numbers_make(l, whole(entry, "batch"));
    take(want.x, json_object_get(entry, "x"), want.B * l->in);
    take(want.y, json_object_get(entry, "y"), want.B * l->out);
    take(want.dx, json_object_get(entry, "dx"), want.B * l->in);
    take(want.dy, json_object_get(entry, "dy"), want.B * l->out);
    assert_int_equal(json_array_size(json_object_get(entry, "params")), l->node->n_params);
    for (size_t p = 0; p < l->node->n_params; p++) {
        take(want.params[p], json_array_get(json_object_get(entry, "params"), p), param_numbers(l, p));
        take(want.dparams[p], json_array_get(json_object_get(entry, "dparams"), p), param_numbers(l, p));
    }
    numbers is = inputs_of(l, &want), in_double = inputs_of(l, &want);
    reference(l, &in_double);
    reference_grad(l, &in_double);
    assert_same_numbers(l, &in_double, &want, 0x1p-50, spec); /* the fixture has 16 digits */
    run(l, &is);
    assert_same_numbers(l, &is, &want, UNIT, spec);
    numbers_free(&want);
    numbers_free(&is);
    numbers_free(&in_double);
}

static void check_torch(isa level)
{
    json_t *cases, *root = fixture_open("ops.json", &cases), *entry;
    size_t i;
    json_array_foreach(cases, i, entry) {
        const op *o = op_of(level, entry, false);
        if (!o)
            continue;
        const char *spec = json_string_value(json_object_get(entry, "spec"));
        layer l = layer_make(level, o, spec, whole(entry, "in"));
        check_torch_layer(&l, entry, spec);
        arena_deinit(&l.memory);
    }
    json_decref(root);
}

static void layers_agree_with_torch(void **unused)
{
    (void)unused;
    FOR_ISAS(level)
        check_torch(level);
}

static void every_op_has_numbers_of_torch(void **unused)
{
    (void)unused;
    json_t *cases, *root = fixture_open("ops.json", &cases), *entry;
    for (const op *const *o = op_table(ANY_ISA); *o; o++) {
        size_t i, found = 0;
        json_array_foreach(cases, i, entry)
            found += op_of(ANY_ISA, entry, (*o)->kind == OP_LOSS) == *o;
        if (!found && (*o)->kind != OP_JOIN)
            fail_msg("tests/fixtures/ops.json has nothing about %s; add it to make_fixtures.py", (*o)->name);
    }
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_op_has_cases_and_what_its_kind_needs),
        cmocka_unit_test(gradients_of_references_are_central_differences),
        cmocka_unit_test(reference_gradients_are_added),
        cmocka_unit_test(kernels_agree_with_references),
        cmocka_unit_test(layers_agree_with_torch),
        cmocka_unit_test(every_op_has_numbers_of_torch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
