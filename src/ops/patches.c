/* Pictures to rows of patches, and back for the gradient. */
#include "ops/patches.h"

#include "ops/common.h"

typedef struct grid {
    int64_t images, channels, rows, columns, patch; /* rows x columns patches of patch x patch pixels */
    int64_t height, width;                          /* pixels, the margin behind the last patch included */
} grid;

static grid grid_of(const pc_node *node, const pc_tensor *pixels)
{
    const pc_shape *x = &pixels->shape;
    int64_t patch = ((const pc_patches_params *)node->params)->patch;
    return (grid){x->dim[0], x->dim[1], x->dim[2] / patch, x->dim[3] / patch, patch, x->dim[2], x->dim[3]};
}

static pc_status shape(pc_node *node)
{
    const pc_shape *x = &node->in[0]->shape;
    int64_t patch = ((const pc_patches_params *)node->params)->patch;
    if (x->ndim != 4 || x->dim[2] < patch || x->dim[3] < patch) {
        return pc_op_shape_error(node, node->in[0], "[N,C,Y,X] with Y and X not smaller than the patch");
    }
    grid g = grid_of(node, node->in[0]);
    node->out[0]->shape = pc_dims(3, g.images, g.rows * g.columns, g.channels * patch * patch);
    node->out[0]->dtype = node->in[0]->dtype;
    return PC_OK;
}

/* Index of feature f of patch p in the pixels of image n. */
static int64_t pixel_index(grid g, int64_t n, int64_t p, int64_t f)
{
    int64_t channel = f / (g.patch * g.patch), y = f / g.patch % g.patch, x = f % g.patch;
    return ((n * g.channels + channel) * g.height + p / g.columns * g.patch + y) * g.width + p % g.columns * g.patch + x;
}

static void move(const pc_call *call, grid g, bool back)
{
    const pc_node *node = call->node;
    int64_t features = g.channels * g.patch * g.patch, patches = g.rows * g.columns;
    for (int64_t n = 0; n < g.images; n++) {
        for (int64_t p = 0; p < patches; p++) {
            for (int64_t f = 0; f < features; f++) {
                int64_t row = (n * patches + p) * features + f, pixel = pixel_index(g, n, p, f);
                pc_tensor_set(node->out[0], back ? pixel : row, pc_tensor_get(node->in[0], back ? row : pixel));
            }
        }
    }
}

static void reference(const pc_call *call)
{
    move(call, grid_of(call->node, call->node->in[0]), false);
}

static void grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    pc_tensor *in[] = {dout[0], node->in[0]};
    din[0] = pc_graph_add(graph, &pc_op_patches_grad, in, 2, 1, node->params);
}

static pc_cost cost(const pc_node *node)
{
    return (pc_cost){0, 2 * (double)pc_tensor_bytes(node->out[0])};
}

const pc_op pc_op_patches = {
    .name = "patches",
    .params_size = sizeof(pc_patches_params),
    .shape = shape,
    .grad = grad,
    .cost = cost,
    .reference = reference,
};

pc_tensor *pc_patches(pc_graph *graph, pc_tensor *pixels, int64_t patch)
{
    pc_patches_params params = {patch};
    return pc_graph_add(graph, &pc_op_patches, &pixels, 1, 1, &params);
}

static pc_status grad_shape(pc_node *node)
{
    node->out[0]->shape = node->in[1]->shape;
    node->out[0]->dtype = node->in[0]->dtype;
    return PC_OK;
}

static void grad_reference(const pc_call *call)
{
    int64_t count = pc_count(call->node->out[0]);
    for (int64_t i = 0; i < count; i++) {
        pc_tensor_set(call->node->out[0], i, 0); /* what the margin keeps */
    }
    move(call, grid_of(call->node, call->node->out[0]), true);
}

const pc_op pc_op_patches_grad = {
    .name = "patches_grad",
    .params_size = sizeof(pc_patches_params),
    .shape = grad_shape,
    .cost = cost,
    .reference = grad_reference,
};
