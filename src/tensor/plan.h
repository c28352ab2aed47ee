/* The memory planner: gives every planned value of a graph a place in one arena, so that values alive at the same time
 * never overlap. Takes a finished graph; gives tensor->offset (and in-place sharing) and the arena's size. */
#ifndef PC_TENSOR_PLAN_H
#define PC_TENSOR_PLAN_H

#include "tensor/graph.h"

/* keep_all: no memory is ever reused, so every value can be read after a run. *bytes = arena size. */
pc_status pc_plan_memory(pc_graph *graph, bool keep_all, size_t *bytes);

#endif
