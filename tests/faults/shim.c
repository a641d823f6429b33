/* Preloaded into the command, this counts its allocations, threads and system calls, libraries' included, and at each of them asks the
 * program that started it (tests/faults/faults.py) over a socket whether that one shall fail:
 *
 *     shim:   at memory 17 4096 libcairo.so.2+1a2b weft+3c4d ...        kind or name of the call, the how-many-th, bytes or argument, who asked
 *     tester: next                                                      it does not fail; so does "free", and nothing is asked any more
 *             once|always ERROR FOLDER                                  a copy of the process goes on in a copy of its folder, and there it
 *                                                                       fails, then or every time from then on; "-": no copy, the process itself
 *             short - FOLDER                                            the same with half of the bytes read or written
 *     shim:   ended STATUS                                              the copy did, as wait4() says; then it is asked again about the same one
 *
 * A copy says which blocks are still allocated when it ends ("live BYTES WHO") and where it crashed ("crash SIGNAL WHO"). So one run of the
 * command serves all of its faults, and what each of them leaves behind lies in a folder of its own.
 *
 * System calls are caught by seccomp, which turns them into SIGSYS: none is missed, whoever makes it. */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

enum { MESSAGE_BYTES = 4096, MAX_FRAMES = 60, SECONDS_TO_END = 300, CPU_SECONDS_TO_END = 3, BLOCKS = 1 << 16 };

/* A system call that no filter catches: the filter lets pass what comes from these few bytes. */
long real_call(long number, long a, long b, long c, long d, long e, long f) __attribute__((visibility("hidden")));
extern const char real_call_end[] __attribute__((visibility("hidden")));
__asm__(".text\n.globl real_call\n.hidden real_call\n.type real_call, @function\nreal_call:\n"
        "mov %rdi, %rax\nmov %rsi, %rdi\nmov %rdx, %rsi\nmov %rcx, %rdx\nmov %r8, %r10\nmov %r9, %r8\nmov 8(%rsp), %r9\nsyscall\nret\n"
        ".globl real_call_end\n.hidden real_call_end\nreal_call_end:\n");

#define CALL(number, a, b, c, d) real_call(number, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

static struct {
    int socket;         /* to the tester */
    bool asks;          /* about what `kind` says; a copy in which something failed asks no more */
    enum { MEMORY, THREADS, CALLS, STORM } kind;
    const char *always; /* what fails from now on, by its name; NULL: nothing */
    int error;
    char folder[PATH_MAX];
} shim;
static __thread bool busy; /* the code below itself runs: what it asks for goes through */

/* ---- What is caught ---- */

enum about { NOTHING, BY_FD, BY_PATH, BY_PATH_AT }; /* what a call is about, from its first argument or the second */

static const struct call {
    const char *name;
    enum about about;
} calls[512] = {
#define X(call, about) [SYS_##call] = {#call, about},
    X(open, BY_PATH) X(openat, BY_PATH_AT) X(creat, BY_PATH) X(read, BY_FD) X(pread64, BY_FD) X(readv, BY_FD) X(write, BY_FD)
    X(pwrite64, BY_FD) X(writev, BY_FD) X(fsync, BY_FD) X(fdatasync, BY_FD) X(rename, BY_PATH) X(renameat, BY_PATH_AT)
    X(renameat2, BY_PATH_AT) X(link, BY_PATH) X(linkat, BY_PATH_AT) X(symlink, BY_PATH) X(unlink, BY_PATH) X(unlinkat, BY_PATH_AT)
    X(close, BY_FD) X(fallocate, BY_FD) X(ftruncate, BY_FD) X(truncate, BY_PATH) X(flock, BY_FD) X(fcntl, BY_FD) X(mmap, NOTHING)
    X(mprotect, NOTHING) X(madvise, NOTHING) X(brk, NOTHING) X(mremap, NOTHING) X(mkdir, BY_PATH) X(mkdirat, BY_PATH_AT)
    X(rmdir, BY_PATH) X(stat, BY_PATH) X(lstat, BY_PATH) X(fstat, BY_FD) X(newfstatat, BY_PATH_AT) X(statx, BY_PATH_AT)
    X(access, BY_PATH) X(faccessat, BY_PATH_AT) X(faccessat2, BY_PATH_AT) X(getdents64, BY_FD) X(lseek, BY_FD) X(chmod, BY_PATH)
    X(fchmod, BY_FD) X(fchmodat, BY_PATH_AT) X(utimensat, BY_PATH_AT) X(readlink, BY_PATH) X(readlinkat, BY_PATH_AT)
    X(getcwd, NOTHING) X(ioctl, BY_FD) X(dup, BY_FD) X(dup3, BY_FD) X(pipe2, NOTHING) X(sendfile, BY_FD) X(copy_file_range, BY_FD)
    X(fadvise64, BY_FD) X(statfs, BY_PATH) X(fstatfs, BY_FD) X(sched_getaffinity, NOTHING)
#undef X
};

/* ---- Talking ---- */

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
    char message[MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(message, sizeof message, format, args);
    va_end(args);
    n = n < (int)sizeof message ? n : (int)sizeof message - 1;
    real_call(SYS_sendto, shim.socket, (long)message, n, MSG_NOSIGNAL, 0, 0);
}

/* Who asked, as "library+offset ..." from the inside out, without this one. */
static void write_callers(void *const *frames, int n, char *out, size_t size)
{
    Dl_info own = {0}, info;
    dladdr((void *)say, &own);
    size_t used = 0;
    out[0] = '\0';
    for (int i = 0; i < n && used + 1 < size; i++) {
        if (!dladdr(frames[i], &info) || !info.dli_fname || info.dli_fbase == own.dli_fbase)
            continue;
        const char *slash = strrchr(info.dli_fname, '/');
        used += (size_t)snprintf(out + used, size - used, "%s%s+%zx", used ? " " : "", slash ? slash + 1 : info.dli_fname,
                                 (size_t)((char *)frames[i] - (char *)info.dli_fbase));
    }
}

static void write_own_callers(char *out, size_t size)
{
    void *frames[MAX_FRAMES + 4];
    write_callers(frames, backtrace(frames, MAX_FRAMES + 4), out, size);
}

/* ---- Blocks that are allocated, each with who asked for it ---- */

static struct block {
    void *at;
    size_t size;
    void *callers[4];
} *blocks;
static pthread_spinlock_t blocks_lock;

static size_t slot_of(const void *at) { return (size_t)((uint64_t)(uintptr_t)at * 0x9E3779B97F4A7C15u >> 48) % BLOCKS; }

/* The slot that holds `at`, or the empty one where the search for it ends. */
static size_t find_slot(const void *at)
{
    size_t i = slot_of(at);
    while (blocks[i].at && blocks[i].at != at)
        i = (i + 1) % BLOCKS;
    return i;
}

static void remember(void *at, size_t size)
{
    void *frames[8] = {0};
    const int n = backtrace(frames, 8);
    struct block one = {.at = at, .size = size};
    for (int frame = 2; frame < n && frame < 6; frame++)
        one.callers[frame - 2] = frames[frame];
    pthread_spin_lock(&blocks_lock);
    blocks[find_slot(at)] = one;
    pthread_spin_unlock(&blocks_lock);
}

/* What stands behind it moves up, so that a search still ends at the first empty slot. */
static void forget(void *at)
{
    if (!blocks || !at)
        return;
    pthread_spin_lock(&blocks_lock);
    size_t hole = find_slot(at);
    if (blocks[hole].at)
        for (size_t i = (hole + 1) % BLOCKS; blocks[i].at; i = (i + 1) % BLOCKS)
            if ((i - slot_of(blocks[i].at)) % BLOCKS >= (i - hole) % BLOCKS) {
                blocks[hole] = blocks[i];
                hole = i;
            }
    blocks[hole].at = NULL;
    pthread_spin_unlock(&blocks_lock);
}

static void report_blocks(void)
{
    char callers[MESSAGE_BYTES / 2];
    for (size_t i = 0; i < BLOCKS; i++) {
        if (!blocks[i].at)
            continue;
        write_callers(blocks[i].callers, 4, callers, sizeof callers);
        say("live %zu %s", blocks[i].size, callers);
    }
}

/* ---- A copy of the process ---- */

/* Files that stand in the folder are opened again in its copy, so that neither writes into the other's. */
static void move_files(const char *folder)
{
    size_t length = strlen(shim.folder);
    for (int fd = 0; fd < 64; fd++) {
        char link[64], path[PATH_MAX], moved[2 * PATH_MAX];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        long n = CALL(SYS_readlink, link, path, sizeof path - 1, 0);
        if (n <= 0 || strncmp(path, shim.folder, length) != 0 || (path[length < (size_t)n ? length : (size_t)n] != '/' && (size_t)n != length))
            continue;
        path[n] = '\0';
        snprintf(moved, sizeof moved, "%s%s", folder, path + length);
        long flags = CALL(SYS_fcntl, fd, F_GETFL, 0, 0), keep = CALL(SYS_fcntl, fd, F_GETFD, 0, 0);
        long at = CALL(SYS_lseek, fd, 0, SEEK_CUR, 0), other = CALL(SYS_open, moved, flags, 0, 0);
        if (other < 0)
            continue;
        CALL(SYS_lseek, other, at > 0 ? at : 0, SEEK_SET, 0);
        CALL(SYS_dup3, other, fd, keep & FD_CLOEXEC ? O_CLOEXEC : 0, 0);
        CALL(SYS_close, other, 0, 0, 0);
    }
}

/* Without what the C library does around a fork: it may be in the middle of something. Where it keeps the thread's number it is told the
 * new one. Returns 0 in the copy. */
static long copy_process(void)
{
    int *own_number = NULL;
    CALL(SYS_prctl, PR_GET_TID_ADDRESS, &own_number, 0, 0);
    const long flags = SIGCHLD | (own_number ? 0x01000000 | 0x00200000 : 0); /* CLONE_CHILD_SETTID, CLONE_CHILD_CLEARTID */
    return real_call(SYS_clone, flags, 0, 0, (long)own_number, 0, 0);
}

static bool begin_copy(const char *folder)
{
    const long child = copy_process();
    if (child != 0) {
        int status = 0;
        while (CALL(SYS_wait4, child, &status, 0, 0) == -EINTR) {}
        say("ended %d", status);
        return false;
    }
    CALL(SYS_chdir, folder, 0, 0, 0);
    move_files(folder);
    CALL(SYS_alarm, SECONDS_TO_END, 0, 0, 0);
    CALL(SYS_setrlimit, RLIMIT_CPU, (&(struct rlimit){CPU_SECONDS_TO_END, RLIM_INFINITY}), 0, 0);
    return true;
}

/* ---- Whether this one fails ---- */

enum verdict { GOES, FAILS, IS_SHORT };

static enum verdict ask(const char *what, size_t n, size_t size, const char *about)
{
    char callers[MESSAGE_BYTES / 2], answer[MESSAGE_BYTES], word[16], folder[MESSAGE_BYTES];
    write_own_callers(callers, sizeof callers);
    for (;;) {
        say("at %s %zu %zu %s\t%s", what, n, size, callers, about);
        const long length = real_call(SYS_recvfrom, shim.socket, (long)answer, sizeof answer - 1, 0, 0, 0);
        answer[length > 0 ? length : 0] = '\0';
        if (strcmp(answer, "next") == 0)
            return GOES;
        const bool fails = length > 0 && sscanf(answer, "%15s %d %2000s", word, &shim.error, folder) == 3;
        if (fails && strcmp(folder, "-") != 0 && !begin_copy(folder))
            continue;
        shim.asks = false;
        shim.always = fails && strcmp(word, "always") == 0 ? what : NULL;
        return !fails ? GOES : strcmp(word, "short") == 0 ? IS_SHORT : FAILS;
    }
}

/* ---- Allocations: none fails before the command's own code begins ---- */

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static bool memory_fails(size_t size)
{
    static size_t n;
    if (busy || shim.kind != MEMORY || (!shim.asks && !shim.always))
        return false;
    busy = true;
    const bool fails = shim.asks ? ask("memory", ++n, size, "") == FAILS : true;
    busy = false;
    if (fails)
        errno = ENOMEM;
    return fails;
}

static void *allocated(void *at, size_t size)
{
    if (!busy && blocks && at) {
        busy = true;
        remember(at, size);
        busy = false;
    }
    return at;
}

void *malloc(size_t size) { return memory_fails(size) ? NULL : allocated(__libc_malloc(size), size); }

void *calloc(size_t n, size_t size) { return memory_fails(n * size) ? NULL : allocated(__libc_calloc(n, size), n * size); }

void *realloc(void *old, size_t size)
{
    if (memory_fails(size))
        return NULL;
    void *at = __libc_realloc(old, size);
    if (at || size == 0)
        forget(old);
    return allocated(at, size);
}

void *memalign(size_t alignment, size_t size) { return memory_fails(size) ? NULL : allocated(__libc_memalign(alignment, size), size); }

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **out, size_t alignment, size_t size)
{
    void *at = memalign(alignment, size);
    if (at)
        *out = at;
    return at ? 0 : ENOMEM;
}

void free(void *at)
{
    forget(at);
    __libc_free(at);
}

/* ---- Threads ---- */

int pthread_create(pthread_t *id, const pthread_attr_t *attributes, void *(*begin)(void *), void *arg)
{
    static size_t n;
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = dlsym(RTLD_NEXT, "pthread_create");
    const bool asked = shim.kind == THREADS && shim.asks;
    if (asked ? ask("thread", ++n, 0, "") == FAILS : shim.kind == THREADS && shim.always)
        return shim.error;
    return real(id, attributes, begin, arg);
}

/* ---- System calls ---- */

static void write_path(long number, const greg_t *r, char *out, size_t size)
{
    const enum about about = calls[number].about;
    char link[64];
    long n = 0;
    if (about == BY_PATH || about == BY_PATH_AT) {
        snprintf(out, size, "%s", (const char *)(about == BY_PATH ? r[REG_RDI] : r[REG_RSI]));
        return;
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", (int)r[REG_RDI]);
    n = about == BY_FD ? CALL(SYS_readlink, link, out, size - 1, 0) : 0;
    out[n > 0 ? n : 0] = '\0';
}

static enum verdict call_goes(long number, const greg_t *r)
{
    static size_t counts[512];
    char path[512];
    const char *name = calls[number].name;
    if (busy || (!shim.asks && !shim.always))
        return GOES;
    if (!shim.asks)
        return strcmp(name, shim.always) == 0 ? FAILS : GOES;
    write_path(number, r, path, sizeof path);
    return ask(name, ++counts[number], (size_t)r[REG_RDX], path);
}

static void on_call(int signal_number, siginfo_t *info, void *context)
{
    (void)signal_number;
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    const long number = info->si_syscall;
    const int before = errno;
    const enum verdict verdict = call_goes(number, r);
    const bool was_busy = busy;
    busy = true;
    if (verdict == FAILS && number == SYS_brk) /* which never says more than where the end of memory stays */
        r[REG_RAX] = CALL(number, 0, 0, 0, 0);
    else if (verdict == FAILS && number != SYS_close) /* a file is closed, whatever close() says */
        r[REG_RAX] = -shim.error;
    else {
        const long size = verdict == IS_SHORT ? (r[REG_RDX] + 1) / 2 : r[REG_RDX];
        const long result = real_call(number, r[REG_RDI], r[REG_RSI], size, r[REG_R10], r[REG_R8], r[REG_R9]);
        r[REG_RAX] = verdict == FAILS ? -shim.error : result;
    }
    busy = was_busy;
    errno = before;
}

static void catch_calls(void)
{
    const uintptr_t begin = (uintptr_t)real_call, end = (uintptr_t)real_call_end;
    struct sock_filter filter[9 + sizeof calls / sizeof *calls] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(begin >> 32), 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (uint32_t)begin, 0, 2),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (uint32_t)end, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    };
    size_t n = 7, n_calls = 0;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        n_calls += calls[i].name != NULL;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (calls[i].name)
            filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)i, (uint8_t)n_calls--, 0);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
    struct sock_fprog program = {.len = (unsigned short)n, .filter = filter};
    struct sigaction action = {.sa_sigaction = on_call, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
    sigaction(SIGSYS, &action, NULL);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        say("refused %d", errno);
}

/* ---- Signals ---- */

static void on_tick(int number) { (void)number; }

/* A signal every millisecond, and calls that it interrupts are not begun again by themselves. */
static void begin_storm(void)
{
    struct sigaction action = {.sa_handler = on_tick};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 1000}, {0, 1000}}, NULL);
}

static void on_crash(int number)
{
    char callers[MESSAGE_BYTES / 2];
    busy = true;
    write_own_callers(callers, sizeof callers);
    say("crash %d %s", number, callers);
    CALL(SYS_kill, getpid(), number, 0, 0);
}

static void report_crashes(void)
{
    static char stack[1 << 16];
    sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGXCPU};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigaction(numbers[i], &(struct sigaction){.sa_handler = on_crash, .sa_flags = SA_ONSTACK | SA_NODEFER | SA_RESETHAND}, NULL);
}

/* ---- Beginning and end ---- */

/* FAULTS: the socket's number and what is to be asked about. */
__attribute__((constructor)) static void begin(void)
{
    const char *how = getenv("FAULTS");
    char kind[16];
    if (!how || sscanf(how, "%d %15s", &shim.socket, kind) != 2)
        return;
    void *frames[4];
    backtrace(frames, 4); /* loads what it needs */
    fcntl(shim.socket, F_SETFD, FD_CLOEXEC);
    if (!getcwd(shim.folder, sizeof shim.folder))
        return;
    pthread_spin_init(&blocks_lock, PTHREAD_PROCESS_PRIVATE);
    void *room = mmap(NULL, BLOCKS * sizeof *blocks, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    blocks = room == MAP_FAILED ? NULL : room;
    report_crashes();
    static const char *const kinds[] = {"memory", "threads", "calls", "storm"};
    while (strcmp(kinds[shim.kind], kind) != 0)
        shim.kind++;
    shim.asks = true;
    if (shim.kind == CALLS)
        catch_calls();
    if (shim.kind == STORM)
        begin_storm();
}

__attribute__((destructor)) static void end(void)
{
    shim.asks = false;
    shim.always = NULL;
    if (blocks)
        report_blocks();
}
