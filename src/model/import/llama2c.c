/* llama2.c checkpoints: one .bin file of version 0 (seven i32, then f32 weights), tokenizer beside it.
 *
 * Layout: dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size (negative: the head is not tied), seq_len; then, each
 * for all layers: embedding, attention norms, wq, wk, wv, wo, FFN norms, w1 (gate), w2 (down), w3 (up); final norm; two
 * tables of rotary angles that are not used; the head when it is not tied.
 * Source: karpathy/llama2.c (run.c). Easy to get wrong: rotary pairs are interleaved here, (2j, 2j+1); reading puts the
 * rows of wq and wk in the order of Hugging Face, (j, j + E/2), so that the model saves as one of its.
 */
#include "model/import/import.h"

#include "base/file.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

enum { HEADER_INTS = 7, HEADER_BYTES = 28 };

typedef struct header {
    int32_t dim, hidden, layers, heads, key_heads, vocabulary, context;
    bool tied;
} header;

/* Bytes that the weights of such a model take; false when the header makes no sense. */
static bool weight_bytes(const header *h, uint64_t *bytes)
{
    if (h->dim < 1 || h->hidden < 1 || h->layers < 1 || h->heads < 1 || h->key_heads < 1 || h->vocabulary < 1 ||
        h->context < 1 || h->dim > 65536 || h->hidden > 262144 || h->layers > 256 || h->heads > h->dim ||
        h->key_heads > h->heads || h->dim % h->heads || h->heads % h->key_heads || h->vocabulary > 1 << 24 ||
        h->context > 1 << 24) {
        return false;
    }
    uint64_t d = (uint64_t)h->dim, f = (uint64_t)h->hidden, l = (uint64_t)h->layers, v = (uint64_t)h->vocabulary;
    uint64_t size = d / (uint64_t)h->heads, kv = size * (uint64_t)h->key_heads;
    uint64_t floats = v * d + l * (2 * d + 2 * d * d + 2 * d * kv + 3 * d * f) + d + (uint64_t)h->context * size +
                      (h->tied ? 0 : v * d);
    *bytes = HEADER_BYTES + 4 * floats;
    return true;
}

static pc_status read_header(header *out, const pc_map *map, const char *path)
{
    int32_t raw[HEADER_INTS];
    uint64_t bytes = 0;
    if (map->size < HEADER_BYTES) {
        return pc_fail(PC_ERR_DATA, "%s: %zu bytes are too few for a llama2.c header", path, map->size);
    }
    memcpy(raw, map->data, sizeof raw);
    int32_t vocabulary = raw[5] == INT32_MIN ? 0 : raw[5] < 0 ? -raw[5] : raw[5];
    *out = (header){raw[0], raw[1], raw[2], raw[3], raw[4], vocabulary, raw[6], raw[5] > 0};
    if (!weight_bytes(out, &bytes)) {
        return pc_fail(PC_ERR_DATA, "%s: offset 0: not the header of a llama2.c model", path);
    }
    if (bytes != map->size) {
        return pc_fail(PC_ERR_DATA, "%s: the header needs %llu bytes, the file has %zu", path,
                       (unsigned long long)bytes, map->size);
    }
    return PC_OK;
}

static bool matches_file(const char *path)
{
    return pc_ends_with(path, ".bin") && !strstr(pc_path_base(path), "pytorch_model"); /* those are pickles */
}

static pc_status set_integers(pc_json *json, const header *h)
{
    const struct {
        const char *key;
        int64_t value;
    } numbers[] = {
        {"hidden_size", h->dim},        {"intermediate_size", h->hidden},     {"num_hidden_layers", h->layers},
        {"num_attention_heads", h->heads}, {"num_key_value_heads", h->key_heads}, {"vocab_size", h->vocabulary},
        {"max_position_embeddings", h->context},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        PC_TRY(pc_json_set(json, numbers[i].key, pc_json_new_integer(numbers[i].value)));
    }
    PC_TRY(pc_json_set(json, "rms_norm_eps", pc_json_new_number(1e-5)));
    PC_TRY(pc_json_set(json, "tie_word_embeddings", pc_json_new_bool(h->tied)));
    return pc_json_set(json, "model_type", pc_json_new_text("llama"));
}

/* Rows of [heads, size, width]: 2j and 2j+1 of a head -> j and j + size/2. */
static void split_pairs(float *to, const float *from, int64_t heads, int64_t size, int64_t width)
{
    for (int64_t row = 0; row < heads * size; row++) {
        int64_t head = row / size, i = row % size;
        memcpy(to + (head * size + i / 2 + i % 2 * (size / 2)) * width, from + row * width,
               (size_t)width * sizeof(float));
    }
}

/* head_size 0: as they lie. */
static pc_status take(pc_model *model, const float **cursor, const char *format, int layer, int64_t head_size)
{
    char name[128];
    snprintf(name, sizeof name, format, layer);
    for (size_t i = 0; i < model->params.count; i++) {
        pc_param_entry *entry = model->params.items[i];
        if (strcmp(entry->param.name, name) == 0) {
            size_t count = (size_t)pc_shape_count(&entry->param.shape);
            PC_TRY(pc_param_allocate(entry, PC_F32));
            if (head_size) {
                split_pairs(entry->param.data, *cursor, entry->param.shape.dim[0] / head_size, head_size,
                            entry->param.shape.dim[1]);
            } else {
                memcpy(entry->param.data, *cursor, count * sizeof(float));
            }
            *cursor += count;
            return PC_OK;
        }
    }
    return pc_fail(PC_ERR_DATA, "llama2.c: no parameter '%s'", name);
}

static pc_status take_weights(pc_model *model, const header *h, const float *cursor)
{
    const int64_t size = h->dim / h->heads;
    const struct {
        const char *name;
        int64_t head_size;
    } per_layer[] = {
        {"model.layers.%d.input_layernorm.weight", 0},     {"model.layers.%d.self_attn.q_proj.weight", size},
        {"model.layers.%d.self_attn.k_proj.weight", size}, {"model.layers.%d.self_attn.v_proj.weight", 0},
        {"model.layers.%d.self_attn.o_proj.weight", 0},    {"model.layers.%d.post_attention_layernorm.weight", 0},
        {"model.layers.%d.mlp.gate_proj.weight", 0},       {"model.layers.%d.mlp.down_proj.weight", 0},
        {"model.layers.%d.mlp.up_proj.weight", 0},
    };
    PC_TRY(take(model, &cursor, "model.embed_tokens.weight", 0, 0));
    for (size_t i = 0; i < sizeof per_layer / sizeof per_layer[0]; i++) {
        for (int layer = 0; layer < h->layers; layer++) {
            PC_TRY(take(model, &cursor, per_layer[i].name, layer, per_layer[i].head_size));
        }
    }
    PC_TRY(take(model, &cursor, "model.norm.weight", 0, 0));
    cursor += (int64_t)h->context * size;
    return h->tied ? PC_OK : take(model, &cursor, "lm_head.weight", 0, 0);
}

static pc_status load_file(pc_model *model, const char *path)
{
    pc_map map;
    header h = {0};
    PC_TRY(pc_map_open(&map, path));
    pc_status status = read_header(&h, &map, path);
    if (status == PC_OK) {
        model->config = pc_json_new_object();
        status = model->config ? set_integers(model->config, &h) : pc_fail_memory(0, "a configuration");
    }
    if (status == PC_OK) {
        status = pc_model_set_llm(model, "llama", model->config, path);
    }
    if (status == PC_OK) {
        status = take_weights(model, &h, (const float *)(const void *)(map.data + HEADER_BYTES));
    }
    pc_map_close(&map);
    return status;
}

static bool alias(const char *name, int i, char *out, size_t size)
{
    return pc_import_alias_of(name, i, NULL, 0, out, size);
}

static pc_status describe(const pc_model *model, pc_json *config)
{
    return pc_import_complete_llm(config, model);
}

const pc_import pc_import_llama2c = {
    .architecture = "LlamaForCausalLM",
    .prefixes = {.llm = ""},
    .alias = alias,
    .describe = describe,
    .matches_file = matches_file,
    .load_file = load_file,
};
