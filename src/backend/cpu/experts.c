/* Mixture of experts: a product for each expert over the rows that are its own, and the weighted sums of what comes out.
 *
 * Rows of one expert lie together (ops/experts.h), so each expert is one matrix product by all threads, of the size that its
 * rows have; experts without rows cost nothing.
 */
#include "ops/experts.h"

#include "backend/cpu/product.h"

#include <string.h>

static const pc_cpu_gemm *gemm_of(const pc_node *node, const pc_cpu_level *level)
{
    return ((const pc_expert_linear_params *)node->params)->compute == PC_BF16 ? level->bf16 : level->f32;
}

static bool is_back(const pc_node *node) { return ((const pc_expert_linear_params *)node->params)->back; }

static bool computes(const pc_node *node)
{
    const pc_dtype compute = ((const pc_expert_linear_params *)node->params)->compute;
    return compute == PC_F32 || compute == PC_BF16;
}

/* --- out[r] = x[r] W_e^T, or x[r] W_e --- */

static size_t linear_scratch(const pc_node *node, const pc_cpu_level *level, int threads)
{
    const pc_cpu_product most = {
        .gemm = gemm_of(node, level),
        .m = node->in[0]->max.dim[0],
        .n = node->out[0]->max.dim[1],
        .k = node->in[0]->max.dim[1],
    };
    return pc_cpu_product_scratch(&most, threads);
}

static const pc_cpu_packed *packed_of(const pc_node *node, const pc_cpu_gemm *gemm)
{
    const pc_tensor *w = node->in[1];
    const pc_cpu_packed *packed = w->param && !w->is_gradient ? w->param->packed : NULL;
    const bool fits = packed && !is_back(node) && packed->gemm == gemm && packed->count == w->shape.dim[0]
                      && packed->n == w->shape.dim[1] && packed->k == w->shape.dim[2];
    return fits ? packed : NULL;
}

static void run_linear(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    const pc_tensor *x = node->in[0], *w = node->in[1];
    const int32_t *offsets = pc_i32(node->in[2]);
    const int64_t n = node->out[0]->shape.dim[1], k = x->shape.dim[1], matrix = w->shape.dim[1] * w->shape.dim[2];
    const pc_cpu_gemm *gemm = gemm_of(node, level);
    const pc_cpu_packed *packed = packed_of(node, gemm);
    for (int64_t e = 0; e < w->shape.dim[0]; e++) {
        const char *weights = (const char *)w->data + (size_t)(e * matrix) * pc_dtype_size(w->dtype);
        pc_cpu_product p = {
            .gemm = gemm,
            .m = offsets[e + 1] - offsets[e],
            .n = n,
            .k = k,
            .a = {pc_f32(x) + offsets[e] * k, PC_F32, k, 1},
            .b = {weights, w->dtype, is_back(node) ? 1 : k, is_back(node) ? n : 1},
            .c = pc_f32_mut(node->out[0]) + offsets[e] * n,
            .packed = packed ? (const float *)packed->panels + e * packed->floats : NULL,
        };
        pc_cpu_product_run(&p, call->scratch, call->pool);
    }
}

static bool supports_linear(const pc_node *node)
{
    return computes(node) && node->in[0]->dtype == PC_F32 && pc_cpu_is_factor(node->in[1]) && node->out[0]->dtype == PC_F32;
}

const pc_cpu_kernel pc_cpu_kernel_expert_linear = {
    .op = &pc_op_expert_linear, .run = run_linear, .scratch = linear_scratch, .supports = supports_linear};

/* --- dW_e = dy_e^T x_e --- */

static size_t linear_grad_scratch(const pc_node *node, const pc_cpu_level *level, int threads)
{
    const pc_cpu_product most = {
        .gemm = gemm_of(node, level),
        .m = node->in[0]->max.dim[1],
        .n = node->in[1]->max.dim[1],
        .k = node->in[0]->max.dim[0],
        .transpose_a = true,
    };
    return pc_cpu_product_scratch(&most, threads);
}

static void run_linear_grad(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    const int32_t *offsets = pc_i32(node->in[2]);
    const int64_t n = node->in[0]->shape.dim[1], k = node->in[1]->shape.dim[1];
    for (int64_t e = 0; e < node->out[0]->shape.dim[0]; e++) {
        pc_cpu_product p = {
            .gemm = gemm_of(node, level),
            .m = n,
            .n = k,
            .k = offsets[e + 1] - offsets[e],
            .a = {pc_f32(node->in[0]) + offsets[e] * n, PC_F32, 1, n},
            .b = {pc_f32(node->in[1]) + offsets[e] * k, PC_F32, 1, k},
            .transpose_a = true,
            .c = pc_f32_mut(node->out[0]) + e * n * k,
            .accumulate = node->accumulate,
        };
        pc_cpu_product_run(&p, call->scratch, call->pool);
    }
}

static bool supports_linear_grad(const pc_node *node)
{
    return computes(node) && node->in[0]->dtype == PC_F32 && node->in[1]->dtype == PC_F32 && node->out[0]->dtype == PC_F32;
}

const pc_cpu_kernel pc_cpu_kernel_expert_linear_grad = {
    .op = &pc_op_expert_linear_grad, .run = run_linear_grad, .scratch = linear_grad_scratch, .supports = supports_linear_grad};

/* --- combination --- */

typedef struct combination {
    const pc_node *node;
    const pc_cpu_rows *rows;
} combination;

static void combine_tokens(void *context, int64_t begin, int64_t end, int thread)
{
    const combination *work = context;
    const pc_node *node = work->node;
    const int64_t top_k = node->in[1]->shape.dim[1], width = node->in[0]->shape.dim[1];
    (void)thread;
    for (int64_t t = begin; t < end; t++) {
        float *out = pc_f32_mut(node->out[0]) + t * width;
        if (node->in[3]) {
            memmove(out, pc_f32(node->in[3]) + t * width, (size_t)width * sizeof *out);
        } else {
            memset(out, 0, (size_t)width * sizeof *out);
        }
        for (int64_t pair = t * top_k; pair < (t + 1) * top_k; pair++) {
            work->rows->add_scaled(out, pc_f32(node->in[0]) + pc_i32(node->in[2])[pair] * width, pc_f32(node->in[1])[pair], width);
        }
    }
}

static void run_combine(const pc_call *call, const pc_cpu_level *level)
{
    combination work = {call->node, level->rows};
    const int64_t width = call->node->in[0]->shape.dim[1];
    pc_cpu_run_pieces(call->pool, call->node->in[1]->shape.dim[0], pc_cpu_rows_in_block(width), combine_tokens, &work);
}

const pc_cpu_kernel pc_cpu_kernel_expert_combine = {.op = &pc_op_expert_combine, .run = run_combine};

static void combine_grad_tokens(void *context, int64_t begin, int64_t end, int thread)
{
    const combination *work = context;
    const pc_node *node = work->node;
    const int64_t top_k = node->in[1]->shape.dim[1], width = node->in[0]->shape.dim[1];
    (void)thread;
    for (int64_t pair = begin * top_k; pair < end * top_k; pair++) {
        const int64_t row = pc_i32(node->in[2])[pair] * width;
        const float *dout = pc_f32(node->in[3]) + pair / top_k * width;
        work->rows->scale(pc_f32_mut(node->out[0]) + row, dout, pc_f32(node->in[1])[pair], width);
        pc_f32_mut(node->out[1])[pair] = work->rows->dot(dout, pc_f32(node->in[0]) + row, width);
    }
}

static void run_combine_grad(const pc_call *call, const pc_cpu_level *level)
{
    combination work = {call->node, level->rows};
    const int64_t width = call->node->in[0]->shape.dim[1];
    pc_cpu_run_pieces(call->pool, call->node->in[1]->shape.dim[0], pc_cpu_rows_in_block(width), combine_grad_tokens, &work);
}

const pc_cpu_kernel pc_cpu_kernel_expert_combine_grad = {.op = &pc_op_expert_combine_grad, .run = run_combine_grad};
