/* LlavaForConditionalGeneration directories of Hugging Face, LLaVA 1.5 and models of its shape; and
 * LlavaNextForConditionalGeneration, LLaVA 1.6, which cuts pictures into tiles.
 *
 * Names come in three spellings: vision_tower.vision_model.* / language_model.model.* (files up to transformers 4, and
 * what percept writes), the same without "vision_model.", and model.vision_tower.* / model.language_model.* / lm_head
 * (transformers 4.52 and later in memory).
 */
#include "model/import/import.h"

#include <string.h>

enum { DEFAULT_LAYER = -2 };

static pc_status feature_selection(pc_model *model, const char *where)
{
    const pc_json *layer = pc_json_get(model->config, "vision_feature_layer");
    const char *strategy = pc_json_get_text(model->config, "vision_feature_select_strategy", "default");
    PC_TRY(pc_import_layers(&model->encoder.select, layer, DEFAULT_LAYER, "vision_feature_layer", where));
    if (strcmp(strategy, "default") != 0 && strcmp(strategy, "full") != 0) {
        return pc_fail(PC_ERR_DATA, "%s: vision_feature_select_strategy '%s' is neither default nor full", where,
                       strategy);
    }
    model->encoder.select.keep_class_token = strcmp(strategy, "full") == 0;
    return PC_OK;
}

/* The head is tied when the top or text_config says so: versions differ in where they write it. */
static pc_status lift_tie(pc_model *model, pc_json *text)
{
    if (pc_json_get_bool(model->config, "tie_word_embeddings", false)) {
        return pc_json_set(text, "tie_word_embeddings", pc_json_new_bool(true));
    }
    return PC_OK;
}

static pc_status configure(pc_model *model, const char *where)
{
    pc_json *text = pc_json_get(model->config, "text_config");
    const pc_json *vision = pc_json_get(model->config, "vision_config");
    if (!pc_json_is_object(text) || !pc_json_is_object(vision)) {
        return pc_fail(PC_ERR_DATA, "%s: expected the objects text_config and vision_config", where);
    }
    PC_TRY(feature_selection(model, where));
    PC_TRY(pc_import_rope(text, where));
    PC_TRY(lift_tie(model, text));
    PC_TRY(pc_model_set_encoder(model, vision, where));
    PC_TRY(pc_model_set_llm(model, pc_json_get_text(text, "model_type", "llama"), text, where));
    PC_TRY(pc_model_set_connector(model, "mlp", model->config, where));
    int64_t token = pc_json_get_integer(model->config, "image_token_index", -1);
    model->image_token = pc_json_get_integer(model->config, "image_token_id", token);
    if (model->image_token < 0) {
        return pc_fail(PC_ERR_DATA, "%s: image_token_index is missing", where);
    }
    return PC_OK;
}

static pc_status configure_next(pc_model *model, const char *where)
{
    PC_TRY(configure(model, where));
    model->tiles.merge = PC_MERGE_UNPAD;
    model->tiles.rounded = true;
    return pc_model_set_newline(model, "image_newline");
}

/* The processor's file has the grids; without one, the model's. */
static pc_status finish_next(pc_model *model, const char *where)
{
    return model->recipe.grid_count ? PC_OK : pc_import_grids(&model->recipe, model->config, false, where);
}

static bool alias(const char *name, int i, char *out, size_t size)
{
    static const pc_import_rename renames[] = {
        {"vision_tower.vision_model.", "vision_tower."},
        {"vision_tower.vision_model.", "model.vision_tower.vision_model."},
        {"vision_tower.vision_model.", "model.vision_tower."},
        {"multi_modal_projector.", "model.multi_modal_projector."},
        {"language_model.model.", "model.language_model."},
        {"language_model.lm_head.", "lm_head."},
        {"image_newline", "model.image_newline"},
    };
    return pc_import_alias_of(name, i, renames, sizeof renames / sizeof renames[0], out, size);
}

/* The spelling in memory is the last one. */
static bool module_name(const char *name, char *out, size_t size)
{
    int count = 0;
    while (alias(name, count, out, size)) {
        count++;
    }
    return count > 0 && alias(name, count - 1, out, size);
}

static pc_status describe(const pc_model *model, pc_json *config)
{
    const pc_encoder_part *encoder = &model->encoder;
    const pc_connector_part *connector = &model->connector;
    const char *strategy = encoder->select.keep_class_token ? "full" : "default";
    PC_TRY(pc_import_complete_llm(pc_json_get(config, "text_config"), model));
    PC_TRY(pc_import_complete(pc_json_get(config, "vision_config"), &encoder->type->fields, encoder->config,
                              encoder->type->model_type));
    PC_TRY(pc_import_complete(config, &connector->type->fields, connector->config, NULL));
    PC_TRY(pc_json_set(config, "image_token_index", pc_json_new_integer(model->image_token)));
    PC_TRY(pc_json_set(config, "image_seq_length", pc_json_new_integer(connector->tokens)));
    PC_TRY(pc_json_set(config, "tie_word_embeddings", pc_json_new_bool(model->llm.info.tied)));
    PC_TRY(pc_json_set(config, "vision_feature_select_strategy", pc_json_new_text(strategy)));
    if (!pc_json_is_null(pc_json_get(config, "vision_feature_layer"))) {
        return PC_OK;
    }
    return pc_json_set(config, "vision_feature_layer", pc_json_new_integer(DEFAULT_LAYER));
}

const pc_import pc_import_llava = {
    .model_type = "llava",
    .architecture = "LlavaForConditionalGeneration",
    .processor = "LlavaProcessor",
    .prefixes = {.encoder = "vision_tower.vision_model.", .connector = "multi_modal_projector.",
                 .llm = "language_model."},
    .configure = configure,
    .alias = alias,
    .module = module_name,
    .describe = describe,
};

const pc_import pc_import_llava_next = {
    .model_type = "llava_next",
    .architecture = "LlavaNextForConditionalGeneration",
    .processor = "LlavaNextProcessor",
    .prefixes = {.encoder = "vision_tower.vision_model.", .connector = "multi_modal_projector.",
                 .llm = "language_model."},
    .configure = configure_next,
    .finish = finish_next,
    .alias = alias,
    .module = module_name,
    .describe = describe,
};
