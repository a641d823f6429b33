/* y = x + f(x): f are the layers of a block. He et al., "Deep Residual Learning for Image Recognition" (2015). */
#include "op/op.h"

const op ISA_SYMBOL(op_residual) = {
    .name = "residual",
    .kind = OP_JOIN,
    .help = "adds what goes into a block of layers to what comes out of it",
    .formula = "y = x + f(x)",
};
