/* The graph builder.
 *
 * Takes: operations in the order of the computation. Gives: a list of nodes that an executor runs any number of times.
 * Failure is sticky: after the first one every builder returns a poison tensor, the graph keeps the message, and
 * pc_graph_finish reports it; so forward passes read like the paper, without checks.
 */
#ifndef PC_TENSOR_GRAPH_H
#define PC_TENSOR_GRAPH_H

#include "base/memory.h"
#include "tensor/op.h"

typedef struct pc_graph pc_graph;

pc_status pc_graph_new(pc_graph **out);
void pc_graph_free(pc_graph *graph);

/* A value from outside: planned dims now, data and run-time dims before each run (pc_exec_bind). */
pc_tensor *pc_graph_input(pc_graph *graph, const char *name, pc_dtype dtype, pc_shape max);
/* The same, for tests, soft prompts and attacks: its gradient is wanted. */
void pc_graph_want_grad(pc_graph *graph, pc_tensor *input);
/* A parameter's value. The same parameter gives the same tensor. */
pc_tensor *pc_graph_param(pc_graph *graph, pc_param *param);

/* Name a tensor (printf style); returns it. Named tensors are what a trace writes. */
pc_tensor *pc_name(pc_graph *graph, pc_tensor *tensor, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Keep its memory valid until the next run; returns it. */
pc_tensor *pc_keep(pc_graph *graph, pc_tensor *tensor);

/* Used by the builder function of each operation: one node with `outputs` results; returns out[0] (out[1..] through
 * tensor->node->out[]). params (op->params_size bytes) is copied. */
pc_tensor *pc_graph_add(pc_graph *graph, const pc_op *op, pc_tensor *const *in, int inputs, int outputs,
                        const void *params);
/* A dense view with another shape: element count must agree for every run-time shape. A dim of -1 is computed at run
 * time (at most one); dims 0 copy the input's dim at the same place. */
pc_tensor *pc_reshape(pc_graph *graph, pc_tensor *x, pc_shape shape);

bool pc_graph_failed(const pc_graph *graph);
/* Record a failure (message from pc_fail is kept); returns the poison tensor. */
pc_tensor *pc_graph_poison(pc_graph *graph, pc_status status);

/* A layer of a stack ends here with x: where pc_graph_recompute may cut. Returns x. */
pc_tensor *pc_layer_end(pc_graph *graph, pc_tensor *x);
/* Before pc_graph_backward: values inside of a layer are not kept for its gradient but computed again, with the same bits, when
 * the gradient comes to it. What layers hand on is kept. Chen et al. 2016 (arXiv:1604.06174), section 4. */
void pc_graph_recompute(pc_graph *graph);

/* Nodes added while this is on run as late as their readers allow, the gradient's nodes among these: what they make is not
 * kept until then. On before pc_graph_backward alone; results don't change by a bit. */
void pc_graph_late(pc_graph *graph, bool on);

/* Append the gradient of the scalar `loss`: for each parameter that trains, nodes that add to param->grad; for inputs
 * of pc_graph_want_grad, a kept tensor input->grad. */
void pc_graph_backward(pc_graph *graph, pc_tensor *loss);

/* Nothing more can be added; PC_OK or the first failure. */
pc_status pc_graph_finish(pc_graph *graph);

int pc_graph_nodes(const pc_graph *graph);
pc_node *pc_graph_node(const pc_graph *graph, int index);
int pc_graph_inputs(const pc_graph *graph);
pc_tensor *pc_graph_input_at(const pc_graph *graph, int index);
pc_cost pc_graph_cost(const pc_graph *graph); /* at the current shapes */

#endif
