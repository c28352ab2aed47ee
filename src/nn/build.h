/* What every block of a network is built with: the graph, and the arithmetic of its matrix products. */
#ifndef PC_NN_BUILD_H
#define PC_NN_BUILD_H

#include "tensor/graph.h"

typedef struct pc_build {
    pc_graph *graph;
    pc_dtype compute; /* PC_F32 or PC_BF16 */
} pc_build;

static inline pc_tensor *pc_use(const pc_build *build, pc_param *param)
{
    return param ? pc_graph_param(build->graph, param) : NULL;
}

#endif
