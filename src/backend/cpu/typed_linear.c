/* Rows of two types: a matrix product for each run of neighbours of one type. Pictures' rows lie together, so there are few. */
#include "ops/typed_linear.h"

#include "backend/cpu/product.h"

static const pc_cpu_gemm *gemm_of(const pc_node *node, const pc_cpu_level *level)
{
    return ((const pc_typed_linear_params *)node->params)->compute == PC_BF16 ? level->bf16 : level->f32;
}

static bool computes(const pc_node *node)
{
    const pc_dtype compute = ((const pc_typed_linear_params *)node->params)->compute;
    return compute == PC_F32 || compute == PC_BF16;
}

/* The end of the run of rows that begins at `from`. */
static int64_t end_of_run(const int32_t *types, int64_t from, int64_t rows)
{
    int64_t end = from + 1;
    while (end < rows && (types[end] != 0) == (types[from] != 0)) {
        end++;
    }
    return end;
}

static size_t scratch(const pc_node *node, const pc_cpu_level *level, int threads)
{
    const pc_cpu_product most = {
        .gemm = gemm_of(node, level),
        .m = node->in[0]->max.dim[0],
        .n = node->out[0]->max.dim[1],
        .k = node->in[0]->max.dim[1],
    };
    return pc_cpu_product_scratch(&most, threads);
}

static const float *packed_panels(const pc_tensor *w, const pc_cpu_gemm *gemm)
{
    const pc_cpu_packed *packed = w->param && !w->is_gradient ? w->param->packed : NULL;
    const bool fits = packed && packed->gemm == gemm && packed->count == 1 && packed->n == w->shape.dim[0]
                      && packed->k == w->shape.dim[1];
    return fits ? packed->panels : NULL;
}

static void run(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    const bool back = ((const pc_typed_linear_params *)node->params)->back;
    const int32_t *types = pc_i32(node->in[1]);
    const int64_t rows = node->in[0]->shape.dim[0], k = node->in[0]->shape.dim[1], n = node->out[0]->shape.dim[1];
    const pc_cpu_gemm *gemm = gemm_of(node, level);
    for (int64_t from = 0; from < rows;) {
        const int64_t end = end_of_run(types, from, rows);
        const pc_tensor *w = node->in[2 + (types[from] != 0)];
        pc_cpu_product p = {
            .gemm = gemm,
            .m = end - from,
            .n = n,
            .k = k,
            .a = {pc_f32(node->in[0]) + from * k, PC_F32, k, 1},
            .b = {w->data, w->dtype, back ? 1 : k, back ? n : 1},
            .c = pc_f32_mut(node->out[0]) + from * n,
            .residual = node->in[4] ? pc_f32(node->in[4]) + from * n : NULL,
            .packed = back ? NULL : packed_panels(w, gemm),
        };
        pc_cpu_product_run(&p, call->scratch, call->pool);
        from = end;
    }
}

static bool supports(const pc_node *node)
{
    return computes(node) && node->in[0]->dtype == PC_F32 && pc_cpu_is_factor(node->in[2]) && pc_cpu_is_factor(node->in[3])
           && node->out[0]->dtype == PC_F32 && (!node->in[4] || node->in[4]->dtype == PC_F32);
}

const pc_cpu_kernel pc_cpu_kernel_typed_linear = {.op = &pc_op_typed_linear, .run = run, .scratch = scratch, .supports = supports};

static size_t grad_scratch(const pc_node *node, const pc_cpu_level *level, int threads)
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

static void run_grad(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    const int32_t *types = pc_i32(node->in[2]), which = ((const pc_typed_linear_params *)node->params)->which;
    const int64_t rows = node->in[0]->shape.dim[0], n = node->in[0]->shape.dim[1], k = node->in[1]->shape.dim[1];
    bool begun = node->accumulate;
    for (int64_t from = 0; from < rows || !begun;) {
        const int64_t end = from < rows ? end_of_run(types, from, rows) : from; /* no row at all: zeros */
        if (from == end || (types[from] != 0) == which) {
            pc_cpu_product p = {
                .gemm = gemm_of(node, level),
                .m = n,
                .n = k,
                .k = end - from,
                .a = {pc_f32(node->in[0]) + from * n, PC_F32, 1, n},
                .b = {pc_f32(node->in[1]) + from * k, PC_F32, 1, k},
                .transpose_a = true,
                .c = pc_f32_mut(node->out[0]),
                .accumulate = begun,
            };
            pc_cpu_product_run(&p, call->scratch, call->pool);
            begun = true;
        }
        from = end;
    }
}

static bool supports_grad(const pc_node *node)
{
    return computes(node) && node->in[0]->dtype == PC_F32 && node->in[1]->dtype == PC_F32 && node->out[0]->dtype == PC_F32;
}

const pc_cpu_kernel pc_cpu_kernel_typed_linear_grad = {
    .op = &pc_op_typed_linear_grad, .run = run_grad, .scratch = grad_scratch, .supports = supports_grad};
