/* The Q-Former of BLIP-2: learned queries that read a picture; with a text beside them (InstructBLIP), they read that, too.
 *
 *   x = LN [queries ; text + positions]                         [N,Q+L,D]
 *   L times:  h = LN(x + attention(x));  on query rows of every n-th layer: h = LN(h + attention(h, features));
 *             x = LN(h + MLP h), query rows and text rows with an MLP of their own
 *   soft tokens = W x + b of the query rows                      [N,Q,D']
 *
 * Source: Li et al. 2023 (arXiv:2301.12597), section 3.1; Dai et al. 2023 (arXiv:2305.06500), section 2.3; transformers
 * models/blip_2, models/instructblip (names).
 * Easy to get wrong: norms stand behind the sums (BERT); queries have no positions; one norm over queries and text; layer
 * 0 reads the picture, then every n-th; padded text is seen by nobody.
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

typedef struct q_former_config {
    int64_t num_query_tokens, hidden_size, num_hidden_layers, num_attention_heads, intermediate_size;
    int64_t cross_attention_frequency, vocab_size, max_position_embeddings;
    char *hidden_act;
    double layer_norm_eps;
    bool use_qformer_text_input;
} q_former_config;

#define FIELD(key, kind, def, lo, hi, text) \
    {.name = #key, .type = kind, .offset = offsetof(q_former_config, key), .fallback = def, .low = lo, .high = hi, .help = text}

static const pc_field fields[] = {
    FIELD(num_query_tokens, PC_FIELD_INT, "32", 1, 1 << 16, "soft tokens of a picture"),
    FIELD(hidden_size, PC_FIELD_INT, "768", 1, 65536, "width"),
    FIELD(num_hidden_layers, PC_FIELD_INT, "12", 1, MAX_LAYERS, "layers"),
    FIELD(num_attention_heads, PC_FIELD_INT, "12", 1, 1024, "attention heads"),
    FIELD(intermediate_size, PC_FIELD_INT, "3072", 1, 262144, "width of the MLPs"),
    FIELD(cross_attention_frequency, PC_FIELD_INT, "2", 1, MAX_LAYERS, "every n-th layer reads the picture"),
    FIELD(vocab_size, PC_FIELD_INT, "30522", 1, 1 << 24, "entries of the text's vocabulary"),
    FIELD(max_position_embeddings, PC_FIELD_INT, "512", 1, 1 << 16, "longest text"),
    FIELD(hidden_act, PC_FIELD_TEXT, "gelu", 0, 0, "activation"),
    FIELD(layer_norm_eps, PC_FIELD_FLOAT, "1e-12", 0, 1, "epsilon of the norms"),
    FIELD(use_qformer_text_input, PC_FIELD_BOOL, "false", 0, 0, "a text is read beside the queries (InstructBLIP)"),
};

/* LN(x + o(attention)) */
typedef struct bert_attention {
    pc_linear_weights q, k, v, o;
    pc_norm_weights norm;
} bert_attention;

typedef struct bert_mlp {
    pc_mlp_weights mlp;
    pc_norm_weights norm;
} bert_mlp;

typedef struct q_former_layer {
    bert_attention self, cross;
    bert_mlp query, text;
} q_former_layer;

typedef struct q_former_weights {
    pc_param *queries;          /* [1,Q,D] */
    pc_param *words, *positions;/* [V,D], [C,D]; with a text */
    pc_norm_weights norm;
    pc_linear_weights projection; /* [D',D] */
    q_former_layer layers[MAX_LAYERS];
} q_former_weights;

static pc_status check(const void *any, const pc_connector_dims *dims, const char *where)
{
    const q_former_config *config = any;
    (void)dims;
    if (config->hidden_size % config->num_attention_heads) {
        return pc_fail(PC_ERR_DATA, "%s: the Q-Former's hidden_size %lld is not a multiple of num_attention_heads %lld", where,
                       (long long)config->hidden_size, (long long)config->num_attention_heads);
    }
    return pc_connector_need_activation(config->hidden_act, "the Q-Former's hidden_act", where);
}

static int64_t tokens(const void *any, const pc_connector_dims *dims)
{
    (void)dims;
    return ((const q_former_config *)any)->num_query_tokens;
}

static int64_t text_limit(const void *any)
{
    const q_former_config *config = any;
    return config->use_qformer_text_input ? config->max_position_embeddings : 0;
}

static int64_t text_vocabulary(const void *any)
{
    return ((const q_former_config *)any)->vocab_size;
}

static void declare_attention(pc_scope *scope, bert_attention *weights, int64_t width, int64_t source, const char *name)
{
    char full[160];
    const struct {
        pc_linear_weights *weights;
        int64_t in;
        const char *name;
    } linears[] = {
        {&weights->q, width, "attention.query"},
        {&weights->k, source, "attention.key"},
        {&weights->v, source, "attention.value"},
        {&weights->o, width, "output.dense"},
    };
    for (size_t i = 0; i < sizeof linears / sizeof linears[0]; i++) {
        snprintf(full, sizeof full, "%s.%s", name, linears[i].name);
        pc_linear_declare(scope, linears[i].weights, width, linears[i].in, true, 1, full);
    }
    snprintf(full, sizeof full, "%s.output.LayerNorm", name);
    pc_norm_declare(scope, &weights->norm, width, true, full);
}

/* kind: "" for text rows, "_query" for query rows */
static void declare_mlp(pc_scope *scope, bert_mlp *weights, const q_former_config *config, const char *name, const char *kind)
{
    char full[160];
    snprintf(full, sizeof full, "%s.intermediate%s.dense", name, kind);
    pc_linear_declare(scope, &weights->mlp.up, config->intermediate_size, config->hidden_size, true, 1, full);
    snprintf(full, sizeof full, "%s.output%s.dense", name, kind);
    pc_linear_declare(scope, &weights->mlp.down, config->hidden_size, config->intermediate_size, true, 1, full);
    snprintf(full, sizeof full, "%s.output%s.LayerNorm", name, kind);
    pc_norm_declare(scope, &weights->norm, config->hidden_size, true, full);
}

static void declare_layer(pc_scope *scope, const q_former_config *config, const pc_connector_dims *dims,
                          q_former_layer *layer, int64_t index)
{
    char name[64], full[96];
    snprintf(name, sizeof name, "qformer.encoder.layer.%d", (int)index);
    snprintf(full, sizeof full, "%s.attention", name);
    declare_attention(scope, &layer->self, config->hidden_size, config->hidden_size, full);
    if (index % config->cross_attention_frequency == 0) {
        snprintf(full, sizeof full, "%s.crossattention", name);
        declare_attention(scope, &layer->cross, config->hidden_size, dims->in, full);
    }
    if (config->use_qformer_text_input) {
        declare_mlp(scope, &layer->text, config, name, "");
    }
    declare_mlp(scope, &layer->query, config, name, "_query");
}

static void declare(pc_scope *scope, const void *any, const pc_connector_dims *dims, void *any_weights)
{
    const q_former_config *config = any;
    q_former_weights *weights = any_weights;
    int64_t width = config->hidden_size;
    pc_init init = PC_NORMAL(pc_scope_std(scope, width));
    weights->queries = pc_declare(scope, init, pc_dims(3, 1, config->num_query_tokens, width), "query_tokens");
    if (scope->status == PC_OK) {
        weights->queries->any_type = false;
    }
    if (config->use_qformer_text_input) {
        weights->words = pc_declare(scope, init, pc_dims(2, config->vocab_size, width), "qformer.embeddings.word_embeddings.weight");
        weights->positions = pc_declare(scope, init, pc_dims(2, config->max_position_embeddings, width),
                                        "qformer.embeddings.position_embeddings.weight");
        if (scope->status == PC_OK) {
            weights->positions->any_type = false;
        }
    }
    pc_norm_declare(scope, &weights->norm, width, true,
                    config->use_qformer_text_input ? "qformer.embeddings.layernorm" : "qformer.layernorm");
    for (int64_t i = 0; i < config->num_hidden_layers; i++) {
        declare_layer(scope, config, dims, &weights->layers[i], i);
    }
    pc_linear_declare(scope, &weights->projection, dims->out, width, true, 1, "language_projection");
}

/* LN(x + o(attention(x, source))); x [N,R,D], source [N,S,..] */
static pc_tensor *attend(const pc_build *build, const q_former_config *config, const bert_attention *weights, pc_tensor *x,
                         pc_tensor *source, pc_tensor *ranges)
{
    pc_graph *graph = build->graph;
    int64_t size = config->hidden_size / config->num_attention_heads;
    pc_shape heads = pc_dims(3, -1, config->num_attention_heads, size);
    pc_tensor *q = pc_reshape(graph, pc_linear_forward(build, &weights->q, x, NULL), heads);      /* [N*R,H,E] */
    pc_tensor *k = pc_reshape(graph, pc_linear_forward(build, &weights->k, source, NULL), heads); /* [N*S,H,E] */
    pc_tensor *v = pc_reshape(graph, pc_linear_forward(build, &weights->v, source, NULL), heads);
    pc_tensor *mixed = pc_attention(graph, q, k, v, ranges, NULL, 1 / sqrt((double)size));
    mixed = pc_reshape(graph, mixed, pc_dims(3, -1, x->max.dim[1], config->hidden_size));
    x = pc_linear_forward(build, &weights->o, mixed, x);
    return pc_norm_forward(build, &weights->norm, x, config->layer_norm_eps); /* [N,R,D] */
}

static pc_tensor *transform(const pc_build *build, const q_former_config *config, const bert_mlp *weights, pc_tensor *x)
{
    x = pc_mlp_forward(build, &weights->mlp, x, (pc_activation)pc_activation_from_name(config->hidden_act), x);
    return pc_norm_forward(build, &weights->norm, x, config->layer_norm_eps);
}

/* ids i32 [N,L] -> [N,L,D], or NULL */
static pc_tensor *embed_text(const pc_build *build, const q_former_config *config, const q_former_weights *weights,
                             const pc_connector_input *in)
{
    pc_graph *graph = build->graph;
    if (!in->ids || !config->use_qformer_text_input) {
        return NULL;
    }
    int64_t length = in->ids->max.dim[1], width = config->hidden_size;
    pc_tensor *table = pc_reshape(graph, pc_use(build, weights->positions), pc_dims(3, 1, -1, width));
    table = pc_reshape(graph, pc_slice(graph, table, 0, length), pc_dims(2, -1, width)); /* [L,D] */
    pc_tensor *text = pc_take_rows(graph, pc_use(build, weights->words), pc_reshape(graph, in->ids, pc_dims(1, -1)));
    return pc_add(graph, pc_reshape(graph, text, pc_dims(3, -1, length, width)), table);
}

static pc_tensor *forward(const pc_build *build, const void *any, const void *any_weights, const pc_connector_input *in)
{
    const q_former_config *config = any;
    const q_former_weights *weights = any_weights;
    pc_graph *graph = build->graph;
    int64_t queries = config->num_query_tokens, layers = config->num_hidden_layers;
    pc_tensor *x = pc_reshape(graph, pc_use(build, weights->queries), pc_dims(2, queries, config->hidden_size));
    x = pc_repeat(graph, x, in->features); /* [N,Q,D] */
    pc_tensor *alone = x, *text = embed_text(build, config, weights, in);
    x = text ? pc_concat(graph, x, text) : x; /* [N,Q+L,D] */
    x = pc_norm_forward(build, &weights->norm, x, config->layer_norm_eps);
    pc_tensor *near = pc_cross_ranges(graph, x, x, text ? in->lengths : NULL, queries);
    pc_tensor *far = pc_cross_ranges(graph, alone, in->features, NULL, 0);
    for (int64_t i = 0; i < layers; i++) {
        const q_former_layer *layer = &weights->layers[i];
        x = attend(build, config, &layer->self, x, x, near);
        pc_tensor *words = text ? pc_slice(graph, x, queries, 0) : NULL; /* [N,L,D] */
        x = text ? pc_slice(graph, x, 0, queries) : x;                   /* [N,Q,D] */
        if (i % config->cross_attention_frequency == 0) {
            x = attend(build, config, &layer->cross, x, in->features, far);
        }
        x = transform(build, config, &layer->query, x);
        if (text && i + 1 < layers) { /* nobody reads the text behind the last layer */
            x = pc_concat(graph, x, transform(build, config, &layer->text, words));
        }
    }
    return pc_linear_forward(build, &weights->projection, x, NULL); /* [N,Q,D'] */
}

const pc_connector_type pc_connector_q_former = {
    .name = "q_former",
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .config_size = sizeof(q_former_config),
    .weights_size = sizeof(q_former_weights),
    .check = check,
    .tokens = tokens,
    .declare = declare,
    .forward = forward,
    .text_limit = text_limit,
    .text_vocabulary = text_vocabulary,
};
