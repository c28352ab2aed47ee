/* One AdamW step in place.
 *
 *   p -= lr decay p;  m += (1-b1)(g-m);  v = b2 v + (1-b2) g^2;  p -= lr/c1 m / (sqrt(v)/sqrt(c2) + eps)
 *
 * Source: Loshchilov & Hutter 2019 (arXiv:1711.05101), algorithm 2; torch.optim.AdamW (order of operations).
 */
#include "ops/adamw.h"

#include "ops/common.h"

#include <math.h>

static pc_status shape(pc_node *node)
{
    for (int i = 1; i < 4; i++) {
        if (pc_count(node->in[i]) != pc_count(node->in[0])) {
            return pc_op_shape_error(node, node->in[i], "the parameter's shape");
        }
    }
    return pc_shape_same(node);
}

static void reference(const pc_call *call)
{
    const pc_node *node = call->node;
    const pc_adamw_params *params = node->params;
    const pc_adamw_step *step = params->step;
    int64_t count = pc_count(node->in[0]);
    double rate = params->rate * step->scale_rate;
    for (int64_t i = 0; i < count; i++) {
        double g = pc_tensor_get(node->in[1], i) * step->gradient_scale;
        double m = pc_tensor_get(node->in[2], i), v = pc_tensor_get(node->in[3], i);
        double p = pc_tensor_get(node->in[0], i) * (1 - rate * params->decay);
        m += (1 - step->beta1) * (g - m);
        v = step->beta2 * v + (1 - step->beta2) * g * g;
        p -= rate / step->correction1 * m / (sqrt(v) / sqrt(step->correction2) + step->eps);
        pc_tensor_set(node->in[2], i, m);
        pc_tensor_set(node->in[3], i, v);
        pc_tensor_set(node->out[0], i, p);
    }
}

static pc_cost cost(const pc_node *node)
{
    double count = (double)pc_count(node->in[0]);
    return (pc_cost){12 * count, 28 * count};
}

const pc_op pc_op_adamw = {
    .name = "adamw",
    .params_size = sizeof(pc_adamw_params),
    .writes_input = true,
    .shape = shape,
    .cost = cost,
    .reference = reference,
};

pc_tensor *pc_adamw(pc_graph *graph, pc_tensor *p, pc_tensor *grad, pc_tensor *m, pc_tensor *v, pc_adamw_params params)
{
    pc_tensor *in[] = {p, grad, m, v};
    return pc_graph_add(graph, &pc_op_adamw, in, 4, 1, &params);
}
