/* CogVLM's directories in its authors' layout (CogVLMForCausalLM): EVA2-CLIP-E, a gated adapter, Vicuna with a visual expert in
 * every layer.
 *
 * Source: Wang et al. 2023 (arXiv:2311.03079); configuration_cogvlm.py, modeling_cogvlm.py, visual.py of cogvlm-chat-hf (keys,
 * names). Easy to get wrong: config.json has no model_type; q, k and v of text and of pictures lie in one matrix each; all tokens in
 * the middle of a picture share a position; the adapter's MLP is as wide as the language model's.
 */
#include "model/import/import.h"

#include "base/str.h"

#include <stdio.h>
#include <string.h>

static bool matches(const pc_json *config)
{
    const char *class = pc_json_text(pc_json_at(pc_json_get(config, "architectures"), 0));
    return class && strcmp(class, "CogVLMForCausalLM") == 0;
}

static pc_status set_adapter(pc_model *model, const char *where)
{
    int64_t hidden = pc_json_get_integer(model->config, "intermediate_size", 11008);
    pc_json *json = pc_json_new_object();
    pc_status status = json ? pc_json_set(json, "adapter_hidden_size", pc_json_new_integer(hidden)) : pc_fail_memory(0, "a configuration");
    if (status == PC_OK) {
        status = pc_model_set_connector(model, "cogvlm_glu", json, where);
    }
    pc_json_free(json);
    return status;
}

static pc_status configure(pc_model *model, const char *where)
{
    pc_json *vision = pc_json_get(model->config, "vision_config");
    if (!pc_json_is_object(vision)) {
        return pc_fail(PC_ERR_DATA, "%s: expected the object vision_config", where);
    }
    if (!pc_json_is_null(pc_json_get(model->config, "cross_hidden_size"))) {
        return pc_fail(PC_ERR_DATA, "%s: cross_hidden_size: CogAgent's high-resolution branch is not supported", where);
    }
    if (!pc_json_is_null(pc_json_get(vision, "num_heads"))) {
        PC_TRY(pc_json_set(vision, "num_attention_heads", pc_json_copy(pc_json_get(vision, "num_heads"))));
    }
    if (!pc_json_get_text(model->config, "model_type", "")[0]) { /* so that others can name the family */
        PC_TRY(pc_json_set(model->config, "model_type", pc_json_new_text("cogvlm")));
    }
    PC_TRY(pc_json_set(vision, "model_type", pc_json_new_text("cogvlm_vision")));
    model->encoder.select.layer[0] = -1;
    PC_TRY(pc_import_rope(model->config, where));
    PC_TRY(pc_model_set_encoder(model, vision, where));
    PC_TRY(pc_model_set_llm(model, "llama", model->config, where));
    PC_TRY(pc_model_set_bridge(model, "visual_expert", NULL, "model.", where));
    PC_TRY(set_adapter(model, where));
    model->one_position = true;
    model->image_token = model->llm.info.vocabulary;
    return PC_OK;
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
    PC_TRY(pc_import_complete_llm(config, model));
    return pc_import_complete(pc_json_get(config, "vision_config"), &encoder->type->fields, encoder->config, encoder->type->model_type);
}

const pc_import pc_import_cogvlm = {
    .architecture = "CogVLMForCausalLM",
    .chat = "cogvlm",
    .prefixes = {.encoder = "model.vision.", .connector = "model.vision.", .llm = ""},
    .matches = matches,
    .configure = configure,
    .alias = alias,
    .view = view,
    .describe = describe,
};
