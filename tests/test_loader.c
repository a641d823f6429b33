/* The batches that are made of a data set. */
#include "data_files.h"

enum { N = 1003, BATCH = 32, N_BATCHES = 32 };

static void epoch_of(uint64_t seed, size_t epoch, uint32_t order[N])
{
    size_t n = 0;
    for (size_t k = 0; k < N_BATCHES; k++)
        n += loader_indices(N, BATCH, true, seed, epoch, k, order + n);
    assert_int_equal(n, N);
}

static void an_epoch_is_a_permutation(void **state)
{
    (void)state;
    uint32_t order[N];
    bool seen[N] = {0};
    epoch_of(1, 0, order);
    size_t in_place = 0;
    for (size_t i = 0; i < N; i++) {
        assert_true(order[i] < N && !seen[order[i]]);
        seen[order[i]] = true;
        in_place += order[i] == i;
    }
    assert_true(in_place < 20); /* 1 is expected */
}

static void a_batch_is_a_function_of_seed_epoch_and_number(void **state)
{
    (void)state;
    uint32_t order[N], other[N], batch[BATCH];
    epoch_of(1, 4, order);
    for (size_t k = N_BATCHES; k-- > 0;) {
        size_t n = loader_indices(N, BATCH, true, 1, 4, k, batch);
        assert_memory_equal(batch, order + k * BATCH, n * sizeof *batch);
    }
    epoch_of(1, 5, other);
    assert_memory_not_equal(order, other, sizeof order);
    epoch_of(2, 4, other);
    assert_memory_not_equal(order, other, sizeof order);
}

static void the_last_batch_is_what_is_left(void **state)
{
    (void)state;
    uint32_t batch[BATCH];
    assert_int_equal(loader_indices(N, BATCH, true, 1, 0, N_BATCHES - 2, batch), BATCH);
    assert_int_equal(loader_indices(N, BATCH, true, 1, 0, N_BATCHES - 1, batch), N % BATCH);
    assert_int_equal(loader_indices(N, BATCH, true, 1, 0, N_BATCHES, batch), 0);
}

static void without_shuffling_the_order_is_the_data_set_s(void **state)
{
    (void)state;
    uint32_t batch[BATCH];
    assert_int_equal(loader_indices(N, BATCH, false, 1, 9, 3, batch), BATCH);
    for (size_t i = 0; i < BATCH; i++)
        assert_int_equal(batch[i], 3 * BATCH + i);
}

static void a_loader_brings_each_sample_with_its_label(void **state)
{
    (void)state;
    put_small_set();
    weft_dataset *data = opened(folder);
    weft_error err = {0};
    weft_loader *loader =
        weft_loader_create(data, WEFT_TRAIN, &(weft_loader_options){.batch = 3, .scale = 255, .seed = 1}, &err);
    assert_non_null(loader);
    assert_int_equal(weft_loader_batches(loader), 3);
    weft_batch batch;
    for (size_t epoch = 0; epoch < 3; epoch++) {
        for (size_t k = 0; k < 3; k++) {
            uint32_t index[3];
            assert_true(weft_loader_next(loader, &batch));
            assert_int_equal(batch.n, k < 2 ? 3 : 1);
            loader_indices(7, 3, true, 1, epoch, k, index);
            for (size_t i = 0; i < batch.n; i++) {
                float x[6];
                weft_dataset_read(data, WEFT_TRAIN, index[i], 1, 255, x);
                assert_memory_equal(batch.x + 6 * i, x, sizeof x);
                assert_int_equal(batch.y[i], index[i] % 3);
            }
        }
        assert_false(weft_loader_next(loader, &batch));
        assert_int_equal(batch.n, 0);
    }
    weft_loader_free(loader);
    weft_dataset_close(data);
}

static void a_loader_has_defaults_and_refuses_what_cannot_divide(void **state)
{
    (void)state;
    put_small_set();
    weft_dataset *data = opened(folder);
    weft_error err = {0};
    weft_loader *loader = weft_loader_create(data, WEFT_TRAIN, NULL, &err);
    assert_non_null(loader);
    weft_batch batch;
    assert_true(weft_loader_next(loader, &batch));
    assert_int_equal(batch.n, 7); /* of at most 32 */
    weft_loader_free(loader);
    const double scales[] = {-1, NAN, INFINITY, 1e39, 1e-60};
    for (size_t i = 0; i < COUNT(scales); i++)
        assert_null(weft_loader_create(data, WEFT_TRAIN, &(weft_loader_options){.scale = scales[i]}, NULL));
    weft_dataset_close(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_epoch_is_a_permutation),
        TEST(a_batch_is_a_function_of_seed_epoch_and_number),
        TEST(the_last_batch_is_what_is_left),
        TEST(without_shuffling_the_order_is_the_data_set_s),
        TEST(a_loader_brings_each_sample_with_its_label),
        TEST(a_loader_has_defaults_and_refuses_what_cannot_divide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
