/* The executor: kernels chosen once, memory planned once; a run only resolves addresses and calls kernels in order. */
#include "tensor/exec.h"

#include "tensor/graph_internal.h"
#include "tensor/plan.h"

struct pc_exec {
    pc_graph *graph;
    const pc_backend *backend;
    pc_kernel *kernels; /* one for each node; NULL for views */
    void *arena;
    size_t arena_bytes;
    void *scratch;
    size_t scratch_bytes;
    bool shapes_changed;
    pc_exec_observer observer;
    void *observer_user;
};

static size_t scratch_of(const pc_exec *exec, const pc_node *node, pc_kernel kernel)
{
    if (kernel && kernel != node->op->reference) {
        return exec->backend->scratch ? exec->backend->scratch(exec->backend, node) : 0;
    }
    return node->op->reference_scratch ? node->op->reference_scratch(node) : 0;
}

static pc_status choose_kernels(pc_exec *exec)
{
    pc_graph *graph = exec->graph;
    PC_TRY(PC_NEW_ARRAY(exec->kernels, graph->node_count + 1, "the kernels of a graph"));
    for (size_t i = 0; i < graph->node_count; i++) {
        const pc_node *node = graph->nodes[i];
        pc_kernel kernel = exec->backend ? exec->backend->kernel(exec->backend, node) : NULL;
        exec->kernels[i] = kernel ? kernel : node->op->reference;
        size_t bytes = scratch_of(exec, node, exec->kernels[i]);
        exec->scratch_bytes = bytes > exec->scratch_bytes ? bytes : exec->scratch_bytes;
    }
    return PC_OK;
}

static pc_status create(pc_exec **out, pc_graph *graph, const pc_backend *backend, bool keep_all)
{
    pc_exec *exec = NULL;
    PC_TRY(pc_graph_finish(graph));
    if (graph->in_use) {
        return pc_fail(PC_ERR_USAGE, "this graph has an executor already");
    }
    PC_TRY(PC_NEW(exec, "an executor"));
    exec->graph = graph;
    graph->in_use = true;
    exec->backend = backend;
    pc_status status = pc_plan_memory(graph, keep_all, &exec->arena_bytes);
    if (status == PC_OK) {
        status = choose_kernels(exec);
    }
    if (status == PC_OK && exec->arena_bytes) {
        status = pc_pages_new(&exec->arena, exec->arena_bytes, "the activations of a graph");
    }
    if (status == PC_OK && exec->scratch_bytes) {
        status = pc_pages_new(&exec->scratch, exec->scratch_bytes, "the scratch memory of a graph");
    }
    if (status != PC_OK) {
        pc_exec_free(exec);
        return status;
    }
    *out = exec;
    return PC_OK;
}

pc_status pc_exec_new(pc_exec **out, pc_graph *graph, const pc_backend *backend)
{
    return create(out, graph, backend, false);
}

pc_status pc_exec_new_tracing(pc_exec **out, pc_graph *graph, const pc_backend *backend)
{
    return create(out, graph, backend, true);
}

/* The graph outlives the executor and its memory: nothing may point there any more. */
static void forget_addresses(pc_graph *graph)
{
    for (size_t i = 0; i < graph->tensor_count; i++) {
        if (graph->tensors[i]->storage == PC_STORE_PLANNED || graph->tensors[i]->storage == PC_STORE_VIEW) {
            graph->tensors[i]->data = NULL;
        }
    }
}

void pc_exec_free(pc_exec *exec)
{
    if (!exec) {
        return;
    }
    forget_addresses(exec->graph);
    exec->graph->in_use = false;
    pc_free(exec->kernels);
    pc_pages_free(exec->arena, exec->arena_bytes);
    pc_pages_free(exec->scratch, exec->scratch_bytes);
    pc_free(exec);
}

/* Each dim, not only their product: scratch memory is planned from them. */
static bool fits(const pc_shape *shape, const pc_shape *max)
{
    bool good = shape->ndim == max->ndim;
    for (int i = 0; good && i < shape->ndim; i++) {
        good = shape->dim[i] >= 0 && shape->dim[i] <= max->dim[i];
    }
    return good;
}

pc_status pc_exec_bind(pc_exec *exec, pc_tensor *input, const void *data, pc_shape shape)
{
    char a[96], b[96];
    if (input->storage != PC_STORE_INPUT) {
        return pc_fail(PC_ERR_USAGE, "%s is not an input of this graph", input->name);
    }
    if (!fits(&shape, &input->max)) {
        return pc_fail(PC_ERR_DATA, "%s: shape %s does not fit into the planned %s", input->name,
                       pc_shape_text(&shape, a), pc_shape_text(&input->max, b));
    }
    input->data = (void *)data;
    if (!pc_shape_equal(&shape, &input->shape)) {
        input->shape = shape;
        exec->shapes_changed = true;
    }
    return PC_OK;
}

static pc_status apply_shapes(pc_exec *exec)
{
    pc_graph *graph = exec->graph;
    for (size_t i = 0; i < graph->node_count; i++) {
        pc_node *node = graph->nodes[i];
        PC_TRY(node->op->shape(node));
        for (int o = 0; o < node->outputs; o++) {
            if (pc_shape_count(&node->out[o]->shape) > pc_shape_count(&node->out[o]->max)) {
                char a[96], b[96];
                return pc_fail(PC_ERR_DATA, "%s '%s': result %s is larger than the planned %s", node->op->name,
                               node->out[o]->name, pc_shape_text(&node->out[o]->shape, a),
                               pc_shape_text(&node->out[o]->max, b));
            }
        }
    }
    exec->shapes_changed = false;
    return PC_OK;
}

static pc_status resolve_addresses(pc_exec *exec)
{
    pc_graph *graph = exec->graph;
    for (size_t i = 0; i < graph->tensor_count; i++) {
        pc_tensor *tensor = graph->tensors[i];
        switch (tensor->storage) {
        case PC_STORE_PLANNED:
            tensor->data = (char *)exec->arena + tensor->offset;
            break;
        case PC_STORE_PARAM:
            tensor->data = tensor->is_gradient ? (void *)tensor->param->grad : tensor->param->data;
            break;
        case PC_STORE_VIEW:
            tensor->data = tensor->base->data ? (char *)tensor->base->data + tensor->offset : NULL;
            break;
        case PC_STORE_INPUT:
            break;
        }
        if (!tensor->data && pc_shape_count(&tensor->shape) > 0) {
            return pc_fail(PC_ERR_USAGE, "'%s' has no data bound", tensor->name);
        }
    }
    return PC_OK;
}

pc_status pc_exec_run(pc_exec *exec)
{
    pc_graph *graph = exec->graph;
    if (exec->shapes_changed) {
        PC_TRY(apply_shapes(exec));
    }
    PC_TRY(resolve_addresses(exec));
    pc_call call = {
        .pool = exec->backend ? exec->backend->pool : NULL,
        .scratch = exec->scratch,
        .scratch_bytes = exec->scratch_bytes,
    };
    for (size_t i = 0; i < graph->node_count; i++) {
        call.node = graph->nodes[i];
        if (exec->kernels[i]) {
            exec->kernels[i](&call);
        }
        if (exec->observer) {
            exec->observer(exec->observer_user, call.node);
        }
    }
    return PC_OK;
}

void pc_exec_observe(pc_exec *exec, pc_exec_observer observer, void *user)
{
    exec->observer = observer;
    exec->observer_user = user;
}

size_t pc_exec_arena_bytes(const pc_exec *exec)
{
    return exec->arena_bytes;
}
