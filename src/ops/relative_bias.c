/* Relative position bias: one learned number for each head and bucket of distances.
 *
 *   n buckets on a side, d = distance on that side: d < n/2: bucket d; else n/2 + log(d / (n/2)) / log(max / (n/2)) n/2
 *
 * Source: Raffel et al. 2020 (arXiv:1910.10683), section 2.1; transformers models/t5 (_relative_position_bucket).
 * Easy to get wrong: distance is key minus query, and keys behind the query take the upper half of the buckets; the
 * logarithm is taken in f32, which decides the bucket where it is a whole number.
 */
#include "ops/relative_bias.h"

#include "ops/common.h"

#include <math.h>

int64_t pc_relative_bucket(int64_t distance, int64_t buckets, pc_relative_bias_params params)
{
    int64_t first = 0, side = buckets, away = distance < 0 ? -distance : 0;
    if (params.bidirectional) {
        side = buckets / 2;
        first = distance > 0 ? side : 0;
        away = distance < 0 ? -distance : distance;
    }
    int64_t exact = side / 2;
    if (away < exact) {
        return first + away;
    }
    if (exact < 1 || params.max_distance <= exact) {
        return first + (side > 0 ? side - 1 : 0);
    }
    float scale = (float)log((double)params.max_distance / (double)exact);
    float steps = logf((float)away / (float)exact) / scale * (float)(side - exact);
    int64_t bucket = exact + (int64_t)steps;
    return first + (bucket < side ? bucket : side - 1);
}

int64_t pc_relative_reach(int64_t buckets, pc_relative_bias_params params)
{
    return params.max_distance > buckets ? params.max_distance : buckets;
}

static int64_t reach(const pc_node *node, const pc_tensor *table)
{
    return pc_relative_reach(table->shape.dim[0], *(const pc_relative_bias_params *)node->params);
}

static pc_status check(const pc_node *node, const pc_tensor *table)
{
    if (table->shape.ndim != 2 || table->shape.dim[0] < 2) {
        return pc_op_shape_error(node, table, "[buckets,H] with at least two buckets");
    }
    return PC_OK;
}

static pc_status shape(pc_node *node)
{
    PC_TRY(check(node, node->in[0]));
    node->out[0]->shape = pc_dims(2, node->in[0]->shape.dim[1], 2 * reach(node, node->in[0]) + 1);
    node->out[0]->dtype = pc_float_type(node->in[0]);
    return PC_OK;
}

static int64_t bucket_of(const pc_node *node, const pc_tensor *table, int64_t d)
{
    return pc_relative_bucket(d - reach(node, table), table->shape.dim[0], *(const pc_relative_bias_params *)node->params);
}

static void reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t heads = node->out[0]->shape.dim[0], distances = node->out[0]->shape.dim[1];
    for (int64_t d = 0; d < distances; d++) {
        int64_t bucket = bucket_of(node, node->in[0], d);
        for (int64_t h = 0; h < heads; h++) {
            pc_tensor_set(node->out[0], h * distances + d, pc_tensor_get(node->in[0], bucket * heads + h));
        }
    }
}

static void grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    pc_tensor *in[] = {dout[0], node->in[0]};
    din[0] = pc_graph_add(graph, &pc_op_relative_bias_grad, in, 2, 1, node->params);
}

static pc_cost cost(const pc_node *node)
{
    return pc_cost_elementwise(node, 1);
}

const pc_op pc_op_relative_bias = {
    .name = "relative_bias",
    .params_size = sizeof(pc_relative_bias_params),
    .shape = shape,
    .grad = grad,
    .cost = cost,
    .reference = reference,
};

pc_tensor *pc_relative_bias(pc_graph *graph, pc_tensor *table, pc_relative_bias_params params)
{
    return pc_graph_add(graph, &pc_op_relative_bias, &table, 1, 1, &params);
}

static pc_status grad_shape(pc_node *node)
{
    PC_TRY(check(node, node->in[1]));
    const pc_shape *dy = &node->in[0]->shape;
    if (dy->ndim != 2 || dy->dim[0] != node->in[1]->shape.dim[1] || dy->dim[1] != 2 * reach(node, node->in[1]) + 1) {
        return pc_op_shape_error(node, node->in[0], "[H,2M+1]");
    }
    node->out[0]->shape = node->in[1]->shape;
    node->out[0]->dtype = node->in[0]->dtype;
    return PC_OK;
}

static void grad_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    pc_tensor *table = node->out[0];
    int64_t heads = table->shape.dim[1], distances = node->in[0]->shape.dim[1];
    for (int64_t i = 0; !node->accumulate && i < pc_count(table); i++) {
        pc_tensor_set(table, i, 0);
    }
    for (int64_t d = 0; d < distances; d++) {
        int64_t at = bucket_of(node, table, d) * heads;
        for (int64_t h = 0; h < heads; h++) {
            double dy = pc_tensor_get(node->in[0], h * distances + d);
            pc_tensor_set(table, at + h, pc_tensor_get(table, at + h) + dy);
        }
    }
}

static pc_cost grad_cost(const pc_node *node)
{
    return (pc_cost){(double)pc_count(node->in[0]), (double)pc_tensor_bytes(node->in[0])};
}

const pc_op pc_op_relative_bias_grad = {
    .name = "relative_bias_grad",
    .params_size = sizeof(pc_relative_bias_params),
    .can_accumulate = true,
    .shape = grad_shape,
    .cost = grad_cost,
    .reference = grad_reference,
};
