/* MPT, and MosaicGPT, which came before it (MPT-1B): a decoder without positions but for a bias of its attention that grows with
 * distance (ALiBi).
 *
 *   x += out_proj(attention(q, k, v; slope (s - t))), q, k, v of LN x;  x += down(gelu(up(LN x)));  ... L times, then LN.
 *
 * Source: MosaicML 2023, "Introducing MPT-7B"; llm-foundry, models/mpt; Press et al. 2022 (arXiv:2108.12409); transformers
 * models/mpt (names); mosaicml/examples, llm/src/models (MosaicGPT's names and keys).
 * Easy to get wrong: LayerNorms without biases; q, k and v are one matrix, in this order; those of queries and keys (qk_ln) are of
 * the whole width, before the heads are cut; the GELU is exact; slopes of heads that are no power of two in number stand in an
 * order of their own (ops/alibi.h), but not in MosaicGPT. transformers knows an expansion_ratio of 4 alone, and no qk_ln.
 */
#include "llm/stack.h"
#include "ops/alibi.h"
#include "ops/rows.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_LAYERS = 256 };

/* What the two call the parts of a layer. */
typedef struct mpt_names {
    const char *norm1, *norm2, *up, *down, *norm;
} mpt_names;

static const mpt_names mpt = {"norm_1", "norm_2", "ffn.up_proj", "ffn.down_proj", "transformer.norm_f"};
static const mpt_names mosaic = {"ln_1", "ln_2", "mlp.mlp_up", "mlp.mlp_down", "transformer.ln_f"};

typedef struct mpt_config {
    int64_t vocab_size, d_model, n_heads, n_layers, expansion_ratio, max_seq_len;
    double layer_norm_epsilon;
    bool tie_word_embeddings;
    double alibi_bias_max, softmax_scale; /* a scale of 0 = 1/sqrt(E) */
    bool qk_ln;                           /* norms of queries and keys */
    const mpt_names *names;               /* by read, as what MPT has in attn_config */
} mpt_config;

#define FIELD(key, kind, def, lo, hi, text) \
    {.name = #key, .type = kind, .offset = offsetof(mpt_config, key), .fallback = def, .low = lo, .high = hi, .help = text}

#define KEY(spelling, key, kind, def, lo, hi, text) \
    {.name = spelling, .type = kind, .offset = offsetof(mpt_config, key), .fallback = def, .low = lo, .high = hi, .help = text}

#define COMMON_FIELDS                                                                                   \
    FIELD(vocab_size, PC_FIELD_INT, "50368", 1, 1 << 24, "entries of the vocabulary"),                  \
    FIELD(d_model, PC_FIELD_INT, "2048", 1, 65536, "width"),                                            \
    FIELD(n_heads, PC_FIELD_INT, "16", 1, 1024, "attention heads"),                                     \
    FIELD(n_layers, PC_FIELD_INT, "24", 1, MAX_LAYERS, "blocks"),                                       \
    FIELD(max_seq_len, PC_FIELD_INT, "2048", 1, 1 << 20, "longest sequence"),                           \
    FIELD(layer_norm_epsilon, PC_FIELD_FLOAT, "1e-5", 0, 1, "epsilon of the norms"),                    \
    FIELD(tie_word_embeddings, PC_FIELD_BOOL, "true", 0, 0, "the head is the embedding table")

static const pc_field fields[] = {
    COMMON_FIELDS,
    FIELD(expansion_ratio, PC_FIELD_INT, "4", 1, 64, "width of the MLP, in widths"),
};

static const pc_field mosaic_fields[] = {
    COMMON_FIELDS,
    KEY("mlp_ratio", expansion_ratio, PC_FIELD_INT, "4", 1, 64, "width of the MLP, in widths"),
    KEY("attn_qk_ln", qk_ln, PC_FIELD_BOOL, "false", 0, 0, "norms of queries and keys"),
    FIELD(alibi_bias_max, PC_FIELD_FLOAT, "8", 0, 128, "exponent of the last head's slope"),
    FIELD(softmax_scale, PC_FIELD_FLOAT, "0", 0, 1e6, "scale of the products; 0 = 1/sqrt(E)"),
};

typedef struct mpt_layer {
    pc_norm_weights attention_norm, mlp_norm;
    pc_norm_weights q_norm, k_norm; /* [D]; with qk_ln */
    pc_linear_weights qkv, o;
    pc_mlp_weights mlp;
} mpt_layer;

typedef struct mpt_weights {
    pc_param *embedding; /* [V,D] */
    pc_param *head;      /* [V,D]; the embedding when tied */
    pc_norm_weights norm;
    mpt_layer layers[MAX_LAYERS];
} mpt_weights;

/* What a configuration may not say. */
typedef struct refusal {
    bool found;
    const char *text;
} refusal;

static pc_status refuse(const refusal *refusals, size_t count, const char *where)
{
    for (size_t i = 0; i < count; i++) {
        if (refusals[i].found) {
            return pc_fail(PC_ERR_DATA, "%s: %s is not supported", where, refusals[i].text);
        }
    }
    return PC_OK;
}

static pc_status read_mpt(void *any, const pc_json *json, const char *where)
{
    mpt_config *config = any;
    const pc_json *attention = pc_json_get(json, "attn_config");
    const refusal refusals[] = {
        {!pc_json_get_bool(json, "no_bias", true), "no_bias false"},
        {strcmp(pc_json_get_text(attention, "attn_type", "multihead_attention"), "multihead_attention") != 0,
         "an attn_config.attn_type other than multihead_attention"},
        {!pc_json_get_bool(attention, "alibi", true), "attn_config.alibi false"},
        {pc_json_get_bool(attention, "prefix_lm", false), "attn_config.prefix_lm"},
        {!pc_json_is_null(pc_json_get(attention, "clip_qkv")), "attn_config.clip_qkv"},
        {!pc_json_is_null(pc_json_get(json, "logit_scale")), "logit_scale"},
    };
    PC_TRY(refuse(refusals, sizeof refusals / sizeof refusals[0], where));
    config->names = &mpt;
    config->alibi_bias_max = pc_json_get_number(attention, "alibi_bias_max", 8);
    config->softmax_scale = pc_json_get_number(attention, "softmax_scale", 0);
    config->qk_ln = pc_json_get_bool(attention, "qk_ln", false);
    return PC_OK;
}

static pc_status read_mosaic(void *any, const pc_json *json, const char *where)
{
    mpt_config *config = any;
    const refusal refusals[] = {
        {!pc_json_get_bool(json, "no_bias", true), "no_bias false"},
        {!pc_json_get_bool(json, "alibi", true), "alibi false"},
        {pc_json_get_bool(json, "prefix_lm", false), "prefix_lm"},
        {!pc_json_is_null(pc_json_get(json, "attn_clip_qkv")), "attn_clip_qkv"},
        {!pc_json_is_null(pc_json_get(json, "logit_scale")), "logit_scale"},
        {(config->n_heads & (config->n_heads - 1)) != 0, "an n_heads that is no power of two (whose slopes differ from MPT's)"},
    };
    config->names = &mosaic;
    return refuse(refusals, sizeof refusals / sizeof refusals[0], where);
}

static pc_status check(const void *any, const char *where)
{
    const mpt_config *config = any;
    if (config->d_model % config->n_heads) {
        return pc_fail(PC_ERR_DATA, "%s: d_model %lld is not a multiple of n_heads %lld", where, (long long)config->d_model,
                       (long long)config->n_heads);
    }
    if (!(config->alibi_bias_max > 0 && config->alibi_bias_max < 128) || !(config->softmax_scale >= 0 && config->softmax_scale < 1e6)) {
        return pc_fail(PC_ERR_DATA, "%s: alibi_bias_max and softmax_scale must be numbers above 0", where);
    }
    return PC_OK;
}

static void info(const void *any, pc_llm_info *out)
{
    const mpt_config *config = any;
    *out = (pc_llm_info){
        .width = config->d_model,
        .layers = config->n_layers,
        .vocabulary = config->vocab_size,
        .context = config->max_seq_len,
        .heads = config->n_heads,
        .key_heads = config->n_heads,
        .head_size = config->d_model / config->n_heads,
        .tied = config->tie_word_embeddings,
        .axes = 1,
        .by_distance = true,
    };
}

static void declare_norm(pc_scope *scope, pc_norm_weights *norm, int64_t width, const char *name)
{
    pc_norm_declare(scope, norm, width, false, name);
    norm->centred = true;
}

static void declare_layer(pc_scope *scope, const mpt_config *config, mpt_layer *layer, int index)
{
    int64_t width = config->d_model, hidden = config->expansion_ratio * width;
    double out = pc_residual_gain(config->n_layers);
    const pc_stack_linear linears[] = {
        {&layer->qkv, 3 * width, width, false, 1, "attn.Wqkv"},
        {&layer->o, width, width, false, out, "attn.out_proj"},
        {&layer->mlp.up, hidden, width, false, 1, config->names->up},
        {&layer->mlp.down, width, hidden, false, out, config->names->down},
    };
    const struct {
        pc_norm_weights *norm;
        const char *name;
    } norms[] = {
        {&layer->attention_norm, config->names->norm1},
        {&layer->mlp_norm, config->names->norm2},
        {&layer->q_norm, "attn.q_ln"}, /* with qk_ln, as the next */
        {&layer->k_norm, "attn.k_ln"},
    };
    pc_stack_declare(scope, linears, sizeof linears / sizeof linears[0], "transformer.blocks", index);
    for (int i = 0; i < (config->qk_ln ? 4 : 2); i++) {
        char name[128];
        snprintf(name, sizeof name, "transformer.blocks.%d.%s", index, norms[i].name);
        declare_norm(scope, norms[i].norm, width, name);
    }
}

static void declare(pc_scope *scope, const void *any, void *any_weights)
{
    const mpt_config *config = any;
    mpt_weights *weights = any_weights;
    pc_shape table = pc_dims(2, config->vocab_size, config->d_model);
    const pc_init init = PC_NORMAL(pc_scope_std(scope, config->d_model));
    weights->embedding = pc_declare(scope, init, table, "transformer.wte.weight");
    for (int64_t i = 0; i < config->n_layers; i++) {
        declare_layer(scope, config, &weights->layers[i], (int)i);
    }
    declare_norm(scope, &weights->norm, config->d_model, config->names->norm);
    weights->head = pc_stack_declare_head(scope, weights->embedding, config->tie_word_embeddings);
}

/* No rotary embedding. */
static void frequencies(const void *any, int64_t length, float *out)
{
    const mpt_config *config = any;
    (void)length;
    memset(out, 0, sizeof *out * (size_t)(config->d_model / config->n_heads / 2));
}

static pc_tensor *embed(const pc_build *build, const void *any_weights, pc_tensor *ids)
{
    const mpt_weights *weights = any_weights;
    return pc_take_rows(build->graph, pc_use(build, weights->embedding), ids); /* [T,D] */
}

/* x [T,D] (normed) -> [T,D] + residual */
static pc_tensor *attention(const pc_build *build, const mpt_config *config, const mpt_layer *layer, int index,
                            const pc_llm_io *io, pc_tensor *bias, pc_tensor *x, pc_tensor *residual)
{
    pc_graph *graph = build->graph;
    int64_t heads = config->n_heads, size = config->d_model / heads;
    double scale = config->softmax_scale > 0 ? config->softmax_scale : 1 / sqrt((double)size);
    pc_tensor *all = pc_linear_forward(build, &layer->qkv, x, NULL);          /* [T,3D] */
    all = pc_reshape(graph, all, pc_dims(3, -1, 3, config->d_model));         /* [T,3,D] */
    pc_tensor *qkv[3];
    for (int i = 0; i < 3; i++) {
        const pc_norm_weights *norm = i == 0 ? &layer->q_norm : &layer->k_norm;
        pc_tensor *part = pc_slice(graph, all, i, i + 1); /* [T,1,D] */
        part = config->qk_ln && i < 2 ? pc_norm_forward(build, norm, part, config->layer_norm_epsilon) : part;
        qkv[i] = pc_reshape(graph, part, pc_dims(3, -1, heads, size)); /* [T,H,E] */
    }
    const pc_stack_attention how = {heads, heads, size, scale, bias, NULL};
    pc_tensor *mixed = pc_stack_attend(build, io, index, qkv, &how);
    return pc_stack_end(build, io->hooks, index, PC_PROJECT_O, &layer->o, mixed, residual);
}

static pc_tensor *forward(const pc_build *build, const void *any, const void *any_weights, const pc_llm_io *io)
{
    const mpt_config *config = any;
    const mpt_weights *weights = any_weights;
    pc_graph *graph = build->graph;
    double eps = config->layer_norm_epsilon;
    int layers = (int)config->n_layers;
    const pc_alibi_params slopes = {.heads = config->n_heads, .most = config->max_seq_len, .highest = config->alibi_bias_max};
    pc_tensor *x = pc_name(graph, io->embeddings, "llm.hidden.0"); /* [T,D] */
    pc_tensor *bias = pc_alibi(graph, x, slopes);                  /* [H,2M+1] */
    pc_stack_tap(build, io, 0, x, &weights->norm, eps);
    for (int i = 0; i < layers; i++) {
        const mpt_layer *layer = &weights->layers[i];
        x = pc_hooks_before_layer(io->hooks, build, i, x);
        x = attention(build, config, layer, i, io, bias, pc_norm_forward(build, &layer->attention_norm, x, eps), x);
        x = pc_hooks_after_attention(io->hooks, build, i, x);
        pc_tensor *h = pc_norm_forward(build, &layer->mlp_norm, x, eps);
        x = pc_stack_mlp(build, io->hooks, i, &layer->mlp, PC_ACT_GELU, h, x);
        x = pc_layer_end(graph, pc_name(graph, x, "llm.hidden.%d", i + 1));
        pc_stack_tap(build, io, i + 1, x, &weights->norm, eps);
    }
    x = pc_hooks_before_layer(io->hooks, build, layers, x);
    return pc_name(graph, pc_norm_forward(build, &weights->norm, x, eps), "llm.norm");
}

static pc_tensor *head(const pc_build *build, const void *any, const void *any_weights, pc_tensor *hidden)
{
    const mpt_weights *weights = any_weights;
    const pc_linear_weights logits = {.weight = weights->head};
    (void)any;
    return pc_linear_forward(build, &logits, hidden, NULL); /* [R,V] */
}

#define FAMILY(symbol, table, reader)                           \
    const pc_llm_type pc_llm_##symbol = {                       \
        .model_type = #symbol,                                  \
        .fields = {table, sizeof table / sizeof table[0]},      \
        .config_size = sizeof(mpt_config),                      \
        .weights_size = sizeof(mpt_weights),                    \
        .read = reader,                                         \
        .check = check,                                         \
        .info = info,                                           \
        .declare = declare,                                     \
        .frequencies = frequencies,                             \
        .embed = embed,                                         \
        .forward = forward,                                     \
        .head = head,                                           \
    }

FAMILY(mpt, fields, read_mpt);
FAMILY(mosaic_gpt, mosaic_fields, read_mosaic);
