/* Pre-LN block:  x = x + out_proj(attention(LN1 x));  x = x + fc2(act(fc1(LN2 x))).
 *
 * Source: CLIP (Radford et al. 2021), section 2.4; transformers models/clip (layout of names). */
#include "encoder/transformer.h"

#include "ops/add.h"
#include "ops/attention.h"
#include "ops/concat.h"
#include "ops/resample.h"
#include "ops/rows.h"
#include "ops/token_merge.h"

#include <math.h>
#include <stdio.h>

pc_status pc_vit_check(const pc_vit_config *config, bool whole, const char *where)
{
    if (config->hidden_size % config->num_attention_heads) {
        return pc_fail(PC_ERR_DATA, "%s: hidden_size %lld is not a multiple of num_attention_heads %lld", where,
                       (long long)config->hidden_size, (long long)config->num_attention_heads);
    }
    if (config->input_size && config->input_size < config->patch_size) {
        return pc_fail(PC_ERR_DATA, "%s: input_size %lld is smaller than patch_size %lld", where,
                       (long long)config->input_size, (long long)config->patch_size);
    }
    if (config->image_size < config->patch_size) {
        return pc_fail(PC_ERR_DATA, "%s: image_size %lld is smaller than patch_size %lld", where,
                       (long long)config->image_size, (long long)config->patch_size);
    }
    if (whole && config->image_size % config->patch_size) {
        return pc_fail(PC_ERR_DATA, "%s: image_size %lld is not a multiple of patch_size %lld", where,
                       (long long)config->image_size, (long long)config->patch_size);
    }
    if (pc_activation_from_name(config->hidden_act) < 0) {
        return pc_fail(PC_ERR_DATA, "%s: hidden_act '%s' is unknown", where, config->hidden_act);
    }
    return PC_OK;
}

void pc_vit_info(const pc_vit_config *config, int64_t prefix, pc_encoder_info *out)
{
    *out = (pc_encoder_info){
        .width = config->hidden_size,
        .layers = config->num_hidden_layers,
        .image_size = config->input_size ? config->input_size : config->image_size,
        .patch_size = config->patch_size,
        .prefix = prefix,
    };
}

pc_block_config pc_vit_blocks(const pc_vit_config *config)
{
    return (pc_block_config){
        .width = config->hidden_size,
        .hidden = config->intermediate_size,
        .heads = config->num_attention_heads,
        .layers = config->num_hidden_layers,
        .activation = (pc_activation)pc_activation_from_name(config->hidden_act),
        .eps = config->layer_norm_eps,
    };
}

static const pc_block_names clip_names = {
    .norm1 = "layer_norm1", .norm2 = "layer_norm2", .q = "self_attn.q_proj", .k = "self_attn.k_proj",
    .v = "self_attn.v_proj", .o = "self_attn.out_proj", .up = "mlp.fc1", .down = "mlp.fc2",
};

void pc_block_declare(pc_scope *scope, pc_block_weights *weights, const pc_block_config *config, const char *name)
{
    const pc_block_names *names = config->names ? config->names : &clip_names;
    int64_t width = config->width, hidden = config->hidden;
    double out = pc_residual_gain(config->layers);
    bool apart = config->layout == PC_QKV_APART, bias = !config->plain_qkv;
    char full[320];
    const struct {
        pc_linear_weights *weights;
        int64_t out, in;
        bool bias;
        double gain;
        const char *name;
    } linears[] = {
        {apart ? &weights->k : NULL, width, width, bias, 1, names->k},
        {apart ? &weights->v : NULL, width, width, bias, 1, names->v},
        {&weights->q, apart ? width : 3 * width, width, bias, 1, apart ? names->q : names->qkv},
        {&weights->o, width, width, true, out, names->o},
        {&weights->mlp.up, hidden, width, true, 1, names->up},
        {&weights->mlp.down, width, hidden, true, out, names->down},
    };
    for (size_t i = 0; i < sizeof linears / sizeof linears[0]; i++) {
        if (linears[i].weights) {
            snprintf(full, sizeof full, "%s.%s", name, linears[i].name);
            pc_linear_declare(scope, linears[i].weights, linears[i].out, linears[i].in, linears[i].bias, linears[i].gain, full);
        }
    }
    snprintf(full, sizeof full, "%s.%s", name, names->norm1);
    pc_norm_declare(scope, &weights->norm1, width, true, full);
    snprintf(full, sizeof full, "%s.%s", name, names->norm2);
    pc_norm_declare(scope, &weights->norm2, width, true, full);
}

void pc_block_project(const pc_build *build, const pc_block_weights *weights, const pc_block_config *config, pc_tensor *h,
                      pc_tensor *out[3])
{
    pc_graph *graph = build->graph;
    int64_t heads = config->heads, size = config->width / config->heads;
    const pc_linear_weights *apart[3] = {&weights->q, &weights->k, &weights->v};
    pc_tensor *all = config->layout == PC_QKV_APART ? NULL : pc_linear_forward(build, &weights->q, h, NULL); /* [..,3D] */
    for (int64_t i = 0; i < 3; i++) {
        pc_tensor *x = all ? NULL : pc_linear_forward(build, apart[i], h, NULL);
        if (all) {
            x = config->layout == PC_QKV_PARTS ? pc_reshape(graph, all, pc_dims(3, -1, 3, config->width))
                                               : pc_reshape(graph, all, pc_dims(3, -1, 3, size));
            x = pc_slice(graph, x, i, i + 1); /* [T,1,D] or [T*H,1,E] */
        }
        out[i] = pc_reshape(graph, x, pc_dims(3, -1, heads, size));
    }
}

/* x += norm1(o(mixed)); x += norm2(mlp(x)) */
static pc_tensor *behind_norms(const pc_build *build, const pc_block_weights *weights, const pc_block_config *config, pc_tensor *x,
                               pc_tensor *mixed)
{
    pc_tensor *h = pc_linear_forward(build, &weights->o, mixed, NULL);
    h = pc_norm_forward(build, &weights->norm1, h, config->eps);
    x = pc_drops_stream(build) ? pc_add_to_stream(build, h, x) : pc_add(build->graph, h, x);
    h = pc_mlp_forward(build, &weights->mlp, x, config->activation, NULL);
    h = pc_norm_forward(build, &weights->norm2, h, config->eps);
    return pc_drops_stream(build) ? pc_add_to_stream(build, h, x) : pc_add(build->graph, h, x);
}

pc_tensor *pc_block_forward(const pc_build *build, const pc_block_weights *weights, const pc_block_config *config,
                            pc_tensor *x, pc_tensor *ranges)
{
    pc_graph *graph = build->graph;
    bool after = config->post_norm;
    pc_tensor *h = after ? x : pc_norm_forward(build, &weights->norm1, x, config->eps); /* [..,D] */
    pc_tensor *qkv[3];
    pc_block_project(build, weights, config, h, qkv);
    double scale = 1 / sqrt((double)config->width / (double)config->heads);
    pc_tensor *mixed = pc_attention(graph, qkv[0], qkv[1], qkv[2], ranges, NULL, scale); /* [T,H,E] */
    mixed = pc_reshape(graph, mixed, x->max.ndim == 3 ? pc_dims(3, -1, x->max.dim[1], config->width)
                                                      : pc_dims(2, -1, config->width));
    bool drops = pc_drops_stream(build);
    if (after) {
        return behind_norms(build, weights, config, x, mixed);
    }
    mixed = pc_linear_forward(build, &weights->o, mixed, drops ? NULL : x);
    x = drops ? pc_add_to_stream(build, mixed, x) : mixed;
    h = pc_norm_forward(build, &weights->norm2, x, config->eps);
    h = pc_mlp_forward(build, &weights->mlp, h, config->activation, drops ? NULL : x);
    return drops ? pc_add_to_stream(build, h, x) : h; /* [..,D] */
}

/* Queries and keys of the last block, whose input is x [1,P,D]. */
static void look_at_keys(const pc_build *build, const pc_block_weights *last, const pc_block_config *config, pc_tensor *x,
                         pc_encoder_keys *keys)
{
    pc_tensor *qkv[3], *h = config->post_norm ? x : pc_norm_forward(build, &last->norm1, x, config->eps);
    pc_block_project(build, last, config, h, qkv);
    keys->q = pc_reshape(build->graph, qkv[0], pc_dims(2, -1, config->width));
    keys->k = pc_reshape(build->graph, qkv[1], pc_dims(2, -1, config->width));
}

/* x [1,T,D] in the order in which the tokens began. */
static pc_tensor *in_order(const pc_build *build, pc_tensor *x, const pc_merged_tokens *tokens)
{
    pc_graph *graph = build->graph;
    int64_t width = pc_shape_last(&x->max);
    if (!tokens->places) {
        return x;
    }
    x = pc_take_rows(graph, pc_reshape(graph, x, pc_dims(2, -1, width)), pc_by_place(graph, tokens->places));
    return pc_reshape(graph, x, pc_dims(3, 1, -1, width));
}

pc_tensor *pc_blocks_forward(const pc_build *build, const pc_block_weights *blocks, const pc_block_config *config,
                             const pc_norm_weights *final, pc_tensor *x, const pc_encoder_select *select)
{
    pc_tensor *states[PC_ENCODER_STATES] = {0}, *out = NULL, *ranges = pc_group_ranges(build->graph, x); /* [N*P,4] */
    int64_t last = 0, count = select->count > 0 ? select->count : 1;
    pc_merged_tokens tokens = {0};
    for (int64_t s = 0; s < count; s++) {
        last = select->layer[s] > last ? select->layer[s] : last;
    }
    last = select->keys && last < config->layers - 1 ? config->layers - 1 : last;
    for (int64_t i = 0; i <= last; i++) {
        if (i && select->merge) {
            x = pc_block_merge(build, &blocks[i - 1], config, x, select->merge,
                               pc_merged_in(i - 1, config->layers, select->merge->merged, select->merge->inflect), &tokens);
        } else if (i) {
            x = pc_block_forward(build, &blocks[i - 1], config, x, ranges);
        }
        x = pc_layer_end(build->graph, pc_name(build->graph, x, "encoder.hidden.%d", (int)i));
        for (int64_t s = 0; s < count; s++) {
            states[s] = select->layer[s] == i ? in_order(build, x, &tokens) : states[s];
        }
        if (select->keys && i == config->layers - 1) {
            look_at_keys(build, &blocks[i], config, x, select->keys);
        }
    }
    int64_t patches = states[0]->max.dim[1];
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
    if (table->max.ndim > 2) {
        table = pc_reshape(build->graph, table, pc_dims(2, -1, pc_shape_last(&table->max)));
    }
    pc_grid_size to = {images->max.dim[2] / patch, images->max.dim[3] / patch};
    if (to.rows == side && to.columns == side) {
        return table;
    }
    return pc_resize_grid(build->graph, table, (pc_resize_params){.from = {side, side}, .to = to, .prefix = prefix});
}
