/* PPO's losses.
 *
 *   d = log p - log p_old;  rho = exp(d)
 *   policy  max(-A rho, -A clip(rho, 1-e, 1+e))            Schulman et al. 2017 (arXiv:1707.06347), equation 7
 *   value   1/2 max((V-R)^2, (clip(V, V_old-v, V_old+v) - R)^2)
 *   kl      exp(r) - r - 1, r = log p_ref - log p          Schulman's k3; Shao et al. 2024 (arXiv:2402.03300), equation 4
 *   loss    sum_t w_t (policy + c_v value + beta kl)
 *
 * As in trl's PPOTrainer and LLaVA-RLHF's ppo_trainer; GRPO has no values and takes the third term.
 * Easy to get wrong: no gradient comes from the clipped side; a value that is clipped gets none either.
 */
#include "ops/policy.h"

#include "ops/common.h"

#include <math.h>

enum { LOSSES, VALUES, EXPERIENCE, WEIGHTS, DLOSS };

static pc_status check(const pc_node *node)
{
    int64_t rows = pc_count(node->in[LOSSES]);
    if (node->in[VALUES] && pc_count(node->in[VALUES]) != rows) {
        return pc_op_shape_error(node, node->in[VALUES], "one value for each token");
    }
    if (pc_count(node->in[WEIGHTS]) != rows) {
        return pc_op_shape_error(node, node->in[WEIGHTS], "one weight for each token");
    }
    return pc_count(node->in[EXPERIENCE]) == rows * PC_EXPERIENCE
               ? PC_OK
               : pc_op_shape_error(node, node->in[EXPERIENCE], "a row of experience for each token");
}

static pc_status shape(pc_node *node)
{
    PC_TRY(check(node));
    node->out[0]->shape = pc_dims(1, 1);
    node->out[1]->shape = pc_dims(1, PC_POLICY_METRICS);
    node->out[0]->dtype = node->out[1]->dtype = node->in[LOSSES]->dtype;
    return PC_OK;
}

/* One token: its losses and their slopes over its -log p and its value. */
typedef struct token {
    double policy, value, kl, approximate, clipped;
    double slope, value_slope; /* of the weighted sum of the losses */
} token;

static double experience_of(const pc_node *node, int64_t row, pc_experience which)
{
    return pc_tensor_get(node->in[EXPERIENCE], row * PC_EXPERIENCE + which);
}

static double clamp(double x, double low, double high)
{
    return fmin(fmax(x, low), high);
}

static void policy_of(const pc_node *node, const pc_policy_params *p, int64_t row, token *out)
{
    double log_probability = -pc_tensor_get(node->in[LOSSES], row), advantage = experience_of(node, row, PC_ADVANTAGE);
    double d = log_probability - experience_of(node, row, PC_OLD_LOG_PROBABILITY), ratio = exp(d);
    double free = -advantage * ratio, held = -advantage * clamp(ratio, 1 - p->clip, 1 + p->clip);
    out->policy = fmax(free, held);
    out->clipped = held > free;
    out->approximate = 0.5 * d * d;
    out->slope = held > free ? 0 : -free; /* over -log p */
    if (p->kl_weight > 0) {
        double r = experience_of(node, row, PC_REFERENCE_LOG_PROBABILITY) - log_probability;
        out->kl = exp(r) - r - 1;
        out->slope += p->kl_weight * expm1(r);
    }
}

static void value_of(const pc_node *node, const pc_policy_params *p, int64_t row, token *out)
{
    double value = pc_tensor_get(node->in[VALUES], row), old = experience_of(node, row, PC_OLD_VALUE);
    double error = value - experience_of(node, row, PC_RETURN);
    double held = p->value_clip > 0 ? clamp(value, old - p->value_clip, old + p->value_clip) : value;
    double held_error = error + held - value;
    bool clipped = held_error * held_error > error * error;
    out->value = 0.5 * fmax(error * error, held_error * held_error);
    out->value_slope = p->value_weight * (clipped ? 0 : error);
}

static token read_token(const pc_node *node, int64_t row)
{
    const pc_policy_params *p = node->params;
    token out = {0};
    policy_of(node, p, row, &out);
    if (node->in[VALUES]) {
        value_of(node, p, row, &out);
    }
    return out;
}

static void reference(const pc_call *call)
{
    const pc_node *node = call->node;
    const pc_policy_params *p = node->params;
    double loss = 0, metrics[PC_POLICY_METRICS] = {0};
    for (int64_t r = 0; r < pc_count(node->in[LOSSES]); r++) {
        token t = read_token(node, r);
        double weight = pc_tensor_get(node->in[WEIGHTS], r);
        loss += weight * (t.policy + p->value_weight * t.value + p->kl_weight * t.kl);
        metrics[PC_POLICY_LOSS] += weight * t.policy;
        metrics[PC_VALUE_LOSS] += weight * t.value;
        metrics[PC_APPROXIMATE_KL] += weight * t.approximate;
        metrics[PC_CLIPPED] += weight * t.clipped;
    }
    pc_tensor_set(node->out[0], 0, loss);
    for (int m = 0; m < PC_POLICY_METRICS; m++) {
        pc_tensor_set(node->out[1], m, metrics[m]);
    }
}

static void grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    pc_tensor *in[] = {node->in[LOSSES], node->in[VALUES], node->in[EXPERIENCE], node->in[WEIGHTS], dout[0]};
    if (!dout[0] || dout[1]) {
        pc_graph_poison(graph, pc_fail(PC_ERR_USAGE, "policy: the metrics have no gradient"));
        return;
    }
    din[LOSSES] = pc_graph_add(graph, &pc_op_policy_grad, in, 5, 2, node->params);
    if (node->in[VALUES] && !pc_graph_failed(graph)) {
        din[VALUES] = din[LOSSES]->node->out[1];
    }
}

static pc_cost cost(const pc_node *node)
{
    return pc_cost_elementwise(node, 0);
}

const pc_op pc_op_policy = {
    .name = "policy",
    .params_size = sizeof(pc_policy_params),
    .shape = shape,
    .grad = grad,
    .cost = cost,
    .reference = reference,
};

pc_tensor *pc_policy(pc_graph *graph, const pc_policy_io *io, const pc_policy_params *params)
{
    pc_tensor *in[] = {io->losses, io->values, io->experience, io->weights};
    return pc_graph_add(graph, &pc_op_policy, in, 4, 2, params);
}

static pc_status grad_shape(pc_node *node)
{
    PC_TRY(check(node));
    node->out[0]->shape = node->in[LOSSES]->shape;
    node->out[1]->shape = node->in[VALUES] ? node->in[VALUES]->shape : node->in[LOSSES]->shape;
    node->out[0]->dtype = node->out[1]->dtype = node->in[LOSSES]->dtype;
    return PC_OK;
}

static void grad_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    double dloss = pc_tensor_get(node->in[DLOSS], 0);
    for (int64_t r = 0; r < pc_count(node->in[LOSSES]); r++) {
        token t = read_token(node, r);
        double weight = dloss * pc_tensor_get(node->in[WEIGHTS], r);
        pc_tensor_set(node->out[0], r, weight * t.slope);
        pc_tensor_set(node->out[1], r, weight * t.value_slope);
    }
}

const pc_op pc_op_policy_grad = {
    .name = "policy_grad",
    .params_size = sizeof(pc_policy_params),
    .shape = grad_shape,
    .cost = cost,
    .reference = grad_reference,
};
