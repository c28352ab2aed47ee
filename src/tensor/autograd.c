/* The autograd driver: walks the nodes backwards and lets each operation append its gradient nodes.
 *
 * A value that is read several times gets the sum of what flows back from each reader, in the readers' reverse order:
 * fixed by the graph, so sums never depend on threads. A parameter's gradient goes straight into param->grad: where the
 * operation can accumulate, its kernel adds there and no temporary exists.
 */
#include "tensor/builtin.h"
#include "tensor/graph_internal.h"

#include <string.h>

static const float one_f32 = 1;
static const double one_f64 = 1;

static pc_tensor *ones(pc_graph *graph, const pc_tensor *loss)
{
    pc_tensor *seed = pc_graph_new_tensor(graph, PC_STORE_INPUT, loss->dtype, loss->shape);
    if (!graph->failed) {
        seed->data = loss->dtype == PC_F64 ? (void *)&one_f64 : (void *)&one_f32;
        seed->name = "one";
    }
    return seed;
}

/* True when `value` is f32 and out[0] of a node made since `first` that can add to its output and that nobody else
 * reads. */
static bool can_redirect(const pc_graph *graph, const pc_tensor *value, size_t first, pc_tensor *const *din, int inputs)
{
    const pc_node *node = value->node;
    if (!node || (size_t)node->index < first || !node->op->can_accumulate || node->out[0] != value ||
        value->storage != PC_STORE_PLANNED || value->dtype != PC_F32 || node->accumulate) {
        return false;
    }
    int uses = 0;
    for (int i = 0; i < inputs; i++) {
        uses += din[i] == value;
    }
    for (size_t n = first; n < graph->node_count; n++) {
        for (int i = 0; i < graph->nodes[n]->inputs; i++) {
            uses += graph->nodes[n]->in[i] == value;
        }
    }
    return uses == 1;
}

static void into_param(pc_graph *graph, pc_tensor *target, pc_tensor *value, bool redirect)
{
    if (redirect) {
        value->storage = PC_STORE_PARAM;
        value->param = target->param;
        value->is_gradient = true;
        value->node->accumulate = true;
        return;
    }
    if (!target->grad) {
        target->grad = pc_graph_new_tensor(graph, PC_STORE_PARAM, PC_F32, target->shape);
        if (graph->failed) {
            return;
        }
        target->grad->param = target->param;
        target->grad->is_gradient = true;
    }
    pc_tensor *in[] = {target->grad, value};
    pc_graph_add(graph, &pc_op_accumulate_into, in, 2, 1, NULL);
}

/* Operations that only count elements may give a gradient of another shape, say of a residual [N,P,D] added to rows. */
static pc_tensor *shaped_like(pc_graph *graph, pc_tensor *value, pc_tensor *target)
{
    if (pc_shape_equal(&value->max, &target->max)) {
        return value;
    }
    pc_tensor *in[] = {value, target};
    pc_shape unused = {0};
    return pc_graph_add(graph, &pc_op_reshape, in, 2, 1, &unused);
}

static void flow_into(pc_graph *graph, pc_tensor *target, pc_tensor *value, bool redirect)
{
    if (target->storage == PC_STORE_PARAM) {
        into_param(graph, target, value, redirect);
        return;
    }
    value = shaped_like(graph, value, target);
    if (!target->grad) {
        target->grad = value;
    } else {
        pc_tensor *in[] = {target->grad, value};
        target->grad = pc_graph_add(graph, &pc_op_accumulate, in, 2, 1, NULL);
    }
}

static bool gather_gradients(const pc_node *node, pc_tensor **dout)
{
    bool any = false;
    for (int i = 0; i < node->outputs; i++) {
        dout[i] = node->out[i]->grad;
        any = any || dout[i];
    }
    return any && node->out[0]->needs_grad;
}

static void backward_node(pc_graph *graph, pc_node *node)
{
    pc_tensor *dout[PC_MAX_OUTPUTS] = {0};
    pc_tensor *din[PC_MAX_INPUTS] = {0};
    if (!gather_gradients(node, dout)) {
        return;
    }
    size_t first = graph->node_count;
    node->op->grad(graph, node, dout, din);
    if (graph->failed) {
        return;
    }
    bool redirect[PC_MAX_INPUTS] = {0};
    for (int i = 0; i < node->inputs; i++) {
        redirect[i] = din[i] && can_redirect(graph, din[i], first, din, node->inputs);
    }
    for (int i = 0; i < node->inputs; i++) {
        if (din[i] && node->in[i] && node->in[i]->needs_grad) {
            flow_into(graph, node->in[i], din[i], redirect[i]);
        }
    }
}

/* Has a gradient arrived at a result of nodes [first, end)? */
static bool is_reached(const pc_graph *graph, size_t first, size_t end)
{
    for (size_t n = first; n < end; n++) {
        for (int i = 0; i < graph->nodes[n]->outputs; i++) {
            if (graph->nodes[n]->out[i]->grad) {
                return true;
            }
        }
    }
    return false;
}

/* One layer: its values made again, their gradients, and away with what these did not ask for. */
static void backward_again(pc_graph *graph, size_t first, size_t end)
{
    pc_node **clones = NULL;
    size_t start = graph->node_count, count = end - first;
    if (!is_reached(graph, first, end)) {
        return;
    }
    pc_status status = PC_NEW_ARRAY(clones, count + 1, "a layer made again");
    if (status != PC_OK) {
        pc_graph_poison(graph, status);
        return;
    }
    pc_graph_repeat(graph, first, end, clones);
    for (size_t i = count; i > 0 && !graph->failed; i--) {
        backward_node(graph, clones[i - 1]);
    }
    pc_free(clones);
    if (!graph->failed) {
        pc_graph_drop_unread(graph, start, start + count);
    }
}

/* All nodes that there are, the last one first. */
static void backward_nodes(pc_graph *graph)
{
    size_t end = graph->node_count, cuts = graph->recompute ? graph->cut_count : 0;
    size_t tail = cuts ? graph->cuts[cuts - 1] : 0; /* behind the last layer nothing is worth making again */
    for (; end > tail && !graph->failed; end--) {
        backward_node(graph, graph->nodes[end - 1]);
    }
    for (size_t c = cuts; c > 0 && !graph->failed; c--) {
        backward_again(graph, c > 1 ? graph->cuts[c - 2] : 0, graph->cuts[c - 1]);
    }
}

void pc_graph_backward(pc_graph *graph, pc_tensor *loss)
{
    if (graph->failed) {
        return;
    }
    if (pc_shape_count(&loss->shape) != 1) {
        char text[96];
        pc_graph_poison(graph, pc_fail(PC_ERR_USAGE, "backward: the loss has shape %s, expected one element",
                                       pc_shape_text(&loss->shape, text)));
        return;
    }
    loss->grad = ones(graph, loss);
    backward_nodes(graph);
    for (size_t i = 0; i < graph->input_count && !graph->failed; i++) {
        if (graph->inputs[i]->grad) {
            pc_keep(graph, graph->inputs[i]->grad);
        }
    }
}
