#include "base/base.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

enum {
    CACHE_LINE = 64,
    STACK_BYTES = 1 << 20,
    SPINS = 300,  /* of some 10 to 45 ns: longer than the phases of a training step differ as a rule; none where threads share cores */
    YIELDS = 500, /* then the core goes to whoever has work, the awaited thread or another program, and comes back when nobody has */
};

/* A number that only goes up, and that threads wait to see changed. Waiters spin, then yield, then sleep in the kernel. */
typedef struct gate {
    alignas(CACHE_LINE) atomic_uint passed;
    atomic_uint sleepers;
} gate;

typedef struct worker {
    struct pool *pool;
    int index;
    pthread_t id;
} worker;

struct pool {
    gate start, barrier;
    alignas(CACHE_LINE) atomic_uint arrived;
    alignas(CACHE_LINE) int n_threads;
    int n_started; /* workers to join */
    int spins;
    pool_work *work; /* of the current run, published by `start`; NULL: the workers end */
    void *arg;
    worker workers[];
};

/* ---- Waiting ---- */

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

static long futex(atomic_uint *word, int operation, unsigned value)
{
    return syscall(SYS_futex, word, operation, value, NULL, NULL, 0);
}

/* The sleeper counts itself, then looks at `passed`; the opener changes `passed`, then looks at the count. In the one
 * order of sequentially consistent operations, one of the two sees the other, so no wake-up is lost. */
static void gate_open(gate *g)
{
    atomic_fetch_add(&g->passed, 1);
    if (atomic_load(&g->sleepers) > 0)
        futex(&g->passed, FUTEX_WAKE_PRIVATE, INT_MAX);
}

static void gate_wait(gate *g, unsigned seen, const pool *p)
{
    for (int i = 0; i < p->spins; i++) {
        if (atomic_load_explicit(&g->passed, memory_order_acquire) != seen)
            return;
        relax();
    }
    for (int i = 0; i < YIELDS; i++) {
        if (atomic_load_explicit(&g->passed, memory_order_acquire) != seen)
            return;
        sched_yield();
    }
    atomic_fetch_add(&g->sleepers, 1);
    while (atomic_load(&g->passed) == seen)
        futex(&g->passed, FUTEX_WAIT_PRIVATE, seen);
    atomic_fetch_sub(&g->sleepers, 1);
}

void pool_barrier(pool *p)
{
    if (p->n_threads == 1)
        return;
    /* Cannot change before this thread has arrived. */
    unsigned seen = atomic_load_explicit(&p->barrier.passed, memory_order_relaxed);
    unsigned before = atomic_fetch_add_explicit(&p->arrived, 1, memory_order_acq_rel);
    if (before + 1 < (unsigned)p->n_threads) {
        gate_wait(&p->barrier, seen, p);
        return;
    }
    atomic_store_explicit(&p->arrived, 0, memory_order_relaxed);
    gate_open(&p->barrier);
}

/* ---- Running ---- */

/* How the CPU rounds. All that the arithmetic goes by is set as at a program's start: to nearest, denormals kept, no traps. */
#if defined(__SSE__)
enum { ROUNDING = 0x1F80 };
static uint64_t rounding(void) { return _mm_getcsr(); }
static void set_rounding(uint64_t mode) { _mm_setcsr((unsigned)mode); }
#elif defined(__aarch64__)
enum { ROUNDING = 0 };
static uint64_t rounding(void)
{
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
}
static void set_rounding(uint64_t mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode)); }
#endif

/* A caller's or a library's other way to round would change bits. */
static void run_rounding(pool_work *work, void *arg, int thread, int n_threads)
{
    const uint64_t before = rounding();
    set_rounding(ROUNDING);
    work(arg, thread, n_threads);
    set_rounding(before);
}

void pool_run_alone(pool_work *work, void *arg) { run_rounding(work, arg, 0, 1); }

static void run_share(pool *p, int thread)
{
    run_rounding(p->work, p->arg, thread, p->n_threads);
    pool_barrier(p);
}

static void *worker_main(void *arg)
{
    worker *self = arg;
    pool *p = self->pool;
    for (unsigned runs = 0;; runs++) {
        gate_wait(&p->start, runs, p);
        if (p->work == NULL)
            return NULL;
        run_share(p, self->index);
    }
}

void pool_run(pool *p, pool_work *work, void *arg)
{
    p->work = work;
    p->arg = arg;
    if (p->n_threads > 1)
        gate_open(&p->start);
    run_share(p, 0);
}

int pool_threads(const pool *p)
{
    return p->n_threads;
}

/* Signals go to the caller's threads, except those that a thread's own faults raise: they should end in a core dump. */
static sigset_t signals_of_callers(void)
{
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
    sigset_t set;
    sigfillset(&set);
    for (size_t i = 0; i < COUNT(own); i++)
        sigdelset(&set, own[i]);
    return set;
}

/* 0, or what pthread_create said. */
static int start_workers(pool *p)
{
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);
    if (error != 0)
        return error;
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    sigset_t blocked = signals_of_callers(), before;
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    while (error == 0 && p->n_started < p->n_threads - 1) {
        worker *w = &p->workers[p->n_started];
        *w = (worker){.pool = p, .index = p->n_started + 1};
        error = pthread_create(&w->id, &attributes, worker_main, w);
        p->n_started += error == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}

pool *pool_create(int n_threads, weft_error *err)
{
    if (n_threads < 0 || n_threads > MAX_THREADS) {
        fail(err, WEFT_BAD_INPUT, (where){0}, "threads is %d, but must be at least 0 (all cores) and at most %d",
             n_threads, MAX_THREADS);
        return NULL;
    }
    int cores = usable_cores();
    if (n_threads == 0)
        n_threads = cores;
    size_t size = round_up(sizeof(pool) + (size_t)n_threads * sizeof(worker), CACHE_LINE);
    pool *p = aligned_alloc(CACHE_LINE, size);
    if (p == NULL) {
        fail_memory(err);
        return NULL;
    }
    memset(p, 0, size);
    p->n_threads = n_threads;
    p->spins = n_threads > cores ? 0 : SPINS;
    errno = start_workers(p);
    if (errno == 0)
        return p;
    fail(err, errno == ENOMEM ? WEFT_NO_MEMORY : WEFT_IO, (where){0},
         "cannot start thread %d of %d: %m; use fewer threads", p->n_started + 2, n_threads);
    pool_free(p);
    return NULL;
}

void pool_free(pool *p)
{
    if (p == NULL)
        return;
    p->work = NULL;
    gate_open(&p->start);
    for (int i = 0; i < p->n_started; i++)
        pthread_join(p->workers[i].id, NULL);
    free(p);
}

/* ---- Time and cores ---- */

double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The first line of a small system file that starts with `prefix`, without its newline; false where there is none. */
static bool read_line(const char *path, const char *prefix, char *line, size_t size)
{
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return false;
    bool found = false;
    while (!found && fgets(line, (int)size, f) != NULL)
        found = strncmp(line, prefix, strlen(prefix)) == 0;
    fclose(f);
    if (found)
        line[strcspn(line, "\n")] = '\0';
    return found;
}

/* The smallest cpu.max ("QUOTA PERIOD", in microseconds, or "max PERIOD") of the process's cgroup and those above it,
 * in cores, rounded up; `cores` where nothing says less. */
static int within_quota(int cores)
{
    static const char root[] = "/sys/fs/cgroup";
    char line[1024], path[1024 + 64];
    if (!read_line("/proc/self/cgroup", "0::/", line, sizeof line))
        return cores;
    char *group = line + strlen("0::");
    for (char *end = group + strlen(group); end != NULL; end = strrchr(group, '/')) {
        *end = '\0';
        snprintf(path, sizeof path, "%s%s/cpu.max", root, group);
        char limit[64], *rest = limit;
        if (!read_line(path, "", limit, sizeof limit))
            continue;
        const unsigned long long quota = strtoull(limit, &rest, 10), period = strtoull(rest, NULL, 10);
        if (period > 0)
            cores = (int)MIN((unsigned long long)cores, MAX(quota / period + (quota % period > 0), 1));
    }
    return cores;
}

int usable_cores(void)
{
    cpu_set_t set;
    long cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : sysconf(_SC_NPROCESSORS_ONLN);
    return within_quota((int)MAX(MIN(cores, MAX_THREADS), 1));
}
