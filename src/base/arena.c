#include "base/base.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Chunks form a list whose head is the one being filled:
 *
 *     arena -> [chunk being filled] -> [full chunk or one big request] -> …
 *
 * calloc's own block holds the header, then the memory from its first 64-byte boundary on. */
struct arena_chunk {
    struct arena_chunk *next;
    unsigned char *memory;
    size_t capacity, used;
};

enum { ALIGNMENT = 64, CHUNK_BYTES = 1 << 14, HUGE_PAGE_BYTES = 1 << 21 };

/* Fewer TLB misses where weights are streamed. Only whole huge pages inside the chunk are asked for, and it is advice:
 * a refusal costs speed alone. */
static void prefer_huge_pages(unsigned char *memory, size_t capacity)
{
    uintptr_t first = round_up((uintptr_t)memory, HUGE_PAGE_BYTES);
    uintptr_t last = ((uintptr_t)memory + capacity) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
    if (first < last)
        madvise((void *)first, last - first, MADV_HUGEPAGE);
}

static struct arena_chunk *chunk_create(size_t capacity)
{
    struct arena_chunk *chunk = calloc(1, sizeof *chunk + ALIGNMENT + capacity);
    if (chunk == NULL)
        return NULL;
    chunk->memory = (unsigned char *)round_up((uintptr_t)(chunk + 1), ALIGNMENT);
    chunk->capacity = capacity;
    prefer_huge_pages(chunk->memory, capacity);
    return chunk;
}

void *arena_alloc(arena *a, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    size = round_up(MAX(size, 1), ALIGNMENT);
    struct arena_chunk *chunk = a->chunk;
    if (chunk == NULL || chunk->capacity - chunk->used < size) {
        bool own = size > CHUNK_BYTES / 2;
        chunk = chunk_create(own ? size : CHUNK_BYTES);
        if (chunk == NULL)
            return NULL;
        /* A big request stands behind the head, whose rest stays in use. */
        struct arena_chunk **link = own && a->chunk ? &a->chunk->next : &a->chunk;
        chunk->next = *link;
        *link = chunk;
    }
    void *memory = chunk->memory + chunk->used;
    chunk->used += size;
    a->used_bytes += size;
    return memory;
}

void *arena_array(arena *a, size_t n, size_t bytes_each)
{
    size_t size;
    return checked_mul(n, bytes_each, &size) ? arena_alloc(a, size) : NULL;
}

char *arena_text(arena *a, const char *string) { return arena_printf(a, "%s", string); }

char *arena_printf(arena *a, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    char *result = length < 0 ? NULL : arena_alloc(a, (size_t)length + 1);
    if (result != NULL)
        vsnprintf(result, (size_t)length + 1, format, again);
    va_end(again);
    va_end(args);
    return result;
}

void arena_deinit(arena *a)
{
    for (struct arena_chunk *chunk = a->chunk, *next; chunk != NULL; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    *a = (arena){0};
}
