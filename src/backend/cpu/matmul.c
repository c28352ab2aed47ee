/* Matrix products of two tensors: product.h. */
#include "ops/matmul.h"

#include "backend/cpu/product.h"

static const pc_cpu_gemm *gemm_of(const pc_node *node, const pc_cpu_level *level)
{
    return ((const pc_matmul_params *)node->params)->compute == PC_BF16 ? level->bf16 : level->f32;
}

static void dims_of(const pc_shape *a, const pc_shape *b, bool transpose_a, pc_cpu_product *p)
{
    p->m = transpose_a ? pc_shape_last(a) : pc_shape_rows(a);
    p->k = transpose_a ? pc_shape_rows(a) : pc_shape_last(a);
    p->n = p->k > 0 ? pc_shape_count(b) / p->k : 0;
    p->transpose_a = transpose_a;
}

static size_t scratch(const pc_node *node, const pc_cpu_level *level, int threads)
{
    const pc_matmul_params *params = node->params;
    pc_cpu_product p = {.gemm = gemm_of(node, level)};
    dims_of(&node->in[0]->max, &node->in[1]->max, params->transpose_a, &p);
    return pc_cpu_product_scratch(&p, threads);
}

static const float *packed_panels(const pc_node *node, const pc_cpu_product *p)
{
    const pc_matmul_params *params = node->params;
    const pc_tensor *b = node->in[1];
    const pc_cpu_packed *packed = b->param && !b->is_gradient ? b->param->packed : NULL;
    const bool fits = packed && params->transpose_b && packed->gemm == p->gemm && packed->count == 1 && packed->n == p->n
                      && packed->k == p->k;
    return fits ? packed->panels : NULL;
}

static void run(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    const pc_matmul_params *params = node->params;
    const pc_tensor *a = node->in[0], *b = node->in[1];
    pc_cpu_product p = {.gemm = gemm_of(node, level), .c = pc_f32_mut(node->out[0]), .accumulate = node->accumulate};
    dims_of(&a->shape, &b->shape, params->transpose_a, &p);
    p.n = pc_shape_last(&node->out[0]->shape);
    p.a = (pc_cpu_matrix){a->data, a->dtype, params->transpose_a ? 1 : p.k, params->transpose_a ? p.m : 1};
    p.b = (pc_cpu_matrix){b->data, b->dtype, params->transpose_b ? p.k : 1, params->transpose_b ? 1 : p.n};
    p.bias = node->in[2] ? pc_f32(node->in[2]) : NULL;
    p.residual = node->in[3] ? pc_f32(node->in[3]) : NULL;
    p.packed = packed_panels(node, &p);
    pc_cpu_product_run(&p, call->scratch, call->pool);
}

static bool supports(const pc_node *node)
{
    const pc_dtype compute = ((const pc_matmul_params *)node->params)->compute;
    return (compute == PC_F32 || compute == PC_BF16) && pc_cpu_is_factor(node->in[0]) && pc_cpu_is_factor(node->in[1])
           && node->out[0]->dtype == PC_F32 && (!node->in[2] || node->in[2]->dtype == PC_F32)
           && (!node->in[3] || node->in[3]->dtype == PC_F32);
}

const pc_cpu_kernel pc_cpu_kernel_matmul = {.op = &pc_op_matmul, .run = run, .scratch = scratch, .supports = supports};
