/* Parameters of a layer, in double, and the block in which its kernels have them. An op packs and unpacks floats; where blocks are of doubles,
 * a number goes through them in parts that add up to it, for packing moves numbers and changes none. */
#ifndef PARAMS_H
#define PARAMS_H

#include "numbers.h"

#include "graph/graph.h"

enum { N_PARTS = sizeof(real) == sizeof(float) ? 1 : 3 }; /* of 24 bits */

static inline size_t param_count(const node *n, size_t p) { return n && p < n->n_params ? shape_numbers(&n->params[p].shape) : 0; }

static inline void parts_make(const node *n, float *part[MAX_PARAMS])
{
    for (size_t p = 0; p < MAX_PARAMS; p++) {
        part[p] = calloc(param_count(n, p) + 1, sizeof(float));
        assert_non_null(part[p]);
    }
}

static inline void parts_free(float *part[MAX_PARAMS])
{
    for (size_t p = 0; p < MAX_PARAMS; p++)
        free(part[p]);
}

/* block <- block + sign * part */
static inline void add_part(const node *n, float *const part[MAX_PARAMS], real sign, real *block)
{
    real *packed = calloc(n->block_numbers, sizeof *packed);
    assert_non_null(packed);
    n->op->pack(n, (const float *const *)part, packed);
    for (size_t i = 0; i < n->block_numbers; i++)
        block[i] += sign * packed[i];
    free(packed);
}

static inline void pack_params(const node *n, double *const params[MAX_PARAMS], real *block)
{
    float *part[MAX_PARAMS];
    parts_make(n, part);
    memset(block, 0, n->block_numbers * sizeof *block);
    for (int k = 0; k < N_PARTS; k++) {
        for (size_t p = 0; p < MAX_PARAMS; p++)
            for (size_t i = 0; i < param_count(n, p); i++) {
                double rest = params[p][i];
                for (int before = 0; before < k; before++)
                    rest -= (double)(float)rest;
                part[p][i] = (float)rest;
            }
        add_part(n, part, 1, block);
    }
    parts_free(part);
}

static inline void unpack_params(const node *n, const real *block, double *const params[MAX_PARAMS])
{
    float *part[MAX_PARAMS];
    real *rest = calloc(n->block_numbers, sizeof *rest);
    assert_non_null(rest);
    memcpy(rest, block, n->block_numbers * sizeof *rest);
    parts_make(n, part);
    for (int k = 0; k < N_PARTS; k++) {
        n->op->unpack(n, rest, part);
        for (size_t p = 0; p < MAX_PARAMS; p++)
            for (size_t i = 0; i < param_count(n, p); i++)
                params[p][i] = (k ? params[p][i] : 0) + (double)part[p][i];
        add_part(n, part, -1, rest);
    }
    parts_free(part);
    free(rest);
}

#endif
