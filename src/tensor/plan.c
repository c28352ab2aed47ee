/* Lifetimes, in-place sharing, then placement: largest first, each at the lowest offset that is free for its whole life
 * (greedy by size; Pisarchyk & Lee 2020, "Efficient memory management for deep neural net inference"). */
#include "tensor/plan.h"

#include "tensor/graph_internal.h"

#include <stdlib.h>

enum { ALIGNMENT = 64 };

typedef struct pc_life {
    pc_tensor *tensor; /* owner of the memory */
    int first, last;   /* node indices, both included */
    size_t bytes;
} pc_life;

typedef struct pc_plan {
    pc_graph *graph;
    pc_life *lives;
    size_t count;
} pc_plan;

/* The tensor whose memory this one lives in. */
static pc_tensor *root_of(pc_tensor *tensor)
{
    while (tensor->storage == PC_STORE_VIEW) {
        tensor = tensor->base;
    }
    return tensor;
}

static size_t planned_bytes(const pc_tensor *tensor)
{
    size_t bytes = (size_t)pc_shape_count(&tensor->max) * pc_dtype_size(tensor->dtype);
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* tensor->offset holds the index of its life while planning. */
static pc_life *life_of(pc_plan *plan, pc_tensor *tensor)
{
    pc_tensor *root = root_of(tensor);
    return root->storage == PC_STORE_PLANNED ? &plan->lives[root->offset] : NULL;
}

static pc_status collect_lives(pc_plan *plan)
{
    pc_graph *graph = plan->graph;
    PC_TRY(PC_NEW_ARRAY(plan->lives, graph->tensor_count + 1, "lifetimes of values"));
    for (size_t i = 0; i < graph->tensor_count; i++) {
        pc_tensor *tensor = graph->tensors[i];
        if (tensor->storage == PC_STORE_PLANNED) {
            int made = tensor->node ? tensor->node->index : 0;
            tensor->offset = (int64_t)plan->count;
            plan->lives[plan->count++] = (pc_life){tensor, made, made, planned_bytes(tensor)};
        }
    }
    return PC_OK;
}

static void extend_lives(pc_plan *plan, bool keep_all)
{
    pc_graph *graph = plan->graph;
    for (size_t n = 0; n < graph->node_count; n++) {
        pc_node *node = graph->nodes[n];
        for (int i = 0; i < node->inputs; i++) {
            pc_life *life = node->in[i] ? life_of(plan, node->in[i]) : NULL;
            if (life && life->last < (int)n) {
                life->last = (int)n;
            }
        }
    }
    for (size_t i = 0; i < graph->tensor_count; i++) {
        pc_life *life = graph->tensors[i]->keep || keep_all ? life_of(plan, graph->tensors[i]) : NULL;
        if (life) {
            life->last = (int)graph->node_count;
        }
    }
}

static bool used_twice(const pc_node *node, const pc_tensor *root)
{
    int uses = 0;
    for (int i = 0; i < node->inputs; i++) {
        uses += node->in[i] && root_of(node->in[i]) == root;
    }
    return uses > 1;
}

/* Let out[0] take over the memory of in[0] where in[0] ends. */
static void share_in_place(pc_plan *plan)
{
    for (size_t n = 0; n < plan->graph->node_count; n++) {
        pc_node *node = plan->graph->nodes[n];
        if (!node->op->in_place || node->out[0]->storage != PC_STORE_PLANNED) {
            continue;
        }
        pc_life *from = life_of(plan, node->in[0]);
        pc_life *to = life_of(plan, node->out[0]);
        if (!from || from->last != (int)n || from->bytes != to->bytes || used_twice(node, from->tensor)) {
            continue;
        }
        from->last = to->last;
        to->bytes = 0;
        node->out[0]->storage = PC_STORE_VIEW;
        node->out[0]->base = root_of(node->in[0]);
        node->out[0]->offset = 0;
    }
}

static int larger_first(const void *a, const void *b)
{
    const pc_life *x = a, *y = b;
    if (x->bytes != y->bytes) {
        return x->bytes < y->bytes ? 1 : -1;
    }
    return x->first - y->first;
}

/* placed: indices of lives already placed, ordered by offset. */
static int64_t lowest_free(const pc_life *lives, const size_t *placed, size_t count, const pc_life *life)
{
    int64_t offset = 0;
    for (size_t i = 0; i < count; i++) {
        const pc_life *other = &lives[placed[i]];
        if (other->last < life->first || other->first > life->last) {
            continue;
        }
        if (other->tensor->offset >= offset + (int64_t)life->bytes) {
            break;
        }
        int64_t end = other->tensor->offset + (int64_t)other->bytes;
        offset = end > offset ? end : offset;
    }
    return offset;
}

static pc_status place(pc_plan *plan, size_t *bytes)
{
    size_t *placed = NULL;
    PC_TRY(PC_NEW_ARRAY(placed, plan->count + 1, "the memory plan"));
    qsort(plan->lives, plan->count, sizeof *plan->lives, larger_first);
    size_t count = 0;
    *bytes = 0;
    for (size_t i = 0; i < plan->count; i++) {
        pc_life *life = &plan->lives[i];
        if (life->tensor->storage != PC_STORE_PLANNED) {
            continue;
        }
        int64_t offset = lowest_free(plan->lives, placed, count, life);
        size_t at = count++;
        for (; at > 0 && plan->lives[placed[at - 1]].tensor->offset > offset; at--) {
            placed[at] = placed[at - 1];
        }
        placed[at] = i;
        life->tensor->offset = offset;
        size_t end = (size_t)offset + life->bytes;
        *bytes = end > *bytes ? end : *bytes;
    }
    pc_free(placed);
    return PC_OK;
}

pc_status pc_plan_memory(pc_graph *graph, bool keep_all, size_t *bytes)
{
    pc_plan plan = {.graph = graph};
    pc_status status = collect_lives(&plan);
    if (status == PC_OK) {
        extend_lives(&plan, keep_all);
        if (!keep_all) {
            share_in_place(&plan);
        }
        status = place(&plan, bytes);
    }
    pc_free(plan.lives);
    return status;
}
