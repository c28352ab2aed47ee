/* Muon (Jordan et al. 2024): the momentum of a hidden matrix, made orthogonal by Newton-Schulz steps, is its direction.
 *
 *   u = nesterov(grad, v);  X = u / |u|;  5 times: G = X X^T, X = a X + (b G + c G G) X;  p -= lr (0.2 sqrt(max(N, K)) X + wd p)
 *
 * The factor gives a step the size that AdamW's have, so that both take one learning rate (Liu et al. 2025, arXiv:2502.16982;
 * torch.optim.Muon's "match_rms_adamw"). Vectors, tables of embeddings and the head take AdamW's steps.
 */
#include "ops/add.h"
#include "ops/adamw.h"
#include "ops/matmul.h"
#include "ops/multiply.h"
#include "ops/nesterov.h"
#include "ops/norm.h"
#include "ops/sgd.h"
#include "train/optimizer.h"

#include <math.h>
#include <string.h>

static const double A = 3.4445, B = -4.7750, C = 2.0315;
static const double LEAST_NORM = 1e-7;
enum { STEPS = 5 };

typedef struct muon_step {
    _Alignas(max_align_t) unsigned char adamw[PC_OPTIMIZER_STEP / 2];
    pc_nesterov_step nesterov;
    pc_sgd_step descent;
} muon_step;

_Static_assert(sizeof(pc_adamw_step) <= PC_OPTIMIZER_STEP / 2 && sizeof(muon_step) <= PC_OPTIMIZER_STEP, "the step fits");

static bool is_hidden_matrix(const pc_param *param)
{
    static const char *const tables[] = {"embed", "lm_head", "shared"};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        if (strstr(param->name, tables[i])) {
            return false;
        }
    }
    return param->shape.ndim == 2;
}

static int moments(const pc_optimizer_settings *settings, const pc_param *param)
{
    return is_hidden_matrix(param) ? 1 : pc_optimizer_adamw_torch.moments(settings, param);
}

static void begin(void *at, const pc_optimizer_settings *settings, const pc_optimizer_now *now)
{
    muon_step *step = at;
    pc_optimizer_adamw_torch.begin(step->adamw, settings, now);
    step->nesterov = (pc_nesterov_step){.momentum = settings->muon_momentum, .gradient_scale = now->gradient_scale};
    step->descent = (pc_sgd_step){.gradient_scale = 1, .scale_rate = now->scale_rate};
}

/* X [N,K] with all singular values near 1 and the singular vectors of x. G is the smaller of X X^T and X^T X. */
static pc_tensor *orthogonal(pc_graph *graph, pc_tensor *x, pc_dtype compute)
{
    pc_shape shape = x->shape;
    bool wide = shape.dim[0] <= shape.dim[1];
    pc_matmul_params gram = {.transpose_a = !wide, .transpose_b = wide, .compute = compute}, plain = {.compute = compute};
    x = pc_reshape(graph, pc_l2_norm(graph, pc_reshape(graph, x, pc_dims(2, (int64_t)1, pc_shape_count(&shape))), LEAST_NORM), shape);
    for (int i = 0; i < STEPS; i++) {
        pc_tensor *g = pc_matmul(graph, x, x, gram);
        pc_tensor *polynomial = pc_add(graph, pc_scale(graph, pc_matmul(graph, g, g, plain), C), pc_scale(graph, g, B));
        pc_tensor *moved = wide ? pc_matmul(graph, polynomial, x, plain) : pc_matmul(graph, x, polynomial, plain);
        x = pc_add(graph, pc_scale(graph, x, A), moved);
    }
    return x;
}

static void update(pc_graph *graph, const pc_optimizer_slot *slot, const void *at)
{
    const muon_step *step = at;
    if (!is_hidden_matrix(slot->param->param)) {
        pc_optimizer_adamw_torch.update(graph, slot, step->adamw);
        return;
    }
    const pc_shape *shape = &slot->param->shape;
    double size = 0.2 * sqrt((double)(shape->dim[0] > shape->dim[1] ? shape->dim[0] : shape->dim[1]));
    pc_tensor *lead = pc_nesterov(graph, slot->grad, slot->moments[0], (pc_nesterov_params){&step->nesterov});
    pc_tensor *direction = pc_scale(graph, orthogonal(graph, lead, slot->compute), size);
    pc_sgd(graph, slot->param, direction, NULL, (pc_sgd_params){.step = &step->descent, .rate = slot->rate, .decay = slot->decay});
}

const pc_optimizer pc_optimizer_muon = {
    .name = "muon",
    .moments = moments,
    .begin = begin,
    .update = update,
};
