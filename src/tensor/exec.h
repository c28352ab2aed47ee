/* The executor: plans a finished graph's memory once, then runs it any number of times without allocating.
 *
 * Takes: a finished graph and a backend. Gives: values in the tensors that were kept.
 */
#ifndef PC_TENSOR_EXEC_H
#define PC_TENSOR_EXEC_H

#include "tensor/backend.h"
#include "tensor/graph.h"

typedef struct pc_exec pc_exec;

/* Called after each node has run, on the calling thread: tracing and profiling. */
typedef void (*pc_exec_observer)(void *user, const pc_node *node);

/* graph and backend are borrowed and outlive the executor; a graph has one executor at a time (PC_ERR_USAGE). backend
 * NULL = references only, one thread. */
pc_status pc_exec_new(pc_exec **out, pc_graph *graph, const pc_backend *backend);
/* The same, with no memory reused: every value of the graph can be read after a run. */
pc_status pc_exec_new_tracing(pc_exec **out, pc_graph *graph, const pc_backend *backend);
void pc_exec_free(pc_exec *exec);

/* Point an input at its data for the following runs, with run-time dims within the planned ones. */
pc_status pc_exec_bind(pc_exec *exec, pc_tensor *input, const void *data, pc_shape shape);

/* Run every node. PC_ERR_DATA when an input is unbound or shapes don't fit together. */
pc_status pc_exec_run(pc_exec *exec);

/* NULL switches it off. */
void pc_exec_observe(pc_exec *exec, pc_exec_observer observer, void *user);

size_t pc_exec_arena_bytes(const pc_exec *exec);

#endif
