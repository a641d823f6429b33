/* What the bench's peers share: programs that train the tutorial's networks on somebody else's kernels, each the best way that one could
 * write for these networks. They measure weft, and no part of weft is made of them; unlike weft they promise nobody the same bits. */
#ifndef PEER_H
#define PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PEER_BATCH = 32, PEER_LARGE = 480, PEER_CLASSES = 10, PEER_MAX_LAYERS = 3, PEER_MAX_THREADS = 16 };

typedef struct peer_network {
    const char *name;
    int n_layers, sizes[PEER_MAX_LAYERS + 1];
    bool adam;
    float lr;
} peer_network;

typedef struct peer_split {
    size_t n;
    uint8_t *x; /* [n, 784] */
    uint8_t *y; /* [n] */
} peer_split;

/* What the command line asked for: NETWORK THREADS PASSES, and whether one more word followed. */
typedef struct peer_args {
    const peer_network *network;
    int threads, passes;
    bool word;
} peer_args;

/* Exits where it is wrong, as everything here does. */
peer_args peer_read_args(int argc, char **argv, const char *word);
/* Fashion-MNIST's "train" or "t10k". */
peer_split peer_load(const char *which);
void *peer_memory(size_t bytes); /* zeros, from a multiple of 64 */
double peer_seconds(void);
/* n numbers between -bound and bound. */
void peer_uniform(float *to, size_t n, float bound, uint64_t *seed);
void peer_shuffle(uint32_t *order, size_t n, uint64_t *seed);

/* ---- Threads: a team that lives as long as the program, with a barrier that spins ---- */

void peer_run(int threads, void (*f)(void *shared, int thread), void *shared);
void peer_barrier(void);

/* ---- Arithmetic between the products, in vectors along the batch ---- */

/* logits: [10, n], n at most PEER_LARGE; the gradient of the mean loss takes their place. Returns the sum of the losses; adds up the right
 * answers. */
float peer_cross_entropy(float *logits, const uint8_t *y, int n, size_t *n_correct);
/* Adam's steps at betas 0.9 and 0.999. */
typedef struct peer_adam {
    float step, root; /* lr / (1 - 0.9^t); 1 / sqrt(1 - 0.999^t) */
} peer_adam;
peer_adam peer_adam_at(float lr, long t);
typedef struct peer_state {
    float *w, *m, *v;
} peer_state;
void peer_adam_update(peer_adam at, peer_state s, const float *g, size_t n);
/* Samples index[0..16) as [16, 784] divided by 255 to x, and in columns [784, ld] to xt, if not NULL. */
void peer_gather_16(const peer_split *s, const uint32_t *index, float *x, float *xt, size_t ld);
/* to: [columns, ld_to], from: [rows, ld_from] */
void peer_transpose(const float *from, size_t ld_from, float *to, size_t ld_to, size_t rows, size_t columns);

/* ---- The one JSON object that is printed ---- */

enum { PEER_MAX_PASSES = 64 };
typedef struct peer_result {
    double seconds[PEER_MAX_PASSES], loss[PEER_MAX_PASSES], evaluate_seconds[PEER_MAX_PASSES];
} peer_result;
void peer_print(const peer_args *args, const peer_result *r);

#endif
