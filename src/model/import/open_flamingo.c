/* OpenFlamingo in its authors' tensor names: OpenCLIP's tower, the perceiver resampler, a language model with gated
 * cross-attention.
 *
 * config.json is ours, for the authors have none: {"model_type": "open_flamingo", "vision_config": {...}, "text_config": {...},
 * "cross_attn_every_n_layers": n, "perceiver_config": {...}, "cross_attn_config": {...}}. Tensors: the module's state dict, or its
 * checkpoint (perceiver, gated blocks, embeddings) with the files of the frozen parts under their own names beside it, all
 * in one model.safetensors.index.json.
 *
 * Source: Awadalla et al. 2023 (arXiv:2308.01390); mlfoundations/open_flamingo, src/flamingo.py, flamingo_lm.py, factory.py.
 * Easy to get wrong: the tower's patches come without the last norm and without the class token (OpenCLIP of 2023 did not
 * apply it to them); the checkpoint's table of embeddings is longer than the language model's own and counts before it.
 */
#include "model/import/import.h"

#include "base/str.h"

#include <stdio.h>
#include <string.h>

static pc_status need_objects(pc_model *model, const char *where)
{
    static const char *const needed[] = {"vision_config", "text_config"}, *const optional[] = {"perceiver_config", "cross_attn_config"};
    for (int i = 0; i < 2; i++) {
        if (!pc_json_is_object(pc_json_get(model->config, needed[i]))) {
            return pc_fail(PC_ERR_DATA, "%s: expected the object %s", where, needed[i]);
        }
        if (!pc_json_is_object(pc_json_get(model->config, optional[i]))) {
            PC_TRY(pc_json_set(model->config, optional[i], pc_json_new_object()));
        }
    }
    pc_json *blocks = pc_json_get(model->config, "cross_attn_config"), *perceiver = pc_json_get(model->config, "perceiver_config");
    int64_t every = pc_json_get_integer(model->config, "cross_attn_every_n_layers", 1);
    PC_TRY(pc_json_set(blocks, "cross_attn_every_n_layers", pc_json_new_integer(every)));
    return pc_json_set(perceiver, "project", pc_json_new_bool(false));
}

static pc_status configure(pc_model *model, const char *where)
{
    PC_TRY(need_objects(model, where));
    pc_json *text = pc_json_get(model->config, "text_config");
    model->encoder.select.layer[0] = -1;
    PC_TRY(pc_import_rope(text, where));
    PC_TRY(pc_model_set_encoder(model, pc_json_get(model->config, "vision_config"), where));
    PC_TRY(pc_model_set_llm(model, pc_json_get_text(text, "model_type", "llama"), text, where));
    PC_TRY(pc_model_set_bridge(model, "gated_cross_attention", pc_json_get(model->config, "cross_attn_config"), "lang_encoder.", where));
    PC_TRY(pc_model_set_connector(model, "resampler", pc_json_get(model->config, "perceiver_config"), where));
    /* <|endofchunk|> and <image> are added in this order. */
    model->image_token = pc_json_get_integer(model->config, "media_token_id", model->llm.info.vocabulary - 1);
    return model->image_token >= 0 && model->image_token < model->llm.info.vocabulary
               ? PC_OK
               : pc_fail(PC_ERR_DATA, "%s: media_token_id is outside the vocabulary", where);
}

static pc_status finish(pc_model *model, const char *where)
{
    (void)where;
    int32_t id = model->tokenizer ? pc_tokenizer_id(model->tokenizer, "<image>") : -1;
    model->image_token = id >= 0 && id < model->llm.info.vocabulary ? id : model->image_token;
    return PC_OK;
}

/* "<prefix><layer>.<rest>": the number behind the prefix, and what follows its dot. */
static bool split_layer(const char *name, const char *prefix, int *layer, const char **rest)
{
    int used = 0;
    if (!pc_starts_with(name, prefix) || sscanf(name + strlen(prefix), "%d.%n", layer, &used) != 1 || !used) {
        return false;
    }
    *rest = name + strlen(prefix) + used;
    return true;
}

/* Where language models keep their layers: LLaMA, Qwen2, Phi, StableLM; MPT; GPT-NeoX; OPT. */
static const char *const layers[] = {"model.layers.", "transformer.blocks.", "gpt_neox.layers.", "model.decoder.layers."};

enum { LAYERS = sizeof layers / sizeof layers[0] };

/* Which of `layers` a language model's tensor is in; LAYERS: none. */
static int find_layer(const char *name, int *layer, const char **rest)
{
    char prefix[64];
    int i = 0;
    for (; i < LAYERS; i++) {
        snprintf(prefix, sizeof prefix, "lang_encoder.%s", layers[i]);
        if (split_layer(name, prefix, layer, rest)) {
            break;
        }
    }
    return i;
}

static bool alias(const char *name, int i, char *out, size_t size)
{
    static const pc_import_rename renames[] = {{"lang_encoder.", ""}};
    const char *rest = "";
    int layer = 0, length = -1, path = find_layer(name, &layer, &rest);
    bool in_block = split_layer(name, "lang_encoder.gated_cross_attn_layers.", &layer, &rest);
    if (i == 0 || (path == LAYERS && !in_block)) {
        return pc_import_alias_of(name, i, renames, 1, out, size);
    }
    if (in_block) { /* below the layer that it stands before, whichever model's */
        length = i <= LAYERS ? snprintf(out, size, "lang_encoder.%s%d.gated_cross_attn_layer.%s", layers[i - 1], layer, rest) : -1;
    } else if (i == 1) {
        length = snprintf(out, size, "lang_encoder.%s%d.decoder_layer.%s", layers[path], layer, rest);
    } else if (i == 2) {
        length = snprintf(out, size, "lang_encoder.old_decoder_blocks.%d.%s", layer, rest);
    } else if (i == 3) {
        length = snprintf(out, size, "%s%d.%s", layers[path], layer, rest);
    }
    return length >= 0 && (size_t)length < size;
}

extern const pc_import pc_import_open_clip;

/* The tower in OpenCLIP's names: as a part of the module, or from a file of its own. */
static bool view(const char *name, int i, pc_import_view *out)
{
    static const char OWN[] = "vision_encoder.", THEIRS[] = "visual.";
    char usual[sizeof out->tensor];
    if (i > 1 || !pc_starts_with(name, "vision_model.") || !pc_import_open_clip.view(name, 0, out)) {
        return false;
    }
    if (i == 1) {
        return true;
    }
    memcpy(usual, out->tensor, sizeof usual);
    int length = snprintf(out->tensor, sizeof out->tensor, "%s%s", OWN, usual + sizeof THEIRS - 1);
    return length >= 0 && (size_t)length < sizeof out->tensor;
}

static pc_status describe(const pc_model *model, pc_json *config)
{
    const pc_encoder_part *encoder = &model->encoder;
    PC_TRY(pc_import_complete_llm(pc_json_get(config, "text_config"), model));
    PC_TRY(pc_import_complete(pc_json_get(config, "vision_config"), &encoder->type->fields, encoder->config, encoder->type->model_type));
    PC_TRY(pc_import_complete(pc_json_get(config, "perceiver_config"), &model->connector.type->fields, model->connector.config, NULL));
    PC_TRY(pc_import_complete(pc_json_get(config, "cross_attn_config"), &model->bridge.type->fields, model->bridge.config, NULL));
    return pc_json_set(config, "media_token_id", pc_json_new_integer(model->image_token));
}

const pc_import pc_import_open_flamingo = {
    .model_type = "open_flamingo",
    .chat = "open_flamingo",
    .prefixes = {.encoder = "vision_model.", .connector = "perceiver.", .llm = "lang_encoder."},
    .configure = configure,
    .finish = finish,
    .alias = alias,
    .view = view,
    .describe = describe,
};
