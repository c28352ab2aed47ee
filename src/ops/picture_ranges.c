/* Pictures apart from the text.
 *
 * Source: Alayrac et al. 2022 (arXiv:2204.14198), section 2.3 (a token sees the last picture before it); Laurencon et al. 2023,
 * transformers models/idefics/processing_idefics.py (the end of a document hides the picture). Easy to get wrong: the row of
 * the picture itself sees it, and so does the row of the end.
 */
#include "ops/picture_ranges.h"

#include "ops/attention.h"
#include "ops/common.h"

static pc_status shape(pc_node *node)
{
    const pc_shape *x = &node->in[0]->shape;
    if (x->ndim != 2 || x->dim[1] != 4 || node->in[0]->dtype != PC_I32) {
        return pc_op_shape_error(node, node->in[0], "ranges i32 [T,4]");
    }
    if (node->in[1]->dtype != PC_I32 || node->in[2]->dtype != PC_I32) {
        return pc_op_shape_error(node, node->in[1]->dtype != PC_I32 ? node->in[1] : node->in[2], "of i32");
    }
    return pc_shape_same(node);
}

static bool sees(const pc_attention_range *range, int32_t row)
{
    return (row >= range->prefix_begin && row < range->prefix_end) || (row >= range->begin && row < range->end);
}

/* Index of the picture that row t reads, or -1. */
static int64_t picture_of(const pc_node *node, int64_t t)
{
    const pc_picture_ranges_params *params = node->params;
    const pc_attention_range *range = (const pc_attention_range *)node->in[0]->data + t;
    const int32_t *rows = pc_i32(node->in[1]), *ids = pc_i32(node->in[2]);
    int64_t picture = pc_count(node->in[1]) - 1;
    while (picture >= 0 && (rows[picture] > t || !sees(range, rows[picture]))) {
        picture--;
    }
    for (int64_t r = picture >= 0 ? rows[picture] + 1 : t; params->end_id >= 0 && r < t; r++) {
        if (ids[r] == params->end_id && sees(range, (int32_t)r)) {
            return -1;
        }
    }
    return picture;
}

static void reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int32_t queries = (int32_t)((const pc_picture_ranges_params *)node->params)->queries;
    pc_attention_range *out = node->out[0]->data;
    for (int64_t t = 0; t < node->in[0]->shape.dim[0]; t++) {
        int32_t picture = (int32_t)picture_of(node, t);
        out[t] = picture < 0 ? (pc_attention_range){0} : (pc_attention_range){.begin = picture * queries, .end = (picture + 1) * queries};
    }
}

static pc_cost cost(const pc_node *node)
{
    return pc_cost_elementwise(node, 0);
}

const pc_op pc_op_picture_ranges = {
    .name = "picture_ranges",
    .params_size = sizeof(pc_picture_ranges_params),
    .shape = shape,
    .cost = cost,
    .reference = reference,
};

pc_tensor *pc_picture_ranges(pc_graph *graph, pc_tensor *ranges, pc_tensor *rows, pc_tensor *ids, pc_picture_ranges_params params)
{
    pc_tensor *in[] = {ranges, rows, ids};
    return pc_graph_add(graph, &pc_op_picture_ranges, in, 3, 1, &params);
}

static pc_status types_shape(pc_node *node)
{
    if (node->in[0]->dtype != PC_I32 || node->in[1]->shape.ndim != 1) {
        return pc_op_shape_error(node, node->in[0], "rows i32 [S] of a text [T]");
    }
    node->out[0]->shape = node->in[1]->shape;
    node->out[0]->dtype = PC_I32;
    return PC_OK;
}

static void types_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t tokens = pc_count(node->in[1]), soft = pc_count(node->in[0]);
    int32_t *types = node->out[0]->data;
    for (int64_t t = 0; t < tokens; t++) {
        types[t] = 0;
    }
    for (int64_t s = 0; s < soft; s++) {
        types[pc_i32(node->in[0])[s]] = 1;
    }
    for (int64_t t = 0; t < tokens; t++) { /* from the front: the next row is still as it was */
        types[t] = types[t] && t + 1 < tokens && types[t + 1];
    }
}

const pc_op pc_op_picture_types = {
    .name = "picture_types",
    .shape = types_shape,
    .cost = cost,
    .reference = types_reference,
};

pc_tensor *pc_picture_types(pc_graph *graph, pc_tensor *rows, pc_tensor *ids)
{
    pc_tensor *in[] = {rows, ids};
    return pc_graph_add(graph, &pc_op_picture_types, in, 2, 1, NULL);
}
