/* Source and target rows of one packed sequence.
 *
 * Source: Raffel et al. 2020 (arXiv:1910.10683), section 2.1: a source that sees all of itself, a target that sees the source
 * and what stands before it.
 */
#include "ops/sides.h"

#include "ops/common.h"

void pc_sides_ranges(pc_attention_range *ranges, int64_t base, int64_t source, int64_t tokens)
{
    int32_t first = (int32_t)base, target = (int32_t)(base + source);
    for (int64_t i = 0; i < tokens; i++) {
        ranges[i] = i < source ? (pc_attention_range){first, first, first, target}
                               : (pc_attention_range){first, target, target, (int32_t)(base + i + 1)};
    }
}

int64_t pc_sides_rows(const pc_attention_range *ranges, int64_t count, int32_t *source, int32_t *target)
{
    int64_t sources = 0, targets = 0;
    for (int64_t i = 0; i < count; i++) {
        if (ranges[i].prefix_end > ranges[i].prefix_begin) {
            target[targets++] = (int32_t)i;
        } else {
            source[sources++] = (int32_t)i;
        }
    }
    return sources;
}

static pc_status pick_shape(pc_node *node)
{
    for (int i = 0; i < node->inputs; i++) {
        if (node->in[i]->dtype != PC_I32) {
            return pc_op_shape_error(node, node->in[i], "i32");
        }
    }
    if (node->in[0]->shape.ndim != 2 || node->in[0]->shape.dim[1] != 4) {
        return pc_op_shape_error(node, node->in[0], "ranges [T,4]");
    }
    node->out[0]->shape = pc_dims(2, pc_count(node->in[1]), 4);
    node->out[0]->dtype = PC_I32;
    return PC_OK;
}

/* How many of the ascending keys are below `row`. */
static int32_t keys_below(const pc_tensor *keys, int32_t row)
{
    const int32_t *at = pc_i32(keys);
    int64_t low = 0, high = pc_count(keys);
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (at[middle] < row) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return (int32_t)low;
}

static void pick_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    const pc_attention_range *in = node->in[0]->data;
    const pc_tensor *keys = node->inputs > 2 ? node->in[2] : NULL;
    pc_attention_range *out = node->out[0]->data;
    bool prefix = ((const pc_pick_ranges_params *)node->params)->prefix;
    for (int64_t r = 0; r < pc_count(node->in[1]); r++) {
        const pc_attention_range *from = &in[pc_i32(node->in[1])[r]];
        int32_t begin = prefix ? from->prefix_begin : from->begin, end = prefix ? from->prefix_end : from->end;
        out[r] = (pc_attention_range){0, 0, keys ? keys_below(keys, begin) : begin, keys ? keys_below(keys, end) : end};
    }
}

static pc_cost pick_cost(const pc_node *node)
{
    return (pc_cost){0, 2 * (double)pc_tensor_bytes(node->out[0])};
}

const pc_op pc_op_pick_ranges = {
    .name = "pick_ranges",
    .params_size = sizeof(pc_pick_ranges_params),
    .shape = pick_shape,
    .cost = pick_cost,
    .reference = pick_reference,
};

pc_tensor *pc_pick_ranges(pc_graph *graph, pc_tensor *ranges, pc_tensor *rows, pc_tensor *keys, bool prefix)
{
    pc_pick_ranges_params params = {prefix};
    pc_tensor *in[] = {ranges, rows, keys};
    return pc_graph_add(graph, &pc_op_pick_ranges, in, keys ? 3 : 2, 1, &params);
}

static pc_status ints_shape(pc_node *node)
{
    if (node->in[0]->dtype != PC_I32 || node->in[1]->dtype != PC_I32) {
        return pc_op_shape_error(node, node->in[node->in[0]->dtype == PC_I32], "i32");
    }
    node->out[0]->shape = pc_dims(1, pc_count(node->in[1]));
    node->out[0]->dtype = PC_I32;
    return PC_OK;
}

static void ints_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int32_t *out = node->out[0]->data;
    for (int64_t r = 0; r < pc_count(node->in[1]); r++) {
        out[r] = pc_i32(node->in[0])[pc_i32(node->in[1])[r]];
    }
}

const pc_op pc_op_pick_ints = {
    .name = "pick_ints",
    .shape = ints_shape,
    .cost = pick_cost,
    .reference = ints_reference,
};

pc_tensor *pc_pick_ints(pc_graph *graph, pc_tensor *values, pc_tensor *rows)
{
    pc_tensor *in[] = {values, rows};
    return pc_graph_add(graph, &pc_op_pick_ints, in, 2, 1, NULL);
}
