/* A model -> the keys of GGUF files, the other way round than gguf_config.c and gguf_tokenizer.c. What is written is what
 * llama.cpp's converters write. Source: ggml's docs/gguf.md, llama.cpp convert_hf_to_gguf.py,
 * convert_image_encoder_to_gguf.py.
 *
 * Easy to get wrong: without clip.vision.feature_layer readers take the features one layer before the last that is in the
 * file; readers before that key know only this rule, so a layer more is kept where there is one.
 */
#include "model/import/gguf.h"

#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "llm/decoder.h"
#include "text/table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TOKENIZER "tokenizer.ggml."

static pc_status put_text(pc_gguf_writer *writer, const char *key, const char *text)
{
    return pc_gguf_writer_text(writer, key, text, strlen(text));
}

static pc_status put_integer(pc_gguf_writer *writer, const char *prefix, const char *key, int64_t value)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%s", prefix, key);
    return pc_gguf_writer_integer(writer, name, (uint32_t)value);
}

static pc_status put_number(pc_gguf_writer *writer, const char *prefix, const char *key, double value)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%s", prefix, key);
    return pc_gguf_writer_number(writer, name, (float)value);
}

/* --- the language model --- */

static pc_status put_scaling(pc_gguf_writer *writer, const char *prefix, const pc_rotary *rotary)
{
    char key[64];
    snprintf(key, sizeof key, "%s.rope.scaling.type", prefix);
    switch (rotary->kind) {
    case PC_ROTARY_DEFAULT: return PC_OK;
    case PC_ROTARY_LINEAR: PC_TRY(put_text(writer, key, "linear")); break;
    case PC_ROTARY_YARN:
        if (rotary->low != 1 || rotary->high != 32 || fabs(rotary->attention - (1 + 0.1 * log(rotary->factor))) > 1e-6) {
            return pc_fail(PC_ERR_DATA, "GGUF has no keys for the borders and the attention factor of YaRN; only the usual ones "
                           "can be written");
        }
        PC_TRY(put_text(writer, key, "yarn"));
        break;
    case PC_ROTARY_LLAMA3: /* as factors in rope_freqs.weight; readers need no key, but percept's */
        PC_TRY(put_number(writer, prefix, "rope.scaling.low_freq_factor", rotary->low));
        PC_TRY(put_number(writer, prefix, "rope.scaling.high_freq_factor", rotary->high));
        return put_integer(writer, prefix, "rope.scaling.original_context_length", (int64_t)rotary->original);
    default: return pc_fail(PC_ERR_DATA, "GGUF has no keys for rotary scaling of the kind dynamic");
    }
    PC_TRY(put_number(writer, prefix, "rope.scaling.factor", rotary->factor));
    return rotary->original > 0
               ? put_integer(writer, prefix, "rope.scaling.original_context_length", (int64_t)rotary->original)
               : PC_OK;
}

static pc_status check_decoder(const pc_decoder_config *config)
{
    if (strcmp(config->hidden_act, "silu") != 0) {
        return pc_fail(PC_ERR_DATA, "GGUF has no key for the activation %s", config->hidden_act);
    }
    if (config->rotary.sections[0]) {
        return pc_fail(PC_ERR_DATA, "positions of three numbers can't be written to GGUF here");
    }
    for (int64_t i = 0; i < config->num_hidden_layers; i++) {
        if (config->windowed[i] && config->sliding_window < config->max_position_embeddings) {
            pc_log(PC_LOG_WARNING, "readers of GGUF pass over the window of %lld keys: beyond so many tokens they compute otherwise",
                   (long long)config->sliding_window);
            break;
        }
    }
    return PC_OK;
}

static pc_status put_decoder(pc_gguf_writer *writer, const pc_model *model)
{
    const pc_decoder_config *config = model->llm.config;
    const pc_llm_info *info = &model->llm.info;
    const char *prefix = model->llm.type->gguf;
    const struct {
        const char *key;
        int64_t value;
    } keys[] = {{"block_count", config->num_hidden_layers},   {"context_length", info->context},
                {"embedding_length", info->width},            {"feed_forward_length", config->intermediate_size},
                {"attention.head_count", config->num_attention_heads}, {"attention.head_count_kv", info->key_heads},
                {"attention.key_length", info->head_size},    {"attention.value_length", info->head_size},
                {"rope.dimension_count", info->head_size},    {"vocab_size", info->vocabulary}};
    PC_TRY(check_decoder(config));
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        PC_TRY(put_integer(writer, prefix, keys[i].key, keys[i].value));
    }
    PC_TRY(put_number(writer, prefix, "attention.layer_norm_rms_epsilon", config->rms_norm_eps));
    PC_TRY(put_number(writer, prefix, "rope.freq_base", config->rope_theta));
    return put_scaling(writer, prefix, &config->rotary);
}

/* --- its tokenizer --- */

static pc_status put_tables(pc_gguf_writer *writer, const pc_token_table *table)
{
    bool llama = strcmp(table->model, "llama") == 0;
    PC_TRY(put_text(writer, TOKENIZER "model", table->model));
    PC_TRY(put_text(writer, TOKENIZER "pre", llama ? "default" : table->pre));
    PC_TRY(pc_gguf_writer_array(writer, TOKENIZER "tokens", PC_GGUF_STRING, table->count));
    for (size_t i = 0; i < table->count; i++) {
        PC_TRY(pc_gguf_writer_add_text(writer, table->tokens[i].text, table->tokens[i].length));
    }
    if (table->scores) {
        PC_TRY(pc_gguf_writer_array(writer, TOKENIZER "scores", PC_GGUF_F32, table->count));
        for (size_t i = 0; i < table->count; i++) {
            PC_TRY(pc_gguf_writer_add_number(writer, table->scores[i]));
        }
    }
    PC_TRY(pc_gguf_writer_array(writer, TOKENIZER "token_type", PC_GGUF_I32, table->count));
    for (size_t i = 0; i < table->count; i++) {
        PC_TRY(pc_gguf_writer_add_integer(writer, table->types[i]));
    }
    if (table->merge_count) {
        PC_TRY(pc_gguf_writer_array(writer, TOKENIZER "merges", PC_GGUF_STRING, table->merge_count));
    }
    for (size_t i = 0; i < table->merge_count; i++) {
        PC_TRY(pc_gguf_writer_add_text(writer, table->merges[i].text, table->merges[i].length));
    }
    return llama ? pc_gguf_writer_bool(writer, TOKENIZER "add_space_prefix", table->space_prefix) : PC_OK;
}

/* The i-th id that ends an answer, by generation_config.json; -1: no more. */
static int64_t end_at(const pc_model *model, size_t i)
{
    const pc_json *node = pc_json_get(model->generation, "eos_token_id");
    return pc_json_is_array(node) ? pc_json_integer(pc_json_at(node, i), -1) : i == 0 ? pc_json_integer(node, -1) : -1;
}

/* EOS is the tokenizer's, or the first that ends an answer; the first of the others is the end of a turn. */
static pc_status put_roles(pc_gguf_writer *writer, const pc_model *model, const pc_token_table *table)
{
    static const char *const keys[PC_TOKEN_ROLES] = {
        [PC_TOKEN_BOS] = TOKENIZER "bos_token_id", [PC_TOKEN_EOS] = TOKENIZER "eos_token_id",
        [PC_TOKEN_UNK] = TOKENIZER "unknown_token_id", [PC_TOKEN_PAD] = TOKENIZER "padding_token_id"};
    int64_t ids[PC_TOKEN_ROLES], turn = -1;
    for (int role = 0; role < PC_TOKEN_ROLES; role++) {
        ids[role] = table->roles[role];
    }
    ids[PC_TOKEN_EOS] = ids[PC_TOKEN_EOS] >= 0 ? ids[PC_TOKEN_EOS] : end_at(model, 0);
    for (size_t i = 0; turn < 0 && end_at(model, i) >= 0; i++) {
        turn = end_at(model, i) != ids[PC_TOKEN_EOS] ? end_at(model, i) : -1;
    }
    for (int role = 0; role < PC_TOKEN_ROLES; role++) {
        if (ids[role] >= 0) {
            PC_TRY(pc_gguf_writer_integer(writer, keys[role], (uint32_t)ids[role]));
        }
    }
    if (turn >= 0) {
        PC_TRY(pc_gguf_writer_integer(writer, TOKENIZER "eot_token_id", (uint32_t)turn));
    }
    PC_TRY(pc_gguf_writer_bool(writer, TOKENIZER "add_bos_token", table->add_bos));
    return pc_gguf_writer_bool(writer, TOKENIZER "add_eos_token", table->add_eos);
}

/* The chat template, without the tags that only training needs and that not every reader knows. */
static pc_status put_template(pc_gguf_writer *writer, const pc_model *model)
{
    static const char *const tags[] = {"{% generation %}", "{% endgeneration %}"};
    const char *from = model->chat_text ? model->chat_text : model->chat ? model->chat->jinja : NULL;
    pc_str text = {0};
    pc_status status = PC_OK;
    while (from && *from && status == PC_OK) {
        size_t skip = pc_starts_with(from, tags[0]) ? strlen(tags[0]) : pc_starts_with(from, tags[1]) ? strlen(tags[1]) : 0;
        status = skip ? PC_OK : pc_str_putc(&text, *from);
        from += skip ? skip : 1;
    }
    if (status == PC_OK && text.length) {
        status = pc_gguf_writer_text(writer, "tokenizer.chat_template", text.data, text.length);
    }
    pc_str_clear(&text);
    return status;
}

static pc_status put_tokenizer(pc_gguf_writer *writer, const pc_model *model)
{
    pc_table_memory memory;
    if (!model->tokenizer) {
        return put_text(writer, TOKENIZER "model", "no_vocab");
    }
    PC_TRY(pc_tokenizer_to_table(&memory, model->tokenizer, (size_t)model->llm.info.vocabulary));
    pc_status status = put_tables(writer, &memory.table);
    if (status == PC_OK) {
        status = put_roles(writer, model, &memory.table);
    }
    pc_table_memory_clear(&memory);
    return status == PC_OK ? put_template(writer, model) : status;
}

pc_status pc_gguf_put_llm_keys(pc_gguf_writer *writer, const pc_model *model, const char *path)
{
    char name[256];
    snprintf(name, sizeof name, "%s", pc_path_base(path));
    PC_TRY(put_text(writer, "general.architecture", model->llm.type->gguf));
    PC_TRY(put_text(writer, "general.type", "model"));
    PC_TRY(put_text(writer, "general.name", name));
    PC_TRY(put_decoder(writer, model));
    return put_tokenizer(writer, model);
}

/* --- the vision side --- */

static pc_status check_tower(const pc_model *model, const pc_json *tower, const pc_json *connector)
{
    const pc_encoder_part *encoder = &model->encoder;
    const char *projector = pc_json_get_text(connector, "mm_projector_type", NULL);
    const char *activation = pc_json_get_text(connector, "projector_hidden_act", "gelu");
    bool known = projector ? strcmp(projector, "linear") == 0 || strcmp(projector, "mlp2x_gelu") == 0
                           : strcmp(model->connector.type->name, "mlp") == 0;
    if (strcmp(encoder->type->model_type, "clip_vision_model") != 0 || pc_json_get_integer(tower, "input_size", 0) != 0) {
        return pc_fail(PC_ERR_DATA, "GGUF is written for CLIP's vision tower at its own size; this model's is %s",
                       encoder->type->model_type);
    }
    if (!known || strcmp(activation, "gelu") != 0 || !pc_json_get_bool(connector, "multimodal_projector_bias", true)) {
        return pc_fail(PC_ERR_DATA, "GGUF is written for projectors of one linear layer, or two with GELU between, with biases; "
                       "this model has %s", projector ? projector : model->connector.type->name);
    }
    if (encoder->select.count > 1 || encoder->select.keep_class_token || encoder->select.final_norm) {
        return pc_fail(PC_ERR_DATA, "GGUF is written for features of one layer, without class token and last norm");
    }
    return PC_OK;
}

static pc_status put_tower(pc_gguf_writer *writer, const pc_json *tower, const pc_model *model, int64_t blocks)
{
    static const char prefix[] = "clip.vision";
    const struct {
        const char *key, *theirs;
    } keys[] = {{"image_size", "image_size"},
                {"patch_size", "patch_size"},
                {"embedding_length", "hidden_size"},
                {"feed_forward_length", "intermediate_size"},
                {"attention.head_count", "num_attention_heads"}};
    const char *activation = pc_json_get_text(tower, "hidden_act", "quick_gelu");
    bool silu = strcmp(activation, "silu") == 0, quick = strcmp(activation, "quick_gelu") == 0;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        PC_TRY(put_integer(writer, prefix, keys[i].key, pc_json_get_integer(tower, keys[i].theirs, 0)));
    }
    if (!silu && !quick && !pc_starts_with(activation, "gelu")) {
        return pc_fail(PC_ERR_DATA, "GGUF has no key for the tower's activation %s", activation);
    }
    PC_TRY(put_integer(writer, prefix, "block_count", blocks));
    PC_TRY(put_integer(writer, prefix, "projection_dim", model->llm.info.width));
    PC_TRY(put_number(writer, prefix, "attention.layer_norm_epsilon", pc_json_get_number(tower, "layer_norm_eps", 1e-5)));
    PC_TRY(pc_gguf_writer_bool(writer, "clip.use_gelu", !silu && !quick));
    PC_TRY(pc_gguf_writer_bool(writer, "clip.use_silu", silu));
    PC_TRY(pc_gguf_writer_array(writer, "clip.vision.feature_layer", PC_GGUF_I32, 1));
    return pc_gguf_writer_add_integer(writer, (int32_t)model->encoder.select.layer[0]);
}

/* How pictures are prepared: colours, and what becomes of pictures that are no squares. */
static pc_status put_recipe(pc_gguf_writer *writer, const pc_model *model)
{
    const pc_image_recipe *recipe = &model->recipe;
    const char *keys[] = {"clip.vision.image_mean", "clip.vision.image_std"};
    const double *const values[] = {recipe->mean, recipe->std};
    for (int i = 0; i < 2; i++) {
        PC_TRY(pc_gguf_writer_array(writer, keys[i], PC_GGUF_F32, 3));
        for (int c = 0; c < 3; c++) {
            PC_TRY(pc_gguf_writer_add_number(writer, (float)values[i][c]));
        }
    }
    const char *aspect = recipe->grid_count ? "anyres" : recipe->pad_square ? "pad" : "square";
    PC_TRY(put_text(writer, "clip.vision.image_aspect_ratio", aspect));
    if (!recipe->grid_count) {
        return PC_OK;
    }
    PC_TRY(pc_gguf_writer_array(writer, "clip.vision.image_grid_pinpoints", PC_GGUF_I32, 2 * (size_t)recipe->grid_count));
    for (int i = 0; i < 2 * recipe->grid_count; i++) { /* width first */
        PC_TRY(pc_gguf_writer_add_integer(writer, recipe->grid[i / 2][1 - i % 2]));
    }
    PC_TRY(put_integer(writer, "clip.vision", "image_crop_resolution", model->encoder.info.image_size));
    return put_text(writer, "clip.vision.mm_patch_merge_type", model->tiles.merge == PC_MERGE_UNPAD ? "spatial_unpad" : "flat");
}

pc_status pc_gguf_put_vision_keys(pc_gguf_writer *writer, const pc_model *model, int64_t blocks)
{
    pc_json *tower = pc_json_new_object(), *connector = pc_json_new_object();
    pc_status status = tower && connector ? PC_OK : pc_fail_memory(0, "a configuration");
    PC_GO(status);
    PC_GO(pc_fields_to_json(&model->encoder.type->fields, model->encoder.config, tower));
    PC_GO(pc_fields_to_json(&model->connector.type->fields, model->connector.config, connector));
    PC_GO(check_tower(model, tower, connector));
    PC_GO(put_text(writer, "general.architecture", "clip"));
    PC_GO(put_text(writer, "general.type", "mmproj"));
    PC_GO(put_text(writer, "general.description", "image encoder for LLaVA"));
    PC_GO(pc_gguf_writer_bool(writer, "clip.has_text_encoder", false));
    PC_GO(pc_gguf_writer_bool(writer, "clip.has_vision_encoder", true));
    PC_GO(pc_gguf_writer_bool(writer, "clip.has_llava_projector", true));
    PC_GO(put_text(writer, "clip.projector_type", "mlp"));
    PC_GO(put_tower(writer, tower, model, blocks));
    PC_GO(put_recipe(writer, model));
done:
    pc_json_free(tower);
    pc_json_free(connector);
    return status;
}
