/* JSON read and printed by jansson, which tells of memory that ran out in some places, and in others calls the text wrong, cuts a string short,
 * leaves a value away or ends the process. So it gets its memory through here, where it is known, and where the little that it must have to
 * come to the end of a number is there in any case. */
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>

#include "tensor/tensor.h"

enum { RESERVE_BYTES = 1024, RESERVE_ALIGNMENT = 16 };

static json_malloc_t malloc_below;
static json_free_t free_below;
static _Thread_local bool ran_out, parsing;
static _Thread_local _Alignas(RESERVE_ALIGNMENT) char reserve[RESERVE_BYTES];
static _Thread_local size_t reserve_used;

static void *noting_malloc(size_t size)
{
    void *memory = malloc_below(size);
    if (memory)
        return memory;
    ran_out = true;
    if (!parsing || size > RESERVE_BYTES - reserve_used)
        return NULL;
    memory = reserve + reserve_used;
    reserve_used = MIN(round_up(reserve_used + size, RESERVE_ALIGNMENT), (size_t)RESERVE_BYTES);
    return memory;
}

static void noting_free(void *memory)
{
    if ((char *)memory < reserve || (char *)memory >= reserve + RESERVE_BYTES)
        free_below(memory);
}

/* A program that uses jansson, too, keeps the functions that it has set. */
static void stand_between(void)
{
    json_get_alloc_funcs(&malloc_below, &free_below);
    json_set_alloc_funcs(noting_malloc, noting_free);
}

void json_begin(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, stand_between);
    ran_out = false;
    errno = 0; /* by which texts that are built for it tell */
}

bool json_whole(void) { return !ran_out && errno != ENOMEM; }

weft_status json_parse(const char *string, size_t size, json_t **root, json_error_t *wrong)
{
    json_begin();
    parsing = true;
    *root = json_loadb(string, size, JSON_REJECT_DUPLICATES, wrong);
    if (!json_whole()) {
        json_decref(*root); /* what was read all the same may lack something */
        *root = NULL;
    }
    parsing = false;
    reserve_used = 0;
    return *root ? WEFT_OK : json_whole() ? WEFT_BAD_INPUT : WEFT_NO_MEMORY;
}

char *json_end(json_t *root, size_t flags)
{
    char *printed = root ? json_dumps(root, flags) : NULL;
    json_decref(root);
    if (json_whole())
        return printed;
    free(printed);
    return NULL;
}
