/* Qwen (1) and Qwen-VL in their authors' layout: QWenLMHeadModel, with or without the object `visual`.
 *
 * Source: Bai et al. 2023 (arXiv:2309.16609, 2308.12966); QwenLM/Qwen, modeling_qwen.py; Qwen-VL, visual.py (keys, names).
 * Easy to get wrong: q, k and v lie in one matrix with biases; w2 is the MLP's gate, w1 the plain half; the tower's positions
 * are of a 16 x 16 grid whatever image_size says; a picture stands between <img> and </img>, whose ids follow from image_start_id.
 */
#include "model/import/import.h"

#include "base/str.h"

#include <stdio.h>
#include <string.h>

enum { POSITION_SIDE = 16, QUERIES = 256, CLOSE = 1, PAD = 2 };

static pc_status refuse_others(const pc_json *config, const char *where)
{
    if (pc_json_get_number(config, "rotary_pct", 1) != 1) {
        return pc_fail(PC_ERR_DATA, "%s: rotary_pct other than 1 is not supported", where);
    }
    return pc_json_get_bool(config, "no_bias", true) ? PC_OK : pc_fail(PC_ERR_DATA, "%s: no_bias false is not supported", where);
}

/* The keys of the tower as src/encoder/vit.c has them. */
static pc_status set_tower(pc_model *model, const pc_json *visual, const char *where)
{
    int64_t width = pc_json_get_integer(visual, "width", 1664), patch = pc_json_get_integer(visual, "patch_size", 14);
    double ratio = pc_json_get_number(visual, "mlp_ratio", 4.9231);
    const struct {
        const char *key;
        int64_t value;
    } keys[] = {
        {"hidden_size", width},
        {"intermediate_size", ratio > 0 && ratio < 1024 ? (int64_t)((double)width * ratio) : 0},
        {"num_hidden_layers", pc_json_get_integer(visual, "layers", 48)},
        {"num_attention_heads", pc_json_get_integer(visual, "heads", 16)},
        {"patch_size", patch},
        {"image_size", POSITION_SIDE * patch},
        {"input_size", pc_json_get_integer(visual, "image_size", 448)},
    };
    pc_json *json = pc_json_new_object();
    pc_status status = json ? PC_OK : pc_fail_memory(0, "a configuration");
    for (size_t i = 0; i < sizeof keys / sizeof keys[0] && status == PC_OK; i++) {
        status = pc_json_set(json, keys[i].key, pc_json_new_integer(keys[i].value));
    }
    if (status == PC_OK) {
        status = pc_json_set(json, "model_type", pc_json_new_text("qwen_vl_vision"));
    }
    model->encoder.select.layer[0] = -1;
    model->encoder.select.keep_class_token = true; /* there is none to drop */
    if (status == PC_OK) {
        status = pc_model_set_encoder(model, json, where);
    }
    pc_json_free(json);
    return status;
}

/* n_queries and resampler_heads are for models of other sizes than the published ones, which have none of these keys. */
static pc_status set_resampler(pc_model *model, const pc_json *visual, const char *where)
{
    int64_t queries = pc_json_get_integer(visual, "n_queries", QUERIES), side = 1;
    pc_json *json = pc_json_new_object();
    pc_status status = json ? PC_OK : pc_fail_memory(0, "a configuration");
    while (side * side < queries && side < INT16_MAX) {
        side++;
    }
    if (status == PC_OK && side * side != queries) {
        status = pc_fail(PC_ERR_DATA, "%s: visual.n_queries %lld is no square", where, (long long)queries);
    }
    if (status == PC_OK && pc_json_get_integer(visual, "output_dim", model->llm.info.width) != model->llm.info.width) {
        status = pc_fail(PC_ERR_DATA, "%s: visual.output_dim must be the language model's width %lld", where,
                         (long long)model->llm.info.width);
    }
    if (status == PC_OK) {
        status = pc_json_set(json, "side", pc_json_new_integer(side));
    }
    if (status == PC_OK) {
        status = pc_json_set(json, "heads", pc_json_new_integer(pc_json_get_integer(visual, "resampler_heads", 0)));
    }
    if (status == PC_OK) {
        status = pc_model_set_connector(model, "position_resampler", json, where);
    }
    pc_json_free(json);
    return status;
}

static pc_status configure(pc_model *model, const char *where)
{
    const pc_json *visual = pc_json_get(model->config, "visual");
    PC_TRY(refuse_others(model->config, where));
    if (!pc_json_is_object(visual)) {
        return pc_model_set_llm(model, "qwen", model->config, where);
    }
    PC_TRY(set_tower(model, visual, where));
    PC_TRY(pc_model_set_llm(model, "qwen", model->config, where));
    PC_TRY(set_resampler(model, visual, where));
    int64_t open = pc_json_get_integer(visual, "image_start_id", 151857);
    if (open < 1 || open + PAD >= model->llm.info.vocabulary) {
        return pc_fail(PC_ERR_DATA, "%s: visual.image_start_id %lld is outside the vocabulary", where, (long long)open);
    }
    model->image_open = (int32_t)open;
    model->image_close = (int32_t)open + CLOSE;
    model->image_token = open + PAD;
    return PC_OK;
}

static const struct {
    const char *ours, *theirs;
} of_layer[] = {
    {"input_layernorm.", "ln_1."},    {"post_attention_layernorm.", "ln_2."}, {"self_attn.o_proj.", "attn.c_proj."},
    {"mlp.gate_proj.", "mlp.w2."},    {"mlp.up_proj.", "mlp.w1."},            {"mlp.down_proj.", "mlp.c_proj."},
};

static bool in_layer(const char *name, int *layer, const char **rest)
{
    int used = 0;
    bool found = sscanf(name, "model.layers.%d.%n", layer, &used) == 1 && used;
    *rest = name + used;
    return found;
}

static bool alias(const char *name, int i, char *out, size_t size)
{
    static const pc_import_rename renames[] = {{"model.embed_tokens.", "transformer.wte."}, {"model.norm.", "transformer.ln_f."}};
    const char *rest;
    int layer;
    if (i != 1 || !in_layer(name, &layer, &rest)) {
        return pc_import_alias_of(name, i, renames, 2, out, size);
    }
    for (size_t r = 0; r < sizeof of_layer / sizeof of_layer[0]; r++) {
        if (pc_starts_with(rest, of_layer[r].ours)) {
            int length = snprintf(out, size, "transformer.h.%d.%s%s", layer, of_layer[r].theirs, rest + strlen(of_layer[r].ours));
            return length >= 0 && (size_t)length < size;
        }
    }
    return false;
}

static bool view(const char *name, int i, pc_import_view *out)
{
    static const char *const parts[] = {"self_attn.q_proj.", "self_attn.k_proj.", "self_attn.v_proj."};
    const char *rest;
    int layer;
    *out = (pc_import_view){0};
    if (i || !in_layer(name, &layer, &rest)) {
        return false;
    }
    for (int p = 0; p < 3; p++) {
        if (pc_starts_with(rest, parts[p])) {
            snprintf(out->tensor, sizeof out->tensor, "transformer.h.%d.attn.c_attn.%.16s", layer, rest + strlen(parts[p]));
            out->part = p;
            out->parts = 3;
            return true;
        }
    }
    return false;
}

static pc_status describe(const pc_model *model, pc_json *config)
{
    PC_TRY(pc_import_complete(config, &model->llm.type->fields, model->llm.config, "qwen"));
    return pc_json_set(config, "tie_word_embeddings", pc_json_new_bool(model->llm.info.tied));
}

const pc_import pc_import_qwen = {
    .model_type = "qwen",
    .architecture = "QWenLMHeadModel",
    .chat = "qwen_vl",
    .prefixes = {.encoder = "transformer.visual.", .connector = "transformer.visual.", .llm = ""},
    .configure = configure,
    .alias = alias,
    .view = view,
    .describe = describe,
};
