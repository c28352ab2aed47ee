/* Linear biases by distance.
 *
 * Source: Press et al. 2022 (arXiv:2108.12409), section 3; MPT's attention.py and transformers models/mpt
 * (build_mpt_alibi_tensor) for numbers of heads that are no power of two. In f32, as there.
 * Easy to get wrong: those take the slopes 1, 3, 5, ... of the next power of two first, then 0, 2, 4, ...
 */
#include "ops/alibi.h"

#include "ops/common.h"

#include <math.h>

static pc_status shape(pc_node *node)
{
    const pc_alibi_params *p = node->params;
    if (p->heads < 1 || p->most < 1 || p->most > INT32_MAX || !(p->highest > 0)) {
        return pc_fail(PC_ERR_DATA, "alibi: %lld heads, distances up to %lld, exponent %g", (long long)p->heads,
                       (long long)p->most, p->highest);
    }
    node->out[0]->shape = pc_dims(2, p->heads, 2 * p->most + 1);
    node->out[0]->dtype = PC_F32;
    return PC_OK;
}

static float slope(const pc_alibi_params *p, int64_t head)
{
    int64_t power = 1;
    while (power < p->heads) {
        power *= 2;
    }
    int64_t at = power == p->heads ? head : head < power / 2 ? 2 * head + 1 : 2 * (head - power / 2);
    return 1.0f / powf(2, (float)(at + 1) * (float)(p->highest / (double)power));
}

static void reference(const pc_call *call)
{
    const pc_alibi_params *p = call->node->params;
    float *out = call->node->out[0]->data;
    for (int64_t h = 0; h < p->heads; h++) {
        const float by = slope(p, h);
        for (int64_t d = -p->most; d <= p->most; d++) {
            *out++ = by * (float)d;
        }
    }
}

static pc_cost cost(const pc_node *node)
{
    return (pc_cost){(double)pc_count(node->out[0]), (double)pc_tensor_bytes(node->out[0])};
}

const pc_op pc_op_alibi = {
    .name = "alibi",
    .params_size = sizeof(pc_alibi_params),
    .shape = shape,
    .cost = cost,
    .reference = reference,
};

pc_tensor *pc_alibi(pc_graph *graph, pc_tensor *like, pc_alibi_params params)
{
    return pc_graph_add(graph, &pc_op_alibi, &like, 1, 1, &params);
}
