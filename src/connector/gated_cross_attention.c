/* Gated cross-attention.
 *
 *   x += tanh(a) o(attention(q(LN x), k(media), v(media)));  x += tanh(f) w2 gelu(w1 LN x)
 *
 * Source: Alayrac et al. 2022 (arXiv:2204.14198), section 2.2 and appendix A.1.2; OpenFlamingo helpers.py (names).
 * Easy to get wrong: a row before the first picture reads nothing, and its attention is 0, not a mean; one matrix makes
 * keys and values, keys first; the block stands before its decoder layer, layers counted from 1.
 */
#include "connector/gated_cross_attention.h"

#include "ops/add.h"
#include "ops/multiply.h"
#include "ops/rows.h"

#include <math.h>
#include <stdio.h>

int64_t pc_gated_blocks(const pc_gated_config *config, int64_t layers)
{
    return config->every > 0 ? layers / config->every : 0;
}

void pc_gated_block_declare(pc_scope *scope, pc_gated_block_weights *weights, const pc_gated_config *config,
                            const char *name)
{
    int64_t rows = config->heads * config->head_size;
    char full[320];
    const struct {
        pc_linear_weights *weights;
        int64_t out, in;
        const char *name;
    } linears[] = {
        {&weights->q, rows, config->width, "attn.to_q"},
        {&weights->kv, 2 * rows, config->media_width, "attn.to_kv"},
        {&weights->o, config->width, rows, "attn.to_out"},
        {&weights->mlp.up, config->hidden, config->width, "ff.1"},
        {&weights->mlp.down, config->width, config->hidden, "ff.3"},
    };
    for (size_t i = 0; i < sizeof linears / sizeof linears[0]; i++) {
        snprintf(full, sizeof full, "%s.%s", name, linears[i].name);
        pc_linear_declare(scope, linears[i].weights, linears[i].out, linears[i].in, false, 1, full);
    }
    snprintf(full, sizeof full, "%s.attn.norm", name);
    pc_norm_declare(scope, &weights->attention_norm, config->width, true, full);
    snprintf(full, sizeof full, "%s.ff.0", name);
    pc_norm_declare(scope, &weights->mlp_norm, config->width, true, full);
    weights->attention_gate = pc_declare(scope, PC_ZEROS, pc_dims(1, 1), "%s.attn_gate", name);
    weights->mlp_gate = pc_declare(scope, PC_ZEROS, pc_dims(1, 1), "%s.ff_gate", name);
}

/* Keys (part 0) or values (part 1) of kv [S,2,HE] as heads [S,H,E]. */
static pc_tensor *part_of(const pc_build *build, const pc_gated_config *config, pc_tensor *kv, int64_t part)
{
    pc_tensor *rows = pc_slice(build->graph, kv, part, part + 1); /* [S,1,HE] */
    return pc_reshape(build->graph, rows, pc_dims(3, 0, config->heads, config->head_size));
}

/* x + tanh(gate) y */
static pc_tensor *add_gated(const pc_build *build, pc_tensor *x, pc_tensor *y, pc_param *gate)
{
    pc_tensor *openness = pc_activate(build->graph, pc_use(build, gate), PC_ACT_TANH); /* [1] */
    return pc_add(build->graph, x, pc_scale_by(build->graph, y, openness));
}

pc_tensor *pc_gated_block_forward(const pc_build *build, const pc_gated_block_weights *weights,
                                  const pc_gated_config *config, pc_tensor *x, pc_tensor *media, pc_tensor *ranges)
{
    pc_graph *graph = build->graph;
    int64_t rows = config->heads * config->head_size;
    pc_tensor *h = pc_norm_forward(build, &weights->attention_norm, x, config->eps); /* [T,D] */
    pc_tensor *q = pc_linear_forward(build, &weights->q, h, NULL);
    q = pc_reshape(graph, q, pc_dims(3, -1, config->heads, config->head_size)); /* [T,H,E] */
    pc_tensor *kv = pc_reshape(graph, pc_linear_forward(build, &weights->kv, media, NULL), pc_dims(3, -1, 2, rows));
    pc_tensor *k = part_of(build, config, kv, 0), *v = part_of(build, config, kv, 1); /* [S,H,E] */
    pc_tensor *mixed = pc_attention(graph, q, k, v, ranges, NULL, 1 / sqrt((double)config->head_size));
    mixed = pc_reshape(graph, mixed, pc_dims(2, -1, rows));
    x = add_gated(build, x, pc_linear_forward(build, &weights->o, mixed, NULL), weights->attention_gate);
    h = pc_norm_forward(build, &weights->mlp_norm, x, config->eps);
    h = pc_mlp_forward(build, &weights->mlp, h, PC_ACT_GELU, NULL);
    return add_gated(build, x, h, weights->mlp_gate); /* [T,D] */
}

static pc_tensor *before_layer(void *user, const pc_build *build, int layer, pc_tensor *hidden)
{
    const pc_gated_cross_attention *state = user;
    int64_t every = state->config->every, block = every > 0 ? (layer + 1) / every - 1 : -1;
    /* The call after the last layer may be a multiple, too; no block is left for it. */
    if (block < 0 || (layer + 1) % every || block >= state->count) {
        return hidden;
    }
    return pc_gated_block_forward(build, &state->blocks[block], state->config, hidden, state->media, state->ranges);
}

pc_hook pc_gated_cross_attention_hook(const pc_gated_cross_attention *state)
{
    return (pc_hook){.user = (void *)state, .before_layer = before_layer};
}

void pc_media_ranges(pc_attention_range *ranges, const int32_t *image_of, int64_t rows, int64_t queries)
{
    for (int64_t t = 0; t < rows; t++) {
        int32_t end = image_of[t] > 0 ? image_of[t] * (int32_t)queries : 0;
        ranges[t] = (pc_attention_range){.begin = end ? end - (int32_t)queries : 0, .end = end};
    }
}
