/* KTO's loss.
 *
 *   r_i = sum_t log p_t - log p_ref,t over sample i's own answer; q_i the same over another sample's answer to its prompt
 *   z = max(0, mean_i q_i)                                    distance to the reference, a constant in the gradient
 *   wanted    w_w (1 - sigma(beta (r - z)))
 *   unwanted  w_u (1 - sigma(beta (z - r)))
 *
 * Source: Ethayarajh et al. 2024 (arXiv:2402.01306), equations 7 and 8; the mean over the micro-batch as in trl's KTOTrainer.
 */
#include "ops/kto.h"

#include "ops/common.h"

#include <math.h>

enum { LOSSES, REFERENCE, ENDS, LABELS, WEIGHTS, DLOSS };

static pc_status check(const pc_node *node)
{
    int64_t samples = pc_count(node->in[LABELS]);
    if (pc_count(node->in[REFERENCE]) != pc_count(node->in[LOSSES])) {
        return pc_op_shape_error(node, node->in[REFERENCE], "one number for each token");
    }
    if (pc_count(node->in[WEIGHTS]) != samples) {
        return pc_op_shape_error(node, node->in[WEIGHTS], "one weight for each sample");
    }
    return pc_count(node->in[ENDS]) == 2 * samples ? PC_OK
                                                   : pc_op_shape_error(node, node->in[ENDS], "two answers for each sample");
}

static pc_status shape(pc_node *node)
{
    PC_TRY(check(node));
    node->out[0]->shape = pc_dims(1, 1);
    node->out[1]->shape = pc_dims(1, PC_KTO_METRICS);
    node->out[0]->dtype = node->out[1]->dtype = node->in[LOSSES]->dtype;
    return PC_OK;
}

static int64_t end_of(const pc_node *node, int64_t answer)
{
    return answer < 0 ? 0 : pc_i32(node->in[ENDS])[answer];
}

/* log p / p_ref of an answer. */
static double ratio_of(const pc_node *node, int64_t answer)
{
    double sum = 0;
    for (int64_t t = end_of(node, answer - 1); t < end_of(node, answer); t++) {
        sum += pc_tensor_get(node->in[REFERENCE], t) - pc_tensor_get(node->in[LOSSES], t);
    }
    return sum;
}

static double distance(const pc_node *node)
{
    int64_t samples = pc_count(node->in[LABELS]);
    double sum = 0;
    for (int64_t i = 0; i < samples; i++) {
        sum += ratio_of(node, 2 * i + 1);
    }
    return samples > 0 ? fmax(0, sum / (double)samples) : 0;
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* The loss of sample i; *slope = dloss / dratio. */
static double sample_loss(const pc_node *node, int64_t i, double ratio, double away, double *slope)
{
    const pc_kto_params *p = node->params;
    double label = pc_tensor_get(node->in[LABELS], i);
    double weight = pc_tensor_get(node->in[WEIGHTS], i) * (label > 0 ? p->wanted_weight : p->unwanted_weight);
    double utility = sigmoid(label * p->beta * (ratio - away));
    *slope = -weight * label * p->beta * utility * (1 - utility);
    return weight * (1 - utility);
}

static void reference(const pc_call *call)
{
    const pc_node *node = call->node;
    const pc_kto_params *p = node->params;
    double loss = 0, metrics[PC_KTO_METRICS] = {0}, away = distance(node), slope;
    for (int64_t i = 0; i < pc_count(node->in[LABELS]); i++) {
        double ratio = ratio_of(node, 2 * i), weight = pc_tensor_get(node->in[WEIGHTS], i);
        double side = p->beta * ratio * pc_tensor_get(node->in[LABELS], i);
        loss += sample_loss(node, i, ratio, away, &slope);
        metrics[0] += weight * side;
        metrics[1] += side > 0 ? weight : 0;
        metrics[2] += weight * away;
    }
    pc_tensor_set(node->out[0], 0, loss);
    for (int m = 0; m < PC_KTO_METRICS; m++) {
        pc_tensor_set(node->out[1], m, metrics[m]);
    }
}

static void grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    pc_tensor *in[] = {node->in[LOSSES], node->in[REFERENCE], node->in[ENDS], node->in[LABELS], node->in[WEIGHTS], dout[0]};
    if (!dout[0] || dout[1]) {
        pc_graph_poison(graph, pc_fail(PC_ERR_USAGE, "kto: the metrics have no gradient"));
        return;
    }
    din[LOSSES] = pc_graph_add(graph, &pc_op_kto_grad, in, 6, 1, node->params);
}

static pc_cost cost(const pc_node *node)
{
    return pc_cost_elementwise(node, 0);
}

const pc_op pc_op_kto = {
    .name = "kto",
    .params_size = sizeof(pc_kto_params),
    .shape = shape,
    .grad = grad,
    .cost = cost,
    .reference = reference,
};

pc_tensor *pc_kto(pc_graph *graph, const pc_kto_io *io, const pc_kto_params *params)
{
    pc_tensor *in[] = {io->losses, io->reference, io->ends, io->labels, io->weights};
    return pc_graph_add(graph, &pc_op_kto, in, 5, 2, params);
}

static pc_status grad_shape(pc_node *node)
{
    PC_TRY(check(node));
    return pc_shape_same(node);
}

static void grad_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    double away = distance(node), dloss = pc_tensor_get(node->in[DLOSS], 0), slope;
    for (int64_t t = 0; t < pc_count(node->in[LOSSES]); t++) {
        pc_tensor_set(node->out[0], t, 0); /* tokens of other samples' answers */
    }
    for (int64_t i = 0; i < pc_count(node->in[LABELS]); i++) {
        sample_loss(node, i, ratio_of(node, 2 * i), away, &slope);
        for (int64_t t = end_of(node, 2 * i - 1); t < end_of(node, 2 * i); t++) {
            pc_tensor_set(node->out[0], t, -dloss * slope);
        }
    }
}

const pc_op pc_op_kto_grad = {
    .name = "kto_grad",
    .params_size = sizeof(pc_kto_params),
    .shape = grad_shape,
    .cost = cost,
    .reference = grad_reference,
};
