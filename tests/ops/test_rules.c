/* What the operations refuse while a graph is built, what they say they cost, and AdamW's numbers. */
#include "ops/activation.h"
#include "ops/adamw.h"
#include "ops/dropout.h"
#include "ops/sgd.h"
#include "ops/add.h"
#include "ops/attention.h"
#include "ops/look.h"
#include "ops/experts.h"
#include "ops/grid.h"
#include "ops/loss.h"
#include "ops/matmul.h"
#include "ops/multiply.h"
#include "ops/norm.h"
#include "ops/patches.h"
#include "ops/alibi.h"
#include "ops/relative_bias.h"
#include "ops/part.h"
#include "ops/repeat.h"
#include "ops/rope.h"
#include "ops/router.h"
#include "ops/rows.h"
#include "ops/transpose.h"
#include "ops/window.h"
#include "tensor/exec.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static pc_tensor *floats(pc_graph *g, pc_shape shape)
{
    return pc_graph_input(g, "x", PC_F32, shape);
}

static pc_tensor *ints(pc_graph *g, pc_shape shape)
{
    return pc_graph_input(g, "ids", PC_I32, shape);
}

#define F(...) floats(g, pc_dims(__VA_ARGS__))
#define I(...) ints(g, pc_dims(__VA_ARGS__))

static const pc_matmul_params plain, back = {.transpose_a = true};
static const pc_relative_bias_params near = {.max_distance = 8};

typedef void (*builder)(pc_graph *g);

static void inner_dims(pc_graph *g) { pc_matmul(g, F(2, 3, 4), F(2, 5, 6), plain); }
static void inner_dims_turned(pc_graph *g) { pc_matmul(g, F(2, 3, 4), F(2, 4, 6), back); }
static void product_of_scalar(pc_graph *g) { pc_matmul(g, floats(g, (pc_shape){0}), F(2, 1, 6), plain); }
static void bias_length(pc_graph *g) { pc_linear(g, F(2, 3, 4), F(2, 5, 4), F(1, 4), NULL, PC_F32); }
static void residual_size(pc_graph *g) { pc_linear(g, F(2, 3, 4), F(2, 5, 4), NULL, F(2, 3, 4), PC_F32); }
static void sum_of_prefix(pc_graph *g) { pc_add(g, F(2, 3, 4), F(1, 3)); }
static void sum_to_other(pc_graph *g) { pc_sum_to(g, F(2, 3, 4), F(1, 5)); }
static void product_of_sizes(pc_graph *g) { pc_multiply(g, F(2, 3, 4), F(2, 3, 5)); }
static void scale_by_vector(pc_graph *g) { pc_scale_by(g, F(2, 3, 4), F(1, 4)); }
static void dot_of_sizes(pc_graph *g) { pc_dot(g, F(1, 3), F(1, 4)); }
static void gate_shape(pc_graph *g) { pc_glu(g, F(2, 3, 4), F(2, 4, 3), PC_ACT_SILU); }
static void norm_width(pc_graph *g) { pc_rms_norm(g, F(2, 3, 4), F(1, 3), 1e-6); }
static void norm_bias(pc_graph *g) { pc_layer_norm(g, F(2, 3, 4), F(1, 4), F(1, 3), 1e-6); }
static void norm_groups(pc_graph *g) { pc_rms_norm(g, F(2, 3, 4), F(2, 2, 4), 1e-6); }
static void rope_heads(pc_graph *g) { pc_rope(g, F(2, 3, 4), I(1, 3), F(1, 2), (pc_rope_params){0}); }
static void rope_positions(pc_graph *g) { pc_rope(g, F(3, 3, 2, 4), I(1, 2), F(1, 2), (pc_rope_params){0}); }
static void rope_frequencies(pc_graph *g) { pc_rope(g, F(3, 3, 2, 4), I(1, 3), F(1, 3), (pc_rope_params){0}); }
static void query_dims(pc_graph *g) { pc_attention(g, F(2, 3, 8), F(3, 5, 2, 4), F(3, 5, 2, 4), I(2, 3, 4), NULL, 1); }
static void key_heads(pc_graph *g) { pc_attention(g, F(3, 3, 4, 2), F(3, 5, 3, 2), F(3, 5, 3, 2), I(2, 3, 4), NULL, 1); }
static void value_rows(pc_graph *g) { pc_attention(g, F(3, 3, 4, 2), F(3, 5, 2, 2), F(3, 4, 2, 2), I(2, 3, 4), NULL, 1); }
static void range_rows(pc_graph *g) { pc_attention(g, F(3, 3, 4, 2), F(3, 5, 2, 2), F(3, 5, 2, 2), I(2, 3, 2), NULL, 1); }
static void bias_size(pc_graph *g)
{
    pc_attention(g, F(3, 3, 4, 2), F(3, 5, 2, 2), F(3, 5, 2, 2), I(2, 3, 4), F(2, 3, 5), 1);
}
static void look_ranges(pc_graph *g) { pc_look(g, F(3, 3, 4, 2), F(3, 5, 2, 2), I(2, 3, 2), NULL, (pc_look_params){1, 0, 5, PC_LOOK_MOST}); }
static void look_nowhere(pc_graph *g) { pc_look(g, F(3, 3, 4, 2), F(3, 5, 2, 2), I(2, 3, 4), NULL, (pc_look_params){1, 0, 0, PC_LOOK_MOST}); }
static void window_of_floats(pc_graph *g) { pc_window_ranges(g, F(2, 3, 4), 2); }
static void empty_window(pc_graph *g) { pc_window_ranges(g, I(2, 3, 4), 0); }
static void group_of_vector(pc_graph *g) { pc_group_ranges(g, F(1, 3)); }
static void table_of_scalar(pc_graph *g) { pc_take_rows(g, floats(g, (pc_shape){0}), I(1, 2)); }
static void added_rows(pc_graph *g) { pc_add_rows(g, F(2, 3, 4), I(1, 2), F(2, 9, 4)); }
static void put_width(pc_graph *g) { pc_put_rows(g, F(2, 6, 4), F(2, 2, 3), I(1, 2)); }
static void store_width(pc_graph *g) { pc_store_rows(g, F(2, 6, 4), F(2, 3, 4), I(1, 2)); }
static void prepend_width(pc_graph *g) { pc_prepend(g, F(3, 2, 3, 4), F(2, 1, 3)); }
static void repeat_vector(pc_graph *g) { pc_repeat(g, F(1, 3), F(2, 2, 3)); }
static void part_of_table(pc_graph *g) { pc_part_of(g, I(2, 3, 4), 0, 2); }
static void part_before_start(pc_graph *g) { pc_part_of(g, I(1, 3), -1, 2); }
static void slice_outside(pc_graph *g) { pc_slice(g, F(3, 2, 3, 4), 1, 4); }
static void slice_backwards(pc_graph *g) { pc_slice(g, F(3, 2, 3, 4), 2, 1); }
static void grid_of_odd_rows(pc_graph *g) { pc_merge_blocks(g, F(3, 2, 15, 4), 3, 5, 2); }
static void rope_sections(pc_graph *g)
{
    pc_rope(g, F(3, 3, 2, 4), I(2, 3, 2), F(1, 2), (pc_rope_params){.sections = {2, 1}});
}
static void patch_size(pc_graph *g) { pc_patches(g, F(4, 1, 3, 8, 3), 4); }
static void transpose_of_cube(pc_graph *g) { pc_transpose(g, F(3, 2, 3, 4)); }
static void target_rows(pc_graph *g) { pc_cross_entropy(g, F(2, 3, 4), I(1, 4), F(1, 3)); }
static void weight_rows(pc_graph *g) { pc_cross_entropy(g, F(2, 3, 4), I(1, 3), F(1, 4)); }
static void start_rows(pc_graph *g) { pc_cross_entropy_grouped(g, F(2, 3, 4), I(1, 5), F(1, 5), I(1, 3)); }
static void pairs_not_square(pc_graph *g) { pc_sigmoid_loss(g, F(2, 3, 4)); }
static void more_choices(pc_graph *g) { pc_router(g, F(2, 3, 4), (pc_router_params){.top_k = 5}); }
static void no_choices(pc_graph *g) { pc_router(g, F(2, 3, 4), (pc_router_params){.top_k = 0}); }
static void choices_in_floats(pc_graph *g) { pc_expert_dispatch(g, F(2, 3, 2), 4); }
static void expert_width(pc_graph *g) { pc_expert_linear(g, F(2, 6, 4), F(3, 2, 4, 5), I(1, 3), PC_F32); }
static void expert_offsets(pc_graph *g) { pc_expert_linear(g, F(2, 6, 5), F(3, 2, 4, 5), I(1, 2), PC_F32); }
static void combined_rows(pc_graph *g) { pc_expert_combine(g, F(2, 5, 4), F(2, 3, 2), I(2, 3, 2), NULL); }
static void combined_residual(pc_graph *g) { pc_expert_combine(g, F(2, 6, 4), F(2, 3, 2), I(2, 3, 2), F(2, 3, 5)); }
static void one_bucket(pc_graph *g) { pc_relative_bias(g, F(2, 1, 2), near); }
static void no_distance(pc_graph *g) { pc_alibi(g, F(1, 2), (pc_alibi_params){.heads = 2, .highest = 8}); }
static void reshape_count(pc_graph *g) { pc_reshape(g, F(2, 3, 4), pc_dims(2, 5, -1)); }
static void moment_size(pc_graph *g) { pc_adamw(g, F(1, 3), F(1, 3), F(1, 3), F(1, 4), (pc_adamw_params){0}); }
static void vast_input(pc_graph *g) { F(3, (int64_t)1 << 30, (int64_t)1 << 30, (int64_t)1 << 30); }
static void vast_result(pc_graph *g) { pc_matmul(g, F(2, (int64_t)1 << 30, 0), F(2, 0, (int64_t)1 << 30), plain); }
static void vector_loss(pc_graph *g) { pc_graph_backward(g, F(1, 2)); }
static void gradient_of_lse(pc_graph *g)
{
    pc_tensor *x = F(2, 3, 4);
    pc_graph_want_grad(g, x);
    pc_tensor *lse = pc_cross_entropy(g, x, I(1, 3), F(1, 3))->node->out[1];
    pc_graph_backward(g, pc_dot(g, lse, lse));
}
static void gradient_of_attention_lse(pc_graph *g)
{
    pc_tensor *q = F(3, 3, 2, 4);
    pc_graph_want_grad(g, q);
    pc_tensor *y = pc_attention(g, q, q, q, I(2, 3, 4), NULL, 1), *lse = y->node->out[1];
    pc_graph_backward(g, pc_add(g, pc_dot(g, lse, lse), pc_dot(g, y, y)));
}

static const struct {
    builder build;
    const char *says;
} refused[] = {
    {inner_dims, "inner dims 4 and 5"}, {inner_dims_turned, "inner dims 3 and 4"},
    {product_of_scalar, "at least one dim"}, {bias_length, "matmul: 'x' has shape [4]"},
    {residual_size, "residual"}, {sum_of_prefix, "suffix"}, {sum_to_other, "repetition"},
    {product_of_sizes, "multiply: 'x' has shape [3,5]"}, {scale_by_vector, "one element"}, {dot_of_sizes, "dot"},
    {gate_shape, "the gate's shape"}, {norm_width, "rms_norm"}, {norm_bias, "layer_norm"}, {rope_heads, "[T,H,E]"},
    {norm_groups, "rms_norm"},
    {rope_positions, "one position for each row"}, {rope_frequencies, "half a head"}, {query_dims, "[T,H,E]"},
    {key_heads, "K dividing H"}, {value_rows, "the keys' shape"}, {range_rows, "'ids' has shape [3,2], expected [T,4]"},
    {bias_size, "[H,2M+1]"}, {group_of_vector, "[N,G,..]"},
    {grid_of_odd_rows, "3 x 5 patches in blocks of 2"}, {rope_sections, "the sections have"},
    {look_ranges, "expected [R,4]"}, {look_nowhere, "0 columns"}, {window_of_floats, "ranges i32"}, {empty_window, "a window of 0"}, {table_of_scalar, "a table"}, {added_rows, "for each id"},
    {put_width, "for each id"}, {store_width, "for each id"}, {prepend_width, "[C,D]"}, {repeat_vector, "[Q,D]"}, {part_of_table, "a list"}, {part_before_start, "a list"}, {slice_outside, "inside P"},
    {slice_backwards, "inside P"}, {patch_size, "smaller than the patch"}, {transpose_of_cube, "a matrix"},
    {target_rows, "one target"}, {weight_rows, "one weight"}, {start_rows, "targets of each row"}, {pairs_not_square, "[B,B]"},
    {more_choices, "as many experts"}, {no_choices, "as many experts"}, {choices_in_floats, "[T,k] of i32"},
    {expert_width, "as wide"}, {expert_offsets, "[E+1]"}, {combined_rows, "[R,D]"}, {combined_residual, "residual"},
    {one_bucket, "two buckets"}, {no_distance, "alibi: 2 heads"}, {reshape_count, "reshape"},
    {moment_size, "parameter's shape"}, {vast_input, "too large"}, {vast_result, "too large"},
    {vector_loss, "one element"}, {gradient_of_lse, "no gradient"}, {gradient_of_attention_lse, "no gradient"},
};

static void what_does_not_fit_is_refused_in_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        pc_graph *g;
        assert_int_equal(pc_graph_new(&g), PC_OK);
        refused[i].build(g);
        pc_status status = pc_graph_finish(g);
        if (status >= 0 || !strstr(pc_error(), refused[i].says)) {
            fail_msg("case %d: expected '%s', found %d '%s'", (int)i, refused[i].says, (int)status,
                     status < 0 ? pc_error() : "");
        }
        pc_graph_free(g);
    }
}

static double flops_of(const pc_tensor *tensor)
{
    return tensor->node->op->cost(tensor->node).flops;
}

static void windows_keep_the_newest_keys(void **state)
{
    static const int32_t ranges[] = {0, 0, 3, 9, 0, 0, 3, 4, 1, 5, 7, 9, 1, 5, 7, 12, 0, 4, 0, 0};
    static const int32_t expected[] = {0, 0, 6, 9, 0, 0, 3, 4, 4, 5, 7, 9, 5, 5, 9, 12, 1, 4, 0, 0};
    pc_graph *g;
    pc_exec *exec;
    (void)state;
    assert_int_equal(pc_graph_new(&g), PC_OK);
    pc_tensor *in = I(2, 5, 4), *out = pc_keep(g, pc_window_ranges(g, in, 3));
    assert_int_equal(pc_exec_new(&exec, g, NULL), PC_OK);
    assert_int_equal(pc_exec_bind(exec, in, ranges, in->max), PC_OK);
    assert_int_equal(pc_exec_run(exec), PC_OK);
    assert_memory_equal(out->data, expected, sizeof expected);
    pc_exec_free(exec);
    pc_graph_free(g);
}

/* Two pictures of 2 x 6 patches, blocks of 2, windows of 4: the second window of each is narrower. */
static void grids_go_by_windows_and_blocks(void **state)
{
    static const int32_t order[] = {0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11};
    pc_graph *g;
    pc_exec *exec;
    (void)state;
    assert_int_equal(pc_graph_new(&g), PC_OK);
    pc_tensor *like = F(3, 2, 12, 1);
    pc_grid grid = pc_grid_layout(g, like, (pc_grid_params){2, 6, 2, 4, 0});
    pc_tensor *all[] = {grid.order, grid.inverse, grid.positions, grid.ranges};
    for (int i = 0; i < 4; i++) {
        pc_keep(g, all[i]);
    }
    assert_int_equal(pc_exec_new(&exec, g, NULL), PC_OK);
    float nothing[24] = {0};
    assert_int_equal(pc_exec_bind(exec, like, nothing, like->max), PC_OK);
    assert_int_equal(pc_exec_run(exec), PC_OK);
    const int32_t *o = grid.order->data, *inverse = grid.inverse->data, *positions = grid.positions->data;
    const pc_attention_range *ranges = grid.ranges->data;
    for (int i = 0; i < 24; i++) {
        int raster = order[i % 12], first = i / 12 * 12 + (i % 12 < 8 ? 0 : 8);
        assert_int_equal(o[i], i / 12 * 12 + raster);
        assert_int_equal(inverse[o[i]], i);
        assert_int_equal(positions[2 * i], raster / 6);
        assert_int_equal(positions[2 * i + 1], raster % 6);
        assert_int_equal(ranges[i].begin, first);
        assert_int_equal(ranges[i].end, i % 12 < 8 ? first + 8 : first + 4);
        assert_int_equal(ranges[i].prefix_end - ranges[i].prefix_begin, 0);
    }
    pc_exec_free(exec);
    pc_graph_free(g);
}

static void costs_count_what_is_computed(void **state)
{
    static const int32_t causal[] = {0, 0, 0, 1, 0, 0, 0, 2, 0, 1, 1, 3};
    float numbers[24] = {0};
    pc_graph *g;
    pc_exec *exec;
    (void)state;
    assert_int_equal(pc_graph_new(&g), PC_OK);
    pc_tensor *x = F(3, 2, 3, 4), *ranges = I(2, 3, 4);
    pc_tensor *heads = pc_reshape(g, x, pc_dims(3, -1, 2, 2)); /* [6,2,2] */
    pc_tensor *groups = pc_attention(g, heads, heads, heads, pc_group_ranges(g, x), NULL, 1);
    pc_tensor *some = pc_reshape(g, pc_slice(g, pc_reshape(g, x, pc_dims(3, 1, 6, 4)), 0, 3), pc_dims(3, 3, 2, 2));
    pc_tensor *seen = pc_attention(g, some, some, some, ranges, NULL, 1);
    pc_tensor *experts = pc_expert_linear(g, F(2, 6, 4), F(3, 8, 5, 4), I(1, 9), PC_F32);
    pc_tensor *product = pc_matmul(g, F(2, 6, 4), F(2, 4, 5), plain);
    pc_tensor *kept = pc_keep(g, pc_add(g, pc_dot(g, groups, groups), pc_dot(g, seen, seen)));
    assert_true(flops_of(product) == 2 * 6 * 4 * 5);
    assert_true(flops_of(experts) == flops_of(product)); /* of eight experts, what the rows use */
    for (int run = 0; run < 2; run++) {
        assert_true(flops_of(groups) == 4 * 6 * 3 * 2 * 2);
        assert_true(flops_of(seen) == 4 * (run ? 6 : 9) * 2 * 2); /* known with the ranges, else all pairs */
        if (!run) {
            assert_int_equal(pc_exec_new(&exec, g, NULL), PC_OK);
            for (int i = 0; i < pc_graph_inputs(g); i++) {
                static float zeros[8 * 5 * 4];
                pc_tensor *input = pc_graph_input_at(g, i);
                const void *data = input == x ? (const void *)numbers : input == ranges ? (const void *)causal : zeros;
                assert_int_equal(pc_exec_bind(exec, input, data, input->max), PC_OK);
            }
            assert_int_equal(pc_exec_run(exec), PC_OK);
        }
    }
    assert_true(isfinite(pc_f32(kept)[0]));
    pc_exec_free(exec);
    pc_graph_free(g);
}

/* torch.optim.AdamW([p], lr=0.1, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.5), gradients 1 then -0.5 for p = 2, 0.25 and
 * 3 for p = -1. */
static void adamw_is_torchs(void **state)
{
    static const float expected[2][2] = {{1.79999995f, -1.04999995f}, {1.68332994f, -1.07704139f}};
    static const float gradients[2][2] = {{1, 0.25f}, {-0.5f, 3}};
    float p[] = {2, -1}, m[2] = {0}, v[2] = {0}, grad[2];
    pc_adamw_step step = {.beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .gradient_scale = 0.5, .scale_rate = 2};
    pc_graph *g;
    pc_exec *exec;
    (void)state;
    assert_int_equal(pc_graph_new(&g), PC_OK);
    pc_tensor *in[] = {F(1, 2), F(1, 2), F(1, 2), F(1, 2)};
    pc_adamw(g, in[0], in[1], in[2], in[3], (pc_adamw_params){.step = &step, .rate = 0.05, .decay = 0.5});
    assert_int_equal(pc_exec_new(&exec, g, NULL), PC_OK);
    float *data[] = {p, grad, m, v};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pc_exec_bind(exec, in[i], data[i], pc_dims(1, 2)), PC_OK);
    }
    for (int t = 0; t < 2; t++) {
        grad[0] = 2 * gradients[t][0]; /* halved by the scale */
        grad[1] = 2 * gradients[t][1];
        step.correction1 = 1 - pow(step.beta1, t + 1);
        step.correction2 = 1 - pow(step.beta2, t + 1);
        assert_int_equal(pc_exec_run(exec), PC_OK);
        for (int i = 0; i < 2; i++) {
            assert_true(fabsf(p[i] - expected[t][i]) < 1e-6f);
        }
    }
    pc_exec_free(exec);
    pc_graph_free(g);
}

/* torch.optim.SGD([p], lr=0.1, momentum=0.9, weight_decay=0.5) and without momentum, the gradients of adamw_is_torchs. */
static void sgd_is_torchs(void **state)
{
    static const float expected[2][2][2] = {{{1.79999995f, -0.97500002f}, {1.57999992f, -1.20374990f}},
                                            {{1.79999995f, -0.97500002f}, {1.75999999f, -1.22624993f}}};
    static const float gradients[2][2] = {{1, 0.25f}, {-0.5f, 3}};
    (void)state;
    for (int without = 0; without < 2; without++) {
        float p[] = {2, -1}, v[2] = {0}, grad[2];
        pc_sgd_step step = {.momentum = 0.9, .gradient_scale = 0.5, .scale_rate = 2};
        pc_graph *g;
        pc_exec *exec;
        assert_int_equal(pc_graph_new(&g), PC_OK);
        pc_tensor *in[] = {F(1, 2), F(1, 2), F(1, 2)};
        pc_sgd(g, in[0], in[1], without ? NULL : in[2], (pc_sgd_params){.step = &step, .rate = 0.05, .decay = 0.5});
        assert_int_equal(pc_exec_new(&exec, g, NULL), PC_OK);
        float *data[] = {p, grad, v};
        for (int i = 0; i < 3; i++) {
            assert_int_equal(pc_exec_bind(exec, in[i], data[i], pc_dims(1, 2)), PC_OK);
        }
        for (int t = 0; t < 2; t++) {
            grad[0] = 2 * gradients[t][0];
            grad[1] = 2 * gradients[t][1];
            assert_int_equal(pc_exec_run(exec), PC_OK);
            for (int i = 0; i < 2; i++) {
                assert_true(fabsf(p[i] - expected[without][t][i]) < 1e-6f);
            }
        }
        pc_exec_free(exec);
        pc_graph_free(g);
    }
}

/* About a share `rate` is gone, the rest is scaled, other micro-batches and places lose others, and validation none. */
static void dropout_drops(void **state)
{
    enum { COUNT = 20000 };
    static float x[COUNT], y[COUNT], z[COUNT];
    pc_dropout_draw draw = {.seed = 3, .number = 5};
    pc_dropout_params params = {.draw = &draw, .place = 2, .rate = 0.25};
    int gone = 0, same = 0;
    (void)state;
    for (int i = 0; i < COUNT; i++) {
        x[i] = 1 + (float)i;
    }
    pc_dropout_piece(&params, y, x, 0, COUNT);
    for (int i = 0; i < COUNT; i++) {
        gone += y[i] == 0;
        assert_true(y[i] == 0 || fabsf(y[i] * 0.75f / x[i] - 1) < 1e-6f);
    }
    assert_true(abs(gone - COUNT / 4) < 250); /* four standard deviations */
    pc_dropout_piece(&params, z, x + 1024, 1024, COUNT - 1024);
    assert_memory_equal(z, y + 1024, (COUNT - 1024) * sizeof *z);
    params.place = 3;
    pc_dropout_piece(&params, z, x, 0, COUNT);
    for (int i = 0; i < COUNT; i++) {
        same += y[i] == 0 && z[i] == 0;
    }
    assert_true(abs(same - COUNT / 16) < 150);
    draw.off = true;
    pc_dropout_piece(&params, z, x, 0, COUNT);
    assert_memory_equal(z, x, sizeof x);
}

static void buckets_are_t5s(void **state)
{
    /* transformers' _relative_position_bucket with 32 buckets and distances to 128, at -130, -128, -16, -8, -1, 0, ... */
    static const int32_t at[] = {-130, -128, -64, -32, -16, -15, -8, -1, 0, 1, 7, 8, 16, 64, 127, 128, 1000};
    static const int32_t both[] = {15, 15, 14, 12, 10, 9, 8, 1, 0, 17, 23, 24, 26, 30, 31, 31, 31};
    static const int32_t behind[] = {31, 31, 26, 21, 16, 15, 8, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    (void)state;
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        pc_relative_bias_params params = {.bidirectional = true, .max_distance = 128};
        assert_int_equal(pc_relative_bucket(at[i], 32, params), both[i]);
        params.bidirectional = false;
        assert_int_equal(pc_relative_bucket(at[i], 32, params), behind[i]);
    }
}

/* Slopes as transformers' build_mpt_alibi_tensor has them, for four heads and for three. */
static void slopes_are_mpts(void **state)
{
    static const float four[] = {0.25f, 0.0625f, 0.015625f, 0.00390625f}, three[] = {0.0625f, 0.00390625f, 0.25f};
    const float *const expected[] = {four, three};
    (void)state;
    for (int i = 0; i < 2; i++) {
        const int64_t heads = i ? 3 : 4, most = 5;
        pc_graph *g;
        pc_exec *exec;
        assert_int_equal(pc_graph_new(&g), PC_OK);
        pc_tensor *like = F(1, 3);
        pc_tensor *bias = pc_keep(g, pc_alibi(g, like, (pc_alibi_params){.heads = heads, .most = most, .highest = 8}));
        assert_int_equal(pc_exec_new(&exec, g, NULL), PC_OK);
        assert_int_equal(pc_exec_bind(exec, like, four, like->max), PC_OK);
        assert_int_equal(pc_exec_run(exec), PC_OK);
        for (int64_t h = 0; h < heads; h++) {
            for (int64_t d = -most; d <= most; d++) {
                assert_float_equal(((float *)bias->data)[h * (2 * most + 1) + most + d], expected[i][h] * (float)d, 1e-7);
            }
        }
        pc_exec_free(exec);
        pc_graph_free(g);
    }
}

static void one_executor_at_a_time(void **state)
{
    (void)state;
    pc_graph *g;
    pc_exec *first, *second = NULL;
    assert_int_equal(pc_graph_new(&g), PC_OK);
    pc_keep(g, pc_scale(g, F(1, 3), 2));
    assert_int_equal(pc_exec_new(&first, g, NULL), PC_OK);
    assert_int_equal(pc_exec_new(&second, g, NULL), PC_ERR_USAGE);
    assert_null(second);
    pc_exec_free(first);
    assert_int_equal(pc_exec_new(&second, g, NULL), PC_OK);
    pc_exec_free(second);
    pc_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_fit_is_refused_in_words),
        cmocka_unit_test(windows_keep_the_newest_keys),
        cmocka_unit_test(grids_go_by_windows_and_blocks),
        cmocka_unit_test(costs_count_what_is_computed),
        cmocka_unit_test(adamw_is_torchs),
        cmocka_unit_test(sgd_is_torchs),
        cmocka_unit_test(dropout_drops),
        cmocka_unit_test(buckets_are_t5s),
        cmocka_unit_test(slopes_are_mpts),
        cmocka_unit_test(one_executor_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
