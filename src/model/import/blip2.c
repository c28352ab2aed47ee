/* Blip2ForConditionalGeneration and InstructBlipForConditionalGeneration directories of Hugging Face: EVA-CLIP-g, Q-Former, and
 * a language model: OPT, Flan-T5, Vicuna. InstructBLIP's Q-Former reads the question as well.
 *
 * Easy to get wrong: the soft tokens stand before BOS; old directories have no image_token_index, and their prompts no
 * placeholder: the pictures come first all the same; num_query_tokens stands outside of qformer_config.
 */
#include "model/import/import.h"

#include <string.h>

static const char *const parts[] = {"vision_config", "qformer_config", "text_config"};

static bool is_instruct(const pc_model *model)
{
    return strcmp(model->import->model_type, "instructblip") == 0;
}

static pc_status need_objects(pc_model *model, const char *where)
{
    for (int i = 0; i < 3; i++) {
        if (!pc_json_is_object(pc_json_get(model->config, parts[i]))) {
            return pc_fail(PC_ERR_DATA, "%s: expected the objects vision_config, qformer_config and text_config", where);
        }
    }
    pc_json *vision = pc_json_get(model->config, parts[0]);
    return pc_json_is_null(pc_json_get(vision, "model_type"))
               ? pc_json_set(vision, "model_type", pc_json_new_text(is_instruct(model) ? "instructblip_vision_model" : "blip_2_vision_model"))
               : PC_OK;
}

static pc_status set_q_former(pc_model *model, const char *where)
{
    pc_json *json = pc_json_copy(pc_json_get(model->config, "qformer_config"));
    const pc_json *queries = pc_json_get(model->config, "num_query_tokens");
    pc_status status = json ? PC_OK : pc_fail_memory(0, "a configuration");
    if (status == PC_OK && !pc_json_is_null(queries)) {
        status = pc_json_set(json, "num_query_tokens", pc_json_copy(queries));
    }
    if (status == PC_OK && is_instruct(model)) {
        status = pc_json_set(json, "use_qformer_text_input", pc_json_new_bool(true));
    }
    if (status == PC_OK) {
        status = pc_model_set_connector(model, "q_former", json, where);
    }
    pc_json_free(json);
    return status;
}

static pc_status configure(pc_model *model, const char *where)
{
    PC_TRY(need_objects(model, where));
    pc_json *text = pc_json_get(model->config, "text_config");
    model->encoder.select.layer[0] = -1;
    model->encoder.select.keep_class_token = model->encoder.select.final_norm = true;
    model->bos_behind_pictures = true;
    PC_TRY(pc_import_rope(text, where));
    PC_TRY(pc_model_set_encoder(model, pc_json_get(model->config, "vision_config"), where));
    PC_TRY(pc_model_set_llm(model, pc_json_get_text(text, "model_type", "opt"), text, where));
    PC_TRY(set_q_former(model, where));
    int64_t token = pc_json_get_integer(model->config, "image_token_id", -1);
    token = pc_json_get_integer(model->config, "image_token_index", token);
    model->image_token = token >= 0 ? token : model->llm.info.vocabulary;
    return PC_OK;
}

static bool alias(const char *name, int i, char *out, size_t size)
{
    /* A T5 whose head has no tensor of its own, and its embedding as a part of a stack. */
    static const pc_import_rename renames[] = {
        {"language_model.lm_head.", "language_model.shared."},
        {"language_model.shared.", "language_model.encoder.embed_tokens."},
        {"language_model.shared.", "language_model.decoder.embed_tokens."},
    };
    return pc_import_alias_of(name, i, renames, sizeof renames / sizeof renames[0], out, size);
}

static pc_status describe_q_former(const pc_model *model, pc_json *config)
{
    const pc_connector_part *connector = &model->connector;
    pc_json *json = pc_json_get(config, "qformer_config");
    PC_TRY(pc_import_complete(json, &connector->type->fields, connector->config,
                              is_instruct(model) ? "instructblip_qformer" : "blip_2_qformer"));
    PC_TRY(pc_json_set(json, "encoder_hidden_size", pc_json_new_integer(model->encoder.info.width)));
    return pc_json_set(config, "num_query_tokens", pc_json_new_integer(connector->tokens));
}

static pc_status describe(const pc_model *model, pc_json *config)
{
    const pc_encoder_part *encoder = &model->encoder;
    PC_TRY(pc_import_complete_llm(pc_json_get(config, "text_config"), model));
    PC_TRY(pc_import_complete(pc_json_get(config, "vision_config"), &encoder->type->fields, encoder->config,
                              encoder->type->model_type));
    PC_TRY(describe_q_former(model, config));
    if (model->image_token < model->llm.info.vocabulary) {
        PC_TRY(pc_json_set(config, "image_token_index", pc_json_new_integer(model->image_token)));
    }
    return pc_json_set(config, "tie_word_embeddings", pc_json_new_bool(model->llm.info.tied));
}

#define FAMILY(name, type, class)                                                               \
    const pc_import pc_import_##name = {                                                        \
        .model_type = type,                                                                     \
        .architecture = class,                                                                  \
        .chat = "raw",                                                                          \
        .prefixes = {.encoder = "vision_model.", .connector = "", .llm = "language_model."},    \
        .configure = configure,                                                                 \
        .alias = alias,                                                                         \
        .describe = describe,                                                                   \
    }

FAMILY(blip2, "blip-2", "Blip2ForConditionalGeneration");
FAMILY(instructblip, "instructblip", "InstructBlipForConditionalGeneration");
