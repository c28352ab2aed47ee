/* Every operation that has a gradient rule, against finite differences; the others by name. */
#include "ops/activation.h"
#include "ops/add.h"
#include "ops/alibi.h"
#include "ops/attention.h"
#include "ops/sides.h"
#include "ops/axis_frequencies.h"
#include "ops/concat.h"
#include "ops/cross_ranges.h"
#include "ops/depthwise.h"
#include "ops/dropout.h"
#include "ops/experts.h"
#include "ops/dora.h"
#include "ops/grid.h"
#include "ops/hard.h"
#include "ops/keep_rows.h"
#include "ops/kto.h"
#include "ops/log_scale.h"
#include "ops/look.h"
#include "ops/loss.h"
#include "ops/matmul.h"
#include "ops/multiply.h"
#include "ops/nesterov.h"
#include "ops/norm.h"
#include "ops/patches.h"
#include "ops/relative_bias.h"
#include "ops/part.h"
#include "ops/repeat.h"
#include "ops/resample.h"
#include "ops/rope.h"
#include "ops/router.h"
#include "ops/rows.h"
#include "ops/policy.h"
#include "ops/prune_merge.h"
#include "ops/token_merge.h"
#include "ops/picture_ranges.h"
#include "ops/preference.h"
#include "ops/transpose.h"
#include "ops/typed_linear.h"
#include "ops/window.h"
#include "support/gradcheck.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define PC_OP(name) extern const pc_op pc_op_##name;
#include "ops/list.h"
#undef PC_OP

#define PC_OP(name) &pc_op_##name,
static const pc_op *const ops[] = {
#include "ops/list.h"
};
#undef PC_OP

enum { OPS = sizeof ops / sizeof ops[0] };

/* What is not differentiated: gradients themselves, integers, and what writes into its input. */
static const pc_op *const without_gradient[] = {
    &pc_op_activation_grad, &pc_op_glu_grad,           &pc_op_layer_norm_grad,     &pc_op_rms_norm_grad,
    &pc_op_l2_norm_grad,    &pc_op_attention_grad,     &pc_op_slice_grad,          &pc_op_patches_grad,
    &pc_op_sigmoid_loss_grad, &pc_op_cross_entropy_grad, &pc_op_router_grad,       &pc_op_expert_linear_grad, &pc_op_router_z_grad,
    &pc_op_expert_combine_grad, &pc_op_relative_bias_grad, &pc_op_sum_to,          &pc_op_group_ranges,
    &pc_op_keep_rows, &pc_op_halves, &pc_op_token_merge, &pc_op_proportion, &pc_op_by_place, &pc_op_prune_merge,
    &pc_op_look, &pc_op_window_ranges, &pc_op_picture_ranges, &pc_op_picture_types, &pc_op_typed_linear_grad,    &pc_op_cross_ranges,       &pc_op_resize_grid_grad,    &pc_op_pool_grid_grad,
    &pc_op_depthwise_grad,    &pc_op_preference_grad,    &pc_op_hard_sigmoid_grad,
    &pc_op_policy_grad,       &pc_op_kto_grad,
    &pc_op_grid,              &pc_op_axis_frequencies,   &pc_op_alibi,
    &pc_op_expert_dispatch, &pc_op_store_rows,         &pc_op_adamw,
    &pc_op_sgd,             &pc_op_nesterov,           &pc_op_part,               &pc_op_pick_ranges,       &pc_op_pick_ints,
};

/* Of those, what no backward pass contains. */
static const pc_op *const outside_training[] = {&pc_op_keep_rows, &pc_op_halves, &pc_op_token_merge, &pc_op_proportion,
                                                &pc_op_by_place, &pc_op_prune_merge, &pc_op_look, &pc_op_store_rows, &pc_op_adamw, &pc_op_sgd, &pc_op_nesterov, &pc_op_pick_ints};

static bool seen[OPS];

static void visit(const pc_node *node)
{
    for (int i = 0; i < OPS; i++) {
        seen[i] = seen[i] || ops[i] == node->op;
    }
}

static bool contains(const pc_op *const *list, size_t count, const pc_op *op)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i] == op) {
            return true;
        }
    }
    return false;
}

/* --- products and sums --- */

static void dropped(check *c)
{
    static const pc_dropout_draw draw = {.seed = 1, .number = 2};
    pc_tensor *x = check_wanted(c, pc_dims(2, -5, 7));
    check_out(c, pc_dropout(c->graph, x, (pc_dropout_params){.draw = &draw, .place = 3, .rate = 0.3}));
}

static void linear(check *c)
{
    pc_tensor *x = check_wanted(c, pc_dims(2, -3, 5)), *w = check_wanted(c, pc_dims(2, 4, 5));
    pc_tensor *b = check_wanted(c, pc_dims(1, 4)), *residual = check_wanted(c, pc_dims(2, -3, 4));
    check_out(c, pc_linear(c->graph, x, w, b, residual, PC_F32));
}

static void linear_of_groups(check *c)
{
    pc_tensor *x = check_wanted(c, pc_dims(3, -2, 3, 4)), *w = check_wanted(c, pc_dims(2, 5, 4));
    pc_tensor *b = check_wanted(c, pc_dims(1, 5)), *residual = check_wanted(c, pc_dims(3, -2, 3, 5));
    check_out(c, pc_linear(c->graph, x, w, b, residual, PC_F32));
}

static void linear_with_flat_residual(check *c)
{
    pc_tensor *x = check_wanted(c, pc_dims(2, 6, 4)), *w = check_wanted(c, pc_dims(2, 3, 4));
    pc_tensor *residual = check_wanted(c, pc_dims(3, 2, 3, 3));
    pc_tensor *sliced = pc_slice(c->graph, pc_scale(c->graph, residual, 2), 0, 0);
    check_out(c, pc_linear(c->graph, x, w, NULL, sliced, PC_F32));
}

static void linear_of_convolution(check *c)
{
    pc_tensor *pixels = check_wanted(c, pc_dims(4, -2, 3, 4, 4)), *w = check_wanted(c, pc_dims(4, 5, 3, 2, 2));
    check_out(c, pc_linear(c->graph, pc_patches(c->graph, pixels, 2), w, NULL, NULL, PC_F32));
}

static void linear_without_rows(check *c)
{
    pc_tensor *x = check_wanted(c, pc_dims(2, CHECK_NO_ROWS, 5)), *w = check_wanted(c, pc_dims(2, 4, 5));
    pc_tensor *b = check_wanted(c, pc_dims(1, 4));
    check_out(c, pc_linear(c->graph, x, w, b, NULL, PC_F32));
}

static void tied_linear(check *c)
{
    pc_tensor *x = check_wanted(c, pc_dims(2, -3, 4)), *w = check_wanted(c, pc_dims(2, 4, 4));
    pc_tensor *h = pc_activate(c->graph, pc_linear(c->graph, x, w, NULL, NULL, PC_F32), PC_ACT_TANH);
    check_out(c, pc_linear(c->graph, h, w, NULL, x, PC_F32));
}

static void product(check *c, bool ta, bool tb)
{
    pc_matmul_params params = {.transpose_a = ta, .transpose_b = tb};
    pc_tensor *a = check_wanted(c, ta ? pc_dims(2, 4, 3) : pc_dims(2, 3, 4));
    pc_tensor *b = check_wanted(c, tb ? pc_dims(2, 5, 4) : pc_dims(2, 4, 5));
    check_out(c, pc_matmul(c->graph, a, b, params));
}

static void product_nn(check *c) { product(c, false, false); }
static void product_nt(check *c) { product(c, false, true); }
static void product_tn(check *c) { product(c, true, false); }
static void product_tt(check *c) { product(c, true, true); }

/* Factors with more than two dims in every place. */
static void products_of_groups(check *c)
{
    pc_matmul_params tn = {.transpose_a = true}, tt = {.transpose_a = true, .transpose_b = true}, nn = {0};
    pc_tensor *a = check_wanted(c, pc_dims(3, 2, 2, 3)), *b = check_wanted(c, pc_dims(3, 4, 2, 2));
    check_out(c, pc_matmul(c->graph, a, b, tn));
    check_out(c, pc_matmul(c->graph, a, check_wanted(c, pc_dims(3, 3, 2, 2)), tt));
    check_out(c, pc_matmul(c->graph, a, check_wanted(c, pc_dims(3, 3, 2, 2)), nn));
}

static void product_with_itself(check *c)
{
    pc_matmul_params params = {.transpose_b = true};
    pc_tensor *x = check_wanted(c, pc_dims(2, -3, 4));
    check_out(c, pc_matmul(c->graph, x, x, params));
}

static void additions(check *c)
{
    pc_tensor *x = check_wanted(c, pc_dims(3, -2, 3, 4)), *table = check_wanted(c, pc_dims(2, 3, 4));
    pc_tensor *bias = check_wanted(c, pc_dims(1, 4)), *same = check_wanted(c, pc_dims(3, -2, 3, 4));
    pc_tensor *y = pc_add(c->graph, pc_add(c->graph, pc_add(c->graph, x, table), bias), same);
    check_out(c, pc_add(c->graph, y, y));
    check_out(c, pc_add(c->graph, x, x));
}

static void addition_without_rows(check *c)
{
    pc_tensor *x = check_wanted(c, pc_dims(3, 2, CHECK_NO_ROWS, 4)), *y = check_wanted(c, pc_dims(2, CHECK_NO_ROWS, 4));
    pc_tensor *other = check_wanted(c, pc_dims(1, 3));
    check_out(c, pc_add(c->graph, x, y));
    check_out(c, pc_add(c->graph, other, other));
}

static void repeated_products(check *c)
{
    pc_tensor *x = check_wanted(c, pc_dims(3, -2, 3, 4)), *table = check_wanted(c, pc_dims(2, 3, 4));
    pc_tensor *w = check_fixed(c, pc_dims(2, 4, 5)), *delta = check_fixed(c, pc_dims(2, 4, 5));
    pc_tensor *m = check_wanted(c, pc_dims(1, 4));
    m = pc_multiply(c->graph, m, pc_inverse_lengths(c->graph, w, delta, 0.5));
    check_out(c, pc_multiply(c->graph, pc_multiply(c->graph, x, table), m));
}

static void multiplications(check *c)
{
    pc_tensor *x = check_wanted(c, pc_dims(2, -3, 4)), *y = check_wanted(c, pc_dims(2, -3, 4));
    pc_tensor *s = check_wanted(c, pc_dims(1, 1));
    check_out(c, pc_multiply(c->graph, x, y));
    check_out(c, pc_multiply(c->graph, x, x));
    check_out(c, pc_scale_by(c->graph, pc_scale(c->graph, x, -1.5), pc_activate(c->graph, s, PC_ACT_TANH)));
    check_out(c, pc_dot(c->graph, x, y));
    check_out(c, pc_dot(c->graph, y, y));
}

/* The second operand counts elements only; its own operation wants its own shape back. */
static void multiplication_of_shapes(check *c)
{
    pc_tensor *x = check_wanted(c, pc_dims(2, 6, 4)), *y = check_wanted(c, pc_dims(3, 2, 3, 4));
    pc_tensor *part = pc_slice(c->graph, y, 0, 3);
    check_out(c, pc_multiply(c->graph, x, part));
    check_out(c, pc_dot(c->graph, part, x));
}

static void reshapes(check *c)
{
    pc_tensor *x = check_wanted(c, pc_dims(2, -3, 8));
    pc_tensor *heads = pc_reshape(c->graph, x, pc_dims(3, 0, 2, -1)); /* [3,2,4] */
    check_out(c, pc_l2_norm(c->graph, heads, 1e-12));
    check_out(c, pc_activate(c->graph, pc_reshape(c->graph, heads, pc_dims(1, -1)), PC_ACT_SILU));
    check_out(c, pc_transpose(c->graph, x));
}

/* --- activations and norms --- */

static void activations(check *c)
{
    for (int kind = PC_ACT_GELU; kind <= PC_ACT_EXP; kind++) {
        check_out(c, pc_activate(c->graph, check_wanted(c, pc_dims(2, -2, 5)), (pc_activation)kind));
    }
    pc_tensor *x = check_wanted(c, pc_dims(2, -2, 5));
    check_out(c, pc_hard_swish(c->graph, pc_scale(c->graph, x, 3)));
    check_out(c, pc_hard_sigmoid(c->graph, x));
}

static void gated_units(check *c)
{
    for (int kind = PC_ACT_GELU; kind <= PC_ACT_SILU; kind++) {
        pc_tensor *gate = check_wanted(c, pc_dims(2, -2, 3)), *up = check_wanted(c, pc_dims(2, -2, 3));
        check_out(c, pc_glu(c->graph, gate, up, (pc_activation)kind));
    }
    pc_tensor *both = check_wanted(c, pc_dims(2, -2, 3));
    check_out(c, pc_glu(c->graph, both, both, PC_ACT_GELU_TANH));
}

static void norms(check *c)
{
    pc_tensor *x = check_wanted(c, pc_dims(2, -3, 5)), *groups = check_wanted(c, pc_dims(3, -2, 2, 5));
    pc_tensor *w = check_wanted(c, pc_dims(1, 5)), *b = check_wanted(c, pc_dims(1, 5));
    check_out(c, pc_layer_norm(c->graph, x, w, b, 1e-5));
    check_out(c, pc_layer_norm(c->graph, x, w, NULL, 1e-5));
    check_out(c, pc_layer_norm(c->graph, groups, w, b, 1e-1));
    check_out(c, pc_rms_norm(c->graph, x, w, 1e-6));
    check_out(c, pc_rms_norm(c->graph, groups, b, 1e-1));
    pc_tensor *own = check_wanted(c, pc_dims(2, 2, 5)), *shift = check_wanted(c, pc_dims(2, 2, 5));
    check_out(c, pc_layer_norm(c->graph, groups, own, shift, 1e-1));
    check_out(c, pc_rms_norm(c->graph, groups, own, 1e-1));
}

static void l2_norms(check *c)
{
    pc_tensor *x = check_wanted(c, pc_dims(2, -3, 4)), *short_rows = check_wanted(c, pc_dims(2, 2, 3));
    for (int i = 0; i < 3; i++) {
        check_numbers(c, short_rows)[i] = 1e-3 * (i + 1); /* shorter than eps, with every step */
    }
    check_out(c, pc_l2_norm(c->graph, x, 1e-12));
    check_out(c, pc_l2_norm(c->graph, short_rows, 2e-2));
}

static void rotations(check *c)
{
    static const int32_t positions[] = {0, 3, 11};
    pc_tensor *x = check_wanted(c, pc_dims(3, -3, 2, 6)), *at = check_ints(c, pc_dims(1, -3), positions);
    pc_tensor *all = check_fixed(c, pc_dims(1, 3)), *part = check_fixed(c, pc_dims(1, 2));
    check_out(c, pc_rope(c->graph, x, at, all, (pc_rope_params){0}));
    check_out(c, pc_rope(c->graph, x, at, part, (pc_rope_params){0}));
    check_out(c, pc_rope(c->graph, x, at, all, (pc_rope_params){.interleaved = true}));
    check_out(c, pc_rope(c->graph, x, at, part, (pc_rope_params){.interleaved = true, .inverse = true}));
    static const int32_t axes[] = {0, 1, 2, 3, 11, 5, 4, 4, 2};
    pc_tensor *of_three = check_ints(c, pc_dims(2, -3, 3), axes);
    check_out(c, pc_rope(c->graph, x, of_three, all, (pc_rope_params){.sections = {1, 1, 1}}));
    pc_tensor *own = pc_axis_frequencies(c->graph, x, (pc_axis_frequencies_params){10, 1, 3});
    check_out(c, pc_rope(c->graph, x, of_three, own, (pc_rope_params){.sections = {1, 1, 1}}));
}

/* --- attention --- */

static void causal_attention(check *c)
{
    static const int32_t ranges[] = {0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3};
    pc_tensor *q = check_wanted(c, pc_dims(3, -3, 2, 3)), *k = check_wanted(c, pc_dims(3, -3, 2, 3));
    pc_tensor *v = check_wanted(c, pc_dims(3, -3, 2, 3)), *seen_keys = check_ints(c, pc_dims(2, -3, 4), ranges);
    check_out(c, pc_attention(c->graph, q, k, v, seen_keys, NULL, 0.6));
}

/* A window of two keys, over a causal row and over rows that share a prefix. */
static void attention_in_a_window(check *c)
{
    static const int32_t ranges[] = {0, 0, 0, 4, 0, 2, 2, 3, 0, 2, 3, 4};
    pc_tensor *q = check_wanted(c, pc_dims(3, -3, 2, 3)), *k = check_wanted(c, pc_dims(3, -4, 2, 3));
    pc_tensor *v = check_wanted(c, pc_dims(3, -4, 2, 3)), *seen_keys = check_ints(c, pc_dims(2, -3, 4), ranges);
    check_out(c, pc_attention(c->graph, q, k, v, pc_window_ranges(c->graph, seen_keys, 2), NULL, 0.6));
}

/* Pictures before rows 1 and 3, the end of a document at row 4; row 5 is another sample. */
static void attention_to_pictures(check *c)
{
    static const int32_t ranges[] = {0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 6, 7};
    static const int32_t rows[] = {1, 3}, ids[] = {5, 8, 5, 8, 2, 5, 5};
    pc_picture_ranges_params params = {.queries = 2, .end_id = 2};
    pc_tensor *q = check_wanted(c, pc_dims(3, -7, 2, 3)), *k = check_wanted(c, pc_dims(3, 4, 2, 3));
    pc_tensor *v = check_wanted(c, pc_dims(3, 4, 2, 3)), *own = check_ints(c, pc_dims(2, -7, 4), ranges);
    pc_tensor *seen_keys = pc_picture_ranges(c->graph, own, check_ints(c, pc_dims(1, 2), rows), check_ints(c, pc_dims(1, -7), ids), params);
    check_out(c, pc_attention(c->graph, q, k, v, seen_keys, NULL, 0.6));
}

/* Four query heads on two key heads; a prefix, two separate ranges, an empty query, a query that sees a prefix alone. */
static void grouped_attention_over_ranges(check *c)
{
    static const int32_t ranges[] = {0, 2, 2, 5, 0, 1, 3, 4, 0, 0, 0, 0, 1, 3, 0, 0};
    pc_tensor *q = check_wanted(c, pc_dims(3, -4, 4, 2)), *k = check_wanted(c, pc_dims(3, -5, 2, 2));
    pc_tensor *v = check_wanted(c, pc_dims(3, -5, 2, 2)), *seen_keys = check_ints(c, pc_dims(2, -4, 4), ranges);
    check_out(c, pc_attention(c->graph, q, k, v, seen_keys, NULL, 1));
}

static void attention_with_bias(check *c)
{
    static const int32_t ranges[] = {0, 0, 0, 4, 0, 1, 2, 4};
    pc_tensor *q = check_wanted(c, pc_dims(3, 2, 2, 3)), *k = check_wanted(c, pc_dims(3, -4, 1, 3));
    pc_tensor *bias = check_wanted(c, pc_dims(2, 2, 5)), *seen_keys = check_ints(c, pc_dims(2, 2, 4), ranges);
    for (int last = 0; last < 2; last++) {
        pc_attention_params params = {.scale = 0.5, .place = last ? PC_PLACE_LAST : PC_PLACE_ROW};
        check_out(c, pc_attention_biased(c->graph, (pc_tensor *[]){q, k, k}, seen_keys, bias, NULL, params));
    }
}

/* A batch of groups, one tensor as query, key and value. */
static void attention_in_groups(check *c)
{
    pc_tensor *x = check_wanted(c, pc_dims(3, -2, 3, 4));
    pc_tensor *heads = pc_reshape(c->graph, x, pc_dims(3, -1, 2, 2));
    check_out(c, pc_attention(c->graph, heads, heads, heads, pc_group_ranges(c->graph, x), NULL, 0.7));
}

/* Patches in windows, then merged by blocks. */
static void attention_in_windows_of_a_grid(check *c)
{
    pc_tensor *x = check_wanted(c, pc_dims(3, 1, 8, 4));
    pc_grid grid = pc_grid_layout(c->graph, x, (pc_grid_params){2, 4, 2, 2, 0});
    pc_tensor *rows = pc_take_rows(c->graph, pc_reshape(c->graph, x, pc_dims(2, -1, 4)), grid.order);
    pc_tensor *heads = pc_reshape(c->graph, rows, pc_dims(3, -1, 2, 2));
    heads = pc_attention(c->graph, heads, heads, heads, grid.ranges, NULL, 0.7);
    rows = pc_take_rows(c->graph, pc_reshape(c->graph, heads, pc_dims(2, -1, 4)), grid.inverse);
    check_out(c, pc_merge_blocks(c->graph, pc_reshape(c->graph, rows, pc_dims(3, 1, -1, 4)), 2, 4, 2));
}

static void relative_biases(check *c)
{
    static const int32_t ranges[] = {0, 0, 0, 4, 0, 0, 0, 2, 0, 1, 2, 4};
    pc_tensor *table = check_wanted(c, pc_dims(2, 8, 2)), *v = check_wanted(c, pc_dims(3, -4, 2, 2));
    pc_tensor *q = check_wanted(c, pc_dims(3, -3, 2, 2)), *seen_keys = check_ints(c, pc_dims(2, -3, 4), ranges);
    for (int both = 0; both < 2; both++) {
        pc_relative_bias_params params = {.bidirectional = both, .max_distance = 8};
        pc_tensor *bias = pc_relative_bias(c->graph, table, params);
        check_out(c, pc_attention(c->graph, q, v, v, seen_keys, bias, 1));
    }
    pc_tensor *slopes = pc_alibi(c->graph, q, (pc_alibi_params){.heads = 2, .most = 3, .highest = 2});
    check_out(c, pc_attention(c->graph, q, v, v, seen_keys, slopes, 1));
}

/* Two texts of two and three source rows, and of one and two target rows behind them. */
static void attention_of_sides(check *c)
{
    static const int32_t source[] = {0, 1, 3, 4, 5}, target[] = {2, 6, 7};
    pc_attention_range all[8];
    pc_sides_ranges(all, 0, 2, 3);
    pc_sides_ranges(all + 3, 3, 3, 5);
    pc_tensor *ranges = check_ints(c, pc_dims(2, -8, 4), &all[0].prefix_begin);
    pc_tensor *keys = check_ints(c, pc_dims(1, -5), source), *rows = check_ints(c, pc_dims(1, -3), target);
    pc_tensor *x = check_wanted(c, pc_dims(3, -5, 2, 3)), *y = check_wanted(c, pc_dims(3, -3, 2, 3));
    check_out(c, pc_attention(c->graph, x, x, x, pc_pick_ranges(c->graph, ranges, keys, keys, false), NULL, 0.7));
    check_out(c, pc_attention(c->graph, y, y, y, pc_pick_ranges(c->graph, ranges, rows, rows, false), NULL, 0.7));
    check_out(c, pc_attention(c->graph, y, x, x, pc_pick_ranges(c->graph, ranges, rows, keys, true), NULL, 0.7));
}

/* --- rows --- */

static void gathering(check *c)
{
    static const int32_t ids[] = {4, 0, 4, 2}, wide_ids[] = {1, 1, 0};
    pc_tensor *table = check_wanted(c, pc_dims(2, 5, 3)), *wide = check_wanted(c, pc_dims(3, 2, 2, 3));
    pc_tensor *taken = check_ints(c, pc_dims(1, -4), ids), *dy = check_wanted(c, pc_dims(2, -4, 3));
    check_out(c, pc_take_rows(c->graph, table, taken));
    check_out(c, pc_take_rows(c->graph, wide, check_ints(c, pc_dims(1, -3), wide_ids)));
    check_out(c, pc_add_rows(c->graph, dy, taken, table));
}

/* Embedding table and head are one tensor. */
static void tied_table(check *c)
{
    static const int32_t ids[] = {3, 0, 3};
    pc_tensor *table = check_wanted(c, pc_dims(2, 4, 3));
    pc_tensor *x = pc_take_rows(c->graph, table, check_ints(c, pc_dims(1, -3), ids));
    check_out(c, pc_linear(c->graph, pc_activate(c->graph, x, PC_ACT_TANH), table, NULL, NULL, PC_F32));
}

static void splicing(check *c)
{
    static const int32_t ids[] = {3, 1}, no_ids[] = {0};
    pc_tensor *base = check_wanted(c, pc_dims(2, -4, 3)), *rows = check_wanted(c, pc_dims(3, 1, 2, 3));
    pc_tensor *none = check_wanted(c, pc_dims(2, CHECK_NO_ROWS, 3));
    pc_tensor *x = pc_put_rows(c->graph, pc_scale(c->graph, base, 2), rows, check_ints(c, pc_dims(1, 2), ids));
    check_out(c, pc_put_rows(c->graph, x, none, check_ints(c, pc_dims(1, CHECK_NO_ROWS), no_ids)));
}

static void prepending_and_slicing(check *c)
{
    pc_tensor *x = check_wanted(c, pc_dims(3, -2, 3, 4)), *token = check_wanted(c, pc_dims(1, 4));
    pc_tensor *tokens = check_wanted(c, pc_dims(2, 2, 4));
    pc_tensor *longer = pc_prepend(c->graph, pc_prepend(c->graph, x, token), tokens); /* [2,6,4] */
    check_out(c, pc_slice(c->graph, longer, 1, 5));
    check_out(c, pc_slice(c->graph, longer, 3, 0));
    check_out(c, pc_slice(c->graph, longer, 0, 1));
}

static void patching(check *c)
{
    check_out(c, pc_patches(c->graph, check_wanted(c, pc_dims(4, -2, 2, 4, 6)), 2));
    check_out(c, pc_patches(c->graph, check_wanted(c, pc_dims(4, -2, 1, 5, 8)), 3)); /* a margin stays outside */
}

/* --- grids --- */

static void joining(check *c)
{
    pc_tensor *x = check_wanted(c, pc_dims(3, -2, 3, 4)), *y = check_wanted(c, pc_dims(3, -2, 2, 4));
    pc_tensor *z = check_wanted(c, pc_dims(3, -2, 3, 2));
    check_out(c, pc_concat(c->graph, x, y));
    check_out(c, pc_concat_features(c->graph, x, z));
}

static void repeating(check *c)
{
    pc_tensor *rows = check_wanted(c, pc_dims(2, 3, 2)), *like = check_wanted(c, pc_dims(3, -2, 1, 4));
    check_out(c, pc_repeat(c->graph, rows, like));
    check_out(c, like);
}

static void attention_across_groups(check *c)
{
    static const int32_t lengths[] = {1, 2};
    pc_tensor *x = check_wanted(c, pc_dims(3, -2, 3, 4)), *y = check_wanted(c, pc_dims(3, -2, 4, 4));
    pc_tensor *q = pc_reshape(c->graph, x, pc_dims(3, -1, 2, 2)), *k = pc_reshape(c->graph, y, pc_dims(3, -1, 2, 2));
    check_out(c, pc_attention(c->graph, q, k, k, pc_cross_ranges(c->graph, x, y, NULL, 0), NULL, 0.7));
    pc_tensor *counts = check_ints(c, pc_dims(1, -2), lengths);
    check_out(c, pc_attention(c->graph, q, k, k, pc_cross_ranges(c->graph, x, y, counts, 1), NULL, 0.7));
}

static void grids(check *c)
{
    pc_tensor *table = check_wanted(c, pc_dims(2, 1 + 3 * 2, 2)), *x = check_wanted(c, pc_dims(3, -2, 4 * 6, 2));
    check_out(c, pc_resize_grid(c->graph, table, (pc_resize_params){{3, 2}, {4, 5}, 1}));
    check_out(c, pc_resize_grid(c->graph, table, (pc_resize_params){{3, 2}, {2, 1}, 1}));
    check_out(c, pc_pool_grid(c->graph, x, (pc_pool_params){{4, 6}, {2, 4}}));
}

static void convolving_channels(check *c)
{
    pc_tensor *x = check_wanted(c, pc_dims(3, -2, 3 * 4, 2)), *w = check_wanted(c, pc_dims(4, 2, 1, 3, 3));
    pc_tensor *b = check_wanted(c, pc_dims(1, 2)), *s = check_wanted(c, pc_dims(3, -2, 1, 2));
    check_out(c, pc_depthwise(c->graph, x, w, b, (pc_depthwise_params){{3, 4}, 1}));
    check_out(c, pc_depthwise(c->graph, x, w, NULL, (pc_depthwise_params){{3, 4}, 2}));
    check_out(c, pc_channel_scale(c->graph, x, s));
}

/* --- losses --- */

static void entropies(check *c)
{
    static const int32_t targets[] = {2, 0, 4, 2};
    pc_tensor *logits = check_wanted(c, pc_dims(2, -4, 5)), *weights = check_fixed(c, pc_dims(1, -4));
    pc_tensor *goals = check_ints(c, pc_dims(1, -4), targets);
    check_numbers(c, weights)[1] = 0;
    check_out(c, pc_cross_entropy(c->graph, logits, goals, weights));
    pc_tensor *goal = pc_part_of(c->graph, goals, 1, 1), *last = pc_part_of(c->graph, goals, 3, 2); /* one row of two is there */
    check_out(c, pc_cross_entropy(c->graph, pc_take_rows(c->graph, logits, goal), goal, pc_part_of(c->graph, weights, 2, 1)));
    check_out(c, pc_cross_entropy(c->graph, pc_take_rows(c->graph, logits, last), last, pc_part_of(c->graph, weights, 3, 2)));
    static const int32_t starts[] = {0, 2, 2, 3}, more[] = {1, 4, 1};
    pc_tensor *begins = check_ints(c, pc_dims(1, -4), starts), *several = check_ints(c, pc_dims(1, -3), more);
    pc_tensor *three = check_wanted(c, pc_dims(2, -3, 5)), *shares = check_fixed(c, pc_dims(1, -3));
    check_out(c, pc_cross_entropy_grouped(c->graph, three, several, shares, begins));
    pc_tensor *parted = pc_take_rows(c->graph, three, pc_part_of(c->graph, several, 2, 1)); /* row 1 for row 2, with its target */
    check_out(c, pc_cross_entropy_grouped(c->graph, parted, several, shares, pc_part_of(c->graph, begins, 2, 2)));
    pc_cross_entropy_params params = {.label_smoothing = 0.1};
    pc_tensor *smooth[] = {three, several, shares, begins};
    check_out(c, pc_graph_add(c->graph, &pc_op_cross_entropy, smooth, 4, 2, &params));
    pc_tensor *in[] = {pc_scale(c->graph, logits, 3), goals, weights};
    check_out(c, pc_graph_add(c->graph, &pc_op_cross_entropy, in, 3, 2, &params));
}

/* Two pairs of answers, one of them a single token; kinds, means, likelihood. */
static void preferences(check *c)
{
    static const int32_t targets[] = {2, 0, 4, 2, 1, 3, 0}, ends[] = {2, 3, 5, 7};
    static const pc_preference_params cases[] = {
        {.kind = PC_PAIR_SIGMOID, .beta = 0.5, .label_smoothing = 0.1},
        {.kind = PC_PAIR_SIGMOID, .beta = 0.5, .averaged = true, .likelihood = 0.3},
        {.kind = PC_PAIR_HINGE, .beta = 0.1},
        {.kind = PC_PAIR_IPO, .beta = 0.2, .averaged = true},
        {.kind = PC_PAIR_ORPO, .beta = 0.7, .averaged = true},
        {.kind = PC_PAIR_SIMPO, .beta = 2, .margin = 0.5, .averaged = true},
    };
    pc_tensor *logits = check_wanted(c, pc_dims(2, -7, 5)), *frozen = check_fixed(c, pc_dims(2, -7, 5));
    pc_tensor *goals = check_ints(c, pc_dims(1, -7), targets);
    pc_preference_io io = {
        .losses = pc_token_losses(c->graph, logits, goals),
        .weights = check_fixed(c, pc_dims(1, -7)),
        .reference = pc_token_losses(c->graph, frozen, goals),
        .ends = check_ints(c, pc_dims(1, 4), ends),
        .pairs = check_fixed(c, pc_dims(1, 2)),
    };
    for (int t = 0; t < 7; t++) {
        check_numbers(c, io.weights)[t] = 1 + (t == 4);
    }
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_out(c, pc_preference(c->graph, &io, &cases[i]));
    }
    io.reference = NULL;
    check_out(c, pc_preference(c->graph, &io, &cases[0]));
    pc_preference_io rewards = {.losses = check_wanted(c, pc_dims(1, 4)), .pairs = io.pairs};
    check_out(c, pc_preference(c->graph, &rewards, &(pc_preference_params){.beta = 1, .centre = 0.01}));
}

/* Tokens on every side of both clips; with values, without, and with the reference in the loss. */
static void policies(check *c)
{
    static const double d[] = {0.05, -0.05, 0.6, 0.6, -0.6, -0.6}, advantages[] = {1, -1, 1, -1, 1, -1};
    static const double old_values[] = {0.1, 3, -3, 0.05, 2, -0.1};
    static const pc_policy_params cases[] = {
        {.clip = 0.2, .value_clip = 0.2, .value_weight = 0.1},
        {.clip = 0.2, .value_weight = 0.5, .kl_weight = 0.3},
    };
    pc_policy_io io = {
        .losses = check_wanted(c, pc_dims(1, -6)),
        .values = check_wanted(c, pc_dims(1, -6)),
        .experience = check_fixed(c, pc_dims(2, -6, PC_EXPERIENCE)),
        .weights = check_fixed(c, pc_dims(1, -6)),
    };
    for (int t = 0; t < 6; t++) {
        double *row = check_numbers(c, io.experience) + t * PC_EXPERIENCE;
        row[PC_OLD_LOG_PROBABILITY] = -check_numbers(c, io.losses)[t] - d[t];
        row[PC_ADVANTAGE] = advantages[t];
        row[PC_OLD_VALUE] = check_numbers(c, io.values)[t] + old_values[t];
    }
    check_out(c, pc_policy(c->graph, &io, &cases[0]));
    check_out(c, pc_policy(c->graph, &io, &cases[1]));
    io.values = NULL;
    check_out(c, pc_policy(c->graph, &io, &cases[1]));
}

/* Wanted and unwanted answers; the second case is far enough from its reference that the distance counts. It has no gradient, so
 * the numbers of answers that only measure it are fixed. */
static void labels(check *c)
{
    static const int32_t ends[] = {2, 3, 5, 6, 7, 8};
    const pc_kto_params params = {.beta = 0.5, .wanted_weight = 1.5, .unwanted_weight = 0.7};
    pc_kto_io io = {
        .reference = check_fixed(c, pc_dims(1, -8)),
        .ends = check_ints(c, pc_dims(1, 6), ends),
        .labels = check_fixed(c, pc_dims(1, 3)),
        .weights = check_fixed(c, pc_dims(1, 3)),
    };
    pc_tensor *free = check_wanted(c, pc_dims(1, -8)), *own = check_fixed(c, pc_dims(1, -8)), *other = check_fixed(c, pc_dims(1, -8));
    for (int t = 0; t < 8; t++) {
        bool is_other = t == 2 || t == 5 || t == 7;
        check_numbers(c, own)[t] = !is_other;
        check_numbers(c, other)[t] = is_other ? check_numbers(c, io.reference)[t] - 0.3 : 0;
    }
    for (int i = 0; i < 3; i++) {
        check_numbers(c, io.labels)[i] = i == 1 ? -1 : 1;
        check_numbers(c, io.weights)[i] = 0.5 + i;
    }
    io.losses = pc_add(c->graph, pc_multiply(c->graph, free, own), other);
    check_out(c, pc_kto(c->graph, &io, &params));
}

static void contrast(check *c)
{
    pc_matmul_params params = {.transpose_b = true};
    pc_tensor *a = check_wanted(c, pc_dims(2, -3, 4)), *b = check_wanted(c, pc_dims(2, -3, 4));
    check_out(c, pc_sigmoid_loss(c->graph, pc_matmul(c->graph, a, b, params)));
}

/* --- experts --- */

static void routing(check *c)
{
    pc_router_params plain = {.top_k = 2}, sharp = {.top_k = 2, .renormalise = true}, all = {.top_k = 4};
    pc_tensor *logits = check_wanted(c, pc_dims(2, -5, 4));
    pc_routing r = pc_router(c->graph, logits, plain);
    check_out(c, r.weights);
    check_out(c, r.aux);
    check_out(c, pc_router(c->graph, logits, sharp).weights);
    check_out(c, pc_router(c->graph, pc_scale(c->graph, logits, 2), sharp).aux);
    check_out(c, pc_router(c->graph, logits, all).weights);
    check_out(c, pc_router_z(c->graph, logits));
}

/* Full experts: five tokens, at most two for each of four. */
static void routing_with_capacity(check *c)
{
    pc_router_params one = {.top_k = 1, .capacity = 1}, two = {.top_k = 2, .renormalise = true, .balance_first = true, .capacity = 0.75};
    pc_tensor *logits = check_wanted(c, pc_dims(2, -5, 4));
    pc_routing switched = pc_router(c->graph, logits, one), paired = pc_router(c->graph, pc_scale(c->graph, logits, -1), two);
    check_out(c, switched.weights);
    check_out(c, switched.aux);
    check_out(c, paired.weights);
    check_out(c, paired.aux);
}

static void growing_queries(check *c)
{
    static const int32_t positions[] = {0, 3, 9, 40};
    pc_tensor *x = check_wanted(c, pc_dims(3, -4, 2, 3));
    check_out(c, pc_log_scale(c->graph, x, check_ints(c, pc_dims(1, -4), positions), 4));
    check_out(c, pc_log_scale(c->graph, x, check_ints(c, pc_dims(2, -4, 1), positions), 30));
}

/* Rows 1 to 3 are a picture's, of which the last goes the way of the text. */
static void rows_of_two_types(check *c)
{
    static const int32_t rows[] = {1, 2, 3}, ids[] = {4, 0, 0, 0, 7, 2};
    pc_tensor *x = check_wanted(c, pc_dims(2, -6, 4)), *text = check_wanted(c, pc_dims(2, 3, 4)), *own = check_wanted(c, pc_dims(2, 3, 4));
    pc_tensor *types = pc_picture_types(c->graph, check_ints(c, pc_dims(1, 3), rows), check_ints(c, pc_dims(1, -6), ids));
    check_out(c, pc_typed_linear(c->graph, x, types, text, own, NULL, PC_F32));
    check_out(c, pc_typed_linear(c->graph, x, types, own, text, check_wanted(c, pc_dims(2, -6, 3)), PC_F32));
}

/* Expert 2 of 4 gets no token. */
static void experts(check *c)
{
    static const int32_t choices[] = {1, 3, 0, 1, 3, 1};
    pc_tensor *x = check_wanted(c, pc_dims(2, -3, 4)), *up = check_wanted(c, pc_dims(3, 4, 3, 4));
    pc_tensor *down = check_wanted(c, pc_dims(3, 4, 4, 3)), *weights = check_wanted(c, pc_dims(2, -3, 2));
    pc_dispatch d = pc_expert_dispatch(c->graph, check_ints(c, pc_dims(2, -3, 2), choices), 4);
    pc_tensor *rows = pc_take_rows(c->graph, x, d.token); /* [6,4] */
    pc_tensor *h = pc_activate(c->graph, pc_expert_linear(c->graph, rows, up, d.offsets, PC_F32), PC_ACT_SILU);
    h = pc_expert_linear(c->graph, h, down, d.offsets, PC_F32);
    check_out(c, pc_expert_combine(c->graph, h, weights, d.place, x));
    check_out(c, pc_expert_combine(c->graph, h, weights, d.place, NULL));
}

static void experts_without_tokens(check *c)
{
    static const int32_t none[] = {0};
    pc_tensor *x = check_wanted(c, pc_dims(2, CHECK_NO_ROWS, 4)), *w = check_wanted(c, pc_dims(3, 3, 4, 4));
    pc_tensor *weights = check_wanted(c, pc_dims(2, CHECK_NO_ROWS, 2));
    pc_dispatch d = pc_expert_dispatch(c->graph, check_ints(c, pc_dims(2, CHECK_NO_ROWS, 2), none), 3);
    pc_tensor *y = pc_expert_linear(c->graph, pc_take_rows(c->graph, x, d.token), w, d.offsets, PC_F32);
    check_out(c, pc_expert_combine(c->graph, y, weights, d.place, NULL));
    check_out(c, pc_router(c->graph, x, (pc_router_params){.top_k = 2}).aux);
}

#define CASES(X)                                                                                                       \
    X(linear) X(dropped) X(linear_of_groups) X(linear_with_flat_residual) X(linear_of_convolution) X(linear_without_rows)         \
    X(tied_linear) X(product_nn) X(product_nt) X(product_tn) X(product_tt) X(products_of_groups)                       \
    X(product_with_itself) X(additions) X(addition_without_rows) X(multiplications) X(multiplication_of_shapes)        \
    X(repeated_products) X(reshapes) X(activations) X(gated_units) X(norms) X(l2_norms) X(rotations) X(causal_attention)                    \
    X(attention_in_a_window) X(attention_to_pictures) X(grouped_attention_over_ranges) X(attention_with_bias) X(attention_in_groups) X(attention_in_windows_of_a_grid) X(relative_biases) X(attention_of_sides)      \
    X(gathering)                                                                                                       \
    X(tied_table) X(splicing) X(prepending_and_slicing) X(patching) X(entropies) X(preferences) X(policies) X(labels) X(contrast) \
    X(routing) X(routing_with_capacity) X(rows_of_two_types) X(growing_queries) X(experts) X(experts_without_tokens) X(joining) X(repeating) \
    X(attention_across_groups) X(grids)                                                                                \
    X(convolving_channels)

#define TEST(name)                        \
    static void gradient_of_##name(void **state) \
    {                                     \
        (void)state;                      \
        check_gradients(name, visit);     \
    }
CASES(TEST)

static void every_operation_has_a_case(void **state)
{
    (void)state;
    size_t excepted = sizeof without_gradient / sizeof without_gradient[0];
    for (int i = 0; i < OPS; i++) {
        bool listed = contains(without_gradient, excepted, ops[i]);
        if (listed == (ops[i]->grad != NULL)) {
            fail_msg("%s: %s", ops[i]->name, listed ? "listed as without gradient, but has a rule"
                                                    : "has no gradient rule and is not listed as such");
        }
        if (!seen[i] && !contains(outside_training, sizeof outside_training / sizeof outside_training[0], ops[i])) {
            fail_msg("%s: in no case", ops[i]->name);
        }
        assert_non_null(ops[i]->shape);
        assert_non_null(ops[i]->cost);
        assert_non_null(ops[i]->reference);
    }
}

#define UNIT(name) cmocka_unit_test(gradient_of_##name),

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASES(UNIT)
        cmocka_unit_test(every_operation_has_a_case), /* last: looks at what the others ran */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
