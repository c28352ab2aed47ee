/* GGUF models: a language model (LLaMA, Mistral, Qwen2), and the vision side of LLaVA 1.5 and 1.6 in a file of its own.
 *
 *   MODEL.gguf   keys -> config.json's, tokenizer, chat template; weights used as they lie, blocks too
 *   mmproj*.gguf beside it (or named) -> vision_config and mm_* keys; tower, projector, newline
 *
 * From then on the model is one of Hugging Face's layout, or of LLaVA's own when it sees: it saves and trains as such.
 *
 * Source: llama.cpp convert_hf_to_gguf.py, examples/llava/convert_image_encoder_to_gguf.py.
 * Easy to get wrong: rows of q and k of architecture `llama` are stored for interleaved rotary pairs and have to be put back;
 * a tower lacks the layers behind the one whose features are taken, and its last norm.
 */
#include "model/import/gguf.h"

#include "base/file.h"
#include "base/str.h"
#include "model/import/import.h"
#include "model/load_internal.h"

#include <dirent.h>
#include <string.h>

static bool is_projector(const char *path)
{
    return pc_starts_with(pc_path_base(path), "mmproj");
}

/* A further file of a split: "...-00002-of-00003.gguf". */
static bool is_later_part(const char *path)
{
    static const char pattern[] = "-00000-of-00000.gguf";
    size_t length = strlen(path), size = sizeof pattern - 1;
    if (length < size || strncmp(path + length - size, "-00001", 6) == 0) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        char found = path[length - size + i];
        if (pattern[i] == '0' ? found < '0' || found > '9' : found != pattern[i]) {
            return false;
        }
    }
    return true;
}

static bool matches_file(const char *path)
{
    return pc_ends_with(path, ".gguf") && !is_projector(path) && !is_later_part(path);
}

/* --- the vision side --- */

/* The one mmproj*.gguf in the model's folder; *out NULL when there is none. */
static pc_status find_projector(char **out, const char *path)
{
    char *folder = pc_path_parent(path);
    DIR *directory = folder ? opendir(folder) : NULL;
    pc_status status = folder ? PC_OK : pc_fail_memory(0, "a path");
    *out = NULL;
    for (struct dirent *entry; status == PC_OK && directory && (entry = readdir(directory));) {
        if (!is_projector(entry->d_name) || !pc_ends_with(entry->d_name, ".gguf")) {
            continue;
        }
        if (*out) {
            status = pc_fail(PC_ERR_DATA, "%s: both %s and %s may be its vision side; say which by --mmproj", path,
                             pc_path_base(*out), entry->d_name);
        } else if (!(*out = pc_path_join(folder, entry->d_name))) {
            status = pc_fail_memory(0, "a path");
        }
    }
    if (directory) {
        closedir(directory);
    }
    pc_free(folder);
    if (status != PC_OK) {
        pc_free(*out);
        *out = NULL;
    }
    return status;
}

/* Whether the language model was trained with pictures, by its names. */
static bool sees(const pc_gguf *gguf, const char *path)
{
    static const char *const keys[] = {"general.name", "general.basename", "general.finetune"};
    const char *text;
    size_t length;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (pc_gguf_text(&text, &length, gguf, keys[i]) == PC_OK && text &&
            (memmem(text, length, "llava", 5) || memmem(text, length, "LLaVA", 5) || memmem(text, length, "Llava", 5))) {
            return true;
        }
    }
    return strstr(pc_path_base(path), "llava") || strstr(pc_path_base(path), "LLaVA");
}

/* model->tower: as it was asked for, or what lies beside; NULL when the model reads text alone. */
static pc_status choose_projector(pc_model *model, const pc_gguf *gguf, const char *path)
{
    if (model->tower && strcmp(model->tower, "none") == 0) {
        pc_free(model->tower);
        model->tower = NULL;
        return PC_OK;
    }
    if (!model->tower) {
        PC_TRY(find_projector(&model->tower, path));
    }
    if (!model->tower && sees(gguf, path)) {
        return pc_fail(PC_ERR_DATA, "%s: a model that sees, but there is no mmproj*.gguf beside it; name it by --mmproj, or say "
                       "--mmproj none to answer without pictures", path);
    }
    return PC_OK;
}

static pc_status open_projector(pc_model *model)
{
    PC_TRY(pc_store_open(&model->tower_store, model->tower));
    const pc_gguf *gguf = pc_store_gguf(model->tower_store);
    int64_t placeholder = model->tokenizer ? pc_tokenizer_id(model->tokenizer, "<image>") : -1;
    placeholder = placeholder >= 0 && pc_tokenizer_is_special(model->tokenizer, (int32_t)placeholder) ? placeholder : -1;
    return gguf ? pc_gguf_vision_config(model, gguf, placeholder)
                : pc_fail(PC_ERR_DATA, "%s: offset 0: not a GGUF file", model->tower);
}

/* --- weights --- */

/* Files of a vision side are told by the shape of the tower's first MLP. */
static bool is_swapped(const pc_model *model)
{
    const pc_array *bias = model->tower_store ? pc_store_find(model->tower_store, "v.blk.0.ffn_down.bias") : NULL;
    const pc_array *norm = bias ? pc_store_find(model->tower_store, "v.blk.0.ln1.weight") : NULL;
    return norm && bias->dim[0] != norm->dim[0];
}

static bool is_turned(const char *name)
{
    return strstr(name, ".attn_q.") || strstr(name, ".attn_k.");
}

/* A copy with the rows 2j and 2j+1 of each head at j and j + size/2. */
static pc_status attach_turned(pc_param_entry *entry, int64_t size, const pc_store *store)
{
    const pc_param from = entry->param;
    int64_t rows = from.shape.dim[0];
    size_t bytes = 0;
    if (rows < 1 || size < 2 || rows % size ||
        !pc_dtype_bytes(from.dtype, (size_t)(pc_shape_count(&from.shape) / rows), &bytes)) {
        return pc_fail(PC_ERR_DATA, "the tensor '%s' has %lld rows, no multiple of the head size %lld", from.name,
                       (long long)rows, (long long)size);
    }
    pc_param_entry copy = *entry;
    copy.owned = NULL;
    copy.owned_bytes = 0;
    PC_TRY(pc_param_allocate(&copy, from.dtype));
    for (int64_t row = 0; row < rows; row++) {
        int64_t head = row / size, i = row % size, to = head * size + i / 2 + i % 2 * (size / 2);
        memcpy((char *)copy.param.data + (size_t)to * bytes, (const char *)from.data + (size_t)row * bytes, bytes);
    }
    pc_pages_free(entry->owned, entry->owned_bytes);
    pc_store_release(store, from.data, (size_t)rows * bytes); /* so that the rows are not there twice */
    *entry = copy;
    return PC_OK;
}

/* The last norm of a tower is not in the file, and nothing reads it. */
static pc_status attach_unused(pc_param_entry *entry)
{
    PC_TRY(pc_param_allocate(entry, PC_F32));
    for (int64_t i = 0; pc_ends_with(entry->param.name, ".weight") && i < pc_shape_count(&entry->param.shape); i++) {
        ((float *)entry->param.data)[i] = 1;
    }
    return PC_OK;
}

static pc_status attach_all(pc_model *model, bool turned)
{
    char name[256];
    int64_t largest = 0;
    bool swapped = is_swapped(model);
    for (size_t i = 0; i < model->params.count; i++) {
        pc_param_entry *entry = model->params.items[i];
        bool vision;
        if (!pc_gguf_name(model, entry->param.name, swapped, &vision, name, sizeof name)) {
            return pc_fail(PC_ERR_DATA, "%s: GGUF has no name for '%s'", model->path, entry->param.name);
        }
        const pc_store *store = vision ? model->tower_store : model->store;
        const pc_array *array = pc_store_find(store, name);
        if (!array && pc_starts_with(name, "v.post_ln.")) {
            PC_TRY(attach_unused(entry));
            continue;
        }
        PC_TRY(pc_store_need(&array, store, name));
        PC_TRY(pc_model_attach(entry, array));
        if (turned && !vision && is_turned(name)) {
            PC_TRY(attach_turned(entry, model->llm.info.head_size, store));
        }
        if (pc_shape_count(&entry->param.shape) > largest) {
            largest = pc_shape_count(&entry->param.shape);
            model->stored = array->dtype;
        }
    }
    return PC_OK;
}

/* --- what stands beside the weights --- */

static pc_status read_template(pc_model *model, const pc_gguf *gguf)
{
    const char *text;
    size_t length;
    PC_TRY(pc_gguf_text(&text, &length, gguf, "tokenizer.chat_template"));
    return text && length ? pc_model_recognise_template(model, text, length) : PC_OK;
}

/* Ids that end an answer. */
static pc_status read_ends(pc_model *model, const pc_gguf *gguf)
{
    static const char *const keys[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"};
    pc_json *list = pc_json_new_array();
    pc_status status = PC_OK;
    for (int i = 0; i < 2 && status == PC_OK; i++) {
        int64_t id;
        status = pc_gguf_integer(&id, gguf, keys[i], -1, 0, model->llm.info.vocabulary - 1);
        if (status == PC_OK && id >= 0) {
            status = pc_json_push(list, pc_json_new_integer(id));
        }
    }
    model->generation = pc_json_new_object();
    if (status != PC_OK) {
        pc_json_free(list);
        return status;
    }
    return pc_json_set(model->generation, "eos_token_id", list);
}

/* Mean and deviation of the pixels. */
static pc_status read_recipe(pc_model *model, const pc_gguf *gguf)
{
    static const char *const keys[] = {"clip.vision.image_mean", "clip.vision.image_std"};
    double *const to[] = {model->recipe.mean, model->recipe.std};
    PC_TRY(pc_model_usual_recipe(model));
    for (int i = 0; i < 2; i++) {
        const pc_gguf_value *array;
        PC_TRY(pc_gguf_array(&array, gguf, keys[i], PC_GGUF_F32));
        for (uint64_t c = 0; array && c < 3; c++) {
            double value = array->count == 3 ? pc_gguf_number_at(array, c) : 0;
            if (array->count != 3 || value - value != 0 || (i == 1 && !(value > 0))) {
                return pc_fail(PC_ERR_DATA, "%s: offset %zu: key '%s': expected three numbers", pc_gguf_file(gguf),
                               array->offset, keys[i]);
            }
            to[i][c] = (double)(float)value;
        }
    }
    bool grids = !pc_json_is_null(pc_json_get(model->config, "image_grid_pinpoints"));
    model->recipe.pad_square = !grids && strcmp(pc_json_get_text(model->config, "image_aspect_ratio", ""), "pad") == 0;
    return PC_OK;
}

static pc_status check_vocabulary(const pc_model *model)
{
    size_t tokens = model->tokenizer ? pc_tokenizer_size(model->tokenizer) : 0;
    return (int64_t)tokens <= model->llm.info.vocabulary
               ? PC_OK
               : pc_fail(PC_ERR_DATA, "%s: %zu tokens for %lld rows of token_embd.weight", model->path, tokens,
                         (long long)model->llm.info.vocabulary);
}

static pc_status load_file(pc_model *model, const char *path)
{
    const char *architecture;
    PC_TRY(pc_store_open(&model->store, path));
    const pc_gguf *gguf = pc_store_gguf(model->store);
    if (!gguf) {
        return pc_fail(PC_ERR_DATA, "%s: offset 0: not a GGUF file", path);
    }
    PC_TRY(pc_gguf_llm_config(model, gguf, &architecture));
    PC_TRY(pc_gguf_tokenizer(&model->tokenizer, gguf));
    PC_TRY(choose_projector(model, gguf, path));
    if (model->tower) {
        PC_TRY(open_projector(model));
    }
    model->import = pc_import_find(model->config);
    PC_TRY(model->import->configure(model, path));
    PC_TRY(attach_all(model, strcmp(architecture, "llama") == 0));
    PC_TRY(check_vocabulary(model));
    PC_TRY(read_template(model, gguf));
    PC_TRY(read_ends(model, gguf));
    if (model->tower) {
        PC_TRY(read_recipe(model, pc_store_gguf(model->tower_store)));
    }
    return model->import->finish ? model->import->finish(model, path) : PC_OK;
}

const pc_import pc_import_gguf = {
    .matches_file = matches_file,
    .load_file = load_file,
};
