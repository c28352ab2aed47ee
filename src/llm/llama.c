/* LLaMA and what shares its block (Vicuna, TinyLlama, llama2.c models).
 *
 *   h = x + o_proj(attention(rope(q), rope(k), v)) with q,k,v of RMSNorm(x);  x = h + down(silu(gate n) * up n), n = RMSNorm(h)
 *   ... L times, then RMSNorm.
 *
 * Source: Touvron et al. 2023 (arXiv:2302.13971, 2307.09288); transformers models/llama/modeling_llama.py.
 * Easy to get wrong: Hugging Face's q and k rows are permuted for rotate-half pairs (j, j + E/2), and so are all that
 * come here: the import of llama2.c, whose pairs are interleaved, puts them in this order; statistics of the norm in f32; key head of query head h is h / (H/K).
 */
#include "llm/llm.h"
#include "ops/attention.h"
#include "ops/matmul.h"
#include "ops/rope.h"
#include "ops/rows.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_LAYERS = 256 };

typedef struct llama_config {
    int64_t vocab_size, hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, num_key_value_heads;
    int64_t head_dim, max_position_embeddings;
    char *hidden_act;
    double rms_norm_eps, rope_theta;
    bool tie_word_embeddings, attention_bias, mlp_bias;
} llama_config;

#define FIELD(key, kind, def, lo, hi, text) \
    {.name = #key, .type = kind, .offset = offsetof(llama_config, key), .fallback = def, .low = lo, .high = hi, .help = text}

static const pc_field fields[] = {
    FIELD(vocab_size, PC_FIELD_INT, "32000", 1, 1 << 24, "entries of the vocabulary"),
    FIELD(hidden_size, PC_FIELD_INT, "4096", 1, 65536, "width"),
    FIELD(intermediate_size, PC_FIELD_INT, "11008", 1, 262144, "width of the MLP"),
    FIELD(num_hidden_layers, PC_FIELD_INT, "32", 1, MAX_LAYERS, "blocks"),
    FIELD(num_attention_heads, PC_FIELD_INT, "32", 1, 1024, "query heads"),
    FIELD(num_key_value_heads, PC_FIELD_INT, "0", 0, 1024, "key and value heads; 0 = as many as query heads"),
    FIELD(head_dim, PC_FIELD_INT, "0", 0, 1024, "features of a head; 0 = hidden_size / num_attention_heads"),
    FIELD(max_position_embeddings, PC_FIELD_INT, "2048", 1, 1 << 24, "longest sequence"),
    FIELD(hidden_act, PC_FIELD_TEXT, "silu", 0, 0, "activation of the gate"),
    FIELD(rms_norm_eps, PC_FIELD_FLOAT, "1e-6", 0, 1, "epsilon of the norms"),
    FIELD(rope_theta, PC_FIELD_FLOAT, "10000", 1, 1e12, "base of the rotary frequencies"),
    FIELD(tie_word_embeddings, PC_FIELD_BOOL, "false", 0, 0, "the head is the embedding table"),
    FIELD(attention_bias, PC_FIELD_BOOL, "false", 0, 0, "biases in the attention projections"),
    FIELD(mlp_bias, PC_FIELD_BOOL, "false", 0, 0, "biases in the MLP"),
};

typedef struct llama_layer {
    pc_norm_weights input_norm, post_norm;
    pc_linear_weights q, k, v, o;
    pc_glu_weights mlp;
} llama_layer;

typedef struct llama_weights {
    pc_param *embedding; /* [V,D] */
    pc_param *head;      /* [V,D]; the embedding when tied */
    pc_norm_weights norm;
    llama_layer layers[MAX_LAYERS];
} llama_weights;

static int64_t key_heads(const llama_config *config)
{
    return config->num_key_value_heads ? config->num_key_value_heads : config->num_attention_heads;
}

static int64_t head_size(const llama_config *config)
{
    return config->head_dim ? config->head_dim : config->hidden_size / config->num_attention_heads;
}

static pc_status check(const void *any, const char *where)
{
    const llama_config *config = any;
    if (!config->head_dim && config->hidden_size % config->num_attention_heads) {
        return pc_fail(PC_ERR_DATA, "%s: hidden_size %lld is not a multiple of num_attention_heads %lld", where,
                       (long long)config->hidden_size, (long long)config->num_attention_heads);
    }
    if (config->num_attention_heads % key_heads(config)) {
        return pc_fail(PC_ERR_DATA, "%s: num_attention_heads %lld is not a multiple of num_key_value_heads %lld", where,
                       (long long)config->num_attention_heads, (long long)key_heads(config));
    }
    if (head_size(config) % 2) {
        return pc_fail(PC_ERR_DATA, "%s: the head size %lld is odd; rotary embedding needs pairs", where,
                       (long long)head_size(config));
    }
    if (pc_activation_from_name(config->hidden_act) < 0) {
        return pc_fail(PC_ERR_DATA, "%s: hidden_act '%s' is unknown", where, config->hidden_act);
    }
    return PC_OK;
}

static void info(const void *any, pc_llm_info *out)
{
    const llama_config *config = any;
    *out = (pc_llm_info){
        .width = config->hidden_size,
        .layers = config->num_hidden_layers,
        .vocabulary = config->vocab_size,
        .context = config->max_position_embeddings,
        .key_heads = key_heads(config),
        .head_size = head_size(config),
        .tied = config->tie_word_embeddings,
    };
}

static void declare_layer(pc_scope *scope, const llama_config *config, llama_layer *layer, int index)
{
    int64_t width = config->hidden_size, hidden = config->intermediate_size, size = head_size(config);
    int64_t rows = config->num_attention_heads * size, key_rows = key_heads(config) * size;
    double out = pc_residual_gain(config->num_hidden_layers);
    bool bias = config->attention_bias, mlp_bias = config->mlp_bias;
    char name[128];
    const struct {
        pc_linear_weights *weights;
        int64_t out, in;
        bool bias;
        double gain;
        const char *name;
    } linears[] = {
        {&layer->q, rows, width, bias, 1, "self_attn.q_proj"},
        {&layer->k, key_rows, width, bias, 1, "self_attn.k_proj"},
        {&layer->v, key_rows, width, bias, 1, "self_attn.v_proj"},
        {&layer->o, width, rows, bias, out, "self_attn.o_proj"},
        {&layer->mlp.gate, hidden, width, mlp_bias, 1, "mlp.gate_proj"},
        {&layer->mlp.up, hidden, width, mlp_bias, 1, "mlp.up_proj"},
        {&layer->mlp.down, width, hidden, mlp_bias, out, "mlp.down_proj"},
    };
    for (size_t i = 0; i < sizeof linears / sizeof linears[0]; i++) {
        snprintf(name, sizeof name, "model.layers.%d.%s", index, linears[i].name);
        pc_linear_declare(scope, linears[i].weights, linears[i].out, linears[i].in, linears[i].bias, linears[i].gain,
                          name);
    }
    snprintf(name, sizeof name, "model.layers.%d.input_layernorm", index);
    pc_norm_declare(scope, &layer->input_norm, width, false, name);
    snprintf(name, sizeof name, "model.layers.%d.post_attention_layernorm", index);
    pc_norm_declare(scope, &layer->post_norm, width, false, name);
}

static void declare(pc_scope *scope, const void *any, void *any_weights)
{
    const llama_config *config = any;
    llama_weights *weights = any_weights;
    pc_shape table = pc_dims(2, config->vocab_size, config->hidden_size);
    weights->embedding = pc_declare(scope, PC_NORMAL(pc_scope_std(scope, config->hidden_size)), table, "model.embed_tokens.weight");
    for (int64_t i = 0; i < config->num_hidden_layers; i++) {
        declare_layer(scope, config, &weights->layers[i], (int)i);
    }
    pc_norm_declare(scope, &weights->norm, config->hidden_size, false, "model.norm");
    weights->head = config->tie_word_embeddings
                        ? weights->embedding
                        : pc_declare(scope, PC_NORMAL(pc_scope_std(scope, config->hidden_size)), table, "lm_head.weight");
}

static void frequencies(const void *any, float *out)
{
    const llama_config *config = any;
    int64_t size = head_size(config);
    for (int64_t j = 0; j < size / 2; j++) {
        /* In f32, as transformers computes them. */
        out[j] = 1.0f / powf((float)config->rope_theta, (float)(2 * j) / (float)size);
    }
}

static pc_tensor *embed(const pc_build *build, const void *any_weights, pc_tensor *ids)
{
    const llama_weights *weights = any_weights;
    return pc_take_rows(build->graph, pc_use(build, weights->embedding), ids);
}

/* x [T,D] (normed) -> [T,D] + residual */
static pc_tensor *attention(const pc_build *build, const llama_config *config, const llama_layer *layer, int index,
                            const pc_llm_io *io, pc_tensor *x, pc_tensor *residual)
{
    pc_graph *graph = build->graph;
    int64_t size = head_size(config);
    const pc_rope_params rope = {.interleaved = false};
    pc_tensor *q = pc_hooks_project(io->hooks, build, index, PC_PROJECT_Q, &layer->q, x, NULL);
    pc_tensor *k = pc_hooks_project(io->hooks, build, index, PC_PROJECT_K, &layer->k, x, NULL);
    pc_tensor *v = pc_hooks_project(io->hooks, build, index, PC_PROJECT_V, &layer->v, x, NULL);
    q = pc_reshape(graph, q, pc_dims(3, -1, config->num_attention_heads, size)); /* [T,H,E] */
    k = pc_reshape(graph, k, pc_dims(3, -1, key_heads(config), size));           /* [T,K,E] */
    v = pc_reshape(graph, v, pc_dims(3, -1, key_heads(config), size));
    q = pc_rope(graph, q, io->positions, io->frequencies, rope);
    k = pc_rope(graph, k, io->positions, io->frequencies, rope);
    if (io->cache) {
        k = pc_store_rows(graph, io->cache[index].keys, k, io->cache_rows); /* [S,K,E] */
        v = pc_store_rows(graph, io->cache[index].values, v, io->cache_rows);
    }
    pc_tensor *mixed = pc_attention(graph, q, k, v, io->ranges, NULL, 1 / sqrt((double)size));
    mixed = pc_reshape(graph, mixed, pc_dims(2, -1, config->num_attention_heads * size));
    return pc_hooks_project(io->hooks, build, index, PC_PROJECT_O, &layer->o, mixed, residual);
}

static pc_tensor *mlp(const pc_build *build, const llama_config *config, const llama_layer *layer, int index,
                      const pc_hooks *hooks, pc_tensor *x, pc_tensor *residual)
{
    pc_activation kind = (pc_activation)pc_activation_from_name(config->hidden_act);
    pc_tensor *gate = pc_hooks_project(hooks, build, index, PC_PROJECT_GATE, &layer->mlp.gate, x, NULL); /* [T,F] */
    pc_tensor *up = pc_hooks_project(hooks, build, index, PC_PROJECT_UP, &layer->mlp.up, x, NULL);       /* [T,F] */
    pc_tensor *hidden = pc_glu(build->graph, gate, up, kind);
    return pc_hooks_project(hooks, build, index, PC_PROJECT_DOWN, &layer->mlp.down, hidden, residual); /* [T,D] */
}

static pc_tensor *forward(const pc_build *build, const void *any, const void *any_weights, const pc_llm_io *io)
{
    const llama_config *config = any;
    const llama_weights *weights = any_weights;
    pc_graph *graph = build->graph;
    double eps = config->rms_norm_eps;
    int layers = (int)config->num_hidden_layers;
    pc_tensor *x = pc_name(graph, io->embeddings, "llm.hidden.0"); /* [T,D] */
    for (int i = 0; i < layers; i++) {
        const llama_layer *layer = &weights->layers[i];
        x = pc_hooks_before_layer(io->hooks, build, i, x);
        pc_tensor *h = pc_norm_forward(build, &layer->input_norm, x, eps);
        x = attention(build, config, layer, i, io, h, x);
        x = pc_hooks_after_attention(io->hooks, build, i, x);
        h = pc_norm_forward(build, &layer->post_norm, x, eps);
        x = mlp(build, config, layer, i, io->hooks, h, x);
        x = pc_name(graph, x, "llm.hidden.%d", i + 1);
    }
    x = pc_hooks_before_layer(io->hooks, build, layers, x);
    return pc_name(graph, pc_norm_forward(build, &weights->norm, x, eps), "llm.norm");
}

static pc_tensor *head(const pc_build *build, const void *any, const void *any_weights, pc_tensor *hidden)
{
    const llama_weights *weights = any_weights;
    (void)any;
    return pc_linear(build->graph, hidden, pc_use(build, weights->head), NULL, NULL, build->compute); /* [R,V] */
}

const pc_llm_type pc_llm_llama = {
    .model_type = "llama",
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .config_size = sizeof(llama_config),
    .weights_size = sizeof(llama_weights),
    .check = check,
    .info = info,
    .declare = declare,
    .frequencies = frequencies,
    .embed = embed,
    .forward = forward,
    .head = head,
};
