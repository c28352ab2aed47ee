/* An operation: shape rule, gradient rule, cost, and the scalar reference that defines its result.
 *
 * One file in ops/ for each. A node points to its operation, so the graph, the autograd driver, the planner and the
 * executor know no particular one.
 */
#ifndef PC_TENSOR_OP_H
#define PC_TENSOR_OP_H

#include "tensor/tensor.h"

struct pc_graph;
struct pc_pool;

enum { PC_MAX_INPUTS = 8, PC_MAX_OUTPUTS = 4 };

typedef struct pc_node {
    const struct pc_op *op;
    pc_tensor *in[PC_MAX_INPUTS]; /* NULL for an absent optional input */
    int inputs;
    pc_tensor *out[PC_MAX_OUTPUTS];
    int outputs;
    const void *params; /* the operation's own struct, copied into the graph's arena; NULL when it has none */
    bool accumulate;    /* add to out[0] instead of overwriting it (only if op->can_accumulate) */
    bool late;          /* runs as late as its readers allow (pc_graph_late) */
    int index;          /* position in the graph */
} pc_node;

/* What a kernel receives: a node whose tensors have data and run-time shapes. */
typedef struct pc_call {
    const pc_node *node;
    struct pc_pool *pool; /* NULL = one thread */
    void *scratch;        /* 64-byte aligned, at least what the kernel asked for */
    size_t scratch_bytes;
} pc_call;

typedef void (*pc_kernel)(const pc_call *call);

typedef struct pc_cost {
    double flops;
    double bytes; /* read + written */
} pc_cost;

typedef struct pc_op {
    const char *name;
    size_t params_size;
    bool can_accumulate; /* kernels honour node->accumulate */
    bool in_place;       /* out[0] may share in[0]'s memory */
    bool writes_input;   /* out[0] IS in[0]'s memory, changed (caches, optimizer): never moved or dropped */

    /* Check inputs and set every out[i]->shape and ->dtype. Called while building (with planned dims) and before a
     * run whose dims changed. On failure: pc_fail() with what was expected and found. */
    pc_status (*shape)(pc_node *node);

    /* Build gradient nodes: dout[i] is the gradient of out[i] (NULL when nothing flows back through it); set din[i] for
     * each in[i] that needs one (needs_grad) and can have one. NULL op->grad = not differentiable. */
    void (*grad)(struct pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din);

    pc_cost (*cost)(const pc_node *node);

    /* Defines the result: scalar, sums in double, any float type (F64 for gradient checks) by pc_tensor_get/set. */
    pc_kernel reference;
    /* Scratch bytes of the reference at the planned dims; NULL = none. */
    size_t (*reference_scratch)(const pc_node *node);
} pc_op;

#endif
