/* The decoder block of LLaMA, which Mistral, Mixtral, Qwen2 and StableLM share.
 *
 *   h = x + o_proj(attention(rope(q), rope(k), v)) with q,k,v of RMSNorm(x);  x = h + down(silu(gate n) * up n), n = RMSNorm(h)
 *   ... L times, then RMSNorm.
 *
 * Source: Touvron et al. 2023 (arXiv:2302.13971, 2307.09288); transformers models/llama/modeling_llama.py.
 * Easy to get wrong: Hugging Face's q and k rows are permuted for rotate-half pairs (j, j + E/2), and so are all that
 * come here: the import of llama2.c, whose pairs are interleaved, puts them in this order; statistics of the norm in f32;
 * key head of query head h is h / (H/K); with attention sinks keys keep the rotation of their position for good, and it is the
 * query that turns twice, for the sinks and for its window: products depend on differences alone; yarn's factor stands at queries and keys, so that its square scales the products.
 */
#include "llm/decoder.h"

#include "ops/log_scale.h"
#include "ops/part.h"
#include "ops/rope.h"
#include "ops/rows.h"
#include "ops/window.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int64_t key_heads(const pc_decoder_config *config)
{
    return config->num_key_value_heads ? config->num_key_value_heads : config->num_attention_heads;
}

static int64_t mlp_width(const pc_decoder_config *config)
{
    return config->intermediate_size / (config->mlp_divisor ? config->mlp_divisor : 1);
}

static int64_t head_size(const pc_decoder_config *config)
{
    return config->head_dim ? config->head_dim : config->hidden_size / config->num_attention_heads;
}

static pc_status read_layer_types(pc_decoder_config *config, const pc_json *types, const char *where)
{
    if (!pc_json_is_array(types) || (int64_t)pc_json_length(types) != config->num_hidden_layers) {
        return pc_fail(PC_ERR_DATA, "%s: layer_types must name each of the %lld layers", where,
                       (long long)config->num_hidden_layers);
    }
    for (int64_t i = 0; i < config->num_hidden_layers; i++) {
        const char *type = pc_json_text(pc_json_at(types, (size_t)i));
        bool sliding = type && strcmp(type, "sliding_attention") == 0;
        if (!sliding && (!type || strcmp(type, "full_attention") != 0)) {
            return pc_fail(PC_ERR_DATA, "%s: layer_types: '%.40s' is neither full_attention nor sliding_attention", where,
                           type ? type : "(no text)");
        }
        config->windowed[i] = sliding;
    }
    return PC_OK;
}

/* Features of a head that rotate. */
static int64_t rotary_size(const pc_decoder_config *config)
{
    double share = config->block.rotary_share;
    return share > 0 ? (int64_t)((double)head_size(config) * share) : head_size(config);
}

static pc_status read_sparse(pc_decoder_config *config, const pc_json *json, const char *where)
{
    config->moe.width = config->hidden_size;
    config->moe.hidden = mlp_width(config);
    return pc_moe_layers(config->sparse, config->num_hidden_layers, &config->moe, json, where);
}

/* The share that the file says, where not all features of a head need rotate. */
static pc_status take_share(pc_decoder_block *block, double found, const char *where)
{
    if (found == 0) {
        return PC_OK;
    }
    if (block->rotary_share == 0 && found != 1) {
        return pc_fail(PC_ERR_DATA, "%s: partial_rotary_factor other than 1 is not supported", where);
    }
    if (!(found > 0 && found <= 1)) {
        return pc_fail(PC_ERR_DATA, "%s: partial_rotary_factor must be above 0 and at most 1", where);
    }
    block->rotary_share = block->rotary_share > 0 ? found : 0;
    return PC_OK;
}

pc_status pc_decoder_read(void *any, const pc_json *json, const char *where)
{
    pc_decoder_config *config = any;
    PC_TRY(read_sparse(config, json, where));
    PC_TRY(pc_rotary_read(&config->rotary, json, config->rope_theta, config->max_position_embeddings, where));
    PC_TRY(take_share(&config->block, config->rotary.share, where));
    if (pc_json_get(json, "num_key_value_heads") && pc_json_is_null(pc_json_get(json, "num_key_value_heads"))) {
        config->num_key_value_heads = 0;
    }
    if (pc_json_get(json, "sliding_window") && pc_json_is_null(pc_json_get(json, "sliding_window"))) {
        config->sliding_window = 0;
    }
    if (!config->use_sliding_window) {
        config->sliding_window = 0;
    }
    if (config->sliding_window && !pc_json_is_null(pc_json_get(json, "layer_types"))) {
        return read_layer_types(config, pc_json_get(json, "layer_types"), where);
    }
    for (int64_t i = 0; i < config->num_hidden_layers; i++) {
        config->windowed[i] = config->sliding_window > 0 && i >= config->max_window_layers;
    }
    return PC_OK;
}

pc_status pc_decoder_check(const void *any, const char *where)
{
    const pc_decoder_config *config = any;
    if (!config->head_dim && config->hidden_size % config->num_attention_heads) {
        return pc_fail(PC_ERR_DATA, "%s: hidden_size %lld is not a multiple of num_attention_heads %lld", where,
                       (long long)config->hidden_size, (long long)config->num_attention_heads);
    }
    if (config->num_attention_heads % key_heads(config)) {
        return pc_fail(PC_ERR_DATA, "%s: num_attention_heads %lld is not a multiple of num_key_value_heads %lld", where,
                       (long long)config->num_attention_heads, (long long)key_heads(config));
    }
    if (rotary_size(config) % 2 || rotary_size(config) < 2) {
        return pc_fail(PC_ERR_DATA, "%s: %lld features of a head of %lld rotate; rotary embedding needs pairs", where,
                       (long long)rotary_size(config), (long long)head_size(config));
    }
    const int32_t *sections = config->rotary.sections;
    if (sections[0] && 2 * ((int64_t)sections[0] + sections[1] + sections[2]) != head_size(config)) {
        return pc_fail(PC_ERR_DATA, "%s: mrope_section adds up to %lld, expected half of the head size %lld", where,
                       (long long)sections[0] + sections[1] + sections[2], (long long)head_size(config));
    }
    if (pc_activation_from_name(config->hidden_act) < 0) {
        return pc_fail(PC_ERR_DATA, "%s: hidden_act '%s' is unknown", where, config->hidden_act);
    }
    return config->moe.experts ? pc_moe_check(&config->moe, where) : PC_OK;
}

void pc_decoder_info(const void *any, pc_llm_info *out)
{
    const pc_decoder_config *config = any;
    *out = (pc_llm_info){
        .width = config->hidden_size,
        .layers = config->num_hidden_layers,
        .vocabulary = config->vocab_size,
        .context = config->max_position_embeddings,
        .heads = config->num_attention_heads,
        .key_heads = key_heads(config),
        .hidden = mlp_width(config),
        .head_size = head_size(config),
        .tied = config->tie_word_embeddings,
        .axes = config->rotary.sections[0] ? PC_ROPE_AXES : 1,
        .streams = !config->rotary.sections[0],
        .rotary_limit = config->rotary.kind == PC_ROTARY_DYNAMIC  ? config->max_position_embeddings
                        : config->rotary.kind == PC_ROTARY_PROMPT ? (int64_t)config->rotary.original
                                                                  : 0,
        .rotary_of_prompt = config->rotary.kind == PC_ROTARY_PROMPT,
    };
}

/* Norms of each head, one array: [H,E]. */
static void declare_head_norm(pc_scope *scope, pc_norm_weights *norm, int64_t heads, int64_t size, const char *name, int index)
{
    norm->weight = pc_declare(scope, PC_ONES, pc_dims(2, heads, size), "model.layers.%d.self_attn.%s.weight", index, name);
    norm->centred = true;
    if (scope->status == PC_OK) {
        norm->weight->any_type = norm->weight->decays = false; /* as any norm's */
    }
}

static void declare_layer(pc_scope *scope, const pc_decoder_config *config, pc_decoder_layer *layer, int index)
{
    int64_t width = config->hidden_size, hidden = mlp_width(config), size = head_size(config);
    int64_t rows = config->num_attention_heads * size, key_rows = key_heads(config) * size;
    double out = pc_residual_gain(config->num_hidden_layers);
    bool bias = config->attention_bias, qkv = bias || config->qkv_bias, mlp_bias = config->mlp_bias;
    char name[128];
    const pc_stack_linear linears[] = {
        {&layer->q, rows, width, qkv, 1, "self_attn.q_proj"},
        {&layer->k, key_rows, width, qkv, 1, "self_attn.k_proj"},
        {&layer->v, key_rows, width, qkv, 1, "self_attn.v_proj"},
        {&layer->o, width, rows, bias, out, "self_attn.o_proj"},
        /* What sparse layers don't have. */
        {&layer->mlp.gate, hidden, width, mlp_bias, 1, "mlp.gate_proj"},
        {&layer->mlp.up, hidden, width, mlp_bias, 1, "mlp.up_proj"},
        {&layer->mlp.down, width, hidden, mlp_bias, out, "mlp.down_proj"},
    };
    enum { OF_ATTENTION = 4 };
    size_t count = config->sparse[index] ? OF_ATTENTION : sizeof linears / sizeof linears[0];
    pc_stack_declare(scope, linears, count, "model.layers", index);
    if (config->block.head_norms) {
        declare_head_norm(scope, &layer->q_norm, config->num_attention_heads, size, "q_layernorm", index);
        declare_head_norm(scope, &layer->k_norm, key_heads(config), size, "k_layernorm", index);
    }
    if (config->sparse[index]) {
        snprintf(name, sizeof name, "model.layers.%d.block_sparse_moe", index);
        pc_moe_declare(scope, &layer->moe, &config->moe, config->num_hidden_layers, name);
    }
    snprintf(name, sizeof name, "model.layers.%d.input_layernorm", index);
    pc_norm_declare(scope, &layer->input_norm, width, config->block.layer_norm, name);
    if (!config->block.parallel) {
        snprintf(name, sizeof name, "model.layers.%d.post_attention_layernorm", index);
        pc_norm_declare(scope, &layer->post_norm, width, config->block.layer_norm, name);
    }
}

void pc_decoder_declare(pc_scope *scope, const void *any, void *any_weights)
{
    const pc_decoder_config *config = any;
    pc_decoder_weights *weights = any_weights;
    pc_shape table = pc_dims(2, config->vocab_size, config->hidden_size);
    weights->embedding = pc_declare(scope, PC_NORMAL(pc_scope_std(scope, config->hidden_size)), table, "model.embed_tokens.weight");
    for (int64_t i = 0; i < config->num_hidden_layers; i++) {
        declare_layer(scope, config, &weights->layers[i], (int)i);
    }
    pc_norm_declare(scope, &weights->norm, config->hidden_size, config->block.layer_norm, "model.norm");
    weights->head = pc_stack_declare_head(scope, weights->embedding, config->tie_word_embeddings);
}

void pc_decoder_frequencies(const void *any, int64_t length, float *out)
{
    const pc_decoder_config *config = any;
    memset(out, 0, sizeof *out * (size_t)(head_size(config) / 2)); /* those that don't rotate */
    pc_rotary_frequencies(&config->rotary, rotary_size(config), length, out);
}

pc_tensor *pc_decoder_embed(const pc_build *build, const void *any_weights, pc_tensor *ids)
{
    const pc_decoder_weights *weights = any_weights;
    return pc_take_rows(build->graph, pc_use(build, weights->embedding), ids);
}

static pc_rope_params rope_of(const pc_decoder_config *config)
{
    pc_rope_params rope = {.interleaved = false};
    memcpy(rope.sections, config->rotary.sections, sizeof rope.sections);
    return rope;
}

/* q [R,H,E] as it stands at `positions`; `places` are those that logn goes by. */
static pc_tensor *turn_queries(const pc_build *build, const pc_decoder_config *config, const pc_llm_io *io, pc_tensor *q,
                               pc_tensor *positions, pc_tensor *places)
{
    q = pc_rope(build->graph, q, positions, io->frequencies, rope_of(config));
    return config->logn && !build->side ? pc_log_scale(build->graph, q, places, config->seq_length) : q;
}

/* x [T,D] (normed) -> [T,D] + residual; [R,D] with io->rows: keys and values of all rows, the rest for those alone. */
static pc_tensor *attention(const pc_build *build, const pc_decoder_config *config, const pc_decoder_layer *layer, int index,
                            const pc_llm_io *io, pc_tensor *x, pc_tensor *residual)
{
    pc_graph *graph = build->graph;
    int64_t size = head_size(config);
    double scale = config->rotary.attention * config->rotary.attention / sqrt((double)size);
    pc_tensor *positions = pc_stack_only(graph, io->positions, io->rows);
    pc_tensor *q = pc_hooks_project(io->hooks, build, index, PC_PROJECT_Q, &layer->q, pc_stack_only(graph, x, io->rows), NULL);
    pc_tensor *k = pc_hooks_project(io->hooks, build, index, PC_PROJECT_K, &layer->k, x, NULL);
    pc_tensor *v = pc_hooks_project(io->hooks, build, index, PC_PROJECT_V, &layer->v, x, NULL);
    q = pc_reshape(graph, q, pc_dims(3, -1, config->num_attention_heads, size)); /* [T,H,E] */
    k = pc_reshape(graph, k, pc_dims(3, -1, key_heads(config), size));           /* [T,K,E] */
    v = pc_reshape(graph, v, pc_dims(3, -1, key_heads(config), size));
    if (config->block.head_norms) {
        q = pc_norm_forward(build, &layer->q_norm, q, config->rms_norm_eps);
        k = pc_norm_forward(build, &layer->k_norm, k, config->rms_norm_eps);
    }
    pc_tensor *inside = io->inside ? pc_stack_only(graph, io->inside, io->rows) : NULL;
    pc_tensor *sinks = inside ? turn_queries(build, config, io, q, inside, inside) : NULL;
    q = turn_queries(build, config, io, q, positions, inside ? inside : positions);
    k = pc_rope(graph, k, io->positions, io->frequencies, rope_of(config));
    const pc_stack_attention how = {config->num_attention_heads, key_heads(config), size, scale, NULL, sinks};
    pc_tensor *mixed = pc_stack_attend(build, io, index, (pc_tensor *[]){q, k, v}, &how);
    return pc_stack_end(build, io->hooks, index, PC_PROJECT_O, &layer->o, mixed, pc_stack_only(graph, residual, io->rows));
}

static pc_tensor *mlp(const pc_build *build, const pc_decoder_config *config, const pc_decoder_layer *layer, int index,
                      const pc_hooks *hooks, pc_tensor *x, pc_tensor *residual)
{
    pc_activation kind = (pc_activation)pc_activation_from_name(config->hidden_act);
    pc_tensor *gate = pc_hooks_project(hooks, build, index, PC_PROJECT_GATE, &layer->mlp.gate, x, NULL); /* [T,F] */
    pc_tensor *up = pc_hooks_project(hooks, build, index, PC_PROJECT_UP, &layer->mlp.up, x, NULL);       /* [T,F] */
    pc_tensor *hidden = pc_glu(build->graph, gate, up, kind);
    return pc_stack_end(build, hooks, index, PC_PROJECT_DOWN, &layer->mlp.down, hidden, residual); /* [T,D] */
}

/* The ranges of the layers with a sliding window; the same ones when no layer has it. */
static pc_tensor *windowed(pc_graph *graph, const pc_decoder_config *config, pc_tensor *ranges)
{
    for (int64_t i = 0; i < config->num_hidden_layers; i++) {
        if (config->windowed[i]) {
            return pc_window_ranges(graph, ranges, config->sliding_window);
        }
    }
    return ranges;
}

/* Whether the last layer may work for the wanted rows alone: nobody else looks at the others behind its attention. */
static bool narrows(const pc_build *build, const pc_decoder_config *config, const pc_llm_io *io)
{
    bool seen = (io->hooks && io->hooks->count > 0) || pc_drops_stream(build) || config->block.parallel ||
                config->sparse[config->num_hidden_layers - 1];
    for (int i = 0; i < io->tap_count; i++) {
        seen = seen || io->taps[i].layer >= config->num_hidden_layers;
    }
    return io->rows && !seen;
}

/* What goes on of x, told to the layers with and without a window, and which rows are wanted of it. */
static pc_tensor *drop_rows(pc_graph *graph, const pc_decoder_config *config, const pc_llm_io *io, pc_tensor *x, pc_llm_io *all,
                            pc_llm_io *near, pc_tensor **rows)
{
    pc_llm_io now = *all;
    now.rows = io->rows;
    x = pc_stack_drop(graph, io, x, &now);
    all->positions = near->positions = now.positions;
    all->cache_rows = near->cache_rows = now.cache_rows;
    all->ranges = now.ranges;
    near->ranges = windowed(graph, config, now.ranges);
    *rows = now.rows;
    return x;
}

pc_tensor *pc_decoder_forward(const pc_build *build, const void *any, const void *any_weights, const pc_llm_io *io)
{
    const pc_decoder_config *config = any;
    const pc_decoder_weights *weights = any_weights;
    pc_graph *graph = build->graph;
    double eps = config->rms_norm_eps;
    int layers = (int)config->num_hidden_layers;
    pc_tensor *x = pc_name(graph, io->embeddings, "llm.hidden.0"); /* [T,D] */
    pc_llm_io all = *io, near = *io;
    const bool narrow = narrows(build, config, io);
    pc_tensor *routed = NULL;
    pc_moe_config moe = config->moe;
    moe.activation = (pc_activation)pc_activation_from_name(config->hidden_act);
    near.ranges = windowed(graph, config, io->ranges);
    near.look = NULL; /* what a window leaves out would be told as nothing */
    pc_stack_tap(build, io, 0, x, &weights->norm, eps);
    if (config->block.rotary_share > 0) {
        all.frequencies = near.frequencies = pc_part_of(graph, io->frequencies, 0, rotary_size(config) / 2);
    }
    pc_tensor *rows = io->rows;
    for (int i = 0; i < layers; i++) {
        const pc_decoder_layer *layer = &weights->layers[i];
        if (io->drop && i == io->drop->layer) {
            x = drop_rows(graph, config, io, x, &all, &near, &rows);
        }
        x = pc_hooks_before_layer(io->hooks, build, i, x);
        pc_tensor *h = pc_norm_forward(build, &layer->input_norm, x, eps);
        all.rows = near.rows = narrow && i == layers - 1 ? rows : NULL;
        x = attention(build, config, layer, i, config->windowed[i] ? &near : &all, h, x);
        x = pc_hooks_after_attention(io->hooks, build, i, x);
        h = config->block.parallel ? h : pc_norm_forward(build, &layer->post_norm, x, eps);
        x = config->sparse[i] ? pc_stack_experts(build, &layer->moe, &moe, h, x, &routed)
                              : mlp(build, config, layer, i, io->hooks, h, x);
        x = pc_layer_end(graph, pc_name(graph, x, "llm.hidden.%d", i + 1));
        pc_stack_tap(build, io, i + 1, x, &weights->norm, eps);
    }
    pc_moe_balance(build, &config->moe, routed);
    x = pc_hooks_before_layer(io->hooks, build, layers, x);
    x = narrow ? x : pc_stack_only(graph, x, rows);
    return pc_name(graph, pc_norm_forward(build, &weights->norm, x, eps), "llm.norm");
}

pc_tensor *pc_decoder_head(const pc_build *build, const void *any, const void *any_weights, pc_tensor *hidden)
{
    const pc_decoder_weights *weights = any_weights;
    (void)any;
    const pc_linear_weights head = {.weight = weights->head};
    return pc_linear_forward(build, &head, hidden, NULL); /* [R,V] */
}
