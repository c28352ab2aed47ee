/* Compositions of percept's own: any encoder, any connector, any language model.
 *
 *   {"model_type": "percept",
 *    "encoder":   {"model_type": "clip_vision_model", ..., "feature_layer": -2},
 *    "connector": {"type": "q_former", ...},
 *    "bridge":    {"type": "gated_cross_attention", ...},
 *    "llm":       {"model_type": "llama", ...}}
 *
 * A bridge may be absent: then soft tokens stand in the text. With one that keeps them apart, image_token_index must be a token of
 * the vocabulary.
 * encoder.feature_layer is a number or a list (their features side by side), encoder.keep_class_token and
 * encoder.final_norm are as pc_encoder_select has them; without encoder and connector it is a language model alone.
 * image_token_index is the placeholder; else the tokenizer's "<image>", or an id behind the vocabulary.
 */
#include "model/import/import.h"

#include <string.h>

enum { DEFAULT_LAYER = -2 };

/* *out = the object `key`, NULL when it is absent. */
static pc_status find_part(const pc_model *model, const char *key, pc_json **out, const char *where)
{
    *out = pc_json_get(model->config, key);
    if (pc_json_is_null(*out)) {
        *out = NULL;
        return PC_OK;
    }
    return pc_json_is_object(*out) ? PC_OK : pc_fail(PC_ERR_DATA, "%s: %s must be an object", where, key);
}

static pc_status need_type(const pc_json *part, const char *name, const char *key, const char *known, const char *where)
{
    return pc_json_is_string(pc_json_get(part, key))
               ? PC_OK
               : pc_fail(PC_ERR_DATA, "%s: %s.%s is missing; known: %s", where, name, key, known);
}

static pc_status set_encoder(pc_model *model, const pc_json *json, const char *where)
{
    pc_encoder_select *select = &model->encoder.select;
    const pc_json *keep = pc_json_get(json, "keep_class_token");
    PC_TRY(need_type(json, "encoder", "model_type", pc_encoder_names(), where));
    PC_TRY(pc_import_layers(select, pc_json_get(json, "feature_layer"), DEFAULT_LAYER, "encoder.feature_layer", where));
    const pc_encoder_type *type = pc_encoder_find(pc_json_get_text(json, "model_type", ""));
    if (type && pc_json_is_null(keep)) { /* patches alone: a tower without a class token has none to drop */
        select->keep_class_token = !type->class_token;
    } else {
        select->keep_class_token = pc_json_bool(keep, false);
    }
    select->final_norm = pc_json_get_bool(json, "final_norm", false);
    return pc_model_set_encoder(model, json, where);
}

static pc_status set_language(pc_model *model, pc_json *json, const char *where)
{
    PC_TRY(need_type(json, "llm", "model_type", pc_llm_names(), where));
    PC_TRY(pc_import_rope(json, where));
    return pc_model_set_llm(model, pc_json_get_text(json, "model_type", ""), json, where);
}

static pc_status set_connector(pc_model *model, const pc_json *json, const char *where)
{
    PC_TRY(need_type(json, "connector", "type", pc_connector_names(), where));
    PC_TRY(pc_model_set_connector(model, pc_json_get_text(json, "type", ""), json, where));
    if (!pc_model_pictures_apart(model) && model->connector.tokens >= model->llm.info.context) {
        return pc_fail(PC_ERR_DATA, "%s: a picture takes %lld tokens, the language model reads %lld", where,
                       (long long)model->connector.tokens, (long long)model->llm.info.context);
    }
    return PC_OK;
}

static pc_status set_bridge(pc_model *model, const pc_json *json, const char *where)
{
    PC_TRY(need_type(json, "bridge", "type", pc_bridge_names(), where));
    return pc_model_set_bridge(model, pc_json_get_text(json, "type", ""), json, "bridge.", where);
}

/* The placeholder, which is looked up where pictures stay apart. */
static pc_status check_placeholder(const pc_model *model, const char *where)
{
    if (model->image_token < 0) {
        return pc_fail(PC_ERR_DATA, "%s: image_token_index is negative", where);
    }
    return !pc_model_pictures_apart(model) || model->image_token < model->llm.info.vocabulary
               ? PC_OK
               : pc_fail(PC_ERR_DATA, "%s: image_token_index must be a token of the vocabulary of %lld: the bridge '%s' keeps pictures "
                                      "apart from the text", where, (long long)model->llm.info.vocabulary, model->bridge.type->name);
}

static pc_status configure(pc_model *model, const char *where)
{
    pc_json *encoder, *connector, *bridge, *llm;
    PC_TRY(find_part(model, "encoder", &encoder, where));
    PC_TRY(find_part(model, "connector", &connector, where));
    PC_TRY(find_part(model, "bridge", &bridge, where));
    PC_TRY(find_part(model, "llm", &llm, where));
    if (!llm) {
        return pc_fail(PC_ERR_DATA, "%s: the object llm is missing", where);
    }
    if (!encoder != !connector) {
        return pc_fail(PC_ERR_DATA, "%s: %s needs %s", where, encoder ? "encoder" : "connector", encoder ? "a connector" : "an encoder");
    }
    if (encoder) {
        PC_TRY(set_encoder(model, encoder, where));
    }
    PC_TRY(set_language(model, llm, where));
    if (bridge && !connector) {
        return pc_fail(PC_ERR_DATA, "%s: bridge needs a connector", where);
    }
    if (!connector) {
        return PC_OK;
    }
    PC_TRY(bridge ? set_bridge(model, bridge, where) : PC_OK);
    PC_TRY(set_connector(model, connector, where));
    model->bos_behind_pictures = pc_json_get_bool(model->config, "bos_behind_pictures", false);
    model->image_token = pc_json_get_integer(model->config, "image_token_index", model->llm.info.vocabulary);
    /* Without the key the tokenizer says it, later. */
    return pc_json_is_null(pc_json_get(model->config, "image_token_index")) ? PC_OK : check_placeholder(model, where);
}

static pc_status finish(pc_model *model, const char *where)
{
    if (!model->connector.type || !pc_json_is_null(pc_json_get(model->config, "image_token_index"))) {
        return PC_OK;
    }
    int32_t id = model->tokenizer ? pc_tokenizer_id(model->tokenizer, "<image>") : -1;
    model->image_token = id >= 0 ? id : model->image_token;
    return check_placeholder(model, where);
}

static bool alias(const char *name, int i, char *out, size_t size)
{
    return pc_import_alias_of(name, i, NULL, 0, out, size);
}

static pc_status describe(const pc_model *model, pc_json *config)
{
    const pc_encoder_part *encoder = &model->encoder;
    const pc_connector_part *connector = &model->connector;
    PC_TRY(pc_import_complete_llm(pc_json_get(config, "llm"), model));
    if (!connector->type) {
        return PC_OK;
    }
    pc_json *json = pc_json_get(config, "encoder");
    PC_TRY(pc_import_complete(json, &encoder->type->fields, encoder->config, encoder->type->model_type));
    PC_TRY(pc_json_set(json, "keep_class_token", pc_json_new_bool(encoder->select.keep_class_token)));
    if (pc_json_is_null(pc_json_get(json, "feature_layer"))) {
        PC_TRY(pc_json_set(json, "feature_layer", pc_json_new_integer(DEFAULT_LAYER)));
    }
    PC_TRY(pc_import_complete(pc_json_get(config, "connector"), &connector->type->fields, connector->config, NULL));
    if (model->bridge.type) {
        PC_TRY(pc_import_complete(pc_json_get(config, "bridge"), &model->bridge.type->fields, model->bridge.config, NULL));
    }
    return pc_json_set(config, "image_token_index", pc_json_new_integer(model->image_token));
}

const pc_import pc_import_percept = {
    .model_type = "percept",
    .prefixes = {.encoder = "encoder.", .connector = "connector.", .llm = "llm."},
    .configure = configure,
    .finish = finish,
    .alias = alias,
    .describe = describe,
};
