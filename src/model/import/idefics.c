/* IdeficsForVisionText2Text directories of Hugging Face: OpenCLIP's tower, a perceiver resampler, LLaMA with gated
 * cross-attention (IDEFICS-1).
 *
 * Source: Laurencon et al. 2023 (arXiv:2306.16527); transformers models/idefics (keys, names).
 * Easy to get wrong: config.json has the language model's keys at the top, its vocab_size without the additional tokens; they
 * lie in tensors of their own, behind the others in ours: <fake_token_around_image>, <image> and what else there is; the tower's
 * features have the class token and no last norm; gates are stored [1,1,D]; the token that ends a document hides the picture.
 */
#include "model/import/import.h"

#include "base/str.h"

#include <stdio.h>
#include <string.h>

enum { FAKE, IMAGE, MARKS }; /* additional tokens, in this order */

static pc_status need_objects(const pc_model *model, const char *where)
{
    if (!pc_json_is_object(pc_json_get(model->config, "vision_config"))) {
        return pc_fail(PC_ERR_DATA, "%s: expected the object vision_config", where);
    }
    if (!pc_json_get_bool(model->config, "use_resampler", false)) {
        return pc_fail(PC_ERR_DATA, "%s: use_resampler is false: IDEFICS without its resampler is not supported", where);
    }
    return PC_OK;
}

static pc_status set_vision(pc_model *model, const char *where)
{
    static const struct {
        const char *key;
        int value;
    } usual[] = {{"intermediate_size", 5120}, {"num_hidden_layers", 32}, {"num_attention_heads", 16}, {"patch_size", 14}};
    pc_json *json = pc_json_copy(pc_json_get(model->config, "vision_config"));
    pc_status status = json ? PC_OK : pc_fail_memory(0, "a configuration");
    int64_t width = pc_json_get_integer(json, "embed_dim", 768);
    PC_GO(status);
    PC_GO(pc_json_set(json, "model_type", pc_json_new_text("clip_vision_model")));
    PC_GO(pc_json_set(json, "hidden_size", pc_json_new_integer(width)));
    if (pc_json_is_null(pc_json_get(json, "hidden_act"))) {
        PC_GO(pc_json_set(json, "hidden_act", pc_json_new_text("gelu")));
    }
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) {
        if (pc_json_is_null(pc_json_get(json, usual[i].key))) {
            PC_GO(pc_json_set(json, usual[i].key, pc_json_new_integer(usual[i].value)));
        }
    }
    model->encoder.select.layer[0] = -1;
    model->encoder.select.keep_class_token = true;
    PC_GO(pc_model_set_encoder(model, json, where));
done:
    pc_json_free(json);
    return status;
}

static int64_t additional(const pc_model *model)
{
    return pc_json_get_integer(model->config, "additional_vocab_size", 0);
}

static pc_status set_language(pc_model *model, const char *where)
{
    int64_t more = additional(model), all = pc_json_get_integer(model->config, "vocab_size", 32000);
    pc_json *json = NULL;
    if (more < MARKS || more > INT16_MAX || all > INT32_MAX) {
        return pc_fail(PC_ERR_DATA, "%s: additional_vocab_size %lld: expected at least the %d tokens of pictures", where, (long long)more,
                       MARKS);
    }
    PC_TRY(pc_import_rope(model->config, where));
    json = pc_json_copy(model->config);
    pc_status status = json ? pc_json_set(json, "vocab_size", pc_json_new_integer(all + more)) : pc_fail_memory(0, "a configuration");
    if (status == PC_OK) {
        status = pc_model_set_llm(model, "llama", json, where);
    }
    pc_json_free(json);
    return status;
}

static void set_marks(pc_model *model)
{
    int64_t first = model->llm.info.vocabulary - additional(model);
    model->image_open = model->image_close = (int32_t)first + FAKE;
    model->image_token = first + IMAGE;
}

static pc_status configure(pc_model *model, const char *where)
{
    static const int64_t USUAL_EOS = 2;
    PC_TRY(need_objects(model, where));
    PC_TRY(set_vision(model, where));
    PC_TRY(set_language(model, where));
    PC_TRY(pc_model_set_bridge(model, "idefics_cross_attention", model->config, "model.", where));
    PC_TRY(pc_model_set_connector(model, "perceiver", pc_json_get(model->config, "perceiver_config"), where));
    model->bridge.end_id = (int32_t)pc_json_get_integer(model->config, "eos_token_id", USUAL_EOS);
    set_marks(model);
    return PC_OK;
}

static pc_status finish(pc_model *model, const char *where)
{
    (void)where;
    int32_t image = model->tokenizer ? pc_tokenizer_id(model->tokenizer, "<image>") : -1;
    int32_t fake = model->tokenizer ? pc_tokenizer_id(model->tokenizer, "<fake_token_around_image>") : -1;
    if (image >= 0 && fake >= 0 && image < model->llm.info.vocabulary && fake < model->llm.info.vocabulary) {
        model->image_token = image;
        model->image_open = model->image_close = fake;
    }
    return PC_OK;
}

static bool alias(const char *name, int i, char *out, size_t size)
{
    return pc_import_alias_of(name, i, NULL, 0, out, size);
}

/* The table of the vocabulary in two, gates with dims of one before them. */
static bool piece(const pc_model *model, const pc_param *param, int i, pc_import_piece *out)
{
    static const struct {
        const char *ours, *more;
    } tables[] = {{"model.embed_tokens.weight", "model.embed_tokens.additional_embedding.weight"},
                  {"lm_head.weight", "lm_head.additional_fc.weight"}};
    int64_t more = additional(model);
    for (int t = 0; t < 2; t++) {
        if (i < 2 && strcmp(param->name, tables[t].ours) == 0) {
            snprintf(out->tensor, sizeof out->tensor, "%s", i ? tables[t].more : tables[t].ours);
            out->shape = pc_dims(2, i ? more : param->shape.dim[0] - more, param->shape.dim[1]);
            return true;
        }
    }
    if (i == 0 && strstr(param->name, ".alpha_") && pc_shape_count(&param->shape) > 1) {
        snprintf(out->tensor, sizeof out->tensor, "%s", param->name);
        out->shape = pc_dims(3, 1, 1, pc_shape_count(&param->shape));
        return true;
    }
    return false;
}

static pc_status describe(const pc_model *model, pc_json *config)
{
    if (!pc_json_is_object(pc_json_get(config, "perceiver_config"))) {
        PC_TRY(pc_json_set(config, "perceiver_config", pc_json_new_object()));
    }
    PC_TRY(pc_import_complete(pc_json_get(config, "perceiver_config"), &model->connector.type->fields, model->connector.config, NULL));
    PC_TRY(pc_import_complete(config, &model->bridge.type->fields, model->bridge.config, NULL));
    return pc_json_set(config, "tie_word_embeddings", pc_json_new_bool(model->llm.info.tied));
}

const pc_import pc_import_idefics = {
    .model_type = "idefics",
    .architecture = "IdeficsForVisionText2Text",
    .processor = "IdeficsProcessor",
    .chat = "idefics",
    .prefixes = {.encoder = "model.vision_model.", .connector = "model.perceiver_resampler.", .llm = ""},
    .configure = configure,
    .finish = finish,
    .alias = alias,
    .piece = piece,
    .describe = describe,
};
