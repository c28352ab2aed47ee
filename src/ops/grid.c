/* Order of patches.
 *
 *   for each picture: for each window (row-major): for each block in it: for each patch of the block
 *
 * Source: Qwen2.5-VL (Bai et al. 2025, arXiv:2502.13923, section 2.1.1); transformers vision_utils.py
 * (get_vision_window_index); for merging, Shi et al. 2016 (arXiv:1609.05158) backwards.
 * Easy to get wrong: windows at the right and lower border are smaller, and hold what is left.
 */
#include "ops/grid.h"

#include "ops/attention.h"
#include "ops/common.h"
#include "ops/rows.h"

static pc_status shape(pc_node *node)
{
    const pc_grid_params *p = node->params;
    int64_t pictures = node->in[0]->shape.ndim ? node->in[0]->shape.dim[0] : 0;
    if (p->block < 1 || p->rows < 1 || p->columns < 1 || p->rows % p->block || p->columns % p->block ||
        p->window % p->block || p->prefix < 0) {
        return pc_fail(PC_ERR_DATA, "grid: %lld x %lld patches in blocks of %lld and windows of %lld", (long long)p->rows,
                       (long long)p->columns, (long long)p->block, (long long)p->window);
    }
    int64_t places = pictures * p->rows * p->columns, all = places + pictures * p->prefix;
    const pc_shape shapes[] = {pc_dims(1, places), pc_dims(1, places), pc_dims(2, all, 2), pc_dims(2, places, 4)};
    for (int i = 0; i < 4; i++) {
        node->out[i]->shape = shapes[i];
        node->out[i]->dtype = PC_I32;
    }
    return PC_OK;
}

typedef struct layout {
    const pc_grid_params *params;
    int32_t *order, *inverse;
    int32_t *positions; /* of the next place */
    int32_t place;      /* the next one */
} layout;

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The blocks of one window, from its first row and column. */
static void lay_window(layout *l, int64_t base, int64_t top, int64_t left, int64_t side_y, int64_t side_x)
{
    int64_t block = l->params->block, columns = l->params->columns;
    int64_t bottom = least(top + side_y, l->params->rows), right = least(left + side_x, columns);
    for (int64_t y = top; y < bottom; y += block) {
        for (int64_t x = left; x < right; x += block) {
            for (int64_t i = 0; i < block * block; i++, l->place++) {
                int64_t row = y + i / block, column = x + i % block, raster = base + row * columns + column;
                l->order[l->place] = (int32_t)raster;
                l->inverse[raster] = l->place;
                *l->positions++ = (int32_t)row;
                *l->positions++ = (int32_t)column;
            }
        }
    }
}

static void reference(const pc_call *call)
{
    const pc_node *node = call->node;
    const pc_grid_params *p = node->params;
    layout l = {p, node->out[0]->data, node->out[1]->data, node->out[2]->data, 0};
    pc_attention_range *ranges = node->out[3]->data;
    int64_t pictures = node->in[0]->shape.dim[0];
    int64_t side_y = p->window ? p->window : p->rows, side_x = p->window ? p->window : p->columns;
    for (int64_t n = 0; n < pictures; n++) {
        for (int64_t i = 0; i < 2 * p->prefix; i++) {
            *l.positions++ = 0;
        }
        for (int64_t y = 0; y < p->rows; y += side_y) {
            for (int64_t x = 0; x < p->columns; x += side_x) {
                int32_t first = l.place;
                lay_window(&l, n * p->rows * p->columns, y, x, side_y, side_x);
                for (int32_t i = first; i < l.place; i++) {
                    ranges[i] = (pc_attention_range){.begin = first, .end = l.place};
                }
            }
        }
    }
}

static pc_cost cost(const pc_node *node)
{
    return pc_cost_elementwise(node, 0);
}

const pc_op pc_op_grid = {
    .name = "grid",
    .params_size = sizeof(pc_grid_params),
    .shape = shape,
    .cost = cost,
    .reference = reference,
};

pc_grid pc_grid_layout(pc_graph *graph, pc_tensor *like, pc_grid_params params)
{
    pc_tensor *order = pc_graph_add(graph, &pc_op_grid, &like, 1, 4, &params);
    if (pc_graph_failed(graph)) {
        return (pc_grid){order, order, order, order};
    }
    pc_node *node = order->node;
    return (pc_grid){node->out[0], node->out[1], node->out[2], node->out[3]};
}

pc_tensor *pc_merge_blocks(pc_graph *graph, pc_tensor *x, int64_t rows, int64_t columns, int64_t side)
{
    int64_t width = pc_shape_last(&x->max);
    pc_grid grid = pc_grid_layout(graph, x, (pc_grid_params){rows, columns, side, 0, 0});
    x = pc_take_rows(graph, pc_reshape(graph, x, pc_dims(2, -1, width)), grid.order); /* [N*P,D] */
    return pc_reshape(graph, x, pc_dims(3, -1, rows / side * (columns / side), side * side * width));
}
