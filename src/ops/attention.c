/* Scaled dot-product attention over the key ranges of each query.
 *
 *   p = softmax(scale q k^T + bias) over the keys seen;  out = p v;  lse = log sum exp
 *   dp = dout v^T;  ds = p (dp - dout . out);  dq = scale ds k;  dk = scale ds^T q;  dv = p^T dout;  dbias = ds
 *
 * Source: Vaswani et al. 2017; tiles and gradient by log-sum-exp: Dao et al. 2022 (arXiv:2205.14135).
 */
#include "ops/attention.h"

#include "ops/common.h"

#include <math.h>

typedef struct view {
    int64_t queries, keys, heads, key_heads, size;
} view;

static view view_of(const pc_node *node)
{
    const pc_shape *q = &node->in[0]->shape, *k = &node->in[1]->shape;
    return (view){q->dim[0], k->dim[0], q->dim[1], k->dim[1], q->dim[2]};
}

static pc_status check_inputs(const pc_node *node)
{
    const pc_shape *q = &node->in[0]->shape, *k = &node->in[1]->shape;
    if (q->ndim != 3) {
        return pc_op_shape_error(node, node->in[0], "[T,H,E]");
    }
    if (k->ndim != 3 || k->dim[2] != q->dim[2] || k->dim[1] < 1 || q->dim[1] % k->dim[1]) {
        return pc_op_shape_error(node, node->in[1], "[S,K,E] with the query's E and K dividing H");
    }
    if (!pc_shape_equal(k, &node->in[2]->shape)) {
        return pc_op_shape_error(node, node->in[2], "the keys' shape");
    }
    if (pc_count(node->in[3]) != 4 * q->dim[0]) {
        return pc_op_shape_error(node, node->in[3], "[T,4]");
    }
    const pc_shape *bias = node->in[4] ? &node->in[4]->shape : NULL;
    if (bias && (bias->ndim != 2 || bias->dim[0] != q->dim[1] || bias->dim[1] % 2 == 0)) {
        return pc_op_shape_error(node, node->in[4], "[H,2M+1]");
    }
    return PC_OK;
}

static const pc_tensor *pages_of(const pc_node *node)
{
    return node->op == &pc_op_attention && node->inputs > 5 ? node->in[5] : NULL;
}

/* Queries of their own for the keys of the prefix range. */
static const pc_tensor *sinks_of(const pc_node *node)
{
    return node->op == &pc_op_attention && node->inputs > 6 ? node->in[6] : NULL;
}

static pc_status shape(pc_node *node)
{
    PC_TRY(check_inputs(node));
    if (sinks_of(node) && !pc_shape_equal(&node->in[0]->shape, &sinks_of(node)->shape)) {
        return pc_op_shape_error(node, node->in[6], "the queries' shape");
    }
    if (pages_of(node) && ((const pc_attention_params *)node->params)->page_rows < 1) {
        return pc_fail(PC_ERR_USAGE, "attention over pages wants the rows of a page");
    }
    node->out[0]->shape = node->in[0]->shape;
    node->out[0]->dtype = node->in[0]->dtype;
    node->out[1]->shape = pc_dims(2, node->in[0]->shape.dim[0], node->in[0]->shape.dim[1]);
    node->out[1]->dtype = node->in[0]->dtype;
    return PC_OK;
}

/* Where a key row of the ranges lies. */
static int64_t place_of(const pc_node *node, int64_t row)
{
    const pc_tensor *pages = pages_of(node);
    int64_t rows = ((const pc_attention_params *)node->params)->page_rows;
    return pages ? pc_i32(pages)[row / rows] * rows + row % rows : row;
}

int64_t pc_attention_distance(const pc_attention_params *params, const pc_attention_range *range, int64_t t, int64_t row,
                              int64_t most)
{
    int64_t away = row - (params->place == PC_PLACE_ROW ? t : range->end - 1);
    return most + (away < -most ? -most : away > most ? most : away);
}

/* The i-th key row of the ranges that query t sees, or -1 behind the last. */
static int64_t key_row(const pc_node *node, int64_t t, int64_t i)
{
    const int32_t *range = pc_i32(node->in[3]) + 4 * t;
    int64_t prefix = range[1] > range[0] ? range[1] - range[0] : 0;
    if (i < prefix) {
        return range[0] + i;
    }
    int64_t row = range[2] + i - prefix;
    return row < range[3] ? row : -1;
}

/* Where the bias of query t, head h and key row `row` of the ranges stands in in[4]. */
static int64_t bias_at(const pc_node *node, int64_t t, int64_t h, int64_t row)
{
    const int64_t width = node->in[4]->shape.dim[1];
    const pc_attention_range *ranges = node->in[3]->data;
    return h * width + pc_attention_distance(node->params, &ranges[t], t, row, width / 2);
}

static double score(const pc_node *node, view w, int64_t t, int64_t h, int64_t row)
{
    const int32_t *range = pc_i32(node->in[3]) + 4 * t;
    const pc_tensor *q = sinks_of(node) && row >= range[0] && row < range[1] ? sinks_of(node) : node->in[0];
    int64_t kh = h / (w.heads / w.key_heads), s = place_of(node, row);
    double sum = 0;
    for (int64_t e = 0; e < w.size; e++) {
        sum += pc_tensor_get(q, (t * w.heads + h) * w.size + e) *
               pc_tensor_get(node->in[1], (s * w.key_heads + kh) * w.size + e);
    }
    double bias = node->in[4] ? pc_tensor_get(node->in[4], bias_at(node, t, h, row)) : 0;
    return sum * ((const pc_attention_params *)node->params)->scale + bias;
}

static double log_sum_exp(const pc_node *node, view w, int64_t t, int64_t h)
{
    double top = -INFINITY, sum = 0;
    for (int64_t i = 0, s; (s = key_row(node, t, i)) >= 0; i++) {
        top = fmax(top, score(node, w, t, h, s));
    }
    for (int64_t i = 0, s; (s = key_row(node, t, i)) >= 0; i++) {
        sum += exp(score(node, w, t, h, s) - top);
    }
    return sum > 0 ? top + log(sum) : -INFINITY;
}

static void mix_values(const pc_node *node, view w, int64_t t, int64_t h, double lse)
{
    int64_t kh = h / (w.heads / w.key_heads);
    for (int64_t e = 0; e < w.size; e++) {
        double sum = 0;
        for (int64_t i = 0, s; (s = key_row(node, t, i)) >= 0; i++) {
            int64_t at = (place_of(node, s) * w.key_heads + kh) * w.size + e;
            sum += exp(score(node, w, t, h, s) - lse) * pc_tensor_get(node->in[2], at);
        }
        pc_tensor_set(node->out[0], (t * w.heads + h) * w.size + e, sum);
    }
}

static void reference(const pc_call *call)
{
    const pc_node *node = call->node;
    view w = view_of(node);
    for (int64_t t = 0; t < w.queries; t++) {
        for (int64_t h = 0; h < w.heads; h++) {
            double lse = log_sum_exp(node, w, t, h);
            pc_tensor_set(node->out[1], t * w.heads + h, lse);
            mix_values(node, w, t, h, lse);
        }
    }
}

static void grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    pc_tensor *in[] = {node->in[0], node->in[1], node->in[2], node->in[3],
                       node->in[4], node->out[0], node->out[1], dout[0]};
    if (!dout[0] || dout[1] || pages_of(node) || sinks_of(node)) {
        pc_graph_poison(graph, pc_fail(PC_ERR_USAGE, "attention: the log-sum-exp has no gradient, nor has a cache in pages"));
        return;
    }
    pc_tensor *dq = pc_graph_add(graph, &pc_op_attention_grad, in, 8, node->in[4] ? 4 : 3, node->params);
    if (pc_graph_failed(graph)) {
        return;
    }
    for (int i = 0; i < 3; i++) {
        din[i] = dq->node->out[i];
    }
    din[4] = node->in[4] ? dq->node->out[3] : NULL;
}

static double pair_count(const pc_node *node)
{
    view w = view_of(node);
    const pc_tensor *from = node->in[3];
    if (from->node && from->node->op == &pc_op_group_ranges) {
        return (double)w.queries * (double)from->node->in[0]->shape.dim[1];
    }
    /* Outside a run other values may lie in planned memory; an input's is the caller's. */
    const int32_t *ranges = from->storage == PC_STORE_INPUT ? from->data : NULL;
    if (!ranges) {
        return (double)w.queries * (double)w.keys;
    }
    double pairs = 0;
    for (int64_t t = 0; t < w.queries; t++) {
        const int32_t *r = ranges + 4 * t;
        pairs += (r[1] > r[0] ? r[1] - r[0] : 0) + (r[3] > r[2] ? r[3] - r[2] : 0);
    }
    return pairs;
}

static pc_cost cost(const pc_node *node)
{
    view w = view_of(node);
    pc_cost result = pc_cost_elementwise(node, 0);
    result.flops = 4.0 * pair_count(node) * (double)w.heads * (double)w.size;
    return result;
}

const pc_op pc_op_attention = {
    .name = "attention",
    .params_size = sizeof(pc_attention_params),
    .shape = shape,
    .grad = grad,
    .cost = cost,
    .reference = reference,
};

pc_tensor *pc_attention(pc_graph *graph, pc_tensor *q, pc_tensor *k, pc_tensor *v, pc_tensor *ranges, pc_tensor *bias,
                        double scale)
{
    pc_attention_params params = {.scale = scale};
    return pc_attention_biased(graph, (pc_tensor *[]){q, k, v}, ranges, bias, NULL, params);
}

pc_tensor *pc_attention_paged(pc_graph *graph, pc_tensor *q, pc_tensor *k, pc_tensor *v, pc_tensor *ranges,
                              pc_tensor *pages, pc_attention_params params)
{
    return pc_attention_biased(graph, (pc_tensor *[]){q, k, v}, ranges, NULL, pages, params);
}

pc_tensor *pc_attention_biased(pc_graph *graph, pc_tensor *const qkv[3], pc_tensor *ranges, pc_tensor *bias, pc_tensor *pages,
                               pc_attention_params params)
{
    pc_tensor *in[] = {qkv[0], qkv[1], qkv[2], ranges, bias, pages};
    return pc_graph_add(graph, &pc_op_attention, in, pages ? 6 : 5, 2, &params);
}

pc_tensor *pc_attention_sinks(pc_graph *graph, pc_tensor *const qkv[3], pc_tensor *sinks, pc_tensor *ranges, pc_tensor *pages,
                              pc_attention_params params)
{
    pc_tensor *in[] = {qkv[0], qkv[1], qkv[2], ranges, NULL, pages, sinks};
    return pc_graph_add(graph, &pc_op_attention, in, 7, 2, &params);
}

static pc_status grad_shape(pc_node *node)
{
    PC_TRY(check_inputs(node));
    for (int i = 0; i < node->outputs; i++) {
        const pc_tensor *like = node->in[i < 3 ? i : 4];
        node->out[i]->shape = like->shape;
        node->out[i]->dtype = node->in[0]->dtype;
    }
    return PC_OK;
}

static void add_to(pc_tensor *x, int64_t i, double value)
{
    pc_tensor_set(x, i, pc_tensor_get(x, i) + value);
}

/* in: q k v ranges bias out lse dout */
static void grad_row(const pc_node *node, view w, int64_t t, int64_t h)
{
    int64_t kh = h / (w.heads / w.key_heads), at = (t * w.heads + h) * w.size;
    double scale = ((const pc_attention_params *)node->params)->scale;
    double lse = pc_tensor_get(node->in[6], t * w.heads + h), along = 0;
    for (int64_t e = 0; e < w.size; e++) {
        along += pc_tensor_get(node->in[7], at + e) * pc_tensor_get(node->in[5], at + e);
    }
    for (int64_t i = 0, s; (s = key_row(node, t, i)) >= 0; i++) {
        int64_t key = (s * w.key_heads + kh) * w.size;
        double p = exp(score(node, w, t, h, s) - lse), dp = 0;
        for (int64_t e = 0; e < w.size; e++) {
            dp += pc_tensor_get(node->in[7], at + e) * pc_tensor_get(node->in[2], key + e);
            add_to(node->out[2], key + e, p * pc_tensor_get(node->in[7], at + e));
        }
        double ds = p * (dp - along);
        for (int64_t e = 0; e < w.size; e++) {
            add_to(node->out[0], at + e, scale * ds * pc_tensor_get(node->in[1], key + e));
            add_to(node->out[1], key + e, scale * ds * pc_tensor_get(node->in[0], at + e));
        }
        if (node->in[4]) {
            add_to(node->out[3], bias_at(node, t, h, s), ds);
        }
    }
}

static void grad_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    view w = view_of(node);
    for (int i = 0; i < node->outputs; i++) {
        int64_t count = pc_count(node->out[i]);
        for (int64_t j = 0; j < count; j++) {
            pc_tensor_set(node->out[i], j, 0);
        }
    }
    for (int64_t t = 0; t < w.queries; t++) {
        for (int64_t h = 0; h < w.heads; h++) {
            grad_row(node, w, t, h);
        }
    }
}

static pc_cost grad_cost(const pc_node *node)
{
    pc_cost result = cost(node);
    result.flops *= 2.5;
    return result;
}

const pc_op pc_op_attention_grad = {
    .name = "attention_grad",
    .params_size = sizeof(pc_attention_params),
    .shape = grad_shape,
    .cost = grad_cost,
    .reference = grad_reference,
};

static pc_status group_shape(pc_node *node)
{
    const pc_shape *x = &node->in[0]->shape;
    if (x->ndim < 2) {
        return pc_op_shape_error(node, node->in[0], "[N,G,..]");
    }
    node->out[0]->shape = pc_dims(2, x->dim[0] * x->dim[1], 4);
    node->out[0]->dtype = PC_I32;
    return PC_OK;
}

static void group_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t groups = node->in[0]->shape.dim[0], size = node->in[0]->shape.dim[1];
    pc_attention_range *ranges = node->out[0]->data;
    for (int64_t i = 0; i < groups * size; i++) {
        int32_t begin = (int32_t)(i / size * size);
        ranges[i] = (pc_attention_range){0, 0, begin, begin + (int32_t)size};
    }
}

static pc_cost group_cost(const pc_node *node)
{
    return (pc_cost){0, (double)pc_tensor_bytes(node->out[0])};
}

const pc_op pc_op_group_ranges = {
    .name = "group_ranges",
    .shape = group_shape,
    .cost = group_cost,
    .reference = group_reference,
};

pc_tensor *pc_group_ranges(pc_graph *graph, pc_tensor *x)
{
    return pc_graph_add(graph, &pc_op_group_ranges, &x, 1, 1, NULL);
}
