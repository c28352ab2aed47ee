/* OPT: a decoder with learned positions, LayerNorms and a ReLU MLP.
 *
 *   x = embedding + position;  L times: x += out(attention(LN x)); x += fc2(relu(fc1(LN x)));  then LN.
 *
 * Source: Zhang et al. 2022 (arXiv:2205.01068); transformers models/opt (names).
 * Easy to get wrong: row p + 2 of the table is position p; the 350M model has its norms behind the sums, no norm at the
 * end, and embeddings of half the width with a projection in and out (which belong to embedding and head here: soft tokens
 * have the decoder's width); the final norm of a layer ("final_layer_norm") is the one before its MLP.
 */
#include "llm/stack.h"
#include "ops/add.h"
#include "ops/rows.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_LAYERS = 256, FIRST_POSITION = 2 };

static const double EPS = 1e-5; /* torch's LayerNorm */

typedef struct opt_config {
    int64_t vocab_size, hidden_size, num_hidden_layers, ffn_dim, num_attention_heads, max_position_embeddings;
    int64_t word_embed_proj_dim; /* 0 = hidden_size */
    char *activation_function;
    bool do_layer_norm_before, tie_word_embeddings, enable_bias, layer_norm_elementwise_affine, _remove_final_layer_norm;
} opt_config;

#define FIELD(key, kind, def, lo, hi, text) \
    {.name = #key, .type = kind, .offset = offsetof(opt_config, key), .fallback = def, .low = lo, .high = hi, .help = text}

static const pc_field fields[] = {
    FIELD(vocab_size, PC_FIELD_INT, "50272", 1, 1 << 24, "entries of the vocabulary"),
    FIELD(hidden_size, PC_FIELD_INT, "768", 1, 65536, "width"),
    FIELD(num_hidden_layers, PC_FIELD_INT, "12", 1, MAX_LAYERS, "layers"),
    FIELD(ffn_dim, PC_FIELD_INT, "3072", 1, 1 << 20, "width of the MLP"),
    FIELD(num_attention_heads, PC_FIELD_INT, "12", 1, 1024, "attention heads"),
    FIELD(max_position_embeddings, PC_FIELD_INT, "2048", 1, 1 << 20, "positions"),
    FIELD(word_embed_proj_dim, PC_FIELD_INT, "0", 0, 65536, "width of the embeddings; 0 = hidden_size"),
    FIELD(activation_function, PC_FIELD_TEXT, "relu", 0, 0, "activation of the MLP"),
    FIELD(do_layer_norm_before, PC_FIELD_BOOL, "true", 0, 0, "norms before attention and MLP, not behind them"),
    FIELD(tie_word_embeddings, PC_FIELD_BOOL, "true", 0, 0, "the head is the embedding table"),
    FIELD(enable_bias, PC_FIELD_BOOL, "true", 0, 0, "biases"),
    FIELD(layer_norm_elementwise_affine, PC_FIELD_BOOL, "true", 0, 0, "norms have weights"),
    FIELD(_remove_final_layer_norm, PC_FIELD_BOOL, "false", 0, 0, "no norm behind the last layer"),
};

typedef struct opt_layer {
    pc_norm_weights attention_norm, mlp_norm;
    pc_linear_weights q, k, v, o;
    pc_mlp_weights mlp;
} opt_layer;

typedef struct opt_weights {
    pc_param *embedding; /* [V,W] */
    pc_param *head;      /* [V,W]; the embedding when tied */
    pc_param *positions; /* [2+C,D] */
    pc_linear_weights project_in, project_out; /* [D,W], [W,D]; NULL when W = D */
    pc_norm_weights norm;                      /* NULL when there is none */
    opt_layer layers[MAX_LAYERS];
} opt_weights;

static int64_t embedding_width(const opt_config *config)
{
    return config->word_embed_proj_dim ? config->word_embed_proj_dim : config->hidden_size;
}

static pc_status read(void *any, const pc_json *json, const char *where)
{
    opt_config *config = any;
    (void)where;
    if (pc_json_get(json, "word_embed_proj_dim") && pc_json_is_null(pc_json_get(json, "word_embed_proj_dim"))) {
        config->word_embed_proj_dim = 0;
    }
    return PC_OK;
}

static pc_status check(const void *any, const char *where)
{
    const opt_config *config = any;
    if (config->hidden_size % config->num_attention_heads) {
        return pc_fail(PC_ERR_DATA, "%s: hidden_size %lld is not a multiple of num_attention_heads %lld", where,
                       (long long)config->hidden_size, (long long)config->num_attention_heads);
    }
    if (pc_activation_from_name(config->activation_function) < 0) {
        return pc_fail(PC_ERR_DATA, "%s: activation_function '%s' is unknown", where, config->activation_function);
    }
    return config->layer_norm_elementwise_affine
               ? PC_OK
               : pc_fail(PC_ERR_DATA, "%s: layer_norm_elementwise_affine false is not supported", where);
}

static void info(const void *any, pc_llm_info *out)
{
    const opt_config *config = any;
    *out = (pc_llm_info){
        .width = config->hidden_size,
        .layers = config->num_hidden_layers,
        .vocabulary = config->vocab_size,
        .context = config->max_position_embeddings,
        .key_heads = config->num_attention_heads,
        .head_size = config->hidden_size / config->num_attention_heads,
        .tied = config->tie_word_embeddings,
        .axes = 1,
        .position_table = true,
    };
}

static void declare_layer(pc_scope *scope, const opt_config *config, opt_layer *layer, int index)
{
    int64_t width = config->hidden_size, hidden = config->ffn_dim;
    double out = pc_residual_gain(config->num_hidden_layers);
    bool bias = config->enable_bias;
    char name[128];
    const pc_stack_linear linears[] = {
        {&layer->k, width, width, bias, 1, "self_attn.k_proj"}, {&layer->v, width, width, bias, 1, "self_attn.v_proj"},
        {&layer->q, width, width, bias, 1, "self_attn.q_proj"}, {&layer->o, width, width, bias, out, "self_attn.out_proj"},
        {&layer->mlp.up, hidden, width, bias, 1, "fc1"},        {&layer->mlp.down, width, hidden, bias, out, "fc2"},
    };
    pc_stack_declare(scope, linears, sizeof linears / sizeof linears[0], "model.decoder.layers", index);
    snprintf(name, sizeof name, "model.decoder.layers.%d.self_attn_layer_norm", index);
    pc_norm_declare(scope, &layer->attention_norm, width, true, name);
    snprintf(name, sizeof name, "model.decoder.layers.%d.final_layer_norm", index);
    pc_norm_declare(scope, &layer->mlp_norm, width, true, name);
}

static void declare(pc_scope *scope, const void *any, void *any_weights)
{
    const opt_config *config = any;
    opt_weights *weights = any_weights;
    int64_t width = config->hidden_size, outer = embedding_width(config);
    pc_shape table = pc_dims(2, config->vocab_size, outer);
    weights->embedding = pc_declare(scope, PC_NORMAL(pc_scope_std(scope, outer)), table, "model.decoder.embed_tokens.weight");
    weights->positions = pc_declare(scope, PC_NORMAL(pc_scope_std(scope, width)),
                                    pc_dims(2, FIRST_POSITION + config->max_position_embeddings, width),
                                    "model.decoder.embed_positions.weight");
    if (outer != width) {
        pc_linear_declare(scope, &weights->project_in, width, outer, false, 1, "model.decoder.project_in");
        pc_linear_declare(scope, &weights->project_out, outer, width, false, 1, "model.decoder.project_out");
    }
    for (int64_t i = 0; i < config->num_hidden_layers; i++) {
        declare_layer(scope, config, &weights->layers[i], (int)i);
    }
    if (config->do_layer_norm_before && !config->_remove_final_layer_norm) {
        pc_norm_declare(scope, &weights->norm, width, true, "model.decoder.final_layer_norm");
    }
    weights->head = pc_stack_declare_head(scope, weights->embedding, config->tie_word_embeddings);
}

/* No rotary embedding. */
static void frequencies(const void *any, int64_t length, float *out)
{
    const opt_config *config = any;
    (void)length;
    memset(out, 0, sizeof *out * (size_t)(config->hidden_size / config->num_attention_heads / 2));
}

static pc_tensor *embed(const pc_build *build, const void *any_weights, pc_tensor *ids)
{
    const opt_weights *weights = any_weights;
    pc_tensor *x = pc_take_rows(build->graph, pc_use(build, weights->embedding), ids);
    return weights->project_in.weight ? pc_linear_forward(build, &weights->project_in, x, NULL) : x; /* [T,D] */
}

/* x [T,D] -> [T,D] + residual */
static pc_tensor *attention(const pc_build *build, const opt_config *config, const opt_layer *layer, int index,
                            const pc_llm_io *io, pc_tensor *x, pc_tensor *residual)
{
    pc_graph *graph = build->graph;
    int64_t size = config->hidden_size / config->num_attention_heads;
    pc_shape heads = pc_dims(3, -1, config->num_attention_heads, size);
    pc_tensor *q = pc_reshape(graph, pc_hooks_project(io->hooks, build, index, PC_PROJECT_Q, &layer->q, x, NULL), heads);
    pc_tensor *k = pc_reshape(graph, pc_hooks_project(io->hooks, build, index, PC_PROJECT_K, &layer->k, x, NULL), heads);
    pc_tensor *v = pc_reshape(graph, pc_hooks_project(io->hooks, build, index, PC_PROJECT_V, &layer->v, x, NULL), heads);
    const pc_stack_attention how = {config->num_attention_heads, config->num_attention_heads, size, 1 / sqrt((double)size), NULL, NULL};
    pc_tensor *mixed = pc_stack_attend(build, io, index, (pc_tensor *[]){q, k, v}, &how);
    return pc_stack_end(build, io->hooks, index, PC_PROJECT_O, &layer->o, mixed, residual);
}

static pc_tensor *layer_forward(const pc_build *build, const opt_config *config, const opt_layer *layer, int i,
                                const pc_llm_io *io, pc_tensor *x)
{
    bool before = config->do_layer_norm_before;
    pc_activation kind = (pc_activation)pc_activation_from_name(config->activation_function);
    x = pc_hooks_before_layer(io->hooks, build, i, x);
    pc_tensor *h = before ? pc_norm_forward(build, &layer->attention_norm, x, EPS) : x;
    x = attention(build, config, layer, i, io, h, x);
    x = before ? x : pc_norm_forward(build, &layer->attention_norm, x, EPS);
    x = pc_hooks_after_attention(io->hooks, build, i, x);
    h = before ? pc_norm_forward(build, &layer->mlp_norm, x, EPS) : x;
    x = pc_stack_mlp(build, io->hooks, i, &layer->mlp, kind, h, x);
    x = before ? x : pc_norm_forward(build, &layer->mlp_norm, x, EPS);
    return pc_layer_end(build->graph, pc_name(build->graph, x, "llm.hidden.%d", i + 1));
}

static pc_tensor *final_norm(const pc_build *build, const opt_weights *weights, pc_tensor *x)
{
    return weights->norm.weight ? pc_norm_forward(build, &weights->norm, x, EPS) : x;
}

static pc_tensor *forward(const pc_build *build, const void *any, const void *any_weights, const pc_llm_io *io)
{
    const opt_config *config = any;
    const opt_weights *weights = any_weights;
    pc_graph *graph = build->graph;
    int layers = (int)config->num_hidden_layers;
    pc_tensor *positions = pc_reshape(graph, io->positions, pc_dims(1, -1));
    pc_tensor *table = pc_reshape(graph, pc_use(build, weights->positions), pc_dims(3, 1, -1, config->hidden_size));
    table = pc_reshape(graph, pc_slice(graph, table, FIRST_POSITION, 0), pc_dims(2, -1, config->hidden_size)); /* [C,D] */
    pc_tensor *x = pc_add(graph, io->embeddings, pc_take_rows(graph, table, positions)); /* [T,D] */
    x = pc_name(graph, x, "llm.hidden.0");
    pc_stack_tap(build, io, 0, x, &weights->norm, EPS);
    for (int i = 0; i < layers; i++) {
        x = layer_forward(build, config, &weights->layers[i], i, io, x);
        pc_stack_tap(build, io, i + 1, x, &weights->norm, EPS);
    }
    x = pc_hooks_before_layer(io->hooks, build, layers, x);
    return pc_name(graph, final_norm(build, weights, x), "llm.norm");
}

static pc_tensor *head(const pc_build *build, const void *any, const void *any_weights, pc_tensor *hidden)
{
    const opt_weights *weights = any_weights;
    const pc_linear_weights logits = {.weight = weights->head};
    (void)any;
    if (weights->project_out.weight) {
        hidden = pc_linear_forward(build, &weights->project_out, hidden, NULL); /* [R,W] */
    }
    return pc_linear_forward(build, &logits, hidden, NULL); /* [R,V] */
}

const pc_llm_type pc_llm_opt = {
    .model_type = "opt",
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .config_size = sizeof(opt_config),
    .weights_size = sizeof(opt_weights),
    .read = read,
    .check = check,
    .info = info,
    .declare = declare,
    .frequencies = frequencies,
    .embed = embed,
    .forward = forward,
    .head = head,
};
