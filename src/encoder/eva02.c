/* EVA-02's vision transformer as EVA2-CLIP-L has it: CogAgent's tower for pictures of 1120 x 1120.
 *
 *   pixels -> patches x W^T + b [N,P,D] -> class token before it -> + positions -> L x block
 *   block:  x += proj(LN(attention(rope(q), rope(k), v))), q, k, v of norm1 x;  x += w3(LN(silu(w1 n) * w2 n)), n = norm2 x
 *
 * Source: Fang et al. 2023 (arXiv:2303.11331), section 2.1; Sun et al. 2023 (arXiv:2303.15389); cross_visual.py of cogagent-chat-hf
 * (names).
 * Easy to get wrong: keys have no bias, the others' are named q_bias and v_bias; the first half of a head's features turns by the row,
 * the second by the column, in neighbouring pairs, and the class token not at all; rows and columns count as in a picture of
 * `rope_side` patches a side, whatever the picture's; both inner norms are LayerNorms with biases; there is no last norm.
 */
#include "encoder/encoder.h"
#include "encoder/transformer.h"

#include "ops/add.h"
#include "ops/attention.h"
#include "ops/axis_frequencies.h"
#include "ops/concat.h"
#include "ops/grid.h"
#include "ops/multiply.h"
#include "ops/patches.h"
#include "ops/rope.h"
#include "ops/rows.h"

#include <math.h>
#include <stdio.h>

static const double THETA = 10000; /* base of the rotary frequencies */

typedef struct eva_config {
    pc_vit_config vit;
    int64_t rope_side;
} eva_config;

static const pc_field fields[] = {
    PC_VIT_FIELDS(eva_config, "1024", "2730", "23", "16", "14", "silu", "1e-6"),
    {.name = "rope_side", .type = PC_FIELD_INT, .offset = offsetof(eva_config, rope_side), .fallback = "16", .low = 1, .high = 4096,
     .help = "patches a side that rotary positions count to"},
};

typedef struct eva_block {
    pc_norm_weights norm1, norm2, attention_norm, mlp_norm;
    pc_linear_weights q, k, v, o;
    pc_glu_weights mlp;
} eva_block;

typedef struct eva_weights {
    pc_param *class_token, *positions; /* [1,1,D], [1,P+1,D] */
    pc_linear_weights patches;         /* [D,3,p,p] */
    eva_block blocks[PC_VIT_MAX_LAYERS];
} eva_weights;

static pc_status check(const void *any, const char *where)
{
    const eva_config *config = any;
    PC_TRY(pc_vit_check(&config->vit, true, where));
    return config->vit.hidden_size / config->vit.num_attention_heads % 4
               ? pc_fail(PC_ERR_DATA, "%s: a head of %lld features: rotary positions of rows and columns need pairs of both", where,
                         (long long)(config->vit.hidden_size / config->vit.num_attention_heads))
               : PC_OK;
}

static void info(const void *config, pc_encoder_info *out)
{
    pc_vit_info(&((const eva_config *)config)->vit, 1, out);
}

static void declare_bias(pc_scope *scope, pc_linear_weights *linear, int64_t width, int block, const char *name)
{
    linear->bias = pc_declare(scope, PC_ZEROS, pc_dims(1, width), "blocks.%d.attn.%s", block, name);
}

static void declare_block(pc_scope *scope, const pc_vit_config *vit, eva_block *block, int index)
{
    int64_t width = vit->hidden_size, hidden = vit->intermediate_size;
    double out = pc_residual_gain(vit->num_hidden_layers);
    char name[64];
    const struct {
        pc_linear_weights *weights;
        int64_t out, in;
        bool bias;
        double gain;
        const char *name;
    } linears[] = {
        {&block->q, width, width, false, 1, "attn.q_proj"},      {&block->k, width, width, false, 1, "attn.k_proj"},
        {&block->v, width, width, false, 1, "attn.v_proj"},      {&block->o, width, width, true, out, "attn.proj"},
        {&block->mlp.gate, hidden, width, true, 1, "mlp.w1"},    {&block->mlp.up, hidden, width, true, 1, "mlp.w2"},
        {&block->mlp.down, width, hidden, true, out, "mlp.w3"},
    };
    const struct {
        pc_norm_weights *weights;
        int64_t width;
        const char *name;
    } norms[] = {
        {&block->norm1, width, "norm1"},
        {&block->attention_norm, width, "attn.inner_attn_ln"},
        {&block->norm2, width, "norm2"},
        {&block->mlp_norm, hidden, "mlp.ffn_ln"},
    };
    for (size_t i = 0; i < sizeof linears / sizeof linears[0]; i++) {
        snprintf(name, sizeof name, "blocks.%d.%s", index, linears[i].name);
        pc_linear_declare(scope, linears[i].weights, linears[i].out, linears[i].in, linears[i].bias, linears[i].gain, name);
    }
    declare_bias(scope, &block->q, width, index, "q_bias");
    declare_bias(scope, &block->v, width, index, "v_bias");
    for (size_t i = 0; i < sizeof norms / sizeof norms[0]; i++) {
        snprintf(name, sizeof name, "blocks.%d.%s", index, norms[i].name);
        pc_norm_declare(scope, norms[i].weights, norms[i].width, true, name);
    }
}

static void declare(pc_scope *scope, const void *any, void *any_weights)
{
    const pc_vit_config *vit = &((const eva_config *)any)->vit;
    eva_weights *weights = any_weights;
    int64_t width = vit->hidden_size, patch = vit->patch_size, side = vit->image_size / patch;
    const pc_init init = PC_NORMAL(pc_scope_std(scope, width));
    weights->class_token = pc_declare(scope, init, pc_dims(3, 1, 1, width), "cls_token");
    weights->positions = pc_declare(scope, init, pc_dims(3, 1, side * side + 1, width), "pos_embed");
    if (scope->status == PC_OK) {
        weights->class_token->any_type = weights->positions->any_type = false;
    }
    weights->patches.weight = pc_declare(scope, PC_NORMAL(pc_scope_std(scope, 3 * patch * patch)), pc_dims(4, width, 3, patch, patch),
                                         "patch_embed.proj.weight");
    weights->patches.bias = pc_declare(scope, PC_ZEROS, pc_dims(1, width), "patch_embed.proj.bias");
    for (int64_t i = 0; i < vit->num_hidden_layers; i++) {
        declare_block(scope, vit, &weights->blocks[i], (int)i);
    }
}

/* What turns queries and keys, for pictures of one size. */
typedef struct places {
    pc_tensor *positions;   /* i32 [N*(P+1),2] */
    pc_tensor *frequencies; /* f32 [E/2] */
    pc_tensor *ranges;      /* a picture's tokens see each other */
    int64_t heads, size;    /* H, E */
} places;

/* y [N*(P+1),D] -> [N*(P+1),H,E], turned. */
static pc_tensor *turned(const pc_build *build, const places *at, pc_tensor *y)
{
    const int32_t quarter = (int32_t)(at->size / 4);
    const pc_rope_params rope = {.interleaved = true, .sections = {quarter, quarter}};
    y = pc_reshape(build->graph, y, pc_dims(3, -1, at->heads, at->size));
    return pc_rope(build->graph, y, at->positions, at->frequencies, rope);
}

/* x [N*(P+1),D] */
static pc_tensor *block_forward(const pc_build *build, const pc_vit_config *vit, const eva_block *block, const places *at, pc_tensor *x)
{
    pc_graph *graph = build->graph;
    double eps = vit->layer_norm_eps;
    pc_tensor *h = pc_norm_forward(build, &block->norm1, x, eps);
    pc_tensor *q = turned(build, at, pc_linear_forward(build, &block->q, h, NULL));
    pc_tensor *k = turned(build, at, pc_linear_forward(build, &block->k, h, NULL));
    pc_tensor *v = pc_reshape(graph, pc_linear_forward(build, &block->v, h, NULL), pc_dims(3, -1, at->heads, at->size));
    h = pc_attention(graph, q, k, v, at->ranges, NULL, 1 / sqrt((double)at->size)); /* [N*(P+1),H,E] */
    h = pc_norm_forward(build, &block->attention_norm, pc_reshape(graph, h, pc_dims(2, -1, vit->hidden_size)), eps);
    x = pc_linear_forward(build, &block->o, h, x);
    h = pc_norm_forward(build, &block->norm2, x, eps);
    pc_tensor *gate = pc_linear_forward(build, &block->mlp.gate, h, NULL), *up = pc_linear_forward(build, &block->mlp.up, h, NULL);
    h = pc_glu(graph, gate, up, (pc_activation)pc_activation_from_name(vit->hidden_act)); /* [N*(P+1),F] */
    return pc_linear_forward(build, &block->mlp.down, pc_norm_forward(build, &block->mlp_norm, h, eps), x);
}

/* images [N,3,Y,X] -> [N,P+1,D] */
static pc_tensor *embed(const pc_build *build, const pc_vit_config *vit, const eva_weights *weights, pc_tensor *images)
{
    pc_graph *graph = build->graph;
    int64_t patch = vit->patch_size;
    pc_tensor *x = pc_patches(graph, images, patch);          /* [N,P,3pp] */
    x = pc_linear_forward(build, &weights->patches, x, NULL); /* [N,P,D] */
    x = pc_prepend(graph, x, pc_reshape(graph, pc_use(build, weights->class_token), pc_dims(1, vit->hidden_size)));
    return pc_add(graph, x, pc_positions_for(build, weights->positions, images, patch, vit->image_size / patch, 1));
}

/* x [T,D] -> the chosen states side by side [T,S*D]. */
static pc_tensor *run_blocks(const pc_build *build, const pc_vit_config *vit, const eva_block *blocks, const places *at, pc_tensor *x,
                             const pc_encoder_select *select)
{
    pc_tensor *states[PC_ENCODER_STATES] = {x}, *all;
    int64_t count = select->count ? select->count : 1;
    for (int64_t i = 0; i <= vit->num_hidden_layers; i++) {
        bool later = false;
        for (int64_t s = 0; s < count; s++) {
            states[s] = select->layer[s] == i ? x : states[s];
            later = later || select->layer[s] > i;
        }
        if (!later) {
            break;
        }
        x = block_forward(build, vit, &blocks[i], at, x);
    }
    all = states[0];
    for (int64_t s = 1; s < count; s++) {
        all = pc_concat_features(build->graph, all, states[s]);
    }
    return all;
}

static pc_tensor *forward(const pc_build *build, const void *any, const void *any_weights, pc_tensor *images, pc_encoder_select select)
{
    const eva_config *config = any;
    const pc_vit_config *vit = &config->vit;
    const eva_weights *weights = any_weights;
    pc_graph *graph = build->graph;
    int64_t rows = images->max.dim[2] / vit->patch_size, columns = images->max.dim[3] / vit->patch_size;
    int64_t size = vit->hidden_size / vit->num_attention_heads;
    pc_tensor *x = embed(build, vit, weights, images); /* [N,P+1,D] */
    pc_tensor *turns = pc_axis_frequencies(graph, x, (pc_axis_frequencies_params){THETA, size / 4, 2});
    const places at = {
        .positions = pc_grid_layout(graph, images, (pc_grid_params){.rows = rows, .columns = columns, .block = 1, .prefix = 1}).positions,
        .frequencies = pc_scale(graph, turns, (double)config->rope_side / (double)rows),
        .ranges = pc_group_ranges(graph, x),
        .heads = vit->num_attention_heads,
        .size = size,
    };
    x = run_blocks(build, vit, weights->blocks, &at, pc_reshape(graph, x, pc_dims(2, -1, vit->hidden_size)), &select);
    x = pc_reshape(graph, x, pc_dims(3, -1, rows * columns + 1, pc_shape_last(&x->max)));
    return select.keep_class_token ? x : pc_slice(graph, x, 1, 0); /* [N,P,D] */
}

const pc_encoder_type pc_encoder_eva02_vision = {
    .model_type = "eva02_vision",
    .processor = "BlipImageProcessor",
    .class_token = true,
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .config_size = sizeof(eva_config),
    .weights_size = sizeof(eva_weights),
    .check = check,
    .info = info,
    .declare = declare,
    .forward = forward,
};
