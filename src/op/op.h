/* The layers and losses that there are. One file each: op/NAME.c. */
#ifndef OP_H
#define OP_H

#include "graph/graph.h"

/* All ops for an instruction set, in the order of their names; ends with NULL. */
const op *const *op_table(isa level);
/* The op of that name and of that kind (a layer or a map, or a loss); NULL: there is none. */
const op *op_find(isa level, const char *name, bool loss);
enum { MAX_LAYERS = 1000, MAX_BLOCK_DEPTH = 16 };
/* Builds the nodes of a list of settings, [{name: linear, NULL: 1000}, {name: relu}, {name: residual, NULL: [...]}]. Every mistake is
 * added to `err`. Shapes come later, with graph_infer. */
weft_status graph_build(graph *g, const setting *layers, isa level, arena *a, weft_error *err);
/* Appends the text of the outermost layer that begins with node *i, and moves *i behind it; `complete`: every default written out. The
 * texts of all layers, with commas between them, build the same graph again. */
void graph_add_layer(const graph *g, size_t *i, bool complete, text *t);
/* Reads {name: cross_entropy}. */
weft_status loss_read(const op **loss, const void **fields, const setting *map, isa level, arena *a, weft_error *err);

#endif
