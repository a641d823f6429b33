/* Losses and rows where numbers end, on every instruction set; and what users write wrong. (Maps: test_maps.c.) */
#include "loss_cases.h"

/* ---- Large numbers, small ones, and infinities ---- */

/* Softmax of (0, -t) is (1, exp(-t)) / (1 + exp(-t)); the gradient shows it. */
static void exp_is_within_4_ulps_down_to_the_smallest_normal_numbers(void **unused)
{
    (void)unused;
    static const int32_t label = 0;
    FOR_ISAS(level)
    {
        layer l = layer_make(level, op_find(level, "cross_entropy", true), "cross_entropy", 2);
        for (int i = 0; i < 4000; i++) {
            const double t = (double)(float)ldexp(1 + 0.999 * fabs(noise(51, (uint64_t)i)), i % 40 - 34), logits[] = {0, -t};
            double loss, dx[2];
            if (t > 87)
                continue;
            run_loss(&l, logits, &(batch){.labels = &label, .n = 1}, &loss, dx);
            if (!(ulps((float)dx[1], exp(-t) / (1 + exp(-t))) <= 4))
                fail_msg("softmax of -%a is %a, not %a", t, dx[1], exp(-t) / (1 + exp(-t)));
        }
        arena_deinit(&l.memory);
    }
}

/* C logits of `rest`, but for `other` at `place`; the loss of `label`. */
static double loss_among(isa level, size_t C, double rest, size_t place, double other, int32_t label)
{
    layer l = layer_make(level, op_find(level, "cross_entropy", true), "cross_entropy", C);
    double *logits = doubles(C), *dx = doubles(C), loss;
    for (size_t i = 0; i < C; i++)
        logits[i] = rest;
    logits[place] = other;
    run_loss(&l, logits, &(batch){.labels = &label, .n = 1}, &loss, dx);
    double sum = 0;
    for (size_t i = 0; i < C; i++)
        sum += dx[i];
    assert_true(!isfinite(loss) || fabs(sum) <= (double)C * UNIT * 4);
    free(logits);
    free(dx);
    arena_deinit(&l.memory);
    return loss;
}

static void cross_entropy_never_overflows(void **unused)
{
    (void)unused;
    FOR_ISAS(level)
    {
        assert_true(fabs(loss_among(level, 1000, 0, 3, 88, 7) - 88) <= 88e-6);
        assert_true(fabs(loss_among(level, 1000, 0, 3, 88, 3)) <= 1e-6);
        assert_true(fabs(loss_among(level, 1000, 0, 3, -88, 3) - (88 + log(999))) <= 95e-6);
        assert_true(fabs(loss_among(level, 10, -1e38, 2, 1e38, 2)) <= 1e-6);
        assert_true(fabs(loss_among(level, 10, -1e38, 2, 1e38, 3) / 2e38 - 1) <= 1e-6);
        assert_true(fabs(loss_among(level, 10, 1e38, 2, 1e38, 3) - log(10)) <= 1e-6 * log(10));
        assert_true(fabs(loss_among(level, 10, -5, 2, -5, 3) - log(10)) <= 1e-6 * log(10));
        assert_true(fabs(loss_among(level, 2, 0, 1, -200, 1) - 200) <= 200e-6);
        assert_true(loss_among(level, 1, 5, 0, 5, 0) == 0);
    }
}

static void cross_entropy_of_what_is_not_finite_is_not_finite(void **unused)
{
    (void)unused;
    FOR_ISAS(level)
    {
        for (size_t place = 0; place < 20; place += 19) {
            assert_true(isnan(loss_among(level, 20, 0, place, (double)NAN, 3)));
            assert_true(isnan(loss_among(level, 20, 0, place, (double)INFINITY, 3)));
        }
        assert_true(loss_among(level, 20, 0, 3, -(double)INFINITY, 3) == (double)INFINITY);
        assert_true(fabs(loss_among(level, 20, 0, 4, -(double)INFINITY, 3) - log(19)) <= 3e-6);
    }
}

/* ---- Instruction sets ---- */

static void check_bits(const char *spec, size_t in, bool loss)
{
    numbers all[N_ISAS] = {0};
    double losses[N_ISAS][32] = {{0}};
    FOR_ISAS(level)
    {
        char name[64];
        snprintf(name, sizeof name, "%s", spec);
        name[strcspn(name, " ")] = 0;
        layer l = layer_make(level, op_find(level, name, loss), spec, in);
        numbers n = numbers_make(&l, 32);
        numbers_draw(&l, &n);
        aims a = aims_draw(&l);
        const batch source = aims_batch(&l, &a, NULL, 32);
        if (loss)
            run_loss(&l, n.x, &source, losses[level], n.dx);
        else
            run(&l, &n);
        aims_free(&a);
        all[level] = n;
        const numbers *first = &all[first_like(level)];
        assert_memory_equal(losses[level], losses[first_like(level)], sizeof losses[level]);
        assert_memory_equal(n.dx, first->dx, 32 * l.in * sizeof(double));
        assert_memory_equal(n.y, first->y, 32 * l.out * sizeof(double));
        for (size_t p = 0; p < MAX_PARAMS; p++)
            assert_memory_equal(n.dparams[p], first->dparams[p], (param_numbers(&l, p) + 1) * sizeof(double));
        arena_deinit(&l.memory);
    }
    FOR_ISAS(level)
        numbers_free(&all[level]);
}

static void instruction_sets_that_round_alike_run_layers_and_losses_to_the_same_bits(void **unused)
{
    (void)unused;
    for (const op *const *o = op_table(ANY_ISA); *o; o++)
        for (const op_case *c = (*o)->cases; c && c->spec; c++)
            check_bits(c->spec, c->in, (*o)->kind == OP_LOSS);
}

/* ---- What users write ---- */

static void layers_that_are_not_there_are_refused_all_at_once(void **unused)
{
    (void)unused;
    arena memory = {0};
    weft_error err = {0};
    graph g = {0};
    const setting *list = setting_list_from_specs(&memory, "linear, rleu, linear 3 biass=true, cross_entropy, linear 0",
                                                  (where){"file", 1, 1}, &err);
    assert_non_null(list);
    assert_int_equal(graph_build(&g, list, ANY_ISA, &memory, &err), WEFT_BAD_INPUT);
    assert_int_equal(err.count, 5);
    assert_non_null(strstr(err.message, "out_features"));
    assert_non_null(strstr(err.message, "\"relu\""));
    assert_non_null(strstr(err.message, "\"bias\""));
    assert_non_null(strstr(err.message, "cross_entropy"));
    arena_deinit(&memory);
}

static void shapes_can_be_inferred_again_for_other_inputs(void **unused)
{
    (void)unused;
    layer l = layer_make(ANY_ISA, op_find(ANY_ISA, "linear", false), "linear 5", 3);
    weft_error err = {0};
    for (size_t in = 1; in < 10; in++) {
        assert_int_equal(graph_infer(&l.graph, in, &err), WEFT_OK);
        assert_int_equal(l.node->n_params, 2);
        assert_int_equal(l.graph.n_parameters, 5 * in + 5);
        assert_int_equal(l.graph.in, in);
        assert_int_equal(l.graph.out, 5);
    }
    assert_int_equal(graph_infer(&l.graph, (size_t)1 << 60, &err), WEFT_BAD_INPUT);
    arena_deinit(&l.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_is_within_4_ulps_down_to_the_smallest_normal_numbers),
        cmocka_unit_test(cross_entropy_never_overflows),
        cmocka_unit_test(cross_entropy_of_what_is_not_finite_is_not_finite),
        cmocka_unit_test(instruction_sets_that_round_alike_run_layers_and_losses_to_the_same_bits),
        cmocka_unit_test(layers_that_are_not_there_are_refused_all_at_once),
        cmocka_unit_test(shapes_can_be_inferred_again_for_other_inputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
