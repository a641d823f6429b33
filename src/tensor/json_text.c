/* JSON read and printed by jansson, which tells of memory that ran out in some places, and in others calls the text wrong, cuts a string short
 * or leaves a value away; errno says it everywhere. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "tensor/tensor.h"

void json_begin(void) { errno = 0; }

bool json_whole(void) { return errno != ENOMEM; }

weft_status json_parse(const char *string, size_t size, json_t **root, json_error_t *wrong)
{
    errno = 0;
    *root = json_loadb(string, size, JSON_REJECT_DUPLICATES, wrong);
    if (json_whole())
        return *root ? WEFT_OK : WEFT_BAD_INPUT;
    json_decref(*root); /* what was read all the same may lack the end of a text */
    *root = NULL;
    return WEFT_NO_MEMORY;
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
