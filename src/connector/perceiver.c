/* IDEFICS's perceiver resampler: Flamingo's, with keys and values apart, norms of queries and keys, ReLU.
 *
 *   latents [Q,D];  L times: x += o(attention(norm q(LN x), norm k[c ; LN x], v[c ; LN x])), c = LN features;  x += w2 relu(w1 LN x)
 *   soft tokens = LN x                                                                          [N,Q,D]
 *
 * Source: Laurencon et al. 2023 (arXiv:2306.16527); transformers models/idefics/perceiver.py (names).
 * Easy to get wrong: features come before latents among the keys; norms of queries and keys are LayerNorms over a head;
 * the MLP is four times as wide as the encoder; no projection: cross-attention reads the encoder's width.
 */
#include "connector/connector.h"
#include "ops/attention.h"
#include "ops/concat.h"
#include "ops/cross_ranges.h"
#include "ops/repeat.h"

#include <math.h>
#include <stdio.h>

enum { MAX_LAYERS = 64, MLP_WIDTHS = 4 };

static const double EPS = 1e-5;

typedef struct perceiver_config {
    int64_t resampler_n_latents, resampler_depth, resampler_n_heads, resampler_head_dim;
    bool qk_layer_norms_perceiver;
} perceiver_config;

#define FIELD(key, def, lo, hi, text) \
    {.name = #key, .type = PC_FIELD_INT, .offset = offsetof(perceiver_config, key), .fallback = def, .low = lo, .high = hi, .help = text}

static const pc_field fields[] = {
    FIELD(resampler_n_latents, "64", 1, 1 << 16, "soft tokens of a picture"),
    FIELD(resampler_depth, "6", 1, MAX_LAYERS, "layers"),
    FIELD(resampler_n_heads, "16", 1, 1024, "attention heads"),
    FIELD(resampler_head_dim, "96", 1, 4096, "features of a head"),
    {.name = "qk_layer_norms_perceiver", .type = PC_FIELD_BOOL, .offset = offsetof(perceiver_config, qk_layer_norms_perceiver),
     .fallback = "false", .help = "queries and keys have a norm of their own"},
};

typedef struct perceiver_layer {
    pc_norm_weights context_norm, latents_norm, q_norm, k_norm, mlp_norm;
    pc_linear_weights q, k, v, o;
    pc_mlp_weights mlp;
} perceiver_layer;

typedef struct perceiver_weights {
    pc_param *latents; /* [Q,D] */
    pc_norm_weights norm;
    perceiver_layer layers[MAX_LAYERS];
} perceiver_weights;

static pc_status check(const void *any, const pc_connector_dims *dims, const char *where)
{
    (void)any;
    return dims->out == dims->in ? PC_OK
                                 : pc_fail(PC_ERR_DATA, "%s: the perceiver keeps the encoder's width %lld, the language model takes "
                                                        "%lld: it goes with cross-attention alone", where, (long long)dims->in,
                                           (long long)dims->out);
}

static int64_t tokens(const void *any, const pc_connector_dims *dims)
{
    (void)dims;
    return ((const perceiver_config *)any)->resampler_n_latents;
}

static void declare_layer(pc_scope *scope, const perceiver_config *config, perceiver_layer *layer, int64_t width, int index)
{
    int64_t rows = config->resampler_n_heads * config->resampler_head_dim, size = config->resampler_head_dim;
    char name[64];
    const struct {
        pc_linear_weights *weights;
        int64_t out, in;
        const char *name;
    } linears[] = {
        {&layer->q, rows, width, "0.q_proj"},                    {&layer->k, rows, width, "0.k_proj"},
        {&layer->v, rows, width, "0.v_proj"},                    {&layer->o, width, rows, "0.output_proj"},
        {&layer->mlp.up, MLP_WIDTHS * width, width, "1.fc"},     {&layer->mlp.down, width, MLP_WIDTHS * width, "1.c_proj"},
    };
    const struct {
        pc_norm_weights *weights;
        int64_t width;
        const char *name;
    } norms[] = {
        {&layer->context_norm, width, "0.context_layer_norm"}, {&layer->latents_norm, width, "0.latents_layer_norm"},
        {&layer->mlp_norm, width, "1.ln"},                     {&layer->q_norm, size, "0.q_layer_norm"},
        {&layer->k_norm, size, "0.k_layer_norm"},
    };
    for (size_t i = 0; i < sizeof linears / sizeof linears[0]; i++) {
        snprintf(name, sizeof name, "blocks.%d.%s", index, linears[i].name);
        pc_linear_declare(scope, linears[i].weights, linears[i].out, linears[i].in, false, 1, name);
    }
    for (int i = 0; i < (config->qk_layer_norms_perceiver ? 5 : 3); i++) {
        snprintf(name, sizeof name, "blocks.%d.%s", index, norms[i].name);
        pc_norm_declare(scope, norms[i].weights, norms[i].width, true, name);
    }
}

static void declare(pc_scope *scope, const void *any, const pc_connector_dims *dims, void *any_weights)
{
    const perceiver_config *config = any;
    perceiver_weights *weights = any_weights;
    weights->latents = pc_declare(scope, PC_NORMAL(pc_scope_std(scope, dims->in)),
                                  pc_dims(2, config->resampler_n_latents, dims->in), "latents");
    for (int64_t i = 0; i < config->resampler_depth; i++) {
        declare_layer(scope, config, &weights->layers[i], dims->in, (int)i);
    }
    pc_norm_declare(scope, &weights->norm, dims->in, true, "layer_norm");
}

static pc_tensor *heads_of(const pc_build *build, const perceiver_config *config, const pc_linear_weights *linear,
                           const pc_norm_weights *norm, pc_tensor *x)
{
    pc_shape heads = pc_dims(3, -1, config->resampler_n_heads, config->resampler_head_dim);
    x = pc_reshape(build->graph, pc_linear_forward(build, linear, x, NULL), heads);
    return norm && norm->weight ? pc_norm_forward(build, norm, x, EPS) : x;
}

static pc_tensor *attend(const pc_build *build, const perceiver_config *config, const perceiver_layer *layer, pc_tensor *x,
                         pc_tensor *context)
{
    pc_graph *graph = build->graph;
    pc_tensor *h = pc_norm_forward(build, &layer->latents_norm, x, EPS);                                /* [N,Q,D] */
    pc_tensor *keys = pc_concat(graph, pc_norm_forward(build, &layer->context_norm, context, EPS), h); /* [N,P+Q,D] */
    pc_tensor *q = heads_of(build, config, &layer->q, &layer->q_norm, h);
    pc_tensor *k = heads_of(build, config, &layer->k, &layer->k_norm, keys), *v = heads_of(build, config, &layer->v, NULL, keys);
    pc_tensor *ranges = pc_cross_ranges(graph, h, keys, NULL, 0);
    pc_tensor *mixed = pc_attention(graph, q, k, v, ranges, NULL, 1 / sqrt((double)config->resampler_head_dim));
    int64_t rows = config->resampler_n_heads * config->resampler_head_dim;
    mixed = pc_reshape(graph, mixed, pc_dims(3, -1, config->resampler_n_latents, rows));
    return pc_linear_forward(build, &layer->o, mixed, x); /* [N,Q,D] */
}

static pc_tensor *forward(const pc_build *build, const void *any, const void *any_weights, const pc_connector_input *in)
{
    const perceiver_config *config = any;
    const perceiver_weights *weights = any_weights;
    pc_tensor *x = pc_repeat(build->graph, pc_use(build, weights->latents), in->features); /* [N,Q,D] */
    for (int64_t i = 0; i < config->resampler_depth; i++) {
        const perceiver_layer *layer = &weights->layers[i];
        x = attend(build, config, layer, x, in->features);
        x = pc_mlp_forward(build, &layer->mlp, pc_norm_forward(build, &layer->mlp_norm, x, EPS), PC_ACT_RELU, x);
    }
    return pc_norm_forward(build, &weights->norm, x, EPS); /* [N,Q,D] */
}

const pc_connector_type pc_connector_perceiver = {
    .name = "perceiver",
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .config_size = sizeof(perceiver_config),
    .weights_size = sizeof(perceiver_weights),
    .check = check,
    .tokens = tokens,
    .declare = declare,
    .forward = forward,
};
