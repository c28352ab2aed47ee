/* C = op(A) op(B) + bias + residual.
 *
 * Gradients, for y = x W^T:  dx = dy W,  dW = dy^T x,  db = sum over rows of dy. The four transposes are one operation.
 * Easy to get wrong: a weight with more than two dims (a patch convolution) counts as [dim 0, the rest], but rows [N,P,K]
 * as [N P, K] also where a gradient takes them as the second factor.
 */
#include "ops/matmul.h"

#include "base/block.h"
#include "ops/add.h"
#include "ops/common.h"

typedef struct dims {
    int64_t m, n, k, k_of_b;
} dims;

static dims dims_of(const pc_node *node)
{
    const pc_matmul_params *params = node->params;
    const pc_shape *a = &node->in[0]->shape, *b = &node->in[1]->shape;
    int64_t rows = pc_shape_rows(a), last = pc_shape_last(a);
    int64_t b_rows = b->ndim ? b->dim[0] : 1;
    int64_t b_last = 1;
    for (int i = 1; i < b->ndim; i++) {
        b_last *= b->dim[i];
    }
    return (dims){
        .m = params->transpose_a ? last : rows,
        .k = params->transpose_a ? rows : last,
        .n = params->transpose_b ? b_rows : b_last,
        .k_of_b = params->transpose_b ? b_last : b_rows,
    };
}

static pc_status shape(pc_node *node)
{
    const pc_matmul_params *params = node->params;
    dims d = dims_of(node);
    pc_tensor *out = node->out[0];
    if (node->in[0]->shape.ndim < 1) {
        return pc_op_shape_error(node, node->in[0], "at least one dim");
    }
    if (d.k != d.k_of_b) {
        char a[96], b[96];
        return pc_fail(PC_ERR_DATA, "matmul: '%s' %s and '%s' %s do not fit: inner dims %lld and %lld", node->in[0]->name,
                       pc_shape_text(&node->in[0]->shape, a), node->in[1]->name,
                       pc_shape_text(&node->in[1]->shape, b), (long long)d.k, (long long)d.k_of_b);
    }
    out->dtype = pc_float_type(node->in[0]);
    if (params->transpose_a) {
        out->shape = pc_dims(2, d.m, d.n);
    } else {
        out->shape = node->in[0]->shape;
        out->shape.dim[out->shape.ndim - 1] = d.n;
    }
    if (node->in[2] && pc_count(node->in[2]) != d.n) {
        return pc_op_shape_error(node, node->in[2], "a bias as long as the result's last dim");
    }
    if (node->in[3] && pc_count(node->in[3]) != d.m * d.n) {
        return pc_op_shape_error(node, node->in[3], "a residual of the result's shape");
    }
    return PC_OK;
}

static double rounded(double value, pc_dtype compute)
{
    return compute == PC_BF16 ? pc_bf16_to_f32(pc_f32_to_bf16((float)value)) : value;
}

/* Number at of A [M,K] rounded to 8 bits with the others of its group. */
static double rounded_to_eight(const pc_tensor *a, int64_t at)
{
    float group[PC_BLOCK_SMALL];
    int8_t code[PC_BLOCK_SMALL];
    const int64_t first = at / PC_BLOCK_SMALL * PC_BLOCK_SMALL;
    for (int i = 0; i < PC_BLOCK_SMALL; i++) {
        group[i] = (float)pc_tensor_get(a, first + i);
    }
    const float scale = pc_block_round_eight(code, group);
    return (double)scale * code[at - first];
}

bool pc_matmul_in_eight_bits(const pc_node *node)
{
    const pc_matmul_params *params = node->params;
    return pc_dtype_is_block(node->in[1]->dtype) && params->compute == PC_BF16 && params->transpose_b && !params->transpose_a;
}

static void reference(const pc_call *call)
{
    const pc_node *node = call->node;
    const pc_matmul_params *params = node->params;
    const pc_dtype compute = pc_dtype_is_block(node->in[1]->dtype) ? PC_F32 : params->compute;
    const bool eight = pc_matmul_in_eight_bits(node);
    dims d = dims_of(node);
    for (int64_t m = 0; m < d.m; m++) {
        for (int64_t n = 0; n < d.n; n++) {
            double sum = node->accumulate ? pc_tensor_get(node->out[0], m * d.n + n) : 0;
            for (int64_t k = 0; k < d.k; k++) {
                const int64_t at = params->transpose_a ? k * d.m + m : m * d.k + k;
                double a = eight ? rounded_to_eight(node->in[0], at) : pc_tensor_get(node->in[0], at);
                double b = pc_tensor_get(node->in[1], params->transpose_b ? n * d.k + k : k * d.n + n);
                sum += rounded(a, compute) * rounded(b, compute);
            }
            sum += node->in[2] ? pc_tensor_get(node->in[2], n) : 0;
            sum += node->in[3] ? pc_tensor_get(node->in[3], m * d.n + n) : 0;
            pc_tensor_set(node->out[0], m * d.n + n, sum);
        }
    }
}

static pc_tensor *product(pc_graph *graph, pc_tensor *a, bool transpose_a, pc_tensor *b, bool transpose_b,
                          pc_dtype compute)
{
    pc_matmul_params params = {.transpose_a = transpose_a, .transpose_b = transpose_b, .compute = compute};
    return pc_matmul(graph, a, b, params);
}

/* As the first factor counts, in any place: leading dims are rows. */
static pc_tensor *rows_of(pc_graph *graph, pc_tensor *x)
{
    return x->max.ndim > 2 ? pc_reshape(graph, x, pc_dims(2, -1, pc_shape_last(&x->max))) : x;
}

/* As the second factor counts, in any place: dim 0 is the row. */
static pc_tensor *weight_of(pc_graph *graph, pc_tensor *x)
{
    return x->max.ndim > 2 ? pc_reshape(graph, x, pc_dims(2, 0, -1)) : x;
}

static void grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    const pc_matmul_params *params = node->params;
    pc_tensor *a = node->in[0], *b = node->in[1], *dy = dout[0];
    bool ta = params->transpose_a, tb = params->transpose_b;
    pc_dtype compute = params->compute;
    if (a->needs_grad) {
        /* C = A op(B): dA = dC op(B)^T;  C = A^T op(B): dA = op(B) dC^T. */
        din[0] = ta ? product(graph, weight_of(graph, b), tb, dy, true, compute)
                    : product(graph, dy, false, b, !tb, compute);
    }
    if (b->needs_grad) {
        /* C = op(A) B: dB = op(A)^T dC;  C = op(A) B^T: dB = dC^T op(A). */
        din[1] = tb ? product(graph, dy, true, rows_of(graph, a), ta, compute)
                    : product(graph, a, !ta, rows_of(graph, dy), false, compute);
    }
    if (node->in[2] && node->in[2]->needs_grad) {
        din[2] = pc_sum_to(graph, dy, node->in[2]);
    }
    if (node->in[3] && node->in[3]->needs_grad) {
        din[3] = dy;
    }
}

static pc_cost cost(const pc_node *node)
{
    dims d = dims_of(node);
    pc_cost result = pc_cost_elementwise(node, 0);
    result.flops = 2.0 * (double)d.m * (double)d.n * (double)d.k;
    return result;
}

const pc_op pc_op_matmul = {
    .name = "matmul",
    .params_size = sizeof(pc_matmul_params),
    .can_accumulate = true,
    .shape = shape,
    .grad = grad,
    .cost = cost,
    .reference = reference,
};

pc_tensor *pc_matmul(pc_graph *graph, pc_tensor *a, pc_tensor *b, pc_matmul_params params)
{
    pc_tensor *in[] = {a, b, NULL, NULL};
    return pc_graph_add(graph, &pc_op_matmul, in, 4, 1, &params);
}

pc_tensor *pc_linear(pc_graph *graph, pc_tensor *x, pc_tensor *weight, pc_tensor *bias, pc_tensor *residual,
                     pc_dtype compute)
{
    pc_matmul_params params = {.transpose_b = true, .compute = compute};
    pc_tensor *in[] = {x, weight, bias, residual};
    return pc_graph_add(graph, &pc_op_matmul, in, 4, 1, &params);
}
