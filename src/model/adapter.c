/* Adapter files of PEFT.
 *
 *   adapter_config.json          peft_type, r, lora_alpha, use_rslora, use_dora, target_modules, modules_to_save ...
 *   adapter_model.safetensors    base_model.model.<module>.lora_A.weight [r,K], .lora_B.weight [N,r],
 *                                .lora_magnitude_vector [N]; base_model.model.<parameter> for copies
 *
 * Source: huggingface/peft, docs/source/developer_guides/checkpoint.md.
 * Easy to get wrong: modules go by the names that the classes of transformers have in memory, which changed with version 4.52
 * (all spellings are read, the newest is written); rank_pattern and alpha_pattern give single layers their own numbers.
 */
#include "model/adapter.h"

#include "base/file.h"
#include "base/str.h"
#include "store/writer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const CONFIG = "adapter_config.json", *const WEIGHTS = "adapter_model.safetensors";
static const char *const PREFIX = "base_model.model.";

enum { CONFIG_LIMIT = 1 << 20, NAME = 640 };

static pc_status read_config(pc_json **out, const char *folder)
{
    char *path = pc_path_join(folder, CONFIG);
    pc_status status = path ? pc_json_read(out, path, CONFIG_LIMIT) : pc_fail_memory(0, "a path");
    pc_free(path);
    return status;
}

/* Settings that would change the result and that percept doesn't have. */
static pc_status refuse_unknown(const pc_json *json, const char *folder)
{
    static const char *const flags[] = {"fan_in_fan_out", "lora_bias", "use_qalora", "alora_invocation_tokens", "lora_ga_config",
                                        "trainable_token_indices", "layer_replication", "target_parameters", "arrow_config",
                                        "use_bdlora", "velora_config", "monteclora_config", "kasa_config"};
    const char *bias = pc_json_get_text(json, "bias", "none"), *kind = pc_json_get_text(json, "peft_type", "");
    if (strcmp(kind, "LORA") != 0) {
        return pc_fail(PC_ERR_DATA, "%s/%s: peft_type '%s': expected LORA", folder, CONFIG, kind);
    }
    if (strcmp(bias, "none") != 0) {
        return pc_fail(PC_ERR_DATA, "%s/%s: bias '%s': adapters that train biases can't be used", folder, CONFIG, bias);
    }
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        const pc_json *value = pc_json_get(json, flags[i]);
        bool off = pc_json_is_null(value) || (pc_json_is_bool(value) && !pc_json_bool(value, true)) ||
                   (!pc_json_is_bool(value) && !pc_json_is_string(value) && pc_json_length(value) == 0);
        if (!off) {
            return pc_fail(PC_ERR_DATA, "%s/%s: %s is set, which can't be used", folder, CONFIG, flags[i]);
        }
    }
    return PC_OK;
}

/* --- names --- */

/* The i-th name of a module (or parameter, with its own last word) in an adapter file. */
static bool file_name(const pc_model *model, const char *name, int i, const char *suffix, char out[NAME])
{
    char alias[512];
    if (!model->import->alias(name, i, alias, sizeof alias)) {
        return false;
    }
    size_t length = strlen(alias);
    if (*suffix && pc_ends_with(alias, ".weight")) {
        length -= strlen(".weight");
    }
    return snprintf(out, NAME, "%s%.*s%s", PREFIX, (int)length, alias, suffix) < NAME;
}

static const pc_array *find(const pc_model *model, const pc_store *store, const char *name, const char *suffix)
{
    char key[NAME];
    for (int i = 0; file_name(model, name, i, suffix, key); i++) {
        const pc_array *array = pc_store_find(store, key);
        if (array) {
            return array;
        }
    }
    return NULL;
}

/* The name in memory elsewhere: what is written. */
static pc_status module_name(const pc_model *model, const char *name, char out[512])
{
    bool fits = model->import->module ? model->import->module(name, out, 512) : snprintf(out, 512, "%s", name) < 512;
    return fits ? PC_OK : pc_fail(PC_ERR_DATA, "the parameter name '%s' is too long", name);
}

/* --- reading --- */

/* The value of a pattern table (rank_pattern, alpha_pattern) for a layer: keys are ends of module names. */
static double pattern_value(const pc_json *table, const pc_model *model, const char *name, double otherwise)
{
    char alias[512];
    for (void *it = pc_json_first(table); it; it = pc_json_next(table, it)) {
        const char *key = pc_json_key(it);
        for (int i = 0; model->import->alias(name, i, alias, sizeof alias); i++) {
            size_t length = strlen(alias) - (pc_ends_with(alias, ".weight") ? strlen(".weight") : 0), most = strlen(key);
            bool same = most <= length && memcmp(alias + length - most, key, most) == 0 &&
                        (most == length || alias[length - most - 1] == '.');
            if (same) {
                return pc_json_number(pc_json_value(it), otherwise);
            }
        }
    }
    return otherwise;
}

typedef struct reader {
    pc_adapter *adapter;
    const pc_model *model;
    const pc_store *store;
    const pc_json *json;
    size_t used; /* tensors of the file that have found their place */
} reader;

static pc_status add_layer(reader *r, const pc_param_entry *entry)
{
    pc_adapter *adapter = r->adapter;
    const char *name = entry->param.name;
    const pc_array *a = find(r->model, r->store, name, ".lora_A.weight");
    const pc_array *b = find(r->model, r->store, name, ".lora_B.weight");
    const pc_array *length = find(r->model, r->store, name, ".lora_magnitude_vector");
    if (!a && !b && !length) {
        return PC_OK;
    }
    if (!a || !b || a->ndim != 2 || !length != !adapter->config.decomposed || entry->role == PC_PARAM_OTHER) {
        return pc_fail(PC_ERR_DATA, "%s: the tensors of '%s' are no low-rank pair of a linear layer%s", pc_store_path(r->store),
                       name, adapter->config.decomposed ? " with a magnitude" : "");
    }
    pc_lora_config config = adapter->config;
    config.rank = a->dim[0];
    config.alpha = pattern_value(pc_json_get(r->json, "alpha_pattern"), r->model, name, config.alpha);
    PC_TRY(pc_adapter_add_lora(adapter, &entry->param, &config, NULL));
    r->used += length ? 3 : 2;
    return PC_OK;
}

static pc_status add_copy(reader *r, pc_param *param)
{
    if (!find(r->model, r->store, param->name, "")) {
        return PC_OK;
    }
    r->used++;
    return pc_adapter_add_whole(r->adapter, param, NULL);
}

/* PEFT writes the weights of an adapted head or embedding as they are beside the pair; others than the model's would be another
 * model. */
static pc_status check_base(reader *r, const pc_param *param)
{
    const pc_array *array = find(r->model, r->store, param->name, ".base_layer.weight");
    size_t count = (size_t)pc_shape_count(&param->shape);
    float *theirs = NULL, *ours = NULL;
    pc_status status;
    if (!array) {
        return PC_OK;
    }
    PC_TRY(pc_array_need_shape(array, param->shape.ndim, param->shape.dim));
    PC_GO(PC_NEW_ARRAY(theirs, count, "an adapter"));
    PC_GO(PC_NEW_ARRAY(ours, count, "an adapter"));
    PC_GO(pc_array_to_f32(array, theirs));
    pc_convert_to_f32(ours, param->data, param->dtype, count);
    if (memcmp(ours, theirs, count * sizeof *ours) != 0) {
        status = pc_fail(PC_ERR_DATA, "%s: '%s' is not as in the model: the adapter belongs to another one",
                         pc_store_path(r->store), array->name);
    }
    r->used++;
done:
    pc_free(theirs);
    pc_free(ours);
    return status;
}

static pc_status attach(reader *r)
{
    const pc_params *params = &r->model->params;
    for (size_t i = 0; i < params->count; i++) {
        PC_TRY(add_copy(r, &params->items[i]->param));
        PC_TRY(add_layer(r, params->items[i]));
        PC_TRY(check_base(r, &params->items[i]->param));
    }
    if (r->used < pc_store_count(r->store)) {
        return pc_fail(PC_ERR_DATA, "%s: %zu of %zu tensors belong to no layer of this model, or two to one; the first is '%s'",
                       pc_store_path(r->store), pc_store_count(r->store) - r->used, pc_store_count(r->store),
                       pc_store_at(r->store, 0)->name);
    }
    return r->used ? PC_OK : pc_fail(PC_ERR_DATA, "%s: there is no tensor", pc_store_path(r->store));
}

static pc_status get_value(const pc_model *model, const pc_store *store, const pc_param *param, const char *name,
                           const char *suffix)
{
    const pc_array *array = find(model, store, name, suffix);
    if (!array) {
        return pc_fail(PC_ERR_DATA, "%s: the tensor '%s%s' is missing", pc_store_path(store), name, suffix);
    }
    PC_TRY(pc_array_need_shape(array, param->shape.ndim, param->shape.dim));
    return pc_array_to_f32(array, param->data);
}

static pc_status get_values(pc_adapter *adapter, const pc_model *model, const pc_store *store)
{
    for (size_t i = 0; i < adapter->lora_count; i++) {
        const pc_lora *lora = &adapter->loras[i];
        const char *name = lora->weight->name;
        PC_TRY(get_value(model, store, lora->a, name, ".lora_A.weight"));
        PC_TRY(get_value(model, store, lora->b, name, ".lora_B.weight"));
        PC_TRY(lora->magnitude ? get_value(model, store, lora->magnitude, name, ".lora_magnitude_vector") : PC_OK);
    }
    for (size_t i = 0; i < adapter->whole_count; i++) {
        PC_TRY(get_value(model, store, adapter->wholes[i].own, adapter->wholes[i].own->name, ""));
    }
    return PC_OK;
}

static pc_status open_weights(pc_store **out, const char *folder)
{
    char *path = pc_path_join(folder, WEIGHTS);
    pc_status status = path ? pc_store_open(out, path) : pc_fail_memory(0, "a path");
    pc_free(path);
    return status;
}

pc_status pc_adapter_load_values(pc_adapter *adapter, const pc_model *model, const char *folder)
{
    pc_store *store = NULL;
    PC_TRY(open_weights(&store, folder));
    pc_status status = get_values(adapter, model, store);
    pc_store_free(store);
    return status;
}

static pc_status read_numbers(pc_adapter *adapter, const pc_json *json, const char *folder)
{
    pc_lora_config *config = &adapter->config;
    PC_TRY(refuse_unknown(json, folder));
    PC_TRY(pc_json_need_integer(&config->rank, json, "r", 1, 1 << 20, folder));
    config->alpha = pc_json_get_number(json, "lora_alpha", 8); /* PEFT's default */
    config->rank_stabilised = pc_json_get_bool(json, "use_rslora", false);
    config->decomposed = pc_json_get_bool(json, "use_dora", false);
    return isfinite(config->alpha) ? PC_OK : pc_fail(PC_ERR_DATA, "%s/%s: lora_alpha is not finite", folder, CONFIG);
}

static pc_status load_into(pc_adapter *adapter, const pc_model *model, const char *folder)
{
    pc_json *json = NULL;
    pc_store *store = NULL;
    pc_status status;
    PC_GO(read_config(&json, folder));
    PC_GO(read_numbers(adapter, json, folder));
    PC_GO(open_weights(&store, folder));
    reader r = {.adapter = adapter, .model = model, .store = store, .json = json};
    PC_GO(attach(&r));
    PC_GO(pc_params_own(&adapter->params));
    PC_GO(get_values(adapter, model, store));
done:
    pc_store_free(store);
    pc_json_free(json);
    return status;
}

pc_status pc_adapter_load(pc_adapter **out, const pc_model *model, const char *folder)
{
    *out = NULL;
    PC_TRY(PC_NEW(*out, "an adapter"));
    (*out)->name = pc_strdup(pc_path_base(folder));
    pc_status status = (*out)->name ? load_into(*out, model, folder) : pc_fail_memory(strlen(folder), "a name");
    if (status != PC_OK) {
        pc_adapter_free(*out);
        *out = NULL;
    }
    return status;
}

pc_status pc_adapter_create(pc_adapter **out, const pc_model *model, const pc_lora_config *config,
                            const pc_adapter_choice *choice, uint64_t seed)
{
    *out = NULL;
    PC_TRY(PC_NEW(*out, "an adapter"));
    (*out)->config = *config;
    pc_status status = pc_adapter_choose(*out, &model->params, choice);
    status = status == PC_OK ? pc_adapter_initialise(*out, seed) : status;
    if (status != PC_OK) {
        pc_adapter_free(*out);
        *out = NULL;
    }
    return status;
}

/* --- writing --- */

typedef struct output {
    const pc_model *model;
    pc_store_writer *writer;
    pc_dtype dtype;
    bool values; /* second pass: values, after all are declared */
} output;

/* One parameter; its own name is <stem><suffix>, which becomes PREFIX <module of the stem> <suffix>. */
static pc_status write_param(const output *o, const pc_param *param, const char *base, const char *suffix)
{
    char module[512], name[NAME];
    PC_TRY(module_name(o->model, base, module));
    size_t length = strlen(module) - (*suffix && pc_ends_with(module, ".weight") ? strlen(".weight") : 0);
    snprintf(name, sizeof name, "%s%.*s%s", PREFIX, (int)length, module, suffix);
    return o->values ? pc_store_writer_put_f32(o->writer, name, param->data, pc_shape_count(&param->shape))
                     : pc_store_writer_declare(o->writer, name, o->dtype, param->shape.ndim, param->shape.dim);
}

static pc_status write_all(const output *o, const pc_adapter *adapter)
{
    for (size_t i = 0; i < adapter->lora_count; i++) {
        const pc_lora *lora = &adapter->loras[i];
        PC_TRY(write_param(o, lora->a, lora->weight->name, ".lora_A.weight"));
        PC_TRY(write_param(o, lora->b, lora->weight->name, ".lora_B.weight"));
        PC_TRY(lora->magnitude ? write_param(o, lora->magnitude, lora->weight->name, ".lora_magnitude_vector") : PC_OK);
    }
    for (size_t i = 0; i < adapter->whole_count; i++) {
        PC_TRY(write_param(o, adapter->wholes[i].own, adapter->wholes[i].instead->name, ""));
    }
    return PC_OK;
}

pc_status pc_adapter_save_weights(const pc_adapter *adapter, const pc_model *model, const char *folder, pc_dtype dtype)
{
    output o = {.model = model, .dtype = dtype};
    char *path = pc_path_join(folder, WEIGHTS);
    pc_status status;
    PC_GO(path ? pc_store_writer_new(&o.writer, path, 0) : pc_fail_memory(0, "a path"));
    PC_GO(pc_store_writer_set_metadata(o.writer, "format", "pt"));
    PC_GO(write_all(&o, adapter));
    o.values = true;
    PC_GO(write_all(&o, adapter));
    PC_GO(pc_store_writer_finish(o.writer));
done:
    pc_store_writer_free(o.writer);
    pc_free(path);
    return status;
}

/* Names of whole modules, so that nothing else is adapted where the file is opened. */
static pc_status push_module(pc_json *list, const pc_model *model, const char *name)
{
    char module[512];
    PC_TRY(module_name(model, name, module));
    char *dot = strrchr(module, '.');
    if (dot) {
        *dot = 0;
    }
    for (size_t i = 0; i < pc_json_length(list); i++) {
        if (strcmp(pc_json_text(pc_json_at(list, i)), module) == 0) {
            return PC_OK;
        }
    }
    return pc_json_push(list, pc_json_new_text(module));
}

static pc_status set_modules(pc_json *json, const pc_adapter *adapter, const pc_model *model)
{
    pc_json *targets = pc_json_new_array(), *wholes = pc_json_new_array();
    pc_status status;
    for (size_t i = 0; i < adapter->lora_count; i++) {
        PC_GO(push_module(targets, model, adapter->loras[i].weight->name));
    }
    for (size_t i = 0; i < adapter->whole_count; i++) {
        PC_GO(push_module(wholes, model, adapter->wholes[i].instead->name));
    }
    status = pc_json_set(json, "target_modules", targets);
    targets = NULL;
    if (status == PC_OK && pc_json_length(wholes)) {
        status = pc_json_set(json, "modules_to_save", wholes);
        wholes = NULL;
    }
done:
    pc_json_free(targets);
    pc_json_free(wholes);
    return status;
}

static pc_status describe(pc_json *json, const pc_adapter *adapter, const pc_model *model, const char *base)
{
    const pc_lora_config *config = &adapter->config;
    const char *model_path = base ? base : model->path ? model->path : "";
    PC_TRY(pc_json_set(json, "peft_type", pc_json_new_text("LORA")));
    PC_TRY(pc_json_set(json, "task_type", pc_json_new_text("CAUSAL_LM")));
    PC_TRY(pc_json_set(json, "base_model_name_or_path", pc_json_new_text(model_path)));
    PC_TRY(pc_json_set(json, "r", pc_json_new_integer(config->rank)));
    PC_TRY(pc_json_set(json, "lora_alpha", pc_json_new_number(config->alpha)));
    PC_TRY(pc_json_set(json, "lora_dropout", pc_json_new_number(0)));
    PC_TRY(pc_json_set(json, "use_rslora", pc_json_new_bool(config->rank_stabilised)));
    PC_TRY(pc_json_set(json, "use_dora", pc_json_new_bool(config->decomposed)));
    PC_TRY(pc_json_set(json, "bias", pc_json_new_text("none")));
    PC_TRY(pc_json_set(json, "fan_in_fan_out", pc_json_new_bool(false)));
    PC_TRY(pc_json_set(json, "inference_mode", pc_json_new_bool(true)));
    return set_modules(json, adapter, model);
}

pc_status pc_adapter_save(const pc_adapter *adapter, const pc_model *model, const char *folder, const char *base,
                          pc_dtype dtype)
{
    PC_TRY(pc_make_directories(folder));
    pc_json *json = pc_json_new_object();
    char *path = pc_path_join(folder, CONFIG);
    pc_status status = json && path ? describe(json, adapter, model, base) : pc_fail_memory(0, "an adapter's configuration");
    status = status == PC_OK ? pc_json_write_file(path, json, 2) : status;
    pc_json_free(json);
    pc_free(path);
    return status == PC_OK ? pc_adapter_save_weights(adapter, model, folder, dtype) : status;
}
