/* A tensor: the value that an operation makes, or that enters a graph from outside.
 *
 * Shapes are row-major, outermost first: dim[0] is the slowest. All tensors are dense (no strides): a view is a dense
 * piece of another tensor's memory. Dims have a planned maximum, fixed when the graph is built, and a run-time value
 * within it, so that one graph serves every batch size and sequence length.
 */
#ifndef PC_TENSOR_TENSOR_H
#define PC_TENSOR_TENSOR_H

#include "base/dtype.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PC_MAX_DIMS = 5 };

typedef struct pc_shape {
    int ndim;                 /* 0 = scalar with one element */
    int64_t dim[PC_MAX_DIMS]; /* each >= 0; 0 rows are legal at run time */
} pc_shape;

pc_shape pc_shape_of(int ndim, const int64_t *dim);
/* pc_dims(2, T, D) */
#define pc_dims(count, ...) pc_shape_of((count), (const int64_t[]){__VA_ARGS__})
int64_t pc_shape_count(const pc_shape *shape);            /* elements */
int64_t pc_shape_last(const pc_shape *shape);             /* innermost dim; 1 for a scalar */
int64_t pc_shape_rows(const pc_shape *shape);             /* elements / innermost dim; 0 when that is 0 */
bool pc_shape_equal(const pc_shape *a, const pc_shape *b);
const char *pc_shape_text(const pc_shape *shape, char out[96]); /* "[8,128]" */

typedef enum pc_storage {
    PC_STORE_PLANNED, /* in the executor's arena, alive from its node to its last reader */
    PC_STORE_INPUT,   /* outside: the caller points data at it before each run */
    PC_STORE_PARAM,   /* a parameter's memory (param->data) or its gradient (param->grad) */
    PC_STORE_VIEW,    /* another tensor's memory */
} pc_storage;

/* A learned array. Owned by the model; graphs refer to it. */
typedef struct pc_param {
    char *name;        /* checkpoint name, e.g. "language_model.model.norm.weight" */
    const char *part;  /* "encoder", "connector", "llm" ...: what freezing and learning rates go by */
    pc_dtype dtype;    /* stored type */
    pc_shape shape;
    void *data;        /* dense; may be mapped read-only when not trained */
    void *packed;      /* backend's own layout of data for matrix products, or NULL; made by pc_backend.pack */
    float *grad;       /* f32, same shape, when trained; else NULL. Zeroed by the trainer, added to by graphs */
    bool trains;       /* wants a gradient */
    bool decays;       /* weight decay applies (false for norms, biases, and vectors) */
    bool any_type;     /* read by products and row look-ups alone, so bf16 and f16 serve as stored; else f32 in memory */
} pc_param;

typedef struct pc_tensor pc_tensor;
struct pc_tensor {
    const char *name;   /* for traces and messages; "" when unnamed */
    pc_dtype dtype;
    pc_shape shape;     /* run-time dims (= max while building) */
    pc_shape max;       /* planned dims */
    pc_storage storage;
    void *data;         /* valid during a run */
    struct pc_node *node; /* the operation that makes it; NULL for inputs and parameters */
    pc_tensor *base;    /* PC_STORE_VIEW: whose memory */
    pc_param *param;    /* PC_STORE_PARAM */
    bool is_gradient;   /* PC_STORE_PARAM: param->grad instead of param->data */
    bool needs_grad;    /* a parameter that trains, or depends on one */
    bool keep;          /* stays valid until the next run (outputs, traced values) */
    pc_tensor *grad;    /* set by pc_graph_backward */
    int64_t offset;     /* bytes: in the arena (PLANNED) or in base (VIEW) */
};

/* Element i as double / set from double, whatever the type: what reference kernels are written with. */
double pc_tensor_get(const pc_tensor *tensor, int64_t i);
void pc_tensor_set(pc_tensor *tensor, int64_t i, double value);
size_t pc_tensor_bytes(const pc_tensor *tensor); /* of the run-time shape */

static inline const float *pc_f32(const pc_tensor *tensor) { return (const float *)tensor->data; }
static inline float *pc_f32_mut(pc_tensor *tensor) { return (float *)tensor->data; }
static inline const int32_t *pc_i32(const pc_tensor *tensor) { return (const int32_t *)tensor->data; }

#endif
