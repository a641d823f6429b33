/* From graph to plan to run: what is fused, what is allocated, and that threads change nothing. */
#include "nets.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- Counting allocations, and letting one fail ---- */

static atomic_long n_allocations;
static atomic_long fail_at; /* the allocation that fails, counted from 1; 0: none */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CAN_FAIL 0 /* the sanitizers own malloc; they tell of allocations, but let none fail */
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
                                              void (*on_free)(const volatile void *));

static void count_malloc(const volatile void *p, size_t n)
{
    (void)p;
    (void)n;
    atomic_fetch_add(&n_allocations, 1);
}

static void count_free(const volatile void *p) { (void)p; }

static void begin_counting(void) { assert_true(__sanitizer_install_malloc_and_free_hooks(count_malloc, count_free)); }
#else
#define CAN_FAIL 1
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t each);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t alignment, size_t n);

static bool allowed(void)
{
    if (atomic_fetch_add(&n_allocations, 1) + 1 != atomic_load(&fail_at))
        return true;
    errno = ENOMEM;
    return false;
}

void *malloc(size_t n) { return allowed() ? __libc_malloc(n) : NULL; }
void *calloc(size_t n, size_t each) { return allowed() ? __libc_calloc(n, each) : NULL; }
void *realloc(void *p, size_t n) { return allowed() ? __libc_realloc(p, n) : NULL; }
void *aligned_alloc(size_t alignment, size_t n) { return allowed() ? __libc_memalign(alignment, n) : NULL; }
void *memalign(size_t alignment, size_t n) { return allowed() ? __libc_memalign(alignment, n) : NULL; }

int posix_memalign(void **p, size_t alignment, size_t n)
{
    void *memory = allowed() ? __libc_memalign(alignment, n) : NULL;
    if (!memory)
        return ENOMEM;
    *p = memory;
    return 0;
}

void *mmap(void *at_address, size_t n, int protection, int flags, int file, off_t offset)
{
    return allowed() ? (void *)syscall(SYS_mmap, at_address, n, protection, flags, file, offset) : MAP_FAILED;
}

static void begin_counting(void) {}
#endif

static int set_up(void **unused)
{
    (void)unused;
    begin_counting();
    return 0;
}

static void the_counter_counts(void **unused)
{
    (void)unused;
    const long before = atomic_load(&n_allocations);
    void *volatile p = malloc(100);
    void *volatile q = aligned_alloc(64, 128);
#if defined(__SANITIZE_THREAD__)
    assert_true(atomic_load(&n_allocations) >= before + 1); /* it does not tell of aligned ones */
#else
    assert_true(atomic_load(&n_allocations) >= before + 2);
#endif
    free(p);
    free(q);
}

/* ---- What a plan looks like ---- */

static char *printed(net *n, plan_mode mode, size_t B)
{
    plan *p = compile(n, mode, B);
    text t = {0};
    plan_print(p, &t);
    plan_free(p);
    assert_false(t.failed);
    return t.data;
}

/* On v3, because tiles depend on the width of vectors. */
static void assert_printed(const char *layers, const char *optimizer_spec, plan_mode mode, const char *expected)
{
    isa level = ANY_ISA;
    while (level < N_ISAS && strcmp(isa_name(level), "v3") != 0)
        level++;
    if (level == N_ISAS)
        skip();
    net n = net_make(level, layers, 784, optimizer_spec);
    char *shown = printed(&n, mode, 32);
    assert_string_equal(shown, expected);
    free(shown);
    net_free(&n);
}

static void the_tutorials_plan_reads_as_expected(void **unused)
{
    (void)unused;
    assert_printed(
        "linear 1000, relu, linear 10", "sgd", PLAN_TRAIN,
        "plan: train, batch 32, v3, 9 steps, 0.372 MB of buffers; | waits for all threads\n"
        "  #   step                   kernel        tiles     MFLOP        MB  buffers\n"
        "  0   gather                 gather           32     0.000     0.100  -> x [32, 784]\n"
        "  1 | linear + relu          product          42    50.240     3.368  x [32, 784], w0 [785, 1000] -> y1 [32, 1000]\n"
        "  2 | linear                 product           2     0.641     0.169  y1 [32, 1000], w2 [1001, 10] -> y2 [32, 10]\n"
        "  3 | cross_entropy          cross_entropy    32     0.000     0.003  y2 [32, 10] -> losses [32, 1], dlogits [32, 10]\n"
        "  4 | mean                   mean              1     0.000     0.000  losses [32, 1] -> loss [1, 1]\n"
        "  5   transpose              transpose         1     0.000     0.003  dlogits [32, 10] -> dlogits^T [10, 32]\n"
        "  6 | linear dx + relu dx    product_dx       63     0.640     0.297  dlogits^T [10, 32], w2 [1001, 10], y1 [32, 1000] -> dx1 [32, 1000]\n"
        "  7 | linear dw + sgd        product_dw       21     0.641     0.209  y1 [32, 1000], dlogits [32, 10] -> w2 [1001, 10]\n"
        "  8   linear dw + sgd        product_dw      357    50.240     6.508  x [32, 784], dx1 [32, 1000] -> w0 [785, 1000]\n");
    assert_printed(
        "linear 1000, relu, linear 10", NULL, PLAN_EVALUATE,
        "plan: evaluate, batch 32, v3, 5 steps, 0.233 MB of buffers; | waits for all threads\n"
        "  #   step                   kernel        tiles     MFLOP        MB  buffers\n"
        "  0   gather                 gather           32     0.000     0.100  -> x [32, 784]\n"
        "  1 | linear + relu          product          42    50.240     3.368  x [32, 784], w0 [785, 1000] -> y1 [32, 1000]\n"
        "  2 | linear                 product           2     0.641     0.169  y1 [32, 1000], w2 [1001, 10] -> y2 [32, 10]\n"
        "  3 | cross_entropy          cross_entropy    32     0.000     0.003  y2 [32, 10] -> losses [32, 1], dlogits [32, 10]\n"
        "  4 | hits                   hits             32     0.000     0.001  y2 [32, 10] -> hits [32, 1]\n");
}

static void assert_steps(const char *layers, const char *optimizer_spec, const char *const *with, const char *without)
{
    net n = net_make(ANY_ISA, layers, 7, optimizer_spec);
    char *shown = printed(&n, PLAN_TRAIN, 8);
    for (; *with; with++)
        if (!strstr(shown, *with))
            fail_msg("no step \"%s\" in\n%s", *with, shown);
    if (without && strstr(shown, without))
        fail_msg("a step \"%s\" in\n%s", without, shown);
    free(shown);
    net_free(&n);
}

#define STEPS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void activations_are_fused_into_products(void **unused)
{
    (void)unused;
    assert_steps("linear 5, relu, linear 3", "sgd", STEPS("linear + relu ", "linear dx + relu dx "), " map");
    assert_steps("linear 5, relu6, linear 4, hardtanh, linear 3", "sgd",
                 STEPS("linear + relu6 ", "linear dx + relu6 dx ", "linear + hardtanh ", "linear dx + hardtanh dx "), " map");
    /* what the gradient needs is kept */
    assert_steps("linear 5, sigmoid, linear 3", "sgd", STEPS("linear ", "sigmoid ", "linear dx + sigmoid dx "), "linear + sigmoid ");
}

static void updates_are_fused_into_weight_gradients(void **unused)
{
    (void)unused;
    assert_steps("linear 5, relu, linear 3", "sgd momentum=0.9", STEPS("linear dw + sgd "), "update");
    assert_steps("linear 5, relu, linear 3", "adam", STEPS("linear dw + adam "), "update");
}

static void activations_that_follow_no_product_keep_a_step(void **unused)
{
    (void)unused;
    assert_steps("tanh, linear 5, relu, sigmoid, linear 3", "sgd",
                 STEPS(" tanh ", "linear + relu ", " sigmoid ", "linear dx + sigmoid dx ", " relu dx "), " tanh dx");
    assert_steps("flatten, linear 3, flatten", "sgd", STEPS("linear "), "flatten");
}

/* What is stored depends on what is still needed, not on the depth. */
static void evaluation_stores_no_activations(void **unused)
{
    (void)unused;
    net shallow = net_make(ANY_ISA, "linear 64, relu, linear 64, relu, linear 64", 64, NULL);
    net deep = net_make(ANY_ISA, "linear 64, relu, linear 64, relu, linear 64, relu, linear 64, relu, linear 64", 64, NULL);
    static const plan_mode modes[] = {PLAN_FORWARD, PLAN_EVALUATE};
    for (size_t i = 0; i < COUNT(modes); i++) {
        plan *a = compile(&shallow, modes[i], 100), *b = compile(&deep, modes[i], 100);
        assert_int_equal(plan_arena_bytes(a), plan_arena_bytes(b));
        assert_true(plan_flops(b) > 1.5 * plan_flops(a));
        plan_free(a);
        plan_free(b);
    }
    net_free(&shallow);
    net_free(&deep);
}

/* ---- Memory ---- */

static void do_nothing(void *arg, int thread, int n_threads)
{
    (void)arg;
    (void)thread;
    (void)n_threads;
}

static void check_no_allocation(const char *optimizer_spec, plan_mode mode)
{
    net n = net_make(ANY_ISA, "flatten, linear 50, relu, linear 20, tanh, sigmoid, linear 5", 30, optimizer_spec);
    samples s = {0};
    samples_draw(&s, 30, 5, 32, 0);
    pool *threads = pool_of(2);
    pool_run(threads, do_nothing, NULL); /* threads that start allocate */
    plan *p = compile(&n, mode, 32);
    const long before = atomic_load(&n_allocations);
    for (int again = 0; again < 50; again++)
        train_step(&n, p, &s, threads);
    assert_int_equal(atomic_load(&n_allocations) - before, 0);
    plan_free(p);
    pool_free(threads);
    free(s.x);
    net_free(&n);
}

static void running_a_plan_allocates_nothing(void **unused)
{
    (void)unused;
    check_no_allocation("sgd momentum=0.9", PLAN_TRAIN);
    check_no_allocation("adam", PLAN_TRAIN);
    check_no_allocation(NULL, PLAN_TRAIN);
    check_no_allocation(NULL, PLAN_EVALUATE);
    check_no_allocation(NULL, PLAN_FORWARD);
}

static void compiling_survives_every_allocation_that_fails(void **unused)
{
    (void)unused;
    if (!CAN_FAIL)
        skip();
    net n = net_make(ANY_ISA, "linear 50, relu, linear 20, tanh, sigmoid, linear 5", 30, "adam");
    const plan_spec spec = spec_of(&n, PLAN_TRAIN, 32);
    plan *p = NULL;
    long failures = 0;
    while (!p) {
        weft_error err = {0};
        atomic_store(&fail_at, atomic_load(&n_allocations) + ++failures);
        p = plan_compile(&spec, &err);
        atomic_store(&fail_at, 0);
        assert_int_equal(err.status, p ? WEFT_OK : WEFT_NO_MEMORY);
    }
    assert_true(failures > 2);
    plan_free(p);
    plan_free(NULL);
    net_free(&n);
}

/* ---- Threads ---- */

static void the_number_of_threads_changes_no_bit(void **unused)
{
    (void)unused;
    static const int counts[] = {1, 2, 3, 8};
    real *first[3] = {0};
    FOR_ISAS(level)
        for (size_t i = 0; i < COUNT(counts); i++) {
            net n = net_make(level, "linear 100, relu, linear 50, tanh, linear 5", 20, "adam");
            samples s = {0};
            pool *threads = pool_of(counts[i]);
            plan *p = compile(&n, PLAN_TRAIN, 33);
            for (uint64_t at_step = 0; at_step < 10; at_step++) {
                samples_draw(&s, 20, 5, 33, at_step);
                assert_true(train_step(&n, p, &s, threads));
            }
            for (size_t l = 0; l < 3; l++) {
                const size_t bytes_of_block = n.block_numbers[2 * l] * sizeof(real);
                if (i == 0) {
                    free(first[l]);
                    first[l] = malloc(bytes_of_block);
                    assert_non_null(first[l]);
                    memcpy(first[l], n.weights[2 * l], bytes_of_block);
                }
                assert_memory_equal(first[l], n.weights[2 * l], bytes_of_block);
            }
            plan_free(p);
            pool_free(threads);
            free(s.x);
            net_free(&n);
        }
    for (size_t l = 0; l < 3; l++)
        free(first[l]);
}

static void a_timed_run_says_when_each_step_began(void **unused)
{
    (void)unused;
    net n = net_make(ANY_ISA, "linear 100, relu, linear 5", 20, "adam");
    samples s = {0};
    double begins[64] = {0};
    pool *threads = pool_of(2);
    plan *p = compile(&n, PLAN_TRAIN, 33);
    const size_t n_steps = plan_n_steps(p);
    assert_in_range(n_steps, 1, COUNT(begins) - 1);
    samples_draw(&s, 20, 5, 33, 0);
    optimizer_begin(&n.optimizer);
    begins[n_steps + 1] = -1;
    const double before = now_seconds();
    assert_true(plan_run_timed(p, &s.batch, threads, begins));
    assert_true(begins[0] >= before && begins[n_steps] <= now_seconds());
    for (size_t i = 0; i < n_steps; i++)
        assert_true(begins[i + 1] >= begins[i]);
    assert_true(begins[n_steps + 1] == -1);
    plan_free(p);
    pool_free(threads);
    free(s.x);
    net_free(&n);
}

static void a_step_costs_what_it_reads_and_writes(void **unused)
{
    (void)unused;
    enum { B = 33, IN = 20, OUT = 5, W = (IN + 1) * OUT };
    net n = net_make(ANY_ISA, "linear 5", IN, "adam");
    plan *p = compile(&n, PLAN_TRAIN, B);
    size_t n_found = 0;
    for (size_t i = 0; i < plan_n_steps(p); i++) {
        const step *s = plan_step(p, i);
        const step_cost c = plan_step_cost(s);
        if (strcmp(s->kernel->name, "product") == 0) {
            assert_true(c.flops == 2.0 * B * W && c.read_bytes == 4 * (B * IN + W) && c.moved_bytes == 4 * B * OUT);
            n_found++;
        } else if (s->updates) { /* weights and both averages, there and back */
            assert_true(c.flops == 2.0 * B * W && c.read_bytes == 4 * (B * IN + B * OUT) && c.moved_bytes == 4 * 6 * W);
            assert_true(c.resident_bytes == 4 * (B * IN + B * OUT + 3 * W));
            n_found++;
        }
    }
    assert_int_equal(n_found, 2);
    plan_free(p);
    net_free(&n);
}

/* ---- Losses that are not finite ---- */

enum { FEATURES = 7 };

/* Breaks number `at` of layer `broken`, runs often on several threads, and expects parameters and state unmoved. */
static void check_halt(size_t broken, size_t place, float number, long expected, int n_threads)
{
    net n = net_make(ANY_ISA, "linear 5, relu, linear 4, linear 3, sigmoid, linear 2", FEATURES, "sgd lr=0.1 momentum=0.9");
    samples s = {0};
    samples_draw(&s, FEATURES, 2, 20, 3);
    pool *threads = pool_of(n_threads);
    plan *p = compile(&n, PLAN_TRAIN, 20);
    assert_true(train_step(&n, p, &s, threads));
    n.weights[broken][place] = number;
    guarded before[6] = {{0}}, state[6] = {{0}};
    for (size_t l = 0; l < 6; l++)
        if (n.weights[l]) {
            before[l] = guarded_make(n.block_numbers[l]);
            state[l] = guarded_make(n.block_numbers[l]);
            memcpy(before[l].data, n.weights[l], n.block_numbers[l] * sizeof(real));
            memcpy(state[l].data, n.optimizer.state[l][0], n.block_numbers[l] * sizeof(real));
        }
    for (int again = 0; again < 500; again++)
        assert_false(train_step(&n, p, &s, threads));
    const node *first = plan_first_broken(p);
    assert_int_equal(first ? (long)first->index : -1, expected);
    for (size_t l = 0; l < 6; l++)
        if (n.weights[l]) {
            assert_memory_equal(before[l].data, n.weights[l], n.block_numbers[l] * sizeof(real));
            assert_memory_equal(state[l].data, n.optimizer.state[l][0], n.block_numbers[l] * sizeof(real));
            guarded_free(&before[l]);
            guarded_free(&state[l]);
        }
    plan_free(p);
    pool_free(threads);
    free(s.x);
    net_free(&n);
}

static void a_loss_that_is_not_finite_halts_before_anything_moves(void **unused)
{
    (void)unused;
    static const int counts[] = {1, 2, 3};
    for (size_t i = 0; i < COUNT(counts); i++) {
        check_halt(0, 0, NAN, 1, counts[i]); /* the relu that is fused into layer 0 speaks for it */
        check_halt(2, 0, NAN, 2, counts[i]);
        check_halt(3, 1, NAN, 3, counts[i]);
        check_halt(5, 0, INFINITY, 5, counts[i]); /* what the sigmoid gives is above 0: a logit is infinite */
    }
}

static void a_loss_alone_can_be_infinite(void **unused)
{
    (void)unused;
    net n = net_make(ANY_ISA, "linear 2", 1, "sgd");
    const float weight[] = {3e38f, -3e38f}, bias[] = {0, 0}, *const params[] = {weight, bias};
    n.graph.nodes[0].op->pack(&n.graph.nodes[0], params, n.weights[0]);
    samples s = {0};
    samples_draw(&s, 1, 2, 1, 0);
    s.x[0] = 1;
    s.labels[0] = 1;
    pool *threads = pool_of(1);
    plan *p = compile(&n, PLAN_TRAIN, 1);
    real before[64];
    assert_true(n.block_numbers[0] <= COUNT(before));
    memcpy(before, n.weights[0], n.block_numbers[0] * sizeof(real));
    assert_false(train_step(&n, p, &s, threads));
    assert_memory_equal(before, n.weights[0], n.block_numbers[0] * sizeof(real)); /* although no layer lies between loss and update */
    assert_null(plan_first_broken(p));
    s.labels[0] = 0; /* the next run is not held back by the last one's halt */
    assert_true(train_step(&n, p, &s, threads));
    plan_free(p);
    pool_free(threads);
    free(s.x);
    net_free(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_counter_counts),
        cmocka_unit_test(the_tutorials_plan_reads_as_expected),
        cmocka_unit_test(activations_are_fused_into_products),
        cmocka_unit_test(updates_are_fused_into_weight_gradients),
        cmocka_unit_test(activations_that_follow_no_product_keep_a_step),
        cmocka_unit_test(evaluation_stores_no_activations),
        cmocka_unit_test(running_a_plan_allocates_nothing),
        cmocka_unit_test(compiling_survives_every_allocation_that_fails),
        cmocka_unit_test(the_number_of_threads_changes_no_bit),
        cmocka_unit_test(a_timed_run_says_when_each_step_began),
        cmocka_unit_test(a_step_costs_what_it_reads_and_writes),
        cmocka_unit_test(a_loss_that_is_not_finite_halts_before_anything_moves),
        cmocka_unit_test(a_loss_alone_can_be_infinite),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
