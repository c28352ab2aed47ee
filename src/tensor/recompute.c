/* Layers made again for their gradients: copies of nodes, and their removal where nobody reads them.
 *
 *   forward   x0 -layer 1-> x1 -layer 2-> x2 -> loss           only x0, x1, x2 stay
 *   backward  layer 2 again from x1 -> its gradients; layer 1 again from x0 -> its gradients
 *
 * The copies are the same operations on the same values, and gradients are summed in the same order as without them, so
 * that no bit of any gradient changes. Source: Chen et al. 2016 (arXiv:1604.06174), section 4.
 * Easy to get wrong: a layer may read more than the value that the one before hands on (positions, ranges, skipped states);
 * all of that is read where it is.
 */
#include "tensor/graph_internal.h"

/* What the copy reads for `tensor`. */
static pc_tensor *stand_in(pc_tensor *tensor, size_t first, size_t end, pc_node *const *clones)
{
    const pc_node *node = tensor ? tensor->node : NULL;
    if (!node || (size_t)node->index < first || (size_t)node->index >= end) {
        return tensor;
    }
    for (int i = 0; i < node->outputs; i++) {
        if (node->out[i] == tensor) {
            return clones[(size_t)node->index - first]->out[i];
        }
    }
    return tensor;
}

void pc_graph_repeat(pc_graph *graph, size_t first, size_t end, pc_node **clones)
{
    for (size_t n = first; n < end && !graph->failed; n++) {
        const pc_node *node = graph->nodes[n];
        pc_tensor *in[PC_MAX_INPUTS] = {0};
        for (int i = 0; i < node->inputs; i++) {
            in[i] = stand_in(node->in[i], first, end, clones);
        }
        pc_tensor *out = pc_graph_add(graph, node->op, in, node->inputs, node->outputs, node->params);
        if (graph->failed) {
            return;
        }
        clones[n - first] = out->node;
        for (int i = 0; i < node->outputs; i++) {
            out->node->out[i]->grad = node->out[i]->grad;
        }
    }
}

static bool is_result_of(const pc_tensor *tensor, const pc_node *node)
{
    return tensor && tensor->node == node;
}

static bool is_read(const pc_graph *graph, const pc_node *node)
{
    for (size_t n = (size_t)node->index + 1; n < graph->node_count; n++) {
        const pc_node *reader = graph->nodes[n];
        for (int i = 0; reader && i < reader->inputs; i++) {
            if (is_result_of(reader->in[i], node)) {
                return true;
            }
        }
    }
    return false;
}

/* Results of nodes that are gone need no memory. */
static void drop_tensors(pc_graph *graph)
{
    size_t kept = 0;
    for (size_t i = 0; i < graph->tensor_count; i++) {
        pc_tensor *tensor = graph->tensors[i];
        if (!tensor->node || tensor->node->index >= 0) {
            graph->tensors[kept++] = tensor;
        }
    }
    graph->tensor_count = kept;
}

size_t pc_graph_drop_unread(pc_graph *graph, size_t first, size_t end)
{
    size_t kept = first, left = 0;
    for (size_t n = end; n > first; n--) {
        pc_node *node = graph->nodes[n - 1];
        if (!is_read(graph, node)) {
            node->index = -1;
            graph->nodes[n - 1] = NULL;
        }
    }
    for (size_t n = first; n < graph->node_count; n++) {
        pc_node *node = graph->nodes[n];
        if (node) {
            left += n < end;
            node->index = (int)kept;
            graph->nodes[kept++] = node;
        }
    }
    graph->node_count = kept;
    drop_tensors(graph);
    return left;
}
