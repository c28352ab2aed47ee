/* Keys of GGUF files -> config.json. Source: ggml's docs/gguf.md, llama.cpp src/llama-arch.cpp, examples/llava/clip.cpp. */
#include "model/import/gguf.h"

#include "base/file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const architectures[] = {"llama", "qwen2"};

static pc_status set_integer(pc_json *json, const char *key, int64_t value)
{
    return pc_json_set(json, key, pc_json_new_integer(value));
}

/* One integer by "<prefix>.<key>"; fallback < 0: it must be there. */
static pc_status take(int64_t *out, const pc_gguf *gguf, const char *prefix, const char *key, int64_t fallback)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%s", prefix, key);
    PC_TRY(pc_gguf_integer(out, gguf, name, fallback, 0, 1 << 24));
    return *out >= 0 ? PC_OK : pc_fail(PC_ERR_DATA, "%s: key '%s' is missing", pc_gguf_file(gguf), name);
}

/* An f32 that stands for a decimal number, as 1e-5 does: that number. */
static double as_written(double value)
{
    char text[32];
    for (int digits = 1; digits < 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if ((float)strtod(text, NULL) == (float)value) {
            return strtod(text, NULL);
        }
    }
    return value;
}

static pc_status take_number(double *out, const pc_gguf *gguf, const char *prefix, const char *key, double fallback)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%s", prefix, key);
    PC_TRY(pc_gguf_number(out, gguf, name, fallback));
    *out = as_written(*out);
    return PC_OK;
}

static bool text_is(const char *text, size_t length, const char *other)
{
    return text && strlen(other) == length && memcmp(text, other, length) == 0;
}

/* --- rotary positions --- */

/* LLaMA 3.1's factors are stored one by one; the rule that made them has one free number, the others are the same in all of
 * its models. */
static pc_status recognise_llama3(pc_json *rope, const pc_gguf *gguf, const char *prefix, const pc_array *factors, double base)
{
    enum { MOST = 512 };
    const double pi = 3.14159265358979323846;
    double low, high;
    int64_t original;
    float found[MOST];
    double factor = 1;
    int64_t count = pc_array_count(factors);
    if (count < 1 || count > MOST) {
        return pc_fail(PC_ERR_DATA, "%s: rope_freqs.weight has %lld numbers", factors->file, (long long)count);
    }
    PC_TRY(take_number(&low, gguf, prefix, "rope.scaling.low_freq_factor", 1)); /* these three by percept alone */
    PC_TRY(take_number(&high, gguf, prefix, "rope.scaling.high_freq_factor", 4));
    PC_TRY(take(&original, gguf, prefix, "rope.scaling.original_context_length", 8192));
    PC_TRY(pc_array_to_f32(factors, found));
    for (int64_t i = 0; i < count; i++) {
        factor = found[i] > factor ? found[i] : factor;
    }
    for (int64_t i = 0; i < count; i++) {
        double wave = 2 * pi * pow(base, (double)i / (double)count), stretch = (double)original,
               smooth = (stretch / wave - low) / (high - low);
        double expected = wave < stretch / high ? 1 : wave > stretch / low ? factor : 1 / ((1 - smooth) / factor + smooth);
        if (fabs(found[i] - expected) > 1e-3 * expected) {
            return pc_fail(PC_ERR_DATA, "%s: rope_freqs.weight[%lld] is %g, by LLaMA 3's rule %g expected; other rules are not "
                           "read", factors->file, (long long)i, (double)found[i], expected);
        }
    }
    PC_TRY(pc_json_set(rope, "rope_type", pc_json_new_text("llama3")));
    PC_TRY(pc_json_set(rope, "factor", pc_json_new_number(factor)));
    PC_TRY(pc_json_set(rope, "low_freq_factor", pc_json_new_number(low)));
    PC_TRY(pc_json_set(rope, "high_freq_factor", pc_json_new_number(high)));
    return set_integer(rope, "original_max_position_embeddings", original);
}

static pc_status read_scaling(pc_json *rope, const pc_gguf *gguf, const char *prefix)
{
    char key[64];
    const char *type;
    size_t length;
    double factor;
    int64_t original;
    snprintf(key, sizeof key, "%s.rope.scaling.type", prefix);
    PC_TRY(pc_gguf_text(&type, &length, gguf, key));
    PC_TRY(take_number(&factor, gguf, prefix, "rope.scale_linear", 1));
    PC_TRY(take_number(&factor, gguf, prefix, "rope.scaling.factor", factor));
    bool yarn = text_is(type, length, "yarn");
    if ((!yarn && factor == 1) || text_is(type, length, "none")) {
        return PC_OK;
    }
    if (type && !yarn && !text_is(type, length, "linear")) {
        return pc_fail(PC_ERR_DATA, "%s: key '%s': '%.*s' is not supported; known: none, linear, yarn", pc_gguf_file(gguf), key,
                       (int)(length < 40 ? length : 40), type);
    }
    PC_TRY(pc_json_set(rope, "rope_type", pc_json_new_text(yarn ? "yarn" : "linear")));
    PC_TRY(pc_json_set(rope, "factor", pc_json_new_number(factor)));
    PC_TRY(take(&original, gguf, prefix, "rope.scaling.original_context_length", 0));
    return original ? set_integer(rope, "original_max_position_embeddings", original) : PC_OK;
}

static pc_status read_rope(pc_model *model, const pc_gguf *gguf, const char *prefix)
{
    double base;
    const pc_array *factors = pc_store_find(model->store, "rope_freqs.weight");
    pc_json *rope = pc_json_new_object();
    pc_status status = take_number(&base, gguf, prefix, "rope.freq_base", 10000);
    if (status == PC_OK) {
        status = factors ? recognise_llama3(rope, gguf, prefix, factors, base) : read_scaling(rope, gguf, prefix);
    }
    if (status == PC_OK) {
        status = pc_json_set(model->config, "rope_theta", pc_json_new_number(base));
    }
    if (status == PC_OK && pc_json_length(rope)) {
        return pc_json_set(model->config, "rope_scaling", rope);
    }
    pc_json_free(rope);
    return status;
}

/* --- the language model --- */

static pc_status find_architecture(const char **out, const pc_gguf *gguf)
{
    const char *text;
    size_t length;
    PC_TRY(pc_gguf_text(&text, &length, gguf, "general.architecture"));
    for (size_t i = 0; i < sizeof architectures / sizeof architectures[0]; i++) {
        if (text_is(text, length, architectures[i])) {
            *out = architectures[i];
            return PC_OK;
        }
    }
    if (text_is(text, length, "clip")) {
        return pc_fail(PC_ERR_DATA, "%s: this is the vision side of a model; name the language model and give this file by "
                       "--mmproj", pc_gguf_file(gguf));
    }
    return pc_fail(PC_ERR_DATA, "%s: key 'general.architecture': '%.*s' is not supported; known: llama, qwen2",
                   pc_gguf_file(gguf), (int)(length < 40 ? length : 40), text ? text : "");
}

static pc_status set_sizes(pc_model *model, const pc_gguf *gguf, const char *prefix)
{
    const struct {
        const char *key, *ours;
    } keys[] = {{"embedding_length", "hidden_size"},
                {"feed_forward_length", "intermediate_size"},
                {"block_count", "num_hidden_layers"},
                {"attention.head_count", "num_attention_heads"},
                {"context_length", "max_position_embeddings"}};
    int64_t value, heads, width, size;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        PC_TRY(take(&value, gguf, prefix, keys[i].key, -1));
        PC_TRY(set_integer(model->config, keys[i].ours, value));
    }
    PC_TRY(take(&heads, gguf, prefix, "attention.head_count", -1));
    PC_TRY(take(&width, gguf, prefix, "embedding_length", -1));
    PC_TRY(take(&value, gguf, prefix, "attention.head_count_kv", heads));
    PC_TRY(set_integer(model->config, "num_key_value_heads", value));
    PC_TRY(take(&size, gguf, prefix, "attention.key_length", heads ? width / heads : 0));
    PC_TRY(set_integer(model->config, "head_dim", size));
    PC_TRY(take(&value, gguf, prefix, "rope.dimension_count", size));
    if (value != size) {
        return pc_fail(PC_ERR_DATA, "%s: key '%s.rope.dimension_count' is %lld; only whole heads (%lld) are turned",
                       pc_gguf_file(gguf), prefix, (long long)value, (long long)size);
    }
    PC_TRY(take(&value, gguf, prefix, "expert_count", 0));
    return value == 0 ? PC_OK
                      : pc_fail(PC_ERR_DATA, "%s: key '%s.expert_count': mixtures of experts are not supported in GGUF",
                                pc_gguf_file(gguf), prefix);
}

pc_status pc_gguf_llm_config(pc_model *model, const pc_gguf *gguf, const char **architecture)
{
    double eps;
    const pc_array *table;
    model->config = pc_json_new_object();
    PC_TRY(find_architecture(architecture, gguf));
    PC_TRY(pc_json_set(model->config, "model_type", pc_json_new_text(*architecture)));
    PC_TRY(pc_store_need(&table, model->store, "token_embd.weight"));
    PC_TRY(set_integer(model->config, "vocab_size", table->dim[0]));
    PC_TRY(set_sizes(model, gguf, *architecture));
    PC_TRY(take_number(&eps, gguf, *architecture, "attention.layer_norm_rms_epsilon", 1e-5));
    PC_TRY(pc_json_set(model->config, "rms_norm_eps", pc_json_new_number(eps)));
    bool tied = !pc_store_find(model->store, "output.weight");
    PC_TRY(pc_json_set(model->config, "tie_word_embeddings", pc_json_new_bool(tied)));
    if (strcmp(*architecture, "llama") == 0) {
        bool bias = pc_store_find(model->store, "blk.0.attn_q.bias") != NULL;
        PC_TRY(pc_json_set(model->config, "attention_bias", pc_json_new_bool(bias)));
    }
    return read_rope(model, gguf, *architecture);
}

/* --- the vision side --- */

/* image_grid_pinpoints; in the file, and in LLaVA's own layout, the width of a pair stands first. */
static pc_status read_grids(pc_json *config, const pc_gguf *gguf, bool width_first)
{
    const pc_gguf_value *array;
    PC_TRY(pc_gguf_array(&array, gguf, "clip.vision.image_grid_pinpoints", PC_GGUF_I32));
    if (!array || !array->count) {
        return PC_OK;
    }
    pc_json *list = pc_json_new_array();
    pc_status status = array->count % 2 || array->count > 512
                           ? pc_fail(PC_ERR_DATA, "%s: key 'clip.vision.image_grid_pinpoints' has %llu numbers",
                                     pc_gguf_file(gguf), (unsigned long long)array->count)
                           : PC_OK;
    for (uint64_t i = 0; i < array->count && status == PC_OK; i += 2) {
        pc_json *pair = pc_json_new_array();
        for (uint64_t side = 0; side < 2 && status == PC_OK; side++) {
            uint64_t at = i + (width_first ? side : 1 - side);
            status = pc_json_push(pair, pc_json_new_integer(pc_gguf_integer_at(array, at)));
        }
        pc_status pushed = pc_json_push(list, pair);
        status = status == PC_OK ? pushed : status;
    }
    if (status != PC_OK) {
        pc_json_free(list);
        return status;
    }
    return pc_json_set(config, "image_grid_pinpoints", list);
}

static pc_status read_tower(pc_json *vision, const pc_gguf *gguf)
{
    static const char prefix[] = "clip.vision";
    const struct {
        const char *key, *ours;
    } keys[] = {{"image_size", "image_size"},
                {"patch_size", "patch_size"},
                {"embedding_length", "hidden_size"},
                {"feed_forward_length", "intermediate_size"},
                {"attention.head_count", "num_attention_heads"},
                {"block_count", "num_hidden_layers"}};
    int64_t value;
    double eps;
    bool gelu, silu;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        PC_TRY(take(&value, gguf, prefix, keys[i].key, -1));
        PC_TRY(set_integer(vision, keys[i].ours, value));
    }
    PC_TRY(take_number(&eps, gguf, prefix, "attention.layer_norm_epsilon", 1e-5));
    PC_TRY(pc_gguf_bool(&gelu, gguf, "clip.use_gelu", false));
    PC_TRY(pc_gguf_bool(&silu, gguf, "clip.use_silu", false));
    PC_TRY(pc_json_set(vision, "layer_norm_eps", pc_json_new_number(eps)));
    PC_TRY(pc_json_set(vision, "hidden_act", pc_json_new_text(silu ? "silu" : gelu ? "gelu" : "quick_gelu")));
    return pc_json_set(vision, "model_type", pc_json_new_text("clip_vision_model"));
}

/* The layer whose features are taken, counted from the end; without the key it is the last one that is in the file. */
static pc_status read_layer(int64_t *out, const pc_json *vision, const pc_gguf *gguf)
{
    static const char key[] = "clip.vision.feature_layer";
    const pc_gguf_value *array;
    int64_t blocks = pc_json_get_integer(vision, "num_hidden_layers", 0);
    PC_TRY(pc_gguf_array(&array, gguf, key, PC_GGUF_I32));
    int64_t layer = array && array->count == 1 ? pc_gguf_integer_at(array, 0) : array ? -1 : blocks;
    if (layer < 0 || layer > blocks) {
        return pc_fail(PC_ERR_DATA, "%s: offset %zu: key '%s': expected one layer of the %lld that are there", pc_gguf_file(gguf),
                       array->offset, key, (long long)blocks);
    }
    *out = layer - blocks - 1;
    return PC_OK;
}

static pc_status check_projector(const pc_gguf *gguf)
{
    const char *text;
    size_t length;
    PC_TRY(pc_gguf_text(&text, &length, gguf, "general.architecture"));
    if (!text_is(text, length, "clip")) {
        return pc_fail(PC_ERR_DATA, "%s: key 'general.architecture' is not 'clip': not the vision side of a model",
                       pc_gguf_file(gguf));
    }
    PC_TRY(pc_gguf_text(&text, &length, gguf, "clip.projector_type"));
    return !text || text_is(text, length, "mlp")
               ? PC_OK
               : pc_fail(PC_ERR_DATA, "%s: key 'clip.projector_type': '%.*s' is not supported; known: mlp", pc_gguf_file(gguf),
                         (int)(length < 40 ? length : 40), text);
}

/* What the two layouts are made of. */
typedef struct vision_side {
    const char *aspect; /* image_aspect_ratio */
    int64_t layer, placeholder;
    bool deep, unpad;
} vision_side;

/* "pad" where the file doesn't say: LLaVA 1.5, whose files lack the key, was trained so. */
static pc_status read_side(vision_side *out, const pc_model *model, const pc_gguf *gguf)
{
    const char *text;
    size_t length;
    bool grids = pc_gguf_find(gguf, "clip.vision.image_grid_pinpoints") != NULL;
    out->deep = pc_store_find(model->tower_store, "mm.2.weight") != NULL;
    PC_TRY(pc_gguf_text(&text, &length, gguf, "clip.vision.image_aspect_ratio"));
    out->aspect = grids ? "anyres" : text_is(text, length, "square") ? "square" : "pad";
    PC_TRY(pc_gguf_text(&text, &length, gguf, "clip.vision.mm_patch_merge_type"));
    out->unpad = text_is(text, length, "spatial_unpad") && pc_store_find(model->tower_store, "model.image_newline");
    return PC_OK;
}

static pc_status original_layout(pc_model *model, const pc_gguf *gguf, const vision_side *side)
{
    pc_json *config = model->config;
    bool qwen = strcmp(pc_json_get_text(config, "model_type", ""), "qwen2") == 0;
    PC_TRY(pc_json_set(config, "model_type", pc_json_new_text(qwen ? "llava_qwen" : "llava_llama")));
    PC_TRY(pc_json_set(config, "mm_vision_tower", pc_json_new_text(pc_path_base(pc_gguf_file(gguf)))));
    PC_TRY(pc_json_set(config, "mm_projector_type", pc_json_new_text(side->deep ? "mlp2x_gelu" : "linear")));
    PC_TRY(set_integer(config, "mm_vision_select_layer", side->layer));
    PC_TRY(pc_json_set(config, "image_aspect_ratio", pc_json_new_text(side->aspect)));
    PC_TRY(read_grids(config, gguf, true));
    return side->unpad ? pc_json_set(config, "mm_patch_merge_type", pc_json_new_text("spatial_unpad")) : PC_OK;
}

/* The language model's config becomes text_config. */
static pc_status hugging_face_layout(pc_model *model, const pc_gguf *gguf, const vision_side *side)
{
    pc_json *text = model->config, *config = pc_json_new_object();
    model->config = config;
    PC_TRY(pc_json_set(config, "text_config", text));
    PC_TRY(pc_json_set(config, "model_type", pc_json_new_text(side->unpad ? "llava_next" : "llava")));
    PC_TRY(pc_json_set(config, "vision_feature_select_strategy", pc_json_new_text("default")));
    PC_TRY(set_integer(config, "vision_feature_layer", side->layer));
    PC_TRY(set_integer(config, "image_token_index", side->placeholder));
    PC_TRY(pc_json_set(config, "image_aspect_ratio", pc_json_new_text(side->aspect)));
    return read_grids(config, gguf, false);
}

static pc_status put_together(pc_model *model, const pc_gguf *gguf, const pc_json *vision, int64_t placeholder)
{
    vision_side side = {.placeholder = placeholder};
    PC_TRY(read_layer(&side.layer, vision, gguf));
    PC_TRY(read_side(&side, model, gguf));
    bool tiled = strcmp(side.aspect, "anyres") == 0;
    PC_TRY(placeholder >= 0 && side.deep && tiled == side.unpad ? hugging_face_layout(model, gguf, &side)
                                                               : original_layout(model, gguf, &side));
    return pc_json_set(model->config, "vision_config", pc_json_copy(vision));
}

pc_status pc_gguf_vision_config(pc_model *model, const pc_gguf *gguf, int64_t placeholder)
{
    pc_json *vision = pc_json_new_object();
    pc_status status;
    PC_GO(check_projector(gguf));
    PC_GO(read_tower(vision, gguf));
    PC_GO(put_together(model, gguf, vision, placeholder));
done:
    pc_json_free(vision);
    return status;
}
