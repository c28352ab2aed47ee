/* T5's blocks:  x += o(attention(norm x) + bias);  decoder: x += o(attention(norm x, source));  x += mlp(norm x).
 *
 * Source: Raffel et al. 2020 (arXiv:1910.10683), section 2.1; Shazeer 2020 (arXiv:2002.05202) for the gated MLP;
 * transformers models/t5 (names, initial values).
 * Easy to get wrong: dot products are not scaled (the initial values of q are, instead); attention to the source has no
 * bias; "gated-gelu" is the tanh approximation.
 */
#include "nn/t5.h"

#include "ops/attention.h"

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

pc_tensor *pc_t5_bias(const pc_build *build, pc_param *table, const pc_t5_config *config, pc_t5_side side,
                      pc_tensor *query_positions, pc_tensor *key_positions)
{
    pc_relative_bias_params params = {.bidirectional = side == PC_T5_ENCODER, .max_distance = config->max_distance};
    return pc_relative_bias(build->graph, pc_use(build, table), query_positions, key_positions, params);
}

/* x [T,D] + attention of its norm to `source` [S,D], or to itself where source is NULL. */
static pc_tensor *attend(const pc_build *build, const pc_t5_attention_weights *weights, const pc_t5_config *config,
                         pc_tensor *x, pc_tensor *source, pc_tensor *ranges, pc_tensor *bias)
{
    pc_graph *graph = build->graph;
    pc_shape heads = pc_dims(3, -1, config->heads, config->head_size);
    pc_tensor *h = pc_norm_forward(build, &weights->norm, x, config->eps); /* [T,D] */
    pc_tensor *from = source ? source : h;
    pc_tensor *q = pc_reshape(graph, pc_linear_forward(build, &weights->q, h, NULL), heads);    /* [T,H,E] */
    pc_tensor *k = pc_reshape(graph, pc_linear_forward(build, &weights->k, from, NULL), heads); /* [S,H,E] */
    pc_tensor *v = pc_reshape(graph, pc_linear_forward(build, &weights->v, from, NULL), heads);
    pc_tensor *mixed = pc_attention(graph, q, k, v, ranges, bias, 1);
    mixed = pc_reshape(graph, mixed, pc_dims(2, -1, config->heads * config->head_size));
    return pc_linear_forward(build, &weights->o, mixed, x); /* [T,D] */
}

pc_tensor *pc_t5_block_forward(const pc_build *build, const pc_t5_block_weights *weights, const pc_t5_config *config,
                               pc_tensor *x, const pc_t5_io *io)
{
    x = attend(build, &weights->self, config, x, NULL, io->ranges, io->bias);
    if (io->source) {
        x = attend(build, &weights->cross, config, x, io->source, io->source_ranges, NULL);
    }
    pc_tensor *h = pc_norm_forward(build, &weights->norm, x, config->eps); /* [T,D] */
    if (config->gated) {
        return pc_glu_forward(build, &weights->mlp, h, config->activation, x);
    }
    pc_mlp_weights mlp = {.up = weights->mlp.up, .down = weights->mlp.down};
    return pc_mlp_forward(build, &mlp, h, config->activation, x);
}
