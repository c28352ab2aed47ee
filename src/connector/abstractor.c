/* mPLUG-Owl's visual abstractor: learned queries that read the features and themselves, and a token that ends the picture.
 *
 *   L times:  h = LN1 x;  y = h + out(attention(q h, k,v [h ; LNk features]));  x = y + w2 LN(silu(w1 n) * w3 n), n = LN2 y
 *   soft tokens = [W x + b ; vit_eos]                                            [N,Q+1,D']
 *
 * Source: Ye et al. 2023 (arXiv:2304.14178), section 3; modeling_mplug_owl.py (names).
 * Easy to get wrong: what the first sum adds is the normed state; queries come before features among the keys; the gated
 * unit has a norm of its own with another epsilon; the closing token is no query.
 */
#include "connector/connector.h"
#include "ops/attention.h"
#include "ops/concat.h"
#include "ops/cross_ranges.h"
#include "ops/repeat.h"

#include <math.h>
#include <stdio.h>

enum { MAX_LAYERS = 64 };

static const double EPS = 1e-5; /* torch's LayerNorm; layer_norm_eps is the one inside the MLP */

typedef struct abstractor_config {
    int64_t num_query_tokens, num_hidden_layers, num_attention_heads, intermediate_size;
    double layer_norm_eps;
} abstractor_config;

#define FIELD(key, kind, def, lo, hi, text) \
    {.name = #key, .type = kind, .offset = offsetof(abstractor_config, key), .fallback = def, .low = lo, .high = hi, .help = text}

static const pc_field fields[] = {
    FIELD(num_query_tokens, PC_FIELD_INT, "64", 1, 1 << 16, "queries; a picture takes one token more"),
    FIELD(num_hidden_layers, PC_FIELD_INT, "6", 1, MAX_LAYERS, "layers"),
    FIELD(num_attention_heads, PC_FIELD_INT, "16", 1, 1024, "attention heads"),
    FIELD(intermediate_size, PC_FIELD_INT, "4096", 1, 262144, "width of the MLP"),
    FIELD(layer_norm_eps, PC_FIELD_FLOAT, "1e-6", 0, 1, "epsilon of the norm inside the MLP"),
};

typedef struct abstractor_layer {
    pc_norm_weights norm1, normk, norm2, inner;
    pc_linear_weights q, k, v, o;
    pc_glu_weights mlp; /* gate w1, up w3, down w2 */
} abstractor_layer;

typedef struct abstractor_weights {
    pc_param *queries, *end; /* [1,Q,D], [1,1,D'] */
    pc_linear_weights projection;
    abstractor_layer layers[MAX_LAYERS];
} abstractor_weights;

static pc_status check(const void *any, const pc_connector_dims *dims, const char *where)
{
    const abstractor_config *config = any;
    if (dims->in % config->num_attention_heads) {
        return pc_fail(PC_ERR_DATA, "%s: the abstractor's width %lld is not a multiple of num_attention_heads %lld", where,
                       (long long)dims->in, (long long)config->num_attention_heads);
    }
    return PC_OK;
}

static int64_t tokens(const void *any, const pc_connector_dims *dims)
{
    (void)dims;
    return ((const abstractor_config *)any)->num_query_tokens + 1;
}

static void declare_layer(pc_scope *scope, const abstractor_config *config, abstractor_layer *layer, int64_t width, int index)
{
    int64_t hidden = config->intermediate_size;
    char name[96];
    const struct {
        pc_linear_weights *weights;
        int64_t out, in;
        const char *name;
    } linears[] = {
        {&layer->q, width, width, "attention.query"},         {&layer->k, width, width, "attention.key"},
        {&layer->v, width, width, "attention.value"},         {&layer->o, width, width, "output.out_proj"},
        {&layer->mlp.gate, hidden, width, "output.mlp.w1"},   {&layer->mlp.down, width, hidden, "output.mlp.w2"},
        {&layer->mlp.up, hidden, width, "output.mlp.w3"},
    };
    const struct {
        pc_norm_weights *weights;
        int64_t width;
        const char *name;
    } norms[] = {{&layer->norm1, width, "norm1"}, {&layer->normk, width, "normk"}, {&layer->norm2, width, "output.norm2"},
                 {&layer->inner, hidden, "output.mlp.ffn_ln"}};
    for (size_t i = 0; i < sizeof linears / sizeof linears[0]; i++) {
        snprintf(name, sizeof name, "abstractor.encoder.layers.%d.crossattention.%s", index, linears[i].name);
        pc_linear_declare(scope, linears[i].weights, linears[i].out, linears[i].in, true, 1, name);
    }
    for (size_t i = 0; i < sizeof norms / sizeof norms[0]; i++) {
        snprintf(name, sizeof name, "abstractor.encoder.layers.%d.crossattention.%s", index, norms[i].name);
        pc_norm_declare(scope, norms[i].weights, norms[i].width, true, name);
    }
}

static void declare(pc_scope *scope, const void *any, const pc_connector_dims *dims, void *any_weights)
{
    const abstractor_config *config = any;
    abstractor_weights *weights = any_weights;
    weights->queries = pc_declare(scope, PC_NORMAL(pc_scope_std(scope, dims->in)),
                                  pc_dims(3, 1, config->num_query_tokens, dims->in), "query_tokens");
    for (int64_t i = 0; i < config->num_hidden_layers; i++) {
        declare_layer(scope, config, &weights->layers[i], dims->in, (int)i);
    }
    pc_linear_declare(scope, &weights->projection, dims->out, dims->in, true, 1, "abstractor.visual_fc");
    weights->end = pc_declare(scope, PC_NORMAL(pc_scope_std(scope, dims->out)), pc_dims(3, 1, 1, dims->out), "abstractor.vit_eos");
    if (scope->status == PC_OK) {
        weights->queries->any_type = weights->end->any_type = false;
    }
}

static pc_tensor *layer_forward(const pc_build *build, const abstractor_config *config, const abstractor_layer *layer,
                                pc_tensor *x, pc_tensor *features)
{
    pc_graph *graph = build->graph;
    int64_t width = pc_shape_last(&x->max), size = width / config->num_attention_heads;
    pc_shape heads = pc_dims(3, -1, config->num_attention_heads, size);
    pc_tensor *h = pc_norm_forward(build, &layer->norm1, x, EPS); /* [N,Q,D] */
    pc_tensor *keys = pc_concat(graph, h, pc_norm_forward(build, &layer->normk, features, EPS)); /* [N,Q+P,D] */
    pc_tensor *q = pc_reshape(graph, pc_linear_forward(build, &layer->q, h, NULL), heads);
    pc_tensor *k = pc_reshape(graph, pc_linear_forward(build, &layer->k, keys, NULL), heads);
    pc_tensor *v = pc_reshape(graph, pc_linear_forward(build, &layer->v, keys, NULL), heads);
    pc_tensor *mixed = pc_attention(graph, q, k, v, pc_cross_ranges(graph, h, keys, NULL, 0), NULL, 1 / sqrt((double)size));
    mixed = pc_reshape(graph, mixed, pc_dims(3, -1, config->num_query_tokens, width));
    x = pc_linear_forward(build, &layer->o, mixed, h);
    h = pc_norm_forward(build, &layer->norm2, x, EPS);
    pc_tensor *inner = pc_glu(graph, pc_linear_forward(build, &layer->mlp.gate, h, NULL),
                              pc_linear_forward(build, &layer->mlp.up, h, NULL), PC_ACT_SILU); /* [N,Q,F] */
    inner = pc_norm_forward(build, &layer->inner, inner, config->layer_norm_eps);
    return pc_linear_forward(build, &layer->mlp.down, inner, x); /* [N,Q,D] */
}

static pc_tensor *forward(const pc_build *build, const void *any, const void *any_weights, const pc_connector_input *in)
{
    const abstractor_config *config = any;
    const abstractor_weights *weights = any_weights;
    pc_graph *graph = build->graph;
    int64_t width = pc_shape_last(&in->features->max);
    pc_tensor *x = pc_reshape(graph, pc_use(build, weights->queries), pc_dims(2, config->num_query_tokens, width));
    x = pc_repeat(graph, x, in->features); /* [N,Q,D] */
    for (int64_t i = 0; i < config->num_hidden_layers; i++) {
        x = layer_forward(build, config, &weights->layers[i], x, in->features);
    }
    x = pc_linear_forward(build, &weights->projection, x, NULL); /* [N,Q,D'] */
    pc_tensor *end = pc_reshape(graph, pc_use(build, weights->end), pc_dims(2, 1, pc_shape_last(&x->max)));
    return pc_concat(graph, x, pc_repeat(graph, end, x)); /* [N,Q+1,D'] */
}

const pc_connector_type pc_connector_abstractor = {
    .name = "abstractor",
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .config_size = sizeof(abstractor_config),
    .weights_size = sizeof(abstractor_weights),
    .check = check,
    .tokens = tokens,
    .declare = declare,
    .forward = forward,
};
