/* OpenCLIP's directories: open_clip_config.json beside open_clip_model.safetensors (or model.safetensors).
 *
 * model_cfg says the sizes of a CLIP with both towers, preprocess_cfg mean and standard deviation; the tokenizer is CLIP's.
 * The activation is GELU by erf unless quick_gelu is true, as it is for OpenAI's weights. A saved copy is a CLIPModel.
 *
 * Source: Cherti et al. 2023 (arXiv:2212.07143); mlfoundations/open_clip, model.py, transformer.py, factory.py.
 * Easy to get wrong: q, k and v lie in one matrix, in this order; both projections are stored [in,out]; heads of pictures
 * follow from head_width, those of texts are given; the text's row is that of the largest id, the last of the vocabulary.
 */
#include "model/import/import.h"

#include "base/file.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

enum { CONFIG_LIMIT = 1 << 20 };

static const char *const CONFIG = "open_clip_config.json";

static bool matches_file(const char *path)
{
    return strcmp(pc_path_base(path), CONFIG) == 0;
}

/* --- names --- */

/* What stands behind "encoder.layers.N." of ours and "resblocks.N." of theirs. */
static bool block_view(const char *rest, const char *theirs, pc_import_view *out)
{
    static const pc_import_rename renames[] = {
        {"layer_norm1.", "ln_1."}, {"layer_norm2.", "ln_2."}, {"mlp.fc1.", "mlp.c_fc."}, {"mlp.fc2.", "mlp.c_proj."},
        {"self_attn.out_proj.", "attn.out_proj."},
    };
    static const char *const projections[] = {"self_attn.q_proj.", "self_attn.k_proj.", "self_attn.v_proj."};
    int layer, used = 0, length = -1;
    if (sscanf(rest, "%d.%n", &layer, &used) != 1 || !used) {
        return false;
    }
    rest += used;
    for (size_t i = 0; i < sizeof renames / sizeof renames[0]; i++) {
        if (pc_starts_with(rest, renames[i].ours)) {
            length = snprintf(out->tensor, sizeof out->tensor, "%s%d.%s%s", theirs, layer, renames[i].theirs,
                              rest + strlen(renames[i].ours));
        }
    }
    for (int i = 0; i < 3; i++) {
        if (pc_starts_with(rest, projections[i])) {
            length = snprintf(out->tensor, sizeof out->tensor, "%s%d.attn.in_proj_%s", theirs, layer,
                              rest + strlen(projections[i]));
            out->part = i;
            out->parts = 3;
        }
    }
    return length > 0 && (size_t)length < sizeof out->tensor;
}

static bool tensor_view(const char *name, pc_import_view *out)
{
    static const struct {
        const char *ours, *theirs;
        bool transposed;
    } tensors[] = {
        {"vision_model.embeddings.class_embedding", "visual.class_embedding", false},
        {"vision_model.embeddings.patch_embedding.weight", "visual.conv1.weight", false},
        {"vision_model.embeddings.position_embedding.weight", "visual.positional_embedding", false},
        {"vision_model.pre_layrnorm.weight", "visual.ln_pre.weight", false},
        {"vision_model.pre_layrnorm.bias", "visual.ln_pre.bias", false},
        {"vision_model.post_layernorm.weight", "visual.ln_post.weight", false},
        {"vision_model.post_layernorm.bias", "visual.ln_post.bias", false},
        {"visual_projection.weight", "visual.proj", true},
        {"text_model.embeddings.token_embedding.weight", "token_embedding.weight", false},
        {"text_model.embeddings.position_embedding.weight", "positional_embedding", false},
        {"text_model.final_layer_norm.weight", "ln_final.weight", false},
        {"text_model.final_layer_norm.bias", "ln_final.bias", false},
        {"text_projection.weight", "text_projection", true},
    };
    for (size_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++) {
        if (strcmp(tensors[i].ours, name) == 0) {
            snprintf(out->tensor, sizeof out->tensor, "%s", tensors[i].theirs);
            out->transposed = tensors[i].transposed;
            return true;
        }
    }
    return false;
}

/* 0: the usual spelling; 1: the text tower apart, below "text." (custom_text). */
static bool view(const char *name, int i, pc_import_view *out)
{
    static const char *const vision = "vision_model.encoder.layers.", *const text = "text_model.encoder.layers.";
    bool found;
    *out = (pc_import_view){0};
    if (i > 1) {
        return false;
    }
    if (pc_starts_with(name, vision)) {
        found = block_view(name + strlen(vision), "visual.transformer.resblocks.", out);
    } else if (pc_starts_with(name, text)) {
        found = block_view(name + strlen(text), "transformer.resblocks.", out);
    } else {
        found = tensor_view(name, out);
    }
    if (!found || i == 0 || !pc_starts_with(name, "text_")) {
        return found && i == 0;
    }
    char usual[sizeof out->tensor];
    memcpy(usual, out->tensor, sizeof usual);
    int length = snprintf(out->tensor, sizeof out->tensor, "text.%s", usual);
    return length > 0 && (size_t)length < sizeof out->tensor;
}

static bool alias(const char *name, int i, char *out, size_t size)
{
    return pc_import_alias_of(name, i, NULL, 0, out, size);
}

/* --- configuration --- */

static bool is_off(const pc_json *value, const char *usual)
{
    const char *text = pc_json_text(value);
    return pc_json_is_null(value) || (pc_json_is_bool(value) && !pc_json_bool(value, false)) ||
           (pc_json_is_object(value) && pc_json_length(value) == 0) || (text && usual && strcmp(text, usual) == 0);
}

/* What makes another network than the plain one is refused by name. */
static pc_status refuse_others(const pc_json *json, const char *part, const char *where)
{
    static const struct {
        const char *key, *usual;
    } keys[] = {
        {"timm_model_name", NULL},  {"hf_model_name", NULL},    {"ls_init_value", NULL},      {"attentional_pool", NULL},
        {"no_ln_pre", NULL},        {"pool_type", NULL},        {"final_ln_after_pool", NULL}, {"pos_embed_type", "learnable"},
        {"act_kwargs", NULL},       {"norm_kwargs", NULL},      {"block_type", "default"},    {"qk_norm", NULL},
        {"scaled_cosine_attn", NULL}, {"scale_heads", NULL},    {"scale_attn_inner", NULL},   {"scale_attn", NULL},
        {"scale_fc", NULL},         {"text_arch", "clip"},      {"embed_cls", NULL},          {"no_causal_mask", NULL},
        {"proj_bias", NULL},        {"proj_type", "linear"},    {"patch_norm", NULL},
    };
    const char *pool = strcmp(part, "vision_cfg") == 0 ? "tok" : "argmax";
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const char *usual = strcmp(keys[i].key, "pool_type") == 0 ? pool : keys[i].usual;
        if (!is_off(pc_json_get(json, keys[i].key), usual)) {
            return pc_fail(PC_ERR_DATA, "%s: model_cfg.%s.%s is not supported", where, part, keys[i].key);
        }
    }
    return PC_OK;
}

static pc_status set_integer(pc_json *to, const char *key, int64_t value)
{
    return pc_json_set(to, key, pc_json_new_integer(value));
}

/* The keys of both towers that are spelt alike. */
static pc_status tower(pc_json *to, const pc_json *from, int64_t usual_width, int64_t *width, const char *where)
{
    const pc_json *layers = pc_json_get(from, "layers");
    if (layers && !pc_json_is_integer(layers)) {
        return pc_fail(PC_ERR_DATA, "%s: layers must be a number: residual networks are not supported", where);
    }
    *width = pc_json_get_integer(from, "width", usual_width);
    double ratio = pc_json_get_number(from, "mlp_ratio", 4);
    if (*width < 1 || *width > 65536 || !(ratio > 0 && ratio < 64)) {
        return pc_fail(PC_ERR_DATA, "%s: width %lld or mlp_ratio %g is out of range", where, (long long)*width, ratio);
    }
    PC_TRY(set_integer(to, "hidden_size", *width));
    PC_TRY(set_integer(to, "intermediate_size", (int64_t)((double)*width * ratio)));
    return set_integer(to, "num_hidden_layers", pc_json_integer(layers, 12));
}

static pc_status vision(pc_json *to, const pc_json *from, const char *where)
{
    int64_t width, head = pc_json_get_integer(from, "head_width", 64);
    PC_TRY(refuse_others(from, "vision_cfg", where));
    PC_TRY(tower(to, from, 768, &width, where));
    if (head < 1 || width % head) {
        return pc_fail(PC_ERR_DATA, "%s: vision_cfg.width %lld is not a multiple of head_width %lld", where, (long long)width,
                       (long long)head);
    }
    PC_TRY(set_integer(to, "num_attention_heads", width / head));
    const struct {
        const char *key;
        int64_t usual;
    } sides[] = {{"image_size", 224}, {"patch_size", 16}};
    for (int i = 0; i < 2; i++) {
        const pc_json *side = pc_json_get(from, sides[i].key);
        if (side && !pc_json_is_integer(side)) {
            return pc_fail(PC_ERR_DATA, "%s: vision_cfg.%s must be a number", where, sides[i].key);
        }
        PC_TRY(set_integer(to, sides[i].key, pc_json_integer(side, sides[i].usual)));
    }
    return pc_json_set(to, "model_type", pc_json_new_text("clip_vision_model"));
}

static pc_status text(pc_json *to, const pc_json *from, const char *where)
{
    int64_t width, vocabulary = pc_json_get_integer(from, "vocab_size", 49408);
    PC_TRY(refuse_others(from, "text_cfg", where));
    PC_TRY(tower(to, from, 512, &width, where));
    PC_TRY(set_integer(to, "num_attention_heads", pc_json_get_integer(from, "heads", 8)));
    PC_TRY(set_integer(to, "max_position_embeddings", pc_json_get_integer(from, "context_length", 77)));
    PC_TRY(set_integer(to, "vocab_size", vocabulary));
    PC_TRY(set_integer(to, "eos_token_id", vocabulary - 1));
    return pc_json_set(to, "model_type", pc_json_new_text("clip_text_model"));
}

/* model->config = that of a CLIPModel. */
static pc_status translate(pc_model *model, const pc_json *theirs, const char *where)
{
    static const char *const parts[] = {"vision_config", "text_config"}, *const sources[] = {"vision_cfg", "text_cfg"};
    const pc_json *cfg = pc_json_get(theirs, "model_cfg");
    const char *act = pc_json_get_bool(cfg, "quick_gelu", false) ? "quick_gelu" : "gelu";
    int64_t width = pc_json_get_integer(cfg, "embed_dim", 0);
    model->config = pc_json_new_object();
    if (!model->config) {
        return pc_fail_memory(0, "a configuration");
    }
    if (pc_json_get(cfg, "multimodal_cfg")) {
        return pc_fail(PC_ERR_DATA, "%s: model_cfg.multimodal_cfg (CoCa) is not supported", where);
    }
    for (int i = 0; i < 2; i++) {
        const pc_json *from = pc_json_get(cfg, sources[i]);
        if (!pc_json_is_object(from)) {
            return pc_fail(PC_ERR_DATA, "%s: expected the object model_cfg.%s", where, sources[i]);
        }
        PC_TRY(pc_json_set(model->config, parts[i], pc_json_new_object()));
        pc_json *to = pc_json_get(model->config, parts[i]);
        PC_TRY(i ? text(to, from, where) : vision(to, from, where));
        PC_TRY(pc_json_set(to, "hidden_act", pc_json_new_text(act)));
        PC_TRY(set_integer(to, "projection_dim", width));
    }
    PC_TRY(set_integer(model->config, "projection_dim", width));
    if (!is_off(pc_json_get(cfg, "init_logit_bias"), NULL)) {
        PC_TRY(pc_json_set(model->config, "loss_type", pc_json_new_text("siglip")));
    }
    return pc_json_set(model->config, "model_type", pc_json_new_text("clip"));
}

/* CLIP's recipe at this model's size, with the file's mean and standard deviation. */
static pc_status set_recipe(pc_model *model, const pc_json *theirs, const char *where)
{
    static const struct {
        const char *theirs, *ours;
    } keys[] = {{"mean", "image_mean"}, {"std", "image_std"}};
    const pc_json *cfg = pc_json_get(theirs, "preprocess_cfg");
    int side = (int)model->encoder.info.image_size;
    if (!is_off(pc_json_get(cfg, "resize_mode"), "shortest") || !is_off(pc_json_get(cfg, "interpolation"), "bicubic")) {
        return pc_fail(PC_ERR_DATA, "%s: preprocess_cfg: resize_mode other than shortest and interpolation other than bicubic are "
                                    "not supported", where);
    }
    pc_json *json = pc_json_new_object();
    pc_status status = pc_json_set(json, "image_processor_type", pc_json_new_text(model->encoder.type->processor));
    for (int i = 0; i < 2 && status == PC_OK; i++) {
        const pc_json *value = pc_json_get(cfg, keys[i].theirs);
        if (!pc_json_is_null(value)) {
            status = pc_json_set(json, keys[i].ours, pc_json_copy(value));
        }
    }
    if (status == PC_OK) {
        status = pc_image_recipe_from_json(&model->recipe, json, where);
    }
    model->recipe.size[0] = model->recipe.crop_height = model->recipe.crop_width = side;
    pc_json_free(json);
    return status;
}

static pc_status open_weights(pc_model *model, const char *config)
{
    static const char *const files[] = {"open_clip_model.safetensors", "model.safetensors"};
    char *folder = pc_path_parent(config), *path = NULL;
    pc_status status = folder ? PC_OK : pc_fail_memory(0, "a path");
    for (int i = 0; i < 2 && status == PC_OK && !path; i++) {
        path = pc_path_join(folder, files[i]);
        if (!path) {
            status = pc_fail_memory(0, "a path");
        } else if (!pc_path_exists(path)) {
            pc_free(path);
            path = NULL;
        }
    }
    if (status == PC_OK) {
        status = path ? pc_store_open(&model->store, path)
                      : pc_fail(PC_ERR_IO, "%s: there is no %s beside it", config, files[0]);
    }
    pc_free(path);
    pc_free(folder);
    return status;
}

static pc_status load_file(pc_model *model, const char *path)
{
    pc_json *theirs = NULL;
    PC_TRY(pc_json_read(&theirs, path, CONFIG_LIMIT));
    pc_status status = translate(model, theirs, path);
    if (status == PC_OK) {
        status = pc_import_clip.configure(model, path);
    }
    if (status == PC_OK) {
        status = set_recipe(model, theirs, path);
    }
    pc_json_free(theirs);
    PC_TRY(status);
    PC_TRY(open_weights(model, path));
    return pc_model_attach_all(model);
}

static pc_status describe(const pc_model *model, pc_json *config)
{
    return pc_import_clip.describe(model, config);
}

const pc_import pc_import_open_clip = {
    .architecture = "CLIPModel",
    .prefixes = {.encoder = "vision_model.", .text = "text_model."},
    .alias = alias,
    .view = view,
    .describe = describe,
    .matches_file = matches_file,
    .load_file = load_file,
};
