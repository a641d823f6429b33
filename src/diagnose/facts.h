/* What diagnoses share: how they speak, and what several of them ask. Private to this room. */
#ifndef FACTS_H
#define FACTS_H

#include <math.h>
#include <string.h>

#include "diagnose/diagnose.h"

/* ---- Speaking ---- */

struct statement {
    double confidence;
    text sentence, evidence, remedy;
};

/* Adds to the sentence. */
void say(statement *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A number that the sentence rests on. */
void evidence(statement *s, const char *key, double value);
/* "--set optimizer.lr=0.001" */
void remedy(statement *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- Asking ---- */

/* A number among the settings. False: there is none of that key. */
bool setting_number(const run_facts *f, const char *key, double *value);
/* Whether a layer of that kind is in the model, "batch_norm". */
bool has_layer(const run_facts *f, const char *kind);
/* What the cross entropy is of a model that knows the shares of the classes and nothing else; NaN where there are no classes. */
double blind_loss(const run_facts *f);
/* "class 3 (Dress)" */
void say_class(statement *s, const run_facts *f, size_t class_index);
/* Whether the finished model gives no sample to a class of which `least` samples or more are in the validation split. */
bool never_predicted(const run_facts *f, size_t class_index, size_t least);
/* Whether the rate was brought down on purpose at the end. */
bool rate_was_lowered(const run_facts *f);
/* Whether other diagnoses have the cause: unscaled_inputs, exploding_gradients. */
bool inputs_are_unscaled(const run_facts *f);
bool gradients_explode(const run_facts *f);
/* The layer whose share is the largest at the last probe, and the epoch since which that share has been `limit` or more; NULL: no layer's is
 * so large. */
const layer_probe *worst_layer(const run_facts *f, double (*share)(const layer_probe *l), double limit, size_t *since);
double dead_of(const layer_probe *l);
/* The first and the last layer with parameters and a gradient. False: there are not two of them. */
bool outer_layers(const epoch_probe *p, const layer_probe **first, const layer_probe **last);
/* The largest change of a step, as a part of the weights, of any layer at any probe; 0: not known. */
double largest_update(const run_facts *f);

#endif
