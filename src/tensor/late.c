/* Nodes that run as late as their readers allow.
 *
 *   as written    logits 1 -> loss 1, logits 2 -> loss 2, sum | gradients of 2, gradients of 1      both logits are kept
 *   late          logits 2 -> loss 2, gradients of 2 | logits 1 -> loss 1, gradients of 1 | sum     one at a time
 *
 * Only the order of the nodes changes, not what they compute or the order in which gradients are summed: the same bits.
 */
#include "tensor/graph_internal.h"

#include <stdlib.h>

typedef struct turn {
    pc_node *node;
    size_t before; /* the node it stands right in front of; its own place for the others */
    bool late;
} turn;

void pc_graph_late(pc_graph *graph, bool on)
{
    graph->late = on;
}

/* Readers stand behind what they read: one pass from the last node finds the first reader of each. */
static void find_places(const pc_graph *graph, turn *turns)
{
    for (size_t n = 0; n < graph->node_count; n++) {
        pc_node *node = graph->nodes[n];
        turns[n] = (turn){node, node->late ? graph->node_count : n, node->late};
    }
    for (size_t n = graph->node_count; n > 0; n--) {
        const turn *reader = &turns[n - 1];
        for (int i = 0; i < reader->node->inputs; i++) {
            const pc_node *from = reader->node->in[i] ? reader->node->in[i]->node : NULL;
            turn *made = from && from->late ? &turns[from->index] : NULL;
            if (made && reader->before < made->before) {
                made->before = reader->before;
            }
        }
    }
}

static int earlier_first(const void *a, const void *b)
{
    const turn *x = a, *y = b;
    if (x->before != y->before) {
        return x->before < y->before ? -1 : 1;
    }
    if (x->late != y->late) {
        return x->late ? -1 : 1;
    }
    return x->node->index - y->node->index;
}

pc_status pc_graph_order_late(pc_graph *graph)
{
    turn *turns = NULL;
    bool any = false;
    for (size_t n = 0; n < graph->node_count; n++) {
        any = any || graph->nodes[n]->late;
    }
    if (!any) {
        return PC_OK;
    }
    PC_TRY(PC_NEW_ARRAY(turns, graph->node_count, "the order of a graph's nodes"));
    find_places(graph, turns);
    qsort(turns, graph->node_count, sizeof *turns, earlier_first);
    for (size_t n = 0; n < graph->node_count; n++) {
        graph->nodes[n] = turns[n].node;
        turns[n].node->index = (int)n;
    }
    pc_free(turns);
    return PC_OK;
}
