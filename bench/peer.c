#include "peer.h"

#include <immintrin.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

enum { FEATURES = 784, LANES = 16 };

/* The same names and settings are in weft_pass.c and torch_pass.py. */
static const peer_network networks[] = {
    {"sgd", 2, {FEATURES, 1000, PEER_CLASSES}, false, 0.01f},
    {"adam", 2, {FEATURES, 1000, PEER_CLASSES}, true, 0.001f},
    {"deep", 3, {FEATURES, 1000, 512, PEER_CLASSES}, true, 0.001f},
};
enum { N_NETWORKS = sizeof networks / sizeof *networks };

static _Noreturn void stop(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(2);
}

peer_args peer_read_args(int argc, char **argv, const char *word)
{
    peer_args args = {0};
    for (size_t i = 0; argc >= 4 && i < N_NETWORKS; i++)
        if (strcmp(networks[i].name, argv[1]) == 0)
            args.network = &networks[i];
    args.threads = argc >= 4 ? atoi(argv[2]) : 0;
    args.passes = argc >= 4 ? atoi(argv[3]) : 0;
    args.word = argc == 5 && strcmp(argv[4], word) == 0;
    if (args.network && args.threads >= 1 && args.threads <= PEER_MAX_THREADS && args.passes >= 1 && args.passes <= PEER_MAX_PASSES &&
        argc == 4 + args.word)
        return args;
    fprintf(stderr, "usage: %s sgd|adam|deep THREADS PASSES [%s]\n", argv[0], word);
    exit(2);
}

/* ---- Data ---- */

static uint8_t *read_file(const char *name, size_t header, size_t *bytes)
{
    const char *data = getenv("WEFT_DATA"), *xdg = getenv("XDG_DATA_HOME");
    char paths[3][4096] = {"", "", ""};
    if (data)
        snprintf(paths[0], sizeof paths[0], "%s/fashion-mnist/%s", data, name);
    if (xdg)
        snprintf(paths[1], sizeof paths[1], "%s/weft/fashion-mnist/%s", xdg, name);
    snprintf(paths[2], sizeof paths[2], "/usr/share/datasets/fashion-mnist/%s", name);
    gzFile file = NULL;
    for (int i = 0; i < 3 && !file; i++)
        file = *paths[i] ? gzopen(paths[i], "rb") : NULL;
    uint8_t *all = malloc(64 << 20);
    const int n = file && all ? gzread(file, all, 64 << 20) : -1;
    if (n <= (int)header)
        stop("Fashion-MNIST was not found");
    gzclose(file);
    *bytes = (size_t)n - header;
    memmove(all, all + header, *bytes);
    return all;
}

peer_split peer_load(const char *which)
{
    char name[64];
    size_t bytes;
    peer_split s = {0};
    snprintf(name, sizeof name, "%s-images-idx3-ubyte.gz", which);
    s.x = read_file(name, 16, &bytes);
    snprintf(name, sizeof name, "%s-labels-idx1-ubyte.gz", which);
    s.y = read_file(name, 8, &s.n);
    if (bytes != s.n * FEATURES)
        stop("Fashion-MNIST's images and labels do not belong together");
    return s;
}

void *peer_memory(size_t bytes)
{
    const size_t whole = (bytes + 63) / 64 * 64;
    void *p = aligned_alloc(64, whole);
    if (!p)
        stop("out of memory");
    return memset(p, 0, whole);
}

double peer_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* splitmix64 */
static uint64_t next(uint64_t *seed)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

void peer_uniform(float *to, size_t n, float bound, uint64_t *seed)
{
    for (size_t i = 0; i < n; i++)
        to[i] = bound * ((float)(next(seed) >> 40) / (1 << 23) - 1);
}

void peer_shuffle(uint32_t *order, size_t n, uint64_t *seed)
{
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    for (size_t i = n - 1; i > 0; i--) {
        const size_t j = next(seed) % (i + 1);
        const uint32_t kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
}

/* ---- Threads ---- */

static struct {
    int n;
    void (*f)(void *shared, int thread);
    void *shared;
    _Alignas(64) atomic_int arrived;
    _Alignas(64) atomic_uint phase;
} team;

/* A barrier's last one opens it. The others spin, and let others run when that takes longer than a step ever should. */
void peer_barrier(void)
{
    if (team.n == 1)
        return;
    const unsigned phase = atomic_load_explicit(&team.phase, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&team.arrived, 1, memory_order_acq_rel) + 1 == team.n) {
        atomic_store_explicit(&team.arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&team.phase, phase + 1, memory_order_release);
        return;
    }
    for (unsigned spins = 1; atomic_load_explicit(&team.phase, memory_order_acquire) == phase; spins++)
        if (spins % 2000)
            _mm_pause();
        else
            sched_yield();
}

static void *member(void *thread)
{
    _MM_SET_FLUSH_ZERO_MODE(_MM_FLUSH_ZERO_ON);
    _mm_setcsr(_mm_getcsr() | 0x40); /* denormals are zeros */
    team.f(team.shared, (int)(intptr_t)thread);
    return NULL;
}

void peer_run(int threads, void (*f)(void *shared, int thread), void *shared)
{
    pthread_t others[PEER_MAX_THREADS];
    team.n = threads;
    team.f = f;
    team.shared = shared;
    for (intptr_t i = 1; i < threads; i++)
        if (pthread_create(&others[i], NULL, member, (void *)i) != 0)
            stop("a thread could not be started");
    member((void *)0);
    for (int i = 1; i < threads; i++)
        pthread_join(others[i], NULL);
}

/* ---- Arithmetic ---- */

float peer_cross_entropy(float *logits, const uint8_t *y, int n, size_t *n_correct)
{
    float top[PEER_LARGE], sum[PEER_LARGE], answer[PEER_LARGE], loss = 0;
    for (int i = 0; i < n; i++) {
        top[i] = logits[i];
        sum[i] = 0;
        answer[i] = logits[y[i] * n + i];
    }
    for (int c = 1; c < PEER_CLASSES; c++)
        for (int i = 0; i < n; i++)
            top[i] = fmaxf(top[i], logits[c * n + i]);
    for (int c = 0; c < PEER_CLASSES; c++)
        for (int i = 0; i < n; i++)
            sum[i] += logits[c * n + i] = expf(logits[c * n + i] - top[i]);
    for (int i = 0; i < n; i++) {
        *n_correct += answer[i] >= top[i];
        loss += top[i] - answer[i] + logf(sum[i]);
        sum[i] = 1 / (sum[i] * (float)n);
    }
    for (int c = 0; c < PEER_CLASSES; c++)
        for (int i = 0; i < n; i++)
            logits[c * n + i] *= sum[i];
    for (int i = 0; i < n; i++)
        logits[y[i] * n + i] -= 1 / (float)n;
    return loss;
}

peer_adam peer_adam_at(float lr, long t)
{
    return (peer_adam){(float)(lr / (1 - pow(0.9, (double)t))), (float)(1 / sqrt(1 - pow(0.999, (double)t)))};
}

void peer_adam_update(peer_adam at, peer_state s, const float *restrict g, size_t n)
{
    float *restrict w = s.w, *restrict m = s.m, *restrict v = s.v;
    for (size_t i = 0; i < n; i++) {
        m[i] += 0.1f * (g[i] - m[i]);
        v[i] += 0.001f * (g[i] * g[i] - v[i]);
        w[i] -= at.step * m[i] / (sqrtf(v[i]) * at.root + 1e-8f);
    }
}

/* ---- Transposing, 16 x 16 in registers ---- */

typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));
typedef int32_t places __attribute__((vector_size(LANES * sizeof(int32_t))));

static inline __attribute__((always_inline)) void exchange(lanes *row, int d)
{
    places low, high; /* of a pair of rows, which lanes go to the first and to the second */
    for (int j = 0; j < LANES; j++) {
        low[j] = j & d ? LANES + (j ^ d) : j;
        high[j] = j & d ? LANES + j : j | d;
    }
    for (int i = 0; i < LANES; i++)
        if (!(i & d)) {
            const lanes a = row[i], b = row[i | d];
            row[i] = __builtin_shuffle(a, b, low);
            row[i | d] = __builtin_shuffle(a, b, high);
        }
}

static inline __attribute__((always_inline)) void transpose_16(lanes *row)
{
    exchange(row, 1);
    exchange(row, 2);
    exchange(row, 4);
    exchange(row, 8);
}

void peer_transpose(const float *from, size_t ld_from, float *to, size_t ld_to, size_t rows, size_t columns)
{
    const size_t whole_rows = rows / LANES * LANES, whole_columns = columns / LANES * LANES;
    for (size_t r = 0; r < whole_rows; r += LANES)
        for (size_t c = 0; c < whole_columns; c += LANES) {
            lanes row[LANES];
            for (int i = 0; i < LANES; i++)
                row[i] = *(const lanes *)(from + (r + (size_t)i) * ld_from + c);
            transpose_16(row);
            for (int i = 0; i < LANES; i++)
                *(lanes *)(to + (c + (size_t)i) * ld_to + r) = row[i];
        }
    for (size_t r = 0; r < rows; r++)
        for (size_t c = r < whole_rows ? whole_columns : 0; c < columns; c++)
            to[c * ld_to + r] = from[r * ld_from + c];
}

void peer_gather_16(const peer_split *s, const uint32_t *index, float *x, float *xt, size_t ld)
{
    for (int i = 0; i < LANES; i++) {
        const uint8_t *from = s->x + (size_t)index[i] * FEATURES;
        for (int j = 0; j < FEATURES; j++)
            x[i * FEATURES + j] = (float)from[j] * (1 / 255.f);
    }
    if (xt)
        peer_transpose(x, FEATURES, xt, ld, LANES, FEATURES);
}

/* ---- What is printed ---- */

static void print_list(const char *name, const double *numbers, int n)
{
    printf(", \"%s\": [", name);
    for (int i = 0; i < n; i++)
        printf("%s%.6f", i ? ", " : "", numbers[i]);
    printf("]");
}

void peer_print(const peer_args *args, const peer_result *r)
{
    printf("{\"network\": \"%s\", \"threads\": %d", args->network->name, args->threads);
    print_list("seconds", r->seconds, args->passes);
    print_list("loss", r->loss, args->passes);
    if (r->evaluate_seconds[0] > 0)
        print_list("evaluate_seconds", r->evaluate_seconds, args->passes);
    printf("}\n");
}
