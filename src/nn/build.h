/* What every block of a network is built with: the graph, the arithmetic of its matrix products, and the adapter in force.
 *
 * An instance of a model = weights by reference + adapter (+ heads): the same weights build any number of graphs, each with
 * its own adapter, so that policy, reference, reward and value models share what is frozen.
 */
#ifndef PC_NN_BUILD_H
#define PC_NN_BUILD_H

#include "tensor/graph.h"

typedef struct pc_adapter pc_adapter; /* adapter.h */

typedef struct pc_build {
    pc_graph *graph;
    pc_dtype compute;          /* PC_F32 or PC_BF16 */
    const pc_adapter *adapter; /* NULL: the weights as they are */
} pc_build;

/* The parameter that stands for `param`: the adapter's own copy where it has one. */
pc_param *pc_adapter_instead(const pc_adapter *adapter, pc_param *param);

static inline pc_tensor *pc_use(const pc_build *build, pc_param *param)
{
    return param ? pc_graph_param(build->graph, pc_adapter_instead(build->adapter, param)) : NULL;
}

#endif
