/* T5's blocks:  x += o(attention(norm x) + bias);  decoder: x += o(attention(norm x, source));  x += mlp(norm x).
 *
 * Source: Raffel et al. 2020 (arXiv:1910.10683), section 2.1; Shazeer 2020 (arXiv:2002.05202) for the gated MLP;
 * transformers models/t5 (names, initial values).
 * Easy to get wrong: dot products are not scaled (the initial values of q are, instead); attention to the source has no
 * bias; "gated-gelu" is the tanh approximation.
 */
#include "nn/t5.h"

#include "ops/attention.h"
#include "ops/rows.h"

#include <math.h>
#include <stdio.h>

enum { NAME = 320 };

static void attention_declare(pc_scope *scope, pc_t5_attention_weights *weights, const pc_t5_config *config,
                              const char *layer, const char *kind)
{
    int64_t width = config->width, rows = config->heads * config->head_size;
    char full[NAME];
    const struct {
        pc_linear_weights *weights;
        int64_t out, in;
        double gain;
        char name;
    } linears[] = {
        {&weights->q, rows, width, 1 / sqrt((double)config->head_size), 'q'},
        {&weights->k, rows, width, 1, 'k'},
        {&weights->v, rows, width, 1, 'v'},
        {&weights->o, width, rows, 1, 'o'},
    };
    for (size_t i = 0; i < sizeof linears / sizeof linears[0]; i++) {
        snprintf(full, sizeof full, "%s.%s.%c", layer, kind, linears[i].name);
        pc_linear_declare(scope, linears[i].weights, linears[i].out, linears[i].in, false, linears[i].gain, full);
    }
    snprintf(full, sizeof full, "%s.layer_norm", layer);
    pc_norm_declare(scope, &weights->norm, width, false, full);
}

static void mlp_declare(pc_scope *scope, pc_t5_block_weights *weights, const pc_t5_config *config, const char *layer)
{
    char full[NAME];
    if (config->gated) {
        snprintf(full, sizeof full, "%s.DenseReluDense.wi_0", layer);
        pc_linear_declare(scope, &weights->mlp.gate, config->hidden, config->width, false, 1, full);
    }
    snprintf(full, sizeof full, "%s.DenseReluDense.%s", layer, config->gated ? "wi_1" : "wi");
    pc_linear_declare(scope, &weights->mlp.up, config->hidden, config->width, false, 1, full);
    snprintf(full, sizeof full, "%s.DenseReluDense.wo", layer);
    pc_linear_declare(scope, &weights->mlp.down, config->width, config->hidden, false, 1, full);
    snprintf(full, sizeof full, "%s.layer_norm", layer);
    pc_norm_declare(scope, &weights->norm, config->width, false, full);
}

void pc_t5_block_declare(pc_scope *scope, pc_t5_block_weights *weights, const pc_t5_config *config, pc_t5_side side,
                         const char *name)
{
    char layer[NAME / 2];
    int index = 0;
    snprintf(layer, sizeof layer, "%s.layer.%d", name, index++);
    attention_declare(scope, &weights->self, config, layer, "SelfAttention");
    if (side == PC_T5_DECODER) {
        snprintf(layer, sizeof layer, "%s.layer.%d", name, index++);
        attention_declare(scope, &weights->cross, config, layer, "EncDecAttention");
    }
    snprintf(layer, sizeof layer, "%s.layer.%d", name, index);
    mlp_declare(scope, weights, config, layer);
}

pc_param *pc_t5_bias_declare(pc_scope *scope, const pc_t5_config *config, const char *name)
{
    pc_init init = PC_NORMAL(pc_scope_std(scope, config->width));
    return pc_declare(scope, init, pc_dims(2, config->buckets, config->heads), "%s.weight", name);
}

pc_tensor *pc_t5_bias(const pc_build *build, pc_param *table, const pc_t5_config *config, pc_t5_side side)
{
    pc_relative_bias_params params = {.bidirectional = side == PC_T5_ENCODER, .max_distance = config->max_distance};
    return pc_relative_bias(build->graph, pc_use(build, table), params);
}

typedef struct keys_values {
    pc_tensor *k, *v; /* [S,H,E] */
} keys_values;

static keys_values project(const pc_build *build, const pc_t5_attention_weights *weights, const pc_t5_config *config,
                           pc_tensor *from)
{
    pc_shape heads = pc_dims(3, -1, config->heads, config->head_size);
    return (keys_values){pc_reshape(build->graph, pc_linear_forward(build, &weights->k, from, NULL), heads),
                         pc_reshape(build->graph, pc_linear_forward(build, &weights->v, from, NULL), heads)};
}

static keys_values store(const pc_build *build, keys_values cache, keys_values own, pc_tensor *rows)
{
    return (keys_values){pc_store_rows(build->graph, cache.k, own.k, rows), pc_store_rows(build->graph, cache.v, own.v, rows)};
}

/* What one attention looks at. */
typedef struct looks {
    keys_values at;
    pc_tensor *ranges, *bias, *pages; /* the last two or NULL */
    int64_t page_rows;
    pc_attention_place place;
} looks;

/* stream [T,D] + o(attention of h [T,D]) */
static pc_tensor *attend(const pc_build *build, const pc_t5_attention_weights *weights, const pc_t5_config *config,
                         pc_tensor *stream, pc_tensor *h, const looks *look)
{
    pc_graph *graph = build->graph;
    pc_tensor *q = pc_reshape(graph, pc_linear_forward(build, &weights->q, h, NULL),
                              pc_dims(3, -1, config->heads, config->head_size)); /* [T,H,E] */
    pc_attention_params params = {.scale = 1, .page_rows = look->page_rows, .place = look->place};
    pc_tensor *mixed = pc_attention_biased(graph, (pc_tensor *[]){q, look->at.k, look->at.v}, look->ranges, look->bias,
                                           look->pages, params);
    mixed = pc_reshape(graph, mixed, pc_dims(2, -1, config->heads * config->head_size));
    bool drops = pc_drops_stream(build);
    mixed = pc_linear_forward(build, &weights->o, mixed, drops ? NULL : stream);
    return drops ? pc_add_to_stream(build, mixed, stream) : mixed; /* [T,D] */
}

static pc_tensor *mlp(const pc_build *build, const pc_t5_block_weights *weights, const pc_t5_config *config, pc_tensor *x)
{
    bool drops = pc_drops_stream(build);
    pc_tensor *residual = drops ? NULL : x, *h = pc_norm_forward(build, &weights->norm, x, config->eps); /* [T,D] */
    if (config->gated) {
        h = pc_glu_forward(build, &weights->mlp, h, config->activation, residual);
    } else {
        pc_mlp_weights plain = {.up = weights->mlp.up, .down = weights->mlp.down};
        h = pc_mlp_forward(build, &plain, h, config->activation, residual);
    }
    return drops ? pc_add_to_stream(build, h, x) : h;
}

pc_tensor *pc_t5_block_forward(const pc_build *build, const pc_t5_block_weights *weights, const pc_t5_config *config,
                               pc_tensor *x, const pc_t5_io *io)
{
    const pc_t5_cache *cache = io->cache;
    pc_tensor *h = pc_norm_forward(build, &weights->self.norm, x, config->eps);
    looks own = {.at = project(build, &weights->self, config, h), .ranges = io->ranges, .bias = io->bias,
                 .place = io->source ? PC_PLACE_LAST : PC_PLACE_ROW};
    looks source = {.ranges = io->source_ranges, .place = PC_PLACE_LAST};
    if (io->source) {
        source.at = project(build, &weights->cross, config, io->source);
    }
    if (cache) {
        own.at = store(build, store(build, (keys_values){cache->keys, cache->values}, source.at, cache->source_rows), own.at,
                       cache->rows);
        source.at = own.at;
        own.pages = source.pages = cache->pages;
        own.page_rows = source.page_rows = cache->page_rows;
    }
    x = attend(build, &weights->self, config, x, h, &own);
    if (io->source) {
        h = pc_norm_forward(build, &weights->cross.norm, x, config->eps);
        x = attend(build, &weights->cross, config, x, h, &source);
    }
    return mlp(build, weights, config, x);
}
