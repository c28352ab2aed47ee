/* T5, T5 v1.1 and Flan-T5: an encoder-decoder.
 *
 *   source rows:  x = embedding; encoder blocks; RMS norm                         [S,D]
 *   target rows:  y = embedding; decoder blocks that see the source; RMS norm     [R,D]
 *   logits = W y; where W is the embedding, of y / sqrt(D)
 *
 * Both sides are rows of one reading (ops/sides.h): source tokens, then the start token and what is written. In a session
 * the cache rows of source tokens hold the decoder's keys and values of the source, so that a step costs the decoder alone.
 *
 * Source: Raffel et al. 2020 (arXiv:1910.10683); Chung et al. 2022 (arXiv:2210.11416); transformers models/t5 (names).
 * Easy to get wrong: one position bias for each stack, kept in its block 0; "gated-gelu" is the tanh approximation unless
 * dense_act_fn says another (BLIP-2 does); the head is scaled where it is the embedding, and only there.
 */
#include "llm/llm.h"
#include "nn/t5.h"
#include "ops/multiply.h"
#include "ops/rows.h"
#include "ops/sides.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_LAYERS = 256 };

typedef struct t5_config {
    int64_t vocab_size, d_model, d_kv, d_ff, num_layers, num_decoder_layers, num_heads;
    int64_t relative_attention_num_buckets, relative_attention_max_distance, n_positions, decoder_start_token_id;
    char *feed_forward_proj, *dense_act_fn;
    double layer_norm_epsilon;
    bool tie_word_embeddings;
} t5_config;

#define FIELD(key, kind, def, lo, hi, text) \
    {.name = #key, .type = kind, .offset = offsetof(t5_config, key), .fallback = def, .low = lo, .high = hi, .help = text}

static const pc_field fields[] = {
    FIELD(vocab_size, PC_FIELD_INT, "32128", 1, 1 << 24, "entries of the vocabulary"),
    FIELD(d_model, PC_FIELD_INT, "512", 1, 65536, "width"),
    FIELD(d_kv, PC_FIELD_INT, "64", 2, 4096, "size of an attention head"),
    FIELD(d_ff, PC_FIELD_INT, "2048", 1, 1 << 20, "width of the MLP"),
    FIELD(num_layers, PC_FIELD_INT, "6", 1, MAX_LAYERS, "blocks of the encoder"),
    FIELD(num_decoder_layers, PC_FIELD_INT, "0", 0, MAX_LAYERS, "blocks of the decoder; 0 = as many as the encoder has"),
    FIELD(num_heads, PC_FIELD_INT, "8", 1, 1024, "attention heads"),
    FIELD(relative_attention_num_buckets, PC_FIELD_INT, "32", 2, 4096, "buckets of the position bias"),
    FIELD(relative_attention_max_distance, PC_FIELD_INT, "128", 2, 1 << 16, "distance from which on they are one bucket"),
    FIELD(n_positions, PC_FIELD_INT, "512", 1, 1 << 24, "tokens of a source, and of what is written, that it was trained with"),
    FIELD(decoder_start_token_id, PC_FIELD_INT, "0", 0, 1 << 24, "id that opens what is written"),
    FIELD(feed_forward_proj, PC_FIELD_TEXT, "relu", 0, 0, "activation of the MLP, gated- before a gated one"),
    FIELD(dense_act_fn, PC_FIELD_TEXT, "", 0, 0, "activation of the MLP where it is another"),
    FIELD(layer_norm_epsilon, PC_FIELD_FLOAT, "1e-6", 0, 1, "epsilon of the norms"),
    FIELD(tie_word_embeddings, PC_FIELD_BOOL, "true", 0, 0, "the head is the embedding table, scaled"),
};

typedef struct t5_stack {
    pc_param *bias; /* [buckets,H] */
    pc_norm_weights norm;
    pc_t5_block_weights blocks[MAX_LAYERS];
} t5_stack;

typedef struct t5_weights {
    pc_param *embedding; /* [V,D] */
    pc_param *head;      /* [V,D]; the embedding when tied */
    t5_stack encoder, decoder;
} t5_weights;

static const char GATED[] = "gated-";

static bool is_gated(const t5_config *config)
{
    return strncmp(config->feed_forward_proj, GATED, sizeof GATED - 1) == 0;
}

/* -1 when it is unknown */
static int activation_of(const t5_config *config)
{
    if (config->dense_act_fn[0]) {
        return pc_activation_from_name(config->dense_act_fn);
    }
    const char *name = config->feed_forward_proj + (is_gated(config) ? sizeof GATED - 1 : 0);
    return pc_activation_from_name(strcmp(config->feed_forward_proj, "gated-gelu") == 0 ? "gelu_new" : name);
}

static int64_t decoder_layers(const t5_config *config)
{
    return config->num_decoder_layers ? config->num_decoder_layers : config->num_layers;
}

static pc_t5_config block_config(const t5_config *config)
{
    return (pc_t5_config){
        .width = config->d_model,
        .heads = config->num_heads,
        .head_size = config->d_kv,
        .hidden = config->d_ff,
        .buckets = config->relative_attention_num_buckets,
        .max_distance = config->relative_attention_max_distance,
        .activation = (pc_activation)activation_of(config),
        .gated = is_gated(config),
        .eps = config->layer_norm_epsilon,
    };
}

/* Keys that a file may set to null. */
static pc_status read(void *any, const pc_json *json, const char *where)
{
    t5_config *config = any;
    (void)where;
    if (pc_json_is_null(pc_json_get(json, "num_decoder_layers"))) {
        config->num_decoder_layers = 0;
    }
    /* transformers 5 says "tied" of every T5, and by this key whether the head is the scaled embedding. */
    if (!pc_json_get_bool(json, "scale_decoder_outputs", true)) {
        config->tie_word_embeddings = false;
    }
    return PC_OK;
}

static pc_status check(const void *any, const char *where)
{
    const t5_config *config = any;
    if (activation_of(config) < 0) {
        return pc_fail(PC_ERR_DATA, "%s: the activation '%s' is unknown", where,
                       config->dense_act_fn[0] ? config->dense_act_fn : config->feed_forward_proj);
    }
    if (config->decoder_start_token_id >= config->vocab_size) {
        return pc_fail(PC_ERR_DATA, "%s: decoder_start_token_id %lld is outside the vocabulary of %lld", where,
                       (long long)config->decoder_start_token_id, (long long)config->vocab_size);
    }
    return PC_OK;
}

static void info(const void *any, pc_llm_info *out)
{
    const t5_config *config = any;
    *out = (pc_llm_info){
        .width = config->d_model,
        .layers = decoder_layers(config),
        .vocabulary = config->vocab_size,
        .context = 2 * config->n_positions,
        .key_heads = config->num_heads,
        .head_size = config->d_kv,
        .tied = config->tie_word_embeddings,
        .axes = 1,
        .source = true,
        .start = config->decoder_start_token_id,
    };
}

static void declare_stack(pc_scope *scope, const t5_config *config, t5_stack *stack, pc_t5_side side)
{
    const pc_t5_config block = block_config(config);
    const char *part = side == PC_T5_ENCODER ? "encoder" : "decoder";
    int64_t layers = side == PC_T5_ENCODER ? config->num_layers : decoder_layers(config);
    char name[96];
    for (int64_t i = 0; i < layers; i++) {
        snprintf(name, sizeof name, "%s.block.%d", part, (int)i);
        pc_t5_block_declare(scope, &stack->blocks[i], &block, side, name);
    }
    snprintf(name, sizeof name, "%s.block.0.layer.0.SelfAttention.relative_attention_bias", part);
    stack->bias = pc_t5_bias_declare(scope, &block, name);
    snprintf(name, sizeof name, "%s.final_layer_norm", part);
    pc_norm_declare(scope, &stack->norm, config->d_model, false, name);
}

static void declare(pc_scope *scope, const void *any, void *any_weights)
{
    const t5_config *config = any;
    t5_weights *weights = any_weights;
    pc_shape table = pc_dims(2, config->vocab_size, config->d_model);
    /* T5's own initial values: the embedding's have a spread of 1; the other parts go by std 0. */
    scope->std = 0;
    weights->embedding = pc_declare(scope, PC_NORMAL(1), table, "shared.weight");
    declare_stack(scope, config, &weights->encoder, PC_T5_ENCODER);
    declare_stack(scope, config, &weights->decoder, PC_T5_DECODER);
    weights->head = weights->embedding;
    if (!config->tie_word_embeddings) {
        weights->head = pc_declare(scope, PC_NORMAL(pc_scope_std(scope, config->d_model)), table, "lm_head.weight");
        pc_declared_as(scope, PC_PARAM_HEAD);
    }
}

/* No rotary embedding. */
static void frequencies(const void *any, int64_t length, float *out)
{
    const t5_config *config = any;
    (void)length;
    memset(out, 0, sizeof *out * (size_t)(config->d_kv / 2));
}

static pc_tensor *embed(const pc_build *build, const void *any_weights, pc_tensor *ids)
{
    const t5_weights *weights = any_weights;
    return pc_take_rows(build->graph, pc_use(build, weights->embedding), ids); /* [T,D] */
}

/* Rows of both sides where they stand in the reading. */
typedef struct both_sides {
    const pc_llm_io *io;
    pc_tensor *source; /* f32 [S,D], the encoder's last states */
} both_sides;

static pc_tensor *put_back(const pc_build *build, const both_sides *sides, pc_tensor *target)
{
    pc_tensor *x = pc_put_rows(build->graph, sides->io->embeddings, sides->source, sides->io->source_rows);
    return pc_put_rows(build->graph, x, target, sides->io->target_rows); /* [T,D] */
}

static void tap(const pc_build *build, const t5_weights *weights, const both_sides *sides, int layer, pc_tensor *y, double eps)
{
    for (int i = 0; i < sides->io->tap_count; i++) {
        if (sides->io->taps[i].layer == layer) {
            sides->io->taps[i].hidden = put_back(build, sides, pc_norm_forward(build, &weights->decoder.norm, y, eps));
        }
    }
}

/* -> f32 [S,D] */
static pc_tensor *encode(const pc_build *build, const t5_config *config, const t5_stack *stack, const pc_llm_io *io)
{
    const pc_t5_config block = block_config(config);
    pc_graph *graph = build->graph;
    pc_t5_io in = {
        .ranges = pc_pick_ranges(graph, io->ranges, io->source_rows, io->source_rows, false),
        .bias = pc_t5_bias(build, stack->bias, &block, PC_T5_ENCODER),
    };
    pc_tensor *x = pc_take_rows(graph, io->embeddings, io->source_rows); /* [S,D] */
    for (int i = 0; i < (int)config->num_layers; i++) {
        x = pc_t5_block_forward(build, &stack->blocks[i], &block, x, &in);
        x = pc_layer_end(graph, pc_name(graph, x, "llm.source.%d", i + 1));
    }
    x = pc_name(graph, pc_norm_forward(build, &stack->norm, x, config->layer_norm_epsilon), "llm.source");
    return pc_hooks_after_source(io->hooks, build, io->source_rows, x);
}

static pc_tensor *forward(const pc_build *build, const void *any, const void *any_weights, const pc_llm_io *io)
{
    const t5_config *config = any;
    const t5_weights *weights = any_weights;
    const t5_stack *stack = &weights->decoder;
    const pc_t5_config block = block_config(config);
    pc_graph *graph = build->graph;
    both_sides sides = {io, encode(build, config, &weights->encoder, io)};
    pc_t5_io in = {
        .ranges = pc_pick_ranges(graph, io->ranges, io->target_rows, io->cache ? NULL : io->target_rows, false),
        .bias = pc_t5_bias(build, stack->bias, &block, PC_T5_DECODER),
        .source = sides.source,
        .source_ranges = pc_pick_ranges(graph, io->ranges, io->target_rows, io->cache ? NULL : io->source_rows, true),
    };
    pc_t5_cache cache = {.pages = io->pages, .page_rows = PC_CACHE_PAGE};
    if (io->cache) {
        cache.rows = pc_pick_ints(graph, io->cache_rows, io->target_rows);
        cache.source_rows = pc_pick_ints(graph, io->cache_rows, io->source_rows);
        in.cache = &cache;
    }
    pc_tensor *y = pc_take_rows(graph, io->embeddings, io->target_rows); /* [R,D] */
    tap(build, weights, &sides, 0, y, config->layer_norm_epsilon);
    for (int i = 0; i < (int)decoder_layers(config); i++) {
        cache.keys = io->cache ? io->cache[i].keys : NULL;
        cache.values = io->cache ? io->cache[i].values : NULL;
        y = pc_t5_block_forward(build, &stack->blocks[i], &block, y, &in);
        y = pc_layer_end(graph, pc_name(graph, y, "llm.hidden.%d", i + 1));
        tap(build, weights, &sides, i + 1, y, config->layer_norm_epsilon);
    }
    y = pc_norm_forward(build, &stack->norm, y, config->layer_norm_epsilon);
    return pc_name(graph, put_back(build, &sides, y), "llm.norm"); /* [T,D] */
}

static pc_tensor *head(const pc_build *build, const void *any, const void *any_weights, pc_tensor *hidden)
{
    const t5_config *config = any;
    const t5_weights *weights = any_weights;
    const pc_linear_weights logits = {.weight = weights->head};
    if (config->tie_word_embeddings) {
        hidden = pc_scale(build->graph, hidden, 1 / sqrt((double)config->d_model));
    }
    return pc_linear_forward(build, &logits, hidden, NULL); /* [R,V] */
}

const pc_llm_type pc_llm_t5 = {
    .model_type = "t5",
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .config_size = sizeof(t5_config),
    .weights_size = sizeof(t5_weights),
    .read = read,
    .check = check,
    .info = info,
    .declare = declare,
    .frequencies = frequencies,
    .embed = embed,
    .forward = forward,
    .head = head,
};
