/* The best-attended rows.
 *
 * Source: Chen et al. 2024, FastV (arXiv:2403.06764), algorithm 1: the tokens of the picture by the attention that the last token
 * of the prompt gives them, over the mean of the heads; the order of the text stays.
 */
#include "ops/keep_rows.h"

#include "ops/common.h"

#include <math.h>

int64_t pc_kept_of(int64_t n, double keep)
{
    const int64_t kept = (int64_t)llround((double)n * keep);
    return n > 0 && kept < 1 ? 1 : kept > n ? n : kept;
}

static pc_status shape(pc_node *node)
{
    const pc_tensor *weights = node->in[0], *judges = node->in[1], *columns = node->in[2];
    if (weights->shape.ndim != 2) {
        return pc_op_shape_error(node, weights, "weights [R,C]");
    }
    if (judges->dtype != PC_I32 || judges->shape.ndim != 1) {
        return pc_op_shape_error(node, judges, "judges i32 [T]");
    }
    if (columns->dtype != PC_I32 || pc_count(columns) != pc_count(judges)) {
        return pc_op_shape_error(node, columns, "columns i32 [T]");
    }
    if (node->in[3]->shape.ndim < 1 || node->in[3]->shape.dim[0] > pc_count(judges)) {
        return pc_op_shape_error(node, node->in[3], "[T',..], no more than T rows");
    }
    node->out[0]->shape = pc_dims(1, node->in[3]->shape.dim[0]);
    node->out[0]->dtype = PC_I32;
    return PC_OK;
}

/* The weight by which row t is judged. */
static double weight_of(const pc_node *node, int64_t t)
{
    return pc_tensor_get(node->in[0], (int64_t)pc_i32(node->in[1])[t] * node->in[0]->shape.dim[1] + pc_i32(node->in[2])[t]);
}

/* Whether row t is among the best of its judge's. */
static bool stays(const pc_node *node, int64_t t)
{
    const int32_t *judges = pc_i32(node->in[1]);
    const double own = judges[t] < 0 ? 0 : weight_of(node, t);
    int64_t rows = 0, better = 0;
    for (int64_t i = 0; judges[t] >= 0 && i < pc_count(node->in[1]); i++) {
        if (judges[i] == judges[t]) {
            const double other = weight_of(node, i);
            better += other > own || (i < t && !(other < own));
            rows++;
        }
    }
    return judges[t] < 0 || better < pc_kept_of(rows, ((const pc_keep_rows_params *)node->params)->keep);
}

static void reference(const pc_call *call)
{
    const pc_node *node = call->node;
    const int64_t most = pc_count(node->out[0]);
    int32_t *out = node->out[0]->data;
    for (int64_t t = 0, count = 0; t < pc_count(node->in[1]) && count < most; t++) {
        if (stays(node, t)) {
            out[count++] = (int32_t)t;
        }
    }
}

static pc_cost cost(const pc_node *node)
{
    return pc_cost_elementwise(node, 0);
}

const pc_op pc_op_keep_rows = {
    .name = "keep_rows",
    .params_size = sizeof(pc_keep_rows_params),
    .shape = shape,
    .cost = cost,
    .reference = reference,
};

pc_tensor *pc_keep_rows(pc_graph *graph, pc_tensor *weights, pc_tensor *judges, pc_tensor *columns, pc_tensor *like,
                        pc_keep_rows_params params)
{
    pc_tensor *in[] = {weights, judges, columns, like};
    return pc_graph_add(graph, &pc_op_keep_rows, in, 4, 1, &params);
}
