/* Rows in and out: gather, scatter, splice, caches, tokens before a group, slices. */
#include "ops/rows.h"

#include "base/block.h"
#include "base/block_store.h"
#include "ops/add.h"
#include "ops/common.h"
#include "ops/multiply.h"
#include "tensor/builtin.h"

static int64_t row_width(const pc_tensor *x)
{
    int64_t width = 1;
    for (int i = 1; i < x->shape.ndim; i++) {
        width *= x->shape.dim[i];
    }
    return width;
}

static void copy_row(pc_tensor *to, int64_t to_row, const pc_tensor *from, int64_t from_row, int64_t width)
{
    for (int64_t i = 0; i < width; i++) {
        pc_tensor_set(to, to_row * width + i, pc_tensor_get(from, from_row * width + i));
    }
}

static void fill_zero(pc_tensor *x)
{
    int64_t count = pc_count(x);
    for (int64_t i = 0; i < count; i++) {
        pc_tensor_set(x, i, 0);
    }
}

static pc_cost copy_cost(const pc_node *node)
{
    return (pc_cost){0, 2 * (double)pc_tensor_bytes(node->out[0])};
}

/* --- take_rows --- */

static pc_status take_shape(pc_node *node)
{
    pc_shape shape = node->in[0]->shape;
    if (shape.ndim < 1) {
        return pc_op_shape_error(node, node->in[0], "a table [V,..]");
    }
    shape.dim[0] = pc_count(node->in[1]);
    node->out[0]->shape = shape;
    node->out[0]->dtype = node->in[0]->dtype == PC_I32 ? PC_I32 : pc_float_type(node->in[0]);
    return PC_OK;
}

static void take_grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    din[0] = pc_add_rows(graph, dout[0], node->in[1], node->in[0]);
}

static void take_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t count = pc_count(node->in[1]), width = row_width(node->in[0]);
    for (int64_t t = 0; t < count; t++) {
        copy_row(node->out[0], t, node->in[0], pc_i32(node->in[1])[t], width);
    }
}

const pc_op pc_op_take_rows = {
    .name = "take_rows",
    .shape = take_shape,
    .grad = take_grad,
    .cost = copy_cost,
    .reference = take_reference,
};

pc_tensor *pc_take_rows(pc_graph *graph, pc_tensor *table, pc_tensor *ids)
{
    pc_tensor *in[] = {table, ids};
    return pc_graph_add(graph, &pc_op_take_rows, in, 2, 1, NULL);
}

/* --- add_rows --- */

static pc_status add_rows_shape(pc_node *node)
{
    node->out[0]->shape = node->in[2]->shape;
    node->out[0]->dtype = node->in[0]->dtype;
    if (pc_count(node->in[0]) != pc_count(node->in[1]) * row_width(node->in[2])) {
        return pc_op_shape_error(node, node->in[0], "a row of the table for each id");
    }
    return PC_OK;
}

static void add_rows_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t count = pc_count(node->in[1]), width = row_width(node->out[0]);
    if (!node->accumulate) {
        fill_zero(node->out[0]);
    }
    for (int64_t t = 0; t < count; t++) {
        int64_t at = pc_i32(node->in[1])[t] * width;
        for (int64_t i = 0; i < width; i++) {
            double sum = pc_tensor_get(node->out[0], at + i) + pc_tensor_get(node->in[0], t * width + i);
            pc_tensor_set(node->out[0], at + i, sum);
        }
    }
}

static void add_rows_grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    din[0] = pc_take_rows(graph, dout[0], node->in[1]);
}

const pc_op pc_op_add_rows = {
    .name = "add_rows",
    .can_accumulate = true,
    .shape = add_rows_shape,
    .grad = add_rows_grad,
    .cost = copy_cost,
    .reference = add_rows_reference,
};

pc_tensor *pc_add_rows(pc_graph *graph, pc_tensor *dy, pc_tensor *ids, pc_tensor *like)
{
    pc_tensor *in[] = {dy, ids, like};
    return pc_graph_add(graph, &pc_op_add_rows, in, 3, 1, NULL);
}

/* --- put_rows --- */

static pc_status put_shape(pc_node *node)
{
    if (pc_count(node->in[1]) != pc_count(node->in[2]) * row_width(node->in[0])) {
        return pc_op_shape_error(node, node->in[1], "one row for each id, as wide as the base");
    }
    return pc_shape_same(node);
}

static void put_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t width = row_width(node->in[0]), rows = pc_count(node->in[2]), count = pc_count(node->out[0]);
    for (int64_t i = 0; i < count; i++) {
        pc_tensor_set(node->out[0], i, pc_tensor_get(node->in[0], i));
    }
    for (int64_t q = 0; q < rows; q++) {
        copy_row(node->out[0], pc_i32(node->in[2])[q], node->in[1], q, width);
    }
}

static void put_grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    if (node->in[0]->needs_grad) {
        pc_tensor *nothing = pc_scale(graph, node->in[1], 0);
        din[0] = pc_put_rows(graph, dout[0], nothing, node->in[2]);
    }
    if (node->in[1]->needs_grad) {
        pc_tensor *rows = pc_take_rows(graph, dout[0], node->in[2]);
        pc_tensor *in[] = {rows, node->in[1]};
        pc_shape unused = {0};
        din[1] = pc_graph_add(graph, &pc_op_reshape, in, 2, 1, &unused);
    }
}

const pc_op pc_op_put_rows = {
    .name = "put_rows",
    .in_place = true,
    .shape = put_shape,
    .grad = put_grad,
    .cost = copy_cost,
    .reference = put_reference,
};

pc_tensor *pc_put_rows(pc_graph *graph, pc_tensor *base, pc_tensor *rows, pc_tensor *ids)
{
    pc_tensor *in[] = {base, rows, ids};
    return pc_graph_add(graph, &pc_op_put_rows, in, 3, 1, NULL);
}

/* --- store_rows --- */

static pc_status store_shape(pc_node *node)
{
    if (pc_count(node->in[1]) != pc_count(node->in[2]) * row_width(node->in[0])) {
        return pc_op_shape_error(node, node->in[1], "one row for each id, as wide as the cache");
    }
    if (row_width(node->in[0]) % (int64_t)pc_dtype_unit(node->in[0]->dtype)) {
        return pc_op_shape_error(node, node->in[0], "rows of whole blocks");
    }
    return pc_shape_same(node);
}

/* Row `from` of x, block by block. */
static void store_blocks(pc_tensor *cache, int64_t to, const pc_tensor *x, int64_t from, int64_t width)
{
    const int64_t unit = (int64_t)pc_dtype_unit(cache->dtype);
    const size_t size = pc_dtype_size(cache->dtype);
    float block[PC_BLOCK_SMALL];
    for (int64_t i = 0; i < width; i += unit) {
        for (int64_t k = 0; k < unit; k++) {
            block[k] = (float)pc_tensor_get(x, from * width + i + k);
        }
        pc_block_store(cache->dtype, (char *)cache->data + (size_t)((to * width + i) / unit) * size, block, (size_t)unit);
    }
}

static void store_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t width = row_width(node->in[0]), rows = pc_count(node->in[2]);
    for (int64_t t = 0; t < rows; t++) {
        const int64_t to = pc_i32(node->in[2])[t];
        if (pc_dtype_is_block(node->out[0]->dtype)) {
            store_blocks(node->out[0], to, node->in[1], t, width);
        } else {
            copy_row(node->out[0], to, node->in[1], t, width);
        }
    }
}

static pc_cost store_cost(const pc_node *node)
{
    return (pc_cost){0, 2 * (double)pc_tensor_bytes(node->in[1])};
}

const pc_op pc_op_store_rows = {
    .name = "store_rows",
    .writes_input = true,
    .shape = store_shape,
    .cost = store_cost,
    .reference = store_reference,
};

pc_tensor *pc_store_rows(pc_graph *graph, pc_tensor *cache, pc_tensor *x, pc_tensor *ids)
{
    pc_tensor *in[] = {cache, x, ids};
    return pc_graph_add(graph, &pc_op_store_rows, in, 3, 1, NULL);
}

/* --- prepend --- */

static int64_t token_rows(const pc_node *node)
{
    const pc_shape *tokens = &node->in[1]->shape;
    return tokens->ndim == 1 ? 1 : tokens->dim[0];
}

static pc_status prepend_shape(pc_node *node)
{
    const pc_shape *x = &node->in[0]->shape;
    if (x->ndim != 3) {
        return pc_op_shape_error(node, node->in[0], "[N,P,D]");
    }
    if (pc_count(node->in[1]) != token_rows(node) * x->dim[2]) {
        return pc_op_shape_error(node, node->in[1], "[C,D] or [D] with the groups' width");
    }
    node->out[0]->shape = pc_dims(3, x->dim[0], token_rows(node) + x->dim[1], x->dim[2]);
    node->out[0]->dtype = node->in[0]->dtype;
    return PC_OK;
}

static void prepend_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    const pc_shape *x = &node->in[0]->shape;
    int64_t tokens = token_rows(node), rows = x->dim[1], width = x->dim[2];
    for (int64_t n = 0; n < x->dim[0]; n++) {
        for (int64_t c = 0; c < tokens; c++) {
            copy_row(node->out[0], n * (tokens + rows) + c, node->in[1], c, width);
        }
        for (int64_t p = 0; p < rows; p++) {
            copy_row(node->out[0], n * (tokens + rows) + tokens + p, node->in[0], n * rows + p, width);
        }
    }
}

static void prepend_grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    int64_t tokens = token_rows(node);
    if (node->in[0]->needs_grad) {
        din[0] = pc_slice(graph, dout[0], tokens, 0);
    }
    if (node->in[1]->needs_grad) {
        din[1] = pc_sum_to(graph, pc_slice(graph, dout[0], 0, tokens), node->in[1]);
    }
}

const pc_op pc_op_prepend = {
    .name = "prepend",
    .shape = prepend_shape,
    .grad = prepend_grad,
    .cost = copy_cost,
    .reference = prepend_reference,
};

pc_tensor *pc_prepend(pc_graph *graph, pc_tensor *x, pc_tensor *tokens)
{
    pc_tensor *in[] = {x, tokens};
    return pc_graph_add(graph, &pc_op_prepend, in, 2, 1, NULL);
}

/* --- slice --- */

static int64_t slice_end(const pc_node *node, const pc_shape *whole)
{
    const pc_slice_params *params = node->params;
    return params->end ? params->end : whole->dim[1];
}

static pc_status slice_shape(pc_node *node)
{
    const pc_slice_params *params = node->params;
    const pc_shape *x = &node->in[0]->shape;
    if (x->ndim != 3 || params->begin < 0 || params->begin > slice_end(node, x) || slice_end(node, x) > x->dim[1]) {
        return pc_op_shape_error(node, node->in[0], "[N,P,D] with the slice inside P");
    }
    node->out[0]->shape = pc_dims(3, x->dim[0], slice_end(node, x) - params->begin, x->dim[2]);
    node->out[0]->dtype = node->in[0]->dtype;
    return PC_OK;
}

static void slice_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    const pc_shape *x = &node->in[0]->shape, *out = &node->out[0]->shape;
    int64_t begin = ((const pc_slice_params *)node->params)->begin;
    for (int64_t n = 0; n < out->dim[0]; n++) {
        for (int64_t p = 0; p < out->dim[1]; p++) {
            copy_row(node->out[0], n * out->dim[1] + p, node->in[0], n * x->dim[1] + begin + p, x->dim[2]);
        }
    }
}

static void slice_grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    pc_tensor *in[] = {dout[0], node->in[0]};
    din[0] = pc_graph_add(graph, &pc_op_slice_grad, in, 2, 1, node->params);
}

const pc_op pc_op_slice = {
    .name = "slice",
    .params_size = sizeof(pc_slice_params),
    .shape = slice_shape,
    .grad = slice_grad,
    .cost = copy_cost,
    .reference = slice_reference,
};

pc_tensor *pc_slice(pc_graph *graph, pc_tensor *x, int64_t begin, int64_t end)
{
    pc_slice_params params = {begin, end};
    return pc_graph_add(graph, &pc_op_slice, &x, 1, 1, &params);
}

static pc_status slice_grad_shape(pc_node *node)
{
    node->out[0]->shape = node->in[1]->shape;
    node->out[0]->dtype = node->in[0]->dtype;
    return PC_OK;
}

static void slice_grad_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    const pc_shape *x = &node->out[0]->shape, *dy = &node->in[0]->shape;
    int64_t begin = ((const pc_slice_params *)node->params)->begin;
    fill_zero(node->out[0]);
    for (int64_t n = 0; n < dy->dim[0]; n++) {
        for (int64_t p = 0; p < dy->dim[1]; p++) {
            copy_row(node->out[0], n * x->dim[1] + begin + p, node->in[0], n * dy->dim[1] + p, x->dim[2]);
        }
    }
}

const pc_op pc_op_slice_grad = {
    .name = "slice_grad",
    .params_size = sizeof(pc_slice_params),
    .shape = slice_grad_shape,
    .cost = copy_cost,
    .reference = slice_grad_reference,
};
