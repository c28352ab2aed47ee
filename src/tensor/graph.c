/* The graph builder: nodes in the order of the computation, sticky failure. */
#include "tensor/builtin.h"
#include "tensor/graph_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Of one value: far above any memory, and still safe to multiply by an element's size and to add up. */
static const size_t MAX_ELEMENTS = (size_t)1 << 44;

pc_status pc_graph_new(pc_graph **out)
{
    PC_TRY(PC_NEW(*out, "a graph"));
    pc_graph *graph = *out;
    graph->poison = pc_arena_alloc(&graph->arena, 1, sizeof *graph->poison);
    if (!graph->poison) {
        pc_graph_free(graph);
        *out = NULL;
        return pc_fail_memory(sizeof(pc_tensor), "a graph");
    }
    graph->poison->name = "poison";
    return PC_OK;
}

void pc_graph_free(pc_graph *graph)
{
    if (!graph) {
        return;
    }
    pc_free(graph->nodes);
    pc_free(graph->tensors);
    pc_free(graph->inputs);
    pc_free(graph->params);
    pc_free(graph->cuts);
    pc_free(graph->message);
    pc_arena_free(&graph->arena);
    pc_free(graph);
}

bool pc_graph_failed(const pc_graph *graph)
{
    return graph->failed != PC_OK;
}

pc_tensor *pc_graph_poison(pc_graph *graph, pc_status status)
{
    if (graph->failed == PC_OK) {
        graph->failed = status;
        graph->message = pc_strdup(pc_error());
    }
    return graph->poison;
}

pc_tensor *pc_graph_new_tensor(pc_graph *graph, pc_storage storage, pc_dtype dtype, pc_shape shape)
{
    if (graph->failed) {
        return graph->poison;
    }
    pc_tensor *tensor = pc_arena_alloc(&graph->arena, 1, sizeof *tensor);
    if (!tensor) {
        return pc_graph_poison(graph, pc_fail_memory(sizeof *tensor, "a graph's tensor"));
    }
    pc_status status = pc_grow(&graph->tensors, &graph->tensor_capacity, graph->tensor_count + 1,
                               sizeof *graph->tensors, "a graph's tensors");
    if (status != PC_OK) {
        return pc_graph_poison(graph, status);
    }
    graph->tensors[graph->tensor_count++] = tensor;
    tensor->name = "";
    tensor->storage = storage;
    tensor->dtype = dtype;
    tensor->shape = tensor->max = shape;
    return tensor;
}

/* Sizes come from configuration files in the end: no product of dims may overflow later. */
static pc_status check_size(const pc_shape *shape, const char *what)
{
    size_t count = 1;
    bool good = true;
    if (shape->ndim < 0 || shape->ndim > PC_MAX_DIMS) {
        return pc_fail(PC_ERR_USAGE, "%s: %d dims, expected 0 to %d", what, shape->ndim, PC_MAX_DIMS);
    }
    for (int i = 0; good && i < shape->ndim; i++) {
        /* Dims of 0 hide no overflow: the others may be multiplied alone. */
        good = shape->dim[i] >= 0 && pc_mul_size(count, shape->dim[i] ? (size_t)shape->dim[i] : 1, &count) &&
               count <= MAX_ELEMENTS;
    }
    char text[96];
    return good ? PC_OK : pc_fail(PC_ERR_DATA, "%s: the shape %s is too large", what, pc_shape_text(shape, text));
}

pc_tensor *pc_graph_input(pc_graph *graph, const char *name, pc_dtype dtype, pc_shape max)
{
    pc_tensor *tensor = pc_graph_new_tensor(graph, PC_STORE_INPUT, dtype, max);
    if (graph->failed) {
        return tensor;
    }
    pc_status status = check_size(&max, name);
    if (status != PC_OK) {
        return pc_graph_poison(graph, status);
    }
    status = pc_grow(&graph->inputs, &graph->input_capacity, graph->input_count + 1,
                               sizeof *graph->inputs, "a graph's inputs");
    if (status != PC_OK) {
        return pc_graph_poison(graph, status);
    }
    graph->inputs[graph->input_count++] = tensor;
    return pc_name(graph, tensor, "%s", name);
}

void pc_graph_want_grad(pc_graph *graph, pc_tensor *input)
{
    if (!graph->failed) {
        input->needs_grad = true;
    }
}

pc_tensor *pc_graph_param(pc_graph *graph, pc_param *param)
{
    for (size_t i = 0; i < graph->param_count; i++) {
        if (graph->params[i]->param == param) {
            return graph->params[i];
        }
    }
    pc_tensor *tensor = pc_graph_new_tensor(graph, PC_STORE_PARAM, param->dtype, param->shape);
    if (graph->failed) {
        return tensor;
    }
    pc_status status = pc_grow(&graph->params, &graph->param_capacity, graph->param_count + 1,
                               sizeof *graph->params, "a graph's parameters");
    if (status != PC_OK) {
        return pc_graph_poison(graph, status);
    }
    graph->params[graph->param_count++] = tensor;
    tensor->param = param;
    tensor->needs_grad = param->trains;
    tensor->name = param->name ? param->name : "";
    return tensor;
}

pc_tensor *pc_name(pc_graph *graph, pc_tensor *tensor, const char *format, ...)
{
    char text[256];
    va_list arguments;
    if (graph->failed) {
        return tensor;
    }
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const char *name = pc_arena_strdup(&graph->arena, text);
    if (!name) {
        return pc_graph_poison(graph, pc_fail_memory(strlen(text), "a tensor's name"));
    }
    tensor->name = name;
    return tensor;
}

pc_tensor *pc_keep(pc_graph *graph, pc_tensor *tensor)
{
    if (!graph->failed) {
        tensor->keep = true;
    }
    return tensor;
}

pc_tensor *pc_layer_end(pc_graph *graph, pc_tensor *x)
{
    if (graph->failed) {
        return x;
    }
    pc_status status = pc_grow(&graph->cuts, &graph->cut_capacity, graph->cut_count + 1, sizeof *graph->cuts,
                               "a graph's layers");
    if (status != PC_OK) {
        return pc_graph_poison(graph, status);
    }
    graph->cuts[graph->cut_count++] = graph->node_count;
    return x;
}

void pc_graph_recompute(pc_graph *graph)
{
    graph->recompute = true;
}

/* The node without its results; NULL after recording a failure. */
static pc_node *new_node(pc_graph *graph, const pc_op *op, pc_tensor *const *in, int inputs, const void *params)
{
    pc_node *node = pc_arena_alloc(&graph->arena, 1, sizeof *node);
    void *copy = op->params_size ? pc_arena_alloc(&graph->arena, 1, op->params_size) : NULL;
    if (!node || (op->params_size && !copy)) {
        pc_graph_poison(graph, pc_fail_memory(sizeof *node + op->params_size, "a graph's node"));
        return NULL;
    }
    pc_status status = pc_grow(&graph->nodes, &graph->node_capacity, graph->node_count + 1, sizeof *graph->nodes,
                               "a graph's nodes");
    if (status != PC_OK) {
        pc_graph_poison(graph, status);
        return NULL;
    }
    if (copy && params) {
        memcpy(copy, params, op->params_size);
    }
    node->op = op;
    node->params = copy;
    node->inputs = inputs;
    node->late = graph->late;
    for (int i = 0; i < inputs; i++) {
        node->in[i] = in[i];
    }
    return node;
}

static bool any_needs_grad(const pc_node *node)
{
    for (int i = 0; node->op->grad && i < node->inputs; i++) {
        if (node->in[i] && node->in[i]->needs_grad) {
            return true;
        }
    }
    return false;
}

pc_tensor *pc_graph_add(pc_graph *graph, const pc_op *op, pc_tensor *const *in, int inputs, int outputs,
                        const void *params)
{
    if (graph->failed) {
        return graph->poison;
    }
    if (graph->finished || inputs > PC_MAX_INPUTS || outputs < 1 || outputs > PC_MAX_OUTPUTS) {
        return pc_graph_poison(graph, pc_fail(PC_ERR_USAGE, "%s: cannot be added to this graph", op->name));
    }
    pc_node *node = new_node(graph, op, in, inputs, params);
    if (!node) {
        return graph->poison;
    }
    node->outputs = outputs;
    for (int i = 0; i < outputs; i++) {
        pc_storage storage = op->writes_input && i == 0 ? PC_STORE_VIEW : PC_STORE_PLANNED;
        node->out[i] = pc_graph_new_tensor(graph, storage, PC_F32, (pc_shape){0});
        node->out[i]->node = node;
    }
    if (graph->failed) {
        return graph->poison;
    }
    pc_status status = op->shape(node);
    for (int i = 0; i < outputs && status == PC_OK; i++) {
        status = check_size(&node->out[i]->shape, op->name);
    }
    if (status != PC_OK) {
        return pc_graph_poison(graph, status);
    }
    bool needs_grad = any_needs_grad(node);
    for (int i = 0; i < outputs; i++) {
        node->out[i]->max = node->out[i]->shape;
        node->out[i]->needs_grad = needs_grad;
    }
    if (op->writes_input) {
        node->out[0]->base = node->in[0];
    }
    node->index = (int)graph->node_count;
    graph->nodes[graph->node_count++] = node;
    return node->out[0];
}

pc_status pc_graph_finish(pc_graph *graph)
{
    if (graph->failed) {
        return pc_fail(graph->failed, "%s", graph->message ? graph->message : "the graph could not be built");
    }
    PC_TRY(graph->finished ? PC_OK : pc_graph_order_late(graph));
    graph->finished = true;
    return PC_OK;
}

int pc_graph_nodes(const pc_graph *graph)
{
    return (int)graph->node_count;
}

pc_node *pc_graph_node(const pc_graph *graph, int index)
{
    return graph->nodes[index];
}

int pc_graph_inputs(const pc_graph *graph)
{
    return (int)graph->input_count;
}

pc_tensor *pc_graph_input_at(const pc_graph *graph, int index)
{
    return graph->inputs[index];
}

pc_cost pc_graph_cost(const pc_graph *graph)
{
    pc_cost total = {0, 0};
    for (size_t i = 0; i < graph->node_count; i++) {
        pc_cost cost = graph->nodes[i]->op->cost(graph->nodes[i]);
        total.flops += cost.flops;
        total.bytes += cost.bytes;
    }
    return total;
}
