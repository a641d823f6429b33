/* What every room stands on: errors, memory, text, settings, random numbers, files, threads. */
#ifndef BASE_H
#define BASE_H

#include <stdio.h>
#include <weft.h>

#include "base/statistics.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* A member of a struct, where a table knows its offset. */
static inline void *member_of(void *of, size_t offset) { return (char *)of + offset; }
static inline const void *const_member_of(const void *of, size_t offset) { return (const char *)of + offset; }

static inline size_t round_up(size_t n, size_t multiple) { return (n + multiple - 1) / multiple * multiple; }

/* ---- Errors (error.c) ---- */

/* Where something of the user's stands. line 0: no line is known (a command's argument, a binary file). */
typedef struct where {
    const char *file;
    size_t line, column;
} where;

/* Adds a mistake to `err` (which may be NULL): the message gets one line more, and the first one's place is kept.
 * Returns `status`, so that `return fail(...)` reads well. Control characters and broken UTF-8 are escaped. */
weft_status fail(weft_error *err, weft_status status, where at, const char *format, ...) __attribute__((format(printf, 4, 5)));
weft_status fail_memory(weft_error *err);
/* "FILE: what the system says", from errno. */
weft_status fail_errno(weft_error *err, const char *file, const char *doing);

/* Returns the status of `call` from this function unless it is WEFT_OK. */
#define TRY(call)                         \
    do {                                  \
        weft_status try_status_ = (call); \
        if (try_status_ != WEFT_OK)       \
            return try_status_;           \
    } while (0)

/* ---- Memory (arena.c) ---- */

/* Everything in an arena lives until arena_deinit. Zero-initialise it. Memory is zeroed and aligned to 64 bytes. */
typedef struct arena {
    struct arena_chunk *chunk;
    size_t used_bytes; /* of all allocations, for the memory that a plan reports */
} arena;

void *arena_alloc(arena *a, size_t bytes); /* NULL: no memory */
void *arena_array(arena *a, size_t n, size_t bytes_each); /* the product is checked */
char *arena_text(arena *a, const char *text); /* a copy */
char *arena_printf(arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
void arena_deinit(arena *a);

/* Whether a * b, a + b fit; the result is stored when they do. */
#define checked_mul(a, b, result) (!__builtin_mul_overflow(a, b, result))
#define checked_add(a, b, result) (!__builtin_add_overflow(a, b, result))

/* ---- Text (text.c) ---- */

/* A growing text. Zero-initialise; `failed` says that memory ran out, and then the text stays as it was. */
typedef struct text {
    char *data; /* NUL-terminated once something was added */
    size_t length, capacity;
    bool failed;
} text;

void text_add(text *t, const char *string);
void text_add_bytes(text *t, const char *bytes, size_t n);
void text_printf(text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Appends `string` with everything escaped that could confuse a terminal: control and bidi characters, bad UTF-8. */
void text_add_escaped(text *t, const char *string);
/* Appends bytes in base64 (RFC 4648, padded). (base64.c) */
void text_add_base64(text *t, const void *data, size_t size);
/* The `size` bytes that such a text holds; false where it holds others, or is none. */
bool base64_read(const char *string, void *out, size_t size);
/* Appends `words` as a terminal shows the item of a list: lines end between words, and all but the first begin two columns in. */
void text_add_wrapped(text *t, const char *words);
void text_free(text *t);
/* Appends `string` as a part of a file's name: its ASCII letters in lower case and its digits, with one '-' for whatever
 * stands between them; never empty. (slug.c) */
void text_add_slug(text *t, const char *string);
/* Such a name for each of n names, no two of them equal ("-2" is appended, and so on), nor one that a comparison's own files have. The
 * same names in the same order give the same file names everywhere. NULL: no memory. */
char **slugs_make(arena *a, const char *const *names, size_t n);
/* Copies the next character of `string` to `out`, escaped as above; returns how many bytes of `string` it took, 0 at the end. */
enum { ESCAPED_BYTES = 8 };
size_t escape_next(const char *string, char out[ESCAPED_BYTES]);
/* The next character's code and its length in bytes; 0 where the bytes are not UTF-8. */
size_t utf8_next(const char *string, uint32_t *code);
bool utf8_valid(const char *string);

/* Whether one of the lines of `lines` is the first `length` bytes of `line`. */
bool has_line(const char *lines, const char *line, size_t length);

/* Whole text to a number, C locale, no octal, no trailing characters; false when it is not one or is out of range. */
bool parse_u64(const char *string, uint64_t *value);
bool parse_double(const char *string, double *value); /* finite only; 1e400 is refused, 1e-400 is 0 */
/* The shortest decimal that reads back to the same double ("0.1"), or null for what is not finite, as JSON wants. */
const char *print_double(double value, char buffer[32]);

/* The word of a list that is nearest to `word`, or NULL if none is near enough to be a slip of the finger. `words` is an array of
 * `n` strings that stand `stride` bytes apart, so that it can be a column of a table. */
const char *nearest_word(const char *word, const void *words, size_t n, size_t stride);
/* Refuses a `word` that is not in the list, with the nearest one, or all there are: `unknown layer "rleu"; did you mean "relu"?` */
weft_status fail_unknown(weft_error *err, where at, const char *what, const char *word, const void *words, size_t n, size_t stride);

/* ---- Warnings (error.c): what is odd about something of the user's, and goes all the same ----
 *
 * Whatever is read or made keeps its own: a line each, in an error's form, no newline at the end. The command tells them, the library does
 * not. Where there was no memory for one, the text has `failed`. */

/* Adds a warning to `warnings` (may be NULL), unless it is there already. */
void warn(text *warnings, where at, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same for each line of somebody else's. */
void warn_all(text *warnings, const char *lines);

/* ---- Settings (setting.c) and fields (field.c) ---- */

/* What a user wrote, before it has a type: from an experiment file, a command line or a text such as
 * "sgd lr=0.1 nesterov=true". Lives in an arena. */
typedef struct setting {
    enum { SETTING_SCALAR, SETTING_LIST, SETTING_MAP } kind;
    const char *key;        /* of an entry of a map; NULL in a list and for a bare value */
    const char *text;       /* of a scalar */
    struct setting *first, *next; /* children; siblings */
    where at;               /* of the value */
    where key_at;
} setting;

/* Reads "name value key=value key=(a, b)" as a map {name: name, NULL: value, key: value, …}. Lists may also stand in [], with such
 * specs among their items, and a value with blanks in "", where \" \\ \n \t mean what they mean in C. Columns count from at.column
 * when a line is known. */
setting *setting_from_spec(arena *a, const char *spec, where at, weft_error *err);
setting *setting_list_from_specs(arena *a, const char *specs, where at, weft_error *err); /* of "linear 1000, relu": a list of such maps */
const setting *setting_find(const setting *map, const char *key);

/* As many numbers as the user wrote; in the arena. */
typedef struct number_list {
    size_t n;
    const double *at;
} number_list;

typedef struct size_list {
    size_t n;
    const size_t *at; /* [n] */
} size_list;

typedef enum field_type {
    FIELD_SIZE, /* size_t */
    FIELD_U64,  /* uint64_t */
    FIELD_INT,  /* int32_t */
    FIELD_REAL, /* double */
    FIELD_PAIR, /* double[2], written [a, b] or (a, b) */
    FIELD_REALS, /* number_list, written [a, b, c], or a for a list of one; unset: n is 0 */
    FIELD_BOOL, /* bool */
    FIELD_TEXT, /* const char *, in the arena */
    FIELD_MAP,  /* a struct of the fields that `fields` lists; a value that is no map goes to the first that is BARE */
    FIELD_WORDS, /* const char *const *, ends with NULL, in the arena; written [a, b], or a for a list of one */
    FIELD_SIZES, /* size_list, in the arena, written [1, 2] or (1, 2) */
    FIELD_LIST, /* const setting *: a list as it was written; whoever reads its items leaves texts in it, to be printed */
} field_type;

enum { FIELD_REQUIRED = 1, FIELD_ABOVE_MIN = 2, FIELD_BELOW_MAX = 4, FIELD_BARE = 8 };

/* One thing that can be set, of a struct: drives parsing, errors, help and the resolved file alike. A table of fields ends with a NULL
 * name. */
typedef struct field {
    const char *name;
    field_type type;
    size_t offset; /* in the struct that the table describes */
    unsigned flags; /* REQUIRED; range without its MIN or MAX; BARE: the values without a key go to these, in order */
    double min, max; /* of numbers, of each of several; a max of at most min: no upper limit */
    double value[2]; /* the default: a number, a pair, 0 or 1 */
    const char *text; /* the default of a text, NULL: unset; of a size above 0: the word that stands for 0 */
    const char *const *words; /* what a text can be, ending with NULL; NULL: anything */
    const struct field *fields; /* of a map */
    const char *help; /* one line */
} field;

/* Fills the struct at `out` from a map: defaults first, then what the map says. Entries named in `skip` (NULL-ended list, may be NULL)
 * are somebody else's. Every mistake is added to `err`: unknown key with the nearest one, wrong type, out of range, missing.
 * `what` names the whole in messages: "optimizer sgd". */
weft_status fields_read(const field *table, const setting *map, const char *what, const char *const *skip, void *out,
                        arena *a, weft_error *err);
void fields_default(const field *table, void *out);
/* Appends "key: value" pairs separated by `separator`, for every field that is set; `pattern` is printf's for key and value,
 * e.g. "%s: %s" or "%s=%s". */
void fields_print(const field *table, const void *in, const char *pattern, const char *separator, text *t);
/* Appends PREFIX.NAME for every field that is set, and in place of a map its own, to the list whose last link is `end`: texts as
 * fields_print has them, a plain text without quotes. Returns the new last link. NULL: no memory. */
setting **fields_flatten(const field *table, const void *in, const char *prefix, setting **end, arena *a);
size_t fields_count(const field *table);
/* A table of both, the second's struct `offset` bytes behind the first's. Either may be NULL. Lives in the arena; NULL: no memory. */
field *fields_join(const field *first, const field *second, size_t offset, arena *a);
/* "at least 0 and below 1": of a number. */
enum { FIELD_RANGE_BYTES = 128 };
const char *field_range(const field *f, char buffer[FIELD_RANGE_BYTES]);
/* "linear 10 bias=false": a name, what is required, and what differs from its default; a bare value first. `named`: every value with its
 * key, and the first field always: "sgd lr=0.01". `table` may be NULL. Lives in the arena; NULL: no memory. */
const char *fields_spec(const char *name, const field *table, const void *values, bool named, arena *a);

/* ---- Random numbers (rng.c): Philox4x32-10; a number is a function of (seed, purpose, index), never of a state ---- */

typedef enum rng_purpose { RNG_INIT = 1, RNG_SHUFFLE, RNG_SHOW, RNG_DROPOUT, RNG_SWEEP, RNG_VERIFY } rng_purpose;

void rng_u32x4(uint64_t seed, rng_purpose purpose, uint32_t stream, uint64_t index, uint32_t out[4]);
/* n numbers uniform in [low, high): number i is made from block i / 4 of (seed, purpose, stream). */
void rng_uniform(uint64_t seed, rng_purpose purpose, uint32_t stream, float low, float high, size_t n, float *out);

/* n numbers, normal about `mean`: numbers i are made from block i / 4 as above (Box and Muller, 1958). */
void rng_normal(uint64_t seed, rng_purpose purpose, uint32_t stream, double mean, double std, size_t n, float *out);

/* A keyed permutation of 0..n-1: where position i lies, in O(1) and without memory (Feistel network with cycle walking). */
typedef struct permutation {
    uint64_t n;
    unsigned half_bits;
    uint32_t key[8];
} permutation;

permutation permutation_make(uint64_t n, uint64_t seed, rng_purpose purpose, uint32_t stream);
uint64_t permutation_at(const permutation *p, uint64_t i);

/* base to the exponent, from multiplications alone: the same bits on every machine. (power.c) */
double power(double base, uint64_t exponent);

/* ---- Files (file.c) ---- */

typedef struct bytes {
    unsigned char *data;
    size_t size;
} bytes;

/* The whole of a regular file, in memory that bytes_free gives back; one byte past the end is 0. Refuses other kinds of files
 * without waiting, and more than `limit` bytes. `err` says what is wrong. */
weft_status file_read(const char *path, size_t limit, bytes *out, weft_error *err);
/* The same of an open file of any kind, up to its end; `name` is for errors. */
weft_status stream_read(int fd, const char *name, size_t limit, bytes *out, weft_error *err);
void bytes_free(bytes *b);
/* Replaces the file at once or not at all: temporary file beside it, fsync, rename, fsync of the folder. Symbolic and hard links are refused. */
weft_status file_write(const char *path, const void *data, size_t size, weft_error *err);
/* The same; what stood there gets the name `previous`, in the same folder. */
weft_status file_write_keeping(const char *path, const char *previous, const void *data, size_t size, weft_error *err);
/* Appends at once to a file that is there, for logs; they are on the disk for sure after file_sync. */
weft_status file_append(const char *path, const void *data, size_t size, weft_error *err);
weft_status file_sync(const char *path, weft_error *err);
bool file_exists(const char *path);
bool folder_exists(const char *path);
weft_status folder_make(const char *path, weft_error *err); /* with its parents; an existing one is fine */
/* Keeps others who ask for this out until *lock is closed or the process ends. WEFT_BAD_INPUT: another one is at work in the folder. Removes
 * the temporary files that dead processes left in it, and in the folders in there. */
weft_status folder_lock(const char *path, int *lock, weft_error *err);
weft_status folder_check_lock(const char *path, int lock, weft_error *err); /* whether the folder at this path still is the one locked */
char *path_join(arena *a, const char *folder, const char *name);
void sha256_hex(const void *data, size_t size, char hex[65]);

/* ---- Time and threads (pool.c) ---- */

double now_seconds(void); /* monotonic */
int usable_cores(void);   /* the process's affinity and its cgroup's quota honoured */
const char *cpu_name(arena *a); /* as /proc/cpuinfo has it, or the architecture; NULL: no memory. (cpu.c) */

#define MAX_THREADS 1024

/* Threads that all walk the same code. The caller is thread 0, so that a pool of one has no other thread. */
typedef struct pool pool;

typedef void pool_work(void *arg, int thread, int n_threads);

pool *pool_create(int n_threads, weft_error *err); /* 0: usable_cores() */
void pool_free(pool *p);
int pool_threads(const pool *p);
/* Every thread runs work(arg, thread, n_threads) once; returns when all have. */
void pool_run(pool *p, pool_work *work, void *arg);
/* The caller alone runs work(arg, 0, 1), with the same rounding; such work must not wait at the barrier. */
void pool_run_alone(pool_work *work, void *arg);
/* Inside `work`: waits until all threads are here. What they wrote before is seen by all after. */
void pool_barrier(pool *p);

#endif
