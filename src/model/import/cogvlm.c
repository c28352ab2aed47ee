/* CogVLM's directories in its authors' layout (CogVLMForCausalLM): EVA2-CLIP-E, a gated adapter, Vicuna with a visual expert in
 * every layer. CogAgent's (CogAgentForCausalLM): the same, and EVA2-CLIP-L for the picture in detail, which every layer reads.
 *
 * Source: Wang et al. 2023 (arXiv:2311.03079), Hong et al. 2023 (arXiv:2312.08914); configuration_cogvlm.py, modeling_cogvlm.py,
 * visual.py of cogvlm-chat-hf, and modeling_cogagent.py, cross_visual.py of cogagent-chat-hf (keys, names).
 * Easy to get wrong: config.json has no model_type; q, k and v of text and of pictures lie in one matrix each; all tokens in
 * the middle of a picture share a position; the adapter's MLP is as wide as the language model's; the sizes of CogAgent's second tower
 * stand in its code alone, where the last of 24 blocks doesn't run (`cross_vision_config`, which is ours, says others).
 */
#include "model/import/import.h"

#include "base/str.h"

#include <stdio.h>
#include <string.h>

static bool is_of(const pc_json *config, const char *wanted)
{
    const char *class = pc_json_text(pc_json_at(pc_json_get(config, "architectures"), 0));
    return class && strcmp(class, wanted) == 0;
}

static bool matches_cogvlm(const pc_json *config)
{
    return is_of(config, "CogVLMForCausalLM");
}

static bool matches_cogagent(const pc_json *config)
{
    return is_of(config, "CogAgentForCausalLM");
}

static pc_status set_adapter(pc_model *model, bool positions, const char *where)
{
    int64_t hidden = pc_json_get_integer(model->config, "intermediate_size", 11008);
    pc_json *json = pc_json_new_object();
    pc_status status = json ? pc_json_set(json, "adapter_hidden_size", pc_json_new_integer(hidden)) : pc_fail_memory(0, "a configuration");
    if (status == PC_OK) {
        status = pc_json_set(json, "position_embedding", pc_json_new_bool(positions));
    }
    if (status == PC_OK) {
        status = pc_model_set_connector(model, "cogvlm_glu", json, where);
    }
    pc_json_free(json);
    return status;
}

/* EVA2-CLIP-L for pictures of cross_image_size. */
static pc_status set_detail(pc_model *model, const char *where)
{
    static const int64_t USUAL_SIDE = 1120, USUAL_WIDTH = 1024;
    pc_json *json = pc_json_get(model->config, "cross_vision_config");
    if (!pc_json_is_object(json)) {
        PC_TRY(pc_json_set(model->config, "cross_vision_config", pc_json_new_object()));
        json = pc_json_get(model->config, "cross_vision_config");
    }
    int64_t side = pc_json_get_integer(model->config, "cross_image_size", USUAL_SIDE);
    PC_TRY(pc_json_set(json, "model_type", pc_json_new_text("eva02_vision")));
    PC_TRY(pc_json_set(json, "image_size", pc_json_new_integer(side)));
    PC_TRY(pc_model_set_detail(model, json, "model.cross_vision.vit.model.", "model.cross_vision.pos_embed", where));
    int64_t width = pc_json_get_integer(model->config, "cross_hidden_size", USUAL_WIDTH);
    return width == model->detail.tower.info.width
               ? PC_OK
               : pc_fail(PC_ERR_DATA, "%s: cross_hidden_size %lld, but the second tower is %lld wide", where, (long long)width,
                         (long long)model->detail.tower.info.width);
}

static pc_status configure_parts(pc_model *model, bool agent, const char *where)
{
    pc_json *vision = pc_json_get(model->config, "vision_config");
    if (!pc_json_is_object(vision)) {
        return pc_fail(PC_ERR_DATA, "%s: expected the object vision_config", where);
    }
    if (!pc_json_is_null(pc_json_get(vision, "num_heads"))) {
        PC_TRY(pc_json_set(vision, "num_attention_heads", pc_json_copy(pc_json_get(vision, "num_heads"))));
    }
    if (!pc_json_get_text(model->config, "model_type", "")[0]) { /* so that others can name the family */
        PC_TRY(pc_json_set(model->config, "model_type", pc_json_new_text(agent ? "cogagent" : "cogvlm")));
    }
    PC_TRY(pc_json_set(vision, "model_type", pc_json_new_text("cogvlm_vision")));
    model->encoder.select.layer[0] = -1;
    PC_TRY(pc_import_rope(model->config, where));
    PC_TRY(pc_model_set_encoder(model, vision, where));
    PC_TRY(pc_model_set_llm(model, "llama", model->config, where));
    PC_TRY(agent ? set_detail(model, where) : PC_OK);
    PC_TRY(agent ? pc_model_set_bridge(model, "cogagent", model->config, "model.", where)
                 : pc_model_set_bridge(model, "visual_expert", NULL, "model.", where));
    PC_TRY(set_adapter(model, agent, where));
    model->one_position = true;
    model->image_token = model->llm.info.vocabulary;
    return PC_OK;
}

static pc_status configure_cogvlm(pc_model *model, const char *where)
{
    return configure_parts(model, false, where);
}

static pc_status configure_cogagent(pc_model *model, const char *where)
{
    return configure_parts(model, true, where);
}

static bool alias(const char *name, int i, char *out, size_t size)
{
    static const pc_import_rename renames[] = {
        {"self_attn.o_proj", "self_attn.language_expert_dense"},
        {"mlp.gate_proj", "mlp.language_mlp.gate_proj"},
        {"mlp.up_proj", "mlp.language_mlp.up_proj"},
        {"mlp.down_proj", "mlp.language_mlp.down_proj"},
    };
    if (i == 0) {
        return pc_import_alias_of(name, 0, NULL, 0, out, size);
    }
    for (size_t r = 0; i == 1 && pc_starts_with(name, "model.layers.") && r < sizeof renames / sizeof renames[0]; r++) {
        const char *at = strstr(name, renames[r].ours);
        if (at) {
            int length = snprintf(out, size, "%.*s%s%s", (int)(at - name), name, renames[r].theirs, at + strlen(renames[r].ours));
            return length >= 0 && (size_t)length < size;
        }
    }
    return false;
}

/* q, k, v in one matrix. */
static bool view(const char *name, int i, pc_import_view *out)
{
    static const struct {
        const char *ours, *theirs;
        int part;
    } parts[] = {
        {".q_proj.", ".language_expert_query_key_value.", 0}, {".k_proj.", ".language_expert_query_key_value.", 1},
        {".v_proj.", ".language_expert_query_key_value.", 2}, {".vision_q_proj.", ".vision_expert_query_key_value.", 0},
        {".vision_k_proj.", ".vision_expert_query_key_value.", 1}, {".vision_v_proj.", ".vision_expert_query_key_value.", 2},
    };
    *out = (pc_import_view){0};
    for (size_t p = 0; i == 0 && p < sizeof parts / sizeof parts[0]; p++) {
        const char *at = strstr(name, parts[p].ours);
        if (at) {
            int length = snprintf(out->tensor, sizeof out->tensor, "%.*s%s%s", (int)(at - name), name, parts[p].theirs,
                                  at + strlen(parts[p].ours));
            out->part = parts[p].part;
            out->parts = 3;
            return length >= 0 && (size_t)length < sizeof out->tensor;
        }
    }
    return false;
}

static pc_status describe(const pc_model *model, pc_json *config)
{
    const pc_encoder_part *encoder = &model->encoder;
    const pc_encoder_part *tower = &model->detail.tower;
    PC_TRY(pc_import_complete_llm(config, model));
    PC_TRY(pc_import_complete(config, &model->bridge.type->fields, model->bridge.config, NULL));
    PC_TRY(tower->type ? pc_import_complete(pc_json_get(config, "cross_vision_config"), &tower->type->fields, tower->config,
                                            tower->type->model_type)
                       : PC_OK);
    return pc_import_complete(pc_json_get(config, "vision_config"), &encoder->type->fields, encoder->config, encoder->type->model_type);
}

#define FAMILY(name, class)                                                                  \
    const pc_import pc_import_##name = {                                                     \
        .architecture = class,                                                               \
        .chat = #name,                                                                       \
        .prefixes = {.encoder = "model.vision.", .connector = "model.vision.", .llm = ""},   \
        .matches = matches_##name,                                                           \
        .configure = configure_##name,                                                       \
        .alias = alias,                                                                      \
        .view = view,                                                                        \
        .describe = describe,                                                                \
    }

FAMILY(cogvlm, "CogVLMForCausalLM");
FAMILY(cogagent, "CogAgentForCausalLM");
