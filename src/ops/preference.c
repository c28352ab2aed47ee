/* Losses over pairs of answers, from the log-probabilities of their tokens.
 *
 *   s = sum_t w_t log p_t  [/ sum_t w_t]      score of an answer, of the model (s) and of the reference (r)
 *   d = (s_w - r_w) - (s_l - r_l)             w won, l lost; h = beta d
 *   sigmoid  -(1-e) log sigma(h) - e log sigma(-h)       DPO, Rafailov et al. 2023 (arXiv:2305.18290), equation 7; e: cDPO
 *   hinge    max(0, 1 - h)                               SLiC, Zhao et al. 2023 (arXiv:2305.10425)
 *   ipo      (d - 1 / (2 beta))^2                        Azar et al. 2023 (arXiv:2310.12036), equation 17
 *   orpo     -s_w - beta log sigma(log odds_w - log odds_l), odds = p / (1-p), log p = s
 *                                                        Hong et al. 2024 (arXiv:2403.07691), equations 6 and 7
 *   simpo    the sigmoid's with h = beta d - gamma, r = 0  Meng et al. 2024 (arXiv:2405.14734), equation 6
 *   + centre * (s_w + s_l)^2                               rewards (trl, RewardTrainer), where an answer is one "token"
 *   + likelihood * -mean log p of the chosen answer        RPO, Pang et al. 2024 (arXiv:2404.19733)
 *
 * Weights of changed tokens above 1 make it the dense DPO of RLHF-V (Yu et al. 2024, arXiv:2312.00849, equation 3).
 * Easy to get wrong: IPO, ORPO and SimPO mean averaged scores, DPO and hinge sums.
 */
#include "ops/preference.h"

#include "ops/common.h"
#include "ops/loss.h"

#include <math.h>

/* A probability of 1 has no odds. */
static const double LEAST_DOUBT = 1e-12;

/* --- -log p of each target --- */

static pc_status tokens_shape(pc_node *node)
{
    int64_t rows = pc_shape_rows(&node->in[0]->shape);
    if (pc_count(node->in[1]) != rows) {
        return pc_op_shape_error(node, node->in[1], "one target for each row of logits");
    }
    node->out[0]->shape = node->out[1]->shape = pc_dims(1, rows);
    node->out[0]->dtype = node->out[1]->dtype = node->in[0]->dtype;
    return PC_OK;
}

static void tokens_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t width = pc_shape_last(&node->in[0]->shape), rows = pc_shape_rows(&node->in[0]->shape);
    for (int64_t r = 0; r < rows; r++) {
        double top = -INFINITY, sum = 0;
        for (int64_t v = 0; v < width; v++) {
            top = fmax(top, pc_tensor_get(node->in[0], r * width + v));
        }
        for (int64_t v = 0; v < width; v++) {
            sum += exp(pc_tensor_get(node->in[0], r * width + v) - top);
        }
        pc_tensor_set(node->out[0], r, top + log(sum) - pc_tensor_get(node->in[0], r * width + pc_i32(node->in[1])[r]));
        pc_tensor_set(node->out[1], r, top + log(sum));
    }
}

/* d(lse - l[y]) is cross-entropy's, each row weighted by what flows back to it. */
static void tokens_grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    pc_cross_entropy_params params = {0};
    pc_tensor *in[] = {node->in[0], node->in[1], dout[0], node->out[1]};
    if (!dout[0] || dout[1]) {
        pc_graph_poison(graph, pc_fail(PC_ERR_USAGE, "token_losses: the log-sum-exp has no gradient"));
        return;
    }
    din[0] = pc_graph_add(graph, &pc_op_cross_entropy_grad, in, 4, 1, &params);
}

static pc_cost tokens_cost(const pc_node *node)
{
    return (pc_cost){4 * (double)pc_count(node->in[0]), (double)pc_tensor_bytes(node->in[0])};
}

const pc_op pc_op_token_losses = {
    .name = "token_losses",
    .shape = tokens_shape,
    .grad = tokens_grad,
    .cost = tokens_cost,
    .reference = tokens_reference,
};

pc_tensor *pc_token_losses(pc_graph *graph, pc_tensor *logits, pc_tensor *targets)
{
    pc_tensor *in[] = {logits, targets};
    return pc_graph_add(graph, &pc_op_token_losses, in, 2, 2, NULL);
}

/* --- pairs --- */

enum { LOSSES, WEIGHTS, REFERENCE, ENDS, PAIRS, DLOSS };

static pc_status check(const pc_node *node)
{
    int64_t rows = pc_count(node->in[LOSSES]);
    for (int i = WEIGHTS; i <= REFERENCE; i++) {
        if (node->in[i] && pc_count(node->in[i]) != rows) {
            return pc_op_shape_error(node, node->in[i], "one number for each token");
        }
    }
    const pc_tensor *answers = node->in[ENDS] ? node->in[ENDS] : node->in[LOSSES];
    return pc_count(answers) == 2 * pc_count(node->in[PAIRS])
               ? PC_OK
               : pc_op_shape_error(node, answers, "two answers for each pair");
}

static pc_status shape(pc_node *node)
{
    PC_TRY(check(node));
    node->out[0]->shape = pc_dims(1, 1);
    node->out[1]->shape = pc_dims(1, PC_PAIR_METRICS);
    node->out[0]->dtype = node->out[1]->dtype = node->in[LOSSES]->dtype;
    return PC_OK;
}

typedef struct answer {
    int64_t first, end;
    double weight;    /* of all its tokens */
    double score, reference;
    double likelihood; /* mean log p */
    double slope;     /* dloss / dscore */
} answer;

static int64_t end_of(const pc_node *node, int64_t index)
{
    return !node->in[ENDS] ? index + 1 : index < 0 ? 0 : pc_i32(node->in[ENDS])[index];
}

static double weight_of(const pc_node *node, int64_t token)
{
    return node->in[WEIGHTS] ? pc_tensor_get(node->in[WEIGHTS], token) : 1;
}

/* Answer `index`; its scores divided by `weight` when they are means. */
static answer read_answer(const pc_node *node, int64_t index, bool averaged)
{
    answer a = {.first = end_of(node, index - 1), .end = end_of(node, index)};
    for (int64_t t = a.first; t < a.end; t++) {
        double weight = weight_of(node, t), loss = pc_tensor_get(node->in[LOSSES], t);
        a.weight += weight;
        a.score -= weight * loss;
        a.reference -= node->in[REFERENCE] ? weight * pc_tensor_get(node->in[REFERENCE], t) : 0;
        a.likelihood -= loss;
    }
    a.likelihood /= a.end > a.first ? (double)(a.end - a.first) : 1;
    if (averaged && a.weight > 0) {
        a.score /= a.weight;
        a.reference /= a.weight;
    }
    return a;
}

/* log(1 + exp(x)) without overflow. */
static double softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* The loss over h of a pair whose order is wrong with probability e; *slope = dloss/dh. */
static double smoothed(double h, double e, double *slope)
{
    *slope = -(1 - e) * sigmoid(-h) + e * sigmoid(h);
    return (1 - e) * softplus(-h) + e * softplus(h);
}

/* -beta log sigma(log of the ratio of odds) - s_w. */
static double orpo(answer *won, answer *lost, double beta)
{
    double doubt_won = fmax(-expm1(won->score), LEAST_DOUBT), doubt_lost = fmax(-expm1(lost->score), LEAST_DOUBT);
    double ratio = won->score - lost->score - log(doubt_won) + log(doubt_lost);
    double slope = -beta * sigmoid(-ratio);
    won->slope = slope / doubt_won - 1;
    lost->slope = -slope / doubt_lost;
    return beta * softplus(-ratio) - won->score;
}

/* The loss of a pair without the likelihood's share; sets both slopes. */
static double pair_loss(const pc_preference_params *p, answer *won, answer *lost)
{
    double d = won->score - won->reference - (lost->score - lost->reference), h = p->beta * d, slope = 0, loss;
    switch (p->kind) {
    case PC_PAIR_ORPO: return orpo(won, lost, p->beta);
    case PC_PAIR_HINGE:
        loss = fmax(0, 1 - h);
        slope = h < 1 ? -p->beta : 0;
        break;
    case PC_PAIR_IPO:
        loss = pow(d - 1 / (2 * p->beta), 2);
        slope = 2 * (d - 1 / (2 * p->beta));
        break;
    default:
        loss = smoothed(h - (p->kind == PC_PAIR_SIMPO ? p->margin : 0), p->label_smoothing, &slope);
        slope *= p->beta;
    }
    double sum = won->score + lost->score;
    won->slope = slope + 2 * p->centre * sum;
    lost->slope = -slope + 2 * p->centre * sum;
    return loss + p->centre * sum * sum;
}

static void reference(const pc_call *call)
{
    const pc_node *node = call->node;
    const pc_preference_params *p = node->params;
    double loss = 0, metrics[PC_PAIR_METRICS] = {0};
    for (int64_t i = 0; i < pc_count(node->in[PAIRS]); i++) {
        answer won = read_answer(node, 2 * i, p->averaged), lost = read_answer(node, 2 * i + 1, p->averaged);
        double weight = pc_tensor_get(node->in[PAIRS], i);
        double gain = p->beta * (won.score - won.reference), cost = p->beta * (lost.score - lost.reference);
        loss += weight * (pair_loss(p, &won, &lost) - p->likelihood * won.likelihood);
        metrics[0] += weight * gain;
        metrics[1] += weight * cost;
        metrics[2] += weight * (gain - cost);
        metrics[3] += gain > cost ? weight : 0;
    }
    pc_tensor_set(node->out[0], 0, loss);
    for (int m = 0; m < PC_PAIR_METRICS; m++) {
        pc_tensor_set(node->out[1], m, metrics[m]);
    }
}

static void grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    pc_tensor *in[] = {node->in[LOSSES], node->in[WEIGHTS], node->in[REFERENCE], node->in[ENDS], node->in[PAIRS], dout[0]};
    if (!dout[0] || dout[1]) {
        pc_graph_poison(graph, pc_fail(PC_ERR_USAGE, "preference: the rewards have no gradient"));
        return;
    }
    din[0] = pc_graph_add(graph, &pc_op_preference_grad, in, 6, 1, node->params);
}

static pc_cost cost(const pc_node *node)
{
    return pc_cost_elementwise(node, 0);
}

const pc_op pc_op_preference = {
    .name = "preference",
    .params_size = sizeof(pc_preference_params),
    .shape = shape,
    .grad = grad,
    .cost = cost,
    .reference = reference,
};

pc_tensor *pc_preference(pc_graph *graph, const pc_preference_io *io, const pc_preference_params *params)
{
    pc_tensor *in[] = {io->losses, io->weights, io->reference, io->ends, io->pairs};
    return pc_graph_add(graph, &pc_op_preference, in, 5, 2, params);
}

static pc_status grad_shape(pc_node *node)
{
    PC_TRY(check(node));
    return pc_shape_same(node);
}

/* dscore/dloss_t = -w_t [/ sum w]; the likelihood is a mean of -loss_t. */
static void put_gradient(const pc_node *node, const answer *a, double dloss, double likelihood, bool averaged)
{
    double scale = averaged && a->weight > 0 ? 1 / a->weight : 1;
    for (int64_t t = a->first; t < a->end; t++) {
        double weight = weight_of(node, t) * scale;
        pc_tensor_set(node->out[0], t, dloss * (likelihood / (double)(a->end - a->first) - a->slope * weight));
    }
}

static void grad_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    const pc_preference_params *p = node->params;
    int64_t pairs = pc_count(node->in[PAIRS]);
    for (int64_t t = end_of(node, 2 * pairs - 1); t < pc_count(node->in[LOSSES]); t++) {
        pc_tensor_set(node->out[0], t, 0); /* tokens of no answer */
    }
    for (int64_t i = 0; i < pairs; i++) {
        answer won = read_answer(node, 2 * i, p->averaged), lost = read_answer(node, 2 * i + 1, p->averaged);
        double dloss = pc_tensor_get(node->in[DLOSS], 0) * pc_tensor_get(node->in[PAIRS], i);
        pair_loss(p, &won, &lost);
        put_gradient(node, &won, dloss, p->likelihood, p->averaged);
        put_gradient(node, &lost, dloss, 0, p->averaged);
    }
}

const pc_op pc_op_preference_grad = {
    .name = "preference_grad",
    .params_size = sizeof(pc_preference_params),
    .shape = grad_shape,
    .cost = cost,
    .reference = grad_reference,
};
