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
    size_t *cuts; /* number of nodes when each layer ended */
    size_t cut_count, cut_capacity;
    bool recompute;
    bool late;    /* of the nodes that are added now */
    pc_tensor *poison;
    pc_status failed;
    char *message;
    bool finished;
    bool in_use; /* an executor has planned it: offsets and data belong to that one */
};

/* Nodes [first, end) once more, behind the last node; clones[i] is the one of node first + i. What the copies read of these
 * nodes is the copies' own. Gradients that have arrived at their results are carried over. recompute.c */
void pc_graph_repeat(pc_graph *graph, size_t first, size_t end, pc_node **clones);
/* Drop those of nodes [first, end) whose results nobody reads; returns how many are left. */
size_t pc_graph_drop_unread(pc_graph *graph, size_t first, size_t end);

/* Put late nodes in front of their first readers. late.c */
pc_status pc_graph_order_late(pc_graph *graph);

/* A new tensor in the graph's list; poison when memory is short. */
pc_tensor *pc_graph_new_tensor(pc_graph *graph, pc_storage storage, pc_dtype dtype, pc_shape shape);

#endif
