/* Rotary frequencies as values of a graph: of encoders, whose positions are rows and columns. */
#ifndef PC_OPS_AXIS_FREQUENCIES_H
#define PC_OPS_AXIS_FREQUENCIES_H

#include "tensor/graph.h"

typedef struct pc_axis_frequencies_params {
    double theta;
    int64_t count; /* frequencies of one axis */
    int64_t axes;
} pc_axis_frequencies_params;

/* out f32 [axes * count]: theta^(-j / count), j < count, once for each axis. Looks at nothing of in[0], `like`. No gradient. */
extern const pc_op pc_op_axis_frequencies;
pc_tensor *pc_axis_frequencies(pc_graph *graph, pc_tensor *like, pc_axis_frequencies_params params);

#endif
