/* What the files of this room share. */
#ifndef INSIDE_H
#define INSIDE_H

#include "measure/measure.h"

/* ---- Loops that do one thing as fast as the instruction set can (probe.c) ---- */

typedef struct probes {
    size_t block;      /* numbers: sweeps go over multiples of it, from an aligned one on */
    double flops_each; /* of one turn of multiply_add */
    real (*multiply_add)(size_t times);
    void (*read)(const real *p, size_t n, size_t times);
    void (*update)(real *p, size_t n, size_t times);
} probes;

/* ---- The best of many rounds (rounds.c) ---- */

/* Does its thread's share of something `times` times; `first`: how often it was done before. */
typedef struct timed {
    void (*run)(const void *self, size_t first, size_t times, int thread, int n_threads);
    const void *self;
    size_t warm_up; /* the first so many times do not count */
} timed;

/* The least seconds for doing it once, over rounds that together take about `budget` seconds. */
double best_seconds(const timed *what, pool *threads, double budget);
/* A kernel on one call. */
double best_call_seconds(const kernel *k, const call *c, pool *threads, double budget);

/* ---- The machine (machine.c) ---- */

/* The nearest level that holds so much. */
const level *machine_level(const machine *m, size_t team, double bytes);
/* The least seconds that the bytes of a step take, if as much as possible of them stays near. */
double machine_traffic_seconds(const machine *m, size_t team, const step_cost *c);
figure machine_judge(const machine *m, size_t team, const step_cost *c, double seconds);

/* ---- A network on made-up samples (network.c) ---- */

typedef struct network {
    size_t features;
    const char *layers;
    size_t batch;
    const char *loss;      /* NULL: cross_entropy */
    const char *precision; /* of training; NULL: fp32 */
    double clip_grad_norm; /* 0: gradients are not clipped */
} network;

/* Does not move while a plan of its stands. */
typedef struct subject {
    weft_model *model;
    weft_trainer *trainer; /* of one thread; gives loss, optimizer and its state */
    batch batch;
    uint32_t *index; /* [batch]: which samples; 0, 1, 2, … */
    arena memory;
} subject;

/* optimizer: its spec; NULL: any. n_samples: how many there are to choose from. */
weft_status subject_open(subject *s, const network *n, const char *optimizer, size_t n_samples, weft_error *err);
void subject_close(subject *s);
/* A new plan that has run once. o: NULL: gradients stay in memory. */
plan *subject_plan(const subject *s, plan_mode mode, optimizer *o, weft_error *err);
/* The trainer's optimizer, with a rate at which weights all but stand still, however often a step is taken. */
optimizer *subject_still_optimizer(subject *s);

/* The optimizers to measure: of each kind the first case for every number of states. Ends with NULL; NULL: see err. */
const char *const *optimizer_specs(isa level, arena *a, weft_error *err);

#endif
