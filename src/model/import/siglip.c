/* SiglipModel directories of Hugging Face: vision tower with its pooling head, text tower, scale and bias. */
#include "model/import/import.h"

/* google/siglip-* leave out what transformers' class has as its default. */
static pc_status complete_text(pc_json *text)
{
    static const struct {
        const char *key, *word;
        double number;
    } usual[] = {
        {"vocab_size", NULL, 32000},       {"hidden_size", NULL, 768},         {"intermediate_size", NULL, 3072},
        {"num_hidden_layers", NULL, 12},   {"num_attention_heads", NULL, 12},  {"max_position_embeddings", NULL, 64},
        {"layer_norm_eps", NULL, 1e-6},    {"hidden_act", "gelu_pytorch_tanh", 0},
    };
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) {
        double number = usual[i].number;
        if (!pc_json_is_null(pc_json_get(text, usual[i].key))) {
            continue;
        }
        pc_json *value = usual[i].word ? pc_json_new_text(usual[i].word)
                         : number < 1  ? pc_json_new_number(number)
                                       : pc_json_new_integer((int64_t)number);
        PC_TRY(pc_json_set(text, usual[i].key, value));
    }
    return PC_OK;
}

static pc_status need_objects(pc_model *model)
{
    static const char *const keys[] = {"vision_config", "text_config"};
    static const char *const types[] = {"siglip_vision_model", "siglip_text_model"};
    for (int i = 0; i < 2; i++) {
        if (!pc_json_is_object(pc_json_get(model->config, keys[i]))) {
            PC_TRY(pc_json_set(model->config, keys[i], pc_json_new_object()));
        }
        pc_json *part = pc_json_get(model->config, keys[i]);
        if (pc_json_is_null(pc_json_get(part, "model_type"))) {
            PC_TRY(pc_json_set(part, "model_type", pc_json_new_text(types[i])));
        }
    }
    return complete_text(pc_json_get(model->config, keys[1]));
}

static pc_status configure(pc_model *model, const char *where)
{
    PC_TRY(need_objects(model));
    const pc_json *vision = pc_json_get(model->config, "vision_config"), *text = pc_json_get(model->config, "text_config");
    model->encoder.select.layer[0] = -1;
    model->encoder.select.keep_class_token = true;
    PC_TRY(pc_model_set_encoder(model, vision, where));
    if (!model->encoder.type->pool || !pc_json_get_bool(vision, "vision_use_head", true)) {
        return pc_fail(PC_ERR_DATA, "%s: vision_use_head is false; pictures are compared by the head's vector", where);
    }
    pc_contrast_kind kind = {.width = model->encoder.info.width, .bias = true, .bidirectional = true,
                             .text_projection = "text_model.head"};
    int64_t projection = pc_json_get_integer(text, "projection_size", kind.width);
    if (projection != kind.width) {
        return pc_fail(PC_ERR_DATA, "%s: the text's vectors have %lld numbers, the pictures' %lld", where,
                       (long long)projection, (long long)kind.width);
    }
    return pc_model_set_contrast(model, text, &kind, where);
}

static bool alias(const char *name, int i, char *out, size_t size)
{
    return pc_import_alias_of(name, i, NULL, 0, out, size);
}

static pc_status describe(const pc_model *model, pc_json *config)
{
    const pc_encoder_part *encoder = &model->encoder;
    PC_TRY(pc_import_complete(pc_json_get(config, "vision_config"), &encoder->type->fields, encoder->config,
                              encoder->type->model_type));
    return pc_import_complete(pc_json_get(config, "text_config"), &pc_clip_text_fields, &model->contrast.config,
                              "siglip_text_model");
}

const pc_import pc_import_siglip = {
    .model_type = "siglip",
    .architecture = "SiglipModel",
    .prefixes = {.encoder = "vision_model.", .text = "text_model."},
    .configure = configure,
    .alias = alias,
    .describe = describe,
};
