/* g = s grad + d p;  v = mu v + g;  p -= lr v.
 *
 * Source: torch.optim.SGD (dampening 0, no Nesterov), whose first step v = g is the same with v = 0 before.
 */
#include "ops/sgd.h"

#include "ops/common.h"

static pc_status shape(pc_node *node)
{
    for (int i = 1; i < node->inputs; i++) {
        if (node->in[i] && pc_count(node->in[i]) != pc_count(node->in[0])) {
            return pc_op_shape_error(node, node->in[i], "the parameter's shape");
        }
    }
    return pc_shape_same(node);
}

static void reference(const pc_call *call)
{
    const pc_node *node = call->node;
    const pc_sgd_params *params = node->params;
    const pc_sgd_step *step = params->step;
    int64_t count = pc_count(node->in[0]);
    double rate = params->rate * step->scale_rate;
    for (int64_t i = 0; i < count; i++) {
        double p = pc_tensor_get(node->in[0], i);
        double g = pc_tensor_get(node->in[1], i) * step->gradient_scale + params->decay * p;
        if (node->in[2]) {
            g += step->momentum * pc_tensor_get(node->in[2], i);
            pc_tensor_set(node->in[2], i, g);
        }
        pc_tensor_set(node->out[0], i, p - rate * g);
    }
}

static pc_cost cost(const pc_node *node)
{
    double count = (double)pc_count(node->in[0]);
    return node->in[2] ? (pc_cost){6 * count, 20 * count} : (pc_cost){4 * count, 12 * count};
}

const pc_op pc_op_sgd = {
    .name = "sgd",
    .params_size = sizeof(pc_sgd_params),
    .writes_input = true,
    .shape = shape,
    .cost = cost,
    .reference = reference,
};

pc_tensor *pc_sgd(pc_graph *graph, pc_tensor *p, pc_tensor *grad, pc_tensor *v, pc_sgd_params params)
{
    pc_tensor *in[] = {p, grad, v};
    return pc_graph_add(graph, &pc_op_sgd, in, 3, 1, &params);
}
