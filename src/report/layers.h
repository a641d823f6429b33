/* How the numbers of every layer are spread, epoch after epoch. Private to this room. */
#ifndef LAYERS_H
#define LAYERS_H

#include "report/tiles.h"

void layers_size(const probe_log *log, picture *p);
/* Draws a `const probe_log *`: a row a layer; its weights, its gradients, its outputs. */
void layers_draw(cairo_t *cr, const void *of);
/* Layers that have something to draw. */
size_t layers_count(const probe_log *log);

#endif
