/* LLaVA's own checkpoints: LLaVA 1.0, 1.5, 1.6 and LLaVA-Med, before anybody converted them.
 *
 * config.json is that of the language model with mm_* keys added; tensors are model.layers.*, model.mm_projector.*,
 * model.image_newline. The vision tower is named by mm_vision_tower. Its weights are in the checkpoint
 * (model.vision_tower.vision_tower.vision_model.*) or in a directory of that name: below the model's, beside it, or where an
 * absolute path says. There are no chat template and no picture recipe: the tower's directory has the recipe,
 * image_aspect_ratio changes it.
 *
 * MoE-LLaVA's keys are turned into these (moe_llava.c). MobileVLM 1 and 2 lay their checkpoints out alike, with a projector of their own (mm_projector_type ldpnet, ldpnetv2).
 *
 * Source: LLaVA (Liu et al. 2023, arXiv:2304.08485, 2310.03744), llava_arch.py, mm_utils.py, clip_encoder.py; MobileVLM
 * (Chu et al. 2023, arXiv:2312.16886; 2024, arXiv:2402.03766), vision_projector.py.
 * Easy to get wrong: the placeholder is no token of the vocabulary; the default projector is one linear layer;
 * mm_use_im_start_end puts two tokens round each picture; grids are width first.
 */
#include "model/import/import.h"

#include "base/file.h"
#include "base/str.h"

#include <string.h>

enum { CONFIG_LIMIT = 16 << 20, DEFAULT_LAYER = -2 };

static const struct {
    const char *model_type, *llm;
} types[] = {
    {"llava", "llama"},
    {"llava_llama", "llama"},
    {"llava_mistral", "mistral"},
    {"llava_qwen", "qwen2"},
    {"mobilevlm", "llama"},
    {"moe_llava_llama", "llama"},
    {"moe_llava_mistral", "mistral"},
    {"moe_llava_phi", "phi"},
    {"moe_llava_qwen", "qwen"},
    {"moe_llava_qwen1_5", "qwen2"},
    {"moe_llava_stablelm", "stablelm"},
};

static const char *llm_of(const pc_json *config)
{
    const char *type = pc_json_get_text(config, "model_type", "");
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(types[i].model_type, type) == 0) {
            return types[i].llm;
        }
    }
    return NULL;
}

static bool matches(const pc_json *config)
{
    return llm_of(config) && pc_json_is_string(pc_json_get(config, "mm_vision_tower"));
}

/* --- the tower --- */

/* What towers are that everybody names and nobody ships: Radford et al. 2021, Zhai et al. 2023. */
static const struct {
    const char *name, *type;
    int width, hidden, layers, heads, side, patch;
} towers[] = {
    {"clip-vit-base-patch32", "clip_vision_model", 768, 3072, 12, 12, 224, 32},
    {"clip-vit-base-patch16", "clip_vision_model", 768, 3072, 12, 12, 224, 16},
    {"clip-vit-large-patch14", "clip_vision_model", 1024, 4096, 24, 16, 224, 14},
    {"clip-vit-large-patch14-336", "clip_vision_model", 1024, 4096, 24, 16, 336, 14},
    {"siglip-so400m-patch14-384", "siglip_vision_model", 1152, 4304, 27, 16, 384, 14},
};

static const char *tower_name(const pc_model *model)
{
    return pc_json_get_text(model->config, "mm_vision_tower", "");
}

/* The i-th place where the tower's directory may be, or NULL behind the last; pc_free. */
static pc_status tower_place(const pc_model *model, const char *folder, const char *parent, int i, char **out)
{
    const char *name = tower_name(model), *base = pc_path_base(name);
    const bool plain = pc_path_is_plain(base), climbs = strstr(name, "..") != NULL;
    const char *const folders[] = {folder, folder, parent, parent}, *const names[] = {name, base, name, base};
    *out = NULL;
    if (i == 4) {
        *out = pc_strdup(name[0] == '/' ? name : "");
    } else if (i < 4) {
        bool fits = i % 2 ? plain : name[0] && name[0] != '/' && !climbs;
        *out = fits ? pc_path_join(folders[i], names[i]) : pc_strdup("");
    }
    return i <= 4 && !*out ? pc_fail_memory(0, "a path") : PC_OK;
}

static pc_status find_tower(pc_model *model)
{
    const bool folder_given = pc_path_is_directory(model->path);
    char *parent_of_file = folder_given ? NULL : pc_path_parent(model->path);
    const char *folder = folder_given ? model->path : parent_of_file;
    char *parent = folder ? pc_path_join(folder, "..") : NULL, *place = NULL;
    pc_status status = parent ? PC_OK : pc_fail_memory(0, "a path");
    for (int i = 0; status == PC_OK && !model->tower && (i == 0 || place); i++) {
        pc_free(place);
        status = tower_place(model, folder, parent, i, &place);
        bool there = place && place[0];
        char *config = there ? pc_path_join(place, "config.json") : NULL;
        if (there && !config) {
            status = pc_fail_memory(0, "a path");
        } else if (there && pc_path_exists(config)) {
            model->tower = place;
            place = NULL;
        }
        pc_free(config);
    }
    pc_free(place);
    pc_free(parent);
    pc_free(parent_of_file);
    return status;
}

static pc_status read_tower_config(pc_model *model)
{
    pc_json *json = NULL;
    char *path = pc_path_join(model->tower, "config.json");
    pc_status status = path ? pc_json_read(&json, path, CONFIG_LIMIT) : pc_fail_memory(0, "a path");
    if (status == PC_OK) {
        const pc_json *vision = pc_json_get(json, "vision_config");
        status = pc_json_set(model->config, "vision_config", pc_json_copy(vision ? vision : json));
    }
    pc_json *vision = pc_json_get(model->config, "vision_config");
    if (status == PC_OK && !pc_json_get(vision, "model_type")) {
        bool siglip = strcmp(pc_json_get_text(json, "model_type", "clip"), "siglip") == 0;
        status = pc_json_set(vision, "model_type", pc_json_new_text(siglip ? "siglip_vision_model" : "clip_vision_model"));
    }
    pc_json_free(json);
    pc_free(path);
    return status;
}

static pc_status known_tower_config(pc_model *model, const char *where)
{
    size_t i = 0;
    while (i < sizeof towers / sizeof towers[0] && strcmp(towers[i].name, pc_path_base(tower_name(model))) != 0) {
        i++;
    }
    if (i == sizeof towers / sizeof towers[0]) {
        return pc_fail(PC_ERR_DATA, "%s: mm_vision_tower '%s': there is no such directory in the model's or beside it", where,
                       tower_name(model));
    }
    PC_TRY(pc_json_set(model->config, "vision_config", pc_json_new_object()));
    pc_json *vision = pc_json_get(model->config, "vision_config");
    const struct {
        const char *key;
        int value;
    } numbers[] = {{"hidden_size", towers[i].width},        {"intermediate_size", towers[i].hidden},
                   {"num_hidden_layers", towers[i].layers}, {"num_attention_heads", towers[i].heads},
                   {"image_size", towers[i].side},          {"patch_size", towers[i].patch}};
    for (size_t n = 0; n < sizeof numbers / sizeof numbers[0]; n++) {
        PC_TRY(pc_json_set(vision, numbers[n].key, pc_json_new_integer(numbers[n].value)));
    }
    return pc_json_set(vision, "model_type", pc_json_new_text(towers[i].type));
}

static pc_status set_tower(pc_model *model, const char *where)
{
    const char *feature = pc_json_get_text(model->config, "mm_vision_select_feature", "patch");
    if (strcmp(feature, "patch") != 0 && strcmp(feature, "cls_patch") != 0) {
        return pc_fail(PC_ERR_DATA, "%s: mm_vision_select_feature '%s' is neither patch nor cls_patch", where, feature);
    }
    PC_TRY(find_tower(model));
    if (!pc_json_is_object(pc_json_get(model->config, "vision_config"))) {
        PC_TRY(model->tower ? read_tower_config(model) : known_tower_config(model, where));
    }
    model->encoder.select.layer[0] = pc_json_get_integer(model->config, "mm_vision_select_layer", DEFAULT_LAYER);
    /* LLaVA's SigLIP tower has no class token and gives all its patches. */
    const pc_json *vision = pc_json_get(model->config, "vision_config");
    bool siglip = strcmp(pc_json_get_text(vision, "model_type", ""), "siglip_vision_model") == 0;
    model->encoder.select.keep_class_token = siglip || strcmp(feature, "cls_patch") == 0;
    return pc_model_set_encoder(model, vision, where);
}

/* --- tiles --- */

static pc_status set_tiles(pc_model *model, const char *where)
{
    static const struct {
        const char *name;
        pc_merge merge;
    } kinds[] = {{"flat", PC_MERGE_FLAT}, {"spatial", PC_MERGE_SPATIAL}, {"spatial_unpad", PC_MERGE_UNPAD}};
    const char *type = pc_json_get_text(model->config, "mm_patch_merge_type", "flat");
    size_t i = 0;
    while (i < 3 && strcmp(kinds[i].name, type) != 0) {
        i++;
    }
    if (i == 3) {
        return pc_fail(PC_ERR_DATA, "%s: mm_patch_merge_type '%s' is not supported; known: flat, spatial, spatial_unpad", where,
                       type);
    }
    bool tiled = strcmp(pc_json_get_text(model->config, "image_aspect_ratio", "square"), "anyres") == 0;
    model->tiles.merge = tiled || kinds[i].merge == PC_MERGE_UNPAD ? kinds[i].merge : PC_MERGE_NONE;
    return model->tiles.merge == PC_MERGE_UNPAD ? pc_model_set_newline(model, "model.image_newline") : PC_OK;
}

static pc_status set_aspect(pc_model *model, const char *where)
{
    const char *aspect = pc_json_get_text(model->config, "image_aspect_ratio", "square");
    pc_image_recipe *recipe = &model->recipe;
    if (strcmp(aspect, "pad") == 0) {
        recipe->pad_square = true;
        return PC_OK;
    }
    if (strcmp(aspect, "square") == 0) {
        return PC_OK;
    }
    if (strcmp(aspect, "anyres") != 0) {
        return pc_fail(PC_ERR_DATA, "%s: image_aspect_ratio '%s' is not supported; known: square, pad, anyres", where, aspect);
    }
    return pc_import_grids(recipe, model->config, true, where);
}

/* --- the rest --- */

/* The connectors that are no stack of linear layers, by mm_projector_type. */
static const char *connector_of(const pc_json *config)
{
    static const struct {
        const char *type, *connector;
    } kinds[] = {{"ldpnet", "ldp"}, {"ldpnetv2", "ldpv2"}};
    const char *type = pc_json_get_text(config, "mm_projector_type", "");
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].type, type) == 0) {
            return kinds[i].connector;
        }
    }
    return "projector";
}

static pc_status configure(pc_model *model, const char *where)
{
    if (!llm_of(model->config)) {
        return pc_fail(PC_ERR_DATA, "%s: model_type '%s' is not supported", where, pc_json_get_text(model->config, "model_type", ""));
    }
    const char *extra[] = {"mm_resampler_type", "mm_spatial_pool_mode", "faster_token_stride"};
    for (size_t i = 0; i < sizeof extra / sizeof extra[0]; i++) {
        if (!pc_json_is_null(pc_json_get(model->config, extra[i])) && pc_json_is_string(pc_json_get(model->config, extra[i]))) {
            return pc_fail(PC_ERR_DATA, "%s: %s '%s' is not supported", where, extra[i],
                           pc_json_get_text(model->config, extra[i], ""));
        }
    }
    PC_TRY(pc_import_rope(model->config, where));
    PC_TRY(set_tower(model, where));
    PC_TRY(pc_model_set_llm(model, llm_of(model->config), model->config, where));
    PC_TRY(pc_model_set_connector(model, connector_of(model->config), model->config, where));
    PC_TRY(set_tiles(model, where));
    model->image_token = model->llm.info.vocabulary; /* LLaVA's own placeholder is -200: outside the vocabulary as well */
    return PC_OK;
}

/* LLaVA goes by the directory's name; only where that is sure: 1.5 and 1.6 on Vicuna were trained with Vicuna's layout, v0 with
 * that of v0, and everything over Mistral (1.6, LLaVA-Med 1.5) with Mistral's. */
static const char *template_of(const pc_model *model)
{
    const char *name = pc_path_base(model->path), *llm = llm_of(model->config);
    if (strcmp(llm, "mistral") == 0) {
        return "mistral_instruct";
    }
    if (strcmp(llm, "llama") != 0 || strstr(name, "34b")) {
        return NULL;
    }
    bool vicuna = strstr(name, "v1.5") || (strstr(name, "v1.6") && strstr(name, "vicuna"));
    return vicuna ? "vicuna_v1" : pc_ends_with(name, "-v0") ? "vicuna_v0" : NULL;
}

static pc_status guess_template(pc_model *model)
{
    const char *name = template_of(model);
    return model->chat || model->chat_unknown || !name ? PC_OK : pc_template_by_name(&model->chat, name);
}

static pc_status finish(pc_model *model, const char *where)
{
    PC_TRY(set_aspect(model, where));
    PC_TRY(guess_template(model));
    if (!pc_json_get_bool(model->config, "mm_use_im_start_end", false) || !model->tokenizer) {
        return PC_OK;
    }
    model->image_open = pc_tokenizer_id(model->tokenizer, "<im_start>");
    model->image_close = pc_tokenizer_id(model->tokenizer, "<im_end>");
    return model->image_open > 0 && model->image_close > 0
               ? PC_OK
               : pc_fail(PC_ERR_DATA, "%s: mm_use_im_start_end is true, but the tokenizer has no <im_start> and <im_end>", where);
}

static bool alias(const char *name, int i, char *out, size_t size)
{
    static const pc_import_rename renames[] = {
        {"model.vision_tower.vision_tower.vision_model.", "model.vision_tower.vision_tower."},
        {"model.vision_tower.vision_tower.vision_model.", "vision_model."}, /* in the tower's own directory */
        {"model.vision_tower.vision_tower.vision_model.", ""},
    };
    return pc_import_alias_of(name, i, renames, sizeof renames / sizeof renames[0], out, size);
}

pc_status pc_import_describe_llava_original(const pc_model *model, pc_json *config)
{
    const pc_encoder_part *encoder = &model->encoder;
    PC_TRY(pc_import_complete_llm(config, model));
    PC_TRY(pc_json_set(config, "model_type", pc_json_new_text(pc_json_get_text(model->config, "model_type", ""))));
    PC_TRY(pc_import_complete(config, &model->connector.type->fields, model->connector.config, NULL));
    return pc_import_complete(pc_json_get(config, "vision_config"), &encoder->type->fields, encoder->config,
                              encoder->type->model_type);
}

const pc_import pc_import_llava_original = {
    .prefixes = {.encoder = "model.vision_tower.vision_tower.vision_model.", .connector = "model.mm_projector.", .llm = ""},
    .matches = matches,
    .configure = configure,
    .finish = finish,
    .alias = alias,
    .describe = pc_import_describe_llava_original,
};
