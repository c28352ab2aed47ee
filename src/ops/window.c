/* Sliding windows.
 *
 *   n = keys seen;  the first max(0, n - window) of them go: from the first range, then from the second
 *
 * Source: Jiang et al. 2023 (arXiv:2310.06825), section 2. Easy to get wrong: the row itself counts.
 */
#include "ops/window.h"

#include "ops/attention.h"
#include "ops/common.h"

static pc_status shape(pc_node *node)
{
    const pc_shape *x = &node->in[0]->shape;
    if (x->ndim != 2 || x->dim[1] != 4 || node->in[0]->dtype != PC_I32) {
        return pc_op_shape_error(node, node->in[0], "ranges i32 [T,4]");
    }
    if (((const pc_window_params *)node->params)->window < 1) {
        return pc_fail(PC_ERR_USAGE, "window_ranges: a window of %lld keys",
                       (long long)((const pc_window_params *)node->params)->window);
    }
    return pc_shape_same(node);
}

static int32_t least(int64_t a, int64_t b)
{
    return (int32_t)(a < b ? a : b);
}

static void reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t rows = node->in[0]->shape.dim[0], window = ((const pc_window_params *)node->params)->window;
    const pc_attention_range *in = node->in[0]->data;
    pc_attention_range *out = node->out[0]->data;
    for (int64_t t = 0; t < rows; t++) {
        pc_attention_range r = in[t];
        int64_t prefix = r.prefix_end > r.prefix_begin ? r.prefix_end - r.prefix_begin : 0;
        int64_t own = r.end > r.begin ? r.end - r.begin : 0;
        int64_t gone = prefix + own > window ? prefix + own - window : 0;
        int64_t from_prefix = least(gone, prefix);
        r.prefix_begin += (int32_t)from_prefix;
        r.begin += (int32_t)(gone - from_prefix);
        out[t] = r;
    }
}

static pc_cost cost(const pc_node *node)
{
    return pc_cost_elementwise(node, 0);
}

const pc_op pc_op_window_ranges = {
    .name = "window_ranges",
    .params_size = sizeof(pc_window_params),
    .shape = shape,
    .cost = cost,
    .reference = reference,
};

pc_tensor *pc_window_ranges(pc_graph *graph, pc_tensor *ranges, int64_t window)
{
    pc_window_params params = {window};
    return pc_graph_add(graph, &pc_op_window_ranges, &ranges, 1, 1, &params);
}
