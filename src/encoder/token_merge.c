/* A block that merges tokens:  x = x + attention(LN1 x);  alike tokens of x are merged;  x = x + MLP(LN2 x).
 *
 * Source: Bolya et al. 2023 (arXiv:2210.09461); facebookresearch/ToMe tome/patch/timm.py. Easy to get wrong: likeness goes by the
 * keys of this block, before the merge; sizes are those before it, too, when attention is proportional; without a merge so far
 * attention is as ever.
 */
#include "encoder/transformer.h"

#include "ops/add.h"
#include "ops/attention.h"
#include "ops/matmul.h"
#include "ops/rows.h"
#include "ops/token_merge.h"

#include <math.h>

int64_t pc_merge_left(const pc_encoder_merge *how, int64_t tokens, int64_t blocks, int64_t layers)
{
    for (int64_t i = 0; i < blocks; i++) {
        tokens -= pc_mergeable(tokens, how->class_token, pc_merged_in(i, layers, how->merged, how->inflect));
    }
    return tokens;
}

/* [1,T,D], and the keys [T,H,E] */
static pc_tensor *attend(const pc_build *build, const pc_block_weights *weights, const pc_block_config *config, pc_tensor *h,
                         pc_tensor *sizes, pc_tensor **keys)
{
    pc_graph *graph = build->graph;
    pc_tensor *qkv[3], *wide[3];
    const int64_t size = config->width / config->heads;
    const double scale = 1 / sqrt((double)size);
    pc_block_project(build, weights, config, h, qkv);
    *keys = qkv[1];
    pc_tensor *ranges = pc_group_ranges(graph, h);
    if (!sizes) {
        pc_tensor *mixed = pc_attention(graph, qkv[0], qkv[1], qkv[2], ranges, NULL, scale); /* [T,H,E] */
        return pc_reshape(graph, mixed, pc_dims(3, 1, -1, config->width));
    }
    pc_proportion(graph, qkv, sizes, (pc_proportion_params){.scale = scale}, wide);
    pc_tensor *mixed = pc_attention(graph, wide[0], wide[1], wide[2], ranges, NULL, scale); /* [T,H,E+8] */
    mixed = pc_reshape(graph, mixed, pc_dims(3, -1, size + PC_PROPORTION, 1));
    return pc_reshape(graph, pc_slice(graph, mixed, 0, size), pc_dims(3, 1, -1, config->width));
}

static pc_tensor *merge(pc_graph *graph, pc_tensor *x, pc_tensor *keys, int64_t merged, bool class_token, pc_merged_tokens *tokens)
{
    pc_tensor *halves[2], *out[3];
    pc_halves(graph, keys, halves);
    pc_tensor *scores = pc_linear(graph, halves[0], halves[1], NULL, NULL, PC_F32); /* [ceil(T/2),T/2] */
    pc_tensor *in[] = {x, scores, tokens->sizes, tokens->places};
    pc_token_merge(graph, in, (pc_token_merge_params){.merged = merged, .class_token = class_token}, out);
    *tokens = (pc_merged_tokens){out[1], out[2]};
    return out[0];
}

pc_tensor *pc_block_merge(const pc_build *build, const pc_block_weights *weights, const pc_block_config *config, pc_tensor *x,
                          const pc_encoder_merge *how, int64_t merged, pc_merged_tokens *tokens)
{
    pc_graph *graph = build->graph;
    const bool after = config->post_norm;
    pc_tensor *keys, *h = after ? x : pc_norm_forward(build, &weights->norm1, x, config->eps); /* [1,T,D] */
    h = attend(build, weights, config, h, how->proportional ? tokens->sizes : NULL, &keys);
    h = pc_linear_forward(build, &weights->o, h, after ? NULL : x);
    x = after ? pc_add(graph, pc_norm_forward(build, &weights->norm1, h, config->eps), x) : h;
    merged = pc_mergeable(x->max.dim[1], how->class_token, merged);
    x = merged > 0 ? merge(graph, x, keys, merged, how->class_token, tokens) : x; /* [1,T-r,D] */
    h = after ? x : pc_norm_forward(build, &weights->norm2, x, config->eps);
    h = pc_mlp_forward(build, &weights->mlp, h, config->activation, after ? NULL : x);
    return after ? pc_add(graph, pc_norm_forward(build, &weights->norm2, h, config->eps), x) : h;
}
