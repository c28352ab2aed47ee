/* The perceiver resampler of Flamingo: learned latents that read the features and themselves.
 *
 *   latents [Q,D];  L times: x += to_out(attention(q(LN x), kv [LN features ; LN x]));  x += w2 gelu(w1 LN x);  then LN
 *   soft tokens = W x + b                                                             [N,Q,D']
 *
 * Source: Alayrac et al. 2022 (arXiv:2204.14198), section 3.1.1 and appendix A.1.1; names of OpenFlamingo's helpers.py, but
 * for the projection to the language model's width, which Flamingo has in its cross-attention (project: false).
 * Easy to get wrong: features come before latents among the keys; one matrix makes keys and values, keys first; the MLP's
 * layers are numbered with its norm and activation (0 norm, 1, 3); no biases; the queries are scaled by 1/sqrt(head size).
 */
#include "connector/connector.h"
#include "ops/add.h"
#include "ops/attention.h"
#include "ops/concat.h"
#include "ops/cross_ranges.h"
#include "ops/repeat.h"
#include "ops/rows.h"

#include <math.h>
#include <stdio.h>

enum { MAX_LAYERS = 64 };

static const double EPS = 1e-5;

typedef struct resampler_config {
    int64_t num_latents, depth, heads, head_size, ff_mult;
    bool project;
} resampler_config;

#define FIELD(key, def, lo, hi, text) \
    {.name = #key, .type = PC_FIELD_INT, .offset = offsetof(resampler_config, key), .fallback = def, .low = lo, .high = hi, .help = text}

static const pc_field fields[] = {
    FIELD(num_latents, "64", 1, 1 << 16, "soft tokens of a picture"),
    FIELD(depth, "6", 1, MAX_LAYERS, "layers"),
    FIELD(heads, "8", 1, 1024, "attention heads"),
    FIELD(head_size, "64", 1, 4096, "features of a head"),
    FIELD(ff_mult, "4", 1, 64, "width of the MLP, in widths of the features"),
    {.name = "project", .type = PC_FIELD_BOOL, .offset = offsetof(resampler_config, project), .fallback = "true",
     .help = "to the language model's width; false: soft tokens have the features' width, for cross-attention"},
};

typedef struct resampler_layer {
    pc_norm_weights media_norm, latents_norm, mlp_norm;
    pc_linear_weights q, kv, o;
    pc_mlp_weights mlp;
} resampler_layer;

typedef struct resampler_weights {
    pc_param *latents; /* [Q,D] */
    pc_norm_weights norm;
    pc_linear_weights projection; /* [D',D], where it projects */
    resampler_layer layers[MAX_LAYERS];
} resampler_weights;

static pc_status check(const void *any, const pc_connector_dims *dims, const char *where)
{
    const resampler_config *config = any;
    return config->project || dims->in == dims->out
               ? PC_OK
               : pc_fail(PC_ERR_DATA, "%s: the resampler does not project (project: false): its soft tokens have the width %lld, "
                                      "expected %lld", where, (long long)dims->in, (long long)dims->out);
}

static int64_t tokens(const void *any, const pc_connector_dims *dims)
{
    (void)dims;
    return ((const resampler_config *)any)->num_latents;
}

static void declare_layer(pc_scope *scope, const resampler_config *config, resampler_layer *layer, int64_t width, int index)
{
    int64_t rows = config->heads * config->head_size, hidden = config->ff_mult * width;
    char name[64];
    const struct {
        pc_linear_weights *weights;
        int64_t out, in;
        const char *name;
    } linears[] = {
        {&layer->q, rows, width, "0.to_q"},          {&layer->kv, 2 * rows, width, "0.to_kv"},
        {&layer->o, width, rows, "0.to_out"},        {&layer->mlp.up, hidden, width, "1.1"},
        {&layer->mlp.down, width, hidden, "1.3"},
    };
    const struct {
        pc_norm_weights *weights;
        const char *name;
    } norms[] = {{&layer->media_norm, "0.norm_media"}, {&layer->latents_norm, "0.norm_latents"}, {&layer->mlp_norm, "1.0"}};
    for (size_t i = 0; i < sizeof linears / sizeof linears[0]; i++) {
        snprintf(name, sizeof name, "layers.%d.%s", index, linears[i].name);
        pc_linear_declare(scope, linears[i].weights, linears[i].out, linears[i].in, false, 1, name);
    }
    for (size_t i = 0; i < sizeof norms / sizeof norms[0]; i++) {
        snprintf(name, sizeof name, "layers.%d.%s", index, norms[i].name);
        pc_norm_declare(scope, norms[i].weights, width, true, name);
    }
}

static void declare(pc_scope *scope, const void *any, const pc_connector_dims *dims, void *any_weights)
{
    const resampler_config *config = any;
    resampler_weights *weights = any_weights;
    weights->latents = pc_declare(scope, PC_NORMAL(pc_scope_std(scope, dims->in)), pc_dims(2, config->num_latents, dims->in),
                                  "latents");
    if (weights->latents) {
        weights->latents->any_type = false;
    }
    for (int64_t i = 0; i < config->depth; i++) {
        declare_layer(scope, config, &weights->layers[i], dims->in, (int)i);
    }
    pc_norm_declare(scope, &weights->norm, dims->in, true, "norm");
    if (config->project) {
        pc_linear_declare(scope, &weights->projection, dims->out, dims->in, true, 1, "projection");
    }
}

/* x [N,Q,D] + attention to media [N,P,D] and x */
static pc_tensor *attend(const pc_build *build, const resampler_config *config, const resampler_layer *layer, pc_tensor *x,
                         pc_tensor *media)
{
    pc_graph *graph = build->graph;
    int64_t rows = config->heads * config->head_size;
    pc_shape heads = pc_dims(3, -1, config->heads, config->head_size);
    pc_tensor *h = pc_norm_forward(build, &layer->latents_norm, x, EPS); /* [N,Q,D] */
    pc_tensor *keys = pc_concat(graph, pc_norm_forward(build, &layer->media_norm, media, EPS), h); /* [N,P+Q,D] */
    pc_tensor *q = pc_reshape(graph, pc_linear_forward(build, &layer->q, h, NULL), heads);
    pc_tensor *kv = pc_reshape(graph, pc_linear_forward(build, &layer->kv, keys, NULL), pc_dims(3, -1, 2, rows));
    pc_tensor *k = pc_reshape(graph, pc_slice(graph, kv, 0, 1), heads), *v = pc_reshape(graph, pc_slice(graph, kv, 1, 2), heads);
    pc_tensor *ranges = pc_cross_ranges(graph, h, keys, NULL, 0);
    pc_tensor *mixed = pc_attention(graph, q, k, v, ranges, NULL, 1 / sqrt((double)config->head_size));
    mixed = pc_reshape(graph, mixed, pc_dims(3, -1, config->num_latents, rows));
    return pc_linear_forward(build, &layer->o, mixed, x); /* [N,Q,D] */
}

static pc_tensor *forward(const pc_build *build, const void *any, const void *any_weights, const pc_connector_input *in)
{
    const resampler_config *config = any;
    const resampler_weights *weights = any_weights;
    pc_tensor *x = pc_repeat(build->graph, pc_use(build, weights->latents), in->features); /* [N,Q,D] */
    for (int64_t i = 0; i < config->depth; i++) {
        const resampler_layer *layer = &weights->layers[i];
        x = attend(build, config, layer, x, in->features);
        pc_tensor *h = pc_norm_forward(build, &layer->mlp_norm, x, EPS);
        x = pc_mlp_forward(build, &layer->mlp, h, PC_ACT_GELU, x);
    }
    x = pc_norm_forward(build, &weights->norm, x, EPS);
    return config->project ? pc_linear_forward(build, &weights->projection, x, NULL) : x; /* [N,Q,D'] */
}

const pc_connector_type pc_connector_resampler = {
    .name = "resampler",
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .config_size = sizeof(resampler_config),
    .weights_size = sizeof(resampler_weights),
    .check = check,
    .tokens = tokens,
    .declare = declare,
    .forward = forward,
};
