/* Activations f, and gated units f(gate) * up, with their derivatives.
 *
 * Source: GELU, Hendrycks & Gimpel 2016; quick GELU, CLIP; SwiGLU, Shazeer 2020 (arXiv:2002.05202).
 */
#include "ops/activation.h"

#include "ops/common.h"

#include <math.h>
#include <string.h>

static const double SQRT_HALF = 0.70710678118654752440;        /* 1/sqrt(2) */
static const double INV_SQRT_2PI = 0.39894228040143267794;     /* 1/sqrt(2 pi) */
static const double SQRT_2_OVER_PI = 0.79788456080286535588;   /* sqrt(2/pi) */
static const double GELU_CUBIC = 0.044715;
static const double QUICK = 1.702;

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double value(pc_activation kind, double x)
{
    switch (kind) {
    case PC_ACT_GELU: return 0.5 * x * (1 + erf(x * SQRT_HALF));
    case PC_ACT_GELU_TANH: return 0.5 * x * (1 + tanh(SQRT_2_OVER_PI * (x + GELU_CUBIC * x * x * x)));
    case PC_ACT_QUICK_GELU: return x * sigmoid(QUICK * x);
    case PC_ACT_SILU: return x * sigmoid(x);
    case PC_ACT_RELU: return x > 0 ? x : 0;
    case PC_ACT_TANH: return tanh(x);
    case PC_ACT_SIGMOID: return sigmoid(x);
    case PC_ACT_EXP: return exp(x);
    }
    return x;
}

static double slope_gelu_tanh(double x)
{
    double t = tanh(SQRT_2_OVER_PI * (x + GELU_CUBIC * x * x * x));
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * SQRT_2_OVER_PI * (1 + 3 * GELU_CUBIC * x * x);
}

static double slope_swish(double x, double beta)
{
    double s = sigmoid(beta * x);
    return s + x * beta * s * (1 - s);
}

static double slope(pc_activation kind, double x)
{
    switch (kind) {
    case PC_ACT_GELU: return 0.5 * (1 + erf(x * SQRT_HALF)) + x * INV_SQRT_2PI * exp(-0.5 * x * x);
    case PC_ACT_GELU_TANH: return slope_gelu_tanh(x);
    case PC_ACT_QUICK_GELU: return slope_swish(x, QUICK);
    case PC_ACT_SILU: return slope_swish(x, 1);
    case PC_ACT_RELU: return x > 0 ? 1 : 0;
    case PC_ACT_TANH: return 1 - tanh(x) * tanh(x);
    case PC_ACT_SIGMOID: return sigmoid(x) * (1 - sigmoid(x));
    case PC_ACT_EXP: return exp(x);
    }
    return 1;
}

static pc_activation kind_of(const pc_node *node)
{
    return ((const pc_activation_params *)node->params)->kind;
}

static pc_cost ten_flops(const pc_node *node)
{
    return pc_cost_elementwise(node, 10);
}

static void activation_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t count = pc_count(node->out[0]);
    for (int64_t i = 0; i < count; i++) {
        pc_tensor_set(node->out[0], i, value(kind_of(node), pc_tensor_get(node->in[0], i)));
    }
}

static void activation_grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    pc_tensor *in[] = {node->in[0], dout[0]};
    din[0] = pc_graph_add(graph, &pc_op_activation_grad, in, 2, 1, node->params);
}

const pc_op pc_op_activation = {
    .name = "activation",
    .params_size = sizeof(pc_activation_params),
    .in_place = true,
    .shape = pc_shape_same,
    .grad = activation_grad,
    .cost = ten_flops,
    .reference = activation_reference,
};

pc_tensor *pc_activate(pc_graph *graph, pc_tensor *x, pc_activation kind)
{
    pc_activation_params params = {kind};
    return pc_graph_add(graph, &pc_op_activation, &x, 1, 1, &params);
}

static void activation_grad_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t count = pc_count(node->out[0]);
    for (int64_t i = 0; i < count; i++) {
        double x = pc_tensor_get(node->in[0], i);
        pc_tensor_set(node->out[0], i, slope(kind_of(node), x) * pc_tensor_get(node->in[1], i));
    }
}

const pc_op pc_op_activation_grad = {
    .name = "activation_grad",
    .params_size = sizeof(pc_activation_params),
    .in_place = true,
    .shape = pc_shape_same,
    .cost = ten_flops,
    .reference = activation_grad_reference,
};

static pc_status glu_shape(pc_node *node)
{
    if (!pc_shape_equal(&node->in[0]->shape, &node->in[1]->shape)) {
        return pc_op_shape_error(node, node->in[1], "the gate's shape");
    }
    for (int i = 0; i < node->outputs; i++) {
        node->out[i]->shape = node->in[0]->shape;
        node->out[i]->dtype = node->in[0]->dtype;
    }
    return PC_OK;
}

static void glu_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t count = pc_count(node->out[0]);
    for (int64_t i = 0; i < count; i++) {
        double gate = value(kind_of(node), pc_tensor_get(node->in[0], i));
        pc_tensor_set(node->out[0], i, gate * pc_tensor_get(node->in[1], i));
    }
}

static void glu_grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    pc_tensor *in[] = {node->in[0], node->in[1], dout[0]};
    din[0] = pc_graph_add(graph, &pc_op_glu_grad, in, 3, 2, node->params);
    din[1] = pc_graph_failed(graph) ? din[0] : din[0]->node->out[1];
}

const pc_op pc_op_glu = {
    .name = "glu",
    .params_size = sizeof(pc_activation_params),
    .in_place = true,
    .shape = glu_shape,
    .grad = glu_grad,
    .cost = ten_flops,
    .reference = glu_reference,
};

pc_tensor *pc_glu(pc_graph *graph, pc_tensor *gate, pc_tensor *up, pc_activation kind)
{
    pc_activation_params params = {kind};
    pc_tensor *in[] = {gate, up};
    return pc_graph_add(graph, &pc_op_glu, in, 2, 1, &params);
}

static void glu_grad_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t count = pc_count(node->out[0]);
    for (int64_t i = 0; i < count; i++) {
        double gate = pc_tensor_get(node->in[0], i), up = pc_tensor_get(node->in[1], i);
        double dy = pc_tensor_get(node->in[2], i);
        pc_tensor_set(node->out[0], i, dy * up * slope(kind_of(node), gate));
        pc_tensor_set(node->out[1], i, dy * value(kind_of(node), gate));
    }
}

const pc_op pc_op_glu_grad = {
    .name = "glu_grad",
    .params_size = sizeof(pc_activation_params),
    .shape = glu_shape,
    .cost = ten_flops,
    .reference = glu_grad_reference,
};

static const struct {
    const char *name;
    pc_activation kind;
} names[] = {
    /* The first name of a kind is the one that is written. */
    {"gelu", PC_ACT_GELU},
    {"gelu_pytorch_tanh", PC_ACT_GELU_TANH},
    {"gelu_new", PC_ACT_GELU_TANH},
    {"quick_gelu", PC_ACT_QUICK_GELU},
    {"silu", PC_ACT_SILU},
    {"swish", PC_ACT_SILU},
    {"relu", PC_ACT_RELU},
    {"tanh", PC_ACT_TANH},
    {"sigmoid", PC_ACT_SIGMOID},
    {"exp", PC_ACT_EXP},
};

int pc_activation_from_name(const char *name)
{
    for (size_t i = 0; name && i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i].name, name) == 0) {
            return (int)names[i].kind;
        }
    }
    return -1;
}

const char *pc_activation_name(pc_activation kind)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].kind == kind) {
            return names[i].name;
        }
    }
    return "unknown";
}
