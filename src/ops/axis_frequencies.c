/* Frequencies of axial rotary embeddings.
 *
 * Source: Su et al. 2021 (arXiv:2104.09864), section 3.2; transformers models/qwen2_vl (axial rope). In f32, as there.
 */
#include "ops/axis_frequencies.h"

#include "ops/common.h"

#include <math.h>

static pc_status shape(pc_node *node)
{
    const pc_axis_frequencies_params *p = node->params;
    if (p->count < 1 || p->axes < 1 || !(p->theta > 0)) {
        return pc_fail(PC_ERR_DATA, "axis_frequencies: %lld frequencies of base %g for %lld axes", (long long)p->count,
                       p->theta, (long long)p->axes);
    }
    node->out[0]->shape = pc_dims(1, p->axes * p->count);
    node->out[0]->dtype = PC_F32;
    return PC_OK;
}

static void reference(const pc_call *call)
{
    const pc_axis_frequencies_params *p = call->node->params;
    float *out = call->node->out[0]->data;
    for (int64_t i = 0; i < p->axes * p->count; i++) {
        out[i] = 1.0f / powf((float)p->theta, (float)(2 * (i % p->count)) / (float)(2 * p->count));
    }
}

static pc_cost cost(const pc_node *node)
{
    return (pc_cost){0, (double)pc_tensor_bytes(node->out[0])};
}

const pc_op pc_op_axis_frequencies = {
    .name = "axis_frequencies",
    .params_size = sizeof(pc_axis_frequencies_params),
    .shape = shape,
    .cost = cost,
    .reference = reference,
};

pc_tensor *pc_axis_frequencies(pc_graph *graph, pc_tensor *like, pc_axis_frequencies_params params)
{
    return pc_graph_add(graph, &pc_op_axis_frequencies, &like, 1, 1, &params);
}
