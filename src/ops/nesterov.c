/* v += (1 - mu)(g - v);  out = g + mu (v - g).
 *
 * Source: torch.optim.Muon with nesterov=True, which writes both lines as lerp.
 */
#include "ops/nesterov.h"

#include "ops/common.h"

static pc_status shape(pc_node *node)
{
    if (pc_count(node->in[1]) != pc_count(node->in[0])) {
        return pc_op_shape_error(node, node->in[1], "the gradient's shape");
    }
    return pc_shape_same(node);
}

static void reference(const pc_call *call)
{
    const pc_node *node = call->node;
    const pc_nesterov_step *step = ((const pc_nesterov_params *)node->params)->step;
    int64_t count = pc_count(node->in[0]);
    for (int64_t i = 0; i < count; i++) {
        double g = pc_tensor_get(node->in[0], i) * step->gradient_scale;
        double v = pc_tensor_get(node->in[1], i);
        v += (1 - step->momentum) * (g - v);
        pc_tensor_set(node->in[1], i, v);
        pc_tensor_set(node->out[0], i, g + step->momentum * (v - g));
    }
}

static pc_cost cost(const pc_node *node)
{
    double count = (double)pc_count(node->in[0]);
    return (pc_cost){7 * count, 16 * count};
}

const pc_op pc_op_nesterov = {
    .name = "nesterov",
    .params_size = sizeof(pc_nesterov_params),
    .writes_input = true,
    .shape = shape,
    .cost = cost,
    .reference = reference,
};

pc_tensor *pc_nesterov(pc_graph *graph, pc_tensor *grad, pc_tensor *v, pc_nesterov_params params)
{
    pc_tensor *in[] = {grad, v};
    return pc_graph_add(graph, &pc_op_nesterov, in, 2, 1, &params);
}
