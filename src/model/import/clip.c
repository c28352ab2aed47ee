/* CLIPModel directories of Hugging Face: vision tower, text tower, projections. percept trains them with its
 * contrastive stage; `loss_type: siglip` in the config adds SigLIP's bias. */
#include "model/import/import.h"

#include <string.h>

static pc_status configure(pc_model *model, const char *where)
{
    const pc_json *vision = pc_json_get(model->config, "vision_config"), *text = pc_json_get(model->config, "text_config");
    const char *loss = pc_json_get_text(model->config, "loss_type", "clip");
    model->encoder.select.layer[0] = -1;
    model->encoder.select.keep_class_token = true;
    PC_TRY(pc_model_set_encoder(model, vision, where));
    pc_contrast_kind kind = {.bias = strcmp(loss, "siglip") == 0, .image_projection = true,
                             .text_projection = "text_projection"};
    if (!pc_json_get(model->config, "projection_dim")) {
        return pc_fail(PC_ERR_DATA, "%s: projection_dim is missing", where);
    }
    PC_TRY(pc_json_need_integer(&kind.width, model->config, "projection_dim", 1, 65536, where));
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
                              "clip_text_model");
}

const pc_import pc_import_clip = {
    .model_type = "clip",
    .architecture = "CLIPModel",
    .prefixes = {.encoder = "vision_model.", .text = "text_model."},
    .configure = configure,
    .alias = alias,
    .describe = describe,
};
