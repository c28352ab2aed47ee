/* Adaptive choice of a picture's tokens.
 *
 *   a = softmax(q_class k^T / sqrt(C)) without the class token
 *   n = P * share of tokens with a > Q3 + 1.5 (Q3 - Q1);  chosen: the n with the largest a
 *   y_i = x_i + sum over its `near` nearest others (by cosine of k) of a_j x_j;   last: sum of a_j x_j over all that are not chosen
 *
 * Source: Shang et al. 2024, LLaVA-PruMerge (arXiv:2403.15388); 42Shawn/LLaVA-PruMerge clip_encoder.py.
 * Easy to get wrong: q and k are of full width, no heads; a sums to less than 1; weights are a itself; other chosen tokens may be
 * among the nearest; quartiles are interpolated; tokens at even distances are int(int(1/share) / 3) apart and the last place is
 * not among them.
 */
#include "ops/prune_merge.h"

#include "ops/common.h"

#include <math.h>
#include <string.h>

static pc_status shape(pc_node *node)
{
    const pc_shape *x = &node->in[0]->shape, *q = &node->in[1]->shape, *k = &node->in[2]->shape, *alike = &node->in[3]->shape;
    const pc_prune_merge_params *params = node->params;
    if (x->ndim != 3 || x->dim[0] != 1) {
        return pc_op_shape_error(node, node->in[0], "features [1,P,D]");
    }
    const int64_t tokens = x->dim[1];
    if (q->ndim != 2 || q->dim[0] != tokens + 1) {
        return pc_op_shape_error(node, node->in[1], "q [1+P,C]");
    }
    if (!pc_shape_equal(q, k)) {
        return pc_op_shape_error(node, node->in[2], "k [1+P,C]");
    }
    if (alike->ndim != 2 || alike->dim[0] != tokens || alike->dim[1] != tokens) {
        return pc_op_shape_error(node, node->in[3], "cosines [P,P]");
    }
    if (!(params->keep >= 0 && params->keep <= 1) || params->near < 0) {
        return pc_fail(PC_ERR_USAGE, "prune_merge: a share of %g, %lld nearest", params->keep, (long long)params->near);
    }
    node->out[0]->shape = pc_dims(3, 1, tokens + 1, x->dim[2]);
    node->out[0]->dtype = pc_float_type(node->in[0]);
    node->out[1]->shape = pc_dims(1, 1);
    node->out[1]->dtype = PC_I32;
    return PC_OK;
}

/* Room for one picture. */
typedef struct work {
    double *attention;  /* [P] of the class token */
    double *sorted;     /* [P], rising */
    int32_t *chosen;    /* [P] */
    bool *is_chosen;    /* [P] */
    bool *taken;        /* [P]: nearest found already */
    int64_t tokens, count;
} work;

static size_t scratch(const pc_node *node)
{
    return (size_t)node->in[0]->shape.dim[1] * (2 * sizeof(double) + sizeof(int32_t) + 2 * sizeof(bool));
}

static work lay_out(const pc_call *call)
{
    const int64_t tokens = call->node->in[0]->shape.dim[1];
    work w = {.tokens = tokens, .attention = call->scratch};
    w.sorted = w.attention + tokens;
    w.chosen = (int32_t *)(w.sorted + tokens);
    w.is_chosen = (bool *)(w.chosen + tokens);
    w.taken = w.is_chosen + tokens;
    memset(w.is_chosen, 0, (size_t)tokens * sizeof *w.is_chosen);
    return w;
}

static void attend(const pc_node *node, work *w)
{
    const int64_t width = node->in[1]->shape.dim[1];
    double top = -INFINITY, sum = 0;
    for (int64_t t = 0; t <= w->tokens; t++) {
        double score = 0;
        for (int64_t c = 0; c < width; c++) {
            score += pc_tensor_get(node->in[1], c) * pc_tensor_get(node->in[2], t * width + c);
        }
        score /= sqrt((double)width);
        sum = score > top ? sum * exp(top - score) + 1 : sum + exp(score - top);
        top = score > top ? score : top;
        if (t > 0) {
            w->attention[t - 1] = score;
        }
    }
    for (int64_t t = 0; t < w->tokens; t++) {
        w->attention[t] = exp(w->attention[t] - top) / sum;
    }
}

static double quantile(const work *w, double share)
{
    const double at = share * (double)(w->tokens - 1), floor_at = floor(at);
    const int64_t i = (int64_t)floor_at;
    return i + 1 < w->tokens ? w->sorted[i] + (at - floor_at) * (w->sorted[i + 1] - w->sorted[i]) : w->sorted[i];
}

/* The share of tokens that are outliers. */
static double outliers(work *w)
{
    for (int64_t i = 0; i < w->tokens; i++) {
        int64_t at = i;
        for (; at > 0 && w->sorted[at - 1] > w->attention[i]; at--) {
            w->sorted[at] = w->sorted[at - 1];
        }
        w->sorted[at] = w->attention[i];
    }
    const double low = quantile(w, 0.25), high = quantile(w, 0.75), bound = high + 1.5 * (high - low);
    int64_t count = 0;
    for (int64_t i = 0; i < w->tokens; i++) {
        count += w->attention[i] > bound;
    }
    return (double)count / (double)w->tokens;
}

static void take(work *w, int64_t token)
{
    w->chosen[w->count++] = (int32_t)token;
    w->is_chosen[token] = true;
}

static void choose(work *w, const pc_prune_merge_params *params)
{
    const double share = params->keep > 0 ? params->keep : outliers(w);
    const int64_t wanted = (int64_t)((double)w->tokens * share);
    while (w->count < wanted) {
        int64_t best = -1;
        for (int64_t t = 0; t < w->tokens; t++) {
            if (!w->is_chosen[t] && (best < 0 || w->attention[t] > w->attention[best])) {
                best = t;
            }
        }
        take(w, best);
    }
    const int64_t apart = share > 0 ? (int64_t)(1 / share) / 3 : w->tokens, step = apart > 0 ? apart : 1;
    for (int64_t t = 0; params->spread && t < w->tokens - 1; t += step) {
        if (!w->is_chosen[t]) {
            take(w, t);
        }
    }
}

/* Row `to` += attention x features of a token. */
static void add_share(const pc_node *node, const work *w, int64_t to, int64_t token)
{
    const int64_t width = node->in[0]->shape.dim[2];
    for (int64_t d = 0; d < width; d++) {
        pc_tensor_set(node->out[0], to * width + d,
                      pc_tensor_get(node->out[0], to * width + d) +
                          w->attention[token] * pc_tensor_get(node->in[0], token * width + d));
    }
}

/* The i-th chosen token with its nearest. */
static void gather(const pc_node *node, work *w, int64_t i, int64_t near)
{
    const int64_t width = node->in[0]->shape.dim[2], own = w->chosen[i];
    memset(w->taken, 0, (size_t)w->tokens * sizeof *w->taken);
    w->taken[own] = true;
    for (int64_t n = 0; n < near && n + 1 < w->tokens; n++) {
        int64_t best = -1;
        for (int64_t t = 0; t < w->tokens; t++) {
            if (!w->taken[t] && (best < 0 || pc_tensor_get(node->in[3], own * w->tokens + t) >
                                                 pc_tensor_get(node->in[3], own * w->tokens + best))) {
                best = t;
            }
        }
        w->taken[best] = true;
        add_share(node, w, i, best);
    }
    for (int64_t d = 0; d < width; d++) {
        pc_tensor_set(node->out[0], i * width + d,
                      pc_tensor_get(node->out[0], i * width + d) + pc_tensor_get(node->in[0], own * width + d));
    }
}

static void reference(const pc_call *call)
{
    const pc_node *node = call->node;
    const pc_prune_merge_params *params = node->params;
    work w = lay_out(call);
    for (int64_t i = 0; i < pc_count(node->out[0]); i++) {
        pc_tensor_set(node->out[0], i, 0);
    }
    attend(node, &w);
    choose(&w, params);
    for (int64_t i = 0; i < w.count; i++) {
        gather(node, &w, i, params->near);
    }
    for (int64_t t = 0; t < w.tokens; t++) {
        if (!w.is_chosen[t]) {
            add_share(node, &w, w.count, t);
        }
    }
    *(int32_t *)node->out[1]->data = (int32_t)w.count + 1;
}

static pc_cost cost(const pc_node *node)
{
    return pc_cost_elementwise(node, 1);
}

const pc_op pc_op_prune_merge = {
    .name = "prune_merge",
    .params_size = sizeof(pc_prune_merge_params),
    .shape = shape,
    .cost = cost,
    .reference = reference,
    .reference_scratch = scratch,
};

pc_tensor *pc_prune_merge(pc_graph *graph, pc_tensor *const in[4], pc_prune_merge_params params, pc_tensor **count)
{
    pc_tensor *out = pc_graph_add(graph, &pc_op_prune_merge, in, 4, 2, &params);
    *count = pc_graph_failed(graph) ? out : out->node->out[1];
    return out;
}
