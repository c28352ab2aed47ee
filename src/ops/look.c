/* The weights of attention, the heads put together.
 *
 *   p_h = softmax(scale q_h k^T) over the keys seen;  out_i = max or mean over h of p_hi
 *
 * Easy to get wrong: the heads are put together behind the softmax, so that a row of maxima does not sum to 1.
 */
#include "ops/look.h"

#include "ops/attention.h"
#include "ops/common.h"

#include <math.h>

static pc_status shape(pc_node *node)
{
    const pc_shape *q = &node->in[0]->shape, *k = &node->in[1]->shape;
    const pc_look_params *params = node->params;
    if (q->ndim != 3) {
        return pc_op_shape_error(node, node->in[0], "[R,H,E]");
    }
    if (k->ndim != 3 || k->dim[2] != q->dim[2] || k->dim[1] < 1 || q->dim[1] % k->dim[1]) {
        return pc_op_shape_error(node, node->in[1], "[S,K,E] with the query's E and K dividing H");
    }
    if (pc_count(node->in[2]) != 4 * q->dim[0]) {
        return pc_op_shape_error(node, node->in[2], "[R,4]");
    }
    if (params->columns < 1 || (node->in[3] && params->page_rows < 1)) {
        return pc_fail(PC_ERR_USAGE, "look: %lld columns, pages of %lld rows", (long long)params->columns,
                       (long long)params->page_rows);
    }
    node->out[0]->shape = pc_dims(2, q->dim[0], params->columns);
    node->out[0]->dtype = pc_float_type(node->in[0]);
    return PC_OK;
}

/* Where the i-th key of a range lies, or -1 behind the last. */
static int64_t place_of(const pc_node *node, const pc_attention_range *range, int64_t i)
{
    const pc_look_params *params = node->params;
    int64_t prefix = range->prefix_end > range->prefix_begin ? range->prefix_end - range->prefix_begin : 0;
    int64_t row = i < prefix ? range->prefix_begin + i : range->begin + i - prefix;
    if (i >= prefix && row >= range->end) {
        return -1;
    }
    return node->in[3] ? pc_i32(node->in[3])[row / params->page_rows] * params->page_rows + row % params->page_rows : row;
}

static double score(const pc_node *node, int64_t query, int64_t key)
{
    const int64_t size = node->in[0]->shape.dim[2];
    double sum = 0;
    for (int64_t e = 0; e < size; e++) {
        sum += pc_tensor_get(node->in[0], query * size + e) * pc_tensor_get(node->in[1], key * size + e);
    }
    return sum * ((const pc_look_params *)node->params)->scale;
}

/* The weights of one head join those of the heads before. */
static void look(const pc_node *node, int64_t r, int64_t h)
{
    const pc_look_params *params = node->params;
    const pc_attention_range *range = (const pc_attention_range *)node->in[2]->data + r;
    int64_t heads = node->in[0]->shape.dim[1], key_heads = node->in[1]->shape.dim[1], kh = h / (heads / key_heads);
    double top = -INFINITY, sum = 0;
    for (int64_t i = 0, s; (s = place_of(node, range, i)) >= 0; i++) {
        top = fmax(top, score(node, r * heads + h, s * key_heads + kh));
    }
    for (int64_t i = 0, s; (s = place_of(node, range, i)) >= 0; i++) {
        sum += exp(score(node, r * heads + h, s * key_heads + kh) - top);
    }
    for (int64_t i = 0, s; (s = place_of(node, range, i)) >= 0; i++) {
        double p = exp(score(node, r * heads + h, s * key_heads + kh) - top) / sum;
        double before = pc_tensor_get(node->out[0], r * params->columns + i);
        pc_tensor_set(node->out[0], r * params->columns + i,
                      params->heads == PC_LOOK_MOST ? fmax(before, p) : before + p / (double)heads);
    }
}

static void reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t rows = node->in[0]->shape.dim[0], heads = node->in[0]->shape.dim[1];
    for (int64_t i = 0; i < pc_count(node->out[0]); i++) {
        pc_tensor_set(node->out[0], i, 0);
    }
    for (int64_t i = 0; i < rows * heads; i++) {
        look(node, i / heads, i % heads);
    }
}

static pc_cost cost(const pc_node *node)
{
    pc_cost result = pc_cost_elementwise(node, 0);
    result.flops = 2.0 * (double)pc_count(node->out[0]) * (double)(node->in[0]->shape.dim[1] * node->in[0]->shape.dim[2]);
    return result;
}

const pc_op pc_op_look = {
    .name = "look",
    .params_size = sizeof(pc_look_params),
    .shape = shape,
    .cost = cost,
    .reference = reference,
};

pc_tensor *pc_look(pc_graph *graph, pc_tensor *q, pc_tensor *k, pc_tensor *ranges, pc_tensor *pages, pc_look_params params)
{
    pc_tensor *in[] = {q, k, ranges, pages};
    return pc_graph_add(graph, &pc_op_look, in, 4, 1, &params);
}
