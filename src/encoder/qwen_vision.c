/* The vision towers of Qwen2-VL and Qwen2.5-VL: pictures of any size whose sides are multiples of two patches.
 *
 *   pixels [N,3,Y,X] -> patches, each twice [N,P,3*2*pp] -> x W^T [N,P,D] -> L x block -> [N,P,D]
 *   block:  x += proj(attention(rope(q), rope(k), v)), q,k,v of norm1 x;  x += mlp(norm2 x)
 *
 * 2: layer norms, fc2(quick_gelu(fc1)), every patch sees the whole picture. 2.5: RMS norms, gated MLP, and all but a few
 * blocks attend within windows of 112 pixels.
 *
 * Source: Wang et al. 2024 (arXiv:2409.12191); Bai et al. 2025 (arXiv:2502.13923); transformers models/qwen2_vl,
 * models/qwen2_5_vl.
 * Easy to get wrong: a picture is a film of two equal frames; the first half of a head's pairs turns by the row, the second by
 * the column; hidden_size is the tower's width in 2.5, that of the language model in 2; windows at the border are smaller.
 */
#include "encoder/encoder.h"
#include "ops/attention.h"
#include "ops/axis_frequencies.h"
#include "ops/concat.h"
#include "ops/grid.h"
#include "ops/matmul.h"
#include "ops/patches.h"
#include "ops/rope.h"
#include "ops/rows.h"

#include <math.h>
#include <stdio.h>

enum { MAX_LAYERS = 128, USUAL_BLOCKS = 16 };

static const double EPS = 1e-6, THETA = 10000;

typedef struct qwen_config {
    int64_t width, hidden, depth, num_heads, patch_size, spatial_merge_size, temporal_patch_size, window_size, channels;
    double mlp_ratio;
    char *hidden_act;
    bool gated;            /* 2.5 */
    bool whole[MAX_LAYERS]; /* blocks that see the whole picture */
} qwen_config;

#define FIELD(key, member, kind, def, lo, hi, text) \
    {.name = key, .type = kind, .offset = offsetof(qwen_config, member), .fallback = def, .low = lo, .high = hi, .help = text}

#define COMMON_FIELDS(act)                                                                                           \
    FIELD("depth", depth, PC_FIELD_INT, "32", 1, MAX_LAYERS, "blocks"),                                              \
    FIELD("num_heads", num_heads, PC_FIELD_INT, "16", 1, 1024, "attention heads"),                                   \
    FIELD("patch_size", patch_size, PC_FIELD_INT, "14", 1, 1024, "side of a patch in pixels"),                       \
    FIELD("spatial_merge_size", spatial_merge_size, PC_FIELD_INT, "2", 1, 16, "side of the blocks that become one token"), \
    FIELD("temporal_patch_size", temporal_patch_size, PC_FIELD_INT, "2", 1, 8, "frames of a patch"),                 \
    FIELD("in_channels", channels, PC_FIELD_INT, "3", 3, 3, "colour channels"),                                      \
    FIELD("hidden_act", hidden_act, PC_FIELD_TEXT, act, 0, 0, "activation")

static const pc_field fields2[] = {
    COMMON_FIELDS("quick_gelu"),
    FIELD("embed_dim", width, PC_FIELD_INT, "1280", 1, 65536, "width of the tower"),
    FIELD("mlp_ratio", mlp_ratio, PC_FIELD_FLOAT, "4", 0.01, 64, "width of the MLP divided by that of the tower"),
};

static const pc_field fields25[] = {
    COMMON_FIELDS("silu"),
    FIELD("hidden_size", width, PC_FIELD_INT, "3584", 1, 65536, "width of the tower"),
    FIELD("intermediate_size", hidden, PC_FIELD_INT, "3420", 1, 262144, "width of the MLP"),
    FIELD("window_size", window_size, PC_FIELD_INT, "112", 1, 16384, "side of the windows in pixels"),
};

typedef struct qwen_block {
    pc_norm_weights norm1, norm2;
    pc_linear_weights qkv, proj; /* [3D,D], [D,D] */
    pc_mlp_weights mlp;          /* fc1, fc2 */
    pc_glu_weights glu;
} qwen_block;

typedef struct qwen_weights {
    pc_param *patch_embedding; /* [D,3,frames,p,p] */
    qwen_block blocks[MAX_LAYERS];
} qwen_weights;

static pc_status read2(void *any, const pc_json *json, const char *where)
{
    qwen_config *config = any;
    (void)json;
    (void)where;
    config->hidden = (int64_t)((double)config->width * config->mlp_ratio);
    for (int i = 0; i < MAX_LAYERS; i++) {
        config->whole[i] = true;
    }
    return PC_OK;
}

static pc_status read25(void *any, const pc_json *json, const char *where)
{
    static const int usual[] = {7, 15, 23, 31};
    qwen_config *config = any;
    const pc_json *list = pc_json_get(json, "fullatt_block_indexes");
    config->gated = true;
    for (int i = 0; pc_json_is_null(list) && i < 4; i++) {
        config->whole[usual[i]] = true;
    }
    for (size_t i = 0; i < pc_json_length(list); i++) {
        int64_t block = pc_json_integer(pc_json_at(list, i), -1);
        if (!pc_json_is_array(list) || block < 0 || block >= MAX_LAYERS) {
            return pc_fail(PC_ERR_DATA, "%s: fullatt_block_indexes must be a list of numbers from 0 to %d", where,
                           MAX_LAYERS - 1);
        }
        config->whole[block] = true;
    }
    return PC_OK;
}

static pc_status check(const void *any, const char *where)
{
    const qwen_config *config = any;
    int64_t unit = config->patch_size * config->spatial_merge_size;
    if (config->width % config->num_heads || config->width / config->num_heads % 4) {
        return pc_fail(PC_ERR_DATA, "%s: a width of %lld in %lld heads: the size of a head must be a multiple of 4", where,
                       (long long)config->width, (long long)config->num_heads);
    }
    if (config->hidden < 1) {
        return pc_fail(PC_ERR_DATA, "%s: mlp_ratio %g leaves no MLP", where, config->mlp_ratio);
    }
    if (config->gated && config->window_size % unit) {
        return pc_fail(PC_ERR_DATA, "%s: window_size %lld is not a multiple of %lld pixels, the side of a token", where,
                       (long long)config->window_size, (long long)unit);
    }
    if (pc_activation_from_name(config->hidden_act) < 0) {
        return pc_fail(PC_ERR_DATA, "%s: hidden_act '%s' is unknown", where, config->hidden_act);
    }
    return PC_OK;
}

static void info(const void *any, pc_encoder_info *out)
{
    const qwen_config *config = any;
    int64_t unit = config->patch_size * config->spatial_merge_size;
    *out = (pc_encoder_info){
        .width = config->width,
        .layers = config->depth,
        .image_size = USUAL_BLOCKS * unit,
        .patch_size = config->patch_size,
        .unit = unit,
    };
}

static void declare_block(pc_scope *scope, const qwen_config *config, qwen_block *block, int index)
{
    int64_t width = config->width, hidden = config->hidden;
    double out = pc_residual_gain(config->depth);
    char name[64];
    const struct {
        pc_linear_weights *weights;
        int64_t out, in;
        double gain;
        const char *name;
        bool present;
    } linears[] = {
        {&block->qkv, 3 * width, width, 1, "attn.qkv", true},
        {&block->proj, width, width, out, "attn.proj", true},
        {&block->mlp.up, hidden, width, 1, "mlp.fc1", !config->gated},
        {&block->mlp.down, width, hidden, out, "mlp.fc2", !config->gated},
        {&block->glu.gate, hidden, width, 1, "mlp.gate_proj", config->gated},
        {&block->glu.up, hidden, width, 1, "mlp.up_proj", config->gated},
        {&block->glu.down, width, hidden, out, "mlp.down_proj", config->gated},
    };
    for (size_t i = 0; i < sizeof linears / sizeof linears[0]; i++) {
        if (linears[i].present) {
            snprintf(name, sizeof name, "blocks.%d.%s", index, linears[i].name);
            pc_linear_declare(scope, linears[i].weights, linears[i].out, linears[i].in, true, linears[i].gain, name);
        }
    }
    snprintf(name, sizeof name, "blocks.%d.norm1", index);
    pc_norm_declare(scope, &block->norm1, width, !config->gated, name);
    snprintf(name, sizeof name, "blocks.%d.norm2", index);
    pc_norm_declare(scope, &block->norm2, width, !config->gated, name);
}

static void declare(pc_scope *scope, const void *any, void *any_weights)
{
    const qwen_config *config = any;
    qwen_weights *weights = any_weights;
    int64_t patch = config->patch_size, frames = config->temporal_patch_size;
    weights->patch_embedding = pc_declare(scope, PC_NORMAL(pc_scope_std(scope, 3 * frames * patch * patch)),
                                          pc_dims(5, config->width, 3, frames, patch, patch), "patch_embed.proj.weight");
    for (int64_t i = 0; i < config->depth; i++) {
        declare_block(scope, config, &weights->blocks[i], (int)i);
    }
}

/* What the attention of one picture size needs. */
typedef struct places {
    pc_tensor *positions, *frequencies, *all, *window;
    pc_rope_params rope;
} places;

/* One of the three parts of y [T,3D] -> [T,H,E]. */
static pc_tensor *third(const pc_build *build, const qwen_config *config, pc_tensor *y, int64_t which)
{
    pc_tensor *part = pc_reshape(build->graph, y, pc_dims(3, -1, 3, config->width));
    part = pc_slice(build->graph, part, which, which + 1); /* [T,1,D] */
    return pc_reshape(build->graph, part, pc_dims(3, -1, config->num_heads, config->width / config->num_heads));
}

/* x [T,D] */
static pc_tensor *block_forward(const pc_build *build, const qwen_config *config, const qwen_block *block,
                                const places *at, pc_tensor *ranges, pc_tensor *x)
{
    pc_graph *graph = build->graph;
    pc_activation kind = (pc_activation)pc_activation_from_name(config->hidden_act);
    double scale = 1 / sqrt((double)config->width / (double)config->num_heads);
    pc_tensor *h = pc_norm_forward(build, &block->norm1, x, EPS);
    pc_tensor *qkv = pc_linear_forward(build, &block->qkv, h, NULL); /* [T,3D] */
    pc_tensor *q = pc_rope(graph, third(build, config, qkv, 0), at->positions, at->frequencies, at->rope);
    pc_tensor *k = pc_rope(graph, third(build, config, qkv, 1), at->positions, at->frequencies, at->rope);
    h = pc_attention(graph, q, k, third(build, config, qkv, 2), ranges, NULL, scale); /* [T,H,E] */
    x = pc_linear_forward(build, &block->proj, pc_reshape(graph, h, pc_dims(2, -1, config->width)), x);
    h = pc_norm_forward(build, &block->norm2, x, EPS);
    return config->gated ? pc_glu_forward(build, &block->glu, h, kind, x) : pc_mlp_forward(build, &block->mlp, h, kind, x);
}

/* images [N,3,Y,X] -> [N,P,D] */
static pc_tensor *embed(const pc_build *build, const qwen_config *config, const qwen_weights *weights, pc_tensor *images)
{
    pc_graph *graph = build->graph;
    int64_t area = config->patch_size * config->patch_size, frames = config->temporal_patch_size;
    pc_tensor *x = pc_patches(graph, images, config->patch_size); /* [N,P,3pp] */
    int64_t patches = x->max.dim[1];
    pc_tensor *frame = pc_reshape(graph, x, pc_dims(2, -1, area)); /* [N*P*3,pp] */
    x = frame;
    for (int64_t i = 1; i < frames; i++) {
        x = pc_concat_features(graph, x, frame); /* [N*P*3,i*pp] */
    }
    x = pc_reshape(graph, x, pc_dims(3, -1, patches, 3 * frames * area));
    return pc_linear(graph, x, pc_use(build, weights->patch_embedding), NULL, NULL, build->compute);
}

static pc_tensor *forward(const pc_build *build, const void *any, const void *any_weights, pc_tensor *images,
                          pc_encoder_select select)
{
    const qwen_config *config = any;
    const qwen_weights *weights = any_weights;
    pc_graph *graph = build->graph;
    int64_t merge = config->gated ? config->spatial_merge_size : 1, quarter = config->width / config->num_heads / 4;
    pc_grid_params layout = {images->max.dim[2] / config->patch_size, images->max.dim[3] / config->patch_size, merge,
                             config->gated ? config->window_size / config->patch_size : 0, 0};
    pc_tensor *x = embed(build, config, weights, images); /* [N,P,D] */
    int64_t patches = x->max.dim[1];
    pc_grid grid = pc_grid_layout(graph, x, layout);
    places at = {
        .positions = grid.positions,
        .frequencies = pc_axis_frequencies(graph, x, (pc_axis_frequencies_params){THETA, quarter, 2}),
        .all = pc_group_ranges(graph, x),
        .window = grid.ranges,
        .rope = {.sections = {(int32_t)quarter, (int32_t)quarter}},
    };
    x = pc_take_rows(graph, pc_reshape(graph, x, pc_dims(2, -1, config->width)), grid.order); /* [N*P,D] */
    for (int64_t i = 0; i < select.layer[0]; i++) {
        x = pc_name(graph, x, "encoder.hidden.%d", (int)i);
        x = block_forward(build, config, &weights->blocks[i], &at, config->whole[i] ? at.all : at.window, x);
    }
    x = pc_name(graph, x, "encoder.hidden.%d", (int)select.layer[0]);
    return pc_reshape(graph, pc_take_rows(graph, x, grid.inverse), pc_dims(3, -1, patches, config->width));
}

#define TOWER(symbol, type, table, reader)                   \
    const pc_encoder_type symbol = {                         \
        .model_type = type,                                  \
        .processor = "Qwen2VLImageProcessor",                \
        .fields = {table, sizeof table / sizeof table[0]},   \
        .config_size = sizeof(qwen_config),                  \
        .weights_size = sizeof(qwen_weights),                \
        .read = reader,                                      \
        .check = check,                                      \
        .info = info,                                        \
        .declare = declare,                                  \
        .forward = forward,                                  \
    }

TOWER(pc_encoder_qwen2_vl_vision, "qwen2_vl_vision", fields2, read2);
TOWER(pc_encoder_qwen2_5_vl_vision, "qwen2_5_vl_vision", fields25, read25);
