/* Idefics3ForConditionalGeneration and SmolVLMForConditionalGeneration directories of Hugging Face: SigLIP's tower, pixel
 * shuffle, one matrix, LLaMA. Pictures are cut into tiles; tokens of the vocabulary say which tile follows.
 *
 * Source: Laurencon et al. 2024 (arXiv:2408.12637); Marafioti et al. 2025 (arXiv:2504.05299); transformers models/idefics3,
 * models/smolvlm. Easy to get wrong: the whole picture comes last; positions of patches are found by fractions in f32, which
 * for some sizes skips a row: those sizes are refused.
 */
#include "model/import/import.h"

#include <string.h>

static const char *const parts[] = {"vision_config", "text_config"};

/* What the classes have where the file says nothing. */
static pc_status complete_vision(pc_json *vision)
{
    static const struct {
        const char *key;
        int value;
    } usual[] = {{"hidden_size", 1152}, {"intermediate_size", 3072}, {"num_hidden_layers", 12}, {"num_attention_heads", 16},
                 {"image_size", 224}, {"patch_size", 32}};
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) {
        if (pc_json_is_null(pc_json_get(vision, usual[i].key))) {
            PC_TRY(pc_json_set(vision, usual[i].key, pc_json_new_integer(usual[i].value)));
        }
    }
    PC_TRY(pc_json_set(vision, "vision_use_head", pc_json_new_bool(false)));
    return pc_json_set(vision, "model_type", pc_json_new_text("siglip_vision_model"));
}

/* Patch i of n stands at row floor(n (i / n)) of the position table, with every step in f32. */
static pc_status check_positions(const pc_model *model, const char *where)
{
    int64_t n = model->encoder.info.image_size / model->encoder.info.patch_size;
    for (int64_t i = 0; i < n; i++) {
        float at = (float)i * (1.0f / (float)n);
        int64_t row = 0;
        while (row < n - 1 && (float)(1.0 / (double)n + (double)row * (1.0 / (double)n)) <= at) {
            row++;
        }
        if (row != i) {
            return pc_fail(PC_ERR_DATA, "%s: %lld patches in a row: rounding gives patch %lld the position of patch %lld, which is "
                                        "not done here", where, (long long)n, (long long)i, (long long)row);
        }
    }
    return PC_OK;
}

static pc_status configure(pc_model *model, const char *where)
{
    for (int i = 0; i < 2; i++) {
        if (!pc_json_is_object(pc_json_get(model->config, parts[i]))) {
            return pc_fail(PC_ERR_DATA, "%s: expected the objects vision_config and text_config", where);
        }
    }
    pc_json *vision = pc_json_get(model->config, parts[0]), *text = pc_json_get(model->config, parts[1]);
    PC_TRY(complete_vision(vision));
    if (pc_json_get_bool(model->config, "tie_word_embeddings", false)) {
        PC_TRY(pc_json_set(text, "tie_word_embeddings", pc_json_new_bool(true)));
    }
    model->encoder.select.layer[0] = -1;
    model->encoder.select.keep_class_token = model->encoder.select.final_norm = true;
    PC_TRY(pc_import_rope(text, where));
    PC_TRY(pc_model_set_encoder(model, vision, where));
    PC_TRY(check_positions(model, where));
    PC_TRY(pc_model_set_llm(model, pc_json_get_text(text, "model_type", "llama"), text, where));
    PC_TRY(pc_model_set_connector(model, "idefics3", model->config, where));
    model->tiles.merge = PC_MERGE_FLAT;
    model->tiles.framed = true;
    model->image_token = pc_json_get_integer(model->config, "image_token_id", -1);
    return model->image_token > 0 ? PC_OK : pc_fail(PC_ERR_DATA, "%s: image_token_id is missing", where);
}

static bool alias(const char *name, int i, char *out, size_t size)
{
    static const pc_import_rename renames[] = {
        {"vision_model.", "model.vision_model."},
        {"connector.", "model.connector."},
        {"model.", "model.text_model."},
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
    bool smol = strcmp(model->import->model_type, "smolvlm") == 0;
    pc_json *vision = pc_json_get(config, parts[0]);
    PC_TRY(pc_import_complete_llm(pc_json_get(config, parts[1]), model));
    PC_TRY(pc_import_complete(vision, &encoder->type->fields, encoder->config, NULL));
    PC_TRY(pc_json_set(vision, "model_type", pc_json_new_text(smol ? "smolvlm_vision" : "idefics3_vision")));
    return pc_json_set(config, "tie_word_embeddings", pc_json_new_bool(model->llm.info.tied));
}

#define FAMILY(name, class)                                                                      \
    const pc_import pc_import_##name = {                                                         \
        .model_type = #name,                                                                     \
        .architecture = class,                                                                   \
        .prefixes = {.encoder = "vision_model.", .connector = "connector.", .llm = ""},          \
        .configure = configure,                                                                  \
        .alias = alias,                                                                          \
        .module = module_name,                                                                   \
        .writes_modules = true,                                                                  \
        .describe = describe,                                                                    \
    }

FAMILY(idefics3, "Idefics3ForConditionalGeneration");
FAMILY(smolvlm, "SmolVLMForConditionalGeneration");
