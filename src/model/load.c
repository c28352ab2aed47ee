/* Loading: directory -> config -> parts -> mapped weights -> tokenizer, chat template, picture recipe. */
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "model/fingerprint.h"
#include "model/import/gguf.h"
#include "model/load_internal.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

enum { CONFIG_LIMIT = 16 << 20 };

/* *out = folder/name parsed, or NULL when there is no such file. */
static pc_status read_optional(pc_json **out, const char *folder, const char *name)
{
    char *path = pc_path_join(folder, name);
    pc_status status = PC_OK;
    *out = NULL;
    if (!path) {
        return pc_fail_memory(strlen(folder), "a path");
    }
    if (pc_path_exists(path)) {
        status = pc_json_read(out, path, CONFIG_LIMIT);
    }
    pc_free(path);
    return status;
}

static pc_status read_config(pc_model *model, const char *path)
{
    char *file = pc_path_is_directory(path) ? pc_path_join(path, "config.json") : pc_strdup(path);
    pc_status status = file ? pc_json_read(&model->config, file, CONFIG_LIMIT) : pc_fail_memory(0, "a path");
    if (status == PC_OK) {
        model->import = pc_import_find(model->config);
        if (!model->import) {
            status = pc_fail(PC_ERR_DATA, "%s: model_type '%s' is not supported", file,
                             pc_json_get_text(model->config, "model_type", ""));
        } else {
            status = model->import->configure(model, file);
        }
        status = status == PC_OK ? pc_model_set_visual(model, pc_json_get_text(model->config, "visual_tokens", NULL)) : status;
    }
    pc_free(file);
    return status;
}

/* --- what stands beside the weights --- */

static pc_status load_tokenizer(pc_model *model, const char *path)
{
    static const char *const files[] = {"tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "tokenizer.bin",
                                        "qwen.tiktoken"};
    bool found = !pc_path_is_directory(path);
    for (size_t i = 0; !found && i < sizeof files / sizeof files[0]; i++) {
        char *file = pc_path_join(path, files[i]);
        if (!file) {
            return pc_fail_memory(0, "a path");
        }
        found = pc_path_exists(file);
        pc_free(file);
    }
    return found ? pc_tokenizer_load(&model->tokenizer, path) : PC_OK;
}

pc_status pc_model_recognise_template(pc_model *model, const char *text, size_t length)
{
    pc_free(model->chat_text);
    model->chat_text = pc_strndup(text, length);
    pc_status status = model->chat_text ? pc_template_find(&model->chat, text, length) : pc_fail_memory(length, "a template");
    if (status == PC_ERR_DATA) {
        pc_log(PC_LOG_DEBUG, "%s", pc_error());
        model->chat = NULL;
        model->chat_unknown = true;
        return PC_OK;
    }
    return status;
}

static pc_status try_jinja(pc_model *model, const char *folder, const char *file, bool *found)
{
    char *path = pc_path_join(folder, file), *text = NULL;
    size_t length = 0;
    pc_status status = path ? PC_OK : pc_fail_memory(strlen(folder), "a path");
    *found = path && pc_path_exists(path);
    if (*found) {
        status = pc_file_read(&text, &length, path, CONFIG_LIMIT);
        status = status == PC_OK ? pc_model_recognise_template(model, text, length) : status;
    }
    pc_free(text);
    pc_free(path);
    return status;
}

/* "chat_template": one text, or a list of named ones. */
static const pc_json *default_template(const pc_json *json)
{
    const pc_json *node = pc_json_get(json, "chat_template");
    for (size_t i = 0; pc_json_is_array(node) && i < pc_json_length(node); i++) {
        if (strcmp(pc_json_get_text(pc_json_at(node, i), "name", ""), "default") == 0) {
            return pc_json_get(pc_json_at(node, i), "template");
        }
    }
    return node;
}

static pc_status try_json_template(pc_model *model, const char *folder, const char *file, bool *found)
{
    pc_json *json;
    PC_TRY(read_optional(&json, folder, file));
    const pc_json *node = default_template(json);
    pc_status status = PC_OK;
    *found = pc_json_is_string(node);
    if (*found) {
        status = pc_model_recognise_template(model, pc_json_text(node), pc_json_text_length(node));
    }
    pc_json_free(json);
    return status;
}

/* The first of these files that has a template decides. The orders are those of transformers: processing_utils.py for
 * models that take pictures, tokenization_utils_base.py for text; what these do not read comes last. */
static pc_status load_template(pc_model *model, const char *folder)
{
    static const char *const orders[2][4] = {
        {"chat_template.jinja", "tokenizer_config.json", "chat_template.json", "processor_config.json"},
        {"processor_config.json", "chat_template.json", "chat_template.jinja", "tokenizer_config.json"},
    };
    const char *const *order = orders[model->connector.type != NULL];
    bool found = false;
    for (int i = 0; i < 4 && !found; i++) {
        PC_TRY(pc_ends_with(order[i], ".jinja") ? try_jinja(model, folder, order[i], &found)
                                                : try_json_template(model, folder, order[i], &found));
    }
    return PC_OK;
}

/* *json = the object of the picture recipe in a directory, or NULL: image_processor in processor_config.json
 * (transformers 5), else preprocessor_config.json, in the order of transformers' image_processing_auto.py. *root is to be
 * freed. */
static pc_status find_recipe(const char *folder, pc_json **root, const pc_json **json, const char **where)
{
    *where = "processor_config.json";
    PC_TRY(read_optional(root, folder, *where));
    *json = pc_json_get(*root, "image_processor");
    if (!*json) {
        pc_json_free(*root);
        *where = "preprocessor_config.json";
        PC_TRY(read_optional(root, folder, *where));
        *json = *root;
    }
    return PC_OK;
}

/* Without a file: what the encoder's processor does by default, at the encoder's size. */
pc_status pc_model_usual_recipe(pc_model *model)
{
    int side = (int)model->encoder.info.image_size;
    pc_json *json = pc_json_new_object();
    pc_status status = pc_json_set(json, "image_processor_type", pc_json_new_text(model->encoder.type->processor));
    if (status == PC_OK) {
        status = pc_image_recipe_from_json(&model->recipe, json, "config.json");
    }
    pc_image_recipe *recipe = &model->recipe;
    recipe->size[0] = recipe->crop_height = recipe->crop_width = side;
    recipe->size[1] = recipe->size[1] ? side : 0;
    pc_json_free(json);
    return status;
}

static pc_status load_recipe(pc_model *model, const char *folder)
{
    pc_json *root = NULL;
    const pc_json *json;
    const char *where;
    PC_TRY(find_recipe(folder, &root, &json, &where));
    if (!json && model->tower) {
        pc_json_free(root);
        PC_TRY(find_recipe(model->tower, &root, &json, &where));
    }
    pc_status status = json ? pc_image_recipe_from_json(&model->recipe, json, where) : pc_model_usual_recipe(model);
    pc_json_free(root);
    return status;
}

/* The tokenizer of a connector that reads. */
static pc_status load_reader(pc_model *model, const char *folder)
{
    char *path = model->connector.text_limit ? pc_path_join(folder, PC_READER_FOLDER) : NULL;
    pc_status status = path || !model->connector.text_limit ? PC_OK : pc_fail_memory(strlen(folder), "a path");
    if (path && pc_path_is_directory(path)) {
        status = pc_tokenizer_load(&model->reader, path);
    }
    pc_free(path);
    return status;
}

static pc_status load_beside_tokenizer(pc_model *model, const char *folder)
{
    PC_TRY(load_reader(model, folder));
    PC_TRY(load_template(model, folder));
    PC_TRY(read_optional(&model->generation, folder, "generation_config.json"));
    if (model->encoder.type) {
        PC_TRY(load_recipe(model, folder));
    }
    return model->import->finish ? model->import->finish(model, folder) : PC_OK;
}

static pc_status load_neighbours(pc_model *model, const char *folder)
{
    PC_TRY(load_tokenizer(model, folder));
    return load_beside_tokenizer(model, folder);
}

static pc_status load_directory(pc_model *model, const char *path)
{
    PC_TRY(read_config(model, path));
    PC_TRY(pc_store_open(&model->store, path));
    PC_TRY(pc_model_attach_all(model));
    PC_TRY(load_neighbours(model, path));
    return pc_fingerprint_check(model, path, NULL);
}

static pc_status load_file(pc_model *model, const char *path)
{
    model->import = pc_import_find_file(path);
    if (!model->import) {
        return pc_fail(PC_ERR_DATA, "%s: neither a model directory nor a checkpoint file of a known kind", path);
    }
    PC_TRY(model->import->load_file(model, path));
    if (model->store) { /* GGUF: the tokenizer is in the file, or there is none */
        return PC_OK;
    }
    char *folder = pc_path_parent(path);
    pc_status status = !folder           ? pc_fail_memory(0, "a path")
                       : model->llm.type ? pc_tokenizer_load(&model->tokenizer, folder)
                                         : load_tokenizer(model, folder);
    pc_free(folder);
    return status;
}

pc_status pc_model_tokenizer(pc_tokenizer **out, const char *path)
{
    pc_store *store = NULL;
    *out = NULL;
    if (pc_path_is_directory(path) || !pc_ends_with(path, ".gguf")) {
        return pc_tokenizer_load(out, path);
    }
    PC_TRY(pc_store_open(&store, path));
    const pc_gguf *gguf = pc_store_gguf(store);
    pc_status status = gguf ? pc_gguf_tokenizer(out, gguf) : PC_OK;
    if (status == PC_OK && !*out) {
        status = pc_fail(PC_ERR_DATA, "%s: there is no tokenizer in this file", path);
    }
    pc_store_free(store);
    return status;
}

/* The one file of a known kind below `folder` that is not a tokenizer. */
static pc_status find_checkpoint_file(char **out, const char *folder)
{
    DIR *directory = opendir(folder);
    if (!directory) {
        return pc_fail(PC_ERR_IO, "%s: %s", folder, strerror(errno));
    }
    pc_status status = PC_OK;
    for (struct dirent *entry; status == PC_OK && (entry = readdir(directory));) {
        if (!pc_import_find_file(entry->d_name) || pc_starts_with(entry->d_name, "tok")) {
            continue;
        }
        if (*out) {
            status = pc_fail(PC_ERR_DATA, "%s: no config.json, and more than one checkpoint file (%s, %s)", folder,
                             pc_path_base(*out), entry->d_name);
        } else if (!(*out = pc_path_join(folder, entry->d_name))) {
            status = pc_fail_memory(0, "a path");
        }
    }
    closedir(directory);
    if (status == PC_OK && !*out) {
        status = pc_fail(PC_ERR_DATA, "%s: no config.json and no checkpoint file of a known kind", folder);
    }
    return status;
}

/* A directory whose only checkpoint is a llama2.c file. */
static pc_status load_bin_directory(pc_model *model, const char *path)
{
    char *file = NULL;
    pc_status status = find_checkpoint_file(&file, path);
    if (status == PC_OK) {
        status = load_file(model, file);
    }
    pc_free(file);
    return status;
}

static pc_status new_model(pc_model **out, const char *path)
{
    pc_model *model = NULL;
    PC_TRY(PC_NEW(model, "a model"));
    model->image_token = -1;
    model->path = pc_strdup(path);
    if (!model->path) {
        pc_free(model);
        return pc_fail_memory(strlen(path), "a path");
    }
    *out = model;
    return PC_OK;
}

pc_status pc_model_load(pc_model **out, const char *path)
{
    return pc_model_load_parts(out, path, NULL);
}

/* The vision side can be chosen for GGUF alone; elsewhere it is part of the directory. */
static pc_status set_vision(pc_model *model, const char *path, const char *vision)
{
    if (!vision) {
        return PC_OK;
    }
    if (pc_path_is_directory(path) || !pc_ends_with(path, ".gguf")) {
        return pc_fail(PC_ERR_USAGE, "--mmproj: %s is no GGUF file; other models bring their vision side along", path);
    }
    model->tower = pc_strdup(vision);
    return model->tower ? PC_OK : pc_fail_memory(strlen(vision), "a path");
}

pc_status pc_model_load_parts(pc_model **out, const char *path, const char *vision)
{
    pc_model *model = NULL;
    *out = NULL;
    if (!pc_path_exists(path)) {
        return pc_fail(PC_ERR_IO, "%s: there is no such file or directory", path);
    }
    PC_TRY(new_model(&model, path));
    pc_status status = set_vision(model, path, vision);
    if (status == PC_OK && !pc_path_is_directory(path)) {
        status = load_file(model, path);
    } else if (status == PC_OK) {
        char *config = pc_path_join(path, "config.json");
        bool has_config = config && pc_path_exists(config);
        status = !config ? pc_fail_memory(strlen(path), "a path")
                 : has_config ? load_directory(model, path) : load_bin_directory(model, path);
        pc_free(config);
    }
    if (status != PC_OK) {
        pc_model_free(model);
        return status;
    }
    *out = model;
    return PC_OK;
}

pc_status pc_model_outline(pc_model **out, const char *config_path, const char *tokenizer_path)
{
    pc_model *model = NULL;
    *out = NULL;
    PC_TRY(new_model(&model, config_path));
    char *folder = pc_path_is_directory(config_path) ? pc_strdup(config_path) : pc_path_parent(config_path);
    pc_status status = folder ? read_config(model, config_path) : pc_fail_memory(0, "a path");
    if (status == PC_OK && tokenizer_path) {
        status = pc_tokenizer_load(&model->tokenizer, tokenizer_path);
    } else if (status == PC_OK) {
        status = load_tokenizer(model, folder);
    }
    if (status == PC_OK) {
        status = load_beside_tokenizer(model, folder);
    }
    pc_free(folder);
    if (status != PC_OK) {
        pc_model_free(model);
        return status;
    }
    *out = model;
    return PC_OK;
}

pc_status pc_model_begin_variant(pc_model **out, const pc_model *from)
{
    pc_model *model = NULL;
    *out = NULL;
    PC_TRY(new_model(&model, from->path ? from->path : ""));
    model->import = from->import;
    model->config = pc_json_copy(from->config);
    if (!model->config) {
        pc_model_free(model);
        return pc_fail_memory(0, "a configuration");
    }
    *out = model;
    return PC_OK;
}

void pc_model_take_surroundings(pc_model *model, pc_model *from)
{
    model->tokenizer = from->tokenizer;
    model->generation = from->generation;
    model->chat = from->chat;
    model->chat_unknown = from->chat_unknown;
    model->recipe = from->recipe;
    model->image_token = from->image_token; /* `finish` may have found it in the tokenizer */
    from->tokenizer = NULL;
    from->generation = NULL;
}

pc_status pc_model_create(pc_model **out, const char *config_path, const char *tokenizer_path, uint64_t seed)
{
    PC_TRY(pc_model_outline(out, config_path, tokenizer_path));
    pc_status status = pc_params_initialise(&(*out)->params, seed);
    if (status != PC_OK) {
        pc_model_free(*out);
        *out = NULL;
    }
    return status;
}
