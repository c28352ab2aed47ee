/* Rows of keys and sizes for Token Merging: what the blocks of a vision tower spend on it beside their products. */
#include "ops/token_merge.h"

#include "backend/cpu/node.h"

#include <math.h>
#include <string.h>

/* --- halves --- */

static bool is_f32(const pc_node *node)
{
    return node->in[0]->dtype == PC_F32;
}

static void halve_rows(void *context, int64_t begin, int64_t end, int thread)
{
    const pc_node *node = context;
    const int64_t heads = node->in[0]->shape.dim[1], size = node->in[0]->shape.dim[2];
    (void)thread;
    for (int64_t t = begin; t < end; t++) {
        const float *k = pc_f32(node->in[0]) + t * heads * size;
        float *out = pc_f32_mut(node->out[t % 2]) + t / 2 * size;
        double squares = 0;
        memcpy(out, k, (size_t)size * sizeof *out);
        for (int64_t h = 1; h < heads; h++) {
            for (int64_t e = 0; e < size; e++) {
                out[e] += k[h * size + e];
            }
        }
        for (int64_t e = 0; e < size; e++) {
            squares += (double)out[e] * (double)out[e];
        }
        const float factor = squares > 0 ? (float)(1 / sqrt(squares)) : 0; /* a mean of the same direction, so its length is 1 */
        for (int64_t e = 0; e < size; e++) {
            out[e] *= factor;
        }
    }
}

static void run_halves(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    const int64_t rows = node->in[0]->shape.dim[0];
    (void)level;
    if (rows > 0) {
        pc_cpu_run_pieces(call->pool, rows, pc_cpu_rows_in_block(pc_shape_count(&node->in[0]->shape) / rows), halve_rows, (void *)node);
    }
}

const pc_cpu_kernel pc_cpu_kernel_halves = {.op = &pc_op_halves, .run = run_halves, .supports = is_f32};

/* --- proportion --- */

static void widen_rows(const pc_tensor *in, pc_tensor *out, int64_t t, float behind)
{
    const int64_t heads = in->shape.dim[1], size = in->shape.dim[2], wide = size + PC_PROPORTION;
    for (int64_t row = t * heads; row < (t + 1) * heads; row++) {
        float *to = pc_f32_mut(out) + row * wide;
        memcpy(to, pc_f32(in) + row * size, (size_t)size * sizeof *to);
        memset(to + size, 0, PC_PROPORTION * sizeof *to);
        to[size] = behind;
    }
}

static void widen(void *context, int64_t begin, int64_t end, int thread)
{
    const pc_node *node = context;
    const float scale = (float)(1 / ((const pc_proportion_params *)node->params)->scale);
    (void)thread;
    for (int64_t t = begin; t < end; t++) {
        widen_rows(node->in[0], node->out[0], t, scale);
        widen_rows(node->in[1], node->out[1], t, (float)log((double)pc_f32(node->in[3])[t]));
        widen_rows(node->in[2], node->out[2], t, 0);
    }
}

static bool all_f32(const pc_node *node)
{
    return node->in[0]->dtype == PC_F32 && node->in[1]->dtype == PC_F32 && node->in[2]->dtype == PC_F32 &&
           node->in[3]->dtype == PC_F32;
}

static void run_proportion(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    const int64_t rows = node->in[0]->shape.dim[0];
    (void)level;
    if (rows > 0) {
        pc_cpu_run_pieces(call->pool, rows, pc_cpu_rows_in_block(pc_shape_count(&node->out[0]->shape) / rows), widen, (void *)node);
    }
}

const pc_cpu_kernel pc_cpu_kernel_proportion = {.op = &pc_op_proportion, .run = run_proportion, .supports = all_f32};
