/* mPLUG-Owl 1 in its authors' layout: CLIP's tower of theirs, the abstractor, LLaMA.
 *
 * Source: Ye et al. 2023 (arXiv:2304.14178); modeling_mplug_owl.py (keys, names). Easy to get wrong: a tower or an abstractor
 * without a key has the defaults of the 7B model, whose activation is quick_gelu; the placeholder is no token of the
 * vocabulary; a picture takes one token more than there are queries.
 */
#include "model/import/import.h"

static pc_status need_vision(pc_model *model)
{
    static const struct {
        const char *key;
        int value;
    } usual[] = {{"hidden_size", 1024}, {"intermediate_size", 4096}, {"num_hidden_layers", 24}};
    if (!pc_json_is_object(pc_json_get(model->config, "vision_config"))) {
        PC_TRY(pc_json_set(model->config, "vision_config", pc_json_new_object()));
    }
    pc_json *vision = pc_json_get(model->config, "vision_config");
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) {
        if (pc_json_is_null(pc_json_get(vision, usual[i].key))) {
            PC_TRY(pc_json_set(vision, usual[i].key, pc_json_new_integer(usual[i].value)));
        }
    }
    PC_TRY(pc_json_set(vision, "hidden_act", pc_json_new_text("quick_gelu"))); /* whatever the key says */
    return pc_json_set(vision, "model_type", pc_json_new_text("mplug_owl_vision_model"));
}

static pc_status set_abstractor(pc_model *model, const char *where)
{
    const pc_json *own = pc_json_get(model->config, "visual_abstractor_config");
    const pc_json *queries = pc_json_get(model->config, "num_query_tokens");
    pc_json *json = pc_json_is_object(own) ? pc_json_copy(own) : pc_json_new_object();
    pc_status status = json ? PC_OK : pc_fail_memory(0, "a configuration");
    if (status == PC_OK && !pc_json_is_null(queries)) {
        status = pc_json_set(json, "num_query_tokens", pc_json_copy(queries));
    }
    if (status == PC_OK) {
        status = pc_model_set_connector(model, "abstractor", json, where);
    }
    pc_json_free(json);
    return status;
}

static pc_status configure(pc_model *model, const char *where)
{
    pc_json *text = pc_json_get(model->config, "text_config");
    if (!pc_json_is_object(text)) {
        return pc_fail(PC_ERR_DATA, "%s: expected the object text_config", where);
    }
    PC_TRY(need_vision(model));
    model->encoder.select.layer[0] = -1;
    model->encoder.select.keep_class_token = model->encoder.select.final_norm = true;
    PC_TRY(pc_import_rope(text, where));
    PC_TRY(pc_model_set_encoder(model, pc_json_get(model->config, "vision_config"), where));
    PC_TRY(pc_model_set_llm(model, pc_json_get_text(text, "model_type", "llama"), text, where));
    PC_TRY(set_abstractor(model, where));
    model->image_token = model->llm.info.vocabulary;
    return PC_OK;
}

static bool alias(const char *name, int i, char *out, size_t size)
{
    return pc_import_alias_of(name, i, NULL, 0, out, size);
}

static pc_status describe(const pc_model *model, pc_json *config)
{
    const pc_encoder_part *encoder = &model->encoder;
    const pc_connector_part *connector = &model->connector;
    PC_TRY(pc_import_complete_llm(pc_json_get(config, "text_config"), model));
    PC_TRY(pc_import_complete(pc_json_get(config, "vision_config"), &encoder->type->fields, encoder->config,
                              encoder->type->model_type));
    if (!pc_json_is_object(pc_json_get(config, "visual_abstractor_config"))) {
        PC_TRY(pc_json_set(config, "visual_abstractor_config", pc_json_new_object()));
    }
    PC_TRY(pc_import_complete(pc_json_get(config, "visual_abstractor_config"), &connector->type->fields, connector->config, NULL));
    return pc_json_set(config, "num_query_tokens", pc_json_new_integer(connector->tokens - 1));
}

const pc_import pc_import_mplug_owl = {
    .model_type = "mplug-owl",
    .chat = "raw",
    .prefixes = {.encoder = "vision_model.", .connector = "", .llm = "language_model."},
    .configure = configure,
    .alias = alias,
    .describe = describe,
};
