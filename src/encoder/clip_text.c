/* CLIP's text tower: token + position embeddings, causal pre-LN blocks, final norm, the row of the end token.
 *
 * Source: Radford et al. 2021, section 2.4; transformers models/clip.
 * Easy to get wrong: the pooled row is the end token's, which OpenAI's code finds as the largest id.
 */
#include "encoder/clip_text.h"

#include "ops/add.h"
#include "ops/rows.h"

#include <stdio.h>

#define FIELD(key, kind, def, lo, hi, text)                                                                       \
    {.name = #key, .type = kind, .offset = offsetof(pc_clip_text_config, key), .fallback = def, .low = lo, .high = hi, \
     .help = text}

static const pc_field fields[] = {
    FIELD(vocab_size, PC_FIELD_INT, "49408", 1, 1 << 24, "entries of the vocabulary"),
    FIELD(hidden_size, PC_FIELD_INT, "512", 1, 65536, "width of the tower"),
    FIELD(intermediate_size, PC_FIELD_INT, "2048", 1, 262144, "width of the MLP"),
    FIELD(num_hidden_layers, PC_FIELD_INT, "12", 1, PC_CLIP_TEXT_MAX_LAYERS, "blocks"),
    FIELD(num_attention_heads, PC_FIELD_INT, "8", 1, 1024, "attention heads"),
    FIELD(max_position_embeddings, PC_FIELD_INT, "77", 1, 65536, "longest text in tokens"),
    FIELD(eos_token_id, PC_FIELD_INT, "49407", 0, 1 << 24, "the token whose row stands for the text"),
    FIELD(hidden_act, PC_FIELD_TEXT, "quick_gelu", 0, 0, "activation"),
    FIELD(layer_norm_eps, PC_FIELD_FLOAT, "1e-5", 0, 1, "epsilon of the norms"),
};

const pc_field_table pc_clip_text_fields = {fields, sizeof fields / sizeof fields[0]};

static pc_block_config block_config(const pc_clip_text_config *config)
{
    return (pc_block_config){
        .width = config->hidden_size,
        .hidden = config->intermediate_size,
        .heads = config->num_attention_heads,
        .layers = config->num_hidden_layers,
        .activation = (pc_activation)pc_activation_from_name(config->hidden_act),
        .eps = config->layer_norm_eps,
    };
}

pc_status pc_clip_text_check(const pc_clip_text_config *config, const char *where)
{
    if (config->hidden_size % config->num_attention_heads) {
        return pc_fail(PC_ERR_DATA, "%s: hidden_size %lld is not a multiple of num_attention_heads %lld", where,
                       (long long)config->hidden_size, (long long)config->num_attention_heads);
    }
    if (pc_activation_from_name(config->hidden_act) < 0) {
        return pc_fail(PC_ERR_DATA, "%s: hidden_act '%s' is unknown", where, config->hidden_act);
    }
    return PC_OK;
}

void pc_clip_text_declare(pc_scope *scope, const pc_clip_text_config *config, pc_clip_text_weights *weights)
{
    int64_t width = config->hidden_size;
    pc_block_config block = block_config(config);
    weights->tokens = pc_declare(scope, PC_NORMAL(pc_scope_std(scope, width)), pc_dims(2, config->vocab_size, width),
                                 "embeddings.token_embedding.weight");
    weights->positions = pc_declare(scope, PC_NORMAL(pc_scope_std(scope, width)),
                                    pc_dims(2, config->max_position_embeddings, width),
                                    "embeddings.position_embedding.weight");
    for (int64_t i = 0; i < config->num_hidden_layers; i++) {
        char name[64];
        snprintf(name, sizeof name, "encoder.layers.%d", (int)i);
        pc_block_declare(scope, &weights->blocks[i], &block, name);
    }
    pc_norm_declare(scope, &weights->norm, width, true, "final_layer_norm");
}

pc_tensor *pc_clip_text_forward(const pc_build *build, const pc_clip_text_config *config,
                                const pc_clip_text_weights *weights, const pc_clip_text_io *io)
{
    pc_graph *graph = build->graph;
    pc_block_config block = block_config(config);
    pc_tensor *x = pc_take_rows(graph, pc_use(build, weights->tokens), io->ids); /* [T,D] */
    x = pc_add(graph, x, pc_take_rows(graph, pc_use(build, weights->positions), io->positions));
    x = pc_name(graph, x, "text.hidden.0");
    for (int64_t i = 0; i < config->num_hidden_layers; i++) {
        x = pc_block_forward(build, &weights->blocks[i], &block, x, io->ranges);
        x = pc_name(graph, x, "text.hidden.%d", (int)i + 1);
    }
    x = pc_norm_forward(build, &weights->norm, x, config->layer_norm_eps);
    return pc_take_rows(graph, x, io->ends); /* [B,D] */
}
