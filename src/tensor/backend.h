/* What the executor asks of a backend; backend/cpu implements it. */
#ifndef PC_TENSOR_BACKEND_H
#define PC_TENSOR_BACKEND_H

#include "base/pool.h"
#include "tensor/op.h"

typedef struct pc_backend pc_backend;
struct pc_backend {
    const char *name;
    pc_pool *pool; /* owned by the backend */
    /* The kernel for a node, or NULL: then the operation's reference runs. */
    pc_kernel (*kernel)(const pc_backend *backend, const pc_node *node);
    /* Scratch bytes that kernel needs at the node's planned dims. */
    size_t (*scratch)(const pc_backend *backend, const pc_node *node);
    /* Make param->packed from param->data for products in `compute` (PC_F32 or PC_BF16), for a parameter [N,K] that
     * does not train; a parameter that gains nothing is left alone. */
    pc_status (*pack)(const pc_backend *backend, pc_param *param, pc_dtype compute);
    void (*unpack)(const pc_backend *backend, pc_param *param); /* release param->packed */
    void (*free)(pc_backend *backend);
    void *state;
};

#endif
