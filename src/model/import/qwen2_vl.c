/* Qwen2VLForConditionalGeneration and Qwen2_5_VLForConditionalGeneration directories of Hugging Face.
 *
 * config.json has the language model's keys at the top, or in text_config (transformers 4.52 and later). Names come in two
 * spellings: visual.* / model.* / lm_head (files on the hub and what percept writes), and model.visual.* /
 * model.language_model.* (in memory since 4.52).
 *
 * Source: Wang et al. 2024 (arXiv:2409.12191); Bai et al. 2025 (arXiv:2502.13923); transformers models/qwen2_vl, qwen2_5_vl.
 * Easy to get wrong: positions have three numbers (mrope_section); a picture stands between <|vision_start|> and
 * <|vision_end|>, which the chat template writes. Videos are not read.
 */
#include "model/import/import.h"

#include <string.h>

static pc_json *text_part(const pc_model *model)
{
    pc_json *text = pc_json_get(model->config, "text_config");
    return pc_json_is_object(text) ? text : model->config;
}

/* Needed ids; those round a picture may be missing. */
static pc_status take_tokens(pc_model *model, const char *where)
{
    model->image_token = pc_json_get_integer(model->config, "image_token_id", -1);
    if (model->image_token < 0) {
        return pc_fail(PC_ERR_DATA, "%s: image_token_id is missing", where);
    }
    const pc_json *top = model->config, *text = text_part(model);
    int64_t open = pc_json_get_integer(top, "vision_start_token_id", pc_json_get_integer(text, "vision_start_token_id", 0));
    int64_t close = pc_json_get_integer(top, "vision_end_token_id", pc_json_get_integer(text, "vision_end_token_id", 0));
    if (open < 0 || close < 0 || open >= model->llm.info.vocabulary || close >= model->llm.info.vocabulary) {
        return pc_fail(PC_ERR_DATA, "%s: vision_start_token_id or vision_end_token_id is outside the vocabulary", where);
    }
    model->image_open = (int32_t)open;
    model->image_close = (int32_t)close;
    return PC_OK;
}

static pc_status configure(pc_model *model, const char *where)
{
    bool gated = strcmp(model->import->model_type, "qwen2_5_vl") == 0;
    pc_json *vision = pc_json_get(model->config, "vision_config"), *text = text_part(model);
    if (!pc_json_is_object(vision)) {
        return pc_fail(PC_ERR_DATA, "%s: expected the object vision_config", where);
    }
    PC_TRY(pc_json_set(vision, "model_type", pc_json_new_text(gated ? "qwen2_5_vl_vision" : "qwen2_vl_vision")));
    if (text != model->config && pc_json_get_bool(model->config, "tie_word_embeddings", false)) {
        PC_TRY(pc_json_set(text, "tie_word_embeddings", pc_json_new_bool(true)));
    }
    model->encoder.select.layer[0] = -1;
    model->encoder.select.keep_class_token = true;
    PC_TRY(pc_import_rope(text, where));
    PC_TRY(pc_model_set_encoder(model, vision, where));
    PC_TRY(pc_model_set_llm(model, "qwen2", text, where));
    PC_TRY(pc_model_set_connector(model, gated ? "patch_merger_rms" : "patch_merger", vision, where));
    if (model->llm.info.axes == 1) {
        return pc_fail(PC_ERR_DATA, "%s: mrope_section is missing", where);
    }
    return take_tokens(model, where);
}

static bool alias(const char *name, int i, char *out, size_t size)
{
    static const pc_import_rename renames[] = {
        {"visual.", "model.visual."},
        {"model.", "model.language_model."},
    };
    return pc_import_alias_of(name, i, renames, sizeof renames / sizeof renames[0], out, size);
}

static bool module_name(const char *name, char *out, size_t size)
{
    return alias(name, 1, out, size) || alias(name, 0, out, size);
}

static pc_status describe(const pc_model *model, pc_json *config)
{
    const pc_encoder_part *encoder = &model->encoder;
    pc_json *text = pc_json_get(config, "text_config");
    if (!pc_json_is_object(text)) {
        text = config;
    }
    PC_TRY(pc_import_complete_llm(text, model));
    if (text != config) {
        PC_TRY(pc_json_set(text, "model_type", pc_json_copy(pc_json_get(pc_json_get(model->config, "text_config"), "model_type"))));
        PC_TRY(pc_json_set(config, "tie_word_embeddings", pc_json_new_bool(model->llm.info.tied)));
    }
    PC_TRY(pc_json_set(config, "model_type", pc_json_new_text(model->import->model_type)));
    return pc_import_complete(pc_json_get(config, "vision_config"), &encoder->type->fields, encoder->config,
                              encoder->type->model_type);
}

#define FAMILY(name, class)                                                                \
    const pc_import pc_import_##name = {                                                   \
        .model_type = #name,                                                               \
        .architecture = class,                                                             \
        .prefixes = {.encoder = "visual.", .connector = "visual.merger.", .llm = ""},      \
        .configure = configure,                                                            \
        .alias = alias,                                                                    \
        .module = module_name,                                                             \
        .describe = describe,                                                              \
    }

FAMILY(qwen2_vl, "Qwen2VLForConditionalGeneration");
FAMILY(qwen2_5_vl, "Qwen2_5_VLForConditionalGeneration");
