/* Saving: the Hugging Face directory of a model, so that what was trained here opens there. */
#include "base/file.h"
#include "base/str.h"
#include "model/fingerprint.h"
#include "model/load_internal.h"
#include "store/writer.h"

#include <stdio.h>
#include <string.h>

static const char *const WEIGHTS = "model.safetensors";

static pc_status write_json(const char *folder, const char *name, const pc_json *json)
{
    char *path = pc_path_join(folder, name);
    pc_status status = path ? pc_json_write_file(path, json, 2) : pc_fail_memory(0, "a path");
    pc_free(path);
    return status;
}

static const char *torch_name(pc_dtype dtype)
{
    return dtype == PC_BF16 ? "bfloat16" : dtype == PC_F16 ? "float16" : "float32";
}

/* transformers 5 reads dtype, earlier versions torch_dtype; a part's own must not contradict. */
static pc_status set_dtype(pc_json *json, const char *name)
{
    static const char *const keys[] = {"dtype", "torch_dtype"}, *const parts[] = {"text_config", "vision_config"};
    for (int k = 0; k < 2; k++) {
        PC_TRY(pc_json_set(json, keys[k], pc_json_new_text(name)));
        for (int p = 0; p < 2; p++) {
            pc_json *part = pc_json_get(json, parts[p]);
            if (pc_json_get(part, keys[k])) {
                PC_TRY(pc_json_set(part, keys[k], pc_json_new_text(name)));
            }
        }
    }
    return PC_OK;
}

static pc_status set_architecture(pc_json *json, const char *name)
{
    pc_json *list = pc_json_new_array();
    pc_status status = pc_json_push(list, pc_json_new_text(name));
    if (status != PC_OK) {
        pc_json_free(list);
        return status;
    }
    return pc_json_set(json, "architectures", list);
}

static pc_status save_config(const pc_model *model, const char *folder, pc_dtype dtype)
{
    pc_json *json = pc_json_copy(model->config);
    const char *architecture = model->import->architecture;
    pc_status status = !json          ? pc_fail_memory(0, "a configuration")
                       : architecture ? set_architecture(json, architecture)
                                      : PC_OK;
    if (status == PC_OK) {
        status = set_dtype(json, torch_name(dtype));
    }
    if (status == PC_OK) {
        status = model->import->describe(model, json);
    }
    if (status == PC_OK) {
        status = write_json(folder, "config.json", json);
    }
    pc_json_free(json);
    return status;
}

/* The ids that stop an answer, so that other programs stop where percept does. */
static pc_status save_generation(const pc_model *model, const char *folder)
{
    static const struct {
        const char *key;
        pc_token_role role;
    } roles[] = {{"bos_token_id", PC_TOKEN_BOS}, {"eos_token_id", PC_TOKEN_EOS}, {"pad_token_id", PC_TOKEN_PAD}};
    pc_json *json = model->generation ? pc_json_copy(model->generation) : pc_json_new_object();
    pc_status status = json ? PC_OK : pc_fail_memory(0, "a configuration");
    for (size_t i = 0; i < 3 && status == PC_OK && model->tokenizer; i++) {
        int32_t id = pc_tokenizer_special(model->tokenizer, roles[i].role);
        if (id >= 0 && !pc_json_get(json, roles[i].key)) {
            status = pc_json_set(json, roles[i].key, pc_json_new_integer(id));
        }
    }
    if (status == PC_OK) {
        status = write_json(folder, "generation_config.json", json);
    }
    pc_json_free(json);
    return status;
}

static pc_status save_template(const pc_model *model, const char *folder)
{
    const pc_template *own = NULL; /* what the checkpoint's own text means: that text stays when it is still in force */
    if (model->chat && model->chat_text) {
        pc_status found = pc_template_find(&own, model->chat_text, strlen(model->chat_text));
        if (found != PC_OK && found != PC_ERR_DATA) {
            return found;
        }
        own = found == PC_OK ? own : NULL;
    }
    char *path = pc_path_join(folder, "chat_template.jinja");
    const char *text = model->chat && model->chat != own ? model->chat->jinja : model->chat_text;
    pc_status status = path ? pc_file_write(path, text, strlen(text))
                            : pc_fail_memory(0, "a path");
    pc_free(path);
    return status;
}

/* processor_config.json: what AutoProcessor needs to count a picture's placeholders. */
static pc_status processor_config(const pc_model *model, pc_json **out)
{
    const pc_encoder_part *encoder = &model->encoder;
    const char *image = pc_tokenizer_token(model->tokenizer, (int32_t)model->image_token, NULL);
    pc_json *json = pc_json_new_object();
    *out = json;
    if (!json) {
        return pc_fail_memory(0, "a configuration");
    }
    const char *strategy = encoder->select.keep_class_token ? "full" : "default";
    PC_TRY(pc_json_set(json, "processor_class", pc_json_new_text(model->import->processor)));
    PC_TRY(pc_json_set(json, "image_token", pc_json_new_text(image ? image : "<image>")));
    PC_TRY(pc_json_set(json, "num_additional_image_tokens", pc_json_new_integer(encoder->info.prefix)));
    PC_TRY(pc_json_set(json, "patch_size", pc_json_new_integer(encoder->info.patch_size)));
    return pc_json_set(json, "vision_feature_select_strategy", pc_json_new_text(strategy));
}

static pc_status save_processor(const pc_model *model, const char *folder)
{
    pc_json *json = NULL;
    pc_status status = pc_image_recipe_to_json(&json, &model->recipe);
    if (status == PC_OK && model->import->processor) {
        status = pc_json_set(json, "processor_class", pc_json_new_text(model->import->processor));
    }
    if (status == PC_OK) {
        status = write_json(folder, "preprocessor_config.json", json);
    }
    pc_json_free(json);
    if (status != PC_OK || !model->import->processor || !model->tokenizer) {
        return status;
    }
    status = processor_config(model, &json);
    if (status == PC_OK) {
        status = write_json(folder, "processor_config.json", json);
    }
    pc_json_free(json);
    return status;
}

static pc_status save_reader(const pc_model *model, const char *folder)
{
    char *path = pc_path_join(folder, PC_READER_FOLDER);
    pc_status status = path ? pc_tokenizer_save(model->reader, path) : pc_fail_memory(strlen(folder), "a path");
    pc_free(path);
    return status;
}

pc_status pc_model_save_description(const pc_model *model, const char *folder, pc_dtype dtype)
{
    PC_TRY(pc_make_directories(folder));
    PC_TRY(save_config(model, folder, dtype));
    PC_TRY(save_generation(model, folder));
    if (model->tokenizer) {
        PC_TRY(pc_tokenizer_save(model->tokenizer, folder));
    }
    if (model->reader) {
        PC_TRY(save_reader(model, folder));
    }
    if (model->chat || model->chat_text) {
        PC_TRY(save_template(model, folder));
    }
    if (model->encoder.type) {
        PC_TRY(save_processor(model, folder));
    }
    return pc_fingerprint_save(model, folder);
}

static bool piece_of(const pc_model *model, const pc_param *param, int i, pc_import_piece *out)
{
    return model->import->piece && model->import->piece(model, param, i, out);
}

/* The name that a file gives a parameter which is one tensor. */
static pc_status written_name(const pc_model *model, const pc_param *param, char out[512])
{
    const pc_import *import = model->import;
    bool other = import->writes_modules && import->module;
    bool fits = other ? import->module(param->name, out, 512) : snprintf(out, 512, "%s", param->name) < 512;
    return fits ? PC_OK : pc_fail(PC_ERR_DATA, "%s: the name is too long", param->name);
}

static pc_status declare_param(pc_store_writer *writer, const pc_model *model, const pc_param *param, pc_dtype dtype)
{
    pc_import_piece piece;
    if (!piece_of(model, param, 0, &piece)) {
        char name[512];
        PC_TRY(written_name(model, param, name));
        return pc_store_writer_declare(writer, name, dtype, param->shape.ndim, param->shape.dim);
    }
    for (int i = 0; piece_of(model, param, i, &piece); i++) {
        PC_TRY(pc_store_writer_declare(writer, piece.tensor, dtype, piece.shape.ndim, piece.shape.dim));
    }
    return PC_OK;
}

static pc_status put_values(pc_store_writer *writer, const pc_model *model, const pc_param *param, const float *values)
{
    pc_import_piece piece;
    if (!piece_of(model, param, 0, &piece)) {
        char name[512];
        PC_TRY(written_name(model, param, name));
        return pc_store_writer_put_f32(writer, name, values, pc_shape_count(&param->shape));
    }
    for (int i = 0; piece_of(model, param, i, &piece); i++) {
        int64_t count = pc_shape_count(&piece.shape);
        PC_TRY(pc_store_writer_put_f32(writer, piece.tensor, values, count));
        values += count;
    }
    return PC_OK;
}

static pc_status put_param(pc_store_writer *writer, const pc_model *model, const pc_param *param)
{
    int64_t count = pc_shape_count(&param->shape);
    if (param->dtype == PC_F32) {
        return put_values(writer, model, param, param->data);
    }
    float *values = NULL;
    PC_TRY(PC_NEW_ARRAY(values, (size_t)count, param->name));
    pc_convert_to_f32(values, param->data, param->dtype, (size_t)count);
    pc_status status = put_values(writer, model, param, values);
    pc_free(values);
    return status;
}

pc_status pc_model_save_weights(const pc_model *model, const char *folder, pc_dtype dtype)
{
    static const size_t SHARD_BYTES = (size_t)5000000000;
    pc_store_writer *writer = NULL;
    char *path = pc_path_join(folder, WEIGHTS);
    pc_status status = path ? pc_store_writer_new(&writer, path, SHARD_BYTES) : pc_fail_memory(0, "a path");
    for (size_t i = 0; i < model->params.count && status == PC_OK; i++) {
        status = declare_param(writer, model, &model->params.items[i]->param, dtype);
    }
    for (size_t i = 0; i < model->params.count && status == PC_OK; i++) {
        status = put_param(writer, model, &model->params.items[i]->param);
    }
    if (status == PC_OK) {
        status = pc_store_writer_finish(writer);
    }
    pc_store_writer_free(writer);
    pc_free(path);
    return status;
}

pc_status pc_model_save(const pc_model *model, const char *folder, pc_dtype dtype)
{
    PC_TRY(pc_model_save_description(model, folder, dtype));
    return pc_model_save_weights(model, folder, dtype);
}
