/* Linear layers, norms and MLPs. */
#include "nn/adapter.h"

#include "ops/add.h"
#include "ops/matmul.h"
#include "ops/multiply.h"
#include "ops/norm.h"

#include <math.h>

void pc_linear_declare(pc_scope *scope, pc_linear_weights *weights, int64_t out, int64_t in, bool bias, double gain,
                       const char *name)
{
    pc_init init = PC_NORMAL(gain * pc_scope_std(scope, in));
    const char *dot = name[0] ? "." : "";
    weights->weight = pc_declare(scope, init, pc_dims(2, out, in), "%s%sweight", name, dot);
    pc_declared_as(scope, PC_PARAM_LINEAR);
    weights->bias = bias ? pc_declare(scope, PC_ZEROS, pc_dims(1, out), "%s%sbias", name, dot) : NULL;
}

pc_tensor *pc_linear_forward(const pc_build *build, const pc_linear_weights *weights, pc_tensor *x,
                             pc_tensor *residual)
{
    const pc_lora *lora = pc_adapter_find(build->adapter, weights->weight);
    return lora ? pc_lora_forward(build, lora, weights, x, residual)
                : pc_linear(build->graph, x, pc_use(build, weights->weight), pc_use(build, weights->bias), residual,
                            build->compute);
}

pc_tensor *pc_add_to_stream(const pc_build *build, pc_tensor *y, pc_tensor *stream)
{
    y = y->needs_grad ? pc_drop(build, y, build->dropping->stream) : y; /* what does not train is as it will be */
    return pc_add(build->graph, y, stream);
}

void pc_side_add(const pc_build *build, pc_tensor *loss, double coefficient)
{
    loss = pc_scale(build->graph, loss, coefficient);
    build->side->sum = build->side->sum ? pc_add(build->graph, build->side->sum, loss) : loss;
}

void pc_norm_declare(pc_scope *scope, pc_norm_weights *weights, int64_t width, bool bias, const char *name)
{
    weights->weight = pc_declare(scope, PC_ONES, pc_dims(1, width), "%s.weight", name);
    weights->bias = bias ? pc_declare(scope, PC_ZEROS, pc_dims(1, width), "%s.bias", name) : NULL;
    weights->centred = bias;
}

pc_tensor *pc_norm_forward(const pc_build *build, const pc_norm_weights *weights, pc_tensor *x, double eps)
{
    pc_tensor *weight = pc_use(build, weights->weight);
    if (!weights->centred) {
        return pc_rms_norm(build->graph, x, weight, eps);
    }
    return pc_layer_norm(build->graph, x, weight, pc_use(build, weights->bias), eps);
}

pc_tensor *pc_mlp_forward(const pc_build *build, const pc_mlp_weights *weights, pc_tensor *x, pc_activation kind,
                          pc_tensor *residual)
{
    pc_tensor *hidden = pc_linear_forward(build, &weights->up, x, NULL); /* [..,F] */
    hidden = pc_activate(build->graph, hidden, kind);
    return pc_linear_forward(build, &weights->down, hidden, residual); /* [..,D] */
}

pc_tensor *pc_glu_forward(const pc_build *build, const pc_glu_weights *weights, pc_tensor *x, pc_activation kind,
                          pc_tensor *residual)
{
    pc_tensor *gate = pc_linear_forward(build, &weights->gate, x, NULL); /* [T,F] */
    pc_tensor *up = pc_linear_forward(build, &weights->up, x, NULL);     /* [T,F] */
    pc_tensor *hidden = pc_glu(build->graph, gate, up, kind);
    return pc_linear_forward(build, &weights->down, hidden, residual); /* [T,D] */
}

double pc_residual_gain(int64_t layers)
{
    return 1 / sqrt(2.0 * (double)(layers > 0 ? layers : 1));
}
