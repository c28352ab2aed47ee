/* Element-wise, row-wise and moving kernels at each instruction-set level against their references. */
#include "kernels/walker.h"

#include "ops/activation.h"
#include "ops/adamw.h"
#include "ops/dropout.h"
#include "ops/nesterov.h"
#include "ops/sgd.h"
#include "ops/add.h"
#include "ops/attention.h"
#include "ops/depthwise.h"
#include "ops/log_scale.h"
#include "ops/look.h"
#include "ops/loss.h"
#include "ops/dora.h"
#include "ops/multiply.h"
#include "ops/norm.h"
#include "ops/patches.h"
#include "ops/preference.h"
#include "ops/rope.h"
#include "ops/rows.h"
#include "ops/token_merge.h"
#include "ops/transpose.h"
#include "tensor/builtin.h"

static const int64_t widths[] = {1, 3, 4, 7, 8, 15, 16, 17, 31, 33, 64, 100, 257};
enum { WIDTHS = sizeof widths / sizeof widths[0] };

static const double extremes[] = {
    0, -0.0, 1e-45, -1e-40, 1e-30, 1, -1, 20, -20, 87, -87, 89, -89, 104, -110, 1e4, -1e4, 1e30, -1e30, INFINITY, -INFINITY, NAN,
};
enum { EXTREMES = sizeof extremes / sizeof extremes[0] };

/* Same-shaped float inputs, checked at all widths; `edges` puts extreme values into the first input. */
static void each_width(walker *w, const pc_op *op, const void *params, int inputs, int outputs, bool edges)
{
    for (int i = 0; i < WIDTHS; i++) {
        for (int rows = 1; rows < 700; rows += 333) {
            walker_begin(w, op, params);
            for (int j = 0; j < inputs; j++) {
                pc_tensor *x = walker_float(w, PC_F32, pc_dims(2, rows, widths[i]));
                for (int64_t k = 0; edges && j == 0 && k < EXTREMES && k < rows * widths[i]; k++) {
                    walker_set(w, x, k, extremes[k]);
                }
            }
            w->node.outputs = outputs;
            walker_check(w);
        }
    }
}

static void test_elementwise(void **state)
{
    const pc_scale_params factor = {-1.5};
    each_width(*state, &pc_op_add, NULL, 2, 1, true);
    each_width(*state, &pc_op_accumulate, NULL, 2, 1, true);
    each_width(*state, &pc_op_accumulate_into, NULL, 2, 1, true);
    each_width(*state, &pc_op_multiply, NULL, 2, 1, true);
    each_width(*state, &pc_op_scale, &factor, 1, 1, true);
}

static void test_repeated(void **state)
{
    walker *w = *state;
    for (int i = 0; i < 3 * WIDTHS; i++) {
        const int64_t width = widths[i % WIDTHS];
        const pc_shape suffix = i % 3 == 0 ? pc_dims(1, width) : i % 3 == 1 ? pc_dims(2, 5, width) : pc_dims(2, 40, 16 * width);
        const pc_shape whole = i % 3 == 0 ? pc_dims(3, 70, 5, width) : pc_dims(3, 7, suffix.dim[0], suffix.dim[1]);
        walker_begin(w, &pc_op_add, NULL);
        walker_float(w, PC_F32, whole);
        walker_float(w, PC_F32, suffix);
        walker_check(w);
        walker_begin(w, &pc_op_sum_to, NULL);
        walker_float(w, PC_F32, whole);
        walker_float(w, PC_F32, suffix);
        w->accumulate = i % 2;
        w->absolute = 1e-5;
        walker_check(w);
        walker_begin(w, &pc_op_scale_by, NULL);
        walker_float(w, PC_F32, whole);
        walker_float(w, PC_F32, pc_dims(1, 1));
        walker_check(w);
        walker_begin(w, &pc_op_dot, NULL);
        walker_float(w, PC_F32, whole);
        walker_float(w, PC_F32, whole);
        w->absolute = 2e-4;
        walker_check(w);
    }
}

/* Ranges of two parts, one part and none; keys in pages and as they are. */
static void test_look(void **state)
{
    walker *w = *state;
    static const pc_dtype types[] = {PC_F32, PC_BF16, PC_F16};
    enum { ROWS = 9, KEYS = 70, PAGE = 10 };
    for (int i = 0; i < 2 * WIDTHS; i++) {
        const int64_t width = widths[i % WIDTHS], heads = i % 3 ? 4 : 2;
        const pc_look_params params = {.scale = 0.3, .page_rows = PAGE, .columns = KEYS + i % 5,
                                       .heads = i % 2 ? PC_LOOK_MEAN : PC_LOOK_MOST};
        walker_begin(w, &pc_op_look, &params);
        walker_float(w, PC_F32, pc_dims(3, ROWS, heads, width));
        walker_float(w, types[i % 3], pc_dims(3, KEYS, 2, width));
        pc_tensor *ranges = walker_int(w, pc_dims(2, ROWS, 4), 1);
        for (int r = 0; r < ROWS; r++) {
            const int32_t edges[] = {r % 3, r % 3 ? 12 : 0, 20 + r, r == 7 ? 20 : KEYS - 2 * r};
            for (int k = 0; k < 4; k++) {
                walker_set(w, ranges, 4 * r + k, edges[k]);
            }
        }
        if (i % 4 < 2) {
            walker_distinct(w, KEYS / PAGE, KEYS / PAGE);
        } else {
            walker_absent(w);
        }
        w->absolute = 2e-6;
        walker_check(w);
    }
}

static void test_log_scale(void **state)
{
    walker *w = *state;
    const pc_log_scale_params params = {50};
    for (int i = 0; i < 2 * WIDTHS; i++) {
        walker_begin(w, &pc_op_log_scale, &params);
        walker_float(w, PC_F32, pc_dims(3, i % 5 * 30, 3, widths[i % WIDTHS]));
        walker_int(w, i % 2 ? pc_dims(1, i % 5 * 30) : pc_dims(2, i % 5 * 30, 3), 200);
        walker_check(w);
    }
}

/* Odd and even numbers of tokens, and none; sizes from 1 on. */
static void test_token_merge(void **state)
{
    walker *w = *state;
    const pc_proportion_params params = {0.125};
    for (int i = 0; i < 2 * WIDTHS; i++) {
        const int64_t tokens = i % 4 * 7, width = widths[i % WIDTHS];
        walker_begin(w, &pc_op_halves, NULL);
        w->node.outputs = 2;
        walker_float(w, PC_F32, pc_dims(3, tokens, 1 + i % 3, width));
        w->absolute = 2e-6;
        walker_check(w);
        walker_begin(w, &pc_op_proportion, &params);
        w->node.outputs = 3;
        for (int k = 0; k < 3; k++) {
            walker_float(w, PC_F32, pc_dims(3, tokens, 3, width));
        }
        pc_tensor *sizes = walker_float(w, PC_F32, pc_dims(1, tokens));
        for (int64_t t = 0; t < tokens; t++) {
            walker_set(w, sizes, t, (double)(1 + t % 5));
        }
        walker_check(w);
    }
}

static void test_depthwise(void **state)
{
    walker *w = *state;
    for (int i = 0; i < 4 * WIDTHS; i++) {
        const int64_t width = widths[i % WIDTHS], kernel = i % 4 < 2 ? 3 : 5;
        const pc_depthwise_params params = {.from = {4 + i % 3, 5}, .stride = 1 + i % 2};
        walker_begin(w, &pc_op_depthwise, &params);
        walker_float(w, PC_F32, pc_dims(3, i % 3, params.from.rows * params.from.columns, width));
        walker_float(w, PC_F32, pc_dims(4, width, 1, kernel, kernel));
        if (i % 4 == 1 || i % 4 == 2) {
            walker_float(w, PC_F32, pc_dims(1, width));
        }
        walker_check(w);
    }
}

/* The tails count: the relative error of 1e-6 holds where the value is far from 0. */
/* What DoRA is made of: factors of columns, lengths of rows. */
static void test_row_lengths(void **state)
{
    walker *w = *state;
    const pc_inverse_lengths_params params = {.factor = 0.5};
    const pc_dtype types[] = {PC_F32, PC_BF16, PC_F16};
    for (int i = 0; i < WIDTHS; i++) {
        const pc_shape shape = pc_dims(2, 5, widths[i]);
        walker_begin(w, &pc_op_multiply, NULL);
        walker_float(w, PC_F32, pc_dims(3, 70, 5, widths[i]));
        walker_float(w, PC_F32, i % 2 ? shape : pc_dims(1, widths[i]));
        walker_check(w);
        walker_begin(w, &pc_op_inverse_lengths, &params);
        walker_float(w, types[i % 3], shape);
        walker_float(w, PC_F32, shape);
        walker_check(w);
    }
}

static void test_activations(void **state)
{
    walker *w = *state;
    for (pc_activation kind = PC_ACT_GELU; kind <= PC_ACT_EXP; kind++) {
        const pc_activation_params params = {kind};
        for (int grad = 0; grad < 2; grad++) {
            enum { N = 6001 };
            walker_begin(w, grad ? &pc_op_activation_grad : &pc_op_activation, &params);
            pc_tensor *x = walker_float(w, PC_F32, pc_dims(1, N));
            for (int i = 0; i < N; i++) {
                const double value = i < 3000 ? (i - 1500) * 0.01 : (i - 4500) * 1e-4 + (i % 2 ? 0.625 : -0.625);
                walker_set(w, x, i, value);
            }
            if (grad) {
                walker_float(w, PC_F32, pc_dims(1, N));
            }
            w->absolute = kind == PC_ACT_EXP ? 0 : 2e-7;
            w->relative = 2e-6;
            walker_check(w);
        }
        each_width(w, &pc_op_glu, &params, 2, 1, false);
        each_width(w, &pc_op_glu_grad, &params, 3, 2, false);
    }
}

/* Extreme values where the limit is not an indefinite product of infinity and 0. */
static void test_activation_edges(void **state)
{
    walker *w = *state;
    for (pc_activation kind = PC_ACT_GELU; kind <= PC_ACT_EXP; kind++) {
        const pc_activation_params params = {kind};
        walker_begin(w, &pc_op_activation, &params);
        pc_tensor *x = walker_float(w, PC_F32, pc_dims(1, EXTREMES));
        for (int i = 0; i < EXTREMES; i++) {
            walker_set(w, x, i, extremes[i] == -INFINITY && kind < PC_ACT_RELU ? -500 : extremes[i]);
        }
        w->absolute = 1e-36;
        walker_check(w);
    }
}

static void test_norms(void **state)
{
    walker *w = *state;
    const pc_norm_params params = {1e-5};
    for (int i = 0; i < WIDTHS; i++) {
        for (int rows = 1; rows < 300; rows += 142) {
            for (int kind = 0; kind < 6; kind++) {
                static const pc_op *const ops[] = {&pc_op_layer_norm, &pc_op_layer_norm_grad, &pc_op_rms_norm,
                                                   &pc_op_rms_norm_grad, &pc_op_l2_norm, &pc_op_l2_norm_grad};
                walker_begin(w, ops[kind], &params);
                walker_float(w, PC_F32, pc_dims(2, rows, widths[i]));
                if (kind < 4) {
                    walker_float(w, PC_F32, pc_dims(1, widths[i]));
                }
                if (kind == 0) {
                    walker_float(w, PC_F32, pc_dims(1, widths[i]));
                }
                if (kind % 2) {
                    walker_float(w, PC_F32, pc_dims(2, rows, widths[i]));
                }
                w->node.outputs = kind == 1 ? 3 : kind == 3 ? 2 : 1;
                w->absolute = widths[i] <= 4 && kind % 2 ? 2e-3 : 2e-5; /* narrow rows may divide by a tiny spread */
                walker_check(w);
            }
        }
    }
}

/* Weights of their own for each of several heads. */
static void test_norms_in_groups(void **state)
{
    walker *w = *state;
    const pc_norm_params params = {1e-5};
    for (int i = 0; i < WIDTHS; i++) {
        for (int64_t groups = 2; groups < 6; groups += 3) {
            for (int kind = 0; kind < 4; kind++) {
                static const pc_op *const ops[] = {&pc_op_layer_norm, &pc_op_layer_norm_grad, &pc_op_rms_norm, &pc_op_rms_norm_grad};
                const pc_shape x = pc_dims(3, 57, groups, widths[i]);
                walker_begin(w, ops[kind], &params);
                walker_float(w, PC_F32, x);
                walker_float(w, PC_F32, pc_dims(2, groups, widths[i]));
                if (kind == 0) {
                    walker_float(w, PC_F32, pc_dims(2, groups, widths[i]));
                }
                if (kind % 2) {
                    walker_float(w, PC_F32, x);
                }
                w->node.outputs = kind == 1 ? 3 : kind == 3 ? 2 : 1;
                w->absolute = widths[i] <= 4 && kind % 2 ? 2e-3 : 2e-5; /* narrow rows may divide by a tiny spread */
                walker_check(w);
            }
        }
    }
}

static void test_rope(void **state)
{
    walker *w = *state;
    for (int i = 0; i < 24; i++) {
        const pc_rope_params params = {.interleaved = i & 1, .inverse = (i & 2) != 0};
        const int64_t half = (const int64_t[]){1, 3, 8, 16, 20, 32}[i / 4], size = 2 * half + (i % 3 ? 0 : 6);
        walker_begin(w, &pc_op_rope, &params);
        walker_float(w, PC_F32, pc_dims(3, 150, 3, size));
        pc_tensor *positions = walker_int(w, pc_dims(1, 150), i % 2 ? 1000000 : 300);
        walker_set(w, positions, 0, 0);
        pc_tensor *frequencies = walker_float(w, PC_F32, pc_dims(1, half));
        for (int64_t j = 0; j < half; j++) {
            walker_set(w, frequencies, j, pow(10000, -(double)j / (double)half));
        }
        walker_check(w);
    }
}

/* Positions of two and three numbers. */
static void test_rope_sections(void **state)
{
    walker *w = *state;
    static const int32_t sections[][3] = {{1, 1, 1}, {3, 4, 0}, {16, 24, 24}, {20, 20, 0}, {2, 1, 5}};
    for (int i = 0; i < 10; i++) {
        pc_rope_params params = {.interleaved = i & 1, .inverse = (i & 2) != 0};
        memcpy(params.sections, sections[i / 2], sizeof params.sections);
        const int64_t half = params.sections[0] + params.sections[1] + params.sections[2], axes = params.sections[2] ? 3 : 2;
        walker_begin(w, &pc_op_rope, &params);
        walker_float(w, PC_F32, pc_dims(3, 70, 2, 2 * half));
        walker_int(w, pc_dims(2, 70, axes), 500);
        pc_tensor *frequencies = walker_float(w, PC_F32, pc_dims(1, half));
        for (int64_t j = 0; j < half; j++) {
            walker_set(w, frequencies, j, pow(10000, -(double)j / (double)half));
        }
        walker_check(w);
    }
}

static void test_rows(void **state)
{
    walker *w = *state;
    static const pc_dtype types[] = {PC_F32, PC_BF16, PC_F16};
    for (int i = 0; i < 2 * WIDTHS; i++) {
        const int64_t width = widths[i % WIDTHS];
        walker_begin(w, &pc_op_take_rows, NULL);
        walker_float(w, types[i % 3], pc_dims(2, 50, width));
        walker_int(w, pc_dims(1, 333), 50);
        walker_check(w);
        walker_begin(w, &pc_op_take_rows, NULL);
        walker_int(w, pc_dims(2, 50, width), 1000);
        walker_int(w, pc_dims(1, 333), 50);
        walker_check(w);
        walker_begin(w, &pc_op_add_rows, NULL);
        walker_float(w, PC_F32, pc_dims(2, 333, width));
        walker_int(w, pc_dims(1, 333), 50);
        walker_float(w, types[i % 3], pc_dims(2, 50, width));
        w->accumulate = i % 2;
        walker_check(w);
        walker_begin(w, &pc_op_put_rows, NULL);
        walker_float(w, PC_F32, pc_dims(2, 500, width));
        walker_float(w, PC_F32, pc_dims(2, 70, width));
        walker_distinct(w, 70, 500);
        walker_check(w);
        walker_begin(w, &pc_op_store_rows, NULL);
        walker_float(w, types[i % 3], pc_dims(3, 90, 2, width));
        walker_float(w, PC_F32, pc_dims(3, 30, 2, width));
        walker_distinct(w, 30, 90);
        walker_check(w);
    }
}

static void test_groups(void **state)
{
    walker *w = *state;
    for (int i = 0; i < WIDTHS; i++) {
        walker_begin(w, &pc_op_prepend, NULL);
        walker_float(w, PC_F32, pc_dims(3, 30, 17, widths[i]));
        walker_float(w, PC_F32, i % 2 ? pc_dims(1, widths[i]) : pc_dims(2, 3, widths[i]));
        walker_check(w);
        const pc_slice_params params = {i % 5, i % 3 ? 0 : 9};
        walker_begin(w, &pc_op_slice, &params);
        walker_float(w, PC_F32, pc_dims(3, 30, 17, widths[i]));
        walker_check(w);
        walker_begin(w, &pc_op_slice_grad, &params);
        walker_float(w, PC_F32, pc_dims(3, 30, (params.end ? params.end : 17) - params.begin, widths[i]));
        walker_float(w, PC_F32, pc_dims(3, 30, 17, widths[i]));
        walker_check(w);
        walker_begin(w, &pc_op_transpose, NULL);
        walker_float(w, PC_F32, pc_dims(2, 70, widths[i]));
        walker_check(w);
    }
    for (int64_t patch = 1; patch < 8; patch += 2) {
        const pc_patches_params params = {patch};
        walker_begin(w, &pc_op_patches, &params);
        walker_float(w, PC_F32, pc_dims(4, 7, 3, 5 * patch + patch / 2, 6 * patch + patch - 1));
        walker_check(w);
        walker_begin(w, &pc_op_patches_grad, &params);
        walker_float(w, PC_F32, pc_dims(3, 7, 30, 3 * patch * patch));
        walker_float(w, PC_F32, pc_dims(4, 7, 3, 5 * patch + patch / 2, 6 * patch + patch - 1));
        walker_check(w);
    }
}

/* Rows with none, two or three targets. */
static pc_tensor *starts_of(walker *w, int64_t rows)
{
    int32_t starts[256];
    pc_tensor *tensor = walker_int(w, pc_dims(1, rows + 1), 1);
    for (int32_t r = 0; r <= rows; r++) {
        starts[r] = 2 * r + r % 3;
    }
    memcpy(w->original[w->node.inputs - 1], starts, pc_tensor_bytes(tensor));
    return tensor;
}

static void test_grouped_entropy(walker *w)
{
    const int64_t rows = 129, targets = 2 * rows;
    for (int i = 0; i < 2 * WIDTHS; i++) {
        const pc_cross_entropy_params params = {i % 2 ? 0.1 : 0};
        for (int grad = 0; grad < 2; grad++) {
            walker_begin(w, grad ? &pc_op_cross_entropy_grad : &pc_op_cross_entropy, &params);
            walker_float(w, PC_F32, pc_dims(2, rows, widths[i % WIDTHS]));
            walker_int(w, pc_dims(1, targets), widths[i % WIDTHS]);
            walker_float(w, PC_F32, pc_dims(1, targets));
            if (grad) {
                pc_tensor *lse = walker_float(w, PC_F32, pc_dims(1, rows));
                for (int64_t r = 0; r < rows; r++) {
                    walker_set(w, lse, r, 9);
                }
                walker_float(w, PC_F32, pc_dims(1, 1));
            }
            starts_of(w, rows);
            w->node.outputs = grad ? 1 : 2;
            w->absolute = 5e-5;
            w->relative = 1e-5;
            walker_check(w);
        }
    }
}

static void test_cross_entropy(void **state)
{
    walker *w = *state;
    for (int i = 0; i < 2 * WIDTHS; i++) {
        const int64_t width = widths[i % WIDTHS], rows = 130;
        const pc_cross_entropy_params params = {i % 2 ? 0.1 : 0};
        for (int grad = 0; grad < 2; grad++) {
            walker_begin(w, grad ? &pc_op_cross_entropy_grad : &pc_op_cross_entropy, &params);
            pc_tensor *logits = walker_float(w, PC_F32, pc_dims(2, rows, width));
            pc_tensor *targets = walker_int(w, pc_dims(1, rows), width);
            pc_tensor *weights = walker_float(w, PC_F32, pc_dims(1, rows));
            walker_set(w, weights, 3, 0);
            if (grad) {
                pc_tensor *lse = walker_float(w, PC_F32, pc_dims(1, rows));
                pc_tensor loss = {.dtype = PC_F32, .data = guarded_new(4)};
                pc_node forward = {.op = &pc_op_cross_entropy, .in = {logits, targets, weights}, .inputs = 3,
                                   .out = {&loss, lse}, .outputs = 2, .params = &params};
                pc_op_cross_entropy.reference(&(pc_call){.node = &forward});
                memcpy(w->original[3], lse->data, pc_tensor_bytes(lse));
                guarded_free(loss.data);
                walker_float(w, PC_F32, pc_dims(1, 1));
            }
            w->node.outputs = grad ? 1 : 2;
            w->absolute = grad ? 2e-6 : 2e-5;
            walker_check(w);
        }
    }
    test_grouped_entropy(w);
    for (int i = 0; i < WIDTHS; i++) {
        walker_begin(w, &pc_op_token_losses, NULL);
        walker_float(w, PC_F32, pc_dims(2, 130, widths[i]));
        walker_int(w, pc_dims(1, 130), widths[i]);
        w->node.outputs = 2;
        w->absolute = 2e-6;
        walker_check(w);
    }
    for (int64_t batch = 0; batch < 40; batch += 13) {
        walker_begin(w, &pc_op_sigmoid_loss, NULL);
        walker_float(w, PC_F32, pc_dims(2, batch, batch));
        walker_check(w);
        walker_begin(w, &pc_op_sigmoid_loss_grad, NULL);
        walker_float(w, PC_F32, pc_dims(2, batch, batch));
        walker_float(w, PC_F32, pc_dims(1, 1));
        walker_check(w);
    }
}

static void test_adamw(void **state)
{
    walker *w = *state;
    const pc_adamw_step step = {0.9, 0.999, 1e-8, 1 - 0.9 * 0.9, 1 - 0.999 * 0.999, 0.5, 0.7};
    const pc_adamw_params params = {&step, 1e-2, 0.1};
    for (int i = 0; i < WIDTHS; i++) {
        walker_begin(w, &pc_op_adamw, &params);
        for (int j = 0; j < 4; j++) {
            pc_tensor *x = walker_float(w, PC_F32, pc_dims(2, 133, widths[i]));
            for (int64_t k = 0; j == 3 && k < 133 * widths[i]; k++) {
                walker_set(w, x, k, k % 5 ? 1e-3 * (double)(k % 11) : 0); /* second moments are not negative */
            }
        }
        walker_check(w);
    }
}

static void test_sgd(void **state)
{
    walker *w = *state;
    const pc_sgd_step step = {0.9, 0.5, 0.7};
    const pc_sgd_params params = {&step, 1e-2, 0.1};
    for (int i = 0; i < 2 * WIDTHS; i++) {
        walker_begin(w, &pc_op_sgd, &params);
        walker_float(w, PC_F32, pc_dims(2, 133, widths[i / 2]));
        walker_float(w, PC_F32, pc_dims(2, 133, widths[i / 2]));
        if (i % 2) {
            walker_float(w, PC_F32, pc_dims(2, 133, widths[i / 2]));
        } else {
            walker_absent(w);
        }
        walker_check(w);
    }
}

static void test_nesterov(void **state)
{
    const pc_nesterov_step step = {0.9, 0.5};
    const pc_nesterov_params params = {&step};
    each_width(*state, &pc_op_nesterov, &params, 2, 1, false);
}

static void test_dropout(void **state)
{
    walker *w = *state;
    const pc_dropout_draw draw = {.seed = 9, .number = 1};
    const pc_dropout_params params = {.draw = &draw, .rate = 0.4};
    for (int i = 0; i < WIDTHS; i++) {
        walker_begin(w, &pc_op_dropout, &params);
        walker_float(w, PC_F32, pc_dims(2, 133, widths[i]));
        walker_check(w);
    }
}

/* Rows stored into blocks, and looked at there. */
static void test_stored_blocks(void **state)
{
    enum { KEYS = 90, ROWS = 30 };
    static const pc_dtype types[] = {PC_Q8_0, PC_Q4_0};
    walker *w = *state;
    for (int i = 0; i < 8; i++) {
        const int64_t heads = 2 + i % 3 * 2, size = i % 2 ? 32 : 16;
        walker_begin(w, &pc_op_store_rows, NULL);
        walker_blocks(w, types[i / 4], pc_dims(3, KEYS, heads, size));
        walker_float(w, PC_F32, pc_dims(3, ROWS, heads, size));
        walker_distinct(w, ROWS, KEYS);
        w->absolute = w->relative = 0;
        walker_check(w);
        const pc_look_params params = {.scale = 0.2, .columns = KEYS, .heads = PC_LOOK_MEAN};
        walker_begin(w, &pc_op_look, &params);
        walker_float(w, PC_F32, pc_dims(3, ROWS, 2 * heads, size));
        walker_blocks(w, types[i / 4], pc_dims(3, KEYS, heads, size));
        pc_tensor *ranges = walker_int(w, pc_dims(2, ROWS, 4), 1);
        for (int t = 0; t < ROWS; t++) {
            const int32_t range[4] = {0, t % 3, 5 + t, 6 + 2 * t};
            for (int k = 0; k < 4; k++) {
                walker_set(w, ranges, 4 * t + k, range[k]);
            }
        }
        walker_absent(w);
        walker_check(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_elementwise),
        cmocka_unit_test(test_repeated),
        cmocka_unit_test(test_log_scale),
        cmocka_unit_test(test_token_merge),
        cmocka_unit_test(test_depthwise),
        cmocka_unit_test(test_row_lengths),
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_activation_edges),
        cmocka_unit_test(test_norms),
        cmocka_unit_test(test_rope),
        cmocka_unit_test(test_rope_sections),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_cross_entropy),
        cmocka_unit_test(test_adamw),
        cmocka_unit_test(test_sgd),
        cmocka_unit_test(test_nesterov),
        cmocka_unit_test(test_dropout),
        cmocka_unit_test(test_look),
        cmocka_unit_test(test_norms_in_groups),
        cmocka_unit_test(test_stored_blocks),
    };
    return cmocka_run_group_tests(tests, walker_setup, walker_teardown);
}
