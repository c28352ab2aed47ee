/* Rotary position embedding: each pair (a, b) of a head turns by position * frequency.
 *
 *   a' = a cos - b sin;  b' = b cos + a sin.  The gradient turns back.
 *
 * With sections, frequency j turns by the number of the position that its section stands for: M-RoPE (Wang et al. 2024,
 * arXiv:2409.12191, section 2.1) and the two axes of a picture.
 *
 * Source: Su et al. 2021 (arXiv:2104.09864).
 * Easy to get wrong: which features form a pair (rotate-half: j and j + R/2; interleaved: 2j and 2j + 1).
 */
#include "ops/rope.h"

#include "ops/common.h"

#include <math.h>

static pc_status shape(pc_node *node)
{
    if (node->in[0]->shape.ndim != 3) {
        return pc_op_shape_error(node, node->in[0], "[T,H,E]");
    }
    const pc_rope_params *params = node->params;
    if (pc_count(node->in[1]) != node->in[0]->shape.dim[0] * pc_rope_axes(params)) {
        return pc_op_shape_error(node, node->in[1], "one position for each row");
    }
    int64_t sections = (int64_t)params->sections[0] + params->sections[1] + params->sections[2];
    if (sections && sections != pc_count(node->in[2])) {
        return pc_op_shape_error(node, node->in[2], "as many frequencies as the sections have");
    }
    if (2 * pc_count(node->in[2]) > node->in[0]->shape.dim[2]) {
        return pc_op_shape_error(node, node->in[2], "at most half a head's features");
    }
    return pc_shape_same(node);
}

/* The number of row t's position that frequency j turns by. */
static double position_of(const pc_node *node, int64_t t, int64_t j)
{
    const pc_rope_params *params = node->params;
    int axes = pc_rope_axes(params), axis = 0;
    for (int64_t end = params->sections[0]; axis + 1 < axes && j >= end; end += params->sections[axis]) {
        axis++;
    }
    return pc_tensor_get(node->in[1], t * axes + axis);
}

static void turn_head(const pc_node *node, int64_t at, int64_t t)
{
    const pc_rope_params *params = node->params;
    int64_t half = pc_count(node->in[2]), size = node->in[0]->shape.dim[2];
    for (int64_t j = 0; j < half; j++) {
        double angle = position_of(node, t, j) * pc_tensor_get(node->in[2], j) * (params->inverse ? -1 : 1);
        int64_t first = at + (params->interleaved ? 2 * j : j), second = at + (params->interleaved ? 2 * j + 1 : j + half);
        double a = pc_tensor_get(node->in[0], first), b = pc_tensor_get(node->in[0], second);
        pc_tensor_set(node->out[0], first, a * cos(angle) - b * sin(angle));
        pc_tensor_set(node->out[0], second, b * cos(angle) + a * sin(angle));
    }
    for (int64_t j = 2 * half; j < size; j++) {
        pc_tensor_set(node->out[0], at + j, pc_tensor_get(node->in[0], at + j));
    }
}

static void reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t rows = node->in[0]->shape.dim[0], heads = node->in[0]->shape.dim[1], size = node->in[0]->shape.dim[2];
    for (int64_t t = 0; t < rows; t++) {
        for (int64_t h = 0; h < heads; h++) {
            turn_head(node, (t * heads + h) * size, t);
        }
    }
}

static void grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    pc_rope_params params = *(const pc_rope_params *)node->params;
    params.inverse = !params.inverse;
    din[0] = pc_rope(graph, dout[0], node->in[1], node->in[2], params);
}

static pc_cost cost(const pc_node *node)
{
    return pc_cost_elementwise(node, 3);
}

const pc_op pc_op_rope = {
    .name = "rope",
    .params_size = sizeof(pc_rope_params),
    .in_place = true,
    .shape = shape,
    .grad = grad,
    .cost = cost,
    .reference = reference,
};

pc_tensor *pc_rope(pc_graph *graph, pc_tensor *x, pc_tensor *positions, pc_tensor *frequencies, pc_rope_params params)
{
    pc_tensor *in[] = {x, positions, frequencies};
    return pc_graph_add(graph, &pc_op_rope, in, 3, 1, &params);
}
