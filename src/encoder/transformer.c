/* Pre-LN block:  x = x + out_proj(attention(LN1 x));  x = x + fc2(act(fc1(LN2 x))).
 *
 * Source: CLIP (Radford et al. 2021), section 2.4; transformers models/clip (layout of names). */
#include "encoder/transformer.h"

#include "ops/attention.h"
#include "ops/concat.h"
#include "ops/resample.h"

#include <math.h>
#include <stdio.h>

void pc_block_declare(pc_scope *scope, pc_block_weights *weights, const pc_block_config *config, const char *name)
{
    int64_t width = config->width, hidden = config->hidden;
    double out = pc_residual_gain(config->layers);
    char full[320];
    const struct {
        pc_linear_weights *weights;
        int64_t out, in;
        double gain;
        const char *name;
    } linears[] = {
        {&weights->k, width, width, 1, "self_attn.k_proj"},     {&weights->v, width, width, 1, "self_attn.v_proj"},
        {&weights->q, width, width, 1, "self_attn.q_proj"},     {&weights->o, width, width, out, "self_attn.out_proj"},
        {&weights->mlp.up, hidden, width, 1, "mlp.fc1"},        {&weights->mlp.down, width, hidden, out, "mlp.fc2"},
    };
    for (size_t i = 0; i < sizeof linears / sizeof linears[0]; i++) {
        snprintf(full, sizeof full, "%s.%s", name, linears[i].name);
        pc_linear_declare(scope, linears[i].weights, linears[i].out, linears[i].in, true, linears[i].gain, full);
    }
    snprintf(full, sizeof full, "%s.layer_norm1", name);
    pc_norm_declare(scope, &weights->norm1, width, true, full);
    snprintf(full, sizeof full, "%s.layer_norm2", name);
    pc_norm_declare(scope, &weights->norm2, width, true, full);
}

pc_tensor *pc_block_forward(const pc_build *build, const pc_block_weights *weights, const pc_block_config *config,
                            pc_tensor *x, pc_tensor *ranges)
{
    pc_graph *graph = build->graph;
    int64_t heads = config->heads, size = config->width / config->heads;
    pc_tensor *h = pc_norm_forward(build, &weights->norm1, x, config->eps); /* [..,D] */
    pc_tensor *q = pc_linear_forward(build, &weights->q, h, NULL);
    pc_tensor *k = pc_linear_forward(build, &weights->k, h, NULL);
    pc_tensor *v = pc_linear_forward(build, &weights->v, h, NULL);
    q = pc_reshape(graph, q, pc_dims(3, -1, heads, size)); /* [T,H,E] */
    k = pc_reshape(graph, k, pc_dims(3, -1, heads, size));
    v = pc_reshape(graph, v, pc_dims(3, -1, heads, size));
    pc_tensor *mixed = pc_attention(graph, q, k, v, ranges, NULL, 1 / sqrt((double)size));
    mixed = pc_reshape(graph, mixed, x->max.ndim == 3 ? pc_dims(3, -1, x->max.dim[1], config->width)
                                                      : pc_dims(2, -1, config->width));
    bool drops = pc_drops_stream(build);
    mixed = pc_linear_forward(build, &weights->o, mixed, drops ? NULL : x);
    x = drops ? pc_add_to_stream(build, mixed, x) : mixed;
    h = pc_norm_forward(build, &weights->norm2, x, config->eps);
    h = pc_mlp_forward(build, &weights->mlp, h, config->activation, drops ? NULL : x);
    return drops ? pc_add_to_stream(build, h, x) : h; /* [..,D] */
}

pc_tensor *pc_blocks_forward(const pc_build *build, const pc_block_weights *blocks, const pc_block_config *config,
                             const pc_norm_weights *final, pc_tensor *x, const pc_encoder_select *select)
{
    pc_tensor *states[PC_ENCODER_STATES] = {0}, *out = NULL, *ranges = pc_group_ranges(build->graph, x); /* [N*P,4] */
    int64_t patches = x->max.dim[1], last = 0, count = select->count > 0 ? select->count : 1;
    for (int64_t s = 0; s < count; s++) {
        last = select->layer[s] > last ? select->layer[s] : last;
    }
    for (int64_t i = 0; i <= last; i++) {
        x = i ? pc_block_forward(build, &blocks[i - 1], config, x, ranges) : x;
        x = pc_layer_end(build->graph, pc_name(build->graph, x, "encoder.hidden.%d", (int)i));
        for (int64_t s = 0; s < count; s++) {
            states[s] = select->layer[s] == i ? x : states[s];
        }
    }
    for (int64_t s = 0; s < count; s++) {
        x = select->final_norm && final ? pc_norm_forward(build, final, states[s], config->eps) : states[s];
        out = s ? pc_concat_features(build->graph, out, x) : x;
    }
    return pc_reshape(build->graph, out, pc_dims(3, -1, patches, count * config->width)); /* [N,P,S*D] */
}

pc_tensor *pc_positions_for(const pc_build *build, pc_param *positions, pc_tensor *images, int64_t patch, int64_t side,
                            int64_t prefix)
{
    pc_tensor *table = pc_use(build, positions);
    pc_grid_size to = {images->max.dim[2] / patch, images->max.dim[3] / patch};
    if (to.rows == side && to.columns == side) {
        return table;
    }
    return pc_resize_grid(build->graph, table, (pc_resize_params){.from = {side, side}, .to = to, .prefix = prefix});
}
