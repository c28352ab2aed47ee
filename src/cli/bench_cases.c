/* The cases of `percept bench --kernels`: T 2000-4000 rows, D 128-384, F 512-768, V 1000; a picture encoder's ranges of 65
 * tokens, a language model's of 150. */
#include "cli/bench_cases.h"

#include "base/block.h"
#include "base/memory.h"
#include "ops/activation.h"
#include "ops/adamw.h"
#include "ops/add.h"
#include "ops/attention.h"
#include "ops/loss.h"
#include "ops/matmul.h"
#include "ops/multiply.h"
#include "ops/norm.h"
#include "ops/patches.h"
#include "ops/rope.h"
#include "ops/rows.h"
#include "ops/transpose.h"

#include <string.h>

#define F(...) {PC_F32, {sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), {__VA_ARGS__}}, 0, 0}
#define I(limit, ...) {PC_I32, {sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), {__VA_ARGS__}}, limit, 0}
#define BLOCKS(type, ...) {type, {2, {__VA_ARGS__}}, 0, 0}
#define RANGES(length, rows) {PC_I32, {2, {rows, 4}}, 0, length}
#define NONE {PC_F32, {0, {0}}, 0, 0}

static const pc_matmul_params linear_f32 = {false, true, PC_F32}, linear_bf16 = {false, true, PC_BF16};
static const pc_matmul_params input_f32 = {false, false, PC_F32}, input_bf16 = {false, false, PC_BF16};
static const pc_matmul_params weight_f32 = {true, false, PC_F32}, weight_bf16 = {true, false, PC_BF16};

/* y = x W^T, dx = dy W, dW = dy^T x, in both precisions */
#define PRODUCT(parameters, type, name, one, ...)                                                                      \
    {&pc_op_matmul, name, &(parameters), 4, 1, {__VA_ARGS__, NONE, NONE}, type, true, one}
#define LINEAR(m, n, k)                                                                                                \
    PRODUCT(linear_f32, PC_F32, "y  " #m "x" #n "x" #k, false, F(m, k), F(n, k)),                                      \
    PRODUCT(input_f32, PC_F32, "dx " #m "x" #k "x" #n, false, F(m, n), F(n, k)),                                       \
    PRODUCT(weight_f32, PC_F32, "dw " #n "x" #k "x" #m, false, F(m, n), F(m, k)),                                      \
    PRODUCT(linear_bf16, PC_BF16, "y  " #m "x" #n "x" #k, false, F(m, k), F(n, k)),                                    \
    PRODUCT(input_bf16, PC_BF16, "dx " #m "x" #k "x" #n, false, F(m, n), F(n, k)),                                     \
    PRODUCT(weight_bf16, PC_BF16, "dw " #n "x" #k "x" #m, false, F(m, n), F(m, k))

/* A weight in blocks: reading a prompt, decoding. */
#define EIGHT(type, name)                                                                                              \
    PRODUCT(linear_bf16, PC_U8, name " 512x2048x2048", false, F(512, 2048), BLOCKS(type, 2048, 2048)),                 \
    {&pc_op_matmul, name " 1x32000x2048", &linear_bf16, 4, 1, {F(1, 2048), BLOCKS(type, 32000, 2048), NONE, NONE}, PC_U8, false, false}

static const pc_attention_params attention = {.scale = 0.17677669529663687};
#define ATTENTION(t, segment, h, k, e, name)                                                                           \
    {&pc_op_attention, name, &attention, 5, 2, {F(t, h, e), F(t, k, e), F(t, k, e), RANGES(segment, t), NONE},         \
     PC_F32, true, false},                                                                                             \
    {&pc_op_attention_grad, name, &attention, 8, 3,                                                                    \
     {F(t, h, e), F(t, k, e), F(t, k, e), RANGES(segment, t), NONE, F(t, h, e), F(t, h), F(t, h, e)}, PC_F32, true, false}

/* Decoding: one token of 32 heads behind 4,096 others, whose keys and values lie in a cache of this type. */
#define CACHED(type, name)                                                                                             \
    {&pc_op_attention, "T1/4096 H32 K4 E64 " name, &attention, 5, 2,                                                   \
     {F(1, 32, 64), {type, {3, {4096, 4, 64}}, 0, 0}, {type, {3, {4096, 4, 64}}, 0, 0}, {PC_I32, {2, {1, 4}}, 4096, 4096}, NONE}, \
     PC_F32, false, false}

static const pc_activation_params gelu = {PC_ACT_GELU}, gelu_tanh = {PC_ACT_GELU_TANH}, quick_gelu = {PC_ACT_QUICK_GELU};
static const pc_activation_params silu = {PC_ACT_SILU};
static const pc_norm_params norm = {1e-5};
static const pc_scale_params half = {0.5};
static const pc_rope_params halves = {.interleaved = false};
static const pc_slice_params behind_first = {1, 0};
static const pc_patches_params patch = {8};
static const pc_cross_entropy_params plain = {0};
static const pc_adamw_step step = {0.9, 0.999, 1e-8, 0.1, 0.001, 1, 1};
static const pc_adamw_params adamw = {&step, 1e-4, 0.01};

/* Bound by memory (or by the exponentials in between). */
#define ROWS(op, name, params, inputs, outputs, ...) {&(op), name, params, inputs, outputs, {__VA_ARGS__}, PC_F32, false, false}

const pc_bench_case pc_bench_cases[] = {
    PRODUCT(linear_f32, PC_F32, "1024x1024x1024", true, F(1024, 1024), F(1024, 1024)),
    PRODUCT(linear_bf16, PC_BF16, "1024x1024x1024", true, F(1024, 1024), F(1024, 1024)),
    PRODUCT(linear_f32, PC_F32, "1024x1024x1024", false, F(1024, 1024), F(1024, 1024)),
    PRODUCT(linear_bf16, PC_BF16, "1024x1024x1024", false, F(1024, 1024), F(1024, 1024)),
    LINEAR(512, 128, 128),
    LINEAR(2080, 128, 128),
    LINEAR(2080, 512, 128),
    LINEAR(2000, 256, 256),
    LINEAR(2000, 768, 256),
    LINEAR(4000, 384, 384),
    LINEAR(2000, 1000, 256),
    PRODUCT(linear_f32, PC_F32, "1x512x512", false, F(1, 512), F(512, 512)),
    EIGHT(PC_Q8_0, "q8_0"),
    EIGHT(PC_Q4_0, "q4_0"),
    EIGHT(PC_Q4_K, "q4_k"),
    EIGHT(PC_Q6_K, "q6_k"),
    ATTENTION(2080, 65, 4, 4, 32, "T2080/65 H4 E32 full"),
    ATTENTION(2400, -150, 4, 4, 32, "T2400/150 H4 E32 causal"),
    ATTENTION(2400, -150, 8, 2, 64, "T2400/150 H8 K2 E64 causal"),
    ATTENTION(2048, -2048, 8, 8, 64, "T2048 H8 E64 causal"),
    CACHED(PC_F32, "f32"),
    CACHED(PC_BF16, "bf16"),
    CACHED(PC_F16, "f16"),
    CACHED(PC_Q8_0, "q8_0"),
    CACHED(PC_Q4_0, "q4_0"),
    ROWS(pc_op_add, "[4000,256] + same", NULL, 2, 1, F(4000, 256), F(4000, 256)),
    ROWS(pc_op_add, "[4000,256] + [256]", NULL, 2, 1, F(4000, 256), F(256)),
    ROWS(pc_op_sum_to, "[4000,256] to [256]", NULL, 2, 1, F(4000, 256), F(256)),
    ROWS(pc_op_multiply, "[4000,256]", NULL, 2, 1, F(4000, 256), F(4000, 256)),
    ROWS(pc_op_scale, "[4000,256]", &half, 1, 1, F(4000, 256)),
    ROWS(pc_op_scale_by, "[4000,256]", NULL, 2, 1, F(4000, 256), F(1)),
    ROWS(pc_op_dot, "[4000,256]", NULL, 2, 1, F(4000, 256), F(4000, 256)),
    ROWS(pc_op_activation, "gelu [2000,768]", &gelu, 1, 1, F(2000, 768)),
    ROWS(pc_op_activation, "gelu_tanh [2000,768]", &gelu_tanh, 1, 1, F(2000, 768)),
    ROWS(pc_op_activation, "quick_gelu [2000,768]", &quick_gelu, 1, 1, F(2000, 768)),
    ROWS(pc_op_activation_grad, "gelu [2000,768]", &gelu, 2, 1, F(2000, 768), F(2000, 768)),
    ROWS(pc_op_activation_grad, "gelu_tanh [2000,768]", &gelu_tanh, 2, 1, F(2000, 768), F(2000, 768)),
    ROWS(pc_op_activation_grad, "quick_gelu [2000,768]", &quick_gelu, 2, 1, F(2000, 768), F(2000, 768)),
    ROWS(pc_op_glu, "silu [2000,768]", &silu, 2, 1, F(2000, 768), F(2000, 768)),
    ROWS(pc_op_glu_grad, "silu [2000,768]", &silu, 3, 2, F(2000, 768), F(2000, 768), F(2000, 768)),
    ROWS(pc_op_layer_norm, "[4000,256]", &norm, 3, 1, F(4000, 256), F(256), F(256)),
    ROWS(pc_op_layer_norm_grad, "[4000,256]", &norm, 3, 3, F(4000, 256), F(256), F(4000, 256)),
    ROWS(pc_op_rms_norm, "[4000,256]", &norm, 2, 1, F(4000, 256), F(256)),
    ROWS(pc_op_rms_norm_grad, "[4000,256]", &norm, 3, 2, F(4000, 256), F(256), F(4000, 256)),
    ROWS(pc_op_l2_norm, "[4000,256]", &norm, 1, 1, F(4000, 256)),
    ROWS(pc_op_l2_norm_grad, "[4000,256]", &norm, 2, 1, F(4000, 256), F(4000, 256)),
    ROWS(pc_op_rope, "[4000,4,64]", &halves, 3, 1, F(4000, 4, 64), I(150, 4000), F(32)),
    ROWS(pc_op_take_rows, "[1000,256] by 4000", NULL, 2, 1, F(1000, 256), I(1000, 4000)),
    ROWS(pc_op_add_rows, "[4000,256] to [1000,256]", NULL, 3, 1, F(4000, 256), I(1000, 4000), F(1000, 256)),
    ROWS(pc_op_put_rows, "[1000,256] into [4000,256]", NULL, 3, 1, F(4000, 256), F(1000, 256), I(4000, 1000)),
    ROWS(pc_op_store_rows, "[1000,256] into [4000,256]", NULL, 3, 1, F(4000, 256), F(1000, 256), I(4000, 1000)),
    ROWS(pc_op_prepend, "[32,64,256]", NULL, 2, 1, F(32, 64, 256), F(256)),
    ROWS(pc_op_slice, "[32,65,256]", &behind_first, 1, 1, F(32, 65, 256)),
    ROWS(pc_op_slice_grad, "[32,65,256]", &behind_first, 2, 1, F(32, 64, 256), F(32, 65, 256)),
    ROWS(pc_op_patches, "[32,3,64,64] by 8", &patch, 1, 1, F(32, 3, 64, 64)),
    ROWS(pc_op_patches_grad, "[32,3,64,64] by 8", &patch, 2, 1, F(32, 64, 192), F(32, 3, 64, 64)),
    ROWS(pc_op_cross_entropy, "[2000,1000]", &plain, 3, 2, F(2000, 1000), I(1000, 2000), F(2000)),
    ROWS(pc_op_cross_entropy_grad, "[2000,1000]", &plain, 5, 1, F(2000, 1000), I(1000, 2000), F(2000), F(2000), F(1)),
    ROWS(pc_op_sigmoid_loss, "[64,64]", NULL, 1, 1, F(64, 64)),
    ROWS(pc_op_sigmoid_loss_grad, "[64,64]", NULL, 2, 1, F(64, 64), F(1)),
    ROWS(pc_op_transpose, "[1024,1024]", NULL, 1, 1, F(1024, 1024)),
    ROWS(pc_op_adamw, "[1024,1024]", &adamw, 4, 1, F(1024, 1024), F(1024, 1024), F(1024, 1024), F(1024, 1024)),
};
const int pc_bench_case_count = sizeof pc_bench_cases / sizeof pc_bench_cases[0];

/* All rows are the same. */
static void *block_rows(const pc_bench_input *input)
{
    const size_t rows = (size_t)input->shape.dim[0], k = (size_t)pc_shape_count(&input->shape) / rows;
    const size_t bytes = k / pc_dtype_unit(input->dtype) * pc_dtype_size(input->dtype);
    float *numbers = pc_calloc(k, sizeof *numbers);
    char *blocks = pc_calloc(rows, bytes);
    for (size_t i = 0; numbers && i < k; i++) {
        numbers[i] = (float)(i * 7919 % 1000) / 500.0f - 1;
    }
    if (numbers && blocks) {
        pc_block_quantise(input->dtype, blocks, numbers, k);
    }
    for (size_t row = 1; blocks && row < rows; row++) {
        memcpy(blocks + row * bytes, blocks, bytes);
    }
    pc_free(numbers);
    return blocks;
}

/* In 16 bits. */
static void *half_rows(const pc_bench_input *input)
{
    pc_bench_input wide = *input;
    wide.dtype = PC_F32;
    const size_t count = (size_t)pc_shape_count(&input->shape);
    float *numbers = pc_bench_data(&wide);
    void *out = numbers ? pc_calloc(count, pc_dtype_size(input->dtype)) : NULL;
    if (out) {
        pc_convert_from_f32(out, input->dtype, numbers, count);
    }
    pc_free(numbers);
    return out;
}

void *pc_bench_data(const pc_bench_input *input)
{
    if (pc_dtype_is_block(input->dtype)) {
        return block_rows(input);
    }
    if (input->dtype == PC_BF16 || input->dtype == PC_F16) {
        return half_rows(input);
    }
    const int64_t count = pc_shape_count(&input->shape);
    int32_t *data = pc_calloc((size_t)count, sizeof *data);
    for (int64_t i = 0; data && i < count; i++) {
        if (input->segment) {
            const int64_t length = input->segment < 0 ? -input->segment : input->segment;
            const int64_t row = i / 4, begin = row / length * length;
            const int64_t rows = input->below ? input->below : input->shape.dim[0];
            const int64_t end = input->segment < 0 ? row + 1 : begin + length < rows ? begin + length : rows;
            data[i] = (int32_t)(i % 4 == 2 ? begin : i % 4 == 3 ? end : 0);
        } else if (input->dtype == PC_I32) {
            data[i] = (int32_t)(i % input->below);
        } else {
            ((float *)data)[i] = (float)((i * 2654435761) % 1024) / 512.0f - (i % 2 ? 1.0f : 0.5f);
        }
    }
    return data;
}
