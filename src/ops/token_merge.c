/* Bipartite soft matching.
 *
 * Source: Bolya et al. 2023, Token Merging (arXiv:2210.09461), section 3 and appendix D; facebookresearch/ToMe tome/merge.py.
 * Easy to get wrong: the tokens behind a merge are A's, then B's, and the next block splits that order; with a class token A's
 * tokens that stay are sorted, without one they stand by falling score; the class token is a row of A and chooses nobody.
 */
#include "ops/token_merge.h"

#include "ops/common.h"

#include <math.h>

int64_t pc_mergeable(int64_t tokens, bool class_token, int64_t wanted)
{
    const int64_t most = (tokens - class_token) / 2;
    return wanted < 0 ? 0 : wanted < most ? wanted : most;
}

int64_t pc_merged_in(int64_t layer, int64_t layers, int64_t merged, double inflect)
{
    const int64_t low = (int64_t)((double)merged * (1 - inflect)), high = 2 * merged - low;
    const double step = layers > 1 ? (double)(high - low) / (double)(layers - 1) : 0;
    return (int64_t)((double)low + step * (double)layer);
}

/* Of a node's outputs; a graph that has failed has none. */
static void take_outputs(pc_graph *graph, pc_tensor *first, int count, pc_tensor **out)
{
    for (int i = 0; i < count; i++) {
        out[i] = pc_graph_failed(graph) ? first : first->node->out[i];
    }
}

/* --- halves --- */

static pc_status halves_shape(pc_node *node)
{
    const pc_shape *k = &node->in[0]->shape;
    if (k->ndim != 3) {
        return pc_op_shape_error(node, node->in[0], "k [T,H,E]");
    }
    node->out[0]->shape = pc_dims(2, (k->dim[0] + 1) / 2, k->dim[2]);
    node->out[1]->shape = pc_dims(2, k->dim[0] / 2, k->dim[2]);
    node->out[0]->dtype = node->out[1]->dtype = pc_float_type(node->in[0]);
    return PC_OK;
}

static double mean_of_heads(const pc_tensor *k, int64_t t, int64_t e)
{
    const int64_t heads = k->shape.dim[1], size = k->shape.dim[2];
    double sum = 0;
    for (int64_t h = 0; h < heads; h++) {
        sum += pc_tensor_get(k, (t * heads + h) * size + e);
    }
    return sum / (double)heads;
}

static void halves_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    const pc_tensor *k = node->in[0];
    const int64_t size = k->shape.dim[2];
    for (int64_t t = 0; t < k->shape.dim[0]; t++) {
        double squares = 0;
        for (int64_t e = 0; e < size; e++) {
            const double value = mean_of_heads(k, t, e);
            squares += value * value;
            pc_tensor_set(node->out[t % 2], t / 2 * size + e, value);
        }
        for (int64_t e = 0; e < size && squares > 0; e++) {
            const int64_t at = t / 2 * size + e;
            pc_tensor_set(node->out[t % 2], at, pc_tensor_get(node->out[t % 2], at) / sqrt(squares));
        }
    }
}

static pc_cost one_a_value(const pc_node *node)
{
    return pc_cost_elementwise(node, 1);
}

const pc_op pc_op_halves = {.name = "halves", .shape = halves_shape, .cost = one_a_value, .reference = halves_reference};

void pc_halves(pc_graph *graph, pc_tensor *k, pc_tensor *out[2])
{
    take_outputs(graph, pc_graph_add(graph, &pc_op_halves, &k, 1, 2, NULL), 2, out);
}

/* --- merging --- */

static pc_status merge_shape(pc_node *node)
{
    const pc_shape *x = &node->in[0]->shape, *scores = &node->in[1]->shape;
    const pc_token_merge_params *params = node->params;
    if (x->ndim != 3 || x->dim[0] != 1) {
        return pc_op_shape_error(node, node->in[0], "x [1,T,D]");
    }
    const int64_t tokens = x->dim[1];
    if (scores->ndim != 2 || scores->dim[0] != (tokens + 1) / 2 || scores->dim[1] != tokens / 2) {
        return pc_op_shape_error(node, node->in[1], "scores [ceil(T/2),T/2]");
    }
    if (params->merged < 0 || params->merged > pc_mergeable(tokens, params->class_token, tokens)) {
        return pc_fail(PC_ERR_USAGE, "token_merge: %lld of %lld tokens can't be merged", (long long)params->merged, (long long)tokens);
    }
    for (int i = 2; i < 4; i++) {
        if (node->in[i] && (pc_count(node->in[i]) != tokens || (i == 3 && node->in[i]->dtype != PC_I32))) {
            return pc_op_shape_error(node, node->in[i], i == 2 ? "sizes [T]" : "places i32 [T]");
        }
    }
    const int64_t left = tokens - params->merged;
    node->out[0]->shape = pc_dims(3, 1, left, x->dim[2]);
    node->out[1]->shape = node->out[2]->shape = pc_dims(1, left);
    node->out[0]->dtype = node->out[1]->dtype = pc_float_type(node->in[0]);
    node->out[2]->dtype = PC_I32;
    return PC_OK;
}

/* What a row of A has chosen. */
typedef struct choice {
    double score;
    int32_t row, partner; /* of A, and of B */
} choice;

static size_t merge_scratch(const pc_node *node)
{
    return (size_t)node->in[1]->shape.dim[0] * sizeof(choice);
}

/* Every row of A with its choice, the surest first; of equal ones the earlier. */
static void choose(const pc_node *node, choice *choices)
{
    const int64_t a = node->in[1]->shape.dim[0], b = node->in[1]->shape.dim[1];
    const bool class_token = ((const pc_token_merge_params *)node->params)->class_token;
    for (int64_t i = 0; i < a; i++) {
        choice best = {-INFINITY, (int32_t)i, 0};
        for (int64_t j = 0; j < b && !(class_token && i == 0); j++) {
            const double score = pc_tensor_get(node->in[1], i * b + j);
            if (score > best.score) {
                best = (choice){score, (int32_t)i, (int32_t)j};
            }
        }
        int64_t at = i;
        for (; at > 0 && choices[at - 1].score < best.score; at--) {
            choices[at] = choices[at - 1];
        }
        choices[at] = best;
    }
}

/* Rows that stay, in the order in which they stood. */
static void sort_by_row(choice *choices, int64_t count)
{
    for (int64_t i = 1; i < count; i++) {
        const choice moved = choices[i];
        int64_t at = i;
        for (; at > 0 && choices[at - 1].row > moved.row; at--) {
            choices[at] = choices[at - 1];
        }
        choices[at] = moved;
    }
}

static double size_of(const pc_node *node, int64_t t)
{
    return node->in[2] ? pc_tensor_get(node->in[2], t) : 1;
}

/* Row `to` of the result is token t. */
static void put(const pc_node *node, int64_t to, int64_t t)
{
    const int64_t width = node->in[0]->shape.dim[2];
    for (int64_t d = 0; d < width; d++) {
        pc_tensor_set(node->out[0], to * width + d, pc_tensor_get(node->in[0], t * width + d));
    }
    pc_tensor_set(node->out[1], to, size_of(node, t));
    ((int32_t *)node->out[2]->data)[to] = node->in[3] ? pc_i32(node->in[3])[t] : (int32_t)t;
}

/* Token t joins what row `to` has become. */
static void join(const pc_node *node, int64_t to, int64_t t)
{
    const int64_t width = node->in[0]->shape.dim[2];
    const double has = pc_tensor_get(node->out[1], to), comes = size_of(node, t);
    for (int64_t d = 0; d < width; d++) {
        const double sum = has * pc_tensor_get(node->out[0], to * width + d) + comes * pc_tensor_get(node->in[0], t * width + d);
        pc_tensor_set(node->out[0], to * width + d, sum / (has + comes));
    }
    pc_tensor_set(node->out[1], to, has + comes);
}

static void merge_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    const pc_token_merge_params *params = node->params;
    const int64_t a = node->in[1]->shape.dim[0], b = node->in[1]->shape.dim[1], stay = a - params->merged;
    choice *choices = call->scratch;
    choose(node, choices);
    if (params->class_token) {
        sort_by_row(choices + params->merged, stay);
    }
    for (int64_t i = 0; i < stay; i++) {
        put(node, i, 2 * (int64_t)choices[params->merged + i].row);
    }
    for (int64_t j = 0; j < b; j++) {
        put(node, stay + j, 2 * j + 1);
    }
    for (int64_t i = 0; i < params->merged; i++) {
        join(node, stay + choices[i].partner, 2 * (int64_t)choices[i].row);
    }
}

const pc_op pc_op_token_merge = {
    .name = "token_merge",
    .params_size = sizeof(pc_token_merge_params),
    .shape = merge_shape,
    .cost = one_a_value,
    .reference = merge_reference,
    .reference_scratch = merge_scratch,
};

void pc_token_merge(pc_graph *graph, pc_tensor *const in[4], pc_token_merge_params params, pc_tensor *out[3])
{
    take_outputs(graph, pc_graph_add(graph, &pc_op_token_merge, in, 4, 3, &params), 3, out);
}

/* --- proportional attention --- */

static pc_status proportion_shape(pc_node *node)
{
    const pc_shape *q = &node->in[0]->shape;
    for (int i = 0; i < 3; i++) {
        const pc_shape *x = &node->in[i]->shape;
        if (x->ndim != 3 || x->dim[0] != q->dim[0] || x->dim[2] != q->dim[2]) {
            return pc_op_shape_error(node, node->in[i], "[T,H,E]");
        }
        node->out[i]->shape = pc_dims(3, x->dim[0], x->dim[1], x->dim[2] + PC_PROPORTION);
        node->out[i]->dtype = pc_float_type(node->in[i]);
    }
    return pc_count(node->in[3]) == q->dim[0] ? PC_OK : pc_op_shape_error(node, node->in[3], "sizes [T]");
}

/* What stands behind the features of one head. */
static double behind(const pc_node *node, int which, int64_t t)
{
    return which == 0   ? 1 / ((const pc_proportion_params *)node->params)->scale
           : which == 1 ? log(pc_tensor_get(node->in[3], t))
                        : 0;
}

static void proportion_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    for (int i = 0; i < 3; i++) {
        const int64_t heads = node->in[i]->shape.dim[1], size = node->in[i]->shape.dim[2], wide = size + PC_PROPORTION;
        for (int64_t row = 0; row < node->in[i]->shape.dim[0] * heads; row++) {
            for (int64_t e = 0; e < wide; e++) {
                const double value = e < size    ? pc_tensor_get(node->in[i], row * size + e)
                                     : e == size ? behind(node, i, row / heads)
                                                 : 0;
                pc_tensor_set(node->out[i], row * wide + e, value);
            }
        }
    }
}

const pc_op pc_op_proportion = {
    .name = "proportion",
    .params_size = sizeof(pc_proportion_params),
    .shape = proportion_shape,
    .cost = one_a_value,
    .reference = proportion_reference,
};

void pc_proportion(pc_graph *graph, pc_tensor *const qkv[3], pc_tensor *sizes, pc_proportion_params params, pc_tensor *out[3])
{
    pc_tensor *in[] = {qkv[0], qkv[1], qkv[2], sizes};
    take_outputs(graph, pc_graph_add(graph, &pc_op_proportion, in, 4, 3, &params), 3, out);
}

/* --- order --- */

static pc_status by_place_shape(pc_node *node)
{
    return node->in[0]->dtype == PC_I32 && node->in[0]->shape.ndim == 1 ? pc_shape_same(node)
                                                                        : pc_op_shape_error(node, node->in[0], "places i32 [T]");
}

static void by_place_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    const int32_t *places = pc_i32(node->in[0]);
    int32_t *out = node->out[0]->data;
    for (int64_t i = 0; i < pc_count(node->in[0]); i++) {
        int64_t at = i;
        for (; at > 0 && places[out[at - 1]] > places[i]; at--) {
            out[at] = out[at - 1];
        }
        out[at] = (int32_t)i;
    }
}

const pc_op pc_op_by_place = {.name = "by_place", .shape = by_place_shape, .cost = one_a_value, .reference = by_place_reference};

pc_tensor *pc_by_place(pc_graph *graph, pc_tensor *places)
{
    return pc_graph_add(graph, &pc_op_by_place, &places, 1, 1, NULL);
}
