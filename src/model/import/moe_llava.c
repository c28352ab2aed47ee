/* MoE-LLaVA in its authors' layout: a LLaVA whose language model has experts in some layers.
 *
 * config.json is that of the language model with the object `moe`, mm_image_tower and image_projector_type; tensors are
 * model.image_tower.image_tower.vision_model.*, model.mm_projector.image_spatial_proj.*, and in sparse layers
 * mlp.deepspeed_moe.gate.wg and mlp.deepspeed_moe.experts.deepspeed_experts.<e>.<the dense MLP's names>. The rest is LLaVA's
 * own layout (llava_original.c), which this turns the keys into.
 *
 * Source: Lin et al. 2024 (arXiv:2401.15947); PKU-YuanGroup/MoE-LLaVA, llava_*_moe.py, multimodal_projector/builder.py; DeepSpeed
 * moe/sharded_moe.py (top2gating).
 * Easy to get wrong: with two experts their weights sum to 1, with one it is the softmax's; DeepSpeed draws noise for the second
 * choice and drops what is over eval_capacity_factor, here the choice is the likeliest and nothing is dropped; the SigLIP tower
 * loses its first patch there and is refused here.
 */
#include "model/import/import.h"

#include "base/str.h"

#include <stdio.h>
#include <string.h>

static const char TYPE[] = "moe_llava_";

static bool has_type(const pc_json *config, const char *rest)
{
    const char *type = pc_json_get_text(config, "model_type", "");
    return pc_starts_with(type, TYPE) && (!rest || strcmp(type + sizeof TYPE - 1, rest) == 0);
}

static bool matches(const pc_json *config)
{
    return has_type(config, NULL) && !has_type(config, "qwen");
}

static bool matches_qwen(const pc_json *config)
{
    return has_type(config, "qwen");
}

/* `to` becomes what `from` says, unless `from` is absent. */
static pc_status rename_key(pc_json *json, const pc_json *in, const char *from, const char *to)
{
    const pc_json *value = pc_json_get(in, from);
    return pc_json_is_null(value) ? PC_OK : pc_json_set(json, to, pc_json_copy(value));
}

/* One number of experts in all sparse layers. */
static pc_status set_experts(pc_json *json, const pc_json *list, const char *where)
{
    int64_t count = pc_json_integer(pc_json_at(list, 0), 0);
    for (size_t i = 0; i < pc_json_length(list); i++) {
        if (pc_json_integer(pc_json_at(list, i), 0) != count || count < 1) {
            return pc_fail(PC_ERR_DATA, "%s: moe.num_experts[%zu]: expected %lld as in the first sparse layer, above 0", where, i,
                           (long long)count);
        }
    }
    return count ? pc_json_set(json, "num_local_experts", pc_json_new_integer(count))
                 : pc_fail(PC_ERR_DATA, "%s: moe.num_experts must be a list of numbers", where);
}

static pc_status set_moe(pc_json *json, const char *where)
{
    static const char *const keys[][2] = {
        {"moe_layers_idx", "moe_layers_idx"},       {"top_k_experts", "num_experts_per_tok"},
        {"capacity_factor", "moe_capacity_factor"}, {"min_capacity", "moe_min_capacity"},
        {"router_aux_loss_coef", "router_aux_loss_coef"},
    };
    const pc_json *moe = pc_json_get(json, "moe");
    if (!pc_json_get_bool(moe, "moe_enable", false)) {
        return PC_OK;
    }
    if (pc_json_get_bool(moe, "use_residual", false)) {
        return pc_fail(PC_ERR_DATA, "%s: moe.use_residual is not supported", where);
    }
    PC_TRY(set_experts(json, pc_json_get(moe, "num_experts"), where));
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        PC_TRY(rename_key(json, moe, keys[i][0], keys[i][1]));
    }
    int64_t top_k = pc_json_get_integer(moe, "top_k_experts", 2);
    PC_TRY(pc_json_set(json, "norm_topk_prob", pc_json_new_bool(top_k > 1)));
    return pc_json_set(json, "moe_balance_layers", pc_json_new_bool(true));
}

/* StableLM as the authors' own class spells it. */
static pc_status set_stablelm(pc_json *json)
{
    if (pc_json_is_null(pc_json_get(json, "use_qkv_bias"))) {
        PC_TRY(pc_json_set(json, "use_qkv_bias", pc_json_new_bool(true)));
    }
    PC_TRY(rename_key(json, json, "rope_pct", "partial_rotary_factor"));
    return rename_key(json, json, "norm_eps", "layer_norm_eps");
}

static pc_status configure(pc_model *model, const char *where)
{
    pc_json *json = model->config;
    if (pc_json_is_string(pc_json_get(json, "mm_video_tower"))) {
        return pc_fail(PC_ERR_DATA, "%s: mm_video_tower is not supported", where);
    }
    if (strstr(pc_json_get_text(json, "mm_image_tower", ""), "siglip")) {
        return pc_fail(PC_ERR_DATA, "%s: mm_image_tower '%s': MoE-LLaVA over SigLIP, which loses its first patch, is not supported", where,
                       pc_json_get_text(json, "mm_image_tower", ""));
    }
    PC_TRY(rename_key(json, json, "mm_image_tower", "mm_vision_tower"));
    PC_TRY(rename_key(json, json, "image_projector_type", "mm_projector_type"));
    PC_TRY(has_type(json, "stablelm") ? set_stablelm(json) : PC_OK);
    PC_TRY(set_moe(json, where));
    return pc_import_llava_original.configure(model, where);
}

static pc_status finish(pc_model *model, const char *where)
{
    PC_TRY(pc_import_llava_original.finish(model, where));
    return model->chat || model->chat_unknown ? PC_OK : pc_template_by_name(&model->chat, "vicuna_v1");
}

#define TOWER(root) root ".image_tower.image_tower.vision_model."
#define PROJECTOR(root) root ".mm_projector.image_spatial_proj."

static bool alias(const char *name, int i, char *out, size_t size)
{
    static const pc_import_rename renames[] = {{TOWER("model"), "vision_model."}, {TOWER("model"), ""}}; /* in the tower's directory */
    return pc_import_alias_of(name, i, renames, 2, out, size);
}

/* The language model's names are Qwen's. */
static bool alias_qwen(const char *name, int i, char *out, size_t size)
{
    static const pc_import_rename renames[] = {{TOWER("transformer"), "vision_model."}, {TOWER("transformer"), ""}};
    return pc_starts_with(name, "transformer.") ? pc_import_alias_of(name, i, renames, 2, out, size)
                                                : pc_import_qwen.alias(name, i, out, size);
}

static bool view_qwen(const char *name, int i, pc_import_view *out)
{
    return pc_import_qwen.view(name, i, out);
}

/* A sparse layer's router, which has a name of its own in files; `layers` opens the layer's name there. */
static bool router_piece(const pc_param *param, const char *layers, int i, pc_import_piece *out)
{
    int layer, used = 0;
    if (i || sscanf(param->name, "model.layers.%d.block_sparse_moe.gate.weight%n", &layer, &used) != 1 || !used) {
        return false;
    }
    snprintf(out->tensor, sizeof out->tensor, "%s.%d.mlp.deepspeed_moe.gate.wg.weight", layers, layer);
    out->shape = param->shape;
    return true;
}

static const char FOLDER[] = "mlp.deepspeed_moe.experts.deepspeed_experts";

static bool piece(const pc_model *model, const pc_param *param, int i, pc_import_piece *out)
{
    static const pc_import_experts gated = {FOLDER, "gate_proj", "up_proj", "down_proj"}, plain = {FOLDER, NULL, "fc1", "fc2"};
    return router_piece(param, "model.layers", i, out) ||
           pc_import_expert(param, has_type(model->config, "phi") ? &plain : &gated, i, out);
}

static bool piece_qwen(const pc_model *model, const pc_param *param, int i, pc_import_piece *out)
{
    static const pc_import_experts names = {FOLDER, "w2", "w1", "c_proj"};
    char theirs[sizeof out->tensor];
    (void)model;
    if (router_piece(param, "transformer.h", i, out)) {
        return true;
    }
    return pc_import_expert(param, &names, i, out) &&
           pc_import_replace_prefix(out->tensor, "model.layers.", "transformer.h.", theirs, sizeof theirs) &&
           snprintf(out->tensor, sizeof out->tensor, "%s", theirs) > 0;
}

const pc_import pc_import_moe_llava = {
    .prefixes = {.encoder = TOWER("model"), .connector = PROJECTOR("model"), .llm = ""},
    .matches = matches,
    .configure = configure,
    .finish = finish,
    .alias = alias,
    .piece = piece,
    .describe = pc_import_describe_llava_original,
};

const pc_import pc_import_moe_llava_qwen = {
    .prefixes = {.encoder = TOWER("transformer"), .connector = PROJECTOR("transformer"), .llm = ""},
    .matches = matches_qwen,
    .configure = configure,
    .finish = finish,
    .alias = alias_qwen,
    .view = view_qwen,
    .piece = piece_qwen,
    .describe = pc_import_describe_llava_original,
};
