/* What probes know while a run goes on, and how they look at its layers. */
#ifndef PROBING_H
#define PROBING_H

#include "train/train.h"

/* The most samples of a probe batch: the first ones of the first epoch's shuffled order, whatever order the run takes them in, so that all
 * classes are there. */
enum { PROBE_SAMPLES = 256 };

/* Losses of steps are averaged over so many samples at least, so that a single hard sample does not stand out; such a mean stands out where it
 * is so many times the median of those before it, and above all that the epoch began with. */
enum { LOSS_SAMPLES = 256, LOSS_WINDOW = 15, SPIKE_TIMES = 3 };

/* The losses of an epoch as they come. */
typedef struct loss_watch {
    size_t batch; /* samples of a step */
    size_t n_steps, n_summed, n_means;
    double first, sum, first_mean;
    double means[LOSS_WINDOW]; /* the last ones, in turns */
    size_t spikes;
} loss_watch;

void loss_watch_add(loss_watch *w, double loss);

/* What a run's probes keep from event to event. */
typedef struct probing {
    size_t epoch;  /* the last one that ended */
    loss_watch losses;
    real **before; /* [n_nodes]: the parameters of before the last step of the epoch */
    bool has_before;
    data_twins twins;
} probing;

/* Fills input and layers of p from the trainer as it stands, which stays as it is, to the bit. `before` may be NULL. */
weft_status probe_layers(weft_trainer *t, real *const *before, epoch_probe *p, arena *a, weft_error *err);

#endif
