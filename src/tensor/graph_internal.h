/* The graph's insides, shared by the builder, the autograd driver and the executor. */
#ifndef PC_TENSOR_GRAPH_INTERNAL_H
#define PC_TENSOR_GRAPH_INTERNAL_H

#include "tensor/graph.h"

struct pc_graph {
    pc_arena arena; /* tensors, nodes, parameters of operations, names */
    pc_node **nodes;
    size_t node_count, node_capacity;
    pc_tensor **tensors; /* every one, in order of creation */
    size_t tensor_count, tensor_capacity;
    pc_tensor **inputs;
    size_t input_count, input_capacity;
    pc_tensor **params; /* PC_STORE_PARAM values, one for each parameter */
    size_t param_count, param_capacity;
    pc_tensor *poison;
    pc_status failed;
    char *message;
    bool finished;
    bool in_use; /* an executor has planned it: offsets and data belong to that one */
};

/* A new tensor in the graph's list; poison when memory is short. */
pc_tensor *pc_graph_new_tensor(pc_graph *graph, pc_storage storage, pc_dtype dtype, pc_shape shape);

#endif
